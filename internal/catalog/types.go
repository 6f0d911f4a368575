// Package catalog holds suppliers' contracts and offers, storefronts' policies and carriers as
// data: what stands in the files under version control. It reads bytes and judges them; it opens
// no file and asks no clock. docs/contracts.md describes the format by a commented example.
//
// The types carry JSON tags because they are kept as they were when a decision was made from
// them. No secret is ever in them: only the names of environment variables.
package catalog

import (
	"time"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/sla"
)

// File is everything that one catalogue file describes, defaults applied. Offers hold those
// written under a supplier and those written by themselves.
type File struct {
	Name        string       `json:"name"`
	Suppliers   []Supplier   `json:"suppliers,omitempty"`
	Offers      []Offer      `json:"offers,omitempty"`
	Storefronts []Storefront `json:"storefronts,omitempty"`
	Carriers    []Carrier    `json:"carriers,omitempty"`
	Rates       []Rate       `json:"rates,omitempty"`

	places places
}

// Supplier is who stocks and ships.
type Supplier struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Contract Contract `json:"contract"`
}

// Contract is what a supplier promised. All its amounts are in Currency.
type Contract struct {
	ValidFrom sla.Date `json:"valid_from"`
	// ValidUntil is the last day in force, in the supplier's zone; zero: no end.
	ValidUntil sla.Date `json:"valid_until,omitzero"`
	Currency   string   `json:"currency"`
	// Contact is the e-mail address that reminders go to; empty: none are sent.
	Contact  string       `json:"contact,omitempty"`
	Mail     Mail         `json:"mail,omitzero"`
	Channel  Channel      `json:"channel"`
	Calendar sla.Calendar `json:"calendar"`
	SLA      SLA          `json:"sla"`
	Cancel   Cancel       `json:"cancel"`
	ShipsTo  ShipsTo      `json:"ships_to"`
	Shipping []Method     `json:"shipping"`
	// TransitCarrier is the id of the carrier under our account with which the supplier ships: it answers for what
	// it loses or damages on the way. Empty: the supplier ships under its own account, at its own risk.
	TransitCarrier string      `json:"transit_carrier,omitempty"`
	Returns        Returns     `json:"returns"`
	Handling       money.Money `json:"handling"`
	Split          Split       `json:"split"`
	Risk           Risk        `json:"risk"`
	Tolerances     Tolerances  `json:"tolerances"`
	// Invoices, Claims and Penalties are read in claims.go.
	Invoices     InvoiceCharges `json:"invoices"`
	Claims       Chasing        `json:"claims"`
	Penalties    Penalties      `json:"penalties"`
	Volume       Volume         `json:"volume_discounts,omitzero"`
	Substitution Substitution   `json:"substitution"`
	PriceChange  PriceChange    `json:"price_change"`
}

// ChannelKind is the form in which a supplier takes purchase orders.
type ChannelKind string

// ChannelREST is our JSON over HTTPS, signed with a shared secret.
const ChannelREST ChannelKind = "rest"

// Channel is where and how purchase orders go. The two environment variables hold the secret
// that signs what we send and the one that proves what we receive.
type Channel struct {
	Kind             ChannelKind `json:"kind"`
	URL              string      `json:"url"`
	KeyID            string      `json:"key_id"`
	SecretEnv        string      `json:"secret_env"`
	WebhookSecretEnv string      `json:"webhook_secret_env"`
}

// SLA is how long the supplier has, and when we remind.
type SLA struct {
	Acknowledge sla.Term       `json:"acknowledge"`
	Ship        sla.Term       `json:"ship"`
	Reminders   []sla.Reminder `json:"reminders,omitempty"`
}

// Confirmation says whether the supplier answers a cancellation.
type Confirmation string

// Whether a contract promises an answer to a cancellation.
const (
	ConfirmationPromised Confirmation = "promised"
	ConfirmationNone     Confirmation = "none"
)

// OnSilence is what happens to a purchase order whose cancellation was not answered in time.
type OnSilence string

// Reroute risks a duplicate shipment; Hold waits for a person.
const (
	SilenceReroute OnSilence = "reroute"
	SilenceHold    OnSilence = "hold"
)

// Cancel is what the contract says about taking a purchase order back.
type Cancel struct {
	Window       CancelWindow `json:"window"`
	Confirmation Confirmation `json:"confirmation"`
	// Within is the term for the promised confirmation; absent without a promise.
	Within    sla.Term  `json:"within,omitzero"`
	OnSilence OnSilence `json:"on_silence"`
}

