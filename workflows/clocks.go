package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/order"
)

// clocks are the timers behind what a workflow waits for.
type clocks struct{ timers []timer }

type timer struct {
	key    string
	at     time.Time
	future workflow.Future
	cancel workflow.CancelFunc
}

// set keeps one timer for each deadline, and none besides.
func (c *clocks) set(ctx workflow.Context, deadlines []order.Deadline) {
	kept := c.timers[:0]
	for _, t := range c.timers {
		if t.stillWanted(deadlines) {
			kept = append(kept, t)
		} else {
			t.cancel()
		}
	}
	c.timers = kept
	for _, d := range deadlines {
		if c.has(d.Key) {
			continue
		}
		own, cancel := workflow.WithCancel(ctx)
		wait := max(d.At.Sub(workflow.Now(own)), 0)
		future := workflow.NewTimerWithOptions(own, wait, workflow.TimerOptions{Summary: d.Text})
		c.timers = append(c.timers, timer{key: d.Key, at: d.At, future: future, cancel: cancel})
	}
}

func (t *timer) stillWanted(deadlines []order.Deadline) bool {
	for _, d := range deadlines {
		if d.Key == t.key && d.At.Equal(t.at) && !t.future.IsReady() {
			return true
		}
	}
	return false
}

func (c *clocks) has(key string) bool {
	for i := range c.timers {
		if c.timers[i].key == key {
			return true
		}
	}
	return false
}

// passed: the time of one is over.
func (c *clocks) passed() bool {
	for i := range c.timers {
		if c.timers[i].future.IsReady() {
			return true
		}
	}
	return false
}

// rests is how long steps that keep failing rested last, by step and subject.
type rests map[string]time.Duration

// rest lets a step that failed for good rest before it is tried again, each time twice as long. A
// person has been told by then, and the history must not fill up meanwhile. It ends early when what the step rests for
// has come.
func (r rests) rest(ctx workflow.Context, step, subject string, woken func() bool) {
	key := step + " " + subject
	pause := min(max(2*r[key], retryPause), longestPause)
	r[key] = pause
	resting, wake := workflow.WithCancel(ctx)
	over := workflow.NewTimerWithOptions(resting, pause, workflow.TimerOptions{Summary: "Rest before " + step + " is tried again"})
	_ = workflow.Await(ctx, func() bool { return over.IsReady() || woken() }) // ctx is never cancelled
	wake()
}

// never is the wish of a step that nothing wakes.
func never() bool { return false }

func (r rests) over(step, subject string) { delete(r, step+" "+subject) }
