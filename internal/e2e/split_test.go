package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
)

// One order of eight lines, or two with half of the lines and of the shipping each: the same suppliers ship,
// refuse and give back the same units, and each account has the same in the end. The rules alone are
// compared in thousands of such pairs, in internal/order.
func TestAnOrderSplitInTwoSumsToTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prompt("acme", suppliersim.AckByWebhook), prompt("bolt", suppliersim.AckInResponse),
		stage.Supplier{ID: "tardy", Manner: suppliersim.Manner{
			Ack: suppliersim.AckManner{When: suppliersim.AckInResponse}, Ship: suppliersim.ShipManner{Never: true},
		}},
		stage.Supplier{ID: "dusk", Manner: suppliersim.Manner{
			Submit: []suppliersim.Fault{{Kind: suppliersim.FaultRefuse, Code: "out_of_stock"}},
		}})
	w.startWorker(t, 5*time.Second)
	mugs := []string{"acme-mug", "bolt-mug", "tardy-mug", "dusk-mug"}
	jars := []string{"acme-jar", "bolt-jar", "tardy-jar", "dusk-jar"}
	whole := w.placeFor(t, "whole", 500, append(mugs[:4:4], jars...))
	halves := []order.Key{w.placeFor(t, "mugs", 250, mugs), w.placeFor(t, "jars", 250, jars)}
	require.NoError(t, w.Suppliers.Books.Await(t.Context(), func(s suppliersim.Snapshot) bool { return len(s["tardy"].Orders) == 3 }))
	w.cancelLines(t, whole, 3, 7)
	w.cancelLines(t, halves[0], 3)
	w.cancelLines(t, halves[1], 3)

	units, sum := map[string]int64{}, map[string]int64{}
	for _, half := range halves {
		w.addUp(t, half, units, sum)
	}
	wholeUnits, wholeSum := map[string]int64{}, map[string]int64{}
	w.addUp(t, whole, wholeUnits, wholeSum)
	require.Equal(t, map[string]int64{
		"acme-mug acme delivered": 1, "acme-jar acme delivered": 1, "bolt-mug bolt delivered": 1, "bolt-jar bolt delivered": 1,
		"tardy-mug refunded": 1, "tardy-jar refunded": 1, "dusk-mug refunded": 1, "dusk-jar refunded": 1,
	}, wholeUnits)
	require.Equal(t, wholeUnits, units)
	require.Equal(t, wholeSum, sum)
	require.Equal(t, int64(4*1428+500), wholeSum["captured processor_clearing"]+wholeSum["refunded processor_clearing"])
}

// placeFor places an order with so much shipping, in cents.
func (w *world) placeFor(t *testing.T, id string, shipping int64, skus []string) order.Key {
	t.Helper()
	document := stage.Document(id, skus...)
	total := 1428*int64(len(skus)) + shipping
	amount := func(cents int64) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }
	document["shipping"], document["total"] = amount(shipping), amount(total)
	document["payment"] = map[string]any{"status": "paid", "captured": amount(total), "reference": "p-" + id}
	var answer any
	status, err := w.Call(t.Context(), http.MethodPost, "/v1/orders", document, &answer)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, status, answer)
	return order.Key{Storefront: "shop", Order: id}
}

func (w *world) cancelLines(t *testing.T, key order.Key, lines ...int) {
	t.Helper()
	var units []map[string]any
	for _, n := range lines {
		units = append(units, map[string]any{"line": n, "quantity": 1})
	}
	var answer any
	status, err := w.Call(t.Context(), http.MethodPost, "/v1/orders/"+key.String()+"/cancel", map[string]any{"request_id": "c", "lines": units}, &answer)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, answer)
}

// addUp adds what became of an order's units, by SKU, and what was moved on its accounts, by kind of posting.
func (w *world) addUp(t *testing.T, key order.Key, units, sum map[string]int64) {
	t.Helper()
	state := w.settled(t, key)
	for i := range state.Lines {
		if l := &state.Lines[i]; l.Refunded > 0 {
			units[l.SKU+" refunded"] += l.Refunded
		}
	}
	for i := range state.POs {
		for j := range state.POs[i].Lines {
			if l := &state.POs[i].Lines[j]; l.Units.Delivered > 0 {
				units[l.SKU+" "+state.POs[i].Supplier+" delivered"] += l.Units.Delivered
			}
		}
	}
	rows, err := w.Pool.Query(t.Context(), `SELECT t.kind || ' ' || e.account, sum(e.minor)::bigint
		FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id WHERE t.order_key = $1 GROUP BY 1`, key.String())
	require.NoError(t, err)
	var what string
	var minor int64
	_, err = pgx.ForEachRow(rows, []any{&what, &minor}, func() error { sum[what] += minor; return nil })
	require.NoError(t, err)
}
