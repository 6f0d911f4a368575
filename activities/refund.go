package activities

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/workflows"
)

// RefundCustomer gives the price of units back, through the payment provider or the storefront, once per
// refund number, and posts it. What was not captured yet is released instead. Units and amount are fixed in Postgres before the first call and never change after;
// repeating the call under its key is how a lost answer is resolved. It returns what went back.
//
// A refund that could not be made for long may be asked for again with units that have come on
// meanwhile. What was fixed is then made as it was fixed, and a second part gives back the rest.
func (o *Orders) RefundCustomer(ctx context.Context, in workflows.RefundInput) (workflows.RefundResult, error) {
	for {
		r, err := o.openRefund(ctx, in)
		if err != nil {
			return workflows.RefundResult{}, asItIs(err, "refund %d of order %s", in.N, in.Key)
		}
		if r.open == nil {
			return r.result(), nil
		}
		if err := o.pay(ctx, r); err != nil {
			return workflows.RefundResult{}, err
		}
		if len(r.uncovered) == 0 && !in.Overpaid {
			return r.result(), nil
		}
	}
}

// refund is one refund number with the parts it has been fixed in.
type refund struct {
	in        workflows.RefundInput
	document  storefront.Order
	shop      catalog.Storefront
	captured  int64        // or authorised and not captured yet, or moved here by an exchange
	payer     string       // the order whose payment refunds go through; empty: this one's own
	payment   *paymentRow  // where the money is; nil: the storefront keeps its customers' payments to itself
	parts     []refundPart // of all refunds of the order
	open      *refundPart  // what is to be paid now; nil when all is done
	call      *effect      // the storefront's call for it; nil: it is not asked
	dues      ledger.Dues  // read when what was overpaid is to go back
	uncovered []order.ShippedLine
}

// refundPart is a row of the refunds table. Amounts are minor units; amount is what goes back as money.
type refundPart struct {
	key                                       string
	n                                         int
	lines                                     []order.ShippedLine
	amount, goods, tax, shipping, shippingTax int64
	released, forgiven                        int64 // never paid: is not asked for any more, was written off
	kept, label                               int64 // fees, and what of them is for the label
	credit, bonus                             int64 // store credit; the bonus comes on top
	moved, supplement                         int64 // to the exchange order; what was paid for it in addition
	exchange                                  string
	rma                                       string
	reason                                    string
	route                                     refundRoute
	transfer                                  string // by which a person paid it past the storefront; empty: nobody did
	done                                      bool
}

// used is what of the goods' price pays for the exchange order, and excess what of the supplement does not.
func (p *refundPart) used() int64   { return p.moved - min(p.supplement, p.moved) }
func (p *refundPart) excess() int64 { return p.supplement - min(p.supplement, p.moved) }

// unpaid is what of the price the customer never paid.
func (p *refundPart) unpaid() int64 { return p.released + p.forgiven }

// gone is how much less of what was captured, or is to be, is left.
func (p *refundPart) gone() int64 { return p.amount + p.credit + p.moved + p.unpaid() }

// openRefund finds the part that was fixed before and is not done, or fixes one for the units that no
// part covers. The order is locked meanwhile, so that two refunds never count the same units or
// exceed what was captured.
func (o *Orders) openRefund(ctx context.Context, in workflows.RefundInput) (*refund, error) {
	var r *refund
	err := postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		var err error
		if r, err = readRefund(ctx, w, in); err != nil {
			return err
		}
		parts := 0
		for i := range r.parts {
			part := &r.parts[i]
			if part.rma != "" {
				continue // what came back is another matter than what never came
			}
			r.uncovered = without(r.uncovered, part.lines)
			if part.n != in.N {
				continue
			}
			parts++
			if !part.done {
				r.open = part
			}
		}
		if r.open == nil && len(r.uncovered) > 0 {
			if err := r.fix(w, parts+1); err != nil {
				return err
			}
		}
		if r.open == nil && in.Overpaid {
			if err := r.fixOverpaid(w, parts+1); err != nil {
				return err
			}
		}
		r.queueCall(w)
		return nil
	})
	return r, err
}

func readRefund(ctx context.Context, w *postgres.Work, in workflows.RefundInput) (*refund, error) {
	r := &refund{in: in, uncovered: in.Owed}
	key := in.Key.String()
	r.payment = queuePayment(w, key)
	w.Queue(`SELECT o.document, o.captured_minor + o.exchange_minor, coalesce(o.exchange_of, ''), s.document FROM orders o
		JOIN storefronts s ON s.id = o.storefront WHERE o.key = $1`, key).QueryRow(func(row pgx.Row) error {
		err := missing(row.Scan(&r.document, &r.captured, &r.payer, &r.shop), "order", key)
		r.captured += r.payment.authorised
		return err
	})
	w.Queue(`SELECT key, n, lines, amount_minor + through_minor, goods_minor, tax_minor, shipping_minor, shipping_tax_minor, kept_minor, label_minor,
			released_minor, forgiven_minor, credit_minor, coalesce((SELECT bonus_minor FROM store_credits c WHERE c.refund = key), 0), moved_minor, supplement_minor,
			coalesce(exchange_order, ''), coalesce(rma, ''), reason, route, state = 'done',
			coalesce((SELECT reference FROM refund_decisions d WHERE d.refund = key), '')
		FROM refunds WHERE order_key = $1 ORDER BY n, part`, key).Query(func(rows pgx.Rows) (err error) {
		r.parts, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (refundPart, error) {
			var p refundPart
			err := row.Scan(&p.key, &p.n, &p.lines, &p.amount, &p.goods, &p.tax, &p.shipping, &p.shippingTax, &p.kept, &p.label,
				&p.released, &p.forgiven, &p.credit, &p.bonus, &p.moved, &p.supplement, &p.exchange, &p.rma, &p.reason, &p.route, &p.done, &p.transfer)
			return p, err
		})
		return err
	})
	if in.Overpaid {
		ledgerbook.QueueDues(w, key, &r.dues)
	}
	err := w.Flush(ctx)
	if err == nil && r.payer != "" {
		r.payment = queuePayment(w, r.payer)
		err = w.Flush(ctx)
	}
	if r.payment.reference == "" {
		r.payment = nil
	}
	return r, err
}

