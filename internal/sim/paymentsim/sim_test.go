package paymentsim_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/sim/paymentsim"
	"github.com/dropline/dropline/internal/webhook"
)

func start(t *testing.T, c paymentsim.Config) *paymentsim.Server {
	t.Helper()
	c.Storefront = "shop"
	sim, err := paymentsim.Start(c)
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	return sim
}

// ask posts a form under an idempotency key.
func ask(t *testing.T, sim *paymentsim.Server, path, key string, form url.Values) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, sim.URL()+path, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Idempotency-Key", key)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var said map[string]any
	require.NoError(t, json.NewDecoder(response.Body).Decode(&said))
	if failure, is := said["error"].(map[string]any); is {
		said = failure
	}
	return response.StatusCode, said
}

func TestBookAddsUpToWhatEachPaymentSays(t *testing.T) {
	t.Parallel()
	sim := start(t, paymentsim.Config{FeeBP: 100, FeeFixed: 25, DisputeFee: 1500})
	sim.SetManner("pm_bad", paymentsim.Manner{RefundsFail: "lost_or_stolen_card", RefundsPend: true, RefundsAfter: time.Millisecond})
	held := sim.Pay(paymentsim.Checkout{Amount: 1_000, Currency: "EUR"})
	status, _ := ask(t, sim, "/v1/payment_intents/"+held+"/capture", "c", url.Values{"amount_to_capture": {"800"}})
	require.Equal(t, http.StatusOK, status)
	kept := sim.Pay(paymentsim.Checkout{Method: "pm_bad", Amount: 2_000, Currency: "EUR", Captured: true})
	ask(t, sim, "/v1/refunds", "r", url.Values{"payment_intent": {kept}, "amount": {"500"}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, sim.Await(ctx, func() bool { return sim.Refunds(kept)[0].Status == "failed" }))
	sim.OpenDispute(held, "fraudulent")
	require.Equal(t, map[string]int64{"EUR": 2_000}, sim.Balance(), "800 were taken back by the bank, 500 came back")
	require.Zero(t, sim.Payment(kept).Refunded)
	var fees int64
	for _, entry := range sim.Book() {
		fees += entry.Fee
	}
	require.EqualValues(t, 33+45+1500, fees)
}

func TestMoneyIsNotGivenBackTwiceOrWhileItIsDisputed(t *testing.T) {
	t.Parallel()
	sim := start(t, paymentsim.Config{})
	paid := sim.Pay(paymentsim.Checkout{Amount: 1_000, Currency: "EUR", Captured: true})
	refund := func(key, amount string) string {
		_, said := ask(t, sim, "/v1/refunds", key, url.Values{"payment_intent": {paid}, "amount": {amount}})
		code, _ := said["code"].(string)
		return code
	}
	require.Equal(t, "amount_too_large", refund("a", "1001"))
	require.Empty(t, refund("b", "600"))
	dispute := sim.OpenDispute(paid, "fraudulent")
	require.EqualValues(t, 400, sim.Dispute(dispute).Amount)
	require.Equal(t, "charge_disputed", refund("c", "400"))
	require.True(t, sim.CloseDispute(dispute, true))
	require.False(t, sim.CloseDispute(dispute, false), "decided is decided")
	require.Empty(t, refund("d", "400"))
	require.Equal(t, "charge_already_refunded", refund("e", "1"))
	require.Equal(t, map[string]int64{"EUR": 0}, sim.Balance())
}

func TestKeyIsAnsweredTheSameAndForNothingElse(t *testing.T) {
	t.Parallel()
	sim := start(t, paymentsim.Config{})
	held := sim.Pay(paymentsim.Checkout{Amount: 1_000, Currency: "EUR"})
	for range 3 {
		status, said := ask(t, sim, "/v1/payment_intents/"+held+"/cancel", "v", nil)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "canceled", said["status"])
	}
	require.Equal(t, 2, sim.Repeats("v"))
	status, said := ask(t, sim, "/v1/payment_intents/"+held+"/cancel", "v", url.Values{"cancellation_reason": {"duplicate"}})
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "idempotency_error", said["type"])
	require.Equal(t, 1, sim.Conflicts())
}

// inbox is a gateway that refuses every webhook once before it takes it.
type inbox struct {
	mu    sync.Mutex
	tries map[string]int
	taken []string
	bad   int
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var e struct{ ID, Type string }
	_ = json.Unmarshal(body, &e)
	i.mu.Lock()
	defer i.mu.Unlock()
	if webhook.Verify([]string{"new"}, r.Header.Get("Stripe-Signature"), body, time.Now(), time.Minute) != nil || r.URL.Path != "/v1/webhooks/payments/shop" {
		i.bad++
	}
	if i.tries[e.ID]++; i.tries[e.ID] == 1 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	i.taken = append(i.taken, e.Type)
}

func TestWebhooksAreSignedRetriedDoubledAndTurnedAround(t *testing.T) {
	t.Parallel()
	to := &inbox{tries: map[string]int{}}
	gateway := httptest.NewServer(to)
	t.Cleanup(gateway.Close)
	sim := start(t, paymentsim.Config{Gateway: gateway.URL, WebhookSecrets: []string{"old", "new"}, Retry: time.Millisecond})
	sim.Hold()
	sim.Double(2)
	paid := sim.Pay(paymentsim.Checkout{Amount: 1_000, Currency: "EUR", Captured: true})
	sim.RefundByHand(paid, 100)
	require.Empty(t, to.taken)
	sim.Release(true)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, sim.Delivered(ctx))
	require.Equal(t, []string{"refund.created", "refund.created", "payment_intent.succeeded", "payment_intent.succeeded"}, to.taken)
	require.Zero(t, to.bad)
}

func TestHoldEndsWithItsTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	sim := start(t, paymentsim.Config{HoldFor: time.Hour, Now: func() time.Time { return now }})
	held := sim.Pay(paymentsim.Checkout{Amount: 1_000, Currency: "EUR"})
	now = now.Add(time.Hour)
	status, said := ask(t, sim, "/v1/payment_intents/"+held+"/capture", "c", nil)
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "charge_expired_for_capture", said["code"])
	require.Equal(t, "canceled", sim.Payment(held).Status)
	require.False(t, sim.Expire(held))
}
