package ledger_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
)

func TestPartsOfALineAddUpToTheCent(t *testing.T) {
	t.Parallel()
	line := ledger.PricedLine{Quantity: 3, Goods: 1101, Tax: 190, Discount: 100}
	var goods, tax []int64
	for refunded := range int64(3) {
		g, x, err := ledger.LineRefund(line, refunded, 1)
		require.NoError(t, err)
		goods, tax = append(goods, g), append(tax, x)
	}
	require.Equal(t, []int64{334, 333, 334}, goods)
	require.Equal(t, []int64{63, 64, 63}, tax)

	kept, keptTax, err := ledger.LineEarned(line, 0, 2)
	require.NoError(t, err)
	require.Equal(t, int64(1001-334), kept, "what is kept is the line less its first refund")
	require.Equal(t, int64(190-63), keptTax)
}

func TestImpossibleQuantitiesAndPricesAreRefused(t *testing.T) {
	t.Parallel()
	line := ledger.PricedLine{Quantity: 3, Goods: 100, Tax: 19}
	for _, c := range [][2]int64{{0, 4}, {2, 2}, {4, 0}, {-1, 1}, {0, -1}, {1, math.MaxInt64}, {math.MinInt64, 1}} {
		_, _, err := ledger.LineRefund(line, c[0], c[1])
		require.ErrorIs(t, err, ledger.ErrQuantity, "refund %v", c)
		_, _, err = ledger.LineEarned(line, c[0], c[1])
		require.ErrorIs(t, err, ledger.ErrQuantity, "earn %v", c)
	}
	for _, c := range [][2]int64{{0, 1}, {2, 3}, {4, 1}, {2, -1}, {-1, -2}} {
		_, _, err := ledger.LineUnearned(line, c[0], c[1])
		require.ErrorIs(t, err, ledger.ErrQuantity, "take back %v", c)
	}
	for _, bad := range []ledger.PricedLine{
		{Quantity: 1, Goods: -1},
		{Quantity: 1, Tax: -1},
		{Quantity: 1, Goods: 5, Discount: -1},
		{Quantity: 1, Goods: 5, Discount: 6},
	} {
		_, _, err := ledger.LineRefund(bad, 0, 1)
		require.ErrorIs(t, err, ledger.ErrPrice)
	}
	_, _, err := ledger.LineRefund(ledger.PricedLine{}, 0, 0)
	require.ErrorIs(t, err, ledger.ErrQuantity)
	_, _, err = ledger.LineRefund(ledger.PricedLine{Quantity: 1, Goods: math.MaxInt64, Tax: 1}, 0, 1)
	require.ErrorIs(t, err, money.ErrOverflow)
}

func TestShippingGoesBackAsThePolicySays(t *testing.T) {
	t.Parallel()
	shipping := ledger.PricedShipping{Price: 600, Tax: 95, Discount: 101}
	fate := func(undelivered, returned int64) []ledger.LineFate {
		lost := min(undelivered, 2)
		back := min(returned, 2-lost)
		return []ledger.LineFate{
			{Line: ledger.PricedLine{Quantity: 2, Goods: 3000}, Undelivered: lost, Returned: back},
			{
				Line:        ledger.PricedLine{Quantity: 1, Goods: 1000},
				Undelivered: undelivered - lost, Returned: returned - back,
			},
		}
	}
	for _, c := range []struct {
		policy                ledger.ShippingPolicy
		undelivered, returned int64
		price, tax            int64
	}{
		{"", 3, 0, 499, 95},
		{"", 2, 1, 0, 0},
		{"", 0, 3, 0, 0},
		{ledger.ShippingIfNothingDelivered, 3, 0, 499, 95},
		{ledger.ShippingIfNothingKept, 2, 0, 0, 0},
		{ledger.ShippingIfNothingKept, 0, 3, 499, 95},
		{ledger.ShippingIfNothingKept, 3, 0, 499, 95},
		{ledger.ShippingInProportion, 2, 0, 374, 71},
		{ledger.ShippingInProportion, 0, 3, 0, 0},
		{ledger.ShippingInProportion, 3, 0, 499, 95},
	} {
		price, tax, err := ledger.ShippingRefund(shipping, c.policy, fate(c.undelivered, c.returned), 0, 0)
		require.NoError(t, err)
		require.Equal(t, [2]int64{c.price, c.tax}, [2]int64{price, tax}, "%+v", c)
		kept, keptTax, err := ledger.ShippingEarned(shipping, c.policy, fate(c.undelivered, c.returned))
		require.NoError(t, err)
		require.Equal(t, [2]int64{499 - c.price, 95 - c.tax}, [2]int64{kept, keptTax}, "%+v", c)
	}
	price, _, err := ledger.ShippingRefund(shipping, "", fate(3, 0), 499, 95)
	require.NoError(t, err)
	require.Zero(t, price, "nothing is refunded twice")
	_, _, err = ledger.ShippingRefund(shipping, "", fate(2, 0), 1, 0)
	require.ErrorIs(t, err, ledger.ErrPrice)
	_, _, err = ledger.ShippingRefund(shipping, "sometimes", fate(3, 0), 0, 0)
	require.ErrorIs(t, err, ledger.ErrPolicy)
	_, _, err = ledger.ShippingRefund(shipping, "", fate(2, 1)[:0], 0, 0)
	require.ErrorIs(t, err, ledger.ErrQuantity)
	_, _, err = ledger.ShippingRefund(shipping, "", fate(2, 2), 0, 0)
	require.ErrorIs(t, err, ledger.ErrQuantity)
}

