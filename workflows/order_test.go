package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

// desk stands in for the activities: it answers as an obliging world does, unless told otherwise,
// and writes down what it was asked.
type desk struct {
	env *testsuite.TestWorkflowEnvironment

	lines   []order.Line
	policy  order.Policy
	doubts  []string
	stock   []string // suppliers in the order in which routing takes them
	ackIn   time.Duration
	shipIn  time.Duration
	answer  order.Answer // to cancellations
	send    order.DispatchOutcome
	lookUp  order.DispatchOutcome
	failing map[string]int // activities that fail so often before they work

	archive               []order.Fact // what Postgres holds, by number from 1
	dispatched, cancelled []string
	refunded              []workflows.RefundInput
	refundedByOld         int // refunds that a worker takes which knows nothing of overpaid money
	settled, recorded     []order.State
}

var key = order.Key{Storefront: "shop", Order: "1001"}

func newDesk(t *testing.T) *desk {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	d := &desk{
		env:     suite.NewTestWorkflowEnvironment(),
		lines:   []order.Line{{Line: 1, SKU: "MUG", Ordered: 3}},
		policy:  order.Policy{Backorder: order.BackorderMove, ReviewEscalateAfter: time.Hour, ReviewCancelAfter: 48 * time.Hour},
		stock:   []string{"acme", "bolt", "core"},
		ackIn:   24 * time.Hour,
		shipIn:  72 * time.Hour,
		answer:  order.Answer{Outcome: order.AnswerAccepted},
		send:    order.DispatchSubmitted,
		lookUp:  order.DispatchSubmitted,
		failing: map[string]int{},
	}
	d.env.SetWorkflowRunTimeout(400 * 24 * time.Hour)
	register(d, workflows.ActivityValidate, func(_ context.Context, _ order.Key) (order.Verdict, error) {
		return order.Verdict{Currency: "EUR", Country: "DE", Policy: d.policy, Lines: d.lines, Doubts: d.doubts}, nil
	})
	register(d, workflows.ActivityRoute, d.route)
	register(d, workflows.ActivityDispatch, func(_ context.Context, in workflows.PurchaseOrderInput) (order.Dispatch, error) {
		d.dispatched = append(d.dispatched, in.PO)
		return d.dispatch(d.send), nil
	})
	register(d, workflows.ActivityLookUp, func(_ context.Context, _ workflows.PurchaseOrderInput) (order.Dispatch, error) {
		return d.dispatch(d.lookUp), nil
	})
	register(d, workflows.ActivityCancel, func(_ context.Context, in workflows.CancelInput) (order.Answer, error) {
		d.cancelled = append(d.cancelled, in.Effect)
		return d.answer, nil
	})
	register(d, workflows.ActivityIntercept, func(_ context.Context, _ workflows.CancelInput) (order.Answer, error) {
		return d.answer, nil
	})
	register(d, workflows.ActivityRefund, func(_ context.Context, in workflows.RefundInput) (workflows.RefundResult, error) {
		d.refunded = append(d.refunded, in)
		return workflows.RefundResult{Text: "Refunded", Overpaid: in.Overpaid && len(d.refunded) > d.refundedByOld}, nil
	})
	register(d, workflows.ActivityRecord, func(_ context.Context, s order.State) (string, error) {
		d.recorded = append(d.recorded, s)
		return "", nil
	})
	register(d, workflows.ActivityFacts, func(_ context.Context, in workflows.FactsInput) ([]order.Fact, error) {
		return d.archive[in.After:], nil
	})
	register(d, workflows.ActivitySettle, func(_ context.Context, s order.State) (string, error) {
		d.settled = append(d.settled, s)
		return "Settled", nil
	})
	return d
}

// register makes an activity that fails first as often as the desk was told.
func register[In, Out any](d *desk, name string, do func(context.Context, In) (Out, error)) {
	d.env.RegisterActivityWithOptions(func(ctx context.Context, in In) (Out, error) {
		if d.failing[name] > 0 {
			d.failing[name]--
			var none Out
			// A failure says how long to rest, as those of the worker do. The environment gives up after ten.
			return none, temporal.NewApplicationErrorWithOptions("away", "Away", temporal.ApplicationErrorOptions{NextRetryDelay: time.Minute})
		}
		return do(ctx, in)
	}, activity.RegisterOptions{Name: name})
}

