package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/dropline/dropline/internal/order"
)

const (
	// formsAtOnce is how many forms one process has in hand at once; each takes up to maxForm of memory, from its first
	// byte until it is answered.
	formsAtOnce = 6
	// formWait is how long a form waits for an earlier one of its order: after a double click the second is answered
	// like the first.
	formWait = 3 * time.Second
)

// places are those for forms that are in hand. An order has one at most, so that one link shuts nobody else out.
type places struct {
	mu   sync.Mutex
	held map[order.Key]chan struct{} // closed when the place is left
	free int
}

func newPlaces() *places {
	return &places{held: map[order.Key]chan struct{}{}, free: formsAtOnce}
}

// enter takes the place of an order; leave gives it back. Fails with errFormTwice when the order's stays taken, and
// with errFormBusy when all are.
func (p *places) enter(ctx context.Context, key order.Key) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, formWait)
	defer cancel()
	for {
		leave, earlier, err := p.take(key)
		if earlier == nil {
			return leave, err
		}
		select {
		case <-earlier:
		case <-ctx.Done():
			return nil, errFormTwice
		}
	}
}

// take takes a place at once, or gives what to wait for.
func (p *places) take(key order.Key) (leave func(), earlier <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if held, taken := p.held[key]; taken {
		return nil, held, nil
	}
	if p.free == 0 {
		return nil, nil, errFormBusy
	}
	left := make(chan struct{})
	p.held[key] = left
	p.free--
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.held, key)
		p.free++
		close(left)
	}, nil, nil
}
