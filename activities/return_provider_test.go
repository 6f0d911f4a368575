package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/paymentsim"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/workflows"
)

// keep brings the order to the customer and closes its accounts.
func (c *till) keep() {
	c.t.Helper()
	l := c.life.dispatched()
	l.parcel(1, "1Z1", order.ParcelDelivered)
	for i := range l.state.POs {
		po := &l.state.POs[i]
		for j := range po.Parcels {
			p := &po.Parcels[j]
			c.exec(`INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, milestone, milestone_at)
				VALUES ($1, $2, $3, $4, $5, $6, 'delivered', $6)`, po.Number, p.Carrier, p.Tracking, l.key.String(), p.Lines, c.now)
		}
	}
	_, err := l.settle()
	require.NoError(c.t, err)
}

// wanted is a return of one mug of an order that was paid at the provider, inspected and about to be paid.
func (c *till) wanted(r returns.Request, sku string) *comeback {
	c.t.Helper()
	back, refused := c.wish(r, 1, nil, sku)
	require.Nil(c.t, refused)
	back.authorise()
	back.inspected(1, 1, returns.AsNew)
	back.step(returns.StepPay)
	return back
}

// requireWaits: the step is not tried at once again, because the bank has not decided about the money.
func requireWaits(t *testing.T, err error, what string) {
	t.Helper()
	application, ok := err.(*temporal.ApplicationError) //nolint:errorlint // Temporal does not unwrap either
	require.True(t, ok, "%T: %v", err, err)
	require.True(t, application.NonRetryable())
	require.ErrorContains(t, err, what+" waits: the customer's bank disputes the payment of order shop/1")
}

