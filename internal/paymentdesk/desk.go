// Package paymentdesk keeps the payments of orders whose money is at a payment provider: their rows, facts
// and snapshots. Whoever changes one holds the order's row, so that a capture, a refund and a
// cancellation never count the same money.
package paymentdesk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/storefront"
)

// ErrNoPayment: the order's money is not at a provider of ours.
var ErrNoPayment = errors.New("the order has no payment at a provider")

// Queue takes statements for the next round trip: a *pgx.Batch or a *postgres.Work.
type Queue interface {
	Queue(sql string, args ...any) *pgx.QueuedQuery
}

// Querier is a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// What a payment's row says of the authorisation; the order's lock guards it.
const (
	StandingAuthorised = "authorised"
	StandingCapturing  = "capturing"
	StandingCaptured   = "captured"
	StandingVoided     = "voided"
	StandingElsewhere  = "elsewhere"
	StandingWrittenOff = "written_off"
)

// Open queues the row of a new order's payment, if its storefront has a provider and the order names its
// payment there. opened, if not nil, takes what is authorised and not captured; it is not called when
// there is no such payment. A payment that belongs to another order already is not given to this one.
func Open(q Queue, o storefront.Order, opened func(authorised int64)) error {
	if o.Payment.Reference == "" {
		return nil
	}
	sale := payments.Sale{Key: o.Key, Reference: o.Payment.Reference, Currency: o.Currency}
	standing := StandingCaptured
	if o.Payment.Status == storefront.PaymentAuthorized && o.Payment.Captured == 0 && o.Total > 0 {
		sale.Authorised, standing = o.Total, StandingAuthorised
	}
	fresh := payments.New(sale)
	state, err := json.Marshal(&fresh)
	if err != nil {
		return fmt.Errorf("encode the payment of order %s: %w", o.Key, err)
	}
	q.Queue(`
		INSERT INTO payments (order_key, storefront, reference, standing, authorised_minor, awaits_shipment, stage, state, deliver_at)
		SELECT $1, s.id, $3, $4, $5::bigint, $5::bigint > 0 AND at_shipment, $6, $7::jsonb || jsonb_build_object('atShipment', at_shipment),
			CASE WHEN $5::bigint > 0 THEN now() END
		FROM storefronts s CROSS JOIN LATERAL (SELECT coalesce(s.document #>> '{policy,capture}' = $8, false) AS at_shipment) c
		WHERE s.id = $2 AND s.document ? 'payments'
		ON CONFLICT DO NOTHING RETURNING authorised_minor`,
		o.Key.String(), o.Key.Storefront, o.Payment.Reference, standing, sale.Authorised, string(fresh.Stage()), state,
		string(catalog.CaptureShipment)).QueryRow(func(row pgx.Row) error {
		var authorised int64
		err := row.Scan(&authorised)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err == nil && opened != nil {
			opened(authorised)
		}
		return err
	})
	return nil
}

// Append queues a fact under the payment's next number; it is delivered at once. document is the inbound
// document it came with, 0 for none. Nothing happens when the order has no such payment. The caller holds
// the order's row.
func Append(q Queue, orderKey string, fact payments.Fact, document int64) error {
	return appendIf(q, orderKey, fact, document, "true")
}

// appendIf appends a fact if the payment's row, p, fits.
func appendIf(q Queue, orderKey string, fact payments.Fact, document int64, fits string) error {
	body, err := json.Marshal(fact)
	if err != nil {
		return fmt.Errorf("encode a fact of the payment of order %s: %w", orderKey, err)
	}
	q.Queue(`
		WITH numbered AS (
			UPDATE payments p SET fact_seq = fact_seq + 1, deliver_at = least(deliver_at, now()), closed_at = NULL,
				awaits_shipment = awaits_shipment AND $2 <> 'shipped'
			WHERE order_key = $1 AND `+fits+` RETURNING fact_seq)
		INSERT INTO payment_facts (order_key, seq, kind, body, document_id)
		SELECT $1, fact_seq, $2, jsonb_set($3, '{seq}', to_jsonb(fact_seq)), nullif($4::bigint, 0) FROM numbered`,
		orderKey, kind(fact), body, document)
	return nil
}

// Shipped queues the news that a carrier has had a parcel of the order in its hands, if the payment waits
// for that.
func Shipped(q Queue, orderKey string, at time.Time) error {
	return appendIf(q, orderKey, payments.Fact{Shipped: &payments.Moment{At: at.UTC()}}, 0, "p.awaits_shipment")
}

