package orderview

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/paymentdesk"
)

// ErrNoOrder: the order is not in the database.
var ErrNoOrder = facts.ErrNoOrder

// Querier is a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Standing is an order's row with its state, facts folded in.
type Standing struct {
	State      order.State
	Number     string
	Currency   string
	Total      int64 // minor units
	Captured   int64 // minor units
	PlacedAt   time.Time
	ReceivedAt time.Time
	StartedAt  time.Time // zero: its workflow does not exist yet
	ClosedAt   time.Time // zero: open
	// Recorded: the workflow has recorded a snapshot; without one only the basket is known.
	Recorded bool
	// Lines is the basket.
	Lines []Basket
}

// Basket is a line as it was ordered.
type Basket struct {
	Line      int
	SKU       string
	Quantity  int64
	Cancelled int64
}

// Stand reads where an order stands. Fails with ErrNoOrder.
func Stand(ctx context.Context, q Querier, key order.Key) (Standing, error) {
	b := &pgx.Batch{}
	var s Standing
	s.queue(b, key)
	if err := q.SendBatch(ctx, b).Close(); err != nil {
		return Standing{}, failed(key, err)
	}
	return s, nil
}

// QueueStand queues what Stand reads for the next round trip. A key that is no order fails it with
// pgx.ErrNoRows.
func QueueStand(b *pgx.Batch, key order.Key) *Standing {
	s := &Standing{}
	s.queue(b, key)
	return s
}

// Load reads an order in one round trip. Fails with ErrNoOrder.
func Load(ctx context.Context, q Querier, key order.Key) (View, error) {
	b := &pgx.Batch{}
	var s Standing
	var v View
	s.queue(b, key)
	v.queue(b, key)
	if err := q.SendBatch(ctx, b).Close(); err != nil {
		return View{}, failed(key, err)
	}
	v.fill(&s, key)
	return v, nil
}

func failed(key order.Key, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNoOrder
	}
	return fmt.Errorf("read order %s: %w", key, err)
}

func (s *Standing) queue(b *pgx.Batch, key order.Key) {
	var started, closed *time.Time
	var state []byte
	b.Queue(`
		SELECT coalesce(document->>'number', ''), currency, total_minor,
			captured_minor + coalesce((SELECT p.captured_minor FROM payments p WHERE p.order_key = key), 0), placed_at, received_at,
			started_at, closed_at, state
		FROM orders WHERE key = $1`, key.String()).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&s.Number, &s.Currency, &s.Total, &s.Captured, &s.PlacedAt, &s.ReceivedAt, &started, &closed, &state)
		if err != nil {
			return err
		}
		s.PlacedAt, s.ReceivedAt = s.PlacedAt.UTC(), s.ReceivedAt.UTC()
		s.StartedAt, s.ClosedAt = moment(started), moment(closed)
		s.State = order.State{Key: key}
		if s.Recorded = state != nil; s.Recorded {
			return json.Unmarshal(state, &s.State)
		}
		return nil
	})
	// Sends that were answered after the snapshot, and then the facts it has not seen, in the order of
	// their numbers.
	queueEach(b, `SELECT substr(key, length('submit/') + 1), result, last_at FROM effects
		WHERE order_key = $1 AND kind = 'submit' AND state = 'done' ORDER BY last_at, key`, key,
		func(row pgx.CollectableRow) error {
			var number string
			var answer order.Dispatch
			var at time.Time
			err := row.Scan(&number, &answer, &at)
			if err == nil && s.State.PO(number) != nil {
				s.State.Dispatched(number, answer, at.UTC())
			}
			return err
		})
	queueEach(b, `
		SELECT f.body, f.created_at FROM facts f JOIN orders o ON o.key = f.order_key
		WHERE f.order_key = $1 AND f.seq > coalesce((o.state->>'lastFact')::bigint, 0) ORDER BY f.seq`, key,
		func(row pgx.CollectableRow) error {
			var fact order.Fact
			var at time.Time
			err := row.Scan(&fact, &at)
			if err == nil {
				s.State.Apply(fact, at.UTC())
			}
			return err
		})
	queueEach(b, `SELECT line, sku, quantity, cancelled FROM order_lines WHERE order_key = $1 ORDER BY line`, key,
		func(row pgx.CollectableRow) error {
			var l Basket
			err := row.Scan(&l.Line, &l.SKU, &l.Quantity, &l.Cancelled)
			s.Lines = append(s.Lines, l)
			return err
		})
}

