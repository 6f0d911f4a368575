package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// patience is how a migration waits for a table that others use. What comes after it in the queue for the table waits
// with it, all business included: so it waits shortly, lets the others pass, and tries again.
type patience struct {
	lockWithin time.Duration // for one lock
	pause      time.Duration
	tries      int
}

var usual = patience{lockWithin: 5 * time.Second, pause: 2 * time.Second, tries: 5}

// Migrate brings the schema up to this version, one migrator at a time, and returns its number. It fails when
// transactions that do not end keep a table; what was migrated by then stays, and it can be run again.
func Migrate(ctx context.Context, pool *pgxpool.Pool) (int64, error) {
	return migrate(ctx, pool, math.MaxInt64, usual)
}

func migrate(ctx context.Context, pool *pgxpool.Pool, version int64, p patience) (int64, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, err
	}
	// Each schema has a lock of its own: installations that share a database do not wait for each other.
	var lockID int64
	if err := pool.QueryRow(ctx, `SELECT hashtextextended('dropline migrations ' || current_schema(), 0)`).Scan(&lockID); err != nil {
		return 0, fmt.Errorf("migrate the database: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockID))
	if err != nil {
		return 0, err
	}
	// The bound is for connections of its own: those of the pool go on to do business.
	settings := pool.Config().ConnConfig
	settings.RuntimeParams["lock_timeout"] = fmt.Sprintf("%dms", p.lockWithin.Milliseconds())
	db := stdlib.OpenDB(*settings)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return 0, fmt.Errorf("read the migrations: %w", err)
	}
	for try := 1; ; try++ {
		_, err := provider.UpTo(ctx, version)
		switch {
		case err == nil:
			return provider.GetDBVersion(ctx)
		case !lockedOut(err):
			return 0, fmt.Errorf("migrate the database: %w", err)
		case try >= p.tries:
			return 0, fmt.Errorf("migrate the database: other transactions kept a table through %d tries of %s each: "+
				"wait for long queries and backups to end, and run it again; nothing is half done: %w", p.tries, p.lockWithin, err)
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("migrate the database: %w", ctx.Err())
		case <-time.After(p.pause):
		}
	}
}

// lockedOut: a lock was not to be had in time.
func lockedOut(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "55P03"
}
