// Package rig puts faults between Dropline and everything it depends on: proxies on every link,
// programs that can be killed and stopped, and books to judge by what came of it.
package rig

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Fault is what befalls a link.
type Fault string

// The faults of a link.
const (
	Latency     Fault = "latency"
	BlackHole   Fault = "black hole"
	Refused     Fault = "refused"
	ResetBefore Fault = "reset before"
	ResetMiddle Fault = "reset in the middle"
	ReplyLost   Fault = "reply lost"
	Slow        Fault = "slow, sliced"
	HalfOpen    Fault = "half-open"
	TLSFailure  Fault = "TLS failure"
	DNSFailure  Fault = "DNS failure"
	Flapping    Fault = "flapping"
	Storm       Fault = "storm"
	ErrorBody   Fault = "200 with an error"
)

// Protocol is what a link carries.
type Protocol struct {
	Preamble Preamble
	// Above is the protocol that is named in the TLS handshake; empty: none.
	Above string
	// Cut is how many bytes of a reply come through before it is reset in the middle.
	Cut int
}

// The protocols of Dropline's links.
var (
	HTTP     = Protocol{Above: "http/1.1", Cut: 40}
	GRPC     = Protocol{Above: "h2", Cut: 200}
	Postgres = Protocol{Preamble: PostgresPreamble, Cut: 30}
	SMTP     = Protocol{Preamble: SMTPPreamble, Cut: 60}
)

// Link is a way from one part to another, with toxiproxy on it.
type Link struct {
	protocol Protocol
	names    *Names
	certs    *Certificates
	name     string // under which the names find it
	proxy    *toxiproxy.Proxy
	relay    *relay
	impostor impostor
	secured  bool
}

// impostor answers in the target's place.
type impostor struct {
	storm, failing string // addresses
	stop           func()
}

var links struct {
	sync.Mutex

	made int
}

