package money_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/bojanz/currency"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/money"
)

var currencies = rapid.SampledFrom([]string{"EUR", "USD", "JPY", "KRW", "KWD", "TND", "CLF"})

func TestParseReadsEveryCurrencyInItsOwnMinorUnits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount, currency string
		minor            int64
		text             string
	}{
		{"12.34", "EUR", 1234, "12.34 EUR"},
		{"12.3", "EUR", 1230, "12.30 EUR"},
		{"12", "EUR", 1200, "12.00 EUR"},
		{"0.05", "EUR", 5, "0.05 EUR"},
		{"-0.05", "EUR", -5, "-0.05 EUR"},
		{"-0", "EUR", 0, "0.00 EUR"},
		{"1000", "JPY", 1000, "1000 JPY"},
		{"1.234", "KWD", 1234, "1.234 KWD"},
		{"0.001", "KWD", 1, "0.001 KWD"},
		{"92233720368547758.07", "USD", math.MaxInt64, "92233720368547758.07 USD"},
		{"-92233720368547758.08", "USD", math.MinInt64, "-92233720368547758.08 USD"},
	} {
		m, err := money.Parse(c.amount, c.currency)
		require.NoError(t, err, c.amount)
		require.Equal(t, money.Money{Minor: c.minor, Currency: c.currency}, m)
		require.Equal(t, c.text, m.String())
	}
}

func TestParseRefusesWhatItCannotReadExactly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount, currency string
		want             error
	}{
		{"12.345", "EUR", money.ErrTooPrecise},
		{"12.340", "EUR", money.ErrTooPrecise},
		{"1.0", "JPY", money.ErrTooPrecise},
		{"1.2345", "KWD", money.ErrTooPrecise},
		{"1e2", "EUR", money.ErrMalformed},
		{"", "EUR", money.ErrMalformed},
		{"-", "EUR", money.ErrMalformed},
		{"--1", "EUR", money.ErrMalformed},
		{"+1", "EUR", money.ErrMalformed},
		{".5", "EUR", money.ErrMalformed},
		{"5.", "EUR", money.ErrMalformed},
		{"1.-5", "EUR", money.ErrMalformed},
		{"1.2.3", "EUR", money.ErrMalformed},
		{"1,234.00", "EUR", money.ErrMalformed},
		{" 1", "EUR", money.ErrMalformed},
		{"1_0", "EUR", money.ErrMalformed},
		{"0x10", "EUR", money.ErrMalformed},
		{"NaN", "EUR", money.ErrMalformed},
		{"١٢", "EUR", money.ErrMalformed},
		{"92233720368547758.08", "EUR", money.ErrOverflow},
		{"-92233720368547758.09", "EUR", money.ErrOverflow},
		{"92233720368547759", "EUR", money.ErrOverflow},
		{"1", "", money.ErrUnknownCurrency},
		{"1", "eur", money.ErrUnknownCurrency},
		{"1", "EURO", money.ErrUnknownCurrency},
	} {
		_, err := money.Parse(c.amount, c.currency)
		require.ErrorIs(t, err, c.want, "%q %q", c.amount, c.currency)
	}
}

func TestParseErrorDoesNotRepeatItsInput(t *testing.T) {
	t.Parallel()
	_, err := money.Parse("jane@example.com", "EUR")
	require.NotContains(t, err.Error(), "jane")
}

func TestAmountSurvivesTextAndJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := money.Money{Minor: rapid.Int64().Draw(t, "minor"), Currency: currencies.Draw(t, "currency")}
		text, err := money.Format(m.Minor, m.Currency)
		require.NoError(t, err)
		parsed, err := money.Parse(text, m.Currency)
		require.NoError(t, err)
		require.Equal(t, m, parsed)

		oracle, err := currency.NewAmount(text, m.Currency)
		require.NoError(t, err)
		minor, err := oracle.Int64()
		require.NoError(t, err)
		require.Equal(t, m.Minor, minor)

		data, err := json.Marshal(m)
		require.NoError(t, err)
		var decoded money.Money
		require.NoError(t, json.Unmarshal(data, &decoded))
		require.Equal(t, m, decoded)
	})
}

func TestJSONIsAStringAmountWithItsCurrency(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(struct{ Price, None money.Money }{Price: money.Money{Minor: 1234, Currency: "EUR"}})
	require.NoError(t, err)
	require.JSONEq(t, `{"Price":{"amount":"12.34","currency":"EUR"},"None":null}`, string(data))

	_, err = json.Marshal(money.Money{Minor: 5})
	require.ErrorIs(t, err, money.ErrUnknownCurrency)
}

func TestJSONNumberIsReadFromItsTextAndNeverRounded(t *testing.T) {
	t.Parallel()
	var m money.Money
	// As a float64 this literal would become ...993.00 or ...992.00.
	require.NoError(t, json.Unmarshal([]byte(`{"amount":90071992547409.93,"currency":"EUR"}`), &m))
	require.Equal(t, int64(9007199254740993), m.Minor)
	require.NoError(t, json.Unmarshal([]byte(`{"amount":9007199254740993,"currency":"JPY"}`), &m))
	require.Equal(t, int64(9007199254740993), m.Minor)

	for _, refused := range []string{
		`{"amount":12.345,"currency":"EUR"}`, `{"amount":1e2,"currency":"EUR"}`,
		`{"amount":true,"currency":"EUR"}`, `{"amount":null,"currency":"EUR"}`,
		`{"amount":{},"currency":"EUR"}`, `{"currency":"EUR"}`, `{"amount":"1"}`, `"1 EUR"`, `12`,
	} {
		require.Error(t, json.Unmarshal([]byte(refused), &m), refused)
	}
}
