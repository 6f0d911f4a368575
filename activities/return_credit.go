package activities

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/storefront"
)

// A customer's bank may take a payment back after store credit was fixed for it and before it was given. Whether
// a try of it may have got through is kept as an effect, from the moment at which the credit is fixed.

// creditKey names the giving of a part's store credit among the effects.
func creditKey(part *refundPart) string { return "store_credit/" + part.key }

// notAsked notes that nobody was asked yet for the store credit that is being fixed. A credit without such a note was
// fixed by a release that kept none.
func (r *refund) notAsked(q ledgerbook.Queue) {
	r.noteCredit(q, effectNotSent)
}

// noteCredit notes what is known of the open part's store credit, unless something is.
func (r *refund) noteCredit(q ledgerbook.Queue, state effectState) {
	q.Queue(`INSERT INTO effects (key, order_key, kind, state, attempts) VALUES ($1, $2, 'store_credit', $3, 0) ON CONFLICT DO NOTHING`,
		creditKey(r.open), r.in.Key.String(), string(state))
}

// beginCredit notes that the open part's store credit is about to be given, if it is still to be: what a person has paid
// in its place is money; while the customer's bank disputes the payment it waits, and once that has decided for the
// customer it is money that a person makes. Without a key: there is no credit.
func (o *Orders) beginCredit(ctx context.Context, r *refund) (*effect, error) {
	e := &effect{}
	if r.open.credit == 0 {
		return e, nil
	}
	e.key = creditKey(r.open)
	var toMoney refundRoute
	err := postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		w.Queue(`SELECT FROM orders WHERE key = $1 FOR NO KEY UPDATE`, r.in.Key.String()) // before the payer's, as everywhere
		now := &paymentRow{}
		if r.payment != nil {
			now = queuePayment(w, r.payment.order)
		}
		transfer := r.queueTransfer(w)
		r.noteCredit(w, effectUnknown)
		w.Queue(`SELECT state FROM effects WHERE key = $1`, e.key).QueryRow(func(row pgx.Row) error { return row.Scan(&e.before) })
		if err := w.Flush(ctx); err != nil {
			return err
		}
		if toMoney = ""; r.payment != nil {
			r.payment = now
		}
		switch before := e.before; {
		case before == effectDone: // asked again, the storefront says what it has given
		case *transfer != "":
			toMoney, r.open.transfer = elsewhere, *transfer
			r.queueMoney(w, before, elsewhere)
			return nil
		case now.disputed:
			return r.disputed("store credit", r.open.credit+r.open.bonus)
		case now.lost:
			toMoney = heldBack
			r.queueMoney(w, before, heldBack)
			return nil
		}
		queueBeginEffect(w, e, r.in.Key, "store_credit")
		return nil
	})
	if err == nil && toMoney != "" {
		r.open.amount, r.open.credit, r.open.bonus = r.open.credit, 0, 0
		r.reroute(toMoney)
	}
	return e, err
}

// queueTransfer reads by which transfer a person has paid the open part's store credit, empty: by none.
func (r *refund) queueTransfer(q ledgerbook.Queue) *string {
	reference := new(string)
	if r.open.amount > 0 {
		return reference // then the decision was about the money
	}
	q.Queue(`SELECT coalesce((SELECT reference FROM refund_decisions WHERE refund = $1), '')`, r.open.key).
		QueryRow(func(row pgx.Row) error { return row.Scan(reference) })
	return reference
}

// queueMoney turns the open part's store credit into money: held, as it is fixed for a payment that the bank has
// taken back already, or paid by a person past the storefront. The bonus was for taking credit; a part of money beside it is there only where the storefront
// takes the payments. What the storefront may have given all the same is kept in mind: only its books tell.
func (r *refund) queueMoney(q ledgerbook.Queue, known effectState, route refundRoute) {
	part := *r.open
	part.route = route
	own, theirs := r.whose(part.credit)
	q.Queue(`UPDATE refunds SET amount_minor = $2, through_minor = $3, credit_minor = 0, route = $4 WHERE key = $1 AND credit_minor > 0`,
		part.key, own, theirs, string(route)).Exec(func(done pgconn.CommandTag) error {
		if done.RowsAffected() == 0 {
			return fmt.Errorf("payment %s: its store credit is money since it was read", part.key)
		}
		return nil
	})
	r.insertThrough(q, &part, theirs)
	q.Queue(`DELETE FROM store_credits WHERE refund = $1`, part.key)
	if known == effectNotSent {
		q.Queue(`DELETE FROM effects WHERE key = $1`, creditKey(&part))
		return
	}
	q.Queue(`UPDATE effects SET state = 'done', previous = state, result = jsonb_build_object('outcome', $2::text), last_at = now() WHERE key = $1`,
		creditKey(&part), string(route))
}

// heldBecause says why a part is held after a lost chargeback.
func (o *Orders) heldBecause(ctx context.Context, part *refundPart) (string, error) {
	var doubt bool
	err := o.Pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM effects WHERE key = $1)`, creditKey(part)).Scan(&doubt)
	switch {
	case err != nil:
		return "", fmt.Errorf("is the store credit of %s in doubt: %w", part.key, err)
	case doubt:
		return "store_credit_in_doubt", nil
	}
	return "chargeback_lost", nil
}

// creditStore tells the storefront of a credit that the customer holds instead of money.
func (o *Orders) creditStore(ctx context.Context, r *refund, e *effect) (storefront.RefundReceipt, error) {
	part := r.open
	channel, err := o.Partners.Storefront(r.shop)
	if err != nil {
		return storefront.RefundReceipt{}, o.failed(ctx, e, e.untried(), fmt.Errorf("payment %s: storefront as configured: %w", part.key, err))
	}
	crediter, able := channel.(storefront.Crediter)
	if !able {
		amount := money.Money{Minor: part.credit + part.bonus, Currency: r.document.Currency}
		failure := &storefront.Error{
			Kind: storefront.ErrRefused, Storefront: r.shop.ID, Detail: "its channel knows no store credit: pay the customer " + amount.String() + " another way",
		}
		return storefront.RefundReceipt{}, o.failed(ctx, e, e.without(failure), failure)
	}
	receipt, err := crediter.Credit(ctx, storefront.Credit{
		Key: part.key, Order: r.in.Key, RMA: part.rma, Amount: part.credit + part.bonus, Bonus: part.bonus, Currency: r.document.Currency,
	})
	if err != nil {
		return storefront.RefundReceipt{}, o.failed(ctx, e, e.without(err), err)
	}
	return receipt, o.endEffect(ctx, e, effectDone, receipt)
}
