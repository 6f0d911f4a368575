package activities_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/workflows"
)

// refund asks for units on top of those that refunds of lower numbers have fixed.
func (l *life) refund(n int, lines ...order.ShippedLine) workflows.RefundInput {
	l.t.Helper()
	state := order.State{}
	for _, asked := range lines {
		var before int64
		err := l.pool.QueryRow(l.ctx, `SELECT coalesce(sum((e->>'quantity')::bigint), 0)
			FROM refunds, jsonb_array_elements(lines) e WHERE order_key = $1 AND n < $2 AND (e->>'line')::int = $3`,
			l.key.String(), n, asked.Line).Scan(&before)
		require.NoError(l.t, err)
		state.Lines = append(state.Lines, order.Line{Line: asked.Line, Refunded: before})
	}
	return workflows.RefundInput{Key: l.key, N: n, Lines: lines, Owed: state.Owed(lines), Reason: "cancelled"}
}

func TestUnitsThatARefundCoversAreNotPaidAgainUnderAnotherNumber(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 4)))
	one := order.ShippedLine{Line: 1, Quantity: 1}
	for n := 1; n <= 2; n++ {
		_, err := b.desk.RefundCustomer(b.ctx, l.refund(n, one))
		require.NoError(t, err)
	}
	paid := l.backAtShop()
	// A run that goes on from before the first refund asks for both units at once.
	again := workflows.RefundInput{Key: l.key, N: 1, Reason: "cancelled"}
	again.Lines = []order.ShippedLine{{Line: 1, Quantity: 2}}
	again.Owed = again.Lines
	_, err := b.desk.RefundCustomer(b.ctx, again)
	require.NoError(t, err)
	require.Equal(t, paid, l.backAtShop())
}

func (l *life) backAtShop() int64 { return l.shop.Refunded(l.key.Order)["USD"] }

func TestARefundIsFixedOnceAndALostAnswerDoesNotRefundTwice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.shop.Script(storefrontsim.Refunds, storefrontsim.AnswerLost, 1, 0)
	l := b.place(sale("1", line(1, "MUG", 3)))
	in := l.refund(1, order.ShippedLine{Line: 1, Quantity: 2})
	_, err := b.desk.RefundCustomer(b.ctx, in)
	requireRetry(t, err, 0)
	require.EqualValues(t, 2160, b.number(`SELECT amount_minor FROM refunds WHERE state = 'trying'`))
	for range 2 {
		back, err := b.desk.RefundCustomer(b.ctx, in)
		require.NoError(t, err)
		require.Equal(t, "Refunded 21.60 USD", back.Text)
	}
	require.EqualValues(t, 2160, l.backAtShop())
	require.Equal(t, 1, b.shop.Repeats(storefrontsim.Refunds, "refund/shop/1/1"))
	require.Zero(t, b.shop.Conflicts())
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM ledger_transactions WHERE kind = 'refunded'`))
	require.Equal(t, "2160 USD", b.text(`SELECT payload->>'amount' || ' ' || (payload->>'currency') FROM outbox WHERE kind = 'refunded'`))
}

func TestAStorefrontThatIsAwayIsAskedAgainWhenItSaid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.shop.Script(storefrontsim.Refunds, storefrontsim.Unavailable, 1, 0)
	l := b.place(sale("1", line(1, "MUG", 3)))
	_, err := b.desk.RefundCustomer(b.ctx, l.refund(1, order.ShippedLine{Line: 1, Quantity: 1}))
	requireRetry(t, err, time.Second)
	require.Zero(t, l.backAtShop())
}

func TestARefundAskedForAgainWithMoreUnitsKeepsItsPartAndAddsTheRest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.shop.Script(storefrontsim.Refunds, storefrontsim.AnswerLost, 1, 0)
	l := b.place(sale("1", line(1, "MUG", 3)))
	_, err := b.desk.RefundCustomer(b.ctx, l.refund(1, order.ShippedLine{Line: 1, Quantity: 1}))
	require.Error(t, err)
	more := l.refund(1, order.ShippedLine{Line: 1, Quantity: 3})
	for range 2 {
		back, err := b.desk.RefundCustomer(b.ctx, more)
		require.NoError(t, err)
		require.Equal(t, "Refunded 37.80 USD", back.Text)
	}
	require.EqualValues(t, 3780, l.backAtShop())
	require.Zero(t, b.shop.Conflicts(), "a key stands for the same units for ever")
}

func TestAnUncapturedOrderRefundsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := sale("1", line(1, "MUG", 3))
	o.Payment = storefront.Payment{Status: storefront.PaymentAuthorized}
	l := b.place(o)
	back, err := b.desk.RefundCustomer(b.ctx, l.refund(1, order.ShippedLine{Line: 1, Quantity: 3}))
	require.NoError(t, err)
	require.Contains(t, back.Text, "Nothing was captured")
	require.Empty(t, b.shop.Notices(storefrontsim.Refunds))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM refunds WHERE state = 'done' AND amount_minor = 0`))
}

func TestRefundsAtOnceNeverExceedTheCapture(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := sale("1", line(1, "MUG", 4))
	o.Payment = storefront.Payment{Status: storefront.PaymentPartiallyPaid, Captured: 2500}
	l := b.place(o)
	atOnce(t, 4, func(i int) error {
		for range 2 {
			in := l.refund(i+1, order.ShippedLine{Line: 1, Quantity: 1})
			in.Owed = []order.ShippedLine{{Line: 1, Quantity: int64(i + 1)}}
			if _, err := b.desk.RefundCustomer(b.ctx, in); err != nil {
				return err
			}
		}
		return nil
	})
	require.EqualValues(t, 2500, l.backAtShop())
	require.EqualValues(t, 2500, b.number(`SELECT sum(amount_minor) FROM refunds`))
}

func TestTheSameRefundTwiceAtOnceIsMadeOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 3)))
	atOnce(t, 4, func(int) error {
		_, err := b.desk.RefundCustomer(b.ctx, l.refund(1, order.ShippedLine{Line: 1, Quantity: 1}))
		return err
	})
	require.EqualValues(t, 1080, l.backAtShop())
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM ledger_transactions WHERE kind = 'refunded'`))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM outbox WHERE kind = 'refunded'`))
}

// In whatever steps the units come back, in the end the customer has the whole payment: goods less
// discount, tax and shipping, to the cent.
func TestRefundsOfPartsAddUpToThePaymentToTheCent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	serial := 0
	rapid.Check(t, func(rt *rapid.T) {
		serial++
		included := rapid.Bool().Draw(rt, "tax included")
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
		o.TaxIncluded = included
		o.Shipping = rapid.Int64Range(0, 2000).Draw(rt, "shipping")
		o.ShippingTax = rapid.Int64Range(0, o.Shipping).Draw(rt, "shipping tax")
		total, err := o.Sum()
		require.NoError(rt, err)
		o.Total, o.Payment.Captured = total, total
		l := b.place(o)
		for n := 1; ; n++ {
			var step []order.ShippedLine
			left := int64(0)
			for i := range lines {
				if take := rapid.Int64Range(0, lines[i].Quantity).Draw(rt, "take"); take > 0 {
					step = append(step, order.ShippedLine{Line: lines[i].Line, Quantity: take})
					lines[i].Quantity -= take
				}
				left += lines[i].Quantity
			}
			if len(step) > 0 {
				_, err := b.desk.RefundCustomer(b.ctx, l.refund(n, step...))
				require.NoError(rt, err)
			}
			require.LessOrEqual(rt, l.backAtShop(), total)
			if left == 0 {
				break
			}
		}
		require.Equal(rt, total, l.backAtShop())
	})
}