func TestStoreCreditForAnOrderPaidAtTheProviderMovesNoMoneyThere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	c.keep()
	b.offer(nil)
	r := c.wanted(returns.Request{Resolution: returns.StoreCredit}, "")
	for range 2 {
		paid, err := b.desk.PayReturn(b.ctx, r.payment())
		require.NoError(t, err)
		require.EqualValues(t, 972, paid.Credit)
	}
	require.Equal(t, map[string]int64{"USD": 972}, b.shop.Credited("1"))
	require.Empty(t, c.sim.Refunds(c.state.Reference))
	require.Zero(t, b.number(`SELECT count(*) FROM provider_refunds`))
	require.EqualValues(t, -972, c.balance(ledger.StoreCredit))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM refunds WHERE state = 'done' AND reference = ''`))
	keys, err := ledgerbook.OrdersOf(b.ctx, b.pool, ledgerbook.FromRefund, b.text(`SELECT reference FROM store_credits WHERE reference <> ''`))
	require.NoError(t, err)
	require.Equal(t, []string{"shop/1"}, keys)
	c.square()
}

// While the customer's bank disputes the payment, credit would be given beside the money.
func TestStoreCreditWaitsForTheEndOfAChargeback(t *testing.T) {
	t.Parallel()
	for won, end := range map[bool]string{true: "won", false: "lost"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			c := b.pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
			c.keep()
			b.offer(nil)
			r := c.wanted(returns.Request{Resolution: returns.StoreCredit}, "")
			dispute := c.sim.OpenDispute(c.state.Reference, "product_not_received")
			c.tells()
			_, err := b.desk.PayReturn(b.ctx, r.payment())
			requireWaits(t, err, "store credit of 9.72 USD")
			require.Empty(t, b.shop.Credited("1"))
			require.Zero(t, b.number(`SELECT count(*) FROM refunds`))
			require.True(t, c.sim.CloseDispute(dispute, won))
			c.tells()
			paid, err := b.desk.PayReturn(b.ctx, r.payment())
			require.NoError(t, err)
			if won {
				require.EqualValues(t, 972, paid.Credit)
				return
			}
			require.Zero(t, paid.Credit, "the customer has the money from the bank")
			require.Contains(t, paid.Text, "held")
			require.Empty(t, b.shop.Credited("1"))
			require.Empty(t, c.sim.Refunds(c.state.Reference))
			c.hears()
			require.Contains(t, c.state.Attention[0].Text, "chargeback_lost")
			c.record(payments.StepRecord)
			c.state.Decide(payments.Decision{ID: "1", By: "operator", Kind: payments.DecideSetOff}, c.now)
			c.record(payments.StepRecord)
			c.record(payments.StepClose)
			require.EqualValues(t, 2700-972, c.balance(ledger.Losses))
		})
	}
}

// The bank may take the payment back after the credit was fixed and before it was given.
func TestStoreCreditIsNotGivenBesideAChargebackThatCameMeanwhile(t *testing.T) {
	t.Parallel()
	ends := map[string]func(c *till, dispute string, pay func() (workflows.ReturnPaid, error)){
		"won": func(c *till, dispute string, pay func() (workflows.ReturnPaid, error)) {
			require.True(c.t, c.sim.CloseDispute(dispute, true))
			c.tells()
			paid, err := pay()
			require.NoError(c.t, err)
			require.EqualValues(c.t, 972, paid.Credit)
			require.Equal(c.t, map[string]int64{"USD": 972}, c.shop.Credited("1"))
			require.EqualValues(c.t, 1, c.number(`SELECT count(*) FROM effects WHERE kind = 'store_credit' AND state = 'done'`))
		},
		"lost": func(c *till, dispute string, pay func() (workflows.ReturnPaid, error)) {
			require.True(c.t, c.sim.CloseDispute(dispute, false))
			c.tells()
			for range 2 {
				paid, err := pay()
				require.NoError(c.t, err)
				require.Equal(c.t, workflows.ReturnPaid{
					Amount: 972, Text: "Owed to the customer and held, see the order's payment: 9.72 USD; kept as fees: 1.08 USD",
				}, paid)
			}
			require.Empty(c.t, c.shop.Credited("1"))
			require.Empty(c.t, c.sim.Refunds(c.state.Reference))
			require.Zero(c.t, c.number(`SELECT count(*) FROM store_credits`))
			c.hears()
			require.Contains(c.t, c.state.Attention[0].Text, "chargeback_lost")
			c.record(payments.StepRecord)
			c.state.Decide(payments.Decision{ID: "1", By: "operator", Kind: payments.DecideSetOff}, c.now)
			c.recorded()
			require.Zero(c.t, c.balance(ledger.StoreCredit))
		},
	}
	for end, check := range ends {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			c := b.pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
			c.keep()
			b.offer(nil)
			r := c.wanted(returns.Request{Resolution: returns.StoreCredit}, "")
			pay := func() (workflows.ReturnPaid, error) { return b.desk.PayReturn(b.ctx, r.payment()) }
			b.shop.Script(storefrontsim.StoreCredits, storefrontsim.Unavailable, 1, 0)
			_, err := pay()
			require.Error(t, err)
			dispute := c.sim.OpenDispute(c.state.Reference, "product_not_received")
			c.tells()
			for range 2 {
				_, err = pay()
				requireWaits(t, err, "store credit of 9.72 USD")
			}
			require.Empty(t, b.shop.Credited("1"))
			check(c, dispute, pay)
		})
	}
}

// What the storefront may have given already is not set off unseen: only its books tell.
func TestStoreCreditInDoubtAfterALostChargebackIsForAPerson(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]string{
		"answer lost": `SELECT`, "release that kept no note": `DELETE FROM effects WHERE kind = 'store_credit'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			c := b.pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
			c.keep()
			b.offer(nil)
			r := c.wanted(returns.Request{Resolution: returns.StoreCredit}, "")
			b.shop.Script(storefrontsim.StoreCredits, storefrontsim.AnswerLost, 1, 0)
			b.shop.Script(storefrontsim.StoreCredits, storefrontsim.Unavailable, 1, 0)
			for range 2 {
				_, err := b.desk.PayReturn(b.ctx, r.payment())
				require.Error(t, err)
				c.exec(forget)
			}
			require.True(t, c.sim.CloseDispute(c.sim.OpenDispute(c.state.Reference, "product_not_received"), false))
			c.tells()
			paid, err := b.desk.PayReturn(b.ctx, r.payment())
			require.NoError(t, err)
			require.Zero(t, paid.Credit)
			c.hears()
			require.Contains(t, c.state.Attention[0].Text, "store_credit_in_doubt")
			c.record(payments.StepRecord)
			c.state.Decide(payments.Decision{ID: "1", By: "operator", Kind: payments.DecideSetOff}, c.now)
			c.recorded()
			require.Zero(t, c.balance(ledger.RefundsPayable))
			require.Zero(t, c.balance(ledger.StoreCredit))
		})
	}
}

