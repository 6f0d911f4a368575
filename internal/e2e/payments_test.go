package e2e

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/sim/paymentsim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
)

// captureActions is what a capture at shipment may cost, in billable actions: the start, the question
// until when the money is held, the timer before that, the news of the shipment, the capture, and what is
// recorded in between.
const captureActions = 9

// tills is a world whose storefront has a payment provider.
func tills(t *testing.T, capture catalog.Capture, suppliers ...stage.Supplier) *world {
	t.Helper()
	s, err := stage.Open(t.Context(), stage.Options{Suppliers: suppliers, Capture: capture})
	if errors.Is(err, stage.ErrNoServer) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return &world{s}
}

func (w *world) pays(t *testing.T, id string, captured bool, skus ...string) (order.Key, string) {
	t.Helper()
	key, reference, err := w.PlacePaid(t.Context(), id, captured, skus...)
	require.NoError(t, err)
	return key, reference
}

func (w *world) payment(t *testing.T, key order.Key, stages ...string) orderview.Payment {
	t.Helper()
	v, err := w.PaymentBecomes(patience(t), key, func(v *orderview.Payment) bool {
		return slices.Contains(stages, v.Stage)
	})
	require.NoError(t, err)
	return v
}

// decides asks again under the same id while the payment has not heard yet what the decision is about.
func (w *world) decides(t *testing.T, key order.Key, decision map[string]any) {
	t.Helper()
	var status int
	require.Eventually(t, func() bool {
		var err error
		status, err = w.Call(t.Context(), http.MethodPost, "/v1/orders/"+key.String()+"/payment/decide", decision, nil)
		return err == nil && status != http.StatusServiceUnavailable
	}, patient, 50*time.Millisecond, "decide about the payment of order %s", key)
	require.Equal(t, http.StatusOK, status)
}

func (w *world) cancels(t *testing.T, key order.Key, lines ...map[string]any) {
	t.Helper()
	body := map[string]any{"request_id": "c-1", "reason": "customer"}
	if len(lines) > 0 {
		body["lines"] = lines
	}
	status, err := w.Call(t.Context(), http.MethodPost, "/v1/orders/"+key.String()+"/cancel", body, nil)
	require.NoError(t, err)
	require.Less(t, status, 300)
}

// balanced: the ledger holds what the provider's own book does.
func (w *world) balanced(t *testing.T, key order.Key) {
	t.Helper()
	require.Equal(t, w.Payments.Balance()["EUR"], w.balance(t, key, "processor_clearing")+w.balance(t, key, "payment_fees"))
	require.Zero(t, w.Payments.Conflicts())
	w.requireSound(t)
}

func slowly(id string) stage.Supplier {
	s := prompt(id, suppliersim.AckInResponse)
	s.Manner.Ship.Delay = suppliersim.Duration(3 * time.Second)
	return s
}

func TestAPaymentIsCapturedWhenTheGoodsLeave(t *testing.T) {
	t.Parallel()
	w := tills(t, catalog.CaptureShipment, slowly("acme"))
	w.startWorker(t, 5*time.Second)
	key, reference := w.pays(t, "smooth", false, "acme-mug")
	w.payment(t, key, "authorised")
	require.Zero(t, w.Payments.Payment(reference).Captured)
	w.settled(t, key)
	v := w.payment(t, key, "payment_done")
	require.Equal(t, "19.28", v.Captured)
	require.EqualValues(t, 1928, w.Payments.Payment(reference).Captured)
	require.Zero(t, w.balance(t, key, "customer_receivable"))
	cost, err := w.CostOfPayment(t.Context(), key)
	require.NoError(t, err)
	t.Logf("payment: %+v", cost)
	require.LessOrEqual(t, cost.Actions, captureActions)
	w.balanced(t, key)
}

func TestAPaymentTakenWithTheOrderHasNoWorkflow(t *testing.T) {
	t.Parallel()
	w := tills(t, catalog.CaptureShipment, prompt("acme", suppliersim.AckInResponse))
	w.startWorker(t, 5*time.Second)
	key, _ := w.pays(t, "taken", true, "acme-mug")
	w.settled(t, key)
	require.NoError(t, w.Payments.Delivered(patience(t)))
	require.Equal(t, "taken", w.payment(t, key, "taken").Stage)
	_, err := w.CostOfPayment(t.Context(), key)
	require.Error(t, err, "there is no such workflow")
	w.balanced(t, key)
}

func TestAnAuthorisedOrderIsCapturedBeforeItIsWorkedOn(t *testing.T) {
	t.Parallel()
	w := tills(t, catalog.CaptureOrder, prompt("acme", suppliersim.AckInResponse))
	w.startWorker(t, 5*time.Second)
	w.Payments.Script(paymentsim.Script{Operation: paymentsim.Capture, Fault: paymentsim.AnswerLost, Times: 1})
	key, reference := w.pays(t, "early", false, "acme-mug")
	w.settled(t, key)
	require.EqualValues(t, 1928, w.Payments.Payment(reference).Captured)
	w.payment(t, key, "payment_done")
	w.balanced(t, key)
}

