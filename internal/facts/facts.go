// Package facts appends to an order's numbered list of facts, and reads it back. Whoever learns
// something about an order commits it here together with its evidence; the deliverer gives it to
// the order's workflow.
package facts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
)

// ErrNoOrder: the order is not in the database.
var ErrNoOrder = errors.New("no such order")

const appendSQL = `
	WITH numbered AS (
		UPDATE orders SET fact_seq = fact_seq + 1,
			deliver_at = CASE WHEN $2 THEN least(coalesce(deliver_at, now()), now()) ELSE deliver_at END
		WHERE key = $1 RETURNING fact_seq)
	INSERT INTO facts (order_key, seq, kind, body, urgent, document_id)
	SELECT $1, fact_seq, $3, jsonb_set($4, '{seq}', to_jsonb(fact_seq)), $2, nullif($5::bigint, 0) FROM numbered
	RETURNING seq`

// QueueAppend queues what Append does, for an order that the transaction knows to be there.
func QueueAppend(q Queue, orderKey string, fact order.Fact, urgent bool, document int64) error {
	body, err := json.Marshal(fact)
	if err != nil {
		return fmt.Errorf("encode a fact of order %s: %w", orderKey, err)
	}
	q.Queue(appendSQL, orderKey, urgent, kind(fact), body, document)
	return nil
}

// QueueRoutine queues a fact about a purchase order that is not urgent. It is delivered after wait, and before half
// of the time to the purchase order's ship deadline is over.
func QueueRoutine(q Queue, orderKey, po string, fact order.Fact, wait time.Duration, document int64) error {
	body, err := json.Marshal(fact)
	if err != nil {
		return fmt.Errorf("encode a fact of order %s: %w", orderKey, err)
	}
	q.Queue(`
		WITH numbered AS (
			UPDATE orders o SET fact_seq = fact_seq + 1,
				deliver_at = least(o.deliver_at, now() + $6::interval, now() + (p.ship_due_at - now()) / 2)
			FROM purchase_orders p WHERE o.key = $1 AND p.number = $2 RETURNING fact_seq)
		INSERT INTO facts (order_key, seq, kind, body, urgent, document_id)
		SELECT $1, fact_seq, $3, jsonb_set($4, '{seq}', to_jsonb(fact_seq)), false, nullif($5::bigint, 0) FROM numbered`,
		orderKey, po, kind(fact), body, document, wait)
	return nil
}

// Append gives the fact the order's next number and stores it. An urgent fact is delivered at once;
// one that is not rides along with the next urgent fact. document is the id of the inbound document
// it came with, 0 for none. The order's row stays locked until tx ends, which keeps the numbers in
// the order of the commits. Returns the number, or ErrNoOrder.
func Append(ctx context.Context, tx pgx.Tx, orderKey string, fact order.Fact, urgent bool, document int64) (int64, error) {
	body, err := json.Marshal(fact)
	if err != nil {
		return 0, fmt.Errorf("encode a fact of order %s: %w", orderKey, err)
	}
	var seq int64
	err = tx.QueryRow(ctx, appendSQL, orderKey, urgent, kind(fact), body, document).Scan(&seq)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("append a fact to order %s: %w", orderKey, ErrNoOrder)
	}
	if err != nil {
		return 0, fmt.Errorf("append a fact to order %s: %w", orderKey, err)
	}
	return seq, nil
}

// querier is a pool, a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const afterSQL = `SELECT body FROM facts WHERE order_key = $1 AND seq > $2 ORDER BY seq`

// After lists the facts of an order with numbers above seq, in their order.
func After(ctx context.Context, q querier, orderKey string, seq int64) ([]order.Fact, error) {
	rows, err := q.Query(ctx, afterSQL, orderKey, seq)
	if err != nil {
		return nil, fmt.Errorf("read the facts of order %s: %w", orderKey, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[order.Fact])
	if err != nil {
		return nil, fmt.Errorf("read the facts of order %s: %w", orderKey, err)
	}
	return list, nil
}

// QueueAfter queues what After reads; take is given the facts.
func QueueAfter(q Queue, orderKey string, seq int64, take func([]order.Fact)) {
	q.Queue(afterSQL, orderKey, seq).Query(func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, pgx.RowTo[order.Fact])
		take(list)
		return err
	})
}

func kind(f order.Fact) string {
	switch {
	case f.Acknowledge != nil:
		return "acknowledgment"
	case f.Ship != nil:
		return "ship_notice"
	case f.Milestone != nil:
		return "parcel_" + string(f.Milestone.Milestone)
	case f.CancelReply != nil:
		return "cancel_answer"
	case f.Cancel != nil:
		return "cancel_request"
	case f.RefundPaid != nil:
		return "refund_paid"
	case f.Payment != nil:
		return "customer_payment"
	}
	return "unknown"
}

// Queue takes statements for the next round trip: a *pgx.Batch or a *postgres.Work.
type Queue interface {
	Queue(sql string, args ...any) *pgx.QueuedQuery
}

// QueueCancel queues a cancellation as a fact of an order that is not settled, once per request id. The
// caller holds the order's row.
func QueueCancel(q Queue, orderKey string, r order.CancelRequest) error {
	fact := order.Fact{Cancel: &r}
	body, err := json.Marshal(fact)
	if err != nil {
		return fmt.Errorf("encode a fact of order %s: %w", orderKey, err)
	}
	q.Queue(`
		WITH numbered AS (
			UPDATE orders SET fact_seq = fact_seq + 1, deliver_at = least(coalesce(deliver_at, now()), now())
			WHERE key = $1 AND closed_at IS NULL
				AND NOT EXISTS (SELECT FROM facts WHERE order_key = $1 AND kind = $2 AND body #>> '{cancel,id}' = $4)
			RETURNING fact_seq)
		INSERT INTO facts (order_key, seq, kind, body, urgent)
		SELECT $1, fact_seq, $2, jsonb_set($3, '{seq}', to_jsonb(fact_seq)), true FROM numbered`, orderKey, kind(fact), body, r.ID)
	return nil
}
