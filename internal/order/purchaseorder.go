package order

import (
	"slices"
	"time"

	"github.com/dropline/dropline/internal/money"
)

// Phase is how far a purchase order has got towards its supplier. What the supplier made of it is
// told by its units.
type Phase string

// The phases of sending. DeliveryUnknown: the send ended without an answer.
const (
	Created         Phase = "created"
	Sending         Phase = "sending"
	DeliveryUnknown Phase = "delivery_unknown"
	Submitted       Phase = "submitted"
	Failed          Phase = "failed"
)

// PurchaseOrder is what one supplier was asked to ship.
type PurchaseOrder struct {
	Number   string   `json:"number"`
	Supplier string   `json:"supplier"`
	Phase    Phase    `json:"phase"`
	Lines    []POLine `json:"lines"`
	Terms    Terms    `json:"terms"`
	// Currency is that of its costs, where it is not the order's; Terms.Rate then converts them.
	Currency string `json:"currency,omitempty"`

	// Sends counts the deliberate sends; a resend follows only a look-up that found nothing.
	Sends     int       `json:"sends,omitempty"`
	Reference string    `json:"reference,omitempty"`
	SentAt    time.Time `json:"sentAt,omitzero"`

	// Deadlines carry the supplier's own UTC offset, so that they print in its time.
	AckDueAt  time.Time   `json:"ackDueAt,omitzero"`
	ShipDueAt time.Time   `json:"shipDueAt,omitzero"`
	RemindAt  []time.Time `json:"remindAt,omitempty"` // reminders still to come

	// Acknowledged: the supplier has answered for every unit. AckAt and AckDocument are the newest
	// answer by the supplier's own clock; an older one that comes later changes nothing.
	Acknowledged bool      `json:"acknowledged,omitempty"`
	AckAt        time.Time `json:"ackAt,omitzero"`
	AckDocument  string    `json:"ackDocument,omitempty"`
	// Breached names the clocks that ran out: "acknowledge", "ship".
	Breached []string `json:"breached,omitempty"`
	// ShipAsked: it was asked to give back what it had not shipped in time.
	ShipAsked bool `json:"shipAsked,omitempty"`
	// LateAck: the supplier accepted after it had lost the order, and must be told again.
	LateAck LateAck `json:"lateAck,omitempty"`

	Withdrawals []Withdrawal `json:"withdrawals,omitempty"`
	Parcels     []Parcel     `json:"parcels,omitempty"`
}

// LateAck is the standing of an acknowledgment that came for a purchase order already lost.
type LateAck string

// A late acknowledgment is answered once, with the cancellation repeated. Crossed: the supplier ships
// units that it was allowed to keep, and was told not to at the same time.
const (
	LateAckNone     LateAck = ""
	LateAckReceived LateAck = "received"
	LateAckAnswered LateAck = "answered"
	LateAckCrossed  LateAck = "crossed"
)

// Terms are the parts of a contract that decide a purchase order's life, frozen when it was made.
type Terms struct {
	Name string `json:"name"` // the supplier's name, for people
	// KeepOnSilence: an unanswered cancellation leaves the order with the supplier until a person
	// decides, instead of moving it on after the promised time.
	KeepOnSilence bool `json:"keepOnSilence,omitempty"`
	// LooksRarer: such an order looks less and less often whether the answer has come. Orders that were
	// routed before this was known look daily, as their histories say.
	LooksRarer bool `json:"looksRarer,omitempty"`
	// AcceptPriceBP is the rise in unit cost that is taken without asking, in basis points.
	AcceptPriceBP int64 `json:"acceptPriceBp,omitempty"`
	// AcceptSubstitutes: the contract allows substitutes. One that is offered has to be ordered anew.
	AcceptSubstitutes bool `json:"acceptSubstitutes,omitempty"`
	// Rate is what the supplier's currency was worth in the order's when it was routed; nil: they are one.
	Rate *money.Rate `json:"rate,omitempty"`
}

// worth is a cost of the purchase order in the order's currency. ok is false for one that is too large to
// convert: nothing is then decided by it.
func (p *PurchaseOrder) worth(minor int64) (converted int64, ok bool) {
	if p.Terms.Rate == nil {
		return minor, true
	}
	converted, err := p.Terms.Rate.Convert(minor)
	return converted, err == nil
}

// POLine is the part of an order line that a purchase order asks for.
type POLine struct {
	Line     int    `json:"line"`
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
	// UnitCost is what the supplier is to be paid for one unit, in minor units; OrderedCost is what it
	// was ordered at, when the supplier has changed it since.
	UnitCost    int64  `json:"unitCost"`
	OrderedCost *int64 `json:"orderedCost,omitempty"`
	Units       Units  `json:"units"`
	// ExpectedOn is when the supplier says backordered units will ship.
	ExpectedOn time.Time `json:"expectedOn,omitzero"`
	// WaitUntil ends the wait for backordered units.
	WaitUntil time.Time `json:"waitUntil,omitzero"`
	// Kept: asked to give backordered units back, the supplier kept them.
	Kept bool `json:"kept,omitempty"`
}

// Parcel is a box that a supplier says it packed for this purchase order.
type Parcel struct {
	Carrier  string        `json:"carrier"`
	Tracking string        `json:"tracking"`
	Lines    []ShippedLine `json:"lines"`
	// Voided units stand on the label but are not known to be in the parcel: they were given up before
	// any scan, or stand on another label, too. Only a scan tells.
	Voided    []ShippedLine `json:"voided,omitempty"`
	Milestone Milestone     `json:"milestone"`
	ScannedAt time.Time     `json:"scannedAt,omitzero"`
}

