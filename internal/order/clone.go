package order

import "slices"

// Clone copies the state so deeply that neither side sees a later change of the other. A snapshot
// that is being written must not change under the writer's hands.
func (s *State) Clone() State {
	c := *s
	c.Lines = slices.Clone(s.Lines)
	c.Requests = slices.Clone(s.Requests)
	c.Exclusions = slices.Clone(s.Exclusions)
	c.Attention = slices.Clone(s.Attention)
	c.Journal = slices.Clone(s.Journal)
	c.Busy = slices.Clone(s.Busy)
	c.Early = slices.Clone(s.Early)
	for i := range c.Early {
		c.Early[i].Lines = slices.Clone(c.Early[i].Lines)
	}
	c.Notices = slices.Clone(s.Notices)
	for i := range c.Notices {
		c.Notices[i].Lines = slices.Clone(c.Notices[i].Lines)
	}
	c.Cases = slices.Clone(s.Cases)
	for i := range c.Cases {
		c.Cases[i].Lines = slices.Clone(c.Cases[i].Lines)
	}
	if s.Hold != nil {
		hold := *s.Hold
		hold.Reasons = slices.Clone(hold.Reasons)
		c.Hold = &hold
	}
	c.POs = slices.Clone(s.POs)
	for i := range c.POs {
		c.POs[i] = c.POs[i].clone()
	}
	return c
}

func (p PurchaseOrder) clone() PurchaseOrder {
	p.Lines = slices.Clone(p.Lines)
	p.RemindAt = slices.Clone(p.RemindAt)
	p.Breached = slices.Clone(p.Breached)
	p.Withdrawals = slices.Clone(p.Withdrawals)
	for i := range p.Withdrawals {
		p.Withdrawals[i].Units = slices.Clone(p.Withdrawals[i].Units)
	}
	p.Parcels = slices.Clone(p.Parcels)
	for i := range p.Parcels {
		p.Parcels[i].Lines = slices.Clone(p.Parcels[i].Lines)
	}
	return p
}
