package e2e

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/interceptor"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

// laxly: the worker grants every request and leaves it to its handler to refuse.
func laxly() []interceptor.WorkerInterceptor { return []interceptor.WorkerInterceptor{&lax{}} }

func talesOfRequests() map[string]tale {
	return map[string]tale{
		"cancel-line": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			var reply order.CancelReply
			one := order.CancelRequest{ID: "c1", Lines: []order.ShippedLine{{Line: 1, Quantity: 1}}}
			require.NoError(r.t, r.ask(workflows.UpdateCancel, one, &reply))
			require.Equal(r.t, one.Lines, reply.Asked)
			require.NoError(r.t, r.ask(workflows.UpdateCancel, one, &reply), "asking twice is answered twice")
			r.until("the unit is given back", func(s *order.State) bool { return s.Lines[0].Cancelled == 1 })
			r.delivers(1, 2)
		}},
		"cancel-before-validation": {beginsItself: true, ends: order.StageCancelled, tell: func(r *rehearsal) {
			r.begin()
			r.signal(workflows.SignalCancel, order.CancelRequest{ID: "c1"})
			r.startWorker()
			r.ends()
			require.Zero(r.t, r.called(workflows.ActivityDispatch))
		}},
		// The scan came before the request, and both were there when a worker came back.
		"cancel-after-news": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			r.tell(accepted(r.po(1)))
			r.untilStage(order.StageAcknowledged)
			r.stop()
			r.tell(labelled(r.po(1), "T1", 3), reached("T1", order.ParcelInTransit))
			refused := make(chan error, 1)
			go func() { refused <- r.ask(workflows.UpdateCancel, order.CancelRequest{ID: "c1"}, nil) }()
			require.Eventually(r.t, r.requested, patient, 10*time.Millisecond, "the request has not reached the server")
			r.startWorker()
			require.ErrorContains(r.t, <-refused, "was scanned by the carrier")
			r.tell(reached("T1", order.ParcelDelivered))
		}},
		"refused-requests": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			r.refuses(workflows.UpdateReview, workflows.ReviewRequest{Decision: order.ReviewApprove}, "not held for review")
			r.refuses(workflows.UpdateReview, workflows.ReviewRequest{Decision: order.ReviewAmend}, "amend needs the corrected address")
			r.refuses(workflows.UpdateAddress, workflows.AddressRequest{Change: "a1", Country: "DE"}, "has gone to acme with the old address")
			r.refuses(workflows.UpdateResolve, workflows.ResolveRequest{Withdrawal: "none"}, "withdrawal none is not open")
			r.refuses(workflows.UpdateCancel, order.CancelRequest{}, "a cancellation needs an id")
			r.refuses(workflows.UpdateCancel, "please", "unable to decode")
			r.refuses("no_such_update", "please", "unknown update")
			r.delivers(1, 3)
		}},
		"refused-by-handler": {watchers: laxly(), ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			r.refuses(workflows.UpdateReview, workflows.ReviewRequest{Decision: order.ReviewApprove}, "not held for review")
			r.refuses(workflows.UpdateAddress, workflows.AddressRequest{Change: "a1", Country: "DE"}, "has gone to acme with the old address")
			r.refuses(workflows.UpdateResolve, workflows.ResolveRequest{Case: "none", Outcome: order.CaseAbsorbed, By: "operator"}, "case none is not open")
			r.delivers(1, 3)
		}},
		"resolved-withdrawal": {ends: order.StageCancelled, set: func(r *rehearsal) {
			r.answer = order.Answer{Outcome: order.AnswerPending, ConfirmBy: time.Now().Add(time.Hour)}
		}, tell: func(r *rehearsal) {
			cancelsAll(r)
			r.until("the supplier is waited for", func(s *order.State) bool { return s.PO(r.po(1)).Withdrawals[0].Status == order.Awaiting })
			require.NoError(r.t, r.ask(workflows.UpdateResolve, workflows.ResolveRequest{Withdrawal: r.po(1) + "-c1", Confirmed: true, By: "operator"}, nil))
		}},
		"resolved-case": {ends: order.StageSettled, set: func(r *rehearsal) {
			losesFirst(r)
			r.intercept = order.Answer{Outcome: order.AnswerPending}
		}, tell: func(r *rehearsal) {
			r.untilSent(2)
			r.tell(labelled(r.po(1), "T1", 3), reached("T1", order.ParcelInTransit))
			s := r.until("a person is asked", func(s *order.State) bool { return len(s.Cases) > 0 && s.Cases[0].Status == order.CaseDeciding })
			require.NoError(r.t, r.ask(workflows.UpdateResolve, workflows.ResolveRequest{Case: s.Cases[0].Key, Outcome: order.CaseAbsorbed, By: "operator"}, nil))
			r.delivers(2, 3)
		}},
		// An answer that comes in the end, after it was waited for in vain, ends a promised cancellation.
		"cancel-silence": {ends: order.StageCancelled, set: func(r *rehearsal) {
			r.answer = order.Answer{Outcome: order.AnswerPending, ConfirmBy: time.Now().Add(4 * time.Second)}
		}, tell: cancelsAll},
	}
}

