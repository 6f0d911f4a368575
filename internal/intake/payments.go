package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/payment/stripe"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/payments"
)

// paid is the order that a provider's event is about, locked; ended: its accounts and those of its exchanges were closed.
type paid struct {
	order, currency, standing string
	ended                     bool
}

// applyPayment takes what a payment provider tells of by itself.
func (p *Processor) applyPayment(ctx context.Context, tx pgx.Tx, d received) (verdict, error) {
	event, err := stripe.ParseEvent(d.body)
	switch {
	case err != nil:
		return unreadable(err), nil
	case event == nil:
		return ignored(CodeOtherEvent, "", "The event changes nothing for an order."), nil
	}
	var o paid
	err = tx.QueryRow(ctx, `SELECT p.order_key, o.currency, p.standing, o.closed_at IS NOT NULL
			AND NOT EXISTS (SELECT FROM orders x WHERE x.exchange_of = o.key AND x.closed_at IS NULL)
		FROM payments p JOIN orders o ON o.key = p.order_key
		WHERE p.storefront = $1 AND p.reference = $2 FOR NO KEY UPDATE OF o`, d.party, event.Payment).Scan(&o.order, &o.currency, &o.standing, &o.ended)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && event.Kind == payment.EventPaymentChanged:
		// The customer pays before the order is placed, and the order says how.
		return ignored(CodeNoDecision, "", "No order has this payment yet; the order will say where it stands."), nil
	case errors.Is(err, pgx.ErrNoRows):
		return quarantine(CodeUnknownPayment, "It is about a payment that no order has. Look it up at the provider; retry once its order is here."), nil
	case err != nil:
		return verdict{}, fmt.Errorf("find a payment: %w", err)
	}
	switch event.Kind {
	case payment.EventPaymentChanged:
		return paymentChanged(ctx, tx, d, o, event)
	case payment.EventRefundChanged:
		return refundChanged(ctx, tx, d, o, event)
	default:
		return disputeTold(ctx, tx, d, o, event)
	}
}

// paymentChanged: mostly the echo of what we did ourselves.
func paymentChanged(ctx context.Context, tx pgx.Tx, d received, o paid, e *payment.Event) (verdict, error) {
	if o.standing != paymentdesk.StandingAuthorised || e.Standing.Status == payment.Authorised {
		return ignored(CodeKnownAlready, o.order, "The payment stands so already, or its own step learns of it."), nil
	}
	standing := payments.Standing{
		Status: string(e.Standing.Status), Authorised: e.Standing.Authorised, Captured: e.Standing.Captured, ExpiresAt: e.Standing.ExpiresAt,
	}
	return tell(ctx, tx, d, o, payments.Fact{Changed: &standing})
}

// refundChanged takes news of a refund of ours. One that failed stays so; one that went through at once
// and did, costs nothing.
func refundChanged(ctx context.Context, tx pgx.Tx, d received, o paid, e *payment.Event) (verdict, error) {
	change := payments.RefundChange{Reference: e.Refund.Reference, At: e.At, Reason: e.Refund.Reason}
	var status payment.RefundStatus
	err := tx.QueryRow(ctx, `SELECT refund_key, try, amount_minor, status FROM provider_refunds WHERE order_key = $1 AND reference = $2`,
		o.order, change.Reference).Scan(&change.Key, &change.Try, &change.Amount, &status)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		// It may overtake the note of our own refund.
		wait := &later{order: o.order, because: "the refund is not ours yet", giveUp: quarantine(CodeUnknownRefund,
			"It is about a refund that Dropline did not make. Find out who made it at the provider, and book it.")}
		wait.giveUp.order = o.order
		return verdict{}, wait
	case err != nil:
		return verdict{}, fmt.Errorf("find a refund: %w", err)
	case status == payment.RefundFailed || e.Refund.Status == status || e.Refund.Status == payment.RefundPending:
		return ignored(CodeKnownAlready, o.order, "The refund stands so already, or has come further."), nil
	}
	if _, err := tx.Exec(ctx, `UPDATE provider_refunds SET status = $3 WHERE order_key = $1 AND reference = $2`,
		o.order, change.Reference, string(e.Refund.Status)); err != nil {
		return verdict{}, fmt.Errorf("record where a refund stands: %w", err)
	}
	change.Standing = payments.RefundDone
	if e.Refund.Status == payment.RefundFailed {
		change.Standing = payments.RefundFailed
	}
	return tell(ctx, tx, d, o, payments.Fact{Change: &change})
}

