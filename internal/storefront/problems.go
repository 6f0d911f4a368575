package storefront

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dropline/dropline/internal/money"
)

// Limits of an order document.
const (
	MaxLines    = 500
	MaxQuantity = 100_000
	maxText     = 255 // characters of a text field
)

// Problem is why a document is no order: it is refused at intake, and nobody can approve it.
// Message repeats nothing of the document.
type Problem struct {
	Field   string `json:"field"` // a JSON path: "lines[0].quantity"
	Message string `json:"message"`
}

// Problems lists what makes the document malformed; none means that it can be taken in. What is
// merely suspicious is among its Doubts.
func Problems(o *Order) []Problem {
	var c checker
	c.header(o)
	c.lines(o)
	c.texts(o)
	if len(c.found) == 0 {
		c.sums(o)
	}
	return c.found
}

type checker struct{ found []Problem }

func (c *checker) when(bad bool, field, message string) {
	if bad {
		c.found = append(c.found, Problem{Field: field, Message: message})
	}
}

func (c *checker) header(o *Order) {
	c.when(o.Key.Validate() != nil, "key", "want 1 to 64 letters, digits, '.', '_' or '-' for storefront and order")
	c.when(o.PlacedAt.IsZero(), "placed_at", "missing: when the customer placed the order")
	c.when(!o.PlacedAt.IsZero() && !Plausible(o.PlacedAt), "placed_at", "want a time from 2000 to 2100")
	_, err := money.Digits(o.Currency)
	c.when(err != nil, "currency", "not an ISO 4217 code in capitals")
	for _, amount := range []struct {
		field string
		minor int64
	}{
		{"unshipped", o.Unshipped},
		{"shipping", o.Shipping},
		{"shipping_tax", o.ShippingTax},
		{"discount", o.Discount},
		{"total", o.Total},
		{"payment.captured", o.Payment.Captured},
	} {
		c.when(amount.minor < 0, amount.field, "negative")
	}
	c.when(!knownPayment[o.Payment.Status], "payment.status", "not a payment status")
	country := o.ShipTo.Country
	c.when(country != "" && !isCountry(country), "ship_to.country", "not an ISO 3166-1 alpha-2 code in capitals")
}

// Plausible is false for times that only a mistake says. The year 10000, in which the last hours of
// 9999 in the west lie, could not even be stored.
func Plausible(at time.Time) bool {
	year := at.UTC().Year()
	return year >= 2000 && year <= 2100
}

var knownPayment = map[PaymentStatus]bool{
	PaymentPending: true, PaymentAuthorized: true, PaymentPartiallyPaid: true, PaymentPaid: true,
	PaymentPartiallyRefunded: true, PaymentRefunded: true, PaymentVoided: true, PaymentExpired: true,
}

func (c *checker) lines(o *Order) {
	c.when(len(o.Lines) == 0, "lines", "none: nothing to ship")
	c.when(len(o.Lines) > MaxLines, "lines", "more than "+strconv.Itoa(MaxLines))
	if len(o.Lines) > MaxLines {
		return
	}
	var discounts int64
	overflow := false
	for i, l := range o.Lines {
		at := fmt.Sprintf("lines[%d].", i)
		c.when(l.Line != i+1, at+"line", "lines are numbered from 1 without gaps")
		c.when(l.Quantity < 1 || l.Quantity > MaxQuantity, at+"quantity", "want 1 to "+strconv.Itoa(MaxQuantity))
		c.when(l.UnitPrice < 0, at+"unit_price", "negative")
		c.when(l.Tax < 0, at+"tax", "negative")
		gross, err := money.MulMinor(l.UnitPrice, l.Quantity)
		c.when(err != nil, at+"unit_price", "times the quantity is out of range")
		c.when(err == nil && (l.Discount < 0 || l.Discount > gross), at+"discount", "want 0 up to the price of the line")
		discounts, err = money.AddMinor(discounts, l.Discount)
		overflow = overflow || err != nil
	}
	c.when(overflow || discounts != o.Discount, "discount", "is not the sum of the lines' discounts")
}

// texts keeps out what could break a log line, a mail header, a CSV row or an EDI segment.
func (c *checker) texts(o *Order) {
	a := o.ShipTo
	for _, text := range []struct{ field, value string }{
		{"number", o.Number},
		{"payment.reference", o.Payment.Reference},
		{"customer_ref", o.CustomerRef},
		{"ship_to.name", a.Name},
		{"ship_to.company", a.Company},
		{"ship_to.street1", a.Street1},
		{"ship_to.street2", a.Street2},
		{"ship_to.city", a.City},
		{"ship_to.region", a.Region},
		{"ship_to.postal_code", a.PostalCode},
		{"ship_to.phone", a.Phone},
		{"ship_to.email", a.Email},
		{"email", o.Email},
	} {
		c.text(text.field, text.value)
	}
	c.when(o.Locale != "" && !localeShape.MatchString(o.Locale), "locale", "not a language tag such as en or pt-BR")
	for i, l := range o.Lines[:min(len(o.Lines), MaxLines)] {
		c.text(fmt.Sprintf("lines[%d].external_id", i), l.ExternalID)
		c.text(fmt.Sprintf("lines[%d].sku", i), l.SKU)
		c.text(fmt.Sprintf("lines[%d].title", i), l.Title)
		c.text(fmt.Sprintf("lines[%d].category", i), l.Category)
	}
}

var localeShape = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$`)

func (c *checker) text(field, value string) {
	c.when(!utf8.ValidString(value), field, "not valid UTF-8")
	c.when(utf8.RuneCountInString(value) > maxText, field, "longer than "+strconv.Itoa(maxText)+" characters")
	c.when(strings.ContainsFunc(value, breaksALine), field, "holds a control character or a line break")
}

// breaksALine also finds U+2028 and U+2029, which many programs take for line breaks.
func breaksALine(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

func (c *checker) sums(o *Order) {
	_, err := o.Sum()
	c.when(err != nil, "total", "the parts add up to an amount out of range")
}
