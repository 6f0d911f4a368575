package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/activities"
	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/partners"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/reconcile"
	"github.com/dropline/dropline/workflows"
)

// Worker runs the workflows and activities, and the loops that move what Postgres holds.
type Worker struct {
	settings   config.Settings
	links      Links
	stopWithin time.Duration
	log        *slog.Logger

	pool      *pgxpool.Pool
	directory *partners.Directory
	processor *intake.Processor
	deliverer *intake.Deliverer
	courier   *outbox.Courier
	failures  *counters
	health    *health
	listener  net.Listener // of the health server; nil: none
}

// NewWorker checks the settings and connects to nothing. stopWithin bounds how long activities under
// way may take to finish when the worker is told to stop.
func NewWorker(ctx context.Context, s config.Settings, log *slog.Logger, stopWithin time.Duration) (*Worker, error) {
	return NewLinkedWorker(ctx, s, Links{}, log, stopWithin)
}

// NewLinkedWorker is NewWorker with ways of its own to the outside.
func NewLinkedWorker(ctx context.Context, s config.Settings, links Links, log *slog.Logger, stopWithin time.Duration) (_ *Worker, err error) {
	w := &Worker{settings: s, links: links, stopWithin: stopWithin, log: log}
	mail, err := mailer(s.Mail, links.Mail)
	if err != nil {
		return nil, err
	}
	orders, err := placing(s)
	if err != nil {
		return nil, err
	}
	pages, err := s.ReturnLinks()
	if err != nil {
		return nil, err
	}
	if w.pool, err = openPool(ctx, s, links); err != nil {
		return nil, err
	}
	w.directory = partners.NewVia(w.pool, s.AllowPrivatePartners, links.partners)
	w.deliverer = &intake.Deliverer{Pool: w.pool, Log: log}
	w.processor = processorOn(w.pool, orders, w.deliverer, s, log)
	w.courier = &outbox.Courier{Pool: w.pool, Storefront: w.directory.StorefrontByID, Pages: pages, Log: log}
	if mail != nil {
		w.courier.Mail = mail
		w.courier.Supplier = &partners.Reminders{Pool: w.pool, Mail: mail}
	}
	w.failures = newCounters()
	w.health = newHealth(w.pool, w.failures)
	if s.HealthAddress == "" {
		return w, nil
	}
	var listen net.ListenConfig
	if w.listener, err = listen.Listen(ctx, "tcp", s.HealthAddress); err != nil {
		w.pool.Close()
		return nil, &Hinted{fmt.Errorf("listen for health checks: %w", err), "Set DROPLINE_HEALTH_ADDRESS to a free address, or leave it empty."}
	}
	return w, nil
}

// HealthAddr is where the worker answers /healthz, /readyz and /metrics; empty: nowhere.
func (w *Worker) HealthAddr() string {
	if w.listener == nil {
		return ""
	}
	return w.listener.Addr().String()
}

// Run works until ctx ends, or until the worker cannot go on, which is the error. Documents are read
// and messages sent from the start; orders move as soon as Temporal answers. It can run once.
func (w *Worker) Run(ctx context.Context) error {
	defer postgres.Close(w.pool)
	background := begin(ctx)
	if w.listener != nil {
		background.run(func(ctx context.Context) error { return w.health.serve(ctx, w.listener) })
	}
	background.run(w.processor.Run)
	background.run(w.courier.Run)
	// What ends one of the loops ends the wait for Temporal too.
	working, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(background.ctx, cancel)()

	err := w.work(working, background)
	w.health.polling.Store(false)
	err = errors.Join(err, background.stop())
	w.log.Info("The worker has stopped")
	return err
}

// work runs workflows and activities until ctx ends.
func (w *Worker) work(ctx context.Context, background *loops) error {
	temporal, options, err := w.openTemporal(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer temporal.Close()
	fatal := make(chan error, 1)
	var tasks worker.Worker
	err = untilReached(ctx, w.log, func() error {
		tasks = w.tasks(temporal, fatal) // one that could not be started is not started again
		return tasks.Start()
	})
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return startFailure(err, options)
	}
	w.health.polling.Store(true)
	w.log.Info("The worker takes tasks", "temporal", options.HostPort, "namespace", options.Namespace,
		"task_queue", workflows.TaskQueue, "health", w.HealthAddr(), "version", Version())

	w.deliverer.Temporal = temporal
	delivering, stop := context.WithCancel(ctx)
	defer stop()
	delivered := make(chan struct{})
	go func() {
		defer close(delivered)
		_ = w.deliverer.Run(delivering) // it logs what goes wrong, and returns when it is told to
	}()
	background.run(func(ctx context.Context) error { return w.keepSchedules(ctx, temporal) })

	select {
	case <-ctx.Done():
	case err = <-fatal:
	}
	w.health.polling.Store(false)
	w.log.Info("The worker stops: what is under way is finished first", "at_most", w.stopWithin)
	tasks.Stop()
	stop()
	<-delivered
	return err
}

