package order

import "time"

// A Fact is something that happened outside: a supplier's answer, a parcel's milestone, a
// storefront's cancellation, a customer's payment. It was archived and deduplicated before it reached the order, and
// carries a number that grows by one per order, so that the order can tell a repeat from news.
// Exactly one of the pointers is set.
type Fact struct {
	Seq         int64           `json:"seq"`
	Acknowledge *Acknowledgment `json:"ack,omitempty"`
	Ship        *ShipNotice     `json:"ship,omitempty"`
	Milestone   *ParcelNews     `json:"parcel,omitempty"`
	CancelReply *CancelAnswer   `json:"cancelAnswer,omitempty"`
	Cancel      *CancelRequest  `json:"cancel,omitempty"`
	RefundPaid  *RefundPaid     `json:"refundPaid,omitempty"`
	Payment     *CustomerPaid   `json:"payment,omitempty"`
}

// Unknown: it is of a kind that this release does not know, or was passed on by a program that does not.
func (f Fact) Unknown() bool { return f == Fact{Seq: f.Seq} }

// AckStatus is what a supplier says of some units of a purchase-order line.
type AckStatus string

// The answers a supplier can give, by line and quantity (X12 855 ACK01 maps onto these).
const (
	AckAccepted    AckStatus = "accepted"
	AckBackordered AckStatus = "backordered"
	AckRejected    AckStatus = "rejected"
	// AckSubstitutionOffered ships nothing unless the other article is ordered anew. A channel whose
	// suppliers ship the substitute right away has to ask or translate.
	AckSubstitutionOffered AckStatus = "substitution_offered"
	AckPriceChanged        AckStatus = "price_changed"
	AckOnHold              AckStatus = "on_hold"
)

// AckLine is the answer for some units of one line. One line may have several, whose quantities
// add up to what was asked.
type AckLine struct {
	Line     int       `json:"line"`
	Status   AckStatus `json:"status"`
	Quantity int64     `json:"quantity"`
	// SupplierSKU is the article offered instead (substitution_offered).
	SupplierSKU string `json:"supplierSku,omitempty"`
	// UnitCost is the changed price in minor units of the purchase order's currency (price_changed).
	UnitCost int64 `json:"unitCost,omitempty"`
	// ExpectedOn is when backordered units should ship; zero when the supplier does not say.
	ExpectedOn time.Time `json:"expectedOn,omitzero"`
	Reason     string    `json:"reason,omitempty"`
}

// Acknowledgment is a supplier's answer to a purchase order (X12 855). Either Whole answers for
// every line (AckAccepted or AckRejected), or Lines answer one by one.
type Acknowledgment struct {
	Document string    `json:"document"`
	PO       string    `json:"po"`
	At       time.Time `json:"at"` // the supplier's own timestamp: lateness is judged by it
	Whole    AckStatus `json:"whole,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Lines    []AckLine `json:"lines,omitempty"`
}

// ShippedLine is a quantity of one order line in a parcel.
type ShippedLine struct {
	Line     int   `json:"line"`
	Quantity int64 `json:"quantity"`
}

// ShipNotice tells of one parcel (X12 856). It proves a label, not a shipment: the ship clock
// stops at the first carrier scan.
type ShipNotice struct {
	Document string        `json:"document"`
	PO       string        `json:"po"`
	At       time.Time     `json:"at"`
	Carrier  string        `json:"carrier"`
	Tracking string        `json:"tracking"`
	Lines    []ShippedLine `json:"lines"`
}

// CancelAnswer is the supplier's answer to a cancellation (X12 865).
type CancelAnswer struct {
	Document string `json:"document"`
	PO       string `json:"po"`
	// Key is the key of the cancellation that this answers; empty when the supplier does not repeat
	// it, or cancels of its own accord.
	Key      string    `json:"key,omitempty"`
	At       time.Time `json:"at"`
	Accepted bool      `json:"accepted"`
	Reason   string    `json:"reason,omitempty"`
}

// RefundPaid is a person's word that a refund was paid past the storefront, which does not make it. What its step rests
// for has come.
type RefundPaid struct {
	Refund    string `json:"refund"`    // its key
	Reference string `json:"reference"` // the transfer's number
}

// Milestone is a parcel's standing as the customer would be told it.
type Milestone string

// Milestones in the order in which a parcel passes them; the last four are exceptions.
const (
	ParcelLabelled       Milestone = "labelled"
	ParcelInTransit      Milestone = "in_transit"
	ParcelOutForDelivery Milestone = "out_for_delivery"
	ParcelAtPickupPoint  Milestone = "at_pickup_point"
	ParcelDelivered      Milestone = "delivered"
	ParcelDelayed        Milestone = "delayed"   // no scan for a while, or the carrier says so
	ParcelException      Milestone = "exception" // attempt failed, customs hold, damaged
	ParcelReturning      Milestone = "returning" // going back to the sender
	ParcelLost           Milestone = "lost"      // no scan for so long that nobody expects it
)

// ParcelNews is a milestone that a parcel reached, derived from the evidence of its scans.
type ParcelNews struct {
	Carrier   string    `json:"carrier"`
	Tracking  string    `json:"tracking"`
	Milestone Milestone `json:"milestone"`
	At        time.Time `json:"at"`
	Detail    string    `json:"detail,omitempty"`
}

// CancelRequest asks to cancel line quantities; no lines means everything that still can be.
type CancelRequest struct {
	// ID makes a repeat of the same request a no-op.
	ID     string        `json:"id"`
	Lines  []ShippedLine `json:"lines,omitempty"`
	Reason string        `json:"reason,omitempty"`
	// By is a role or a system ("support", "storefront", "temporal-ui"), never a person's name.
	By string `json:"by,omitempty"`
}
