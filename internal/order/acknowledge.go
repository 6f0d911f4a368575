package order

import (
	"slices"
	"strconv"
	"time"
)

func (s *State) applyAcknowledgment(a *Acknowledgment, now time.Time) {
	po := s.PO(a.PO)
	if po == nil {
		s.tell(now, "Acknowledgment for %s, which is not one of this order's: ignored", a.PO)
		return
	}
	if a.At.Before(po.AckAt) || (a.At.Equal(po.AckAt) && a.Document <= po.AckDocument && po.AckDocument != "") {
		s.tell(now, "%s: an older acknowledgment came after a newer one: ignored", po.Number)
		return
	}
	po.AckAt, po.AckDocument = a.At, a.Document
	po.proves()
	accepts := acceptsSomething(a)
	if po.Live() == 0 {
		if accepts {
			s.stillClaims(po, now)
		}
		return
	}
	if accepts {
		s.spoke(po, "it acknowledged the order in the meantime", now)
	}
	if !po.AckDueAt.IsZero() && a.At.After(po.AckDueAt) && !po.breached("acknowledge") {
		po.Breached = append(po.Breached, "acknowledge")
		s.tell(now, "%s acknowledged %s late: due %s", po.Terms.Name, po.Number, Clock(po.AckDueAt))
	}
	for i := range po.Lines {
		s.acknowledgeLine(po, &po.Lines[i], answersFor(a, &po.Lines[i]), now)
	}
	for i := range a.Lines {
		if po.line(a.Lines[i].Line) == nil {
			s.tell(now, "%s answered for line %d, which %s does not have: ignored", po.Terms.Name, a.Lines[i].Line, po.Number)
		}
	}
	if t := po.totals(); t.Pending == 0 {
		po.Acknowledged = true
		po.RemindAt = nil
		s.tell(now, "%s acknowledged %s: %s", po.Terms.Name, po.Number, summary(&t))
	}
	s.noteHolds(po, now)
}

// acceptsSomething: the supplier means to ship some of it. A substitute that was offered is not
// shipped unless it is ordered anew.
func acceptsSomething(a *Acknowledgment) bool {
	if a.Whole != "" {
		return a.Whole != AckRejected
	}
	for i := range a.Lines {
		if st := a.Lines[i].Status; st != AckRejected && st != AckSubstitutionOffered && a.Lines[i].Quantity > 0 {
			return true
		}
	}
	return false
}

// stillClaims answers a supplier that wants to ship what it has lost. It is told again, once; if it
// insists, or means only a part that a repeated cancellation could not name, a person tells it.
func (s *State) stillClaims(po *PurchaseOrder, now time.Time) {
	if po.Live() == 0 && po.LateAck == LateAckNone {
		po.LateAck = LateAckReceived
		s.tell(now, "%s accepted %s after it had lost the order: refused, the cancellation is repeated", po.Terms.Name, po.Number)
		return
	}
	s.raise(now, "claims/"+po.Number, "%s still means to ship units of %s that it has lost: tell it not to", po.Terms.Name, po.Number)
}

// spoke: a supplier that was asked for units only because it was silent has answered. What was not
// asked yet is called off; what was asked is remembered, in case no answer to that comes.
func (s *State) spoke(po *PurchaseOrder, how string, now time.Time) {
	for i := range po.Withdrawals {
		switch w := &po.Withdrawals[i]; {
		case w.Status == Wanted && w.OnlyIfSilent():
			s.refuse(po, w, how, now)
		case w.open():
			w.Acknowledged = true
		}
	}
}

// answersFor picks the answers for one line; a whole-order answer speaks for all of its units.
func answersFor(a *Acknowledgment, pl *POLine) []AckLine {
	if a.Whole != "" {
		return []AckLine{{Line: pl.Line, Status: a.Whole, Quantity: pl.Quantity, Reason: a.Reason}}
	}
	var answers []AckLine
	for _, l := range a.Lines {
		if l.Line == pl.Line && l.Quantity > 0 {
			answers = append(answers, l)
		}
	}
	return answers
}

// word is a supplier's answer for one line in units. Unwanted units ship at a price outside the
// contract unless they are asked back.
type word struct{ accepted, backordered, rejected, held, unwanted int64 }

func (w *word) sum() int64 { return w.accepted + w.backordered + w.rejected + w.held + w.unwanted }

