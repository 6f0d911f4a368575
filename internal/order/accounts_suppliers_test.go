package order_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/order"
)

// goingBack is a return in which something can happen still, one after the other; nil: there is none.
func (a *accounts) goingBack() *comingBack {
	for _, c := range a.returns {
		if !c.over() {
			return c
		}
	}
	return nil
}

func (a *accounts) bill(so func(*bill) bool) *bill {
	if i := slices.IndexFunc(a.bills, so); i >= 0 {
		return a.bills[i]
	}
	return nil
}

// tolerated is a difference, in minor units, that is paid without a question.
const tolerated = 5

// invoiced is a supplier's invoice: right, a little more or less, or too much.
func (a *accounts) invoiced(b *bill) {
	b.billed, b.asked = true, b.accrued
	switch a.Pick(6) {
	case 0:
		b.asked += a.amount(2*tolerated+1) - tolerated*a.scale
		b.asked = max(b.asked, 0)
		a.seen["billed a little more"]++
	case 1:
		b.asked += (tolerated+1)*a.scale + a.amount(500)
		a.seen["billed too much"]++
	}
	match, err := ledger.SupplierInvoiced(ledger.Invoice{
		Key: b.key, SupplierID: b.supplier, Accrued: eur(b.accrued), Invoiced: eur(b.asked), Tolerance: tolerated * a.scale, Owner: "purchasing",
		Due: a.Now.Add(time.Hour),
	})
	if err != nil {
		fail("%v", err)
	}
	if match.Posting != nil {
		a.post(*match.Posting, nil)
	}
	b.claim = match.Dispute
}

// ends resolves a dispute: the supplier credits the excess, or we concede it.
func (a *accounts) ends(b *bill) {
	b.disputed = true
	outcome := []ledger.ClaimOutcome{ledger.ClaimCredited, ledger.ClaimConceded}[a.Pick(2)]
	t, _, err := ledger.ClaimClosed("end", *b.claim, outcome, b.claim.Minor)
	a.post(t, err)
}

// owed is a supplier that is to be paid, or has given a credit that is not set off yet; empty: all are square.
func (a *accounts) owed() string {
	for _, supplier := range a.allSuppliers() {
		if a.payable(supplier) != 0 {
			return supplier
		}
	}
	return ""
}

// remits pays what is due to a supplier, or sets off what it credited: all of it or half.
func (a *accounts) remits(supplier string) {
	claim := ledger.Claim{
		Key: "due/" + supplier, Kind: ledger.ClaimInvoiceDue, Account: ledger.SupplierPayable(supplier), Currency: currency, Minor: a.payable(supplier),
		Owner: "purchasing", Due: a.Now,
	}
	pay, sign, what := ledger.SupplierPaid, int64(1), "supplier paid"
	if claim.Minor > 0 {
		claim.Kind, pay, sign, what = ledger.ClaimCreditMemo, ledger.SupplierSetOff, -1, "credit set off"
	}
	minor := -sign * claim.Minor
	if a.Pick(4) == 0 && minor > a.scale {
		minor = minor / a.scale / 2 * a.scale
	}
	t, left, err := pay(fmt.Sprint("pay-", len(a.posted)), claim, minor)
	a.post(t, err)
	if left != a.payable(supplier) {
		fail("%d is left of what is due to %s, %d in the books", left, supplier, a.payable(supplier))
	}
	a.suppliers[supplier] += sign * minor
	a.seen[what]++
}

// payable is the balance with a supplier but for what it never invoices: less than nothing is owed to it.
func (a *accounts) payable(supplier string) int64 {
	return a.balances().Of(ledger.SupplierPayable(supplier), currency) + a.missing[supplier]
}

func (a *accounts) allSuppliers() []string {
	var list []string
	for i := range a.State.POs {
		if s := a.State.POs[i].Supplier; !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// bought: a purchase order has that line. What it does not have was never bought, and costs nothing.
func (a *accounts) bought(po *order.PurchaseOrder, line int) int64 {
	for i := range po.Lines {
		if po.Lines[i].Line == line {
			return 1
		}
	}
	return 0
}

// handed: the parcel of a case left its supplier's house.
func (a *accounts) handed(c *order.Case) bool {
	return a.Left[c.PO][c.Tracking]
}