// route gives everything to the first supplier that is not excluded.
func (d *desk) route(_ context.Context, in workflows.RouteInput) (order.Routing, error) {
	out := order.Routing{Decision: in.State.Supply.Decisions + 1, NoOffer: "no supplier"}
	for _, supplier := range d.stock {
		excluded := false
		for _, x := range in.State.Exclusions {
			excluded = excluded || x.Supplier == supplier
		}
		if excluded {
			continue
		}
		po := order.NewPO{Number: key.PurchaseOrderNumber(len(in.State.POs) + 1), Supplier: supplier, Terms: order.Terms{Name: supplier}}
		for _, l := range in.Lines {
			po.Lines = append(po.Lines, order.POLine{Line: l.Line, SKU: "MUG", Quantity: l.Quantity, UnitCost: 100})
		}
		out.POs, out.NoOffer = []order.NewPO{po}, ""
		break
	}
	return out, nil
}

func (d *desk) dispatch(outcome order.DispatchOutcome) order.Dispatch {
	now := d.env.Now()
	return order.Dispatch{Outcome: outcome, SentAt: now, AckDueAt: now.Add(d.ackIn), ShipDueAt: now.Add(d.shipIn)}
}

// later sends facts at a moment of the order's life.
func (d *desk) later(after time.Duration, facts ...order.Fact) {
	d.env.RegisterDelayedCallback(func() {
		d.env.SignalWorkflow(workflows.SignalFacts, workflows.FactsSignal{Facts: facts})
	}, after)
}

func (d *desk) accepted(seq int64, po string, after time.Duration) order.Fact {
	return order.Fact{Seq: seq, Acknowledge: &order.Acknowledgment{
		Document: "d", PO: po, At: d.env.Now().Add(after), Whole: order.AckAccepted,
	}}
}

func labelled(seq int64, po, tracking string, quantity int64) order.Fact {
	return order.Fact{Seq: seq, Ship: &order.ShipNotice{
		Document: "s", PO: po, Carrier: "ups", Tracking: tracking, Lines: []order.ShippedLine{{Line: 1, Quantity: quantity}},
	}}
}

func (d *desk) reached(seq int64, tracking string, m order.Milestone, after time.Duration) order.Fact {
	return order.Fact{Seq: seq, Milestone: &order.ParcelNews{
		Carrier: "ups", Tracking: tracking, Milestone: m, At: d.env.Now().Add(after),
	}}
}

// delivers walks a purchase order to the door.
func (d *desk) delivers(seq int64, po string, quantity int64, at time.Duration) {
	d.later(at, labelled(seq, po, po, quantity), d.reached(seq+1, po, order.ParcelInTransit, at))
	d.later(at+time.Hour, d.reached(seq+2, po, order.ParcelDelivered, at+time.Hour))
}

func (d *desk) run(t *testing.T) workflows.OrderResult {
	t.Helper()
	d.env.RegisterWorkflow(workflows.Order)
	d.env.ExecuteWorkflow(workflows.Order, workflows.OrderInput{Key: key})
	require.True(t, d.env.IsWorkflowCompleted())
	require.NoError(t, d.env.GetWorkflowError())
	var result workflows.OrderResult
	require.NoError(t, d.env.GetWorkflowResult(&result))
	return result
}

func (d *desk) state(t *testing.T) order.State {
	t.Helper()
	value, err := d.env.QueryWorkflow(workflows.QueryState)
	require.NoError(t, err)
	var s order.State
	require.NoError(t, value.Get(&s))
	require.NoError(t, s.Check())
	return s
}

func TestSmoothOrderIsDeliveredAndSettled(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	po := key.PurchaseOrderNumber(1)
	d.later(time.Hour, d.accepted(1, po, time.Hour))
	d.delivers(2, po, 3, 48*time.Hour)
	result := d.run(t)
	require.Equal(t, order.StageSettled, result.Stage)
	require.Equal(t, []string{po}, d.dispatched)
	require.Empty(t, d.refunded)
	require.Len(t, d.settled, 1)
	require.Empty(t, d.recorded, "a smooth order is recorded when it is routed and when it is settled")
}

func TestSixtyDayOrderEndsInOneRun(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.shipIn = 59 * 24 * time.Hour
	po := key.PurchaseOrderNumber(1)
	d.later(time.Hour, d.accepted(1, po, time.Hour))
	d.delivers(2, po, 3, 58*24*time.Hour)
	require.Equal(t, order.StageSettled, d.run(t).Stage)
}

func TestSilentSupplierLosesTheOrderToTheNext(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	second := key.PurchaseOrderNumber(2)
	d.later(26*time.Hour, d.accepted(1, second, 26*time.Hour))
	d.delivers(2, second, 3, 48*time.Hour)
	result := d.run(t)
	require.Equal(t, order.StageSettled, result.Stage)
	require.True(t, result.Breached)
	require.Equal(t, []string{key.PurchaseOrderNumber(1), second}, d.dispatched)
	require.Equal(t, []string{key.PurchaseOrderNumber(1) + "-c1"}, d.cancelled, "fenced before the failover")
}

