package stripe_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/payment/stripe"
	"github.com/dropline/dropline/internal/sim/paymentsim"
)

// clock is the provider's, moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func movements(t *testing.T, c *stripe.Client, from, until time.Time) (all []payment.Movement) {
	t.Helper()
	cursor := ""
	for {
		page, next, err := c.Movements(t.Context(), from, until, cursor)
		require.NoError(t, err)
		all = append(all, page...)
		if next == "" {
			return all
		}
		require.NotEqual(t, cursor, next)
		cursor = next
	}
}

func TestMovementsTellTheProvidersBookOldestFirst(t *testing.T) {
	t.Parallel()
	watch := &clock{now: noon}
	sim, err := paymentsim.Start(paymentsim.Config{SecretKey: "sk_test", Storefront: "shop", FeeBP: 100, FeeFixed: 25, DisputeFee: 1500, Now: watch.Now})
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	c := connect(t, sim.URL(), 0)
	first := sim.Pay(paymentsim.Checkout{Amount: 10_000, Currency: "EUR"})
	_, err = c.Capture(t.Context(), payment.Capture{Key: "c", Reference: first, Amount: 8_000, Currency: "EUR"})
	require.NoError(t, err)
	watch.advance(90 * time.Minute)
	second := sim.Pay(paymentsim.Checkout{Amount: 5_000, Currency: "EUR", Captured: true})
	receipt, err := c.Refund(t.Context(), payment.Refund{Key: "r", Reference: first, Amount: 1_000, Currency: "EUR"})
	require.NoError(t, err)
	watch.advance(5 * time.Hour)
	require.True(t, sim.SettleRefund(receipt.Reference, "lost_or_stolen_card"))
	dispute := sim.OpenDispute(second, "fraudulent")
	require.True(t, sim.CloseDispute(dispute, true))
	sim.Enter(paymentsim.Transaction{Kind: "payout", Currency: "EUR", Amount: -9_000})

	m := func(kind payment.MovementKind, p, reference string, amount, fee int64, at time.Duration) payment.Movement {
		return payment.Movement{Kind: kind, Payment: p, Reference: reference, Currency: "EUR", Amount: amount, Fee: fee, FeeCurrency: "EUR", At: noon.Add(at)}
	}
	want := []payment.Movement{
		m(payment.MovedCapture, first, first, 10_000, 105, 0),
		m(payment.MovedCaptureReduced, first, first, -2_000, 0, 0),
		m(payment.MovedCapture, second, second, 5_000, 75, 90*time.Minute),
		m(payment.MovedRefund, first, receipt.Reference, -1_000, 0, 90*time.Minute),
		m(payment.MovedRefundFailed, first, receipt.Reference, 1_000, 0, 390*time.Minute),
		m(payment.MovedDispute, second, dispute, -5_000, 1500, 390*time.Minute),
		m(payment.MovedDisputeReversed, second, dispute, 5_000, 0, 390*time.Minute),
	}
	seen := map[string]bool{}
	got := movements(t, c, noon, noon.Add(24*time.Hour))
	for i := range got {
		require.False(t, seen[got[i].ID])
		seen[got[i].ID] = true
		got[i].ID = ""
	}
	require.Equal(t, want, got)
	require.Len(t, movements(t, c, noon.Add(time.Second), noon.Add(2*time.Hour)), 2, "from is in, until is out")
	require.Empty(t, movements(t, c, noon, noon))
}

func TestMovementsGoThroughEveryPage(t *testing.T) {
	t.Parallel()
	watch := &clock{now: noon}
	sim, err := paymentsim.Start(paymentsim.Config{SecretKey: "sk_test", Storefront: "shop", Now: watch.Now})
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	for range 250 {
		sim.Pay(paymentsim.Checkout{Amount: 100, Currency: "EUR", Captured: true})
	}
	all := movements(t, connect(t, sim.URL(), 0), noon, noon.Add(time.Minute))
	require.Len(t, all, 250)
	for i, p := range sim.Payments() {
		require.Equal(t, p.Reference, all[i].Payment)
	}
}

// What an order is about is what the customer paid; the account may be kept in another currency.
func TestMovementIsInTheCustomersCurrency(t *testing.T) {
	t.Parallel()
	const list = `{"data":[
		{"id":"txn_3","amount":-1080,"fee":0,"currency":"usd","created":1772452802,"reporting_category":"refund",
			"source":{"id":"re_1","object":"refund","amount":1000,"currency":"eur","payment_intent":"pi_1"}},
		{"id":"txn_2","amount":-2160,"fee":0,"currency":"usd","created":1772452801,"reporting_category":"partial_capture_reversal",
			"source":{"id":"ch_1","object":"charge","amount":10000,"amount_captured":8000,"currency":"eur","payment_intent":"pi_1"}},
		{"id":"txn_1","amount":10800,"fee":340,"currency":"usd","created":1772452800,"reporting_category":"charge",
			"source":{"id":"ch_1","object":"charge","amount":10000,"amount_captured":8000,"currency":"eur","payment_intent":{"id":"pi_1"}}},
		{"id":"txn_0","amount":500,"fee":0,"currency":"usd","created":1772452799,"reporting_category":"charge","source":"ch_0"}
	],"has_more":false}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, list) }))
	t.Cleanup(server.Close)
	page, next, err := connect(t, server.URL, 0).Movements(t.Context(), noon, noon.Add(time.Minute), "")
	require.NoError(t, err)
	require.Empty(t, next)
	var told []string
	for _, m := range page {
		told = append(told, fmt.Sprintf("%s %s %s %d %s fee %d %s", m.ID, m.Kind, m.Payment, m.Amount, m.Currency, m.Fee, m.FeeCurrency))
	}
	require.Equal(t, []string{
		"txn_0 capture ch_0 500 USD fee 0 USD",
		"txn_1 capture pi_1 10000 EUR fee 340 USD",
		"txn_2 capture_reduced pi_1 -2000 EUR fee 0 USD",
		"txn_3 refund pi_1 -1000 EUR fee 0 USD",
	}, told)
}

func TestListWithoutAnEndIsRefused(t *testing.T) {
	t.Parallel()
	for _, list := range []string{
		`{"data":[],"has_more":true}`,
		`{"data":[{"id":"txn_1","reporting_category":"payout"}],"has_more":true}`,
		`{"data":[{"id":"txn_1","reporting_category":"charge","amount":1,"currency":"eur"}],"has_more":false}`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, list) }))
		t.Cleanup(server.Close)
		_, _, err := connect(t, server.URL, 0).Movements(t.Context(), noon, noon.Add(time.Minute), "")
		require.ErrorIs(t, err, payment.ErrRefused)
	}
	_, _, err := connect(t, "http://127.0.0.1:1", 0).Movements(t.Context(), noon, noon.Add(time.Minute), "txn_1")
	require.ErrorIs(t, err, payment.ErrRefused)
}
