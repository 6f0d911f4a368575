package activities_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/workflows"
)

// meanwhile begins do while a transaction holds what it has to wait for, and commits that as soon as
// do waits, or is through without waiting.
func (b *bundle) meanwhile(hold func(tx pgx.Tx) error, do func() error) {
	b.t.Helper()
	done := make(chan error, 1)
	require.NoError(b.t, postgres.InTx(b.ctx, b.pool, func(tx pgx.Tx) error {
		require.NoError(b.t, hold(tx))
		go func() { done <- do() }()
		require.Eventually(b.t, func() bool {
			var waiting int
			err := b.pool.QueryRow(b.ctx, `SELECT count(*) FROM pg_stat_activity WHERE $1::int = ANY (pg_blocking_pids(pid))`,
				tx.Conn().PgConn().PID()).Scan(&waiting)
			return err == nil && waiting > 0 || len(done) > 0
		}, 10*time.Second, 2*time.Millisecond)
		return nil
	}))
	require.NoError(b.t, <-done)
}

// Intake locks the order, sees that it is not settled, and leaves the invoice to the settlement.
func TestASettlementWaitsForTheInvoiceBeingRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.delivered(sale("1", line(1, "MUG", 3)))
	invoice := supplier.Invoice{
		PO: l.po(1).Number, Number: "I-1", At: b.now, Currency: "USD", Total: 1260,
		Lines: []supplier.InvoiceLine{{Line: 1, Quantity: 3, UnitCost: 420}},
	}
	document := must(json.Marshal(invoice))
	l.due(order.StepSettle)
	snapshot := l.state.Clone()
	snapshot.Settled = true
	b.meanwhile(func(tx pgx.Tx) error {
		if _, err := tx.Exec(b.ctx, `SELECT FROM orders WHERE key = $1 FOR NO KEY UPDATE`, l.key.String()); err != nil {
			return err
		}
		_, err := tx.Exec(b.ctx, `INSERT INTO supplier_invoices (supplier, invoice, po_number, order_key, currency, total, document, invoiced_at)
			VALUES ('acme', 'I-1', $1, $2, 'USD', 1260, $3, now())`, invoice.PO, l.key.String(), document)
		return err
	}, func() error {
		_, err := b.desk.SettleOrder(b.ctx, snapshot)
		return err
	})
	require.Equal(t, []string{"invoice_due -1260"}, l.claims())
	require.Equal(t, "matched", b.text(`SELECT standing FROM supplier_invoices`))
}

func TestARefundWaitsForTheOneBesideIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 3)))
	in := workflows.RefundInput{
		Key: l.key, N: 2, Reason: "cancelled",
		Lines: []order.ShippedLine{{Line: 1, Quantity: 1}}, Owed: []order.ShippedLine{{Line: 1, Quantity: 2}},
	}
	b.meanwhile(func(tx pgx.Tx) error {
		_, err := tx.Exec(b.ctx, `INSERT INTO refunds (key, order_key, n, lines, amount_minor, goods_minor, tax_minor, shipping_minor, reason, state)
			VALUES ('refund/shop/1/1', $1, 1, '[{"line":1,"quantity":1}]', 1080, 1000, 80, 0, 'cancelled', 'done')`, l.key.String())
		return err
	}, func() error {
		_, err := b.desk.RefundCustomer(b.ctx, in)
		return err
	})
	require.EqualValues(t, 1080, l.backAtShop(), "the other refund gives the other unit back")
}

func TestRoutingWaitsForTheStockThatAnotherOrderTakes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`UPDATE offers SET on_hand = 1 WHERE sku = 'LAMP'`)
	asked := b.unrouted(1, "LAMP")[0]
	var routed order.Routing
	b.meanwhile(func(tx pgx.Tx) error {
		_, err := tx.Exec(b.ctx, `UPDATE offers SET reserved = 1 WHERE sku = 'LAMP'`)
		return err
	}, func() (err error) {
		routed, err = b.desk.RouteOrder(b.ctx, asked)
		return err
	})
	require.Empty(t, routed.POs)
	require.Equal(t, [2]int64{1, 1}, b.stock("acme", "LAMP"))
}

// A refusal is the storefront's last word, so a person is asked at once. Should it take the refund
// after all, it takes the one that was asked for, and only once.
func TestARefundThatTheStorefrontRefusesIsAPersonsAndIsPaidOnceWhenItIsTakenAfterAll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.shop.Script(storefrontsim.Refunds, storefrontsim.Refused, 2, 0)
	l := b.place(sale("1", line(1, "MUG", 3)))
	in := l.refund(1, order.ShippedLine{Line: 1, Quantity: 2})
	for range 2 {
		_, err := b.desk.RefundCustomer(b.ctx, in)
		application, ok := err.(*temporal.ApplicationError) //nolint:errorlint // Temporal does not unwrap either
		require.True(t, ok, "%T: %v", err, err)
		require.True(t, application.NonRetryable())
		require.Contains(t, application.Message(), "shop")
	}
	require.Zero(t, l.backAtShop())
	require.Zero(t, b.number(`SELECT count(*) FROM ledger_transactions WHERE kind = 'refunded'`), "nothing went back")
	require.Zero(t, b.number(`SELECT count(*) FROM outbox WHERE kind = 'refunded'`), "and nobody is told that it did")
	for range 2 {
		back, err := b.desk.RefundCustomer(b.ctx, in)
		require.NoError(t, err)
		require.EqualValues(t, 2160, back.Amount)
	}
	require.EqualValues(t, 2160, l.backAtShop())
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM refunds`))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM ledger_transactions WHERE kind = 'refunded'`))
}
