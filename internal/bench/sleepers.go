package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
	"github.com/dropline/dropline/internal/visibility"
	"github.com/dropline/dropline/workflows"
)

var sleeperRows = []row{
	{"orders", "orders that wait for an acknowledgment"},
	{"started_per_s", "workflows brought there a second"},
	{"worker_mb", "worker with all of them, MB"},
	{"worker_heap_mb", "its heap, MB"},
	{"server_mb", "Temporal server, MB"},
	{"worker_restarted_mb", "worker after its restart, MB"},
	{"ready_ms", "ms from the restart until it takes tasks"},
	{"first_answer_ms", "ms from the restart until a cancellation is answered truly"},
	{"replays_at_first_answer", "histories replayed until then"},
	{"answer_p50_ms", "median of the next cancellations, each of another order, ms"},
	{"answer_p99_ms", "their p99, ms"},
	{"replays", "histories replayed after all of them"},
	{"answers", "cancellations answered"},
}

// sleeperName begins the ids of the orders; the first is the one that all others are copies of.
const sleeperName = "sleep"

func sleeperID(n int) string { return fmt.Sprintf("%s-%06d", sleeperName, n) }

func sleeperKeyOf(n int) order.Key { return order.Key{Storefront: "shop", Order: sleeperID(n)} }

// sleepers puts orders to sleep that wait for an acknowledgment, lets the worker die, and asks.
func (b *bench) sleepers(ctx context.Context) (err error) {
	silent := supplierOf("acme", suppliersim.AckNever)
	silent.Acknowledge, silent.Ship = "72h", "96h"
	d, err := b.deploy(ctx, []stage.Supplier{silent})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	state, err := d.firstSleeper(ctx)
	if err != nil {
		return err
	}
	b.progress("%d orders: their rows are copied from one that came through the front door", b.sizes.sleepers)
	if err := d.copyRows(ctx, b.sizes.sleepers); err != nil {
		return err
	}
	figures := Figures{}
	b.report.Sleepers = figures
	if err := b.startSleepers(ctx, d, state, figures); err != nil {
		return err
	}
	if err := d.weigh(figures); err != nil {
		return err
	}
	if err := b.wake(ctx, d, figures); err != nil {
		return err
	}
	return b.parcels(ctx, d)
}

