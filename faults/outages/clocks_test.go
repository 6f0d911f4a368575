package outages

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/activities"
	"github.com/dropline/dropline/faults/rig"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/partners"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
	"github.com/dropline/dropline/internal/webhook"
	"github.com/dropline/dropline/workflows"
)

// A partner whose clock is right where the gateway's is wrong looks the same as the other way round.
func TestAPartnersClockMayBeWrongByTheReplayWindow(t *testing.T) {
	t.Parallel()
	quiet := suppliersim.Manner{Ack: suppliersim.AckManner{When: suppliersim.AckNever}, Ship: suppliersim.ShipManner{Never: true}}
	w, ctx := open(t, rig.Wishes{Suppliers: []stage.Supplier{{ID: "acme", Manner: quiet}}})
	place(ctx, t, w, "one", "acme-mug")
	require.NoError(t, w.Suppliers.Books.Await(ctx, func(s suppliersim.Snapshot) bool { return len(s["acme"].Orders) == 1 }))
	number := w.Suppliers.Books.Snapshot()["acme"].Orders[0].Number
	ack, err := json.Marshal(wire.Acknowledgment{ID: "a-1", PO: number, At: time.Now().UTC(), Whole: "accepted"})
	require.NoError(t, err)
	event, err := json.Marshal(wire.Event{ID: "e-1", Type: wire.TypeAcknowledged, CreatedAt: time.Now().UTC(), Data: ack})
	require.NoError(t, err)
	send := func(off time.Duration) (int, string) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.Stage.Gateway+"/v1/suppliers/acme/events", bytes.NewReader(event))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set(webhook.Header, webhook.Sign(stage.Secret, event, time.Now().Add(off)))
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		var said struct{ Code, Result string }
		require.NoError(t, json.NewDecoder(response.Body).Decode(&said))
		return response.StatusCode, said.Code + said.Result
	}
	for _, off := range []time.Duration{time.Hour, -time.Hour, webhook.DefaultTolerance + time.Minute, -webhook.DefaultTolerance - time.Minute} {
		status, said := send(off)
		require.Equal(t, http.StatusUnauthorized, status, off)
		require.Equal(t, "stale_delivery", said, off)
	}
	status, said := send(webhook.DefaultTolerance - time.Minute)
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, "stored", said)
	status, said = send(-webhook.DefaultTolerance + time.Minute)
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, "repeat", said)
	require.NoError(t, w.Await(ctx, `SELECT EXISTS (SELECT FROM purchase_orders WHERE acknowledged_at IS NOT NULL)`))
}

// Activities read the worker's clock; workflows, leases and due times do not.
func TestAWorkerWhoseClockIsWrongOnlyMovesDeadlines(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]time.Duration{"an hour ahead": time.Hour, "an hour behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suppliers := rig.Players()
			for i := range suppliers {
				suppliers[i].Acknowledge, suppliers[i].Ship = "3h", "6h"
			}
			w, ctx := open(t, rig.Wishes{Suppliers: suppliers})
			require.NoError(t, w.Worker.Stop())
			startWorkerAt(t, w, func() time.Time { return time.Now().Add(off) })
			kept, cancelled := place(ctx, t, w, "kept", "acme-mug"), place(ctx, t, w, "cancelled", "tardy-mug")
			require.NoError(t, w.Await(ctx, `SELECT EXISTS (SELECT FROM purchase_orders WHERE supplier = 'tardy' AND submitted_at IS NOT NULL)`))
			_, err := w.CancelOrder(ctx, cancelled)
			require.NoError(t, err)
			judge(ctx, t, w, rig.Ending{Key: kept}, rig.Ending{Key: cancelled, Cancelled: true})
			var due time.Time
			require.NoError(t, w.Pool.QueryRow(ctx, `SELECT ack_due_at FROM purchase_orders WHERE supplier = 'acme'`).Scan(&due))
			require.WithinDuration(t, time.Now().Add(3*time.Hour+off), due, time.Minute)
		})
	}
}

// startWorkerAt runs a worker in this process whose activities have a clock of their own.
func startWorkerAt(t *testing.T, w *rig.World, now func() time.Time) {
	t.Helper()
	directory := partners.New(w.Pool, true)
	tasks := worker.New(w.Temporal, workflows.TaskQueue, worker.Options{DisableRegistrationAliasing: true})
	tasks.RegisterWorkflowWithOptions(workflows.Order, workflow.RegisterOptions{Name: workflows.OrderWorkflow})
	(&activities.Orders{Pool: w.Pool, Partners: directory, Now: now}).Register(tasks)
	require.NoError(t, tasks.Start())
	t.Cleanup(tasks.Stop)
	mail, err := rig.Mailer(w.Settings.Mail)
	require.NoError(t, err)
	courier := &outbox.Courier{Pool: w.Pool, Mail: mail, Storefront: directory.StorefrontByID, Log: slog.New(slog.DiscardHandler)}
	ended := make(chan error, 1)
	go func() { ended <- courier.Run(t.Context()) }() // its context ends before the clean-ups begin
	t.Cleanup(func() { require.NoError(t, <-ended) })
}
