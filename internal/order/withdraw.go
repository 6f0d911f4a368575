package order

import (
	"slices"
	"strconv"
	"time"
)

const (
	// unpromised is how long an answer is waited for that no contract promises, and how soon an order that a
	// person has to decide about looks again.
	unpromised = 24 * time.Hour
	// rarestLook is how often it looks at least: each look costs a timer, a task and a record.
	rarestLook = 7 * 24 * time.Hour
)

// longestExtension bounds how long a ship clock that was extended again and again says nothing.
const longestExtension = 30 * 24 * time.Hour

// ask names units to take back from a purchase order, and the states to take them from.
type ask struct {
	line     int
	quantity int64
	from     []UnitState
}

// mostWithdrawals bounds how often units of one purchase order are asked back without a person: a
// supplier that offers and refuses in turns would go on for ever.
const mostWithdrawals = 20

// withdraw asks a supplier to give units back. They stay the supplier's until it answers: this is
// the fence before anything is bought elsewhere or refunded.
func (s *State) withdraw(po *PurchaseOrder, reason string, then Disposition, asks []ask, now time.Time) {
	if then == ThenReroute && len(po.Withdrawals) >= mostWithdrawals {
		s.raise(now, "withdrawals/"+po.Number, "%s and we cannot agree about %s: cancel the order's units, or settle it with the supplier", po.Terms.Name, po.Number)
		return
	}
	w := Withdrawal{
		Key:      po.Number + "-c" + strconv.Itoa(len(po.Withdrawals)+1),
		Reason:   reason,
		Status:   Wanted,
		Heard:    !po.AckAt.IsZero(),
		WantedAt: now.UTC(),
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

// unscanned names all units of a purchase order that no carrier has scanned.
func (p *PurchaseOrder) unscanned() []ask {
	var asks []ask
	for i := range p.Lines {
		asks = append(asks, ask{p.Lines[i].Line, p.Lines[i].Quantity, beforeScan})
	}
	return asks
}

// split divides the j-th entry so that it holds at most n units, and says how many it holds.
func (w *Withdrawal) split(j int, n int64) int64 {
	if rest := w.Units[j].Quantity - n; rest > 0 {
		other := w.Units[j]
		other.Quantity = rest
		w.Units[j].Quantity = n
		w.Units = append(w.Units, other)
	}
	return w.Units[j].Quantity
}

// confirm ends a withdrawal with the units back in our hands.
func (s *State) confirm(po *PurchaseOrder, w *Withdrawal, status WithdrawalStatus, now time.Time) {
	if status == Silent {
		s.tell(now, "%s did not answer the cancellation of %s in the promised time: taken as cancelled", po.Terms.Name, po.Number)
	} else {
		s.tell(now, "%s confirmed the cancellation of %s", po.Terms.Name, po.Number)
	}
	s.end(w, status, now)
	var cancelled []ShippedLine
	for i := range w.Units {
		u := &w.Units[i]
		cancelled = addLine(cancelled, u.Line, s.leave(po, u, u.Quantity, Rerouted, w.Reason, now))
	}
	s.cancelledNotice("cancelled/"+w.Key, po, cancelled)
}

// end closes a withdrawal.
func (s *State) end(w *Withdrawal, status WithdrawalStatus, now time.Time) {
	w.Status, w.ConfirmBy, w.EndedAt = status, time.Time{}, now.UTC()
	s.lower("cancel/" + w.Key)
	s.Unrecorded = true
}

// leave takes n of the withdrawn units off the purchase order for good and says how many of them are
// cancelled for the customer; the others are bought elsewhere.
func (s *State) leave(po *PurchaseOrder, u *WithdrawnUnits, n int64, to UnitState, why string, now time.Time) int64 {
	pl := po.line(u.Line)
	if u.From == Labelled {
		po.void(u.Line, n)
	}
	if u.Then == ThenCancel {
		n = pl.Units.move(CancelRequested, Cancelled, n)
		s.line(u.Line).Cancelled += n
		return n
	}
	if n = pl.Units.move(CancelRequested, to, n); n > 0 {
		s.release(po, pl, n, why, now)
	}
	return 0
}

func (s *State) cancelledNotice(key string, po *PurchaseOrder, lines []ShippedLine) {
	if len(lines) > 0 {
		s.notice(Notice{Key: key, Kind: NoticeCancelled, PO: po.Number, Lines: lines})
	}
}

// giveBack takes the units of a line that are being asked back and that the supplier has given up
// without waiting for the question.
func (s *State) giveBack(po *PurchaseOrder, pl *POLine, why string, now time.Time) {
	for i := range po.Withdrawals {
		w := &po.Withdrawals[i]
		if !w.open() {
			continue
		}
		var cancelled []ShippedLine
		for j := range w.Units {
			if u := &w.Units[j]; u.Line == pl.Line && u.Quantity > 0 {
				cancelled = addLine(cancelled, u.Line, s.leave(po, u, u.Quantity, Rejected, why, now))
				u.Quantity = 0
			}
		}
		s.cancelledNotice("cancelled/"+w.Key+"/"+strconv.Itoa(pl.Line), po, cancelled)
		s.endIfEmpty(po, w, Confirmed, "all of it was given back", now)
	}
}

// endIfEmpty closes a withdrawal that is about nothing any more. Asked all the same it would read as
// a request to cancel everything.
func (s *State) endIfEmpty(po *PurchaseOrder, w *Withdrawal, status WithdrawalStatus, why string, now time.Time) {
	if count(w.Lines()) == 0 {
		s.end(w, status, now)
		s.tell(now, "The cancellation of %s at %s is over: %s", po.Number, po.Terms.Name, why)
	}
}

// refuse ends a withdrawal with the units where they were. Units that were still unanswered count
// as accepted: the supplier that will not give them up has them.
func (s *State) refuse(po *PurchaseOrder, w *Withdrawal, why string, now time.Time) {
	s.end(w, Refused, now)
	for i := range w.Units {
		u := &w.Units[i]
		if u.From == Pending {
			u.From = Accepted
		}
		pl := po.line(u.Line)
		n := pl.Units.move(CancelRequested, u.From, u.Quantity)
		if u.From == Backordered && n > 0 {
			pl.Kept = true
			pl.WaitUntil = now.Add(max(s.Policy.BackorderWaitAtMost, time.Second))
		}
	}
	if t := po.totals(); t.Pending == 0 {
		po.Acknowledged = true
		po.RemindAt = nil
	}
	if why == "" {
		why = "no reason given"
	}
	s.tell(now, "%s keeps %s: %s", po.Terms.Name, po.Number, why)
	s.extendShipping(po, now)
	s.noteHolds(po, now)
}

// extendShipping gives a supplier that keeps its units the same time once more, so that a refusal is
// never the end of the watch; a clock that runs out again goes to a person.
func (s *State) extendShipping(po *PurchaseOrder, now time.Time) {
	if po.ShipDueAt.IsZero() || po.ShipDueAt.After(now) {
		return
	}
	window := unpromised
	if !po.SentAt.IsZero() {
		window = min(max(po.ShipDueAt.Sub(po.SentAt), time.Second), longestExtension)
	}
	po.ShipDueAt = now.Add(window).In(po.ShipDueAt.Location())
}

// silence ends the wait for an answer that was promised and did not come. A supplier that has
// announced a parcel since is not silent: it means to ship.
func (s *State) silence(po *PurchaseOrder, w *Withdrawal, now time.Time) {
	switch {
	case w.Acknowledged && !w.cancels():
		s.refuse(po, w, "it acknowledged the order in the meantime", now)
	case po.Terms.KeepOnSilence:
		w.ConfirmBy = now.Add(w.patience(po.Terms, now)).In(w.ConfirmBy.Location())
		s.tell(now, "%s has not answered the cancellation of %s in the promised time", po.Terms.Name, po.Number)
		s.raise(now, "cancel/"+w.Key, "%s has not answered the cancellation of %s: ask it, and resolve withdrawal %s", po.Terms.Name, po.Number, w.Key)
	case w.labelled():
		s.refuse(po, w, "it announced a parcel in the meantime", now)
	default:
		s.confirm(po, w, Silent, now)
	}
}

// patience is how long a withdrawal that nobody answers waits for the next look: as many days as it has waited
// already.
func (w *Withdrawal) patience(t Terms, now time.Time) time.Duration {
	if !t.LooksRarer {
		return unpromised
	}
	return min(max(now.Sub(w.WantedAt).Truncate(unpromised), unpromised), rarestLook)
}

// OnlyIfSilent: the units are asked back because the supplier never answered for them. An answer
// that has come since, and waits to be delivered, calls the withdrawal off.
func (w *Withdrawal) OnlyIfSilent() bool {
	for _, u := range w.Units {
		if u.From != Pending || u.Then != ThenReroute {
			return false
		}
	}
	return !w.Heard
}

// cancels is true when the customer wants some of the units cancelled.
func (w *Withdrawal) cancels() bool {
	return slices.ContainsFunc(w.Units, func(u WithdrawnUnits) bool { return u.Then == ThenCancel && u.Quantity > 0 })
}

func (w *Withdrawal) labelled() bool {
	return slices.ContainsFunc(w.Units, func(u WithdrawnUnits) bool { return u.From == Labelled && u.Quantity > 0 })
}

// ResolveWithdrawal is a person's word on a cancellation that the supplier never answered, or refused
// and does not ship either.
func (s *State) ResolveWithdrawal(key string, confirmed bool, now time.Time) {
	for i := range s.POs {
		po := &s.POs[i]
		w := po.Withdrawal(key)
		switch {
		case w == nil || !po.resolvable(w):
		case w.open() && confirmed:
			s.confirm(po, w, Confirmed, now)
		case w.open():
			s.refuse(po, w, "decided by an operator", now)
		case confirmed:
			s.givenUpAfterAll(po, w, now)
		}
	}
}

// resolvable: a person's word decides about a withdrawal that is open, or that was the last one and
// was refused, as long as its units have not been scanned.
func (p *PurchaseOrder) resolvable(w *Withdrawal) bool {
	if w.open() {
		return true
	}
	if w.Status != Refused || w != &p.Withdrawals[len(p.Withdrawals)-1] {
		return false
	}
	return slices.ContainsFunc(w.Units, func(u WithdrawnUnits) bool {
		return u.Quantity > 0 && *p.line(u.Line).Units.of(u.From) > 0
	})
}
