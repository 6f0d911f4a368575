package activities_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/workflows"
)

// back is a return of an order that was never routed, which is enough to pay for.
func (l *life) back() string {
	l.t.Helper()
	key, po := l.key.String(), l.key.PurchaseOrderNumber(1)
	b := &pgx.Batch{}
	b.Queue(`INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ($1, 1, '{}', '{}')`, key)
	b.Queue(`INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, terms)
		VALUES ($1, $2, 1, 'acme', 'shipped', 'USD', '{}')`, po, key)
	b.Queue(`INSERT INTO return_requests (order_key, id, body_hash, answer) VALUES ($1, 'r', '', '{}')`, key)
	b.Queue(`INSERT INTO returns (rma, order_key, request, po_number, supplier, stage, state) VALUES ($1, $2, 'r', $3, 'acme', 'x', '{}')`, returns.Number(po, 1), key, po)
	require.NoError(l.t, l.pool.SendBatch(l.ctx, b).Close())
	return returns.Number(po, 1)
}

func (l *life) payFor(rma string, n int, parts ...returns.PayoutPart) (workflows.ReturnPaid, error) {
	in := workflows.PayReturnInput{Key: l.key, RMA: rma, N: n, Payout: returns.Payout{Parts: parts}, Resolution: returns.Refund}
	return l.desk.PayReturn(l.ctx, in)
}

func TestAReturnIsPaidOnceThoughTheAnswerIsLost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.kept(sale("1", line(1, "MUG", 3))).ask("r-1", returns.ChangedMind, 1, 2)
	c.authorise()
	c.inspected(1, 2, returns.AsNew)
	c.step(returns.StepPay)
	b.shop.Script(storefrontsim.Refunds, storefrontsim.AnswerLost, 1, 0)
	_, err := b.desk.PayReturn(b.ctx, c.payment())
	requireRetry(t, err, 0)
	for range 2 {
		paid, err := b.desk.PayReturn(b.ctx, c.payment())
		require.NoError(t, err)
		require.Equal(t, "Refunded 19.44 USD; kept as fees: 2.16 USD", paid.Text)
	}
	require.EqualValues(t, 1944, c.backAtShop())
	require.Equal(t, 1, b.shop.Repeats(storefrontsim.Refunds, "return/"+c.rma+"/1"))
	require.Zero(t, b.shop.Conflicts())
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM ledger_transactions WHERE kind = 'refunded'`))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM outbox WHERE kind = 'refunded'`))
}

// Somebody ends a return's workflow between the fixing of its payment and its snapshot, and begins it anew. What
// was found meanwhile was not paid for by the payment that is answered under the same number.
func TestUnitsFoundAfterAPaymentWasFixedStayOwedWhenTheReturnIsBegunAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.kept(sale("1", line(1, "MUG", 3)))
	c := l.ask("r-1", returns.Damaged, 1, 2)
	c.authorise()
	c.record(returns.StepRecord)
	recorded := c.state.Clone()
	c.inspected(1, 1, returns.AsNew) // the other one is missing
	c.step(returns.StepPay)
	_, err := b.desk.PayReturn(b.ctx, c.payment())
	require.NoError(t, err)
	c.state = recorded
	c.state.Recover()
	c.inspected(1, 1, returns.AsNew)
	c.inspected(1, 1, returns.AsNew) // it turned up
	require.Equal(t, []order.ShippedLine{{Line: 1, Quantity: 1}}, c.pay().Lines)
	require.EqualValues(t, 1, c.state.Lines[0].Settled)
	require.Nil(t, c.pay().Lines, "the second is asked for and paid for")
	require.EqualValues(t, 2, c.state.Lines[0].Settled)
	require.EqualValues(t, 2160, l.backAtShop())
	require.NotContains(t, c.state.Steps(), returns.StepPay)
}