// disputeTold takes the opening or the closing of a chargeback; the closing may come first, and tells all.
func disputeTold(ctx context.Context, tx pgx.Tx, d received, o paid, e *payment.Event) (verdict, error) {
	if e.Dispute.Currency != o.currency {
		return quarantine(CodeCurrencyMismatch, "Its amount is in %s, the order's in %s. Ask the provider; book it by hand.", e.Dispute.Currency, o.currency), nil
	}
	closing := e.Kind == payment.EventDisputeClosed
	var news bool
	err := tx.QueryRow(ctx, `
		INSERT INTO disputes AS x (order_key, reference, amount_minor, opened, closed, won) VALUES ($1, $2, $3, NOT $4, $4, CASE WHEN $4 THEN $5::bool END)
		ON CONFLICT (order_key, reference) DO UPDATE SET opened = true, closed = true, won = excluded.won WHERE $4 AND NOT x.closed
		RETURNING true`, o.order, e.Dispute.Reference, e.Dispute.Amount, closing, e.Dispute.Won).Scan(&news)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return disputeRepeated(ctx, tx, o, e)
	case err != nil:
		return verdict{}, fmt.Errorf("record a chargeback: %w", err)
	}
	_, err = tx.Exec(ctx, `UPDATE payments SET disputed = EXISTS (SELECT FROM disputes WHERE order_key = $1 AND NOT closed) WHERE order_key = $1`, o.order)
	if err != nil {
		return verdict{}, fmt.Errorf("record a chargeback: %w", err)
	}
	return tell(ctx, tx, d, o, payments.Fact{Dispute: &payments.DisputeNews{
		Reference: e.Dispute.Reference, At: e.At, Amount: e.Dispute.Amount, Fee: e.Dispute.Fee, Reason: e.Dispute.Reason,
		EvidenceBy: e.Dispute.EvidenceBy, Closed: closing, Won: closing && e.Dispute.Won, OrderEnded: o.ended,
	}})
}

// disputeRepeated judges news of a chargeback that was told of before: the first end counts.
func disputeRepeated(ctx context.Context, tx pgx.Tx, o paid, e *payment.Event) (verdict, error) {
	var differs bool
	err := tx.QueryRow(ctx, `SELECT amount_minor <> $3 OR $4 AND won <> $5 FROM disputes WHERE order_key = $1 AND reference = $2`,
		o.order, e.Dispute.Reference, e.Dispute.Amount, e.Kind == payment.EventDisputeClosed, e.Dispute.Won).Scan(&differs)
	if err != nil {
		return verdict{}, fmt.Errorf("read a chargeback: %w", err)
	}
	if !differs {
		return ignored(CodeKnownAlready, o.order, "The chargeback stands so already, or has come further."), nil
	}
	v := quarantine(CodeConflictingDispute, "Chargeback %s was told of before with another end or amount. Only the first counts; ask the provider, "+
		"and book the difference by hand.", e.Dispute.Reference)
	v.order = o.order
	return v, nil
}

// tell gives the payment's workflow a fact. The order's own need not be woken.
func tell(ctx context.Context, tx pgx.Tx, d received, o paid, fact payments.Fact) (verdict, error) {
	b := &pgx.Batch{}
	if err := paymentdesk.Append(b, o.order, fact, d.id); err != nil {
		return verdict{}, err
	}
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return verdict{}, fmt.Errorf("append a fact to the payment of order %s: %w", o.order, err)
	}
	return applied(o.order), nil
}