// firstSleeper places an order and waits until its supplier has it.
func (d *deployment) firstSleeper(ctx context.Context) (order.State, error) {
	var state order.State
	key, err := d.Place(ctx, sleeperID(0), "acme-mug")
	if err != nil {
		return state, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for state.Stage() != order.StageDispatched {
		if err := rest(ctx, stepPause); err != nil {
			return state, fmt.Errorf("wait until order %s is with its supplier, it is %s: %w", key, state.Stage(), err)
		}
		value, err := d.Temporal.QueryWorkflow(ctx, key.WorkflowID(), "", workflows.QueryState)
		if err == nil {
			err = value.Get(&state)
		}
		if err != nil && ctx.Err() == nil && !strings.Contains(err.Error(), "not found") {
			return state, fmt.Errorf("ask order %s where it stands: %w", key, err)
		}
	}
	return state, nil
}

// copied are the tables that hold an order, parents first.
var copied = []struct{ table, key string }{
	{"orders", "key"},
	{"order_contacts", "order_key"},
	{"order_lines", "order_key"},
	{"routing_decisions", "order_key"},
	{"purchase_orders", "order_key"},
	{"purchase_order_lines", "order_key"},
	{"effects", "order_key"},
}

// copyRows writes the first sleeper's rows again under other keys. Triggers and foreign keys are left
// out: they held for the original, and would take longer than everything else.
func (d *deployment) copyRows(ctx context.Context, orders int) error {
	tx, err := d.Pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("copy orders: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	var ids, numbers []string
	for n := 1; n < orders; n++ {
		ids, numbers = append(ids, sleeperID(n)), append(numbers, sleeperKeyOf(n).PurchaseOrderNumber(1))
	}
	if _, err := tx.Exec(ctx, `SET LOCAL session_replication_role = replica`); err != nil {
		return fmt.Errorf("copy orders: %w", err)
	}
	if _, err := tx.Exec(ctx, `CREATE TEMPORARY TABLE copies ON COMMIT DROP AS SELECT * FROM unnest($1::text[], $2::text[]) AS c (id, number)`, ids, numbers); err != nil {
		return fmt.Errorf("copy orders: %w", err)
	}
	first := sleeperKeyOf(0)
	for _, t := range copied {
		_, err := tx.Exec(ctx, fmt.Sprintf(`
			INSERT INTO %[1]s SELECT r.* FROM %[1]s AS t, copies AS c,
				jsonb_populate_record(NULL::%[1]s, replace(replace(to_jsonb(t)::text, $2, c.id), $3, c.number)::jsonb) AS r
			WHERE t.%[2]s = $1`, t.table, t.key), first.String(), first.Order, first.PurchaseOrderNumber(1))
		if err != nil {
			return fmt.Errorf("copy the %s: %w", t.table, err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("copy orders: %w", err)
	}
	_, err = d.Pool.Exec(ctx, `ANALYZE`)
	return err
}

const (
	// starters are how many workflows are started at once.
	starters = 24
	// onTheWay is how many may be started and not yet waiting: a server that takes starts faster than it
	// brings them there would make the end of the section a long one.
	onTheWay = 2_000
)

// startSleepers starts a workflow for each copy, with the state of an order that goes on from a run
// before: it has been sent, and waits.
func (b *bench) startSleepers(ctx context.Context, d *deployment, state order.State, figures Figures) error {
	text, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("write the state of an order: %w", err)
	}
	began := time.Now()
	var group sync.WaitGroup
	var next, done, asleep atomic.Int64
	failures := make([]error, starters)
	counting, enough := context.WithCancel(ctx)
	defer enough()
	go func() {
		for rest(counting, 2*time.Second) == nil {
			if n, err := d.countAsleep(counting); err == nil {
				asleep.Store(n)
			}
		}
	}()
	for n := range starters {
		group.Go(func() {
			for failures[n] == nil && ctx.Err() == nil && time.Since(began) < b.sizes.startFor {
				if done.Load()-asleep.Load() >= onTheWay {
					failures[n] = rest(ctx, stepPause)
					continue
				}
				i := int(next.Add(1))
				if i >= b.sizes.sleepers {
					return
				}
				failures[n] = d.startSleeper(ctx, i, string(text))
				if at := done.Add(1); at%10_000 == 0 {
					b.progress("%d orders sleep", at)
				}
			}
		})
	}
	group.Wait()
	if err := errors.Join(errors.Join(failures...), ctx.Err()); err != nil {
		return err
	}
	started := done.Load() + 1
	if started < int64(b.sizes.sleepers) {
		b.note(fmt.Sprintf("of %d sleeping orders %d were started in the time that this may take", b.sizes.sleepers, started))
	}
	// The last ones are still on their way into their wait.
	for asleep.Load() < started {
		if err := rest(ctx, stepPause); err != nil {
			return err
		}
	}
	figures["orders"], figures["started_per_s"] = float64(started), float64(started-1)/time.Since(began).Seconds()
	return nil
}

func (d *deployment) startSleeper(ctx context.Context, n int, template string) error {
	first, key := sleeperKeyOf(0), sleeperKeyOf(n)
	text := strings.NewReplacer(first.Order, key.Order, first.PurchaseOrderNumber(1), key.PurchaseOrderNumber(1)).Replace(template)
	var state order.State
	if err := json.Unmarshal([]byte(text), &state); err != nil {
		return fmt.Errorf("read the state of order %s: %w", key, err)
	}
	_, err := d.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: key.WorkflowID(), TaskQueue: workflows.TaskQueue, TypedSearchAttributes: visibility.Initial(key, "DE"),
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
	}, workflows.OrderWorkflow, workflows.OrderInput{Key: key, State: &state})
	if err != nil {
		return fmt.Errorf("start order %s: %w", key, err)
	}
	return nil
}

// countAsleep counts the orders that show that they are with their supplier.
func (d *deployment) countAsleep(ctx context.Context) (int64, error) {
	found, err := d.Temporal.CountWorkflow(ctx, countRequest(d.Settings.TemporalNamespace))
	if err != nil {
		return 0, fmt.Errorf("count the orders that sleep: %w", err)
	}
	return found.GetCount(), nil
}

func (d *deployment) weigh(figures Figures) (err error) {
	said, err := d.worker.ask(question{})
	if err != nil {
		return err
	}
	figures["worker_heap_mb"] = said.HeapMB
	if figures["worker_mb"], _, err = memoryOf(d.worker.pid()); err != nil {
		return err
	}
	figures["server_mb"], _, err = memoryOf(d.at.temporal)
	return err
}

// wake kills the worker, starts another, and cancels orders: the first as soon as the new one is there,
// the others, each of which has to be replayed, a few at a time.
func (b *bench) wake(ctx context.Context, d *deployment, figures Figures) (err error) {
	d.worker.kill()
	if d.worker, err = startPart(roleWorker, d.Settings, d.profile); err != nil {
		return err
	}
	began := d.worker.began
	if err := awaitReady(ctx, d.worker.url); err != nil {
		return err
	}
	figures["ready_ms"] = float64(time.Since(began).Microseconds()) / 1000
	for {
		truly, err := d.cancelSleeper(ctx, 0)
		if err != nil {
			return err
		}
		if truly {
			break
		}
	}
	figures["first_answer_ms"] = float64(time.Since(began).Microseconds()) / 1000
	said, err := d.worker.ask(question{})
	if err != nil {
		return err
	}
	figures["replays_at_first_answer"] = float64(said.Replays)
	if figures["worker_restarted_mb"], _, err = memoryOf(d.worker.pid()); err != nil {
		return err
	}
	b.progress("the first cancellation after the restart was answered after %.0f ms", figures["first_answer_ms"])
	return b.wakeMore(ctx, d, figures)
}

// askers are how many people cancel at once.
const askers = 4

func (b *bench) wakeMore(ctx context.Context, d *deployment, figures Figures) error {
	times, failures := make([][]time.Duration, askers), make([]error, askers)
	var group sync.WaitGroup
	for a := range askers {
		group.Go(func() {
			for n := 1 + a; n < min(b.sizes.coldAnswers, int(figures["orders"])) && failures[a] == nil; n += askers {
				asked := time.Now()
				truly, err := d.cancelSleeper(ctx, n)
				failures[a] = err
				if truly {
					times[a] = append(times[a], time.Since(asked))
				}
			}
		})
	}
	group.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	all := milliseconds(slices.Concat(times...))
	figures["answer_p50_ms"], figures["answer_p99_ms"], figures["answers"] = quantile(all, 0.5), quantile(all, 0.99), float64(len(all)+1)
	said, err := d.worker.ask(question{})
	figures["replays"] = float64(said.Replays)
	return err
}

// cancelSleeper asks an order to cancel itself. truly is false when it could not be asked in time.
func (d *deployment) cancelSleeper(ctx context.Context, n int) (truly bool, err error) {
	var said struct{ Result, Message string }
	key := sleeperKeyOf(n)
	status, err := d.Call(ctx, http.MethodPost, "/v1/orders/"+key.String()+"/cancel", map[string]any{"request_id": "bench"}, &said)
	if err == nil && status != http.StatusOK && status != http.StatusAccepted {
		err = fmt.Errorf("cancel order %s: answered %d: %s", key, status, said.Message)
	}
	return status == http.StatusOK && said.Result == "answered", err
}
