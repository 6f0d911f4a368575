package audit_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/order"
)

// The deliverer writes the stage that the facts lead to; the workflow records it with its next step,
// which is a while later when a worker died in between.
func TestARowThatFollowsTheFactsAheadOfItsStateIsNoViolation(t *testing.T) {
	t.Parallel()
	l := wellRun(t)
	notice := order.ShipNotice{
		Document: "asn", PO: l.newest(open), At: l.now, Carrier: "ups", Tracking: "1ZAHEAD", Lines: []order.ShippedLine{{Line: 1, Quantity: 2}},
	}
	require.NoError(t, pgx.BeginFunc(t.Context(), l.pool, func(tx pgx.Tx) error {
		_, err := facts.Append(t.Context(), tx, open.String(), order.Fact{Ship: &notice}, true, 0)
		return err
	}))
	l.exec(`UPDATE orders SET stage = 'shipped', delivered_seq = fact_seq, deliver_at = NULL WHERE key = $1`, open.String())
	require.Zero(t, outcome(t, l.audit(), "the recorded state is what its tables say").Found)
}
