package simulation

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// session is what the server keeps for one client. A server process costs far more to start than a
// life may cost: a session whose client was cut off is rolled back and given to the next client.
type session struct {
	conn net.Conn
	// greeting is what the server said when it let the first client in.
	greeting []byte
	// owed is how many times the server is still to say that it is ready; standing is what it said of
	// its transaction when it was. part is the beginning of what it is saying.
	owed     int
	standing byte
	part     []byte
	// prepared are the statements it knows by name, with what the server said when it got to know them.
	prepared map[string][]byte
	// open: the server waits for the rest of what the client has to say.
	open bool
	// undone: a transaction was rolled back, and perhaps the clock that was set in it.
	undone bool
}

// line is one connection as a client sees it. It gets its session with its first message.
type line struct {
	cable            *cable
	network, address string
	// reading is held while a client reads.
	reading sync.Mutex
	// wanted: the one who reads is to make room.
	wanted  atomic.Bool
	mu      sync.Mutex
	session *session
	left    bool // the client has none any more
	// settled tells that there is a session, or that there will be none.
	settled *sync.Cond
	heard   []byte
	// at is what the session takes for the time; due is what it is to take from the next message on.
	at, due time.Time
	// unheard is how much of what comes next is no answer to the client.
	unheard int
}

func newLine(w *cable, network, address string) *line {
	c := &line{cable: w, network: network, address: address}
	c.settled = sync.NewCond(&c.mu)
	return c
}

// patience bounds what the server takes to roll back and to answer.
const patience = 20 * time.Second

const startup = 3 // the protocol's version, in a client's first message

func (c *line) Write(b []byte) (int, error) {
	c.mu.Lock()
	s, left := c.session, c.left
	c.mu.Unlock()
	switch {
	case left:
		return 0, cutOff("write")
	case s == nil:
		return len(b), c.enter(b)
	case b[0] == 'X':
		c.leave(false)
		return len(b), nil
	}
	fate := c.cable.judge(b)
	if fate == dropped {
		c.leave(false)
		return 0, cutOff("write")
	}
	if done, err := c.prepare(s, b); done {
		return len(b), err
	}
	message := b
	if (c.due != c.at || s.undone) && len(s.greeting) > 0 && s.ready() && s.standing == 'I' {
		message = append(c.clock(), b...)
	}
	s.forget(b)
	s.asks(b)
	_, err := s.conn.Write(message)
	if fate == answerDropped {
		c.leave(true)
		return len(b), err
	}
	return len(b), err
}

func cutOff(op string) error { return &net.OpError{Op: op, Net: "tcp", Err: errCut} }

// enter gets the line a session. A client that only wants another's statement cancelled is not heard:
// that one has left, and its session may have another client.
func (c *line) enter(first []byte) error {
	if len(first) < 8 || binary.BigEndian.Uint16(first[4:]) != startup {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.left = true
		c.settled.Broadcast()
		return nil
	}
	s := c.cable.takeIdle()
	if s != nil {
		c.heard = bytes.Clone(s.greeting)
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, c.network, c.address)
		if err != nil {
			return err
		}
		s = &session{conn: conn, prepared: map[string][]byte{}, owed: 1}
		if _, err := conn.Write(first); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
	c.settled.Broadcast()
	return nil
}

// clockSet is what the server says to clock: parsed, bound, done.
var clockSet = []byte("1\x00\x00\x00\x042\x00\x00\x00\x04C\x00\x00\x00\x08SET\x00")

// clock is the message that sets the session's clock, ahead of the client's own. It is a part of the same
// transaction, so that the server has no answer of its own to send; it is undone with it.
func (c *line) clock() []byte {
	c.at, c.unheard, c.session.undone = c.due, len(clockSet), false
	var messages []byte
	for _, m := range []struct {
		kind byte
		text string
	}{
		{'P', "\x00SET sim.now = '" + fmt.Sprintf("%d.%06d", c.due.Unix(), c.due.Nanosecond()/1000) + "'\x00\x00\x00"},
		{'B', "\x00\x00\x00\x00\x00\x00\x00\x00"},
		{'E', "\x00\x00\x00\x00\x00"},
	} {
		messages = binary.BigEndian.AppendUint32(append(messages, m.kind), uint32(len(m.text)+4))
		messages = append(messages, m.text...)
	}
	return messages
}

// asks notes what the server owes for a client's messages.
func (s *session) asks(messages []byte) {
	last := byte(0)
	message, rest := frame(messages)
	for ; message != nil; message, rest = frame(rest) {
		if last = message[0]; last == 'S' || last == 'Q' {
			s.owed++
		}
	}
	s.open = len(rest) > 0 || last != 'S' && last != 'Q'
}

