package apikey_test

import (
	"context"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/apikey"
)

// oneKey is a database that holds one key, and notes what it was asked for.
type oneKey struct {
	id     string
	secret string
	asked  []any
}

func (*oneKey) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return pgconn.CommandTag{}, nil
}

func (*oneKey) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, pgx.ErrNoRows }

func (k *oneKey) QueryRow(_ context.Context, _ string, args ...any) pgx.Row {
	k.asked = append(k.asked, args...)
	return foundKey{k, args[0] == k.id}
}

type foundKey struct {
	*oneKey
	found bool
}

func (f foundKey) Scan(into ...any) error {
	if !f.found {
		return pgx.ErrNoRows
	}
	hash := sha256.Sum256([]byte(f.secret))
	*into[0].(*[]byte), *into[1].(*apikey.Role) = hash[:], apikey.Storefront
	*into[2].(*string), *into[3].(*time.Time) = "shop", time.Unix(1_760_000_000, 0)
	return nil
}

func FuzzToken(f *testing.F) {
	id, secret := strings.Repeat("a2", 8), strings.Repeat("b7", 26)
	token := "dl_" + id + "_" + secret
	for _, text := range []string{
		token, token + "\n", " " + token, strings.ToUpper(token), "dl_" + id + "_" + secret[:51] + "c", "dl_" + id + "_", "", "dl__",
		"dl_" + id + "_' OR 1=1 --", "eyJhbGciOiJub25lIn0.e30.", "dl_" + strings.Repeat("A", 1<<16), "dl_" + id + "_" + secret + "_" + secret,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		database := &oneKey{id: id, secret: secret}
		keys := apikey.New(database)
		key, err := keys.Authenticate(t.Context(), text)
		if text == token {
			require.NoError(t, err)
			require.Equal(t, apikey.Key{ID: id, Role: apikey.Storefront, Storefront: "shop", CreatedAt: key.CreatedAt}, key)
		} else {
			require.ErrorIs(t, err, apikey.ErrInvalid)
			require.Zero(t, key)
		}
		for _, asked := range database.asked {
			require.Regexp(t, `^[a-z2-7]{16}$`, asked, "nothing else reaches the database, and never the secret")
		}
		// Whatever came before, the key opens with its own token only, from memory too.
		_, err = keys.Authenticate(t.Context(), token)
		require.NoError(t, err)
		_, err = keys.Authenticate(t.Context(), text)
		require.Equal(t, text == token, err == nil)
	})
}
