package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

// The refund fails for hours, and its step rests for hours; a person pays it then.
func TestARefundThatAPersonHasPaidIsBookedAtOnceThoughItsStepRests(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.stock = nil // the order is cancelled, and refunded
	d.failing[workflows.ActivityRefund] = 1_000_000
	const paid = 40*time.Hour + 7*time.Minute // in the middle of a rest of six hours
	var at time.Time
	d.env.RegisterDelayedCallback(func() {
		require.Contains(t, d.state(t).Attention[0].Key, "stalled/refund")
		d.failing[workflows.ActivityRefund], at = 0, d.env.Now()
	}, paid)
	d.later(paid, order.Fact{Seq: 1, RefundPaid: &order.RefundPaid{Refund: "refund/shop/1001/1", Reference: "wire-1"}})
	d.run(t)
	require.Len(t, d.refunded, 1)
	require.Less(t, d.env.Now().Sub(at), time.Minute)
	require.False(t, d.settled[len(d.settled)-1].RefundPaid, "the next refund is not woken by this one")
}
