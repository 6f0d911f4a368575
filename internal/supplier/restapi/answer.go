package restapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// purchaseOrder writes the document; it fails on what the protocol cannot carry.
func purchaseOrder(po supplier.PurchaseOrder) (wire.PurchaseOrder, error) {
	document := wire.PurchaseOrder{
		Number: po.Number, OrderedAt: po.OrderedAt.UTC(), Currency: po.Currency,
		ShippingMethod: po.Method, ShipTo: po.ShipTo,
	}
	if !numberShape.MatchString(po.Number) {
		return document, broken("number", "1 to 22 letters, digits or '-'")
	}
	if len(po.Lines) == 0 || len(po.Lines) > maxLines {
		return document, broken("lines", "1 to 500 lines")
	}
	for i, line := range po.Lines {
		member := fmt.Sprintf("lines[%d]", i)
		if err := checkLine(member, line.Line, line.Quantity); err != nil {
			return document, err
		}
		cost, err := wire.FormatMoney(line.UnitCost, po.Currency)
		if err != nil {
			return document, fmt.Errorf("%s.unit_cost: %w", member, err)
		}
		document.Lines = append(document.Lines, wire.PurchaseOrderLine{
			Line: line.Line, SKU: line.SKU, SupplierSKU: line.SupplierSKU, Quantity: line.Quantity, UnitCost: cost,
		})
	}
	return document, nil
}

// cancellation writes the request; it fails on lines that the protocol cannot carry, because a
// request that lost some of them would ask for other units, without any for all.
func cancellation(request supplier.Cancellation) (wire.Cancellation, error) {
	document := wire.Cancellation{Key: request.Key, Reason: request.Reason}
	if len(request.Lines) > maxLines {
		return document, broken("lines", "at most 500 lines")
	}
	seen := map[int]bool{}
	for i, line := range request.Lines {
		member := fmt.Sprintf("lines[%d]", i)
		if err := checkLine(member, line.Line, line.Quantity); err != nil {
			return document, err
		}
		if seen[line.Line] {
			return document, broken(member+".line", "each line once")
		}
		seen[line.Line] = true
		document.Lines = append(document.Lines, wire.ShippedLine{Line: line.Line, Quantity: line.Quantity})
	}
	return document, nil
}

// guarded finds answers of status 200 that are errors all the same.
type guarded struct {
	Error  json.RawMessage `json:"error"`
	Errors json.RawMessage `json:"errors"`
}

var errErrorShaped = errors.New("it holds an error")

func decodeGuarded(body []byte, target any) error {
	var guard guarded
	if err := decodeStrict(body, &guard); err != nil {
		return err
	}
	for _, member := range []json.RawMessage{guard.Error, guard.Errors} {
		if len(member) > 0 && string(member) != "null" {
			return errErrorShaped
		}
	}
	return decodeStrict(body, target)
}

func decodeReceipt(body []byte, po supplier.PurchaseOrder) (supplier.Receipt, error) {
	var w wire.Receipt
	if err := decodeGuarded(body, &w); err != nil {
		return supplier.Receipt{}, err
	}
	if w.Acknowledgment != nil && w.Acknowledgment.Currency != "" && w.Acknowledgment.Currency != po.Currency {
		return supplier.Receipt{}, broken("acknowledgment.currency", "the purchase order's")
	}
	return receipt(w, po.Number)
}

func receipt(w wire.Receipt, number string) (supplier.Receipt, error) {
	if w.ReceivedAt.Before(earliest) || w.ReceivedAt.After(latest) {
		return supplier.Receipt{}, broken("received_at", "the time of receipt")
	}
	w.Reference = strings.TrimSpace(w.Reference)
	if w.Reference != "" && !referenceShape.MatchString(w.Reference) {
		return supplier.Receipt{}, broken("reference", "at most 64 letters, digits and punctuation")
	}
	r := supplier.Receipt{Reference: w.Reference, ReceivedAt: w.ReceivedAt.UTC()}
	if w.Acknowledgment == nil {
		return r, nil
	}
	ack, err := embeddedAck(*w.Acknowledgment, number)
	if err != nil {
		return supplier.Receipt{}, fmt.Errorf("acknowledgment.%w", err)
	}
	r.Acknowledgment = ack
	return r, nil
}

func embeddedAck(w wire.Acknowledgment, number string) (*order.Acknowledgment, error) {
	if err := embedded(w.ID, &w.PO, number); err != nil {
		return nil, err
	}
	return acknowledgment(w, w.ID, w.At)
}

// embedded checks a document that stands inside an answer about a purchase order.
func embedded(id string, po *string, number string) error {
	if !documentShape.MatchString(id) {
		return broken("id", "the document's id")
	}
	if *po == "" {
		*po = number
	}
	if *po != number {
		return broken("po", "the number that was asked for")
	}
	return nil
}

func decodeStanding(body []byte, number string) (supplier.Standing, error) {
	var w wire.Standing
	if err := decodeGuarded(body, &w); err != nil {
		return supplier.Standing{}, err
	}
	if w.Number != number {
		return supplier.Standing{}, broken("number", "the number that was asked for")
	}
	r, err := receipt(w.Receipt, number)
	if err != nil {
		return supplier.Standing{}, err
	}
	standing := supplier.Standing{Receipt: r, Cancelled: w.Cancelled}
	for i, parcel := range w.Shipments {
		if err := embedded(parcel.ID, &parcel.PO, number); err != nil {
			return supplier.Standing{}, fmt.Errorf("shipments[%d].%w", i, err)
		}
		notice, err := shipment(parcel, parcel.ID, parcel.At)
		if err != nil {
			return supplier.Standing{}, fmt.Errorf("shipments[%d].%w", i, err)
		}
		standing.Shipments = append(standing.Shipments, *notice)
	}
	return standing, nil
}

func decodeAnswer(body []byte) (supplier.CancelReceipt, error) {
	var w wire.Answer
	if err := decodeGuarded(body, &w); err != nil {
		return supplier.CancelReceipt{}, err
	}
	outcome := supplier.CancelOutcome(w.Outcome)
	switch outcome {
	case supplier.CancelAccepted, supplier.CancelRejected, supplier.CancelPending:
	default:
		return supplier.CancelReceipt{}, broken("outcome", "accepted, rejected or pending")
	}
	if err := checkTime(w.At, time.Now()); err != nil {
		return supplier.CancelReceipt{}, err
	}
	return supplier.CancelReceipt{Outcome: outcome, At: w.At.UTC(), Reason: wire.Reason(w.Reason)}, nil
}
