package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

func FuzzMoneySurvivesTheWire(f *testing.F) {
	f.Add("12.50", "USD")
	f.Add("-1", "USD")
	f.Add("000000000000000000000001", "JPY")
	f.Add("99999999999.999", "KWD")
	f.Fuzz(func(t *testing.T, text, code string) {
		minor, err := wire.ParseMoney(text, code)
		if err != nil {
			require.ErrorIs(t, err, wire.ErrMoney)
			require.Zero(t, minor)
			return
		}
		require.True(t, minor >= 0 && minor <= wire.MaxMinor)
		written, err := wire.FormatMoney(minor, code)
		require.NoError(t, err)
		again, err := wire.ParseMoney(written, code)
		require.NoError(t, err)
		require.Equal(t, minor, again)
		exact, err := money.Parse(text, code)
		require.NoError(t, err, "both readers of amounts agree")
		require.Equal(t, exact.Minor, minor)
	})
}

func FuzzReasonIsOneOfTheList(f *testing.F) {
	f.Add("Out of stock")
	f.Add("Pat Miller, 5 Elm St")
	f.Add("\x1b[31mout_of_stock")
	f.Fuzz(func(t *testing.T, text string) {
		code := wire.Reason(text)
		require.Equal(t, code, wire.Reason(code))
		require.Regexp(t, `^[a-z_]{0,32}$`, code)
	})
}