// The worker dies between the storefront's answer and the note of it: the next one asks under the same key.
func TestAReturnThatWasPaidAndNotNotedIsNotPaidAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.kept(sale("1", line(1, "MUG", 3))).ask("r-1", returns.ChangedMind, 1, 1)
	c.authorise()
	c.inspected(1, 1, returns.AsNew)
	c.step(returns.StepPay)
	b.exec(`CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'dead'; END $$`)
	b.exec(`CREATE TRIGGER die BEFORE UPDATE ON refunds FOR EACH ROW EXECUTE FUNCTION die()`)
	_, err := b.desk.PayReturn(b.ctx, c.payment())
	require.ErrorContains(t, err, "dead")
	require.EqualValues(t, 972, c.backAtShop())
	require.Zero(t, b.number(`SELECT count(*) FROM ledger_transactions WHERE kind IN ('refunded', 'unearned')`))
	b.exec(`DROP TRIGGER die ON refunds`)
	_, err = b.desk.PayReturn(b.ctx, c.payment())
	require.NoError(t, err)
	require.EqualValues(t, 972, c.backAtShop())
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM ledger_transactions WHERE kind = 'refunded'`))
	require.Zero(t, c.balance(ledger.CustomerDeposits))
}

func TestTheSamePaymentAtOnceIsMadeOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.kept(sale("1", line(1, "MUG", 3))).ask("r-1", returns.Damaged, 1, 1)
	c.authorise()
	c.inspected(1, 1, returns.DamagedGoods)
	c.step(returns.StepPay)
	atOnce(t, 4, func(int) error {
		_, err := b.desk.PayReturn(b.ctx, c.payment())
		return err
	})
	require.EqualValues(t, 1080, c.backAtShop(), "a fault costs the customer nothing")
	require.Equal(t, "damaged", b.text(`SELECT reason FROM refunds`))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM ledger_transactions WHERE kind = 'refunded'`))
}

func TestFeesAreKeptOfWhatComesBackAndNeverMore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 4)))
	rma := l.back()
	in := workflows.PayReturnInput{Key: l.key, RMA: rma, N: 1, Payout: returns.Payout{
		Parts: []returns.PayoutPart{{Line: 1, Quantity: 1, KeptBP: 1000, Reason: returns.ChangedMind}, {Line: 1, Quantity: 2, KeptBP: 2000, Reason: returns.ChangedMind}},
		Fee:   490,
	}}
	paid, err := b.desk.PayReturn(b.ctx, in)
	require.NoError(t, err)
	require.EqualValues(t, 3240-108-432-490, paid.Amount)
	require.EqualValues(t, -(108 + 432 + 490), l.balance(ledger.FeesRetained))
	in.N, in.Payout = 2, returns.Payout{Parts: []returns.PayoutPart{{Line: 1, Quantity: 1, Reason: returns.ChangedMind}}, Fee: 99_999}
	paid, err = b.desk.PayReturn(b.ctx, in)
	require.NoError(t, err)
	require.Zero(t, paid.Amount)
	require.Equal(t, "Nothing goes back for these units", paid.Text)
	require.EqualValues(t, -(108 + 432 + 490 + 1080), l.balance(ledger.FeesRetained))
}

func TestAnUnpaidOrderGivesNothingBackAndItsBooksStaySquare(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for captured, back := range map[int64]int64{0: 0, 700: 700, 3_500: 2_916} {
		o := sale(fmt.Sprint("u", captured), line(1, "MUG", 3))
		o.Payment = storefront.Payment{Status: storefront.PaymentPartiallyPaid, Captured: captured}
		l := b.place(o)
		paid, err := l.payFor(l.back(), 1, returns.PayoutPart{Line: 1, Quantity: 3, KeptBP: 1000, Reason: returns.ChangedMind})
		require.NoError(t, err)
		require.Equal(t, back, paid.Amount)
		require.Equal(t, back, l.backAtShop())
		require.Equal(t, -min(324, captured-back), l.balance(ledger.FeesRetained), "nothing is kept of what was never paid")
		require.Equal(t, -captured, l.balance(ledger.CustomerDeposits), "what was taken back is what was given and kept")
	}
	require.EqualValues(t, 2, b.number(`SELECT count(*) FROM outbox WHERE kind = 'refunded'`))
}

