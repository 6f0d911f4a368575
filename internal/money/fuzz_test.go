package money_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/money"
)

// codes of currencies with every number of decimals that ISO 4217 knows, and what is none.
var codes = []string{"USD", "JPY", "KWD", "CLF", "EUR", "", "usd", "XXX"}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"0", "12.50", "-0.01", "-0", "9223372036854775807", "92233720368547758.08", "1e9", "+1", "١", "1.", ".5", "00012.3"} {
		f.Add(text, uint8(0))
		f.Add(text, uint8(2))
	}
	f.Fuzz(func(t *testing.T, text string, pick uint8) {
		code := codes[int(pick)%len(codes)]
		amount, err := money.Parse(text, code)
		if err != nil {
			require.Zero(t, amount)
			if len(text) > 12 {
				require.NotContains(t, err.Error(), text)
			}
			return
		}
		digits, err := money.Digits(code)
		require.NoError(t, err)
		exact, ok := new(big.Rat).SetString(text)
		require.True(t, ok, "what is read is a number")
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
		exact.Mul(exact, new(big.Rat).SetInt(scale))
		require.Zero(t, exact.Cmp(new(big.Rat).SetInt64(amount.Minor)), "neither rounded nor with another sign")

		written, err := money.Format(amount.Minor, code)
		require.NoError(t, err)
		again, err := money.Parse(written, code)
		require.NoError(t, err)
		require.Equal(t, amount, again)
	})
}

func FuzzMoneyJSON(f *testing.F) {
	for _, text := range []string{
		`{"amount":"12.34","currency":"EUR"}`, `{"amount":12.34,"currency":"EUR"}`, `null`, `{"amount":1e2,"currency":"EUR"}`,
		`{"amount":"\u0031","currency":"JPY"}`, `{"amount":null,"currency":"EUR"}`, `{"amount":"-0.00","currency":"EUR"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var amount money.Money
		if json.Unmarshal(text, &amount) != nil {
			return
		}
		written, err := json.Marshal(amount)
		require.NoError(t, err)
		var again money.Money
		require.NoError(t, json.Unmarshal(written, &again))
		require.Equal(t, amount, again)
	})
}

func FuzzArithmetic(f *testing.F) {
	f.Add(int64(1), int64(2), int64(3), int64(1))
	f.Add(int64(-1<<63), int64(-1), int64(1<<62), int64(10_000))
	f.Fuzz(func(t *testing.T, a, b, whole, part int64) {
		x, y := big.NewInt(a), big.NewInt(b)
		same(t, new(big.Int).Add(x, y), func() (int64, error) { return money.AddMinor(a, b) })
		same(t, new(big.Int).Sub(x, y), func() (int64, error) { return money.SubMinor(a, b) })
		same(t, new(big.Int).Mul(x, y), func() (int64, error) { return money.MulMinor(a, b) })

		if whole > 0 && part >= 0 && part <= whole {
			first, rest := money.Portion(a, whole, 0, part), money.Portion(a, whole, part, whole-part)
			sum := new(big.Int).Add(big.NewInt(first), big.NewInt(rest))
			require.Zero(t, sum.Cmp(x), "two portions are the whole")
			require.False(t, a > 0 && (first < 0 || rest < 0) || a < 0 && (first > 0 || rest > 0))
		}
		shares, err := money.Allocate(a, []int64{b, whole, part})
		if err != nil {
			require.Nil(t, shares)
			return
		}
		sum := new(big.Int)
		for _, share := range shares {
			sum.Add(sum, big.NewInt(share))
			require.False(t, a > 0 && share < 0 || a < 0 && share > 0)
		}
		require.Zero(t, sum.Cmp(x))
	})
}

// same holds an operation to what integers without limit say.
func same(t *testing.T, want *big.Int, do func() (int64, error)) {
	t.Helper()
	got, err := do()
	if want.IsInt64() {
		require.NoError(t, err)
		require.Equal(t, want.Int64(), got)
		return
	}
	require.ErrorIs(t, err, money.ErrOverflow)
	require.Zero(t, got)
}

func FuzzFormat(f *testing.F) {
	f.Add(int64(-1<<63), "KWD")
	f.Add(int64(5), "\x1b[31m")
	f.Fuzz(func(t *testing.T, minor int64, code string) {
		text := money.Money{Minor: minor, Currency: code}.String()
		require.False(t, strings.ContainsAny(text, "\r\n\x1b\x00"), "an unknown currency cannot break a line")
		written, err := money.Format(minor, code)
		if err != nil {
			return
		}
		again, err := money.Parse(written, code)
		require.NoError(t, err)
		require.Equal(t, minor, again.Minor)
	})
}
