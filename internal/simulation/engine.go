package simulation

import (
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/workflows"
)

// flow is one workflow by its id, over all its runs: the order's own, a return's, the payment's or a claim's.
type flow struct {
	id      string
	kind    string // the workflow's type
	rma     string // of a return
	started bool
	ending  enumspb.WorkflowExecutionStatus
	run     *run // nil: it does not run
}

// run is one run of a workflow, in the SDK's test environment: the SDK's own dispatcher, channels,
// futures and timers on a clock that moves when nothing is left to do. Each run is a strand that goes on
// until its clock shows the life's time. Activities are not run there: the tap hands each call to the
// life, which carries it out when its turn comes.
type run struct {
	flow   *flow
	env    *testsuite.TestWorkflowEnvironment
	strand *strand
	begins time.Time
	input  any // workflows.OrderInput, ReturnInput, PaymentInput or ClaimInput
	queued []signal
	active bool
	// asked and its like are the workflow's handler of the query for its state.
	asked        func() (order.State, error)
	askedReturn  func() (returns.State, error)
	askedPayment func() (payments.State, error)
	askedClaim   func() (claims.State, error)
	calls        []*call
	// refusals counts how often a request of an id was rejected.
	refusals map[string]int
	// suggested: the history has grown long.
	suggested bool
	// killAt is when somebody ends the run from outside; zero: nobody does.
	killAt time.Time
	killed bool
}

type signal struct {
	name string
	arg  any
}

type tap struct {
	interceptor.WorkerInterceptorBase
	life *life
	run  *run
}

func (t *tap) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &inbound{interceptor.WorkflowInboundInterceptorBase{Next: next}, t}
}

type inbound struct {
	interceptor.WorkflowInboundInterceptorBase
	tap *tap
}

func (i *inbound) Init(next interceptor.WorkflowOutboundInterceptor) error {
	return i.Next.Init(&outbound{interceptor.WorkflowOutboundInterceptorBase{Next: next}, i.tap})
}

// ExecuteWorkflow runs the workflow, with its turns.
func (i *inbound) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	r := i.tap.run
	r.env.RegisterDelayedCallback(func() { i.tap.life.tick(r) }, time.Millisecond)
	if r.killAt.IsZero() {
		return i.Next.ExecuteWorkflow(ctx, in)
	}
	var result any
	var err error
	ended := false
	workflow.Go(ctx, func(ctx workflow.Context) {
		result, err = i.Next.ExecuteWorkflow(ctx, in)
		ended = true
	})
	_ = workflow.Await(ctx, func() bool { return ended || r.killed })
	if !ended {
		return nil, temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil)
	}
	return result, err
}

type outbound struct {
	interceptor.WorkflowOutboundInterceptorBase
	tap *tap
}

// SetQueryHandlerWithOptions keeps the handler of the query for the state: a life asks for it at each
// turn, and need not have it encoded each time.
func (o *outbound) SetQueryHandlerWithOptions(ctx workflow.Context, name string, handler any, options workflow.QueryHandlerOptions) error {
	switch ask := handler.(type) {
	case func() (order.State, error):
		o.tap.run.asked = ask
	case func() (returns.State, error):
		o.tap.run.askedReturn = ask
	case func() (payments.State, error):
		o.tap.run.askedPayment = ask
	case func() (claims.State, error):
		o.tap.run.askedClaim = ask
	}
	return o.Next.SetQueryHandlerWithOptions(ctx, name, handler, options)
}

func (o *outbound) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	options := workflow.GetActivityOptions(ctx)
	return o.tap.schedule(ctx, &call{name: name, retry: *options.RetryPolicy, patience: options.ScheduleToCloseTimeout}, args)
}

func (o *outbound) ExecuteLocalActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	options := workflow.GetLocalActivityOptions(ctx)
	return o.tap.schedule(ctx, &call{name: name, local: true, retry: *options.RetryPolicy, patience: options.ScheduleToCloseTimeout}, args)
}

func (t *tap) schedule(ctx workflow.Context, c *call, args []any) workflow.Future {
	future, set := workflow.NewFuture(ctx)
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(args...)
	if err != nil {
		set.SetError(err)
		return future
	}
	now := workflow.Now(ctx).UTC()
	c.run, c.args, c.future, c.scheduled, c.due = t.run, payloads, set, now, now
	t.run.calls = append(t.run.calls, c)
	t.life.note("workflow asks for %s", c.name)
	return future
}

// flow finds the workflow of an id, which may never have started.
func (l *life) flow(id string) *flow {
	for _, f := range l.flows {
		if f.id == id {
			return f
		}
	}
	for _, p := range l.purchases {
		if f := p.newFlow(id); f != nil {
			l.flows = append(l.flows, f)
			return f
		}
	}
	if f := l.jointFlow(id); f != nil {
		l.flows = append(l.flows, f)
		return f
	}
	f := l.replacement(id).order
	l.flows = append(l.flows, f)
	return f
}

