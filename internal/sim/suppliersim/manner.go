package suppliersim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Duration is a time.Duration written as "150ms" or "48h" in JSON.
type Duration time.Duration

// MarshalText writes the form that UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads "150ms", "2s" or "48h".
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

func (d Duration) span() time.Duration { return time.Duration(d) }

// Manner scripts how a supplier behaves. The zero Manner is a good supplier: it takes every
// order, acknowledges it by webhook, ships it in one parcel, accepts a cancellation of units that
// have not shipped, and charges what was agreed, all at once. A step follows the manner that is
// in force when the step begins.
type Manner struct {
	Submit    []Fault       `json:"submit,omitempty"` // faults of POST /purchase-orders
	LookUp    []Fault       `json:"look_up,omitempty"`
	Ack       AckManner     `json:"ack,omitzero"`
	Ship      ShipManner    `json:"ship,omitzero"`
	Cancel    CancelManner  `json:"cancel,omitzero"`
	Intercept CancelManner  `json:"intercept,omitzero"`
	Invoice   InvoiceManner `json:"invoice,omitzero"`
	Return    ReturnManner  `json:"return,omitzero"`
	Webhooks  WebhookManner `json:"webhooks,omitzero"`
	// ClockOffset is how far the supplier's clock is ahead (or, negative, behind).
	ClockOffset Duration `json:"clock_offset,omitzero"`
}

// FaultKind is how a request goes wrong.
type FaultKind string

// The faults of a request.
const (
	FaultDropBeforeApply FaultKind = "drop_before_apply"           // reset, order not taken
	FaultDropAfterApply  FaultKind = "drop_connection_after_apply" // order taken, then reset
	FaultRespond500      FaultKind = "respond_500"
	FaultRespond429      FaultKind = "respond_429" // with RetryAfter, order not taken
	FaultRespond503      FaultKind = "respond_503" // with RetryAfter, order not taken
	FaultRefuse          FaultKind = "refuse"      // 422 with Code
	FaultSlow            FaultKind = "slow"        // order taken and answered after Delay
	FaultErrorBody       FaultKind = "error_body"  // 200 whose body tells of an error
	FaultSilent          FaultKind = "silent"      // no answer until the client gives up or Delay (30 s) passed
)

// Fault plays Times times (0: always) for each purchase order; then comes the next of the script.
type Fault struct {
	Kind       FaultKind `json:"kind"`
	Times      int       `json:"times,omitempty"`
	Applied    bool      `json:"applied,omitempty"` // respond_500, error_body, silent: the order was taken all the same
	Delay      Duration  `json:"delay,omitzero"`
	RetryAfter Duration  `json:"retry_after,omitzero"`
	Code       string    `json:"code,omitempty"` // refuse: the problem's code, else out_of_stock
}

// AckWhen is the way in which an acknowledgment comes.
type AckWhen string

// Ways of acknowledging; the zero value is AckByWebhook.
const (
	AckByWebhook  AckWhen = "webhook"
	AckInResponse AckWhen = "in_response"
	AckNever      AckWhen = "never"
)

// AckContent is what an acknowledgment says.
type AckContent string

// Contents of an acknowledgment; the zero value is ContentAccept.
const (
	ContentAccept     AckContent = "accept"
	ContentReject     AckContent = "reject"
	ContentPart       AckContent = "part" // accept AcceptUnits of each line; Rest for the others
	ContentSubstitute AckContent = "substitute"
	ContentReprice    AckContent = "reprice"
	ContentHold       AckContent = "hold"
)

// Rests of a part acceptance; the zero value is RestBackorder.
const (
	RestBackorder = "backorder"
	RestReject    = "reject"
)

