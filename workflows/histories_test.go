package workflows_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/workflows"
)

const histories = "testdata/histories"

// goldens are the histories of all releases, as RELEASE/NAME.json.
func goldens(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(histories, "*", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for i := range files {
		files[i], err = filepath.Rel(histories, files[i])
		require.NoError(t, err)
	}
	return files
}

func readHistory(file string) (*history.History, error) {
	text, err := os.ReadFile(filepath.Join(histories, file))
	if err != nil {
		return nil, fmt.Errorf("history %s: %w", file, err)
	}
	h, err := client.HistoryFromJSON(bytes.NewReader(text), client.HistoryJSONOptions{})
	if err != nil {
		return nil, fmt.Errorf("history %s: %w", file, err)
	}
	return h, nil
}

// code is what a history is replayed against.
type code struct {
	order       any
	options     workflow.RegisterOptions
	interceptor interceptor.WorkerInterceptor
}

// ours is the code as it is.
var ours = code{order: workflows.Order, options: workflow.RegisterOptions{Name: workflows.OrderWorkflow}}

func (c code) replay(h *history.History) error {
	options := worker.WorkflowReplayerOptions{}
	if c.interceptor != nil {
		options.Interceptors = []interceptor.WorkerInterceptor{c.interceptor}
	}
	replayer, err := worker.NewWorkflowReplayerWithOptions(options)
	if err != nil {
		return err
	}
	replayer.RegisterWorkflowWithOptions(c.order, c.options)
	replayer.RegisterWorkflowWithOptions(workflows.Payment, workflow.RegisterOptions{Name: workflows.PaymentWorkflow})
	replayer.RegisterWorkflowWithOptions(workflows.Return, workflow.RegisterOptions{Name: workflows.ReturnWorkflow})
	replayer.RegisterWorkflowWithOptions(workflows.Claim, workflow.RegisterOptions{Name: workflows.ClaimWorkflow})
	replayer.RegisterWorkflowWithOptions(workflows.CarrierPoll, workflow.RegisterOptions{Name: workflows.CarrierPollWorkflow})
	replayer.RegisterWorkflowWithOptions(workflows.Reconcile, workflow.RegisterOptions{Name: workflows.ReconcileWorkflow})
	return replayer.ReplayWorkflowHistory(log.NewStructuredLogger(quiet), h)
}

// replayFile replays a golden history. Its error names the event from which on the code goes another
// way, and says where to read what to do.
func replayFile(file string, c code) error {
	h, err := readHistory(file)
	if err != nil {
		return err
	}
	err = c.replay(h)
	if err == nil {
		return nil
	}
	event := differs(h, c, err)
	release, _, _ := strings.Cut(file, "/")
	said, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("history %s, event %d (%s): the code now does something else here, and an order begun under %s would stand still;"+
		" see docs/extending.md, \"Changing a workflow\": %s", file, event.GetEventId(), name(event), release, said)
}

// differs finds the event of a history that the code does not lead to any more. The SDK finds out
// workflow task by workflow task, so the first task that does not replay is looked for; in it the
// event that the SDK's words are about, or else the first that the task led to.
func differs(h *history.History, c code, whole error) *history.HistoryEvent {
	events := h.GetEvents()
	task, said := int64(0), whole.Error()
	for _, end := range taskEnds(h) {
		if err := c.replay(cut(h, end)); err != nil {
			said = err.Error()
			break
		}
		task = end
	}
	led := led(events[task:])
	if len(led) == 0 {
		return events[min(int(task), len(events)-1)]
	}
	if id := eventID(said); id > 0 {
		for _, e := range led {
			if e.GetEventId() == id {
				return e
			}
		}
	}
	for _, e := range led {
		kind, _, _ := strings.Cut(name(e), " ")
		if strings.Contains(said, "history event is "+kind) || strings.Contains(said, "missing replay command for "+kind) {
			return e
		}
		if was := regexp.MustCompile(`history event found (\w+)`).FindStringSubmatch(said); was != nil && strings.HasSuffix(name(e), " "+was[1]) {
			return e
		}
	}
	return led[0]
}

// ids are how the SDK names an event of the history: timers and activities have its number.
var ids = regexp.MustCompile(`(?:history event is \w+: \((?:TimerId|ActivityId):|missing replay command for \w+: \((?:TimerId|ActivityId):|scheduleEventID: |history event position )(\d+)`)

func eventID(said string) int64 {
	if found := ids.FindStringSubmatch(said); found != nil {
		id, _ := strconv.ParseInt(found[1], 10, 64)
		return id
	}
	return 0
}

// led are the events that the first completed workflow task among these led to.
func led(events []*history.HistoryEvent) []*history.HistoryEvent {
	var from []*history.HistoryEvent
	for i, e := range events {
		if e.GetEventType() != enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			continue
		}
		for _, after := range events[i+1:] {
			if !commanded(after) {
				break
			}
			from = append(from, after)
		}
		break
	}
	return from
}

