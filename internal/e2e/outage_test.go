package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
)

// outages are tests that stop what other tests stand on, so they have a stack of their own:
// `make test` runs them after the rest.
func outages(t *testing.T) {
	t.Helper()
	if os.Getenv("DROPLINE_OUTAGES") == "" || os.Getenv("DROPLINE_PG_PID_FILE") == "" {
		t.Skip("stops Postgres: `make test` runs it on a stack of its own")
	}
}

// killPostgres kills the server as a crash of the machine would; the stack starts it again.
func killPostgres(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(os.Getenv("DROPLINE_PG_PID_FILE"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		require.ErrorIs(t, err, syscall.ESRCH) // it is just being started again
	}
}

func TestPostgresAndWorkerDyingUnderOrdersLosesNothing(t *testing.T) {
	t.Parallel()
	outages(t)
	w := newWorld(t, prompt("acme", suppliersim.AckByWebhook), prompt("bolt", suppliersim.AckInResponse))
	stopWorker := w.startWorker(t, 0)
	var keys []order.Key
	for i := range 12 {
		skus := []string{"acme-mug"}
		if i%2 == 1 {
			skus = append(skus, "bolt-jar")
		}
		keys = append(keys, w.place(t, fmt.Sprintf("outage-%d", i), skus...))
	}
	for i := range 4 {
		// The moments differ from run to run on purpose: none of them may matter.
		pause(t, time.Duration(300+i*400)*time.Millisecond)
		killPostgres(t)
		if i == 2 {
			stopWorker()
			stopWorker = w.startWorker(t, 0)
		}
	}
	for _, key := range keys {
		state := w.settled(t, key)
		require.Equal(t, order.StageSettled, state.Stage(), key.String())
		require.Zero(t, state.Refunds, key.String())
	}
	sent := map[string]bool{}
	for supplier, books := range w.Suppliers.Books.Snapshot() {
		for i := range books.Orders {
			o := &books.Orders[i]
			require.Zero(t, o.Conflicts, "%s %s", supplier, o.Number)
			require.False(t, o.Cancelled, "%s %s", supplier, o.Number)
			require.Len(t, o.Parcels, 1, "%s %s", supplier, o.Number)
			require.False(t, sent[o.Number], "%s is with two suppliers", o.Number)
			sent[o.Number] = true
		}
	}
	require.Len(t, sent, 18, "a purchase order for each supplier of each order")
}
