package workflows

import (
	"errors"

	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/visibility"
)

// Return is the life of one RMA, from the granted request until the customer is paid and the supplier's
// credit is in the ledger, or somebody has decided to let it go. Like Order it takes what has come, lets
// passed deadlines take effect, begins what is due and waits; the rules are those of internal/returns.
func Return(ctx workflow.Context, in ReturnInput) (ReturnResult, error) {
	r := newReturnRun(ctx, in)
	if err := r.handleRequests(); err != nil {
		return ReturnResult{}, err
	}
	if in.State != nil {
		r.take(*in.State)
	} else {
		r.load(in)
	}
	for {
		r.takeNews()
		r.state.Tick(workflow.Now(r.ctx))
		beginDue(r.ctx, &r.state, r.rests, r.nudge, r.perform)
		r.clocks.set(r.ctx, r.state.Deadlines())
		r.publish()
		if r.state.Finished() && workflow.AllHandlersFinished(r.ctx) {
			return r.result(), nil
		}
		if workflow.GetInfo(r.ctx).GetContinueAsNewSuggested() && workflow.AllHandlersFinished(r.ctx) {
			return ReturnResult{}, workflow.NewContinueAsNewError(r.ctx, ReturnWorkflow, ReturnInput{Key: in.Key, RMA: in.RMA, State: &r.state})
		}
		r.wait()
	}
}

// returnRun is one run of a return's workflow.
type returnRun struct {
	// root is cancelled when somebody cancels the workflow; ctx never is.
	root, ctx workflow.Context
	state     returns.State
	ready     bool // the recorded state is loaded

	facts workflow.ReceiveChannel
	// changed holds a token when a coroutine has changed the state since the last round.
	changed       workflow.Channel
	clocks        clocks
	rests         rests
	rootCancelled bool
	shown         visibility.Attributes
}

func newReturnRun(ctx workflow.Context, in ReturnInput) *returnRun {
	lasting, _ := workflow.NewDisconnectedContext(ctx)
	return &returnRun{
		root: ctx, ctx: lasting,
		state:   returns.State{Key: in.Key, RMA: in.RMA},
		facts:   workflow.GetSignalChannel(ctx, SignalFacts),
		changed: workflow.NewBufferedChannel(ctx, 1),
		rests:   rests{},
		shown:   visibility.Attributes{Stage: order.Stage(returns.StageAwaiting), Storefront: in.Key.Storefront},
	}
}

// nudge makes the main round go once more after a coroutine changed the state.
func (r *returnRun) nudge() { r.changed.SendAsync(struct{}{}) }

func (r *returnRun) take(s returns.State) {
	r.state, r.ready = s, true
	r.state.Recover()
}

// load reads the return as the desk, or the run before, left it.
func (r *returnRun) load(in ReturnInput) {
	r.take(loaded[returns.State](r.ctx, r.rests, "return", func() workflow.Future {
		return r.local("Load the return", ActivityLoadReturn, in.RMA)
	}))
}

// takeNews applies everything that has come and was not applied yet.
func (r *returnRun) takeNews() {
	now := workflow.Now(r.ctx)
	eachSignal(r.facts, r.state.MissedFacts, func(batch ReturnFactsSignal) {
		r.heard(batch.Facts)
		for _, fact := range batch.Facts {
			r.state.Apply(fact, now)
		}
	})
	if r.root.Err() != nil && !r.rootCancelled {
		r.rootCancelled = true
		request := returns.CancelRequest{ID: "workflow-cancelled", By: "an operator in the Temporal UI"}
		if r.state.CanCancel(request) == nil {
			r.state.Cancel(request, now)
		}
	}
	for r.changed.ReceiveAsync(nil) {
		continue
	}
}

// heard settles for good, in this run, whether facts count that earlier releases take for nothing.
func (r *returnRun) heard(facts []returns.Fact) {
	for i := range facts {
		switch f := &facts[i]; {
		case f.Paid != nil:
			r.state.IgnoresWakes = takenForNothing(r.ctx, "woken")
		case f.Unknown():
			r.state.IgnoresUnknown = takenForNothing(r.ctx, "unknown-facts")
		}
	}
}

