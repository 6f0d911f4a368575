package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/payment"
)

// oldest is how long an open difference is looked at again by the daily run.
const oldest = 35 * day

// Reconciler compares books.
type Reconciler struct {
	Pool *pgxpool.Pool
	// Payments is a storefront's account at its payment provider; false when it has none.
	Payments func(catalog.Storefront) (payment.Provider, bool, error)
	Now      func() time.Time
}

// Compared says how one book compared.
type Compared struct {
	Book   string `json:"book"`
	Ours   int    `json:"ours"` // entries read on either side, beyond the days in question too
	Theirs int    `json:"theirs"`
	// Differences are those seen, accepted ones included.
	Differences int `json:"differences"`
	// Fees are what the provider kept for what happened on the days in question, by currency, in minor units.
	Fees map[string]int64 `json:"fees,omitempty"`
	// Problem says why the book could not be compared; its differences stay as they were.
	Problem string `json:"problem,omitempty"`
}

// Result is one run.
type Result struct {
	Run   int64      `json:"run"`
	From  time.Time  `json:"from"`
	Until time.Time  `json:"until"`
	Books []Compared `json:"books"`
}

// Daily is the span that the scheduled run compares: yesterday, and back to the oldest open difference or
// to where the last whole run ended, 35 days at most.
func (r *Reconciler) Daily(ctx context.Context) (Span, error) {
	yesterday := midnight(r.Now()).Add(-day)
	var since time.Time
	err := r.Pool.QueryRow(ctx, `
		SELECT least($1,
			(SELECT min(at) FROM reconciliation_differences WHERE state = 'open' AND at >= $2),
			(SELECT greatest(until_day::timestamp AT TIME ZONE 'UTC', $2) FROM reconciliation_runs
				WHERE finished_at IS NOT NULL AND NOT summary @? '$[*].problem' ORDER BY until_day DESC LIMIT 1))`,
		yesterday, yesterday.Add(-oldest)).Scan(&since)
	if err != nil {
		return Span{}, fmt.Errorf("find the days to compare: %w", err)
	}
	return Days(since, yesterday), nil
}

// Run compares every book over whole days and keeps what differs. It may be repeated at any time, for any
// days. A book that cannot be compared keeps the others from nothing; the error names all such.
func (r *Reconciler) Run(ctx context.Context, span Span) (Result, error) {
	result := Result{From: span.From, Until: span.Until}
	err := r.Pool.QueryRow(ctx, `INSERT INTO reconciliation_runs (from_day, until_day) VALUES ($1, $2) RETURNING id`, span.From, span.Until).Scan(&result.Run)
	if err != nil {
		return result, fmt.Errorf("begin a reconciliation: %w", err)
	}
	books, err := r.books(ctx, span)
	if err != nil {
		return result, fmt.Errorf("find the books to compare: %w", err)
	}
	var failed []error
	for _, b := range books {
		compared, found, err := b.compare(ctx)
		compared.Book, compared.Differences = b.name, len(found)
		if err == nil {
			err = r.save(ctx, b.name, span, result.Run, found)
		}
		if err != nil {
			compared.Problem = err.Error()
			failed = append(failed, fmt.Errorf("compare %s: %w", b.name, err))
		}
		result.Books = append(result.Books, compared)
	}
	_, err = r.Pool.Exec(ctx, `UPDATE reconciliation_runs SET finished_at = now(), summary = $2 WHERE id = $1`, result.Run, append([]Compared{}, result.Books...))
	if err != nil {
		failed = append(failed, fmt.Errorf("end a reconciliation: %w", err))
	}
	return result, errors.Join(failed...)
}

// book is one partner's, and how it is compared with ours.
type book struct {
	name    string
	compare func(context.Context) (Compared, []Difference, error)
}

func (r *Reconciler) books(ctx context.Context, span Span) ([]book, error) {
	rows, err := r.Pool.Query(ctx, `SELECT document FROM storefronts WHERE document ? 'payments' ORDER BY id`)
	if err != nil {
		return nil, err
	}
	shops, err := pgx.CollectRows(rows, pgx.RowTo[catalog.Storefront])
	if err != nil {
		return nil, err
	}
	var all []book
	for _, shop := range shops {
		all = append(all, book{"payments/" + shop.ID, func(ctx context.Context) (Compared, []Difference, error) { return r.payments(ctx, shop, span) }})
	}
	rows, err = r.Pool.Query(ctx, `SELECT 'supplier', supplier FROM supplier_statements WHERE from_day < $2 AND through_day >= $1
		UNION SELECT 'supplier', supplier FROM supplier_statement_lines WHERE stated_on >= $1 AND stated_on < $2
		UNION SELECT 'carrier', carrier FROM carrier_bill_lines WHERE billed_on >= $1 AND billed_on < $2
		UNION SELECT split_part(book, '/', 1), split_part(book, '/', 2) FROM reconciliation_differences
			WHERE state = 'open' AND at >= $1::date AT TIME ZONE 'UTC' AND at < $2::date AT TIME ZONE 'UTC' AND book NOT LIKE 'payments/%'
		ORDER BY 1, 2`, span.From, span.Until)
	if err != nil {
		return nil, err
	}
	var kind, party string
	_, err = pgx.ForEachRow(rows, []any{&kind, &party}, func() error {
		of, compare := party, r.suppliers
		if kind == "carrier" {
			compare = r.carriers
		}
		all = append(all, book{kind + "/" + of, func(ctx context.Context) (Compared, []Difference, error) { return compare(ctx, of, span) }})
		return nil
	})
	return all, err
}