// CancelWindow is until when the supplier takes a cancellation: a term from the submission, or
// with the zero term until the goods are shipped. Its text is the term or "until_shipped".
type CancelWindow struct{ Term sla.Term }

// ShipsTo are ISO 3166-1 countries, without ISO 3166-2 regions such as "US-HI".
type ShipsTo struct {
	Countries     []string `json:"countries"`
	ExceptRegions []string `json:"except_regions,omitempty"`
}

// Method is one way of shipping. A parcel costs Base plus PerItem for every item in it. With no
// countries of its own it goes wherever the supplier ships.
type Method struct {
	Name           string      `json:"name"`
	Base           money.Money `json:"base"`
	PerItem        money.Money `json:"per_item"`
	TransitMinDays int         `json:"transit_min_days"`
	TransitMaxDays int         `json:"transit_max_days"`
	Countries      []string    `json:"countries,omitempty"`
}

// Payer is who pays for return shipping.
type Payer string

// The three who can pay.
const (
	PayerSupplier   Payer = "supplier"
	PayerStorefront Payer = "storefront"
	PayerCustomer   Payer = "customer"
)

// Returns are the terms on which the supplier takes goods back; a window of 0 days: not at all.
type Returns struct {
	WindowDays   int      `json:"window_days"`
	RestockingBP int64    `json:"restocking_bp"`
	PaysShipping Payer    `json:"pays_shipping"`
	CreditWithin sla.Term `json:"credit_within"`
	// Labels are read in labels.go, Categories, by CategoryKey, in categories.go.
	Labels     ReturnLabels             `json:"labels,omitzero"`
	Categories map[string]CategoryTerms `json:"categories,omitempty"`
}

// Split says what a supplier may be given of an order that several ship, and what that costs.
type Split struct {
	// Orders: the supplier takes some lines of an order. Lines: it takes part of a line.
	Orders  bool        `json:"orders"`
	Lines   bool        `json:"lines"`
	Penalty money.Money `json:"penalty"`
}

// Risk is how often, in basis points of purchase orders, a supplier is expected to be late or to
// reject. A scorecard replaces it once there is one.
type Risk struct {
	LateBP   int64 `json:"late_bp"`
	RejectBP int64 `json:"reject_bp"`
}

// Tolerances are the differences between purchase order, shipment and invoice that are let pass.
type Tolerances struct {
	PriceBP  int64 `json:"price_bp"`
	Quantity int   `json:"quantity"`
}

// Substitution is the answer to a supplier that offers another item.
type Substitution string

// The answers to a substitution; Ask holds the line for a person.
const (
	SubstitutionAccept Substitution = "accept"
	SubstitutionRefuse Substitution = "refuse"
	SubstitutionAsk    Substitution = "ask"
)

// PriceChange is the rise in unit cost that is accepted without asking, in basis points.
type PriceChange struct {
	AcceptWithinBP int64 `json:"accept_within_bp"`
}

// Offer is one supplier's offer of one SKU.
type Offer struct {
	Supplier     string      `json:"supplier"`
	SKU          string      `json:"sku"`
	SupplierSKU  string      `json:"supplier_sku"`
	Cost         money.Money `json:"cost"`
	OnHand       int         `json:"on_hand"`
	LeadTimeDays int         `json:"lead_time_days"`
	// Barcode is a GTIN of 8, 12, 13 or 14 digits with a right check digit, or empty.
	Barcode string `json:"barcode,omitempty"`
	// Category is what returns are judged by, where the order does not say it; empty: none.
	Category string     `json:"category,omitempty"`
	Rules    OfferRules `json:"rules"`
}

// OfferRules bound how an item is packed. MaxPerParcel 0: no bound.
type OfferRules struct {
	ShipsAlone   bool `json:"ships_alone,omitempty"`
	Hazmat       bool `json:"hazmat,omitempty"`
	MaxPerParcel int  `json:"max_per_parcel,omitempty"`
}

// InForce reports whether the contract covers an instant, by the date at the supplier.
func (c Contract) InForce(at time.Time) bool {
	zone, err := c.Calendar.Location()
	if err != nil {
		return false
	}
	date := sla.DateIn(at, zone)
	return !date.Before(c.ValidFrom) && (c.ValidUntil.IsZero() || !c.ValidUntil.Before(date))
}

const untilShipped = "until_shipped"

func (w CancelWindow) String() string {
	if w.Term.IsZero() {
		return untilShipped
	}
	return w.Term.String()
}

// MarshalText writes the text of String.
func (w CancelWindow) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (w *CancelWindow) UnmarshalText(text []byte) (err error) {
	*w, err = parseCancelWindow(string(text))
	return err
}
