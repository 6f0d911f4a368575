package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Tx is a pgx.Tx whose BEGIN travels with its first statement, and with whose COMMIT its last ones may
// travel: up to two round trips less than pgx's own.
type Tx struct {
	conn *pgx.Conn
	held []*pgx.QueuedQuery // goes with the next statement; at first BEGIN
}

var (
	_ pgx.Tx = (*Tx)(nil)

	errNested = errors.New("a transaction within a transaction is not supported")
)

// rollbackWithin bounds the end of a transaction that failed. A connection that does not answer is closed.
const rollbackWithin = time.Second

const begin = "BEGIN"

// Transact is InTx for whoever uses Last.
func Transact(ctx context.Context, pool *pgxpool.Pool, fn func(*Tx) error) error {
	const attempts = 5
	var err error
	for range attempts {
		err = transactOnce(ctx, pool, fn)
		if !Retryable(err) {
			return err
		}
	}
	return err
}

func transactOnce(ctx context.Context, pool *pgxpool.Pool, fn func(*Tx) error) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Release()
	tx := &Tx{conn: conn.Conn()}
	tx.Last(begin)
	defer func() { _ = tx.Rollback(ctx) }()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// Last holds a statement back until the next one or the COMMIT is sent, and lets it go with that. Where it
// fails, so does what it went with.
func (t *Tx) Last(sql string, args ...any) {
	b := &pgx.Batch{QueuedQueries: t.held}
	b.Queue(sql, args...)
	t.held = b.QueuedQueries
}

// Later is for statements whose results nobody reads: in a Tx they go with the next one or with the COMMIT, where
// their errors come up too; in another transaction they are run at once.
func Later(ctx context.Context, tx pgx.Tx, b *pgx.Batch) error {
	t, ours := tx.(*Tx)
	if !ours || slices.ContainsFunc(b.QueuedQueries, func(q *pgx.QueuedQuery) bool { return q.Fn != nil }) {
		return tx.SendBatch(ctx, b).Close()
	}
	t.held = append(t.held, b.QueuedQueries...)
	return nil
}

// SendBatch sends b behind what is held back.
func (t *Tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	before := len(t.held)
	if before > 0 {
		b = &pgx.Batch{QueuedQueries: append(t.held, b.QueuedQueries...)}
		t.held = nil
	}
	results := t.conn.SendBatch(ctx, b)
	for range before {
		_, _ = results.Exec() // where it fails, so does all that follows
	}
	return results
}

func (t *Tx) send(ctx context.Context, sql string, args []any) pgx.BatchResults {
	b := &pgx.Batch{}
	b.Queue(sql, args...)
	return t.SendBatch(ctx, b)
}

// Exec runs a statement.
func (t *Tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if len(t.held) == 0 {
		return t.conn.Exec(ctx, sql, args...)
	}
	results := t.send(ctx, sql, args)
	tag, err := results.Exec()
	if ended := results.Close(); err == nil {
		err = ended
	}
	return tag, err
}

// Query runs a statement and returns its rows.
func (t *Tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if len(t.held) == 0 {
		return t.conn.Query(ctx, sql, args...)
	}
	results := t.send(ctx, sql, args)
	rows, err := results.Query()
	return &lastRows{rows, results}, err
}

// QueryRow runs a statement and returns its row, which has to be scanned.
func (t *Tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if len(t.held) == 0 {
		return t.conn.QueryRow(ctx, sql, args...)
	}
	results := t.send(ctx, sql, args)
	return &lastRow{results.QueryRow(), results}
}

// lastRows are the last rows of a batch, which they close.
type lastRows struct {
	pgx.Rows

	results pgx.BatchResults
}

func (r *lastRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *lastRows) Close() {
	r.Rows.Close()
	_ = r.results.Close() // its error is that of the rows
}

// lastRow is the last row of a batch, which it closes.
type lastRow struct {
	row     pgx.Row
	results pgx.BatchResults
}

func (r *lastRow) Scan(dest ...any) error {
	err := r.row.Scan(dest...)
	if ended := r.results.Close(); err == nil {
		err = ended
	}
	return err
}

// Commit sends what is held back with the COMMIT. A transaction without a statement costs no round trip.
func (t *Tx) Commit(ctx context.Context) error {
	if len(t.held) == 1 && t.held[0].SQL == begin {
		return nil
	}
	tag, err := t.Exec(ctx, "COMMIT")
	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback
	}
	return err
}

// Rollback gives up what is held back and undoes the rest. After the end of the transaction it does nothing.
func (t *Tx) Rollback(ctx context.Context) error {
	if t.conn.IsClosed() || t.conn.PgConn().TxStatus() == 'I' {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackWithin)
	defer cancel()
	_, err := t.conn.Exec(ctx, "ROLLBACK")
	if err != nil {
		_ = t.conn.Close(ctx)
	}
	return err
}

// flush sends what is held back, for what cannot travel with it.
func (t *Tx) flush(ctx context.Context) error {
	if len(t.held) == 0 {
		return nil
	}
	return t.SendBatch(ctx, &pgx.Batch{}).Close()
}

// Begin fails: nothing needs a transaction within a transaction.
func (*Tx) Begin(context.Context) (pgx.Tx, error) { return nil, errNested }

// CopyFrom copies rows into a table.
func (t *Tx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	if err := t.flush(ctx); err != nil {
		return 0, err
	}
	return t.conn.CopyFrom(ctx, table, columns, rows)
}

// Prepare prepares a statement.
func (t *Tx) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	return t.conn.Prepare(ctx, name, sql)
}

// LargeObjects are not used.
func (*Tx) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }

// Conn is the connection that it runs on.
func (t *Tx) Conn() *pgx.Conn { return t.conn }
