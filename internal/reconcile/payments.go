package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/dropline/dropline/internal/payment"
)

const (
	// reach is how far beyond the days in question either book is read for the counterpart: a
	// storefront may hand an order over days after it captured the payment.
	reach = 3 * day
	// border: what lies so near to where the books were read to may have its counterpart beyond.
	border = 6 * time.Hour
)

// class is what moved money between a customer and our account, whatever each side calls it.
type class string

const (
	captures  class = "capture"
	refunds   class = "refund"
	failures  class = "refund_failed"
	disputes  class = "dispute"
	reversals class = "dispute_reversed"
)

// classOf are the ledger's words. A transaction of another kind is judged by its sign.
var classOf = map[string]class{
	"captured": captures, "authorisation_captured": captures,
	"refunded": refunds, "refund_repeated": refunds, "refund_failed": failures,
	"dispute_opened": disputes, "dispute_won": reversals,
}

var classOfMovement = map[payment.MovementKind]class{
	payment.MovedCapture: captures, payment.MovedCaptureReduced: captures, payment.MovedRefund: refunds,
	payment.MovedRefundFailed: failures, payment.MovedDispute: disputes, payment.MovedDisputeReversed: reversals,
}

// Booked is one ledger transaction that moved money at the provider, without the provider's fees.
type Booked struct {
	ID       int64
	Order    string
	Payment  string
	Kind     string
	Currency string
	Minor    int64 // what it adds to our balance there
	At       time.Time
}

func (b *Booked) class() class {
	if known, found := classOf[b.Kind]; found {
		return known
	}
	if b.Minor < 0 {
		return refunds
	}
	return captures
}

// pile are the movements of one payment, class and currency on either side that are still unmatched.
type pile struct {
	class    class
	payment  string
	order    string // empty: no order has this payment
	currency string
	ours     []Booked
	theirs   []payment.Movement
	// all are the amounts that stood there at first.
	oursAll, theirsAll []int64
}

// Payments compares a storefront's part of the clearing account with its provider's book. Both are read
// beyond the days in question; orders are the orders by their payment's reference, ours included. now bounds what either
// side can have written.
func Payments(storefront string, span Span, now time.Time, ours []Booked, theirs []payment.Movement, orders map[string]string) []Difference {
	wide := span.widened(reach, now)
	c := comparison{book: "payments/" + storefront, span: span, wide: wide}
	for _, p := range piles(ours, folded(theirs), orders) {
		p.matchEqual()
		c.pair(p)
		for i := range p.ours {
			c.oursOnly(p, &p.ours[i])
		}
		for i := range p.theirs {
			c.theirsOnly(p, &p.theirs[i])
		}
	}
	slices.SortFunc(c.found, func(a, b Difference) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key))
	})
	return c.found
}

// folded joins what a provider books in two steps: the whole authorisation, and then what was not taken
// of it. The first of them gives the capture its id.
func folded(theirs []payment.Movement) []payment.Movement {
	var kept []payment.Movement
	for i := range theirs {
		m := theirs[i]
		if m.Kind != payment.MovedCaptureReduced {
			kept = append(kept, m)
			continue
		}
		at := slices.IndexFunc(kept, func(k payment.Movement) bool {
			return k.Kind == payment.MovedCapture && k.Payment == m.Payment && k.Currency == m.Currency && k.Amount >= -m.Amount
		})
		if at < 0 {
			kept = append(kept, m)
			continue
		}
		kept[at].Amount, kept[at].Fee = kept[at].Amount+m.Amount, kept[at].Fee+m.Fee
	}
	return slices.DeleteFunc(kept, func(m payment.Movement) bool { return m.Amount == 0 })
}

func piles(ours []Booked, theirs []payment.Movement, orders map[string]string) []*pile {
	var all []*pile
	by := map[string]*pile{}
	// An order whose payment has no reference is a pile by itself.
	at := func(c class, reference, order, currency string) *pile {
		key := string(c) + " " + reference + " " + order + " " + currency
		if by[key] == nil {
			by[key] = &pile{class: c, payment: reference, order: cmp.Or(order, orders[reference]), currency: currency}
			all = append(all, by[key])
		}
		return by[key]
	}
	for _, b := range ours {
		order := ""
		if b.Payment == "" {
			order = b.Order
		}
		p := at(b.class(), b.Payment, order, b.Currency)
		p.ours, p.oursAll = append(p.ours, b), append(p.oursAll, b.Minor)
	}
	for _, m := range theirs {
		p := at(classOfMovement[m.Kind], m.Payment, "", m.Currency)
		p.theirs, p.theirsAll = append(p.theirs, m), append(p.theirsAll, m.Amount)
	}
	return all
}

