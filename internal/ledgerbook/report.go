package ledgerbook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/ledger"
)

// Errors of closing a period.
var (
	// ErrDayOpen: the day is not over yet (UTC), or lies in the future.
	ErrDayOpen = errors.New("the day is not over")
	// ErrClosed: the ledger is closed through that day or a later one.
	ErrClosed = errors.New("closed already")
)

// TrialBalance is what every account holds over all orders at the end of a day (UTC), by account and
// currency. Its sum is zero in each currency.
func TrialBalance(ctx context.Context, q querier, through time.Time) (ledger.Balances, error) {
	rows, err := q.Query(ctx, `
		SELECT e.account, e.currency, sum(e.minor)::bigint
		FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
		WHERE t.posted_at < $1 GROUP BY e.account, e.currency ORDER BY e.account, e.currency`, endOf(through))
	if err != nil {
		return nil, fmt.Errorf("add up the ledger: %w", err)
	}
	balances, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ledger.Balance])
	if err != nil {
		return nil, fmt.Errorf("add up the ledger: %w", err)
	}
	return balances, nil
}

// endOf is the first moment after a day (UTC).
func endOf(day time.Time) time.Time { return day.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour) }

// EachPosting gives fn the transactions posted from the first day to the last (UTC, both included) in
// the order in which they were posted. Rows are read as they are needed, so a year fits in memory.
func EachPosting(ctx context.Context, q querier, first, last time.Time, fn func(ledger.Posted) error) error {
	rows, err := q.Query(ctx, `
		SELECT t.id, t.posted_at, t.order_key, t.key, t.kind, t.memo, e.account, e.currency, e.minor
		FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
		WHERE t.posted_at >= $1 AND t.posted_at < $2 ORDER BY t.posted_at, t.id, e.n`,
		first.UTC().Truncate(24*time.Hour), endOf(last))
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	var current, row ledger.Posted
	var entry ledger.Entry
	_, err = pgx.ForEachRow(rows, []any{
		&row.Number, &row.At, &row.Order, &row.Key, &row.Kind, &row.Memo, &entry.Account, &entry.Currency, &entry.Minor,
	}, func() error {
		if row.Number != current.Number {
			if err := give(current, fn); err != nil {
				return err
			}
			current = row
			current.Entries = nil
		}
		current.Entries = append(current.Entries, entry)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	return give(current, fn)
}

func give(p ledger.Posted, fn func(ledger.Posted) error) error {
	if p.Number == 0 {
		return nil
	}
	return fn(p)
}

// Period is a time that the bookkeeper has taken over: it ends with a day (UTC) and begins after the
// period before it.
type Period struct {
	Through  time.Time       `json:"through"`
	ClosedAt time.Time       `json:"closed_at"`
	ClosedBy string          `json:"closed_by"`
	Balance  ledger.Balances `json:"balance"`
}

// Periods lists the closed periods, newest first.
func Periods(ctx context.Context, q querier) ([]Period, error) {
	rows, err := q.Query(ctx, `SELECT through, closed_at, closed_by, balance FROM ledger_periods ORDER BY through DESC`)
	if err != nil {
		return nil, fmt.Errorf("list the closed periods: %w", err)
	}
	periods, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Period])
	if err != nil {
		return nil, fmt.Errorf("list the closed periods: %w", err)
	}
	return periods, nil
}

// ClosePeriod fixes everything up to the end of a day (UTC): from then on Postgres refuses a posting
// dated so. by is who closes it, a role or a short name. It waits for postings under way and fails
// with ErrDayOpen or ErrClosed.
func ClosePeriod(ctx context.Context, pool *pgxpool.Pool, through time.Time, by string) (p Period, err error) {
	day := through.UTC().Truncate(24 * time.Hour)
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		// Reading goes on; who wants to post waits, and is judged by the closed period then.
		if _, err := tx.Exec(ctx, `LOCK TABLE ledger_transactions, ledger_periods IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
		var over, closed bool
		if err := tx.QueryRow(ctx, `SELECT $1::date < (clock_timestamp() AT TIME ZONE 'UTC')::date,
			EXISTS (SELECT 1 FROM ledger_periods WHERE through >= $1::date)`, day).Scan(&over, &closed); err != nil {
			return err
		}
		switch {
		case closed:
			return ErrClosed
		case !over:
			return ErrDayOpen
		}
		p = Period{Through: day, ClosedBy: by}
		if p.Balance, err = TrialBalance(ctx, tx, day); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `INSERT INTO ledger_periods (through, closed_by, balance) VALUES ($1, $2, $3) RETURNING closed_at`,
			day, by, p.Balance).Scan(&p.ClosedAt)
	})
	if err != nil {
		return Period{}, fmt.Errorf("close the ledger through %s: %w", day.Format(time.DateOnly), err)
	}
	return p, nil
}
