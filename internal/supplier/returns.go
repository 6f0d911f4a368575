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
	// AuthoriseReturn announces a return. ErrNotFound: the supplier has no interface for returns; write to
	// it instead. Errors are *Error.
	AuthoriseReturn(ctx context.Context, r ReturnAuthorization) (ReturnReceipt, error)
}

// ReturnReceipt is the supplier's answer. Rejected means that it does not want the goods.
type ReturnReceipt struct {
	CancelReceipt
	Label *ReturnLabel // what the customer sends the goods with, if the supplier makes one
}

// ReturnLabel names a parcel before it exists. URL is where the label can be printed.
type ReturnLabel struct{ Carrier, Tracking, URL string }
