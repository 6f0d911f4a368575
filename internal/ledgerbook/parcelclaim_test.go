package ledgerbook

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/ledger"
)

func parcelClaim(matter string, minor int64) ParcelClaim {
	return ParcelClaim{
		Matter: matter, Kind: ledger.ClaimLostParcel, Carrier: "track", Currency: "EUR", Owner: "logistics", Minor: minor, Due: time.Unix(0, 0),
	}
}

// TestWhatACarrierOwesFollowsWhatItAnswersFor plays any sequence of claims that grow and shrink, and of settlements:
// nothing is asked twice, and what was paid too much is found to the cent.
func TestWhatACarrierOwesFollowsWhatItAnswersFor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := &Book{order: "shop/1"}
		// Keys that begin alike: each matter counts for itself.
		matters := []string{"lost/P-1/1Z", "lost/P-1/1Z:2", "lost/P-1/1Z2"}
		owed, paid, gone := map[string]int64{}, map[string]int64{}, map[string]int64{}
		for n := range rapid.IntRange(1, 12).Draw(t, "steps") {
			matter := rapid.SampledFrom(matters).Draw(t, "matter")
			if left := b.openOf(matter); left > 0 && rapid.Bool().Draw(t, "settle") {
				minor := rapid.Int64Range(1, left).Draw(t, "part")
				outcome := rapid.SampledFrom([]ledger.ClaimOutcome{ledger.ClaimPaid, ledger.ClaimWrittenOff, ledger.ClaimConceded}).Draw(t, "outcome")
				require.NoError(t, b.Settle(matter, fmt.Sprintf("settle/%d", n), outcome, minor))
				if outcome == ledger.ClaimPaid {
					paid[matter] += minor
				} else {
					gone[matter] += minor
				}
			} else {
				owed[matter] = rapid.Int64Range(0, 50).Draw(t, "owed")
				require.NoError(t, b.FollowParcel(parcelClaim(matter, owed[matter])))
				before := len(b.transactions)
				require.NoError(t, b.FollowParcel(parcelClaim(matter, owed[matter])))
				require.Len(t, b.transactions, before, "the second time posts nothing")
				asked := b.openOf(matter) + paid[matter] + gone[matter]
				require.GreaterOrEqual(t, asked, owed[matter], "all that is owed was asked for")
				if b.openOf(matter) > 0 {
					require.Equal(t, owed[matter], asked, "nothing is open that is not owed")
				}
				require.Equal(t, min(max(asked-owed[matter], 0), paid[matter]), b.found[matter], "paid for what is not owed")
			}
			var open int64
			for _, m := range matters {
				open += b.openOf(m)
			}
			balances, err := ledger.BalanceOf(b.transactions)
			require.NoError(t, err)
			require.Equal(t, open, balances.Of(ledger.CarrierClaims("track"), "EUR"), "the open claims are what the account holds")
		}
	})
}

func TestWhatACarrierAnswersForIsPostedOnce(t *testing.T) {
	t.Parallel()
	b := &Book{order: "shop/1"}
	for _, minor := range []int64{300, 300, 500, 500, 200, 200, 0, 0} {
		require.NoError(t, b.FollowParcel(parcelClaim("damage/P-1/P-1-R1", minor)))
		require.Equal(t, minor, b.openOf("damage/P-1/P-1-R1"))
		require.Equal(t, minor, b.DamageClaimed("P-1", []string{"P-1-R2", "P-1-R1"}))
		require.Zero(t, b.DamageClaimed("P-1", []string{"P-1-R2"}))
	}
	require.Len(t, b.transactions, 4, "both parts were opened, and each withdrawn")
	require.Equal(t, "P-1", purchaseOrderIn("damage/P-1/P-1-R1"))
	other := parcelClaim("damage/P-1/P-1-R1", 50)
	other.Carrier = "other"
	require.NoError(t, b.FollowParcel(other))
	require.Equal(t, ledger.CarrierClaims("track"), b.claims[len(b.claims)-1].Account, "whoever was asked first")
}
