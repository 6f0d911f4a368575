package stripe_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/payment/stripe"
	"github.com/dropline/dropline/internal/sim/paymentsim"
	"github.com/dropline/dropline/internal/webhook"
)

var told = time.Unix(1_772_452_800, 0).UTC()

func eventOf(kind, object string) string {
	return `{"id":"evt_1","object":"event","type":"` + kind + `","created":1772452800,"data":{"object":` + object + `}}`
}

const (
	refundObject  = `{"id":"re_1","status":"failed","failure_reason":"expired_or_canceled_card","amount":300,"currency":"eur","created":1760000000,"payment_intent":"pi_1"}`
	disputeObject = `{"id":"dp_1","status":"needs_response","amount":900,"currency":"eur","reason":"fraudulent","payment_intent":"pi_1",
		"evidence_details":{"due_by":1773000000},"balance_transactions":[{"amount":-900,"fee":1500,"currency":"eur"}]}`
)

func TestEventsAreReadAsWhatTheyMean(t *testing.T) {
	t.Parallel()
	refund := payment.Event{
		ID: "evt_1", Kind: payment.EventRefundChanged, At: told, Payment: "pi_1",
		Refund: payment.RefundReceipt{Reference: "re_1", Status: payment.RefundFailed, At: told, Reason: "expired_or_canceled_card"},
	}
	dispute := payment.Dispute{Reference: "dp_1", Amount: 900, Currency: "EUR", Fee: 1500, Reason: "fraudulent", EvidenceBy: time.Unix(1_773_000_000, 0).UTC()}
	won := dispute
	won.Won = true
	standing := payment.Payment{Reference: "pi_1", Status: payment.Voided, Currency: "EUR", Authorised: 1001}
	for name, c := range map[string]struct {
		body string
		want *payment.Event
	}{
		"refund failed":   {eventOf("refund.failed", refundObject), &refund},
		"refund updated":  {eventOf("refund.updated", refundObject), &refund},
		"by its old name": {eventOf("charge.refund.updated", refundObject), &refund},
		"payment voided": {
			eventOf("payment_intent.canceled", voided),
			&payment.Event{ID: "evt_1", Kind: payment.EventPaymentChanged, At: told, Payment: "pi_1", Standing: standing},
		},
		"dispute opened": {
			eventOf("charge.dispute.created", disputeObject),
			&payment.Event{ID: "evt_1", Kind: payment.EventDisputeOpened, At: told, Payment: "pi_1", Dispute: dispute},
		},
		"dispute lost": {
			eventOf("charge.dispute.closed", strings.Replace(disputeObject, "needs_response", "lost", 1)),
			&payment.Event{ID: "evt_1", Kind: payment.EventDisputeClosed, At: told, Payment: "pi_1", Dispute: dispute},
		},
		"dispute won": {
			eventOf("charge.dispute.closed", strings.Replace(disputeObject, "needs_response", "won", 1)),
			&payment.Event{ID: "evt_1", Kind: payment.EventDisputeClosed, At: told, Payment: "pi_1", Dispute: won},
		},
		"inquiry":                 {eventOf("charge.dispute.created", strings.Replace(disputeObject, "needs_response", "warning_needs_response", 1)), nil},
		"inquiry ended":           {eventOf("charge.dispute.closed", strings.Replace(disputeObject, "needs_response", "warning_closed", 1)), nil},
		"evidence under review":   {eventOf("charge.dispute.updated", strings.Replace(disputeObject, "needs_response", "under_review", 1)), nil},
		"funds went":              {eventOf("charge.dispute.funds_withdrawn", disputeObject), nil},
		"funds came back":         {eventOf("charge.dispute.funds_reinstated", disputeObject), nil},
		"payment still processed": {eventOf("payment_intent.succeeded", `{"id":"pi_1","status":"processing"}`), nil},
		"somebody else's":         {eventOf("customer.created", `{"name":"Pat Miller"}`), nil},
		"inquiry that became a dispute": {
			strings.Replace(eventOf("charge.dispute.updated", disputeObject), `"data":{`, `"data":{"previous_attributes":{"status":"warning_under_review"},`, 1),
			&payment.Event{ID: "evt_1", Kind: payment.EventDisputeOpened, At: told, Payment: "pi_1", Dispute: dispute},
		},
	} {
		got, err := stripe.ParseEvent([]byte(c.body))
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
}

func TestEventThatCannotBeReadIsMalformedAndRepeatsNothingOfItself(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		``, `[]`, `"Pat Miller"`, `{"type":"refund.failed"}`, `{"id":"evt_1","type":"refund.failed","created":-1}`,
		`{"id":"evt 1","type":"refund.failed","created":1}`, `{"id":"evt_1","type":"refund.failed","created":99999999999999}`,
		eventOf("refund.failed", `"Pat Miller"`), eventOf("refund.failed", strings.Replace(refundObject, "pi_1", "", 1)),
		eventOf("refund.failed", strings.Replace(refundObject, "failed", "Pat Miller", 1)),
		eventOf("payment_intent.succeeded", `{"id":"pi_1","status":"succeeded","amount":1.5,"currency":"eur"}`),
		eventOf("payment_intent.succeeded", `{"id":"pi_1","status":"Pat Miller","amount":1,"currency":"eur"}`),
		eventOf("charge.dispute.created", strings.Replace(disputeObject, "900", "-900", 1)),
		eventOf("charge.dispute.created", strings.Replace(disputeObject, "eur", "Miller", 1)),
		eventOf("charge.dispute.closed", disputeObject),
	} {
		got, err := stripe.ParseEvent([]byte(body))
		require.ErrorIs(t, err, stripe.ErrMalformed, body)
		require.Nil(t, got)
		require.NotContains(t, err.Error(), "Pat Miller")
	}
}

