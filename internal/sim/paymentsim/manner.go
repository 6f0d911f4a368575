package paymentsim

import (
	"net/http"
	"time"
)

// Operation is what a call wants.
type Operation string

// The operations that can be scripted. LookUp is every call that changes nothing.
const (
	Authorise Operation = "authorise"
	Capture   Operation = "capture"
	Void      Operation = "void"
	Refunds   Operation = "refund"
	Disputes  Operation = "dispute"
	LookUp    Operation = "look_up"
)

// Fault is how a call goes wrong.
type Fault string

// The faults of a call.
const (
	AnswerLost  Fault = "answer_lost"  // applied, then hung up
	Dropped     Fault = "dropped"      // not applied, hung up
	FailsDone   Fault = "fails_done"   // applied, and 500 to this and to every repeat of its key
	FailsUndone Fault = "fails_undone" // not applied, and 500 likewise
	Broken      Fault = "broken"       // not applied, 502 of something in between
	Limited     Fault = "limited"      // not applied, 429 with Retry-After: 1
	InProgress  Fault = "in_progress"  // not applied, 409: the first request with the key is at work
	Slow        Fault = "slow"         // applied, answered after Delay
)

// Script makes the next calls of an operation go wrong. Scripts of one operation follow each other in
// the order in which they were given.
type Script struct {
	Operation Operation
	// About limits it to one payment, payment method or dispute; empty: any.
	About string
	Fault Fault
	Times int
	Delay time.Duration // for Slow
}

// Script adds a script.
func (s *Server) Script(script Script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts = append(s.scripts, &script)
}

func (s *Server) nextFault(operation Operation, about string) Script {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, next := range s.scripts {
		if next.Operation == operation && next.Times > 0 && (next.About == "" || next.About == about) {
			next.Times--
			return *next
		}
	}
	return Script{}
}

// early plays the faults that leave nothing in the books, and hangs up where nobody is answered.
func (s *Server) early(w http.ResponseWriter, _ *http.Request, fault Script) bool {
	switch fault.Fault {
	case Dropped:
		panic(http.ErrAbortHandler)
	case Limited:
		w.Header().Set("Retry-After", "1")
		send(w, http.StatusTooManyRequests, (&refusal{kind: "invalid_request_error", code: "rate_limit"}).body())
	case InProgress:
		send(w, http.StatusConflict, (&refusal{kind: "idempotency_error", code: "idempotency_key_in_use"}).body())
	case Broken:
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("<html>bad gateway</html>"))
	default:
		return false
	}
	return true
}

// hesitate plays the faults of the way back.
func (s *Server) hesitate(r *http.Request, fault Script) {
	switch fault.Fault {
	case AnswerLost:
		panic(http.ErrAbortHandler)
	case Slow:
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
		case <-s.lifetime.Done():
		}
	}
}

// Manner is how the customer's bank behaves with one payment method. The zero Manner is a good bank:
// it authorises, lets capture, and takes refunds at once.
type Manner struct {
	// Decline and DeclineCapture are the bank's codes; empty: it agrees.
	Decline, DeclineCapture string
	// RefundsPend leaves refunds pending, until RefundsAfter if that is not zero; and RefundsFail is why
	// they then fail; empty: they succeed.
	RefundsPend  bool
	RefundsAfter time.Duration
	RefundsFail  string
}

// SetManner scripts the bank behind a payment method, for what is still to come.
func (s *Server) SetManner(method string, m Manner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manners[method] = m
}