func (s *State) weigh(po *PurchaseOrder, pl *POLine, answers []AckLine, now time.Time) word {
	var w word
	for i := range answers {
		switch a := &answers[i]; a.Status {
		case AckAccepted:
			w.accepted += a.Quantity
		case AckBackordered:
			w.backordered += a.Quantity
			pl.ExpectedOn = a.ExpectedOn
		case AckRejected:
			w.rejected += a.Quantity
		case AckOnHold:
			w.held += a.Quantity
		case AckSubstitutionOffered:
			// Nothing ships unless the substitute is ordered anew, so waiting for it would be in vain,
			// also where the contract would accept it: to the order this is a rejection.
			w.rejected += a.Quantity
			s.tell(now, "%s offers %s instead of %d of line %d%s", po.Terms.Name, a.SupplierSKU, a.Quantity, pl.Line, substitutes(po))
		case AckPriceChanged:
			if s.priceAcceptable(po, pl, a, now) {
				w.accepted += a.Quantity
			} else {
				w.unwanted += a.Quantity
			}
		}
	}
	return w
}

func substitutes(po *PurchaseOrder) string {
	if po.Terms.AcceptSubstitutes {
		return "; its contract allows that, but it would have to be ordered anew"
	}
	return ""
}

// acknowledgeLine divides the units that have not shipped by the supplier's answers. The answers
// describe the whole line, so that hearing them again changes nothing: units that have moved on
// since (shipped, asked back, lost) are counted against the answer they came from. Units that the
// answers do not cover stay where they stood, and for those asked back before any answer it is
// remembered where they would stand, should the supplier keep them.
func (s *State) acknowledgeLine(po *PurchaseOrder, pl *POLine, answers []AckLine, now time.Time) {
	if len(answers) == 0 {
		return
	}
	u := &pl.Units
	w := s.weigh(po, pl, answers, now)
	s.claimedAgain(po, pl, &w, now)

	// An answer for more units than the supplier has speaks of lost ones, too.
	w.rejected -= min(w.rejected, max(w.sum()-u.Live(), 0))
	w.accepted = max(w.accepted-u.Labelled-u.Shipped-u.Terminal()-po.asked(pl.Line, Accepted)-po.asked(pl.Line, Labelled), 0)
	w.backordered = max(w.backordered-po.asked(pl.Line, Backordered), 0)
	unwantedAsked := min(w.unwanted, po.asked(pl.Line, OnHold))
	w.unwanted -= unwantedAsked
	w.held = max(w.held-(po.asked(pl.Line, OnHold)-unwantedAsked), 0)

	w.rejected = s.rejectAsked(po, pl, w.rejected, now)
	u.draw(Pending, max(w.sum()-u.Pending, 0), Backordered, OnHold, Accepted)
	if n := u.move(Pending, Rejected, w.rejected); n > 0 {
		s.release(po, pl, n, "rejected by the supplier", now)
	}
	unwanted := u.move(Pending, OnHold, w.unwanted)
	w.held -= u.move(Pending, OnHold, w.held)
	w.backordered -= u.move(Pending, Backordered, w.backordered)
	w.accepted -= u.move(Pending, Accepted, w.accepted)
	po.relabel(pl.Line, w.held, Pending, OnHold)
	po.relabel(pl.Line, w.backordered, Pending, Backordered)
	po.relabel(pl.Line, w.accepted, Pending, Accepted)

	if unwanted > 0 {
		s.withdraw(po, "the new price is outside the contract", ThenReroute, []ask{{pl.Line, unwanted, []UnitState{OnHold}}}, now)
	}
	s.backorder(po, pl, now)
}

// rejectAsked settles rejected units with those that are being asked back, and says how many are left
// to take from the others. When the supplier rejects everything, nothing is left to ask. Otherwise
// those it rejects may be the very ones it was asked for: its answer to that tells, and taking others
// in their place could give up more than it did.
func (s *State) rejectAsked(po *PurchaseOrder, pl *POLine, rejected int64, now time.Time) int64 {
	u := &pl.Units
	asked := u.CancelRequested
	if rejected >= asked+u.Pending+u.Accepted+u.Backordered+u.OnHold {
		s.giveBack(po, pl, "rejected by the supplier", now)
	}
	return max(rejected-asked, 0)
}

// claimedAgain notices an answer that would ship units which the supplier has given up before.
// An answer from before it gave them up only came late.
func (s *State) claimedAgain(po *PurchaseOrder, pl *POLine, w *word, now time.Time) {
	claimed := w.sum() - w.rejected
	if claimed <= pl.Units.Live() {
		return
	}
	gave := pl.Units.Rejected > 0
	for i := range po.Withdrawals {
		x := &po.Withdrawals[i]
		for _, u := range x.Units {
			gave = gave || u.Line == pl.Line && !x.EndedAt.IsZero() && po.AckAt.After(x.EndedAt)
		}
	}
	if gave {
		s.stillClaims(po, now)
	}
}

