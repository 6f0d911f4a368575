package storefront

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dropline/dropline/internal/order"
)

// Fulfilment tells the storefront of one parcel under way.
type Fulfilment struct {
	Key      string // idempotency key
	Order    order.Key
	Number   string // the storefront's display number; may be empty
	Carrier  string
	Tracking string
	Lines    []order.ShippedLine
}

// Cancellation tells the storefront that line quantities will not come.
type Cancellation struct {
	Key    string
	Order  order.Key
	Reason string
	Lines  []order.ShippedLine
}

// Refund asks the storefront to give the customer money back.
type Refund struct {
	Key      string
	Order    order.Key
	Amount   int64 // minor units of Currency, above zero
	Currency string
	Reason   string
	Lines    []order.ShippedLine // what the refund is for; none for goodwill or shipping
}

// RefundReceipt is the storefront's word that the refund was made.
type RefundReceipt struct {
	Reference string // the storefront's own id of the refund
	At        time.Time
}

// Channel tells one storefront what became of its orders. Every method is safe to call again with
// the same key, and that is how ErrUnknown is resolved. Errors are *Error.
type Channel interface {
	Fulfilled(ctx context.Context, f Fulfilment) error
	Cancelled(ctx context.Context, c Cancellation) error
	Refund(ctx context.Context, r Refund) (RefundReceipt, error)
}

// Credit gives the customer a credit at the storefront instead of money. What it is used for is the
// storefront's.
type Credit struct {
	Key      string
	Order    order.Key
	RMA      string
	Amount   int64 // minor units of Currency, above zero, bonus included
	Bonus    int64
	Currency string
}

// Crediter is a channel to a storefront that has store credit. Like Refund it is safe to call again with the
// same key.
type Crediter interface {
	Credit(ctx context.Context, c Credit) (RefundReceipt, error)
}

// RefundNotice tells of a refund that was made past the storefront, at the payment provider or by other means: it is
// to be booked, and nothing to be paid. Whatever overtakes which, a try that came back was not made.
type RefundNotice struct {
	Key      string // idempotency key
	Order    order.Key
	Refund   string // our name of the refund: all its notices have it
	Try      int    // from 1: one that came back is made again as the next
	CameBack bool   // the try failed after all: the customer has not got the money
	Amount   int64  // minor units of Currency, above zero
	Currency string
	Reason   string
	RMA      string              // of the return; may be empty
	Lines    []order.ShippedLine // what the refund is for; none when it is for no units of this order
}

// RefundListener is a channel to a storefront that keeps books of refunds which it does not make. Like Refund it
// is safe to call again with the same key.
type RefundListener interface {
	RefundTold(ctx context.Context, n RefundNotice) error
}

// Kinds of failure, by what is known about the effect.
var (
	// ErrUnavailable: it certainly did not happen.
	ErrUnavailable = errors.New("storefront unavailable")
	// ErrUnknown: it may or may not have happened; send the same key again.
	ErrUnknown = errors.New("no answer from the storefront: it may or may not have happened")
	// ErrRefused: the storefront will not do it; a person must look.
	ErrRefused = errors.New("refused by the storefront")
)

// Error is a failure of a channel. Detail is safe to show and to store: it never holds a
// document's content.
type Error struct {
	Kind       error
	Storefront string
	Detail     string
	RetryAfter time.Duration // what the storefront asked for; zero when it did not say
	Acted      bool          // with ErrRefused: it has done something under the key, and not what was asked for
}

func (e *Error) Error() string {
	return fmt.Sprintf("storefront %s: %v: %s", e.Storefront, e.Kind, e.Detail)
}

// Unwrap lets errors.Is find the kind.
func (e *Error) Unwrap() error { return e.Kind }
