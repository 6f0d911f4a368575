package tracking_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/tracking"
)

// comesBack gives a return of the seed's order a label that was made some days ago.
func (b *bundle) comesBack(t *testing.T, days int) {
	t.Helper()
	b.exec(t, `INSERT INTO return_requests (order_key, id, body_hash, answer) VALUES ('shop/1', 'r', '', '{}')`)
	b.exec(t, `INSERT INTO returns (rma, order_key, request, po_number, supplier, stage, state, opened_at)
		VALUES ('P-1-R1', 'shop/1', 'r', 'P-1', 'acme', 'awaiting_parcel', '{}', now() - make_interval(days => $1))`, days)
	b.exec(t, `INSERT INTO return_parcels (carrier, tracking, rma, next_check_at) VALUES ('ups', '1Z', 'P-1-R1', now())`)
}

// backs tells the return's facts in short, and when its parcel is asked about next.
func (b *bundle) backs(t *testing.T) (words []string, next *time.Time) {
	t.Helper()
	list, err := returndesk.After(context.Background(), b.pool, "P-1-R1", 0)
	require.NoError(t, err)
	for _, f := range list {
		words = append(words, string(f.Parcel.Milestone))
	}
	require.NoError(t, b.pool.QueryRow(context.Background(), `SELECT next_check_at FROM return_parcels`).Scan(&next))
	return words, next
}

func (b *bundle) pollBack(t *testing.T, scans ...carrier.Scan) tracking.PollResult {
	t.Helper()
	b.exec(t, `UPDATE return_parcels SET next_check_at = now() WHERE next_check_at IS NOT NULL`)
	tracker := &fakeTracker{scans: map[string][]carrier.Scan{}}
	if len(scans) > 0 {
		tracker.scans["1Z"] = scans
	}
	result, err := tracking.Poll(context.Background(), b.pool, tracker, "tracker", 100)
	require.NoError(t, err)
	return result
}

func TestAReturnParcelIsPolledUntilItHasArrived(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.comesBack(t, 4)
	require.Equal(t, tracking.PollResult{Asked: 1, Missing: 1}, b.pollBack(t))
	words, next := b.backs(t)
	require.Empty(t, words, "a label that nobody scanned is the customer's to use until the return expires")
	require.WithinDuration(t, time.Now().Add(time.Hour), *next, time.Minute)
	require.Equal(t, 1, b.pollBack(t, b.at(30, "in_transit")).News)
	require.Zero(t, b.pollBack(t, b.at(30, "in_transit")).News, "the same answer is no news")
	require.Equal(t, 1, b.pollBack(t, b.at(30, "in_transit"), b.at(2, "delivered")).News)
	words, next = b.backs(t)
	require.Equal(t, []string{"in_transit", "delivered"}, words)
	require.Nil(t, next)
	require.Zero(t, b.pollBack(t).Asked)
}

func TestAReturnParcelThatTheCarrierNoLongerScansIsLost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.comesBack(t, 15)
	b.pollBack(t, b.at(11*24, "in_transit"))
	words, next := b.backs(t)
	require.Equal(t, []string{"lost"}, words)
	require.NotNil(t, next, "it may turn up")
	var due time.Time
	require.NoError(t, b.pool.QueryRow(context.Background(), `SELECT deliver_at FROM returns`).Scan(&due))
	require.WithinDuration(t, time.Now(), due, time.Minute, "the customer waits for it")
	b.pollBack(t, b.at(11*24, "in_transit"), b.at(1, "delivered"))
	words, _ = b.backs(t)
	require.Equal(t, []string{"lost", "delivered"}, words)
}

func TestAPollThatFailsGivesReturnParcelsBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.comesBack(t, 4)
	down := &fakeTracker{err: context.DeadlineExceeded}
	_, err := tracking.Poll(context.Background(), b.pool, down, "tracker", 100)
	require.Error(t, err)
	_, next := b.backs(t)
	require.WithinDuration(t, time.Now(), *next, 5*time.Second)
}
