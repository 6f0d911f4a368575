package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/grpc"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/service"
	"github.com/dropline/dropline/internal/visibility"
)

// partLog says what goes wrong in a part; what merely is worth a look would drown the measurements.
func partLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

func begun(ctx context.Context, run func(context.Context) error) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	return ended
}

func playGateway(ctx context.Context, lines *json.Decoder) (player, error) {
	var settings config.Settings
	if err := lines.Decode(&settings); err != nil {
		return player{}, fmt.Errorf("read the gateway's settings: %w", err)
	}
	g, err := service.NewGateway(ctx, settings, partLog())
	if err != nil {
		return player{}, err
	}
	return player{url: "http://" + g.Addr(), ended: begun(ctx, g.Run)}, nil
}

func playWorker(ctx context.Context, lines *json.Decoder) (player, error) {
	var settings config.Settings
	if err := lines.Decode(&settings); err != nil {
		return player{}, fmt.Errorf("read the worker's settings: %w", err)
	}
	settings.HealthAddress = "127.0.0.1:0"
	var replays replayCount
	links := service.Links{Temporal: func(o *client.ConnectionOptions) {
		o.DialOptions = append(o.DialOptions, grpc.WithChainUnaryInterceptor(replays.watch))
	}}
	w, err := service.NewLinkedWorker(ctx, settings, links, partLog(), 5*time.Second)
	if err != nil {
		return player{}, err
	}
	return player{url: "http://" + w.HealthAddr(), ended: begun(ctx, w.Run), replays: replays.n.Load}, nil
}

// replayCount counts the workflow tasks that the worker could not go on with from its cache.
type replayCount struct{ n atomic.Int64 }

func (r *replayCount) watch(
	ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption,
) error {
	err := invoke(ctx, method, request, answer, conn, o...)
	task, ok := answer.(*workflowservice.PollWorkflowTaskQueueResponse)
	if err != nil || !ok || task.GetPreviousStartedEventId() == 0 {
		return err
	}
	if events := task.GetHistory().GetEvents(); len(events) > 0 && events[0].GetEventId() == 1 {
		r.n.Add(1)
	}
	return nil
}

// floorSetup is what the floor needs to know.
type floorSetup struct {
	Settings config.Settings `json:"settings"`
	Scripts  []Script        `json:"scripts"`
}

// floorLoad is a number of orders, so many of them at once.
type floorLoad struct {
	Name     string `json:"name"`
	Orders   int    `json:"orders"`
	InFlight int    `json:"in_flight"`
}

// playFloor runs the bare workflow's worker, and plays the part of those who start and signal it.
func playFloor(ctx context.Context, lines *json.Decoder) (player, error) {
	var setup floorSetup
	if err := lines.Decode(&setup); err != nil {
		return player{}, fmt.Errorf("read the floor's setup: %w", err)
	}
	pool, err := postgres.Open(ctx, setup.Settings.DatabaseURL, setup.Settings.DatabaseConnections)
	if err != nil {
		return player{}, err
	}
	if _, err := pool.Exec(ctx, floorTableSQL); err != nil {
		return player{}, fmt.Errorf("make the floor's table: %w", err)
	}
	temporal, _, err := engine.Await(ctx, partLog(), setup.Settings.TemporalNamespace)
	if err != nil {
		return player{}, err
	}
	worker.SetStickyWorkflowCacheSize(2000)
	tasks := worker.New(temporal, floorQueue, worker.Options{
		MaxConcurrentWorkflowTaskExecutionSize: 100, MaxConcurrentWorkflowTaskPollers: 4, MaxConcurrentActivityTaskPollers: 4,
		MaxConcurrentActivityExecutionSize: 10, MaxConcurrentLocalActivityExecutionSize: 5,
	})
	f := &floor{scripts: setup.Scripts, pool: pool, temporal: temporal}
	for i, script := range setup.Scripts {
		tasks.RegisterWorkflowWithOptions((&bare{script, &f.watched}).run, workflow.RegisterOptions{Name: floorWorkflow + strconv.Itoa(i)})
	}
	tasks.RegisterActivityWithOptions((&floorStep{pool}).step, activity.RegisterOptions{Name: floorActivity})
	if err := tasks.Start(); err != nil {
		return player{}, fmt.Errorf("start the floor's worker: %w", err)
	}
	ended := make(chan error, 1)
	go func() {
		<-ctx.Done()
		tasks.Stop()
		temporal.Close()
		pool.Close()
		ended <- nil
	}()
	return player{ended: ended, run: f.run}, nil
}

// floorKey stands where an order's key does.
var floorKey = order.Key{Storefront: "shop", Order: "floor"}

// floor drives bare workflows.
type floor struct {
	scripts  []Script
	pool     *pgxpool.Pool
	temporal client.Client
	watched  sync.Map // a *progress by the workflow's id
}

func (f *floor) run(ctx context.Context, load floorLoad) error {
	slots := make(chan struct{}, load.InFlight)
	failures := make([]error, load.Orders)
	var group sync.WaitGroup
	for n := range load.Orders {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			for i := range f.scripts {
				failures[n] = errors.Join(failures[n], f.one(ctx, floorID(load.Name, n, i), i))
			}
		})
	}
	group.Wait()
	return errors.Join(failures...)
}

// floorID names the i-th bare workflow in the place of the n-th order.
func floorID(load string, n, i int) string { return fmt.Sprintf("floor/%s/%d/%d", load, n, i) }

// one lets the i-th script run.
func (f *floor) one(ctx context.Context, id string, i int) error {
	script := &f.scripts[i]
	pieces := 2 + len(script.News)
	piece := 0
	outside := func() error {
		piece++
		return script.Outside.part(piece-1, pieces).run(ctx, f.pool)
	}
	if err := outside(); err != nil {
		return err
	}
	seen := newProgress(len(script.Tasks))
	f.watched.Store(id, seen)
	defer f.watched.Delete(id)
	run, err := f.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: floorQueue, TypedSearchAttributes: visibility.Initial(floorKey, "DE"),
	}, floorWorkflow+strconv.Itoa(i))
	if err != nil {
		return fmt.Errorf("start a bare workflow: %w", err)
	}
	for _, news := range script.News {
		if err := seen.await(ctx, news); err != nil {
			return err
		}
		if err := errors.Join(outside(), f.tell(ctx, id, news.Update)); err != nil {
			return err
		}
	}
	return errors.Join(run.Get(ctx, nil), outside())
}

func (f *floor) tell(ctx context.Context, id string, update bool) error {
	if !update {
		return f.temporal.SignalWorkflow(ctx, id, "", floorSignal, nil)
	}
	handle, err := f.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: floorUpdate, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return fmt.Errorf("update a bare workflow: %w", err)
	}
	return handle.Get(ctx, nil)
}

// profiling is under way in a part.
type profiling struct {
	folder, role string
	cpu          *os.File
}

func beginProfiles(folder, role string) (*profiling, error) {
	file, err := os.Create(filepath.Join(folder, role+".cpu.pprof")) //nolint:gosec // the folder is the caller's
	if err != nil {
		return nil, fmt.Errorf("profile the %s: %w", role, err)
	}
	return &profiling{folder, role, file}, pprof.StartCPUProfile(file)
}

func (p *profiling) end() error {
	if p == nil {
		return nil
	}
	pprof.StopCPUProfile()
	runtime.GC()
	allocations, err := os.Create(filepath.Join(p.folder, p.role+".allocs.pprof"))
	if err == nil {
		err = errors.Join(pprof.Lookup("allocs").WriteTo(allocations, 0), allocations.Close())
	}
	return errors.Join(p.cpu.Close(), err)
}
