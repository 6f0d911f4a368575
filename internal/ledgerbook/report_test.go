package ledgerbook_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/postgres"
)

var (
	january  = time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	february = time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC)
)

// backdate posts a transaction as of a moment.
func backdate(ctx context.Context, pool *pgxpool.Pool, at time.Time, key string, minor int64) error {
	return postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			WITH t AS (INSERT INTO ledger_transactions (order_key, key, kind, memo, posted_at) VALUES ('shop/1', $1, 'captured', 'x', $2) RETURNING id)
			INSERT INTO ledger_entries SELECT id, 1, 'bank', 'EUR', $3::bigint FROM t UNION ALL SELECT id, 2, 'losses', 'EUR', -$3::bigint FROM t`, key, at, minor)
		return err
	})
}

func TestTrialBalanceCountsWhatWasPostedByTheEndOfTheDay(t *testing.T) {
	t.Parallel()
	ctx, pool := context.Background(), setup(t)
	require.NoError(t, backdate(ctx, pool, january.Add(24*time.Hour-time.Microsecond), "a", 5))
	require.NoError(t, backdate(ctx, pool, january.Add(24*time.Hour), "b", 7))
	for through, minor := range map[time.Time]int64{january: 5, february: 12, january.Add(-24 * time.Hour): 0} {
		balances, err := ledgerbook.TrialBalance(ctx, pool, through)
		require.NoError(t, err)
		require.Equal(t, minor, balances.Of(ledger.Bank, "EUR"), through)
		require.Equal(t, -minor, balances.Of(ledger.Losses, "EUR"), through)
	}
	var keys []string
	require.NoError(t, ledgerbook.EachPosting(ctx, pool, january, february, func(p ledger.Posted) error {
		require.NoError(t, p.Validate())
		require.Equal(t, "shop/1", p.Order)
		keys = append(keys, p.Key)
		return nil
	}))
	require.Equal(t, []string{"a", "b"}, keys)
}

func TestNothingIsPostedIntoAClosedPeriod(t *testing.T) {
	t.Parallel()
	ctx, pool := context.Background(), setup(t)
	require.NoError(t, backdate(ctx, pool, january, "a", 5))
	closed, err := ledgerbook.ClosePeriod(ctx, pool, january, "bookkeeping")
	require.NoError(t, err)
	require.EqualValues(t, 5, closed.Balance.Of(ledger.Bank, "EUR"))

	require.ErrorContains(t, backdate(ctx, pool, january.Add(24*time.Hour-time.Microsecond), "late", 1), "closed through 2026-01-31")
	require.NoError(t, backdate(ctx, pool, january.Add(24*time.Hour), "next", 1))
	_, err = ledgerbook.ClosePeriod(ctx, pool, january, "bookkeeping")
	require.ErrorIs(t, err, ledgerbook.ErrClosed)
	_, err = ledgerbook.ClosePeriod(ctx, pool, january.Add(-48*time.Hour), "bookkeeping")
	require.ErrorIs(t, err, ledgerbook.ErrClosed)
	for _, tampering := range []string{`DELETE FROM ledger_periods`, `UPDATE ledger_periods SET through = '2020-01-01'`, `TRUNCATE ledger_periods`} {
		_, err = pool.Exec(ctx, tampering)
		require.ErrorContains(t, err, "a closed period stays closed")
	}
	periods, err := ledgerbook.Periods(ctx, pool)
	require.NoError(t, err)
	require.Len(t, periods, 1)
	require.Equal(t, closed.Balance, periods[0].Balance)
}

func TestADayThatIsNotOverCannotBeClosed(t *testing.T) {
	t.Parallel()
	ctx, pool := context.Background(), setup(t)
	var today time.Time
	require.NoError(t, pool.QueryRow(ctx, `SELECT now()`).Scan(&today))
	_, err := ledgerbook.ClosePeriod(ctx, pool, today, "bookkeeping")
	require.ErrorIs(t, err, ledgerbook.ErrDayOpen)
}

// A posting that began on the last day of a period, and is still under way when it is closed, must not
// slip in behind the balance that was kept.
func TestClosingWaitsForAPostingUnderWay(t *testing.T) {
	t.Parallel()
	ctx, pool := context.Background(), setup(t)
	tx, err := pool.Begin(ctx)
	require.NoError(t, err)
	_, err = tx.Exec(ctx, `
		WITH t AS (INSERT INTO ledger_transactions (order_key, key, kind, memo, posted_at) VALUES ('shop/1', 'slow', 'captured', 'x', $1) RETURNING id)
		INSERT INTO ledger_entries SELECT id, 1, 'bank', 'EUR', 3::bigint FROM t UNION ALL SELECT id, 2, 'losses', 'EUR', -3 FROM t`, january)
	require.NoError(t, err)
	closing := make(chan ledgerbook.Period, 1)
	go func() {
		period, err := ledgerbook.ClosePeriod(ctx, pool, january, "bookkeeping")
		if err == nil {
			closing <- period
		}
		close(closing)
	}()
	require.Eventually(t, func() bool {
		var waiting bool
		err := pool.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'ledger_transactions'::regclass)`).Scan(&waiting)
		return err == nil && waiting
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, tx.Commit(ctx))
	period, closed := <-closing
	require.True(t, closed)
	require.EqualValues(t, 3, period.Balance.Of(ledger.Bank, "EUR"))
}
