package suppliersim

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// maxBody is the largest request that a supplier reads.
const maxBody = 1 << 20

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /suppliers/{supplier}/purchase-orders", s.authorised(s.submit))
	mux.HandleFunc("GET /suppliers/{supplier}/purchase-orders/{number}", s.authorised(s.lookUp))
	mux.HandleFunc("POST /suppliers/{supplier}/purchase-orders/{number}/cancellations", s.authorised(s.cancel))
	mux.HandleFunc("POST /suppliers/{supplier}/purchase-orders/{number}/intercepts", s.authorised(s.intercept))
	mux.HandleFunc("POST /suppliers/{supplier}/returns", s.authorised(s.authoriseReturn))
	mux.HandleFunc("GET /books", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, s.Books.Snapshot())
	})
	mux.HandleFunc("PUT /manners/{supplier}", s.putManner)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.life.Lock()
		if s.closed {
			s.life.Unlock()
			panic(http.ErrAbortHandler)
		}
		s.work.Add(1)
		s.life.Unlock()
		defer s.work.Done()
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		mux.ServeHTTP(w, r)
	})
}

// putManner sets a manner for the supplier, or for ?sku= or ?po= of it.
func (s *Server) putManner(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		problem(w, http.StatusBadRequest, wire.CodeMalformed, "the body broke off or is too large")
		return
	}
	m, err := ParseManner(text)
	if err != nil {
		problem(w, http.StatusBadRequest, wire.CodeMalformed, err.Error())
		return
	}
	name, query := r.PathValue("supplier"), r.URL.Query()
	switch {
	case query.Has("po"):
		err = s.SetMannerForPO(name, query.Get("po"), m)
	case query.Has("sku"):
		err = s.SetMannerForSKU(name, query.Get("sku"), m)
	default:
		err = s.SetManner(name, m)
	}
	if err != nil {
		problem(w, http.StatusNotFound, "not_found", err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) authorised(handle func(http.ResponseWriter, *http.Request, *party)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		p, found := s.parties[r.PathValue("supplier")]
		s.mu.Unlock()
		if !found {
			problem(w, http.StatusNotFound, "not_found", "no such supplier is played here")
			return
		}
		token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !bearer || subtle.ConstantTimeCompare([]byte(token), []byte(p.Token)) != 1 {
			problem(w, http.StatusUnauthorized, wire.CodeUnauthorized, "the bearer token is not the issued one")
			return
		}
		handle(w, r, p)
	}
}

func (s *Server) submit(w http.ResponseWriter, r *http.Request, p *party) {
	document, lines, reason := readPurchaseOrder(r)
	if reason != "" {
		problem(w, http.StatusBadRequest, wire.CodeMalformed, reason)
		return
	}
	m := s.manner(p, document.Number, lines)
	play := fault(m.Submit, s.attempt(p, "submit", document.Number))
	apply := func() { s.enter(w, p, m, document, lines) }
	s.befall(w, r, play, apply, func() {
		s.enter(discard{}, p, m, document, lines)
	})
}

// befall answers a request as the fault wants it: answer applies the request and answers it,
// apply does so without a word.
func (s *Server) befall(w http.ResponseWriter, r *http.Request, f *Fault, answer, apply func()) {
	if f == nil {
		answer()
		return
	}
	if f.Applied || f.Kind == FaultDropAfterApply {
		apply()
	}
	switch f.Kind {
	case FaultDropBeforeApply, FaultDropAfterApply:
		reset(w)
	case FaultRespond500:
		problem(w, http.StatusInternalServerError, "internal", "something went wrong")
	case FaultRespond429:
		retryLater(w, http.StatusTooManyRequests, wire.CodeRateLimited, f.RetryAfter)
	case FaultRespond503:
		retryLater(w, http.StatusServiceUnavailable, wire.CodeUnavailable, f.RetryAfter)
	case FaultRefuse:
		code := f.Code
		if code == "" {
			code = wire.CodeOutOfStock
		}
		problem(w, http.StatusUnprocessableEntity, code, "the purchase order is refused")
	case FaultErrorBody:
		write(w, http.StatusOK, map[string]any{"error": map[string]string{"message": "internal failure"}})
	case FaultSilent:
		s.stayMute(r, f.Delay.span())
		reset(w)
	case FaultSlow:
		if s.pause(f.Delay.span()) {
			answer()
		}
	}
}

