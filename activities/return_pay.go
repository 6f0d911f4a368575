package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/workflows"
)

// PayReturn gives the customer the price of units that came back, less the fees of the storefront's
// policy, once per payment of the return, and posts it: as money, as store credit or as an order for other
// goods, as the return asks. Units, fees and amounts are fixed in Postgres before the first call and never
// change after; repeating the call under its key is how a lost answer is resolved.
func (o *Orders) PayReturn(ctx context.Context, in workflows.PayReturnInput) (workflows.ReturnPaid, error) {
	r, err := o.openReturnPayment(ctx, in)
	if err != nil {
		return workflows.ReturnPaid{}, asItIs(err, "payment %d of return %s", in.N, in.RMA)
	}
	if !r.open.done {
		if err := o.payBack(ctx, r); err != nil {
			return workflows.ReturnPaid{}, err
		}
	}
	paid := r.paidBack()
	paid.Lines = otherUnits(r.open.lines, in.Payout)
	return paid, nil
}

// otherUnits are the units that a payment was fixed for, if they are not those that are asked for now: a return
// that was ended by hand between the two and begun anew may have found more meanwhile. Nil: they are the same.
func otherUnits(fixed []order.ShippedLine, p returns.Payout) []order.ShippedLine {
	var asked []order.ShippedLine
	for _, part := range p.Parts {
		asked = addUnits(asked, order.ShippedLine{Line: part.Line, Quantity: part.Quantity})
	}
	if slices.Equal(fixed, asked) {
		return nil
	}
	return append([]order.ShippedLine{}, fixed...) // never nil: a payment of a supplement alone is for no units
}

// openReturnPayment finds the payment that was fixed before, or fixes it. The order is locked meanwhile,
// so that no unit is paid for twice and no more goes back than was captured.
func (o *Orders) openReturnPayment(ctx context.Context, in workflows.PayReturnInput) (*refund, error) {
	var r *refund
	err := postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		var state returns.State
		w.Queue(`SELECT state FROM returns WHERE rma = $1`, in.RMA).QueryRow(func(row pgx.Row) error {
			return missing(row.Scan(&state), "return", in.RMA)
		})
		var err error
		if r, err = readRefund(ctx, w, workflows.RefundInput{Key: in.Key}); err != nil {
			return err
		}
		part := &refundPart{key: fmt.Sprintf("return/%s/%d", in.RMA, in.N), rma: in.RMA, reason: string(ledger.RefundReturned)}
		payments := 0
		for i := range r.parts {
			if r.parts[i].key == part.key {
				r.open = &r.parts[i]
				r.queueCall(w)
				return nil
			}
			if r.parts[i].rma != "" {
				payments++
			}
		}
		r.open = part
		if err := o.fixReturn(ctx, w, r, &state, in, payments+1); err != nil {
			return err
		}
		r.queueCall(w)
		return nil
	})
	return r, err
}

// fixReturn prices the payment by what the customer gets, and stores it. An exchange order is placed with it.
func (o *Orders) fixReturn(ctx context.Context, w *postgres.Work, r *refund, s *returns.State, in workflows.PayReturnInput, number int) error {
	part, p := r.open, in.Payout
	part.supplement = p.Supplement
	whole, err := r.priceUnits(part, p)
	if err != nil {
		return err
	}
	lost := r.payment != nil && r.payment.lost && !r.payment.disputed // what for, a person knows: then it is money
	if p.Exchange && !lost {
		x, err := r.exchange(part, s, p, whole)
		if err == nil {
			return o.placeExchange(ctx, w, r, x, number)
		}
		if !errors.Is(err, errNotCovered) {
			return err
		}
	}
	r.priceReturn(part, p, whole)
	r.takeUnpaid(part)
	if in.Resolution == returns.StoreCredit && !lost {
		part.credit, part.amount = part.amount-part.excess(), part.excess()
		part.bonus = money.Portion(part.credit, wholeBP, 0, p.BonusBP)
	}
	if err := r.chooseRoute(part); err != nil {
		return err
	}
	if err := r.insert(w, part, number); err != nil || part.credit == 0 {
		return err
	}
	w.Queue(`INSERT INTO store_credits (refund, order_key, rma, currency, minor, bonus_minor) VALUES ($1, $2, $3, $4, $5, $6)`,
		part.key, in.Key.String(), in.RMA, r.document.Currency, part.credit+part.bonus, part.bonus)
	r.notAsked(w)
	return nil
}

