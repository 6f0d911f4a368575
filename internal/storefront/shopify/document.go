// Package shopify reads Shopify's order webhooks into the canonical order.
package shopify

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/storefront"
)

// MaxBody bounds a webhook. An order of 500 lines takes about 1 MB.
const MaxBody = 4 << 20

var (
	// ErrMalformed: the body cannot be read as an order. It will not get better.
	ErrMalformed = errors.New("not a Shopify order")
	// ErrNothingToShip: a well-formed order of gift cards, services or tips only; acknowledge and
	// ignore it.
	ErrNothingToShip = errors.New("the order has nothing to ship")
)

// Document is what one order webhook says: orders/create, orders/updated, orders/paid and
// orders/cancelled all carry the whole order.
type Document struct {
	Order     storefront.Order
	UpdatedAt time.Time // orders an older document before a newer one
	// CancelledAt is zero unless the order was cancelled in Shopify.
	CancelledAt  time.Time
	CancelReason string // Shopify's word: customer, inventory, fraud, declined, other, staff
	// Changed: what the order comes to now is not its total, because lines were added or removed at Shopify or goods were
	// refunded. What was paid then cannot be told from the order's status.
	Changed bool
}

// Cancel is the request that a cancelled document makes: everything that still can be cancelled.
// Every document of the same cancelled order makes the same request.
func (d Document) Cancel() (order.CancelRequest, bool) {
	if d.CancelledAt.IsZero() {
		return order.CancelRequest{}, false
	}
	return order.CancelRequest{
		ID:     "shopify-cancelled-" + d.Order.Key.Order,
		Reason: d.CancelReason,
		By:     "storefront",
	}, true
}

type document struct {
	ID              id           `json:"id"`
	Name            string       `json:"name"`
	Email           string       `json:"email"`
	ContactEmail    string       `json:"contact_email"`
	CreatedAt       timestamp    `json:"created_at"`
	UpdatedAt       timestamp    `json:"updated_at"`
	CancelledAt     timestamp    `json:"cancelled_at"`
	CancelReason    string       `json:"cancel_reason"`
	Currency        string       `json:"currency"`
	FinancialStatus string       `json:"financial_status"`
	TaxesIncluded   bool         `json:"taxes_included"`
	Test            bool         `json:"test"`
	TotalPrice      decimal      `json:"total_price"`
	CurrentTotal    decimal      `json:"current_total_price"`
	TotalTax        decimal      `json:"total_tax"`
	TotalDiscounts  decimal      `json:"total_discounts"`
	TotalTip        decimal      `json:"total_tip_received"`
	Outstanding     decimal      `json:"total_outstanding"`
	Duties          *moneySet    `json:"original_total_duties_set"`
	CustomerLocale  string       `json:"customer_locale"`
	Lines           []line       `json:"line_items"`
	ShippingLines   []shipping   `json:"shipping_lines"`
	ShippingAddress *address     `json:"shipping_address"`
	Customer        *customer    `json:"customer"`
	Transactions    []settlement `json:"transactions"`
}

type line struct {
	ID               id           `json:"id"`
	SKU              string       `json:"sku"`
	Title            string       `json:"title"`
	VariantTitle     string       `json:"variant_title"`
	Quantity         int64        `json:"quantity"`
	Price            decimal      `json:"price"`
	RequiresShipping *bool        `json:"requires_shipping"`
	GiftCard         bool         `json:"gift_card"`
	Taxable          *bool        `json:"taxable"`
	TotalDiscount    decimal      `json:"total_discount"`
	Allocations      []allocation `json:"discount_allocations"`
	TaxLines         []taxLine    `json:"tax_lines"`
}

type shipping struct {
	Price       decimal      `json:"price"`
	Discounted  decimal      `json:"discounted_price"`
	Allocations []allocation `json:"discount_allocations"`
	TaxLines    []taxLine    `json:"tax_lines"`
}

type allocation struct {
	Amount decimal `json:"amount"`
}

type taxLine struct {
	Price decimal `json:"price"`
}

type moneySet struct {
	Shop struct {
		Amount decimal `json:"amount"`
	} `json:"shop_money"`
}

