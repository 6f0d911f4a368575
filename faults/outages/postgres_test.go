package outages

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/faults/rig"
)

// Postgres stands still with everything that it was at: connections are open and nobody answers on them, for
// longer than any call waits. What the gateway answers meanwhile is 503, and no step is done twice after it.
func TestOrdersOutlivePostgresStandingStillForHalfAMinute(t *testing.T) {
	t.Parallel()
	alone(t)
	w, ctx := open(t, rig.Wishes{})
	before, cancelled := place(ctx, t, w, "before", "acme-mug"), place(ctx, t, w, "cancelled", "tardy-mug")
	require.NoError(t, w.Await(ctx, `SELECT count(*) = 2 FROM effects WHERE kind = 'submit'`))

	stopped, err := rig.Family("DROPLINE_PG_PID_FILE")
	require.NoError(t, err)
	// However this ends, Postgres goes on.
	t.Cleanup(func() { require.NoError(t, rig.Signal(stopped, syscall.SIGCONT)) })
	require.NoError(t, rig.Signal(stopped, syscall.SIGSTOP))
	began := time.Now()
	placed, asked := make(chan rig.Answers, 1), make(chan error, 2)
	go func() {
		_, answers, err := w.Order(ctx, "during", "acme-mug")
		placed <- answers
		asked <- err
	}()
	go func() {
		_, err := w.CancelOrder(ctx, cancelled)
		asked <- err
	}()
	pause(ctx, asleep-time.Since(began))
	require.Empty(t, placed, "it was stored while Postgres stood still")
	require.NoError(t, rig.Signal(stopped, syscall.SIGCONT))

	answers := <-placed
	require.NoError(t, <-asked)
	require.NoError(t, <-asked)
	require.Equal(t, http.StatusServiceUnavailable, answers.Statuses[0])
	during := before
	during.Order = "during"
	judge(ctx, t, w, append(ended(before, during), rig.Ending{Key: cancelled, Cancelled: true})...)
}
