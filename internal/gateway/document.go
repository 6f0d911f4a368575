package gateway

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/supplier"
)

// orderDocument is an order as a storefront posts it.
type orderDocument struct {
	ID          string          `json:"id" doc:"The storefront's own id of the order: letters, digits, '.', '_' or '-'." minLength:"1" maxLength:"64" example:"1001"`
	Storefront  string          `json:"storefront,omitempty" doc:"Needed with an operator's key only; a storefront's key says it." maxLength:"64" example:"shop"`
	Number      string          `json:"number,omitempty" doc:"The order's number as the customer knows it." maxLength:"255" example:"#1001"`
	PlacedAt    time.Time       `json:"placed_at" doc:"When the customer placed the order." example:"2026-03-02T15:04:05Z"`
	Currency    string          `json:"currency" doc:"ISO 4217, for all amounts." minLength:"3" maxLength:"3" example:"USD"`
	TaxIncluded bool            `json:"tax_included,omitempty" doc:"Unit prices and shipping contain their tax, which is then stated but not added."`
	Lines       []lineDocument  `json:"lines" doc:"What to ship. Lines are numbered from 1 by their place here." minItems:"1" maxItems:"500" nullable:"false"`
	Unshipped   string          `json:"unshipped,omitempty" doc:"Charged for what nobody ships (gift cards, tips), with tax." maxLength:"24" example:"0.00"`
	Shipping    string          `json:"shipping,omitempty" doc:"The shipping charge after discounts." maxLength:"24" example:"4.90"`
	ShippingTax string          `json:"shipping_tax,omitempty" maxLength:"24" example:"0.00"`
	Discount    string          `json:"discount,omitempty" doc:"All discounts on lines. What exceeds the lines' own is split over them." maxLength:"24" example:"0.00"`
	Total       string          `json:"total" doc:"What the customer was charged in all." maxLength:"24" example:"29.90"`
	Payment     paymentDocument `json:"payment"`
	ShipTo      addressDocument `json:"ship_to"`
	Email       string          `json:"email,omitempty" doc:"Where the customer is told about the order." maxLength:"255" example:"pat@example.com"`
	Locale      string          `json:"locale,omitempty" doc:"The customer's language, BCP 47." maxLength:"35" example:"en-US"`
	CustomerRef string          `json:"customer_ref,omitempty" doc:"The storefront's own id of the customer; compared, never shown." maxLength:"255" example:"c-88"`
	Test        bool            `json:"test,omitempty" doc:"A trial: the order is held for a person."`
}

type lineDocument struct {
	SKU        string `json:"sku" maxLength:"255" example:"MUG-BLUE"`
	Title      string `json:"title,omitempty" maxLength:"255" example:"Blue mug"`
	Category   string `json:"category,omitempty" doc:"What the policy for returns judges by; left out: the catalogue's." maxLength:"64" example:"kitchen"`
	Quantity   int64  `json:"quantity" minimum:"1" maximum:"100000" example:"2"`
	UnitPrice  string `json:"unit_price" maxLength:"24" example:"12.50"`
	Discount   string `json:"discount,omitempty" doc:"For the whole line." maxLength:"24" example:"0.00"`
	Tax        string `json:"tax,omitempty" doc:"For the whole line." maxLength:"24" example:"0.00"`
	ExternalID string `json:"external_id,omitempty" doc:"The storefront's id of the line." maxLength:"255" example:"l-1"`
}

type paymentDocument struct {
	Status    string `json:"status" enum:"pending,authorized,partially_paid,paid,partially_refunded,refunded,voided,expired" example:"paid"`
	Captured  string `json:"captured" doc:"What was taken so far." maxLength:"24" example:"29.90"`
	Reference string `json:"reference,omitempty" doc:"The payment's id at the storefront." maxLength:"255" example:"ch_123"`
}

type addressDocument struct {
	Name       string `json:"name,omitempty" maxLength:"255" example:"Pat Miller"`
	Company    string `json:"company,omitempty" maxLength:"255" example:"Miller & Co"`
	Street1    string `json:"street1" maxLength:"255" example:"5 Elm St"`
	Street2    string `json:"street2,omitempty" maxLength:"255" example:"Apt 2"`
	City       string `json:"city" maxLength:"255" example:"Dover"`
	Region     string `json:"region,omitempty" doc:"State or province, as its postal code." maxLength:"255" example:"DE"`
	PostalCode string `json:"postal_code,omitempty" maxLength:"255" example:"19901"`
	Country    string `json:"country" doc:"ISO 3166-1 alpha-2." minLength:"2" maxLength:"2" example:"US"`
	Phone      string `json:"phone,omitempty" maxLength:"255" example:"+13025550100"`
	Email      string `json:"email,omitempty" maxLength:"255" example:"pat@example.com"`
}

