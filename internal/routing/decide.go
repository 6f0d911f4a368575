package routing

import (
	"fmt"
	"slices"
)

// Decide routes the request. It returns an error wrapping ErrInvalid for a malformed request;
// an order nobody can ship is not an error but a Decision with everything unassigned.
func Decide(request Request) (Decision, error) {
	if err := request.validate(); err != nil {
		return Decision{}, err
	}
	r := request.sorted()
	canonical, err := encode(r)
	if err != nil {
		return Decision{}, err
	}
	want := demandOf(r.Lines)
	candidates := make([]*screened, len(r.Candidates))
	for i := range r.Candidates {
		if candidates[i], err = screen(&r, &r.Candidates[i], want); err != nil {
			return Decision{}, err
		}
	}
	m := newModel(&r.Policy, want, candidates)
	d := Decision{Version: Version, Input: fingerprint(canonical), Currency: r.Currency, Assignments: []Assignment{}, Unassigned: []Unassigned{}}
	d.Explored.Suppliers = len(m.sources)
	for _, s := range m.sources {
		d.Explored.Options += len(s.options)
	}
	winner := m.choose(&d)
	d.Candidates = m.reports(candidates, winner)
	m.assign(&d, winner, r.Lines)
	return d, nil
}

// priced is a plan with its quantities per source and SKU, and its cost by the definition in
// docs/routing.md, independent of the options the search used.
type priced struct {
	plan  plan
	units [][]int64 // per source, per SKU
	short []int64   // per SKU: units left unassigned
	cost  Cost
	used  []int // sources that ship something
}

// choose finds the plan to carry out and its runner-up, and fills in what the decision says
// of the search. The result ships nothing when the policy forbids the partial plan found.
func (m *model) choose(d *Decision) *priced {
	start, plans := m.heuristic()
	d.Explored.Plans = plans
	best, done := m.improve(start, -1, m.nodeBudget(), d)
	winner := m.price(best)
	d.Exact = done
	if len(winner.used) == 0 || !m.permits(winner) {
		return m.refuse(winner)
	}
	d.RunnerUp = m.runnerUp(winner, d)
	d.Cost = winner.cost
	return winner
}

// improve runs the exact search when it can finish, and says whether the plan is proven best.
func (m *model) improve(known plan, banned, budget int, d *Decision) (plan, bool) {
	if len(m.sources) > exactLimit {
		return known, false
	}
	best, nodes, done := m.exact(known, banned, budget)
	d.Explored.Nodes += nodes
	return best, done && !m.coarse
}

func (m *model) permits(p *priced) bool {
	return m.policy.AllowPartial || sum(p.short) == 0
}

// refuse keeps what a plan could not ship, for the reasons, and ships nothing.
func (m *model) refuse(p *priced) *priced {
	none := m.price(m.emptyPlan())
	none.short = p.short
	return none
}

// runnerUpShare is the part of the search budget spent on the runner-up: it explains, and is
// not worth making an order wait for its proof.
const runnerUpShare = 20

// runnerUp is the best plan without one of the winner's sources, whichever hurts least.
func (m *model) runnerUp(winner *priced, d *Decision) *Alternative {
	var best plan
	for _, w := range winner.used {
		p, plans := m.without(winner.plan, w)
		d.Explored.Plans += plans
		if best == nil || m.score(p).less(m.score(best)) {
			best = p
		}
	}
	exact, until := true, d.Explored.Nodes+m.nodeBudget()/runnerUpShare
	for _, w := range winner.used {
		p, done := m.improve(best, w, until-d.Explored.Nodes, d)
		best, exact = p, exact && done
	}
	second := m.price(best)
	if len(second.used) == 0 {
		return nil
	}
	a := &Alternative{Unassigned: sum(second.short), Cost: second.cost, Exact: exact, Why: m.why(winner, second, d.Currency)}
	for _, i := range second.used {
		a.Suppliers = append(a.Suppliers, m.sources[i].candidate.Supplier)
	}
	return a
}

// why names what decided against the second plan, in the order plans are ranked.
func (m *model) why(winner, second *priced, currency string) string {
	if more := sum(second.short) - sum(winner.short); more > 0 {
		text := fmt.Sprintf("leaves %d more units unassigned", more)
		if !m.permits(second) {
			text += ", which the policy does not allow"
		}
		return text
	}
	if more := second.cost.Total - winner.cost.Total; more > 0 {
		return fmt.Sprintf("costs %s more: %s", minorText(more, currency), second.cost.against(winner.cost, currency))
	}
	if len(second.used) > len(winner.used) {
		return "costs the same with more purchase orders"
	}
	return "costs the same and comes later in the order of supplier names"
}

