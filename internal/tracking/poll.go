package tracking

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/carrier/easypost"
	"github.com/dropline/dropline/internal/postgres"
)

// pollLease is how long a claimed parcel is one poll's. A poll that fails or dies leaves it to the next
// one after that time: its activity is given to another worker when it has not been heard of for ten
// seconds, and must not find the parcels taken then. A carrier that is asked twice is none the worse.
const pollLease = 10 * time.Second

// Tracker answers for many parcels at once; *easypost.Client is one.
type Tracker interface {
	Track(ctx context.Context, parcels []easypost.Parcel) (easypost.Batch, error)
}

// PollResult counts what one poll did.
type PollResult struct {
	Asked   int // tracking numbers the carrier was asked about
	Missing int // of these, numbers it said nothing about
	News    int // facts appended to orders
	// More: as many parcels were due as the poll may take, so more may be.
	More bool
}

// Poll asks a tracking service about the parcels that are due, at most batch of them, and applies the
// answers: those without news by the hundred, each of the others in a transaction of its own. A silent carrier is an answer too: that is how a parcel
// becomes delayed and lost. When the service fails, what it answered before is kept, the other parcels
// are due at once for whoever tries again, and the error is the service's (*easypost.Error).
func Poll(ctx context.Context, pool *pgxpool.Pool, tracker Tracker, service string, batch int) (PollResult, error) {
	due, claimed, err := claimDue(ctx, pool, service, batch)
	if err != nil {
		return PollResult{}, fmt.Errorf("find the parcels to ask %s about: %w", service, err)
	}
	result := PollResult{Asked: len(due), More: claimed == batch}
	if len(due) == 0 {
		return result, nil
	}
	answer, failure := tracker.Track(ctx, due)
	result.Missing = len(answer.Missing)
	boxes := make([]box, 0, len(due))
	for _, t := range answer.Tracked {
		boxes = append(boxes, box{t.Carrier, t.Tracking, t.Scans})
	}
	for _, p := range answer.Missing {
		boxes = append(boxes, box{p.Carrier, p.Tracking, nil})
	}
	if result.News, err = applyAnswers(ctx, pool, boxes); err != nil {
		return result, fmt.Errorf("apply what %s answered: %w", service, err)
	}
	if failure != nil {
		giveBack(ctx, pool, due, boxes)
		return result, fmt.Errorf("ask %s: %w", service, failure)
	}
	return result, nil
}

// giveBack ends the claim of the parcels that were not answered for: the next attempt comes before the
// claim is over, and would find nothing to ask about. Where this fails too, the claim ends by itself.
func giveBack(ctx context.Context, pool *pgxpool.Pool, due []easypost.Parcel, answered []box) {
	var carriers, numbers []string
	for _, p := range due {
		if !slices.ContainsFunc(answered, func(b box) bool { return b.carrier == p.Carrier && b.tracking == p.Tracking }) {
			carriers, numbers = append(carriers, p.Carrier), append(numbers, p.Tracking)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	for _, table := range []string{"parcels", "return_parcels"} {
		_, _ = pool.Exec(ctx, `UPDATE `+table+` p SET next_check_at = now() FROM unnest($1::text[], $2::text[]) AS given (carrier, tracking)
			WHERE p.carrier = given.carrier AND p.tracking = given.tracking AND next_check_at <= now() + $3::interval`,
			carriers, numbers, pollLease)
	}
}

// Due claims parcels that the service is to be asked about, the longest overdue first, for ten
// seconds.
func Due(ctx context.Context, pool *pgxpool.Pool, service string, limit int) ([]easypost.Parcel, error) {
	due, _, err := claimDue(ctx, pool, service, limit)
	return due, err
}

// Checked applies what a service answered for one number, nothing included, and says when to ask
// again.
func Checked(ctx context.Context, pool *pgxpool.Pool, answer easypost.Tracked) (Outcome, error) {
	return box{carrier.Name(answer.Carrier), carrier.Number(answer.Tracking), answer.Scans}.check(ctx, pool)
}

func (b box) check(ctx context.Context, pool *pgxpool.Pool) (outcome Outcome, err error) {
	err = postgres.InTx(ctx, pool, func(tx pgx.Tx) (err error) {
		outcome, err = b.apply(ctx, tx, 0, true)
		return err
	})
	return outcome, err
}

// watchedSQL lists the carriers that have parcels to look after, by hopping from name to name in
// the index instead of reading it.
const watchedSQL = `
	WITH RECURSIVE watched AS (
		(SELECT carrier FROM parcels WHERE next_check_at IS NOT NULL ORDER BY carrier LIMIT 1)
		UNION ALL
		SELECT (SELECT p.carrier FROM parcels p WHERE p.next_check_at IS NOT NULL AND p.carrier > w.carrier
			ORDER BY p.carrier LIMIT 1)
		FROM watched w WHERE w.carrier IS NOT NULL), coming AS (
		(SELECT carrier FROM return_parcels WHERE next_check_at IS NOT NULL ORDER BY carrier LIMIT 1)
		UNION ALL
		SELECT (SELECT p.carrier FROM return_parcels p WHERE p.next_check_at IS NOT NULL AND p.carrier > w.carrier
			ORDER BY p.carrier LIMIT 1)
		FROM coming w WHERE w.carrier IS NOT NULL)
	SELECT carrier FROM watched WHERE carrier IS NOT NULL UNION SELECT carrier FROM coming WHERE carrier IS NOT NULL`

const dueSQL = `
	UPDATE parcels SET next_check_at = now() + $3::interval
	WHERE (po_number, carrier, tracking) IN (
		SELECT po_number, carrier, tracking FROM parcels
		WHERE carrier = ANY ($1) AND next_check_at <= now()
		ORDER BY next_check_at LIMIT $2 FOR UPDATE SKIP LOCKED)
	RETURNING carrier, tracking`

// dueReturnsSQL claims parcels that come back, as dueSQL those that go out.
const dueReturnsSQL = `
	UPDATE return_parcels SET next_check_at = now() + $3::interval
	WHERE (carrier, tracking) IN (
		SELECT carrier, tracking FROM return_parcels
		WHERE carrier = ANY ($1) AND next_check_at <= now()
		ORDER BY next_check_at LIMIT $2 FOR UPDATE SKIP LOCKED)
	RETURNING carrier, tracking`

// claimDue returns the numbers to ask about, and how many parcels they stand for.
func claimDue(ctx context.Context, pool *pgxpool.Pool, service string, limit int) ([]easypost.Parcel, int, error) {
	known, err := readNames(ctx, pool)
	if err != nil {
		return nil, 0, err
	}
	rows, err := pool.Query(ctx, watchedSQL)
	if err != nil {
		return nil, 0, err
	}
	watched, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, 0, err
	}
	carriers := known.polledBy(service, watched)
	if len(carriers) == 0 {
		return nil, 0, nil
	}
	var claimed []easypost.Parcel
	for _, claim := range []string{dueReturnsSQL, dueSQL} { // those that come back are few
		rows, err = pool.Query(ctx, claim, carriers, limit-len(claimed), pollLease)
		if err != nil {
			return nil, 0, err
		}
		some, err := pgx.CollectRows(rows, pgx.RowToStructByPos[easypost.Parcel])
		if err != nil {
			return nil, 0, err
		}
		claimed = append(claimed, some...)
	}
	var due []easypost.Parcel
	for _, p := range claimed {
		if !slices.Contains(due, p) { // two purchase orders may share a box
			due = append(due, p)
		}
	}
	return due, len(claimed), nil
}
