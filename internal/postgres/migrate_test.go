package postgres_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
)

// version11 is a database that has not been migrated past 11, with one order in it.
func version11(t *testing.T) *pgxpool.Pool {
	t.Helper()
	ctx := context.Background()
	url := postgrestest.URL(t)
	var schema string
	owner, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	require.NoError(t, owner.QueryRow(ctx, `SELECT current_schema() || '_old'`).Scan(&schema))
	_, err = owner.Exec(ctx, `CREATE SCHEMA `+schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := owner.Exec(ctx, `DROP SCHEMA `+schema+` CASCADE`)
		require.NoError(t, err)
		require.NoError(t, owner.Close(ctx))
	})
	pool, err := postgres.Open(ctx, url, 8, func(c *pgx.ConnConfig) { c.RuntimeParams["search_path"] = schema })
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	version, err := postgres.MigrateTo(ctx, pool, 11, 5*time.Second, 1)
	require.NoError(t, err)
	require.EqualValues(t, 11, version)
	_, err = pool.Exec(ctx, seedOrder)
	require.NoError(t, err)
	return pool
}

const say = `INSERT INTO outbox (key, order_key, channel, kind) VALUES ($1, 'shop/1', 'customer_mail', 'shipped')`

// awaitsTheOutbox waits for a migration that waits for the outbox.
func awaitsTheOutbox(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	require.Eventually(t, func() bool {
		var waits bool
		err := pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks
			WHERE relation = 'outbox'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted)`).Scan(&waits)
		return err == nil && waits
	}, 20*time.Second, 5*time.Millisecond)
}

func channelsChecked(t *testing.T, pool *pgxpool.Pool) (checked bool) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT convalidated FROM pg_constraint
		WHERE conrelid = 'outbox'::regclass AND conname = 'outbox_channel_check'`).Scan(&checked))
	return checked
}

func TestAMigrationThatWaitsForATransactionDoesNotStopBusiness(t *testing.T) {
	t.Parallel()
	pool := version11(t)
	long, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = long.Rollback(context.Background()) }() // the pool does not close without it
	_, err = long.Exec(t.Context(), say, "long")
	require.NoError(t, err)
	migrated := make(chan error, 1)
	go func() {
		_, err := postgres.MigrateTo(t.Context(), pool, math.MaxInt64, 200*time.Millisecond, 1000)
		migrated <- err
	}()
	for _, key := range []string{"first", "second"} {
		awaitsTheOutbox(t, pool)
		soon, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err = pool.Exec(soon, say, key)
		cancel()
		require.NoError(t, err, "business goes on")
	}
	require.NoError(t, long.Commit(t.Context()))
	require.NoError(t, <-migrated)
	require.True(t, channelsChecked(t, pool))
	var bound string
	require.NoError(t, pool.QueryRow(t.Context(), `SHOW lock_timeout`).Scan(&bound))
	require.Equal(t, "0", bound, "business itself waits for locks as before")
}

func TestAMigrationThatNeverGetsItsTableSaysThatItIsToBeRunAgain(t *testing.T) {
	t.Parallel()
	pool := version11(t)
	long, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = long.Exec(t.Context(), say, "long")
	require.NoError(t, err)
	_, err = postgres.MigrateTo(t.Context(), pool, math.MaxInt64, 20*time.Millisecond, 2)
	require.ErrorContains(t, err, "other transactions kept a table through 2 tries of 20ms each")
	require.ErrorContains(t, err, "run it again")
	require.NoError(t, long.Rollback(t.Context()))
	_, err = postgres.MigrateTo(t.Context(), pool, 12, 5*time.Second, 1)
	require.NoError(t, err)
	require.False(t, channelsChecked(t, pool), "the messages are not read while nobody else can")
	_, err = postgres.Migrate(t.Context(), pool)
	require.NoError(t, err)
	require.True(t, channelsChecked(t, pool))
}