// price fills the plan and prices each purchase order from its quantities.
func (m *model) price(p plan) *priced {
	out := &priced{plan: p, units: make([][]int64, len(m.sources)), short: make([]int64, len(m.demand.units))}
	for i := range out.units {
		out.units[i] = make([]int64, len(m.demand.skus))
	}
	u := m.usedBy(p)
	for k := range m.demand.skus {
		out.short[k], _ = m.take(u, k, func(src int32, units int64) { out.units[src][k] = units })
	}
	for i := range m.sources {
		if sum(out.units[i]) == 0 {
			continue
		}
		out.used = append(out.used, i)
		po := m.order(out, i).Cost
		out.cost.Goods += po.Goods
		out.cost.Shipping += po.Shipping
		out.cost.Lateness += po.Lateness
		out.cost.Risk += po.Risk
	}
	out.cost.SplitPenalty = m.policy.SplitPenalty * int64(max(0, len(out.used)-1))
	c := &out.cost
	c.Total = c.Goods + c.Shipping + c.SplitPenalty + c.Lateness + c.Risk
	return out
}

// order is the purchase order of one source, without its lines.
func (m *model) order(p *priced, src int) Assignment {
	s := &m.sources[src]
	via := &s.methods[s.options[p.plan[src]].method]
	a := Assignment{Supplier: s.candidate.Supplier, Method: via.name, Lines: []AssignedLine{}}
	var shared, alone, units int64
	overdue := 0
	for k, q := range p.units[src] {
		if q == 0 {
			continue
		}
		o := s.offers[k]
		units += q
		a.Cost.Goods += q * o.unitCost
		a.Days = max(a.Days, planDays(s.candidate, via, o))
		overdue = max(overdue, m.policy.overdue(s.candidate, via, o))
		if o.ShipsAlone {
			alone += q
		} else {
			shared = max(shared, parcelsFor(q, o.MaxPerParcel))
		}
	}
	a.Parcels = shared + alone
	a.Cost.Shipping = a.Parcels*via.base + units*via.perItem
	a.Cost.Lateness = m.policy.lateness(s.candidate, overdue)
	a.Cost.Risk = m.policy.risk(s.candidate)
	return a
}

// assign deals the plan's units of each SKU to its lines, suppliers by id and lines by
// number, and names the rest. The last lines of a SKU are the ones that stay short.
func (m *model) assign(d *Decision, winner *priced, lines []Line) {
	left := make([]int64, len(lines))
	for i, l := range lines {
		left[i] = l.Quantity
	}
	for _, src := range winner.used {
		a := m.order(winner, src)
		for i, l := range lines {
			k, _ := slices.BinarySearch(m.demand.skus, l.SKU)
			take := min(left[i], winner.units[src][k])
			if take == 0 {
				continue
			}
			left[i] -= take
			winner.units[src][k] -= take
			o := m.sources[src].offers[k]
			line := AssignedLine{Line: l.Line, SKU: l.SKU, SupplierSKU: o.SupplierSKU, Quantity: take, UnitCost: o.unitCost}
			if o.Currency != "" && o.Currency != d.Currency {
				a.Currency, line.OfferCost = o.Currency, o.Offer.UnitCost
			}
			a.Lines = append(a.Lines, line)
		}
		d.Assignments = append(d.Assignments, a)
	}
	for i, l := range lines {
		if left[i] > 0 {
			k, _ := slices.BinarySearch(m.demand.skus, l.SKU)
			d.Unassigned = append(d.Unassigned, Unassigned{l.Line, l.SKU, left[i], m.reason(winner, k)})
		}
	}
}

func (m *model) reason(winner *priced, k int) Reason {
	var stock int64
	for i := range m.sources {
		if o := m.sources[i].offers[k]; o != nil {
			stock += min(o.Available, m.demand.units[k])
		}
	}
	switch {
	case winner.short[k] == 0:
		return ReasonOrderIncomplete
	case stock == 0:
		return ReasonNoSupplier
	case stock < m.demand.units[k]:
		return ReasonInsufficientStock
	}
	return ReasonSupplierLimit
}

func (m *model) reports(candidates []*screened, winner *priced) []CandidateReport {
	reports := make([]CandidateReport, len(candidates))
	src := 0
	for i, s := range candidates {
		reports[i] = CandidateReport{Supplier: s.candidate.Supplier, Considered: s.usable, Eliminations: s.eliminations}
		if s.usable {
			reports[i].Chosen = slices.Contains(winner.used, src)
			reports[i].Alone = m.alone(src)
			src++
		}
	}
	return reports
}

func (m *model) alone(src int) *Alone {
	p := m.emptyPlan()
	var best plan
	var at score
	for o := range m.sources[src].options {
		p[src] = int32(o)
		if s := m.score(p); best == nil || s.less(at) {
			best, at = slices.Clone(p), s
		}
	}
	out := m.price(best)
	return &Alone{Units: m.demand.total - sum(out.short), Method: m.order(out, src).Method, Cost: out.cost}
}
