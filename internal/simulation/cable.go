package simulation

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
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
	// carried counts the round trips that may have changed something.
	carried uint64
	// idle are sessions whose clients have left them.
	idle []*session
}

var errCut = errors.New("the line to the database was cut")

func (w *cable) dial(_ context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	down := w.down
	w.mu.Unlock()
	if down {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errCut}
	}
	return newLine(w, network, address), nil
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
func (w *cable) judge(written []byte) fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return dropped
	}
	if !carriesOut(written) {
		return passes
	}
	w.carried++
	if w.left < 0 {
		return passes
	}
	w.left--
	if w.left >= 0 {
		return passes
	}
	w.cut, w.down = true, w.dies
	if w.after {
		return answerDropped
	}
	return dropped
}

// soFar says how many round trips there were that may have changed something.
func (w *cable) soFar() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.carried
}

// takeIdle returns a session that a new client can have, or nil.
func (w *cable) takeIdle() *session {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.idle)
	if n == 0 {
		return nil
	}
	s := w.idle[n-1]
	w.idle = w.idle[:n-1]
	return s
}

func (w *cable) addIdle(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle = append(w.idle, s)
}

// close ends the sessions that nobody has.
func (w *cable) close() {
	for s := w.takeIdle(); s != nil; s = w.takeIdle() {
		_ = s.conn.Close()
	}
}

// carriesOut tells a round trip that does something from one that only prepares a statement or pings:
// how many of those there are depends on what a connection did before.
func carriesOut(messages []byte) bool {
	for message, rest := frame(messages); message != nil; message, rest = frame(rest) {
		switch message[0] {
		case 'E':
			return true
		case 'Q':
			return !bytes.HasPrefix(message[5:], []byte("-- ping"))
		}
	}
	return false
}
