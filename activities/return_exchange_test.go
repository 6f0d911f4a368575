package activities_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/audit"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/workflows"
)

// offer has the shop offer more than refunds.
func (b *bundle) offer(change func(*catalog.ReturnPolicy)) {
	b.t.Helper()
	var shop catalog.Storefront
	require.NoError(b.t, b.pool.QueryRow(b.ctx, `SELECT document FROM storefronts WHERE id = 'shop'`).Scan(&shop))
	shop.Policy.Returns.Outcomes = []catalog.Outcome{catalog.OutcomeRefund, catalog.OutcomeExchange, catalog.OutcomeStoreCredit}
	if change != nil {
		change(&shop.Policy.Returns)
	}
	b.exec(`UPDATE storefronts SET document = $1 WHERE id = 'shop'`, shop)
}

// wish has a return of units of the first line granted, for more than money.
func (l *life) wish(r returns.Request, quantity int64, want *returns.Wanted, sku string) (*comeback, *returndesk.Refused) {
	l.t.Helper()
	r.ID, r.By = "wish"+r.ID, "support"
	if len(r.Lines) == 0 {
		r.Lines = []returns.RequestedLine{{Line: 1, Quantity: quantity, Reason: returns.WrongSize, ExchangeSKU: sku, Want: want}}
	}
	desk := &returndesk.Desk{Pool: l.pool, Now: l.desk.Now}
	answer, err := desk.Request(l.ctx, l.key, r)
	require.NoError(l.t, err)
	if answer.Refused != nil {
		return nil, answer.Refused
	}
	c := &comeback{life: l, rma: answer.Returns[0].RMA}
	c.state, err = l.desk.LoadReturn(l.ctx, c.rma)
	require.NoError(l.t, err)
	return c, nil
}

// follow takes up the life of the order that an exchange made.
func (c *comeback) follow() *life {
	c.t.Helper()
	key, err := order.ParseKey(c.state.Replacement)
	require.NoError(c.t, err)
	return &life{bundle: c.bundle, key: key, state: order.State{Key: key}}
}

// followed are the steps of an order's money, which are all of it.
func (l *life) followed() []string {
	l.t.Helper()
	trail, err := ledgerbook.Follow(l.ctx, l.pool, l.key.String())
	require.NoError(l.t, err)
	require.Zero(l.t, trail.Off, "%+v", trail.Money)
	var steps []string
	for _, s := range trail.Money {
		steps = append(steps, fmt.Sprintf("%d %s %s %d", s.Line, s.What, s.Reference, s.Minor))
	}
	require.Equal(l.t, trail.Captured+trail.Received, trail.Money[len(trail.Money)-1].Sum)
	return steps
}

// familyCredit is what the exchange credit of an order and its exchanges adds up to.
func (l *life) familyCredit() int64 {
	return -l.number(`SELECT coalesce(sum(e.minor), 0)::bigint FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
		JOIN orders o ON o.key = t.order_key WHERE e.account = 'exchange_credit' AND (o.key = $1 OR o.exchange_of = $1)`, l.key.String())
}