func TestAcknowledgmentInTheWorkflowTaskOfItsDeadlineCounts(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	po := key.PurchaseOrderNumber(1)
	// The acknowledgment is in the mailbox, but no workflow task was made for it: the one that the
	// deadline makes finds both, as after an outage of the workers.
	d.env.RegisterDelayedCallback(func() {
		d.env.SignalWorkflowSkippingWorkflowTask(workflows.SignalFacts,
			workflows.FactsSignal{Facts: []order.Fact{d.accepted(1, po, 0)}})
	}, d.ackIn-time.Second)
	d.delivers(2, po, 3, 48*time.Hour)
	result := d.run(t)
	require.Equal(t, order.StageSettled, result.Stage)
	require.Equal(t, []string{po}, d.dispatched)
	require.Empty(t, d.cancelled)
}

func TestLostAnswerIsLookedUpAndSentOnceMoreAtMost(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send, d.lookUp = order.DispatchUnknown, order.DispatchAbsent
	d.stock = []string{"acme"}
	result := d.run(t)
	require.Equal(t, order.StageCancelled, result.Stage)
	po := key.PurchaseOrderNumber(1)
	require.Equal(t, []string{po, po}, d.dispatched)
	require.Len(t, d.cancelled, 1, "given up by a cancellation that the supplier remembers")
	require.Len(t, d.refunded, 1)
}

func TestCancelButtonOfTheTemporalUICancelsTheOrder(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.env.RegisterDelayedCallback(d.env.CancelWorkflow, time.Hour)
	result := d.run(t)
	require.Equal(t, order.StageCancelled, result.Stage)
	require.Len(t, d.cancelled, 1)
	require.Equal(t, []order.ShippedLine{{Line: 1, Quantity: 3}}, d.refunded[0].Lines)
}

func TestSignalWithoutInputCancelsTheOrder(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.env.RegisterDelayedCallback(func() { d.env.SignalWorkflow(workflows.SignalCancel, nil) }, time.Hour)
	require.Equal(t, order.StageCancelled, d.run(t).Stage)
}

func TestSignalThatCannotBeReadCancelsNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	po := key.PurchaseOrderNumber(1)
	d.later(time.Hour, d.accepted(1, po, time.Hour))
	d.env.RegisterDelayedCallback(func() { d.env.SignalWorkflow(workflows.SignalCancel, "please") }, 2*time.Hour)
	d.env.RegisterDelayedCallback(func() {
		require.Len(t, d.state(t).Attention, 1)
	}, 3*time.Hour)
	d.delivers(2, po, 3, 48*time.Hour)
	require.Equal(t, order.StageSettled, d.run(t).Stage)
}

func TestCancelUpdateAnswersAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	po := key.PurchaseOrderNumber(1)
	d.later(time.Hour, d.accepted(1, po, time.Hour))
	d.later(2*time.Hour, labelled(2, po, "t1", 2), d.reached(3, "t1", order.ParcelInTransit, 2*time.Hour))
	granted, refused := &answer{}, &answer{}
	d.env.RegisterDelayedCallback(func() {
		d.env.UpdateWorkflow(workflows.UpdateCancel, "u1", granted,
			order.CancelRequest{ID: "r1", Lines: []order.ShippedLine{{Line: 1, Quantity: 1}}})
	}, 3*time.Hour)
	d.env.RegisterDelayedCallback(func() {
		d.env.UpdateWorkflow(workflows.UpdateCancel, "u2", refused, order.CancelRequest{ID: "r2"})
	}, 4*time.Hour)
	d.later(5*time.Hour, d.reached(4, "t1", order.ParcelDelivered, 5*time.Hour))
	result := d.run(t)
	require.NoError(t, granted.err)
	require.Equal(t, []order.ShippedLine{{Line: 1, Quantity: 1}}, granted.reply.Asked)
	require.ErrorContains(t, refused.rejected, "scanned by the carrier")
	require.Equal(t, order.StageSettled, result.Stage)
	require.Equal(t, []order.ShippedLine{{Line: 1, Quantity: 1}}, d.refunded[0].Lines)
}

// answer catches what an update says.
type answer struct {
	reply         order.CancelReply
	err, rejected error
}

func (a *answer) Accept()          {}
func (a *answer) Reject(err error) { a.rejected = err }
func (a *answer) Complete(result any, err error) {
	a.err = err
	if reply, ok := result.(order.CancelReply); ok {
		a.reply = reply
	}
}

