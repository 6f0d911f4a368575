package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/postgres"
)

// world is Dropline as it is installed anywhere: its database migrated, its catalogue loaded, keys
// made, a gateway and a worker running as processes of their own; and the partners around it.
type world struct {
	partners *partners
	programs programs
	folder   string
	catalog  string

	gatewayURL string
	keys       map[string]string // API keys by storefront; the operator's under operatorKey
	pool       *pgxpool.Pool
	temporal   client.Client
	namespace  string
	ui         string // base URL of the Temporal UI; empty: there is none

	gateway, worker *process
	workerEnv       []string
	workerHealth    string
}

const operatorKey = "operator"

// open brings everything up. On an error it takes down what it had brought up.
func open(ctx context.Context, o Options, say func(format string, args ...any)) (_ *world, err error) {
	url := os.Getenv("DATABASE_URL")
	if url == "" || os.Getenv("TEMPORAL_ADDRESS") == "" {
		return nil, errors.New("DATABASE_URL or TEMPORAL_ADDRESS is not set: run \"make demo\", which starts both")
	}
	w := &world{keys: map[string]string{}, ui: os.Getenv("DROPLINE_TEMPORAL_UI")}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.programs.folder, err = findPrograms(o.Bin); err != nil {
		return nil, err
	}
	if w.folder, err = os.MkdirTemp("", "dropline-demo-"); err != nil {
		return nil, fmt.Errorf("make a folder for logs: %w", err)
	}
	addresses, err := freeAddresses(ctx, 2)
	if err != nil {
		return nil, err
	}
	w.gatewayURL, w.workerHealth = "http://"+addresses[0], "http://"+addresses[1]
	w.workerEnv = []string{"DROPLINE_HEALTH_ADDRESS=" + addresses[1]}
	if w.partners, err = startPartners(w.gatewayURL, newSecrets()); err != nil {
		return nil, err
	}
	w.programs.logs = w.folder
	w.programs.env = append(append(os.Environ(), w.partners.environment()...),
		"DROPLINE_LISTEN_ADDRESS="+addresses[0], "DROPLINE_LOG_FORMAT=text")
	if w.pool, err = postgres.Open(ctx, url, 8); err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	temporal, options, err := engine.Await(ctx, quiet, "")
	if err != nil {
		return nil, err
	}
	w.temporal, w.namespace = temporal, options.Namespace
	if w.namespace == "" {
		w.namespace = client.DefaultNamespace
	}
	if err := w.install(ctx); err != nil {
		return nil, err
	}
	say("logs are in %s", w.folder)
	return w, w.run(ctx)
}

// freeAddresses finds ports that nobody uses. Another program may take one before ours does; then
// ours says so and ends.
func freeAddresses(ctx context.Context, n int) ([]string, error) {
	var addresses []string
	for range n {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = listener.Close() }() // held until all are found, so that none is found twice
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}

var keyShape = regexp.MustCompile(`dl_[a-z2-7]{16}_[a-z2-7]{52}`)

// install does what docs/operating.md tells an operator to do once.
func (w *world) install(ctx context.Context) (err error) {
	if _, err := w.programs.call(ctx, "starter", "migrate"); err != nil {
		return err
	}
	if w.catalog, err = writeCatalog(w.folder, w.partners, together); err != nil {
		return err
	}
	if _, err := w.programs.call(ctx, "starter", "catalog", "load", w.catalog); err != nil {
		return err
	}
	if err := w.key(ctx, operatorKey, "--role", "operator"); err != nil {
		return err
	}
	for _, id := range storefrontIDs {
		if err := w.key(ctx, id, "--role", "storefront", "--storefront", id); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) key(ctx context.Context, name string, args ...string) error {
	said, err := w.programs.call(ctx, "starter", append([]string{"keys", "create"}, args...)...)
	if err != nil {
		return err
	}
	if w.keys[name] = keyShape.FindString(said); w.keys[name] == "" {
		return fmt.Errorf("starter keys create printed no key for %s", name)
	}
	return nil
}

// run starts gateway and worker and waits until both are ready.
func (w *world) run(ctx context.Context) (err error) {
	if w.gateway, err = w.programs.start("starter", "gateway.log", nil, "serve"); err != nil {
		return err
	}
	if w.worker, err = w.programs.start("worker", "worker.log", w.workerEnv); err != nil {
		return err
	}
	if err := w.ready(ctx, w.gateway, w.gatewayURL); err != nil {
		return err
	}
	return w.ready(ctx, w.worker, w.workerHealth)
}

// startWithin is how long a program may take to be ready.
const startWithin = 40 * time.Second

func (w *world) ready(ctx context.Context, p *process, base string) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		if answers(ctx, base+"/readyz") {
			return nil
		}
		select {
		case <-p.ended:
			return p.failure()
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready at %s: see %s", p.name, base, p.log)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func answers(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// restartWorker starts a worker in place of the one that was killed.
func (w *world) restartWorker(ctx context.Context) (err error) {
	if w.worker, err = w.programs.start("worker", "worker.log", w.workerEnv); err != nil {
		return err
	}
	return w.ready(ctx, w.worker, w.workerHealth)
}

// close takes everything down, the programs first, so that nobody talks to a partner that is gone.
func (w *world) close() {
	w.worker.stop()
	w.gateway.stop()
	if w.partners != nil {
		w.partners.close()
	}
	if w.temporal != nil {
		w.temporal.Close()
	}
	if w.pool != nil {
		w.pool.Close()
	}
}
