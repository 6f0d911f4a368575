// Package paymentsim is a payment provider as a real HTTP server, shaped like Stripe, with books of its
// own: payments, refunds, disputes and the transactions that move its balance. It fails as scripted, and
// tells of what happens by signed webhooks.
package paymentsim

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Config of a simulated provider.
type Config struct {
	// SecretKey is the bearer token that callers must show; empty lets everyone in.
	SecretKey string
	// Gateway is where webhooks go, without a path; empty: nobody is told.
	Gateway string
	// Storefront is the name under which the gateway knows whose account this is.
	Storefront string
	// WebhookSecrets sign the webhooks, all of them, as a provider does while one replaces another.
	WebhookSecrets []string
	// Attempts bounds how often one webhook is delivered until it is answered 2xx; zero means 8.
	Attempts int
	// Retry is the wait before the second attempt, doubled before each further one up to a second;
	// zero means 20 ms.
	Retry time.Duration
	// FeeBP of what is captured, and FeeFixed for each capture, in minor units, are kept; DisputeFee
	// for each dispute.
	FeeBP, FeeFixed, DisputeFee int64
	// HoldFor is how long an authorisation lasts; zero means 7 days.
	HoldFor time.Duration
	// Now is the provider's clock; nil means the machine's.
	Now func() time.Time
}

// Server is a running provider.
type Server struct {
	config   Config
	server   *http.Server
	url      string
	client   *http.Client
	lifetime context.Context
	end      context.CancelFunc
	running  sync.WaitGroup

	mu           sync.Mutex
	ids          int
	scripts      []*Script
	manners      map[string]Manner // by payment method
	payments     map[string]*pay
	order        []string // the payments' references as they came
	refunds      map[string]*Refund
	disputes     map[string]*Dispute
	transactions []Transaction
	answers      map[string]answer // by idempotency key
	repeats      map[string]int
	conflicts    int
	post         postbox
	changed      chan struct{}
}

// answer is kept for the repeats of its key.
type answer struct {
	asked  string
	status int
	body   []byte
}

// Start listens on a free port of the loopback interface.
func Start(c Config) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the payment provider: %w", err)
	}
	if c.Attempts == 0 {
		c.Attempts = 8
	}
	if c.Retry == 0 {
		c.Retry = 20 * time.Millisecond
	}
	if c.HoldFor == 0 {
		c.HoldFor = 7 * 24 * time.Hour
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{
		config: c, url: "http://" + listener.Addr().String(),
		client:  &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}},
		manners: map[string]Manner{}, payments: map[string]*pay{}, refunds: map[string]*Refund{}, disputes: map[string]*Dispute{},
		answers: map[string]answer{}, repeats: map[string]int{}, changed: make(chan struct{}),
	}
	s.post.wake = make(chan struct{}, 1)
	s.lifetime, s.end = context.WithCancel(context.Background())
	s.server = &http.Server{Handler: s.routes(), ReadHeaderTimeout: 5 * time.Second}
	s.running.Go(func() { _ = s.server.Serve(listener) })
	s.running.Go(s.deliverAll)
	return s, nil
}

// URL is the base URL of the API.
func (s *Server) URL() string { return s.url }

// Close hangs up on everyone and returns when nothing of the server runs any more.
func (s *Server) Close() {
	s.end()
	_ = s.server.Close()
	s.client.CloseIdleConnections()
	s.running.Wait()
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/payment_intents", s.write(Authorise, s.authorise))
	mux.HandleFunc("POST /v1/payment_intents/{id}/capture", s.write(Capture, s.capture))
	mux.HandleFunc("POST /v1/payment_intents/{id}/cancel", s.write(Void, s.void))
	mux.HandleFunc("POST /v1/refunds", s.write(Refunds, s.refund))
	mux.HandleFunc("POST /v1/disputes/{id}", s.write(Disputes, s.answerDispute))
	mux.HandleFunc("GET /v1/payment_intents/{id}", s.read(s.showPayment))
	mux.HandleFunc("GET /v1/disputes/{id}", s.read(s.showDispute))
	mux.HandleFunc("GET /v1/refunds/{id}", s.read(s.showRefund))
	mux.HandleFunc("GET /v1/refunds", s.read(s.listRefunds))
	mux.HandleFunc("GET /v1/balance_transactions", s.read(s.listTransactions))
	return mux
}

