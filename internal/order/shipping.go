package order

import (
	"slices"
	"time"
)

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
	s.spoke(po, "it announced a parcel in the meantime", now)
	unasked := !po.Acknowledged && po.Live() > 0
	parcel := Parcel{Carrier: n.Carrier, Tracking: n.Tracking, Milestone: ParcelLabelled}
	for _, shipped := range n.Lines {
		parcel.Lines = addLine(parcel.Lines, shipped.Line, s.label(po, &parcel, shipped, now))
	}
	po.Parcels = append(po.Parcels, parcel)
	s.tell(now, "%s announced a parcel for %s (%s)", po.Terms.Name, po.Number, n.Carrier)
	s.mixedParcel(po, &parcel, now)
	if t := po.totals(); t.Pending == 0 && unasked {
		po.Acknowledged = true
		po.RemindAt = nil
		s.tell(now, "%s ships %s without having acknowledged it", po.Terms.Name, po.Number)
	}
}

// label moves the units of a parcel and says how many of them the order wants. Units that were asked
// back count as wanted until the supplier answers: the label is no shipment, and the answer to the
// cancellation still decides. What the supplier had lost and nobody has bought since is taken back.
// The rest opens a case.
func (s *State) label(po *PurchaseOrder, p *Parcel, shipped ShippedLine, now time.Time) int64 {
	pl := po.line(shipped.Line)
	if pl == nil {
		s.openCase(po, p, shipped.Line, shipped.Quantity, now)
		return 0
	}
	wanted := pl.Units.draw(Labelled, shipped.Quantity, Accepted, Pending, OnHold, Backordered)
	for _, from := range []UnitState{Accepted, Pending, OnHold, Backordered} {
		wanted += po.relabel(pl.Line, shipped.Quantity-wanted, from, Labelled)
	}
	wanted += s.takeBack(po, pl, Labelled, shipped.Quantity-wanted, now)
	// A label may have been printed anew: as many units as stand on labels that nobody has scanned are
	// no surplus before a scan says so.
	again := min(shipped.Quantity-wanted, po.labelled(pl.Line))
	p.Voided = addLine(p.Voided, shipped.Line, again)
	if surplus := shipped.Quantity - wanted - again; surplus > 0 {
		s.openCase(po, p, shipped.Line, surplus, now)
	}
	return wanted
}

// labelled is the units of a line on labels that no carrier has scanned.
func (p *PurchaseOrder) labelled(line int) int64 {
	var n int64
	for i := range p.Parcels {
		if !p.Parcels[i].ScannedAt.IsZero() {
			continue
		}
		for _, l := range p.Parcels[i].Lines {
			if l.Line == line {
				n += l.Quantity
			}
		}
	}
	return n
}

// takeBack gives a supplier up to n units that it had lost and ships nevertheless, as long as nobody
// has bought them since: it wins.
func (s *State) takeBack(po *PurchaseOrder, pl *POLine, to UnitState, n int64, now time.Time) int64 {
	l := s.line(pl.Line)
	won := min(n, pl.Units.Rerouted+pl.Units.Rejected, l.Unassigned)
	if won <= 0 || s.busy(StepAddress, "") || po.SentAt.Before(s.MovedAt) {
		return 0 // its parcel would go to an address that holds no more
	}
	pl.Units.draw(to, won, Rerouted, Rejected)
	l.Unassigned -= won
	po.Phase = Submitted // also one that was refused: the supplier has it after all
	if !s.busy(StepRepeatCancel, po.Number) {
		po.LateAck = LateAckNone
	}
	s.tell(now, "%s ships %d of line %d after all, before anyone else was asked: taken", po.Terms.Name, won, pl.Line)
	s.Unrecorded = true
	return won
}

