package simulation

import (
	"fmt"
	"runtime/debug"
)

// strand is a call into the product that can stand still in the middle, at a partner or at the order,
// while others go on. Only one strand of a life runs at a time, and only while the life waits for it.
type strand struct {
	call  func()
	wake  chan struct{}
	back  chan any // nil: paused or ended; otherwise what it panicked with
	ended bool
}

// player is a goroutine that runs one strand after the other: a new goroutine would have to grow its
// stack anew for each.
type player struct {
	world *world
	next  chan *strand
}

// play runs strands until the world ends. A player is free again before the end of its strand is known:
// until then nobody else touches the list of those who are.
func (p *player) play() {
	for s := range p.next {
		<-s.wake
		cause := panicOf(s.call)
		s.ended = true
		p.world.free = append(p.world.free, p)
		s.back <- cause
	}
}

// panicOf runs f and returns what it panicked with.
func panicOf(f func()) (cause any) {
	defer func() {
		cause = recover()
		if cause != nil && !isViolation(cause) {
			cause = rethrown{cause, debug.Stack()}
		}
	}()
	f()
	return nil
}

// player returns one that is free.
func (w *world) player() *player {
	if n := len(w.free); n > 0 {
		p := w.free[n-1]
		w.free = w.free[:n-1]
		return p
	}
	p := &player{world: w, next: make(chan *strand)}
	go p.play()
	return p
}

// dismissPlayers ends those who are free, as all are between two lives.
func (w *world) dismissPlayers() {
	for _, p := range w.free {
		close(p.next)
	}
	w.free = nil
}

// begin runs f until it ends or pauses.
func (l *life) begin(f func()) *strand {
	s := &strand{call: f, wake: make(chan struct{}), back: make(chan any)}
	l.world.player().next <- s
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
