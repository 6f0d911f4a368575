package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrNotQuarantined: there is no quarantined document of that number.
var ErrNotQuarantined = errors.New("no quarantined document of that number")

// Quarantine is where documents wait that could not be read or matched.
type Quarantine struct {
	Pool *pgxpool.Pool
	// Wake, if set, tells the processor that there is work; it must not block.
	Wake func()
}

// Filter narrows a list. Empty fields do not narrow.
type Filter struct {
	Source string // exact: 'supplier/acme'
	Code   string // a reason code
	Before int64  // ids below it: the page after one that ended there
	Limit  int    // zero means 50
}

// Entry is a quarantined document without its body.
type Entry struct {
	ID         int64
	Source     string
	Kind       string
	NaturalKey string
	OrderKey   string // empty when the document could not be matched
	ReceivedAt time.Time
	Attempts   int
	Code       string
	Reason     string // what is wrong and what to do
}

// Whole is a quarantined document with its body, which may hold personal data.
type Whole struct {
	Entry
	ContentType string
	Body        []byte
}

const entryColumns = `id, source, kind, natural_key, coalesce(order_key, ''), received_at, attempts, reason_code, reason`

// List lists quarantined documents, newest first.
func (q *Quarantine) List(ctx context.Context, f Filter) ([]Entry, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	rows, err := q.Pool.Query(ctx, `
		SELECT `+entryColumns+` FROM documents
		WHERE status = 'quarantined' AND ($1 = '' OR source = $1) AND ($2 = '' OR reason_code = $2) AND ($3 = 0 OR id < $3)
		ORDER BY id DESC LIMIT $4`, f.Source, f.Code, f.Before, f.Limit)
	if err != nil {
		return nil, fmt.Errorf("list the quarantine: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Entry])
	if err != nil {
		return nil, fmt.Errorf("list the quarantine: %w", err)
	}
	return list, nil
}

// Show reads one quarantined document whole, or fails with ErrNotQuarantined.
func (q *Quarantine) Show(ctx context.Context, id int64) (Whole, error) {
	var w Whole
	err := q.Pool.QueryRow(ctx, `SELECT `+entryColumns+`, content_type, body FROM documents WHERE id = $1 AND status = 'quarantined'`, id).
		Scan(&w.ID, &w.Source, &w.Kind, &w.NaturalKey, &w.OrderKey, &w.ReceivedAt, &w.Attempts, &w.Code, &w.Reason, &w.ContentType, &w.Body)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotQuarantined
	}
	if err != nil {
		return Whole{}, fmt.Errorf("show document %d: %w", id, err)
	}
	return w, nil
}

// Retry gives documents back to the processor, all or, with ErrNotQuarantined, none.
func (q *Quarantine) Retry(ctx context.Context, ids ...int64) error {
	err := q.update(ctx, `
		UPDATE documents SET status = 'received', reason_code = '', reason = '', attempts = 0, next_attempt_at = now(), processed_at = NULL
		WHERE id = ANY ($1) AND status = 'quarantined'`, ids)
	if err != nil {
		return fmt.Errorf("retry documents %v: %w", ids, err)
	}
	if q.Wake != nil {
		q.Wake()
	}
	return nil
}

// Dismiss ends documents that need no effect, all or, with ErrNotQuarantined, none. Their bodies
// stay in the archive.
func (q *Quarantine) Dismiss(ctx context.Context, ids ...int64) error {
	err := q.update(ctx, `
		UPDATE documents SET status = 'ignored', reason_code = '`+CodeDismissedByOperator+`', processed_at = now()
		WHERE id = ANY ($1) AND status = 'quarantined'`, ids)
	if err != nil {
		return fmt.Errorf("dismiss documents %v: %w", ids, err)
	}
	return nil
}

func (q *Quarantine) update(ctx context.Context, sql string, ids []int64) error {
	return pgx.BeginFunc(ctx, q.Pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sql, ids)
		if err == nil && tag.RowsAffected() != int64(len(ids)) {
			err = ErrNotQuarantined
		}
		return err
	})
}