func TestStepThatKeepsFailingAsksForAPersonAndGoesOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.failing[workflows.ActivityDispatch] = 40
	po := key.PurchaseOrderNumber(1)
	var asked bool
	for after := time.Minute; after < 20*time.Minute; after += 30 * time.Second {
		d.env.RegisterDelayedCallback(func() { asked = asked || len(d.state(t).Attention) > 0 }, after)
	}
	d.later(23*time.Hour, d.accepted(1, po, 23*time.Hour))
	d.delivers(2, po, 3, 48*time.Hour)
	result := d.run(t)
	require.True(t, asked)
	require.Equal(t, order.StageSettled, result.Stage)
}

func TestOrderHeldForReviewWaitsForAPerson(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.doubts = []string{"the order is worth more than 500.00 EUR"}
	approved := &answer{}
	d.env.RegisterDelayedCallback(func() {
		require.Empty(t, d.dispatched)
		held := d.state(t)
		require.Equal(t, order.StageHeld, held.Stage())
		d.env.UpdateWorkflow(workflows.UpdateReview, "u1", approved, workflows.ReviewRequest{Decision: order.ReviewApprove, By: "operator"})
	}, 3*time.Hour)
	po := key.PurchaseOrderNumber(1)
	d.later(4*time.Hour, d.accepted(1, po, 4*time.Hour))
	d.delivers(2, po, 3, 48*time.Hour)
	require.Equal(t, order.StageSettled, d.run(t).Stage)
	require.NoError(t, approved.err)
}

// After an outage several signals and a request stand in one workflow task. The request must not take
// the second signal before the first: facts are dropped by their number.
func TestFactsOfSeveralSignalsAreTakenInOrderBesideARequest(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	po := key.PurchaseOrderNumber(1)
	d.later(time.Hour, d.accepted(1, po, time.Hour))
	asked := &answer{}
	d.env.RegisterDelayedCallback(func() {
		send := func(facts ...order.Fact) {
			d.env.SignalWorkflowSkippingWorkflowTask(workflows.SignalFacts, workflows.FactsSignal{Facts: facts})
		}
		send(labelled(2, po, "t1", 3), d.reached(3, "t1", order.ParcelInTransit, 2*time.Hour))
		send(d.reached(4, "t1", order.ParcelDelivered, 2*time.Hour))
		d.env.UpdateWorkflow(workflows.UpdateCancel, "u1", asked, order.CancelRequest{ID: "c1"})
	}, 2*time.Hour)
	result := d.run(t)
	require.ErrorContains(t, errOf(asked), "delivered")
	require.Equal(t, order.StageSettled, result.Stage)
	require.Empty(t, d.cancelled)
}

func errOf(a *answer) error {
	if a.rejected != nil {
		return a.rejected
	}
	return a.err
}

func TestFactsThatCannotBeReadAreFetchedFromTheArchive(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]any{"unreadable": "garbage", "never delivered": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			po := key.PurchaseOrderNumber(1)
			d.archive = []order.Fact{
				d.accepted(1, po, time.Hour), labelled(2, po, po, 3),
				d.reached(3, po, order.ParcelInTransit, 48*time.Hour), d.reached(4, po, order.ParcelDelivered, 49*time.Hour),
			}
			// Nothing follows the one that cannot be read; only a gap shows the ones that never came.
			if lost != nil {
				d.env.RegisterDelayedCallback(func() { d.env.SignalWorkflow(workflows.SignalFacts, lost) }, 49*time.Hour)
			} else {
				d.later(49*time.Hour, d.archive[3])
			}
			d.ackIn = 72 * time.Hour
			require.Equal(t, order.StageSettled, d.run(t).Stage)
		})
	}
}

func TestOrderWithALongHistoryGoesOnInANewRun(t *testing.T) {
	t.Parallel()
	first := newDesk(t)
	po := key.PurchaseOrderNumber(1)
	first.env.RegisterDelayedCallback(func() { first.env.SetContinueAsNewSuggested(true) }, 30*time.Minute)
	first.later(time.Hour, first.accepted(1, po, time.Hour))
	first.env.RegisterWorkflowWithOptions(workflows.Order, workflow.RegisterOptions{Name: workflows.OrderWorkflow})
	first.env.ExecuteWorkflow(workflows.Order, workflows.OrderInput{Key: key})
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, first.env.GetWorkflowError(), &again)
	var carried workflows.OrderInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &carried))
	require.Equal(t, order.StageAcknowledged, carried.State.Stage())

	second := newDesk(t)
	second.delivers(2, po, 3, 2*time.Hour)
	second.env.RegisterWorkflow(workflows.Order)
	second.env.ExecuteWorkflow(workflows.Order, carried)
	require.NoError(t, second.env.GetWorkflowError())
	require.Empty(t, second.dispatched, "what was sent is not sent again")
	require.Len(t, second.settled, 1)
}
