package simulation

import (
	"bytes"
	"encoding/binary"
	"time"
)

// A new client prepares its statements anew, and the server would parse and plan each of them again.
// A session therefore keeps what was prepared in it, and answers from memory who asks for the same.

// frame is one message of the protocol; rest is what follows it. It is nil when there is no whole one.
func frame(messages []byte) (message, rest []byte) {
	if len(messages) < 5 {
		return nil, messages
	}
	size := int(binary.BigEndian.Uint32(messages[1:5])) + 1
	if size < 5 || size > len(messages) {
		return nil, messages
	}
	return messages[:size], messages[size:]
}

// statement is a client's wish to have something prepared and described.
type statement struct {
	name string
	text []byte
}

// preparations are the statements of a message that does nothing but prepare; else nil.
func preparations(messages []byte) []statement {
	var list []statement
	for {
		parse, rest := frame(messages)
		switch {
		case parse == nil:
			return nil
		case parse[0] == 'S' && len(rest) == 0:
			return list
		}
		describe, rest := frame(rest)
		if parse[0] != 'P' || describe == nil || describe[0] != 'D' || describe[5] != 'S' {
			return nil
		}
		name, _, _ := bytes.Cut(parse[5:], []byte{0})
		if len(name) == 0 || !bytes.Equal(describe[6:len(describe)-1], name) {
			return nil
		}
		list = append(list, statement{string(name), messages[:len(parse)+len(describe)]})
		messages = rest
	}
}

// prepare answers a message that only prepares. It says whether it has.
func (c *line) prepare(s *session, b []byte) (bool, error) {
	list := preparations(b)
	if len(list) == 0 || !s.ready() || s.standing == 'E' {
		return false, nil
	}
	c.wanted.Store(true)
	_ = s.conn.SetReadDeadline(time.Unix(1, 0))
	c.reading.Lock()
	c.wanted.Store(false)
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	defer func() { _ = s.conn.SetReadDeadline(time.Time{}) }()
	defer c.reading.Unlock()
	var unknown []byte
	for _, wish := range list {
		if s.prepared[wish.name] == nil {
			unknown = append(unknown, wish.text...)
		}
	}
	var said []byte
	if len(unknown) > 0 {
		if _, err := s.conn.Write(append(unknown, 'S', 0, 0, 0, 4)); err != nil {
			return true, err
		}
		s.owed++
		var heard bool
		if said, heard = s.await(); !heard {
			return true, cutOff("read")
		}
	}
	for _, wish := range list {
		if s.prepared[wish.name] == nil {
			answer, rest := described(said)
			if said = rest; answer == nil {
				c.heard = append(c.heard, said...) // a refusal: nothing comes after it
				return true, nil
			}
			s.prepared[wish.name] = bytes.Clone(answer)
		}
		c.heard = append(c.heard, s.prepared[wish.name]...)
	}
	c.heard = append(c.heard, 'Z', 0, 0, 0, 5, s.standing)
	return true, nil
}

// described splits what the server says into its answer to one statement and the rest.
func described(said []byte) (answer, rest []byte) {
	rest = said
	for _, kinds := range []string{"1", "t", "Tn"} {
		var message []byte
		message, rest = frame(rest)
		if message == nil || !bytes.Contains([]byte(kinds), message[:1]) {
			return nil, said
		}
	}
	return said[:len(said)-len(rest)], rest
}

// forget notes which statements a client gives up.
func (s *session) forget(messages []byte) {
	for message, rest := frame(messages); message != nil; message, rest = frame(rest) {
		if message[0] == 'C' && message[5] == 'S' {
			delete(s.prepared, string(message[6:len(message)-1]))
		}
	}
}
