// Package outbox sends messages to customers, storefronts and suppliers. A message is committed
// together with the step that causes it, under a business key that makes a second one a no-op; the
// courier delivers it afterwards, as often as it takes, under one Message-ID or Idempotency-Key.
package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
)

// Channel is to whom a message goes.
type Channel string

// The channels.
const (
	CustomerMail Channel = "customer_mail"
	Storefront   Channel = "storefront"
	SupplierMail Channel = "supplier_mail"
	CarrierMail  Channel = "carrier_mail"
)

// The kinds of storefront messages. Those of customer mails are the milestones of internal/notify.
const (
	KindFulfilled      = "fulfilled"
	KindCancelled      = "cancelled"
	KindRefundMade     = "refund_made"      // past the storefront
	KindRefundCameBack = "refund_came_back" // it was not made after all
)

// The kinds of letters to suppliers and carriers about claims.
const (
	KindClaimAsked  = "claim_asked"
	KindClaimChased = "claim_chased"
	// KindClaimWithdrawn: the parcel came all the same.
	KindClaimWithdrawn = "claim_withdrawn"
)

// Message is one message. Payload is a Payload or nil.
type Message struct {
	Key      string // unique for ever: the same message has the same key
	OrderKey string
	Channel  Channel
	Kind     string
	Payload  any
}

// Payload is what a message says beyond what stands in the order's own tables. It holds nothing
// personal: names and addresses are read when the message is sent.
type Payload struct {
	PO       string              `json:"po,omitempty"`
	RMA      string              `json:"rma,omitempty"`
	Claim    string              `json:"claim,omitempty"` // its reference
	Carrier  string              `json:"carrier,omitempty"`
	Tracking string              `json:"tracking,omitempty"`
	Lines    []order.ShippedLine `json:"lines,omitempty"` // none: the whole order
	Reason   string              `json:"reason,omitempty"`
	// Refund is the key of one, and Try tells its tries apart.
	Refund string `json:"refund,omitempty"`
	Try    int    `json:"try,omitempty"`
	// Amount is in minor units of Currency.
	Amount     int64     `json:"amount,omitempty"`
	Currency   string    `json:"currency,omitempty"`
	ExpectedOn time.Time `json:"expectedOn,omitzero"`
}

// Add commits messages with tx, in one round trip. One whose key was used before is left out.
func Add(ctx context.Context, tx pgx.Tx, messages ...Message) error {
	batch := &pgx.Batch{}
	err := Queue(batch, messages...)
	if err == nil && batch.Len() > 0 {
		err = postgres.Later(ctx, tx, batch)
	}
	if err != nil {
		return fmt.Errorf("add %d messages to the outbox: %w", len(messages), err)
	}
	return nil
}

// Queue is Add with the next round trip of a batch.
func Queue(batch *pgx.Batch, messages ...Message) error {
	if len(messages) == 0 {
		return nil
	}
	var keys, orders, channels, kinds, payloads []string
	for _, m := range messages {
		payload := []byte("{}")
		if m.Payload != nil {
			var err error
			if payload, err = json.Marshal(m.Payload); err != nil {
				return fmt.Errorf("encode message %s: %w", m.Key, err)
			}
		}
		keys, orders = append(keys, m.Key), append(orders, m.OrderKey)
		channels, kinds = append(channels, string(m.Channel)), append(kinds, m.Kind)
		payloads = append(payloads, string(payload))
	}
	batch.Queue(`
		INSERT INTO outbox (key, order_key, channel, kind, payload)
		SELECT key, order_key, channel, kind, payload::jsonb
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
			AS m (key, order_key, channel, kind, payload)
		ON CONFLICT (key) DO NOTHING`, keys, orders, channels, kinds, payloads)
	return nil
}

// Failure is a message that the courier gave up.
type Failure struct {
	ID        int64
	Key       string
	OrderKey  string
	Channel   Channel
	Kind      string
	Attempts  int
	CreatedAt time.Time
	Reason    string
}

// Failed lists the messages that the courier gave up, newest first.
func Failed(ctx context.Context, pool *pgxpool.Pool, limit int) ([]Failure, error) {
	rows, err := pool.Query(ctx, `
		SELECT id, key, order_key, channel, kind, attempts, created_at, last_error FROM outbox
		WHERE state = 'failed' ORDER BY id DESC LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("list the failed messages: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Failure])
}

// ErrNotFailed: there is no failed message of that number.
var ErrNotFailed = errors.New("no failed message of that number")

// Retry gives failed messages back to the courier.
func Retry(ctx context.Context, pool *pgxpool.Pool, ids ...int64) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE outbox SET state = 'pending', attempts = 0, due_at = now() WHERE id = ANY ($1) AND state = 'failed'`, ids)
		if err == nil && tag.RowsAffected() != int64(len(ids)) {
			err = ErrNotFailed
		}
		if err != nil {
			return fmt.Errorf("retry messages %v: %w", ids, err)
		}
		return nil
	})
}
