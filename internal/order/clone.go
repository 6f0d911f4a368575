package order

import "slices"

// Clone copies the state so deeply that neither side sees a later change of the other. A snapshot
// that is being written must not change under the writer's hands.
func (s *State) Clone() State {
	c := *s
	c.Lines = slices.Clone(s.Lines)
	c.Supply.Asked = slices.Clone(s.Supply.Asked)
	c.Refunding = slices.Clone(s.Refunding)
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
	for i := range p.Lines {
		if cost := p.Lines[i].OrderedCost; cost != nil {
			p.Lines[i].OrderedCost = new(*cost)
		}
	}
	p.RemindAt = slices.Clone(p.RemindAt)
	p.Breached = slices.Clone(p.Breached)
	p.Withdrawals = slices.Clone(p.Withdrawals)
	for i := range p.Withdrawals {
		w := &p.Withdrawals[i]
		w.Units = slices.Clone(w.Units)
		if w.Early != nil {
			w.Early = new(*w.Early)
		}
	}
	p.Parcels = slices.Clone(p.Parcels)
	for i := range p.Parcels {
		p.Parcels[i].Lines = slices.Clone(p.Parcels[i].Lines)
		p.Parcels[i].Voided = slices.Clone(p.Parcels[i].Voided)
	}
	return p
}
