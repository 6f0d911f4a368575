package simulation

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/activities"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/workflows"
)

// flow is one workflow by its id, over all its runs: the order's own or a return's.
type flow struct {
	id      string
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
	input  any // workflows.OrderInput or ReturnInput
	queued []signal
	active bool
	// asked and askedReturn are the workflow's handler of the query for its state.
	asked       func() (order.State, error)
	askedReturn func() (returns.State, error)
	calls       []*call
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
	_, rma, found := strings.Cut(id, "return/"+l.key.String()+"/")
	if !found {
		l.fail("somebody speaks of workflow %s", id)
	}
	f := &flow{id: id, rma: rma}
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

// running: the order's workflow runs.
func (l *life) running() bool { return l.order.running() }

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
	if r.flow == l.order && !l.quiet && l.chance(2) {
		r.killAt = l.now.Add(l.between(time.Minute, 72*time.Hour, time.Minute))
	}
	// Without a timeout, no timer can run before the workflow does, which begins in a goroutine.
	r.env.SetWorkflowRunTimeout(0)
	r.active = true
	name := workflows.OrderWorkflow
	if r.flow != l.order {
		name = workflows.ReturnWorkflow
	}
	r.env.ExecuteWorkflow(name, r.input)
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
		l.happened("workflow ended from outside")
		l.note("workflow is ended from outside")
	default:
		l.fail("the workflow failed: %v", err)
	}
	for _, c := range r.calls {
		c.done = true
	}
}

// nextInput reads what a run goes on with.
func (l *life) nextInput(f *flow, again *workflow.ContinueAsNewError) any {
	var forOrder workflows.OrderInput
	var forReturn workflows.ReturnInput
	into := any(&forOrder)
	if f != l.order {
		into = &forReturn
	}
	if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, into); err != nil {
		l.fail("the input of the next run cannot be read: %v", err)
	}
	if f != l.order {
		return forReturn
	}
	return forOrder
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

// state asks the order's workflow where it stands; nil when none runs or the answer is still being loaded.
func (l *life) state() *order.State {
	r := l.order.run
	if r == nil || !r.active || r.asked == nil {
		return nil
	}
	s, err := r.asked()
	if err != nil {
		l.fail("the workflow does not answer a query: %v", err)
	}
	return &s
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
