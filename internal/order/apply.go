package order

import "time"

// Apply takes a fact into the order. A fact that was seen before changes nothing. now is when the
// order learned it; what the fact proves is dated by the fact itself.
func (s *State) Apply(f Fact, now time.Time) {
	if f.Seq <= s.LastFact {
		return
	}
	if f.Seq > s.LastFact+1 {
		s.Missed = true // facts are numbered without gaps: taking this one would lose those before it
		return
	}
	if f.Unknown() && !s.IgnoresUnknown {
		s.Missed = true // whoever brought it may have dropped what it says: Postgres has all of it
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
	case f.Payment != nil:
		s.applyPayment(f.Payment, now)
	case f.Cancel != nil:
		// The storefront has cancelled on its side already: do what still can be done.
		s.Cancel(*f.Cancel, now)
	case f.RefundPaid != nil:
		s.RefundPaid = !s.IgnoresWakes && s.busy(StepRefund, "")
	}
}

// proves marks a purchase order as received: whoever answers for it has it.
func (p *PurchaseOrder) proves() {
	if p.Phase == Created || p.Phase == Sending || p.Phase == DeliveryUnknown {
		p.Phase = Submitted
	}
}