func TestShippingOfFreeGoodsIsSharedByUnits(t *testing.T) {
	t.Parallel()
	fates := []ledger.LineFate{{Line: ledger.PricedLine{Quantity: 4, Goods: 500, Discount: 500}, Undelivered: 1}}
	price, _, err := ledger.ShippingRefund(ledger.PricedShipping{Price: 400}, ledger.ShippingInProportion, fates, 0, 0)
	require.NoError(t, err)
	require.Equal(t, int64(100), price)
}

// life is one order lived through at random: every unit ends refunded, kept, or delivered
// and returned, in steps of any size and in any order.
type life struct {
	*rapid.T
	book
	lines    []lifeLine
	shipping ledger.PricedShipping
	policy   ledger.ShippingPolicy

	shippingBack, shippingTaxBack int64 // shipping refunded so far
	fees, goodwill                int64
	step                          int
}

type lifeLine struct {
	ledger.LineFate
	refunded, earned int64 // units
}

func (l *life) key() string { l.step++; return fmt.Sprintf("step-%d", l.step) }

func (l *life) postUnlessFree(tx ledger.Transaction, err error) {
	if err != nil {
		require.ErrorIs(l, err, ledger.ErrNothingToPost)
		return
	}
	l.txs = append(l.txs, tx)
}

func newLife(t *rapid.T) *life {
	l := &life{T: t, book: book{t: t}}
	amount := rapid.Int64Range(0, 5000)
	for range rapid.IntRange(1, 3).Draw(t, "lines") {
		line := ledger.PricedLine{
			Quantity: rapid.Int64Range(1, 7).Draw(t, "quantity"),
			Goods:    amount.Draw(t, "goods"),
			Tax:      amount.Draw(t, "tax"),
		}
		line.Discount = rapid.Int64Range(0, line.Goods).Draw(t, "discount")
		l.lines = append(l.lines, lifeLine{LineFate: ledger.LineFate{Line: line}})
	}
	l.shipping = ledger.PricedShipping{Price: amount.Draw(t, "shipping"), Tax: amount.Draw(t, "shipping tax")}
	l.policy = rapid.SampledFrom([]ledger.ShippingPolicy{
		"", ledger.ShippingIfNothingKept, ledger.ShippingInProportion,
	}).Draw(t, "policy")
	paid := l.shipping.Price + l.shipping.Tax
	for _, line := range l.lines {
		paid += line.Line.Total()
	}
	l.postUnlessFree(ledger.Captured("c1", eur(paid)))
	return l
}

func (l *life) fates() (fates []ledger.LineFate) {
	for _, line := range l.lines {
		fates = append(fates, line.LineFate)
	}
	return fates
}

func (l *life) refund(line *lifeLine, qty int64, reason ledger.RefundReason, fee int64) {
	goods, tax, err := ledger.LineRefund(line.Line, line.refunded, qty)
	require.NoError(l, err)
	line.refunded += qty
	fee = min(fee, goods+tax)
	l.fees += fee
	l.postUnlessFree(ledger.FeeKept(l.key(), ledger.FeeRestocking, eur(fee)))
	l.payBack(goods+tax-fee, reason)

	price, tax, err := ledger.ShippingRefund(l.shipping, l.policy, l.fates(), l.shippingBack, l.shippingTaxBack)
	require.NoError(l, err)
	l.shippingBack, l.shippingTaxBack = l.shippingBack+price, l.shippingTaxBack+tax
	l.payBack(price+tax, reason)
}

