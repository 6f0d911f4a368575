package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/workflows"
)

// perOrder counts what an order of each shape costs, and loads a deployment with orders of each in
// turn with the floor.
func (b *bench) perOrder(ctx context.Context) error {
	shapes, err := b.chosenShapes()
	if err != nil {
		return err
	}
	if b.report.PerOrder == nil {
		b.report.PerOrder = map[string]Figures{}
	}
	counted, err := b.countAll(ctx, shapes)
	if err != nil {
		return err
	}
	for i, shape := range shapes {
		figures := Medians(counted[i].Orders)
		for _, varying := range []string{"actions", "events", "bytes", "workflow_tasks", "sql", "sql_activities"} {
			figures[varying+"_most"] = Most(counted[i].Orders)[varying]
		}
		replays, err := replay(counted[i].Histories)
		if err != nil {
			return fmt.Errorf("replay an order of the shape %s: %w", shape.Name, err)
		}
		figures.take("replay_", replays)
		b.report.PerOrder[shape.Name] = figures
	}
	if b.CountsOnly {
		return nil
	}
	for i, shape := range shapes {
		rounds, err := b.load(ctx, shape, counted[i])
		if err != nil {
			return fmt.Errorf("load with orders of the shape %s: %w", shape.Name, err)
		}
		figures := b.report.PerOrder[shape.Name]
		figures.take("", Medians(rounds))
		figures["cpu_ms_least"], figures["cpu_ms_most"] = Least(rounds)["cpu_ms"], Most(rounds)["cpu_ms"]
		figures["floor_cpu_ratio_least"], figures["floor_cpu_ratio_most"] = Least(rounds)["floor_cpu_ratio"], Most(rounds)["floor_cpu_ratio"]
	}
	return nil
}

// chosenShapes are those of Options.Shapes, or all.
func (b *bench) chosenShapes() ([]Shape, error) {
	var chosen []Shape
	for _, shape := range Shapes() {
		if len(b.Shapes) == 0 || slices.Contains(b.Shapes, shape.Name) {
			chosen = append(chosen, shape)
		}
	}
	if len(b.Shapes) > 0 && len(chosen) != len(b.Shapes) {
		return nil, fmt.Errorf("of the shapes %q only %d are known", b.Shapes, len(chosen))
	}
	return chosen, nil
}

// warming is how many orders come before those that are counted, so that caches are filled.
const warming = 3

// countAll counts the shapes side by side: counts do not depend on the time they take.
func (b *bench) countAll(ctx context.Context, shapes []Shape) ([]*Counted, error) {
	counted, failures := make([]*Counted, len(shapes)), make([]error, len(shapes))
	var group sync.WaitGroup
	for i, shape := range shapes {
		group.Go(func() {
			counted[i], failures[i] = Count(ctx, shape, warming, b.sizes.counted)
			if failures[i] == nil {
				median := Medians(counted[i].Orders)
				b.progress("%s: %g actions, %g events, %g round trips to Postgres", shape.Name, median["actions"], median["events"], median["sql"])
			}
		})
	}
	group.Wait()
	return counted, errors.Join(failures...)
}

// replayTimes is how often a history is replayed to know what one replay takes.
const replayTimes = 50

// replay measures what it takes to rebuild an order's workflows from their histories, all together.
func replay(histories []*history.History) (Figures, error) {
	whole := Figures{}
	for _, events := range histories {
		one, err := replayOne(events)
		if err != nil {
			return nil, err
		}
		for name, value := range one {
			whole[name] += value
		}
	}
	return whole, nil
}