// A credit that is known to be given is recorded, whatever the bank does about the payment after that.
func TestStoreCreditThatWasGivenBeforeAChargebackIsRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	c.keep()
	b.offer(nil)
	r := c.wanted(returns.Request{Resolution: returns.StoreCredit}, "")
	c.exec(`ALTER TABLE store_credits ADD CONSTRAINT outage CHECK (reference = '')`)
	_, err := b.desk.PayReturn(b.ctx, r.payment())
	require.ErrorContains(t, err, "outage")
	c.exec(`ALTER TABLE store_credits DROP CONSTRAINT outage`)
	c.sim.OpenDispute(c.state.Reference, "product_not_received")
	c.tells()
	paid, err := b.desk.PayReturn(b.ctx, r.payment())
	require.NoError(t, err)
	require.EqualValues(t, 972, paid.Credit)
	require.Equal(t, map[string]int64{"USD": 972}, b.shop.Credited("1"))
}

func TestAnExchangeOfAnOrderPaidAtTheProviderMovesNoMoneyButTheDifference(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	c.keep()
	b.offer(nil)
	r := c.swapped(800, 64)
	for range 2 {
		paid, err := b.desk.PayReturn(b.ctx, r.payment())
		require.NoError(t, err)
		require.Equal(t, workflows.ReturnPaid{
			Amount: 216, Moved: 864, Replacement: "shop/1-X1", Text: "Exchanged by order shop/1-X1 for 8.64 USD; Refunded 2.16 USD",
		}, paid)
	}
	require.EqualValues(t, 216, c.sim.Payment(c.state.Reference).Refunded)
	require.Len(t, c.sim.Refunds(c.state.Reference), 1)
	require.Zero(t, c.shopRefunds())
	require.Zero(t, c.familyCredit())
	c.square()
	x := r.arrived()
	require.EqualValues(t, -864, x.balance(ledger.CustomerDeposits))
	require.Equal(t, []string{"1 held until it is earned  800", "1 tax, held until it is earned  64"}, x.followed())
}

// swapped is a return of one mug for a lamp, inspected and about to be paid.
func (c *till) swapped(price, tax int64) *comeback {
	c.t.Helper()
	r, refused := c.wish(returns.Request{Resolution: returns.Exchange}, 1, &returns.Wanted{UnitPrice: price, Tax: tax}, "LAMP")
	require.Nil(c.t, refused)
	r.authorise()
	r.inspected(1, 1, returns.AsNew)
	r.step(returns.StepPay)
	return r
}

// arrived takes up the exchange order of a return that was paid.
func (c *comeback) arrived() *life {
	c.t.Helper()
	c.state.Replacement = c.text(`SELECT key FROM orders WHERE exchange_of IS NOT NULL`)
	return c.follow()
}