func (r *Reconciler) payments(ctx context.Context, shop catalog.Storefront, span Span) (c Compared, found []Difference, err error) {
	now := r.Now()
	wide := span.widened(reach, now)
	theirs, err := r.movements(ctx, shop, wide)
	if err != nil {
		return c, nil, err
	}
	ours, err := r.booked(ctx, shop.ID, wide)
	if err != nil {
		return c, nil, err
	}
	orders, err := r.ordersOf(ctx, shop.ID, ours, theirs)
	if err != nil {
		return c, nil, err
	}
	c.Ours, c.Theirs = len(ours), len(theirs)
	for i := range theirs {
		if m := &theirs[i]; m.Fee != 0 && span.Holds(m.At) {
			if c.Fees == nil {
				c.Fees = map[string]int64{}
			}
			c.Fees[m.FeeCurrency] += m.Fee
		}
	}
	return c, Payments(shop.ID, span, now, ours, theirs, orders), nil
}

func (r *Reconciler) movements(ctx context.Context, shop catalog.Storefront, wide Span) (all []payment.Movement, err error) {
	provider, has, err := r.Payments(shop)
	if err != nil || !has {
		return nil, err
	}
	cursor := ""
	for {
		page, next, err := provider.Movements(ctx, wide.From, wide.Until, cursor)
		if err != nil {
			return nil, err
		}
		if all = append(all, page...); next == "" {
			return all, nil
		}
		cursor = next
	}
}

// booked reads what the ledger says of the account at the provider. The provider's fees that are posted
// with a movement are put back, so that both sides tell what was captured or taken, before fees.
func (r *Reconciler) booked(ctx context.Context, storefront string, wide Span) ([]Booked, error) {
	rows, err := r.Pool.Query(ctx, `
		SELECT t.id, t.order_key, coalesce(o.document -> 'payment' ->> 'reference', ''), t.kind, e.currency, sum(e.minor)::bigint, t.posted_at
		FROM ledger_transactions t JOIN orders o ON o.key = t.order_key JOIN ledger_entries e ON e.transaction_id = t.id
		WHERE o.storefront = $1 AND t.posted_at >= $2 AND t.posted_at < $3 AND e.account IN ('processor_clearing', 'payment_fees')
		GROUP BY t.id, o.key, e.currency HAVING sum(e.minor) <> 0 ORDER BY t.id`, storefront, wide.From, wide.Until)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Booked])
}

// ordersOf finds the orders by their payments, those too of which the ledger says nothing these days.
func (r *Reconciler) ordersOf(ctx context.Context, storefront string, ours []Booked, theirs []payment.Movement) (map[string]string, error) {
	orders := map[string]string{}
	for i := range ours {
		orders[ours[i].Payment] = ours[i].Order
	}
	var unknown []string
	for i := range theirs {
		if _, known := orders[theirs[i].Payment]; !known {
			unknown = append(unknown, theirs[i].Payment)
		}
	}
	if len(unknown) == 0 {
		return orders, nil
	}
	rows, err := r.Pool.Query(ctx, `SELECT document -> 'payment' ->> 'reference', key FROM orders
		WHERE storefront = $1 AND document -> 'payment' ->> 'reference' = ANY ($2)`, storefront, unknown)
	if err != nil {
		return nil, fmt.Errorf("find the orders of payments: %w", err)
	}
	var reference, key string
	_, err = pgx.ForEachRow(rows, []any{&reference, &key}, func() error {
		orders[reference] = key
		return nil
	})
	return orders, err
}

// save keeps what differs in a book over a span, and ends what does not any more.
func (r *Reconciler) save(ctx context.Context, name string, span Span, run int64, found []Difference) error {
	b := &pgx.Batch{}
	for i := range found {
		d := &found[i]
		b.Queue(`
			INSERT INTO reconciliation_differences AS d (key, book, what, cause, subject, order_key, currency, ours_minor, theirs_minor, at, first_run, last_run)
			VALUES ($1, $2, $3, $4, $5, nullif($6, ''), $7, $8, $9, $10, $11, $11)
			ON CONFLICT (key) DO UPDATE SET what = excluded.what, cause = excluded.cause, order_key = excluded.order_key, currency = excluded.currency,
				ours_minor = excluded.ours_minor, theirs_minor = excluded.theirs_minor, at = excluded.at, last_run = excluded.last_run,
				state = CASE WHEN d.state = 'accepted' AND (d.what, d.currency, d.ours_minor, d.theirs_minor)
					IS NOT DISTINCT FROM (excluded.what, excluded.currency, excluded.ours_minor, excluded.theirs_minor) THEN 'accepted' ELSE 'open' END,
				closed_at = CASE WHEN d.state = 'accepted' AND (d.what, d.currency, d.ours_minor, d.theirs_minor)
					IS NOT DISTINCT FROM (excluded.what, excluded.currency, excluded.ours_minor, excluded.theirs_minor) THEN d.closed_at END`,
			d.Key, d.Book, d.What, d.Cause, d.Subject, d.Order, d.Currency, d.Ours, d.Theirs, d.At, run)
	}
	b.Queue(`UPDATE reconciliation_differences SET state = 'gone', closed_at = now()
		WHERE book = $1 AND at >= $2 AND at < $3 AND state = 'open' AND last_run < $4`, name, span.From, span.Until, run)
	return pgx.BeginFunc(ctx, r.Pool, func(tx pgx.Tx) error { return tx.SendBatch(ctx, b).Close() })
}
