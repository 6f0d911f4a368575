package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

func TestMoneyIsWrittenWithTheCurrencysDecimals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minor      int64
		code, text string
	}{
		{1250, "USD", "12.50"}, {5, "USD", "0.05"}, {0, "EUR", "0.00"}, {1250, "JPY", "1250"}, {1250, "KWD", "1.250"}, {7, "KWD", "0.007"},
	} {
		text, err := wire.FormatMoney(c.minor, c.code)
		require.NoError(t, err)
		require.Equal(t, c.text, text)
	}
}

func TestMoneySurvivesTheWire(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Range(0, wire.MaxMinor).Draw(t, "minor")
		code := rapid.SampledFrom([]string{"USD", "JPY", "KWD", "EUR"}).Draw(t, "currency")
		text, err := wire.FormatMoney(minor, code)
		require.NoError(t, err)
		back, err := wire.ParseMoney(text, code)
		require.NoError(t, err)
		require.Equal(t, minor, back)
	})
}

func TestAmbiguousMoneyIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", ".", ".5", "5.", "-1.00", "+1.00", "1e3", "1,000.00", " 1.00", "1.005", "0x10", "1_000", "NaN", "١٢",
		"1000000000.01", "99999999999999999999.00",
	} {
		_, err := wire.ParseMoney(text, "USD")
		require.ErrorIs(t, err, wire.ErrMoney, text)
	}
	_, err := wire.ParseMoney("1.5", "JPY")
	require.ErrorIs(t, err, wire.ErrMoney)
	for _, code := range []string{"", "usd", "XXY"} {
		_, err = wire.ParseMoney("1.00", code)
		require.ErrorIs(t, err, wire.ErrMoney, code)
		_, err = wire.FormatMoney(1, code)
		require.ErrorIs(t, err, wire.ErrMoney, code)
	}
	_, err = wire.FormatMoney(-1, "USD")
	require.ErrorIs(t, err, wire.ErrMoney)
	minor, err := wire.ParseMoney("12.5", "USD")
	require.NoError(t, err)
	require.Equal(t, int64(1250), minor)
}

func TestFreeTextReasonsAreReducedToTheList(t *testing.T) {
	t.Parallel()
	require.Equal(t, "out_of_stock", wire.Reason(" Out of Stock "))
	require.Equal(t, "other", wire.Reason("Mrs Miller moved to 5 Elm St\nlevel=error"))
	require.Empty(t, wire.Reason(""))
}
