package returns

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/order"
)

// swap is a grant of units that are each worth 10.00 and are wanted as another article.
func swap(quantity int64, want *Wanted) Grant {
	return Grant{PO: "P-1", Lines: []Line{{Line: 1, SKU: "MUG", Quantity: quantity, ExchangeSKU: "CUP", Want: want}}}
}

func shelf(taxIncluded bool) Exchanges {
	return Exchanges{
		TaxIncluded: taxIncluded, Currency: "EUR", Sold: map[string]bool{"CUP": true},
		Worth: func(_ int, quantity int64) (int64, error) { return quantity * 1000, nil },
	}
}

func TestAnExchangeIsPaidForExactly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want     *Wanted
		included bool
		paid     int64
		code     RefusalCode
		missing  int64
		takes    int64
	}{
		"the same once more":       {},
		"cheaper":                  {want: &Wanted{UnitPrice: 800}},
		"dearer and paid":          {want: &Wanted{UnitPrice: 1200}, paid: 400, takes: 400},
		"dearer with tax on top":   {want: &Wanted{UnitPrice: 1200, Tax: 100}, paid: 500, takes: 500},
		"dearer with tax in it":    {want: &Wanted{UnitPrice: 1200, Tax: 100}, included: true, paid: 400, takes: 400},
		"dearer and unpaid":        {want: &Wanted{UnitPrice: 1200}, code: RefusedUnderpaid, missing: 400},
		"a cent short":             {want: &Wanted{UnitPrice: 1200}, paid: 399, code: RefusedUnderpaid, missing: 1},
		"a cent too much":          {want: &Wanted{UnitPrice: 1200}, paid: 401, code: RefusedOverpaid},
		"paid for without a need":  {want: &Wanted{UnitPrice: 800}, paid: 1, code: RefusedOverpaid},
		"the same, and paid again": {paid: 1, code: RefusedOverpaid},
	} {
		grants := []Grant{swap(2, c.want)}
		refusal, err := PriceExchange(grants, Paid{"p", c.paid}, shelf(c.included))
		require.NoError(t, err, name)
		if c.code == "" {
			require.Nil(t, refusal, name)
			require.Equal(t, c.takes, grants[0].Supplement, name)
			continue
		}
		require.Equal(t, c.code, refusal.Code, name)
		require.Equal(t, c.missing, refusal.Missing, name)
	}
	nobody := shelf(false)
	nobody.Sold = nil
	refusal, err := PriceExchange([]Grant{swap(1, nil)}, Paid{}, nobody)
	require.NoError(t, err)
	require.Equal(t, RefusedUnknownSKU, refusal.Code)
}

func TestDearerGoodsAreWaivedOrRefusedWhereNothingCanBePaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		price, waive, paid int64
		payable            bool
		code               RefusalCode
		waived             int64
	}{
		"no dearer":                       {price: 1000},
		"waived":                          {price: 1150, waive: 300, waived: 300},
		"waived where it could be paid":   {price: 1150, waive: 300, payable: true, waived: 300},
		"a cent above the bound":          {price: 1151, waive: 301, code: RefusedUnpayable},
		"above the bound, and can be":     {price: 1151, waive: 301, payable: true, code: RefusedUnderpaid},
		"paid where nothing can be":       {price: 1150, waive: 300, paid: 300, code: RefusedUnpayable},
		"paid though it would be waived":  {price: 1150, waive: 300, paid: 300, payable: true},
		"paid for nothing where it can't": {price: 1000, paid: 1, code: RefusedUnpayable},
	} {
		e := shelf(false)
		e.WaiveUpTo, e.Unpayable = c.waive, !c.payable
		grants := []Grant{swap(1, &Wanted{UnitPrice: c.price}), swap(1, &Wanted{UnitPrice: c.price})}
		refusal, err := PriceExchange(grants, Paid{"p", c.paid}, e)
		require.NoError(t, err, name)
		if c.code != "" {
			require.Equal(t, c.code, refusal.Code, name)
			continue
		}
		require.Nil(t, refusal, name)
		require.Equal(t, c.waived, grants[0].Waived+grants[1].Waived, name)
		require.Equal(t, c.paid, grants[0].Supplement+grants[1].Supplement, name)
	}
}

func TestADearerPartDoesNotPayForACheaperOneOfAnotherSupplier(t *testing.T) {
	t.Parallel()
	grants := []Grant{swap(1, &Wanted{UnitPrice: 1300}), swap(1, &Wanted{UnitPrice: 900})}
	refusal, err := PriceExchange(grants, Paid{"p", 300}, shelf(false))
	require.NoError(t, err)
	require.Nil(t, refusal, "each return is an exchange of its own: the cheaper one refunds its rest")
	require.EqualValues(t, 300, grants[0].Supplement)
	require.Zero(t, grants[1].Supplement)
}

