package bench

import (
	"context"
	"errors"
	"time"

	"github.com/dropline/dropline/internal/order"
)

var startupRows = []row{
	{"worker_start_ms", "worker: ms from its start until it takes tasks"},
	{"gateway_start_ms", "gateway: ms until it takes requests"},
	{"worker_rest_mb", "worker at rest, MB"},
	{"gateway_rest_mb", "gateway at rest, MB"},
	{"worker_load_mb", "worker under load, most MB"},
	{"gateway_load_mb", "gateway under load, most MB"},
	{"worker_heap_mb", "worker's heap after the load, MB"},
	{"gateway_heap_mb", "gateway's heap after the load, MB"},
	{"server_load_mb", "Temporal server after the load, MB"},
	{"idle_cpu_permille_worker", "worker idle, thousandths of a core"},
	{"idle_cpu_permille_gateway", "gateway idle, thousandths of a core"},
}

// startup measures how soon the programs work and what memory they take.
func (b *bench) startup(ctx context.Context) (err error) {
	shape := Shapes()[0]
	d, err := b.deploy(ctx, shape.Suppliers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	var starts []Figures
	for range b.sizes.starts {
		figures, err := d.starts(ctx)
		if err != nil {
			return err
		}
		starts = append(starts, figures)
	}
	figures := Medians(starts)
	if err := b.idle(ctx, d, figures); err != nil {
		return err
	}
	if err := d.placeAll(ctx, "load", b.sizes.loadOrders, b.sizes.inFlight, &shape); err != nil {
		return err
	}
	for name, p := range map[string]*part{"worker": d.worker, "gateway": d.gateway} {
		if _, figures[name+"_load_mb"], err = memoryOf(p.pid()); err != nil {
			return err
		}
		said, err := p.ask(question{})
		if err != nil {
			return err
		}
		figures[name+"_heap_mb"] = said.HeapMB
	}
	figures["server_load_mb"], _, err = memoryOf(d.at.temporal)
	b.report.Startup = figures
	b.progress("startup: the worker takes tasks after %.0f ms, the gateway requests after %.0f ms", figures["worker_start_ms"], figures["gateway_start_ms"])
	return err
}

// starts begins a gateway and a worker beside those that run, and lets them end.
func (d *deployment) starts(ctx context.Context) (Figures, error) {
	figures := Figures{}
	for _, role := range []string{roleGateway, roleWorker} {
		p, err := startPart(role, d.Settings, "")
		if err != nil {
			return nil, err
		}
		err = awaitReady(ctx, p.url)
		figures[role+"_start_ms"] = float64(time.Since(p.began).Microseconds()) / 1000
		if err = errors.Join(err, p.stop()); err != nil {
			return nil, err
		}
	}
	return figures, nil
}

// idleFor is how long an idle deployment is watched.
const idleFor = 4 * time.Second

func (b *bench) idle(ctx context.Context, d *deployment, figures Figures) error {
	if _, err := d.Place(ctx, "first", Shapes()[0].SKUs...); err != nil {
		return err
	}
	if _, err := d.Settled(ctx, order.Key{Storefront: "shop", Order: "first"}); err != nil {
		return err
	}
	before, err := cpuOf(d.at, d.worker.pid(), d.gateway.pid())
	if err == nil {
		err = rest(ctx, idleFor)
	}
	if err != nil {
		return err
	}
	after, err := cpuOf(d.at, d.worker.pid(), d.gateway.pid())
	if err != nil {
		return err
	}
	used := after.less(before)
	figures["idle_cpu_permille_worker"] = 1000 * used.worker.Seconds() / idleFor.Seconds()
	figures["idle_cpu_permille_gateway"] = 1000 * used.gateway.Seconds() / idleFor.Seconds()
	if figures["worker_rest_mb"], _, err = memoryOf(d.worker.pid()); err != nil {
		return err
	}
	figures["gateway_rest_mb"], _, err = memoryOf(d.gateway.pid())
	return err
}
