package audit_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/refunddesk"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/workflows"
)

// declining are partners whose storefront makes no refund.
type declining struct{ obliging }

func (declining) Storefront(catalog.Storefront) (storefront.Channel, error) {
	return unrefunding{}, nil
}

type unrefunding struct{ storefront.Channel }

func (unrefunding) Refund(context.Context, storefront.Refund) (storefront.RefundReceipt, error) {
	return storefront.RefundReceipt{}, &storefront.Error{Kind: storefront.ErrRefused}
}

// paidElsewhere is an order, closed, one unit of which was refunded past its storefront.
func paidElsewhere(t *testing.T) *lives {
	t.Helper()
	l := newLives(t)
	l.place(reduced.Order)
	l.acknowledge(reduced)
	one := []order.ShippedLine{{Line: 1, Quantity: 1}}
	asked := *l.activities
	asked.Partners = declining{}
	_, err := asked.RefundCustomer(t.Context(), workflows.RefundInput{Key: reduced, N: 1, Lines: one, Owed: one, Reason: "cancelled"})
	require.ErrorContains(t, err, "refused")
	l.states[reduced].Stalled(order.Step{Kind: order.StepRefund}, "refused", l.now)
	require.NoError(t, l.activities.RecordProgress(t.Context(), l.states[reduced].Clone()))
	require.NoError(t, refunddesk.PaidElsewhere(t.Context(), l.pool, refunddesk.Decision{
		Order: reduced, Refund: "refund/demo/reduced/1", Request: "api/d-1", Reference: "wire-1", Reason: "refused", By: "operator key 1",
	}))
	l.fact(reduced, order.Fact{Cancel: &order.CancelRequest{ID: "c1", Lines: one}})
	l.states[reduced].Resumed(order.Step{Kind: order.StepRefund})
	l.ship(reduced, 1, "in_transit", "delivered")
	require.True(t, l.states[reduced].Finished(), l.states[reduced].Card())
	l.exec(`UPDATE outbox SET state = 'sent', sent_at = now()`)
	return l
}

const elsewhereCheck = "each refund that was paid past its storefront is in the ledger once, and somebody decided so"

func TestAnOrderWhoseRefundWasPaidElsewhereClosesSoundly(t *testing.T) {
	t.Parallel()
	l := paidElsewhere(t)
	report := l.audit()
	require.Zero(t, report.Broken(), "%v", found(report))
	require.Empty(t, found(report))
	require.EqualValues(t, 1, outcome(t, report, elsewhereCheck).Checked)
}

// What a customer paid too much goes back by a refund of the payment's own, which its order knows nothing of.
func TestAMessageAboutWhatWasPaidTooMuchIsNotASecondOne(t *testing.T) {
	t.Parallel()
	const told = "nobody was told the same twice"
	for name, c := range map[string]struct {
		key     string
		soundly bool
	}{
		"of the payment's own": {"overpaid/demo/reduced/1", true},
		"of the order":         {"refund/demo/reduced/1", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := paidElsewhere(t)
			l.broken(`INSERT INTO payments (order_key, storefront, reference, standing, stage, state)
					SELECT key, storefront, 'pi_1', 'captured', 'payment_books', '{"refunds": [{"key": "` + c.key + `"}]}' FROM orders WHERE key = 'demo/reduced';
				DELETE FROM outbox WHERE kind = 'refunded';
				INSERT INTO outbox (key, order_key, channel, kind, payload, state)
					SELECT 'refunded/' || n, order_key, channel, 'refunded', payload, state FROM outbox, generate_series(1, 2) n
					WHERE order_key = 'demo/reduced' AND channel = 'customer_mail' AND kind = 'placed'`)
			require.Equal(t, c.soundly, len(outcome(t, l.audit(), told).Violations) == 0)
		})
	}
}

func TestARefundPaidElsewhereThatIsBookedWrongIsFound(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"not booked":       `UPDATE ledger_transactions SET key = 'other' WHERE kind = 'refunded_elsewhere'`,
		"nobody decided":   `DELETE FROM refund_decisions`,
		"the shop paid":    `UPDATE effects SET state = 'done', result = '{"reference": "r"}' WHERE kind = 'refund'`,
		"made by the shop": `UPDATE refunds SET route = ''`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := paidElsewhere(t)
			l.broken(sql)
			l.finds(t, elsewhereCheck)
		})
	}
}
