package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
	"github.com/dropline/dropline/workflows"
)

const (
	stormSignals   = 10_000
	stormPerSecond = 1_000
	// A small machine's server takes fewer signals a second; the storm then lasts longer. One that takes fewer
	// than stormAtLeast in this time has shown nothing, and the test fails.
	stormAtMost  = 100 * time.Second
	stormAtLeast = stormSignals / 2
	// A run of a workflow takes at most so many signals; the server refuses any more.
	mostSignals = 10_000
)

// extremes are tests that take all of the machine, so they have a stack of their own: `make extremes`.
func extremes(t *testing.T) {
	t.Helper()
	if os.Getenv("DROPLINE_EXTREMES") == "" {
		t.Skip("takes all of the machine: `make extremes` runs it on a stack of its own")
	}
}

// Up to a thousand signals a second are sent to one order until it has had ten thousand: facts that it has had,
// cancellations of a line that it does not have, and what nobody can read. It ends as if they had
// not been sent, and its neighbours do not notice.
func TestAStormOfSignalsHarmsNobody(t *testing.T) {
	t.Parallel()
	extremes(t)
	slow := suppliersim.Manner{Ship: suppliersim.ShipManner{Delay: suppliersim.Duration(stormAtMost + 10*time.Second), Carrier: "dropex"}}
	w := newWorld(t, prompt("acme", suppliersim.AckByWebhook), stage.Supplier{ID: "slow", Manner: slow})
	w.startWorker(t, 5*time.Second)
	before := w.neighbours(t, "before", 20)

	key := w.place(t, "stormy", "slow-mug")
	w.awaitSent(t, key)
	firstRun := w.runOf(t, key)
	var during []time.Duration
	var neighbours sync.WaitGroup
	neighbours.Go(func() { during = w.neighbours(t, "during", 20) })
	began := time.Now()
	sent, refused := w.storm(t, key)
	lasted := time.Since(began)
	neighbours.Wait()

	state := w.settled(t, key)
	require.Equal(t, order.StageSettled, state.Stage())
	require.Zero(t, state.Lines[0].Cancelled)
	require.Zero(t, state.Refunds)
	require.Len(t, state.POs, 1)
	runs := historiesOf(t, w.Temporal, key.WorkflowID(), firstRun)
	for i, run := range runs {
		signals := count(run, enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
		t.Logf("run %d: %d signals, %d events", i+1, signals, len(run.GetEvents()))
		require.Less(t, signals, mostSignals)
	}
	calm, p99 := percentile(before, 99), percentile(during, 99)
	t.Logf("%d signals in %s (%.0f a second), %d refused by the server, %d runs; neighbours from placing to dispatch, 99th of a hundred: %s before, %s during the storm",
		sent, lasted, float64(sent)/lasted.Seconds(), refused, len(runs), calm, p99)
	require.GreaterOrEqual(t, sent, int64(stormAtLeast), "the order ended right, but this machine's server took too few signals for a storm: let nothing else run")
	require.Greater(t, len(runs), 1, "a run that takes all signals stands before the server's limit")
	require.Less(t, p99, calm+3*time.Second)
}

// storm sends signals to an order, and says how many the server took and refused.
func (w *world) storm(t *testing.T, key order.Key) (sent, refused int64) {
	t.Helper()
	old := workflows.FactsSignal{Facts: []order.Fact{{Seq: 1, Milestone: &order.ParcelNews{Carrier: "dropex", Tracking: "none", Milestone: order.ParcelLost}}}}
	ctx, cancel := context.WithTimeout(t.Context(), stormAtMost)
	defer cancel()
	ticks := make(chan int)
	go func() {
		defer close(ticks)
		begin := time.Now()
		for i := range stormSignals {
			if wait := time.Until(begin.Add(time.Duration(i) * time.Second / stormPerSecond)); wait > time.Millisecond {
				pause(t, wait)
			}
			select {
			case ticks <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	var taken, turned atomic.Int64
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for i := range ticks {
				name, payload := workflows.SignalFacts, any(old)
				switch i % 10 {
				case 0:
					name, payload = workflows.SignalCancel, order.CancelRequest{ID: fmt.Sprintf("c-%d", i), Lines: []order.ShippedLine{{Line: 9, Quantity: 1}}}
				case 1:
					name, payload = workflows.SignalCancel, "not a request"
				case 2:
					payload = strings.Repeat("not facts ", 20)
				}
				if err := w.Temporal.SignalWorkflow(ctx, key.WorkflowID(), "", name, payload); err == nil {
					taken.Add(1)
				} else if ctx.Err() == nil {
					turned.Add(1)
				}
			}
		})
	}
	senders.Wait()
	return taken.Load(), turned.Load()
}

// neighbours places orders, two a second, and says how long each took until its supplier had it.
func (w *world) neighbours(t *testing.T, name string, n int) []time.Duration {
	t.Helper()
	took := make([]time.Duration, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			began := time.Now()
			w.awaitSent(t, w.place(t, fmt.Sprintf("%s-%d", name, i), "acme-mug"))
			took[i] = time.Since(began)
		})
		pause(t, 500*time.Millisecond)
	}
	all.Wait()
	return took
}

// awaitSent waits until a supplier has the order.
func (w *world) awaitSent(t *testing.T, key order.Key) {
	t.Helper()
	require.Eventually(t, func() bool {
		var sent int
		err := w.Pool.QueryRow(t.Context(), `SELECT count(*) FROM effects WHERE order_key = $1 AND state = 'done'`, key.String()).Scan(&sent)
		return err == nil && sent > 0
	}, patient, 10*time.Millisecond, "%s is not sent", key)
}

// percentile is the p-th of a hundred of these times.
func percentile(of []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}

func count(h *history.History, kind enums.EventType) (n int) {
	for _, e := range h.GetEvents() {
		if e.GetEventType() == kind {
			n++
		}
	}
	return n
}
