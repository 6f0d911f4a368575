package shopify

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/storefront"
)

// amounts reads a document's money. The first failure stays in err and the rest reads as zero, so
// that the reading stays readable.
type amounts struct {
	*document
	currency string
	err      error
}

// parsed is a line's money before it is known whether the line ships.
type parsed struct {
	unit, gross, discount, tax int64
}

func (a *amounts) fill(o *storefront.Order) error {
	lines := a.lines()
	var shippingDiscount int64
	o.Shipping, o.ShippingTax, shippingDiscount = a.shipping()
	a.spreadDiscount(lines, shippingDiscount)
	a.spreadTax(lines, o.ShippingTax)

	o.Unshipped = a.add(a.minor(a.TotalTip, "total_tip_received"), a.duties())
	for i, l := range a.Lines {
		if l.shipped() {
			o.Lines = append(o.Lines, l.canonical(len(o.Lines)+1, lines[i]))
			o.Discount = a.add(o.Discount, lines[i].discount)
			continue
		}
		o.Unshipped = a.sub(a.add(o.Unshipped, lines[i].gross), lines[i].discount)
		if !a.TaxesIncluded {
			o.Unshipped = a.add(o.Unshipped, lines[i].tax)
		}
	}
	o.Total = a.minor(a.TotalPrice, "total_price")
	o.Payment = a.payment(o.Total)
	return a.err
}

// shipped says whether a box goes out for the line. Shopify always states it; a client that does
// not means goods.
func (l *line) shipped() bool {
	return !l.GiftCard && (l.RequiresShipping == nil || *l.RequiresShipping)
}

func (l *line) canonical(number int, p parsed) storefront.Line {
	title := l.Title
	if l.VariantTitle != "" {
		title += " - " + l.VariantTitle
	}
	return storefront.Line{
		Line: number, ExternalID: string(l.ID), SKU: clean(l.SKU), Title: shorten(clean(title)),
		Quantity: l.Quantity, UnitPrice: p.unit, Discount: p.discount, Tax: p.tax,
	}
}

// shorten keeps a title within what an order document may hold; it is only ever shown.
func shorten(title string) string {
	const limit = 250
	if runes := []rune(title); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return title
}

func (a *amounts) lines() []parsed {
	lines := make([]parsed, len(a.Lines))
	for i, l := range a.Lines {
		p := &lines[i]
		p.unit = a.minor(l.Price, "line_items.price")
		if gross, err := money.MulMinor(p.unit, l.Quantity); err != nil {
			a.fail("line_items.price", err)
		} else {
			p.gross = gross
		}
		for _, t := range l.TaxLines {
			p.tax = a.add(p.tax, a.minor(t.Price, "line_items.tax_lines.price"))
		}
		if !a.allocated() {
			p.discount = a.minor(l.TotalDiscount, "line_items.total_discount")
		}
		for _, d := range l.Allocations {
			p.discount = a.add(p.discount, a.minor(d.Amount, "line_items.discount_allocations.amount"))
		}
	}
	return lines
}

// allocated says whether Shopify split every discount over the lines itself. Then total_discount,
// which holds some of them only, is not read.
func (a *amounts) allocated() bool {
	for _, l := range a.Lines {
		if len(l.Allocations) > 0 {
			return true
		}
	}
	for _, s := range a.ShippingLines {
		if len(s.Allocations) > 0 {
			return true
		}
	}
	return false
}

func (a *amounts) shipping() (net, tax, discount int64) {
	for _, s := range a.ShippingLines {
		price := a.minor(s.Price, "shipping_lines.price")
		off := int64(0)
		if s.Discounted != "" {
			off = a.sub(price, a.minor(s.Discounted, "shipping_lines.discounted_price"))
		} else {
			for _, d := range s.Allocations {
				off = a.add(off, a.minor(d.Amount, "shipping_lines.discount_allocations.amount"))
			}
		}
		net, discount = a.sub(a.add(net, price), off), a.add(discount, off)
		for _, t := range s.TaxLines {
			tax = a.add(tax, a.minor(t.Price, "shipping_lines.tax_lines.price"))
		}
	}
	return net, tax, discount
}

// spreadDiscount splits over the lines what the document says was discounted and allotted nowhere.
func (a *amounts) spreadDiscount(lines []parsed, shippingDiscount int64) {
	rest := a.sub(a.minor(a.TotalDiscounts, "total_discounts"), shippingDiscount)
	for _, p := range lines {
		rest = a.sub(rest, p.discount)
	}
	a.spread(rest, lines, func(int) bool { return true }, func(p *parsed, share int64) { p.discount += share })
}

// spreadTax splits a tax that is stated for the order only over its taxable lines.
func (a *amounts) spreadTax(lines []parsed, shippingTax int64) {
	for _, l := range a.Lines {
		if len(l.TaxLines) > 0 {
			return
		}
	}
	rest := a.sub(a.minor(a.TotalTax, "total_tax"), shippingTax)
	taxable := func(i int) bool { return a.Lines[i].Taxable == nil || *a.Lines[i].Taxable }
	a.spread(rest, lines, taxable, func(p *parsed, share int64) { p.tax += share })
}

