package workflows

import (
	"errors"

	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/visibility"
)

// Claim is the life of what a supplier owes: it is told, reminded on the contract's schedule, and when
// that does not help a person is asked. What is open stands in Postgres: credits and settlements change it
// there, and the workflow hears of it. It ends as soon as nothing is open.
func Claim(ctx workflow.Context, in ClaimInput) (ClaimResult, error) {
	r := newClaimRun(ctx, in)
	if err := r.handleRequests(); err != nil {
		return ClaimResult{}, err
	}
	r.load(in)
	for {
		r.takeNews()
		now := workflow.Now(r.ctx)
		if step := r.state.Due(now); step != claims.StepNone {
			r.take(step)
			continue
		}
		r.clocks.set(r.ctx, r.state.Deadlines())
		r.publish()
		if r.state.Closed && workflow.AllHandlersFinished(r.ctx) {
			return ClaimResult{Stage: r.state.Stage(), Letters: r.state.Letters}, nil
		}
		r.wait()
	}
}

// claimRun is one run of a claim's workflow.
type claimRun struct {
	// ctx is never cancelled: a claim ends by being settled, not by being forgotten.
	ctx   workflow.Context
	state claims.State
	ready bool // the recorded state is loaded

	news    workflow.ReceiveChannel
	changed workflow.Channel // holds a token when a request changed the state
	clocks  clocks
	rests   rests
	shown   visibility.Attributes
}

func newClaimRun(ctx workflow.Context, in ClaimInput) *claimRun {
	lasting, _ := workflow.NewDisconnectedContext(ctx)
	return &claimRun{
		ctx: lasting, state: claims.State{ID: in.ID}, news: workflow.GetSignalChannel(ctx, SignalFacts),
		changed: workflow.NewBufferedChannel(ctx, 1), rests: rests{}, shown: visibility.Attributes{Stage: order.Stage(claims.StageAsked)},
	}
}

// load reads the claim as Postgres has it. News that came meanwhile are in it.
func (r *claimRun) load(in ClaimInput) {
	r.state, r.ready = loaded[claims.State](r.ctx, r.rests, "claim", func() workflow.Future {
		return r.local("Load the claim", ActivityLoadClaim, in.ID)
	}), true
	r.shown.Storefront, r.shown.Suppliers = r.state.Key.Storefront, []string{r.state.Supplier}
}

// takeNews learns what has changed. What cannot be read is learned with the next step.
func (r *claimRun) takeNews() {
	eachSignal(r.news, func() {}, r.state.Learn)
	for r.changed.ReceiveAsync(nil) {
		continue
	}
}

// take does a step. What Postgres holds by then decides: nothing is sent for a claim that was settled
// meanwhile.
func (r *claimRun) take(step claims.Step) {
	next := r.state.Take(step, workflow.Now(r.ctx))
	var standing claims.Standing
	err := r.local(r.summary(step), ActivityPursueClaim, PursueClaimInput{Step: step, State: next}).Get(r.ctx, &standing)
	if err != nil {
		workflow.GetLogger(r.ctx).Warn("step keeps failing", "step", string(step), "error", err)
		r.state.Stalled = reason(err)
		r.publish()
		r.rests.rest(r.ctx, string(step), "", never)
		return
	}
	r.rests.over(string(step), "")
	if step == claims.StepClose || standing.Pending() {
		// A request may have been answered meanwhile, and its news are newer.
		next.Standing = r.state.Standing
		r.state = next
	}
	r.state.Learn(standing)
}

func (r *claimRun) summary(step claims.Step) string {
	switch step {
	case claims.StepAsk:
		return "Tell " + r.state.Name + " of the claim"
	case claims.StepChase:
		return "Remind " + r.state.Name + " of the claim"
	case claims.StepEscalate:
		return "Ask a person to decide the claim"
	default:
		return "Record that the claim is settled"
	}
}

func (r *claimRun) local(summary, activity string, arg any) workflow.Future {
	return workflow.ExecuteLocalActivity(databaseStep(r.ctx, summary), activity, arg)
}

// wait blocks until something has changed or a deadline has passed.
func (r *claimRun) wait() {
	_ = workflow.Await(r.ctx, func() bool { // r.ctx is never cancelled
		return r.news.Len() > 0 || r.changed.Len() > 0 || r.clocks.passed() || r.state.Closed && workflow.AllHandlersFinished(r.ctx)
	})
}

// publish shows the claim to operators.
func (r *claimRun) publish() {
	s := &r.state
	workflow.SetCurrentDetails(r.ctx, s.Card())
	now := visibility.Attributes{
		Stage: order.Stage(s.Stage()), Storefront: s.Key.Storefront, Suppliers: []string{s.Supplier}, NeedsAttention: s.NeedsAttention(),
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

// handleRequests registers what people can ask of a claim.
func (r *claimRun) handleRequests() error {
	return errors.Join(
		workflow.SetQueryHandlerWithOptions(r.ctx, QueryState, func() (claims.State, error) { return r.state, nil },
			workflow.QueryHandlerOptions{Description: "The whole state of the claim"}),
		workflow.SetUpdateHandlerWithOptions(r.ctx, UpdateSettle, r.onSettle, workflow.UpdateHandlerOptions{
			Validator: func(_ workflow.Context, d claims.Settlement) error {
				return judged(r.ready, r.news, r.state.CanSettle(d))
			},
			Description: "Settle the claim or a part of it: credited, paid, conceded or written off",
		}),
	)
}

// onSettle answers when the settlement is posted. Postgres judges it again by what is open then.
func (r *claimRun) onSettle(ctx workflow.Context, d claims.Settlement) (ClaimAnswer, error) {
	defer r.changed.SendAsync(struct{}{})
	var answer ClaimAnswer
	in := SettleClaimInput{ID: r.state.ID, Settlement: d}
	err := workflow.ExecuteLocalActivity(databaseStep(ctx, "Settle the claim: "+string(d.Outcome)), ActivitySettleClaim, in).Get(ctx, &answer)
	if err != nil {
		return ClaimAnswer{}, err
	}
	r.state.Learn(answer.Standing)
	return answer, nil
}
