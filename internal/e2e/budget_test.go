package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
)

func TestSmoothOrderStaysWithinItsBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prompt("acme", suppliersim.AckInResponse))
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "smooth", "acme-mug")
	state := w.settled(t, key)
	require.Equal(t, order.StageSettled, state.Stage())
	c := w.costOf(t, key)
	require.LessOrEqual(t, c.Actions, 10)
	require.LessOrEqual(t, c.Events, 40)
	require.LessOrEqual(t, c.Bytes, 10_000)
}

func TestOrderOfThreeLinesFromTwoSuppliersStaysWithinItsBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prompt("acme", suppliersim.AckInResponse), prompt("bolt", suppliersim.AckInResponse))
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "split", "acme-mug", "acme-jar", "bolt-mug")
	state := w.settled(t, key)
	require.Equal(t, order.StageSettled, state.Stage())
	c := w.costOf(t, key)
	require.LessOrEqual(t, c.Actions, 16)
	require.LessOrEqual(t, c.Events, 64)
	require.LessOrEqual(t, c.Bytes, 16_000)
}

// The acknowledgment that comes on its own costs a timer, a signal and an upsert more: the operator
// sees the clock it stops. docs/costs.md has the trade.
func TestOrderAcknowledgedByWebhookStaysWithinItsBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prompt("acme", suppliersim.AckByWebhook))
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "webhook", "acme-mug")
	state := w.settled(t, key)
	require.Equal(t, order.StageSettled, state.Stage())
	c := w.costOf(t, key)
	require.LessOrEqual(t, c.Actions, 13)
	require.LessOrEqual(t, c.Events, 40)
	require.LessOrEqual(t, c.Bytes, 12_000)
}
