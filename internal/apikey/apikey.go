// Package apikey issues, checks and revokes the keys with which storefronts and people reach the
// API. Only a hash of the secret is stored: a copy of the database opens nothing.
package apikey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dropline/dropline/internal/order"
)

// Role is what a key may do.
type Role string

// A storefront key places and changes the orders of one storefront; support also reviews held
// orders; an operator may do everything.
const (
	Storefront Role = "storefront"
	Support    Role = "support"
	Operator   Role = "operator"
)

// Key is an issued key without its secret.
type Key struct {
	ID   string
	Role Role
	// Storefront is the only storefront whose orders the key opens; empty: all of them.
	Storefront string
	CreatedAt  time.Time
	RevokedAt  time.Time // zero: in force
}

var (
	// ErrInvalid: the text is no key in force. Whether it never was one is not told.
	ErrInvalid = errors.New("not a valid API key")
	// ErrUnknown: no key has this id.
	ErrUnknown = errors.New("no API key has this id")
	// ErrScope: the role and the storefront do not fit together.
	ErrScope = errors.New("a storefront key needs a storefront; an operator key has none; roles are storefront, support and operator")
)

// Database is a pool, a connection or a transaction.
type Database interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Keys are the API keys in a database.
type Keys struct {
	db    Database
	known cache
}

// New returns the keys in db.
func New(db Database) *Keys { return &Keys{db: db, known: newCache(time.Now)} }

const (
	idBytes     = 10 // 80 bits: ids of different keys never meet
	secretBytes = 32
)

// text is base32 in lower case: no sign that a shell, a URL or a double click would stumble over.
var (
	text  = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	shape = regexp.MustCompile(`^dl_([a-z2-7]{16})_([a-z2-7]{52})$`)
)

// Create issues a key and returns the token, "dl_<id>_<secret>", which is never to be had again.
// storefront limits the key to that storefront. Fails with ErrScope.
func (k *Keys) Create(ctx context.Context, role Role, storefront string) (string, Key, error) {
	if err := checkScope(role, storefront); err != nil {
		return "", Key{}, err
	}
	random := make([]byte, idBytes+secretBytes)
	if _, err := rand.Read(random); err != nil {
		return "", Key{}, fmt.Errorf("create an API key: %w", err)
	}
	key := Key{ID: text.EncodeToString(random[:idBytes]), Role: role, Storefront: storefront}
	secret := text.EncodeToString(random[idBytes:])
	hash := sha256.Sum256([]byte(secret))
	err := k.db.QueryRow(ctx, `
		INSERT INTO api_keys (id, hash, role, storefront) VALUES ($1, $2, $3, nullif($4, ''))
		RETURNING created_at`, key.ID, hash[:], string(role), storefront).Scan(&key.CreatedAt)
	if err != nil {
		return "", Key{}, fmt.Errorf("create an API key: %w", err)
	}
	return "dl_" + key.ID + "_" + secret, key, nil
}

func checkScope(role Role, storefront string) error {
	switch {
	case role == Operator && storefront != "",
		role == Storefront && storefront == "",
		role != Storefront && role != Support && role != Operator:
		return ErrScope
	case storefront != "":
		if err := (order.Key{Storefront: storefront, Order: "1"}).Validate(); err != nil {
			return fmt.Errorf("%w: the storefront's id is not one", ErrScope)
		}
	}
	return nil
}

// List returns all keys, revoked ones too, the oldest first.
func (k *Keys) List(ctx context.Context) ([]Key, error) {
	rows, err := k.db.Query(ctx, `
		SELECT id, role, coalesce(storefront, ''), created_at, coalesce(revoked_at, '0001-01-01T00:00:00Z')
		FROM api_keys ORDER BY created_at, id`)
	if err != nil {
		return nil, fmt.Errorf("list the API keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Key, error) {
		var key Key
		err := row.Scan(&key.ID, &key.Role, &key.Storefront, &key.CreatedAt, &key.RevokedAt)
		key.RevokedAt = key.RevokedAt.UTC()
		return key, err
	})
	if err != nil {
		return nil, fmt.Errorf("list the API keys: %w", err)
	}
	return keys, nil
}

// Revoke ends a key; every process refuses it within half a minute. Revoking again changes nothing.
// Fails with ErrUnknown.
func (k *Keys) Revoke(ctx context.Context, id string) error {
	tag, err := k.db.Exec(ctx, `UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1`, id)
	if err != nil {
		return fmt.Errorf("revoke API key: %w", err)
	}
	k.known.forget(id)
	if tag.RowsAffected() == 0 {
		return ErrUnknown
	}
	return nil
}

// Authenticate returns the key that a token belongs to. It fails with ErrInvalid, or with the
// database's own error when it could not be asked.
func (k *Keys) Authenticate(ctx context.Context, token string) (Key, error) {
	parts := shape.FindStringSubmatch(token)
	if parts == nil {
		return Key{}, ErrInvalid
	}
	id := strings.Clone(parts[1])
	got := sha256.Sum256([]byte(parts[2]))
	if known, ok := k.known.get(id); ok {
		return known.admit(got)
	}
	found := entry{key: Key{ID: id}}
	var hash []byte
	err := k.db.QueryRow(ctx, `
		SELECT hash, role, coalesce(storefront, ''), created_at FROM api_keys
		WHERE id = $1 AND revoked_at IS NULL`, id).
		Scan(&hash, &found.key.Role, &found.key.Storefront, &found.key.CreatedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return Key{}, ErrInvalid
	}
	if err != nil {
		return Key{}, fmt.Errorf("look an API key up: %w", err)
	}
	copy(found.hash[:], hash)
	key, err := found.admit(got)
	if err == nil {
		k.known.put(id, found)
	}
	return key, err
}

// entry is a key with the hash of its secret.
type entry struct {
	key  Key
	hash [sha256.Size]byte
}

func (e entry) admit(hash [sha256.Size]byte) (Key, error) {
	if subtle.ConstantTimeCompare(e.hash[:], hash[:]) != 1 {
		return Key{}, ErrInvalid
	}
	return e.key, nil
}