func TestAnExchangeForDearerGoodsIsPaidToTheCentAndPlacedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.offer(nil)
	l := b.kept(sale("1", line(1, "MUG", 3)))
	want := &returns.Wanted{UnitPrice: 1500, Tax: 240, Title: "Lamp"} // 32.40 for two, 21.60 came back
	_, refused := l.wish(returns.Request{Resolution: returns.Exchange, Payment: &returns.Paid{Reference: "p-1", Amount: 1000}}, 2, want, "LAMP")
	require.EqualValues(t, 80, refused.Missing)
	b.exec(`DELETE FROM return_requests`)
	c, _ := l.wish(returns.Request{Resolution: returns.Exchange, Payment: &returns.Paid{Reference: "p-1", Amount: 1080}}, 2, want, "LAMP")
	require.EqualValues(t, 1080, l.familyCredit(), "what was paid waits for its order")
	require.Contains(t, l.followed(), "0 paid in addition, waits for the exchange "+c.rma+" 1080")
	require.EqualValues(t, 3780+1080, b.number(`SELECT captured_minor FROM orders`))
	c.authorise()
	c.inspected(1, 2, returns.AsNew)
	c.step(returns.StepPay)
	atOnce(t, 4, func(int) error {
		_, err := b.desk.PayReturn(b.ctx, c.payment())
		return err
	})
	paid, err := b.desk.PayReturn(b.ctx, c.payment())
	require.NoError(t, err)
	require.Equal(t, workflows.ReturnPaid{Moved: 2160, Replacement: "shop/1-X1", Text: "Exchanged by order shop/1-X1 for 32.40 USD"}, paid)
	c.state.PaidWith(returns.Payment{Moved: paid.Moved, Replacement: paid.Replacement, Text: paid.Text}, b.now)

	require.EqualValues(t, 2, b.number(`SELECT count(*) FROM orders`), "however often it is tried")
	require.Zero(t, l.backAtShop(), "no money moves")
	require.Zero(t, l.familyCredit())
	require.Zero(t, l.balance(ledger.CustomerDeposits))
	require.EqualValues(t, -1000, l.balance(ledger.Revenue), "one mug is kept")
	x := c.follow()
	require.EqualValues(t, -3240, x.balance(ledger.CustomerDeposits))
	require.Equal(t, "Lamp 2 1500", b.text(`SELECT concat_ws(' ', document #>> '{lines,0,title}', document #>> '{lines,0,quantity}', document #>> '{lines,0,unit_price}')
		FROM orders WHERE exchange_of = 'shop/1'`))
	require.Equal(t, "1 Oak Street", b.text(`SELECT ship_to ->> 'street1' FROM order_contacts WHERE order_key = 'shop/1-X1'`))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM outbox WHERE order_key = 'shop/1-X1' AND kind = 'exchanged'`))

	x.dispatched()
	require.Empty(t, x.state.Attention, "it is paid: nobody has to look at it")
	x.parcel(1, "1ZX", order.ParcelDelivered)
	_, err = x.settle()
	require.NoError(t, err)
	require.Zero(t, x.balance(ledger.CustomerDeposits))
	require.EqualValues(t, -3000, x.balance(ledger.Revenue))

	require.Equal(t, []string{
		"1 used for the exchange order shop/1-X1 2160", "0 paid in addition, used for the exchange order shop/1-X1 1080",
		"1 revenue  1000", "1 tax  80", "0 shipping, revenue  500", "0 shipping, tax  40",
	}, l.followed())
	require.Equal(t, []string{"1 revenue  3000", "1 tax  240"}, x.followed())
}

func TestAnExchangeForCheaperGoodsRefundsTheRest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.offer(nil)
	l := b.kept(sale("1", line(1, "MUG", 3)))
	c, _ := l.wish(returns.Request{Resolution: returns.Exchange}, 2, &returns.Wanted{UnitPrice: 700}, "TEA")
	c.authorise()
	c.inspected(1, 2, returns.Opened)
	b.shop.Script(storefrontsim.Refunds, storefrontsim.AnswerLost, 1, 0)
	c.step(returns.StepPay)
	_, err := b.desk.PayReturn(b.ctx, c.payment())
	requireRetry(t, err, 0)
	require.EqualValues(t, 2, b.number(`SELECT count(*) FROM orders`), "the goods do not wait for the refund")
	require.Zero(t, l.balance(ledger.CustomerDeposits), "the books are square between the two")
	require.Zero(t, l.familyCredit())
	paid, err := b.desk.PayReturn(b.ctx, c.payment())
	require.NoError(t, err)
	require.Equal(t, "Exchanged by order shop/1-X1 for 14.00 USD; Refunded 7.60 USD", paid.Text)
	require.EqualValues(t, 760, l.backAtShop())
	require.Zero(t, l.balance(ledger.CustomerDeposits))
	require.EqualValues(t, 3780-760, l.balance(ledger.ProcessorClearing))
	require.Equal(t, []string{"1 refunded return/" + c.rma + "/1 760", "1 used for the exchange order shop/1-X1 1400"}, l.followed()[:2])
	keys, err := ledgerbook.OrdersOf(b.ctx, b.pool, ledgerbook.FromRefund, "return/"+c.rma+"/1")
	require.NoError(t, err)
	require.Equal(t, []string{"shop/1"}, keys)
}

func TestAReplacementForDamagedGoodsThatStayIsSentAtNoDifference(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.offer(nil)
	b.exec(`UPDATE storefronts SET document = jsonb_set(document, '{policy,returns,keep_up_to}', '[{"amount": "50.00", "currency": "USD"}]') WHERE id = 'shop'`)
	l := b.kept(sale("1", line(1, "MUG", 3)))
	c, refused := l.wish(returns.Request{Resolution: returns.Exchange, Lines: []returns.RequestedLine{{Line: 1, Quantity: 1, Reason: returns.Damaged}}}, 0, nil, "")
	require.Nil(t, refused)
	require.True(t, c.state.Keep)
	c.authorise()
	require.Equal(t, "Exchanged by order shop/1-X1 for 10.80 USD", c.pay().Text)
	c.record(returns.StepRecord)
	require.Contains(t, l.claims(), "damage 420", "the supplier owes it as ever")
	require.Equal(t, "MUG", b.text(`SELECT sku FROM order_lines WHERE order_key = 'shop/1-X1'`))
	require.Zero(t, l.backAtShop())
}

func TestACancelledExchangeGoesBackAsMoneyThroughTheFirstPayment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.offer(nil)
	l := b.kept(sale("1", line(1, "MUG", 3)))
	c, _ := l.wish(returns.Request{Resolution: returns.Exchange, Payment: &returns.Paid{Reference: "p-1", Amount: 1080}}, 2, &returns.Wanted{UnitPrice: 1500, Tax: 240}, "LAMP")
	c.authorise()
	c.inspected(1, 2, returns.AsNew)
	c.pay()
	x := c.follow()
	b.shop.Script(storefrontsim.Refunds, storefrontsim.AnswerLost, 1, 0)
	in := x.refund(1, order.ShippedLine{Line: 1, Quantity: 1})
	_, err := b.desk.RefundCustomer(b.ctx, in)
	requireRetry(t, err, 0)
	for range 2 {
		back, err := b.desk.RefundCustomer(b.ctx, in)
		require.NoError(t, err)
		require.EqualValues(t, 1620, back.Amount)
	}
	require.EqualValues(t, 1620, l.backAtShop(), "the storefront knows the payment under the first order")
	require.Empty(t, b.shop.Refunded("1-X1"))
	_, err = b.desk.RefundCustomer(b.ctx, x.refund(2, order.ShippedLine{Line: 1, Quantity: 1}))
	require.NoError(t, err)
	require.EqualValues(t, 3240, l.backAtShop())
	require.EqualValues(t, 3780+1080-3240, l.balance(ledger.ProcessorClearing), "the mug that is kept, and its shipping")
	require.Zero(t, x.balance(ledger.CustomerDeposits))
	require.Zero(t, l.familyCredit())
	require.EqualValues(t, 2, b.number(`SELECT count(*) FROM refunds WHERE order_key = 'shop/1' AND n = -1 AND state = 'done'`))
	require.Contains(t, l.followed(), "0 refunded for the exchange order through/refund/shop/1-X1/1 1620")
	require.Len(t, x.followed(), 2)
	_, err = b.pool.Exec(b.ctx, `INSERT INTO refunds (key, order_key, n, part, lines, amount_minor, goods_minor, tax_minor, shipping_minor, reason, state)
		VALUES ('more', 'shop/1-X1', 9, 1, '[]', 1, 0, 0, 0, 'cancelled', 'trying')`)
	require.ErrorContains(t, err, "exceed the 3240 captured")
}

func TestAnExchangeThatIsNotPaidForIsMoneyInstead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.offer(nil)
	l := b.kept(sale("1", line(1, "MUG", 2), line(2, "MUG", 1)))
	c, _ := l.wish(returns.Request{Resolution: returns.Exchange, Payment: &returns.Paid{Reference: "p-1", Amount: 220}, Lines: []returns.RequestedLine{
		{Line: 1, Quantity: 1, Reason: returns.WrongSize, ExchangeSKU: "LAMP", Want: &returns.Wanted{UnitPrice: 1500}},
		{Line: 2, Quantity: 1, Reason: returns.WrongSize, ExchangeSKU: "TEA", Want: &returns.Wanted{UnitPrice: 880}},
	}}, 0, nil, "")
	c.authorise()
	c.hear(returns.Fact{Inspection: &returns.Inspection{Document: "i", At: b.now, Final: true, Lines: []returns.InspectedLine{
		{Line: 1, Quantity: 1, Condition: returns.AsNew},
	}}})
	// The dearer article alone is not paid for by what was paid for both.
	require.Equal(t, "Refunded 13.00 USD", c.pay().Text)
	require.Zero(t, l.familyCredit())
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM orders`))
	require.EqualValues(t, 1300, l.backAtShop())
	require.Contains(t, l.followed(), "0 paid in addition, refunded return/"+c.rma+"/1 220")
	require.Zero(t, l.balance(ledger.CustomerDeposits))
}

