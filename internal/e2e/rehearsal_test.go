package e2e

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

// rehearsal plays one order's workflow on a real server, with a desk instead of the activities and a
// task queue of its own.
type rehearsal struct {
	*desk
	t         *testing.T
	temporal  client.Client
	namespace string
	queue     string
	watchers  []interceptor.WorkerInterceptor
	// taskTimeout is the time that a worker has for a workflow task; zero: the server's 10 s.
	taskTimeout time.Duration
	stop        func()
	overtakes   func()   // lets what is held up go on
	began       []string // the runs that were started, the oldest first; others continue them
}

// patient bounds everything that a rehearsal waits for, on a machine that is busy with other tests.
const patient = 90 * time.Second

func newRehearsal(t *testing.T, c client.Client, namespace, id string) *rehearsal {
	t.Helper()
	r := &rehearsal{desk: newDesk(id), t: t, temporal: c, namespace: namespace, queue: "rehearsal/" + id, stop: func() {}}
	t.Cleanup(func() { r.stop() })
	return r
}

// startWorker takes the place of the worker that was stopped, if there was one.
func (r *rehearsal) startWorker() {
	r.t.Helper()
	w := worker.New(r.temporal, r.queue, worker.Options{
		Identity:                         "worker",
		MaxConcurrentWorkflowTaskPollers: 2,
		MaxConcurrentActivityTaskPollers: 1,
		DisableRegistrationAliasing:      true,
		Interceptors:                     r.watchers,
	})
	w.RegisterWorkflowWithOptions(workflows.Order, workflow.RegisterOptions{Name: workflows.OrderWorkflow})
	w.RegisterWorkflowWithOptions(workflows.CarrierPoll, workflow.RegisterOptions{Name: workflows.CarrierPollWorkflow})
	w.RegisterWorkflowWithOptions(workflows.Reconcile, workflow.RegisterOptions{Name: workflows.ReconcileWorkflow})
	r.serve(w)
	require.NoError(r.t, w.Start())
	r.stop = sync.OnceFunc(w.Stop)
}

func (r *rehearsal) options() client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: r.key.WorkflowID(), TaskQueue: r.queue, WorkflowTaskTimeout: r.taskTimeout,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}
}

// begin starts the order's workflow.
func (r *rehearsal) begin() {
	r.t.Helper()
	run, err := r.temporal.ExecuteWorkflow(r.t.Context(), r.options(), workflows.OrderWorkflow, workflows.OrderInput{Key: r.key})
	require.NoError(r.t, err)
	r.began = append(r.began, run.GetRunID())
}

// reopen brings facts to an order that is settled.
func (r *rehearsal) reopen(facts ...order.Fact) {
	r.t.Helper()
	signal := workflows.FactsSignal{Facts: r.number(facts...)}
	run, err := r.temporal.SignalWithStartWorkflow(r.t.Context(), r.key.WorkflowID(), workflows.SignalFacts, signal, r.options(),
		workflows.OrderWorkflow, workflows.OrderInput{Key: r.key, Reopen: true})
	require.NoError(r.t, err)
	r.began = append(r.began, run.GetRunID())
}

func (r *rehearsal) signal(name string, payload any) {
	r.t.Helper()
	require.NoError(r.t, r.temporal.SignalWorkflow(r.t.Context(), r.key.WorkflowID(), "", name, payload))
}

// signalRaw sends a signal with an input that no converter of ours made; nil: with no input at all.
func (r *rehearsal) signalRaw(name string, input *common.Payloads) {
	r.t.Helper()
	_, err := r.temporal.WorkflowService().SignalWorkflowExecution(r.t.Context(), &workflowservice.SignalWorkflowExecutionRequest{
		Namespace: r.namespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: r.key.WorkflowID()},
		SignalName: name, Input: input, Identity: "worker",
	})
	require.NoError(r.t, err)
}

// tell brings facts to the order.
func (r *rehearsal) tell(facts ...order.Fact) {
	r.t.Helper()
	r.signal(workflows.SignalFacts, workflows.FactsSignal{Facts: r.number(facts...)})
}

// ask makes a request and waits for its answer.
func (r *rehearsal) ask(update string, request, answer any) error {
	r.t.Helper()
	handle, err := r.request(update, request)
	if err != nil {
		return err
	}
	return handle.Get(r.t.Context(), answer)
}

// send makes a request and waits until it is granted.
func (r *rehearsal) request(update string, request any) (client.WorkflowUpdateHandle, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), patient)
	defer cancel()
	return r.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: r.key.WorkflowID(), UpdateName: update, Args: []any{request}, WaitForStage: client.WorkflowUpdateStageAccepted,
	})
}

func (r *rehearsal) state() order.State {
	r.t.Helper()
	s, err := r.query()
	require.NoError(r.t, err)
	return s
}

