package ledger

import (
	"errors"
	"fmt"
	"time"

	"github.com/dropline/dropline/internal/money"
)

// ErrClaim: a claim lacks a part, or does not fit its account or what is asked of it.
var ErrClaim = errors.New("claim is not well formed")

// ClaimKind names why a balance may stay open when an order closes.
type ClaimKind string

// Kinds of claims. Those up to the invoice dispute are owed to us by suppliers and carriers and are opened
// by a posting; the others name what part of an account is still open and why.
const (
	ClaimReturnCredit      ClaimKind = "return_credit"
	ClaimShortShipment     ClaimKind = "short_shipment"
	ClaimLostParcel        ClaimKind = "lost_parcel"
	ClaimDamage            ClaimKind = "damage"
	ClaimSLAPenalty        ClaimKind = "sla_penalty"
	ClaimDuplicateShipment ClaimKind = "duplicate_shipment"
	ClaimVolumeDiscount    ClaimKind = "volume_discount" // for invoices that came before a tier was reached
	ClaimInvoiceDispute    ClaimKind = "invoice_dispute"
	ClaimInvoiceDue        ClaimKind = "invoice_due"     // invoiced, not yet paid
	ClaimInvoiceMissing    ClaimKind = "invoice_missing" // accrued, not yet invoiced
	ClaimCreditMemo        ClaimKind = "credit_memo"     // given, not yet set off against a payment

	ClaimPaymentDue ClaimKind = "payment_due" // sold, and not captured yet
	ClaimRefundDue  ClaimKind = "refund_due"  // the customer's refund came back, or is held
	ClaimChargeback ClaimKind = "chargeback"  // the customer's bank has not decided
)

// Claim is a named balance that an order may leave open: on what account, how much (minor
// units, debit positive: what we are owed is positive, what we owe negative), who pursues
// it and until when. Owner is a role or queue, not a person's name.
type Claim struct {
	Key      string    `json:"key"` // unique per order
	Kind     ClaimKind `json:"kind"`
	Account  Account   `json:"account"`
	Currency string    `json:"currency"`
	Minor    int64     `json:"minor"`
	Owner    string    `json:"owner"`
	Due      time.Time `json:"due"`
}

// ClaimOutcome is how (a part of) a claim on a supplier or carrier ends.
type ClaimOutcome string

// Outcomes of claims.
const (
	ClaimCredited   ClaimOutcome = "credited"    // a credit memo, set off against what we owe the supplier
	ClaimPaid       ClaimOutcome = "paid"        // money received
	ClaimConceded   ClaimOutcome = "conceded"    // the other side was right: it is cost
	ClaimWrittenOff ClaimOutcome = "written_off" // right or wrong, nobody will pay
	// ClaimWithdrawn: the parcel that it was about came all the same, and nothing was owed.
	ClaimWithdrawn ClaimOutcome = "withdrawn"
	// ClaimRepaid and ClaimKept say what becomes of money that a carrier paid for a parcel that came all the
	// same: it goes back, or the carrier lets us keep it.
	ClaimRepaid ClaimOutcome = "repaid"
	ClaimKept   ClaimOutcome = "kept"
)

// Validate returns ErrClaim, ErrToken, ErrUnknownAccount or money.ErrUnknownCurrency.
func (c Claim) Validate() error {
	if err := errors.Join(checkToken(c.Key), checkToken(c.Owner), c.Account.Validate()); err != nil {
		return fmt.Errorf("claim %.130q: %w", c.Key, err)
	}
	if _, err := money.Digits(c.Currency); err != nil {
		return fmt.Errorf("claim %s: %w", c.Key, err)
	}
	if c.Minor == 0 || c.Due.IsZero() || !c.fitsAccount() {
		return fmt.Errorf("claim %s of kind %.30q on %s: %w", c.Key, string(c.Kind), c.Account, ErrClaim)
	}
	return nil
}

func (c Claim) fitsAccount() bool {
	switch c.Kind {
	case ClaimInvoiceDue, ClaimInvoiceMissing:
		return c.Account == SupplierPayable(c.Account.Partner())
	case ClaimCreditMemo:
		return c.Account == SupplierPayable(c.Account.Partner()) && c.Minor > 0
	case ClaimPaymentDue:
		return c.Account == CustomerReceivable
	case ClaimRefundDue:
		return c.Account == RefundsPayable
	case ClaimChargeback:
		return c.Account == Chargebacks
	}
	if c.Kind == ClaimInvoiceDispute && c.Account != SupplierClaims(c.Account.Partner()) {
		return false
	}
	_, known := c.source()
	return known && c.Account.IsClaims() && c.Minor > 0
}

// source is the account a claim is taken from: the cost it gives back, the loss it makes
// good, or the payable that an invoice inflated.
func (c Claim) source() (Account, bool) {
	switch c.Kind {
	case ClaimReturnCredit, ClaimShortShipment, ClaimLostParcel, ClaimDamage, ClaimSLAPenalty, ClaimVolumeDiscount:
		return CostOfGoods, true
	case ClaimDuplicateShipment:
		return Losses, true
	case ClaimInvoiceDispute:
		return SupplierPayable(c.Account.Partner()), true
	default:
		return "", false
	}
}