func TestWhatWasPaidForAnExchangeThatIsGivenUpGoesBackForNoUnitsAndTheNextOneIsPriced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.offer(nil)
	l := b.kept(sale("1", line(1, "MUG", 3)))
	c, _ := l.wish(returns.Request{ID: "-1", Resolution: returns.Exchange, Payment: &returns.Paid{Reference: "p-1", Amount: 1080}}, 2, &returns.Wanted{UnitPrice: 1500, Tax: 240}, "LAMP")
	c.authorise()
	c.state.Cancel(returns.CancelRequest{ID: "c", By: "customer"}, b.now)
	require.Equal(t, "Refunded 10.80 USD", c.pay().Text)
	c.record(returns.StepClose)
	require.EqualValues(t, 1080, l.backAtShop())
	require.Equal(t, "[]", b.text(`SELECT lines::text FROM refunds WHERE rma = $1`, c.rma), "every reader takes the units apart")
	_, refused := l.wish(returns.Request{ID: "-2", Resolution: returns.Exchange}, 1, &returns.Wanted{UnitPrice: 700}, "TEA")
	require.Nil(t, refused)
	_, err := audit.Run(b.ctx, audit.Options{Pool: b.pool, Limit: 10})
	require.NoError(t, err)
}

func TestStoreCreditIsGivenOnceWithItsBonusAndNoMoneyMoves(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.offer(func(p *catalog.ReturnPolicy) { p.CreditBonusBP = 1000 })
	l := b.kept(sale("1", line(1, "MUG", 3)))
	c, _ := l.wish(returns.Request{Resolution: returns.StoreCredit}, 2, nil, "")
	c.authorise()
	c.inspected(1, 2, returns.AsNew)
	c.step(returns.StepPay)
	b.shop.Script(storefrontsim.StoreCredits, storefrontsim.AnswerLost, 1, 0)
	_, err := b.desk.PayReturn(b.ctx, c.payment())
	requireRetry(t, err, 0)
	for range 2 {
		paid, err := b.desk.PayReturn(b.ctx, c.payment())
		require.NoError(t, err)
		require.Equal(t, "Store credit of 21.38 USD; kept as fees: 2.16 USD", paid.Text)
		require.EqualValues(t, 2138, paid.Credit, "19.44 and a tenth")
		require.Zero(t, paid.Amount)
	}
	require.Equal(t, map[string]int64{"USD": 2138}, b.shop.Credited("1"))
	require.Zero(t, b.shop.Conflicts())
	require.Zero(t, l.backAtShop())
	require.EqualValues(t, -2138, l.balance(ledger.StoreCredit))
	require.EqualValues(t, 194, l.balance(ledger.Goodwill), "the bonus is the shop's")
	require.Zero(t, l.balance(ledger.CustomerDeposits))
	require.EqualValues(t, 3780, l.balance(ledger.ProcessorClearing))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM store_credits WHERE minor = 2138 AND bonus_minor = 194 AND issued_at IS NOT NULL`))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM outbox WHERE kind = 'store_credited'`))
	_, err = b.pool.Exec(b.ctx, `UPDATE refunds SET amount_minor = 1900`)
	require.Equal(t, []string{"1 given as store credit return/" + c.rma + "/1 1944", "1 kept as restocking fee return/" + c.rma + "/1 216"}, l.followed()[:2])
	require.ErrorContains(t, err, "exceed", "what became credit is not refunded, too")
}

