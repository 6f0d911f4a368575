package workflows

import (
	"errors"
	"strconv"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/visibility"
)

// Order is the life of one customer's order, from intake to settlement, and the only one that
// decides about it.
//
// It repeats four things until the order is settled: take what has come (facts, requests), let the
// deadlines that have passed take effect, begin the steps that are due, and wait. The rules are
// those of internal/order; here is only how they meet the world. What has come is always taken
// before a deadline is judged, so that an acknowledgment that is in the same workflow task as its
// deadline counts.
//
// The workflow never fails because something outside was away: a step that cannot be done asks for
// a person and is tried again. A cancellation of the workflow itself, as the Temporal UI's button
// makes it, is a request to cancel the order like any other.
func Order(ctx workflow.Context, in OrderInput) (OrderResult, error) {
	r := newOrderRun(ctx, in)
	if err := r.handleRequests(); err != nil {
		return OrderResult{}, err
	}
	switch {
	case in.State != nil:
		r.state = *in.State
		r.state.Recover()
		r.shown = visibility.Attributes{Storefront: in.Key.Storefront}
	case in.Reopen:
		r.reopen()
	}
	for {
		r.takeNews()
		r.state.Tick(workflow.Now(r.ctx))
		r.beginSteps()
		r.clocks.set(r.ctx, r.state.Deadlines())
		r.publish()
		if r.state.Finished() && workflow.AllHandlersFinished(r.ctx) {
			return r.result(), nil
		}
		if workflow.GetInfo(r.ctx).GetContinueAsNewSuggested() && workflow.AllHandlersFinished(r.ctx) {
			return OrderResult{}, workflow.NewContinueAsNewError(r.ctx, OrderWorkflow, OrderInput{Key: in.Key, State: &r.state})
		}
		r.wait()
	}
}

// orderRun is one run of an order's workflow.
type orderRun struct {
	// root is cancelled when somebody cancels the workflow; ctx never is.
	root, ctx workflow.Context
	state     order.State
	ready     bool // the recorded state is loaded, or there is none

	facts, cancels workflow.ReceiveChannel
	// changed holds a token when a coroutine has changed the state since the last round.
	changed       workflow.Channel
	clocks        clocks
	rests         rests
	rootCancelled bool
	shown         visibility.Attributes
}

func newOrderRun(ctx workflow.Context, in OrderInput) *orderRun {
	lasting, _ := workflow.NewDisconnectedContext(ctx)
	return &orderRun{
		root:    ctx,
		ctx:     lasting,
		state:   order.State{Key: in.Key},
		ready:   !in.Reopen,
		facts:   workflow.GetSignalChannel(ctx, SignalFacts),
		cancels: workflow.GetSignalChannel(ctx, SignalCancel),
		changed: workflow.NewBufferedChannel(ctx, 1),
		rests:   rests{},
		shown:   visibility.Attributes{Stage: order.StageReceived, Storefront: in.Key.Storefront},
	}
}

// nudge makes the main round go once more after a coroutine changed the state.
func (r *orderRun) nudge() { r.changed.SendAsync(struct{}{}) }

// takeNews applies everything that has come and was not applied yet.
func (r *orderRun) takeNews() {
	now := workflow.Now(r.ctx)
	eachSignal(r.facts, r.state.MissedFacts, func(batch FactsSignal) {
		r.heard(batch.Facts)
		for _, fact := range batch.Facts {
			r.state.Apply(fact, now)
		}
	})
	for {
		var raw converter.RawValue
		if !r.cancels.ReceiveAsync(&raw) {
			break
		}
		r.takeCancelSignal(raw, now)
	}
	if r.root.Err() != nil && !r.rootCancelled {
		r.rootCancelled = true
		r.cancel(order.CancelRequest{ID: "workflow-cancelled", By: "an operator in the Temporal UI"}, now)
	}
	for r.changed.ReceiveAsync(nil) {
		continue
	}
}

// heard settles for good, in this run, whether facts count that earlier releases take for nothing: one of their workers
// may have taken such a fact, and its history must go on like that.
func (r *orderRun) heard(facts []order.Fact) {
	for i := range facts {
		switch f := &facts[i]; {
		case f.Payment != nil:
			r.state.IgnoresPayments = takenForNothing(r.ctx, "later-payments")
		case f.RefundPaid != nil:
			r.state.IgnoresWakes = takenForNothing(r.ctx, "woken")
		case f.Unknown():
			r.state.IgnoresUnknown = takenForNothing(r.ctx, "unknown-facts")
		}
	}
}

// takenForNothing: the run began under a release without the change, and came to where it counts.
func takenForNothing(ctx workflow.Context, change string) bool {
	return workflow.GetVersion(ctx, change, workflow.DefaultVersion, 1) < 1
}

// eachSignal takes everything that waits in a channel. It is received raw: the SDK drops a signal that it
// cannot read, and what is in it with it.
func eachSignal[S any](from workflow.ReceiveChannel, unreadable func(), take func(S)) {
	for {
		var raw converter.RawValue
		if !from.ReceiveAsync(&raw) {
			return
		}
		var signal S
		if err := converter.GetDefaultDataConverter().FromPayload(raw.Payload(), &signal); err != nil {
			unreadable()
			continue
		}
		take(signal)
	}
}