// Everything that the simulated provider tells of in a life can be verified and read.
func TestEventsOfALifeAreReadable(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	held, err := c.Authorise(t.Context(), authorisation("a", 900))
	require.NoError(t, err)
	_, err = c.Capture(t.Context(), payment.Capture{Key: "c", Reference: held.Reference, Amount: 900, Currency: "EUR"})
	require.NoError(t, err)
	sim.SetManner("pm_good", paymentsim.Manner{RefundsPend: true})
	receipt, err := c.Refund(t.Context(), payment.Refund{Key: "r", Reference: held.Reference, Amount: 100, Currency: "EUR"})
	require.NoError(t, err)
	require.Equal(t, payment.RefundPending, receipt.Status)
	require.True(t, sim.SettleRefund(receipt.Reference, ""))
	sim.CloseDispute(sim.OpenDispute(held.Reference, "product_not_received"), false)
	require.True(t, sim.Expire(sim.Pay(paymentsim.Checkout{Amount: 100, Currency: "EUR"})))

	var kinds []payment.EventKind
	for _, e := range sim.Events() {
		header := paymentsim.Signature([]string{"old", "new"}, e.Body, told)
		require.NoError(t, webhook.Verify([]string{"new"}, header, e.Body, told.Add(4*time.Minute), webhook.DefaultTolerance))
		require.ErrorIs(t, webhook.Verify([]string{"new"}, header, e.Body, told.Add(6*time.Minute), webhook.DefaultTolerance), webhook.ErrStale)
		require.ErrorIs(t, webhook.Verify([]string{"other"}, header, e.Body, told, webhook.DefaultTolerance), webhook.ErrMismatch)
		read, err := stripe.ParseEvent(e.Body)
		require.NoError(t, err, e.Type)
		if read != nil {
			require.Equal(t, e.ID, read.ID)
			kinds = append(kinds, read.Kind)
		}
	}
	require.Equal(t, []payment.EventKind{
		payment.EventPaymentChanged, payment.EventPaymentChanged, payment.EventRefundChanged,
		payment.EventDisputeOpened, payment.EventDisputeClosed, payment.EventPaymentChanged,
	}, kinds)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, sim.Delivered(ctx))
}
