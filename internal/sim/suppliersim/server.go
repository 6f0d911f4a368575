// Package suppliersim plays suppliers that speak the REST supplier protocol
// (docs/supplier-api.md): a real server on a real port, which keeps its own books and behaves, or
// misbehaves, as scripted. What it does and which ids it gives follow from its seed.
package suppliersim

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// ShipmentListener is told of every parcel that gets a label, so that a carrier can scan it.
// manner is ShipManner.Parcel, or "label_only".
type ShipmentListener interface {
	OnParcel(carrier, tracking, manner string)
}

// ShipmentListenerFunc is a function as a ShipmentListener.
type ShipmentListenerFunc func(carrier, tracking, manner string)

// OnParcel calls the function.
func (f ShipmentListenerFunc) OnParcel(carrier, tracking, manner string) {
	f(carrier, tracking, manner)
}

// Supplier is one of the parts played.
type Supplier struct {
	Token  string // that Dropline must show
	Secret string // that signs the webhooks
	Manner Manner
}

// Options configure a Server.
type Options struct {
	Addr      string // else 127.0.0.1:0
	Seed      uint64
	Gateway   string // base URL of Dropline's gateway; SetGateway can tell it later
	Suppliers map[string]Supplier
	Listener  ShipmentListener // may be nil
	// Attempts and the waits between them bound the delivery of one webhook; zero: 60, 50 ms
	// doubling to 2 s, hence about two minutes.
	Attempts               int
	FirstWait, LongestWait time.Duration
	// AnswerWait is how long one delivery may take; zero: 5 s.
	AnswerWait time.Duration
}

// Server plays the suppliers until Close.
type Server struct {
	Books *Books

	options  Options
	url      string
	http     *http.Server
	outgoing *http.Client
	ctx      context.Context
	stop     context.CancelFunc

	// life guards the end: once closed, no work begins, so that Close can wait for all of it.
	life   sync.Mutex
	closed bool
	work   sync.WaitGroup

	mu       sync.Mutex
	gateway  string
	parties  map[string]*party
	listener ShipmentListener
}

// party is a supplier's part; Server.mu guards it.
type party struct {
	Supplier
	name     string
	bySKU    map[string]Manner
	byPO     map[string]Manner
	attempts map[string]int // requests so far, by endpoint and purchase order
	serials  map[string]int // documents so far, by kind and purchase order
	flows    map[string][]chan struct{}
}

// Start opens the port and plays.
func Start(options Options) (*Server, error) {
	if options.Addr == "" {
		options.Addr = "127.0.0.1:0"
	}
	if options.Attempts == 0 {
		options.Attempts = 60
	}
	for wait, standard := range map[*time.Duration]time.Duration{
		&options.FirstWait: 50 * time.Millisecond, &options.LongestWait: 2 * time.Second, &options.AnswerWait: 5 * time.Second,
	} {
		if *wait == 0 {
			*wait = standard
		}
	}
	s := &Server{Books: newBooks(), options: options, gateway: options.Gateway, listener: options.Listener, parties: map[string]*party{}}
	for name, supplier := range options.Suppliers {
		if err := s.Add(name, supplier); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("tcp", options.Addr)
	if err != nil {
		return nil, fmt.Errorf("supplier simulator: %w", err)
	}
	s.url = "http://" + listener.Addr().String()
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.outgoing = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: options.AnswerWait}
	s.http = &http.Server{Handler: s.routes(), ReadHeaderTimeout: 5 * time.Second}
	s.begin(func() { _ = s.http.Serve(listener) }) // ends with ErrServerClosed at Close
	return s, nil
}

// Close ends every connection, timer and delivery, and waits for them.
func (s *Server) Close() {
	s.life.Lock()
	s.closed = true
	s.life.Unlock()
	s.stop()
	_ = s.http.Close() // only tells that the listener was closed already
	s.work.Wait()
	s.outgoing.CloseIdleConnections()
}

// Add gives a supplier a part.
func (s *Server) Add(name string, supplier Supplier) error {
	if name == "" || supplier.Token == "" || supplier.Secret == "" {
		return fmt.Errorf("simulated supplier %q: want a name, a token and a secret", name)
	}
	if err := supplier.Manner.Validate(); err != nil {
		return fmt.Errorf("simulated supplier %q: %w", name, err)
	}
	s.Books.open(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parties[name] = &party{
		Supplier: supplier, name: name, bySKU: map[string]Manner{}, byPO: map[string]Manner{},
		attempts: map[string]int{}, serials: map[string]int{}, flows: map[string][]chan struct{}{},
	}
	return nil
}

// URL is the server's own address; BaseURL is the supplier's API below it.
func (s *Server) URL() string { return s.url }

// BaseURL is where a client finds the supplier's API.
func (s *Server) BaseURL(supplier string) string { return s.url + "/suppliers/" + supplier }

// SetGateway tells where webhooks go from now on.
func (s *Server) SetGateway(base string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gateway = base
}

// SetListener tells who hears of parcels from now on.
func (s *Server) SetListener(listener ShipmentListener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = listener
}

// SetManner changes how a supplier behaves.
func (s *Server) SetManner(supplier string, m Manner) error {
	return s.setManner(supplier, m, func(p *party) { p.Manner = m })
}

// SetMannerForSKU overrides the manner for purchase orders that hold the SKU.
func (s *Server) SetMannerForSKU(supplier, sku string, m Manner) error {
	return s.setManner(supplier, m, func(p *party) { p.bySKU[sku] = m })
}

// SetMannerForPO overrides the manner for one purchase order, which need not exist yet.
func (s *Server) SetMannerForPO(supplier, number string, m Manner) error {
	return s.setManner(supplier, m, func(p *party) { p.byPO[number] = m })
}

func (s *Server) setManner(supplier string, m Manner, set func(*party)) error {
	if err := m.Validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, found := s.parties[supplier]
	if !found {
		return fmt.Errorf("simulated supplier %q: no such part", supplier)
	}
	set(p)
	return nil
}

// manner finds what is in force for a purchase order: its own, else that of the first of its
// lines whose SKU has one, else the supplier's.
func (s *Server) manner(p *party, number string, lines []Line) Manner {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, found := p.byPO[number]; found {
		return m
	}
	for _, line := range lines {
		if m, found := p.bySKU[line.SKU]; found {
			return m
		}
	}
	return p.Manner
}

// attempt counts the requests to an endpoint about a purchase order, from 0.
func (s *Server) attempt(p *party, endpoint, number string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := p.attempts[endpoint+"/"+number]
	p.attempts[endpoint+"/"+number]++
	return n
}

// id names the next document of a kind about a purchase order, the same under the same seed.
func (s *Server) id(p *party, kind, number string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := p.serials[kind+"/"+number]
	p.serials[kind+"/"+number]++
	return kind + "-" + s.hash(p.name, kind, number, fmt.Sprint(n))
}

func (s *Server) hash(parts ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q", s.options.Seed, parts))
	return base32.StdEncoding.EncodeToString(sum[:])[:14]
}

// begin runs work that Close waits for; once closed it runs nothing.
func (s *Server) begin(work func()) bool {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return false
	}
	s.work.Go(work)
	return true
}

// after runs work once the wait is over, unless the server is closed first.
func (s *Server) after(wait Duration, work func()) {
	s.begin(func() {
		if s.pause(wait.span()) {
			work()
		}
	})
}

// pause is false when the server was closed meanwhile.
func (s *Server) pause(wait time.Duration) bool {
	if wait <= 0 {
		return s.ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

func (m Manner) now() time.Time {
	return time.Now().Add(m.ClockOffset.span()).UTC().Truncate(time.Millisecond)
}