// priceUnits prices each part of a payment alone, because what is kept of it is a share of its own price.
func (r *refund) priceUnits(part *refundPart, p returns.Payout) ([]refundPart, error) {
	whole := make([]refundPart, 0, len(p.Parts))
	known := r.parts
	defer func() { r.parts = known }()
	for _, one := range p.Parts {
		if one.Reason.Fault() {
			part.reason = string(ledger.RefundDamaged)
		}
		single := refundPart{rma: part.rma, lines: []order.ShippedLine{{Line: one.Line, Quantity: one.Quantity}}}
		if err := r.price(&single); err != nil {
			return nil, err
		}
		single.kept = money.Portion(single.goods+single.tax, wholeBP, 0, one.KeptBP)
		r.parts = append(slices.Clip(r.parts), single)
		whole = append(whole, single)
	}
	return whole, nil
}

// left is what of the customer's payments, made or due, is not given back or used, but for what was paid for the
// exchange.
func (r *refund) left(part *refundPart) int64 {
	left := r.captured - part.supplement
	for i := range r.parts {
		left -= r.parts[i].gone()
	}
	return left
}

// paidLeft is left without what the customer never paid.
func (r *refund) paidLeft(part *refundPart) int64 {
	left := r.left(part)
	if r.payment != nil && r.payer == "" {
		left -= r.payment.unpaid()
	}
	return max(left, 0)
}

// priceReturn adds up what goes back as money. The label's price is kept of it, as far as there is enough. What was
// written off is taken off first, and nothing is kept of that.
func (r *refund) priceReturn(part *refundPart, p returns.Payout, whole []refundPart) {
	for _, single := range whole {
		part.goods, part.tax, part.kept = part.goods+single.goods, part.tax+single.tax, part.kept+single.kept
		part.shipping, part.shippingTax = part.shipping+single.shipping, part.shippingTax+single.shippingTax
		part.lines = addUnits(part.lines, single.lines[0])
	}
	due := part.goods + part.tax + part.shipping + part.shippingTax - part.used()
	left := r.left(part) - part.used()
	part.forgiven = min(due, left, r.forgivable())
	due, left = due-part.forgiven, left-part.forgiven
	part.kept = min(part.kept, due)
	fee := min(p.Fee, due-part.kept)
	part.kept += fee
	part.amount = min(due-part.kept, left)
	part.kept = min(part.kept, left-part.amount) // nothing is kept of what was never paid
	part.label = min(fee, part.kept)
	part.amount += part.excess()
}

// wholeBP is all of a price, in basis points.
const wholeBP = 10_000

func addUnits(lines []order.ShippedLine, l order.ShippedLine) []order.ShippedLine {
	for i := range lines {
		if lines[i].Line == l.Line {
			lines[i].Quantity += l.Quantity
			return lines
		}
	}
	return append(lines, l)
}

func (o *Orders) payBack(ctx context.Context, r *refund) error {
	e, err := o.beginCredit(ctx, r)
	if err != nil {
		return asItIs(err, "payment %s", r.open.key)
	}
	made, err := o.giveBack(ctx, r)
	if err != nil {
		return err
	}
	if r.open.credit > 0 {
		receipt, err := o.creditStore(ctx, r, e)
		if err != nil {
			return err
		}
		made.credit = receipt.Reference
	}
	if err := o.paidBackWith(ctx, r, made); err != nil {
		return fmt.Errorf("record payment %s: %w", r.open.key, err)
	}
	return nil
}

