package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// zone is where the names of links live. It is reserved for tests (RFC 2606).
const zone = ".dropline.test"

// Names is a name server on the loopback interface that knows the links, and fails for those it is told to.
type Names struct {
	conn    net.PacketConn
	serving sync.WaitGroup

	mu      sync.Mutex
	failing map[string]bool
}

// StartNames starts a name server.
func StartNames() (*Names, error) {
	conn, err := (&net.ListenConfig{}).ListenPacket(context.Background(), "udp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the name server: %w", err)
	}
	n := &Names{conn: conn, failing: map[string]bool{}}
	n.serving.Go(n.serve)
	return n, nil
}

// Address is where it answers, over UDP.
func (n *Names) Address() string { return n.conn.LocalAddr().String() }

// Close stops it.
func (n *Names) Close() {
	_ = n.conn.Close()
	n.serving.Wait()
}

// fail makes a name fail (SERVFAIL), or work again.
func (n *Names) fail(name string, failing bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failing[name] = failing
}

func (n *Names) serve() {
	buffer := make([]byte, 1500)
	for {
		size, from, err := n.conn.ReadFrom(buffer)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		if reply, err := n.answer(buffer[:size]); err == nil {
			_, _ = n.conn.WriteTo(reply, from) // whoever does not hear it asks again
		}
	}
}

func (n *Names) answer(packet []byte) ([]byte, error) {
	var question dnsmessage.Message
	if err := question.Unpack(packet); err != nil {
		return nil, err
	}
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: question.ID, Response: true, Authoritative: true, RecursionAvailable: true},
		Questions: question.Questions,
	}
	for _, q := range question.Questions {
		name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
		n.mu.Lock()
		failing := n.failing[name]
		n.mu.Unlock()
		switch {
		case failing:
			reply.RCode = dnsmessage.RCodeServerFailure
		case !strings.HasSuffix(name, zone):
			reply.RCode = dnsmessage.RCodeNameError
		case q.Type == dnsmessage.TypeA:
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			})
		}
	}
	return reply.Pack()
}

// UseNames has this process resolve names at a name server of ours and nowhere else.
func UseNames(address string) {
	net.DefaultResolver = &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "udp", address)
		},
	}
}
