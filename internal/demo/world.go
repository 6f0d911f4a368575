package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/processes"
)

// world is Dropline as it is installed anywhere: its database migrated, its catalogue loaded, keys
// made, a gateway and a worker running as processes of their own; and the partners around it.
type world struct {
	partners *partners
	programs processes.Programs
	folder   string
	catalog  string

	gatewayURL string
	keys       map[string]string // API keys by storefront; the operator's under operatorKey
	pageKey    string            // signs the links to return pages
	pool       *pgxpool.Pool
	temporal   client.Client
	namespace  string
	ui         string // base URL of the Temporal UI; empty: there is none

	gateway, worker *processes.Process
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
	w := &world{keys: map[string]string{}, pageKey: rand.Text(), ui: os.Getenv("DROPLINE_TEMPORAL_UI")}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.programs.Folder = o.Bin; o.Bin == "" {
		if w.programs.Folder, err = processes.Beside(); err != nil {
			return nil, err
		}
	}
	if err := w.programs.Check("worker", "starter"); err != nil {
		return nil, err
	}
	if w.folder, err = os.MkdirTemp("", "dropline-demo-"); err != nil {
		return nil, fmt.Errorf("make a folder for logs: %w", err)
	}
	addresses, err := processes.FreeAddresses(ctx, 2)
	if err != nil {
		return nil, err
	}
	w.gatewayURL, w.workerHealth = "http://"+addresses[0], "http://"+addresses[1]
	w.workerEnv = []string{"DROPLINE_HEALTH_ADDRESS=" + addresses[1]}
	if w.partners, err = startPartners(w.gatewayURL, newSecrets()); err != nil {
		return nil, err
	}
	w.programs.Logs = w.folder
	w.programs.Env = append(append(os.Environ(), w.partners.environment()...),
		"DROPLINE_LISTEN_ADDRESS="+addresses[0], "DROPLINE_LOG_FORMAT=text",
		"DROPLINE_PUBLIC_URL="+w.gatewayURL, "DROPLINE_RETURN_LINK_KEYS="+w.pageKey)
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

var keyShape = regexp.MustCompile(`dl_[a-z2-7]{16}_[a-z2-7]{52}`)

// install does what docs/operating.md tells an operator to do once.
func (w *world) install(ctx context.Context) (err error) {
	if _, err := w.programs.Call(ctx, "starter", "migrate"); err != nil {
		return err
	}
	if w.catalog, err = writeCatalog(w.folder, w.partners, together); err != nil {
		return err
	}
	if _, err := w.programs.Call(ctx, "starter", "catalog", "load", w.catalog); err != nil {
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
	said, err := w.programs.Call(ctx, "starter", append([]string{"keys", "create"}, args...)...)
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
	if w.gateway, err = w.programs.Start("starter", "gateway.log", nil, "serve"); err != nil {
		return err
	}
	if w.worker, err = w.programs.Start("worker", "worker.log", w.workerEnv); err != nil {
		return err
	}
	if err := w.gateway.Ready(ctx, w.gatewayURL); err != nil {
		return err
	}
	return w.worker.Ready(ctx, w.workerHealth)
}

// restartWorker starts a worker in place of the one that was killed.
func (w *world) restartWorker(ctx context.Context) (err error) {
	if w.worker, err = w.programs.Start("worker", "worker.log", w.workerEnv); err != nil {
		return err
	}
	return w.worker.Ready(ctx, w.workerHealth)
}

// close takes everything down, the programs first, so that nobody talks to a partner that is gone.
func (w *world) close() {
	w.worker.Stop()
	w.gateway.Stop()
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
