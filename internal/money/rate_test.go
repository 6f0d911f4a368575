package money

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestARateIsReadInMinorUnitsOfBothCurrencies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from, to, text string
		minor, want    int64
	}{
		"two and two":       {"EUR", "USD", "1.0850", 10000, 10850},
		"none and two":      {"JPY", "USD", "0.0065", 1000, 650},
		"two and none":      {"USD", "JPY", "153.85", 100, 154},
		"three and two":     {"KWD", "EUR", "3", 1001, 300},
		"half goes up":      {"EUR", "USD", "0.5", 1, 1},
		"half of a credit":  {"EUR", "USD", "0.5", -1, -1},
		"less than a penny": {"JPY", "KWD", "0.000001", 400, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rate, err := ParseRate(c.from, c.to, c.text)
			require.NoError(t, err)
			got, err := rate.Convert(c.minor)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	long, err := ParseRate("EUR", "USD", "1.08500000")
	require.NoError(t, err)
	short, err := ParseRate("EUR", "USD", "1.085")
	require.NoError(t, err)
	require.Equal(t, short, long)
}

func TestWhatIsNoRateIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "0", "0.000", "-1", "1,08", ".5", "1.", "1e3", "NaN", "1.0000000000001", " 1"} {
		_, err := ParseRate("EUR", "USD", text)
		require.ErrorIs(t, err, ErrRate, "%q", text)
	}
	_, err := ParseRate("EUR", "EUR", "1")
	require.ErrorIs(t, err, ErrRate)
	_, err = ParseRate("EUR", "XXZ", "1")
	require.ErrorIs(t, err, ErrUnknownCurrency)
	_, err = Rate{From: "EUR", To: "USD"}.Convert(1)
	require.ErrorIs(t, err, ErrRate)
	_, err = Rate{From: "EUR", To: "USD", Num: 2, Den: 1}.Convert(math.MaxInt64)
	require.ErrorIs(t, err, ErrOverflow)
}

func TestConvertingIsExactWhateverTheSize(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := Rate{From: "EUR", To: "USD", Num: rapid.Int64Range(1, math.MaxInt64).Draw(t, "num"), Den: rapid.Int64Range(1, math.MaxInt64).Draw(t, "den")}
		minor := rapid.Int64().Draw(t, "minor")
		product := new(big.Int).Mul(big.NewInt(minor), big.NewInt(rate.Num))
		doubled := new(big.Int).Add(new(big.Int).Abs(new(big.Int).Lsh(product, 1)), big.NewInt(rate.Den))
		want := doubled.Quo(doubled, new(big.Int).Lsh(big.NewInt(rate.Den), 1))
		got, err := rate.Convert(minor)
		if !want.IsInt64() {
			require.ErrorIs(t, err, ErrOverflow)
			return
		}
		require.NoError(t, err)
		if minor < 0 {
			want.Neg(want)
		}
		require.Equal(t, want.Int64(), got)
	})
}
