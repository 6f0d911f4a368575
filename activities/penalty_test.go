package activities_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sla"
)

func TestABrokenDeadlineCostsWhatTheContractSaysOnce(t *testing.T) {
	t.Parallel()
	usd := func(minor int64) money.Money { return money.Money{Minor: minor, Currency: "USD"} }
	for name, test := range map[string]struct {
		terms catalog.Penalties
		want  []int64
	}{
		"a share of the cost":  {catalog.Penalties{LateShipment: catalog.Penalty{ShareBP: 1000}}, []int64{126}},
		"an amount":            {catalog.Penalties{LateShipment: catalog.Penalty{Amount: usd(500)}}, []int64{500}},
		"both, up to the cap":  {catalog.Penalties{LateAcknowledgment: catalog.Penalty{Amount: usd(300)}, LateShipment: catalog.Penalty{Amount: usd(500)}, Cap: usd(700)}, []int64{300, 400}},
		"nothing was promised": {catalog.Penalties{}, nil},
		"within the grace":     {catalog.Penalties{LateShipment: catalog.Penalty{Amount: usd(500), Grace: sla.MustTerm("2h")}}, nil},
		"after the grace":      {catalog.Penalties{LateShipment: catalog.Penalty{Amount: usd(500), Grace: sla.MustTerm("30m")}}, []int64{500}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			l := b.delivered(sale("1", line(1, "MUG", 3)))
			b.exec(`UPDATE suppliers SET document = jsonb_set(document, '{contract,penalties}', $1::jsonb) WHERE id = 'acme'`, string(must(json.Marshal(test.terms))))
			po := &l.state.POs[0]
			po.Breached = []string{"acknowledge", "ship"}
			po.AckDueAt, po.Acknowledged, po.AckAt = b.now.Add(-3*time.Hour), true, b.now.Add(-2*time.Hour)
			po.ShipDueAt, po.Parcels[0].ScannedAt = b.now.Add(-2*time.Hour), b.now.Add(-time.Hour)
			l.due(order.StepSettle)
			snapshot := l.state.Clone()
			snapshot.Settled = true
			for range 2 {
				_, err := b.desk.SettleOrder(b.ctx, snapshot)
				require.NoError(t, err)
			}
			var got []int64
			rows, err := b.pool.Query(b.ctx, `SELECT minor FROM claims WHERE kind = 'sla_penalty' AND pursuit = order_key || '/sla/' || $1 ORDER BY key`, po.Number)
			require.NoError(t, err)
			for rows.Next() {
				var minor int64
				require.NoError(t, rows.Scan(&minor))
				got = append(got, minor)
			}
			require.NoError(t, rows.Err())
			require.Equal(t, test.want, got)
			require.Equal(t, len(test.want) > 0, b.number(`SELECT count(*) FROM pursuits`) == 1, "what is owed for one purchase order is pursued together")
		})
	}
}
