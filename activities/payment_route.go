package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/payments"
)

// paymentRow is an order's payment at a provider, as its row says under the order's lock.
type paymentRow struct {
	reference, standing            string
	authorised, captured, released int64
	try                            int
	taking                         *int64 // the amount of the capture under way
	disputed                       bool
}

// due is what is to be captured.
func (p *paymentRow) due() int64 { return p.authorised - p.released - p.captured }

// queuePayment queues the lock on an order and the reading of its payment; reference stays empty when its
// money is not at a provider.
func queuePayment(q ledgerbook.Queue, orderKey string) *paymentRow {
	p := &paymentRow{}
	q.Queue(`SELECT FROM orders WHERE key = $1 FOR NO KEY UPDATE`, orderKey)
	q.Queue(`SELECT reference, standing, authorised_minor, captured_minor, capture_try, capture_minor, disputed,
			(SELECT coalesce(sum(amount_minor), 0)::bigint FROM refunds r WHERE r.order_key = p.order_key AND r.route = 'released')
		FROM payments p WHERE order_key = $1`, orderKey).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&p.reference, &p.standing, &p.authorised, &p.captured, &p.try, &p.taking, &p.disputed, &p.released)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return p
}

// refundRoute is how a refund is made; it is fixed with its amount.
type refundRoute string

const (
	byStorefront refundRoute = ""
	byProvider   refundRoute = "provider"
	released     refundRoute = "released" // it was not captured, and will not be
	forgiven     refundRoute = "forgiven" // it was never paid, and is written off
	heldBack     refundRoute = "held"     // a person makes it
)

// words begin the sentence about an amount.
func (r refundRoute) words() string {
	switch r {
	case released:
		return "Cancelled before the capture, so not taken: "
	case forgiven:
		return "Never paid, so nothing goes back of "
	case heldBack:
		return "Owed to the customer and held, see the order's payment: "
	default:
		return "Refunded "
	}
}

// captureUnderWay: what is cancelled now is released or refunded, and only the answer tells which.
func captureUnderWay(key string) error {
	return temporal.NewApplicationErrorWithOptions("the payment of order "+key+" is being captured", "Payment",
		temporal.ApplicationErrorOptions{NextRetryDelay: time.Second, Category: temporal.ApplicationErrorCategoryBenign})
}

// byHand: whoever holds the customer's money is nobody who can be asked for this. A person gives it, and it is
// tried now and then, in case that has changed.
func (r *refund) byHand(why string, minor int64) error {
	amount := money.Money{Minor: minor, Currency: r.document.Currency}
	return temporal.NewNonRetryableApplicationError(why+": give the customer "+amount.String()+" by hand", "Payment", nil)
}

