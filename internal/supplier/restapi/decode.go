package restapi

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// Limits of what a document may say. A purchase order has at most 200 lines; an answer may split
// them.
const (
	maxLines    = 500
	maxLine     = 100_000
	maxQuantity = 100_000
	// A document may report what happened this long before it was made, and, for clocks that
	// differ, this long after.
	maxAge  = 400 * 24 * time.Hour
	maxSkew = 24 * time.Hour
)

var (
	earliest = time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

	documentShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)
	// 22 characters is what X12 BEG03 holds.
	numberShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,21}$`)
	// A space at the end is none of a number: files and mails come without it, and what comes by both counts once.
	referenceShape = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9 ._:/#-]{0,62}[A-Za-z0-9._:/#-])?$`)
	carrierShape   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)
	trackingShape  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{3,63}$`)
)

// broken names the member that breaks a rule, never its value.
func broken(member, rule string) error { return fmt.Errorf("%s: want %s", member, rule) }

func checkTime(at, reference time.Time) error {
	if at.Before(earliest) || at.After(latest) {
		return broken("at", "a time between 2015 and 2100")
	}
	if at.Before(reference.Add(-maxAge)) || at.After(reference.Add(maxSkew)) {
		return broken("at", "a time at most 400 days before and a day after the document was made")
	}
	return nil
}

func checkLine(member string, line int, quantity int64) error {
	if line < 1 || line > maxLine {
		return broken(member+".line", "a line number from 1")
	}
	if quantity < 1 || quantity > maxQuantity {
		return broken(member+".quantity", "1 to 100000 units")
	}
	return nil
}

func checkCount(lines int) error {
	if lines < 1 || lines > maxLines {
		return broken("lines", "1 to 500 lines")
	}
	return nil
}

func checkPO(number string) error {
	if !numberShape.MatchString(number) {
		return broken("po", "a purchase order number")
	}
	return nil
}

// acknowledgment reads an answer; document is its natural key and reference the time it was made.
func acknowledgment(w wire.Acknowledgment, document string, reference time.Time) (*order.Acknowledgment, error) {
	ack := &order.Acknowledgment{
		Document: document, PO: w.PO, At: w.At.UTC(),
		Whole: order.AckStatus(w.Whole), Reason: wire.Reason(w.Reason),
	}
	if err := checkPO(w.PO); err != nil {
		return nil, err
	}
	if err := checkTime(w.At, reference); err != nil {
		return nil, err
	}
	if w.Whole != "" {
		if (ack.Whole != order.AckAccepted && ack.Whole != order.AckRejected) || len(w.Lines) > 0 {
			return nil, broken("whole", "accepted or rejected, and then no lines")
		}
		return ack, nil
	}
	if err := checkCount(len(w.Lines)); err != nil {
		return nil, err
	}
	seen := map[order.AckLine]bool{}
	for i, line := range w.Lines {
		answer, err := ackLine(fmt.Sprintf("lines[%d]", i), line, w.Currency, reference)
		if err != nil {
			return nil, err
		}
		// One line may have several answers, but the same answer twice leaves open whether its
		// quantities add up or repeat each other.
		same := answer
		same.Quantity = 0
		if seen[same] {
			return nil, broken(fmt.Sprintf("lines[%d]", i), "each answer for a line once")
		}
		seen[same] = true
		ack.Lines = append(ack.Lines, answer)
	}
	return ack, nil
}

func ackLine(member string, w wire.AckLine, currency string, reference time.Time) (order.AckLine, error) {
	line := order.AckLine{Line: w.Line, Status: order.AckStatus(w.Status), Quantity: w.Quantity, Reason: wire.Reason(w.Reason)}
	if err := checkLine(member, w.Line, w.Quantity); err != nil {
		return line, err
	}
	if w.UnitCost != "" && line.Status != order.AckPriceChanged && line.Status != order.AckSubstitutionOffered {
		return line, broken(member+".unit_cost", "none, unless the price changed or a substitute is offered")
	}
	if w.ExpectedOn != "" {
		on, err := time.Parse(time.DateOnly, w.ExpectedOn)
		if err != nil || on.Before(reference.Add(-maxAge)) || on.After(reference.AddDate(3, 0, 0)) {
			return line, broken(member+".expected_on", "a date within three years")
		}
		line.ExpectedOn = on
	}
	if w.UnitCost != "" {
		cost, err := wire.ParseMoney(w.UnitCost, currency)
		if err != nil || cost == 0 {
			return line, broken(member+".unit_cost", "an amount above zero in the document's currency")
		}
		line.UnitCost = cost
	}
	switch line.Status {
	case order.AckAccepted, order.AckBackordered, order.AckRejected, order.AckOnHold:
	case order.AckSubstitutionOffered:
		w.SupplierSKU = strings.TrimSpace(w.SupplierSKU)
		if !referenceShape.MatchString(w.SupplierSKU) {
			return line, broken(member+".supplier_sku", "the article offered instead")
		}
		line.SupplierSKU = w.SupplierSKU
	case order.AckPriceChanged:
		if line.UnitCost == 0 {
			return line, broken(member+".unit_cost", "the changed price")
		}
	default:
		return line, broken(member+".status", "a status of the protocol")
	}
	return line, nil
}

func shipment(w wire.Shipment, document string, reference time.Time) (*order.ShipNotice, error) {
	notice := &order.ShipNotice{
		Document: document, PO: w.PO, At: w.At.UTC(),
		Carrier: strings.ToLower(w.Carrier), Tracking: strings.ReplaceAll(w.Tracking, " ", ""),
	}
	if err := checkPO(w.PO); err != nil {
		return nil, err
	}
	if err := checkTime(w.At, reference); err != nil {
		return nil, err
	}
	if !carrierShape.MatchString(notice.Carrier) {
		return nil, broken("carrier", "a carrier's short name, for example ups")
	}
	if !trackingShape.MatchString(notice.Tracking) {
		return nil, broken("tracking", "4 to 64 letters, digits and dashes")
	}
	if err := checkCount(len(w.Lines)); err != nil {
		return nil, err
	}
	seen := map[int]bool{}
	for i, line := range w.Lines {
		member := fmt.Sprintf("lines[%d]", i)
		if err := checkLine(member, line.Line, line.Quantity); err != nil {
			return nil, err
		}
		if seen[line.Line] {
			return nil, broken(member, "each line once")
		}
		seen[line.Line] = true
		notice.Lines = append(notice.Lines, order.ShippedLine{Line: line.Line, Quantity: line.Quantity})
	}
	return notice, nil
}

func cancelAnswer(w wire.CancellationAnswered, document string, reference time.Time) (*order.CancelAnswer, error) {
	if err := checkPO(w.PO); err != nil {
		return nil, err
	}
	if err := checkTime(w.At, reference); err != nil {
		return nil, err
	}
	if !documentShape.MatchString(w.Key) {
		return nil, broken("key", "the key of the request that is answered")
	}
	outcome := supplier.CancelOutcome(w.Outcome)
	if outcome != supplier.CancelAccepted && outcome != supplier.CancelRejected {
		return nil, broken("outcome", "accepted or rejected")
	}
	return &order.CancelAnswer{
		Document: document, PO: w.PO, At: w.At.UTC(),
		Accepted: outcome == supplier.CancelAccepted, Reason: wire.Reason(w.Reason),
	}, nil
}

func invoice(w wire.Invoice, document string, reference time.Time) (*supplier.Invoice, error) {
	w.Number, w.Corrects = strings.TrimSpace(w.Number), strings.TrimSpace(w.Corrects)
	bill := &supplier.Invoice{Document: document, PO: w.PO, Number: w.Number, At: w.At.UTC(), Currency: w.Currency}
	if err := checkPO(w.PO); err != nil {
		return nil, err
	}
	if err := checkTime(w.At, reference); err != nil {
		return nil, err
	}
	if !referenceShape.MatchString(w.Number) {
		return nil, broken("number", "an invoice number of at most 64 characters")
	}
	if w.Corrects != "" && (!referenceShape.MatchString(w.Corrects) || w.Corrects == w.Number) {
		return nil, broken("corrects", "the number of another invoice")
	}
	bill.Corrects = w.Corrects
	if err := checkCount(len(w.Lines)); err != nil {
		return nil, err
	}
	seen := map[int]bool{}
	for i, line := range w.Lines {
		member := fmt.Sprintf("lines[%d]", i)
		if err := checkLine(member, line.Line, line.Quantity); err != nil {
			return nil, err
		}
		if seen[line.Line] {
			return nil, broken(member, "each line once")
		}
		seen[line.Line] = true
		cost, err := wire.ParseMoney(line.UnitCost, w.Currency)
		if err != nil {
			return nil, broken(member+".unit_cost", "an amount in the invoice's currency")
		}
		bill.Lines = append(bill.Lines, supplier.InvoiceLine{Line: line.Line, Quantity: line.Quantity, UnitCost: cost})
	}
	return bill, invoiceAmounts(bill, w)
}

func invoiceAmounts(bill *supplier.Invoice, w wire.Invoice) error {
	for _, amount := range []struct {
		member, text string
		optional     bool
		into         *int64
	}{
		{"freight", w.Freight, true, &bill.Freight},
		{"fee", w.Fee, true, &bill.Fee},
		{"allowance", w.Allowance, true, &bill.Allowance},
		{"total", w.Total, false, &bill.Total},
	} {
		if amount.text == "" && amount.optional {
			continue
		}
		minor, err := wire.ParseMoney(amount.text, w.Currency)
		if err != nil {
			return broken(amount.member, "an amount in the invoice's currency")
		}
		*amount.into = minor
	}
	return nil
}
