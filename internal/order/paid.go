package order

import (
	"slices"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/money"
)

// CustomerPaid is money that a customer paid for an order after it was placed. Paid, Missing and Over are of all
// that was paid, as it stood when this was taken: a payment that comes twice, or was known to validation, counts
// once. Amounts are minor units of Currency.
type CustomerPaid struct {
	N        int       `json:"n"` // numbers the order's later payments from 1
	At       time.Time `json:"at"`
	Currency string    `json:"currency"`
	Amount   int64     `json:"amount"`            // of this payment
	Paid     int64     `json:"paid"`              // in all, captured or authorised
	Missing  int64     `json:"missing,omitempty"` // of what is due
	Over     int64     `json:"over,omitempty"`    // beyond what is due: owed back to the customer
}

func (p *CustomerPaid) text(minor int64) string {
	return money.Money{Minor: minor, Currency: p.Currency}.String()
}

// covers: nothing of what is due is missing any more.
func (p *CustomerPaid) covers() bool { return p.N > 0 && p.Missing == 0 }

// applyPayment takes a payment that came after the order was placed.
func (s *State) applyPayment(p *CustomerPaid, now time.Time) {
	if s.IgnoresPayments {
		return
	}
	s.Paid, s.Unrecorded = *p, true
	s.Money.Captured = max(s.Money.Captured, p.Paid)
	s.tell(now, "The customer paid %s", p.text(p.Amount))
	if p.Over > 0 {
		s.Overpaid = true
		s.tell(now, "%s of it is more than is due and goes back to the customer", p.text(p.Over))
	}
	s.paidHold(now)
}

// paidHold lets a hold for want of payment go when the order is paid. Other reasons still hold it.
func (s *State) paidHold(now time.Time) {
	h := s.Hold
	if h == nil {
		return
	}
	if h.Unpaid == "" {
		s.paidAndHeld()
		return
	}
	at := slices.Index(h.Reasons, h.Unpaid)
	if !s.Paid.covers() {
		h.Unpaid = "part-paid: " + s.Paid.text(s.Paid.Paid) + " came, " + s.Paid.text(s.Paid.Missing) + " is missing"
		h.Reasons[at] = h.Unpaid
		s.reword("review", heldFor(h.Reasons))
		return
	}
	h.Unpaid, h.Reasons = "", slices.Delete(h.Reasons, at, at+1)
	if len(h.Reasons) > 0 {
		s.tell(now, "All that is due is paid; the order is held for other reasons")
		s.reword("review", heldFor(h.Reasons))
		return
	}
	s.Hold = nil
	s.lower("review")
	s.lower("review-escalated")
	s.tell(now, "All that is due is paid: the order goes on")
}

// paidAndHeld: what holds the order is not known to end by a payment. One that was held before this release may be held
// for just that; a person who reads so sees that it is over.
func (s *State) paidAndHeld() {
	if s.Paid.covers() {
		s.reword("review", heldFor(s.Hold.Reasons)+" (all that is due is paid since: approve it if nothing else stands against it)")
	}
}

func heldFor(reasons []string) string { return "held for review: " + strings.Join(reasons, "; ") }

// reword changes what a person reads of a matter that waits for one; how long it has waited stays.
func (s *State) reword(key, text string) {
	for i := range s.Attention {
		if s.Attention[i].Key == key {
			s.Attention[i].Text = text
			s.Unrecorded = true
		}
	}
}
