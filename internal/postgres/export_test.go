package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// MigrateTo migrates up to a version and waits as told for a table that is in use.
func MigrateTo(ctx context.Context, pool *pgxpool.Pool, version int64, lockWithin time.Duration, tries int) (int64, error) {
	return migrate(ctx, pool, version, patience{lockWithin: lockWithin, pause: lockWithin, tries: tries})
}