// Disposition is what happens with units that a supplier gives back.
type Disposition string

// Units asked back are bought elsewhere, or cancelled for the customer.
const (
	ThenReroute Disposition = "reroute"
	ThenCancel  Disposition = "cancel"
)

// WithdrawalStatus is how far a withdrawal is.
type WithdrawalStatus string

// A withdrawal is wanted, then asked, perhaps promised an answer, and ends in one of three ways.
const (
	Wanted    WithdrawalStatus = "wanted"
	Asking    WithdrawalStatus = "asking"
	Awaiting  WithdrawalStatus = "awaiting"
	Confirmed WithdrawalStatus = "confirmed"
	Refused   WithdrawalStatus = "refused"
	Silent    WithdrawalStatus = "silent"
)

// Withdrawal asks a supplier to give units back: the fence that stands before any of them is
// bought elsewhere or refunded.
type Withdrawal struct {
	Key    string           `json:"key"`
	Reason string           `json:"reason"`
	Status WithdrawalStatus `json:"status"`
	Units  []WithdrawnUnits `json:"units"`
	// ConfirmBy is when the supplier's answer is due at the latest.
	ConfirmBy time.Time `json:"confirmBy,omitzero"`
	// Acknowledged: the supplier accepted the order after it was asked to give these units back.
	Acknowledged bool `json:"acknowledged,omitempty"`
	// Heard: the supplier had answered for other units of the order before. Conditional: it is being
	// asked on the condition that it has been silent.
	Heard       bool `json:"heard,omitempty"`
	Conditional bool `json:"conditional,omitempty"`
	// Owed: the supplier was asked and has not answered, also when that does not matter any more. An
	// answer without a key can only be told apart by it.
	Owed bool `json:"owed,omitempty"`
	// Early is an answer without a key that came before the direct one: accepted or not.
	Early *bool `json:"early,omitempty"`
	// WantedAt is when it was decided: an answer from before is no answer to it.
	WantedAt time.Time `json:"wantedAt,omitzero"`
	// EndedAt is when the withdrawal was confirmed, refused or taken as confirmed.
	EndedAt time.Time `json:"endedAt,omitzero"`
}

// WithdrawnUnits remembers where units stood, so that a refusal puts them back.
type WithdrawnUnits struct {
	Line     int         `json:"line"`
	Quantity int64       `json:"quantity"`
	From     UnitState   `json:"from"`
	Then     Disposition `json:"then"`
}

func (w *Withdrawal) open() bool {
	return w.Status == Wanted || w.Status == Asking || w.Status == Awaiting
}

// Lines sums the withdrawn units by line, in the order of the lines.
func (w *Withdrawal) Lines() []ShippedLine {
	var lines []ShippedLine
	for _, u := range w.Units {
		lines = addLine(lines, u.Line, u.Quantity)
	}
	return lines
}

func addLine(lines []ShippedLine, line int, quantity int64) []ShippedLine {
	if quantity == 0 {
		return lines
	}
	for i := range lines {
		if lines[i].Line == line {
			lines[i].Quantity += quantity
			return lines
		}
	}
	return append(lines, ShippedLine{Line: line, Quantity: quantity})
}

func (p *PurchaseOrder) line(n int) *POLine {
	for i := range p.Lines {
		if p.Lines[i].Line == n {
			return &p.Lines[i]
		}
	}
	return nil
}

// Live is the units the purchase order still answers for.
func (p *PurchaseOrder) Live() int64 {
	var n int64
	for i := range p.Lines {
		n += p.Lines[i].Units.Live()
	}
	return n
}

func (p *PurchaseOrder) totals() Units {
	var t Units
	for i := range p.Lines {
		t.add(&p.Lines[i].Units)
	}
	return t
}

// Withdrawal finds a withdrawal by key; nil when the purchase order has none of that key.
func (p *PurchaseOrder) Withdrawal(key string) *Withdrawal {
	for i := range p.Withdrawals {
		if p.Withdrawals[i].Key == key {
			return &p.Withdrawals[i]
		}
	}
	return nil
}

func (p *PurchaseOrder) openWithdrawal() *Withdrawal {
	for i := range p.Withdrawals {
		if p.Withdrawals[i].open() {
			return &p.Withdrawals[i]
		}
	}
	return nil
}

func (p *PurchaseOrder) parcel(carrier, tracking string) *Parcel {
	for i := range p.Parcels {
		if p.Parcels[i].Carrier == carrier && p.Parcels[i].Tracking == tracking {
			return &p.Parcels[i]
		}
	}
	return nil
}

func (p *PurchaseOrder) breached(clock string) bool {
	return slices.Contains(p.Breached, clock)
}

// Status is the purchase order's standing in the trade's words, derived from phase and units.
func (p *PurchaseOrder) Status() string {
	if p.Phase != Submitted {
		if p.Live() == 0 && p.Phase == Created {
			return "cancelled"
		}
		return string(p.Phase)
	}
	t := p.totals()
	switch {
	case t.CancelRequested > 0:
		return "cancel_requested"
	case t.Live() == 0 && t.Cancelled+t.Rerouted == 0:
		return "rejected"
	case t.Live() == 0:
		return "cancelled"
	case t.Terminal() == t.Live():
		return "complete"
	case t.open() == 0:
		return "shipped"
	case t.Labelled+t.Shipped+t.Delivered > 0:
		return "shipping"
	case p.Acknowledged:
		return "acknowledged"
	}
	return string(Submitted)
}
