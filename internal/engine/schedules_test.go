package engine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/engine/enginetest"
	"github.com/dropline/dropline/workflows"
)

func TestBooksAreComparedOnceANight(t *testing.T) {
	t.Parallel()
	c, _ := enginetest.Namespace(t)
	for range 2 { // each worker makes sure of it when it starts
		require.NoError(t, engine.EnsureSchedules(t.Context(), c, nil))
	}
	described, err := c.ScheduleClient().GetHandle(t.Context(), "reconcile").Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, workflows.ReconcileWorkflow, described.Schedule.Action.(*client.ScheduleWorkflowAction).Workflow)
	require.NotEmpty(t, described.Info.NextActionTimes)
	for i, at := range described.Info.NextActionTimes {
		require.Equal(t, "03:00:00", at.UTC().Format("15:04:05"))
		if i > 0 {
			require.Equal(t, 24*time.Hour, at.Sub(described.Info.NextActionTimes[i-1]))
		}
	}
}
