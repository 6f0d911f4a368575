package order

import (
	"time"
)

// Apply takes a fact into the order. A fact that was seen before changes nothing. now is when the
// order learned it; what the fact proves is dated by the fact itself.
func (s *State) Apply(f Fact, now time.Time) {
	if f.Seq <= s.LastFact {
		return
	}
	s.LastFact = f.Seq
	s.Settled = false // news after the settlement: settle again, which posts only what is new
	switch {
	case f.Acknowledge != nil:
		s.applyAcknowledgment(f.Acknowledge, now)
	case f.Ship != nil:
		s.applyShipNotice(f.Ship, now)
	case f.Milestone != nil:
		s.applyMilestone(f.Milestone, now)
	case f.CancelReply != nil:
		s.applyCancelAnswer(f.CancelReply, now)
	case f.Cancel != nil:
		// The storefront has cancelled on its side already: do what still can be done.
		s.Cancel(*f.Cancel, now)
	}
}

// proves marks a purchase order as received: whoever answers for it has it.
func (p *PurchaseOrder) proves() {
	if p.Phase == Created || p.Phase == Sending || p.Phase == DeliveryUnknown {
		p.Phase = Submitted
	}
}

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
		s.lateAcknowledgment(po, accepts, now)
		return
	}
	for i := range po.Withdrawals {
		if w := &po.Withdrawals[i]; w.open() && accepts {
			w.Acknowledged = true
		}
	}
	if !po.AckDueAt.IsZero() && a.At.After(po.AckDueAt) && !po.breached("acknowledge") {
		po.Breached = append(po.Breached, "acknowledge")
		s.tell(now, "%s acknowledged %s late: due %s", po.Terms.Name, po.Number, Clock(po.AckDueAt))
	}
	for i := range po.Lines {
		s.acknowledgeLine(po, &po.Lines[i], answersFor(a, &po.Lines[i]), now)
	}
	if t := po.totals(); t.Pending == 0 {
		po.Acknowledged = true
		po.RemindAt = nil
		s.lower("ack/" + po.Number)
		s.tell(now, "%s acknowledged %s: %s", po.Terms.Name, po.Number, summary(&t))
	}
}

func acceptsSomething(a *Acknowledgment) bool {
	if a.Whole == AckAccepted {
		return true
	}
	for i := range a.Lines {
		if a.Lines[i].Status != AckRejected && a.Lines[i].Quantity > 0 {
			return true
		}
	}
	return false
}

func (s *State) lateAcknowledgment(po *PurchaseOrder, accepts bool, now time.Time) {
	if !accepts || po.LateAck != LateAckNone {
		return
	}
	po.LateAck = LateAckReceived
	s.tell(now, "%s accepted %s after it had lost the order: refused, the cancellation is repeated", po.Terms.Name, po.Number)
}

// answersFor picks the answers for one line; a whole-order answer speaks for all of its units.
func answersFor(a *Acknowledgment, pl *POLine) []AckLine {
	if a.Whole != "" {
		return []AckLine{{Line: pl.Line, Status: a.Whole, Quantity: pl.Quantity, Reason: a.Reason}}
	}
	var answers []AckLine
	for _, l := range a.Lines {
		if l.Line == pl.Line {
			answers = append(answers, l)
		}
	}
	return answers
}

