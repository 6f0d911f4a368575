// Package orderview shows an order as it stands: the last snapshot that its workflow recorded, with
// the facts that came since folded in by the same code that runs in the workflow. It reads Postgres
// alone, so it answers while Temporal is away, and it holds no personal data.
package orderview

import "time"

// View is an order as it stands. Amounts are decimal text in Currency.
type View struct {
	Order          string      `json:"order" doc:"Storefront and order id." example:"shop/1001"`
	Storefront     string      `json:"storefront" example:"shop"`
	ID             string      `json:"id" example:"1001"`
	Number         string      `json:"number,omitempty" doc:"The order's number as the customer knows it." example:"#1001"`
	Stage          string      `json:"stage" doc:"received, held, backordered, dispatched, acknowledged, shipped, delivered, settled or cancelled." example:"shipped"`
	NeedsAttention bool        `json:"needs_attention" doc:"A person has to decide something."`
	Attention      []Attention `json:"attention" doc:"What waits for a person."`
	Hold           *Hold       `json:"hold,omitempty" doc:"Why the order is held for review."`
	PlacedAt       time.Time   `json:"placed_at" doc:"When the customer placed it."`
	ReceivedAt     time.Time   `json:"received_at" doc:"When Dropline took it in."`
	StartedAt      time.Time   `json:"started_at,omitzero" doc:"When work on it began; missing: it has not yet."`
	ClosedAt       time.Time   `json:"closed_at,omitzero" doc:"When nothing more was left to do."`
	Currency       string      `json:"currency" example:"USD"`
	Total          string      `json:"total" doc:"What the customer was charged in all." example:"29.90"`
	Captured       string      `json:"captured" doc:"What was taken of it." example:"29.90"`
	Refunded       string      `json:"refunded" doc:"What has gone back, or is on its way back." example:"0.00"`

	Lines            []Line            `json:"lines"`
	PurchaseOrders   []PurchaseOrder   `json:"purchase_orders"`
	Parcels          []Parcel          `json:"parcels"`
	Cases            []Case            `json:"cases" doc:"Shipments that nobody waits for."`
	Refunds          []Refund          `json:"refunds"`
	SupplierPayments []SupplierPayment `json:"supplier_payments,omitempty" doc:"What suppliers were paid for it, and what was set off; not for keys of one storefront."`
	Returns          []Return          `json:"returns" doc:"Goods that come back, the oldest return first."`
	Payment          *Payment          `json:"payment,omitempty" doc:"The order's money at its payment provider; missing: the storefront keeps it to itself."`
	Claims           []Claim           `json:"claims,omitempty" doc:"What is or was open with suppliers and carriers: what, who pursues it, until when."`
	Messages         []Message         `json:"messages" doc:"What was or will be told to the customer, the storefront and suppliers."`
	WaitsFor         []Wait            `json:"waits_for" doc:"What has to happen next, and until when."`
}

// Attention is something that waits for a person.
type Attention struct {
	Text  string    `json:"text"`
	Since time.Time `json:"since"`
}

// Hold is why an order is held.
type Hold struct {
	Reasons  []string  `json:"reasons"`
	Since    time.Time `json:"since"`
	CancelAt time.Time `json:"cancel_at" doc:"If nobody decides until then, the order is cancelled and refunded."`
}

// Line is one line of the order.
type Line struct {
	Line      int    `json:"line" example:"1"`
	SKU       string `json:"sku" example:"MUG-BLUE"`
	Quantity  int64  `json:"quantity" example:"2"`
	Cancelled int64  `json:"cancelled" doc:"Units of it that are cancelled." example:"0"`
	Where     string `json:"where" doc:"Where its units are." example:"1 accepted, 1 shipped"`
}

// PurchaseOrder is what one supplier was asked to ship.
type PurchaseOrder struct {
	Number      string    `json:"number" example:"DLABCDEFGHIJKLM-1"`
	Supplier    string    `json:"supplier" example:"acme"`
	Name        string    `json:"name" doc:"The supplier's name." example:"Acme Wholesale"`
	Status      string    `json:"status" example:"acknowledged"`
	Breached    []string  `json:"breached,omitempty" doc:"The clocks of its contract that ran out: acknowledge, ship."`
	AckDueAt    time.Time `json:"ack_due_at,omitzero"`
	ShipDueAt   time.Time `json:"ship_due_at,omitzero"`
	Lines       []Units   `json:"lines"`
	Withdrawals []Asked   `json:"withdrawals,omitempty" doc:"Units that the supplier was asked to give back."`
}

