package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// suppliers reads both sides of a supplier's statement: what lies in the span on either, and its
// counterpart wherever that lies. Payments are looked for once its statements tell of payments at all.
func (r *Reconciler) suppliers(ctx context.Context, supplier string, span Span) (c Compared, found []Difference, err error) {
	theirs, err := papers(ctx, r.Pool, `
		SELECT number, n, currency, minor, stated_on::timestamp AT TIME ZONE 'UTC', '', false FROM supplier_statement_lines
		WHERE supplier = $1 AND (stated_on >= ($2 AT TIME ZONE 'UTC')::date AND stated_on < ($3 AT TIME ZONE 'UTC')::date
			OR number IN (SELECT invoice FROM supplier_invoices WHERE supplier = $1 AND invoiced_at >= $2 AND invoiced_at < $3
				UNION ALL SELECT number FROM credit_memos WHERE supplier = $1 AND given_at >= $2 AND given_at < $3
				UNION ALL SELECT number FROM claim_credits WHERE supplier = $1 AND corrects = '' AND given_at >= $2 AND given_at < $3
				UNION ALL SELECT 'payment/' || reference FROM remittances WHERE supplier = $1 AND paid_on >= ($2 AT TIME ZONE 'UTC')::date
					AND paid_on < ($3 AT TIME ZONE 'UTC')::date))
		ORDER BY stated_on, number, n`, supplier, span)
	if err != nil {
		return c, nil, fmt.Errorf("read the statements: %w", err)
	}
	ours, err := papers(ctx, r.Pool, `
		SELECT number, 1, currency, minor, date_trunc('day', at, 'UTC'), order_key,
			EXISTS (SELECT FROM remittance_lines l WHERE l.supplier = $1 AND l.credit = p.number AND l.reversed < -l.minor)
		FROM (
			SELECT invoice AS number, currency, total AS minor, invoiced_at AS at, order_key FROM supplier_invoices WHERE supplier = $1
			UNION ALL SELECT number, currency, -minor, given_at, order_key FROM credit_memos WHERE supplier = $1
			UNION ALL SELECT number, currency, -minor, given_at, coalesce(order_key, '') FROM claim_credits WHERE supplier = $1 AND corrects = ''
			UNION ALL SELECT 'payment/' || r.reference, r.currency, -sum(l.minor - sign(l.minor)::int * l.reversed)::bigint, r.paid_on::timestamp AT TIME ZONE 'UTC', ''
				FROM remittances r JOIN remittance_lines l USING (supplier, reference) WHERE supplier = $1
					AND EXISTS (SELECT FROM supplier_statement_lines s WHERE s.supplier = $1 AND starts_with(s.number, 'payment/'))
				GROUP BY r.reference, r.currency, r.paid_on HAVING sum(l.minor - sign(l.minor)::int * l.reversed) <> 0) p
		WHERE at >= $2 AND at < $3 OR number IN (SELECT number FROM supplier_statement_lines
			WHERE supplier = $1 AND stated_on >= ($2 AT TIME ZONE 'UTC')::date AND stated_on < ($3 AT TIME ZONE 'UTC')::date)
		ORDER BY at, number`, supplier, span)
	if err != nil {
		return c, nil, fmt.Errorf("read the invoices, credit memos and payments: %w", err)
	}
	covered, err := r.covered(ctx, supplier)
	if err != nil {
		return c, nil, fmt.Errorf("read what the statements cover: %w", err)
	}
	c.Ours, c.Theirs = len(ours), len(theirs)
	return c, Suppliers(supplier, span, ours, theirs, covered), nil
}

func papers(ctx context.Context, pool *pgxpool.Pool, sql, supplier string, span Span) ([]Paper, error) {
	rows, err := pool.Query(ctx, sql, supplier, span.From, span.Until)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Paper, err error) {
		err = row.Scan(&p.Number, &p.N, &p.Currency, &p.Minor, &p.On, &p.Order, &p.SetOff)
		p.On = p.On.UTC()
		return p, err
	})
}

func (r *Reconciler) covered(ctx context.Context, supplier string) (func(time.Time) bool, error) {
	rows, err := r.Pool.Query(ctx, `SELECT from_day, through_day FROM supplier_statements WHERE supplier = $1`, supplier)
	if err != nil {
		return nil, err
	}
	var spans []Span
	var first, last time.Time
	_, err = pgx.ForEachRow(rows, []any{&first, &last}, func() error {
		spans = append(spans, Days(first, last))
		return nil
	})
	return func(at time.Time) bool {
		for _, s := range spans {
			if s.Holds(at) {
				return true
			}
		}
		return false
	}, err
}

