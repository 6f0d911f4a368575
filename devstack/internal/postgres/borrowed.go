//go:build unix

package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dropline/dropline/devstack/internal/failure"
)

// insufficientPrivilege is SQLSTATE 42501.
const insufficientPrivilege = "42501"

// Borrowed is a place of our own on somebody else's server: a database, or where we may
// not create one, a schema.
type Borrowed struct {
	// URL leads to the place.
	URL string
	// What names the place for people: "database dropline_1a2b3c4d".
	What string

	server, drop string
}

// Borrow creates the place on the server of serverURL. Drop removes it.
func Borrow(ctx context.Context, serverURL string) (*Borrowed, error) {
	name := "dropline_" + randomHex()
	quoted := pgx.Identifier{name}.Sanitize()
	at, err := parse(serverURL)
	if err != nil {
		return nil, err
	}
	connection, err := pgx.Connect(ctx, serverURL)
	if err != nil {
		return nil, unreachable(err)
	}
	defer func() { _ = connection.Close(ctx) }()
	_, err = connection.Exec(ctx, "CREATE DATABASE "+quoted)
	if err == nil {
		return &Borrowed{
			URL: withDatabase(*at, name), What: "database " + name, server: serverURL,
			drop: "DROP DATABASE IF EXISTS " + quoted + " WITH (FORCE)",
		}, nil
	}
	if refusal := (*pgconn.PgError)(nil); !errors.As(err, &refusal) || refusal.Code != insufficientPrivilege {
		return nil, fmt.Errorf("create a database on the server of DATABASE_URL: %w", err)
	}
	if _, err := connection.Exec(ctx, "CREATE SCHEMA "+quoted); err != nil {
		return nil, failure.WithHint(fmt.Errorf("create a schema on the server of DATABASE_URL: %w", err),
			"Its user needs CREATEDB, or CREATE on its database; or unset DATABASE_URL for a private server.")
	}
	return &Borrowed{
		URL: withSearchPath(*at, name), What: "schema " + name, server: serverURL,
		drop: "DROP SCHEMA IF EXISTS " + quoted + " CASCADE",
	}, nil
}

// Ping checks that a server answers.
func Ping(ctx context.Context, serverURL string) error {
	connection, err := pgx.Connect(ctx, serverURL)
	if err != nil {
		return unreachable(err)
	}
	return connection.Close(ctx)
}

func unreachable(err error) error {
	return failure.WithHint(fmt.Errorf("connect to the server of DATABASE_URL: %w", err),
		"Start that server, or unset DATABASE_URL (or pass --private) to have a private one.")
}

// Drop removes the place and all that is in it.
func (b *Borrowed) Drop(ctx context.Context) error {
	connection, err := pgx.Connect(ctx, b.server)
	if err != nil {
		return fmt.Errorf("connect to drop %s: %w", b.What, err)
	}
	defer func() { _ = connection.Close(ctx) }()
	if _, err := connection.Exec(ctx, b.drop); err != nil {
		return fmt.Errorf("drop %s: %w", b.What, err)
	}
	return nil
}

func withDatabase(server url.URL, name string) string {
	server.Path = "/" + name
	return server.String()
}

// withSearchPath uses the options parameter, the one spelling that pgx and libpq share.
func withSearchPath(server url.URL, schema string) string {
	query := server.Query()
	query.Set("options", strings.TrimSpace(query.Get("options")+" -csearch_path="+schema))
	// libpq reads a plus sign in a URI as itself, not as a space.
	server.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return server.String()
}

func parse(serverURL string) (*url.URL, error) {
	at, err := url.Parse(serverURL)
	if err != nil || !strings.HasPrefix(at.Scheme, "postgres") {
		// The value is not repeated: it may hold a password.
		return nil, failure.WithHint(errors.New("DATABASE_URL is not a postgres:// URL"),
			"Write it as postgres://user:password@host:5432/database?sslmode=disable.")
	}
	return at, nil
}

// randomHex names things that must not meet those of another run.
func randomHex() string {
	var raw [4]byte
	_, _ = rand.Read(raw[:]) // documented never to fail
	return hex.EncodeToString(raw[:])
}
