package simulation

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/activities"
)

// call is an activity that a workflow waits for.
type call struct {
	run       *run
	name      string
	local     bool
	args      *commonpb.Payloads
	future    workflow.Settable
	retry     temporal.RetryPolicy
	patience  time.Duration // from the scheduling to the last end
	scheduled time.Time
	due       time.Time
	attempts  int
	frozen    bool // an attempt stands still, and nobody knows yet
	done      bool
	failure   error
}

// expire ends calls that nobody could carry out for as long as they were allowed to take.
func (l *life) expire() {
	for _, r := range l.runs() {
		kept := r.calls[:0]
		for _, c := range r.calls {
			if !c.done && l.now.Sub(c.scheduled) >= c.patience {
				l.happened("step ran out of time")
				l.finish(c, nil, temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, c.failure))
			}
			if !c.done {
				kept = append(kept, c)
			}
		}
		r.calls = kept
	}
}

// dueCalls are the calls that can be carried out now.
func (l *life) dueCalls() []*call {
	var list []*call
	for _, r := range l.runs() {
		for _, c := range r.calls {
			if !c.done && !c.frozen && !c.due.After(l.now) {
				list = append(list, c)
			}
		}
	}
	return list
}

// perform carries out a call's next attempt with the faults that are chosen for it.
func (l *life) perform(c *call) {
	c.attempts++
	attempt := c.attempts
	l.note("attempt %d of %s", attempt, c.name)
	l.seen["activity "+c.name]++
	f := l.chooseFault(c)
	l.prepare(f)
	var result *commonpb.Payloads
	var err error
	s := l.begin(func() { result, err = l.invoke(c.name, c.args) })
	l.clean(f)
	if !s.ended {
		l.happened("attempt frozen")
		l.note("attempt %d of %s stands still", attempt, c.name)
		c.frozen = true
		l.frozen = append(l.frozen, &frozen{strand: s, call: c, attempt: attempt, noticed: l.now.Add(noticeDeath), end: func() { l.report(c, attempt, f, result, err) }})
		return
	}
	l.report(c, attempt, f, result, err)
}

// noticeDeath is after how long without a sign of life a call is given to another worker.
const noticeDeath = 10 * time.Second

// frozen is an attempt that stands still in the middle of a call to a partner.
type frozen struct {
	strand  *strand
	call    *call
	attempt int
	noticed time.Time
	end     func()
}

// noticeFrozen gives calls whose worker shows no sign of life to another one.
func (l *life) noticeFrozen() {
	for _, z := range l.frozen {
		if z.call.frozen && z.call.attempts == z.attempt && !z.noticed.After(l.now) {
			z.call.frozen, z.call.failure = false, temporal.NewHeartbeatTimeoutError()
			z.call.due = l.now
		}
	}
}

// thaw lets an attempt that stood still go on.
func (l *life) thaw() bool {
	if len(l.frozen) == 0 {
		return false
	}
	i := l.pick(len(l.frozen))
	z := l.frozen[i]
	l.frozen = append(l.frozen[:i:i], l.frozen[i+1:]...)
	if z.call.attempts > z.attempt || z.call.done {
		l.happened("stale attempt finished")
	}
	l.note("attempt %d of %s goes on", z.attempt, z.call.name)
	l.resume(z.strand)
	if !z.strand.ended {
		l.fail("attempt %d of %s stands still twice", z.attempt, z.call.name)
	}
	if z.call.attempts == z.attempt {
		z.call.frozen = false
	}
	z.end()
	return true
}

// report takes an attempt's outcome to the workflow, unless nobody waits for it any more.
func (l *life) report(c *call, attempt int, f *fault, result *commonpb.Payloads, err error) {
	l.note("attempt %d of %s: %s", attempt, c.name, outcome(err))
	stale := c.done || c.attempts != attempt
	if err != nil && !stale && !f.lost {
		l.judgeRefusal(c.name, err)
	}
	switch {
	case stale:
	case f.lost:
		l.happened("worker died: " + f.name)
		c.failure = temporal.NewHeartbeatTimeoutError()
		l.again(c, l.now.Add(noticeDeath))
	case err == nil:
		l.finish(c, result, nil)
	default:
		l.retry(c, acrossTheWire(err))
	}
}

func outcome(err error) string {
	if err == nil {
		return "done"
	}
	return "failed: " + scrub(err.Error())
}

func (l *life) retry(c *call, err error) {
	if !c.local {
		err = activities.Rest(err, int32(c.attempts)) // as the worker's interceptor does
	}
	c.failure = err
	wait := backOff(c.retry, c.attempts)
	if said, is := errors.AsType[*temporal.ApplicationError](err); is {
		if said.NonRetryable() {
			l.finish(c, nil, err)
			return
		}
		if said.NextRetryDelay() > 0 {
			wait = said.NextRetryDelay()
		}
	}
	l.again(c, l.now.Add(wait))
}

func (l *life) again(c *call, at time.Time) {
	if at.Sub(c.scheduled) >= c.patience {
		l.happened("step ran out of time")
		l.finish(c, nil, c.failure)
		return
	}
	c.due = at
}

func backOff(p temporal.RetryPolicy, attempts int) time.Duration {
	wait := float64(p.InitialInterval)
	for range attempts - 1 {
		if wait *= p.BackoffCoefficient; wait >= float64(p.MaximumInterval) {
			return p.MaximumInterval
		}
	}
	return time.Duration(wait)
}

// finish gives the workflow a call's end. It is taken up when the life gives the engine its turn.
func (l *life) finish(c *call, result *commonpb.Payloads, err error) {
	c.done = true
	if !c.run.active {
		return
	}
	if err != nil {
		c.future.SetError(err)
		return
	}
	c.future.SetValue(result)
}

// invoke calls the product's activity of that name as a worker does: what goes in and comes out is
// encoded.
func (l *life) invoke(name string, args *commonpb.Payloads) (*commonpb.Payloads, error) {
	do, known := l.world.activities[name]
	if !known {
		l.fail("activity %s has no player", name)
	}
	values := []reflect.Value{reflect.ValueOf(context.Background())}
	var into []any
	for i := 1; i < do.Type().NumIn(); i++ {
		v := reflect.New(do.Type().In(i))
		values, into = append(values, v.Elem()), append(into, v.Interface())
	}
	encoding := converter.GetDefaultDataConverter()
	if err := encoding.FromPayloads(args, into...); err != nil {
		return nil, fmt.Errorf("decode the arguments of %s: %w", name, err)
	}
	out := do.Call(values)
	if err, failed := reflect.TypeAssert[error](out[len(out)-1]); failed {
		return nil, err
	}
	if len(out) == 1 {
		return nil, nil //nolint:nilnil // an activity without a result
	}
	return encoding.ToPayloads(out[0].Interface())
}
