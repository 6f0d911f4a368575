package stripe

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestAmountsAreCountedAsTheProviderCounts(t *testing.T) {
	t.Parallel()
	for currency, pair := range map[string][2]int64{
		"USD": {1234, 1234},
		"JPY": {500, 500},
		"ISK": {500, 50_000}, // whole króna, in hundredths that are always 00
		"UGX": {500, 50_000},
		"KWD": {12_340, 12_340},
		"MGA": {12_300, 123}, // ISO 4217 gives it two decimals
	} {
		theirs, err := toTheirs(pair[0], currency)
		require.NoError(t, err, currency)
		require.Equal(t, pair[1], theirs, currency)
		minor, code, err := fromTheirs(theirs, strings.ToLower(currency))
		require.NoError(t, err)
		require.Equal(t, pair[0], minor)
		require.Equal(t, currency, code)
	}
}

func TestAmountThatTheProviderCannotCountIsRefused(t *testing.T) {
	t.Parallel()
	_, err := toTheirs(12_345, "KWD")
	require.ErrorIs(t, err, errPrecision)
	_, err = toTheirs(12_301, "MGA")
	require.ErrorIs(t, err, errPrecision)
	_, err = toTheirs(1, "XXY")
	require.Error(t, err)
	_, err = toTheirs(math.MaxInt64, "ISK")
	require.Error(t, err)
	_, _, err = fromTheirs(50_001, "isk")
	require.ErrorIs(t, err, errAmount)
	_, _, err = fromTheirs(1, "ISK")
	require.ErrorIs(t, err, errAmount, "a currency in capitals is not from them")
}

func TestAmountsSurviveTheWayThereAndBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		currency := rapid.SampledFrom([]string{"EUR", "JPY", "ISK", "UGX", "KWD", "MGA", "HUF", "TWD", "XOF"}).Draw(t, "currency")
		minor := rapid.Int64Range(-1<<50, 1<<50).Draw(t, "minor")
		theirs, err := toTheirs(minor, currency)
		if err != nil {
			require.ErrorIs(t, err, errPrecision)
			return
		}
		back, code, err := fromTheirs(theirs, strings.ToLower(currency))
		require.NoError(t, err)
		require.Equal(t, minor, back)
		require.Equal(t, currency, code)
	})
}
