// Package payment is the port to a payment provider: who holds the customer's authorisation, captures
// it, gives money back, and tells of what the customer's bank does afterwards. Adapters below it speak
// each provider's own language. A storefront without a provider of its own keeps all this to itself
// and is asked for refunds through its channel.
//
// Amounts are whole minor units of an ISO 4217 currency.
package payment

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Status is where a payment stands at its provider.
type Status string

// The standings of a payment. Refunds and disputes do not change them.
const (
	Authorised Status = "authorised" // held on the customer's card until it is captured, voided or expires
	Captured   Status = "captured"
	Voided     Status = "voided" // released without a capture: by us, or because the hold expired
	Declined   Status = "declined"
)

// Payment is what the provider knows of one payment.
type Payment struct {
	Reference  string // the provider's own id
	Status     Status
	Currency   string
	Authorised int64
	Captured   int64
	Refunded   int64
	// ExpiresAt is when an authorisation ends by itself; zero when it does not, or was captured.
	ExpiresAt time.Time
}

// Authorisation asks for a hold on a payment method that the customer left with the provider.
type Authorisation struct {
	Key      string // idempotency key
	Method   string // the provider's id of the customer's payment method
	Customer string // the provider's id of the customer
	Amount   int64
	Currency string
}

// Capture takes (a part of) an authorisation, once; what is left of it is released.
type Capture struct {
	Key       string
	Reference string
	Amount    int64
	Currency  string
}

// Refund gives (a part of) what was captured back.
type Refund struct {
	Key       string
	Reference string // of the payment
	Amount    int64
	Currency  string
}

// RefundStatus is where a refund stands. A bank can take days, and can send the money back after it
// was called done.
type RefundStatus string

// The standings of a refund.
const (
	RefundPending   RefundStatus = "pending"
	RefundSucceeded RefundStatus = "succeeded"
	RefundFailed    RefundStatus = "failed" // the money is with us again
)

// RefundReceipt is the provider's word about a refund.
type RefundReceipt struct {
	Reference string // the provider's own id of the refund
	Status    RefundStatus
	At        time.Time
	// Reason says why it failed, as a code of the provider.
	Reason string
}

// Evidence answers a chargeback: what proves that the customer got what was bought.
type Evidence struct {
	Key       string
	Dispute   string // the provider's id
	Carrier   string
	Tracking  string
	ShippedAt time.Time
	// Document is plain text: the order's timeline, scans and messages.
	Document string
}

// Movement is one line of the provider's own book, as it goes into a payout.
type Movement struct {
	ID        string // unique at the provider
	Kind      MovementKind
	Payment   string // the payment's reference
	Reference string // of the refund or dispute; the payment's for a capture
	Currency  string
	Amount    int64 // what it adds to our balance: captures above zero, refunds below
	Fee       int64 // what the provider keeps, zero or above
	// FeeCurrency is the account's, which need not be the payment's.
	FeeCurrency string
	At          time.Time
}

// MovementKind says what moved the money.
type MovementKind string

// The kinds of movements that concern orders.
const (
	MovedCapture MovementKind = "capture"
	// MovedCaptureReduced takes back a part of a capture that was booked: a provider may book the
	// whole authorisation first, and then what was not captured of it, below zero.
	MovedCaptureReduced  MovementKind = "capture_reduced"
	MovedRefund          MovementKind = "refund"
	MovedRefundFailed    MovementKind = "refund_failed"    // a refund came back
	MovedDispute         MovementKind = "dispute"          // taken by the customer's bank
	MovedDisputeReversed MovementKind = "dispute_reversed" // given back: the dispute was won
)

// Provider is one account at a payment provider. Every call that changes something is safe to repeat
// with the same key, and that is how ErrUnknown is resolved. Errors are *Error.
type Provider interface {
	Authorise(ctx context.Context, a Authorisation) (Payment, error)
	Capture(ctx context.Context, c Capture) (Payment, error)
	Void(ctx context.Context, key, reference string) (Payment, error)
	Refund(ctx context.Context, r Refund) (RefundReceipt, error)
	LookUp(ctx context.Context, reference string) (Payment, error)
	LookUpRefund(ctx context.Context, reference string) (RefundReceipt, error)
	SubmitEvidence(ctx context.Context, e Evidence) error
	// Movements lists what happened in [from, until), oldest first, a page at a time: cursor is empty
	// for the first page, and next for the last one.
	Movements(ctx context.Context, from, until time.Time, cursor string) (page []Movement, next string, err error)
}

// EventKind is what a provider tells of by itself.
type EventKind string

// The events that change anything for an order.
const (
	EventRefundChanged  EventKind = "refund_changed"  // Refund says to what
	EventPaymentChanged EventKind = "payment_changed" // captured, voided or expired: Payment says
	EventDisputeOpened  EventKind = "dispute_opened"
	EventDisputeClosed  EventKind = "dispute_closed" // Won says how
)

// Event is one webhook, read. An adapter answers a nil Event for what it need not know.
type Event struct {
	ID      string // unique at the provider: a repeat has the same
	Kind    EventKind
	At      time.Time
	Payment string // the payment's reference
	// Standing is set for EventPaymentChanged.
	Standing Payment
	// Refund is set for EventRefundChanged; its Reference names the refund.
	Refund RefundReceipt
	// Dispute is set for the dispute's events.
	Dispute Dispute
}

// Dispute is a chargeback: the customer's bank took money back.
type Dispute struct {
	Reference string
	Amount    int64
	Currency  string
	Fee       int64  // charged for the dispute, in Currency
	Reason    string // the provider's code: "product_not_received", "fraudulent", …
	// EvidenceBy is when the bank stops reading; zero when it is unknown.
	EvidenceBy time.Time
	Won        bool // of EventDisputeClosed
}

// Kinds of failure, by what is known about the effect.
var (
	// ErrUnavailable: it certainly did not happen.
	ErrUnavailable = errors.New("payment provider unavailable")
	// ErrUnknown: it may or may not have happened; send the same key again.
	ErrUnknown = errors.New("no answer from the payment provider: it may or may not have happened")
	// ErrRefused: the provider will not do it; a person must look.
	ErrRefused = errors.New("refused by the payment provider")
)

// Error is a provider's failure. Detail is safe to show and to store.
type Error struct {
	Kind     error
	Provider string // the storefront whose account it is
	// Code is the provider's own, "charge_expired_for_capture"; may be empty.
	Code       string
	Detail     string
	RetryAfter time.Duration // what the provider asked for; zero when it did not say
}

func (e *Error) Error() string {
	return fmt.Sprintf("payments of %s: %v: %s", e.Provider, e.Kind, e.Detail)
}

// Unwrap lets errors.Is find the kind.
func (e *Error) Unwrap() error { return e.Kind }
