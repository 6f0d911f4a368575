package returndesk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
)

// routineWait is how long a fact that is not urgent waits for one that is.
const routineWait = 15 * time.Minute

// Append gives a fact the return's next number and stores it. An urgent fact is delivered at once; one
// that is not rides along with the next urgent one, for a while. document is the inbound document it came with, 0
// for none. The return's row stays locked until tx ends. Returns the number, or ErrNoReturn.
func Append(ctx context.Context, tx pgx.Tx, rma string, fact returns.Fact, urgent bool, document int64) (int64, error) {
	if urgent {
		return AppendWithin(ctx, tx, rma, fact, 0, document)
	}
	return AppendWithin(ctx, tx, rma, fact, routineWait, document)
}

// AppendWithin is Append for a fact that may wait so long for one that is urgent: each delivery is a
// billable action.
func AppendWithin(ctx context.Context, tx pgx.Tx, rma string, fact returns.Fact, wait time.Duration, document int64) (int64, error) {
	urgent := wait <= 0
	err := tx.QueryRow(ctx, `
		UPDATE returns SET fact_seq = fact_seq + 1, deliver_at = least(deliver_at, now() + $2::interval)
		WHERE rma = $1 RETURNING fact_seq`, rma, max(wait, 0)).Scan(&fact.Seq)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNoReturn
	}
	if err != nil {
		return 0, fmt.Errorf("append a fact to return %s: %w", rma, err)
	}
	body, err := json.Marshal(fact)
	if err != nil {
		return 0, fmt.Errorf("encode a fact of return %s: %w", rma, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO return_facts (rma, seq, kind, body, urgent, document_id) VALUES ($1, $2, $3, $4, $5, nullif($6::bigint, 0))`,
		rma, fact.Seq, kind(fact), body, urgent, document)
	if err != nil {
		return 0, fmt.Errorf("append a fact to return %s: %w", rma, err)
	}
	return fact.Seq, nil
}

func kind(f returns.Fact) string {
	switch {
	case f.Answer != nil:
		return "supplier_" + string(f.Answer.Kind)
	case f.Parcel != nil:
		return "parcel_" + string(f.Parcel.Milestone)
	case f.Inspection != nil:
		return "inspection"
	case f.Memo != nil:
		return "credit_memo"
	case f.Cancel != nil:
		return "cancel_request"
	case f.Paid != nil:
		return "refund_paid"
	}
	return "unknown"
}

// Querier is a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// After lists the facts of a return with numbers above seq, in their order.
func After(ctx context.Context, q Querier, rma string, seq int64) ([]returns.Fact, error) {
	rows, err := q.Query(ctx, `SELECT body FROM return_facts WHERE rma = $1 AND seq > $2 ORDER BY seq`, rma, seq)
	if err != nil {
		return nil, fmt.Errorf("read the facts of return %s: %w", rma, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[returns.Fact])
	if err != nil {
		return nil, fmt.Errorf("read the facts of return %s: %w", rma, err)
	}
	return list, nil
}

// Standing is a return as it stands: its last recorded state with the facts that came since folded in.
type Standing struct {
	State     returns.State
	Request   string
	OpenedAt  time.Time
	StartedAt time.Time // zero: its workflow does not exist yet
	ClosedAt  time.Time // zero: open
}

// OfOrder lists an order's returns, oldest first.
func OfOrder(ctx context.Context, q Querier, key order.Key) ([]Standing, error) {
	return read(ctx, q, "r.order_key = $1", key.String())
}

// Stand reads one return. Fails with ErrNoReturn.
func Stand(ctx context.Context, q Querier, rma string) (Standing, error) {
	list, err := read(ctx, q, "r.rma = $1", rma)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("read return %s: %w", rma, ErrNoReturn)
	}
	if err != nil {
		return Standing{}, err
	}
	return list[0], nil
}

// Waiting lists the open returns that wait for a person, oldest first.
func Waiting(ctx context.Context, q Querier) ([]Standing, error) {
	return read(ctx, q, "r.needs_attention AND $1", true)
}

func read(ctx context.Context, q Querier, which string, arg any) ([]Standing, error) {
	rows, err := q.Query(ctx, `
		SELECT r.state, r.request, r.opened_at, coalesce(r.started_at, '0001-01-01 00:00:00Z'), coalesce(r.closed_at, '0001-01-01 00:00:00Z'),
			coalesce((SELECT jsonb_agg(f.body ORDER BY f.seq) FROM return_facts f
				WHERE f.rma = r.rma AND f.seq > coalesce((r.state ->> 'lastFact')::bigint, 0)), '[]')
		FROM returns r WHERE `+which+` ORDER BY r.opened_at, r.rma`, arg)
	if err != nil {
		return nil, fmt.Errorf("read returns: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Standing, error) {
		var s Standing
		var facts []returns.Fact
		err := row.Scan(&s.State, &s.Request, &s.OpenedAt, &s.StartedAt, &s.ClosedAt, &facts)
		for _, f := range facts {
			s.State.Apply(f, s.OpenedAt)
		}
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("read returns: %w", err)
	}
	return list, nil
}