func TestWhatIsCancelledBeforeItShipsIsNeverTaken(t *testing.T) {
	t.Parallel()
	w := tills(t, catalog.CaptureShipment, slowly("acme"))
	w.startWorker(t, 5*time.Second)
	all, reference := w.pays(t, "all", false, "acme-mug")
	w.payment(t, all, "authorised")
	w.cancels(t, all)
	w.settled(t, all)
	w.payment(t, all, "payment_void")
	require.Equal(t, "canceled", w.Payments.Payment(reference).Status)

	part, reference := w.pays(t, "part", false, "acme-mug", "acme-jar")
	w.payment(t, part, "authorised")
	w.cancels(t, part, map[string]any{"line": 2, "quantity": 1})
	w.settled(t, part)
	v := w.payment(t, part, "payment_done")
	require.Equal(t, "19.28", v.Captured)
	require.Equal(t, "14.28", v.Released)
	require.Zero(t, w.Payments.Payment(reference).Refunded)
	require.EqualValues(t, 1928, w.balance(t, part, "processor_clearing"))
	w.requireSound(t)
}

func TestACaptureThatTheBankDeclinesIsPaidElsewhere(t *testing.T) {
	t.Parallel()
	w := tills(t, catalog.CaptureShipment, slowly("acme"))
	w.startWorker(t, 5*time.Second)
	w.Payments.SetManner(stage.Card, paymentsim.Manner{DeclineCapture: "insufficient_funds"})
	key, _ := w.pays(t, "declined", false, "acme-mug")
	v := w.payment(t, key, "payment_due")
	require.Contains(t, v.Attention[0].Text, "insufficient_funds")
	w.settled(t, key)
	require.EqualValues(t, 1928, w.balance(t, key, "customer_receivable"), "named by a claim: the order closes all the same")
	w.requireSound(t)
	for range 2 {
		w.decides(t, key, map[string]any{"request_id": "d-1", "decision": "paid_elsewhere", "reference": "wire-1"})
	}
	w.payment(t, key, "payment_void")
	require.Zero(t, w.balance(t, key, "customer_receivable"))
	require.EqualValues(t, 1928, w.balance(t, key, "bank"))
	w.requireSound(t)
}

func TestARefundThatFailsDaysLaterIsPaidElsewhere(t *testing.T) {
	t.Parallel()
	w := tills(t, catalog.CaptureOrder, slowly("acme"))
	w.startWorker(t, 5*time.Second)
	key, reference := w.pays(t, "comes-back", true, "acme-mug")
	w.cancels(t, key)
	w.settled(t, key)
	refunds := w.Payments.Refunds(reference)
	require.Len(t, refunds, 1)
	w.payment(t, key, "taken")
	require.True(t, w.Payments.SettleRefund(refunds[0].Reference, "expired_or_canceled_card"))
	w.payment(t, key, "refund_due")
	v, err := w.PaymentBecomes(patience(t), key, func(v *orderview.Payment) bool { return v.NeedsAttention })
	require.NoError(t, err)
	require.Contains(t, v.Attention[0].Text, "expired_or_canceled_card")
	w.decides(t, key, map[string]any{"request_id": "d-1", "decision": "paid_elsewhere", "reference": "wire-1"})
	w.payment(t, key, "payment_done")
	require.EqualValues(t, -1928, w.balance(t, key, "bank"))
	w.balanced(t, key)
}

func TestAChargebackAfterTheDeliveryIsAnsweredAndLost(t *testing.T) {
	t.Parallel()
	w := tills(t, catalog.CaptureOrder, prompt("acme", suppliersim.AckInResponse))
	w.startWorker(t, 5*time.Second)
	key, reference := w.pays(t, "disputed", true, "acme-mug")
	w.settled(t, key)
	dispute := w.Payments.OpenDispute(reference, "product_not_received")
	require.NoError(t, w.Payments.Await(patience(t), func() bool { return len(w.Payments.Dispute(dispute).Evidence) > 0 }))
	var proof struct {
		Document string `json:"document"`
	}
	status, err := w.Call(t.Context(), http.MethodGet, "/v1/orders/"+key.String()+"/evidence", nil, &proof)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, proof.Document, "delivered on")
	require.Contains(t, proof.Document, "Shipped to: 10115 Berlin DE")
	require.NotContains(t, proof.Document, "Hauptstr")
	require.True(t, w.Payments.CloseDispute(dispute, false))
	w.payment(t, key, "payment_done")
	require.EqualValues(t, 1928, w.balance(t, key, "losses"))
	require.EqualValues(t, 1500, w.balance(t, key, "payment_fees"))
	w.balanced(t, key)
}

func TestAChargebackBeforeTheShipmentStopsIt(t *testing.T) {
	t.Parallel()
	silent := prompt("acme", suppliersim.AckInResponse)
	silent.Manner.Ship.Never = true
	w := tills(t, catalog.CaptureOrder, silent)
	w.startWorker(t, 5*time.Second)
	key, reference := w.pays(t, "stopped", true, "acme-mug")
	w.Payments.Double(2)
	dispute := w.Payments.OpenDispute(reference, "fraudulent")
	w.settled(t, key)
	require.Empty(t, w.Payments.Refunds(reference), "the bank has the money: a refund would pay twice")
	w.requireSound(t)
	require.True(t, w.Payments.CloseDispute(dispute, false))
	w.payment(t, key, "payment_done")
	require.Zero(t, w.balance(t, key, "losses"), "nothing was sent, and the customer has the price back from the bank")
	w.balanced(t, key)
}
