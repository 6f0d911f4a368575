package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/payments"
)

func TestCaptureOfTooMuchIsToldAgainWhenItsAnswerWasLost(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureShipment, false, sale("1", line(1, "MUG", 2)))
	_, err := c.give(1, 1)
	require.NoError(t, err)
	c.hears()
	_, err = c.provider.Capture(c.ctx, payment.Capture{Key: "person", Reference: c.state.Reference, Amount: c.state.Authorised, Currency: "USD"})
	require.NoError(t, err)
	c.ship()
	c.step(payments.StepCapture)
	first, err := c.desk.CapturePayment(c.ctx, c.key)
	require.NoError(t, err)
	require.Equal(t, payments.Taking{Amount: 2700, Released: 1080, Over: 1080}, first)
	again, err := c.desk.CapturePayment(c.ctx, c.key)
	require.NoError(t, err)
	require.Equal(t, first, again)
	c.state.CapturedWith(again, c.now)
	require.Zero(t, c.state.Due())
	c.record(payments.StepRecord)
	require.EqualValues(t, -1080, c.balance(ledger.RefundsPayable))
	require.EqualValues(t, 1080, c.state.Refunds[0].Amount, "somebody is asked to give it back")
}
