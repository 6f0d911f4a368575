package apikey

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
)

// counting counts the look-ups that reach the database.
type counting struct {
	Database
	lookUps int
}

func (c *counting) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	c.lookUps++
	return c.Database.QueryRow(ctx, sql, args...)
}

func TestKeyOpensAsWhatItWasCreatedFor(t *testing.T) {
	t.Parallel()
	ctx, keys := t.Context(), New(postgrestest.Pool(t))
	for _, want := range []Key{{Role: Storefront, Storefront: "shop"}, {Role: Support}, {Role: Support, Storefront: "shop"}, {Role: Operator}} {
		token, created, err := keys.Create(ctx, want.Role, want.Storefront)
		require.NoError(t, err)
		got, err := keys.Authenticate(ctx, token)
		require.NoError(t, err)
		require.Equal(t, created, got)
		require.Equal(t, want.Role, got.Role)
		require.Equal(t, want.Storefront, got.Storefront)
	}
	listed, err := keys.List(ctx)
	require.NoError(t, err)
	require.Len(t, listed, 4)
	require.True(t, listed[0].RevokedAt.IsZero())
}

func TestOnlyTheHashOfTheSecretIsStored(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), postgrestest.Pool(t)
	token, key, err := New(pool).Create(ctx, Operator, "")
	require.NoError(t, err)
	var row string
	require.NoError(t, pool.QueryRow(ctx, "SELECT api_keys::text FROM api_keys").Scan(&row))
	require.Contains(t, row, key.ID)
	require.NotContains(t, row, strings.Split(token, "_")[2])
}

func TestKeyWithOneWrongLetterIsRefused(t *testing.T) {
	t.Parallel()
	ctx, keys := t.Context(), New(postgrestest.Pool(t))
	token, _, err := keys.Create(ctx, Operator, "")
	require.NoError(t, err)
	other, _, err := keys.Create(ctx, Operator, "")
	require.NoError(t, err)
	mixed := token[:20] + other[20:]
	for _, cached := range []bool{false, true} {
		for i := range token {
			letter := "a"
			if token[i] == 'a' {
				letter = "b"
			}
			_, err := keys.Authenticate(ctx, token[:i]+letter+token[i+1:])
			require.ErrorIs(t, err, ErrInvalid, "position %d, cached %v", i, cached)
		}
		for _, text := range []string{"", "dl__", token + "a", " " + token, strings.ToUpper(token), mixed, token[:len(token)-1], token + "\n"} {
			_, err := keys.Authenticate(ctx, text)
			require.ErrorIs(t, err, ErrInvalid)
		}
		_, err := keys.Authenticate(ctx, token)
		require.NoError(t, err)
	}
}

func TestRevokedKeyIsRefusedEverywhereWithinHalfAMinute(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), postgrestest.Pool(t)
	here, there := New(pool), New(pool)
	now := time.Now()
	there.known.now = func() time.Time { return now }
	token, key, err := here.Create(ctx, Operator, "")
	require.NoError(t, err)
	for _, keys := range []*Keys{here, there} {
		_, err = keys.Authenticate(ctx, token)
		require.NoError(t, err)
	}
	require.NoError(t, here.Revoke(ctx, key.ID))
	_, err = here.Authenticate(ctx, token)
	require.ErrorIs(t, err, ErrInvalid)
	now = now.Add(30 * time.Second)
	_, err = there.Authenticate(ctx, token)
	require.ErrorIs(t, err, ErrInvalid)
	require.NoError(t, here.Revoke(ctx, key.ID))
	require.ErrorIs(t, here.Revoke(ctx, "nosuchkey"), ErrUnknown)
}

func TestKnownKeyIsNotLookedUpAgain(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := &counting{Database: postgrestest.Pool(t)}
	keys := New(db)
	token, _, err := keys.Create(ctx, Operator, "")
	require.NoError(t, err)
	db.lookUps = 0
	for range 5 {
		_, err = keys.Authenticate(ctx, token)
		require.NoError(t, err)
	}
	require.Equal(t, 1, db.lookUps)
}

func TestAnUnreachableDatabaseIsNotAnInvalidKey(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), postgrestest.Pool(t)
	token, _, err := New(pool).Create(ctx, Operator, "")
	require.NoError(t, err)
	down, err := postgres.Open(ctx, "postgres://dropline@127.0.0.1:1/dropline", 1)
	require.NoError(t, err)
	defer down.Close()
	_, err = New(down).Authenticate(ctx, token)
	require.NotErrorIs(t, err, ErrInvalid)
	require.True(t, postgres.Unavailable(err))
}

func TestKeysThatCouldOpenTooMuchAreNotCreated(t *testing.T) {
	t.Parallel()
	keys := New(postgrestest.Pool(t))
	for _, wrong := range []Key{{Role: Storefront}, {Role: Operator, Storefront: "shop"}, {Role: "root"}, {}, {Role: Support, Storefront: "a/b"}} {
		_, _, err := keys.Create(t.Context(), wrong.Role, wrong.Storefront)
		require.ErrorIs(t, err, ErrScope)
	}
}
