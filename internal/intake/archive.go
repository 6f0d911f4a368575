// Package intake takes in what the outside says, so that none of it gets lost. A document is
// committed raw before it is acknowledged; then it is parsed and applied in one transaction, and
// what it means for an order is delivered to the order's workflow. Each step can be repeated. What
// cannot be read or matched waits in quarantine, with a reason, until an operator retries it.
package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/postgres"
)

// Document is an inbound document as it came.
type Document struct {
	// Source is who sent it: 'api/<storefront>', 'shopify/<storefront>', 'supplier/<id>',
	// 'carrier/<id>'. Its signature was verified, or its mail server's word for it; not that of 'mail/inbox'.
	Source string
	Kind   string // topic or event type, as the source names it
	// NaturalKey makes a repeat recognisable; it is unique per source and has at most 250 bytes.
	NaturalKey  string
	ContentType string
	Body        []byte
	// LeaveFor keeps the processor away for so long: the caller means to apply the document itself.
	LeaveFor time.Duration
}

// Stored is where a document stands in the archive.
type Stored struct {
	ID int64
	// Repeat: the same document was stored before, and this one changed nothing.
	Repeat bool
	// Conflict: another document has the same natural key. This one is in quarantine.
	Conflict bool
}

// Archive stores documents. It is safe for concurrent use.
type Archive struct {
	Pool *pgxpool.Pool
	// Wake, if set, tells the processor that there is work; it must not block.
	Wake func()
}

var errUnkeyed = errors.New("a document needs a source and a natural key of 1 to 250 bytes")

// Store commits a document. When it returns without error the document will have its effect, or
// stand in quarantine, whatever happens next: only then may it be acknowledged. When it fails, the
// sender has to be told to come again (see postgres.Unavailable).
func (a *Archive) Store(ctx context.Context, d Document) (Stored, error) {
	return a.storeOn(ctx, a.Pool, d)
}

// storeOn is Store in a transaction, or without one.
func (a *Archive) storeOn(ctx context.Context, db postgres.Querier, d Document) (Stored, error) {
	if d.Source == "" || d.NaturalKey == "" || len(d.NaturalKey) > 250 {
		return Stored{}, errUnkeyed
	}
	hash := sha256.Sum256(d.Body)
	stored, err := insert(ctx, db, d, d.NaturalKey, hash[:], verdict{status: statusReceived})
	if err == nil && stored.Conflict {
		return storeConflict(ctx, db, d, hash[:])
	}
	if err != nil {
		return Stored{}, fmt.Errorf("store a document from %s: %w", d.Source, err)
	}
	if !stored.Repeat && a.Wake != nil {
		a.Wake()
	}
	return stored, nil
}

// storeConflict keeps a document that claims to be another one under a key of its own.
func storeConflict(ctx context.Context, db postgres.Querier, d Document, hash []byte) (Stored, error) {
	v := quarantine(CodeConflictingRepeat,
		"The sender used this document's key before, for other content. Compare the two (%s); retry this one if it is to count as well.", d.NaturalKey)
	stored, err := insert(ctx, db, d, d.NaturalKey+"#"+hex.EncodeToString(hash[:4]), hash, v)
	if err != nil {
		return Stored{}, fmt.Errorf("store a document from %s: %w", d.Source, err)
	}
	stored.Conflict = true
	return stored, nil
}

func insert(ctx context.Context, db postgres.Querier, d Document, key string, hash []byte, v verdict) (Stored, error) {
	body := d.Body
	if body == nil {
		body = []byte{}
	}
	var s Stored
	err := db.QueryRow(ctx, `
		INSERT INTO documents (source, kind, natural_key, content_type, body, body_hash, status, reason_code, reason,
			next_attempt_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + $10::interval)
		ON CONFLICT (source, natural_key) DO NOTHING RETURNING id`,
		d.Source, d.Kind, key, d.ContentType, body, hash, v.status, v.code, v.reason, d.LeaveFor).Scan(&s.ID)
	if err == nil || !errors.Is(err, pgx.ErrNoRows) {
		return s, err
	}
	var same bool
	err = db.QueryRow(ctx, `SELECT id, body_hash = $3 FROM documents WHERE source = $1 AND natural_key = $2`,
		d.Source, key, hash).Scan(&s.ID, &same)
	s.Repeat, s.Conflict = same, !same
	return s, err
}

// Applied marks a document as applied to an order, in the transaction that applied it.
func Applied(ctx context.Context, tx pgx.Tx, documentID int64, orderKey string) error {
	batch := &pgx.Batch{}
	batch.Queue(finishSQL, verdict{status: statusApplied, order: orderKey}.finishing(documentID)...)
	return postgres.Later(ctx, tx, batch)
}
