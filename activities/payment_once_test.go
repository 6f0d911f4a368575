package activities_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/storefront"
)

const spent = "that payment has paid for something else already"

// paidWith is an order of three mugs, 37.80 with the shipping, that the customer has paid.
func paidWith(id, reference string) storefront.Order {
	o := sale(id, line(1, "MUG", 3))
	o.Payment.Reference = reference
	return o
}

func (b *bundle) placing(o storefront.Order) error {
	b.t.Helper()
	orders, err := intake.NewOrders([]byte("sixteen bytes or more"))
	require.NoError(b.t, err)
	return postgres.InTx(b.ctx, b.pool, func(tx pgx.Tx) error {
		_, err := orders.PlaceOrder(b.ctx, tx, o, []byte(o.Key.Order), 0)
		return err
	})
}

// dearer wants two lamps for two of the mugs, and 10.80 in addition.
func dearer(reference string) returns.Request {
	return returns.Request{
		ID: "dearer", By: "support", Resolution: returns.Exchange, Payment: &returns.Paid{Reference: reference, Amount: 1080},
		Lines: []returns.RequestedLine{{
			Line: 1, Quantity: 2, Reason: returns.WrongSize, ExchangeSKU: "LAMP", Want: &returns.Wanted{UnitPrice: 1500, Tax: 240, Title: "Lamp"},
		}},
	}
}

func refusedAsSpent(t *testing.T, err error) {
	t.Helper()
	var refusal *order.Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, spent, refusal.Reason)
}

func TestAPaymentThatOneOrderWasPlacedWithPaysForNothingElse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.offer(nil)
	kept := b.kept(sale("1", line(1, "MUG", 3)))
	b.place(paidWith("2", "ch-2"))
	pending := unpaid("3", line(1, "MUG", 3))
	pending.Payment.Reference = "ch-3"
	owing := b.place(pending)

	_, err := owing.take(owing.payment("ch-2", 3780))
	refusedAsSpent(t, err)
	_, refused := kept.wish(returns.Request{Resolution: returns.Exchange, Payment: dearer("ch-2").Payment}, 2, &returns.Wanted{UnitPrice: 1500, Tax: 240, Title: "Lamp"}, "LAMP")
	require.NotNil(t, refused)
	require.Equal(t, returns.RefusedPaymentUsed, refused.Code)
	require.Zero(t, b.number(`SELECT count(*) FROM order_payments`)+b.number(`SELECT count(*) FROM exchange_payments`))

	_, err = owing.take(owing.payment("ch-3", 3780))
	require.NoError(t, err, "its own payment, that was pending")
}

func TestNoOrderIsPlacedWithAPaymentThatPaidLaterForAnother(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.offer(nil)
	first, kept := b.place(unpaid("1", line(1, "MUG", 3))), b.kept(sale("2", line(1, "MUG", 3)))
	_, err := first.take(first.payment("ch-1", 3780))
	require.NoError(t, err)
	desk := &returndesk.Desk{Pool: b.pool, Now: b.desk.Now}
	answer, err := desk.Request(b.ctx, kept.key, dearer("ch-2"))
	require.NoError(t, err)
	require.Nil(t, answer.Refused)

	refusedAsSpent(t, b.placing(paidWith("3", "ch-1")))
	refusedAsSpent(t, b.placing(paidWith("4", "ch-2")))
	require.EqualValues(t, 2, b.number(`SELECT count(*) FROM orders`), "nothing of them stays")
	require.NoError(t, b.placing(paidWith("5", "ch-5")))
	require.NoError(t, b.placing(paidWith("6", "ch-5")), "orders of one checkout may come with one payment")
}

// A transaction that lets a payment pay for something else holds the second one back until it is known to have paid.
func TestAPaymentThatIsJustPayingForSomethingElseIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]func(b *bundle, kept, owing *life) error{
		"an exchange": func(b *bundle, kept, _ *life) error {
			desk := &returndesk.Desk{Pool: b.pool, Now: b.desk.Now}
			answer, err := desk.Request(b.ctx, kept.key, dearer("ch-1"))
			if err == nil && answer.Refused != nil && answer.Refused.Code == returns.RefusedPaymentUsed {
				err = &order.Refusal{Reason: spent}
			}
			return err
		},
		"another order": func(b *bundle, _, _ *life) error { return b.placing(paidWith("3", "ch-1")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.offer(nil)
			kept, owing := b.kept(sale("1", line(1, "MUG", 3))), b.place(unpaid("2", line(1, "MUG", 3)))
			ended := make(chan error, 1)
			require.NoError(t, postgres.InTx(b.ctx, b.pool, func(tx pgx.Tx) error {
				if _, err := intake.TakePayment(b.ctx, tx, owing.payment("ch-1", 3780), 0); err != nil {
					return err
				}
				go func() { ended <- second(b, kept, owing) }()
				require.Eventually(t, func() bool { return len(ended) > 0 || b.awaited("payment/shop/ch-1") }, 20*time.Second, 5*time.Millisecond)
				return nil
			}))
			refusedAsSpent(t, <-ended)
		})
	}
}

// awaited: somebody waits for the advisory lock of that name.
func (b *bundle) awaited(name string) bool {
	return b.number(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
		AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 0)`, name) > 0
}