// takeCancelSignal reads a cancellation sent by hand. Nothing but the signal itself means the whole
// order; what cannot be read is shown to a person and cancels nothing.
func (r *orderRun) takeCancelSignal(raw converter.RawValue, now time.Time) {
	request := order.CancelRequest{}
	if payload := raw.Payload(); len(payload.GetData()) > 0 {
		if err := converter.GetDefaultDataConverter().FromPayload(payload, &request); err != nil {
			r.state.Unreadable("cancel", now)
			return
		}
	}
	if request.ID == "" {
		request.ID = "signal-" + strconv.Itoa(len(r.state.Requests)+len(r.state.Early)+1)
	}
	if request.By == "" {
		request.By = "a signal"
	}
	r.cancel(request, now)
}

// cancel takes a cancellation that nobody waits to hear the answer of.
func (r *orderRun) cancel(request order.CancelRequest, now time.Time) {
	if err := r.state.CanCancel(request); err != nil {
		r.state.RefusedRequest("cancel", err, now)
		return
	}
	r.state.Cancel(request, now)
}

// beginSteps starts everything that is due. Each step runs in a coroutine of its own.
func (r *orderRun) beginSteps() {
	for _, step := range r.state.Steps() {
		r.state.Begin(step)
		workflow.GoNamed(r.ctx, string(step.Kind)+" "+step.Subject, func(ctx workflow.Context) {
			defer r.nudge()
			if err := r.perform(ctx, step); err != nil {
				r.stalled(ctx, step, err)
				return
			}
			r.rests.over(string(step.Kind), step.Subject)
			r.state.Resumed(step)
		})
	}
}

// stalled tells a person and makes the step due again after a rest.
func (r *orderRun) stalled(ctx workflow.Context, step order.Step, err error) {
	workflow.GetLogger(ctx).Warn("step keeps failing", "step", string(step.Kind), "subject", step.Subject, "error", err)
	r.state.Stalled(step, reason(err), workflow.Now(ctx))
	r.nudge()
	r.rests.rest(ctx, string(step.Kind), step.Subject, func() bool { return r.state.Woken(step) })
	r.state.Again(step)
}

// reason shortens an activity's failure to what an operator needs. Activities keep personal data out
// of their errors.
func reason(err error) string {
	if application, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return application.Message()
	}
	if _, ok := errors.AsType[*temporal.TimeoutError](err); ok {
		return "no answer in time"
	}
	return "failed"
}

// wait blocks until something has come, a step is done or a deadline has passed. It takes nothing
// out of a channel: a Selector that is blocked on a signal holds the first one back from everybody
// else, and a request that takes the news meanwhile would see the second before it.
func (r *orderRun) wait() {
	_ = workflow.Await(r.ctx, func() bool { // r.ctx is never cancelled
		return r.facts.Len() > 0 || r.cancels.Len() > 0 || r.changed.Len() > 0 ||
			(r.root.Err() != nil && !r.rootCancelled) || r.clocks.passed()
	})
}

// publish shows the order to operators. Search attributes cost an action each time, so they are set
// when something a filter could look for has changed, and not while the last step is under way.
func (r *orderRun) publish() {
	s := &r.state
	workflow.SetCurrentDetails(r.ctx, s.Card())
	if s.Settling() {
		return
	}
	now := visibility.Attributes{
		Stage: s.Stage(), Storefront: s.Key.Storefront, Suppliers: s.Suppliers(), SLADeadline: s.SLADeadline(),
		Breached: s.Breached(), NeedsAttention: len(s.Attention) > 0, Country: s.Country,
	}
	if now.SameFilters(r.shown) {
		return
	}
	if err := workflow.UpsertTypedSearchAttributes(r.ctx, now.Updates(r.shown)...); err != nil {
		workflow.GetLogger(r.ctx).Error("search attributes were refused", "error", err)
		return
	}
	r.shown = now
}

// reopen goes on from the recorded state of an order that was settled before.
func (r *orderRun) reopen() {
	for {
		var recorded order.State
		err := r.local(r.ctx, "Load the settled order", ActivityLoad, r.state.Key).Get(r.ctx, &recorded)
		if err == nil {
			r.state, r.ready = recorded, true
			return
		}
		workflow.GetLogger(r.ctx).Error("cannot load the settled order", "error", err)
		workflow.SetCurrentDetails(r.ctx, "The order was settled and has news, and its recorded state cannot be loaded; "+
			"it is tried again each minute. The worker's log says why: mend the state in Postgres, or the connection to it.")
		_ = workflow.Sleep(r.ctx, retryPause)
	}
}

func (r *orderRun) result() OrderResult {
	s := &r.state
	return OrderResult{
		Stage: s.Stage(), Suppliers: s.Suppliers(), POs: len(s.POs), Refunds: s.Refunds, Breached: s.Breached(),
	}
}