// NewLink makes a link. secured: clients speak TLS on it.
func NewLink(protocol Protocol, names *Names, certs *Certificates, secured bool) (*Link, error) {
	r, err := newRelay(protocol.Preamble)
	if err != nil {
		return nil, err
	}
	links.Lock()
	links.made++
	name := fmt.Sprintf("link-%d%s", links.made, zone)
	links.Unlock()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l := &Link{
		protocol: protocol, names: names, certs: certs, name: name, relay: r, secured: secured,
		proxy: toxiproxy.NewProxy(server, name, "127.0.0.1:0", r.address()),
	}
	if secured {
		r.secure = serverTLS(certs.good, protocol.Above)
	}
	if err := l.proxy.Start(); err != nil {
		r.close()
		return nil, fmt.Errorf("start a proxy: %w", err)
	}
	if err := l.startImpostor(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// To says where the link leads, as host and port.
func (l *Link) To(address string) { l.relay.change(func(r *relay) { r.target = address }) }

// Address is where clients find it, as host and port.
func (l *Link) Address() string { return l.proxy.Listen }

// Named is Address with a name that the name server knows.
func (l *Link) Named() string {
	_, port, _ := net.SplitHostPort(l.proxy.Listen) // it comes from a listener
	return net.JoinHostPort(l.name, port)
}

// Close ends the link and all its connections.
func (l *Link) Close() {
	l.proxy.Stop()
	l.relay.close()
	if l.impostor.stop != nil {
		l.impostor.stop()
	}
}

// Break puts a fault on the link until what it returns is called.
func (l *Link) Break(f Fault) (mend func() error, err error) {
	switch f {
	case Latency:
		return l.poison(toxic{"latency", "upstream", 1, map[string]int{"latency": 120, "jitter": 80}},
			toxic{"latency", "downstream", 1, map[string]int{"latency": 120, "jitter": 80}})
	case BlackHole:
		return l.poison(toxic{"timeout", "upstream", 1, map[string]int{"timeout": 0}},
			toxic{"timeout", "downstream", 1, map[string]int{"timeout": 0}})
	case Refused:
		l.proxy.Stop()
		return l.proxy.Start, nil
	case ResetBefore:
		return l.poison(toxic{"reset_peer", "upstream", 1, map[string]int{"timeout": 0}})
	case ResetMiddle:
		return l.poison(toxic{"limit_data", "downstream", 1, map[string]int{"bytes": l.protocol.Cut}})
	case ReplyLost:
		return l.poison(toxic{"reset_peer", "downstream", 1, map[string]int{"timeout": 0}})
	case Slow:
		return l.poison(toxic{"bandwidth", "downstream", 1, map[string]int{"rate": 8}},
			toxic{"slicer", "downstream", 1, map[string]int{"average_size": 64, "size_variation": 32, "delay": 1000}},
			toxic{"slicer", "upstream", 1, map[string]int{"average_size": 64, "size_variation": 32, "delay": 1000}})
	case HalfOpen:
		l.relay.freeze()
		return func() error { return nil }, nil
	case TLSFailure:
		return l.turn(func(r *relay) { r.secure = serverTLS(l.certs.expired, l.protocol.Above) }), nil
	case DNSFailure:
		l.names.fail(l.name, true)
		l.relay.drop()
		return func() error { l.names.fail(l.name, false); return nil }, nil
	case Flapping:
		return l.flap(), nil
	case Storm:
		return l.turn(func(r *relay) { r.target = l.impostor.storm }), nil
	case ErrorBody:
		return l.turn(func(r *relay) { r.target = l.impostor.failing }), nil
	}
	return nil, fmt.Errorf("break a link: no fault %q", f)
}

// toxic is one of toxiproxy's. share is how many of the connections it is for, from 0 to 1.
type toxic struct {
	kind, stream string
	share        float64
	attributes   map[string]int
}

func (l *Link) poison(toxics ...toxic) (mend func() error, err error) {
	var names []string
	mend = func() error {
		for _, name := range names {
			if err := l.proxy.Toxics.RemoveToxic(context.Background(), name); err != nil {
				return fmt.Errorf("take %s off a link: %w", name, err)
			}
		}
		return nil
	}
	for _, t := range toxics {
		name := t.kind + "-" + t.stream
		text, err := json.Marshal(map[string]any{
			"name": name, "type": t.kind, "stream": t.stream, "toxicity": t.share, "attributes": t.attributes,
		})
		if err == nil {
			_, err = l.proxy.Toxics.AddToxicJson(strings.NewReader(string(text)))
		}
		if err != nil {
			return nil, fmt.Errorf("put %s on a link: %w", name, err)
		}
		names = append(names, name)
	}
	return mend, nil
}

// turn alters the relay, and makes everyone connect anew, before and after.
func (l *Link) turn(alter func(*relay)) (mend func() error) {
	var target string
	var secure *tls.Config
	l.relay.change(func(r *relay) {
		target, secure = r.target, r.secure
		alter(r)
	})
	l.relay.drop()
	return func() error {
		l.relay.change(func(r *relay) { r.target, r.secure = target, secure })
		l.relay.drop()
		return nil
	}
}

// flapEvery is how long a flapping link is up, and down.
const flapEvery = 250 * time.Millisecond

func (l *Link) flap() (mend func() error) {
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ticker := time.NewTicker(flapEvery)
		defer ticker.Stop()
		up := true
		for {
			select {
			case <-ticker.C:
			case <-stop:
				if !up {
					ended <- l.proxy.Start()
				} else {
					ended <- nil
				}
				return
			}
			if up = !up; !up {
				l.proxy.Stop()
			} else if err := l.proxy.Start(); err != nil {
				ended <- err
				return
			}
		}
	}()
	return func() error {
		close(stop)
		return <-ended
	}
}

// startImpostor starts the servers that storm and lie.
func (l *Link) startImpostor() error {
	var servers []func()
	l.impostor.stop = func() {
		for _, stop := range servers {
			stop()
		}
	}
	listen := func(serve func(net.Listener) (stop func())) (string, error) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", fmt.Errorf("start an impostor: %w", err)
		}
		servers = append(servers, serve(listener))
		return listener.Addr().String(), nil
	}
	var err error
	switch l.protocol {
	case HTTP:
		if l.impostor.storm, err = listen(serveHTTP(storming)); err == nil {
			l.impostor.failing, err = listen(serveHTTP(lying))
		}
	case GRPC:
		l.impostor.storm, err = listen(throttling)
	case SMTP:
		l.impostor.storm, err = listen(greeting(false, "421 mail.example is busy\r\n"))
	case Postgres:
		l.impostor.storm, err = listen(greeting(true, tooManyClients))
	}
	return err
}

func serveHTTP(handle http.HandlerFunc) func(net.Listener) func() {
	return func(listener net.Listener) func() {
		server := &http.Server{Handler: handle, ReadHeaderTimeout: 5 * time.Second}
		go func() { _ = server.Serve(listener) }()
		return func() { _ = server.Close() }
	}
}

// storming answers 503 and 429 in turns, and asks for a second's peace.
func storming(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "1")
	code := http.StatusServiceUnavailable
	if time.Now().UnixMilli()%2 == 0 {
		code = http.StatusTooManyRequests
	}
	w.WriteHeader(code)
}

func lying(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"error":{"message":"internal failure"}}`)) // a client that hung up hears nothing
}

// throttling is a Temporal server beyond its limits.
func throttling(listener net.Listener) (stop func()) {
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
		return status.Error(codes.ResourceExhausted, "namespace rate limit exceeded")
	}))
	go func() { _ = server.Serve(listener) }()
	return server.Stop
}

// tooManyClients is what Postgres answers when it takes no more connections: an ErrorResponse.
const tooManyClients = "E\x00\x00\x00\x33SFATAL\x00VFATAL\x00C53300\x00Msorry, too many clients\x00\x00"

// greeting says one thing to whoever comes, and hangs up. (A mail server that takes nobody now says 421,
// RFC 5321.) listens: it lets the client speak first, as Postgres does.
func greeting(listens bool, text string) func(net.Listener) func() {
	return func(listener net.Listener) (stop func()) {
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				if listens {
					_, _ = conn.Read(make([]byte, 4<<10)) // whatever it says, the answer is the same
				}
				_, _ = io.WriteString(conn, text) // whoever has gone needs no answer
				_ = conn.Close()
			}
		}()
		return func() { _ = listener.Close() }
	}
}
