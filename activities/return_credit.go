package activities

import (
	"context"
	"errors"
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
	if r.payment == nil {
		return
	}
	r.noteCredit(q, effectNotSent)
}

// noteCredit notes what is known of the open part's store credit, unless something is.
func (r *refund) noteCredit(q ledgerbook.Queue, state effectState) {
	q.Queue(`INSERT INTO effects (key, order_key, kind, state, attempts) VALUES ($1, $2, 'store_credit', $3, 0) ON CONFLICT DO NOTHING`,
		creditKey(r.open), r.in.Key.String(), string(state))
}

// beginCredit notes that the open part's store credit is about to be given, if it is still to be: while the customer's
// bank disputes the payment it waits, and once that has decided for the customer it is money that a person makes. Without
// a key: there is no credit, or no bank that could take its price back.
func (o *Orders) beginCredit(ctx context.Context, r *refund) (*effect, error) {
	e := &effect{}
	if r.open.credit == 0 || r.payment == nil {
		return e, nil
	}
	e.key = creditKey(r.open)
	var toMoney bool
	err := postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		w.Queue(`SELECT FROM orders WHERE key = $1 FOR NO KEY UPDATE`, r.in.Key.String()) // before the payer's, as everywhere
		now := queuePayment(w, r.payment.order)
		r.noteCredit(w, effectUnknown)
		w.Queue(`SELECT state FROM effects WHERE key = $1`, e.key).QueryRow(func(row pgx.Row) error { return row.Scan(&e.before) })
		if err := w.Flush(ctx); err != nil {
			return err
		}
		r.payment, toMoney = now, false
		switch before := e.before; {
		case before == effectDone: // asked again, the storefront says what it has given
		case now.disputed:
			return r.disputed("store credit", r.open.credit+r.open.bonus)
		case now.lost:
			toMoney = true
			r.queueMoney(w, before)
			return nil
		}
		queueBeginEffect(w, e, r.in.Key, "store_credit")
		return nil
	})
	if err == nil && toMoney {
		r.open.amount, r.open.credit, r.open.bonus = r.open.credit, 0, 0
		r.reroute(heldBack)
	}
	return e, err
}

// queueMoney turns the open part's store credit into money that is held, as it is fixed for a payment that the bank has
// taken back already. The bonus was for taking credit; a part of money beside it is there only where the storefront
// takes the payments. What the storefront may have given all the same is kept in mind: only its books tell.
func (r *refund) queueMoney(q ledgerbook.Queue, known effectState) {
	part := *r.open
	part.route = heldBack
	own, theirs := r.whose(part.credit)
	q.Queue(`UPDATE refunds SET amount_minor = $2, through_minor = $3, credit_minor = 0, route = 'held' WHERE key = $1 AND credit_minor > 0`,
		part.key, own, theirs).Exec(func(done pgconn.CommandTag) error {
		if done.RowsAffected() == 0 {
			return fmt.Errorf("payment %s: its store credit is held as money since it was read", part.key)
		}
		return nil
	})
	r.insertThrough(q, &part, theirs)
	q.Queue(`DELETE FROM store_credits WHERE refund = $1`, part.key)
	if known == effectNotSent {
		q.Queue(`DELETE FROM effects WHERE key = $1`, creditKey(&part))
		return
	}
	q.Queue(`UPDATE effects SET state = 'done', previous = state, result = '{"outcome": "held"}', last_at = now() WHERE key = $1`, creditKey(&part))
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
		return storefront.RefundReceipt{}, fmt.Errorf("payment %s: storefront as configured: %w", part.key, err)
	}
	crediter, able := channel.(storefront.Crediter)
	if !able {
		amount := money.Money{Minor: part.credit + part.bonus, Currency: r.document.Currency}
		return storefront.RefundReceipt{}, o.creditFailed(ctx, e, &storefront.Error{
			Kind: storefront.ErrRefused, Storefront: r.shop.ID, Detail: "its channel knows no store credit: give the customer " + amount.String() + " by hand",
		})
	}
	receipt, err := crediter.Credit(ctx, storefront.Credit{
		Key: part.key, Order: r.in.Key, RMA: part.rma, Amount: part.credit + part.bonus, Bonus: part.bonus, Currency: r.document.Currency,
	})
	if err != nil {
		return storefront.RefundReceipt{}, o.creditFailed(ctx, e, err)
	}
	if e.key != "" {
		err = o.endEffect(ctx, e, effectDone, receipt)
	}
	return receipt, err
}

// creditFailed notes whether the storefront may have given the credit all the same.
func (o *Orders) creditFailed(ctx context.Context, e *effect, failure error) error {
	switch {
	case e.key == "":
		return partnerFailure(failure)
	case errors.Is(failure, storefront.ErrUnavailable), errors.Is(failure, storefront.ErrRefused):
		return o.failed(ctx, e, e.untried(), failure)
	}
	return o.failed(ctx, e, effectUnknown, failure)
}