// start makes the next run of a workflow due.
func (l *life) start(f *flow, input any, begins time.Time, first *signal) {
	f.started = true
	f.run = &run{flow: f, input: input, begins: begins, refusals: map[string]int{}}
	if first != nil {
		f.run.queued = append(f.run.queued, *first)
	}
	l.note("workflow %s starts: %T", f.id, input)
}

func (f *flow) running() bool { return f.run != nil }

// runs are all that run now, in a fixed order.
func (l *life) runs() []*run {
	var list []*run
	for _, f := range l.flows {
		if f.run != nil {
			list = append(list, f.run)
		}
	}
	return list
}

func (r *run) signal(name string, arg any) {
	if r.active {
		r.env.SignalWorkflow(name, arg)
		return
	}
	r.queued = append(r.queued, signal{name, arg})
}

// advance lets every workflow go on until the time of the life.
func (l *life) advance() {
	for _, f := range l.flows {
		for r := f.run; r != nil && (r.strand == nil || r.env.Now().Before(l.now)); r = f.run {
			if r.strand == nil {
				r.strand = l.begin(func() { l.execute(r) })
			} else {
				l.resume(r.strand)
			}
		}
	}
}

// silent drops the engine's log.
type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// execute lives through one run of a workflow, to its end.
func (l *life) execute(r *run) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(silent{})
	r.env = suite.NewTestWorkflowEnvironment()
	r.env.SetStartTime(r.begins)
	r.env.SetWorkerOptions(worker.Options{
		Interceptors:             []interceptor.WorkerInterceptor{&tap{life: l, run: r}},
		DeadlockDetectionTimeout: time.Minute,
	})
	r.env.SetTestTimeout(time.Minute)
	r.env.RegisterWorkflowWithOptions(workflows.Order, workflow.RegisterOptions{Name: workflows.OrderWorkflow})
	r.env.RegisterWorkflowWithOptions(workflows.Return, workflow.RegisterOptions{Name: workflows.ReturnWorkflow})
	r.env.RegisterWorkflowWithOptions(workflows.Payment, workflow.RegisterOptions{Name: workflows.PaymentWorkflow})
	r.env.RegisterWorkflowWithOptions(workflows.Claim, workflow.RegisterOptions{Name: workflows.ClaimWorkflow})
	if r.flow.kind != workflows.ReturnWorkflow && !l.quiet && l.chance(2) {
		r.killAt = l.now.Add(l.between(time.Minute, 72*time.Hour, time.Minute))
	}
	// Without a timeout, no timer can run before the workflow does, which begins in a goroutine.
	r.env.SetWorkflowRunTimeout(0)
	r.active = true
	r.env.ExecuteWorkflow(r.flow.kind, r.input)
	r.active = false
	l.ended(r)
}

// ended takes note of how a run ended.
func (l *life) ended(r *run) {
	f := r.flow
	f.run = nil
	err := r.env.GetWorkflowError()
	var again *workflow.ContinueAsNewError
	var timeout *temporal.TimeoutError
	switch {
	case err == nil:
		f.ending = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
		l.note("workflow %s completes", f.id)
	case errors.As(err, &again):
		l.happened("continued as new")
		l.start(f, l.nextInput(f, again), r.env.Now(), nil)
		// Signals that the run before had not read are given to the next one by the server.
	case errors.As(err, &timeout):
		f.ending = enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT
		l.happened(endedFromOutside[f.kind])
		l.note("workflow is ended from outside")
	default:
		l.fail("the workflow failed: %v", err)
	}
	for _, c := range r.calls {
		c.done = true
	}
}

// tick is a workflow's turn: the life goes on until it is to take up what has come.
func (l *life) tick(r *run) {
	for _, s := range r.queued {
		r.env.SignalWorkflow(s.name, s.arg)
	}
	r.queued = nil
	l.pause()
	if l.closing {
		panic(violation("the life was given up"))
	}
	r.killed = r.killed || !r.killAt.IsZero() && !l.quiet && l.now.After(r.killAt)
	r.env.RegisterDelayedCallback(func() { l.tick(r) }, max(l.now.Sub(r.env.Now()), time.Microsecond))
}

// state asks the workflow of the order that the life is about where it stands.
func (l *life) state() *order.State { return l.purchase.state(l) }

// state asks the order's workflow where it stands; nil when none runs or the answer is still being loaded.
func (p *purchase) state(l *life) *order.State {
	r := p.order.run
	if r == nil || !r.active || r.asked == nil {
		return nil
	}
	s, err := r.asked()
	if err != nil {
		l.fail("the workflow does not answer a query: %v", err)
	}
	return &s
}

// returnState asks a return's workflow where it stands; nil when it is an order's or has not loaded it yet.
func (r *run) returnState(l *life) *returns.State {
	if !r.active || r.askedReturn == nil {
		return nil
	}
	s, err := r.askedReturn()
	if err != nil {
		l.fail("a return's workflow does not answer a query: %v", err)
	}
	if s.PO == "" {
		return nil
	}
	return &s
}
