package workflows_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

func (d *desk) paysWhileTheStepRests(t *testing.T) (at time.Time) {
	t.Helper()
	d.stock = nil // the order is cancelled, and refunded
	d.failing[workflows.ActivityRefund] = 1_000_000
	const paid = 40*time.Hour + 7*time.Minute // in the middle of a rest of six hours
	d.env.RegisterDelayedCallback(func() {
		require.Contains(t, d.state(t).Attention[0].Key, "stalled/refund")
		d.failing[workflows.ActivityRefund], at = 0, d.env.Now()
	}, paid)
	d.later(paid, order.Fact{Seq: 1, RefundPaid: &order.RefundPaid{Refund: "refund/shop/1001/1", Reference: "wire-1"}})
	d.run(t)
	require.Len(t, d.refunded, 1)
	return at
}

// The refund fails for hours, and its step rests for hours; a person pays it then.
func TestARefundThatAPersonHasPaidIsBookedAtOnceThoughItsStepRests(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	at := d.paysWhileTheStepRests(t)
	require.Less(t, d.env.Now().Sub(at), time.Minute)
	require.False(t, d.settled[len(d.settled)-1].RefundPaid, "the next refund is not woken by this one")
}

// A worker of an earlier release took the news for nothing, and the timer of the rest went on.
func TestNewsThatAnEarlierReleaseTookForNothingDoNotEndARest(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.env.OnGetVersion("woken", workflow.DefaultVersion, workflow.Version(1)).Return(workflow.DefaultVersion)
	at := d.paysWhileTheStepRests(t)
	require.Greater(t, d.env.Now().Sub(at), 29*time.Minute)
}

func TestAFactThatAnEarlierReleaseTookForNothingIsNotFetched(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.env.OnGetVersion("unknown-facts", workflow.DefaultVersion, workflow.Version(1)).Return(workflow.DefaultVersion)
	d.stock = nil
	d.archive = []order.Fact{{Seq: 1, Payment: &order.CustomerPaid{N: 1, Over: 100}}}
	d.env.RegisterDelayedCallback(func() {
		d.env.SignalWorkflow(workflows.SignalFacts, workflows.FactsSignal{Facts: []order.Fact{{Seq: 1}}})
	}, 0)
	d.run(t)
	require.EqualValues(t, 1, d.settled[len(d.settled)-1].LastFact)
	require.False(t, slices.ContainsFunc(d.refunded, func(in workflows.RefundInput) bool { return in.Overpaid }))
}

// An earlier release's worker takes the refund, gives the units' price back and knows nothing of more.
func TestWhatWasOverpaidGoesBackThoughAnEarlierReleaseTookTheRefund(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.refundedByOld = 2
	d.later(time.Minute, order.Fact{Seq: 1, Payment: &order.CustomerPaid{N: 1, Currency: "EUR", Amount: 100, Paid: 10000, Over: 100}})
	po := key.PurchaseOrderNumber(1)
	d.later(time.Hour, d.accepted(2, po, time.Hour))
	d.delivers(3, po, 3, 48*time.Hour)
	d.run(t)
	require.Len(t, d.refunded, 3)
	for _, in := range d.refunded {
		require.True(t, in.Overpaid)
		require.Equal(t, 1, in.N, "it is asked for again under its number")
	}
	last := d.settled[len(d.settled)-1]
	require.Equal(t, 1, last.Refunds)
	require.Empty(t, last.Attention)
}
