package workflows

import (
	"errors"

	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/visibility"
)

// Payment is the life of an order's payment where it needs a next step: an authorisation until it is
// captured or let go, a refund until the customer has it, a chargeback until the bank has decided. An order
// whose payment was captured when it was placed, and stays so, has none. Like Order it takes what has come,
// lets passed deadlines take effect, begins what is due and waits; the rules are those of internal/payments.
func Payment(ctx workflow.Context, in PaymentInput) (PaymentResult, error) {
	r := newPaymentRun(ctx, in)
	if err := r.handleRequests(); err != nil {
		return PaymentResult{}, err
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
			return PaymentResult{}, workflow.NewContinueAsNewError(r.ctx, PaymentWorkflow, PaymentInput{Key: in.Key, State: &r.state})
		}
		r.wait()
	}
}

// paymentRun is one run of a payment's workflow. Nobody can cancel it: what is owed stays owed.
type paymentRun struct {
	ctx   workflow.Context
	state payments.State
	ready bool // the recorded state is loaded

	facts workflow.ReceiveChannel
	// changed holds a token when a coroutine has changed the state since the last round.
	changed workflow.Channel
	clocks  clocks
	rests   rests
	shown   visibility.Attributes
}

func newPaymentRun(ctx workflow.Context, in PaymentInput) *paymentRun {
	lasting, _ := workflow.NewDisconnectedContext(ctx)
	return &paymentRun{
		ctx: lasting, state: payments.State{Key: in.Key},
		facts:   workflow.GetSignalChannel(ctx, SignalFacts),
		changed: workflow.NewBufferedChannel(ctx, 1),
		rests:   rests{},
		shown:   visibility.Attributes{Stage: order.Stage(payments.StageAuthorised), Storefront: in.Key.Storefront},
	}
}

// nudge makes the main round go once more after a coroutine changed the state.
func (r *paymentRun) nudge() { r.changed.SendAsync(struct{}{}) }

func (r *paymentRun) take(s payments.State) {
	r.state, r.ready = s, true
	r.state.Recover()
}

// load reads the payment as its order, or the run before, left it.
func (r *paymentRun) load(in PaymentInput) {
	r.take(loaded[payments.State](r.ctx, r.rests, "payment", func() workflow.Future {
		return r.local("Load the payment", ActivityLoadPayment, in.Key)
	}))
}

// takeNews applies everything that has come and was not applied yet.
func (r *paymentRun) takeNews() {
	now := workflow.Now(r.ctx)
	eachSignal(r.facts, r.state.MissedFacts, func(batch PaymentFactsSignal) {
		r.heard(batch.Facts)
		for _, fact := range batch.Facts {
			r.state.Apply(fact, now)
		}
	})
	for r.changed.ReceiveAsync(nil) {
		continue
	}
}

// heard settles for good, in this run, whether facts of unknown kinds count: earlier releases take them for nothing.
func (r *paymentRun) heard(facts []payments.Fact) {
	for i := range facts {
		if facts[i].Unknown() {
			r.state.IgnoresUnknown = takenForNothing(r.ctx, "unknown-facts")
		}
	}
}

// perform carries out one step and takes its result into the payment.
func (r *paymentRun) perform(ctx workflow.Context, step payments.StepKind) error {
	s := &r.state
	switch step {
	case payments.StepLookUp:
		var standing payments.Standing
		call := partnerCall(ctx, "Ask until when the customer's bank holds the money")
		if err := workflow.ExecuteActivity(call, ActivityLookUpPayment, s.Key).Get(ctx, &standing); err != nil {
			return err
		}
		s.LookedUp(standing, workflow.Now(ctx))
	case payments.StepCapture:
		var taken payments.Taking
		if err := workflow.ExecuteActivity(partnerCall(ctx, "Capture what was not cancelled"), ActivityCapturePayment, s.Key).Get(ctx, &taken); err != nil {
			return err
		}
		s.CapturedWith(taken, workflow.Now(ctx))
	case payments.StepVoid:
		var ended payments.Voiding
		if err := workflow.ExecuteActivity(partnerCall(ctx, "Let the authorisation go"), ActivityVoidPayment, s.Key).Get(ctx, &ended); err != nil {
			return err
		}
		s.LetGo(ended, workflow.Now(ctx))
	case payments.StepRefund, payments.StepLookUpRefund:
		return r.refund(ctx, step)
	case payments.StepEvidence:
		dispute, _ := s.NextEvidence()
		var refused string
		in := EvidenceInput{Key: s.Key, Dispute: dispute.Reference}
		if err := workflow.ExecuteActivity(partnerCall(ctx, "Answer the chargeback"), ActivitySendEvidence, in).Get(ctx, &refused); err != nil {
			return err
		}
		s.EvidenceSent(dispute.Reference, refused, workflow.Now(ctx))
	case payments.StepCatchUp:
		var facts []payments.Fact
		in := PaymentFactsInput{Key: s.Key, After: s.LastFact}
		if err := r.local("Fetch facts that did not arrive", ActivityPaymentFacts, in).Get(ctx, &facts); err != nil {
			return err
		}
		r.heard(facts)
		s.CaughtUp(facts, workflow.Now(ctx))
	default:
		return r.record(ctx, step)
	}
	return nil
}