// However the units of an order leave the customer's side, cancelled before they came or sent back after,
// in the end all of the payment has gone back or was kept as a fee that can be named.
func TestRefundsAndReturnsAddUpToThePaymentToTheCent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	serial := 0
	rapid.Check(t, func(rt *rapid.T) {
		serial++
		var lines []storefront.Line
		for n := range rapid.IntRange(1, 3).Draw(rt, "lines") {
			quantity := rapid.Int64Range(1, 5).Draw(rt, "quantity")
			price := rapid.Int64Range(1, 3000).Draw(rt, "price")
			discount := rapid.Int64Range(0, price*quantity).Draw(rt, "discount")
			lines = append(lines, storefront.Line{
				Line: n + 1, SKU: "MUG", Quantity: quantity, UnitPrice: price, Discount: discount,
				Tax: rapid.Int64Range(0, price*quantity-discount).Draw(rt, "tax"),
			})
		}
		o := sale(fmt.Sprintf("r%d-%d", serial, rand.Uint32()), lines...)
		o.TaxIncluded = rapid.Bool().Draw(rt, "tax included")
		o.Shipping, o.ShippingTax = 0, 0 // it stays with the shop once anything was delivered
		total, err := o.Sum()
		require.NoError(rt, err)
		o.Total, o.Payment.Captured = total, total
		if total == 0 {
			o.Payment = storefront.Payment{Status: storefront.PaymentPaid}
		}
		l := b.place(o)
		rma := l.back()
		refunds, payments := 0, 0
		var feeless int64
		for left := units(lines); left > 0; left = units(lines) {
			i := rapid.IntRange(0, len(lines)-1).Draw(rt, "line")
			if lines[i].Quantity == 0 {
				continue
			}
			take := rapid.Int64Range(1, lines[i].Quantity).Draw(rt, "take")
			lines[i].Quantity -= take
			if rapid.Bool().Draw(rt, "came") {
				payments++
				kept := rapid.Int64Range(0, 10_000).Draw(rt, "kept")
				_, err = l.payFor(rma, payments, returns.PayoutPart{Line: lines[i].Line, Quantity: take, KeptBP: kept, Reason: returns.ChangedMind})
			} else {
				refunds++
				unit := []order.ShippedLine{{Line: lines[i].Line, Quantity: take}}
				var owed int64
				owed, err = l.cancelledBefore(lines[i].Line)
				require.NoError(rt, err)
				_, err = b.desk.RefundCustomer(b.ctx, workflows.RefundInput{
					Key: l.key, N: refunds, Lines: unit, Owed: []order.ShippedLine{{Line: lines[i].Line, Quantity: owed + take}}, Reason: "cancelled",
				})
			}
			require.NoError(rt, err)
		}
		feeless = b.number(`SELECT coalesce(sum(kept_minor), 0)::bigint FROM refunds WHERE order_key = $1`, l.key.String())
		require.Equal(rt, total, l.backAtShop()+feeless)
		require.Equal(rt, -feeless, l.balance(ledger.FeesRetained))
		trail, err := ledgerbook.Follow(b.ctx, b.pool, l.key.String())
		require.NoError(rt, err)
		require.Zero(rt, trail.Off, "%+v", trail.Money)
	})
}

// cancelledBefore is how many units of a line were refunded without ever having come.
func (l *life) cancelledBefore(line int) (n int64, err error) {
	err = l.pool.QueryRow(l.ctx, `SELECT coalesce(sum((e->>'quantity')::bigint), 0)::bigint FROM refunds, jsonb_array_elements(lines) e
		WHERE order_key = $1 AND rma IS NULL AND (e->>'line')::int = $2`, l.key.String(), line).Scan(&n)
	return n, err
}

func units(lines []storefront.Line) (n int64) {
	for i := range lines {
		n += lines[i].Quantity
	}
	return n
}