// AckManner scripts acknowledgments.
type AckManner struct {
	When    AckWhen    `json:"when,omitempty"`
	Delay   Duration   `json:"delay,omitzero"`
	Content AckContent `json:"content,omitempty"`
	SKUs    []string   `json:"skus,omitempty"` // the content is for these only, others are accepted
	ByLine  bool       `json:"by_line,omitempty"`

	AcceptUnits          int64    `json:"accept_units,omitempty"`
	Rest                 string   `json:"rest,omitempty"`
	ExpectedIn           Duration `json:"expected_in,omitzero"`            // of backordered units; zero: no date given
	FulfilBackorderAfter Duration `json:"fulfil_backorder_after,omitzero"` // zero: never
	SubstituteSKU        string   `json:"substitute_sku,omitempty"`
	RepriceBP            int64    `json:"reprice_bp,omitempty"`        // basis points on top of the cost
	ReleaseHoldAfter     Duration `json:"release_hold_after,omitzero"` // then accepted; zero: never
	ThenRejectAfter      Duration `json:"then_reject_after,omitzero"`  // a rejection follows; zero: none
	Reason               string   `json:"reason,omitempty"`            // of rejections and holds
	Twice                bool     `json:"ack_twice,omitempty"`         // the same content under another id
	LateAfterCancel      bool     `json:"late_after_cancel,omitempty"` // only Delay after a cancellation was accepted
}

// ShipManner scripts shipments. Units ship once they are accepted or repriced.
type ShipManner struct {
	Never       bool     `json:"never,omitempty"`
	Delay       Duration `json:"delay,omitzero"`              // after the acknowledgment
	Parcels     int      `json:"parcels,omitempty"`           // 0 and 1: one
	Carrier     string   `json:"carrier,omitempty"`           // else dropex
	Parcel      string   `json:"parcel_manner,omitempty"`     // passed to the ShipmentListener
	LabelOnly   bool     `json:"label_only,omitempty"`        // passed to it as "label_only": never scanned
	NoNotice    bool     `json:"no_notice,omitempty"`         // ships without telling
	WithoutAck  bool     `json:"ship_without_ack,omitempty"`  // Delay after the order came, acknowledged or not
	AfterCancel bool     `json:"ship_after_cancel,omitempty"` // Delay after a cancellation was accepted, all units
	WrongBy     int64    `json:"wrong_by,omitempty"`          // added to the first line's quantity
	WrongLine   int      `json:"wrong_line,omitempty"`        // replaces the first line's number
}

// CancelMode is how a cancellation or an intercept is answered.
type CancelMode string

// Ways of answering; the zero value is CancelAccept. Whatever the mode, a cancellation of more units
// than are left to ship is rejected, and so is an intercept of what was not shipped or shares a
// parcel with other units.
const (
	CancelAccept       CancelMode = "accept"
	CancelReject       CancelMode = "reject"
	CancelPending      CancelMode = "pending" // Answer follows by webhook after Delay
	CancelPendingNever CancelMode = "pending_never"
	CancelError        CancelMode = "error" // 500, nothing done
)

// CancelManner scripts answers to cancellations or intercepts. A request that was answered gets
// the same answer when it comes again.
type CancelManner struct {
	Mode   CancelMode `json:"mode,omitempty"`
	Delay  Duration   `json:"delay,omitzero"`
	Answer CancelMode `json:"answer,omitempty"` // of pending: accept or reject
	Reason string     `json:"reason,omitempty"` // of a rejection; else too_late
	Times  int        `json:"times,omitempty"`  // of error: how often; 0: always
	// LoseAnswer drops the connection this many times after the answer was entered in the books.
	LoseAnswer int `json:"lose_answer,omitempty"`
}

// InvoiceMode is what a supplier charges.
type InvoiceMode string

// Invoices follow a shipment; the zero value is InvoiceExact.
const (
	InvoiceExact      InvoiceMode = "exact"
	InvoiceOvercharge InvoiceMode = "overcharge" // OverchargeBP on top of every cost
	InvoiceDuplicate  InvoiceMode = "duplicate"  // the same number under another event id
	InvoiceNever      InvoiceMode = "never"
)

