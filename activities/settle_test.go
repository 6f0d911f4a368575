package activities_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/supplier"
)

// delivered brings an order to the customer's door.
func (b *bundle) delivered(o storefront.Order) *life {
	b.t.Helper()
	l := b.place(o).dispatched()
	for n := range l.state.POs {
		l.parcel(n+1, "1Z"+string(rune('1'+n)), order.ParcelDelivered)
	}
	return l
}

// claims lists the open claims as "kind amount".
func (l *life) claims() (list []string) {
	l.t.Helper()
	rows, err := l.pool.Query(l.ctx, `SELECT kind || ' ' || minor FROM claims WHERE order_key = $1 AND closed_at IS NULL ORDER BY kind, minor`, l.key.String())
	require.NoError(l.t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		require.NoError(l.t, rows.Scan(&text))
		list = append(list, text)
	}
	require.NoError(l.t, rows.Err())
	return list
}

func (l *life) balance(account ledger.Account) int64 {
	l.t.Helper()
	posted, err := ledgerbook.Read(l.ctx, l.pool, l.key.String())
	require.NoError(l.t, err)
	balances, err := ledger.BalanceOf(posted)
	require.NoError(l.t, err)
	return balances.Of(account, "USD")
}

func TestSettlingPostsOnceAndClosesTheOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.delivered(sale("1", line(1, "LAMP", 3), line(2, "TEA", 2)))
	text, err := l.settle()
	require.NoError(t, err)
	require.Equal(t, "Settled: 59.40 USD captured, 59.40 USD kept, claims open: 2", text)
	require.EqualValues(t, 3*3100+2*610, l.balance(ledger.CostOfGoods))
	require.Zero(t, l.balance(ledger.CustomerDeposits))
	require.EqualValues(t, -5000, l.balance(ledger.Revenue))
	require.EqualValues(t, -500, l.balance(ledger.ShippingRevenue))
	require.EqualValues(t, -440, l.balance(ledger.TaxPayable))
	require.Equal(t, "settled", b.text(`SELECT stage FROM orders WHERE closed_at IS NOT NULL`))
	require.Zero(t, b.number(`SELECT sum(reserved) FROM offers`))

	entries := b.number(`SELECT count(*) FROM ledger_entries`)
	b.now = b.now.Add(time.Hour)
	again, err := b.desk.SettleOrder(b.ctx, l.state)
	require.NoError(t, err)
	require.Equal(t, text, again)
	require.Equal(t, entries, b.number(`SELECT count(*) FROM ledger_entries`))
	require.Len(t, l.claims(), 2)
}

func TestSettlingTwiceAtOncePostsOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.delivered(sale("1", line(1, "MUG", 3)))
	l.due(order.StepSettle)
	snapshot := l.state.Clone()
	snapshot.Settled = true
	atOnce(t, 4, func(int) error {
		_, err := b.desk.SettleOrder(b.ctx, snapshot)
		return err
	})
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM ledger_transactions WHERE kind = 'earned'`))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM claims`))
}

func TestSettlingMatchesTheInvoicesThatHaveCome(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.delivered(sale("1", line(1, "MUG", 3)))
	invoice := supplier.Invoice{
		PO: l.po(1).Number, Number: "I-1", At: b.now, Currency: "USD", Total: 1300,
		Lines: []supplier.InvoiceLine{{Line: 1, Quantity: 3, UnitCost: 433}},
	}
	b.exec(`INSERT INTO supplier_invoices (supplier, invoice, po_number, order_key, currency, total, document, invoiced_at)
		VALUES ('acme', 'I-1', $1, $2, 'USD', 1300, $3, now())`, invoice.PO, l.key.String(), must(json.Marshal(invoice)))
	_, err := l.settle()
	require.NoError(t, err)
	require.Equal(t, []string{"invoice_dispute 39", "invoice_due -1300"}, l.claims(), "1260 were ordered, half a percent is let pass: not of the price, but of the sum")
	require.Equal(t, "disputed", b.text(`SELECT standing FROM supplier_invoices`))
}

func TestAnOrderWhoseAccountsDoNotCloseStaysOpen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.delivered(sale("1", line(1, "MUG", 3)))
	b.exec(`WITH t AS (INSERT INTO ledger_transactions (order_key, key, kind, memo) VALUES ($1, 'captured|x', 'captured', 'x') RETURNING id)
		INSERT INTO ledger_entries (transaction_id, n, account, currency, minor)
		SELECT id, 1, 'processor_clearing', 'USD', 7 FROM t UNION ALL SELECT id, 2, 'customer_deposits', 'USD', -7 FROM t`, l.key.String())
	_, err := l.settle()
	require.ErrorContains(t, err, "the accounts do not close: Customer deposits is not zero but -0.07 USD")
	require.Zero(t, b.number(`SELECT count(*) FROM ledger_transactions WHERE kind = 'earned'`))
	require.Zero(t, b.number(`SELECT count(*) FROM orders WHERE closed_at IS NOT NULL`))
}

