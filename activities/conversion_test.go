package activities_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/supplier"
)

// abroad is acme with a contract in euros.
func abroad() string {
	acme, rest, _ := strings.Cut(catalogue, "  - id: bolt")
	return strings.Replace(acme, "currency: USD", "currency: EUR", 1) + "  - id: bolt" + rest
}

const rates = `
rates:
  - {from: EUR, to: USD, rate: "1.1", on: 2020-01-01}
  - {from: EUR, to: USD, rate: "1.0850", on: 2024-01-01}
  - {from: EUR, to: USD, rate: "9", on: 2999-01-01}
`

func (l *life) balanceIn(account ledger.Account, currency string) int64 {
	l.t.Helper()
	posted, err := ledgerbook.Read(l.ctx, l.pool, l.key.String())
	require.NoError(l.t, err)
	balances, err := ledger.BalanceOf(posted)
	require.NoError(l.t, err)
	return balances.Of(account, currency)
}

func TestASupplierAbroadIsPaidInItsCurrencyAndItsCostIsConvertedAtTheRecordedRate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.load(abroad() + rates)
	l := b.kept(sale("1", line(1, "LAMP", 3)))
	require.Equal(t, "EUR", l.po(1).Currency)
	require.Equal(t, "EUR 3100", b.text(`SELECT p.currency || ' ' || l.unit_cost FROM purchase_orders p JOIN purchase_order_lines l USING (number)`))
	require.EqualValues(t, -9300, l.balanceIn(ledger.SupplierPayable("acme"), "EUR"))
	require.Zero(t, l.balanceIn(ledger.CostOfGoods, "EUR"))
	require.EqualValues(t, 10091, l.balanceIn(ledger.CostOfGoods, "USD"), "93.00 × 1.0850 = 100.905")
	require.Equal(t, []string{"invoice_missing -9300"}, l.claims())

	// A new rate changes nothing that was ordered; the invoice is dearer by what the contract lets pass.
	b.load(abroad() + `
rates: [{from: EUR, to: USD, rate: "2", on: 2025-01-01}]
`)
	invoice := supplier.Invoice{PO: l.po(1).Number, Number: "I-1", At: b.now, Currency: "EUR", Total: 9302, Lines: []supplier.InvoiceLine{{Line: 1, Quantity: 2, UnitCost: 3101}, {Line: 1, Quantity: 1, UnitCost: 3100}}}
	b.exec(`INSERT INTO supplier_invoices (supplier, invoice, po_number, order_key, currency, total, document, invoiced_at)
		VALUES ('acme', 'I-1', $1, $2, 'EUR', 9302, $3, now())`, invoice.PO, l.key.String(), must(json.Marshal(invoice)))
	tx, err := b.pool.Begin(b.ctx)
	require.NoError(t, err)
	require.NoError(t, ledgerbook.MatchInvoices(b.ctx, tx, l.key.String()))
	require.NoError(t, tx.Commit(b.ctx))
	require.EqualValues(t, 10093, l.balanceIn(ledger.CostOfGoods, "USD"), "93.02 × 1.0850 = 100.9267")
	require.Equal(t, []string{"invoice_due -9302"}, l.claims())

	// Its credit for what comes back is in its currency, too.
	c := l.ask("r-1", returns.Damaged, 1, 1)
	c.authorise()
	c.inspected(1, 1, returns.DamagedGoods)
	c.pay()
	require.EqualValues(t, 3100, c.state.Claim.Expected)
	c.record(returns.StepRecord)
	require.EqualValues(t, 3100, l.balanceIn(ledger.SupplierClaims("acme"), "EUR"))
	require.EqualValues(t, 6729, l.balanceIn(ledger.CostOfGoods, "USD"), "62.02 × 1.0850 = 67.2917")
	require.Contains(t, c.state.Card(), "Acme Wholesale owes 31.00 EUR")
}

func TestASupplierAbroadIsNotAskedWithoutARate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.load(abroad())
	l := b.place(sale("1", line(1, "MUG", 3))).dispatched()
	require.Equal(t, "bolt", l.po(1).Supplier)
	require.Empty(t, l.po(1).Currency)
}

// A purchase order that follows in the same currency is converted at the rate of the first.
func TestAnOrderHasOneRateForACurrency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text := strings.ReplaceAll(abroad(), "currency: USD, channel: {kind: rest, url: \"BOLT\"", "currency: EUR, channel: {kind: rest, url: \"BOLT\"")
	b.load(text + rates)
	l := b.place(sale("1", line(1, "MUG", 3)))
	l.validate()
	l.route()
	first := l.state.POs[0].Terms.Rate
	require.NotNil(t, first)
	b.load(text + `
rates: [{from: EUR, to: USD, rate: "2", on: 2025-01-01}]
`)
	l.dispatch()
	l.hear(order.Fact{Acknowledge: &order.Acknowledgment{Document: "a", PO: l.po(1).Number, At: b.now, Whole: order.AckRejected}})
	l.route()
	require.Equal(t, "bolt", l.state.POs[1].Supplier)
	require.Equal(t, first, l.state.POs[1].Terms.Rate)
}
