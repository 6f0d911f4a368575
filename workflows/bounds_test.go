package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

// observer writes down with which bounds a workflow calls its activities.
type observer struct {
	interceptor.WorkerInterceptorBase

	remote map[string]workflow.ActivityOptions
	local  map[string]workflow.LocalActivityOptions
	timer  func(summary string, wait time.Duration)
}

func observe(d *desk) *observer {
	o := &observer{
		remote: map[string]workflow.ActivityOptions{}, local: map[string]workflow.LocalActivityOptions{},
		timer: func(string, time.Duration) {},
	}
	d.env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{o}})
	return o
}

type observedInbound struct {
	interceptor.WorkflowInboundInterceptorBase

	observer *observer
}

type observedOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase

	observer *observer
}

func (o *observer) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	inbound := &observedInbound{observer: o}
	inbound.Next = next
	return inbound
}

func (i *observedInbound) Init(next interceptor.WorkflowOutboundInterceptor) error {
	outbound := &observedOutbound{observer: i.observer}
	outbound.Next = next
	return i.Next.Init(outbound)
}

func (o *observedOutbound) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	o.observer.remote[name] = workflow.GetActivityOptions(ctx)
	return o.Next.ExecuteActivity(ctx, name, args...)
}

func (o *observedOutbound) ExecuteLocalActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	o.observer.local[name] = workflow.GetLocalActivityOptions(ctx)
	return o.Next.ExecuteLocalActivity(ctx, name, args...)
}

func (o *observedOutbound) NewTimerWithOptions(ctx workflow.Context, wait time.Duration, options workflow.TimerOptions) workflow.Future {
	o.observer.timer(options.Summary, wait)
	return o.Next.NewTimerWithOptions(ctx, wait, options)
}

// A partner that never answers, a worker that dies, a partner that stays away: each has a bound, and
// each call says in the Temporal UI what it is for.
func TestEveryCallToAPartnerIsBounded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	seen := observe(d)
	d.send, d.lookUp = order.DispatchUnknown, order.DispatchAbsent
	d.stock = []string{"acme"}
	require.Equal(t, order.StageCancelled, d.run(t).Stage)
	for _, name := range []string{workflows.ActivityDispatch, workflows.ActivityLookUp, workflows.ActivityCancel, workflows.ActivityRefund} {
		bounds, called := seen.remote[name]
		require.True(t, called, name)
		require.Positive(t, bounds.StartToCloseTimeout, name)
		require.LessOrEqual(t, bounds.StartToCloseTimeout, time.Minute, name)
		require.Positive(t, bounds.HeartbeatTimeout, name)
		require.Less(t, bounds.HeartbeatTimeout, bounds.StartToCloseTimeout, name)
		require.Positive(t, bounds.ScheduleToCloseTimeout, name)
		require.LessOrEqual(t, bounds.ScheduleToCloseTimeout, 15*time.Minute, "then a person is told: %s", name)
		require.NotEmpty(t, bounds.Summary, name)
	}
	require.Contains(t, seen.local, workflows.ActivitySettle)
	for name, bounds := range seen.local {
		require.Positive(t, bounds.StartToCloseTimeout, name)
		require.Positive(t, bounds.ScheduleToCloseTimeout, name)
		require.NotEmpty(t, bounds.Summary, name)
	}
}

// A step may fail for weeks, and the history must not fill up meanwhile, nor the order sleep long
// after its partner is back.
func TestAStalledStepRestsTwiceAsLongEachTimeUpToSixHours(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.failing[workflows.ActivityValidate] = 1_000_000
	var rests []time.Duration
	observe(d).timer = func(summary string, rest time.Duration) {
		if summary != "Rest before validate is tried again" {
			return // the tries between two rests wait for each other
		}
		if rests = append(rests, rest); len(rests) == 12 {
			d.failing[workflows.ActivityValidate] = 0
		}
	}
	d.stock = nil
	require.Equal(t, order.StageCancelled, d.run(t).Stage)
	var want []time.Duration
	for rest := time.Minute; len(want) < 12; rest = min(2*rest, 6*time.Hour) {
		want = append(want, rest)
	}
	require.Equal(t, want, rests)
}

