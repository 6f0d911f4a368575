// Package wire holds the JSON documents of Dropline's REST supplier protocol, as described in
// docs/supplier-api.md. Money travels as a decimal string beside a currency, quantities as
// integers, times as RFC 3339.
package wire

import (
	"encoding/json"
	"time"

	"github.com/dropline/dropline/internal/supplier"
)

// PurchaseOrder is the body of POST /purchase-orders.
type PurchaseOrder struct {
	Number         string              `json:"number"`
	OrderedAt      time.Time           `json:"ordered_at"`
	Currency       string              `json:"currency"`
	ShippingMethod string              `json:"shipping_method,omitempty"`
	ShipTo         supplier.Address    `json:"ship_to"`
	Lines          []PurchaseOrderLine `json:"lines"`
}

// PurchaseOrderLine orders units of one article.
type PurchaseOrderLine struct {
	Line        int    `json:"line"`
	SKU         string `json:"sku"`
	SupplierSKU string `json:"supplier_sku"`
	Quantity    int64  `json:"quantity"`
	UnitCost    string `json:"unit_cost"`
}

// Receipt answers POST /purchase-orders.
type Receipt struct {
	Reference      string          `json:"reference,omitempty"`
	ReceivedAt     time.Time       `json:"received_at"`
	Acknowledgment *Acknowledgment `json:"acknowledgment,omitempty"`
}

// Standing answers GET /purchase-orders/{number}.
type Standing struct {
	Number string `json:"number"`
	Receipt
	Cancelled bool       `json:"cancelled"`
	Shipments []Shipment `json:"shipments"`
}

// Acknowledgment answers a purchase order, whole or by line. ID stands only where the document is
// not the data of an Event, whose id it then bears.
type Acknowledgment struct {
	ID       string    `json:"id,omitempty"`
	PO       string    `json:"po,omitempty"`
	At       time.Time `json:"at"`
	Whole    string    `json:"whole,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Currency string    `json:"currency,omitempty"`
	Lines    []AckLine `json:"lines,omitempty"`
}

// AckLine answers for some units of a line. ExpectedOn is a date, "2026-03-04".
type AckLine struct {
	Line        int    `json:"line"`
	Status      string `json:"status"`
	Quantity    int64  `json:"quantity"`
	SupplierSKU string `json:"supplier_sku,omitempty"`
	UnitCost    string `json:"unit_cost,omitempty"`
	ExpectedOn  string `json:"expected_on,omitempty"`
	Reason      string `json:"reason,omitempty"`
}

// Shipment is one parcel. ID as in Acknowledgment.
type Shipment struct {
	ID       string        `json:"id,omitempty"`
	PO       string        `json:"po,omitempty"`
	At       time.Time     `json:"at"`
	Carrier  string        `json:"carrier"`
	Tracking string        `json:"tracking"`
	Lines    []ShippedLine `json:"lines"`
}

// ShippedLine is a quantity of one line, in a parcel or asked back.
type ShippedLine struct {
	Line     int   `json:"line"`
	Quantity int64 `json:"quantity"`
}

// Cancellation is the body of POST …/cancellations and POST …/intercepts. Lines are the units asked
// back, each line at most once; none asks for everything that has not shipped, or that has.
type Cancellation struct {
	Key    string        `json:"key"`
	Reason string        `json:"reason,omitempty"`
	Lines  []ShippedLine `json:"lines,omitempty"`
}

// Answer is the answer to a Cancellation.
type Answer struct {
	Outcome string    `json:"outcome"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason,omitempty"`
}

// Problem is the body of every refusal (RFC 9457), with a code from the Code list.
type Problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
}

// Event is the envelope of a webhook.
type Event struct {
	ID        string          `json:"id"`
	Type      string          `json:"type"`
	CreatedAt time.Time       `json:"created_at"`
	Data      json.RawMessage `json:"data"`
}