// queueEach queues a query by order key and hands its rows on one by one.
func queueEach(b *pgx.Batch, sql string, key order.Key, take func(pgx.CollectableRow) error) {
	b.Queue(sql, key.String()).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			if err := take(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// queue reads what stands beside the state: parcels as the carriers tell of them, refunds, messages.
func (v *View) queue(b *pgx.Batch, key order.Key) {
	v.Parcels, v.Refunds, v.Messages, v.Returns = []Parcel{}, []Refund{}, []Message{}, []Return{}
	paymentdesk.QueueStand(b, key, func(p paymentdesk.Standing) {
		payment := ViewPayment(&p)
		v.Payment = &payment
	})
	queueEach(b, `SELECT `+returnColumns+` FROM returns r WHERE r.order_key = $1 ORDER BY r.opened_at, r.rma`, key,
		func(row pgx.CollectableRow) error {
			r, err := scanReturn(row)
			r.Note = "" // an order's view holds nothing personal
			v.Returns = append(v.Returns, r)
			return err
		})
	queueEach(b, `SELECT `+claimColumns+` WHERE c.order_key = $1 ORDER BY c.opened_at, c.key`, key,
		func(row pgx.CollectableRow) error {
			c, err := scanClaim(row)
			v.Claims = append(v.Claims, c)
			return err
		})
	queueEach(b, `
		SELECT carrier, tracking, po_number, milestone, milestone_at, first_scan_at, last_scan_at, lines
		FROM parcels WHERE order_key = $1 ORDER BY noticed_at, po_number, carrier, tracking`, key,
		func(row pgx.CollectableRow) error {
			var p Parcel
			var at, first, last *time.Time
			err := row.Scan(&p.Carrier, &p.Tracking, &p.PurchaseOrder, &p.Milestone, &at, &first, &last, &p.Lines)
			p.MilestoneAt, p.FirstScanAt, p.LastScanAt = moment(at), moment(first), moment(last)
			v.Parcels = append(v.Parcels, p)
			return err
		})
	queueEach(b, `
		SELECT r.n, coalesce(r.rma, ''), r.amount_minor + r.released_minor + r.forgiven_minor, o.currency, r.state, r.reason, r.reference, r.asked_at, r.done_at,
			r.key, coalesce(d.reference, ''), coalesce(d.reason, ''), coalesce(d.by, ''), d.decided_at
		FROM refunds r JOIN orders o ON o.key = r.order_key LEFT JOIN refund_decisions d ON d.refund = r.key WHERE r.order_key = $1 ORDER BY r.asked_at, r.n, r.part`, key,
		func(row pgx.CollectableRow) error {
			var r Refund
			var minor int64
			var currency string
			var done, decided *time.Time
			var elsewhere RefundElsewhere
			err := row.Scan(&r.Number, &r.RMA, &minor, &currency, &r.State, &r.Reason, &r.Reference, &r.AskedAt, &done,
				&r.Key, &elsewhere.Reference, &elsewhere.Reason, &elsewhere.By, &decided)
			if decided != nil {
				elsewhere.At = decided.UTC()
				r.Elsewhere = &elsewhere
			}
			r.Amount, r.AskedAt, r.DoneAt = amount(minor, currency), r.AskedAt.UTC(), moment(done)
			v.Refunds = append(v.Refunds, r)
			return err
		})
	b.Queue(`
		SELECT o.currency, coalesce(sum(r.amount_minor), 0)::bigint FROM orders o
		LEFT JOIN refunds r ON r.order_key = o.key WHERE o.key = $1 GROUP BY o.currency`, key.String()).
		QueryRow(func(row pgx.Row) error {
			var currency string
			var minor int64
			err := row.Scan(&currency, &minor)
			v.Refunded = amount(minor, currency)
			return err
		})
	queueSupplierPayments(b, key, func(p *SupplierPayment) { v.SupplierPayments = append(v.SupplierPayments, *p) })
	queueEach(b, `SELECT channel, kind, state, created_at, sent_at FROM outbox WHERE order_key = $1 ORDER BY id`, key,
		func(row pgx.CollectableRow) error {
			var m Message
			var sent *time.Time
			err := row.Scan(&m.Channel, &m.Kind, &m.State, &m.At, &sent)
			m.At, m.SentAt = m.At.UTC(), moment(sent)
			v.Messages = append(v.Messages, m)
			return err
		})
}