// refuses makes a request that must not be granted.
func (r *rehearsal) refuses(update string, request any, reason string) {
	r.t.Helper()
	require.ErrorContains(r.t, r.ask(update, request, nil), reason)
}

// requested is true when a workflow task is waiting for a worker, as it does when a request has come.
func (r *rehearsal) requested() bool {
	described, err := r.temporal.DescribeWorkflowExecution(r.t.Context(), r.key.WorkflowID(), "")
	return err == nil && described.GetPendingWorkflowTask() != nil
}

func talesOfReviews() map[string]tale {
	held := func(r *rehearsal) { r.doubts = []string{"the order is worth more than 500.00 EUR"} }
	amend := workflows.ReviewRequest{Decision: order.ReviewAmend, By: "operator", AddressChange: "a1"}
	return map[string]tale{
		"review-amended": {set: held, ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilStage(order.StageHeld)
			require.NoError(r.t, r.ask(workflows.UpdateReview, amend, nil))
			r.delivers(1, 3)
		}},
		"review-rejected": {set: held, ends: order.StageCancelled, tell: func(r *rehearsal) {
			r.untilStage(order.StageHeld)
			require.NoError(r.t, r.ask(workflows.UpdateReview, workflows.ReviewRequest{Decision: order.ReviewReject, By: "operator"}, nil))
		}},
		// While the corrected address is being taken somebody else approves.
		"review-overtaken": {ends: order.StageSettled, set: func(r *rehearsal) {
			held(r)
			approved := make(gate)
			r.before[workflows.ActivityAddress] = func(ctx context.Context, _ int) error { return approved.pass(ctx) }
			r.overtakes = func() { close(approved) }
		}, tell: func(r *rehearsal) {
			r.untilStage(order.StageHeld)
			amending, err := r.request(workflows.UpdateReview, amend)
			require.NoError(r.t, err)
			r.untilCalled(workflows.ActivityAddress, 1)
			approving, err := r.request(workflows.UpdateReview, workflows.ReviewRequest{Decision: order.ReviewApprove, By: "operator"})
			require.NoError(r.t, err)
			r.overtakes()
			var answer workflows.Answer
			require.NoError(r.t, approving.Get(r.t.Context(), &answer))
			require.NoError(r.t, amending.Get(r.t.Context(), &answer))
			require.Contains(r.t, answer.Message, "Somebody else has decided")
			r.delivers(1, 3)
		}},
		"review-address-lost": {set: func(r *rehearsal) {
			held(r)
			r.before[workflows.ActivityAddress] = refuses(1)
		}, ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilStage(order.StageHeld)
			require.ErrorContains(r.t, r.ask(workflows.UpdateReview, amend, nil), "it cannot be done now")
			require.NoError(r.t, r.ask(workflows.UpdateReview, workflows.ReviewRequest{Decision: order.ReviewApprove, By: "operator"}, nil))
			r.delivers(1, 3)
		}},
		// Too little is paid, then too much: the order goes on, and what is not due goes back.
		"paid-later": {ends: order.StageSettled, set: func(r *rehearsal) {
			r.doubts, r.unpaid = []string{"payment is pending"}, "payment is pending"
		}, tell: func(r *rehearsal) {
			r.untilStage(order.StageHeld)
			r.tell(order.Fact{Payment: &order.CustomerPaid{N: 1, At: time.Now(), Currency: "EUR", Amount: 900, Paid: 900, Missing: 9000}})
			r.until("a part is paid", func(s *order.State) bool { return s.Hold != nil && s.Paid.N == 1 })
			require.Zero(r.t, r.called(workflows.ActivityRoute))
			r.tell(order.Fact{Payment: &order.CustomerPaid{N: 2, At: time.Now(), Currency: "EUR", Amount: 9100, Paid: 10000, Over: 100}})
			r.delivers(1, 3)
			require.Equal(r.t, 1, r.called(workflows.ActivityRefund))
		}},
		"review-timeout": {ends: order.StageCancelled, set: func(r *rehearsal) {
			held(r)
			r.policy.ReviewEscalateAfter, r.policy.ReviewCancelAfter = time.Second, 2*time.Second
		}},
		"address-changed": {set: held, ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilStage(order.StageHeld)
			require.NoError(r.t, r.ask(workflows.UpdateAddress, workflows.AddressRequest{Change: "a1", Country: "AT"}, nil))
			require.Equal(r.t, "AT", r.until("it has moved", func(s *order.State) bool { return !s.MovedAt.IsZero() }).Country)
			require.NoError(r.t, r.ask(workflows.UpdateReview, workflows.ReviewRequest{Decision: order.ReviewApprove, By: "operator"}, nil))
			r.delivers(1, 3)
		}},
		"address-lost": {set: func(r *rehearsal) {
			held(r)
			r.before[workflows.ActivityAddress] = refuses(1)
		}, ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilStage(order.StageHeld)
			require.ErrorContains(r.t, r.ask(workflows.UpdateAddress, workflows.AddressRequest{Change: "a1", Country: "DE"}, nil), "it cannot be done now")
			require.NoError(r.t, r.ask(workflows.UpdateReview, workflows.ReviewRequest{Decision: order.ReviewApprove, By: "operator"}, nil))
			r.delivers(1, 3)
		}},
	}
}
