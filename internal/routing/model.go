package routing

import "slices"

// demand is the order summed by SKU: two lines of one SKU draw on one stock.
type demand struct {
	skus  []string // sorted
	units []int64
	total int64
}

func demandOf(lines []Line) *demand {
	d := &demand{}
	for _, l := range lines {
		d.skus = append(d.skus, l.SKU)
		d.total += l.Quantity
	}
	slices.Sort(d.skus)
	d.skus = slices.Compact(d.skus)
	d.units = make([]int64, len(d.skus))
	for _, l := range lines {
		k, _ := slices.BinarySearch(d.skus, l.SKU)
		d.units[k] += l.Quantity
	}
	return d
}

// option is one way to use a supplier that makes its costs linear: the method, the number of
// shared parcels paid for, and the slowest offer allowed. Within an option a purchase order
// costs fixed, each unit of SKU k costs unit[k], and at most cap[k] units fit.
type option struct {
	method  int
	parcels int64
	overdue int
	fixed   int64
	unit    []int64
	cap     []int64
}

// source is a supplier that passed the rules.
type source struct {
	*screened
	options []option
}

// parcelLevels is how many parcel counts are told apart besides the greatest. Beyond it the
// decision is no longer claimed to be exact.
const parcelLevels = 32

// model is the search problem: demand and the sources by supplier id.
type model struct {
	policy  *Policy
	demand  *demand
	sources []source
	maxPOs  int
	coarse  bool    // some parcel counts were left out
	prices  []int64 // where the first exact search began to branch; later ones start from here
}

func newModel(p *Policy, want *demand, candidates []*screened) *model {
	m := &model{policy: p, demand: want}
	for _, s := range candidates {
		if s.usable {
			m.sources = append(m.sources, source{screened: s, options: m.optionsOf(s)})
		}
	}
	m.maxPOs = len(m.sources)
	if p.MaxSuppliers > 0 {
		m.maxPOs = min(m.maxPOs, p.MaxSuppliers)
	}
	return m
}

func (m *model) optionsOf(s *screened) []option {
	levels := m.parcelCounts(s)
	var all []option
	for mi := range s.methods {
		for _, overdue := range m.overdueLevels(s, &s.methods[mi]) {
			for _, parcels := range levels {
				if o := m.option(s, mi, overdue, parcels); sum(o.cap) > 0 {
					all = append(all, o)
				}
			}
		}
	}
	return undominated(all)
}

func (m *model) option(s *screened, method, overdue int, parcels int64) option {
	via := &s.methods[method]
	o := option{
		method: method, parcels: parcels, overdue: overdue,
		fixed: m.policy.SplitPenalty + m.policy.risk(s.candidate) + m.policy.lateness(s.candidate, overdue) + parcels*via.base,
		unit:  make([]int64, len(s.offers)), cap: make([]int64, len(s.offers)),
	}
	for k, offer := range s.offers {
		if offer == nil || m.policy.overdue(s.candidate, via, offer) > overdue || (offer.Hazmat && via.refusesHazmat) {
			continue
		}
		o.unit[k] = offer.unitCost + via.perItem
		o.cap[k] = min(offer.Available, m.demand.units[k])
		switch {
		case offer.ShipsAlone:
			o.unit[k] += via.base
		case parcels == 0:
			o.cap[k] = 0
		case offer.MaxPerParcel > 0:
			o.cap[k] = min(o.cap[k], min(offer.MaxPerParcel, m.demand.units[k])*parcels)
		}
	}
	return o
}

// parcelCounts lists the numbers of shared parcels worth telling apart: none, and every count
// up to what the tightest limit per parcel can need.
func (m *model) parcelCounts(s *screened) []int64 {
	var most int64
	for k, o := range s.offers {
		if o != nil && !o.ShipsAlone {
			most = max(most, parcelsFor(min(o.Available, m.demand.units[k]), o.MaxPerParcel))
		}
	}
	var counts []int64
	for p := int64(0); p <= min(most, parcelLevels); p++ {
		counts = append(counts, p)
	}
	if most > parcelLevels {
		counts = append(counts, most)
		m.coarse = m.coarse || most > parcelLevels+1
	}
	return counts
}

func (m *model) overdueLevels(s *screened, via *usableMethod) []int {
	var levels []int
	for _, o := range s.offers {
		if o != nil {
			levels = append(levels, m.policy.overdue(s.candidate, via, o))
		}
	}
	slices.Sort(levels)
	return slices.Compact(levels)
}

// undominated drops every option another one beats or equals in all respects; of equals the
// first stays.
func undominated(all []option) []option {
	var kept []option
	for i := range all {
		beaten := false
		for j := range all {
			if i != j && covered(&all[i], &all[j]) && (j < i || !covered(&all[j], &all[i])) {
				beaten = true
				break
			}
		}
		if !beaten {
			kept = append(kept, all[i])
		}
	}
	return kept
}

// covered reports whether b can do whatever a can, for no more.
func covered(a, b *option) bool {
	if b.fixed > a.fixed {
		return false
	}
	for k := range a.cap {
		if a.cap[k] > 0 && (b.cap[k] < a.cap[k] || b.unit[k] > a.unit[k]) {
			return false
		}
	}
	return true
}

// parcelsFor is how many parcels units of one SKU need at most limit (0: any number) a parcel.
func parcelsFor(units, limit int64) int64 {
	switch {
	case units == 0:
		return 0
	case limit == 0 || limit >= units:
		return 1
	}
	return (units + limit - 1) / limit
}

// planDays is how long an offer takes to the door.
func planDays(c *Candidate, via *usableMethod, o *usableOffer) int {
	return max(c.ShipDays, o.LeadDays) + via.transitDays
}

func (p *Policy) overdue(c *Candidate, via *usableMethod, o *usableOffer) int {
	if p.LatenessCostPerDay == 0 {
		return 0 // days that cost nothing are not told apart
	}
	return max(0, planDays(c, via, o)-p.PromiseDays)
}

// lateness is the expected cost of a purchase order planned overdue days past the promise.
func (p *Policy) lateness(c *Candidate, overdue int) int64 {
	slip := c.ExpectedLateBP * int64(max(1, c.LateDays))
	return roundBP(p.LatenessCostPerDay * (int64(overdue)*wholeBP + slip))
}

func (p *Policy) risk(c *Candidate) int64 { return roundBP(p.RiskCost * c.RejectBP) }

// roundBP divides by the basis points in one, half up.
func roundBP(x int64) int64 { return (x + wholeBP/2) / wholeBP }

func sum(list []int64) (total int64) {
	for _, x := range list {
		total += x
	}
	return total
}
