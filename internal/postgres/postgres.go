// Package postgres opens Dropline's database, migrates it, and gives tests a schema of their own.
// The queries stand with the business step they serve.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Open connects a pool to url. maxConns must cover the activity slots that use it: a pool smaller
// than the slots starves them. It does not wait for the database to be up. adjust changes how the
// connections are made.
func Open(ctx context.Context, url string, maxConns int32, adjust ...func(*pgx.ConnConfig)) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// pgx's parse error may repeat the URL, and the URL holds the password.
		return nil, errors.New("DATABASE_URL is not a PostgreSQL connection string: want postgres://user@host:port/database")
	}
	config.MaxConns = maxConns
	config.MinConns = 0
	config.MaxConnIdleTime = 5 * time.Minute
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	// A connection that died without a word leaves its transaction open at the server, and the rows it
	// locked would be passed over for as long as TCP takes to notice: hours.
	const idle = "idle_in_transaction_session_timeout"
	if _, chosen := config.ConnConfig.RuntimeParams[idle]; !chosen {
		config.ConnConfig.RuntimeParams[idle] = "15s"
	}
	for _, change := range adjust {
		change(config.ConnConfig)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database pool: %w", err)
	}
	return pool, nil
}

// closeWithin bounds the farewell to connections: a dead one keeps it waiting for half a minute.
const closeWithin = 5 * time.Second

// Close closes a pool, and no longer than closeWithin: it is for programs that end.
func Close(pool *pgxpool.Pool) {
	closed := make(chan struct{})
	go func() {
		pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(closeWithin):
	}
}

// InTx runs fn in one transaction, retried when Postgres asks for it (serialization, deadlock). fn
// must have no effect outside the transaction.
func InTx(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	return Transact(ctx, pool, func(tx *Tx) error { return fn(tx) })
}

// Retryable is true for failures that ask for the same transaction again.
func Retryable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// Unavailable is true when the database could not be reached or went away: nothing is known to be
// wrong with the request.
func Unavailable(err error) bool {
	if err == nil {
		return false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		// class 08 connection, 53 resources, 57 operator intervention (shutdown, starting up); 25P03: it
		// was taken for dead
		return len(pg.Code) == 5 && (pg.Code[:2] == "08" || pg.Code[:2] == "53" || pg.Code[:2] == "57" || pg.Code == "25P03")
	}
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || errors.Is(err, context.DeadlineExceeded) ||
		pgconn.SafeToRetry(err) || !errors.Is(err, pgx.ErrNoRows) && isNetwork(err)
}

// Violates names the constraint that refused a statement; empty when none did.
func Violates(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.ConstraintName
	}
	return ""
}