func (c *line) Read(b []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	s := c.awaitSession()
	switch {
	case s == nil:
		return 0, cutOff("read")
	case len(c.heard) > 0:
		n := copy(b, c.heard)
		c.heard = c.heard[n:]
		return n, nil
	}
	for {
		n, err := s.conn.Read(b)
		if n == 0 && c.wanted.Load() {
			c.reading.Unlock() // for prepare
			c.reading.Lock()
			if len(c.heard) > 0 {
				n = copy(b, c.heard)
				c.heard = c.heard[n:]
				return n, nil
			}
			continue
		}
		s.listen(b[:n])
		mute := min(c.unheard, n)
		c.unheard -= mute
		if n -= mute; n > 0 || err != nil {
			copy(b, b[mute:mute+n])
			return n, err
		}
	}
}

// awaitSession returns the line's session, nil when it has left. A client whose first message takes its time reads
// before it is through.
func (c *line) awaitSession() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.session == nil && !c.left {
		c.settled.Wait()
	}
	return c.session
}

var rolledBack = []byte("C\x00\x00\x00\x0dROLLBACK\x00")

var letIn = []byte("R\x00\x00\x00\x08\x00\x00\x00\x00")

// listen follows what the server says.
func (s *session) listen(said []byte) {
	s.part = append(s.part, said...)
	whole := s.part
	message, rest := frame(s.part)
	for ; message != nil; message, rest = frame(rest) {
		switch {
		case message[0] == 'Z':
			s.owed--
			s.standing = message[5]
		case message[0] == 'E', bytes.Equal(message, rolledBack):
			s.undone = true
		}
	}
	if s.greeting == nil {
		if s.owed > 0 {
			return // it is kept until its end
		}
		s.greeting = bytes.Clone(whole[max(bytes.Index(whole, letIn), 0):])
	}
	s.part = append(s.part[:0], rest...)
}

// ready: the server has said all and waits for the client.
func (s *session) ready() bool { return s.owed == 0 && len(s.part) == 0 && !s.open }

// leave takes the line's session away, if answered after the server has carried out what was written,
// and returns when the session is rolled back: whoever comes next finds none of its locks.
func (c *line) leave(answered bool) {
	c.mu.Lock()
	s := c.session
	c.session, c.left = nil, true
	c.settled.Broadcast()
	c.mu.Unlock()
	if s == nil {
		return
	}
	_ = s.conn.SetDeadline(time.Unix(1, 0)) // whoever reads comes back
	c.reading.Lock()
	defer c.reading.Unlock()
	_ = s.conn.SetDeadline(time.Now().Add(patience))
	if answered {
		s.await()
	}
	if !s.ready() || !s.rollBack() {
		s.end()
		return
	}
	_ = s.conn.SetDeadline(time.Time{})
	c.cable.addIdle(s)
}

// await reads until the server has said all, which it returns.
func (s *session) await() (said []byte, heard bool) {
	buffer := make([]byte, 16<<10)
	for s.owed > 0 {
		n, err := s.conn.Read(buffer)
		said = append(said, buffer[:n]...)
		if s.listen(buffer[:n]); err != nil {
			return said, false
		}
	}
	return said, true
}

// rollBack makes the session one that just began, but for the statements that it knows.
func (s *session) rollBack() bool {
	var messages []byte
	say := func(text string) {
		messages = append(binary.BigEndian.AppendUint32(append(messages, 'Q'), uint32(len(text)+5)), text...)
		messages = append(messages, 0)
		s.owed++
	}
	if s.standing != 'I' {
		say("ROLLBACK")
	}
	say("SELECT pg_advisory_unlock_all(); RESET ALL")
	if _, err := s.conn.Write(messages); err != nil {
		return false
	}
	_, heard := s.await()
	return heard && s.standing == 'I'
}

// end waits until the server has ended the session, with its locks.
func (s *session) end() {
	_, _ = s.conn.Write([]byte{'X', 0, 0, 0, 4})
	_, _ = io.Copy(io.Discard, s.conn)
	_ = s.conn.Close()
}

// Close is net.Conn's.
func (c *line) Close() error {
	c.leave(false)
	return nil
}

// until sets a deadline of the session, as long as the client has it.
func (c *line) until(set func(net.Conn, time.Time) error, at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == nil {
		return nil
	}
	return set(c.session.conn, at)
}

func (c *line) SetDeadline(at time.Time) error      { return c.until(net.Conn.SetDeadline, at) }
func (c *line) SetReadDeadline(at time.Time) error  { return c.until(net.Conn.SetReadDeadline, at) }
func (c *line) SetWriteDeadline(at time.Time) error { return c.until(net.Conn.SetWriteDeadline, at) }

// A line is at both ends what was dialled.
func (c *line) LocalAddr() net.Addr  { return dialled{c.network, c.address} }
func (c *line) RemoteAddr() net.Addr { return dialled{c.network, c.address} }

type dialled struct{ network, address string }

func (d dialled) Network() string { return d.network }
func (d dialled) String() string  { return d.address }
