package simulation

import (
	"fmt"
	"runtime/debug"
)

// strand is a call into the product that can stand still in the middle, at a partner or at the order,
// while others go on. Only one strand of a life runs at a time, and only while the life waits for it.
type strand struct {
	wake  chan struct{}
	back  chan any // nil: paused or ended; otherwise what it panicked with
	ended bool
}

// begin runs f until it ends or pauses.
func (l *life) begin(f func()) *strand {
	s := &strand{wake: make(chan struct{}), back: make(chan any)}
	go func() {
		defer func() {
			cause := recover()
			if cause != nil && !isViolation(cause) {
				cause = rethrown{cause, debug.Stack()}
			}
			s.ended = true
			s.back <- cause
		}()
		<-s.wake
		f()
	}()
	l.resume(s)
	return s
}

// resume lets a paused strand go on until it ends or pauses again.
func (l *life) resume(s *strand) {
	before := l.current
	l.current = s
	s.wake <- struct{}{}
	cause := <-s.back
	l.current = before
	if cause != nil {
		panic(cause)
	}
}

// pause holds the strand that runs now until it is resumed.
func (l *life) pause() {
	s := l.current
	if s == nil {
		panic("simulation: nothing runs that could be paused")
	}
	s.back <- nil
	<-s.wake
}

// rethrown is a panic that came out of a strand, with where it came from.
type rethrown struct {
	cause any
	stack []byte
}

func (r rethrown) String() string { return fmt.Sprintf("%v\n%s", r.cause, r.stack) }