func TestALostParcelIsRefundedAndClaimedFromItsSupplier(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 3))).dispatched()
	l.parcel(1, "1Z1", order.ParcelLost, order.ShippedLine{Line: 1, Quantity: 1})
	l.parcel(1, "1Z2", order.ParcelDelivered, order.ShippedLine{Line: 1, Quantity: 2})
	l.giveBack()
	l.record()
	text, err := l.settle()
	require.NoError(t, err)
	require.Equal(t, "Settled: 37.80 USD captured, 27.00 USD kept, claims open: 2", text)
	require.Equal(t, []string{"invoice_missing -1260", "lost_parcel 420"}, l.claims())
	require.EqualValues(t, 1080, l.backAtShop())
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM outbox WHERE kind = 'lost'`))
}

// giveBack makes the refund that is due.
func (l *life) giveBack() {
	l.t.Helper()
	step := l.due(order.StepRefund)
	in := l.refund(l.state.Refunds+1, step.Lines...)
	in.Reason = l.state.RefundReason(step.Lines)
	back, err := l.desk.RefundCustomer(l.ctx, in)
	require.NoError(l.t, err)
	l.state.Refunded(step.Lines, back.Amount, back.Text, l.now)
}

func TestAWhollyCancelledOrderSettlesWithNothingKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 3)))
	l.validate()
	l.state.Cancel(order.CancelRequest{ID: "c"}, b.now)
	l.record()
	l.giveBack()
	text, err := l.settle()
	require.NoError(t, err)
	require.Equal(t, "Settled: 37.80 USD captured, 0.00 USD kept", text)
	require.Equal(t, "cancelled", b.text(`SELECT stage FROM orders`))
}

func TestWhatWasDeliveredWithoutPaymentIsNamedGoodwill(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := sale("1", line(1, "MUG", 3))
	o.Payment = storefront.Payment{Status: storefront.PaymentPartiallyPaid, Captured: 1000}
	l := b.place(o)
	l.due(order.StepValidate)
	verdict, err := b.desk.ValidateOrder(b.ctx, l.key)
	require.NoError(t, err)
	require.NotEmpty(t, verdict.Doubts)
	l.state.ValidatedWith(verdict, b.now)
	l.state.TakeReview(order.ReviewApprove, "operator", b.now)
	l.route()
	l.dispatch()
	l.parcel(1, "1Z1", order.ParcelDelivered)
	_, err = l.settle()
	require.NoError(t, err)
	require.EqualValues(t, 2780, l.balance(ledger.Goodwill))
}

func TestAbsorbedShipmentsAreLossesEachForItself(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.delivered(sale("1", line(1, "MUG", 3)))
	for i, value := range []int64{420, 840} { // two cases of one parcel, one after the other
		l.state.Cases = append(l.state.Cases, order.Case{
			Key: l.po(1).Number + "-s" + string(rune('1'+i)), Kind: order.OverShipment, Status: order.CaseAbsorbed,
			PO: l.po(1).Number, Carrier: "ups", Tracking: "1ZX", Value: value,
		})
	}
	_, err := l.settle()
	require.NoError(t, err)
	require.EqualValues(t, 1260, l.balance(ledger.Losses))
	require.Equal(t, []string{"invoice_missing -2520"}, l.claims())
}

func TestParcelsOfTwoCarriersUnderOneNumberAreBothOwed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 3))).dispatched()
	l.parcel(1, "1234", order.ParcelDelivered, order.ShippedLine{Line: 1, Quantity: 1})
	po := l.po(1)
	for _, m := range []order.Fact{
		{Ship: &order.ShipNotice{PO: po.Number, At: b.now, Carrier: "fedex", Tracking: "1234", Lines: []order.ShippedLine{{Line: 1, Quantity: 2}}}},
		{Milestone: &order.ParcelNews{Carrier: "fedex", Tracking: "1234", Milestone: order.ParcelDelivered, At: b.now}},
	} {
		l.hear(m)
	}
	_, err := l.settle()
	require.NoError(t, err)
	require.EqualValues(t, 1260, l.balance(ledger.CostOfGoods))
}

func TestAPriceThatChangesAfterTheSettlementIsLeftToTheInvoice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.delivered(sale("1", line(1, "MUG", 3)))
	_, err := l.settle()
	require.NoError(t, err)
	l.state.POs[0].Lines[0].UnitCost = 421
	_, err = b.desk.SettleOrder(b.ctx, l.state)
	require.NoError(t, err)
	require.EqualValues(t, 1260, l.balance(ledger.CostOfGoods))
}

func TestAnOrderThatHasNotBeenPlacedCannotBeSettled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.desk.SettleOrder(b.ctx, order.State{Key: order.Key{Storefront: "shop", Order: "none"}})
	require.ErrorIs(t, err, ledgerbook.ErrNoOrder)
	require.False(t, postgres.Unavailable(err))
}