func (a addressDocument) address() supplier.Address { return supplier.Address(a) }

// amounts reads decimal text in one currency and collects what is wrong with it.
type amounts struct {
	currency string
	digits   int
	found    []FieldError
}

// read takes an amount; a field left out is zero.
func (a *amounts) read(field, text string) int64 {
	if text == "" {
		return 0
	}
	parsed, err := money.Parse(text, a.currency)
	switch {
	case errors.Is(err, money.ErrTooPrecise):
		a.wrong(field, fmt.Sprintf("more decimals than %s has (%d)", a.currency, a.digits))
	case errors.Is(err, money.ErrOverflow):
		a.wrong(field, "out of range")
	case err != nil:
		example, _ := money.Format(1250, a.currency) // the currency is known here
		a.wrong(field, "want a decimal string such as "+strconv.Quote(example))
	}
	return parsed.Minor
}

// need takes an amount that must be there.
func (a *amounts) need(field, text string) int64 {
	if text == "" {
		a.wrong(field, "missing")
	}
	return a.read(field, text)
}

func (a *amounts) wrong(field, message string) {
	a.found = append(a.found, FieldError{Field: field, Message: message})
}

// canonical converts the document exactly, or says field by field what is wrong with it.
func (d *orderDocument) canonical(shop string) (storefront.Order, []FieldError) {
	digits, err := money.Digits(d.Currency)
	if err != nil {
		return storefront.Order{}, []FieldError{{"currency", "want an ISO 4217 code in capitals, such as USD"}}
	}
	a := &amounts{currency: d.Currency, digits: digits}
	o := storefront.Order{
		Key: order.Key{Storefront: shop, Order: d.ID}, Number: d.Number, PlacedAt: d.PlacedAt.UTC(),
		Currency: d.Currency, TaxIncluded: d.TaxIncluded,
		Unshipped: a.read("unshipped", d.Unshipped), Shipping: a.read("shipping", d.Shipping),
		ShippingTax: a.read("shipping_tax", d.ShippingTax), Discount: a.read("discount", d.Discount),
		Total: a.need("total", d.Total),
		Payment: storefront.Payment{
			Status: storefront.PaymentStatus(d.Payment.Status), Captured: a.need("payment.captured", d.Payment.Captured),
			Reference: d.Payment.Reference,
		},
		ShipTo: d.ShipTo.address(), Email: d.Email, Locale: d.Locale, CustomerRef: d.CustomerRef, Test: d.Test,
	}
	for i, l := range d.Lines {
		at := fmt.Sprintf("lines[%d].", i)
		o.Lines = append(o.Lines, storefront.Line{
			Line: i + 1, ExternalID: l.ExternalID, SKU: l.SKU, Title: l.Title, Category: l.Category, Quantity: l.Quantity,
			UnitPrice: a.need(at+"unit_price", l.UnitPrice), Discount: a.read(at+"discount", l.Discount), Tax: a.read(at+"tax", l.Tax),
		})
	}
	if len(a.found) > 0 {
		return storefront.Order{}, a.found
	}
	if problems := d.settleDiscount(&o); len(problems) > 0 {
		return storefront.Order{}, problems
	}
	return o, fieldErrors(storefront.Problems(&o))
}

// settleDiscount makes the order's discount and the lines' agree: left out, it is their sum; more
// than their sum, the rest is split over the lines. Less than their sum stays, and is a problem.
func (d *orderDocument) settleDiscount(o *storefront.Order) []FieldError {
	var sum int64
	var err error
	for i, l := range o.Lines {
		if l.UnitPrice < 0 || l.Discount < 0 {
			return []FieldError{{fmt.Sprintf("lines[%d]", i), "unit_price and discount must not be negative"}}
		}
		gross, overflow := money.MulMinor(l.UnitPrice, l.Quantity)
		if overflow != nil || l.Discount > gross {
			return []FieldError{{fmt.Sprintf("lines[%d].discount", i), "want 0 up to the price of the line, which must be in range"}}
		}
		if sum, err = money.AddMinor(sum, l.Discount); err != nil {
			return []FieldError{{"discount", "out of range"}}
		}
	}
	if d.Discount == "" {
		o.Discount = sum
	}
	if o.Discount <= sum {
		return nil
	}
	if err := o.SpreadDiscount(); err != nil {
		return []FieldError{{"discount", "cannot be split over the lines: they cost nothing, or their amounts are out of range"}}
	}
	return nil
}

func fieldErrors(problems []storefront.Problem) []FieldError {
	var list []FieldError
	for _, p := range problems {
		if p.Field == "key" {
			p.Field = "id"
		}
		list = append(list, FieldError(p))
	}
	return list
}
