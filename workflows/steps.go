package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/order"
)

// The activities of an order, by the names under which they are registered. Those that talk to a
// partner are activities; pure database steps are local activities.
const (
	ActivityValidate  = "ValidateOrder"
	ActivityRoute     = "RouteOrder"
	ActivityDispatch  = "DispatchPurchaseOrder"
	ActivityLookUp    = "LookUpPurchaseOrder"
	ActivityCancel    = "CancelPurchaseOrder"
	ActivityIntercept = "InterceptParcel"
	ActivityRefund    = "RefundCustomer"
	ActivityRecord    = "RecordProgress"
	ActivitySettle    = "SettleOrder"
	ActivityLoad      = "LoadOrder"
	ActivityAddress   = "ChangeAddress"
	ActivityFacts     = "ReadFacts"
)

// PurchaseOrderInput names a purchase order.
type PurchaseOrderInput struct {
	Key order.Key `json:"key"`
	PO  string    `json:"po"`
}

// CancelInput asks a supplier to give units back, or to stop a parcel.
type CancelInput struct {
	Key    order.Key           `json:"key"`
	PO     string              `json:"po"`
	Effect string              `json:"effect"` // the business key: asking again under it is a no-op
	Reason string              `json:"reason"`
	Lines  []order.ShippedLine `json:"lines,omitempty"`
	// OnlyIfSilent: do not ask if the supplier has answered for the order in the meantime.
	OnlyIfSilent bool `json:"onlyIfSilent,omitempty"`
}

// RefundInput gives the price of units back. N numbers the order's refunds from 1.
type RefundInput struct {
	Key   order.Key           `json:"key"`
	N     int                 `json:"n"`
	Lines []order.ShippedLine `json:"lines"`
	// Owed is all that the order's refunds give back, these lines included: a unit that any of them
	// covers is never paid twice, whatever numbers they had.
	Owed   []order.ShippedLine `json:"owed"`
	Reason string              `json:"reason"`
	// Overpaid: what the customer has paid beyond what is due goes back, too.
	Overpaid bool `json:"overpaid,omitempty"`
}

// RefundResult is a refund that was made: its amount in minor units, and the same in words.
type RefundResult struct {
	Amount int64  `json:"amount"`
	Text   string `json:"text"`
	// Overpaid: what was paid beyond what is due was looked at, as was asked for. A worker of a release that does not
	// know of it does not say so.
	Overpaid bool `json:"overpaid,omitempty"`
}

// RouteInput asks for suppliers for units, and records the order as it stands.
type RouteInput struct {
	State order.State         `json:"state"`
	Lines []order.ShippedLine `json:"lines"`
}

// FactsInput asks for the facts of an order with numbers above After.
type FactsInput struct {
	Key   order.Key `json:"key"`
	After int64     `json:"after"`
}

// AddressInput takes an address that waits in Postgres.
type AddressInput struct {
	Key    order.Key `json:"key"`
	Change string    `json:"change"`
}

// A step that failed for good rests before it is tried again, each time twice as long. A person has
// been told by then, and the history must not fill up meanwhile.
const (
	retryPause   = time.Minute
	longestPause = 6 * time.Hour
)

// partnerCall bounds an activity that talks to a partner. StartToClose covers one call with its
// database work; the worker heartbeats meanwhile, so that its death costs seconds. After
// ScheduleToClose without success the order asks for a person and goes on trying.
func partnerCall(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    45 * time.Second,
		HeartbeatTimeout:       noticeDeath,
		ScheduleToCloseTimeout: patience,
		Summary:                summary,
		// How long to rest after a failure, the failure says. What is left is a worker that died, and
		// another one is there.
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 2 * time.Second},
	})
}

// databaseStep bounds a local activity: short when the database answers, patient when it does not.
func databaseStep(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout:    5 * time.Second,
		ScheduleToCloseTimeout: 15 * time.Minute,
		Summary:                summary,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    250 * time.Millisecond,
			BackoffCoefficient: 2,
			MaximumInterval:    30 * time.Second,
		},
	})
}

// noticeDeath is how long after its worker died an activity is given to another.
const noticeDeath = 6 * time.Second

// patience is how long partners are tried before a person is told.
const patience = 15 * time.Minute

// perform carries out one step and takes its result into the order. An error means that the step
// could not be done for as long as its activity was allowed to try.
func (r *orderRun) perform(ctx workflow.Context, step order.Step) error {
	s := &r.state
	key := s.Key
	switch step.Kind {
	case order.StepValidate:
		var verdict order.Verdict
		if err := r.local(ctx, "Check address, payment, totals and articles", ActivityValidate, key).Get(ctx, &verdict); err != nil {
			return err
		}
		s.ValidatedWith(verdict, workflow.Now(ctx))
	case order.StepCatchUp:
		var facts []order.Fact
		in := FactsInput{Key: key, After: s.LastFact}
		if err := r.local(ctx, "Fetch facts that did not arrive", ActivityFacts, in).Get(ctx, &facts); err != nil {
			return err
		}
		r.heard(facts)
		s.CaughtUp(facts, workflow.Now(ctx))
	case order.StepRoute:
		return r.route(ctx, step)
	case order.StepDispatch, order.StepLookUp:
		return r.dispatch(ctx, step)
	case order.StepWithdraw:
		return r.withdraw(ctx, step)
	case order.StepRepeatCancel:
		in := CancelInput{Key: key, PO: step.PO, Effect: step.PO + "-late", Reason: "acknowledged after the order was lost"}
		ctx = partnerCall(ctx, "Refuse the late acknowledgment of "+step.PO)
		if err := workflow.ExecuteActivity(ctx, ActivityCancel, in).Get(ctx, nil); err != nil {
			return err
		}
		s.RepeatedCancellation(step.PO)
	case order.StepIntercept:
		return r.intercept(ctx, step)
	case order.StepRefund:
		return r.refund(ctx, step)
	case order.StepRecord:
		snapshot := s.Clone()
		if err := r.local(ctx, "Record the order's progress", ActivityRecord, snapshot).Get(ctx, nil); err != nil {
			return err
		}
		s.Recorded(len(snapshot.Notices))
	case order.StepSettle:
		return r.settle(ctx)
	default:
		panic("workflows: no such step: " + string(step.Kind))
	}
	return nil
}

