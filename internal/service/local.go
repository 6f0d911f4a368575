package service

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/postgres"
)

// Local is the gateway's API inside this process, for an operator who has the database at hand: what
// it stores is picked up by the running gateways and workers.
type Local struct {
	// Pool is the database, Temporal a client that connects when it is first used.
	Pool     *pgxpool.Pool
	Temporal client.Client
	handler  http.Handler
}

// OpenLocal makes the API without connecting to anything.
func OpenLocal(ctx context.Context, s config.Settings, log *slog.Logger) (_ *Local, err error) {
	l := &Local{}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	// A command asks for one thing at a time.
	if l.Pool, err = postgres.Open(ctx, s.DatabaseURL, min(s.DatabaseConnections, 4)); err != nil {
		return nil, err
	}
	if l.Temporal, _, err = engine.Lazy(log, s.TemporalNamespace); err != nil {
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
	l.handler = gateway.New(gateway.Config{
		Database: l.Pool, Keys: operator{}, Orders: gateway.AskTemporal(l.Temporal), Secrets: none{},
		Intake: gateway.CommitTo(l.Pool, &intake.Archive{Pool: l.Pool}, orders), Log: zerolog.Nop(), Version: Version(), Links: links,
	})
	return l, nil
}

// operator is whoever can read DATABASE_URL: they may do everything that the API offers.
type operator struct{}

func (operator) Authenticate(context.Context, string) (apikey.Key, error) {
	return apikey.Key{ID: "local", Role: apikey.Operator}, nil
}

type none struct{}

func (none) Secrets(string, string) []string { return nil }

// RoundTrip answers a request to any host without a network.
func (l *Local) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer local")
	if r.Body == nil {
		r.Body = http.NoBody
	}
	written := &recorder{header: http.Header{}}
	l.handler.ServeHTTP(written, r)
	if written.status == 0 {
		written.status = http.StatusOK
	}
	return &http.Response{
		StatusCode: written.status, Status: http.StatusText(written.status), Header: written.header,
		Body: io.NopCloser(&written.body), Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// recorder keeps an answer in memory.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

// Close ends the connections.
func (l *Local) Close() {
	if l.Temporal != nil {
		l.Temporal.Close()
	}
	if l.Pool != nil {
		l.Pool.Close()
	}
}