// Ended queues the news that the order's accounts were closed, if its payment has a workflow that is not
// over.
func Ended(q Queue, orderKey string, at time.Time) error {
	return appendIf(q, orderKey, payments.Fact{Ended: &payments.Moment{At: at.UTC()}}, 0,
		"p.closed_at IS NULL AND (p.started_at IS NOT NULL OR p.deliver_at IS NOT NULL)")
}

func kind(f payments.Fact) string {
	switch {
	case f.Shipped != nil:
		return "shipped"
	case f.Ended != nil:
		return "ended"
	case f.Release != nil:
		return "released"
	case f.Refund != nil:
		return "refund_" + string(f.Refund.Standing)
	case f.Change != nil:
		return "refund_now_" + string(f.Change.Standing)
	case f.Dispute != nil && f.Dispute.Closed:
		return "dispute_closed"
	case f.Dispute != nil:
		return "dispute_opened"
	case f.Changed != nil:
		return "payment_" + f.Changed.Status
	}
	return "unknown"
}

// After lists the facts of a payment with numbers above seq, in their order.
func After(ctx context.Context, q Querier, orderKey string, seq int64) ([]payments.Fact, error) {
	rows, err := q.Query(ctx, `SELECT body FROM payment_facts WHERE order_key = $1 AND seq > $2 ORDER BY seq`, orderKey, seq)
	if err != nil {
		return nil, fmt.Errorf("read the facts of the payment of order %s: %w", orderKey, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[payments.Fact])
	if err != nil {
		return nil, fmt.Errorf("read the facts of the payment of order %s: %w", orderKey, err)
	}
	return list, nil
}

// Standing is a payment as it stands: its last recorded state with the facts that came since folded in.
type Standing struct {
	State     payments.State
	Row       string // the authorisation, as the row says
	Captured  int64  // with the order, and of the authorisation since
	OpenedAt  time.Time
	StartedAt time.Time // zero: it needs no workflow
	ClosedAt  time.Time // zero: open
}

// Stand reads an order's payment. Fails with ErrNoPayment.
func Stand(ctx context.Context, q Querier, key order.Key) (Standing, error) {
	list, err := read(ctx, q, "p.order_key = $1", key.String())
	if err == nil && len(list) == 0 {
		err = ErrNoPayment
	}
	if err != nil {
		return Standing{}, fmt.Errorf("read the payment of order %s: %w", key, err)
	}
	return list[0], nil
}

// Waiting lists the payments that wait for a person, oldest first: of one storefront, or of all ("").
func Waiting(ctx context.Context, q Querier, shop string) ([]Standing, error) {
	list, err := read(ctx, q, "p.needs_attention AND ($1 = '' OR p.storefront = $1)", shop)
	if err != nil {
		return nil, fmt.Errorf("read the payments that wait: %w", err)
	}
	return list, nil
}

// QueueStand queues the reading of an order's payment; stands is not called when it has none.
func QueueStand(q Queue, key order.Key, stands func(Standing)) {
	q.Queue(standingSQL+"p.order_key = $1", key.String()).Query(func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, scanStanding)
		for i := range list {
			stands(list[i])
		}
		return err
	})
}

const standingSQL = `
	SELECT p.state, p.standing, o.captured_minor + p.captured_minor, p.opened_at,
		coalesce(p.started_at, '0001-01-01 00:00:00Z'), coalesce(p.closed_at, '0001-01-01 00:00:00Z'),
		coalesce((SELECT jsonb_agg(jsonb_build_object('fact', f.body, 'at', f.created_at) ORDER BY f.seq) FROM payment_facts f
			WHERE f.order_key = p.order_key AND f.seq > coalesce((p.state ->> 'lastFact')::bigint, 0)), '[]')
	FROM payments p JOIN orders o ON o.key = p.order_key WHERE `

func read(ctx context.Context, q Querier, which string, arg any) ([]Standing, error) {
	rows, err := q.Query(ctx, standingSQL+which+` ORDER BY p.opened_at, p.order_key`, arg)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanStanding)
}

func scanStanding(row pgx.CollectableRow) (Standing, error) {
	var s Standing
	var since []struct {
		Fact payments.Fact `json:"fact"`
		At   time.Time     `json:"at"` // it came: what it sets off counts from then
	}
	err := row.Scan(&s.State, &s.Row, &s.Captured, &s.OpenedAt, &s.StartedAt, &s.ClosedAt, &since)
	for _, came := range since {
		s.State.Apply(came.Fact, came.At)
	}
	return s, err
}
