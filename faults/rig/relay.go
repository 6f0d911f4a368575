package rig

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Preamble is what a client says before it speaks TLS.
type Preamble string

// The preambles of the protocols that Dropline speaks.
const (
	NoPreamble       Preamble = ""
	PostgresPreamble Preamble = "postgres"
	SMTPPreamble     Preamble = "smtp"
)

// relay passes connections on to a target. It adds what toxiproxy does not know: TLS before a target
// that has none, another target for a while, and connections that are dead without either end hearing
// of it.
type relay struct {
	listener net.Listener
	preamble Preamble
	serving  sync.WaitGroup

	mu     sync.Mutex
	target string
	secure *tls.Config // nil: connections are passed on as they come
	open   map[*pipe]bool
	closed bool
}

// pipe is one connection and its other half.
type pipe struct {
	client, upstream net.Conn
	once             sync.Once
	frozen           chan struct{} // closed: nothing passes any more, in either direction
}

func newRelay(preamble Preamble) (*relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a relay: %w", err)
	}
	r := &relay{listener: listener, preamble: preamble, open: map[*pipe]bool{}}
	r.serving.Go(r.accept)
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

// change alters where and how new connections go.
func (r *relay) change(alter func(*relay)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	alter(r)
}

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.serving.Go(func() { r.serve(client) })
	}
}

func (r *relay) serve(client net.Conn) {
	p := &pipe{client: client, frozen: make(chan struct{})}
	r.mu.Lock()
	target, secure, closed := r.target, r.secure, r.closed
	if !closed {
		r.open[p] = true
	}
	r.mu.Unlock()
	defer r.end(p)
	if closed {
		return
	}
	inner := client
	if secure != nil {
		var err error
		if inner, err = r.handshake(client, secure); err != nil {
			return
		}
	}
	upstream, err := (&net.Dialer{Timeout: 5 * time.Second}).Dial("tcp", target)
	if err != nil {
		return
	}
	r.mu.Lock()
	p.upstream = upstream
	closed = !r.open[p]
	r.mu.Unlock()
	if closed || secure != nil && r.preamble == SMTPPreamble && swallowGreeting(upstream) != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.copy(upstream, inner) })
	both.Go(func() { p.copy(inner, upstream) })
	both.Wait()
}

func (r *relay) end(p *pipe) {
	r.mu.Lock()
	delete(r.open, p)
	r.mu.Unlock()
	p.close()
}

func (p *pipe) close() {
	p.once.Do(func() {
		_ = p.client.Close()
		if p.upstream != nil {
			_ = p.upstream.Close()
		}
	})
}

// copy ends the pipe with its direction, unless it is frozen: then nobody hears of anything.
func (p *pipe) copy(to io.Writer, from io.Reader) {
	defer p.close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		select {
		case <-p.frozen:
			if err != nil {
				return
			}
			continue // dropped on the way
		default:
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// freeze kills all open connections without a word: what either end sends is lost. New ones are sound.
func (r *relay) freeze() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for p := range r.open {
		select {
		case <-p.frozen:
		default:
			close(p.frozen)
			n++
		}
	}
	return n
}

// drop ends all open connections.
func (r *relay) drop() {
	r.mu.Lock()
	var all []*pipe
	for p := range r.open {
		all = append(all, p)
		delete(r.open, p)
	}
	r.mu.Unlock()
	for _, p := range all {
		p.close()
	}
}

func (r *relay) close() {
	r.change(func(r *relay) { r.closed = true })
	_ = r.listener.Close()
	r.drop()
	r.serving.Wait()
}

const handshakeWithin = 5 * time.Second

var errNoTLS = errors.New("the client does not ask for TLS")

func (r *relay) handshake(client net.Conn, config *tls.Config) (net.Conn, error) {
	_ = client.SetDeadline(time.Now().Add(handshakeWithin))
	switch r.preamble {
	case PostgresPreamble:
		if err := askedForTLS(client); err != nil {
			return nil, err
		}
	case SMTPPreamble:
		if err := startTLS(client); err != nil {
			return nil, err
		}
	case NoPreamble:
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeWithin)
	defer cancel()
	secured := tls.Server(client, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secured, client.SetDeadline(time.Time{})
}

// askedForTLS reads Postgres' SSLRequest (length 8, code 80877103) and says yes.
func askedForTLS(client net.Conn) error {
	const request = 80877103
	var message [8]byte
	if _, err := io.ReadFull(client, message[:]); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(message[4:]) != request {
		return errNoTLS
	}
	_, err := client.Write([]byte("S"))
	return err
}

// startTLS greets and offers nothing but STARTTLS.
func startTLS(client net.Conn) error {
	if _, err := io.WriteString(client, "220 mail.example\r\n"); err != nil {
		return err
	}
	lines := bufio.NewReader(client)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		switch word, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " "); word {
		case "EHLO":
			_, err = io.WriteString(client, "250-mail.example\r\n250 STARTTLS\r\n")
		case "STARTTLS":
			_, err = io.WriteString(client, "220 go ahead\r\n")
			return err
		default:
			_, err = io.WriteString(client, "502 TLS first\r\n")
		}
		if err != nil {
			return err
		}
	}
}

// swallowGreeting takes the mail server's greeting, which the client has had from the relay.
func swallowGreeting(upstream net.Conn) error {
	one := make([]byte, 1)
	for one[0] != '\n' {
		if _, err := io.ReadFull(upstream, one); err != nil {
			return err
		}
	}
	return nil
}
