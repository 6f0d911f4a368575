package ledger

import (
	"fmt"
	"strings"
)

// Kinds of the postings of remittances, which begin their keys.
const (
	KindSupplierPaid = "supplier_paid"
	KindSupplierOff  = "supplier_set_off"
)

// SupplierPaid records that minor units of an invoice, due as a ClaimInvoiceDue names it, were paid; payment tells
// the lines of all remittances to a supplier apart. It returns what is left of the claim, with its sign. ErrClaim
// for another kind of claim, and when more would be paid than is due.
func SupplierPaid(payment string, due Claim, minor int64) (tx Transaction, left int64, err error) {
	if due.Kind != ClaimInvoiceDue || minor > -due.Minor {
		return Transaction{}, 0, fmt.Errorf("pay %d of claim %s: %w", minor, due.Key, ErrClaim)
	}
	memo := "Payment " + payment + " to supplier " + due.Account.Partner() + " (" + due.Key + ")"
	tx, err = remitted(KindSupplierPaid, memo, payment, due, minor, due.Account, Bank)
	return tx, due.Minor + minor, err
}

// SupplierSetOff records that a payment to a supplier was less by minor units of a credit that a ClaimCreditMemo
// names. It returns what is left of the claim. ErrClaim as SupplierPaid.
func SupplierSetOff(payment string, credit Claim, minor int64) (tx Transaction, left int64, err error) {
	if credit.Kind != ClaimCreditMemo || minor > credit.Minor {
		return Transaction{}, 0, fmt.Errorf("set %d of claim %s off: %w", minor, credit.Key, ErrClaim)
	}
	memo := "Set off in payment " + payment + " to supplier " + credit.Account.Partner() + " (" + credit.Key + ")"
	tx, err = remitted(KindSupplierOff, memo, payment, credit, minor, Bank, credit.Account)
	return tx, credit.Minor - minor, err
}

func remitted(kind, memo, payment string, claim Claim, minor int64, debit, credit Account) (Transaction, error) {
	if err := claim.Validate(); err != nil {
		return Transaction{}, err
	}
	return post(kind, memo, claim.Currency, claim.Account.Partner(), payment, claim.Key).move(minor, debit, credit).done()
}

// Remitted is what a posting of a remittance, or the reversal of one, is about.
type Remitted struct {
	Supplier, Payment, Claim string
	// Minor is what it moved from us to the supplier, in minor units of Currency: less than nothing for what was
	// set off, and for a payment that was reversed.
	Minor    int64
	Currency string
	SetOff   bool // of a credit
	Reversal bool
}

// RemittedBy reads the posting of a remittance; false: it is another one.
func RemittedBy(t Transaction) (r Remitted, is bool) {
	key, reversal := strings.CutPrefix(t.Key, kindReversal+keySeparator)
	parts := strings.Split(key, keySeparator)
	if len(parts) != 4 || parts[0] != KindSupplierPaid && parts[0] != KindSupplierOff {
		return r, false
	}
	r = Remitted{Supplier: parts[1], Payment: parts[2], Claim: parts[3], SetOff: parts[0] == KindSupplierOff, Reversal: reversal}
	for _, e := range t.Entries {
		if e.Account == Bank {
			r.Minor, r.Currency = r.Minor-e.Minor, e.Currency
		}
	}
	return r, true
}
