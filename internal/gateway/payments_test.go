package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/sim/paymentsim"
)

const paymentEvent = `{"id": "evt_1", "type": "refund.failed", "created": 1772452800, "data": {"object": {"id": "re_1"}}}`

// payment delivers a genuine event of the shop's payment provider; headers change it.
func (f *fixture) payment(body string, headers ...string) answer {
	f.t.Helper()
	genuine := []string{"Stripe-Signature", paymentsim.Signature([]string{secret}, []byte(body), time.Now())}
	return f.do(http.MethodPost, "/v1/webhooks/payments/shop", "", body, append(genuine, headers...)...)
}

func TestPaymentEventIsCommittedRawOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, want := range []string{`{"result": "stored"}`, `{"result": "repeat"}`, `{"result": "repeat"}`} {
		got := f.payment(paymentEvent, "Content-Type", "application/json; charset=utf-8")
		require.Equal(t, http.StatusAccepted, got.StatusCode, got.body)
		require.JSONEq(t, want, got.body)
	}
	require.Equal(t, 1, f.count(`SELECT count(*) FROM documents WHERE source = 'payments/shop' AND kind = 'payment_event'
		AND natural_key = 'evt_1' AND body = $1 AND status = 'received'`, []byte(paymentEvent)))
	got := f.payment(strings.Replace(paymentEvent, "re_1", "re_2", 1))
	require.Equal(t, http.StatusAccepted, got.StatusCode)
	require.Equal(t, 1, f.count(`SELECT count(*) FROM documents WHERE status = 'quarantined'`), "the same event with other content is for a person")
}

func TestForgedPaymentEventsAreRefusedAlikeAndLeaveNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	sign := func(secret, body string, at time.Time) string {
		return paymentsim.Signature([]string{secret}, []byte(body), at)
	}
	now := time.Now()
	bare := func(a answer) string {
		require.Equal(t, http.StatusUnauthorized, a.StatusCode, a.body)
		return strings.Replace(a.body, a.Header.Get("X-Request-ID"), "", 1)
	}
	want := bare(f.payment(paymentEvent, "Stripe-Signature", ""))
	require.Contains(t, want, "bad_signature")
	for name, got := range map[string]answer{
		"wrong secret":          f.payment(paymentEvent, "Stripe-Signature", sign("x", paymentEvent, now)),
		"another storefront's":  f.payment(paymentEvent, "Stripe-Signature", sign("other_secret", paymentEvent, now)),
		"empty secret":          f.payment(paymentEvent, "Stripe-Signature", sign("", paymentEvent, now)),
		"one character changed": f.payment(strings.Replace(paymentEvent, "re_1", "re_2", 1), "Stripe-Signature", sign(secret, paymentEvent, now)),
		"only the old scheme":   f.payment(paymentEvent, "Stripe-Signature", strings.Replace(sign(secret, paymentEvent, now), "v1=", "v0=", 1)),
		"forged and stale":      f.payment(paymentEvent, "Stripe-Signature", sign("x", paymentEvent, now.Add(-time.Hour))),
		"huge":                  f.payment(paymentEvent, "Stripe-Signature", strings.Repeat("v1=00,", 1000)),
		"an API key":            f.do(http.MethodPost, "/v1/webhooks/payments/shop", f.operator, paymentEvent),
		"a supplier's header":   f.payment(paymentEvent, "Stripe-Signature", "", "Dropline-Signature", sign(secret, paymentEvent, now)),
		"unknown storefront": f.do(http.MethodPost, "/v1/webhooks/payments/nowhere", "", paymentEvent,
			"Stripe-Signature", sign(secret, paymentEvent, now)),
		"unsigned garbage": f.payment(`{`, "Stripe-Signature", ""),
	} {
		require.Equal(t, want, bare(got), name)
	}
	for _, away := range []time.Duration{-6 * time.Minute, 6 * time.Minute} {
		require.Equal(t, "stale_delivery", f.payment(paymentEvent, "Stripe-Signature", sign(secret, paymentEvent, now.Add(away))).problem(t).Code)
	}
	require.Zero(t, f.count(`SELECT count(*) FROM documents`))
}

func TestPaymentEventThatNobodyReadsIsNotKept(t *testing.T) {
	t.Parallel()
	f := setup(t)
	got := f.payment(`{"id": "evt_1", "type": "customer.updated", "created": 1, "data": {"object": {"email": "pat@example.com"}}}`)
	require.JSONEq(t, `{"result": "ignored"}`, got.body)
	require.Zero(t, f.count(`SELECT count(*) FROM documents`))
	for _, garbage := range []string{`{}`, `[]`, `{"type": 7}`, `{"id": "evt_2", "type": "refund.failed"}`} {
		require.JSONEq(t, `{"result": "stored"}`, f.payment(garbage).body, "what was signed and cannot be read waits for a person")
	}
	require.Equal(t, 4, f.count(`SELECT count(*) FROM documents WHERE status = 'received'`))
	require.Equal(t, http.StatusBadRequest, f.payment(`{"id": `).StatusCode)
}

func TestFloodOfAPaymentProviderIsSlowed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	f := setup(t, func(c *gateway.Config) {
		c.PartnerRate = gateway.Rate{PerSecond: 1, Burst: 1}
		c.Now = func() time.Time { return now }
	})
	require.Equal(t, http.StatusAccepted, f.payment(paymentEvent).StatusCode)
	require.Equal(t, http.StatusTooManyRequests, f.payment(paymentEvent).StatusCode)
	require.Equal(t, http.StatusAccepted, f.event("supplier/acme", `{"id": "e"}`).StatusCode)
}

// The provider's own webhooks arrive through all its habits: two secrets, each event twice, the last first.
func TestSimulatedProvidersWebhooksAreTaken(t *testing.T) {
	t.Parallel()
	f := setup(t)
	sim, err := paymentsim.Start(paymentsim.Config{
		Storefront: "shop", Gateway: "http://" + served(t, f.handler), WebhookSecrets: []string{"newer", secret},
	})
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	sim.Double(2)
	sim.Hold()
	sim.SetManner("pm_slow", paymentsim.Manner{RefundsPend: true})
	paid := sim.Pay(paymentsim.Checkout{Method: "pm_slow", Amount: 900, Currency: "EUR", Captured: true})
	sim.SettleRefund(sim.RefundByHand(paid, 300), "lost_or_stolen_card")
	sim.Release(true)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, sim.Delivered(ctx))
	require.Len(t, sim.Events(), 4) // captured, refund created (read by nobody), failed, updated
	require.Equal(t, 3, f.count(`SELECT count(*) FROM documents WHERE source = 'payments/shop'`))
}
