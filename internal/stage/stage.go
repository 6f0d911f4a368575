// Package stage puts a whole Dropline up inside one process: gateway and workers as they run in
// production, on a real Temporal server and a real Postgres, with partners that are real servers. It
// is for tests and measurements.
package stage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/engine/enginetest"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/service"
	"github.com/dropline/dropline/internal/sim/carriersim"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
)

// Secret is what all partners of a stage share with Dropline, under the name that the catalogue gives.
const (
	Secret     = "token-for-tests"
	secretName = "STAGE_SECRET"
)

// Supplier plays on a stage.
type Supplier struct {
	ID     string
	Manner suppliersim.Manner
	// Acknowledge and Ship are the SLA, as a contract writes durations; empty: 1h and 2h.
	Acknowledge, Ship string
	// CreditWithin is how long it may take with a credit memo; empty: 1h.
	CreditWithin string
	// Dear raises the price of its goods, so that the others are preferred.
	Dear bool
}

// Options say who plays.
type Options struct {
	Suppliers []Supplier
	// ScanEvery is the time between two scans of a parcel; zero: 300 ms.
	ScanEvery time.Duration
	// Connections of each program to the database; zero: 16.
	Connections int32
	// SendWithin and InspectWithin are the storefront's policy for returns; empty: 14d and 3d.
	SendWithin, InspectWithin string
	// Adjust changes the settings of gateway and workers before they start; nil: they stay.
	Adjust func(*config.Settings)
}

// Stage is one deployment with its partners. Its schema and namespace are its own.
type Stage struct {
	Pool       *pgxpool.Pool
	Temporal   client.Client
	Settings   config.Settings
	Suppliers  *suppliersim.Server
	Carrier    *carriersim.Server
	Storefront *storefrontsim.Server
	// Gateway is the base URL of the API, Key an operator's key to it.
	Gateway, Key string

	atEnd []func() error
}

// ErrNoServer: there is no Postgres or no Temporal to play on.
var ErrNoServer = errors.New("a stage needs Postgres and Temporal: run it through make")

// Open puts everything up but the workers.
func Open(ctx context.Context, o Options) (_ *Stage, err error) {
	s := &Stage{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	// The catalogue names the variable that holds the partners' secret.
	if err := os.Setenv(secretName, Secret); err != nil {
		return nil, fmt.Errorf("set the partners' secret: %w", err)
	}
	url, drop, err := postgrestest.Create(ctx)
	if errors.Is(err, postgrestest.ErrNoServer) {
		return nil, ErrNoServer
	}
	if err != nil {
		return nil, err
	}
	s.finally(func() error { return drop(context.Background()) })
	var namespace string
	s.Temporal, namespace, err = enginetest.Register(ctx)
	if errors.Is(err, enginetest.ErrNoServer) {
		return nil, ErrNoServer
	}
	if err != nil {
		return nil, err
	}
	s.finally(func() error { s.Temporal.Close(); return nil })
	if s.Pool, err = postgres.Open(ctx, url, 4); err != nil {
		return nil, err
	}
	s.finally(func() error { s.Pool.Close(); return nil })
	connections := o.Connections
	if connections == 0 {
		connections = 16
	}
	s.Settings = config.Settings{
		DatabaseURL: url, DatabaseConnections: connections, TemporalNamespace: namespace, ListenAddress: "127.0.0.1:0",
		LogLevel: "warn", LogFormat: "text", AllowPrivatePartners: true, CustomerHashKey: "test",
	}
	if o.Adjust != nil {
		o.Adjust(&s.Settings)
	}
	if err := s.startPartners(o); err != nil {
		return nil, err
	}
	if err := s.loadCatalog(ctx, o); err != nil {
		return nil, err
	}
	if err := s.startGateway(ctx, o); err != nil {
		return nil, err
	}
	s.Key, _, err = apikey.New(s.Pool).Create(ctx, apikey.Operator, "")
	return s, err
}

func (s *Stage) finally(do func() error) { s.atEnd = append(s.atEnd, do) }

// Close takes everything down, in the opposite order.
func (s *Stage) Close() error {
	var failures []error
	for _, end := range slices.Backward(s.atEnd) {
		failures = append(failures, end())
	}
	s.atEnd = nil
	return errors.Join(failures...)
}

func (s *Stage) startPartners(o Options) (err error) {
	s.Storefront, err = storefrontsim.Start(storefrontsim.Config{Token: Secret, Storefront: storefrontID})
	if err != nil {
		return err
	}
	s.finally(func() error { s.Storefront.Close(); return nil })
	if s.Suppliers, err = suppliersim.Start(suppliersim.Options{Seed: 1}); err != nil {
		return err
	}
	s.finally(func() error { s.Suppliers.Close(); return nil })
	for _, supplier := range o.Suppliers {
		played := suppliersim.Supplier{Token: Secret, Secret: Secret, Manner: supplier.Manner}
		if err := s.Suppliers.Add(supplier.ID, played); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stage) startGateway(ctx context.Context, o Options) error {
	g, err := service.NewGateway(ctx, s.Settings, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	s.finally(runs(g.Run))
	s.Gateway = "http://" + g.Addr()
	s.Suppliers.SetGateway(s.Gateway)
	interval := o.ScanEvery
	if interval == 0 {
		interval = 300 * time.Millisecond
	}
	s.Carrier, err = carriersim.Start(carriersim.Config{Gateway: s.Gateway, Source: carrierID, Secret: Secret, APIKey: Secret, Interval: interval})
	if err != nil {
		return err
	}
	s.finally(func() error { s.Carrier.Close(); return nil })
	s.Suppliers.SetListener(s.Carrier)
	return nil
}

// StartWorker starts a worker. What it returns stops it and reports how it ended; a worker that is not
// stopped before ends with the stage. stopWithin is how long it may finish what is under way.
func (s *Stage) StartWorker(ctx context.Context, stopWithin time.Duration) (stop func() error, err error) {
	worker, err := service.NewWorker(ctx, s.Settings, slog.New(slog.DiscardHandler), stopWithin)
	if err != nil {
		return nil, err
	}
	stop = runs(worker.Run)
	s.finally(stop)
	return stop, nil
}

// runs keeps something running until what it returns is called, once or more.
func runs(run func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	return sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
}
