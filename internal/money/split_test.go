package money_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/money"
)

func TestAllocateGivesTheOddCentToTheLargestRemainderThenTheEarliest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		total         int64
		weights, want []int64
	}{
		{1001, []int64{1, 1, 1}, []int64{334, 334, 333}},
		{-1001, []int64{1, 1, 1}, []int64{-334, -334, -333}},
		{1000, []int64{0, 0, 0}, []int64{334, 333, 333}},
		{100, []int64{1, 0, 1}, []int64{50, 0, 50}},
		{1, []int64{0, 1}, []int64{0, 1}},
		{2, []int64{1, 1, 8}, []int64{0, 0, 2}},
		{10, []int64{14, 46, 40}, []int64{1, 5, 4}},
		{0, []int64{3, 7}, []int64{0, 0}},
		{7, []int64{5}, []int64{7}},
		{math.MinInt64, []int64{1}, []int64{math.MinInt64}},
	} {
		got, err := money.Allocate(c.total, c.weights)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%d over %v", c.total, c.weights)
	}
}

func TestAllocateRefusesMissingNegativeAndOverflowingWeights(t *testing.T) {
	t.Parallel()
	_, err := money.Allocate(1, nil)
	require.ErrorIs(t, err, money.ErrWeights)
	_, err = money.Allocate(1, []int64{2, -1})
	require.ErrorIs(t, err, money.ErrWeights)
	_, err = money.Allocate(1, []int64{math.MaxInt64, math.MaxInt64, 2})
	require.ErrorIs(t, err, money.ErrOverflow)
}

func TestAllocateIsExactFairAndSymmetric(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Int64Range(-math.MaxInt64, math.MaxInt64).Draw(t, "total")
		weight := rapid.OneOf(rapid.Int64Range(0, 5), rapid.Int64Range(0, math.MaxInt64/10))
		weights := rapid.SliceOfN(weight, 1, 10).Draw(t, "weights")
		before := append([]int64(nil), weights...)

		shares, err := money.Allocate(total, weights)
		require.NoError(t, err)
		require.Equal(t, before, weights, "the caller's weights are left alone")
		sumShares, sumWeights := new(big.Int), new(big.Int)
		for i := range shares {
			sumShares.Add(sumShares, big.NewInt(shares[i]))
			sumWeights.Add(sumWeights, big.NewInt(weights[i]))
		}
		require.Equal(t, total, sumShares.Int64())

		for i := range shares {
			// |share * W - total * weight| < W: less than one minor unit from exact.
			if sumWeights.Sign() == 0 {
				continue
			}
			exact := new(big.Int).Mul(big.NewInt(total), big.NewInt(weights[i]))
			got := new(big.Int).Mul(big.NewInt(shares[i]), sumWeights)
			require.Negative(t, got.Sub(got, exact).CmpAbs(sumWeights))
		}

		opposite, err := money.Allocate(-total, weights)
		require.NoError(t, err)
		for i := range shares {
			require.Equal(t, -shares[i], opposite[i])
		}
	})
}

func TestAnySequenceOfPortionsEndsAtExactlyTheTotal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.OneOf(rapid.Int64Range(-50, 50), rapid.Int64()).Draw(t, "total")
		whole := rapid.OneOf(rapid.Int64Range(1, 12), rapid.Int64Range(1, math.MaxInt64)).Draw(t, "whole")
		var before, given int64
		for before < whole {
			take := rapid.Int64Range(0, whole-before).Draw(t, "take")
			if rapid.IntRange(0, 9).Draw(t, "finish") == 0 {
				take = whole - before
			}
			part := money.Portion(total, whole, before, take)
			if total >= 0 {
				require.GreaterOrEqual(t, part, int64(0))
			} else {
				require.LessOrEqual(t, part, int64(0))
			}
			if take == 0 {
				require.Zero(t, part)
			}
			before += take
			given += part

			// The running sum is the exact share, rounded: never a full minor unit away.
			diff := new(big.Int).Mul(big.NewInt(total), big.NewInt(before))
			diff.Sub(diff, new(big.Int).Mul(big.NewInt(given), big.NewInt(whole)))
			require.LessOrEqual(t, diff.Lsh(diff, 1).CmpAbs(big.NewInt(whole)), 0)
		}
		require.Equal(t, total, given)
	})
}

func TestMoreUnitsNeverGetASmallerPortion(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Int64Range(0, math.MaxInt64).Draw(t, "total")
		whole := rapid.Int64Range(1, 1000).Draw(t, "whole")
		before := rapid.Int64Range(0, whole-1).Draw(t, "before")
		take := rapid.Int64Range(0, whole-before-1).Draw(t, "take")
		require.LessOrEqual(t, money.Portion(total, whole, before, take), money.Portion(total, whole, before, take+1))
		require.Equal(t, -money.Portion(total, whole, before, take), money.Portion(-total, whole, before, take))
	})
}

func TestPortionOfUnitsThatDoNotExistPanics(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]int64{
		{0, 0, 0}, {-1, 0, 0}, {3, -1, 1}, {3, 0, -1}, {3, 2, 2}, {3, 4, 0}, {3, 1, math.MaxInt64},
	} {
		require.Panics(t, func() { money.Portion(100, c[0], c[1], c[2]) }, "%v", c)
	}
}
