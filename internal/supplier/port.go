// Package supplier is the port through which purchase orders reach suppliers. Each channel
// (REST, later EDI and files) is an adapter below it, held to the conformance suite.
package supplier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dropline/dropline/internal/order"
)

// Address is where the goods go. It is personal data: it travels to the supplier and stays in
// Postgres, never in a workflow's history, a log or an error.
type Address struct {
	Name       string `json:"name"`
	Company    string `json:"company,omitempty"`
	Street1    string `json:"street1"`
	Street2    string `json:"street2,omitempty"`
	City       string `json:"city"`
	Region     string `json:"region,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
	Country    string `json:"country"` // ISO 3166-1 alpha-2
	Phone      string `json:"phone,omitempty"`
	Email      string `json:"email,omitempty"`
}

// PurchaseOrderLine orders units of one article; Line is the customer order's line number.
type PurchaseOrderLine struct {
	Line        int
	SKU         string
	SupplierSKU string
	Quantity    int64
	UnitCost    int64 // minor units of the purchase order's currency
}

// PurchaseOrder is what is sent to one supplier.
type PurchaseOrder struct {
	Number    string
	Supplier  string
	Currency  string
	OrderedAt time.Time
	Method    string // the supplier's shipping method name
	ShipTo    Address
	Lines     []PurchaseOrderLine
}

// Receipt is the supplier's word that it holds the purchase order. Some suppliers answer for the
// lines in the same breath; then Acknowledgment is set.
type Receipt struct {
	Reference      string // the supplier's own order number, if it gave one
	ReceivedAt     time.Time
	Acknowledgment *order.Acknowledgment
}

// Standing is what a supplier says when asked about a purchase order.
type Standing struct {
	Receipt
	Cancelled bool
	Shipments []order.ShipNotice
}

// Cancellation asks a supplier not to ship. Key makes a repeat a no-op. Lines are the units asked
// back; none means everything that has not shipped.
type Cancellation struct {
	Key    string
	Number string
	Reason string
	Lines  []order.ShippedLine
}

// CancelOutcome is how a supplier answered a cancellation or an intercept.
type CancelOutcome string

// The answers: pending means that the supplier promised to answer later.
const (
	CancelAccepted CancelOutcome = "accepted"
	CancelRejected CancelOutcome = "rejected"
	CancelPending  CancelOutcome = "pending"
)

// CancelReceipt is a supplier's answer to a cancellation or an intercept.
type CancelReceipt struct {
	Outcome CancelOutcome
	At      time.Time
	Reason  string
}

// Channel sends purchase orders to one supplier. Every method is safe to call again with the same
// number or key. Errors are *Error, whose Kind says what is known about the effect.
type Channel interface {
	// Submit sends a purchase order. ErrRefused: the supplier will not take it. ErrUnavailable:
	// it certainly was not taken. ErrUnknown: nobody knows; ask LookUp before sending again.
	Submit(ctx context.Context, po PurchaseOrder) (Receipt, error)
	// LookUp asks for a purchase order by number. ErrNotFound: the supplier does not have it.
	LookUp(ctx context.Context, number string) (Standing, error)
	// Cancel asks the supplier not to ship. ErrNotFound: it never had the order.
	Cancel(ctx context.Context, c Cancellation) (CancelReceipt, error)
	// Intercept asks the supplier to stop a parcel that is under way.
	Intercept(ctx context.Context, c Cancellation) (CancelReceipt, error)
}

// Kinds of failure, by what is known about the effect.
var (
	ErrRefused     = errors.New("refused by the supplier")
	ErrUnavailable = errors.New("supplier unavailable")
	ErrUnknown     = errors.New("no answer from the supplier: it may or may not have happened")
	ErrNotFound    = errors.New("unknown to the supplier")
	ErrConflict    = errors.New("the supplier holds this number with other content")
)

// Error is a failure of a channel. Kind is one of the Err values above; Detail is safe to show and
// to store: it never holds a document's content.
type Error struct {
	Kind       error
	Supplier   string
	Detail     string
	RetryAfter time.Duration // what the supplier asked for; zero when it did not say
}

func (e *Error) Error() string {
	return fmt.Sprintf("supplier %s: %v: %s", e.Supplier, e.Kind, e.Detail)
}

// Unwrap lets errors.Is find the kind.
func (e *Error) Unwrap() error { return e.Kind }
