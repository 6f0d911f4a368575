package stripe_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/outbound"
	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/payment/stripe"
	"github.com/dropline/dropline/internal/sim/paymentsim"
)

func setup(t *testing.T, timeout time.Duration) (*paymentsim.Server, *stripe.Client) {
	t.Helper()
	sim, err := paymentsim.Start(paymentsim.Config{SecretKey: "sk_test", Storefront: "shop", FeeBP: 150, FeeFixed: 25, DisputeFee: 1500})
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	return sim, connect(t, sim.URL(), timeout)
}

func connect(t *testing.T, address string, timeout time.Duration) *stripe.Client {
	t.Helper()
	c, err := stripe.New(stripe.Config{Storefront: "shop", BaseURL: address, SecretKey: "sk_test", Timeout: timeout})
	require.NoError(t, err)
	return c
}

func authorisation(key string, amount int64) payment.Authorisation {
	return payment.Authorisation{Key: key, Method: "pm_good", Customer: "cus_1", Amount: amount, Currency: "EUR"}
}

func TestPaymentIsHeldCapturedInPartAndRefunded(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	held, err := c.Authorise(t.Context(), authorisation("a1", 10_000))
	require.NoError(t, err)
	require.Equal(t, payment.Authorised, held.Status)
	require.Equal(t, int64(10_000), held.Authorised)
	require.WithinDuration(t, time.Now().Add(7*24*time.Hour), held.ExpiresAt, time.Minute)

	taken, err := c.Capture(t.Context(), payment.Capture{Key: "c1", Reference: held.Reference, Amount: 7_500, Currency: "EUR"})
	require.NoError(t, err)
	require.Equal(t, payment.Payment{Reference: held.Reference, Status: payment.Captured, Currency: "EUR", Authorised: 10_000, Captured: 7_500}, taken)

	receipt, err := c.Refund(t.Context(), payment.Refund{Key: "r1", Reference: held.Reference, Amount: 2_000, Currency: "EUR"})
	require.NoError(t, err)
	require.Equal(t, payment.RefundSucceeded, receipt.Status)
	require.Equal(t, sim.Refunds(held.Reference)[0].Reference, receipt.Reference)
	now, err := c.LookUp(t.Context(), held.Reference)
	require.NoError(t, err)
	require.Equal(t, int64(2_000), now.Refunded)
	require.Equal(t, map[string]int64{"EUR": 5_500}, sim.Balance())
	require.Zero(t, sim.Conflicts())
}

func TestDeclineIsRefusedAndNamesThePayment(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	sim.SetManner("pm_good", paymentsim.Manner{Decline: "insufficient_funds"})
	p, err := c.Authorise(t.Context(), authorisation("a1", 10_000))
	require.ErrorIs(t, err, payment.ErrRefused)
	var failure *payment.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, "insufficient_funds", failure.Code)
	require.Equal(t, payment.Declined, p.Status)
	require.Equal(t, sim.Payments()[0].Reference, p.Reference)
	later, err := c.LookUp(t.Context(), p.Reference)
	require.NoError(t, err)
	require.Equal(t, payment.Declined, later.Status)
}

func TestBankMayDeclineACapture(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	sim.SetManner("pm_moody", paymentsim.Manner{DeclineCapture: "generic_decline"})
	held := sim.Pay(paymentsim.Checkout{Method: "pm_moody", Amount: 500, Currency: "EUR"})
	_, err := c.Capture(t.Context(), payment.Capture{Key: "c1", Reference: held, Amount: 500, Currency: "EUR"})
	require.ErrorIs(t, err, payment.ErrRefused)
	require.Empty(t, sim.Book())
}

func TestCaptureOfAnExpiredHoldIsRefusedByName(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	held := sim.Pay(paymentsim.Checkout{Amount: 500, Currency: "EUR"})
	require.True(t, sim.Expire(held))
	_, err := c.Capture(t.Context(), payment.Capture{Key: "c1", Reference: held, Amount: 500, Currency: "EUR"})
	require.ErrorIs(t, err, payment.ErrRefused)
	var failure *payment.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, "charge_expired_for_capture", failure.Code)
	now, err := c.LookUp(t.Context(), held)
	require.NoError(t, err)
	require.Equal(t, payment.Voided, now.Status)
	require.True(t, now.ExpiresAt.IsZero())
}

func TestLostAnswerIsResolvedByTheSameKey(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	held := sim.Pay(paymentsim.Checkout{Amount: 900, Currency: "EUR"})
	sim.Script(paymentsim.Script{Operation: paymentsim.Capture, Fault: paymentsim.AnswerLost, Times: 3})
	sim.Script(paymentsim.Script{Operation: paymentsim.Refunds, Fault: paymentsim.AnswerLost, Times: 3})
	// The HTTP client itself repeats a keyed request on a connection that broke.
	until := func(call func() error) {
		for {
			err := call()
			if err == nil {
				return
			}
			require.ErrorIs(t, err, payment.ErrUnknown)
		}
	}
	until(func() error {
		_, err := c.Capture(t.Context(), payment.Capture{Key: "c1", Reference: held, Amount: 900, Currency: "EUR"})
		return err
	})
	until(func() error {
		_, err := c.Refund(t.Context(), payment.Refund{Key: "r1", Reference: held, Amount: 300, Currency: "EUR"})
		return err
	})
	require.Len(t, sim.Refunds(held), 1)
	require.Equal(t, map[string]int64{"EUR": 600}, sim.Balance())
}

