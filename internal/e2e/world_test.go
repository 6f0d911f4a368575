// Package e2e tests Dropline whole: gateway and worker as they run in production, on a real Temporal
// server and a real Postgres, with partners that are real servers.
package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
)

// world is a stage whose every failure is the test's.
type world struct{ *stage.Stage }

func newWorld(t *testing.T, suppliers ...stage.Supplier) *world {
	t.Helper()
	s, err := stage.Open(t.Context(), stage.Options{Suppliers: suppliers})
	if errors.Is(err, stage.ErrNoServer) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return &world{s}
}

// startWorker starts a worker. stopWithin is how long it may finish what is under way when it is stopped.
func (w *world) startWorker(t *testing.T, stopWithin time.Duration) (stop func()) {
	t.Helper()
	end, err := w.StartWorker(t.Context(), stopWithin)
	require.NoError(t, err)
	return func() { require.NoError(t, end()) }
}

func (w *world) place(t *testing.T, id string, skus ...string) order.Key {
	t.Helper()
	key, err := w.Place(t.Context(), id, skus...)
	require.NoError(t, err)
	return key
}

func (w *world) settled(t *testing.T, key order.Key) order.State {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	state, err := w.Settled(ctx, key)
	require.NoError(t, err)
	return state
}

func (w *world) costOf(t *testing.T, key order.Key) stage.Cost {
	t.Helper()
	c, err := w.CostOf(t.Context(), key)
	require.NoError(t, err)
	t.Logf("%s: %+v", key, c)
	return c
}

// prompt is a supplier that answers within a second, as a human-paced one does within a day.
func prompt(id string, when suppliersim.AckWhen) stage.Supplier {
	pause := suppliersim.Duration(300 * time.Millisecond)
	return stage.Supplier{ID: id, Manner: suppliersim.Manner{
		Ack:  suppliersim.AckManner{When: when, Delay: pause},
		Ship: suppliersim.ShipManner{Delay: pause, Carrier: "dropex"},
	}}
}

// pause lets the world go on for a while.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