// What is refunded of the exchange order is the first payment's, in all that can become of a refund.
func TestARefundOfAnExchangeOrderIsMadeAndFollowedAtTheFirstPayment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	c.keep()
	b.offer(nil)
	r := c.swapped(800, 64)
	_, err := b.desk.PayReturn(b.ctx, r.payment())
	require.NoError(t, err)
	x := r.arrived()
	c.sim.Script(paymentsim.Script{Operation: paymentsim.Refunds, Fault: paymentsim.AnswerLost, Times: 1})
	in := x.refund(1, order.ShippedLine{Line: 1, Quantity: 1})
	c.until(func() error {
		_, err = b.desk.RefundCustomer(b.ctx, in)
		return err
	})
	require.EqualValues(t, 216+864, c.sim.Payment(c.state.Reference).Refunded)
	require.Zero(t, x.balance(ledger.CustomerDeposits))
	require.Zero(t, c.familyCredit())
	c.square()
	refunds := c.sim.Refunds(c.state.Reference)
	require.True(t, c.sim.SettleRefund(refunds[len(refunds)-1].Reference, "expired_or_canceled_card"))
	c.tells()
	c.record(payments.StepRecord)
	require.EqualValues(t, -864, c.balance(ledger.RefundsPayable), "it is owed by the order that was paid")
	c.state.Decide(payments.Decision{ID: "1", By: "operator", Kind: payments.DecideRetry}, c.now)
	c.step(payments.StepRefund)
	next, _ := c.state.NextRefund(payments.StepRefund)
	tried, err := b.desk.RefundAgain(b.ctx, workflows.RefundAgainInput{Key: c.key, Refund: next.Key, Try: next.Try + 1, Amount: next.Amount})
	require.NoError(t, err)
	c.state.RefundedAgain(tried, c.now)
	c.record(payments.StepRecord)
	require.Zero(t, c.balance(ledger.RefundsPayable))
	require.EqualValues(t, 2700-216-864, c.balance(ledger.ProcessorClearing))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM outbox WHERE kind = 'refunded' AND (payload ->> 'amount')::bigint = 864`),
		"the customer is told once")
}

// One payment paid for both orders: what the bank does about it, it does about both.
func TestAChargebackCoversTheExchangeOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	c.keep()
	b.offer(nil)
	r, waiting := c.swapped(800, 64), c.wanted(returns.Request{ID: "again", Resolution: returns.Exchange}, "LAMP")
	_, err := b.desk.PayReturn(b.ctx, r.payment())
	require.NoError(t, err)
	x := r.arrived()
	c.sim.OpenDispute(c.state.Reference, "product_not_received")
	c.tells()
	require.False(t, c.state.Ended, "the exchange order is not settled: its scans may still prove something")
	c.record(payments.StepRecord)
	require.Equal(t, "shop/1-X1", c.text(`SELECT order_key FROM facts WHERE kind = 'cancel_request' AND body #>> '{cancel,by}' = 'chargeback' AND order_key <> 'shop/1'`))
	_, err = b.desk.PayReturn(b.ctx, waiting.payment())
	requireWaits(t, err, "an exchange of 10.80 USD")
	result, err := b.desk.RefundCustomer(b.ctx, x.refund(1, order.ShippedLine{Line: 1, Quantity: 1}))
	require.NoError(t, err)
	require.Contains(t, result.Text, "held")
	require.EqualValues(t, 216, c.sim.Payment(c.state.Reference).Refunded, "a refund now would pay twice")
	c.hears()
	c.record(payments.StepRecord)
	require.Zero(t, c.familyCredit())
	require.EqualValues(t, -864, c.balance(ledger.RefundsPayable))
	proof, err := paymentdesk.Evidence(b.ctx, b.pool, c.key)
	require.NoError(t, err)
	require.Contains(t, proof.Document, "8.64 USD used for the exchange order 1-X1")
}

func TestADearerExchangeIsWaivedOrRefusedWhereAProviderHoldsThePayment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	c.keep()
	b.offer(func(p *catalog.ReturnPolicy) { p.ExchangeWaiveUpTo = []money.Money{{Minor: 250, Currency: "USD"}} })
	for price, paid := range map[int64]*returns.Paid{1300: nil, 1200: {Reference: "pi_2", Amount: 216}} {
		_, refused := c.wish(returns.Request{Resolution: returns.Exchange, Payment: paid}, 1, &returns.Wanted{UnitPrice: price, Tax: price * 8 / 100}, "LAMP")
		require.Equal(t, returns.RefusedUnpayable, refused.Code)
		b.exec(`DELETE FROM return_requests`)
	}
	require.Zero(t, b.number(`SELECT count(*) FROM exchange_payments`))
	r := c.swapped(1200, 96) // 12.96 for what brings 10.80
	paid, err := b.desk.PayReturn(b.ctx, r.payment())
	require.NoError(t, err)
	require.EqualValues(t, 1080, paid.Moved)
	x := r.arrived()
	require.Equal(t, "1200 200 80 1080", b.text(`SELECT concat_ws(' ', document #>> '{lines,0,unit_price}', document #>> '{lines,0,discount}',
		document #>> '{lines,0,tax}', total_minor) FROM orders WHERE exchange_of = 'shop/1'`))
	result, err := b.desk.RefundCustomer(b.ctx, x.refund(1, order.ShippedLine{Line: 1, Quantity: 1}))
	require.NoError(t, err)
	require.EqualValues(t, 1080, result.Amount, "what was waived was never paid")
	c.square()
}