// tasks sizes the worker to its database connections: activities that wait for a connection would
// only hold up their own deadlines. Workflow tasks use none.
func (w *Worker) tasks(temporal client.Client, fatal chan<- error) worker.Worker {
	local, remote := slots(int(w.settings.DatabaseConnections))
	// Each cached order saves a replay and costs some tens of kilobytes.
	worker.SetStickyWorkflowCacheSize(2000)
	tasks := worker.New(temporal, workflows.TaskQueue, worker.Options{
		MaxConcurrentActivityExecutionSize:      remote,
		MaxConcurrentLocalActivityExecutionSize: local,
		MaxConcurrentWorkflowTaskExecutionSize:  100,
		MaxConcurrentWorkflowTaskPollers:        4,
		MaxConcurrentActivityTaskPollers:        4,
		WorkerStopTimeout:                       w.stopWithin,
		// A task of an order whose worker died waits this long for it before another one gets it. The
		// price of a worker that is only slow is a replay.
		StickyScheduleToStartTimeout: 2 * time.Second,
		DisableRegistrationAliasing:  true,
		Interceptors:                 []interceptor.WorkerInterceptor{&beating{}, engine.RefuseLarge()},
		OnFatalError: func(err error) {
			select {
			case fatal <- fmt.Errorf("the Temporal worker ended: %w", err):
			default:
			}
		},
	})
	tasks.RegisterWorkflowWithOptions(workflows.Order, workflow.RegisterOptions{Name: workflows.OrderWorkflow})
	tasks.RegisterWorkflowWithOptions(workflows.Return, workflow.RegisterOptions{Name: workflows.ReturnWorkflow})
	tasks.RegisterWorkflowWithOptions(workflows.Payment, workflow.RegisterOptions{Name: workflows.PaymentWorkflow})
	tasks.RegisterWorkflowWithOptions(workflows.Claim, workflow.RegisterOptions{Name: workflows.ClaimWorkflow})
	tasks.RegisterWorkflowWithOptions(workflows.CarrierPoll, workflow.RegisterOptions{Name: workflows.CarrierPollWorkflow})
	tasks.RegisterWorkflowWithOptions(workflows.Reconcile, workflow.RegisterOptions{Name: workflows.ReconcileWorkflow})
	(&activities.Orders{Pool: w.pool, Partners: w.directory, Now: time.Now}).Register(tasks)
	(&activities.Carriers{Pool: w.pool, Tracker: w.directory.Tracker}).Register(tasks)
	(&activities.Reconciliation{Reconciler: reconcile.Reconciler{Pool: w.pool, Payments: w.directory.Payments, Now: time.Now}}).Register(tasks)
	return tasks
}

// slots divides the connections: a fifth for the loops, the rest for activities, those in the
// workflow's own task a third of it.
func slots(connections int) (local, remote int) {
	activities := max(connections-max(connections/5, 1), 2)
	local = max(activities/3, 1)
	return local, max(activities-local, 1)
}

// startPause is the wait before a start is tried again that a silent server has prevented.
const startPause = time.Second

// untilReached starts again what Temporal was too busy for, or away or silent, as a worker waits for Temporal
// that is not there at all. It says so once.
func untilReached(ctx context.Context, log *slog.Logger, start func() error) error {
	told := false
	for {
		err := start()
		if err == nil || !silent(err) {
			return err
		}
		if !told {
			told = true
			log.Warn("Temporal does not answer; the start is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(startPause):
		}
	}
}

// silent says that the server was not heard, or asks for patience.
func silent(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	var away *serviceerror.Unavailable
	var late *serviceerror.DeadlineExceeded
	var busy *serviceerror.ResourceExhausted
	return errors.As(err, &away) || errors.As(err, &late) || errors.As(err, &busy)
}

func startFailure(err error, options client.Options) error {
	if _, ok := errors.AsType[*serviceerror.NamespaceNotFound](err); ok {
		return &Hinted{
			fmt.Errorf("the Temporal server at %s has no namespace %q", options.HostPort, options.Namespace),
			"Create it (temporal operator namespace create --namespace " + options.Namespace + "), or set TEMPORAL_NAMESPACE.",
		}
	}
	return fmt.Errorf("start the Temporal worker: %w", err)
}

// schedulePause is the wait before schedules that could not be kept are tried again.
const schedulePause = 10 * time.Second

// keepSchedules makes sure that the timers behind parcels exist, also on a Temporal server that was
// set up anew. It tries until it has succeeded once; loading a catalogue keeps them right after that.
func (w *Worker) keepSchedules(ctx context.Context, temporal client.Client) error {
	told := false
	for {
		carriers, err := postgres.Carriers(ctx, w.pool)
		if err == nil {
			err = engine.EnsureSchedules(ctx, temporal, carriers)
		}
		if err == nil || ctx.Err() != nil {
			return nil //nolint:nilerr // being told to stop is no failure
		}
		if !told {
			told = true
			w.log.Warn("The schedules could not be checked; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(schedulePause):
		}
	}
}
