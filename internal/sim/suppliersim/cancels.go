package suppliersim

import (
	"encoding/json"
	"net/http"

	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// asking is what cancellations and intercepts have apart.
type asking struct {
	endpoint   string
	script     func(Manner) CancelManner
	entries    func(*Order) *[]Request
	impossible func(*Order, []wire.ShippedLine) string // the reason why no manner can accept it, or none
	apply      func(*Order, []wire.ShippedLine)
}

var cancelling = asking{
	endpoint:   "cancel",
	script:     func(m Manner) CancelManner { return m.Cancel },
	entries:    func(o *Order) *[]Request { return &o.Cancellations },
	impossible: (*Order).cannotGiveBack,
	apply:      (*Order).giveBack,
}

var intercepting = asking{
	endpoint:   "intercept",
	script:     func(m Manner) CancelManner { return m.Intercept },
	entries:    func(o *Order) *[]Request { return &o.Intercepts },
	impossible: (*Order).cannotIntercept,
	apply: func(o *Order, asked []wire.ShippedLine) {
		for _, parcel := range o.parcelsOf(asked) {
			parcel.Intercepted = true
		}
	},
}

func (s *Server) cancel(w http.ResponseWriter, r *http.Request, p *party) {
	s.answer(w, r, p, cancelling)
}

func (s *Server) intercept(w http.ResponseWriter, r *http.Request, p *party) {
	s.answer(w, r, p, intercepting)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, p *party, kind asking) {
	var request wire.Cancellation
	if json.NewDecoder(r.Body).Decode(&request) != nil || request.Key == "" || !countable(request.Lines) {
		problem(w, http.StatusBadRequest, wire.CodeMalformed, "want a key, and of each line at most one quantity")
		return
	}
	number := r.PathValue("number")
	o, known := s.Books.Order(p.name, number)
	m := s.manner(p, number, o.Lines)
	script := kind.script(m)
	attempt := s.attempt(p, kind.endpoint, number)
	if script.Mode == CancelError && (script.Times == 0 || attempt < script.Times) {
		problem(w, http.StatusInternalServerError, "internal", "something went wrong")
		return
	}
	if !known && kind.endpoint == intercepting.endpoint {
		notFound(w)
		return
	}
	entry, news, taken := s.record(p, m, kind, number, request)
	switch {
	case !taken:
		notFound(w)
		return
	case news && entry.Outcome == "pending" && script.Mode == CancelPending:
		s.after(script.Delay, func() { s.resolve(p, m, kind, number, entry.Key) })
	case news && entry.Outcome == "accepted" && kind.endpoint == cancelling.endpoint:
		s.afterCancel(p, m, number)
	}
	if entry.Received <= script.LoseAnswer {
		reset(w)
		return
	}
	write(w, http.StatusOK, wire.Answer{Outcome: entry.Outcome, At: entry.At, Reason: entry.Reason})
}

// record enters a request into the books. taken is false when the supplier does not hold the
// order; a cancellation then fences the number against an order that is still on its way.
func (s *Server) record(p *party, m Manner, kind asking, number string, request wire.Cancellation) (entry Request, news, taken bool) {
	s.Books.write(p.name, number, func(o *Order) {
		if taken = o.taken(); !taken {
			o.Fenced = true
			return
		}
		entries := kind.entries(o)
		for i := range *entries {
			if (*entries)[i].Key == request.Key {
				(*entries)[i].Received++
				entry = (*entries)[i]
				return
			}
		}
		news = true
		entry = Request{Key: request.Key, Lines: request.Lines, Received: 1, At: m.now()}
		entry.Outcome, entry.Reason = decide(o, kind, entry.Lines, kind.script(m), kind.script(m).Mode)
		if entry.Outcome == "accepted" {
			kind.apply(o, entry.Lines)
		}
		*entries = append(*entries, entry)
	})
	return entry, news, taken
}

func decide(o *Order, kind asking, asked []wire.ShippedLine, script CancelManner, mode CancelMode) (outcome, reason string) {
	impossible := kind.impossible(o, asked)
	switch {
	case impossible != "":
		return "rejected", impossible
	case mode == CancelPending || mode == CancelPendingNever:
		return "pending", ""
	case mode == CancelReject && script.Reason != "":
		return "rejected", script.Reason
	case mode == CancelReject:
		return "rejected", "too_late"
	default:
		return "accepted", ""
	}
}

// resolve gives the answer that a pending request had been promised.
func (s *Server) resolve(p *party, m Manner, kind asking, number, key string) {
	var answered Request
	s.Books.write(p.name, number, func(o *Order) {
		entries := *kind.entries(o)
		for i := range entries {
			if entries[i].Key != key {
				continue
			}
			entries[i].Outcome, entries[i].Reason = decide(o, kind, entries[i].Lines, kind.script(m), kind.script(m).Answer)
			entries[i].At = m.now()
			if entries[i].Outcome == "accepted" {
				kind.apply(o, entries[i].Lines)
			}
			answered = entries[i]
		}
	})
	s.tell(p, m, wire.TypeCancellationAnswered, s.id(p, kind.endpoint, number), number, wire.CancellationAnswered{
		PO: number, Key: key, At: answered.At, Outcome: answered.Outcome, Reason: answered.Reason,
	})
	if answered.Outcome == "accepted" && kind.endpoint == cancelling.endpoint {
		s.afterCancel(p, m, number)
	}
}

// afterCancel plays what a supplier does that ignores its own cancellation.
func (s *Server) afterCancel(p *party, m Manner, number string) {
	if m.Ack.LateAfterCancel {
		s.after(m.Ack.Delay, func() { s.sendAck(p, m, number, m.Ack.Content, true) })
	}
	if m.Ship.AfterCancel {
		o, _ := s.Books.Order(p.name, number)
		s.after(m.Ship.Delay, func() { s.ship(p, m, number, whole(o.Lines)) })
	}
}