func TestADeadlineHasOneTimerWhateverHappensMeanwhile(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var set []time.Duration
	ended := 0
	d.env.SetOnTimerScheduledListener(func(_ string, wait time.Duration) { set = append(set, wait) })
	d.env.SetOnTimerCanceledListener(func(string) { ended++ })
	d.env.SetOnTimerFiredListener(func(string) { require.Fail(t, "nothing was late") })
	po := key.PurchaseOrderNumber(1)
	for seq := range int64(5) { // answers for a line that the purchase order does not have: news, and no change
		at := time.Duration(seq+1) * time.Hour
		fact := d.accepted(seq+1, po, at)
		fact.Acknowledge.Whole, fact.Acknowledge.Lines = "", []order.AckLine{{Line: 9, Status: order.AckAccepted, Quantity: 1}}
		d.later(at, fact)
	}
	d.later(6*time.Hour, d.accepted(6, po, 6*time.Hour))
	d.delivers(7, po, 3, 48*time.Hour)
	d.later(100*time.Hour, d.reached(10, po, order.ParcelDelivered, 100*time.Hour))
	require.Equal(t, order.StageSettled, d.run(t).Stage)
	require.Equal(t, []time.Duration{d.ackIn, d.shipIn - 6*time.Hour}, set, "one for the answer, one for the shipment")
	require.Equal(t, 2, ended, "and none runs on")
}

func TestARefundSaysAllThatTheOrderOwes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	po := key.PurchaseOrderNumber(1)
	d.later(time.Hour, d.accepted(1, po, time.Hour))
	one := []order.ShippedLine{{Line: 1, Quantity: 1}}
	for id, at := range map[string]time.Duration{"a": 2 * time.Hour, "b": 3 * time.Hour} {
		d.env.RegisterDelayedCallback(func() {
			d.env.SignalWorkflow(workflows.SignalCancel, order.CancelRequest{ID: id, Lines: one})
		}, at)
	}
	d.delivers(2, po, 1, 48*time.Hour)
	require.Equal(t, order.StageSettled, d.run(t).Stage)
	require.Len(t, d.refunded, 2)
	require.Equal(t, one, d.refunded[0].Owed)
	require.Equal(t, one, d.refunded[1].Lines)
	require.Equal(t, []order.ShippedLine{{Line: 1, Quantity: 2}}, d.refunded[1].Owed)
	require.Equal(t, []int{1, 2}, []int{d.refunded[0].N, d.refunded[1].N})
}

func TestAStepUnderWayWhenTheHistoryIsContinuedIsBegunAgain(t *testing.T) {
	t.Parallel()
	first := newDesk(t)
	first.failing[workflows.ActivityDispatch] = 1000
	first.env.RegisterDelayedCallback(func() { first.env.SetContinueAsNewSuggested(true) }, 5*time.Minute)
	first.later(5*time.Minute + time.Second) // facts of nothing: another round
	first.env.RegisterWorkflowWithOptions(workflows.Order, workflow.RegisterOptions{Name: workflows.OrderWorkflow})
	first.env.ExecuteWorkflow(workflows.Order, workflows.OrderInput{Key: key})
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, first.env.GetWorkflowError(), &again)
	var carried workflows.OrderInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &carried))
	require.NotEmpty(t, carried.State.Busy)

	second := newDesk(t)
	po := key.PurchaseOrderNumber(1)
	second.later(time.Hour, second.accepted(1, po, time.Hour))
	second.delivers(2, po, 3, 2*time.Hour)
	second.env.RegisterWorkflow(workflows.Order)
	second.env.ExecuteWorkflow(workflows.Order, carried)
	require.True(t, second.env.IsWorkflowCompleted())
	require.NoError(t, second.env.GetWorkflowError())
	require.Empty(t, second.dispatched, "it may have got through: it is looked up, not sent again")
	require.Len(t, second.settled, 1)
}

// What has come is taken before a deadline is judged, also when an outage of the workers put both into
// one workflow task: a supplier that was in time broke no contract.
func TestAnAcknowledgmentThatIsReadWithItsDeadlineIsNoBreach(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	po := key.PurchaseOrderNumber(1)
	d.env.RegisterDelayedCallback(func() {
		d.env.SignalWorkflowSkippingWorkflowTask(workflows.SignalFacts,
			workflows.FactsSignal{Facts: []order.Fact{d.accepted(1, po, 0)}})
	}, d.ackIn-time.Second)
	d.delivers(2, po, 3, 48*time.Hour)
	result := d.run(t)
	require.Equal(t, order.StageSettled, result.Stage)
	require.False(t, result.Breached)
}

func TestAFactIsTakenWhenItComesAndNotAtTheNextDeadline(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	po := key.PurchaseOrderNumber(1)
	d.later(time.Hour, d.accepted(1, po, time.Hour))
	d.env.RegisterDelayedCallback(func() {
		held := d.state(t)
		require.Equal(t, order.StageAcknowledged, held.Stage())
	}, time.Hour+time.Second)
	d.delivers(2, po, 3, 48*time.Hour)
	require.Equal(t, order.StageSettled, d.run(t).Stage)
}
