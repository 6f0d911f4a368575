package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/stage"
	"github.com/dropline/dropline/workflows"
)

var parcelRows = []row{
	{"parcels", "open parcels, all due"},
	{"seconds", "seconds of the pass"},
	{"per_s", "parcels a second"},
	{"passes", "runs of the poll's workflow that it took"},
	{"actions", "billable actions of all of them"},
	{"server_actions", "the same as the server counts them"},
	{"requests", "requests to the tracking service"},
	{"rows_written", "rows written in Postgres"},
	{"rows_per_parcel", "rows written a parcel"},
	{"worker_before_mb", "worker before, MB"},
	{"worker_most_mb", "worker at its most, MB"},
	{"cpu_ms_worker", "worker CPU a parcel, ms"},
	{"cpu_ms_postgres", "Postgres CPU a parcel, ms"},
}

// scannedAt is when the carrier saw the parcels: lately, so that none of them is late.
func scannedAt() time.Time { return time.Now().Add(-6 * time.Hour).UTC().Truncate(time.Second) }

// parcels puts every sleeping order's goods under way, all due for a look, and lets the carrier poll
// go over them. The tracking service knows of each what Dropline knows already: the usual answer.
func (b *bench) parcels(ctx context.Context, d *deployment) (err error) {
	at := scannedAt()
	service, err := startTracker(ctx, at)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.server.Close()) }()
	if err := d.seedParcels(ctx, service.url, at); err != nil {
		return err
	}
	figures := Figures{"parcels": float64(b.sizes.sleepers)}
	b.report.Parcels = figures
	if figures["worker_before_mb"], _, err = memoryOf(d.worker.pid()); err != nil {
		return err
	}
	written, err := d.rowsWritten(ctx)
	if err != nil {
		return err
	}
	billed, shown, err := serverActions(ctx, d.Settings.TemporalNamespace)
	if err != nil {
		return err
	}
	before, err := cpuOf(d.at, d.worker.pid(), d.gateway.pid())
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	most := d.watchMemory(watching)
	began := time.Now()
	err = b.pollUntilNoneIsDue(ctx, d, figures)
	figures["seconds"] = time.Since(began).Seconds()
	stop()
	figures["worker_most_mb"] = <-most
	if err != nil {
		return err
	}
	after, err := cpuOf(d.at, d.worker.pid(), d.gateway.pid())
	if err != nil {
		return err
	}
	now, err := d.rowsWritten(ctx)
	if err != nil {
		return err
	}
	if shown { // the counts are a second behind, and those of the rows were waited for
		counted, _, err := serverActions(ctx, d.Settings.TemporalNamespace)
		if err != nil {
			return err
		}
		figures["server_actions"] = counted - billed
	}
	count, used := figures["parcels"], after.less(before)
	figures["per_s"], figures["requests"] = count/figures["seconds"], float64(service.requests.Load())
	figures["rows_written"], figures["rows_per_parcel"] = float64(now-written), float64(now-written)/count
	figures["cpu_ms_worker"], figures["cpu_ms_postgres"] = used.worker.Seconds()*1000/count, used.postgres.Seconds()*1000/count
	b.progress("%.0f parcels were looked at in %.1f s, with %.0f actions", count, figures["seconds"], figures["actions"])
	return nil
}