// refund makes a refund once more, or asks where a pending one stands.
func (r *paymentRun) refund(ctx workflow.Context, step payments.StepKind) error {
	refund, _ := r.state.NextRefund(step)
	in := RefundAgainInput{Key: r.state.Key, Refund: refund.Key, Try: refund.Try, Amount: refund.Amount, Reference: refund.Reference}
	var tried payments.RefundTried
	if step == payments.StepLookUpRefund {
		if err := workflow.ExecuteActivity(partnerCall(ctx, "Ask where the refund is"), ActivityLookUpRefund, in).Get(ctx, &tried); err != nil {
			return err
		}
		r.state.RefundLooked(tried, workflow.Now(ctx))
		return nil
	}
	in.Try, in.Refused, in.Reference = refund.Try+1, refund.Refused, ""
	if err := workflow.ExecuteActivity(partnerCall(ctx, "Make the refund once more"), ActivityRefundAgain, in).Get(ctx, &tried); err != nil {
		return err
	}
	r.state.RefundedAgain(tried, workflow.Now(ctx))
	return nil
}

func (r *paymentRun) record(ctx workflow.Context, step payments.StepKind) error {
	activity, summary := ActivityRecordPayment, "Record the payment's progress"
	if step == payments.StepClose {
		activity, summary = ActivityClosePayment, "Close the payment"
	}
	snapshot := r.state.Clone()
	if err := r.local(summary, activity, snapshot).Get(ctx, nil); err != nil {
		return err
	}
	r.state.Recorded(step, &snapshot)
	return nil
}

func (r *paymentRun) local(summary, activity string, arg any) workflow.Future {
	return workflow.ExecuteLocalActivity(databaseStep(r.ctx, summary), activity, arg)
}

// wait blocks until something has come, a step is done or a deadline has passed.
func (r *paymentRun) wait() {
	_ = workflow.Await(r.ctx, func() bool { // r.ctx is never cancelled
		return r.facts.Len() > 0 || r.changed.Len() > 0 || r.clocks.passed()
	})
}

// publish shows the payment to operators. A stage that lasts as long as a step takes is not worth an action.
func (r *paymentRun) publish() {
	s := &r.state
	workflow.SetCurrentDetails(r.ctx, s.Card())
	if len(s.Busy) > 0 && len(s.Attention) == 0 {
		return
	}
	now := visibility.Attributes{Stage: order.Stage(s.Stage()), Storefront: s.Key.Storefront, NeedsAttention: len(s.Attention) > 0}
	if now.SameFilters(r.shown) {
		return
	}
	if err := workflow.UpsertTypedSearchAttributes(r.ctx, now.Updates(r.shown)...); err != nil {
		workflow.GetLogger(r.ctx).Error("search attributes were refused", "error", err)
		return
	}
	r.shown = now
}

func (r *paymentRun) result() PaymentResult {
	s := &r.state
	return PaymentResult{Stage: s.Stage(), Captured: s.Capture.Amount, Released: s.Released, WrittenOff: s.Capture.WrittenOff}
}

// handleRequests registers what people can ask of a payment.
func (r *paymentRun) handleRequests() error {
	return errors.Join(
		workflow.SetQueryHandlerWithOptions(r.ctx, QueryState, func() (payments.State, error) { return r.state, nil },
			workflow.QueryHandlerOptions{Description: "The whole state of the payment"}),
		workflow.SetUpdateHandlerWithOptions(r.ctx, UpdateDecide, r.onDecide, workflow.UpdateHandlerOptions{
			Validator: func(_ workflow.Context, d payments.Decision) error {
				return judged(r.ready, r.facts, r.state.CanDecide(d))
			},
			Description: "Decide where only a person can: a capture that was refused, a refund that came back",
		}),
	)
}

func (r *paymentRun) onDecide(ctx workflow.Context, d payments.Decision) (PaymentAnswer, error) {
	defer r.nudge()
	r.takeNews()
	if err := r.state.CanDecide(d); err != nil {
		return PaymentAnswer{}, refused(err)
	}
	r.state.Decide(d, workflow.Now(ctx))
	return PaymentAnswer{Message: "Noted; the payment goes on.", Stage: r.state.Stage()}, nil
}