// acknowledgeLine divides the units that have not shipped by the supplier's answers. The answers
// describe the whole line, so that hearing them again changes nothing: units that have moved on
// since (shipped, asked back) are counted against the answer they came from.
func (s *State) acknowledgeLine(po *PurchaseOrder, pl *POLine, answers []AckLine, now time.Time) {
	if len(answers) == 0 {
		return
	}
	u := &pl.Units
	var accepted, backordered, rejected, held, unwanted int64
	for i := range answers {
		switch a := &answers[i]; a.Status {
		case AckAccepted:
			accepted += a.Quantity
		case AckBackordered:
			backordered += a.Quantity
			pl.ExpectedOn = a.ExpectedOn
		case AckRejected:
			rejected += a.Quantity
		case AckOnHold:
			held += a.Quantity
		case AckSubstitutionOffered:
			if po.Terms.AcceptSubstitutes {
				accepted += a.Quantity
			} else {
				unwanted += a.Quantity
			}
		case AckPriceChanged:
			if s.priceAcceptable(po, pl, a, now) {
				accepted += a.Quantity
			} else {
				unwanted += a.Quantity
			}
		}
	}
	accepted -= u.Labelled + u.Shipped + u.Terminal() + po.withdrawnFrom(pl.Line, Accepted) + po.withdrawnFrom(pl.Line, Labelled)
	backordered -= po.withdrawnFrom(pl.Line, Backordered)
	rejected -= u.Rejected
	heldNow := held + unwanted - po.withdrawnFrom(pl.Line, OnHold)

	pool := []UnitState{Accepted, Backordered, OnHold}
	u.draw(Pending, pl.Quantity, pool...)
	if n := u.move(Pending, Rejected, max(rejected, 0)); n > 0 {
		s.release(po, pl, n, "rejected by the supplier", now)
	}
	onHold := u.move(Pending, OnHold, max(heldNow, 0))
	u.move(Pending, Backordered, max(backordered, 0))
	u.move(Pending, Accepted, max(accepted, 0))

	if unwanted > 0 && onHold > 0 {
		s.withdraw(po, "the offered substitute or price is outside the contract", ThenReroute,
			[]ask{{pl.Line, min(unwanted, onHold), []UnitState{OnHold}}}, now)
	}
	if held > 0 {
		s.raise(now, "hold/"+po.Number, "%s holds units of %s", po.Terms.Name, po.Number)
	} else {
		s.lower("hold/" + po.Number)
	}
	s.backorder(po, pl, now)
}

func (s *State) priceAcceptable(po *PurchaseOrder, pl *POLine, a *AckLine, now time.Time) bool {
	// cost × (10000 + tolerance) / 10000, compared without dividing
	if a.UnitCost*10_000 > pl.UnitCost*(10_000+po.Terms.AcceptPriceBP) {
		s.tell(now, "%s line %d: the new price is outside the contract", po.Number, pl.Line)
		return false
	}
	if pl.UnitCost != a.UnitCost {
		pl.UnitCost = a.UnitCost
		s.Unrecorded = true
		s.tell(now, "%s line %d: new price taken, within the contract", po.Number, pl.Line)
	}
	return true
}

