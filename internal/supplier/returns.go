package supplier

import (
	"context"
	"time"
)

// ReturnAuthorization tells a supplier that goods come back to it (X12 180). RMA makes a repeat a
// no-op.
type ReturnAuthorization struct {
	RMA    string
	Number string // of the purchase order
	Lines  []ReturnLine
	// Carrier and Tracking are those of the label the customer got; empty: it sends them as it likes.
	Carrier, Tracking string
	// SendBy is when the customer has to have handed the goods in.
	SendBy time.Time
}

// ReturnLine is units of one line, and why they come back.
type ReturnLine struct {
	Line        int
	SupplierSKU string
	Quantity    int64
	Reason      string // a code of internal/returns
}

// Returner is a channel over which returns can be announced. A supplier without one is written to.
type Returner interface {
	// AuthoriseReturn announces a return. The answer is that to a cancellation: rejected means that the
	// supplier does not want the goods. Errors are *Error.
	AuthoriseReturn(ctx context.Context, r ReturnAuthorization) (CancelReceipt, error)
}