type customer struct {
	ID    id     `json:"id"`
	Email string `json:"email"`
}

type settlement struct {
	Kind          string  `json:"kind"`
	Status        string  `json:"status"`
	Amount        decimal `json:"amount"`
	Currency      string  `json:"currency"`
	Authorization string  `json:"authorization"`
}

type address struct {
	FirstName    string `json:"first_name"`
	LastName     string `json:"last_name"`
	Name         string `json:"name"`
	Company      string `json:"company"`
	Address1     string `json:"address1"`
	Address2     string `json:"address2"`
	City         string `json:"city"`
	Province     string `json:"province"`
	ProvinceCode string `json:"province_code"`
	Zip          string `json:"zip"`
	CountryCode  string `json:"country_code"`
	Phone        string `json:"phone"`
}

// Parse reads the body of an order webhook whose signature was verified, bare as Shopify sends it
// or wrapped in {"order": ...} as its API answers. Errors are ErrMalformed or ErrNothingToShip and
// repeat nothing of the body. The order may still have storefront.Problems and Doubts.
//
// Lines that need no shipping are left out and counted in Unshipped. Quantities are those sold:
// later edits of the order in Shopify are not read.
func Parse(storefrontName string, body []byte) (Document, error) {
	d, err := decode(body)
	if err != nil {
		return Document{}, err
	}
	if d.ID == "" {
		return Document{}, fmt.Errorf("%w: it has no id", ErrMalformed)
	}
	key := order.Key{Storefront: storefrontName, Order: string(d.ID)}
	o, err := d.canonical(key)
	if err != nil {
		return Document{}, err
	}
	changed, err := d.changed(&o)
	if err != nil {
		return Document{}, err
	}
	return Document{
		Order:        o,
		UpdatedAt:    d.UpdatedAt.Time,
		CancelledAt:  d.CancelledAt.Time,
		CancelReason: clean(d.CancelReason),
		Changed:      changed,
	}, nil
}

func (d *document) changed(o *storefront.Order) (bool, error) {
	a := amounts{document: d, currency: o.Currency}
	current := a.minor(d.CurrentTotal, "current_total_price")
	if a.err != nil {
		return false, fmt.Errorf("%w: %w", ErrMalformed, a.err)
	}
	return d.CurrentTotal != "" && current != o.Total, nil
}

func decode(body []byte) (*document, error) {
	if len(body) > MaxBody {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrMalformed, len(body), MaxBody)
	}
	var wrapped struct {
		Order *document `json:"order"`
	}
	var bare document
	err := json.Unmarshal(body, &wrapped)
	if err == nil && wrapped.Order != nil {
		return wrapped.Order, nil
	}
	if err == nil {
		err = json.Unmarshal(body, &bare)
	}
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == nil:
		return &bare, nil
	case errors.As(err, &wrongType):
		kind, _, _ := strings.Cut(wrongType.Value, " ") // "number 7": the number is the document's
		return nil, fmt.Errorf("%w: field %.64q holds a %.32s", ErrMalformed, wrongType.Field, kind)
	case errors.Is(err, errToken):
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	default:
		return nil, fmt.Errorf("%w: invalid JSON", ErrMalformed)
	}
}

func (d *document) canonical(key order.Key) (storefront.Order, error) {
	o := storefront.Order{
		Key:         key,
		Number:      clean(d.Name),
		PlacedAt:    d.CreatedAt.Time,
		Currency:    strings.ToUpper(strings.TrimSpace(d.Currency)),
		TaxIncluded: d.TaxesIncluded,
		Email:       clean(first(d.Email, d.ContactEmail)),
		Locale:      locale(d.CustomerLocale),
		Test:        d.Test,
	}
	if d.Customer != nil {
		o.CustomerRef = string(d.Customer.ID)
		o.Email = first(o.Email, clean(d.Customer.Email))
	}
	if d.ShippingAddress != nil {
		o.ShipTo = d.ShippingAddress.canonical()
	}
	a := amounts{document: d, currency: o.Currency}
	if err := a.fill(&o); err != nil {
		return storefront.Order{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(o.Lines) == 0 {
		return storefront.Order{}, ErrNothingToShip
	}
	return o, nil
}
