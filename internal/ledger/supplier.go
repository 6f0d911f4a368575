package ledger

import (
	"fmt"
	"time"

	"github.com/dropline/dropline/internal/money"
)

// SupplierAccrued records the cost of one shipment of a PO when it ships, before any
// invoice says so.
func SupplierAccrued(po, shipment, supplierID string, cost money.Money) (Transaction, error) {
	return post("supplier_accrued", "Cost of shipment "+shipment+" of PO "+po, cost.Currency, po, shipment).
		move(cost.Minor, CostOfGoods, SupplierPayable(supplierID)).done()
}

// DuplicateShipmentAbsorbed records a shipment that a supplier made after it had lost its
// PO and that was neither intercepted nor sent back: we pay for it, nobody buys it. It takes
// the place of SupplierAccrued for that shipment.
func DuplicateShipmentAbsorbed(po, shipment, supplierID string, cost money.Money) (Transaction, error) {
	memo := "Duplicate shipment " + shipment + " of PO " + po + " absorbed"
	return post("duplicate_absorbed", memo, cost.Currency, po, shipment).
		move(cost.Minor, Losses, SupplierPayable(supplierID)).done()
}

// Invoice is a supplier's invoice beside what was accrued for the shipments it covers.
type Invoice struct {
	Key        string // the invoice number, unique per supplier
	SupplierID string
	Accrued    money.Money // sum of SupplierAccrued for what it covers
	Invoiced   money.Money // what the supplier asks for
	Tolerance  int64       // largest difference either way taken as cost, minor units
	Owner      string      // role that pursues a difference above the tolerance
	Due        time.Time   // until when it does
}

// InvoiceOutcome is how an invoice compares with its accrual.
type InvoiceOutcome string

// The outcomes of SupplierInvoiced.
const (
	InvoiceMatched       InvoiceOutcome = "matched"
	InvoiceAdjusted      InvoiceOutcome = "adjusted" // within tolerance
	InvoiceOverInvoiced  InvoiceOutcome = "over_invoiced"
	InvoiceUnderInvoiced InvoiceOutcome = "under_invoiced"
)

// InvoiceMatch is what follows from an invoice. Posting is nil when the ledger already
// says what the invoice says. Dispute is nil unless the difference exceeds the tolerance.
type InvoiceMatch struct {
	Outcome InvoiceOutcome
	Posting *Transaction
	Dispute *Claim
}

// SupplierInvoiced compares an invoice with its accrual.
//
// Within the tolerance the difference adjusts the cost. Above it, an excess is owed on
// paper and claimed back as a dispute, so that it is neither paid silently nor lost; a
// shortfall posts nothing: the accrual stands, and a claim names the part of the payable
// for which an invoice is still missing. ErrAmount for negative amounts,
// money.ErrCurrencyMismatch when invoice and accrual differ in currency.
func SupplierInvoiced(in Invoice) (InvoiceMatch, error) {
	difference, err := in.Invoiced.Sub(in.Accrued)
	if err != nil {
		return InvoiceMatch{}, fmt.Errorf("match invoice: %w", err)
	}
	if in.Invoiced.Minor < 0 || in.Accrued.Minor < 0 || in.Tolerance < 0 {
		return InvoiceMatch{}, fmt.Errorf("match invoice: %w", ErrAmount)
	}
	switch d := difference.Minor; {
	case d == 0:
		return InvoiceMatch{Outcome: InvoiceMatched}, nil
	case -in.Tolerance <= d && d <= in.Tolerance:
		return in.adjusted(d)
	case d > 0:
		return in.disputed(InvoiceOverInvoiced, ClaimInvoiceDispute, SupplierClaims(in.SupplierID), d)
	default:
		return in.disputed(InvoiceUnderInvoiced, ClaimInvoiceMissing, SupplierPayable(in.SupplierID), d)
	}
}

// InvoiceCorrected records that a supplier asks for less than its invoice did, beyond what was disputed of it: the goods
// cost so much less, and so much less is owed. by is the number of the invoice that stands in its place.
func InvoiceCorrected(supplierID, invoice, by string, less money.Money) (Transaction, error) {
	memo := "Invoice " + invoice + " of supplier " + supplierID + " corrected by " + by
	return post("invoice_corrected", memo, less.Currency, supplierID, invoice, by).
		move(less.Minor, SupplierPayable(supplierID), CostOfGoods).done()
}

func (in Invoice) adjusted(difference int64) (InvoiceMatch, error) {
	debit, credit := CostOfGoods, SupplierPayable(in.SupplierID)
	if difference < 0 {
		debit, credit, difference = credit, debit, -difference
	}
	memo := "Cost adjusted to invoice " + in.Key + " of supplier " + in.SupplierID
	tx, err := post("invoice_adjusted", memo, in.Invoiced.Currency, in.SupplierID, in.Key).
		move(difference, debit, credit).done()
	if err != nil {
		return InvoiceMatch{}, err
	}
	return InvoiceMatch{Outcome: InvoiceAdjusted, Posting: &tx}, nil
}

func (in Invoice) disputed(
	outcome InvoiceOutcome, kind ClaimKind, account Account, difference int64,
) (InvoiceMatch, error) {
	claim := Claim{
		Key: in.SupplierID + "/" + in.Key, Kind: kind, Account: account,
		Currency: in.Invoiced.Currency, Minor: difference, Owner: in.Owner, Due: in.Due,
	}
	match := InvoiceMatch{Outcome: outcome, Dispute: &claim}
	if kind == ClaimInvoiceMissing {
		if err := claim.Validate(); err != nil {
			return InvoiceMatch{}, err
		}
		return match, nil
	}
	tx, err := ClaimOpened(claim)
	if err != nil {
		return InvoiceMatch{}, err
	}
	match.Posting = &tx
	return match, nil
}