// spread splits an amount by largest remainder over what the chosen lines cost after discount.
// Without anything to split over, nothing is: the total then does not add up, and is doubted.
func (a *amounts) spread(rest int64, lines []parsed, chosen func(int) bool, give func(*parsed, int64)) {
	weights := make([]int64, len(lines))
	var whole int64
	for i, p := range lines {
		if net := a.sub(p.gross, p.discount); net > 0 && chosen(i) {
			weights[i] = net
			whole = a.add(whole, net)
		}
	}
	if a.err != nil || rest <= 0 || whole <= 0 {
		return
	}
	shares, err := money.Allocate(min(rest, whole), weights)
	if err != nil {
		a.fail("line_items", err)
		return
	}
	for i, share := range shares {
		give(&lines[i], share)
	}
}

func (a *amounts) duties() int64 {
	if a.Duties == nil {
		return 0
	}
	return a.minor(a.Duties.Shop.Amount, "original_total_duties_set")
}

// statuses maps Shopify's financial_status; without one nothing is known to be paid.
var statuses = map[string]storefront.PaymentStatus{
	"":                   storefront.PaymentPending,
	"pending":            storefront.PaymentPending,
	"unpaid":             storefront.PaymentPending,
	"authorized":         storefront.PaymentAuthorized,
	"partially_paid":     storefront.PaymentPartiallyPaid,
	"paid":               storefront.PaymentPaid,
	"partially_refunded": storefront.PaymentPartiallyRefunded,
	"refunded":           storefront.PaymentRefunded,
	"voided":             storefront.PaymentVoided,
	"expired":            storefront.PaymentExpired,
}

// payment adds up the captures where the document lists transactions, as the API does; a webhook
// does not, and is taken at its status.
func (a *amounts) payment(total int64) storefront.Payment {
	status, known := statuses[strings.ToLower(a.FinancialStatus)]
	if !known {
		status = storefront.PaymentPending
	}
	p := storefront.Payment{Status: status}
	listed := false
	for _, t := range a.Transactions {
		if t.Status != "success" || t.Currency != "" && !strings.EqualFold(t.Currency, a.currency) {
			continue
		}
		switch t.Kind {
		case "sale", "capture":
			p.Captured, listed = a.add(p.Captured, a.minor(t.Amount, "transactions.amount")), true
			p.Reference = shorten(clean(t.Authorization))
		case "authorization":
			p.Reference = first(p.Reference, shorten(clean(t.Authorization)))
		}
	}
	if listed {
		return p
	}
	switch status {
	case storefront.PaymentPaid, storefront.PaymentPartiallyRefunded, storefront.PaymentRefunded:
		p.Captured = total
	case storefront.PaymentPartiallyPaid:
		if a.Outstanding != "" {
			p.Captured = max(0, a.sub(total, a.minor(a.Outstanding, "total_outstanding")))
		}
	}
	return p
}

// minor reads an amount exactly. Zeros beyond the currency's decimals ("1000.00" JPY) say nothing;
// any other digit there is refused.
func (a *amounts) minor(d decimal, field string) int64 {
	if d == "" || a.err != nil {
		return 0
	}
	text := string(d)
	if whole, fraction, found := strings.Cut(text, "."); found {
		places, err := money.Digits(a.currency)
		if err != nil {
			a.fail("currency", err)
			return 0
		}
		for len(fraction) > places && fraction[len(fraction)-1] == '0' {
			fraction = fraction[:len(fraction)-1]
		}
		if text = whole; fraction != "" {
			text += "." + fraction
		}
	}
	amount, err := money.Parse(text, a.currency)
	if err != nil {
		a.fail(field, err)
	}
	return amount.Minor
}

func (a *amounts) add(parts ...int64) int64 {
	var sum int64
	for _, part := range parts {
		total, err := money.AddMinor(sum, part)
		if err != nil {
			a.fail("amounts", err)
			return 0
		}
		sum = total
	}
	return sum
}

// sub is not add of the opposite: the lowest amount has none.
func (a *amounts) sub(from, part int64) int64 {
	rest, err := money.SubMinor(from, part)
	if err != nil {
		a.fail("amounts", err)
	}
	return rest
}

func (a *amounts) fail(field string, err error) {
	if a.err != nil {
		return
	}
	// The kind alone: with its own words the error would repeat what stands in the place of a currency.
	for _, kind := range []error{money.ErrUnknownCurrency, money.ErrTooPrecise, money.ErrMalformed, money.ErrOverflow} {
		if errors.Is(err, kind) {
			err = kind
		}
	}
	a.err = fmt.Errorf("%s: %w", field, err)
}
