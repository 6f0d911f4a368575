package reconcile

import (
	"fmt"
	"strings"
	"time"
)

// Paper is an invoice or, below zero, a credit memo: as we received it, or as a statement lists it.
type Paper struct {
	Number   string
	N        int // of a statement: 1, or more for a number that stands again
	Currency string
	Minor    int64
	On       time.Time // the paper's day
	Order    string    // ours only
	SetOff   bool      // ours only: a credit that a payment was less by
}

// payment: the paper is money that went to the supplier, by our own reference.
func (p Paper) payment() bool { return strings.HasPrefix(p.Number, PaymentMark) }

// transferTakes is how long a payment may be under way before it should stand in a statement.
const transferTakes = 5 * day

// Suppliers compares a supplier's statement with the invoices and credit memos that we received, and with what it was
// paid. covered says whether a day is one that a statement tells of.
func Suppliers(supplier string, span Span, ours, theirs []Paper, covered func(time.Time) bool) (found []Difference) {
	add := func(d Difference) {
		d.Book = "supplier/" + supplier
		d.Key = d.Book + "/" + d.Key
		if span.Holds(d.At) {
			found = append(found, d)
		}
	}
	known := map[string]Paper{}
	for _, p := range ours {
		known[p.Number] = p
	}
	stated := map[string]bool{}
	for _, p := range theirs {
		stated[p.Number] = true
		if d, differs := paperDiffers(p, known); differs {
			d.Subject, d.Currency, d.Theirs, d.At = strings.TrimPrefix(p.Number, PaymentMark), p.Currency, new(p.Minor), p.On
			add(d)
		}
	}
	for _, p := range ours {
		if stated[p.Number] || !covered(p.On) {
			continue
		}
		cause, after := CauseNotStated, day
		switch {
		case p.payment():
			cause, after = CauseNotArrived, transferTakes
		case p.SetOff:
			cause = CauseNotSetOff
		}
		if !covered(p.On.Add(-day)) || !covered(p.On.Add(after)) {
			cause = CauseBorder
		}
		add(Difference{
			Key: "unstated/" + p.Number, What: OursOnly, Cause: cause, Subject: strings.TrimPrefix(p.Number, PaymentMark), Order: p.Order,
			Currency: p.Currency, Ours: new(p.Minor), At: p.On,
		})
	}
	return found
}

func paperDiffers(p Paper, known map[string]Paper) (d Difference, differs bool) {
	our, received := known[p.Number]
	d.Key = fmt.Sprintf("stated/%s/%d", p.Number, p.N)
	switch {
	case p.N > 1 && p.payment():
		d.What, d.Cause = Twice, CausePaidTwice
	case p.N > 1:
		d.What, d.Cause, d.Order = Twice, CauseStatedTwice, our.Order
	case !received && p.payment():
		d.What, d.Cause = TheirsOnly, CauseUnknownTransfer
	case !received && p.Minor < 0:
		d.What, d.Cause = TheirsOnly, CauseNoCredit
	case !received:
		d.What, d.Cause = TheirsOnly, CauseNoInvoice
	case our.Currency != p.Currency:
		d.What, d.Cause, d.Order = Amounts, CauseCurrency, our.Order
	case our.Minor != p.Minor:
		d.What, d.Cause, d.Order, d.Ours = Amounts, CauseAmount, our.Order, new(our.Minor)
	default:
		return d, false
	}
	return d, true
}

// Billed is one line of a carrier's bill, and what we know of its parcel.
type Billed struct {
	Tracking string
	On       time.Time
	Currency string
	Minor    int64
	N        int
	Earlier  bool   // the parcel was billed before
	Order    string // empty: no parcel has this number
	Known    bool
	SentBack bool // the parcel went back to its sender, or is a customer's return
	// Bought is what its label cost when we bought it, in BoughtIn; nil: somebody else did.
	Bought   *int64
	BoughtIn string
}

// Carriers judges the lines of a carrier's bills.
func Carriers(carrier string, span Span, lines []Billed) (found []Difference) {
	for _, l := range lines {
		d := Difference{
			Book: "carrier/" + carrier, Subject: l.Tracking, Order: l.Order, Currency: l.Currency, Theirs: new(l.Minor), At: l.On,
			Key: fmt.Sprintf("carrier/%s/%s/%s/%s/%d/%d", carrier, l.Tracking, l.On.Format(time.DateOnly), l.Currency, l.Minor, l.N),
		}
		switch {
		case !span.Holds(l.On):
			continue
		case !l.Known:
			d.What, d.Cause = TheirsOnly, CauseUnknownTracking
		case l.Earlier && l.SentBack:
			d.What, d.Cause = Twice, CauseReturnBilled
		case l.Earlier:
			d.What, d.Cause = Twice, CauseBilledTwice
		case l.Bought != nil && l.BoughtIn != l.Currency:
			d.What, d.Cause = Amounts, CauseCurrency
		case l.Bought != nil && *l.Bought != l.Minor:
			d.What, d.Cause, d.Ours = Amounts, CauseLabelPrice, new(*l.Bought)
		default:
			continue
		}
		found = append(found, d)
	}
	return found
}