// ClaimOpened records a claim on a supplier or carrier. ErrClaim for the kinds that only
// name a part of a payable.
func ClaimOpened(claim Claim) (Transaction, error) {
	if err := claim.Validate(); err != nil {
		return Transaction{}, err
	}
	source, known := claim.source()
	if !known {
		return Transaction{}, fmt.Errorf("open claim %s: kind %s has no posting: %w", claim.Key, claim.Kind, ErrClaim)
	}
	return post("claim_opened", "Claim "+claim.Key+" opened ("+string(claim.Kind)+")", claim.Currency, claim.Key).
		move(claim.Minor, claim.Account, source).done()
}

// ClaimClosed records that minor units of a claim ended; closureKey tells several partial
// closures apart (a credit memo number, a payment). It returns what is left of the claim.
// ErrClaim when more would be closed than is open, or a carrier's claim set off against
// a supplier's payable: such a credit belongs in quarantine, not in the ledger.
func ClaimClosed(
	closureKey string, claim Claim, outcome ClaimOutcome, minor int64,
) (tx Transaction, left int64, err error) {
	if err := claim.Validate(); err != nil {
		return Transaction{}, 0, err
	}
	target, known := claim.target(outcome)
	if !known || !claim.Account.IsClaims() || minor > claim.Minor {
		return Transaction{}, 0, fmt.Errorf("close %d of %d of claim %s as %.30q: %w",
			minor, claim.Minor, claim.Key, string(outcome), ErrClaim)
	}
	memo := "Claim " + claim.Key + " " + string(outcome) + " by " + closureKey
	tx, err = post("claim_closed", memo, claim.Currency, claim.Key, closureKey).
		move(minor, target, claim.Account).done()
	if err != nil {
		return Transaction{}, 0, err
	}
	return tx, claim.Minor - minor, nil
}

// ClaimRepayment records that money which a carrier had paid for a claim went back to it: the parcel had come, and
// the goods cost what they cost. closureKey tells several repayments apart.
func ClaimRepayment(closureKey, claimKey, currency string, minor int64) (Transaction, error) {
	return post("claim_repaid", "Claim "+claimKey+" repaid by "+closureKey, currency, claimKey, closureKey).
		move(minor, CostOfGoods, Bank).done()
}

func (c Claim) target(outcome ClaimOutcome) (Account, bool) {
	switch outcome {
	case ClaimCredited:
		return SupplierPayable(c.Account.Partner()), c.Account == SupplierClaims(c.Account.Partner())
	case ClaimPaid:
		return Bank, true
	case ClaimConceded, ClaimWithdrawn:
		if c.Kind == ClaimDuplicateShipment {
			return Losses, true
		}
		return CostOfGoods, true
	case ClaimWrittenOff:
		return Losses, true
	default:
		return "", false
	}
}

// Closed reports whether an order's accounts are square: the customer's deposit is used up
// to the last minor unit, no more was refunded than captured, and whatever suppliers and
// carriers owe us or we owe them is covered exactly by named open claims. The problems say
// what is not, in words for the operator, in a fixed order.
func Closed(balances Balances, claims []Claim) (ok bool, problems []string) {
	for _, b := range balances {
		amount := money.Money{Minor: b.Minor, Currency: b.Currency}
		switch {
		case b.Account == CustomerDeposits && b.Minor != 0:
			problems = append(problems, fmt.Sprintf("%s is not zero but %s", b.Account.Title(), amount))
		case b.Account == ProcessorClearing && b.Minor+takenBack(balances, b.Currency) < 0:
			problems = append(problems, fmt.Sprintf("more was refunded than captured: %s is %s",
				b.Account.Title(), amount))
		}
	}
	problems = append(problems, malformed(claims)...)
	problems = append(problems, uncovered(balances, claims)...)
	return len(problems) == 0, problems
}

// takenBack is at most what customers' banks and the provider took of the money there, besides refunds.
func takenBack(balances Balances, currency string) int64 {
	return balances.Of(Chargebacks, currency) + balances.Of(PaymentFees, currency) + max(balances.Of(Losses, currency), 0)
}

func malformed(claims []Claim) (problems []string) {
	for i, claim := range claims {
		if err := claim.Validate(); err != nil {
			problems = append(problems, err.Error())
		}
		for _, earlier := range claims[:i] {
			if earlier.Key == claim.Key {
				problems = append(problems, fmt.Sprintf("claim %s is named twice", claim.Key))
				break
			}
		}
	}
	return problems
}

// uncovered subtracts the claims from the balances; what is left is unexplained.
func uncovered(balances Balances, claims []Claim) (problems []string) {
	var open Balances
	for _, b := range balances {
		if b.Account.NeedsClaim() {
			open = append(open, b)
		}
	}
	for _, claim := range claims {
		rest, err := open.less(claim)
		if err != nil {
			problems = append(problems, fmt.Sprintf("claim %s: %v", claim.Key, err))
			continue
		}
		open = rest
	}
	for _, b := range open {
		if b.Minor != 0 {
			held := money.Money{Minor: balances.Of(b.Account, b.Currency), Currency: b.Currency}
			rest := money.Money{Minor: b.Minor, Currency: b.Currency}
			problems = append(problems, fmt.Sprintf("%s holds %s, of which no open claim covers %s",
				b.Account.Title(), held, rest))
		}
	}
	return problems
}

func (b Balances) less(claim Claim) (Balances, error) {
	minor, err := money.SubMinor(0, claim.Minor)
	if err != nil {
		return nil, err
	}
	return b.add([]Entry{{Account: claim.Account, Currency: claim.Currency, Minor: minor}})
}