// InvoiceManner scripts invoices. Freight and Allowance are minor units.
type InvoiceManner struct {
	Mode         InvoiceMode `json:"mode,omitempty"`
	Delay        Duration    `json:"delay,omitzero"`
	OverchargeBP int64       `json:"overcharge_bp,omitempty"`
	Freight      int64       `json:"freight,omitempty"`
	Allowance    int64       `json:"allowance,omitempty"`
}

// WebhookManner scripts the delivery of webhooks.
type WebhookManner struct {
	Delay Duration `json:"delay,omitzero"`
	Twice bool     `json:"twice,omitempty"` // the same event again after it was taken
	// OutOfOrder holds every other event of a purchase order, beginning with the first, until the
	// one after it was taken, at most Hold (else 2 s).
	OutOfOrder bool     `json:"out_of_order,omitempty"`
	Hold       Duration `json:"hold,omitzero"`
	// WrongSignaturePercent of the attempts are signed with a wrong secret.
	WrongSignaturePercent int `json:"wrong_signature_percent,omitempty"`
}

// ParseManner reads a Manner and refuses members and values that it does not know: a misspelt
// script would silently play a good supplier.
func ParseManner(text []byte) (Manner, error) {
	var m Manner
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		return Manner{}, fmt.Errorf("manner: %w", err)
	}
	return m, m.Validate()
}

// Validate refuses values that the simulator would not play.
func (m Manner) Validate() error {
	for _, fault := range append(append([]Fault(nil), m.Submit...), m.LookUp...) {
		if err := oneOf("fault", fault.Kind, FaultDropBeforeApply, FaultDropAfterApply, FaultRespond500, FaultRespond429,
			FaultRespond503, FaultRefuse, FaultSlow, FaultErrorBody, FaultSilent); err != nil {
			return err
		}
	}
	for _, c := range []CancelManner{m.Cancel, m.Intercept} {
		if err := oneOf("cancel mode", c.Mode, "", CancelAccept, CancelReject, CancelPending, CancelPendingNever, CancelError); err != nil {
			return err
		}
		if err := oneOf("cancel answer", c.Answer, "", CancelAccept, CancelReject); err != nil {
			return err
		}
	}
	if err := oneOf("ack.when", m.Ack.When, "", AckByWebhook, AckInResponse, AckNever); err != nil {
		return err
	}
	if err := oneOf("ack.rest", m.Ack.Rest, "", RestBackorder, RestReject); err != nil {
		return err
	}
	if err := oneOf("ack.content", m.Ack.Content, "", ContentAccept, ContentReject, ContentPart, ContentSubstitute, ContentReprice, ContentHold); err != nil {
		return err
	}
	if m.Ack.Content == ContentSubstitute && m.Ack.SubstituteSKU == "" {
		return fmt.Errorf("manner: ack.substitute_sku: want the article that is offered instead")
	}
	if err := oneOf("return.answer", m.Return.Answer, "", CancelAccept, CancelReject, CancelPending, CancelPendingNever); err != nil {
		return err
	}
	if err := oneOf("return.condition", m.Return.Condition, "", "as_new", "opened", "damaged", "wrong_item", "not_ours"); err != nil {
		return err
	}
	return oneOf("invoice.mode", m.Invoice.Mode, "", InvoiceExact, InvoiceOvercharge, InvoiceDuplicate, InvoiceNever)
}

func oneOf[T ~string](member string, got T, known ...T) error {
	if slices.Contains(known, got) {
		return nil
	}
	return fmt.Errorf("manner: %s %q: want one of %q", member, got, known)
}

// fault gives what befalls the attempt-th request (from 0) about a purchase order, or nil.
func fault(script []Fault, attempt int) *Fault {
	for i := range script {
		if script[i].Times == 0 || attempt < script[i].Times {
			return &script[i]
		}
		attempt -= script[i].Times
	}
	return nil
}