// priceAcceptable compares a changed price with the one that was ordered, not with the last change:
// many small rises must not add up to a big one.
func (s *State) priceAcceptable(po *PurchaseOrder, pl *POLine, a *AckLine, now time.Time) bool {
	ordered := pl.UnitCost
	if pl.OrderedCost != nil {
		ordered = *pl.OrderedCost
	}
	// cost × (10000 + tolerance) / 10000, compared without dividing
	if a.UnitCost*10_000 > ordered*(10_000+po.Terms.AcceptPriceBP) {
		s.tell(now, "%s line %d: the new price is outside the contract", po.Number, pl.Line)
		return false
	}
	if pl.UnitCost != a.UnitCost {
		pl.OrderedCost = &ordered
		pl.UnitCost = a.UnitCost
		s.Unrecorded = true
		s.tell(now, "%s line %d: new price taken, within the contract", po.Number, pl.Line)
	}
	return true
}

// asked counts units of a line that stood in a state when they were asked back, and whose supplier
// has not answered that yet.
func (p *PurchaseOrder) asked(line int, from UnitState) int64 {
	var n int64
	for i := range p.Withdrawals {
		if !p.Withdrawals[i].open() {
			continue
		}
		for _, u := range p.Withdrawals[i].Units {
			if u.Line == line && u.From == from {
				n += u.Quantity
			}
		}
	}
	return n
}

// relabel changes where up to n units that are being asked back would stand if the supplier keeps
// them, and says how many it changed.
func (p *PurchaseOrder) relabel(line int, n int64, from, to UnitState) int64 {
	var done int64
	for i := range p.Withdrawals {
		w := &p.Withdrawals[i]
		if !w.open() {
			continue
		}
		for j := 0; j < len(w.Units) && done < n; j++ {
			if u := w.Units[j]; u.Line == line && u.From == from && u.Quantity > 0 {
				done += w.split(j, n-done)
				w.Units[j].From = to
			}
		}
	}
	return done
}

// backorder applies the storefront's policy to units that cannot ship yet.
func (s *State) backorder(po *PurchaseOrder, pl *POLine, now time.Time) {
	n := pl.Units.Backordered
	if n == 0 {
		return
	}
	limit := now.Add(s.Policy.BackorderWaitAtMost)
	units := []ask{{pl.Line, n, []UnitState{Backordered}}}
	switch {
	case s.Policy.Backorder == BackorderWait && !pl.WaitUntil.IsZero():
	case pl.Kept:
		// It was asked for them before and kept them: asking at every answer would change nothing.
		if pl.WaitUntil.IsZero() {
			pl.WaitUntil = limit
		}
	case s.Policy.Backorder == BackorderWait && !pl.ExpectedOn.After(limit):
		pl.WaitUntil = limit
		s.notice(Notice{
			Key: "backordered/" + po.Number + "/" + strconv.Itoa(pl.Line), Kind: NoticeBackordered, PO: po.Number,
			Lines: []ShippedLine{{pl.Line, n}},
		})
		s.tell(now, "%d of line %d are backordered at %s: waiting until %s", n, pl.Line, po.Terms.Name, Clock(limit))
	case s.Policy.Backorder == BackorderCancel:
		s.withdraw(po, "backordered: the storefront cancels backorders", ThenCancel, units, now)
	default:
		s.withdraw(po, "backordered: another supplier is tried", ThenReroute, units, now)
	}
}

func (s *State) notice(n Notice) {
	for i := range s.Notices {
		if s.Notices[i].Key == n.Key {
			return
		}
	}
	n.Lines = slices.Clone(n.Lines)
	s.Notices = append(s.Notices, n)
}

// release gives units back to the order, to be bought elsewhere.
func (s *State) release(po *PurchaseOrder, pl *POLine, n int64, reason string, now time.Time) {
	s.line(pl.Line).Unassigned += n
	s.Supply.TryAt = time.Time{}
	s.exclude(po.Supplier, pl.SKU, reason)
	s.tell(now, "%d of line %d leave %s: %s", n, pl.Line, po.Number, reason)
	s.Unrecorded = true
}

func (s *State) exclude(supplier, sku, reason string) {
	for i := range s.Exclusions {
		if s.Exclusions[i].Supplier == supplier && s.Exclusions[i].SKU == sku {
			return
		}
	}
	s.Exclusions = append(s.Exclusions, Exclusion{Supplier: supplier, SKU: sku, Reason: reason})
}
