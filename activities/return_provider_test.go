package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
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

// requireByHand: the step is not tried at once again, and a person is told to give so much.
func requireByHand(t *testing.T, err error, amount string) {
	t.Helper()
	application, ok := err.(*temporal.ApplicationError) //nolint:errorlint // Temporal does not unwrap either
	require.True(t, ok, "%T: %v", err, err)
	require.True(t, application.NonRetryable())
	require.ErrorContains(t, err, "give the customer "+amount+" by hand")
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
	b := setup(t)
	c := b.pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	c.keep()
	b.offer(nil)
	r := c.wanted(returns.Request{Resolution: returns.StoreCredit}, "")
	dispute := c.sim.OpenDispute(c.state.Reference, "product_not_received")
	c.tells()
	_, err := b.desk.PayReturn(b.ctx, r.payment())
	requireByHand(t, err, "9.72 USD")
	require.Empty(t, b.shop.Credited("1"))
	require.Zero(t, b.number(`SELECT count(*) FROM refunds`))
	require.True(t, c.sim.CloseDispute(dispute, true))
	c.tells()
	paid, err := b.desk.PayReturn(b.ctx, r.payment())
	require.NoError(t, err)
	require.EqualValues(t, 972, paid.Credit)
}

func TestAnExchangeIsNotPaidWithMoneyThatIsAtTheProvider(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	c.keep()
	b.offer(nil)
	r := c.wanted(returns.Request{Resolution: returns.Exchange}, "LAMP")
	_, err := b.desk.PayReturn(b.ctx, r.payment())
	requireByHand(t, err, "10.80 USD")
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM orders`))
	require.Zero(t, b.number(`SELECT count(*) FROM refunds`))
	require.Zero(t, c.backAtShop())
}

// An exchange that was placed before: the storefront does not hold the money that it would be asked for.
func TestAnExchangeOfAnOrderPaidAtTheProviderIsRefundedByHand(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.offer(nil)
	l := b.kept(sale("1", line(1, "MUG", 3)))
	c, refused := l.wish(returns.Request{Resolution: returns.Exchange}, 1, nil, "LAMP")
	require.Nil(t, refused)
	c.authorise()
	c.inspected(1, 1, returns.AsNew)
	c.pay()
	b.exec(`INSERT INTO payments (order_key, storefront, reference, standing, stage, state) VALUES ('shop/1', 'shop', 'pi_1', 'captured', 'captured', '{}')`)
	_, err := b.desk.RefundCustomer(b.ctx, c.follow().refund(1, order.ShippedLine{Line: 1, Quantity: 1}))
	requireByHand(t, err, "10.80 USD")
	require.Zero(t, l.backAtShop())
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM refunds`), "only the exchange itself")
}
