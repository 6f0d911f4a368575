package tracking_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/tracking"
)

func TestEachParcelHasItsOwnMessages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := b.notice(4), b.notice(6)
	second.Tracking = "2Z"
	b.announce(t, first)
	b.announce(t, second)
	other := b.at(40, "in_transit")
	b.scan(t, b.at(50, "in_transit"), carrier.NewScan("UPS", "2Z", other.Status, "", other.At))
	require.ElementsMatch(t, []string{
		"storefront fulfilled/P-1/1Z", "customer_mail shipped/P-1/1Z",
		"storefront fulfilled/P-1/2Z", "customer_mail shipped/P-1/2Z",
	}, b.outbox(t))
}

// Its units had been given up when it was scanned, and are the order's again.
func TestAParcelThatIsWantedAfterAllIsToldOfOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `UPDATE purchase_order_lines SET live = 0`)
	b.announce(t, b.notice(10))
	scans := []carrier.Scan{b.at(90, "in_transit"), b.at(2, "delivered")}
	b.scan(t, scans...)
	require.Empty(t, b.outbox(t))
	b.exec(t, `UPDATE purchase_order_lines SET live = quantity`)
	tracker := &fakeTracker{scans: map[string][]carrier.Scan{"1Z": scans}}
	b.exec(t, `UPDATE parcels SET untold = true`)
	for range 2 {
		b.exec(t, `UPDATE parcels SET next_check_at = now()`)
		_, err := tracking.Poll(t.Context(), b.pool, tracker, "tracker", 100)
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"storefront fulfilled/P-1/1Z", "customer_mail delivered/P-1/1Z"}, b.outbox(t))
	}
	require.Equal(t, []string{"ship!", "in_transit!", "delivered!"}, b.facts(t), "the order knew it")
}
