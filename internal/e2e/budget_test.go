package e2e

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/bench"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
)

const budgetFile = "../../bench/budget.json"

// bench/budget.json holds the limits, bench/README.md says what each figure counts. Where a figure grew on
// purpose, the limit is changed in the same commit, with the reason.
func TestOrdersStayWithinTheirBudget(t *testing.T) {
	t.Parallel()
	budget, err := bench.ReadBudget(budgetFile)
	require.NoError(t, err)
	for _, shape := range bench.Shapes() {
		t.Run(shape.Name, func(t *testing.T) {
			t.Parallel()
			limits := budget.PerOrder[shape.Name]
			require.NotEmpty(t, limits, "%s has no limits for the shape %s", budgetFile, shape.Name)
			counted, err := bench.Count(t.Context(), shape, 0, 1)
			if errors.Is(err, stage.ErrNoServer) {
				t.Skip(err)
			}
			require.NoError(t, err)
			t.Logf("%s: %v", shape.Name, counted.Orders[0])
			over := limits.Exceeded(counted.Orders[0])
			require.Empty(t, over, "an order of the shape %s costs too much: %s", shape.Name, strings.Join(over, "; "))
		})
	}
}

func TestOurBudgetIsNoLooserThanTheDesign(t *testing.T) {
	t.Parallel()
	budget, err := bench.ReadBudget(budgetFile)
	require.NoError(t, err)
	require.NotEmpty(t, budget.Design)
	for shape, promised := range budget.Design {
		require.Empty(t, promised.Exceeded(bench.Figures(budget.PerOrder[shape])), shape)
	}
}

// The acknowledgment that comes on its own costs a timer, a signal and an upsert more: the operator
// sees the clock it stops. docs/costs.md has the trade.
func TestOrderAcknowledgedByWebhookStaysWithinItsBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prompt("acme", suppliersim.AckByWebhook))
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "webhook", "acme-mug")
	w.settled(t, key)
	c := w.costOf(t, key)
	require.LessOrEqual(t, c.Actions, 13)
	require.LessOrEqual(t, c.Events, 40)
	require.LessOrEqual(t, c.Bytes, 12_000)
}
