// Package storefront holds the order as a storefront sold it, in the one form that Dropline
// accepts and stores, the judgement of such a document, and the port through which the storefront
// is told what became of it. Adapters below it speak each storefront's own language.
package storefront

import (
	"fmt"
	"time"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/supplier"
)

// Order is the canonical order document. Amounts are whole minor units of Currency, in JSON too;
// an interface that speaks decimal text converts at its edge. It holds personal data (ShipTo,
// Email): it stays in Postgres, never in a workflow's history, a log or an error.
type Order struct {
	Key      order.Key `json:"key"`
	Number   string    `json:"number,omitempty"` // as the customer knows it: "#1001"
	PlacedAt time.Time `json:"placed_at"`
	Currency string    `json:"currency"` // ISO 4217
	// TaxIncluded: unit prices and shipping contain their tax, which is then stated but not added.
	TaxIncluded bool   `json:"tax_included,omitempty"`
	Lines       []Line `json:"lines"`
	// Unshipped is what the customer pays for what nobody ships (gift cards, services, tips,
	// duties), after discounts and with tax.
	Unshipped   int64 `json:"unshipped,omitempty"`
	Shipping    int64 `json:"shipping"` // after discounts
	ShippingTax int64 `json:"shipping_tax"`
	// Discount is what the lines' discounts add up to.
	Discount int64            `json:"discount"`
	Total    int64            `json:"total"`
	Payment  Payment          `json:"payment"`
	ShipTo   supplier.Address `json:"ship_to"`
	Email    string           `json:"email,omitempty"`
	Locale   string           `json:"locale,omitempty"` // BCP 47
	// CustomerRef is the storefront's own id of the customer; it is compared, never shown.
	CustomerRef string `json:"customer_ref,omitempty"`
	Test        bool   `json:"test,omitempty"` // the storefront marked it as a trial
	// Exchange is set when the order replaces goods that came back of another.
	Exchange *Exchange `json:"exchange,omitempty"`
}

// Exchange says what an order replaces and what of its price is paid by that, in minor units.
type Exchange struct {
	Of     string `json:"of"` // the id of the order of the same storefront
	RMA    string `json:"rma"`
	Credit int64  `json:"credit"`
}

// Paid is what the customer has paid for the order: captured, or brought by an exchange.
func (o *Order) Paid() int64 {
	if o.Exchange != nil {
		return o.Payment.Captured + o.Exchange.Credit
	}
	return o.Payment.Captured
}

// Line is one article to ship.
type Line struct {
	Line       int    `json:"line"`                  // from 1, without gaps
	ExternalID string `json:"external_id,omitempty"` // the storefront's id of the line
	SKU        string `json:"sku"`
	Title      string `json:"title,omitempty"`
	Category   string `json:"category,omitempty"` // what returns are judged by; empty: the catalogue's
	Quantity   int64  `json:"quantity"`
	UnitPrice  int64  `json:"unit_price"`
	Discount   int64  `json:"discount"` // for the whole line
	Tax        int64  `json:"tax"`      // for the whole line
}

// PaymentStatus is how far the customer's money has come.
type PaymentStatus string

// The payment's life as storefronts tell it.
const (
	PaymentPending           PaymentStatus = "pending"
	PaymentAuthorized        PaymentStatus = "authorized"
	PaymentPartiallyPaid     PaymentStatus = "partially_paid"
	PaymentPaid              PaymentStatus = "paid"
	PaymentPartiallyRefunded PaymentStatus = "partially_refunded"
	PaymentRefunded          PaymentStatus = "refunded"
	PaymentVoided            PaymentStatus = "voided"
	PaymentExpired           PaymentStatus = "expired"
)

// Payment is what the storefront says of the money.
type Payment struct {
	Status    PaymentStatus `json:"status"`
	Captured  int64         `json:"captured"`
	Reference string        `json:"reference,omitempty"`
}

// LineTotal is what the customer pays for a line.
func (o *Order) LineTotal(l Line) (int64, error) {
	gross, err := money.MulMinor(l.UnitPrice, l.Quantity)
	if err != nil {
		return 0, fmt.Errorf("line %d: %w", l.Line, err)
	}
	total, err := money.SubMinor(gross, l.Discount)
	if err == nil && !o.TaxIncluded {
		total, err = money.AddMinor(total, l.Tax)
	}
	if err != nil {
		return 0, fmt.Errorf("line %d: %w", l.Line, err)
	}
	return total, nil
}

// Sum is what the parts of the order add up to; it should equal Total.
func (o *Order) Sum() (int64, error) {
	parts := []int64{o.Shipping, o.Unshipped}
	if !o.TaxIncluded {
		parts = append(parts, o.ShippingTax)
	}
	for _, l := range o.Lines {
		total, err := o.LineTotal(l)
		if err != nil {
			return 0, err
		}
		parts = append(parts, total)
	}
	var sum int64
	for _, part := range parts {
		var err error
		if sum, err = money.AddMinor(sum, part); err != nil {
			return 0, fmt.Errorf("total: %w", err)
		}
	}
	return sum, nil
}

// SpreadDiscount splits what Discount holds beyond the lines' own discounts over the lines, by
// what each costs after its own discount, to the cent. It is for documents that state one discount
// for the order.
func (o *Order) SpreadDiscount() error {
	rest := o.Discount
	weights := make([]int64, len(o.Lines))
	for i, l := range o.Lines {
		gross, err := money.MulMinor(l.UnitPrice, l.Quantity)
		if err != nil {
			return fmt.Errorf("line %d: %w", l.Line, err)
		}
		if weights[i], err = money.SubMinor(gross, l.Discount); err == nil {
			rest, err = money.SubMinor(rest, l.Discount)
		}
		if err != nil {
			return fmt.Errorf("line %d: discount: %w", l.Line, err)
		}
	}
	if rest <= 0 {
		return nil
	}
	shares, err := money.Allocate(rest, weights)
	if err != nil {
		return fmt.Errorf("spread the discount: %w", err)
	}
	spread := make([]int64, len(shares))
	for i, share := range shares {
		if spread[i], err = money.AddMinor(o.Lines[i].Discount, share); err != nil {
			return fmt.Errorf("spread the discount: %w", err)
		}
	}
	for i, discount := range spread {
		o.Lines[i].Discount = discount
	}
	return nil
}
