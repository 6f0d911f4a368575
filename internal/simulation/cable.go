package simulation

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"
)

// cable is the line to Postgres. It can be cut at a statement: before the statement has left, or after
// the server has carried it out and before its answer is read.
type cable struct {
	mu sync.Mutex
	// down: nobody reaches the database.
	down bool
	// left counts down the round trips until the cut; negative: no cut is planned.
	left  int
	after bool
	// dies: after the cut nobody reaches the database.
	dies bool
	// cut: the planned cut has taken place.
	cut bool
	// severed are the server's processes whose clients were cut off.
	severed []uint32
}

var errCut = errors.New("the line to the database was cut")

func (w *cable) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	down := w.down
	w.mu.Unlock()
	if down {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errCut}
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &line{Conn: conn, cable: w}, nil
}

// plan cuts the line at the nth round trip from now, counted from 0.
func (w *cable) plan(n int, after, dies bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left, w.after, w.dies, w.cut = n, after, dies, false
}

// calm ends what was planned and says whether the cut took place.
func (w *cable) calm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	cut := w.cut
	w.left, w.down, w.cut = -1, false, false
	return cut
}

func (w *cable) fall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
}

type fate int

const (
	passes fate = iota
	dropped
	answerDropped
)

// judge decides about one write of a client.
func (w *cable) judge(written []byte, pid uint32) fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		w.severed = append(w.severed, pid)
		return dropped
	}
	if w.left < 0 || !carriesOut(written) {
		return passes
	}
	w.left--
	if w.left >= 0 {
		return passes
	}
	w.cut, w.down = true, w.dies
	w.severed = append(w.severed, pid)
	if w.after {
		return answerDropped
	}
	return dropped
}

func (w *cable) takeSevered() []uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.severed
	w.severed = nil
	return list
}

// carriesOut tells a round trip that does something from one that only prepares a statement, pings
// or sets the clock: how many of those there are depends on what a connection did before.
func carriesOut(messages []byte) bool {
	for len(messages) >= 5 {
		size := int(binary.BigEndian.Uint32(messages[1:5])) + 1
		if size < 5 || size > len(messages) {
			return false
		}
		switch body := messages[5:size]; messages[0] {
		case 'E':
			return true
		case 'Q':
			return !bytes.HasPrefix(body, []byte("-- ping")) && !bytes.HasPrefix(body, []byte("SET sim."))
		}
		messages = messages[size:]
	}
	return false
}

// line is one connection.
type line struct {
	net.Conn
	cable   *cable
	pid     uint32
	deaf    bool
	started bool
}

func (c *line) Write(b []byte) (int, error) {
	switch c.cable.judge(b, c.pid) {
	case dropped:
		_ = c.Conn.Close()
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: errCut}
	case answerDropped:
		n, err := c.Conn.Write(b)
		c.deaf = true
		c.await()
		return n, err
	case passes:
	}
	return c.Conn.Write(b)
}

// await reads until the server has answered everything, which proves that it carried it out.
func (c *line) await() {
	_ = c.Conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	var tail []byte
	buffer := make([]byte, 16<<10)
	for {
		n, err := c.Conn.Read(buffer)
		tail = append(tail, buffer[:n]...)
		if len(tail) > 6 {
			tail = tail[len(tail)-6:]
		}
		if err != nil || len(tail) == 6 && bytes.Equal(tail[:5], []byte{'Z', 0, 0, 0, 5}) {
			_ = c.Conn.Close()
			return
		}
	}
}

func (c *line) Read(b []byte) (int, error) {
	if c.deaf {
		return 0, &net.OpError{Op: "read", Net: "tcp", Err: errCut}
	}
	n, err := c.Conn.Read(b)
	if !c.started {
		// The server's greeting names its process: 'K', length 12, process, secret.
		if at := bytes.Index(b[:n], []byte{'K', 0, 0, 0, 12}); at >= 0 && at+9 <= n {
			c.pid, c.started = binary.BigEndian.Uint32(b[at+5:]), true
		}
	}
	return n, err
}