// matchEqual takes away what stands on both sides with the same amount, the nearest in time first.
func (p *pile) matchEqual() {
	for i := 0; i < len(p.ours); {
		best := -1
		for j := range p.theirs {
			if p.theirs[j].Amount == p.ours[i].Minor && (best < 0 || apart(p, i, j) < apart(p, i, best)) {
				best = j
			}
		}
		if best < 0 {
			i++
			continue
		}
		p.ours, p.theirs = slices.Delete(p.ours, i, i+1), slices.Delete(p.theirs, best, best+1)
	}
}

func apart(p *pile, i, j int) time.Duration { return p.ours[i].At.Sub(p.theirs[j].At).Abs() }

type comparison struct {
	book       string
	span, wide Span
	found      []Difference
}

func (c *comparison) add(p *pile, d Difference) {
	if !c.span.Holds(d.At) {
		return
	}
	d.Book, d.Subject, d.Order, d.Currency = c.book, p.payment, p.order, p.currency
	d.Key = c.book + "/" + d.Key
	c.found = append(c.found, d)
}

// pair names what is there on both sides with other amounts. What stands twice on one side is no half of
// a pair.
func (c *comparison) pair(p *pile) {
	for i := 0; i < len(p.ours); {
		j := slices.IndexFunc(p.theirs, func(m payment.Movement) bool { return !doubled(p.theirsAll, m.Amount) })
		if j < 0 || doubled(p.oursAll, p.ours[i].Minor) {
			i++
			continue
		}
		our, their := p.ours[i], p.theirs[j]
		cause := CauseAmount
		if difference := their.Amount - our.Minor; their.Fee != 0 && their.FeeCurrency == p.currency && (difference == their.Fee || difference == -their.Fee) {
			cause = CauseFee
		}
		c.add(p, Difference{
			Key: fmt.Sprintf("%d~%s", our.ID, their.ID), What: Amounts, Cause: cause,
			Ours: new(our.Minor), Theirs: new(their.Amount), At: their.At,
		})
		p.ours, p.theirs = slices.Delete(p.ours, i, i+1), slices.Delete(p.theirs, j, j+1)
	}
}

func doubled(all []int64, minor int64) bool {
	n := 0
	for _, m := range all {
		if m == minor {
			n++
		}
	}
	return n > 1
}

func (c *comparison) atBorder(at time.Time) bool {
	return at.Sub(c.wide.From) < border || c.wide.Until.Sub(at) < border
}

func (c *comparison) oursOnly(p *pile, b *Booked) {
	d := Difference{Key: fmt.Sprintf("ledger/%d", b.ID), What: OursOnly, Ours: new(b.Minor), At: b.At}
	switch {
	case doubled(p.oursAll, b.Minor) && slices.Contains(p.theirsAll, b.Minor):
		d.What, d.Cause = Twice, CauseDoubledHere
	case c.atBorder(b.At):
		d.Cause = CauseBorder
	default:
		d.Cause = map[class]Cause{
			captures: CauseCapturedHere, refunds: CauseRefundedHere, failures: CauseRefundCameHere, disputes: CauseDisputedHere, reversals: CauseDisputedHere,
		}[p.class]
	}
	c.add(p, d)
}

func (c *comparison) theirsOnly(p *pile, m *payment.Movement) {
	d := Difference{Key: m.ID, What: TheirsOnly, Theirs: new(m.Amount), At: m.At}
	switch {
	case doubled(p.theirsAll, m.Amount) && slices.Contains(p.oursAll, m.Amount):
		d.What, d.Cause = Twice, CauseDoubledThere
	case c.atBorder(m.At):
		d.Cause = CauseBorder
	case p.order == "":
		d.Cause = CauseUnknownPayment
	default:
		d.Cause = map[class]Cause{
			captures: CauseCapturedThere, refunds: CauseRefundedThere, failures: CauseRefundFailed, disputes: CauseDisputedThere, reversals: CauseDisputedThere,
		}[p.class]
	}
	c.add(p, d)
}
