package e2e

import (
	"context"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

// refuses fails one call of an activity for good.
func refuses(failing int) func(context.Context, int) error {
	return func(_ context.Context, call int) error {
		if call == failing {
			return temporal.NewNonRetryableApplicationError("it cannot be done now", "Away", nil)
		}
		return nil
	}
}

// stalls is a tale in which a step fails for good at first: a person is asked for, and after a rest
// the step is done all the same.
func stalls(activity string, call int, set, tell func(*rehearsal), ends order.Stage) tale {
	return tale{hurried: true, ends: ends, set: func(r *rehearsal) {
		r.before[activity] = refuses(call)
		if set != nil {
			set(r)
		}
	}, tell: func(r *rehearsal) {
		tell(r)
		r.ends()
		asked := false
		final := r.state()
		for _, entry := range final.Journal {
			asked = asked || strings.Contains(entry.Text, "keeps failing and is tried again")
		}
		require.True(r.t, asked, "nobody was told")
		require.Empty(r.t, final.Attention, "the call for a person outlived its reason")
	}}
}

func talesOfFailingSteps() map[string]tale {
	delivered := func(r *rehearsal) { r.delivers(1, 3) }
	return map[string]tale{
		"stalled-validate": stalls(workflows.ActivityValidate, 1, nil, delivered, order.StageSettled),
		"stalled-route":    stalls(workflows.ActivityRoute, 1, nil, delivered, order.StageSettled),
		"stalled-dispatch": stalls(workflows.ActivityDispatch, 1, nil, delivered, order.StageSettled),
		"stalled-look-up":  stalls(workflows.ActivityLookUp, 1, func(r *rehearsal) { r.desk.send = order.DispatchUnknown }, delivered, order.StageSettled),
		"stalled-settle":   stalls(workflows.ActivitySettle, 1, nil, delivered, order.StageSettled),
		"stalled-record": stalls(workflows.ActivityRecord, 1, nil, func(r *rehearsal) {
			r.untilSent(1)
			r.signal(workflows.SignalCancel, "please") // asks for a person, which is recorded
			r.untilCalled(workflows.ActivityRecord, 2)
			require.NoError(r.t, r.ask(workflows.UpdateCancel, order.CancelRequest{ID: "c1"}, nil))
		}, order.StageCancelled),
		"stalled-withdraw": stalls(workflows.ActivityCancel, 1, nil, cancelsAll, order.StageCancelled),
		"stalled-refund":   stalls(workflows.ActivityRefund, 1, nil, cancelsAll, order.StageCancelled),
		// A person pays what the storefront refuses: nobody waits until the rest is over.
		"woken-refund": {ends: order.StageCancelled, set: func(r *rehearsal) { r.before[workflows.ActivityRefund] = refuses(1) }, tell: func(r *rehearsal) {
			cancelsAll(r)
			r.until("a person is called", func(s *order.State) bool { return len(s.Attention) == 1 })
			r.tell(order.Fact{RefundPaid: &order.RefundPaid{Refund: "refund/" + r.key.String() + "/1", Reference: "wire-1"}})
			began := time.Now()
			r.untilCalled(workflows.ActivityRefund, 2)
			require.Less(r.t, time.Since(began), 30*time.Second, "the rest of a minute was waited for")
		}},
		// A worker of an earlier release makes the refund, and gives nothing back that was overpaid.
		"repaid-at-last": stalls(workflows.ActivityRoute, 1, func(r *rehearsal) { r.refundedByOld = 1 }, func(r *rehearsal) {
			r.untilSent(1)
			r.tell(order.Fact{Payment: &order.CustomerPaid{N: 1, At: time.Now(), Currency: "EUR", Amount: 100, Paid: 10000, Over: 100}})
			r.untilCalled(workflows.ActivityRefund, 2)
			r.delivers(1, 3)
			require.Equal(r.t, 1, r.state().Refunds)
		}, order.StageSettled),
		// A deliverer of an earlier release passes a fact on without what it says; what is of no known kind, nobody waits for.
		"unknown-facts": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			dropped := r.number(accepted(r.po(1)))
			r.signal(workflows.SignalFacts, workflows.FactsSignal{Facts: []order.Fact{{Seq: dropped[0].Seq}}})
			r.until("it was fetched", func(s *order.State) bool { return s.LastFact == 1 && s.Stage() == order.StageAcknowledged })
			r.tell(order.Fact{})
			r.until("a person is called", func(s *order.State) bool { return s.LastFact == 2 && len(s.Attention) == 1 })
			r.tell(labelled(r.po(1), "T1", 3), reached("T1", order.ParcelDelivered))
		}},
		"stalled-catch-up": stalls(workflows.ActivityFacts, 1, nil, func(r *rehearsal) {
			r.untilSent(1)
			r.number(accepted(r.po(1))) // is never delivered
			r.tell(labelled(r.po(1), "T1", 3), reached("T1", order.ParcelDelivered))
		}, order.StageSettled),
		"stalled-repeat-cancel": stalls(workflows.ActivityCancel, 2, losesFirst, func(r *rehearsal) {
			r.untilSent(2)
			r.tell(accepted(r.po(1)))
			r.delivers(2, 3)
		}, order.StageSettled),
		"stalled-intercept": stalls(workflows.ActivityIntercept, 1, losesFirst, func(r *rehearsal) {
			r.untilSent(2)
			r.tell(labelled(r.po(1), "T1", 3), reached("T1", order.ParcelInTransit))
			r.delivers(2, 3)
		}, order.StageSettled),

		// What an activity answers is not what was asked for: another build answered, or another codec.
		"answer-garbled": {
			hurried: true, ends: order.StageSettled,
			set:  func(r *rehearsal) { r.garbled[workflows.ActivityDispatch] = 1 },
			tell: delivered,
		},
		// The worker cannot report an answer above what the server takes; the call is given up in the end.
		"answer-too-large": {
			hurried: true, ends: order.StageSettled,
			set:  func(r *rehearsal) { r.huge[workflows.ActivityDispatch] = 1 },
			tell: delivered,
		},
		"no-answer-in-time": {
			hurried: true, ends: order.StageCancelled,
			set: func(r *rehearsal) {
				r.before[workflows.ActivityRefund] = func(ctx context.Context, call int) error {
					if call == 1 {
						<-ctx.Done() // until the worker gives it up
					}
					return nil
				}
			}, tell: cancelsAll,
		},
		"retried": {ends: order.StageSettled, set: func(r *rehearsal) {
			r.before[workflows.ActivityDispatch] = func(_ context.Context, call int) error {
				if call < 3 {
					return temporal.NewApplicationErrorWithOptions("busy", "Busy", temporal.ApplicationErrorOptions{NextRetryDelay: 50 * time.Millisecond})
				}
				return nil
			}
		}, tell: delivered},
		"never-arrived": {ends: order.StageCancelled, set: func(r *rehearsal) {
			r.desk.send, r.lookUp, r.stock = order.DispatchUnknown, order.DispatchAbsent, []string{"acme"}
		}},
		"waits-for-stock": {ends: order.StageSettled, set: func(r *rehearsal) {
			r.policy.Backorder, r.policy.BackorderWaitAtMost = order.BackorderWait, 20*time.Second
			stock := r.stock
			r.stock = nil
			r.before[workflows.ActivityRoute] = func(_ context.Context, call int) error {
				if call == 2 {
					r.mu.Lock()
					defer r.mu.Unlock()
					r.stock = stock
				}
				return nil
			}
		}, tell: delivered},
	}
}

// losesFirst makes the first supplier silent; its order is given to the next.
func losesFirst(r *rehearsal) { r.firstAckIn = 3 * time.Second }

// cancelsAll cancels the order once its supplier has it.
func cancelsAll(r *rehearsal) {
	r.untilSent(1)
	var reply order.CancelReply
	require.NoError(r.t, r.ask(workflows.UpdateCancel, order.CancelRequest{ID: "c1", By: "support"}, &reply))
	require.NotEmpty(r.t, reply.Asked)
}