// stayMute waits until the client gives up.
func (s *Server) stayMute(r *http.Request, longest time.Duration) {
	if longest == 0 {
		longest = 30 * time.Second
	}
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	case <-s.ctx.Done():
	}
}

func (s *Server) lookUp(w http.ResponseWriter, r *http.Request, p *party) {
	number := r.PathValue("number")
	o, _ := s.Books.Order(p.name, number)
	m := s.manner(p, number, o.Lines)
	answer := func() {
		o, found := s.Books.Order(p.name, number)
		if !found || !o.taken() {
			notFound(w)
			return
		}
		standing := wire.Standing{Number: number, Receipt: o.receipt(), Cancelled: o.Cancelled, Shipments: []wire.Shipment{}}
		for _, parcel := range o.Parcels {
			if parcel.Noticed {
				standing.Shipments = append(standing.Shipments, parcel.Shipment)
			}
		}
		write(w, http.StatusOK, standing)
	}
	s.befall(w, r, fault(m.LookUp, s.attempt(p, "look_up", number)), answer, func() {})
}

func (o *Order) receipt() wire.Receipt {
	receipt := wire.Receipt{Reference: o.Reference, ReceivedAt: o.ReceivedAt}
	if len(o.Acks) > 0 {
		receipt.Acknowledgment = &o.Acks[len(o.Acks)-1]
	}
	return receipt
}

// readPurchaseOrder reads a document and checks it as a careful supplier would; reason says what
// is wrong with it.
func readPurchaseOrder(r *http.Request) (document wire.PurchaseOrder, lines []Line, reason string) {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&document); err != nil {
		return document, nil, "the body is not a purchase order"
	}
	to := document.ShipTo
	switch {
	case document.Number == "" || r.Header.Get("Idempotency-Key") != document.Number:
		return document, nil, "number and Idempotency-Key differ"
	case document.OrderedAt.IsZero() || len(document.Lines) == 0:
		return document, nil, "ordered_at or lines are missing"
	case to.Name == "" || to.Street1 == "" || to.City == "" || len(to.Country) != 2:
		return document, nil, "ship_to is incomplete"
	}
	seen := map[int]bool{}
	for _, line := range document.Lines {
		cost, err := wire.ParseMoney(line.UnitCost, document.Currency)
		if err != nil || line.Quantity < 1 || line.Line < 1 || seen[line.Line] {
			return document, nil, "a line has no amount, no quantity or stands twice"
		}
		seen[line.Line] = true
		lines = append(lines, Line{Line: line.Line, SKU: line.SKU, SupplierSKU: line.SupplierSKU, Quantity: line.Quantity, UnitCost: cost})
	}
	return document, lines, ""
}

func digestOf(document wire.PurchaseOrder) string {
	text, _ := json.Marshal(document) // it was read from JSON and has only plain members
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that went away is no concern of the supplier
}

func problem(w http.ResponseWriter, status int, code, title string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(wire.Problem{Title: title, Status: status, Code: code})
}

func notFound(w http.ResponseWriter) {
	problem(w, http.StatusNotFound, wire.CodeNotFound, "no purchase order has this number")
}

func retryLater(w http.ResponseWriter, status int, code string, wait Duration) {
	// The header counts whole seconds; part of one is rounded up, as waiting less would be wrong.
	seconds := (wait.span() + time.Second - 1) / time.Second
	w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	problem(w, status, code, "not now")
}

// reset ends the connection with a TCP reset, as a crashed peer or a middlebox does.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// discard answers nobody.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
