package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/order"
)

// effectState is what is known of an effect on the outside.
type effectState string

// An effect is being tried, was certainly not sent, ended without an answer, or is done.
const (
	effectTrying  effectState = "trying"
	effectNotSent effectState = "not_sent"
	effectUnknown effectState = "unknown"
	effectDone    effectState = "done"
)

// effect is the record of a call to a partner under its business key.
type effect struct {
	key     string
	attempt int
	before  effectState // how the attempt before this one ended; empty when this is the first
	result  []byte      // what is known of it from attempts before; whole when it is done
}

// inDoubt: an attempt before this one may have got through.
func (e *effect) inDoubt() bool { return e.before == effectTrying || e.before == effectUnknown }

// untried is the state after an attempt that certainly was not sent. It says nothing of one before
// it whose end nobody knows.
func (e *effect) untried() effectState {
	if e.inDoubt() {
		return effectUnknown
	}
	return effectNotSent
}

// An effect that is done stays so. Attempts that overlap wait for each other here, so that each sees
// the one before it.
const beginEffectSQL = `
	INSERT INTO effects AS e (key, order_key, kind, state) VALUES ($1, $2, $3, 'trying')
	ON CONFLICT (key) DO UPDATE SET attempts = e.attempts + 1, last_at = now(), previous = e.state,
		state = CASE WHEN e.state = 'done' THEN 'done' ELSE 'trying' END
	RETURNING attempts, previous, result`

// An attempt that comes to its end late never hides what a later one knows.
const endEffectSQL = `
	UPDATE effects SET state = $2, result = coalesce($3, result), last_at = now()
	WHERE key = $1 AND state <> 'done' AND (attempts = $4 OR $2 <> 'not_sent')`

// queueBeginEffect notes that an effect is about to be tried, before it is.
func queueBeginEffect(q ledgerbook.Queue, e *effect, key order.Key, kind string) {
	q.Queue(beginEffectSQL, e.key, key.String(), kind).QueryRow(func(row pgx.Row) error {
		return row.Scan(&e.attempt, &e.before, &e.result)
	})
}

// queueEndEffect notes how it ended; a nil result keeps what is known.
func queueEndEffect(q ledgerbook.Queue, e *effect, state effectState, result any) error {
	var encoded []byte
	if result != nil {
		var err error
		if encoded, err = json.Marshal(result); err != nil {
			return fmt.Errorf("encode the result of %s: %w", e.key, err)
		}
	}
	q.Queue(endEffectSQL, e.key, string(state), encoded, e.attempt)
	return nil
}

// endEffect notes how an effect ended, also when the activity is being cancelled.
func (o *Orders) endEffect(ctx context.Context, e *effect, state effectState, result any) error {
	ctx, cancel := background(ctx)
	defer cancel()
	batch := &pgx.Batch{}
	if err := queueEndEffect(batch, e, state, result); err != nil {
		return err
	}
	if err := o.Pool.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("note how %s ended: %w", e.key, err)
	}
	return nil
}

// failed notes an attempt that is to be repeated, and returns the partner's failure alone: joined to
// another error it would lose the delay that the partner asked for. Where the note cannot be taken,
// the effect stays as one whose end nobody knows, which is always safe.
func (o *Orders) failed(ctx context.Context, e *effect, state effectState, failure error) error {
	if err := o.endEffect(ctx, e, state, nil); err != nil {
		return errors.Join(err, failure)
	}
	return partnerFailure(failure)
}

// missing makes a row that is not there an error that names it.
func missing(err error, what, key string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%s %s is not in the database", what, key)
	}
	return err
}
