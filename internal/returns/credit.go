package returns

import (
	"cmp"
	"strconv"
	"time"

	"github.com/dropline/dropline/internal/money"
)

// A credit that does not come is chased this often, by a message each time; then a person is asked.
const (
	chases     = 3
	chaseEvery = 7 * 24 * time.Hour
)

// whole is a share of all of it, in basis points.
const whole = 10_000

// expectCredit fixes what the contract promises for what was found, and from when it is late. What
// was damaged, wrong or defective when it was sent is owed whole; goods taken back as goodwill less
// the supplier's own fee, and only on its terms. What is lost under the supplier's label came to it as it was
// sent; what a carrier damaged at its own risk is not the supplier's fault.
func (s *State) expectCredit(now time.Time) {
	var expected int64
	for i := range s.Lines {
		l := &s.Lines[i]
		came := l.Found[AsNew] + l.Found[Opened]
		if s.Label != nil && s.Label.Supplied {
			came += l.Found[LostOnTheWay]
		}
		switch {
		case l.Reason.Fault() && !s.damagedByCarrier(l):
			n := came + l.Found[DamagedGoods]
			expected += n * l.UnitCost
		case s.Credit && !l.Uncovered:
			cost := came * l.UnitCost
			expected += cost - money.Portion(cost, whole, 0, s.creditFee(l))
		}
	}
	expected = max(expected, s.Claim.Got+s.Claim.WrittenOff)
	same := expected == s.Claim.Expected
	s.Claim.Expected = expected
	counted := s.countCredit(now)
	if same {
		return
	}
	s.Claim.DueAt = time.Time{}
	if s.Claim.Open() > 0 {
		s.Claim.DueAt = now.Add(s.Terms.CreditWithin)
		s.tell(now, "%s owes a credit of %s until %s", s.Terms.Name, s.owed(s.Claim.Open()), s.Claim.DueAt.UTC().Format("2 Jan 2006"))
	}
	if counted > 0 {
		s.creditChanged(now)
	}
}

// countCredit counts what credit memos gave as far as it is expected, and returns how much that is. What
// is left waits for the inspection, and after it for a person.
func (s *State) countCredit(now time.Time) int64 {
	counted := min(s.Claim.Over, max(s.Claim.Open(), 0))
	s.Claim.Got += counted
	s.Claim.Over -= counted
	switch {
	case s.Claim.Over == 0:
		s.lower("credit-over")
	case s.Inspected || s.Cancelled || s.Expired:
		s.raise(now, "credit-over", "credit memos give %s more than return %s is owed: ask %s what for, and note it",
			s.owed(s.Claim.Over), s.RMA, s.Terms.Name)
	}
	return counted
}

// creditChanged notes that the claim has become smaller: what is left is chased at once if it was
// short-paid, since the supplier has just said what it thinks it owes.
func (s *State) creditChanged(now time.Time) {
	if s.Claim.Open() <= 0 {
		s.Claim.DueAt = time.Time{}
		s.lower("credit")
		return
	}
	if !s.Claim.DueAt.IsZero() {
		s.chase(now)
	}
}

// chase asks the supplier for the credit, and after the last time a person.
func (s *State) chase(now time.Time) {
	if s.Claim.Chases < chases {
		s.Claim.Chases++
		s.notify(NoticeChaseCredit, "/"+strconv.Itoa(s.Claim.Chases))
		s.tell(now, "%s is reminded of the credit of %s", s.Terms.Name, s.owed(s.Claim.Open()))
	} else {
		s.Claim.Escalated = true
		s.raise(now, "credit", "%s has not given the credit of %s for %s after %d reminders: pursue it, or write it off by name",
			s.Terms.Name, s.owed(s.Claim.Open()), s.RMA, chases)
	}
	s.Claim.DueAt = now.Add(chaseEvery)
	s.Unrecorded = true
}

// amount is what the customer gets in words, owed what the supplier gives.
func (s *State) amount(minor int64) string {
	return money.Money{Minor: minor, Currency: s.Currency}.String()
}

func (s *State) owed(minor int64) string {
	return money.Money{Minor: minor, Currency: s.CreditCurrency()}.String()
}

// CreditCurrency is what the supplier owes its credit in.
func (s *State) CreditCurrency() string { return cmp.Or(s.Terms.Currency, s.Currency) }