// pollUntilNoneIsDue runs the poll as its schedule would, again when a run ended with parcels left.
func (b *bench) pollUntilNoneIsDue(ctx context.Context, d *deployment, figures Figures) error {
	for due := true; due; {
		figures["passes"]++
		id := fmt.Sprintf("carrier-poll/bench-%.0f", figures["passes"])
		run, err := d.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: workflows.TaskQueue},
			workflows.CarrierPollWorkflow, workflows.CarrierPollInput{Carrier: "track"})
		if err != nil {
			return fmt.Errorf("start the carrier poll: %w", err)
		}
		failed := run.Get(ctx, nil) // what a run left over is the next one's
		events, err := historyOf(ctx, d.Temporal, id)
		if err != nil {
			return err
		}
		figures["actions"]++
		for _, event := range events.GetEvents() {
			if event.GetEventType() == enums.EVENT_TYPE_ACTIVITY_TASK_STARTED {
				figures["actions"] += float64(event.GetActivityTaskStartedEventAttributes().GetAttempt())
			}
		}
		if failed != nil {
			b.progress("a run of the poll ended early: %v", failed)
		}
		// Those that a run had claimed and not reached are due again five minutes later.
		err = d.Pool.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM parcels WHERE next_check_at <= now() + interval '5 minutes')`).Scan(&due)
		if err != nil {
			return fmt.Errorf("look for parcels that are due: %w", err)
		}
		if _, err := d.Pool.Exec(ctx, `UPDATE parcels SET next_check_at = now() WHERE next_check_at BETWEEN now() AND now() + interval '5 minutes'`); err != nil {
			return fmt.Errorf("let parcels be due: %w", err)
		}
	}
	return nil
}

// watchMemory returns the most that the worker held, once ctx ends.
func (d *deployment) watchMemory(ctx context.Context) <-chan float64 {
	found := make(chan float64, 1)
	go func() {
		most := 0.0
		for rest(ctx, 200*time.Millisecond) == nil {
			if now, _, err := memoryOf(d.worker.pid()); err == nil {
				most = max(most, now)
			}
		}
		found <- most
	}()
	return found
}

// seedParcels gives each sleeping purchase order a parcel that was scanned once.
func (d *deployment) seedParcels(ctx context.Context, tracker string, at time.Time) error {
	for _, statement := range []struct {
		sql  string
		args []any
	}{
		{`UPDATE carriers SET document = jsonb_set(document, '{url}', to_jsonb($1::text))`, []any{tracker}},
		{
			`INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, milestone, milestone_at, first_scan_at, last_scan_at, next_check_at)
			SELECT number, 'dropex', 'TRK' || replace(number, '-', ''), order_key, '[{"line": 1, "quantity": 1}]', $1, 'in_transit', $1, $1, $1, now()
			FROM purchase_orders ON CONFLICT DO NOTHING`, []any{at},
		},
		{`ANALYZE`, nil},
	} {
		if _, err := d.Pool.Exec(ctx, statement.sql, statement.args...); err != nil {
			return fmt.Errorf("put parcels under way: %w", err)
		}
	}
	return nil
}

// rowsWritten counts rows inserted, updated and deleted in the stage's schema.
func (d *deployment) rowsWritten(ctx context.Context) (rows int64, err error) {
	// A connection that has become idle reports what it did within ten seconds.
	if err := rest(ctx, 11*time.Second); err != nil {
		return 0, err
	}
	err = d.Pool.QueryRow(ctx, `SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_user_tables
		WHERE schemaname = current_schema()`).Scan(&rows)
	if err != nil {
		return 0, fmt.Errorf("count rows written: %w", err)
	}
	return rows, nil
}

// tracker is a tracking service that knows one scan of every parcel.
type tracker struct {
	server   *http.Server
	url      string
	requests atomic.Int64
	at       time.Time
}

func startTracker(ctx context.Context, at time.Time) (*tracker, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a tracking service: %w", err)
	}
	t := &tracker{url: "http://" + listener.Addr().String(), at: at}
	t.server = &http.Server{Handler: http.HandlerFunc(t.answer), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = t.server.Serve(listener) }() // until it is closed
	return t, nil
}

func (t *tracker) answer(w http.ResponseWriter, r *http.Request) {
	if user, _, _ := r.BasicAuth(); user != stage.Secret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	t.requests.Add(1)
	var list []any
	for number := range strings.SplitSeq(r.URL.Query().Get("tracking_codes"), ",") {
		list = append(list, trackerOf("DROPEX", number, t.at, 1))
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"trackers": list, "has_more": false}) //nolint:errchkjson // plain maps
}

// countRequest counts the orders that are with their supplier.
func countRequest(namespace string) *workflowservice.CountWorkflowExecutionsRequest {
	return &workflowservice.CountWorkflowExecutionsRequest{Namespace: namespace, Query: `WorkflowType = "Order" AND Stage = "dispatched"`}
}
