package service

import (
	"context"
	"net"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/postgres"
)

// Links are a worker's ways to everything outside its process. The zero value is what production has;
// whoever wants to listen in, or to cut a way at a chosen moment, puts something of their own in between.
type Links struct {
	// Database changes how connections to Postgres are made.
	Database func(*pgx.ConnConfig)
	// Temporal changes how the connection to Temporal is made.
	Temporal func(*client.ConnectionOptions)
	// Partners wraps what carries requests to suppliers, storefronts and carriers.
	Partners func(http.RoundTripper) http.RoundTripper
	// Mail opens connections to the mail server.
	Mail func(ctx context.Context, network, address string) (net.Conn, error)
}

func (l *Links) partners(way http.RoundTripper) http.RoundTripper {
	if l.Partners == nil {
		return way
	}
	return l.Partners(way)
}

// openPool opens the worker's connections to Postgres.
func openPool(ctx context.Context, s config.Settings, links Links) (*pgxpool.Pool, error) {
	var adjust []func(*pgx.ConnConfig)
	if links.Database != nil {
		adjust = append(adjust, links.Database)
	}
	return postgres.Open(ctx, s.DatabaseURL, s.DatabaseConnections, adjust...)
}

// openTemporal connects the worker to Temporal as soon as that answers.
func (w *Worker) openTemporal(ctx context.Context) (client.Client, client.Options, error) {
	return engine.Await(ctx, w.log, w.settings.TemporalNamespace, func(o *client.Options) {
		o.MetricsHandler = w.failures.handler()
		if w.links.Temporal != nil {
			w.links.Temporal(&o.ConnectionOptions)
		}
	})
}