// commanded is true for an event that is the workflow's own doing.
func commanded(e *history.HistoryEvent) bool {
	switch e.GetEventType() {
	case enums.EVENT_TYPE_TIMER_STARTED, enums.EVENT_TYPE_TIMER_CANCELED, enums.EVENT_TYPE_MARKER_RECORDED,
		enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
		enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
		enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
		enums.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
		return true
	}
	return false
}

// taskEnds are the numbers of the last events of what each completed workflow task led to.
func taskEnds(h *history.History) []int64 {
	var ends []int64
	events := h.GetEvents()
	for i := 0; i < len(events); i++ {
		if events[i].GetEventType() != enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			continue
		}
		for i+1 < len(events) && commanded(events[i+1]) {
			i++
		}
		ends = append(ends, events[i].GetEventId())
	}
	return ends
}

// cut is the history up to an event.
func cut(h *history.History, end int64) *history.History {
	return &history.History{Events: h.GetEvents()[:end]}
}

// name is what an event is, and of what.
func name(e *history.HistoryEvent) string {
	kind := e.GetEventType().String()
	if s := e.GetActivityTaskScheduledEventAttributes(); s != nil {
		return kind + " " + s.GetActivityType().GetName()
	}
	if m := e.GetMarkerRecordedEventAttributes(); m != nil {
		var data struct{ ActivityType string }
		for _, payloads := range m.GetDetails() {
			if converter.GetDefaultDataConverter().FromPayloads(payloads, &data) == nil && data.ActivityType != "" {
				return kind + " " + data.ActivityType
			}
		}
	}
	return kind
}

// changed makes the workflow do other things than its code says.
type changed struct {
	interceptor.WorkerInterceptorBase

	activity, local func(next interceptor.WorkflowOutboundInterceptor, ctx workflow.Context, name string, args []any) workflow.Future
	timer           func(next interceptor.WorkflowOutboundInterceptor, ctx workflow.Context, d time.Duration) workflow.Future
}

func (c *changed) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return within(next, func(out interceptor.WorkflowOutboundInterceptor) interceptor.WorkflowOutboundInterceptor {
		o := &changedCalls{change: c}
		o.Next = out
		return o
	})
}

type changedCalls struct {
	interceptor.WorkflowOutboundInterceptorBase

	change *changed
}

func (o *changedCalls) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	if o.change.activity == nil {
		return o.Next.ExecuteActivity(ctx, name, args...)
	}
	return o.change.activity(o.Next, ctx, name, args)
}

func (o *changedCalls) ExecuteLocalActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	if o.change.local == nil {
		return o.Next.ExecuteLocalActivity(ctx, name, args...)
	}
	return o.change.local(o.Next, ctx, name, args)
}

func (o *changedCalls) NewTimerWithOptions(ctx workflow.Context, d time.Duration, options workflow.TimerOptions) workflow.Future {
	if o.change.timer == nil {
		return o.Next.NewTimerWithOptions(ctx, d, options)
	}
	return o.change.timer(o.Next, ctx, d)
}

// stopwatch measures the rounds that a workflow makes between two waits.
type stopwatch struct {
	interceptor.WorkerInterceptorBase

	longest time.Duration
	rounds  int
}

func (s *stopwatch) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return within(next, func(out interceptor.WorkflowOutboundInterceptor) interceptor.WorkflowOutboundInterceptor {
		o := &timedWaits{watch: s, since: time.Now()}
		o.Next = out
		return o
	})
}

type timedWaits struct {
	interceptor.WorkflowOutboundInterceptorBase

	watch *stopwatch
	since time.Time
}

func (o *timedWaits) Await(ctx workflow.Context, condition func() bool) error {
	o.watch.longest = max(o.watch.longest, time.Since(o.since))
	o.watch.rounds++
	err := o.Next.Await(ctx, condition)
	o.since = time.Now()
	return err
}

// within puts an outbound interceptor into a workflow.
func within(next interceptor.WorkflowInboundInterceptor,
	wrap func(interceptor.WorkflowOutboundInterceptor) interceptor.WorkflowOutboundInterceptor,
) interceptor.WorkflowInboundInterceptor {
	i := &inbound{wrap: wrap}
	i.Next = next
	return i
}

type inbound struct {
	interceptor.WorkflowInboundInterceptorBase

	wrap func(interceptor.WorkflowOutboundInterceptor) interceptor.WorkflowOutboundInterceptor
}

func (i *inbound) Init(out interceptor.WorkflowOutboundInterceptor) error {
	return i.Next.Init(i.wrap(out))
}
