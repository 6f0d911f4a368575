package restapi

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

var claimShape = regexp.MustCompile(`^C[0-9A-F]{14}$`)

// ClaimSaid is what a supplier says about a claim: an answer, or a credit. Reference names the claim, or
// Invoice the disputed invoice.
type ClaimSaid struct {
	Reference string
	Invoice   string
	Answer    claims.Answer // empty: it is a credit
	Number    string        // of the credit memo
	At        time.Time
	Amount    int64 // minor units, more than 0
}

func claimAnswer(w wire.ClaimAnswered, reference time.Time) (*ClaimSaid, error) {
	if !claimShape.MatchString(w.Claim) {
		return nil, broken("claim", "a claim's reference")
	}
	if err := checkTime(w.At, reference); err != nil {
		return nil, err
	}
	said := &ClaimSaid{Reference: w.Claim, At: w.At.UTC()}
	switch supplier.CancelOutcome(w.Outcome) {
	case supplier.CancelAccepted:
		said.Answer = claims.Accepted
	case supplier.CancelRejected:
		said.Answer = claims.Refused
	default:
		return nil, broken("outcome", "accepted or rejected")
	}
	return said, nil
}

func claimCredit(w wire.CreditMemo, reference time.Time) (*ClaimSaid, error) {
	w.Number, w.Invoice = strings.TrimSpace(w.Number), strings.TrimSpace(w.Invoice)
	switch {
	case w.RMA != "" || w.Claim != "" && w.Invoice != "":
		return nil, broken("claim", "one of rma, claim and invoice")
	case w.Claim != "" && !claimShape.MatchString(w.Claim):
		return nil, broken("claim", "a claim's reference")
	case w.Invoice != "" && !referenceShape.MatchString(w.Invoice):
		return nil, broken("invoice", "an invoice number of at most 64 characters")
	case !referenceShape.MatchString(w.Number):
		return nil, broken("number", "a credit memo number of at most 64 characters")
	}
	if err := checkTime(w.At, reference); err != nil {
		return nil, err
	}
	minor, err := wire.ParseMoney(w.Amount, w.Currency)
	if err != nil {
		return nil, fmt.Errorf("amount: %w", err)
	}
	if minor == 0 {
		return nil, broken("amount", "more than nothing")
	}
	return &ClaimSaid{Reference: w.Claim, Invoice: w.Invoice, Number: w.Number, At: w.At.UTC(), Amount: minor}, nil
}