// without takes units off lines.
func without(lines, gone []order.ShippedLine) []order.ShippedLine {
	var rest []order.ShippedLine
	for _, l := range lines {
		for _, g := range gone {
			if g.Line == l.Line {
				l.Quantity -= g.Quantity
			}
		}
		if l.Quantity > 0 {
			rest = append(rest, l)
		}
	}
	return rest
}

// fix prices the uncovered units and stores the part.
func (r *refund) fix(w *postgres.Work, number int) error {
	part := &refundPart{key: r.partKey(number), n: r.in.N, lines: r.uncovered, reason: r.in.Reason}
	if err := r.price(part); err != nil {
		return err
	}
	r.takeUnpaid(part)
	if err := r.chooseRoute(part); err != nil {
		return err
	}
	if err := r.insert(w, part, number); err != nil {
		return err
	}
	r.parts = append(r.parts, *part)
	r.open, r.uncovered = part, nil
	return nil
}

// price is what the customer paid for the units, with the shipping that goes back with them, less what is
// kept. The units of a line are priced in the order in which they are refunded, whatever for: together
// they come to exactly what was paid for it. No refund gives back more than is left of what was captured.
func (r *refund) price(part *refundPart) error {
	before, came := map[int]int64{}, map[int]int64{} // units refunded; those of them that were delivered
	left := r.captured
	var shipping, shippingTax int64
	count := func(p *refundPart, l order.ShippedLine) {
		before[l.Line] += l.Quantity
		if p.rma != "" {
			came[l.Line] += l.Quantity
		}
	}
	for i := range r.parts {
		e := &r.parts[i]
		left -= e.gone()
		shipping, shippingTax = shipping+e.shipping, shippingTax+e.shippingTax
		for _, l := range e.lines {
			count(e, l)
		}
	}
	for _, l := range part.lines {
		goods, tax, err := ledger.LineRefund(r.document.PricedLine(l.Line), before[l.Line], l.Quantity)
		if err != nil {
			return fmt.Errorf("line %d: %w", l.Line, err)
		}
		part.goods, part.tax = part.goods+goods, part.tax+tax
		count(part, l)
	}
	fates := make([]ledger.LineFate, 0, len(r.document.Lines))
	for i := range r.document.Lines {
		n := r.document.Lines[i].Line
		fates = append(fates, ledger.LineFate{Line: r.document.PricedLine(n), Undelivered: before[n] - came[n], Returned: came[n]})
	}
	var err error
	part.shipping, part.shippingTax, err = ledger.ShippingRefund(r.document.PricedShipping(), shippingPolicy(r.shop), fates, shipping, shippingTax)
	part.amount = min(part.goods+part.tax+part.shipping+part.shippingTax-part.kept, left)
	return err
}

// result is what the customer got back under this number.
func (r *refund) result() workflows.RefundResult {
	all := refundPart{}
	for i := range r.parts {
		if p := &r.parts[i]; p.n == r.in.N && p.amount+p.unpaid() > 0 {
			all.released, all.forgiven, all.amount = all.released+p.released, all.forgiven+p.forgiven, all.amount+p.amount
			all.route = p.route
		}
	}
	if all.gone() == 0 {
		if r.in.Overpaid && len(r.in.Lines) == 0 {
			return workflows.RefundResult{Text: "Nothing was paid beyond what is due", Overpaid: true}
		}
		return workflows.RefundResult{Text: "Nothing was captured for these units: nothing goes back", Overpaid: r.in.Overpaid}
	}
	return workflows.RefundResult{Amount: all.gone(), Text: strings.Join(all.words(r.document.Currency), "; "), Overpaid: r.in.Overpaid}
}

// pay makes one part: whoever holds the money is asked under its key, and the answer is posted.
func (o *Orders) pay(ctx context.Context, r *refund) error {
	made, err := o.giveBack(ctx, r)
	if err != nil {
		return err
	}
	if err := o.paid(ctx, r, made); err != nil {
		return fmt.Errorf("record refund %d of order %s: %w", r.in.N, r.in.Key, err)
	}
	return nil
}

// paid records that the money went back, posts it and tells the customer.
func (o *Orders) paid(ctx context.Context, r *refund, made refundMade) error {
	ctx, cancel := background(ctx)
	defer cancel()
	key, part := r.in.Key.String(), r.open
	return postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		book, payer := r.openBooks(w)
		if err := r.queueMade(w, made); err != nil {
			return err
		}
		if part.amount+part.unpaid() == 0 {
			return nil
		}
		if err := w.Flush(ctx); err != nil {
			return err
		}
		s := &settlement{book: book, currency: r.document.Currency}
		s.unpaid(part)
		s.refunded(payer, part, money.Money{Minor: part.amount, Currency: r.document.Currency})
		if s.err != nil {
			return s.err
		}
		if err := r.close(w, made, book, payer); err != nil || !r.wentBack(made) {
			return err
		}
		return queueMessages(w, outbox.Message{
			Key: "customer_mail/" + part.key, OrderKey: key, Channel: outbox.CustomerMail, Kind: string(notify.Refunded),
			Payload: outbox.Payload{Lines: part.lines, Amount: part.amount, Currency: r.document.Currency},
		})
	})
}