// overtake moves units that were asked back and went out before the supplier answered: the parcel
// wins over the request. from limits it to units that stood in that state.
func (s *State) overtake(po *PurchaseOrder, pl *POLine, n int64, from UnitState, now time.Time) int64 {
	var moved int64
	for i := range po.Withdrawals {
		w := &po.Withdrawals[i]
		if !w.open() {
			continue
		}
		for j := range w.Units {
			u := &w.Units[j]
			if u.Line != pl.Line || (from != "" && u.From != from) {
				continue
			}
			taken := pl.Units.move(CancelRequested, Shipped, min(n-moved, u.Quantity))
			u.Quantity -= taken
			moved += taken
		}
		s.endIfEmpty(po, w, Refused, "it was on its way before the answer", now)
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
	if p.ScannedAt.IsZero() {
		switch m.Milestone {
		case ParcelLost:
			// No carrier ever had it: the supplier has the goods, and the ship clock decides.
			s.tell(now, "Parcel %s of %s is given up by the carrier, which never scanned it", p.Tracking, po.Number)
			return
		case ParcelDelayed:
		default:
			s.firstScan(po, p, m, now)
		}
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
		s.lostParcel(po, p, now)
	case ParcelException:
		s.raise(now, "parcel/"+p.Tracking, "parcel %s has an exception: %s", p.Tracking, m.Detail)
		return
	}
	s.lower("parcel/" + p.Tracking)
}

func (s *State) lostParcel(po *PurchaseOrder, p *Parcel, now time.Time) {
	if len(p.Lines) > 0 {
		s.notice(Notice{Key: "lost/" + po.Number + "/" + p.Tracking, Kind: NoticeLost, PO: po.Number, Lines: p.Lines})
	}
	s.tell(now, "Parcel %s of %s is lost", p.Tracking, po.Number)
	s.Unrecorded = true
}

// final: nothing that comes later changes where the parcel's units stand. Delivered never goes back.
func (p *Parcel) final() bool {
	return p.Milestone == ParcelDelivered || p.Milestone == ParcelReturning || p.Milestone == ParcelLost
}

// firstScan stops the ship clock: the goods, not only a label, are on their way. That of units that
// were given up in the meantime is theirs to ship no more.
func (s *State) firstScan(po *PurchaseOrder, p *Parcel, m *ParcelNews, now time.Time) {
	p.ScannedAt = m.At
	for i := range p.Lines {
		l := &p.Lines[i]
		pl := po.line(l.Line)
		moved := pl.Units.move(Labelled, Shipped, l.Quantity)
		s.overtake(po, pl, l.Quantity-moved, Labelled, now)
	}
	voided := p.Voided
	p.Voided = nil
	for _, v := range voided {
		found := s.findUnits(po, po.line(v.Line), v.Quantity, now)
		p.Lines = addLine(p.Lines, v.Line, found)
		if surplus := v.Quantity - found; surplus > 0 {
			s.openCase(po, p, v.Line, surplus, now)
		}
	}
	s.mixedParcel(po, p, now)
	if !po.ShipDueAt.IsZero() && m.At.After(po.ShipDueAt) && !po.breached("ship") {
		po.Breached = append(po.Breached, "ship")
	}
	s.tell(now, "Parcel %s of %s is on its way: first scan %s", p.Tracking, po.Number, Clock(m.At))
}

// findUnits makes up to n units shipped that went out in a parcel not known to hold them. One unit is
// as good as another: those on labels without a scan come first, then those without a label, those
// asked back, and those that were lost to the supplier and are nobody else's yet.
func (s *State) findUnits(po *PurchaseOrder, pl *POLine, n int64, now time.Time) int64 {
	found := pl.Units.move(Labelled, Shipped, n)
	found += s.overtake(po, pl, n-found, Labelled, now)
	po.void(pl.Line, found)
	found += pl.Units.draw(Shipped, n-found, Accepted, Pending, OnHold, Backordered)
	found += s.overtake(po, pl, n-found, "", now)
	return found + s.takeBack(po, pl, Shipped, n-found, now)
}

func (s *State) moveParcel(po *PurchaseOrder, p *Parcel, to UnitState) {
	for _, l := range p.Lines {
		po.line(l.Line).Units.move(Shipped, to, l.Quantity)
	}
}

// void takes units that were given up off the labels of parcels that no carrier has scanned, the
// newest first. Should such a parcel be scanned after all, what was taken off is a surplus.
func (p *PurchaseOrder) void(line int, n int64) {
	for i := len(p.Parcels) - 1; i >= 0 && n > 0; i-- {
		parcel := &p.Parcels[i]
		if !parcel.ScannedAt.IsZero() {
			continue
		}
		for j := range parcel.Lines {
			if parcel.Lines[j].Line != line {
				continue
			}
			taken := min(n, parcel.Lines[j].Quantity)
			parcel.Lines[j].Quantity -= taken
			parcel.Voided = addLine(parcel.Voided, line, taken)
			n -= taken
		}
		parcel.Lines = slices.DeleteFunc(parcel.Lines, func(l ShippedLine) bool { return l.Quantity == 0 })
	}
}
