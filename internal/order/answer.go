package order

import (
	"strings"
	"time"
)

// applyCancelAnswer takes a supplier's answer to a cancellation or an intercept, or its word that it
// cancels of its own accord.
func (s *State) applyCancelAnswer(a *CancelAnswer, now time.Time) {
	po := s.PO(a.PO)
	if po == nil {
		s.tell(now, "An answer to a cancellation of %s, which is not one of this order's: ignored", a.PO)
		return
	}
	if c := s.Case(strings.TrimPrefix(a.Key, "intercept/")); c != nil && c.PO == po.Number {
		s.interceptAnswer(c, a, now)
		return
	}
	w := po.Withdrawal(a.Key)
	if a.Key == "" {
		owed := po.owed(a)
		if len(owed) > 1 {
			s.ambiguousAnswer(po, owed, a, now)
			return
		}
		if len(owed) == 1 {
			w = owed[0]
		}
	}
	if w != nil && a.Key == "" && w.Status == Asking {
		// The direct answer is still to come. If it only promises one, this was it.
		w.Early = new(a.Accepted)
		return
	}
	if w != nil {
		w.Owed = false
	}
	s.answered(po, w, a, now)
}

// answered takes an answer to a withdrawal, or one that is about none.
func (s *State) answered(po *PurchaseOrder, w *Withdrawal, a *CancelAnswer, now time.Time) {
	switch {
	case w != nil && w.open() && a.Accepted:
		s.confirm(po, w, Confirmed, now)
	case w != nil && w.open():
		s.refuse(po, w, a.Reason, now)
	case w != nil && a.Accepted && w.Status == Refused:
		s.givenUpAfterAll(po, w, now)
	case w != nil && !a.Accepted && w.Status == Silent:
		s.stillClaims(po, now)
	case w != nil || a.Key != "" || !a.Accepted:
		s.tell(now, "%s: a cancellation was answered that nobody waits for: ignored", po.Number)
	default:
		s.cancelledBySupplier(po, now)
	}
}

// owed lists the withdrawals that an answer without a key can be about. One from before the question
// is about none: the supplier cancelled of its own accord.
func (p *PurchaseOrder) owed(a *CancelAnswer) []*Withdrawal {
	var list []*Withdrawal
	for i := range p.Withdrawals {
		if w := &p.Withdrawals[i]; w.Owed && (!a.Accepted || a.At.After(w.WantedAt)) {
			list = append(list, w)
		}
	}
	return list
}

// ambiguousAnswer: the answer fits several questions. Guessing could give up units that the supplier
// keeps, so a person asks; what is still open then does not count as silence.
func (s *State) ambiguousAnswer(po *PurchaseOrder, owed []*Withdrawal, a *CancelAnswer, now time.Time) {
	for _, w := range owed {
		w.Acknowledged = w.Acknowledged || !a.Accepted
	}
	s.raise(now, "answer/"+po.Number, "%s answered a cancellation of %s and does not say which: ask, and resolve withdrawal %s", po.Terms.Name, po.Number, names(owed))
}

// names lists the withdrawals that wait for an answer, for a person.
func names(owed []*Withdrawal) string {
	var keys []string
	for _, w := range owed {
		if w.open() {
			keys = append(keys, w.Key)
		}
	}
	return strings.Join(keys, " and ")
}

func (s *State) interceptAnswer(c *Case, a *CancelAnswer, now time.Time) {
	switch {
	case !c.Open():
	case a.Accepted:
		s.closeCase(c, CaseIntercepted, "the supplier stops the parcel", now)
	default:
		s.caseUnstoppable(c, a.Reason, now)
	}
}

// cancelledBySupplier: the supplier cancels of its own accord, which is about all that it has not
// shipped. What that is it has to say: a notice of what it has shipped may still be on its way, and
// the units must not be bought elsewhere before.
func (s *State) cancelledBySupplier(po *PurchaseOrder, now time.Time) {
	po.proves()
	s.withdraw(po, "it cancelled of its own accord", ThenReroute, po.unscanned(), now)
}

// givenUpAfterAll: a supplier that kept units has cancelled them nevertheless. If they have been
// asked for again since, the answer to that decides.
func (s *State) givenUpAfterAll(po *PurchaseOrder, w *Withdrawal, now time.Time) {
	if &po.Withdrawals[len(po.Withdrawals)-1] != w {
		s.tell(now, "%s confirms a cancellation that it had refused; the newer one decides", po.Terms.Name)
		return
	}
	for i := range w.Units {
		u := &w.Units[i]
		pl := po.line(u.Line)
		n := pl.Units.move(u.From, CancelRequested, u.Quantity)
		n += pl.Units.draw(CancelRequested, u.Quantity-n, Accepted, Pending, OnHold, Backordered)
		u.Quantity = n
	}
	s.confirm(po, w, Confirmed, now)
}
