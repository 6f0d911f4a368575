// Package claimdesk keeps the claims that somebody pursues: it reads where each stands, settles them
// together with the ledger, and takes what suppliers say about them.
package claimdesk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/volume"
)

// Errors of the desk.
var (
	// ErrNoClaim: nobody pursues a claim of that id or reference.
	ErrNoClaim = errors.New("no such claim is pursued")
	// ErrOtherRequest: the id was used before for another settlement.
	ErrOtherRequest = errors.New("a settlement of that id decided something else")
)

// Querier is a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// foundSum is what was paid for a parcel that came all the same and nobody has answered.
const foundSum = `greatest(p.found - coalesce((SELECT sum(d.minor) FROM claim_settlements d
	WHERE d.pursuit = p.id AND d.outcome IN ('repaid', 'kept')), 0), 0)::bigint`

const openSum = `coalesce((SELECT sum(c.minor) FROM claims c WHERE c.pursuit = p.id AND c.closed_at IS NULL), 0)::bigint`

// Load reads a claim as its workflow left it, with what stands in Postgres now. Fails with ErrNoClaim.
func Load(ctx context.Context, q Querier, id string) (claims.State, error) {
	var s claims.State
	var kind, key string
	var terms *catalog.Chasing
	var carrier *catalog.Carrier
	var handedIn *time.Time
	var now claims.Standing
	err := one(ctx, q, `SELECT coalesce(p.state, '{}'), p.order_key, p.reference, p.kind, p.po_number, coalesce(p.supplier, p.carrier), p.currency,
			p.opened_at, p.fact_seq, p.answer, `+openSum+`, `+foundSum+`, coalesce(s.document ->> 'name', ''), s.document #> '{contract,claims}',
			c.document, (SELECT min(first_scan_at) FROM pursuit_parcels b WHERE b.pursuit = p.id)
		FROM pursuits p LEFT JOIN suppliers s ON s.id = p.supplier LEFT JOIN carriers c ON c.id = p.carrier WHERE p.id = $1`, []any{id},
		&s, &key, &s.Reference, &kind, &s.PO, &s.Supplier, &s.Currency, &s.OpenedAt, &now.News, &now.Answer, &now.Open, &now.Found, &s.Name, &terms,
		&carrier, &handedIn)
	if err != nil {
		return claims.State{}, fmt.Errorf("load claim %s: %w", id, err)
	}
	if s.Key, err = order.ParseKey(key); err != nil {
		return claims.State{}, fmt.Errorf("load claim %s: %w", id, err)
	}
	// The terms are those that were in force when the claim was first pursued.
	s.Carrier = carrier != nil
	if s.Revision == 0 {
		if s.Carrier {
			promised := carrier.Claims.OrDefault()
			terms = &promised.Chasing
			if handedIn != nil {
				s.FileBy = promised.FileBy(handedIn.UTC())
			}
		}
		s.Terms = termsOf(terms)
	}
	s.ID, s.Kind, s.OpenedAt = id, ledger.ClaimKind(kind), s.OpenedAt.UTC()
	if s.Name == "" {
		s.Name = s.Supplier
	}
	again := s.Closed && now.Pending()
	s.Learn(now)
	s.Standing = now
	if again {
		// It was settled and is open again: a person who was asked then has to be asked anew.
		s.Closed, s.Escalated = false, false
	}
	return s, nil
}

func termsOf(c *catalog.Chasing) claims.Terms {
	chasing := catalog.Chasing{}
	if c != nil {
		chasing = *c
	}
	chasing = chasing.OrDefault()
	terms := claims.Terms{EscalateAfter: chasing.EscalateAfter.Elapsed()}
	for _, after := range chasing.ChaseAfter {
		terms.ChaseAfter = append(terms.ChaseAfter, after.Elapsed())
	}
	return terms
}

// Stand reads what Postgres holds of a claim.
func Stand(ctx context.Context, q Querier, id string) (s claims.Standing, err error) {
	err = one(ctx, q, `SELECT p.fact_seq, p.answer, `+openSum+`, `+foundSum+` FROM pursuits p WHERE p.id = $1`, []any{id},
		&s.News, &s.Answer, &s.Open, &s.Found)
	if err != nil {
		err = fmt.Errorf("read claim %s: %w", id, err)
	}
	return s, err
}

func one(ctx context.Context, q Querier, sql string, args []any, into ...any) error {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return ErrNoClaim
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	rows.Close()
	return rows.Err()
}

