package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/activities"
	"github.com/dropline/dropline/internal/carrier/easypost"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/carriersim"
	"github.com/dropline/dropline/workflows"
)

// unused is a cancelled return whose label was bought for 5.95.
func unused(t *testing.T, m carriersim.LabelManner) *counter {
	t.Helper()
	c := atCounter(t, carriersim.LabelManner{}, noLabel)
	c.authorise()
	c.tracker.SetLabelManner(m)
	return c
}

func (c *counter) cancel() {
	c.t.Helper()
	c.state.Cancel(returns.CancelRequest{ID: "c-1", By: "support"}, c.now)
	c.record(returns.StepClose)
}

// poll lets the carrier's poll run, an hour after the one before.
func (c *counter) poll() {
	c.t.Helper()
	c.exec(`UPDATE return_parcels SET give_back_due = give_back_due - interval '1 hour', next_check_at = now() + interval '1 day'`)
	polling := &activities.Carriers{Pool: c.pool, Tracker: func(catalog.Carrier) (*easypost.Client, error) {
		return easypost.NewClient(easypost.Config{BaseURL: c.tracker.URL(), APIKey: token})
	}}
	_, err := polling.PollCarrier(c.ctx, workflows.CarrierPollInput{Carrier: "easy-post"})
	require.NoError(c.t, err)
}

func (c *counter) requireGivenBack(how string, cost int64) {
	c.t.Helper()
	require.Equal(c.t, how, c.text(`SELECT give_back FROM return_parcels WHERE rma = $1`, c.rma))
	require.Equal(c.t, cost, c.balance(ledger.ReturnShipping))
	require.Equal(c.t, -cost, c.balance(ledger.Bank))
}

func TestALabelThatNobodyUsesIsGivenBackOnceAndItsPriceReversed(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]carriersim.LabelManner{
		"at once": {}, "after a while": {SlowRefund: true}, "answer lost": {LoseRefunded: 1}, "busy": {Busy: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := unused(t, m)
			c.poll()
			c.requireGivenBack("", 595) // the customer may still use it
			c.cancel()
			for range 3 {
				c.poll()
			}
			c.requireGivenBack("accepted", 0)
			require.Equal(t, 1, c.tracker.Shipments()[0].Refunds)
		})
	}
}

func TestALabelIsNotAskedAboutAgainWithinTheHour(t *testing.T) {
	t.Parallel()
	c := unused(t, carriersim.LabelManner{SlowRefund: true})
	c.cancel()
	c.poll()
	c.requireGivenBack("asked", 595)
	c.exec(`UPDATE return_parcels SET give_back_due = now() + interval '61 minutes'`)
	c.poll()
	c.requireGivenBack("asked", 595)
	c.poll()
	c.requireGivenBack("accepted", 0)
}

func TestALabelThatItsCarrierDoesNotTakeBackStaysACostWithItsReason(t *testing.T) {
	t.Parallel()
	c := unused(t, carriersim.LabelManner{RefuseRefund: true})
	c.cancel()
	c.poll()
	c.poll()
	c.requireGivenBack("refused", 595)
	require.Equal(t, 1, c.tracker.Shipments()[0].Refunds)

	gone := unused(t, carriersim.LabelManner{})
	gone.cancel()
	gone.exec(`UPDATE effects SET result = jsonb_set(result, '{id}', '"shp_none"') WHERE key = $1`, "return_label/"+gone.rma)
	gone.poll()
	gone.requireGivenBack("refused", 595)
	require.Contains(t, gone.text(`SELECT give_back_note FROM return_parcels`), "unknown to the carrier")
}

func TestALabelThatWasScannedIsNotGivenBack(t *testing.T) {
	t.Parallel()
	c := unused(t, carriersim.LabelManner{})
	c.cancel()
	c.exec(`UPDATE return_parcels SET first_scan_at = $1`, time.Now())
	c.poll()
	c.requireGivenBack("", 595)
	require.Zero(t, c.tracker.Shipments()[0].Refunds)
}
