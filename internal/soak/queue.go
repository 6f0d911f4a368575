package soak

import (
	"context"
	"sync"
	"time"

	"github.com/dropline/dropline/internal/sim/suppliersim"
)

// queue hands out what is to be sent: the opening in its order, and before it whatever has become
// possible because a purchase order arrived.
type queue struct {
	mu      sync.Mutex
	news    chan struct{} // closed and replaced when something became possible
	ready   []*delivery
	opening []*delivery
	waiting []*story // their purchase orders have not arrived
}

func newQueue(p *plan) *queue {
	q := &queue{news: make(chan struct{}), opening: p.opening}
	for _, s := range p.stories {
		if len(s.after) > 0 {
			q.waiting = append(q.waiting, s)
		}
	}
	return q
}

// next waits for a delivery; false when all were handed out, or ctx ended.
func (q *queue) next(ctx context.Context) (*delivery, bool) {
	for ctx.Err() == nil {
		q.mu.Lock()
		news := q.news
		switch {
		case len(q.ready) > 0:
			d := q.ready[0]
			q.ready = q.ready[1:]
			q.mu.Unlock()
			return d, true
		case len(q.opening) > 0:
			d := q.opening[0]
			q.opening = q.opening[1:]
			q.mu.Unlock()
			return d, true
		case len(q.waiting) == 0:
			q.mu.Unlock()
			return nil, false
		}
		q.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
		}
	}
	return nil, false
}

// watch looks into the suppliers' books until every expected purchase order has arrived.
func (q *queue) watch(ctx context.Context, books *suppliersim.Books) {
	for ctx.Err() == nil && q.look(books) > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// look returns how many have not arrived.
func (q *queue) look(books *suppliersim.Books) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	var left []*story
	before := len(q.waiting)
	for _, s := range q.waiting {
		if bought, known := books.Order(s.supplier, s.po); known && bought.Received > 0 {
			q.ready = append(q.ready, s.after...)
		} else {
			left = append(left, s)
		}
	}
	if q.waiting = left; len(left) < before {
		close(q.news)
		q.news = make(chan struct{})
	}
	return len(left)
}

// missing are the purchase orders that have not arrived.
func (q *queue) missing() []*story {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}
