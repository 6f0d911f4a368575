package carrier_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/order"
)

var policy = carrier.Policy{DelayedAfter: 72 * time.Hour, LostAfter: 240 * time.Hour, GiveUpAfter: 90 * 24 * time.Hour}

func watch(s carrier.Standing, hours int) carrier.Outlook {
	return carrier.Watch(s, at(0), at(hours), policy)
}

func TestSilenceMakesAParcelDelayedThenLost(t *testing.T) {
	t.Parallel()
	moving := carrier.Derive([]carrier.Scan{scan(1, "in_transit", "")})

	require.Equal(t, carrier.Outlook{
		Milestone: order.ParcelInTransit, At: at(1), Next: order.ParcelDelayed, NextAt: at(73), CheckAt: at(4),
	}, watch(moving, 2))
	require.Equal(t, at(73), watch(moving, 72).CheckAt, "the moment of the silence is not slept through")
	require.Equal(t, carrier.Outlook{
		Milestone: order.ParcelDelayed, At: at(73), Next: order.ParcelLost, NextAt: at(241), CheckAt: at(76),
	}, watch(moving, 73))
	require.Equal(t, carrier.Outlook{Milestone: order.ParcelLost, At: at(241), CheckAt: at(300 + 24)}, watch(moving, 300))
}

func TestDelayedByTheCarriersWordBecomesLostOnly(t *testing.T) {
	t.Parallel()
	o := watch(carrier.Derive([]carrier.Scan{scan(1, "in_transit/delayed", "")}), 100)
	require.Equal(t, order.ParcelDelayed, o.Milestone)
	require.Equal(t, at(1), o.At)
	require.Equal(t, order.ParcelLost, o.Next)
}

func TestParcelNeverHandedOverIsNotLost(t *testing.T) {
	t.Parallel()
	for _, s := range []carrier.Standing{{}, carrier.Derive([]carrier.Scan{scan(1, "pre_transit", "")}), carrier.Derive([]carrier.Scan{scan(1, "cancelled", "")})} {
		o := watch(s, 24*30)
		require.Equal(t, s.Milestone, o.Milestone)
		require.Empty(t, o.Next)
		require.False(t, o.CheckAt.IsZero())
		require.Zero(t, watch(s, 24*91).CheckAt, "a number that stays silent is given up before it is recycled")
	}
}

func TestDeliveredParcelIsWatchedForAReturnAndThenLeft(t *testing.T) {
	t.Parallel()
	s := carrier.Derive([]carrier.Scan{scan(1, "delivered", "")})
	require.Equal(t, at(2+24), watch(s, 2).CheckAt)
	require.Empty(t, watch(s, 2).Next)
	require.Zero(t, watch(s, 1+24*30).CheckAt)
}

func TestOutForDeliveryIsAskedForMoreOftenThanInTransit(t *testing.T) {
	t.Parallel()
	out := watch(carrier.Derive([]carrier.Scan{scan(1, "out_for_delivery", "")}), 2)
	require.Equal(t, at(2).Add(15*time.Minute), out.CheckAt)
}

func TestWatchingAlwaysMovesForwardAndEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := carrier.Derive(scans.Draw(t, "scans"))
		now := at(rapid.IntRange(0, 20).Draw(t, "now"))
		for range 24 * 4 * 250 { // more checks than the shortest interval fits into the longest watch
			o := carrier.Watch(s, at(0), now, policy)
			if o.Next != "" {
				require.True(t, o.NextAt.After(now))
			}
			if o.CheckAt.IsZero() {
				return
			}
			require.True(t, o.CheckAt.After(now))
			now = o.CheckAt
		}
		require.Fail(t, "a silent parcel is polled for ever")
	})
}
