package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

// play is a story being told.
type play struct {
	story *story
	world *world
	say   func(order, text string)
	// payment is its reference at the provider; empty: it is not there.
	payment string

	differences []string
	took        time.Duration
	ended       chan struct{} // closed when both are known
}

func (p *play) verdict() string {
	if len(p.differences) == 0 {
		return "AS TOLD: " + strings.ToLower(p.story.title)
	}
	return "NOT AS TOLD: " + strings.Join(p.differences, "; ")
}

func (p *play) tell(format string, args ...any) { p.say(p.story.name, fmt.Sprintf(format, args...)) }

// lookEvery is the pause between two looks at an order that is waited for.
const lookEvery = 150 * time.Millisecond

// ask reads an order's state from its workflow.
func (w *world) ask(ctx context.Context, key order.Key) (order.State, error) {
	var state order.State
	answer, err := w.temporal.QueryWorkflow(ctx, key.WorkflowID(), "", workflows.QueryState)
	if err == nil {
		err = answer.Get(&state)
	}
	return state, err
}

// until waits for a moment in the order's life, as the workflow itself sees it.
func (p *play) until(ctx context.Context, what string, holds func(*order.State) bool) error {
	var closed time.Time
	for {
		now, err := p.world.ask(ctx, p.story.key)
		if closed.IsZero() && err == nil && now.Settled {
			closed = time.Now()
		}
		var unknown *serviceerror.NotFound
		switch {
		case err == nil && holds(&now):
			return nil
		case err == nil && now.Settled && time.Since(closed) > unchanged: // until then news may open it again
			return fmt.Errorf("wait until order %s is %s: %w", p.story.key, what, errEndedEarly)
		case err != nil && ctx.Err() == nil && !errors.As(err, &unknown) && !passing(err):
			return fmt.Errorf("wait until order %s is %s: %w", p.story.key, what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until order %s is %s: %w", p.story.key, what, ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}

// passing: no worker answers just now, because it was killed or is busy.
func passing(err error) bool {
	var late *serviceerror.DeadlineExceeded
	var failed *serviceerror.QueryFailed
	var unavailable *serviceerror.Unavailable
	var busy *serviceerror.WorkflowNotReady
	var full *serviceerror.ResourceExhausted
	return errors.As(err, &late) || errors.As(err, &failed) || errors.As(err, &unavailable) || errors.As(err, &busy) || errors.As(err, &full)
}

// perform places the order, plays the people's part and waits until the order has ended as told, or
// there is no time left. What differs then is kept.
func (p *play) perform(ctx context.Context) {
	began := time.Now()
	defer func() {
		p.took = time.Since(began)
		close(p.ended)
	}()
	place := p.post
	if p.story.place != nil {
		place = func(ctx context.Context) error { return p.story.place(ctx, p) }
	}
	if err := place(ctx); err != nil {
		p.differences = []string{err.Error()}
		return
	}
	acted := ""
	if p.story.act != nil {
		if err := p.story.act(ctx, p); err != nil {
			acted = err.Error()
		}
	}
	p.differences = p.end(ctx)
	if acted != "" {
		p.differences = append(p.differences, acted)
	}
}

// unchanged is how long a closed order may differ from its story in the same way before nothing more
// is expected of it: longer than any supplier here waits before it surprises us.
const unchanged = 30 * time.Second

// moving: what differs is on its way to change, with a timer behind it.
func moving(differences []string) bool {
	return slices.ContainsFunc(differences, func(d string) bool { return d == stillOpen || strings.HasSuffix(d, stillPending) })
}

// end waits until nothing differs from what was told.
func (p *play) end(ctx context.Context) []string {
	var before string
	since := time.Now()
	for {
		differences := p.compare(context.WithoutCancel(ctx))
		if len(differences) == 0 {
			return nil
		}
		if now := strings.Join(differences, "; "); now != before || moving(differences) {
			before, since = now, time.Now()
		}
		if time.Since(since) > unchanged {
			return differences
		}
		select {
		case <-ctx.Done():
			return differences
		case <-time.After(lookEvery):
		}
	}
}
