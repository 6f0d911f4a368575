package returns

import (
	"slices"
	"time"
)

// Rules are those of a policy that may differ by the category of goods. See Policy for what they mean.
type Rules struct {
	FinalSale, PhotosForFault bool
	WindowDays, FaultDays     int
	RestockingBP, OpenedBP    int64
}

// rules are those for an article, and how its category is named in a refusal: only where it has rules of its own.
func (p *Policy) rules(sku, category string) (r Rules, named string) {
	r, own := p.Categories[category]
	if own {
		named = " (" + category + ")"
	} else {
		r = Rules{
			PhotosForFault: p.PhotosForFault, WindowDays: p.WindowDays, FaultDays: p.FaultDays,
			RestockingBP: p.RestockingBP, OpenedBP: p.OpenedBP,
		}
	}
	r.FinalSale = r.FinalSale || slices.Contains(p.FinalSale, sku)
	return r, named
}

// Kept is what is kept of a unit's price when nothing was wrong with it, in basis points. Goods that were opened
// never cost less to bring back than those that were not.
func (r *Rules) Kept(opened bool) int64 {
	if opened {
		return max(r.OpenedBP, r.RestockingBP)
	}
	return r.RestockingBP
}

// windowEnd is until when units may come back that were delivered at a time.
func (r *Rules) windowEnd(fault bool, delivered time.Time) time.Time {
	days := r.WindowDays
	if fault && r.FaultDays > 0 {
		days = r.FaultDays
	}
	return delivered.UTC().AddDate(0, 0, days)
}

// ownFees are what is kept of a line where that is not what is kept of all.
func (p *Policy) ownFees(l *Line) *Fees {
	r, _ := p.rules(l.SKU, l.Category)
	if r.RestockingBP == p.RestockingBP && r.OpenedBP == p.OpenedBP {
		return nil
	}
	return &Fees{RestockingBP: r.RestockingBP, OpenedBP: r.OpenedBP}
}

// differs is the supplier's fee for a line where it is not that of the return's first.
func (t Terms) differs(first Terms) *int64 {
	if t.RestockingBP == first.RestockingBP {
		return nil
	}
	return &t.RestockingBP
}

// creditFee is what the supplier keeps of a line's cost, in basis points.
func (s *State) creditFee(l *Line) int64 {
	if l.CreditFee != nil {
		return *l.CreditFee
	}
	return s.Terms.RestockingBP
}

// cover finds out for which lines the supplier owes a credit once it has the goods: those that its own terms take
// back, for a fault always.
func (g *Grant) cover(delivered []Delivered, now time.Time) {
	for i := range g.Lines {
		l := &g.Lines[i]
		l.Uncovered = !l.Reason.Fault() && slices.ContainsFunc(delivered, func(d Delivered) bool {
			return d.PO == g.PO && d.Line == l.Line && now.After(d.At.AddDate(0, 0, d.Terms.WindowDays))
		})
		g.Credit = g.Credit || !l.Uncovered
	}
	if !g.Credit {
		// Nothing to tell apart: the return says it.
		for i := range g.Lines {
			g.Lines[i].Uncovered = false
		}
	}
}
