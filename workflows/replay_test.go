package workflows_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/workflows"
)

// The histories are those that orders of each release left behind; testdata/README.md says how they
// are recorded. An order that began under a release must go on under this code, so a change that
// breaks a replay needs workflow.GetVersion, not a new history.
func TestGoldenHistoriesReplay(t *testing.T) {
	t.Parallel()
	for _, file := range goldens(t) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, replayFile(file, ours))
		})
	}
}

// What a partner or an operator could read out of a history, and what makes a review of it endless.
func TestGoldenHistoriesAreSmallAndTellNothingOfTheirMachine(t *testing.T) {
	t.Parallel()
	files := goldens(t)
	require.GreaterOrEqual(t, len(files), 44)
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(histories, file))
		require.NoError(t, err)
		require.Less(t, len(text), 60_000, file)
		for _, tell := range []string{`"stackTrace": "`, "/go/", "@"} {
			require.NotContains(t, string(text), tell, file)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, `"identity"`) {
				require.Regexp(t, `"identity": "(worker|history-service)?",?\n`, line, file)
			}
		}
	}
}

// changes are what a careless change of the workflow looks like to an order that is under way.
var changes = map[string]struct {
	workflow    any
	interceptor interceptor.WorkerInterceptor
	// history is one that the change breaks, event what its error names.
	history, event string
}{
	"a timer before everything else": {
		workflow: func(ctx workflow.Context, in workflows.OrderInput) (workflows.OrderResult, error) {
			_ = workflow.Sleep(ctx, time.Second)
			return workflows.Order(ctx, in)
		},
		history: "v0.1/smooth.json", event: "event 7 (ActivityTaskScheduled DispatchPurchaseOrder)",
	},
	"a step that is left out": {
		interceptor: &changed{activity: func(next interceptor.WorkflowOutboundInterceptor, ctx workflow.Context, name string, args []any) workflow.Future {
			if name == workflows.ActivityRefund {
				future, done := workflow.NewFuture(ctx)
				done.SetValue(workflows.RefundResult{})
				return future
			}
			return next.ExecuteActivity(ctx, name, args...)
		}},
		history: "v0.1/no-stock.json", event: "(ActivityTaskScheduled RefundCustomer)",
	},
	"another activity": {
		interceptor: &changed{activity: func(next interceptor.WorkflowOutboundInterceptor, ctx workflow.Context, name string, args []any) workflow.Future {
			if name == workflows.ActivityDispatch {
				name = "SendPurchaseOrder"
			}
			return next.ExecuteActivity(ctx, name, args...)
		}},
		history: "v0.1/smooth.json", event: "event 7 (ActivityTaskScheduled DispatchPurchaseOrder)",
	},
	"a timer in place of a step": {
		interceptor: &changed{activity: func(next interceptor.WorkflowOutboundInterceptor, ctx workflow.Context, name string, args []any) workflow.Future {
			if name == workflows.ActivityCancel {
				return workflow.NewTimer(ctx, time.Minute)
			}
			return next.ExecuteActivity(ctx, name, args...)
		}},
		history: "v0.1/silent-supplier.json", event: "(ActivityTaskScheduled CancelPurchaseOrder)",
	},
	"no timer for a deadline": {
		interceptor: &changed{timer: func(_ interceptor.WorkflowOutboundInterceptor, ctx workflow.Context, _ time.Duration) workflow.Future {
			future, _ := workflow.NewFuture(ctx)
			return future
		}},
		history: "v0.1/smooth.json", event: "event 13 (TimerStarted)",
	},
	"another local activity": {
		interceptor: &changed{local: func(next interceptor.WorkflowOutboundInterceptor, ctx workflow.Context, name string, args []any) workflow.Future {
			if name == workflows.ActivityRoute {
				name = workflows.ActivityRecord
			}
			return next.ExecuteLocalActivity(ctx, name, args...)
		}},
		history: "v0.1/smooth.json", event: "(MarkerRecorded RouteOrder)",
	},
}

// A replay that accepts anything would make the goldens worthless, and one that only says "something
// differs" would leave a developer alone with a hundred events.
func TestReplayOfAChangedWorkflowFailsAndNamesTheEvent(t *testing.T) {
	t.Parallel()
	for what, change := range changes {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			subject := workflow.RegisterOptions{Name: workflows.OrderWorkflow}
			body := change.workflow
			if body == nil {
				body = workflows.Order
			}
			err := replayFile(change.history, code{order: body, options: subject, interceptor: change.interceptor})
			require.ErrorContains(t, err, "history "+change.history+", ")
			require.ErrorContains(t, err, change.event)
			require.ErrorContains(t, err, "docs/extending.md")
		})
	}
}

// The search for the event that differs cuts histories short: where our own code replays whole, it
// replays every cut that the search makes.
func TestCutHistoriesReplay(t *testing.T) {
	t.Parallel()
	for _, file := range goldens(t) {
		h, err := readHistory(file)
		require.NoError(t, err)
		for _, end := range taskEnds(h) {
			require.NoError(t, ours.replay(cut(h, end)), "%s up to event %d", file, end)
		}
	}
}

// longestTask is the time in which one round of an order's workflow must be done. The SDK calls a
// second a deadlock; a tenth of it leaves a slow machine room.
const longestTask = 100 * time.Millisecond

func TestNoRoundOfAReplayTakesLong(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	t.Parallel()
	rounds, slowest, where := 0, time.Duration(0), ""
	for _, file := range goldens(t) {
		// Others use the processor too: what counts is the best of three.
		best := time.Hour
		for range 3 {
			watch := &stopwatch{}
			require.NoError(t, replayFile(file, code{order: workflows.Order, options: ours.options, interceptor: watch}))
			best = min(best, watch.longest)
			rounds += watch.rounds
		}
		if best > slowest {
			slowest, where = best, file
		}
	}
	t.Logf("%d rounds; the longest took %s, in %s", rounds, slowest, where)
	require.Positive(t, rounds)
	require.Less(t, slowest, longestTask, where)
}

var quiet = slog.New(slog.DiscardHandler)