// request is what a call asks for.
type request struct {
	id   string
	form url.Values
}

// refusal is an answer that is no success, in the provider's words.
type refusal struct {
	status              int
	kind, code, decline string
	payment             map[string]any
}

func invalid(code string) *refusal {
	return &refusal{status: http.StatusBadRequest, kind: "invalid_request_error", code: code}
}

var notFound = &refusal{status: http.StatusNotFound, kind: "invalid_request_error", code: "resource_missing"}

func (r *refusal) body() map[string]any {
	said := map[string]any{"type": r.kind, "message": "refused"}
	for name, value := range map[string]string{"code": r.code, "decline_code": r.decline} {
		if value != "" {
			said[name] = value
		}
	}
	if r.payment != nil {
		said["payment_intent"] = r.payment
	}
	return map[string]any{"error": said}
}

func (s *Server) admitted(w http.ResponseWriter, r *http.Request) bool {
	if s.config.SecretKey == "" || r.Header.Get("Authorization") == "Bearer "+s.config.SecretKey {
		return true
	}
	send(w, http.StatusUnauthorized, (&refusal{kind: "invalid_request_error"}).body())
	return false
}

func (s *Server) read(show func(request) (any, *refusal)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.admitted(w, r) {
			return
		}
		fault := s.nextFault(LookUp, r.PathValue("id"))
		if s.early(w, r, fault) {
			return
		}
		s.mu.Lock()
		shown, refused := show(request{r.PathValue("id"), r.URL.Query()})
		s.mu.Unlock()
		if refused != nil {
			send(w, refused.status, refused.body())
			return
		}
		send(w, http.StatusOK, shown)
	}
}

// write does a change once per idempotency key.
func (s *Server) write(operation Operation, do func(request) (any, *refusal)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.admitted(w, r) {
			return
		}
		if r.ParseForm() != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			send(w, http.StatusBadRequest, invalid("parameter_invalid_empty").body())
			return
		}
		about := r.PathValue("id")
		if about == "" {
			about = r.PostForm.Get("payment_intent") + r.PostForm.Get("payment_method")
		}
		fault := s.nextFault(operation, about)
		if s.early(w, r, fault) {
			return
		}
		given, replayed := s.once(r, fault, do)
		s.hesitate(r, fault)
		if replayed {
			w.Header().Set("Idempotent-Replayed", "true")
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(given.status)
		_, _ = w.Write(given.body)
	}
}

// once answers a key that was there as it was answered before.
func (s *Server) once(r *http.Request, fault Script, do func(request) (any, *refusal)) (given answer, replayed bool) {
	key := r.Header.Get("Idempotency-Key")
	asked := r.URL.Path + "?" + r.PostForm.Encode()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.announce()
	if known, found := s.answers[key]; found && key != "" {
		if known.asked != asked {
			s.conflicts++
			conflict := &refusal{status: http.StatusBadRequest, kind: "idempotency_error"}
			return answer{status: conflict.status, body: encode(conflict.body())}, false
		}
		s.repeats[key]++
		return known, true
	}
	given = answer{asked: asked, status: http.StatusOK}
	if fault.Fault != FailsUndone {
		done, refused := do(request{r.PathValue("id"), r.PostForm})
		given.body = encode(done)
		if refused != nil {
			given.status, given.body = refused.status, encode(refused.body())
		}
	}
	if fault.Fault == FailsDone || fault.Fault == FailsUndone {
		given.status, given.body = http.StatusInternalServerError, encode((&refusal{kind: "api_error"}).body())
	}
	if key != "" {
		s.answers[key] = given
	}
	return given, false
}

func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return body
}

func send(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encode(body))
}

// nextID makes an id of the provider's. The lock must be held.
func (s *Server) nextID(prefix string) string {
	s.ids++
	return fmt.Sprintf("%s_%s%06d", prefix, strings.ReplaceAll(s.config.Storefront, "-", ""), s.ids)
}

func (s *Server) now() time.Time { return s.config.Now().UTC().Truncate(time.Second) }

// announce wakes everyone who waits for a change of the books. The lock must be held.
func (s *Server) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}
