package e2e

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/carriersim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
)

// liable is a world whose carrier answers for parcels up to 5.00, is reminded after two seconds and reported to a
// person after five.
func liable(t *testing.T, supplier stage.Supplier) *world {
	t.Helper()
	s, err := stage.Open(t.Context(), stage.Options{
		Suppliers: []stage.Supplier{supplier}, Mail: true,
		Liability: `{contact: claims@track.example, owner: logistics, max_liability: {EUR: "5.00"}, chase_after: [2s], escalate_after: 5s}`,
	})
	if errors.Is(err, stage.ErrNoServer) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return &world{s}
}

func (w *world) settleClaim(t *testing.T, reference string, body map[string]any) map[string]any {
	t.Helper()
	var answer map[string]any
	require.Eventually(t, func() bool {
		status, err := w.Call(t.Context(), http.MethodPost, "/v1/claims/"+reference+"/settle", body, &answer)
		return err == nil && status == http.StatusOK
	}, time.Minute, 100*time.Millisecond, "settle claim %s: %v", reference, answer)
	return answer
}

// TestACarrierThatLosesAParcelIsChasedAndFindsItAfterItHasPaidAPart: what is unpaid is withdrawn with a letter, and
// a person answers what was paid.
func TestACarrierThatLosesAParcelIsChasedAndFindsItAfterItHasPaidAPart(t *testing.T) {
	t.Parallel()
	acme := prompt("acme", suppliersim.AckInResponse)
	acme.Manner.Ship.Parcel = carriersim.DeclaredLost
	acme.Terms = "      transit_carrier: track"
	w := liable(t, acme)
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "gone", "acme-mug")
	w.settled(t, key)
	c := w.claim(t, "lost_parcel")
	require.Equal(t, []string{"5.00", "track", "logistics"}, []string{c.Amount, c.Partner, c.Owner}, "6.00, but no more than the carrier answers for")
	v := w.pursuitBecomes(t, c.Reference, claims.StageEscalated)
	require.Equal(t, []string{"", "track"}, []string{v.Supplier, v.Carrier})
	require.Len(t, v.Letters, 2, "asked, and reminded once")
	require.Equal(t, "lost", v.Parcels[0].Milestone)
	require.Equal(t, v.Parcels[0].FirstScan.AddDate(0, 0, 60), v.FileBy)
	w.settleClaim(t, c.Reference, map[string]any{"request_id": "s-1", "outcome": "paid", "amount": "2.00", "reason": "agreed"})

	w.Carrier.Find("dropex", v.Parcels[0].Tracking)
	require.Eventually(t, func() bool {
		status, err := w.Call(t.Context(), http.MethodGet, "/v1/claims/"+c.Reference, nil, &v)
		return err == nil && status == http.StatusOK && v.Open == "0.00" && v.Found == "2.00" && len(v.Letters) == 3
	}, time.Minute, 50*time.Millisecond, "the rest is withdrawn with a letter")
	require.True(t, v.NeedsAttention)
	require.Zero(t, w.balance(t, key, "carrier_claims:track"))
	w.settleClaim(t, c.Reference, map[string]any{"request_id": "s-2", "outcome": "repaid", "reason": "parcel_found"})
	w.pursuitBecomes(t, c.Reference, claims.StageSettled)
	require.Zero(t, w.balance(t, key, "bank"))
	require.EqualValues(t, 600, w.balance(t, key, "cost_of_goods"))
	w.requireSound(t)
}

// TestALabelsSellerThatLosesTheReturnOwesTheGoods: the supplier never had them, and the customer is paid.
func TestALabelsSellerThatLosesTheReturnOwesTheGoods(t *testing.T) {
	t.Parallel()
	acme := prompt("acme", suppliersim.AckInResponse)
	acme.Manner.Return = suppliersim.ReturnManner{NoLabel: true}
	acme.Returns = boughtLabels
	w := liable(t, acme)
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "gone-back", "acme-mug")
	w.settled(t, key)
	rma, err := w.Return(t.Context(), key, "r-1", returns.ChangedMind, 1)
	require.NoError(t, err)
	tracking := w.loses(patience(t), t, key, rma)
	require.Equal(t, "14.28", w.closed(t, key, rma).Refunded)
	c := w.claim(t, "lost_parcel")
	require.Equal(t, []string{"5.00", "track"}, []string{c.Amount, c.Partner})
	w.pursuitBecomes(t, c.Reference, claims.StageAsked)
	require.Zero(t, w.balance(t, key, "supplier_claims:acme"))
	w.Carrier.Find("dropex", tracking)
	require.Equal(t, "0.00", w.pursuitBecomes(t, c.Reference, claims.StageSettled).Open)
	w.requireSound(t)
}

// loses hands a return's parcel in and lets the carrier say that it has lost it.
func (w *world) loses(ctx context.Context, t *testing.T, key order.Key, rma string) (tracking string) {
	t.Helper()
	v := w.becomes(t, key, rma, returns.StageAwaiting)
	w.Carrier.OnParcel(v.Label.Carrier, v.Label.Tracking, carriersim.DeclaredLost)
	require.NoError(t, w.Carrier.Await(ctx, func() bool { return w.Carrier.Arrived(v.Label.Carrier, v.Label.Tracking) }))
	return v.Label.Tracking
}
