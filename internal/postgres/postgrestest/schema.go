// Package postgrestest gives each test a migrated schema of its own on a real PostgreSQL.
package postgrestest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/postgres"
)

// URL creates a schema for the test, migrated, and returns a DATABASE_URL that leads into it. It is
// dropped when the test ends. `make test` provides the server; without one the test is skipped.
func URL(t testing.TB) string {
	t.Helper()
	base := os.Getenv("DATABASE_URL")
	if base == "" {
		t.Skip("needs PostgreSQL: run through `make test`, or set DATABASE_URL")
	}
	ctx := context.Background()
	random := make([]byte, 6)
	_, err := rand.Read(random)
	require.NoError(t, err)
	schema := "test_" + hex.EncodeToString(random)

	run := func(statement string) {
		admin, err := pgx.Connect(ctx, base)
		require.NoError(t, err)
		_, err = admin.Exec(ctx, statement)
		require.NoError(t, err)
		require.NoError(t, admin.Close(ctx))
	}
	run("CREATE SCHEMA " + schema)
	t.Cleanup(func() { run("DROP SCHEMA " + schema + " CASCADE") })

	separator := "?"
	if strings.Contains(base, "?") {
		separator = "&"
	}
	url := base + separator + "search_path=" + schema
	pool, err := postgres.Open(ctx, url, 2)
	require.NoError(t, err)
	_, err = postgres.Migrate(ctx, pool)
	require.NoError(t, err)
	pool.Close()
	return url
}

// Pool is URL with a pool opened on it.
func Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(context.Background(), URL(t), 8)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}