// perform carries out one step and takes its result into the return.
func (r *returnRun) perform(ctx workflow.Context, step returns.StepKind) error {
	s := &r.state
	switch step {
	case returns.StepAuthorise:
		var result ReturnAuthorised
		in := ReturnInput{Key: s.Key, RMA: s.RMA}
		call := partnerCall(ctx, "Tell "+s.Terms.Name+" of the return and make the label")
		if err := workflow.ExecuteActivity(call, ActivityAuthoriseReturn, in).Get(ctx, &result); err != nil {
			return err
		}
		s.AuthorisedWith(result.Label, result.Answer, workflow.Now(ctx))
	case returns.StepPay:
		var result ReturnPaid
		in := PayReturnInput{Key: s.Key, RMA: s.RMA, N: s.Paid + 1, Payout: *s.Paying, Resolution: s.Resolution}
		if err := workflow.ExecuteActivity(partnerCall(ctx, "Pay the customer for what came back"), ActivityPayReturn, in).Get(ctx, &result); err != nil {
			return err
		}
		s.PaidWith(result.payment(), workflow.Now(ctx))
	case returns.StepRecord, returns.StepClose:
		activity, summary := ActivityRecordReturn, "Record the return's progress"
		if step == returns.StepClose {
			activity, summary = ActivityCloseReturn, "Close the return's accounts"
		}
		snapshot := s.Clone()
		var anew string
		if err := r.local(summary, activity, snapshot).Get(ctx, &anew); err != nil {
			return err
		}
		s.GrantedAnew(anew, workflow.Now(ctx))
		s.Recorded(step, len(snapshot.Notices))
	case returns.StepCatchUp:
		var facts []returns.Fact
		in := ReturnFactsInput{RMA: s.RMA, After: s.LastFact}
		if err := r.local("Fetch facts that did not arrive", ActivityReturnFacts, in).Get(ctx, &facts); err != nil {
			return err
		}
		r.heard(facts)
		s.CaughtUp(facts, workflow.Now(ctx))
	default:
		panic("workflows: no such step: " + string(step))
	}
	return nil
}

func (r *returnRun) local(summary, activity string, arg any) workflow.Future {
	return workflow.ExecuteLocalActivity(databaseStep(r.ctx, summary), activity, arg)
}

// wait blocks until something has come, a step is done or a deadline has passed.
func (r *returnRun) wait() {
	_ = workflow.Await(r.ctx, func() bool { // r.ctx is never cancelled
		return r.facts.Len() > 0 || r.changed.Len() > 0 || (r.root.Err() != nil && !r.rootCancelled) || r.clocks.passed()
	})
}

// publish shows the return to operators. A stage that lasts as long as a step takes is not worth an
// action: the next one follows within seconds.
func (r *returnRun) publish() {
	s := &r.state
	workflow.SetCurrentDetails(r.ctx, s.Card())
	if len(s.Busy) > 0 && len(s.Attention) == 0 {
		return
	}
	now := visibility.Attributes{
		Stage: order.Stage(s.Stage()), Storefront: s.Key.Storefront, Suppliers: []string{s.Terms.Supplier}, NeedsAttention: len(s.Attention) > 0,
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

func (r *returnRun) result() ReturnResult {
	s := &r.state
	return ReturnResult{Stage: s.Stage(), Paid: s.PaidMinor, Credited: s.Claim.Got, WrittenOff: s.Claim.WrittenOff, Replacement: s.Replacement}
}

// handleRequests registers what people can ask of a return.
func (r *returnRun) handleRequests() error {
	return errors.Join(
		workflow.SetQueryHandlerWithOptions(r.ctx, QueryState, func() (returns.State, error) { return r.state, nil },
			workflow.QueryHandlerOptions{Description: "The whole state of the return"}),
		workflow.SetUpdateHandlerWithOptions(r.ctx, UpdateCancel, r.onCancel, workflow.UpdateHandlerOptions{
			Validator: func(_ workflow.Context, request returns.CancelRequest) error {
				return judged(r.ready, r.facts, r.state.CanCancel(request))
			},
			Description: "Take the return back: the customer keeps the goods",
		}),
		workflow.SetUpdateHandlerWithOptions(r.ctx, UpdateDecide, r.onDecide, workflow.UpdateHandlerOptions{
			Validator: func(_ workflow.Context, d returns.Decision) error {
				return judged(r.ready, r.facts, r.state.CanDecide(d))
			},
			Description: "Decide where only a person can: goods that came back wrong, a credit that does not come",
		}),
	)
}

func (r *returnRun) onCancel(ctx workflow.Context, request returns.CancelRequest) (ReturnAnswer, error) {
	defer r.nudge()
	r.takeNews()
	if err := r.state.CanCancel(request); err != nil {
		return ReturnAnswer{}, refused(err)
	}
	r.state.Cancel(request, workflow.Now(ctx))
	return ReturnAnswer{Message: "The return is cancelled; the customer keeps the goods.", Stage: r.state.Stage()}, nil
}

func (r *returnRun) onDecide(ctx workflow.Context, d returns.Decision) (ReturnAnswer, error) {
	defer r.nudge()
	r.takeNews()
	if err := r.state.CanDecide(d); err != nil {
		return ReturnAnswer{}, refused(err)
	}
	r.state.Decide(d, workflow.Now(ctx))
	return ReturnAnswer{Message: "Noted; the return goes on.", Stage: r.state.Stage()}, nil
}
