// Package rigtest opens worlds for tests.
package rigtest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/faults/rig"
	"github.com/dropline/dropline/internal/stage"
)

// Open puts a world up until the test ends, which shows the programs' logs if it failed. It is skipped where
// there are no servers.
func Open(ctx context.Context, t *testing.T, r *rig.Rig, wishes rig.Wishes) *rig.World {
	t.Helper()
	w, err := r.Open(ctx, wishes)
	if errors.Is(err, stage.ErrNoServer) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, w.Close())
		if t.Failed() {
			t.Log(w.Logs())
		}
	})
	return w
}