func (r *orderRun) local(ctx workflow.Context, summary, activity string, arg any) workflow.Future {
	return workflow.ExecuteLocalActivity(databaseStep(ctx, summary), activity, arg)
}

func (r *orderRun) route(ctx workflow.Context, step order.Step) error {
	in := RouteInput{State: r.state.Clone(), Lines: step.Lines}
	var routing order.Routing
	if err := r.local(ctx, "Choose suppliers and reserve stock", ActivityRoute, in).Get(ctx, &routing); err != nil {
		return err
	}
	r.state.Recorded(len(in.State.Notices))
	r.state.Routed(step.Lines, routing, workflow.Now(ctx))
	return nil
}

func (r *orderRun) dispatch(ctx workflow.Context, step order.Step) error {
	activity, summary := ActivityDispatch, "Send "+step.PO+" to "
	if step.Kind == order.StepLookUp {
		activity, summary = ActivityLookUp, "Ask whether "+step.PO+" arrived at "
	}
	ctx = partnerCall(ctx, summary+r.state.PO(step.PO).Terms.Name)
	var result order.Dispatch
	in := PurchaseOrderInput{Key: r.state.Key, PO: step.PO}
	if err := workflow.ExecuteActivity(ctx, activity, in).Get(ctx, &result); err != nil {
		return err
	}
	r.state.Dispatched(step.PO, result, workflow.Now(ctx))
	return nil
}

func (r *orderRun) withdraw(ctx workflow.Context, step order.Step) error {
	po := r.state.PO(step.PO)
	w := po.Withdrawal(step.Subject)
	in := CancelInput{
		Key: r.state.Key, PO: step.PO, Effect: step.Subject, Reason: w.Reason, Lines: step.Lines,
		OnlyIfSilent: w.Conditional,
	}
	ctx = partnerCall(ctx, fmt.Sprintf("Ask %s to give %s back: %s", po.Terms.Name, step.PO, w.Reason))
	var answer order.Answer
	if err := workflow.ExecuteActivity(ctx, ActivityCancel, in).Get(ctx, &answer); err != nil {
		return err
	}
	r.state.Withdrawn(step.PO, step.Subject, answer, workflow.Now(ctx))
	return nil
}

func (r *orderRun) intercept(ctx workflow.Context, step order.Step) error {
	c := r.state.Case(step.Subject)
	in := CancelInput{
		Key: r.state.Key, PO: step.PO, Effect: step.Subject,
		Reason: "shipped after the order was lost", Lines: c.Lines,
	}
	ctx = partnerCall(ctx, "Stop a parcel nobody waits for: "+step.PO)
	var answer order.Answer
	if err := workflow.ExecuteActivity(ctx, ActivityIntercept, in).Get(ctx, &answer); err != nil {
		return err
	}
	r.state.Intercepted(step.Subject, answer, workflow.Now(ctx))
	return nil
}

// errNotRepaid: the refund is asked for once more under its number, which gives back what is left of it.
var errNotRepaid = temporal.NewApplicationError("a worker of an earlier release took it, which does not give back what was overpaid", "NotRepaid")

func (r *orderRun) refund(ctx workflow.Context, step order.Step) error {
	in := RefundInput{
		Key: r.state.Key, N: r.state.Refunds + 1, Lines: step.Lines, Owed: r.state.Owed(step.Lines),
		Reason: r.state.RefundReason(step.Lines), Overpaid: r.state.Repaying,
	}
	ctx = partnerCall(ctx, "Give the customer the price of undelivered units back")
	var result RefundResult
	if err := workflow.ExecuteActivity(ctx, ActivityRefund, in).Get(ctx, &result); err != nil {
		return err
	}
	if in.Overpaid && !result.Overpaid {
		return errNotRepaid
	}
	r.state.Refunded(step.Lines, result.Amount, result.Text, workflow.Now(ctx))
	return nil
}

func (r *orderRun) settle(ctx workflow.Context) error {
	snapshot := r.state.Clone()
	snapshot.Settled = true
	var text string
	if err := r.local(ctx, "Close the order's accounts", ActivitySettle, snapshot).Get(ctx, &text); err != nil {
		return err
	}
	r.state.Recorded(len(snapshot.Notices))
	r.state.SettledNow(text, workflow.Now(ctx))
	return nil
}
