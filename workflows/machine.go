package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// machine holds the rules of a life: it says which steps are due now, and takes how they ended.
type machine[K ~string] interface {
	Steps() []K
	Begin(step K)
	Stalled(step K, why string, now time.Time)
	Again(step K)
	Woken(step K) bool
	Resumed(step K)
}

// beginDue starts everything that is due. Each step runs in a coroutine of its own; nudge makes the main round go
// once more.
func beginDue[K ~string](ctx workflow.Context, m machine[K], rests rests, nudge func(), perform func(workflow.Context, K) error) {
	for _, step := range m.Steps() {
		m.Begin(step)
		workflow.GoNamed(ctx, string(step), func(ctx workflow.Context) {
			defer nudge()
			if err := perform(ctx, step); err != nil {
				workflow.GetLogger(ctx).Warn("step keeps failing", "step", string(step), "error", err)
				m.Stalled(step, reason(err), workflow.Now(ctx))
				nudge()
				rests.rest(ctx, string(step), "", func() bool { return m.Woken(step) })
				m.Again(step)
				return
			}
			rests.over(string(step), "")
			m.Resumed(step)
		})
	}
}

// loaded reads what a desk, or the run before, left. Without it nothing can be done, so it is tried until it is there.
func loaded[S any](ctx workflow.Context, rests rests, what string, read func() workflow.Future) S {
	for {
		var recorded S
		err := read().Get(ctx, &recorded)
		if err == nil {
			return recorded
		}
		workflow.GetLogger(ctx).Error("cannot load the "+what, "error", err)
		rests.rest(ctx, "load", "", never)
	}
}