func replayOne(events *history.History) (Figures, error) {
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(workflows.Order, workflow.RegisterOptions{Name: workflows.OrderWorkflow})
	replayer.RegisterWorkflowWithOptions(workflows.Return, workflow.RegisterOptions{Name: workflows.ReturnWorkflow})
	if err := replayer.ReplayWorkflowHistory(nil, events); err != nil { // the first fills caches
		return nil, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	for range replayTimes {
		if err := replayer.ReplayWorkflowHistory(nil, events); err != nil {
			return nil, err
		}
	}
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	return Figures{
		"allocs": float64(after.Mallocs-before.Mallocs) / replayTimes,
		"bytes":  float64(after.TotalAlloc-before.TotalAlloc) / replayTimes,
		"us":     float64(took.Microseconds()) / replayTimes,
	}, nil
}

// load lets rounds of orders through a deployment, each followed by a round of the floor.
func (b *bench) load(ctx context.Context, shape Shape, counted *Counted) (rounds []Figures, err error) {
	d, err := b.deploy(ctx, shape.Suppliers)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	bare, err := startPart(roleFloor, floorSetup{Settings: d.Settings, Scripts: counted.scripts()}, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bare.stop()) }()

	customers, gone := context.WithCancelCause(ctx)
	defer gone(nil)
	go shape.customers(customers, d.Stage, gone)
	l := &loading{bench: b, shape: shape, deployment: d, floor: bare, workflows: len(counted.Histories)}
	for n := -1; n < b.sizes.rounds; n++ { // the first round warms up and is not kept
		figures, err := l.round(customers, n)
		if err != nil {
			return nil, errors.Join(err, context.Cause(customers))
		}
		if n >= 0 {
			rounds = append(rounds, figures)
			b.progress("%s, round %d of %d: %.1f ms CPU an order, %.1f of them in Postgres; %.2f of the floor; %.1f orders/s, the floor %.1f", shape.Name, n+1,
				b.sizes.rounds, figures["cpu_ms"], figures["cpu_ms_postgres"], figures["floor_cpu_ratio"], figures["orders_per_s"], figures["floor_orders_per_s"])
		}
	}
	return rounds, nil
}

type loading struct {
	bench      *bench
	shape      Shape
	deployment *deployment
	floor      *part
	workflows  int // of an order
}

func (l *loading) round(ctx context.Context, n int) (Figures, error) {
	figures, name := Figures{}, fmt.Sprintf("round%d", n+1)
	orders := l.bench.sizes.loadOrders
	if n < 0 {
		orders = l.bench.sizes.loadWarm
	}
	if err := errors.Join(l.floor.pause(), l.deployment.resume()); err != nil {
		return nil, err
	}
	whole, err := l.measure(ctx, orders, l.deployment.worker, l.deployment.gateway.pid(), func() error {
		return l.deployment.placeAll(ctx, name, orders, l.bench.sizes.inFlight, &l.shape)
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(l.deployment.pause(), l.floor.resume()); err != nil {
		return nil, err
	}
	least, err := l.measure(ctx, orders, l.floor, 0, func() error {
		_, err := l.floor.ask(question{Run: &floorLoad{Name: name, Orders: orders, InFlight: l.bench.sizes.inFlight}})
		return err
	})
	if err != nil {
		return nil, err
	}
	if n >= 0 {
		if err := l.compareHistories(ctx, name, orders, figures); err != nil {
			return nil, err
		}
	}
	figures.take("", whole)
	figures.take("floor_", least)
	figures["floor_cpu_ratio"] = whole["cpu_ms"] / least["cpu_ms"]
	figures["floor_cpu_ratio_without_gateway"] = (whole["cpu_ms"] - whole["cpu_ms_gateway"]) / least["cpu_ms"]
	return figures, nil
}

// measure reads the CPU times around a load.
func (l *loading) measure(ctx context.Context, orders int, worker *part, gateway int, load func() error) (Figures, error) {
	before, err := cpuOf(l.deployment.at, worker.pid(), gateway)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := load(); err != nil {
		return nil, err
	}
	took := time.Since(began)
	if err := rest(ctx, stepPause); err != nil { // what follows the last order
		return nil, err
	}
	after, err := cpuOf(l.deployment.at, worker.pid(), gateway)
	if err != nil {
		return nil, err
	}
	used := after.less(before)
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 / float64(orders) }
	return Figures{
		"cpu_ms": each(used.total()), "cpu_ms_server": each(used.server), "cpu_ms_postgres": each(used.postgres),
		"cpu_ms_worker": each(used.worker), "cpu_ms_gateway": each(used.gateway),
		"orders_per_s": float64(orders) / took.Seconds(),
	}, nil
}
