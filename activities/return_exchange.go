package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/storefront"
)

// errNotCovered: what came back does not pay for the goods.
var errNotCovered = errors.New("what came back does not pay for the exchange")

// exchange builds the order that replaces what came back, and fixes what of its price pays for it. The parts
// of which something is kept stay out of it: they are paid for in money. Fails with errNotCovered when what came
// back and was paid in addition does not pay for the goods: a person ruled about some of them, or the order was
// never paid whole. Then all of it is money.
func (r *refund) exchange(part *refundPart, s *returns.State, p returns.Payout, whole []refundPart) (*storefront.Order, error) {
	x := &storefront.Order{
		Currency: r.document.Currency, TaxIncluded: r.document.TaxIncluded,
		Exchange: &storefront.Exchange{Of: r.in.Key.Order, RMA: s.RMA},
		Payment:  storefront.Payment{Status: storefront.PaymentPaid}, Test: r.document.Test,
	}
	var worth, units int64
	whole = slices.Clone(whole)
	for i := range s.Lines {
		l := &s.Lines[i]
		var back refundPart
		for i := range whole {
			if single := &whole[i]; single.lines[0].Line == l.Line && p.Parts[i].KeptBP == 0 {
				// Shipping stays paid: the goods are sent once more.
				single.shipping, single.shippingTax = 0, 0
				back.goods, back.tax = back.goods+single.goods, back.tax+single.tax
				back.lines = addUnits(back.lines, single.lines[0])
			}
		}
		if len(back.lines) == 0 {
			continue
		}
		x.Lines = append(x.Lines, r.replacement(l, back, len(x.Lines)+1))
		worth, units = worth+back.goods+back.tax, units+back.lines[0].Quantity
	}
	total, err := x.Sum()
	if err != nil {
		return nil, fmt.Errorf("price the exchange: %w", err)
	}
	short := max(total-part.supplement-min(worth, r.paidLeft(part)), 0)
	waived := min(short, s.Waived)
	// What units bring is rounded in the order in which they come back: a cent of each may be missing.
	if short -= waived; short > units {
		return nil, errNotCovered
	}
	if err := waive(x, waived); err != nil {
		return nil, err
	}
	total -= waived + roundOff(x, short)
	if total-part.supplement > min(worth, r.paidLeft(part)) {
		return nil, errNotCovered
	}
	x.Total, x.Exchange.Credit = total, total
	part.moved = total
	r.priceReturn(part, p, whole)
	return x, nil
}

// replacement is a line of the order that replaces units of a line.
func (r *refund) replacement(l *returns.Line, back refundPart, number int) storefront.Line {
	quantity := back.lines[0].Quantity
	line := storefront.Line{Line: number, SKU: l.ExchangeSKU, Quantity: quantity}
	for i := range r.document.Lines {
		if old := &r.document.Lines[i]; old.Line == l.Line && (old.SKU == line.SKU || line.SKU == "") {
			line.SKU, line.Title, line.ExternalID, line.Category = old.SKU, old.Title, old.ExternalID, old.Category
		}
	}
	if w := l.Want; w != nil {
		line.UnitPrice, line.Tax = w.UnitPrice, money.Portion(w.Tax, l.Quantity, 0, quantity)
		if w.Title != "" {
			line.Title, line.ExternalID = w.Title, w.ExternalID
		}
		return line
	}
	price := back.goods
	if r.document.TaxIncluded {
		price += back.tax
	}
	line.Tax = back.tax
	line.UnitPrice = (price + quantity - 1) / quantity
	line.Discount = line.UnitPrice*quantity - price
	return line
}

// waive takes off the prices what nobody pays, in proportion, with the tax on it: by so much the goods are cheaper.
func waive(x *storefront.Order, minor int64) error {
	if minor == 0 {
		return nil
	}
	prices := make([]int64, 0, len(x.Lines))
	for i := range x.Lines {
		prices = append(prices, x.PricedLine(x.Lines[i].Line).Total())
	}
	shares, err := money.Allocate(minor, prices)
	if err != nil {
		return fmt.Errorf("take %d off the price of the exchange: %w", minor, err)
	}
	for i, share := range shares {
		if share == 0 {
			continue
		}
		l := &x.Lines[i]
		tax := money.Portion(l.Tax, prices[i], 0, share)
		l.Tax -= tax
		if l.Discount += share; !x.TaxIncluded {
			l.Discount -= tax
		}
	}
	return nil
}

// roundOff takes cents off the lines, and says how many.
func roundOff(x *storefront.Order, cents int64) (off int64) {
	for i := range x.Lines {
		l := &x.Lines[i]
		cut := min(cents-off, max(l.UnitPrice*l.Quantity-l.Discount-l.Tax, 0))
		l.Discount += cut
		x.Discount += l.Discount
		off += cut
	}
	return off
}

// freeExchangeSQL finds the first key of an exchange that no order has: the storefront may use such ids itself.
const freeExchangeSQL = `
	SELECT min(n) FROM generate_series(1, 1 + (SELECT count(*)::int FROM orders WHERE starts_with(key, $1 || '-X'))) AS n
	WHERE NOT EXISTS (SELECT 1 FROM orders WHERE key = $1 || '-X' || n)`

// placeExchange stores the payment together with the order that it pays for, which is placed under the next
// free key of its kind. The order's row is locked, so a second call finds the payment.
func (o *Orders) placeExchange(ctx context.Context, w *postgres.Work, r *refund, x *storefront.Order, number int) error {
	r.takeUnpaid(r.open)
	if err := r.chooseRoute(r.open); err != nil {
		return err
	}
	var n int
	w.Queue(freeExchangeSQL, r.in.Key.String()).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
	if err := w.Flush(ctx); err != nil {
		return err
	}
	part := r.open
	x.Key = order.Key{Storefront: r.in.Key.Storefront, Order: fmt.Sprintf("%s-X%d", r.in.Key.Order, n)}
	if r.document.Number != "" {
		x.Number = fmt.Sprintf("%s-X%d", r.document.Number, n)
	}
	x.PlacedAt = o.Now().UTC()
	part.exchange = x.Key.String()
	if err := intake.QueueExchange(w, *x, r.in.Key); err != nil {
		return err
	}
	if err := r.insert(w, part, number); err != nil {
		return err
	}
	old, fresh := ledgerbook.Open(w, r.in.Key.String()), ledgerbook.Open(w, part.exchange)
	if err := w.Flush(ctx); err != nil {
		return err
	}
	in := func(minor int64) money.Money { return money.Money{Minor: minor, Currency: x.Currency} }
	theirs, ours := &settlement{book: old, currency: x.Currency}, &settlement{book: fresh, currency: x.Currency}
	theirs.post(ledger.Unearned(part.key+"/exchange", part.exchanged(x.Currency)))
	theirs.post(ledger.ExchangeMoved(part.key, part.exchange, in(part.used())))
	ours.post(ledger.ExchangeReceived(r.in.Key.String(), part.rma, in(part.moved)))
	for _, err := range []error{theirs.err, ours.err} {
		if err != nil {
			return err
		}
	}
	return writeBooks(w, old, fresh)
}

// exchanged is the part of the price of what came back that pays for the exchange order.
func (p *refundPart) exchanged(currency string) ledger.Sale {
	sale := ledger.Sale{Currency: currency}
	if used := p.used(); used > 0 {
		sale.Tax = money.Portion(p.tax, p.goods+p.tax, 0, used)
		sale.Goods = used - sale.Tax
	}
	return sale
}