// payBack refunds no more than is left of the capture; the rest was paid before as goodwill.
func (l *life) payBack(minor int64, reason ledger.RefundReason) {
	setOff := max(minor-ledger.Refundable(l.balances(), "EUR"), 0)
	l.goodwill -= setOff
	l.postUnlessFree(ledger.GoodwillSetOff(l.key(), eur(setOff)))
	l.postUnlessFree(ledger.Refunded(l.key(), eur(minor-setOff), reason))
}

func (l *life) cancel(line *lifeLine) {
	if left := line.Line.Quantity - line.refunded - line.earned; left > 0 {
		qty := rapid.Int64Range(1, left).Draw(l.T, "cancelled")
		line.Undelivered += qty
		l.refund(line, qty, ledger.RefundCancelled, 0)
	}
}

func (l *life) deliver(line *lifeLine, qty int64) {
	goods, tax, err := ledger.LineEarned(line.Line, line.earned, qty)
	require.NoError(l, err)
	line.earned += qty
	l.postUnlessFree(ledger.Earned(l.key(), ledger.Sale{Currency: "EUR", Goods: goods, Tax: tax}))
}

func (l *life) takeBack(line *lifeLine) {
	if line.earned == 0 {
		return
	}
	qty := rapid.Int64Range(1, line.earned).Draw(l.T, "returned")
	goods, tax, err := ledger.LineUnearned(line.Line, line.earned, qty)
	require.NoError(l, err)
	line.earned -= qty
	line.Returned += qty
	l.postUnlessFree(ledger.Unearned(l.key(), ledger.Sale{Currency: "EUR", Goods: goods, Tax: tax}))
	l.refund(line, qty, ledger.RefundReturned, rapid.Int64Range(0, 50).Draw(l.T, "fee"))
}

func (l *life) live() {
	for range rapid.IntRange(0, 20).Draw(l.T, "steps") {
		line := &l.lines[rapid.IntRange(0, len(l.lines)-1).Draw(l.T, "line")]
		switch rapid.IntRange(0, 3).Draw(l.T, "what happens") {
		case 0:
			l.cancel(line)
		case 1:
			if left := line.Line.Quantity - line.refunded - line.earned; left > 0 {
				l.deliver(line, rapid.Int64Range(1, left).Draw(l.T, "delivered"))
			}
		case 2:
			l.takeBack(line)
		case 3:
			if worth := l.keptPrice(); worth > l.goodwill {
				gift := rapid.Int64Range(1, min(worth-l.goodwill, 20)).Draw(l.T, "goodwill")
				l.goodwill += gift
				l.postUnlessFree(ledger.Refunded(l.key(), eur(gift), ledger.RefundGoodwill))
			}
		}
		require.LessOrEqual(l, l.of(ledger.CustomerDeposits), int64(0), "a deposit is never overdrawn")
		require.GreaterOrEqual(l, l.of(ledger.ProcessorClearing), int64(0), "no more is refunded than was captured")
		require.GreaterOrEqual(l, l.goodwill, int64(0), "no more goodwill is set off than was given")
	}
	for i := range l.lines {
		line := &l.lines[i]
		if left := line.Line.Quantity - line.refunded - line.earned; left > 0 {
			l.deliver(line, left)
		}
	}
	price, tax, err := ledger.ShippingEarned(l.shipping, l.policy, l.fates())
	require.NoError(l, err)
	l.postUnlessFree(ledger.Earned(l.key(), ledger.Sale{Currency: "EUR", Shipping: price, ShippingTax: tax}))
}

// keptPrice is worked out apart from the package's own rounding: the line less the exact
// price of the units not kept, rounded half up.
func (l *life) keptPrice() (price int64) {
	for _, line := range l.lines {
		price += keptOf(line, line.Line.Net()) + keptOf(line, line.Line.Tax)
	}
	return price
}

func keptOf(line lifeLine, total int64) int64 {
	q := line.Line.Quantity
	return total - (2*total*(q-line.earned)+q)/(2*q)
}

func TestCapturedLessRefundedIsThePriceOfWhatWasKeptAndNamedFees(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(t)
		l.live()
		kept := l.keptPrice()
		shipping := l.shipping.Price + l.shipping.Tax - l.shippingBack - l.shippingTaxBack

		require.Equal(t, kept+shipping+l.fees-l.goodwill, l.of(ledger.ProcessorClearing))
		require.Equal(t, kept+shipping, -l.of(ledger.Revenue)-l.of(ledger.ShippingRevenue)-l.of(ledger.TaxPayable))
		require.Equal(t, l.fees, -l.of(ledger.FeesRetained))
		require.Equal(t, l.goodwill, l.of(ledger.Goodwill))
		ok, problems := ledger.Closed(l.balances(), nil)
		require.True(t, ok, problems)
	})
}