func (r *rehearsal) query() (s order.State, err error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), patient)
	defer cancel()
	value, err := r.temporal.QueryWorkflow(ctx, r.key.WorkflowID(), "", workflows.QueryState)
	if err != nil {
		return s, err
	}
	return s, value.Get(&s)
}

// until waits until the order is as wanted. Nothing but a question tells, and asking leaves no trace.
func (r *rehearsal) until(what string, ok func(*order.State) bool) order.State {
	r.t.Helper()
	var s order.State
	require.Eventually(r.t, func() bool {
		now, err := r.query()
		// Without a cache a question that the order's next task overtakes may be given more of the history than
		// it is to replay, and fail. The tasks themselves must not: the order would not go on.
		if err != nil && uncached() {
			return false
		}
		require.NoError(r.t, err)
		s = now
		return ok(&s)
	}, patient, 20*time.Millisecond, "%s: waiting until %s", r.key, what)
	return s
}

// untilCalled waits until an activity was tried so often.
func (r *rehearsal) untilCalled(activity string, times int) {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return r.called(activity) >= times }, patient, 5*time.Millisecond, "%s: waiting for %s", r.key, activity)
}

func (r *rehearsal) untilStage(stage order.Stage) {
	r.t.Helper()
	r.until("it is "+string(stage), func(s *order.State) bool { return s.Stage() == stage })
}

// untilSent waits until the n-th purchase order is with its supplier.
func (r *rehearsal) untilSent(n int) {
	r.t.Helper()
	r.until(r.po(n)+" is sent", func(s *order.State) bool {
		po := s.PO(r.po(n))
		return po != nil && po.Phase == order.Submitted
	})
}

// delivers walks the n-th purchase order to the door, in one parcel.
func (r *rehearsal) delivers(n int, quantity int64) {
	r.t.Helper()
	r.untilSent(n)
	r.tell(accepted(r.po(n)))
	r.tell(labelled(r.po(n), "T-"+r.po(n), quantity), reached("T-"+r.po(n), order.ParcelInTransit))
	r.tell(reached("T-"+r.po(n), order.ParcelDelivered))
}

// ends waits until the newest run of the workflow has ended well.
func (r *rehearsal) ends() workflows.OrderResult {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patient)
	defer cancel()
	var result workflows.OrderResult
	require.NoError(r.t, r.temporal.GetWorkflow(ctx, r.key.WorkflowID(), "").Get(ctx, &result), "%s", r.key)
	return result
}

// closed is true when the newest run of the workflow has ended.
func (r *rehearsal) closed() bool {
	r.t.Helper()
	described, err := r.temporal.DescribeWorkflowExecution(r.t.Context(), r.key.WorkflowID(), "")
	require.NoError(r.t, err)
	return described.GetWorkflowExecutionInfo().GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING
}

// runs are the histories of the workflow's runs, the oldest first.
func (r *rehearsal) runs() []*history.History {
	var runs []*history.History
	for _, run := range r.began {
		runs = append(runs, historiesOf(r.t, r.temporal, r.key.WorkflowID(), run)...)
	}
	return runs
}

// hasty shortens what the workflow waits for when a step keeps failing: a minute's rest becomes a
// second, and a partner is given up after two. A replay does not compare durations.
type hasty struct {
	interceptor.WorkerInterceptorBase
}

func (*hasty) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	i := &hastyInbound{}
	i.Next = next
	return i
}

type hastyInbound struct {
	interceptor.WorkflowInboundInterceptorBase
}

func (i *hastyInbound) Init(next interceptor.WorkflowOutboundInterceptor) error {
	o := &hastyOutbound{}
	o.Next = next
	return i.Next.Init(o)
}

type hastyOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
}

func (o *hastyOutbound) NewTimerWithOptions(ctx workflow.Context, d time.Duration, options workflow.TimerOptions) workflow.Future {
	if strings.HasPrefix(options.Summary, "Rest before") {
		d /= 60
	}
	return o.Next.NewTimerWithOptions(ctx, d, options)
}

func (o *hastyOutbound) Sleep(ctx workflow.Context, d time.Duration) error {
	return o.Next.Sleep(ctx, d/60)
}

func (o *hastyOutbound) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	options := workflow.GetActivityOptions(ctx)
	options.ScheduleToCloseTimeout, options.StartToCloseTimeout, options.HeartbeatTimeout = 2*time.Second, 2*time.Second, 0
	return o.Next.ExecuteActivity(workflow.WithActivityOptions(ctx, options), name, args...)
}

// lax grants every request and leaves it to its handler to refuse, as a release with other
// validators may have done: they are not run again in a replay.
type lax struct {
	interceptor.WorkerInterceptorBase
}

func (*lax) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	i := &laxInbound{}
	i.Next = next
	return i
}

type laxInbound struct {
	interceptor.WorkflowInboundInterceptorBase
}

func (*laxInbound) ValidateUpdate(workflow.Context, *interceptor.UpdateInput) error { return nil }
