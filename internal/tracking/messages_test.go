package tracking_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/carrier"
)

func TestEachParcelHasItsOwnMessages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := b.notice(4), b.notice(6)
	second.Tracking = "2Z"
	b.announce(t, first)
	b.announce(t, second)
	other := b.at(40, "in_transit")
	b.scan(t, b.at(50, "in_transit"), carrier.NewScan("UPS", "2Z", other.Status, "", other.At))
	require.ElementsMatch(t, []string{
		"storefront fulfilled/P-1/1Z", "customer_mail shipped/P-1/1Z",
		"storefront fulfilled/P-1/2Z", "customer_mail shipped/P-1/2Z",
	}, b.outbox(t))
}
