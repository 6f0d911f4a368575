// Package refunddesk takes a person's word that a refund was paid past a storefront that does not make it, or in place of
// a store credit that it does not give. The storefront is not asked for it after that.
package refunddesk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
)

// Errors of the desk.
var (
	// ErrNoRefund: the order has no refund of that key.
	ErrNoRefund = errors.New("the order has no such refund")
	// ErrOtherRequest: the request's id decided something else before.
	ErrOtherRequest = errors.New("a decision of that id was another one")
)

// callEnds is after how long a call that was begun is over, whether or not its worker could say so: an activity's
// call to a partner has 45 s, and what it came to is written down in 10 s more.
const callEnds = time.Minute

// Decision is a person's word that a refund was paid past its storefront.
type Decision struct {
	Order     order.Key
	Refund    string // its key
	Request   string // repeating it is harmless
	Reference string // the transfer's number
	Reason    string // why the storefront does not make it, as a code
	NotMade   bool   // the person has asked the storefront, and it has not made the refund
	By        string // a role and its key, never a person's name
}

// standing is a refund that may be decided about, as it stands under its order's lock.
type standing struct {
	state, route string
	rma          string // of the return that it pays for; empty: it is the order's own
	minor        int64
	credit       bool   // all of it is store credit
	disputed     bool   // the customer's bank has taken the payment back and has not decided
	exchange     bool   // a refund of an exchange order, in the books of the order that was paid
	stalled      bool   // it was refused, or went wrong for long: a person was called
	call         string // the state of the storefront's effect; empty: it was never noted
	callAge      time.Duration
	decided      string // the reference by which it was paid; empty: nobody has decided
}

// PaidElsewhere records the decision, once. Fails with *order.Refusal when the refund is not to be decided about now,
// ErrNoRefund and ErrOtherRequest.
func PaidElsewhere(ctx context.Context, pool *pgxpool.Pool, d Decision) error {
	err := postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		// Whoever asks the storefront notes that under the same lock.
		if _, err := tx.Exec(ctx, `SELECT FROM orders WHERE key = $1 FOR NO KEY UPDATE`, d.Order.String()); err != nil {
			return err
		}
		repeated, err := before(ctx, tx, d)
		if repeated || err != nil {
			return err
		}
		s, err := stand(ctx, tx, d)
		if err != nil {
			return err
		}
		if err := s.judge(d); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO refund_decisions (refund, order_key, request, reference, reason, not_made, by) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			d.Refund, d.Order.String(), d.Request, d.Reference, d.Reason, d.NotMade, d.By)
		if err != nil {
			return err
		}
		return wake(ctx, tx, d, s.rma)
	})
	if err != nil {
		return fmt.Errorf("decide about a refund of order %s: %w", d.Order, err)
	}
	return nil
}

// wake makes the step due that rests: what it waits for has come.
func wake(ctx context.Context, tx pgx.Tx, d Decision, rma string) error {
	paid := &order.RefundPaid{Refund: d.Refund, Reference: d.Reference}
	var err error
	if rma != "" {
		_, err = returndesk.Append(ctx, tx, rma, returns.Fact{Paid: paid}, true, 0)
	} else {
		_, err = facts.Append(ctx, tx, d.Order.String(), order.Fact{RefundPaid: paid}, true, 0)
	}
	return err
}

// before finds the decision that the request brought already.
func before(ctx context.Context, tx pgx.Tx, d Decision) (found bool, err error) {
	var same bool
	err = tx.QueryRow(ctx, `SELECT refund = $3 AND reference = $4 AND reason = $5 AND not_made = $6 AND by = $7 FROM refund_decisions
		WHERE order_key = $1 AND request = $2`, d.Order.String(), d.Request, d.Refund, d.Reference, d.Reason, d.NotMade, d.By).Scan(&same)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case !same:
		return true, ErrOtherRequest
	}
	return true, nil
}

func stand(ctx context.Context, tx pgx.Tx, d Decision) (*standing, error) {
	var s standing
	var seconds int64
	err := tx.QueryRow(ctx, `
		SELECT r.state, r.route, coalesce(r.rma, ''), r.amount_minor + r.through_minor + r.credit_minor, c.whole, r.n < 0,
			EXISTS (SELECT FROM payments p WHERE p.order_key = coalesce(o.exchange_of, o.key) AND p.disputed), coalesce(e.state, ''),
			coalesce(extract(epoch FROM clock_timestamp() - e.last_at)::bigint, 0), coalesce(d.reference, ''),
			EXISTS (SELECT FROM jsonb_array_elements(coalesce(nullif(CASE WHEN r.rma IS NULL THEN o.state ELSE b.state END -> 'attention', 'null'), '[]')) a
				WHERE a ->> 'key' LIKE CASE WHEN r.rma IS NULL THEN 'stalled/refund/%' ELSE 'stalled/pay%' END)
		FROM refunds r JOIN orders o ON o.key = r.order_key LEFT JOIN returns b ON b.rma = r.rma
		CROSS JOIN LATERAL (SELECT r.credit_minor > 0 AND r.amount_minor + r.through_minor = 0 AS whole) c
		LEFT JOIN effects e ON e.key = CASE WHEN c.whole THEN 'store_credit/' ELSE '' END || r.key LEFT JOIN refund_decisions d ON d.refund = r.key
		WHERE r.order_key = $1 AND r.key = $2`, d.Order.String(), d.Refund).
		Scan(&s.state, &s.route, &s.rma, &s.minor, &s.credit, &s.exchange, &s.disputed, &s.call, &seconds, &s.decided, &s.stalled)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNoRefund
	}
	s.callAge = time.Duration(seconds) * time.Second
	return &s, err
}

// judge refuses whatever could pay the customer twice.
func (s *standing) judge(d Decision) error {
	refuse := func(why string) error { return &order.Refusal{Reason: why} }
	inDoubt := s.call != "not_sent"
	switch {
	case s.decided != "":
		return refuse("the refund was paid by " + s.decided + " already")
	case s.exchange:
		return refuse("the refund is one of the exchange order: decide there")
	case s.state == "done" || s.call == "done":
		return refuse("the refund was made")
	case s.credit && s.disputed:
		return refuse("the customer's bank disputes the payment: what is given beside that pays twice")
	case s.route != "" && !s.credit:
		return refuse("the refund goes through the payment provider: starter payment decide")
	case s.minor == 0:
		return refuse("the refund gives no money back")
	case !s.stalled:
		return refuse("the refund is on its way: nobody was called about it")
	case inDoubt && s.call != "" && s.callAge < callEnds:
		return refuse("the storefront is being asked for the refund, or was a moment ago: decide when it has answered, or in a minute")
	case inDoubt && !d.NotMade:
		return refuse("the storefront may have made the refund, as an answer of its was lost: ask there first whether it was made, " +
			"and decide with not_made if it was not")
	}
	return nil
}
