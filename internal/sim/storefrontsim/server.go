// Package storefrontsim is a storefront as a real HTTP server with books of its own: it receives
// what Dropline tells it, makes refunds, fails as scripted, and sends Shopify-shaped webhooks.
package storefrontsim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/dropline/dropline/internal/money"
)

// Operation is one of the things a storefront is told.
type Operation string

// The operations, named like the last part of their paths.
const (
	Fulfillments  Operation = "fulfillments"
	Cancellations Operation = "cancellations"
	Refunds       Operation = "refunds"
	StoreCredits  Operation = "store_credits"
	// RefundNotices tell of refunds that somebody else made.
	RefundNotices Operation = "refund_notices"
)

// Fault is how a call goes wrong.
type Fault string

// The faults that can be scripted.
const (
	// AnswerLost applies the call and then hangs up.
	AnswerLost Fault = "answer_lost"
	// Unavailable answers 503 with Retry-After: 1 and applies nothing.
	Unavailable Fault = "unavailable"
	// Slow applies the call and answers after a delay.
	Slow Fault = "slow"
	// Refused answers 422 and applies nothing.
	Refused Fault = "refused"
)

// Config of a simulated storefront.
type Config struct {
	// Token is the bearer token that callers must show; empty lets everyone in.
	Token string
	// Gateway is where webhooks go, without a path.
	Gateway string
	// Storefront is the name under which the gateway knows this storefront.
	Storefront string
	// Secret signs the webhooks.
	Secret string
	// Attempts bounds how often one webhook is delivered until it is answered 2xx; zero means 8,
	// which is what Shopify promises.
	Attempts int
	// Retry is the wait before the second attempt, doubled before each further one up to a second;
	// zero means 20 ms.
	Retry time.Duration
}

// Notice is one thing the storefront was told, as it stands in its books.
type Notice struct {
	Operation Operation
	Key       string // idempotency key
	Order     string
	Carrier   string
	Tracking  string
	Amount    int64 // minor units
	Currency  string
	Reason    string
	Lines     []Line
	Reference string
	At        time.Time
	// Refund, Try and Standing are of a refund that somebody else made.
	Refund   string
	Try      int
	Standing string
}

// Line is a quantity of an order line.
type Line struct {
	Line     int   `json:"line"`
	Quantity int64 `json:"quantity"`
}

type script struct {
	operation Operation
	fault     Fault
	times     int
	delay     time.Duration
}

// Server is a running storefront.
type Server struct {
	config   Config
	server   *http.Server
	url      string
	client   *http.Client
	lifetime context.Context
	end      context.CancelFunc
	running  sync.WaitGroup

	mu        sync.Mutex
	scripts   []*script
	notices   []Notice
	answers   map[string]answer // by operation and idempotency key
	repeats   map[string]int    // likewise: calls after the first
	conflicts int
	changed   chan struct{}
}

type answer struct {
	fingerprint string
	body        []byte
}

// Start listens on a free port of the loopback interface.
func Start(c Config) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the storefront: %w", err)
	}
	if c.Attempts == 0 {
		c.Attempts = 8
	}
	if c.Retry == 0 {
		c.Retry = 20 * time.Millisecond
	}
	s := &Server{
		config:  c,
		url:     "http://" + listener.Addr().String(),
		client:  &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}},
		answers: map[string]answer{},
		repeats: map[string]int{},
		changed: make(chan struct{}),
	}
	s.lifetime, s.end = context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{order}/{operation}", s.receive)
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	s.running.Go(func() { _ = s.server.Serve(listener) })
	return s, nil
}

// URL is the base URL to push to.
func (s *Server) URL() string { return s.url }

// Close hangs up on everyone and returns when nothing of the server runs any more.
func (s *Server) Close() {
	s.end()
	_ = s.server.Close()
	s.client.CloseIdleConnections()
	s.running.Wait()
}

// Script makes the next calls of an operation go wrong. Scripts of one operation follow each other
// in the order in which they were given. delay is for Slow.
func (s *Server) Script(operation Operation, fault Fault, times int, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts = append(s.scripts, &script{operation: operation, fault: fault, times: times, delay: delay})
}

func (s *Server) nextFault(operation Operation) script {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, next := range s.scripts {
		if next.operation == operation && next.times > 0 {
			next.times--
			return *next
		}
	}
	return script{}
}

func (s *Server) receive(w http.ResponseWriter, r *http.Request) {
	operation := Operation(r.PathValue("operation"))
	if !slices.Contains([]Operation{Fulfillments, Cancellations, Refunds, StoreCredits, RefundNotices}, operation) {
		refuse(w, http.StatusNotFound, "no such operation")
		return
	}
	if s.config.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.config.Token {
		refuse(w, http.StatusUnauthorized, "wrong token")
		return
	}
	fault := s.nextFault(operation)
	switch fault.fault {
	case Unavailable:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "come back later")
		return
	case Refused:
		refuse(w, http.StatusUnprocessableEntity, "refused")
		return
	}
	status, body := s.apply(operation, r)
	switch fault.fault {
	case AnswerLost:
		panic(http.ErrAbortHandler)
	case Slow:
		select {
		case <-time.After(fault.delay):
		case <-r.Context().Done():
		case <-s.lifetime.Done():
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": message})
}

// apply enters a call in the books, once per key.
func (s *Server) apply(operation Operation, r *http.Request) (int, []byte) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	key := r.Header.Get("Idempotency-Key")
	if err != nil || key == "" {
		return http.StatusBadRequest, []byte(`{"error":"no body or no Idempotency-Key"}`)
	}
	sum := sha256.Sum256(append([]byte(r.URL.Path+"\n"), raw...))
	fingerprint := hex.EncodeToString(sum[:])

	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.announce()
	id := string(operation) + " " + key
	if known, found := s.answers[id]; found {
		if known.fingerprint != fingerprint {
			s.conflicts++
			return http.StatusConflict, []byte(`{"error":"the key was used for something else"}`)
		}
		s.repeats[id]++
		return http.StatusOK, known.body
	}
	n := Notice{Operation: operation, Key: key, Order: r.PathValue("order"), At: time.Now().UTC()}
	body, err := s.enter(&n, raw)
	if err != nil {
		return http.StatusUnprocessableEntity, []byte(`{"error":"unreadable notice"}`)
	}
	s.notices = append(s.notices, n)
	s.answers[id] = answer{fingerprint, body}
	return http.StatusOK, body
}

func (s *Server) enter(n *Notice, raw []byte) ([]byte, error) {
	var document struct {
		Carrier, Tracking, Amount, Currency, Reason string
		Refund, Standing                            string
		Try                                         int
		Lines                                       []Line
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		return nil, fmt.Errorf("read the notice: %w", err)
	}
	n.Carrier, n.Tracking = document.Carrier, document.Tracking
	n.Reason, n.Lines, n.Currency = document.Reason, document.Lines, document.Currency
	n.Reference = string(n.Operation) + "-" + strconv.Itoa(len(s.notices)+1)
	n.Refund, n.Try, n.Standing = document.Refund, document.Try, document.Standing
	if n.Operation == Refunds || n.Operation == StoreCredits || n.Operation == RefundNotices {
		amount, err := money.Parse(document.Amount, document.Currency)
		if err != nil {
			return nil, fmt.Errorf("read the amount: %w", err)
		}
		n.Amount = amount.Minor
	}
	return json.Marshal(map[string]any{
		"reference": n.Reference, "at": n.At, "amount": document.Amount, "currency": document.Currency,
	})
}

// announce wakes everyone who waits for a change of the books. The lock must be held.
func (s *Server) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}