// Units are units of one line.
type Units struct {
	Line     int   `json:"line" example:"1"`
	Quantity int64 `json:"quantity" example:"2"`
}

// Asked is a request to a supplier to give units back.
type Asked struct {
	Key       string    `json:"key" example:"DLABCDEFGHIJKLM-1/c1"`
	Status    string    `json:"status" example:"awaiting"`
	Lines     []Units   `json:"lines"`
	ConfirmBy time.Time `json:"confirm_by,omitzero" doc:"When the supplier's answer is due."`
}

// Parcel is a tracked box.
type Parcel struct {
	Carrier       string    `json:"carrier" example:"ups"`
	Tracking      string    `json:"tracking" example:"1Z999AA10123456784"`
	PurchaseOrder string    `json:"purchase_order" example:"DLABCDEFGHIJKLM-1"`
	Milestone     string    `json:"milestone" doc:"The newest that its scans prove." example:"in_transit"`
	MilestoneAt   time.Time `json:"milestone_at,omitzero"`
	FirstScanAt   time.Time `json:"first_scan_at,omitzero" doc:"When the carrier had it in hand for the first time."`
	LastScanAt    time.Time `json:"last_scan_at,omitzero"`
	Lines         []Units   `json:"lines"`
}

// Case is a shipment that nobody waits for.
type Case struct {
	Key      string  `json:"key" example:"DLABCDEFGHIJKLM-1/1Z999AA10123456784"`
	Kind     string  `json:"kind" doc:"duplicate_shipment or over_shipment." example:"duplicate_shipment"`
	Status   string  `json:"status" doc:"opened, intercepting, deciding, intercepted or absorbed_as_loss." example:"deciding"`
	Tracking string  `json:"tracking" example:"1Z999AA10123456784"`
	Lines    []Units `json:"lines"`
}

// Refund is money that goes back to the customer.
type Refund struct {
	Number    int       `json:"number" doc:"0: what is paid for a return." example:"1"`
	RMA       string    `json:"rma,omitempty" doc:"The return that it pays for." example:"DLABCDEFGHIJKLM-1-R1"`
	Amount    string    `json:"amount" example:"12.50"`
	State     string    `json:"state" doc:"trying or done." example:"done"`
	Reason    string    `json:"reason" example:"cancelled"`
	Key       string    `json:"key" doc:"Names it in decisions." example:"refund/shop/1001/1"`
	Reference string    `json:"reference,omitempty" doc:"The storefront's own id of the refund, or the transfer's by which it was paid elsewhere."`
	AskedAt   time.Time `json:"asked_at"`
	DoneAt    time.Time `json:"done_at,omitzero"`
	// Elsewhere is a person's word that it was paid past the storefront.
	Elsewhere *RefundElsewhere `json:"elsewhere,omitempty"`
}

// RefundElsewhere is a person's word that a refund was paid past its storefront.
type RefundElsewhere struct {
	Reference string    `json:"reference" doc:"The transfer's number." example:"wire-2026-117"`
	Reason    string    `json:"reason" doc:"Why the storefront does not make it: refused, too_late, unreachable, agreed or other." example:"refused"`
	By        string    `json:"by" example:"operator key 4f1c"`
	At        time.Time `json:"at"`
}

// Message is something that is told to somebody.
type Message struct {
	Channel string    `json:"channel" doc:"customer_mail, storefront, supplier_mail or carrier_mail." example:"customer_mail"`
	Kind    string    `json:"kind" example:"shipped"`
	State   string    `json:"state" doc:"pending, sent, failed or skipped." example:"sent"`
	At      time.Time `json:"at" doc:"When it was decided."`
	SentAt  time.Time `json:"sent_at,omitzero"`
}

// Wait is something that has to happen next.
type Wait struct {
	For   string    `json:"for" example:"Acme Wholesale ships DLABCDEFGHIJKLM-1"`
	Until time.Time `json:"until,omitzero" doc:"When something else is done if it does not happen; missing: it is watched without a fixed time."`
}
