package restapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

const returnPath = "/returns"

var rmaShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,29}$`)

var _ supplier.Returner = (*Client)(nil)

// AuthoriseReturn announces a return. See supplier.Returner for the answer and the errors.
func (c *Client) AuthoriseReturn(ctx context.Context, r supplier.ReturnAuthorization) (supplier.ReturnReceipt, error) {
	document, err := returnAuthorization(r)
	if err != nil {
		return supplier.ReturnReceipt{}, c.fail(supplier.ErrRefused, "nothing was sent: "+err.Error())
	}
	answer, failure := c.call(ctx, http.MethodPost, returnPath, document, r.RMA)
	if failure != nil {
		return supplier.ReturnReceipt{}, failure
	}
	receipt, err := decodeReturnReceipt(answer.body)
	if err != nil {
		return supplier.ReturnReceipt{}, c.unreadable(answer, err)
	}
	return receipt, nil
}

func decodeReturnReceipt(body []byte) (supplier.ReturnReceipt, error) {
	answer, err := decodeAnswer(body)
	if err != nil {
		return supplier.ReturnReceipt{}, err
	}
	var w wire.ReturnReceipt
	if err := decodeStrict(body, &w); err != nil {
		return supplier.ReturnReceipt{}, err
	}
	receipt := supplier.ReturnReceipt{CancelReceipt: answer}
	if w.Label == nil {
		return receipt, nil
	}
	if !carrierShape.MatchString(w.Label.Carrier) || !trackingShape.MatchString(w.Label.Tracking) {
		return supplier.ReturnReceipt{}, broken("label", "a carrier and a tracking number")
	}
	if u, err := url.Parse(w.Label.URL); err != nil || w.Label.URL != "" && u.Scheme != "https" || len(w.Label.URL) > maxBaseURL {
		return supplier.ReturnReceipt{}, broken("label.url", "an https address")
	}
	receipt.Label = &supplier.ReturnLabel{Carrier: w.Label.Carrier, Tracking: w.Label.Tracking, URL: w.Label.URL}
	return receipt, nil
}

func returnAuthorization(r supplier.ReturnAuthorization) (wire.ReturnAuthorization, error) {
	document := wire.ReturnAuthorization{
		RMA: r.RMA, PO: r.Number, SendBy: r.SendBy.UTC().Format(time.DateOnly),
	}
	if err := checkRMA(r.RMA); err != nil {
		return document, err
	}
	if err := checkPO(r.Number); err != nil {
		return document, err
	}
	if err := checkCount(len(r.Lines)); err != nil {
		return document, err
	}
	for i, l := range r.Lines {
		if err := checkLine(fmt.Sprintf("lines[%d]", i), l.Line, l.Quantity); err != nil {
			return document, err
		}
		document.Lines = append(document.Lines, wire.ReturnLine{Line: l.Line, SupplierSKU: l.SupplierSKU, Quantity: l.Quantity, Reason: l.Reason})
	}
	return document, nil
}

func checkRMA(rma string) error {
	if !rmaShape.MatchString(rma) {
		return broken("rma", "a return's number")
	}
	return nil
}

func returnAnswer(w wire.ReturnAnswered, document string, reference time.Time) (*returns.Fact, error) {
	if err := checkRMA(w.RMA); err != nil {
		return nil, err
	}
	if err := checkTime(w.At, reference); err != nil {
		return nil, err
	}
	answer := &returns.SupplierAnswer{Document: document, At: w.At.UTC(), Reason: wire.Reason(w.Reason)}
	switch supplier.CancelOutcome(w.Outcome) {
	case supplier.CancelAccepted:
		answer.Kind = returns.SupplierAccepted
	case supplier.CancelRejected:
		answer.Kind = returns.SupplierRefused
	default:
		return nil, broken("outcome", "accepted or rejected")
	}
	return &returns.Fact{Answer: answer}, nil
}

func inspection(w wire.ReturnInspected, document string, reference time.Time) (*returns.Fact, error) {
	if err := checkRMA(w.RMA); err != nil {
		return nil, err
	}
	if err := checkTime(w.At, reference); err != nil {
		return nil, err
	}
	if len(w.Lines) > maxLines || len(w.Lines) == 0 && !w.Final {
		return nil, broken("lines", "1 to 500 lines, or final")
	}
	found := &returns.Inspection{Document: document, At: w.At.UTC(), Final: w.Final}
	for i, l := range w.Lines {
		member := fmt.Sprintf("lines[%d]", i)
		if err := checkLine(member, l.Line, l.Quantity); err != nil {
			return nil, err
		}
		condition, disposition := returns.Condition(l.Condition), returns.Disposition(l.Disposition)
		if !slices.Contains(returns.Conditions, condition) {
			return nil, broken(member+".condition", "one of the protocol's conditions")
		}
		if disposition != "" && !slices.Contains(returns.Dispositions, disposition) {
			return nil, broken(member+".disposition", "one of the protocol's dispositions")
		}
		found.Lines = append(found.Lines, returns.InspectedLine{Line: l.Line, Quantity: l.Quantity, Condition: condition, Disposition: disposition})
	}
	return &returns.Fact{Inspection: found}, nil
}

func creditMemo(w wire.CreditMemo, document string, reference time.Time) (*returns.Fact, error) {
	w.Number = strings.TrimSpace(w.Number)
	if err := checkRMA(w.RMA); err != nil {
		return nil, err
	}
	if err := checkTime(w.At, reference); err != nil {
		return nil, err
	}
	if !referenceShape.MatchString(w.Number) {
		return nil, broken("number", "a credit memo number of at most 64 characters")
	}
	minor, err := wire.ParseMoney(w.Amount, w.Currency)
	if err != nil {
		return nil, fmt.Errorf("amount: %w", err)
	}
	if minor == 0 {
		return nil, broken("amount", "more than nothing")
	}
	return &returns.Fact{Memo: &returns.CreditMemo{Document: document, Number: w.Number, At: w.At.UTC(), Amount: minor}}, nil
}
