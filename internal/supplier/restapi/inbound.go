package restapi

import (
	"errors"
	"fmt"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// Why a webhook cannot be read. Each is a reason for quarantine, not for a retry.
var (
	ErrTooLarge    = errors.New("document too large")
	ErrMalformed   = errors.New("document malformed")
	ErrUnknownType = errors.New("document of an unknown type")
	ErrInvalid     = errors.New("document breaks a rule of the protocol")
)

// ParseError says why a webhook cannot be read. Detail names the member and the rule, and never
// holds what the document says.
type ParseError struct {
	Kind   error
	Detail string
}

func (e *ParseError) Error() string { return fmt.Sprintf("%v: %s", e.Kind, e.Detail) }

// Unwrap lets errors.Is find the kind.
func (e *ParseError) Unwrap() error { return e.Kind }

// Document is a supplier's webhook. Exactly one of the pointers is set.
type Document struct {
	ID             string
	Type           string
	CreatedAt      time.Time
	PO             string
	Acknowledgment *order.Acknowledgment
	ShipNotice     *order.ShipNotice
	CancelAnswer   *order.CancelAnswer
	Invoice        *supplier.Invoice

	// RMA is the return that the document is about, instead of a purchase order; Return is what it says.
	RMA    string
	Return *returns.Fact

	// Claim is what a document says about a claim, instead of a purchase order.
	Claim *ClaimSaid

	// Currency is what the prices of an acknowledgment or an invoice are in, empty when it names
	// none; whether it is the purchase order's currency is for the receiver to check.
	Currency string
	// CancelKey is the key of the cancellation or intercept that a CancelAnswer answers.
	CancelKey string
}

// NaturalKey makes a repeat recognisable: the supplier's event id, unique per supplier.
func (d Document) NaturalKey() string { return d.ID }

// ParseWebhook reads the body of a supplier's webhook, whose signature was verified before. It
// fails with *ParseError.
func ParseWebhook(body []byte) (Document, error) {
	if len(body) > MaxDocument {
		return Document{}, &ParseError{ErrTooLarge, fmt.Sprintf("more than %d bytes", MaxDocument)}
	}
	var event wire.Event
	if err := decodeStrict(body, &event); err != nil {
		return Document{}, &ParseError{ErrMalformed, err.Error()}
	}
	if !documentShape.MatchString(event.ID) {
		return Document{}, &ParseError{ErrInvalid, "id: want 1 to 128 letters, digits, '.', '_', ':' or '-'"}
	}
	if event.CreatedAt.Before(earliest) || event.CreatedAt.After(latest) {
		return Document{}, &ParseError{ErrInvalid, "created_at: want a time between 2015 and 2100"}
	}
	doc := Document{ID: event.ID, Type: event.Type, CreatedAt: event.CreatedAt.UTC()}
	read, known := readers[event.Type]
	if !known {
		return Document{}, &ParseError{ErrUnknownType, "type: want one of the protocol's event types"}
	}
	if err := read(&doc, event.Data); err != nil {
		return Document{}, err
	}
	return doc, nil
}

var readers = map[string]func(*Document, []byte) error{
	wire.TypeAcknowledged: func(d *Document, data []byte) error {
		return read(data, func(w wire.Acknowledgment) (err error) {
			d.PO, d.Currency = w.PO, w.Currency
			d.Acknowledgment, err = acknowledgment(w, d.ID, d.CreatedAt)
			return err
		})
	},
	wire.TypeShipment: func(d *Document, data []byte) error {
		return read(data, func(w wire.Shipment) (err error) {
			d.PO = w.PO
			d.ShipNotice, err = shipment(w, d.ID, d.CreatedAt)
			return err
		})
	},
	wire.TypeCancellationAnswered: func(d *Document, data []byte) error {
		return read(data, func(w wire.CancellationAnswered) (err error) {
			d.PO, d.CancelKey = w.PO, w.Key
			d.CancelAnswer, err = cancelAnswer(w, d.ID, d.CreatedAt)
			return err
		})
	},
	wire.TypeInvoice: func(d *Document, data []byte) error {
		return read(data, func(w wire.Invoice) (err error) {
			d.PO, d.Currency = w.PO, w.Currency
			d.Invoice, err = invoice(w, d.ID, d.CreatedAt)
			return err
		})
	},
	wire.TypeReturnAnswered: func(d *Document, data []byte) error {
		return read(data, func(w wire.ReturnAnswered) (err error) {
			d.RMA = w.RMA
			d.Return, err = returnAnswer(w, d.ID, d.CreatedAt)
			return err
		})
	},
	wire.TypeReturnInspected: func(d *Document, data []byte) error {
		return read(data, func(w wire.ReturnInspected) (err error) {
			d.RMA = w.RMA
			d.Return, err = inspection(w, d.ID, d.CreatedAt)
			return err
		})
	},
	wire.TypeClaimAnswered: func(d *Document, data []byte) error {
		return read(data, func(w wire.ClaimAnswered) (err error) {
			d.Claim, err = claimAnswer(w, d.CreatedAt)
			return err
		})
	},
	wire.TypeCreditMemo: func(d *Document, data []byte) error {
		return read(data, func(w wire.CreditMemo) (err error) {
			d.RMA, d.Currency = w.RMA, w.Currency
			if w.Claim != "" || w.Invoice != "" {
				d.Claim, err = claimCredit(w, d.CreatedAt)
				return err
			}
			d.Return, err = creditMemo(w, d.ID, d.CreatedAt)
			return err
		})
	},
}

func read[W any](data []byte, take func(W) error) error {
	var w W
	if err := decodeStrict(data, &w); err != nil {
		return &ParseError{ErrMalformed, "data: " + err.Error()}
	}
	if err := take(w); err != nil {
		return &ParseError{ErrInvalid, "data." + err.Error()}
	}
	return nil
}
