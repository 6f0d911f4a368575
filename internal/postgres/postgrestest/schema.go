// Package postgrestest gives each test a migrated schema of its own on a real PostgreSQL.
package postgrestest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/postgres"
)

// ErrNoServer: nothing says where a PostgreSQL is.
var ErrNoServer = errors.New("needs PostgreSQL: run it through make, or set DATABASE_URL")

// Create makes a migrated schema on the server of DATABASE_URL. url leads into it; drop removes it
// with all that is in it.
func Create(ctx context.Context) (url string, drop func(context.Context) error, err error) {
	base := os.Getenv("DATABASE_URL")
	if base == "" {
		return "", nil, ErrNoServer
	}
	random := make([]byte, 6)
	if _, err := rand.Read(random); err != nil {
		return "", nil, fmt.Errorf("name a schema: %w", err)
	}
	schema := "test_" + hex.EncodeToString(random)
	if err := execute(ctx, base, "CREATE SCHEMA "+schema); err != nil {
		return "", nil, err
	}
	drop = func(ctx context.Context) error { return execute(ctx, base, "DROP SCHEMA "+schema+" CASCADE") }
	defer func() {
		if err != nil {
			err = errors.Join(err, drop(context.WithoutCancel(ctx)))
		}
	}()
	separator := "?"
	if strings.Contains(base, "?") {
		separator = "&"
	}
	url = base + separator + "search_path=" + schema
	pool, err := postgres.Open(ctx, url, 2)
	if err != nil {
		return "", nil, err
	}
	defer pool.Close()
	if _, err := postgres.Migrate(ctx, pool); err != nil {
		return "", nil, err
	}
	return url, drop, nil
}

func execute(ctx context.Context, url, statement string) error {
	admin, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	_, err = admin.Exec(ctx, statement)
	if err != nil {
		err = fmt.Errorf("%s: %w", statement, err)
	}
	return errors.Join(err, admin.Close(ctx))
}

// URL creates a schema for the test, migrated, and returns a DATABASE_URL that leads into it. It is
// dropped when the test ends. `make test` provides the server; without one the test is skipped.
func URL(t testing.TB) string {
	t.Helper()
	url, drop, err := Create(context.Background())
	if errors.Is(err, ErrNoServer) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, drop(context.Background())) })
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
