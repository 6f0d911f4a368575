package money_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/money"
)

func eur(minor int64) money.Money { return money.Money{Minor: minor, Currency: "EUR"} }

func TestArithmeticRefusesToMixCurrencies(t *testing.T) {
	t.Parallel()
	yen := money.Money{Minor: 1, Currency: "JPY"}
	_, err := eur(1).Add(yen)
	require.ErrorIs(t, err, money.ErrCurrencyMismatch)
	_, err = eur(1).Sub(yen)
	require.ErrorIs(t, err, money.ErrCurrencyMismatch)
	_, err = eur(1).Cmp(yen)
	require.ErrorIs(t, err, money.ErrCurrencyMismatch)
	_, err = money.Sum("EUR", eur(1), yen)
	require.ErrorIs(t, err, money.ErrCurrencyMismatch)
	_, err = money.Sum("", money.Money{})
	require.ErrorIs(t, err, money.ErrUnknownCurrency)
}

func TestEmptySumHasACurrency(t *testing.T) {
	t.Parallel()
	total, err := money.Sum("EUR")
	require.NoError(t, err)
	require.Equal(t, eur(0), total)
	require.True(t, total.IsZero())
}

func TestArithmeticEqualsBigIntegersOrOverflows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		bigA, bigB := big.NewInt(a), big.NewInt(b)
		check := func(name string, want *big.Int, got money.Money, err error) {
			if !want.IsInt64() {
				require.ErrorIs(t, err, money.ErrOverflow, name)
				return
			}
			require.NoError(t, err, name)
			require.Equal(t, eur(want.Int64()), got, name)
		}
		got, err := eur(a).Add(eur(b))
		check("add", new(big.Int).Add(bigA, bigB), got, err)
		got, err = eur(a).Sub(eur(b))
		check("sub", new(big.Int).Sub(bigA, bigB), got, err)
		got, err = eur(a).Mul(b)
		check("mul", new(big.Int).Mul(bigA, bigB), got, err)
		got, err = eur(a).Neg()
		check("neg", new(big.Int).Neg(bigA), got, err)
		order, err := eur(a).Cmp(eur(b))
		require.NoError(t, err)
		require.Equal(t, bigA.Cmp(bigB), order)
	})
}

func TestTheLowestAmountHasNoOpposite(t *testing.T) {
	t.Parallel()
	_, err := eur(math.MinInt64).Neg()
	require.ErrorIs(t, err, money.ErrOverflow)
	_, err = eur(math.MinInt64).Mul(-1)
	require.ErrorIs(t, err, money.ErrOverflow)
	_, err = eur(0).Sub(eur(math.MinInt64))
	require.ErrorIs(t, err, money.ErrOverflow)
}

func TestBasisPointsRoundHalfToEven(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ minor, bp, want int64 }{
		{10_000, 1_500, 1_500},
		{1, 5_000, 0},
		{3, 5_000, 2},
		{5, 5_000, 2},
		{7, 5_000, 4},
		{-3, 5_000, -2},
		{-5, 5_000, -2},
		{333, 1_000, 33},
		{336, 1_000, 34},
		{math.MaxInt64, 10_000, math.MaxInt64},
		{math.MinInt64, 10_000, math.MinInt64},
	} {
		got, err := money.BasisPoints(c.minor, c.bp)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%d bp of %d", c.bp, c.minor)
	}
	for _, c := range []struct{ minor, bp int64 }{
		{math.MaxInt64, 10_001},
		{math.MinInt64, -10_000},
		{math.MaxInt64, math.MaxInt64},
		{math.MaxInt64, 20_000},
		{math.MinInt64, 20_000},
		{5512908781479797859, 33_461}, // 2^64 less a hair: rounding up must not wrap to zero
	} {
		_, err := money.BasisPoints(c.minor, c.bp)
		require.ErrorIs(t, err, money.ErrOverflow, "%d bp of %d", c.bp, c.minor)
	}
}

func TestBasisPointsAreWithinHalfAMinorUnit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		minor, bp := rapid.Int64().Draw(t, "minor"), rapid.Int64Range(-10_000, 10_000).Draw(t, "bp")
		got, err := money.BasisPoints(minor, bp)
		if minor == math.MinInt64 && bp == -10_000 {
			require.ErrorIs(t, err, money.ErrOverflow)
			return
		}
		require.NoError(t, err)
		exact := new(big.Int).Mul(big.NewInt(minor), big.NewInt(bp))
		diff := exact.Sub(exact, new(big.Int).Mul(big.NewInt(got), big.NewInt(10_000)))
		require.LessOrEqual(t, diff.CmpAbs(big.NewInt(5_000)), 0)
	})
}