// The provider forgets a key after a day; who asks again later must not pay twice.
func TestRepeatAfterTheProviderForgotTheKeyDoesNothingTwice(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	held := sim.Pay(paymentsim.Checkout{Amount: 900, Currency: "EUR"})
	other := sim.Pay(paymentsim.Checkout{Amount: 900, Currency: "EUR"})
	capture := payment.Capture{Key: "c1", Reference: held, Amount: 900, Currency: "EUR"}
	refund := payment.Refund{Key: "r1", Reference: held, Amount: 300, Currency: "EUR"}
	first, err := c.Capture(t.Context(), capture)
	require.NoError(t, err)
	receipt, err := c.Refund(t.Context(), refund)
	require.NoError(t, err)
	_, err = c.Void(t.Context(), "v1", other)
	require.NoError(t, err)
	sim.ForgetKeys()

	again, err := c.Capture(t.Context(), capture)
	require.NoError(t, err)
	require.Equal(t, first.Captured, again.Captured)
	same, err := c.Refund(t.Context(), refund)
	require.NoError(t, err)
	require.Equal(t, receipt, same)
	require.Len(t, sim.Refunds(held), 1)
	voided, err := c.Void(t.Context(), "v1", other)
	require.NoError(t, err)
	require.Equal(t, payment.Voided, voided.Status)

	capture.Key, capture.Amount = "c2", 800
	_, err = c.Capture(t.Context(), capture)
	require.ErrorIs(t, err, payment.ErrRefused, "another amount is another capture")
	capture.Key, capture.Reference = "c3", other
	_, err = c.Capture(t.Context(), capture)
	require.ErrorIs(t, err, payment.ErrRefused, "it was voided")
}

// A failure of the provider's own is kept for its key: only its books can tell what it left behind.
func TestKeptFailureIsSettledByLookingUp(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	done := sim.Pay(paymentsim.Checkout{Amount: 900, Currency: "EUR"})
	undone := sim.Pay(paymentsim.Checkout{Amount: 900, Currency: "EUR"})
	sim.Script(paymentsim.Script{Operation: paymentsim.Capture, About: done, Fault: paymentsim.FailsDone, Times: 1})
	sim.Script(paymentsim.Script{Operation: paymentsim.Capture, About: undone, Fault: paymentsim.FailsUndone, Times: 1})
	for reference, kind := range map[string]error{done: nil, undone: payment.ErrRefused} {
		capture := payment.Capture{Key: "c" + reference, Reference: reference, Amount: 900, Currency: "EUR"}
		_, err := c.Capture(t.Context(), capture)
		require.ErrorIs(t, err, payment.ErrUnknown)
		_, err = c.Capture(t.Context(), capture)
		require.ErrorIs(t, err, kind)
	}
}

func TestWhatWasNeverSentIsUnavailable(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	held := sim.Pay(paymentsim.Checkout{Amount: 900, Currency: "EUR", Captured: true})
	sim.Script(paymentsim.Script{Operation: paymentsim.LookUp, Fault: paymentsim.Broken, Times: 2})
	_, err := c.LookUp(t.Context(), held)
	require.ErrorIs(t, err, payment.ErrUnavailable, "a look does nothing")
	_, err = c.Refund(t.Context(), payment.Refund{Key: "r1", Reference: held, Amount: 300, Currency: "EUR"})
	require.ErrorIs(t, err, payment.ErrUnavailable, "the list came before the refund")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Void(ctx, "v1", held)
	require.ErrorIs(t, err, payment.ErrUnavailable)
	require.Empty(t, sim.Refunds(held))
}

func TestSlowProviderLeavesTheOutcomeUnknown(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 50*time.Millisecond)
	held := sim.Pay(paymentsim.Checkout{Amount: 900, Currency: "EUR"})
	sim.Script(paymentsim.Script{Operation: paymentsim.Capture, Fault: paymentsim.Slow, Delay: time.Minute, Times: 1})
	_, err := c.Capture(t.Context(), payment.Capture{Key: "c1", Reference: held, Amount: 900, Currency: "EUR"})
	require.ErrorIs(t, err, payment.ErrUnknown)
	require.Equal(t, int64(900), sim.Payment(held).Captured, "it had happened")
}

