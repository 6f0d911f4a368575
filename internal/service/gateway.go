package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/postgres"
)

// Gateway takes orders, requests and webhooks in. It starts without Temporal and without Postgres:
// without the first it stores what comes, without the second it answers 503.
type Gateway struct {
	pool      *pgxpool.Pool
	temporal  client.Client
	listener  net.Listener
	handler   http.Handler
	secrets   *webhookSecrets
	processor *intake.Processor
	deliverer *intake.Deliverer
	log       *slog.Logger
}

// NewGateway binds the address it will listen on (port 0: any free one) and connects to nothing.
func NewGateway(ctx context.Context, s config.Settings, log *slog.Logger) (_ *Gateway, err error) {
	g := &Gateway{log: log}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if g.pool, err = postgres.Open(ctx, s.DatabaseURL, s.DatabaseConnections); err != nil {
		return nil, err
	}
	if g.temporal, _, err = engine.Lazy(log, s.TemporalNamespace); err != nil {
		return nil, err
	}
	orders, err := placing(s)
	if err != nil {
		return nil, err
	}
	links, err := s.ReturnLinks()
	if err != nil {
		return nil, err
	}
	g.deliverer = &intake.Deliverer{Pool: g.pool, Temporal: g.temporal, Log: log}
	g.processor = processorOn(g.pool, orders, g.deliverer, s, log)
	g.secrets = &webhookSecrets{pool: g.pool, log: log}
	g.handler = g.secrets.guard(gateway.New(gateway.Config{
		Database: g.pool, Keys: apikey.New(g.pool), Orders: gateway.AskTemporal(g.temporal), Secrets: g.secrets,
		Intake: gateway.CommitTo(g.pool, &intake.Archive{Pool: g.pool, Wake: g.processor.Nudge}, orders),
		Log:    accessLog(accessOutput, s), Version: Version(), Nudge: g.nudge, Links: links,
		KeyRate: gateway.Rate(s.KeyRate), PartnerRate: gateway.Rate(s.PartnerRate),
	}))
	var listen net.ListenConfig
	if g.listener, err = listen.Listen(ctx, "tcp", s.ListenAddress); err != nil {
		return nil, &Hinted{fmt.Errorf("listen: %w", err), "Set DROPLINE_LISTEN_ADDRESS to a free address, or to port 0 for any."}
	}
	return g, nil
}

func (g *Gateway) nudge() {
	g.processor.Nudge()
	g.deliverer.Nudge()
}

// Addr is the host and port that the gateway listens on.
func (g *Gateway) Addr() string { return g.listener.Addr().String() }

// Run serves until ctx ends, and moves what comes in to the orders as workers do. Then it takes no
// more requests, lets those under way finish, and ends its loops. It can run once.
func (g *Gateway) Run(ctx context.Context) error {
	return g.serve(ctx, g.processor.Run, g.deliverer.Run)
}

// Receive is Run for a gateway that only takes in: what comes waits in Postgres for a worker.
func (g *Gateway) Receive(ctx context.Context) error { return g.serve(ctx) }

func (g *Gateway) serve(ctx context.Context, movers ...func(context.Context) error) error {
	defer g.close()
	g.log.Info("The gateway listens", "address", g.Addr(), "version", Version())
	background := begin(ctx)
	background.run(g.secrets.Run)
	for _, move := range movers {
		background.run(move)
	}
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(background.ctx, cancel)()
	err := gateway.Serve(serving, g.listener, g.handler)
	err = errors.Join(err, background.stop())
	g.log.Info("The gateway has stopped")
	return err
}

func (g *Gateway) close() {
	if g.listener != nil {
		_ = g.listener.Close() // the server has closed it already when it ran
	}
	if g.temporal != nil {
		g.temporal.Close()
	}
	if g.pool != nil {
		postgres.Close(g.pool)
	}
}
