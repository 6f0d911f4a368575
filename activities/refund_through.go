package activities

import (
	"encoding/json"
	"fmt"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/storefront"
)

// An exchange order was never paid for by itself: what is refunded of it goes back through the payment of
// the order that it was exchanged for, the payer, which holds the customer's money. The payer's refunds
// count it, so that Postgres refuses whatever would exceed what was captured there; and the payer's payment follows it
// where that is at a payment provider.

// through begins the names of an exchange order's refunds among the payer's.
const through = "through/"

// throughKey names, among the payer's refunds, a refund of its exchange order.
func throughKey(part *refundPart) string { return through + part.key }

// insert fixes a part, and with it what goes back through the payer.
func (r *refund) insert(w ledgerbook.Queue, part *refundPart, number int) error {
	lines, err := json.Marshal(append([]order.ShippedLine{}, part.lines...)) // never null: a supplement alone goes back for no units
	if err != nil {
		return fmt.Errorf("encode the units of %s: %w", part.key, err)
	}
	own, theirs := r.whose(part.amount)
	w.Queue(`INSERT INTO refunds (key, order_key, n, part, lines, amount_minor, through_minor, goods_minor, tax_minor,
			shipping_minor, shipping_tax_minor, kept_minor, label_minor, credit_minor, moved_minor, supplement_minor, exchange_order, rma, reason, route,
			released_minor, forgiven_minor, state)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, nullif($17, ''), nullif($18, ''), $19, $20, $21, $22, 'trying')`,
		part.key, r.in.Key.String(), part.n, number, string(lines), own, theirs, part.goods, part.tax, part.shipping, part.shippingTax,
		part.kept, part.label, part.credit, part.moved, part.supplement, part.exchange, part.rma, part.reason, string(part.route),
		part.released, part.forgiven)
	r.insertThrough(w, part, theirs)
	return nil
}

// whose splits what goes back as money: by the order itself, and through the payer.
func (r *refund) whose(amount int64) (own, theirs int64) {
	if r.payer != "" {
		return 0, amount
	}
	return amount, 0
}

// insertThrough fixes what goes back through the payer, if anything does.
func (r *refund) insertThrough(w ledgerbook.Queue, part *refundPart, theirs int64) {
	if theirs == 0 {
		return
	}
	w.Queue(`INSERT INTO refunds (key, order_key, n, part, lines, amount_minor, goods_minor, tax_minor, shipping_minor, moved_minor, reason, route, state)
		SELECT $1, $2, -1, 1 + (SELECT count(*) FROM refunds WHERE order_key = $2 AND n = -1), '[]', $3::bigint, 0, 0, 0, -$3::bigint, $4, $5, 'trying'
		FROM (SELECT 1 FROM orders WHERE key = $2 FOR NO KEY UPDATE) locked`, throughKey(part), r.payer, theirs, part.reason, string(part.route))
}

// ask is what the storefront is asked for. It knows an exchange order's payment as the payer's.
func (r *refund) ask(part *refundPart) storefront.Refund {
	ask := storefront.Refund{
		Key: part.key, Order: r.document.Key, Amount: part.amount, Currency: r.document.Currency, Reason: part.reason, Lines: part.lines,
	}
	if payer, err := order.ParseKey(r.payer); err == nil {
		ask.Order, ask.Lines = payer, nil
	}
	return ask
}

// openBooks opens the order's book and the payer's, nil when it has none, in the order in which everyone
// locks them.
func (r *refund) openBooks(w *postgres.Work) (own, payer *ledgerbook.Book) {
	own = ledgerbook.Open(w, r.in.Key.String())
	if r.payer != "" {
		payer = ledgerbook.Open(w, r.payer)
	}
	return own, payer
}

func writeBooks(w ledgerbook.Queue, books ...*ledgerbook.Book) error {
	for _, book := range books {
		if book == nil {
			continue
		}
		if err := book.Write(w); err != nil {
			return err
		}
	}
	return nil
}

// unpaid posts what of a part the customer never paid.
func (p *settlement) unpaid(part *refundPart) {
	p.post(ledger.Released(part.key, money.Money{Minor: part.released, Currency: p.currency}))
	p.post(ledger.Forgiven(part.key, money.Money{Minor: part.forgiven, Currency: p.currency}))
}

// refunded posts money that went back to the customer, to the payer's book too when it went through there.
func (p *settlement) refunded(payer *ledgerbook.Book, part *refundPart, amount money.Money) {
	if payer == nil {
		p.post(part.posting(amount))
		return
	}
	p.post(ledger.ExchangeUndone(part.key, amount, ledger.RefundReason(part.reason)))
	theirs := &settlement{book: payer, currency: amount.Currency, err: p.err}
	switch part.route {
	case heldBack:
		theirs.post(ledger.ExchangeRefundHeld(part.key, amount))
	case elsewhere:
		theirs.post(ledger.ExchangeRefundedElsewhere(part.key, amount))
	default:
		theirs.post(ledger.ExchangeRefunded(part.key, amount))
	}
	p.err = theirs.err
}