func TestKeyOfAnotherRequestIsRefused(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	held := sim.Pay(paymentsim.Checkout{Amount: 900, Currency: "EUR", Captured: true})
	_, err := c.Refund(t.Context(), payment.Refund{Key: "r1", Reference: held, Amount: 300, Currency: "EUR"})
	require.NoError(t, err)
	_, err = c.Refund(t.Context(), payment.Refund{Key: "r1", Reference: held, Amount: 301, Currency: "EUR"})
	require.ErrorIs(t, err, payment.ErrRefused)
	require.Len(t, sim.Refunds(held), 1)
	for _, key := range []string{"", strings.Repeat("k", 256)} {
		_, err = c.Void(t.Context(), key, held)
		require.ErrorIs(t, err, payment.ErrRefused)
	}
}

func TestEvidenceIsSubmittedOnce(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	held := sim.Pay(paymentsim.Checkout{Amount: 900, Currency: "EUR", Captured: true})
	dispute := sim.OpenDispute(held, "product_not_received")
	given := payment.Evidence{
		Key: "e1", Dispute: dispute, Carrier: "UPS", Tracking: "1Z", ShippedAt: time.Date(2026, 3, 2, 23, 0, 0, 0, time.UTC), Document: strings.Repeat("ä", 20_001),
	}
	require.NoError(t, c.SubmitEvidence(t.Context(), given))
	require.NoError(t, c.SubmitEvidence(t.Context(), given))
	require.Equal(t, map[string]string{
		"shipping_carrier": "UPS", "shipping_tracking_number": "1Z", "shipping_date": "2026-03-02", "uncategorized_text": strings.Repeat("ä", 20_000),
	}, sim.Dispute(dispute).Evidence)
	require.Equal(t, "under_review", sim.Dispute(dispute).Status)
	given.Key, given.Document = "e2", "more"
	require.NoError(t, c.SubmitEvidence(t.Context(), given), "the bank has our answer")
	require.NotEqual(t, "more", sim.Dispute(dispute).Evidence["uncategorized_text"])
	given.Key, given.Dispute = "e3", "dp_none"
	require.ErrorIs(t, c.SubmitEvidence(t.Context(), given), payment.ErrRefused)
}

// A redirect would carry the key, or the refund, to whoever it names.
func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) }))
		t.Cleanup(server.Close)
		_, err := connect(t, server.URL, 0).Void(t.Context(), "v1", "pi_1")
		require.ErrorIs(t, err, payment.ErrRefused, status)
	}
	require.Zero(t, elsewhere.Load())
}

func TestPrivateAddressIsRefusedByTheTransport(t *testing.T) {
	t.Parallel()
	sim, _ := setup(t, 0)
	c, err := stripe.New(stripe.Config{
		Storefront: "shop", BaseURL: sim.URL(), SecretKey: "sk_test", HTTP: &http.Client{Transport: outbound.Transport(false)},
	})
	require.NoError(t, err)
	_, err = c.LookUp(t.Context(), "pi_1")
	require.ErrorIs(t, err, payment.ErrUnavailable)
}

func TestEveryRequestIsAuthenticatedAndPinned(t *testing.T) {
	t.Parallel()
	seen := make(chan http.Header, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header }))
	t.Cleanup(server.Close)
	_, err := connect(t, server.URL, 0).Void(t.Context(), "v1", "pi_1")
	require.ErrorIs(t, err, payment.ErrUnknown, "an empty answer says nothing")
	header := <-seen
	require.Equal(t, "Bearer sk_test", header.Get("Authorization"))
	require.Equal(t, "v1", header.Get("Idempotency-Key"))
	require.Equal(t, "2026-07-29.dahlia", header.Get("Stripe-Version"))
	require.Equal(t, "application/x-www-form-urlencoded", header.Get("Content-Type"))
}

func TestReferenceCannotLeadThePathAstray(t *testing.T) {
	t.Parallel()
	_, c := setup(t, 0)
	for _, reference := range []string{"", "../refunds", "pi_1/cancel", "pi 1", "pi_1?x=1"} {
		_, err := c.LookUp(t.Context(), reference)
		require.ErrorIs(t, err, payment.ErrRefused)
		_, err = c.Void(t.Context(), "v", reference)
		require.ErrorIs(t, err, payment.ErrRefused)
		_, err = c.LookUpRefund(t.Context(), reference)
		require.ErrorIs(t, err, payment.ErrRefused)
		require.ErrorIs(t, c.SubmitEvidence(t.Context(), payment.Evidence{Key: "e", Dispute: reference}), payment.ErrRefused)
	}
}

func TestConfigurationIsJudged(t *testing.T) {
	t.Parallel()
	for _, c := range []stripe.Config{
		{Storefront: "shop", BaseURL: "https://api.example"},
		{Storefront: "shop", BaseURL: "api.example", SecretKey: "sk"},
		{Storefront: "shop", BaseURL: "ftp://api.example", SecretKey: "sk"},
	} {
		_, err := stripe.New(c)
		require.ErrorContains(t, err, "payments of shop")
	}
}
