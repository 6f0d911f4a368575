package soak

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dropline/dropline/internal/processes"
)

// member is one of our programs, killed and started again.
type member struct {
	name, program, base string // base answers /readyz
	env, args           []string
	process             *processes.Process
	// spared: the chaos leaves it alone from now on.
	spared atomic.Bool
}

// chaos kills the members every so often. gateway is the first of them.
type chaos struct {
	programs *processes.Programs
	members  []*member
	every    time.Duration
	dice     *rand.Rand
	memory   *memory
	found    *findings
	kills    atomic.Int64
}

// start starts all members and waits until they are ready.
func (c *chaos) start(ctx context.Context) error {
	for _, m := range c.members {
		if err := c.launch(m); err != nil {
			return err
		}
	}
	for _, m := range c.members {
		if err := m.process.Ready(ctx, m.base); err != nil {
			return err
		}
	}
	return nil
}

func (c *chaos) launch(m *member) error {
	started, err := c.programs.Start(m.program, m.name+".log", m.env, m.args...)
	if err != nil {
		return err
	}
	m.process = started
	if m == c.members[0] {
		c.memory.watch(started)
	}
	return nil
}

// run kills until ctx ends. Its error is that a program does not come back, or ended by itself.
func (c *chaos) run(ctx context.Context) error {
	for turn := 0; ; turn++ {
		pause := c.every/2 + time.Duration(c.dice.Int64N(int64(c.every)))
		if err := c.rest(ctx, pause); err != nil || ctx.Err() != nil {
			return err
		}
		for i, m := range c.members {
			// One after the other, and now and then all at once.
			if m.spared.Load() || i != turn%len(c.members) && turn%7 != 6 {
				continue
			}
			if err := c.strike(m); err != nil {
				return err
			}
		}
		for _, m := range c.members {
			if err := m.process.Ready(ctx, m.base); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// strike kills a member and starts it again.
func (c *chaos) strike(m *member) error {
	if err := m.process.Kill(); err != nil {
		return err
	}
	c.kills.Add(1)
	return c.launch(m)
}

// rest waits, and says so when a program ends that nobody has killed.
func (c *chaos) rest(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		for _, m := range c.members {
			select {
			case <-m.process.Ended:
				c.found.add("%s ended by itself: %v", m.name, m.process.Failure())
				if err := c.launch(m); err != nil {
					return err
				}
			default:
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// stop ends all members in an orderly way.
func (c *chaos) stop() {
	var group sync.WaitGroup
	for _, m := range c.members {
		group.Go(m.process.Stop)
	}
	group.Wait()
}
