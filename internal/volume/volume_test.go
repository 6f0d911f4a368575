package volume_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/volume"
)

func tiers() []catalog.VolumeTier {
	eur := func(minor int64) []money.Money { return []money.Money{{Minor: minor, Currency: "EUR"}} }
	return []catalog.VolumeTier{{From: eur(1000), DiscountBP: 250}, {From: eur(5000), DiscountBP: 733}}
}

func TestAPeriodBeginsAtMidnightOfTheSuppliersZone(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	late := time.Date(2026, 12, 31, 23, 30, 0, 0, time.UTC) // half past midnight in Berlin
	for length, want := range map[catalog.VolumePeriod][2]string{
		catalog.VolumeMonth: {"2026-12", "2027-01"}, catalog.VolumeQuarter: {"2026-Q4", "2027-Q1"}, catalog.VolumeYear: {"2026", "2027"},
	} {
		before, ends := volume.Within(length, late, time.UTC)
		require.Equal(t, want[0], before)
		require.Equal(t, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), ends)
		after, _ := volume.Within(length, late, berlin)
		require.Equal(t, want[1], after)
	}
	name, ends := volume.Within(catalog.VolumeQuarter, time.Date(2026, 5, 3, 0, 0, 0, 0, berlin), berlin)
	require.Equal(t, "2026-Q2", name)
	require.Equal(t, time.Date(2026, 7, 1, 0, 0, 0, 0, berlin), ends)
}

func TestATierIsReachedByItsAmountAndInItsCurrency(t *testing.T) {
	t.Parallel()
	for sum, want := range map[int64]int64{0: 0, 999: 0, 1000: 250, 4999: 250, 5000: 733, 1 << 40: 733} {
		require.Equal(t, want, volume.Reached(tiers(), "EUR", sum), sum)
		require.Zero(t, volume.Reached(tiers(), "USD", sum))
	}
}

// Whatever order the invoices come in, and however often the period is looked at meanwhile, what is expected
// and claimed in the end is exactly the discount of the sum.
func TestInvoicesInAnyOrderEndInTheSameDiscount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		goods := rapid.SliceOfN(rapid.Int64Range(0, 3000), 1, 12).Draw(t, "goods")
		goods = rapid.Permutation(goods).Draw(t, "order")
		var list []volume.Purchase
		var sum, reached int64
		claim := func(over bool) {
			bp := max(reached, volume.Reached(tiers(), "EUR", sum))
			parts, all, rounding, err := volume.Missing(list, bp)
			require.NoError(t, err)
			if rounding && bp == reached && !over {
				return
			}
			reached = bp
			for i, part := range parts {
				require.GreaterOrEqual(t, part, int64(0))
				list[i].Given += part
				all -= part
			}
			require.Zero(t, all, "the parts are the whole")
		}
		for i, g := range goods {
			sum += g
			given, err := volume.Expected(g, reached)
			require.NoError(t, err)
			list = append(list, volume.Purchase{Goods: g, Given: given})
			if rapid.Bool().Draw(t, "looked") || i == len(goods)-1 {
				claim(false)
			}
		}
		claim(true)
		want, err := money.BasisPoints(sum, volume.Reached(tiers(), "EUR", sum))
		require.NoError(t, err)
		var given int64
		for _, p := range list {
			given += p.Given
		}
		require.Equal(t, want, given)
		again, all, _, err := volume.Missing(list, reached)
		require.NoError(t, err)
		require.True(t, all == 0 && again == nil, "nothing is claimed twice")
	})
}

func TestWhatWasGivenTooMuchLessensWhatIsMissing(t *testing.T) {
	t.Parallel()
	list := []volume.Purchase{{Goods: 0, Given: 30}, {Goods: 1000}}
	parts, all, rounding, err := volume.Missing(list, 1000)
	require.NoError(t, err)
	require.Equal(t, []int64{0, 70}, parts)
	require.True(t, all == 70 && !rounding)
	require.True(t, slices.Equal(list, []volume.Purchase{{Goods: 0, Given: 30}, {Goods: 1000}}))
	list[0].Given = 200
	parts, all, _, err = volume.Missing(list, 1000)
	require.NoError(t, err)
	require.True(t, parts == nil && all == 0)
}