func TestTheLabelIsKeptUnderItsOwnName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 4)))
	in := workflows.PayReturnInput{Key: l.key, RMA: l.back(), N: 1, Payout: returns.Payout{
		Parts: []returns.PayoutPart{{Line: 1, Quantity: 1, KeptBP: 1000, Reason: returns.ChangedMind}}, Fee: 490,
	}}
	paid, err := b.desk.PayReturn(b.ctx, in)
	require.NoError(t, err)
	require.EqualValues(t, 1080-108-490, paid.Amount)
	fees := map[string]int64{}
	rows, err := b.pool.Query(b.ctx, `SELECT t.key, -e.minor FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
		WHERE t.kind = 'fee_kept' AND e.account = 'fees_retained'`)
	require.NoError(t, err)
	var key string
	var minor int64
	_, err = pgx.ForEachRow(rows, []any{&key, &minor}, func() error { fees[key] = minor; return nil })
	require.NoError(t, err)
	part := "return/" + in.RMA + "/1"
	require.Equal(t, map[string]int64{"fee_kept|restocking|" + part: 108, "fee_kept|return_shipping|" + part: 490}, fees)
}

func TestAReturnOfAnExchangeIsRefundedThroughTheFirstPaymentToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.offer(nil)
	l := b.kept(sale("1", line(1, "MUG", 1)))
	c, _ := l.wish(returns.Request{Resolution: returns.Exchange}, 1, nil, "MUG")
	c.authorise()
	c.inspected(1, 1, returns.AsNew)
	c.pay()
	x := c.follow()
	paid, err := x.payFor(x.back(), 1, returns.PayoutPart{Line: 1, Quantity: 1, KeptBP: 1000, Reason: returns.ChangedMind})
	require.NoError(t, err)
	require.EqualValues(t, 972, paid.Amount)
	require.EqualValues(t, 972, l.backAtShop())
	require.EqualValues(t, 108, l.familyCredit()+108, "the fee is the exchange order's income")
	_, refused := x.wish(returns.Request{Resolution: returns.Exchange}, 1, nil, "MUG")
	require.NotNil(t, refused)
}