// paidBackWith records that the money went back, posts it and tells the customer.
func (o *Orders) paidBackWith(ctx context.Context, r *refund, made refundMade) error {
	ctx, cancel := background(ctx)
	defer cancel()
	key, part := r.document.Key.String(), r.open
	return postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		book, payer := r.openBooks(w)
		if err := r.queueMade(w, made); err != nil {
			return err
		}
		if part.credit > 0 {
			w.Queue(`UPDATE store_credits SET reference = $2, issued_at = coalesce(issued_at, now()) WHERE refund = $1`, part.key, made.credit)
		}
		if err := w.Flush(ctx); err != nil {
			return err
		}
		if err := postReturn(book, payer, part, r.document.Currency); err != nil {
			return err
		}
		if err := r.close(w, made, book, payer); err != nil {
			return err
		}
		var messages []outbox.Message
		tell := func(kind notify.Milestone, amount int64) {
			if amount > 0 {
				messages = append(messages, outbox.Message{
					Key: "customer_mail/" + part.key + strings.TrimPrefix("/"+string(kind), "/refunded"), OrderKey: key, Channel: outbox.CustomerMail, Kind: string(kind),
					Payload: outbox.Payload{RMA: part.rma, Lines: part.lines, Amount: amount, Currency: r.document.Currency},
				})
			}
		}
		if r.wentBack(made) {
			tell(notify.Refunded, part.amount)
		}
		tell(notify.StoreCredited, part.credit+part.bonus)
		return queueMessages(w, messages...)
	})
}

// postReturn takes the sale back, keeps the fees and pays the rest. What was never paid for gives
// nothing back: the sale is taken back only as far as its price was.
func postReturn(book, payer *ledgerbook.Book, part *refundPart, currency string) error {
	s := &settlement{book: book, currency: currency}
	used := part.exchanged(currency)
	sale := ledger.Sale{
		Currency: currency, Goods: part.goods - used.Goods, Tax: part.tax - used.Tax, Shipping: part.shipping, ShippingTax: part.shippingTax,
	}
	back := part.amount - part.excess()
	unpaid := sale.Goods + sale.Tax + sale.Shipping + sale.ShippingTax - part.kept - back - part.credit - part.unpaid()
	for _, price := range []*int64{&sale.Goods, &sale.Shipping, &sale.Tax, &sale.ShippingTax} {
		cut := min(*price, unpaid)
		*price -= cut
		unpaid -= cut
	}
	s.post(ledger.Unearned(part.key, sale))
	in := func(minor int64) money.Money { return money.Money{Minor: minor, Currency: currency} }
	s.post(ledger.FeeKept(part.key, ledger.FeeRestocking, in(part.kept-part.label)))
	s.post(ledger.FeeKept(part.key, ledger.FeeReturnShipping, in(part.label)))
	s.post(ledger.StoreCredited(part.key, in(part.credit), in(part.bonus)))
	if part.route == elsewhere {
		s.post(ledger.ExchangeRefundedElsewhere(part.key+"/supplement", in(part.excess())))
	} else {
		s.post(ledger.ExchangeRefunded(part.key+"/supplement", in(part.excess())))
	}
	s.unpaid(part)
	s.refunded(payer, part, in(back))
	return s.err
}

// paidBack is what the customer got under this payment.
func (r *refund) paidBack() workflows.ReturnPaid {
	part := r.open
	in := func(minor int64) string { return money.Money{Minor: minor, Currency: r.document.Currency}.String() }
	paid := workflows.ReturnPaid{Amount: part.amount, Credit: part.credit + part.bonus, Moved: part.used(), Replacement: part.exchange}
	var done []string
	if part.exchange != "" {
		done = append(done, "Exchanged by order "+part.exchange+" for "+in(part.moved))
	}
	if paid.Credit > 0 {
		done = append(done, "Store credit of "+in(paid.Credit))
	}
	done = append(done, part.words(r.document.Currency)...)
	if len(done) == 0 {
		paid.Text = "Nothing goes back for these units"
		return paid
	}
	if part.kept > 0 {
		done = append(done, "kept as fees: "+in(part.kept))
	}
	paid.Text = strings.Join(done, "; ")
	return paid
}
