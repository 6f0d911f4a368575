// Package carriersim is a tracker as a real HTTP server: parcels move as their scripted manner
// says, events are pushed to the gateway as EasyPost pushes them, polls are answered, and labels for
// return parcels are sold.
package carriersim

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Config of a simulated tracker.
type Config struct {
	// Gateway is where events are pushed, without a path; empty pushes nothing.
	Gateway string
	// Source is the name under which the gateway knows this tracker, the {carrier} of
	// /v1/carriers/{carrier}/events; empty: the parcel's own carrier.
	Source string
	// Secret signs the events.
	Secret string
	// APIKey is the user name that polls must show; empty lets everyone in.
	APIKey string
	// Interval is the real time between two scans of a parcel; zero means 20 ms.
	Interval time.Duration
	// Attempts bounds how often one event is delivered until it is answered 2xx; zero means 30.
	Attempts int
	// Retry is the wait before the second attempt, doubled before each further one up to a second;
	// zero means 20 ms.
	Retry time.Duration
	// Silent lists the manners whose events are never pushed, so that only a poll finds them.
	Silent []string
	// LabelCurrency is that of the prices of labels; empty: USD.
	LabelCurrency string
	// Now is when the label of a new parcel was made; nil means the clock. Scans follow in the
	// carrier's own time.
	Now func() time.Time
}

// Server is a running tracker.
type Server struct {
	config   Config
	server   *http.Server
	url      string
	client   *http.Client
	lifetime context.Context
	end      context.CancelFunc
	running  sync.WaitGroup

	mu       sync.Mutex
	parcels  []*parcel
	events   int // how many event ids were given out
	books    Books
	failures int // polls still to be failed

	manner    LabelManner
	shipments []Shipment
	changed   chan struct{}
}

// Books count what the tracker saw.
type Books struct {
	Pushed    int // events that the gateway took
	Attempts  int // deliveries tried
	Abandoned int // events that the gateway never took
	Polls     int // polls answered
	Asked     int // tracking numbers in those polls
}

type parcel struct {
	carrier, tracking, manner string
	labelled                  time.Time
	script                    []scan
	scanned                   int // how many steps have happened
	done                      bool
}

// Start listens on a free port of the loopback interface.
func Start(c Config) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the tracker: %w", err)
	}
	c = c.withDefaults()
	s := &Server{
		config:  c,
		url:     "http://" + listener.Addr().String(),
		client:  &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}},
		changed: make(chan struct{}),
	}
	s.lifetime, s.end = context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /trackers", s.poll)
	s.sellLabels(mux)
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	s.running.Go(func() { _ = s.server.Serve(listener) })
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.Interval == 0 {
		c.Interval = 20 * time.Millisecond
	}
	if c.Attempts == 0 {
		c.Attempts = 30
	}
	if c.Retry == 0 {
		c.Retry = 20 * time.Millisecond
	}
	if c.LabelCurrency == "" {
		c.LabelCurrency = "USD"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// URL is the base URL to poll.
func (s *Server) URL() string { return s.url }

// Close ends every parcel's journey and returns when nothing of the server runs any more.
func (s *Server) Close() {
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	_ = s.server.Close()
	s.running.Wait()
	s.client.CloseIdleConnections()
}

// OnParcel starts the journey of a parcel; an unknown manner is prompt. The same parcel told again
// goes on with the journey that it has.
func (s *Server) OnParcel(carrier, tracking, manner string) {
	if known, found := aliases[manner]; found {
		manner = known
	}
	script, known := scripts[manner]
	if !known {
		manner, script = Prompt, scripts[Prompt]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lifetime.Err() != nil || s.find(carrier, tracking) != nil {
		return
	}
	p := &parcel{
		carrier: carrier, tracking: tracking, manner: manner, script: script,
		labelled: s.config.Now().UTC().Truncate(time.Second),
	}
	s.parcels = append(s.parcels, p)
	s.running.Go(func() { s.travel(p) })
}

// find needs the lock. An empty carrier matches each.
func (s *Server) find(carrier, tracking string) *parcel {
	for _, p := range s.parcels {
		if p.tracking == tracking && (carrier == "" || strings.EqualFold(p.carrier, carrier)) {
			return p
		}
	}
	return nil
}

// FailPolls answers the next polls with 503 and Retry-After: 1.
func (s *Server) FailPolls(times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = times
}

// Books returns a copy of the counts.
func (s *Server) Books() Books {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.books
}

// Arrived says whether a parcel's script has come to its end and its last event was pushed, or
// would have been.
func (s *Server) Arrived(carrier, tracking string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(carrier, tracking)
	return p != nil && p.done
}

// Await returns when a condition holds, or with the context's error. The condition is asked again
// after each scan and each push.
func (s *Server) Await(ctx context.Context, condition func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if condition() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// enter changes the books and wakes everyone who waits for them.
func (s *Server) enter(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) poll(w http.ResponseWriter, r *http.Request) {
	user, _, _ := r.BasicAuth()
	if s.config.APIKey != "" && user != s.config.APIKey {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	trackers, failed := s.answer(strings.Split(r.URL.Query().Get("tracking_codes"), ","))
	if failed {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"trackers": trackers, "has_more": false})
}

func (s *Server) answer(numbers []string) (trackers []any, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures > 0 {
		s.failures--
		return nil, true
	}
	s.books.Polls++
	s.books.Asked += len(numbers)
	asked := map[string]bool{}
	for _, number := range numbers {
		asked[strings.ToUpper(number)] = true
	}
	trackers = []any{}
	for _, p := range s.parcels {
		if asked[pollable(p.tracking)] && p.scanned > 0 {
			trackers = append(trackers, p.tracker(p.script[:p.scanned]))
		}
	}
	return trackers, false
}

// pollable is how a number comes in a poll: capitals and digits only.
func pollable(tracking string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(tracking))
}
