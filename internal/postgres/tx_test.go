package postgres_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
)

// trips counts what is sent and waited for.
type trips struct{ n atomic.Int64 }

func (c *trips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}
func (*trips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (c *trips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	c.n.Add(1)
	return ctx
}
func (*trips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*trips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// notes is a table of numbers, behind a single connection: one that is left in a transaction shows.
func notes(t *testing.T) (*pgxpool.Pool, *trips) {
	t.Helper()
	seen := &trips{}
	pool, err := postgres.Open(t.Context(), postgrestest.URL(t), 1, func(c *pgx.ConnConfig) { c.Tracer = seen })
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = pool.Exec(t.Context(), `CREATE TABLE notes (n int PRIMARY KEY)`)
	require.NoError(t, err)
	seen.n.Store(0)
	return pool, seen
}

const note = `INSERT INTO notes VALUES ($1)`

func written(t *testing.T, pool *pgxpool.Pool) []int {
	t.Helper()
	rows, err := pool.Query(t.Context(), `SELECT n FROM notes ORDER BY n`)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[int])
	require.NoError(t, err)
	return list
}

func TestBeginAndCommitTravelWithStatements(t *testing.T) {
	t.Parallel()
	first := map[string]func(ctx context.Context, tx pgx.Tx) error{
		"a statement": func(ctx context.Context, tx pgx.Tx) error { _, err := tx.Exec(ctx, note, 1); return err },
		"a row": func(ctx context.Context, tx pgx.Tx) error {
			return tx.QueryRow(ctx, note+` RETURNING n`, 1).Scan(new(int))
		},
		"rows": func(ctx context.Context, tx pgx.Tx) error {
			rows, err := tx.Query(ctx, note+` RETURNING n`, 1)
			if err != nil {
				return err
			}
			_, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
			return err
		},
		"rows left alone": func(ctx context.Context, tx pgx.Tx) error {
			rows, err := tx.Query(ctx, note+` RETURNING n`, 1)
			rows.Close()
			return errors.Join(err, rows.Err())
		},
		"a batch": func(ctx context.Context, tx pgx.Tx) error {
			batch := &pgx.Batch{}
			batch.Queue(note+` RETURNING n`, 1).QueryRow(func(row pgx.Row) error { return row.Scan(new(int)) })
			return tx.SendBatch(ctx, batch).Close()
		},
	}
	for name, do := range first {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, seen := notes(t)
			require.NoError(t, postgres.Transact(t.Context(), pool, func(tx *postgres.Tx) error {
				if err := do(t.Context(), tx); err != nil {
					return err
				}
				tx.Last(note, 2)
				return nil
			}))
			require.EqualValues(t, 2, seen.n.Load(), "the first with BEGIN, the last with COMMIT")
			require.Equal(t, []int{1, 2}, written(t, pool))
		})
	}
}

func TestATransactionWithoutAStatementIsNotBegun(t *testing.T) {
	t.Parallel()
	pool, seen := notes(t)
	require.NoError(t, postgres.InTx(t.Context(), pool, func(pgx.Tx) error { return nil }))
	require.Zero(t, seen.n.Load())
	require.NoError(t, postgres.Transact(t.Context(), pool, func(tx *postgres.Tx) error { tx.Last(note, 1); return nil }))
	require.EqualValues(t, 1, seen.n.Load())
	require.Equal(t, []int{1}, written(t, pool))
}

func TestWhateverFailsUndoesTheWholeTransaction(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	exec := func(ctx context.Context, tx pgx.Tx, n int) error { _, err := tx.Exec(ctx, note, n); return err }
	for name, fails := range map[string]func(ctx context.Context, tx *postgres.Tx) error{
		"its caller": func(ctx context.Context, tx *postgres.Tx) error { return errors.Join(exec(ctx, tx, 1), refused) },
		"the first":  func(ctx context.Context, tx *postgres.Tx) error { return exec(ctx, tx, 0) },
		"the last":   func(ctx context.Context, tx *postgres.Tx) error { tx.Last(note, 0); return exec(ctx, tx, 1) },
		"the last, with the commit": func(ctx context.Context, tx *postgres.Tx) error {
			err := exec(ctx, tx, 1)
			tx.Last(note, 0)
			return err
		},
		"one whose error nobody minds": func(ctx context.Context, tx *postgres.Tx) error {
			err := exec(ctx, tx, 1)
			_ = exec(ctx, tx, 0)
			return err
		},
		"what comes later": func(ctx context.Context, tx *postgres.Tx) error {
			batch := &pgx.Batch{}
			batch.Queue(note, 1)
			batch.Queue(note, 0)
			return postgres.Later(ctx, tx, batch)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, _ := notes(t)
			_, err := pool.Exec(t.Context(), note, 0)
			require.NoError(t, err)
			require.Error(t, postgres.Transact(t.Context(), pool, func(tx *postgres.Tx) error { return fails(t.Context(), tx) }))
			require.Equal(t, []int{0}, written(t, pool), "and the connection is free")
		})
	}
}

// A batch that tells what came of it is not put off.
func TestWhatIsReadIsNotPutOff(t *testing.T) {
	t.Parallel()
	pool, _ := notes(t)
	require.NoError(t, postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		read, batch := 0, &pgx.Batch{}
		batch.Queue(note+` RETURNING n`, 1).QueryRow(func(row pgx.Row) error { return row.Scan(&read) })
		err := postgres.Later(t.Context(), tx, batch)
		require.Equal(t, 1, read)
		return err
	}))
}
