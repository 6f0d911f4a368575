package activities_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/activities"
)

func TestAFailureRestsLongerEachTimeAndAPartnersWishCounts(t *testing.T) {
	t.Parallel()
	delay := func(err error) time.Duration {
		var failure *temporal.ApplicationError
		require.ErrorAs(t, err, &failure)
		return failure.NextRetryDelay()
	}
	for attempt, want := range map[int32]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 4: 8 * time.Second, 7: time.Minute, 1000: time.Minute} {
		require.Equal(t, want, delay(activities.Rest(errors.New("the database does not answer"), attempt)), attempt)
		require.Equal(t, want, delay(activities.Rest(temporal.NewApplicationError("busy", "Partner"), attempt)), attempt)
	}
	asked := temporal.NewApplicationErrorWithOptions("busy", "Partner", temporal.ApplicationErrorOptions{NextRetryDelay: 90 * time.Second})
	require.Equal(t, 90*time.Second, delay(activities.Rest(asked, 3)))
	require.ErrorContains(t, activities.Rest(fmt.Errorf("send: %w", asked), 3), "busy")

	final := temporal.NewNonRetryableApplicationError("refused", "Partner", nil)
	require.Same(t, final, activities.Rest(final, 3))
	require.NoError(t, activities.Rest(nil, 3))
	canceled := temporal.NewCanceledError()
	require.Same(t, canceled, activities.Rest(canceled, 3))
}
