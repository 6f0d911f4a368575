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
	order, reference, standing     string
	authorised, captured, released int64
	elsewhere, writtenOff          int64
	forgiven                       int64 // of what was written off, by refunds
	try                            int
	taking                         *int64 // the amount of the capture under way
	disputed                       bool
	lost                           bool // the customer's bank has given money back for good
}

// due is what is to be captured, or to be paid by other means.
func (p *paymentRow) due() int64 {
	return max(p.authorised-p.released-p.captured-p.elsewhere-p.writtenOff, 0)
}

// unpaid is what the customer has not paid, and no refund has taken off yet: what is due still, and what was
// written off.
func (p *paymentRow) unpaid() int64 { return p.due() + p.forgivable() }

// forgivable is what was written off and no refund has taken off yet. A person may have written off what a refund had
// released just then: that was taken off once, and what is left was paid.
func (p *paymentRow) forgivable() int64 {
	return max(min(p.writtenOff, p.authorised-p.released-p.captured-p.elsewhere)-p.forgiven, 0)
}

// queuePayment queues the lock on an order and the reading of its payment; reference stays empty when its
// money is not at a provider.
func queuePayment(q ledgerbook.Queue, orderKey string) *paymentRow {
	p := &paymentRow{order: orderKey}
	q.Queue(`SELECT FROM orders WHERE key = $1 FOR NO KEY UPDATE`, orderKey)
	q.Queue(`SELECT reference, standing, authorised_minor, captured_minor, elsewhere_minor, written_off_minor, capture_try, capture_minor, disputed,
			EXISTS (SELECT FROM disputes d WHERE d.order_key = p.order_key AND d.closed AND NOT d.won), r.released, r.forgiven
		FROM payments p CROSS JOIN LATERAL (SELECT coalesce(sum(released_minor), 0)::bigint AS released,
			coalesce(sum(forgiven_minor), 0)::bigint AS forgiven FROM refunds r WHERE r.order_key = p.order_key) r
		WHERE p.order_key = $1`, orderKey).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&p.reference, &p.standing, &p.authorised, &p.captured, &p.elsewhere, &p.writtenOff, &p.try, &p.taking, &p.disputed,
			&p.lost, &p.released, &p.forgiven)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return p
}

// refundRoute is how a refund's money goes back; it is fixed with its amount.
type refundRoute string

const (
	byStorefront refundRoute = ""
	byProvider   refundRoute = "provider"
	heldBack     refundRoute = "held"      // a person makes it
	elsewhere    refundRoute = "elsewhere" // a person has made it, past a storefront that does not
)

// words say what became of a part: of what was not captured and will not be, of what was never paid and is
// written off, and of what goes back.
func (p *refundPart) words(currency string) []string {
	back := "Refunded "
	switch p.route {
	case heldBack:
		back = "Owed to the customer and held, see the order's payment: "
	case elsewhere:
		back = "Paid to the customer past the storefront: "
	}
	var list []string
	for _, of := range []struct {
		minor int64
		words string
	}{{p.released, "Cancelled before the capture, so not taken: "}, {p.forgiven, "Never paid, so nothing goes back of "}, {p.amount, back}} {
		if of.minor > 0 {
			list = append(list, of.words+money.Money{Minor: of.minor, Currency: currency}.String())
		}
	}
	return list
}

// captureUnderWay: what is cancelled now is released or refunded, and only the answer tells which.
func captureUnderWay(key string) error {
	return temporal.NewApplicationErrorWithOptions("the payment of order "+key+" is being captured", "Payment",
		temporal.ApplicationErrorOptions{NextRetryDelay: time.Second, Category: temporal.ApplicationErrorCategoryBenign})
}

