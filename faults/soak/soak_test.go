package soak

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/faults/rig"
)

func TestMain(m *testing.M) {
	rig.Main()
	os.Exit(m.Run())
}

// The long run is a program of its own; this is a minute of it.
func TestOrdersOutliveTemporalAndPostgresBeingKilled(t *testing.T) {
	t.Parallel()
	if os.Getenv("DROPLINE_OUTAGES") == "" {
		t.Skip("stops what other tests stand on: it has a stack of its own")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	plan := Full(60, 1)
	plan.TemporalDeaths, plan.PostgresEvery = 2, [2]time.Duration{2 * time.Second, 6 * time.Second}
	plan.Out = t.Output()
	wrong, err := Run(ctx, plan)
	if errors.Is(err, ErrNoProcesses) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.Empty(t, wrong)
}
