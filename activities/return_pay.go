package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/workflows"
)

// PayReturn gives the customer the price of units that came back, less the fees of the storefront's
// policy, once per payment of the return, and posts it. Units, fees and amount are fixed in Postgres
// before the first call and never change after; repeating the call under its key is how a lost answer is
// resolved.
func (o *Orders) PayReturn(ctx context.Context, in workflows.PayReturnInput) (workflows.ReturnPaid, error) {
	r, err := o.openReturnPayment(ctx, in)
	if err != nil {
		return workflows.ReturnPaid{}, fmt.Errorf("payment %d of return %s: %w", in.N, in.RMA, err)
	}
	if !r.open.done {
		if err := o.payBack(ctx, r); err != nil {
			return workflows.ReturnPaid{}, err
		}
	}
	return r.paidBack(), nil
}

// openReturnPayment finds the payment that was fixed before, or fixes it. The order is locked meanwhile,
// so that no unit is paid for twice and no more goes back than was captured.
func (o *Orders) openReturnPayment(ctx context.Context, in workflows.PayReturnInput) (*refund, error) {
	var r *refund
	err := postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		var err error
		if r, err = readRefund(ctx, w, workflows.RefundInput{Key: in.Key}); err != nil {
			return err
		}
		part := &refundPart{key: fmt.Sprintf("return/%s/%d", in.RMA, in.N), rma: in.RMA, reason: string(ledger.RefundReturned)}
		payments := 0
		for i := range r.parts {
			if r.parts[i].key == part.key {
				r.open = &r.parts[i]
				return nil
			}
			if r.parts[i].rma != "" {
				payments++
			}
		}
		if err := r.priceReturn(part, in.Payout); err != nil {
			return err
		}
		if err := r.chooseRoute(part); err != nil {
			return err
		}
		r.open = part
		return insertPart(w, in.Key, part, payments+1)
	})
	return r, err
}

// priceReturn fixes what goes back for units. What is kept of each part is a share of its own price, so
// it is priced alone; the label's price is kept of the rest, as far as there is one.
func (r *refund) priceReturn(part *refundPart, p returns.Payout) error {
	whole := make([]refundPart, 0, len(p.Parts))
	known := r.parts
	defer func() { r.parts = known }()
	for _, one := range p.Parts {
		if one.Reason.Fault() {
			part.reason = string(ledger.RefundDamaged)
		}
		single := refundPart{rma: part.rma, lines: []order.ShippedLine{{Line: one.Line, Quantity: one.Quantity}}}
		if err := r.price(&single); err != nil {
			return err
		}
		single.kept = money.Portion(single.goods+single.tax, wholeBP, 0, one.KeptBP)
		r.parts = append(slices.Clip(r.parts), single)
		whole = append(whole, single)
	}
	r.parts = known
	for _, single := range whole {
		part.goods, part.tax, part.kept = part.goods+single.goods, part.tax+single.tax, part.kept+single.kept
		part.shipping, part.shippingTax = part.shipping+single.shipping, part.shippingTax+single.shippingTax
		part.lines = addUnits(part.lines, single.lines[0])
	}
	due := part.goods + part.tax + part.shipping + part.shippingTax - part.kept
	fee := min(p.Fee, max(due, 0))
	part.kept += fee
	left := r.captured
	for i := range known {
		left -= known[i].amount
	}
	part.amount = min(due-fee, left)
	part.kept = min(part.kept, left-part.amount) // nothing is kept of what was never paid
	return nil
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

func insertPart(w ledgerbook.Queue, key order.Key, part *refundPart, number int) error {
	lines, err := json.Marshal(part.lines)
	if err != nil {
		return fmt.Errorf("encode the units of %s: %w", part.key, err)
	}
	w.Queue(`INSERT INTO refunds (key, order_key, n, part, lines, amount_minor, goods_minor, tax_minor,
			shipping_minor, shipping_tax_minor, kept_minor, rma, reason, route, state)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, nullif($12, ''), $13, $14, 'trying')`, part.key, key.String(), part.n, number,
		lines, part.amount, part.goods, part.tax, part.shipping, part.shippingTax, part.kept, part.rma, part.reason, string(part.route))
	return nil
}

func (o *Orders) payBack(ctx context.Context, r *refund) error {
	made, err := o.giveBack(ctx, r)
	if err != nil {
		return err
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
		book := ledgerbook.Open(w, key)
		r.queueMade(w, made)
		if err := w.Flush(ctx); err != nil {
			return err
		}
		if err := postReturn(book, part, r.document.Currency); err != nil {
			return err
		}
		if part.amount == 0 {
			return book.Write(w)
		}
		return r.close(w, book, made)
	})
}

// postReturn takes the sale back, keeps the fees and pays the rest. What was never paid for gives
// nothing back: the sale is taken back only as far as its price was.
func postReturn(book *ledgerbook.Book, part *refundPart, currency string) error {
	s := &settlement{book: book, currency: currency}
	sale := ledger.Sale{Currency: currency, Goods: part.goods, Tax: part.tax, Shipping: part.shipping, ShippingTax: part.shippingTax}
	unpaid := sale.Goods + sale.Tax + sale.Shipping + sale.ShippingTax - part.kept - part.amount
	for _, price := range []*int64{&sale.Goods, &sale.Shipping, &sale.Tax, &sale.ShippingTax} {
		cut := min(*price, unpaid)
		*price -= cut
		unpaid -= cut
	}
	s.post(ledger.Unearned(part.key, sale))
	s.post(ledger.FeeKept(part.key, ledger.FeeRestocking, money.Money{Minor: part.kept, Currency: currency}))
	s.post(part.posting(currency))
	return s.err
}

// paidBack is what the customer got under this payment.
func (r *refund) paidBack() workflows.ReturnPaid {
	part := r.open
	amount := money.Money{Minor: part.amount, Currency: r.document.Currency}
	paid := workflows.ReturnPaid{Amount: part.amount, Text: part.route.words() + amount.String()}
	if part.kept > 0 {
		paid.Text += "; kept as fees: " + money.Money{Minor: part.kept, Currency: r.document.Currency}.String()
	}
	if part.amount == 0 {
		paid.Text = "Nothing goes back for these units"
	}
	return paid
}
