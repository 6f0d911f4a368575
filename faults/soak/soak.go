package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dropline/dropline/faults/rig"
	"github.com/dropline/dropline/internal/order"
)

// Plan says how long and how hard.
type Plan struct {
	Orders int
	// TemporalDeaths is how often Temporal is killed, evenly over the run.
	TemporalDeaths int
	// PostgresEvery bounds the pauses between two outages of Postgres, each of which lasts up to PostgresFor.
	// Every third one is a death.
	PostgresEvery [2]time.Duration
	PostgresFor   time.Duration
	// SideBySide is how many customers order at once.
	SideBySide int
	Seed       uint64
	Out        io.Writer
}

// Full is the plan of the long run. The seed chooses when and how long Postgres is away, in the same order
// each time; how far the orders are by then is up to the machine.
func Full(orders int, seed uint64) Plan {
	return Plan{
		Orders: orders, TemporalDeaths: 10, PostgresEvery: [2]time.Duration{5 * time.Second, 40 * time.Second}, PostgresFor: 2 * time.Second,
		SideBySide: 6, Seed: seed, Out: os.Stdout,
	}
}

// ErrNoProcesses: the servers' processes are not ours to kill.
var ErrNoProcesses = errors.New("the soak kills Postgres and Temporal: run it below devstack exec --killable-temporal")

// Run sends the orders, and returns what is wrong in the end.
func Run(ctx context.Context, p Plan) ([]string, error) {
	if os.Getenv("DROPLINE_PG_PID_FILE") == "" || os.Getenv("DROPLINE_TEMPORAL_PID_FILE") == "" {
		return nil, ErrNoProcesses
	}
	w, err := (&rig.Rig{}).Open(ctx, rig.Wishes{Suppliers: cast(), Connections: 16})
	if err != nil {
		return nil, err
	}
	r := &soak{Plan: p, w: w, random: rand.New(rand.NewPCG(p.Seed, 0))} //nolint:gosec // it only chooses moments
	fmt.Fprintf(p.Out, "soak: seed %d\n", p.Seed)
	wrong, err := r.run(ctx)
	return wrong, errors.Join(err, w.Close())
}

type soak struct {
	Plan

	w      *rig.World
	random *rand.Rand // of troublePostgres alone

	placed, outages, deaths atomic.Int64

	mu   sync.Mutex
	keys []rig.Ending
}

func (r *soak) run(ctx context.Context) ([]string, error) {
	storm, calm := context.WithCancel(ctx)
	defer calm()
	var troubles sync.WaitGroup
	failures := make(chan error, 3)
	trouble := func(with func(context.Context) error) {
		troubles.Go(func() {
			if err := with(storm); err != nil {
				failures <- err
				calm()
			}
		})
	}
	trouble(r.troublePostgres)
	trouble(r.troubleTemporal)
	trouble(r.tell)
	err := r.order(ctx)
	// The storm lasts until the last order has ended, and Temporal has died as often as was planned.
	for err == nil && (r.deaths.Load() < int64(r.TemporalDeaths) || r.closed(storm) < r.Orders) && sleep(storm, time.Second) {
		continue
	}
	calm()
	troubles.Wait()
	close(failures)
	for failure := range failures {
		err = errors.Join(err, failure)
	}
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(r.Out, "soak: %d orders placed, Postgres was away %d times, Temporal died %d times; now they end\n",
		r.placed.Load(), r.outages.Load(), r.deaths.Load())
	return r.w.Judge(ctx, r.keys...)
}

// order has customers order side by side until all orders are placed.
func (r *soak) order(ctx context.Context) error {
	numbers := make(chan int)
	errs := make(chan error, r.SideBySide)
	var customers sync.WaitGroup
	for range r.SideBySide {
		customers.Go(func() {
			for n := range numbers {
				if err := r.one(ctx, n); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	var err error
	for n := 0; n < r.Orders && err == nil; n++ {
		select {
		case numbers <- n:
		case err = <-errs:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	close(numbers)
	customers.Wait()
	select {
	case second := <-errs:
		err = errors.Join(err, second)
	default:
	}
	return err
}

func (r *soak) one(ctx context.Context, n int) error {
	s := storyOf(n)
	key, _, err := r.w.Order(ctx, s.id(n), s.skus...)
	if err != nil {
		return err
	}
	r.placed.Add(1)
	if s.cancels {
		if _, err := r.w.CancelOrder(ctx, key); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = append(r.keys, rig.Ending{Key: order.Key{Storefront: key.Storefront, Order: key.Order}, Cancelled: s.cancels, Units: int64(len(s.skus))})
	return nil
}

// upTo chooses a time. Postgres' trouble alone asks for one, so that a seed chooses the same again.
func (r *soak) upTo(span time.Duration) time.Duration {
	return time.Duration(r.random.Int64N(int64(span)))
}

// troublePostgres stops or kills Postgres again and again.
func (r *soak) troublePostgres(ctx context.Context) error {
	for n := 1; ; n++ {
		span := r.PostgresEvery[1] - r.PostgresEvery[0]
		if !sleep(ctx, r.PostgresEvery[0]+r.upTo(span)) {
			return nil
		}
		kind := syscall.SIGSTOP
		if n%3 == 0 {
			kind = syscall.SIGKILL
		}
		if err := r.outage(ctx, kind); err != nil {
			return err
		}
		r.outages.Add(1)
	}
}

// outage stops Postgres with all its processes for a moment, or kills it.
func (r *soak) outage(ctx context.Context, kind syscall.Signal) error {
	pids, err := rig.Family("DROPLINE_PG_PID_FILE")
	if err != nil {
		return err
	}
	if kind == syscall.SIGKILL {
		return rig.Signal(pids[:1], kind)
	}
	// However this ends, Postgres goes on.
	defer func() { _ = rig.Signal(pids, syscall.SIGCONT) }()
	if err := rig.Signal(pids, kind); err != nil {
		return err
	}
	sleep(ctx, r.upTo(r.PostgresFor))
	return nil
}

// troubleTemporal kills Temporal now and then.
func (r *soak) troubleTemporal(ctx context.Context) error {
	for range r.TemporalDeaths {
		before := r.placed.Load()
		share := int64(max(r.Orders/(r.TemporalDeaths+1), 1))
		for r.placed.Load() < min(before+share, int64(r.Orders)) {
			if !sleep(ctx, 200*time.Millisecond) {
				return nil
			}
		}
		pids, err := rig.Family("DROPLINE_TEMPORAL_PID_FILE")
		if err != nil {
			return err
		}
		if err := rig.Signal(pids[:1], syscall.SIGKILL); err != nil {
			return err
		}
		r.deaths.Add(1)
		if !sleep(ctx, 3*time.Second) {
			return nil
		}
	}
	return nil
}

// tell says every few seconds how far it is.
func (r *soak) tell(ctx context.Context) error {
	for sleep(ctx, 5*time.Second) {
		fmt.Fprintf(r.Out, "soak: %d of %d orders placed, %d ended, Postgres away %d times, Temporal killed %d times\n",
			r.placed.Load(), r.Orders, r.closed(ctx), r.outages.Load(), r.deaths.Load())
	}
	return nil
}

// closed counts the orders that have ended; none while Postgres is away.
func (r *soak) closed(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	n := 0
	_ = r.w.Pool.QueryRow(ctx, `SELECT count(*) FROM orders WHERE closed_at IS NOT NULL`).Scan(&n)
	return n
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