// withdrawnFrom counts units of a line that stood in a state when they were asked back and have not
// been put back since.
func (p *PurchaseOrder) withdrawnFrom(line int, from UnitState) int64 {
	var n int64
	for i := range p.Withdrawals {
		if p.Withdrawals[i].Status == Refused {
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

// backorder applies the storefront's policy to units that cannot ship yet.
func (s *State) backorder(po *PurchaseOrder, pl *POLine, now time.Time) {
	if pl.Units.Backordered == 0 || !pl.WaitUntil.IsZero() {
		return
	}
	limit := now.Add(s.Policy.BackorderWaitAtMost)
	waits := s.Policy.Backorder == BackorderWait && !pl.ExpectedOn.After(limit)
	units := []ask{{pl.Line, pl.Units.Backordered, []UnitState{Backordered}}}
	pl.WaitUntil = limit
	switch {
	case waits:
		s.notice(Notice{
			Key: "backordered/" + po.Number, Kind: NoticeBackordered, PO: po.Number,
			Lines: []ShippedLine{{pl.Line, pl.Units.Backordered}},
		})
		s.tell(now, "%d of line %d are backordered at %s: waiting until %s", pl.Units.Backordered, pl.Line, po.Terms.Name, Clock(limit))
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

func (s *State) applyShipNotice(n *ShipNotice, now time.Time) {
	po := s.PO(n.PO)
	if po == nil {
		s.tell(now, "Ship notice for %s, which is not one of this order's: ignored", n.PO)
		return
	}
	if po.parcel(n.Carrier, n.Tracking) != nil {
		s.tell(now, "%s: a second ship notice for the same parcel: ignored", po.Number)
		return
	}
	po.proves()
	unasked := !po.Acknowledged && po.Live() > 0
	parcel := Parcel{Carrier: n.Carrier, Tracking: n.Tracking, Milestone: ParcelLabelled}
	for _, shipped := range n.Lines {
		parcel.Lines = addLine(parcel.Lines, shipped.Line, s.label(po, n, shipped, now))
	}
	po.Parcels = append(po.Parcels, parcel)
	s.tell(now, "%s announced a parcel for %s (%s)", po.Terms.Name, po.Number, n.Carrier)
	if t := po.totals(); t.Pending == 0 && unasked {
		po.Acknowledged = true
		po.RemindAt = nil
		s.tell(now, "%s ships %s without having acknowledged it", po.Terms.Name, po.Number)
	}
}

// label moves the units of a parcel and says how many of them the order wants. What the supplier
// had lost and nobody has bought since is taken back: it won. The rest opens a case.
func (s *State) label(po *PurchaseOrder, n *ShipNotice, shipped ShippedLine, now time.Time) int64 {
	pl := po.line(shipped.Line)
	if pl == nil {
		s.openCase(po, n.Carrier, n.Tracking, shipped.Line, shipped.Quantity, now)
		return 0
	}
	wanted := pl.Units.draw(Labelled, shipped.Quantity, Accepted, Pending, OnHold, Backordered)
	wanted += po.overtake(pl, Labelled, shipped.Quantity-wanted, "")
	l := s.line(shipped.Line)
	if won := min(shipped.Quantity-wanted, pl.Units.Rerouted+pl.Units.Rejected, l.Unassigned); won > 0 {
		pl.Units.draw(Labelled, won, Rerouted, Rejected)
		l.Unassigned -= won
		wanted += won
		s.tell(now, "%s ships %d of line %d after all, before anyone else was asked: taken", po.Terms.Name, won, pl.Line)
		s.Unrecorded = true
	}
	if surplus := shipped.Quantity - wanted; surplus > 0 {
		s.openCase(po, n.Carrier, n.Tracking, shipped.Line, surplus, now)
	}
	return wanted
}

// overtake moves units that were asked back and went out before the supplier answered; the parcel
// wins over the request. from limits it to units that stood in that state.
func (p *PurchaseOrder) overtake(pl *POLine, to UnitState, n int64, from UnitState) int64 {
	var moved int64
	for i := range p.Withdrawals {
		w := &p.Withdrawals[i]
		if !w.open() {
			continue
		}
		for j := range w.Units {
			u := &w.Units[j]
			if u.Line != pl.Line || (from != "" && u.From != from) {
				continue
			}
			taken := pl.Units.move(CancelRequested, to, min(n-moved, u.Quantity))
			u.Quantity -= taken
			moved += taken
		}
	}
	return moved
}

func (s *State) applyMilestone(m *ParcelNews, now time.Time) {
	for i := range s.POs {
		if p := s.POs[i].parcel(m.Carrier, m.Tracking); p != nil {
			s.parcelNews(&s.POs[i], p, m, now)
		}
	}
	for i := range s.Cases {
		if c := &s.Cases[i]; c.Open() && c.Carrier == m.Carrier && c.Tracking == m.Tracking {
			s.caseNews(c, m, now)
		}
	}
}

func (s *State) caseNews(c *Case, m *ParcelNews, now time.Time) {
	switch m.Milestone {
	case ParcelReturning:
		s.closeCase(c, CaseIntercepted, "the parcel is on its way back", now)
	case ParcelDelivered:
		if c.Status == CaseIntercepting {
			s.caseUnstoppable(c, "it was delivered", now)
		}
	}
}

func (s *State) parcelNews(po *PurchaseOrder, p *Parcel, m *ParcelNews, now time.Time) {
	if p.final() {
		if m.Milestone != p.Milestone {
			s.tell(now, "Parcel %s was %s and is now reported %s: kept as evidence", p.Tracking, p.Milestone, m.Milestone)
		}
		return
	}
	if m.Milestone == ParcelLabelled {
		return
	}
	if m.Milestone != ParcelLost && m.Milestone != ParcelDelayed && p.ScannedAt.IsZero() {
		s.firstScan(po, p, m, now)
	}
	p.Milestone = m.Milestone
	switch m.Milestone {
	case ParcelDelivered:
		s.moveParcel(po, p, Delivered)
		s.tell(now, "Parcel %s of %s was delivered", p.Tracking, po.Number)
	case ParcelReturning:
		s.moveParcel(po, p, Returned)
		s.tell(now, "Parcel %s of %s goes back to its sender", p.Tracking, po.Number)
		s.Unrecorded = true
	case ParcelLost:
		s.moveParcel(po, p, Lost)
		s.notice(Notice{Key: "lost/" + p.Tracking, Kind: NoticeLost, PO: po.Number, Lines: p.Lines})
		s.tell(now, "Parcel %s of %s is lost", p.Tracking, po.Number)
		s.Unrecorded = true
	case ParcelException:
		s.raise(now, "parcel/"+p.Tracking, "parcel %s has an exception: %s", p.Tracking, m.Detail)
		return
	}
	s.lower("parcel/" + p.Tracking)
}

// final: nothing that comes later changes where the parcel's units stand. Delivered never goes back.
func (p *Parcel) final() bool {
	return p.Milestone == ParcelDelivered || p.Milestone == ParcelReturning || p.Milestone == ParcelLost
}

// firstScan stops the ship clock: the goods, not only a label, are on their way.
func (s *State) firstScan(po *PurchaseOrder, p *Parcel, m *ParcelNews, now time.Time) {
	p.ScannedAt = m.At
	for i := range p.Lines {
		l := &p.Lines[i]
		pl := po.line(l.Line)
		moved := pl.Units.move(Labelled, Shipped, l.Quantity)
		moved += po.overtake(pl, Shipped, l.Quantity-moved, Labelled)
		if surplus := l.Quantity - moved; surplus > 0 {
			s.openCase(po, p.Carrier, p.Tracking, l.Line, surplus, now)
			l.Quantity = moved
		}
	}
	if !po.ShipDueAt.IsZero() && m.At.After(po.ShipDueAt) && !po.breached("ship") {
		po.Breached = append(po.Breached, "ship")
	}
	s.tell(now, "Parcel %s of %s is on its way: first scan %s", p.Tracking, po.Number, Clock(m.At))
}

func (s *State) moveParcel(po *PurchaseOrder, p *Parcel, to UnitState) {
	for _, l := range p.Lines {
		po.line(l.Line).Units.draw(to, l.Quantity, Shipped, Labelled)
	}
}

func (s *State) applyCancelAnswer(a *CancelAnswer, now time.Time) {
	po := s.PO(a.PO)
	if po == nil {
		return
	}
	w := po.Withdrawal(a.Key)
	if a.Key == "" {
		w = po.openWithdrawal()
	}
	switch {
	case w != nil && w.open() && a.Accepted:
		s.confirm(po, w, Confirmed, now)
	case w != nil && w.open():
		s.refuse(po, w, a.Reason, now)
	case w != nil || len(po.Withdrawals) > 0 || !a.Accepted:
		s.tell(now, "%s: a cancellation was answered that nobody waits for: ignored", po.Number)
	default:
		// The supplier cancels of its own accord: the same as a rejection of all it has not shipped.
		po.proves()
		po.Acknowledged = true
		for i := range po.Lines {
			pl := &po.Lines[i]
			if n := pl.Units.draw(Rejected, pl.Quantity, Pending, Accepted, OnHold, Backordered); n > 0 {
				s.release(po, pl, n, "cancelled by the supplier", now)
			}
		}
	}
}
