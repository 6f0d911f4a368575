package crash

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
)

// partners puts the life between a worker and suppliers, storefronts and carriers.
func (l *life) partners(way http.RoundTripper) http.RoundTripper { return partnerCalls{l, way} }

type partnerCalls struct {
	life *life
	way  http.RoundTripper
}

// RoundTrip makes the call. One that fails may have been done all the same, so it counts.
func (p partnerCalls) RoundTrip(r *http.Request) (*http.Response, error) {
	name := nameOfRequest(r)
	p.life.begins(name)
	response, err := p.way.RoundTrip(r)
	p.life.applied(name, true)
	return response, err
}

// nameOfRequest is "supplier.POST-purchase-orders": who is called, and for what.
func nameOfRequest(r *http.Request) string {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	who := "partner"
	switch segments[0] {
	case "suppliers":
		who, segments = "supplier", segments[min(2, len(segments)):]
	case "orders":
		who, segments = "storefront", segments[min(2, len(segments)):]
	case "trackers":
		who = "carrier"
	case "v1":
		who, segments = "provider", segments[1:]
	}
	words := []string{who + "." + r.Method}
	for _, segment := range segments {
		if !strings.ContainsAny(segment, "0123456789") { // ids have digits, words have none
			words = append(words, segment)
		}
	}
	return strings.Join(words, "-")
}

// mail puts the life between a worker and the mail server: each command is a call, and so is the
// message itself.
func (l *life) mail(ctx context.Context, network, address string) (net.Conn, error) {
	l.begins("mail.connect")
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.applied("mail.connect", true)
	return &mailConn{Conn: conn, life: l}, nil
}

// mailConn reads along with SMTP (RFC 5321).
type mailConn struct {
	net.Conn
	life *life

	mu      sync.Mutex
	asked   string // the command that waits for its answer
	message bool   // what is sent now is the message
}

// Write begins a command, or the message.
func (c *mailConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.message && c.asked == "" {
		c.asked = "mail.message"
		c.life.begins(c.asked)
	} else if !c.message {
		verb, _, _ := bytes.Cut(bytes.TrimSpace(p), []byte(" "))
		c.asked = "mail." + strings.ToUpper(string(verb))
		c.life.begins(c.asked)
	}
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// Read ends a command when its answer is whole: its last line has a space after the code.
func (c *mailConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := bytes.Split(bytes.TrimRight(p[:n], "\r\n"), []byte("\n"))
	last := lines[len(lines)-1]
	if c.asked == "" || len(last) < 4 || last[3] != ' ' {
		return n, err
	}
	asked := c.asked
	c.asked, c.message = "", asked == "mail.DATA" && last[0] == '3'
	c.life.applied(asked, true)
	return n, err
}
