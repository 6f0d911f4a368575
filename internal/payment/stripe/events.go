package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/payment"
)

// SignatureHeader carries "t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">", several v1 while a secret
// is replaced: the form that internal/webhook verifies.
const SignatureHeader = "Stripe-Signature"

type event struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Created int64  `json:"created"`
	Data    struct {
		Object   json.RawMessage `json:"object"`
		Previous struct {
			Status string `json:"status"`
		} `json:"previous_attributes"`
	} `json:"data"`
}

type dispute struct {
	ID              string `json:"id"`
	Status          string `json:"status"`
	Amount          int64  `json:"amount"`
	Currency        string `json:"currency"`
	Reason          string `json:"reason"`
	PaymentIntent   ref    `json:"payment_intent"`
	Charge          ref    `json:"charge"`
	EvidenceDetails struct {
		DueBy int64 `json:"due_by"`
	} `json:"evidence_details"`
	BalanceTransactions []struct {
		Fee      int64  `json:"fee"`
		Currency string `json:"currency"`
	} `json:"balance_transactions"`
}

// ErrMalformed: what came as an event is none that could be read.
var ErrMalformed = errors.New("malformed payment event")

// ParseEvent reads the body of a webhook whose signature was verified. It answers nil for what need
// not be known, and ErrMalformed for what cannot be read. A refund's time is the event's; Refunded of
// a payment's standing is not told and zero.
//
// Of disputes only those that take money are told: an inquiry (status warning_…) is told when it becomes
// one. That the funds went or came back is part of being opened and closed, and not told again.
func ParseEvent(body []byte) (*payment.Event, error) {
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, fmt.Errorf("%w: not JSON of an event's form", ErrMalformed)
	}
	if !idForm.MatchString(e.ID) || e.Created <= 0 || e.Created > latest {
		return nil, fmt.Errorf("%w: no id or no time", ErrMalformed)
	}
	read := e.reader()
	if read == nil {
		return nil, nil //nolint:nilnil // the documented answer for what need not be known
	}
	told := &payment.Event{ID: e.ID, At: time.Unix(e.Created, 0).UTC()}
	matters, err := read(&e, told)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %s of %s: %w", ErrMalformed, e.Type, e.ID, err)
	case !matters:
		return nil, nil //nolint:nilnil // likewise
	}
	return told, nil
}

// Concerns says whether ParseEvent could have anything to tell of an event; true also for what is no
// event at all.
func Concerns(body []byte) bool {
	var e event
	return json.Unmarshal(body, &e) != nil || e.Type == "" || e.reader() != nil
}

func (e *event) reader() func(*event, *payment.Event) (bool, error) {
	switch e.Type {
	case "refund.updated", "refund.failed", "charge.refund.updated":
		return readRefund
	case "payment_intent.succeeded", "payment_intent.canceled", "payment_intent.payment_failed", "payment_intent.amount_capturable_updated":
		return readIntent
	case "charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed":
		return readDispute
	}
	return nil
}

var errObject = errors.New("its object cannot be read")

func readRefund(e *event, into *payment.Event) (bool, error) {
	var r refund
	if json.Unmarshal(e.Data.Object, &r) != nil {
		return false, errObject
	}
	receipt, err := r.receipt()
	if err != nil {
		return false, err
	}
	receipt.At = into.At
	into.Kind, into.Refund, into.Payment = payment.EventRefundChanged, receipt, nameOf(r.PaymentIntent, r.Charge)
	return true, named(into.Payment)
}

func readIntent(e *event, into *payment.Event) (bool, error) {
	var i intent
	if json.Unmarshal(e.Data.Object, &i) != nil {
		return false, errObject
	}
	if i.Status == "processing" {
		return false, nil
	}
	standing, err := i.payment()
	into.Kind, into.Standing, into.Payment = payment.EventPaymentChanged, standing, standing.Reference
	return true, err
}

const inquiry = "warning_"

func readDispute(e *event, into *payment.Event) (bool, error) {
	var d dispute
	if json.Unmarshal(e.Data.Object, &d) != nil {
		return false, errObject
	}
	switch {
	case strings.HasPrefix(d.Status, inquiry):
		return false, nil
	case e.Type == "charge.dispute.updated" && !strings.HasPrefix(e.Data.Previous.Status, inquiry):
		return false, nil
	case e.Type == "charge.dispute.closed":
		into.Kind = payment.EventDisputeClosed
	default:
		into.Kind = payment.EventDisputeOpened
	}
	read, err := d.read()
	if err != nil {
		return false, err
	}
	into.Dispute, into.Payment = read, nameOf(d.PaymentIntent, d.Charge)
	if into.Kind == payment.EventDisputeClosed {
		switch d.Status {
		case "won", "prevented":
			into.Dispute.Won = true
		case "lost":
		default:
			return false, errors.New("a closed dispute is neither won nor lost")
		}
	}
	return true, named(into.Payment)
}

func (d *dispute) read() (told payment.Dispute, err error) {
	if !idForm.MatchString(d.ID) || d.EvidenceDetails.DueBy < 0 || d.EvidenceDetails.DueBy > latest {
		return told, errObject
	}
	told.Reference = d.ID
	if told.Amount, told.Currency, err = fromTheirs(d.Amount, d.Currency); err != nil {
		return told, err
	}
	if told.Amount < 0 {
		return told, errObject
	}
	if codeForm.MatchString(d.Reason) {
		told.Reason = d.Reason
	}
	if d.EvidenceDetails.DueBy > 0 {
		told.EvidenceBy = time.Unix(d.EvidenceDetails.DueBy, 0).UTC()
	}
	for _, t := range d.BalanceTransactions {
		// A fee in the account's own currency is the account's business; reconciliation sees it.
		if fee, currency, err := fromTheirs(t.Fee, t.Currency); err == nil && currency == told.Currency && fee > 0 && fee < 1<<53 {
			told.Fee += fee
		}
	}
	return told, nil
}

func nameOf(intent, charge ref) string {
	if intent != "" {
		return string(intent)
	}
	return string(charge)
}

func named(payment string) error {
	if !idForm.MatchString(payment) {
		return errors.New("it names no payment")
	}
	return nil
}