func (r *Reconciler) carriers(ctx context.Context, carrier string, span Span) (c Compared, found []Difference, err error) {
	rows, err := r.Pool.Query(ctx, `
		WITH asked AS (SELECT DISTINCT tracking FROM carrier_bill_lines
			WHERE carrier = $1 AND billed_on >= ($2 AT TIME ZONE 'UTC')::date AND billed_on < ($3 AT TIME ZONE 'UTC')::date)
		SELECT l.tracking, l.billed_on::timestamp AT TIME ZONE 'UTC', l.currency, l.minor, l.n,
			row_number() OVER (PARTITION BY l.tracking ORDER BY l.billed_on, l.n, l.minor) > 1,
			coalesce(p.order_key, b.order_key, ''), p.order_key IS NOT NULL OR b.order_key IS NOT NULL,
			coalesce(p.milestone = 'returning', false) OR b.order_key IS NOT NULL, b.cost_minor, coalesce(b.cost_currency, '')
		FROM asked a JOIN carrier_bill_lines l ON l.carrier = $1 AND l.tracking = a.tracking
		LEFT JOIN LATERAL (SELECT order_key, milestone FROM parcels WHERE carrier = $1 AND tracking = l.tracking
			ORDER BY noticed_at DESC LIMIT 1) p ON true
		LEFT JOIN LATERAL (SELECT t.order_key, x.cost_minor, x.cost_currency FROM return_parcels x JOIN returns t ON t.rma = x.rma
			WHERE (x.carrier = $1 OR x.bought_of <> '' AND replace(x.bought_of, '-', '') = $1) AND x.tracking = l.tracking LIMIT 1) b ON true
		ORDER BY l.billed_on, l.tracking, l.n`, carrier, span.From, span.Until)
	if err != nil {
		return c, nil, fmt.Errorf("read the bills: %w", err)
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Billed, err error) {
		err = row.Scan(&l.Tracking, &l.On, &l.Currency, &l.Minor, &l.N, &l.Earlier, &l.Order, &l.Known, &l.SentBack, &l.Bought, &l.BoughtIn)
		l.On = l.On.UTC()
		return l, err
	})
	if err != nil {
		return c, nil, fmt.Errorf("read the bills: %w", err)
	}
	for _, l := range lines {
		if l.Known {
			c.Ours++
		}
	}
	c.Theirs = len(lines)
	return c, Carriers(carrier, span, lines), nil
}

// Kept is a difference as it stands.
type Kept struct {
	ID         int64      `json:"id"`
	Book       string     `json:"book"`
	What       What       `json:"what"`
	Cause      Cause      `json:"likely_cause"`
	Subject    string     `json:"subject"`
	Order      string     `json:"order,omitempty"`
	Currency   string     `json:"currency"`
	Ours       *int64     `json:"ours_minor"`
	Theirs     *int64     `json:"theirs_minor"`
	At         time.Time  `json:"at"`
	State      string     `json:"state"` // open, accepted or gone
	OpenedAt   time.Time  `json:"opened_at"`
	ClosedAt   *time.Time `json:"closed_at,omitempty"`
	AcceptedBy string     `json:"accepted_by,omitempty"`
	Reason     string     `json:"reason,omitempty"`
}

// Filter narrows a list. Empty fields do not narrow.
type Filter struct {
	Book  string // exact
	State string
	Limit int // zero means 100
}

// List lists differences, the oldest first.
func List(ctx context.Context, pool *pgxpool.Pool, f Filter) ([]Kept, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	rows, err := pool.Query(ctx, `
		SELECT id, book, what, cause, subject, coalesce(order_key, ''), currency, ours_minor, theirs_minor, at, state, opened_at, closed_at, accepted_by, reason
		FROM reconciliation_differences WHERE ($1 = '' OR book = $1) AND ($2 = '' OR state = $2) ORDER BY at, id LIMIT $3`, f.Book, f.State, f.Limit)
	if err != nil {
		return nil, fmt.Errorf("list the differences: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Kept])
	if err != nil {
		return nil, fmt.Errorf("list the differences: %w", err)
	}
	return list, nil
}

// Open counts the open differences.
func Open(ctx context.Context, pool *pgxpool.Pool) (n int, err error) {
	if err = pool.QueryRow(ctx, `SELECT count(*) FROM reconciliation_differences WHERE state = 'open'`).Scan(&n); err != nil {
		return 0, fmt.Errorf("count the open differences: %w", err)
	}
	return n, nil
}

// Latest is the last run that ended; the zero Result when there is none.
func Latest(ctx context.Context, pool *pgxpool.Pool) (r Result, err error) {
	err = pool.QueryRow(ctx, `SELECT id, from_day, until_day, summary FROM reconciliation_runs WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT 1`).
		Scan(&r.Run, &r.From, &r.Until, &r.Books)
	if errors.Is(err, pgx.ErrNoRows) {
		return Result{}, nil
	}
	if err != nil {
		return Result{}, fmt.Errorf("read the last reconciliation: %w", err)
	}
	return r, nil
}

// ErrNotOpen: there is no open difference of that number.
var ErrNotOpen = errors.New("no open difference of that number")

// Accept ends an open difference with a reason; it fails with ErrNotOpen. It is opened again when it
// changes.
func Accept(ctx context.Context, pool *pgxpool.Pool, id int64, by, reason string) error {
	tag, err := pool.Exec(ctx, `UPDATE reconciliation_differences SET state = 'accepted', closed_at = now(), accepted_by = $2, reason = $3
		WHERE id = $1 AND state = 'open'`, id, by, reason)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrNotOpen
	}
	if err != nil {
		return fmt.Errorf("accept difference %d: %w", id, err)
	}
	return nil
}