// disputed: the customer's bank has taken the money back and has not decided. What is given beside that pays
// twice. It is tried now and then, in case that has changed.
func (r *refund) disputed(what string, minor int64) error {
	amount := money.Money{Minor: minor, Currency: r.document.Currency}
	return temporal.NewNonRetryableApplicationError(what+" of "+amount.String()+" waits: the customer's bank disputes the payment of order "+
		r.payment.order, "Payment", nil)
}

// asItIs passes on what Temporal reads of an error, which it does not unwrap; other errors are put into words.
func asItIs(err error, format string, args ...any) error {
	if application, is := errors.AsType[*temporal.ApplicationError](err); is {
		return application
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// takeUnpaid takes off a part's money what the customer never paid: it is not asked for any more, or was
// written off.
func (r *refund) takeUnpaid(part *refundPart) {
	if r.payment == nil || r.payer != "" {
		return // what an exchange moved was paid
	}
	part.released = min(part.amount, r.payment.due())
	part.amount -= part.released
	forgiven := min(part.amount, r.forgivable()-part.forgiven)
	part.amount, part.forgiven = part.amount-forgiven, part.forgiven+forgiven
}

// forgivable is what of the order's price was written off and no refund has taken off yet.
func (r *refund) forgivable() int64 {
	if r.payment == nil || r.payer != "" {
		return 0
	}
	return r.payment.forgivable()
}

// chooseRoute fixes how a part is made, while the order is locked. While the customer's bank disputes the
// payment a refund would pay twice: it is held, and credit or other goods wait. So it may be when the bank has decided
// for the customer, who has the price of some goods from it: a person knows which. What came by other ways than
// the provider goes back so.
func (r *refund) chooseRoute(part *refundPart) error {
	switch p := r.payment; {
	case p == nil:
		return nil
	case p.standing == paymentdesk.StandingCapturing:
		return captureUnderWay(p.order)
	case p.disputed && part.credit > 0:
		return r.disputed("store credit", part.credit+part.bonus)
	case p.disputed && part.moved > 0:
		return r.disputed("an exchange", part.moved)
	case p.disputed || p.lost || p.standing != paymentdesk.StandingCaptured:
		part.route = heldBack
	default:
		part.route = byProvider
	}
	return nil
}

// posting is what the giving back of an amount by a part's route does to the book.
func (p *refundPart) posting(amount money.Money) (ledger.Transaction, error) {
	switch p.route {
	case heldBack:
		return ledger.RefundHeld(p.key, amount, ledger.RefundReason(p.reason))
	case elsewhere:
		return ledger.RefundedElsewhere(p.key, amount, ledger.RefundReason(p.reason))
	default:
		return ledger.Refunded(p.key, amount, ledger.RefundReason(p.reason))
	}
}

// moneyKey is the name of a part where its money is: among the refunds of the order that was paid.
func (r *refund) moneyKey(part *refundPart) string {
	if r.payer != "" {
		return throughKey(part)
	}
	return part.key
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
		return o.askStorefront(ctx, r)
	case elsewhere:
		return refundMade{reference: part.transfer}, nil
	case byProvider:
		provider, err := o.provider(r.shop)
		if err != nil {
			return refundMade{}, err
		}
		receipt, err := provider.Refund(ctx, payment.Refund{
			Key: r.moneyKey(part), Reference: r.payment.reference, Amount: part.amount, Currency: r.document.Currency,
		})
		if errors.Is(err, payment.ErrRefused) {
			r.reroute(heldBack)
			return refundMade{reason: codeOf(err)}, nil
		}
		if err != nil {
			return refundMade{}, partnerFailure(err)
		}
		return refundMade{reference: receipt.Reference, status: receipt.Status, reason: receipt.Reason}, nil
	default:
		if r.payment.lost && !r.payment.disputed {
			reason, err := o.heldBecause(ctx, part)
			return refundMade{reason: reason}, err
		}
		return refundMade{}, nil
	}
}

// reroute makes the open part go back by another way than it was fixed for.
func (r *refund) reroute(route refundRoute) {
	r.open.route = route
	for i := range r.parts {
		if r.parts[i].key == r.open.key {
			r.parts[i].route = route
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
func (r *refund) queueMade(q ledgerbook.Queue, made refundMade) error {
	part := r.open
	q.Queue(`UPDATE refunds SET state = 'done', reference = $3, route = $4, done_at = now() WHERE key IN ($1, $2) AND state = 'trying'`,
		part.key, throughKey(part), made.reference, string(part.route))
	if part.route == byProvider && part.amount > 0 && made.status != "" {
		queueProviderRefund(q, r.payment.order, made.reference, r.moneyKey(part), 1, part.amount, made.status)
	}
	return r.queueAnswered(q, made)
}

// queueProviderRefund keeps a refund under the provider's own name for it: its news come by that.
func queueProviderRefund(q ledgerbook.Queue, orderKey, reference, refundKey string, try int, amount int64, status payment.RefundStatus) {
	q.Queue(`INSERT INTO provider_refunds (order_key, reference, refund_key, try, amount_minor, status) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT DO NOTHING`, orderKey, reference, refundKey, try, amount, string(status))
	// News of it that overtook this note wait as documents.
	q.Queue(`UPDATE documents SET next_attempt_at = now() WHERE order_key = $1 AND status = 'received' AND attempts > 0
		AND source = (SELECT 'payments/' || storefront FROM payments WHERE order_key = $1)`, orderKey)
}

// close writes the books, tells the payment what it has to follow, and the storefront what was made at the
// provider, or by a person: whatever becomes of it is told by the payment.
func (r *refund) close(w ledgerbook.Queue, made refundMade, book, payer *ledgerbook.Book) error {
	part := r.open
	if r.payment != nil && (part.released > 0 || part.amount > 0 && part.route != byProvider) {
		holder := book
		if payer != nil {
			holder = payer
		}
		if err := holder.NamePayment(r.document.Currency); err != nil {
			return err
		}
	}
	if err := writeBooks(w, book, payer); err != nil {
		return err
	}
	for _, news := range r.news(made) {
		if err := paymentdesk.Append(w, r.payment.order, news, 0); err != nil {
			return err
		}
	}
	if part.amount == 0 || part.route != byProvider && part.route != elsewhere {
		return nil
	}
	holder := r.in.Key.String()
	if r.payer != "" {
		holder = r.payer
	}
	return queueMessages(w, refundTold(holder, r.moneyKey(part), 1, false, part.amount, r.document.Currency))
}

// wentBack: the customer gets money the way it was paid, and is told so. Who paid it another way has told the customer.
func (r *refund) wentBack(made refundMade) bool {
	byItself := r.open.route == byStorefront || r.open.route == byProvider
	return r.open.amount > 0 && byItself && made.status != payment.RefundFailed
}

// news are what the payment's workflow has to know of the open part; none: it went through.
func (r *refund) news(made refundMade) []payments.Fact {
	part, now := r.open, time.Now().UTC()
	var list []payments.Fact
	if part.released > 0 {
		list = append(list, payments.Fact{Release: &payments.Release{At: now, Total: r.releasedWith(part)}})
	}
	refund := payments.RefundMade{Key: r.moneyKey(part), Amount: part.amount, Reference: made.reference, At: now, Reason: made.reason}
	switch {
	case part.amount == 0:
		return list
	case part.route == heldBack:
		refund.Standing = payments.RefundHeld
	case made.status == payment.RefundPending:
		refund.Standing = payments.RefundPending
	case made.status == payment.RefundFailed:
		refund.Standing = payments.RefundFailed
	default:
		return list
	}
	return append(list, payments.Fact{Refund: &refund})
}

// releasedWith is all that was cancelled before the capture: what was read, with this part.
func (r *refund) releasedWith(part *refundPart) int64 {
	total := part.released
	for i := range r.parts {
		if p := &r.parts[i]; p.key != part.key {
			total += p.released
		}
	}
	return total
}