// Record keeps the state of a claim and returns what stands in Postgres. The workflow that recorded it
// knows everything up to there.
func Record(ctx context.Context, tx pgx.Tx, s *claims.State) (claims.Standing, error) {
	now, err := Stand(ctx, tx, s.ID)
	if err != nil {
		return now, err
	}
	kept := *s
	kept.Standing = now
	kept.Closed = kept.Closed && !now.Pending()
	state, err := json.Marshal(kept)
	if err != nil {
		return now, fmt.Errorf("encode claim %s: %w", s.ID, err)
	}
	_, err = tx.Exec(ctx, `
		UPDATE pursuits SET state = $2, stage = $3, needs_attention = $4, delivered_seq = fact_seq, deliver_at = NULL, deliver_tries = 0,
			started_at = coalesce(started_at, now()), closed_at = CASE WHEN $5 THEN coalesce(closed_at, now()) END
		WHERE id = $1 AND coalesce((state ->> 'revision')::bigint, 0) <= $6`,
		s.ID, state, string(kept.Stage()), kept.NeedsAttention(), kept.Closed, s.Revision)
	if err != nil {
		return now, fmt.Errorf("record claim %s: %w", s.ID, err)
	}
	return now, nil
}

// Decided is a settlement as it was carried out.
type Decided struct {
	claims.Settlement

	Settled int64     `json:"settled"` // minor units
	At      time.Time `json:"at"`
}

// Before finds what a settlement of an id came to. found is false when there was none; ErrOtherRequest
// when it decided something else.
func Before(ctx context.Context, q Querier, id string, d claims.Settlement) (minor int64, found bool, err error) {
	var same bool
	err = one(ctx, q, `SELECT minor, outcome = $3 AND asked = $4 AND reason = $5 AND by = $6 FROM claim_settlements WHERE pursuit = $1 AND request = $2`,
		[]any{id, d.ID, string(d.Outcome), d.Minor, d.Reason, d.By}, &minor, &same)
	switch {
	case errors.Is(err, ErrNoClaim):
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("look for settlement %s of claim %s: %w", d.ID, id, err)
	case !same:
		return 0, true, ErrOtherRequest
	}
	return minor, true, nil
}

// Settle carries a settlement out: posted, recorded, once for its id. It returns what was settled, minor
// units. *order.Refusal when it cannot be, ErrOtherRequest, ErrNoClaim.
func Settle(ctx context.Context, tx pgx.Tx, id string, d claims.Settlement) (settled int64, err error) {
	orderKey, err := OrderOf(ctx, tx, id)
	if err != nil {
		return 0, err
	}
	if volume.Joint(id) {
		if err = ledgerbook.LockJoint(ctx, tx, id); err == nil {
			settled, err = settle(ctx, tx, id, d, func(closure string, minor int64) error {
				return ledgerbook.SettleJoint(ctx, tx, id, closure, d.Outcome, minor)
			})
		}
	} else {
		err = ledgerbook.Change(ctx, tx, orderKey, func(b *ledgerbook.Book) error {
			matter := id[len(orderKey)+1:]
			settled, err = settle(ctx, tx, id, d, func(closure string, minor int64) error {
				if d.AnswersFound() {
					return b.AnswerFound(matter, closure, d.Outcome, minor)
				}
				return b.Settle(matter, closure, d.Outcome, minor)
			})
			return err
		})
	}
	if err != nil {
		return 0, fmt.Errorf("settle claim %s: %w", id, err)
	}
	return settled, nil
}

// settle judges and records a settlement that post posts. What it is about is locked: two of one id take
// turns.
func settle(ctx context.Context, tx pgx.Tx, id string, d claims.Settlement, post func(closure string, minor int64) error) (int64, error) {
	minor, found, err := Before(ctx, tx, id, d)
	if found || err != nil {
		return minor, err
	}
	s, err := Load(ctx, tx, id)
	if err != nil {
		return 0, err
	}
	if err := s.CanSettle(d); err != nil {
		return 0, err
	}
	settled := d.Minor
	switch {
	case settled != 0:
	case d.AnswersFound():
		settled = s.Found
	default:
		settled = s.Open
	}
	if err := post("settle/"+s.Reference+"/"+d.ID, settled); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO claim_settlements (pursuit, request, outcome, asked, minor, reason, by) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		id, d.ID, string(d.Outcome), d.Minor, settled, d.Reason, d.By)
	return settled, err
}

// OrderOf is the order that a claim belongs to; of several, the one whose claim was first. Fails with ErrNoClaim.
func OrderOf(ctx context.Context, q Querier, id string) (orderKey string, err error) {
	if err = one(ctx, q, `SELECT order_key FROM pursuits WHERE id = $1`, []any{id}, &orderKey); err != nil {
		err = fmt.Errorf("find claim %s: %w", id, err)
	}
	return orderKey, err
}
