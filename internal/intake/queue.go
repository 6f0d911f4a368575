package intake

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/returns"
)

// due is a claimed order, or a claimed return of one.
type due struct {
	key          order.Key
	rma          string // of a return; empty: the order itself, its payment or a claim of it
	payment      bool
	claim        string // id of a claim that is pursued
	settled      bool   // of a claim: its workflow has ended, and nothing of it is open
	supplier     string // of a return or a claim
	country      string
	lines, units int64
	factSeq      int64
	deliveredSeq int64 // moves on as batches are delivered
	started      bool
	recorded     bool            // the workflow left a state to go on from
	granted      *returns.State  // of a return that begins: as the desk granted it
	opened       *payments.State // of a payment that begins: as the order was placed
	stands       *order.State    // of an order: as it stands with the facts that are delivered; nil: none are
	tries        int
	lease        time.Time // identifies the claim
}

// claimOrderSQL leases the order that has waited longest. A fact that comes meanwhile takes
// deliver_at back to now, so the end of the delivery sees that the lease is no longer its own.
const claimOrderSQL = `
	UPDATE orders o SET deliver_at = now() + $1::interval
	WHERE key = (SELECT key FROM orders WHERE deliver_at <= now() ORDER BY deliver_at LIMIT 1 FOR UPDATE SKIP LOCKED)
	RETURNING storefront, order_id, country, fact_seq, delivered_seq, started_at IS NOT NULL, state IS NOT NULL,
		deliver_tries, deliver_at,
		(SELECT count(*) FROM order_lines l WHERE l.order_key = o.key),
		(SELECT coalesce(sum(quantity), 0)::bigint FROM order_lines l WHERE l.order_key = o.key)`

// claimReturnSQL does the same for returns.
const claimReturnSQL = `
	UPDATE returns r SET deliver_at = now() + $1::interval
	FROM orders o
	WHERE rma = (SELECT rma FROM returns WHERE deliver_at <= now() ORDER BY deliver_at, rma LIMIT 1 FOR UPDATE SKIP LOCKED) AND o.key = r.order_key
	RETURNING o.storefront, o.order_id, o.country, r.fact_seq, r.delivered_seq, r.started_at IS NOT NULL, true, r.deliver_tries, r.deliver_at,
		(SELECT count(*) FROM return_lines l WHERE l.rma = r.rma),
		(SELECT coalesce(sum(quantity), 0)::bigint FROM return_lines l WHERE l.rma = r.rma), r.rma, r.supplier,
		CASE WHEN r.started_at IS NULL THEN r.state END`

// claimPaymentSQL does the same for payments.
const claimPaymentSQL = `
	UPDATE payments p SET deliver_at = now() + $1::interval
	FROM orders o
	WHERE order_key = (SELECT order_key FROM payments WHERE deliver_at <= now() ORDER BY deliver_at LIMIT 1 FOR UPDATE SKIP LOCKED) AND o.key = p.order_key
	RETURNING o.storefront, o.order_id, o.country, p.fact_seq, p.delivered_seq, p.started_at IS NOT NULL, true, p.deliver_tries, p.deliver_at,
		0::bigint, 0::bigint, true, CASE WHEN p.started_at IS NULL THEN p.state END`

// claimClaimSQL does the same for the claims that are pursued.
const claimClaimSQL = `
	UPDATE pursuits p SET deliver_at = now() + $1::interval
	FROM orders o
	WHERE id = (SELECT id FROM pursuits WHERE deliver_at <= now() ORDER BY deliver_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) AND o.key = p.order_key
	RETURNING o.storefront, o.order_id, o.country, p.fact_seq, p.delivered_seq, p.started_at IS NOT NULL, true, p.deliver_tries, p.deliver_at,
		0::bigint, 0::bigint, p.id, coalesce(p.supplier, p.carrier),
		p.closed_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.pursuit = p.id AND c.closed_at IS NULL)`

// dueSQL says in which queues something is due, the longest waiting first.
const dueSQL = `
	SELECT queue FROM (
		(SELECT 'orders' AS queue, deliver_at FROM orders WHERE deliver_at <= now() ORDER BY deliver_at LIMIT 1)
		UNION ALL (SELECT 'returns', deliver_at FROM returns WHERE deliver_at <= now() ORDER BY deliver_at LIMIT 1)
		UNION ALL (SELECT 'payments', deliver_at FROM payments WHERE deliver_at <= now() ORDER BY deliver_at LIMIT 1)
		UNION ALL (SELECT 'pursuits', deliver_at FROM pursuits WHERE deliver_at <= now() ORDER BY deliver_at LIMIT 1)) due
	ORDER BY deliver_at`

// claim takes the order that has waited longest, or when none waits a return, a payment or a claim. One round
// trip takes the order and sees what else is due, so that a look in vain is one. more is true when there may
// be something else to take. Fails with pgx.ErrNoRows when there is nothing.
func (d *Deliverer) claim(ctx context.Context) (o *due, more bool, err error) {
	o = &due{}
	fields := []any{
		&o.key.Storefront, &o.key.Order, &o.country, &o.factSeq, &o.deliveredSeq, &o.started, &o.recorded, &o.tries, &o.lease, &o.lines, &o.units,
	}
	var others []string
	found, look := false, &pgx.Batch{}
	look.Queue(claimOrderSQL, deliveryLease).QueryRow(func(row pgx.Row) error {
		err := row.Scan(fields...)
		if found = err == nil; errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	look.Queue(dueSQL).Query(func(rows pgx.Rows) (err error) {
		others, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err := d.Pool.SendBatch(ctx, look).Close(); err != nil || found {
		return o, len(others) > 0, err
	}
	for _, queue := range others {
		switch queue {
		case "returns":
			err = d.Pool.QueryRow(ctx, claimReturnSQL, deliveryLease).Scan(append(fields, &o.rma, &o.supplier, &o.granted)...)
		case "payments":
			err = d.Pool.QueryRow(ctx, claimPaymentSQL, deliveryLease).Scan(append(fields, &o.payment, &o.opened)...)
		case "pursuits":
			err = d.Pool.QueryRow(ctx, claimClaimSQL, deliveryLease).Scan(append(fields, &o.claim, &o.supplier, &o.settled)...)
		default: // an order that another deliverer is claiming
			continue
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return o, true, err
		}
	}
	return nil, false, pgx.ErrNoRows
}

// name is how people know it.
func (o *due) name() string {
	switch {
	case o.rma != "":
		return o.rma
	case o.payment:
		return payments.WorkflowID(o.key)
	case o.claim != "":
		return claims.WorkflowID(o.claim)
	}
	return o.key.String()
}

// row is where it stands: its table, the column of its key, and the key.
func (o *due) row() (table, column, key string) {
	switch {
	case o.rma != "":
		return "returns", "rma", o.rma
	case o.payment:
		return "payments", "order_key", o.key.String()
	case o.claim != "":
		return "pursuits", "id", o.claim
	}
	return "orders", "key", o.key.String()
}
