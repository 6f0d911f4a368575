package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Work is a transaction that talks to Postgres in few round trips: statements are queued, and each
// Flush sends what is queued in one. The first Flush carries the BEGIN, the last the COMMIT.
type Work struct {
	conn  *pgxpool.Conn
	batch *pgx.Batch
	begun bool
	done  bool
}

// Do runs fn in a Work, commits what fn leaves queued, and runs it again when Postgres asks for it.
// fn must have no effect outside the transaction.
func Do(ctx context.Context, pool *pgxpool.Pool, fn func(ctx context.Context, w *Work) error) error {
	const attempts = 5
	var err error
	for range attempts {
		err = doOnce(ctx, pool, fn)
		if !Retryable(err) {
			return err
		}
	}
	return err
}

func doOnce(ctx context.Context, pool *pgxpool.Pool, fn func(ctx context.Context, w *Work) error) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Release()
	w := &Work{conn: conn, batch: &pgx.Batch{}}
	defer w.rollback()
	if err := fn(ctx, w); err != nil {
		return err
	}
	return w.commit(ctx)
}

// Queue adds a statement to the next round trip. The returned handle takes callbacks for its rows,
// which run during Flush.
func (w *Work) Queue(sql string, args ...any) *pgx.QueuedQuery { return w.batch.Queue(sql, args...) }

// Flush sends what is queued and runs the callbacks.
func (w *Work) Flush(ctx context.Context) error {
	batch := w.batch
	w.batch = &pgx.Batch{}
	if !w.begun {
		with := &pgx.Batch{}
		with.Queue("BEGIN")
		with.QueuedQueries = append(with.QueuedQueries, batch.QueuedQueries...)
		batch = with
		w.begun = true
	}
	return w.conn.SendBatch(ctx, batch).Close()
}

func (w *Work) commit(ctx context.Context) error {
	if w.done {
		return nil
	}
	if w.begun || w.batch.Len() > 0 {
		w.Queue("COMMIT")
		if err := w.Flush(ctx); err != nil {
			return err
		}
	}
	w.done = true
	return nil
}

// rollback leaves the connection without an open transaction. A connection that cannot be cleaned
// is closed by the pool when it is released in a transaction.
func (w *Work) rollback() {
	if w.done || !w.begun {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := w.conn.Exec(ctx, "ROLLBACK"); err != nil && !errors.Is(err, context.Canceled) {
		_ = w.conn.Conn().Close(ctx)
	}
}