// Types of Event.
const (
	TypeAcknowledged         = "purchase_order.acknowledged"
	TypeShipment             = "shipment.created"
	TypeCancellationAnswered = "purchase_order.cancellation_answered"
	TypeInvoice              = "invoice.created"
	TypeReturnAnswered       = "return.answered"
	TypeReturnInspected      = "return.inspected"
	TypeCreditMemo           = "credit_memo.created" //nolint:gosec // a kind of event
	TypeClaimAnswered        = "claim.answered"
)

// ReturnAuthorization is the body of POST /returns. SendBy is a date.
type ReturnAuthorization struct {
	RMA    string       `json:"rma"`
	PO     string       `json:"po"`
	Lines  []ReturnLine `json:"lines"`
	SendBy string       `json:"send_by"`
}

// ReturnReceipt answers POST /returns. Label stands there when the supplier makes one.
type ReturnReceipt struct {
	Answer
	Label *Label `json:"label,omitempty"`
}

// Label is what the customer sends the goods with; URL (https) is where it can be printed.
type Label struct {
	Carrier  string `json:"carrier"`
	Tracking string `json:"tracking"`
	URL      string `json:"url,omitempty"`
}

// ReturnLine is units that come back, with the reason's code.
type ReturnLine struct {
	Line        int    `json:"line"`
	SupplierSKU string `json:"supplier_sku"`
	Quantity    int64  `json:"quantity"`
	Reason      string `json:"reason"`
}

// ReturnAnswered is the answer that a pending ReturnAuthorization had promised.
type ReturnAnswered struct {
	RMA     string    `json:"rma"`
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"` // accepted or rejected
	Reason  string    `json:"reason,omitempty"`
}

// ReturnInspected is what was found in a return parcel. Several add up; Final says that no more comes.
type ReturnInspected struct {
	RMA   string          `json:"rma"`
	At    time.Time       `json:"at"`
	Lines []InspectedLine `json:"lines"`
	Final bool            `json:"final,omitempty"`
}

// InspectedLine is units in one condition.
type InspectedLine struct {
	Line        int    `json:"line"`
	Quantity    int64  `json:"quantity"`
	Condition   string `json:"condition"`
	Disposition string `json:"disposition,omitempty"`
}

// CreditMemo gives money back for a return, for a claim by its reference, or for a disputed invoice by its
// number: one of the three.
type CreditMemo struct {
	RMA      string    `json:"rma,omitempty"`
	Claim    string    `json:"claim,omitempty"`
	Invoice  string    `json:"invoice,omitempty"`
	Number   string    `json:"number"`
	At       time.Time `json:"at"`
	Currency string    `json:"currency"`
	Amount   string    `json:"amount"`
}

// ClaimAnswered says what a supplier thinks of a claim. Outcome is accepted or rejected.
type ClaimAnswered struct {
	Claim   string    `json:"claim"`
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"`
}

// CancellationAnswered is the answer that a pending cancellation or intercept had promised.
type CancellationAnswered struct {
	PO      string    `json:"po"`
	Key     string    `json:"key"`
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"` // accepted or rejected
	Reason  string    `json:"reason,omitempty"`
}

// Invoice charges for a purchase order.
type Invoice struct {
	PO        string        `json:"po"`
	Number    string        `json:"number"`
	At        time.Time     `json:"at"`
	Currency  string        `json:"currency"`
	Lines     []InvoiceLine `json:"lines"`
	Freight   string        `json:"freight,omitempty"`
	Fee       string        `json:"fee,omitempty"`
	Allowance string        `json:"allowance,omitempty"`
	Total     string        `json:"total"`
	Corrects  string        `json:"corrects,omitempty"` // the number of the invoice in whose place it stands
}

// InvoiceLine charges for units of one line.
type InvoiceLine struct {
	Line     int    `json:"line"`
	Quantity int64  `json:"quantity"`
	UnitCost string `json:"unit_cost"`
}
