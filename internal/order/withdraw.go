package order

import (
	"strconv"
	"time"
)

// ask names units to take back from a purchase order, and the states to take them from.
type ask struct {
	line     int
	quantity int64
	from     []UnitState
}

// withdraw asks a supplier to give units back. They stay the supplier's until it answers: this is
// the fence before anything is bought elsewhere or refunded.
func (s *State) withdraw(po *PurchaseOrder, reason string, then Disposition, asks []ask, now time.Time) {
	w := Withdrawal{
		Key:    po.Number + "/c" + strconv.Itoa(len(po.Withdrawals)+1),
		Reason: reason,
		Status: Wanted,
	}
	for _, a := range asks {
		pl := po.line(a.line)
		left := a.quantity
		for _, from := range a.from {
			if n := pl.Units.move(from, CancelRequested, left); n > 0 {
				w.Units = append(w.Units, WithdrawnUnits{Line: a.line, Quantity: n, From: from, Then: then})
				left -= n
			}
		}
	}
	if len(w.Units) == 0 {
		return
	}
	po.Withdrawals = append(po.Withdrawals, w)
	s.tell(now, "Asking %s to give back units of %s: %s", po.Terms.Name, po.Number, reason)
	s.Unrecorded = true
}

// confirm ends a withdrawal with the units back in our hands.
func (s *State) confirm(po *PurchaseOrder, w *Withdrawal, status WithdrawalStatus, now time.Time) {
	w.Status = status
	s.lower("cancel/" + w.Key)
	var cancelled []ShippedLine
	for _, u := range w.Units {
		pl := po.line(u.Line)
		if u.Then == ThenCancel {
			n := pl.Units.move(CancelRequested, Cancelled, u.Quantity)
			s.line(u.Line).Cancelled += n
			cancelled = addLine(cancelled, u.Line, n)
			continue
		}
		if n := pl.Units.move(CancelRequested, Rerouted, u.Quantity); n > 0 {
			s.release(po, pl, n, w.Reason, now)
		}
	}
	if len(cancelled) > 0 {
		s.notice(Notice{Key: "cancelled/" + w.Key, Kind: NoticeCancelled, PO: po.Number, Lines: cancelled})
	}
	if status == Silent {
		s.tell(now, "%s did not answer the cancellation of %s in the promised time: taken as cancelled", po.Terms.Name, po.Number)
	} else {
		s.tell(now, "%s confirmed the cancellation of %s", po.Terms.Name, po.Number)
	}
	s.Unrecorded = true
}

// refuse ends a withdrawal with the units where they were. Units that were still unanswered count
// as accepted: the supplier that will not give them up has them.
func (s *State) refuse(po *PurchaseOrder, w *Withdrawal, why string, now time.Time) {
	w.Status = Refused
	s.lower("cancel/" + w.Key)
	for _, u := range w.Units {
		to := u.From
		if to == Pending {
			to = Accepted
		}
		po.line(u.Line).Units.move(CancelRequested, to, u.Quantity)
	}
	if t := po.totals(); t.Pending == 0 {
		po.Acknowledged = true
		po.RemindAt = nil
	}
	if why == "" {
		why = "no reason given"
	}
	s.tell(now, "%s keeps %s: %s", po.Terms.Name, po.Number, why)
	s.extendWaits(po, now)
	s.Unrecorded = true
}

// extendWaits gives a supplier that keeps its units the same time once more, so that a refusal is
// never the end of the watch; a clock that runs out again goes to a person.
func (s *State) extendWaits(po *PurchaseOrder, now time.Time) {
	if !po.ShipDueAt.IsZero() && !po.ShipDueAt.After(now) {
		window := max(po.ShipDueAt.Sub(po.SentAt), time.Second)
		po.ShipDueAt = now.Add(window).In(po.ShipDueAt.Location())
	}
	for i := range po.Lines {
		if pl := &po.Lines[i]; pl.Units.Backordered > 0 {
			pl.WaitUntil = now.Add(max(s.Policy.BackorderWaitAtMost, time.Second))
		}
	}
}

// silence ends the wait for an answer that was promised and did not come.
func (s *State) silence(po *PurchaseOrder, w *Withdrawal, now time.Time) {
	w.ConfirmBy = time.Time{}
	switch {
	case w.Acknowledged && !w.cancels():
		s.refuse(po, w, "it acknowledged the order in the meantime", now)
	case po.Terms.KeepOnSilence:
		s.raise(now, "cancel/"+w.Key, "%s has not answered the cancellation %s: decide with resolve_withdrawal", po.Terms.Name, w.Key)
	default:
		s.confirm(po, w, Silent, now)
	}
}

// OnlyIfSilent: the units are asked back because the supplier never answered for them. An answer
// that has come since, and waits to be delivered, calls the withdrawal off.
func (w *Withdrawal) OnlyIfSilent() bool {
	for _, u := range w.Units {
		if u.From != Pending || u.Then != ThenReroute {
			return false
		}
	}
	return true
}

// cancels is true when the customer wants some of the units cancelled.
func (w *Withdrawal) cancels() bool {
	for _, u := range w.Units {
		if u.Then == ThenCancel {
			return true
		}
	}
	return false
}

// ResolveWithdrawal is a person's word on a cancellation the supplier never answered.
func (s *State) ResolveWithdrawal(key string, confirmed bool, now time.Time) {
	for i := range s.POs {
		po := &s.POs[i]
		if w := po.Withdrawal(key); w != nil && w.open() {
			if confirmed {
				s.confirm(po, w, Confirmed, now)
			} else {
				s.refuse(po, w, "decided by an operator", now)
			}
		}
	}
}
