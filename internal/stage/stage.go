// Package stage puts a whole Dropline up inside one process: gateway and workers as they run in
// production, on a real Temporal server and a real Postgres, with partners that are real servers. It
// is for tests and measurements.
package stage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/engine/enginetest"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/service"
	"github.com/dropline/dropline/internal/sim/carriersim"
	"github.com/dropline/dropline/internal/sim/mailsim"
	"github.com/dropline/dropline/internal/sim/paymentsim"
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
	// ConfirmWithin is what it promises for the answer to a cancellation; empty: 10s.
	ConfirmWithin string
	// CreditWithin is how long it may take with a credit memo; empty: 1h.
	CreditWithin string
	// Returns are further terms of its returns, as the catalogue writes them; empty: none.
	Returns string
	// Terms are further lines of its contract, as the catalogue writes them; empty: none.
	Terms string
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
	// Capture gives the storefront a payment provider, and says when it captures; empty: it has none.
	Capture catalog.Capture
	// Adjust changes the settings of gateway and workers before they start; nil: they stay.
	Adjust func(*config.Settings)
	// StartGateway starts the gateway elsewhere, such as in a process of its own, and returns its base
	// URL and what stops it; nil: it runs in this process.
	StartGateway func(context.Context, config.Settings) (url string, stop func() error, err error)
	// Mail puts a mail server up, and customers are written to.
	Mail bool
	// Liability is what the carrier answers for, the section "claims" as the catalogue writes it; empty: its
	// defaults.
	Liability string
	// SilentCarrier pushes no scans: only a poll finds them.
	SilentCarrier bool
	// Between is told the base URL at which a part is found (the mail server: its host and port) and
	// answers where the other parts find it; nil: right there. Requests of the stage's own client do not
	// pass it.
	Between func(part Part, url string) (string, error)
}

// Part is one that others connect to.
type Part string

// The parts.
const (
	Suppliers  Part = "suppliers"
	Storefront Part = "storefront"
	Carrier    Part = "carrier"
	Mail       Part = "mail"
	Payments   Part = "payment provider"
	Gateway    Part = "gateway"
)

func (o *Options) find(part Part, url string) (string, error) {
	if o.Between == nil {
		return url, nil
	}
	found, err := o.Between(part, url)
	if err != nil {
		return "", fmt.Errorf("stand before the %s: %w", part, err)
	}
	return found, nil
}

// Stage is one deployment with its partners. Its schema and namespace are its own.
type Stage struct {
	Pool       *pgxpool.Pool
	Temporal   client.Client
	Settings   config.Settings
	Suppliers  *suppliersim.Server
	Carrier    *carriersim.Server
	Storefront *storefrontsim.Server
	Mail       *mailsim.Server    // nil without Options.Mail
	Payments   *paymentsim.Server // nil without Options.Capture
	// Gateway is the base URL of the API, Key an operator's key to it.
	Gateway, Key string

	webhooks string // where partners find the gateway
	atEnd    []func() error
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
	if err := s.startPartners(&o); err != nil {
		return nil, err
	}
	if o.Adjust != nil {
		o.Adjust(&s.Settings)
	}
	if err := s.loadCatalog(ctx, &o); err != nil {
		return nil, err
	}
	if err := s.startGateway(ctx, &o); err != nil {
		return nil, err
	}
	if err := s.startCarrier(ctx, &o); err != nil {
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

func (s *Stage) startPartners(o *Options) (err error) {
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
	if !o.Mail {
		return nil
	}
	return s.startMail(o)
}

func (s *Stage) startMail(o *Options) (err error) {
	if s.Mail, err = mailsim.Start(); err != nil {
		return err
	}
	s.finally(func() error { s.Mail.Close(); return nil })
	at, err := o.find(Mail, net.JoinHostPort(s.Mail.Host(), strconv.Itoa(s.Mail.Port())))
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return fmt.Errorf("where the mail server is found: %w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("where the mail server is found: %w", err)
	}
	s.Settings.Mail = config.Mail{Host: host, Port: number, From: "Shop <shop@shop.example>", TLS: "none"}
	return nil
}

func (s *Stage) startGateway(ctx context.Context, o *Options) error {
	start := o.StartGateway
	if start == nil {
		start = startHere
	}
	url, stop, err := start(ctx, s.Settings)
	if err != nil {
		return err
	}
	s.finally(stop)
	s.Gateway = url
	seen, err := o.find(Gateway, s.Gateway)
	if err != nil {
		return err
	}
	s.Suppliers.SetGateway(seen)
	s.webhooks = seen
	return s.startPayments(o)
}

// startHere runs the gateway in this process.
func startHere(ctx context.Context, s config.Settings) (url string, stop func() error, err error) {
	g, err := service.NewGateway(ctx, s, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", nil, err
	}
	return "http://" + g.Addr(), runs(g.Run), nil
}

// startCarrier starts the tracking service and, since its address was not known before, corrects the
// catalogue.
func (s *Stage) startCarrier(ctx context.Context, o *Options) (err error) {
	tracker := carriersim.Config{Gateway: s.webhooks, Source: carrierID, Secret: Secret, APIKey: Secret, Interval: o.ScanEvery, LabelCurrency: "EUR"}
	if tracker.Interval == 0 {
		tracker.Interval = 300 * time.Millisecond
	}
	if o.SilentCarrier {
		tracker.Silent = []string{carriersim.Prompt}
	}
	if s.Carrier, err = carriersim.Start(tracker); err != nil {
		return err
	}
	s.finally(func() error { s.Carrier.Close(); return nil })
	s.Suppliers.SetListener(s.Carrier)
	return s.loadCatalog(ctx, o)
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
