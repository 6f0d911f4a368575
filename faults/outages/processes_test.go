package outages

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/faults/rig"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
)

// asleep is longer than Temporal waits for a worker's heartbeat (10 s) and than a courier's lease.
const asleep = 30 * time.Second

// The worker is stopped in the middle of a call: the supplier takes the purchase order and answers to somebody
// who does not listen. Another worker is given the activity, and ends the order; then the first one wakes, and
// finds the answer.
func TestAWorkerThatWakesAfterHalfAMinuteDoublesNothing(t *testing.T) {
	t.Parallel()
	pause100 := suppliersim.Duration(100 * time.Millisecond)
	slow := suppliersim.Manner{
		Submit: []suppliersim.Fault{{Kind: suppliersim.FaultSlow, Times: 1, Delay: suppliersim.Duration(3 * time.Second)}},
		Ack:    suppliersim.AckManner{When: suppliersim.AckByWebhook, Delay: pause100},
		Ship:   suppliersim.ShipManner{Delay: pause100, Carrier: "dropex"},
	}
	w, ctx := open(t, rig.Wishes{Suppliers: []stage.Supplier{{ID: "acme", Manner: slow}}})
	var keys []order.Key
	for _, id := range []string{"one", "two", "three"} {
		keys = append(keys, place(ctx, t, w, id, "acme-mug"))
	}
	require.NoError(t, w.Await(ctx, `SELECT count(*) = 3 FROM effects WHERE kind = 'submit' AND state = 'trying'`))
	zombie := w.Worker
	require.NoError(t, zombie.Signal(syscall.SIGSTOP))
	began := time.Now()
	other, err := w.StartWorkerProcess()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Stop()) })
	for _, key := range keys {
		_, err := w.Settled(ctx, key)
		require.NoError(t, err)
	}
	pause(ctx, asleep-time.Since(began))
	require.NoError(t, zombie.Signal(syscall.SIGCONT))
	// It has taken up again what it was at when it answers for itself.
	require.NoError(t, awaitReady(ctx, zombie.Address))
	keys = append(keys, place(ctx, t, w, "after", "acme-mug"))
	judge(ctx, t, w, ended(keys...)...)
}

func TestPartnersComeAgainWhenAGatewayDied(t *testing.T) {
	t.Parallel()
	w, ctx := open(t, rig.Wishes{Through: rig.ToGateway})
	first := place(ctx, t, w, "first", "acme-mug")
	require.NoError(t, w.Gateway.Kill())
	// Nobody answers where the gateway was, as long as it takes until another one does.
	require.NoError(t, w.Suppliers.Books.Await(ctx, func(s suppliersim.Snapshot) bool {
		for _, hook := range s["acme"].Webhooks {
			if hook.Attempts > 0 && hook.Delivered == 0 {
				return true
			}
		}
		return false
	}))
	require.NoError(t, w.RestartGateway())
	second := place(ctx, t, w, "second", "acme-mug")
	_, again, err := w.Order(ctx, "first", "acme-mug")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, again.Last(), "it is known")
	judge(ctx, t, w, ended(first, second)...)
}

func TestGatewayTakesOrdersWhileTemporalIsStopped(t *testing.T) {
	t.Parallel()
	alone(t)
	w, ctx := open(t, rig.Wishes{})
	temporal := processIn(t, "DROPLINE_TEMPORAL_PID_FILE")
	before := place(ctx, t, w, "before", "acme-mug")
	sendSignal(t, temporal, syscall.SIGSTOP)
	t.Cleanup(func() { sendSignal(t, temporal, syscall.SIGCONT) })
	during := place(ctx, t, w, "during", "acme-mug")
	cancelled := place(ctx, t, w, "cancelled", "tardy-mug")
	answers, err := w.CancelOrder(ctx, cancelled)
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, answers.Last(), "stored, and carried out later")
	pause(ctx, asleep)
	sendSignal(t, temporal, syscall.SIGCONT)
	judge(ctx, t, w, append(ended(before, during), rig.Ending{Key: cancelled, Cancelled: true})...)
}