// asItIs passes on what Temporal reads of an error, which it does not unwrap; other errors are put into words.
func asItIs(err error, format string, args ...any) error {
	if application, is := errors.AsType[*temporal.ApplicationError](err); is {
		return application
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// chooseRoute fixes how a part is made, while the order is locked. While the customer's bank disputes the
// payment a refund would pay twice: it is held. What came by other ways than the provider goes back so.
func (r *refund) chooseRoute(part *refundPart) error {
	if r.payerProvided && part.amount > 0 {
		return r.byHand("order "+r.payer+", which "+r.document.Key.String()+" was exchanged for, was paid at a payment provider", part.amount)
	}
	if r.payment == nil {
		return nil
	}
	switch r.payment.standing {
	case paymentdesk.StandingCapturing:
		return captureUnderWay(r.document.Key.String())
	case paymentdesk.StandingAuthorised, paymentdesk.StandingVoided:
		part.route = released
		part.amount = min(part.amount, r.payment.due())
	case paymentdesk.StandingWrittenOff:
		part.route = forgiven
	case paymentdesk.StandingElsewhere:
		part.route = heldBack
	default:
		part.route = byProvider
		if r.payment.disputed {
			part.route = heldBack
		}
	}
	if part.credit > 0 && part.route != byProvider {
		return r.byHand("store credit of an order whose money is not with us", part.credit+part.bonus)
	}
	return nil
}

// posting is what the giving back of an amount by a part's route does to the book.
func (p *refundPart) posting(amount money.Money) (ledger.Transaction, error) {
	switch p.route {
	case released:
		return ledger.Released(p.key, amount)
	case forgiven:
		return ledger.Forgiven(p.key, amount)
	case heldBack:
		return ledger.RefundHeld(p.key, amount, ledger.RefundReason(p.reason))
	default:
		return ledger.Refunded(p.key, amount, ledger.RefundReason(p.reason))
	}
}

// refundMade is whoever holds the money saying what became of a part.
type refundMade struct {
	reference string
	status    payment.RefundStatus // of the provider; empty: it was not asked for anything
	reason    string
	credit    string // the storefront's name for the store credit
}

// giveBack asks for one part under its key. What the provider refuses is certainly not made: it is held
// for a person, and the order goes on.
func (o *Orders) giveBack(ctx context.Context, r *refund) (refundMade, error) {
	part := r.open
	if part.amount == 0 {
		return refundMade{}, nil
	}
	switch part.route {
	case byStorefront:
		channel, err := o.Partners.Storefront(r.shop)
		if err != nil {
			return refundMade{}, fmt.Errorf("refund %s: storefront as configured: %w", part.key, err)
		}
		receipt, err := channel.Refund(ctx, r.ask(part))
		if err != nil {
			return refundMade{}, partnerFailure(err)
		}
		return refundMade{reference: receipt.Reference}, nil
	case byProvider:
		provider, err := o.provider(r.shop)
		if err != nil {
			return refundMade{}, err
		}
		receipt, err := provider.Refund(ctx, payment.Refund{
			Key: part.key, Reference: r.payment.reference, Amount: part.amount, Currency: r.document.Currency,
		})
		if errors.Is(err, payment.ErrRefused) {
			r.hold()
			return refundMade{reason: codeOf(err)}, nil
		}
		if err != nil {
			return refundMade{}, partnerFailure(err)
		}
		return refundMade{reference: receipt.Reference, status: receipt.Status, reason: receipt.Reason}, nil
	default:
		return refundMade{}, nil
	}
}

// hold turns the open part into one that a person makes.
func (r *refund) hold() {
	r.open.route = heldBack
	for i := range r.parts {
		if r.parts[i].key == r.open.key {
			r.parts[i].route = heldBack
		}
	}
}

// provider finds the account of a storefront that has one.
func (o *Orders) provider(shop catalog.Storefront) (payment.Provider, error) {
	provider, has, err := o.Partners.Payments(shop)
	if err == nil && !has {
		err = errors.New("the catalogue does not name it any more: put payments back until its payments are done")
	}
	if err != nil {
		return nil, fmt.Errorf("payment provider of %s as configured: %w", shop.ID, err)
	}
	return provider, nil
}

// codeOf is the provider's own word for a refusal.
func codeOf(err error) string {
	var said *payment.Error
	if errors.As(err, &said) && said.Code != "" {
		return said.Code
	}
	return "refused"
}

// queueMade notes that the open part is made.
func (r *refund) queueMade(q ledgerbook.Queue, made refundMade) {
	part, key := r.open, r.document.Key.String()
	q.Queue(`UPDATE refunds SET state = 'done', reference = $3, route = $4, done_at = now() WHERE key IN ($1, $2) AND state = 'trying'`,
		part.key, throughKey(part), made.reference, string(part.route))
	if part.route == byProvider && part.amount > 0 && made.status != "" {
		queueProviderRefund(q, key, made.reference, part.key, 1, part.amount, made.status)
	}
}

// queueProviderRefund keeps a refund under the provider's own name for it: its news come by that.
func queueProviderRefund(q ledgerbook.Queue, orderKey, reference, refundKey string, try int, amount int64, status payment.RefundStatus) {
	q.Queue(`INSERT INTO provider_refunds (order_key, reference, refund_key, try, amount_minor, status) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT DO NOTHING`, orderKey, reference, refundKey, try, amount, string(status))
	// News of it that overtook this note wait as documents.
	q.Queue(`UPDATE documents SET next_attempt_at = now() WHERE order_key = $1 AND status = 'received' AND attempts > 0
		AND source = (SELECT 'payments/' || storefront FROM payments WHERE order_key = $1)`, orderKey)
}

// close writes the books and tells the payment what it has to follow.
func (r *refund) close(w ledgerbook.Queue, made refundMade, book, payer *ledgerbook.Book) error {
	part := r.open
	if r.payment != nil && part.amount > 0 && part.route != byProvider {
		if err := book.NamePayment(r.document.Currency); err != nil {
			return err
		}
	}
	if err := writeBooks(w, book, payer); err != nil {
		return err
	}
	if news := r.news(made); news != nil && part.amount > 0 {
		return paymentdesk.Append(w, r.document.Key.String(), *news, 0)
	}
	return nil
}

// wentBack: the customer gets money, and is told.
func (r *refund) wentBack(made refundMade) bool {
	route := r.open.route
	return route != released && route != forgiven && route != heldBack && made.status != payment.RefundFailed
}

// news is what the payment's workflow has to know of the open part; nil: it went through.
func (r *refund) news(made refundMade) *payments.Fact {
	part := r.open
	refund := payments.RefundMade{Key: part.key, Amount: part.amount, Reference: made.reference, At: time.Now().UTC(), Reason: made.reason}
	switch {
	case part.route == released:
		return &payments.Fact{Release: &payments.Release{At: refund.At, Total: r.releasedWith(part)}}
	case part.route == heldBack:
		refund.Standing = payments.RefundHeld
	case made.status == payment.RefundPending:
		refund.Standing = payments.RefundPending
	case made.status == payment.RefundFailed:
		refund.Standing = payments.RefundFailed
	default:
		return nil
	}
	return &payments.Fact{Refund: &refund}
}

// releasedWith is all that was cancelled before the capture: what was read, with this part.
func (r *refund) releasedWith(part *refundPart) int64 {
	total := part.amount
	for i := range r.parts {
		if p := &r.parts[i]; p.route == released && p.key != part.key {
			total += p.amount
		}
	}
	return total
}
