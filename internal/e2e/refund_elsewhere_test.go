package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
)

// The step rests for a minute and more after each refusal; the decision wakes it.
func TestARefundThatItsStorefrontRefusesIsPaidElsewhereAndTheOrderCloses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slowly("acme"))
	w.Storefront.Script(storefrontsim.Refunds, storefrontsim.Refused, 5, 0)
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "refused", "acme-mug")
	w.cancels(t, key)
	decision := map[string]any{"request_id": "e-1", "refund": "refund/" + key.String() + "/1", "reference": "wire-1", "reason": "refused"}
	decide := func() int {
		status, err := w.Call(t.Context(), http.MethodPost, "/v1/orders/"+key.String()+"/refunds/elsewhere", decision, nil)
		require.NoError(t, err)
		return status
	}
	// Until the storefront has refused and a person was called, there is nothing to decide.
	require.Eventually(t, func() bool { return decide() == http.StatusOK }, patient, 50*time.Millisecond, "note that the refund of %s was paid", key)
	require.Equal(t, http.StatusOK, decide(), "a repeat is harmless")

	decided := time.Now()
	w.settled(t, key)
	require.Less(t, time.Since(decided), 30*time.Second, "its rest was waited for")
	require.Eventually(t, func() bool { return w.Storefront.RefundedElsewhere(key.Order)["EUR"] > 0 }, patient, 50*time.Millisecond, "the storefront is told")

	var v orderview.View
	_, err := w.Call(t.Context(), http.MethodGet, "/v1/orders/"+key.String(), nil, &v)
	require.NoError(t, err)
	require.Len(t, v.Refunds, 1)
	require.Equal(t, "done", v.Refunds[0].State)
	require.Equal(t, "wire-1", v.Refunds[0].Elsewhere.Reference)
	require.Empty(t, v.Attention)
	require.Empty(t, w.Storefront.Refunded(key.Order))
	require.Zero(t, w.balance(t, key, "customer_deposits"))
	require.Equal(t, w.balance(t, key, "processor_clearing"), -w.balance(t, key, "bank"), "all was paid back, and the storefront still holds it")
	w.requireSound(t)
}
