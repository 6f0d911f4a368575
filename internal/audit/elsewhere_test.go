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