func TestTheTaxOfAWantedLineIsSplitToTheCent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		quantity := rapid.Int64Range(1, 50).Draw(t, "quantity")
		whole := &Wanted{UnitPrice: 500, Tax: rapid.Int64Range(0, 999).Draw(t, "tax")}
		var sum, taken int64
		for taken < quantity {
			n := rapid.Int64Range(1, quantity-taken).Draw(t, "n")
			sum += whole.of(quantity, taken, n).Tax
			taken += n
		}
		require.Equal(t, whole.Tax, sum)
	})
}

// swapped is an exchange under test: two mugs, 5.00 paid in addition.
func swapped(t *testing.T, change func(*State)) *bench {
	t.Helper()
	b := granted(t, WrongSize, nil)
	b.s.Resolution, b.s.Supplement = Exchange, 500
	if change != nil {
		change(&b.s)
	}
	return b
}

func TestAnExchangeKeepsNoFeesAndIsMadeOnce(t *testing.T) {
	t.Parallel()
	b := swapped(t, func(s *State) { s.Fees.Shipping = 490 })
	b.s.Lines[0].Found, b.s.Inspected = map[Condition]int64{AsNew: 1, Opened: 1}, true
	require.Equal(t, []StepKind{StepPay}, b.s.Steps())
	b.s.Begin(StepPay)
	require.True(t, b.s.Paying.Exchange)
	require.EqualValues(t, 500, b.s.Paying.Supplement)
	require.Zero(t, b.s.Paying.Fee)
	for _, part := range b.s.Paying.Parts {
		require.Zero(t, part.KeptBP, "the sale stays")
	}
	b.s.PaidWith(Payment{Moved: 2500, Replacement: "shop/1-X1", Text: "Exchanged"}, b.now)
	require.Equal(t, "shop/1-X1", b.s.Replacement)
	require.Empty(t, b.s.due())
	require.False(t, b.s.exchanging())
}

func TestWhatAPersonRulesAboutIsMoneyAndDoesNotWaitForTheExchange(t *testing.T) {
	t.Parallel()
	b := swapped(t, nil)
	l := &b.s.Lines[0]
	l.Found, l.Ruled, b.s.Inspected = map[Condition]int64{WrongGoods: 2}, []Ruling{{Quantity: 2, ShareBP: 4000}}, true
	b.s.Begin(StepPay)
	require.False(t, b.s.Paying.Exchange)
	require.EqualValues(t, 500, b.s.Paying.Supplement, "the exchange is off: what was paid for it goes back")
	b.s.PaidWith(Payment{Money: 1300, Text: "Refunded"}, b.now)
	require.False(t, b.s.exchanging())
}

func TestWhatWasPaidForAnExchangeGoesBackWhenThereIsNone(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*bench){
		"cancelled": func(b *bench) { b.s.Cancel(CancelRequest{ID: "c", By: "customer"}, b.now) },
		"cancelled before the supplier was told": func(b *bench) {
			b.s.Authorised = false
			b.s.Cancel(CancelRequest{ID: "c", By: "customer"}, b.now)
		},
		"expired": func(b *bench) { b.now = b.s.SendBy.Add(1); b.s.Tick(b.now) },
	} {
		b := swapped(t, nil)
		end(b)
		require.Contains(t, b.s.Steps(), StepPay, name)
		require.False(t, b.s.finishable(), name)
		b.s.Begin(StepPay)
		require.Equal(t, &Payout{Supplement: 500}, b.s.Paying, name)
		b.s.PaidWith(Payment{Money: 500, Text: "Refunded"}, b.now)
		require.NotContains(t, b.s.Steps(), StepPay, name)
		b.perform(true)
		require.True(t, b.s.Finished(), name)
		b.reopen()
		b.parcel(order.ParcelInTransit)
		b.found(2, AsNew, false)
		require.EqualValues(t, 2, b.paid[1], "%s: what comes after all is paid for in money", name)
		require.Empty(t, b.s.Replacement, name)
	}
}

func TestAnExchangeAtTheScanWaitsForNoInspection(t *testing.T) {
	t.Parallel()
	p, wanted := Policy{WindowDays: 30, Outcomes: []Resolution{Exchange}, ExchangeAtScan: true}, asks(2, WrongSize)
	wanted.Resolution = Exchange
	for _, atScan := range []bool{true, false} {
		p.ExchangeAtScan = atScan
		grants, refusal := Judge(wanted, p, []Delivered{mug("P-1", 2, monday)}, map[int]int64{1: 99_999}, monday)
		require.Nil(t, refusal)
		s := New(testKey, "P-1-R1", "EUR", grants[0], p, wanted, 0, monday)
		require.Equal(t, atScan, s.Instant, "whatever the goods are worth: the customer gets goods, not money")
	}
}
