package payments

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
)

func TestEveryRetryOfACaptureThatIsPromisedComesAndThenNone(t *testing.T) {
	t.Parallel()
	now := monday
	s := New(Sale{Key: order.Key{Storefront: "shop", Order: "1"}, Reference: "pi_1", Currency: "USD", Authorised: 100})
	for n := range len(retries) + 1 {
		require.Contains(t, s.Steps(), StepCapture, "try %d", n+1)
		s.Begin(StepCapture)
		s.CapturedWith(Taking{Refused: true, Code: "insufficient_funds"}, now)
		require.NotContains(t, s.Steps(), StepCapture)
		if n == len(retries) {
			break
		}
		require.Contains(t, s.Attention[0].Text, "tried again on")
		now = s.Capture.RetryAt
		s.Tick(now)
	}
	require.NotContains(t, s.Attention[0].Text, "tried again", "from now on a person decides")
	s.Tick(now.Add(365 * 24 * time.Hour))
	require.NotContains(t, s.Steps(), StepCapture)
}
