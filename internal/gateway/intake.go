package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/storefront"
)

// CommitTo is Intake over the archive and the placement of orders.
func CommitTo(pool *pgxpool.Pool, archive *intake.Archive, orders *intake.Orders) Intake {
	return committed{pool, archive, orders}
}

type committed struct {
	pool    *pgxpool.Pool
	archive *intake.Archive
	orders  *intake.Orders
}

func (c committed) Store(ctx context.Context, d Document) (Stored, error) {
	stored, err := c.archive.Store(ctx, intake.Document{
		Source: d.Source, Kind: d.Kind, NaturalKey: d.NaturalKey, ContentType: d.ContentType, Body: d.Body,
	})
	return Stored{Repeat: stored.Repeat, Conflict: stored.Conflict}, err
}

// Place commits the document with its order or neither: an order that was answered 503 is not there,
// and one that is there has its evidence.
func (c committed) Place(ctx context.Context, d Document, o storefront.Order) (Stored, error) {
	hash := sha256.Sum256(d.Body)
	var stored Stored
	err := postgres.InTx(ctx, c.pool, func(tx pgx.Tx) error {
		stored = Stored{}
		document, err := archiveIn(ctx, tx, d, hash[:])
		if err != nil {
			return err
		}
		placed, err := c.orders.PlaceOrder(ctx, tx, o, hash[:], document)
		switch {
		case err != nil:
			return err
		case placed == intake.Created:
			return intake.Applied(ctx, tx, document, o.Key.String())
		}
		stored = Stored{Repeat: placed == intake.Repeated, Conflict: placed == intake.Conflicting}
		return errUnchanged
	})
	switch {
	case errors.Is(err, errUnchanged):
		return stored, nil
	case errors.Is(err, intake.ErrNoStorefront):
		return Stored{}, ErrNoStorefront
	}
	return stored, err
}

// errUnchanged rolls back what turned out to be there already.
var errUnchanged = errors.New("the order is there already")

// archiveIn archives a document in its order's transaction and returns its id, 0 when its key is
// taken: then the order is there, too, and judges whether this is a repeat.
func archiveIn(ctx context.Context, tx pgx.Tx, d Document, hash []byte) (int64, error) {
	var id int64
	err := tx.QueryRow(ctx, `
		INSERT INTO documents (source, kind, natural_key, content_type, body, body_hash) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (source, natural_key) DO NOTHING RETURNING id`,
		d.Source, d.Kind, d.NaturalKey, d.ContentType, d.Body, hash).Scan(&id)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("archive a document from %s: %w", d.Source, err)
	}
	return id, nil
}

// ReadOrder reads an order document of the API, for whoever applies an archived one again or places
// one from a file. Its error names fields and rules and repeats nothing of the body.
func ReadOrder(shop string, body []byte) (storefront.Order, error) {
	if _, err := scan(body, true); err != nil {
		return storefront.Order{}, err
	}
	var document orderDocument
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields() // as the API: a misspelt discount would be none
	if err := decoder.Decode(&document); err != nil {
		return storefront.Order{}, errors.New("the body is not an order document: a member has the wrong type, or is none of an order")
	}
	o, wrong := document.canonical(shop)
	if len(wrong) > 0 {
		var words []string
		for _, w := range few(wrong) {
			words = append(words, w.Field+": "+w.Message)
		}
		return storefront.Order{}, errors.New("the order breaks rules: " + strings.Join(words, "; "))
	}
	return o, nil
}
