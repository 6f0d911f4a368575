package routing

import "slices"

// climber is the heuristic. It starts once from no supplier, and once from all of them after
// dropping one after the other while that helps; from each start it takes the best single
// step (add, drop, change the option, else swap one supplier for another) until none improves
// the score. Steps are tried in supplier order, so it is deterministic.
type climber struct {
	*model
	banned int // a source that may not come in, or -1
	plans  int
	room   []use // for the sources of the plan that is scored
}

func (m *model) climber(banned int) *climber {
	return &climber{model: m, banned: banned, room: make([]use, 0, len(m.sources))}
}

// heuristic returns the better of both climbs and the number of plans priced.
func (m *model) heuristic() (plan, int) {
	c := m.climber(-1)
	fromNone := c.climb(m.emptyPlan())
	full := m.emptyPlan()
	for i := range m.sources {
		full[i] = m.roomiest(i)
	}
	fromAll := c.climb(c.thin(full))
	if m.score(fromAll).less(m.score(fromNone)) {
		return fromAll, c.plans
	}
	return fromNone, c.plans
}

// without climbs from a good plan less one of its sources, which may not come back.
func (m *model) without(p plan, banned int) (plan, int) {
	c := m.climber(banned)
	p = slices.Clone(p)
	p[banned] = unused
	return c.climb(p), c.plans
}

// thin drops the source whose loss helps most, while one helps.
func (c *climber) thin(p plan) plan {
	at := c.score(p)
	for {
		whole, ships := at, c.shipping(p)
		best := -1
		for i, o := range p {
			if o == unused {
				continue
			}
			var s score
			if ships[i] {
				p[i] = unused
				s = c.try(p, at)
				p[i] = o
			} else {
				s = c.lessIdle(whole, i, o)
			}
			if s.less(at) {
				best, at = i, s
			}
		}
		if best < 0 {
			return p
		}
		p[best] = unused
	}
}

// shipping says which sources of a plan ship a unit.
func (c *climber) shipping(p plan) []bool {
	ships := make([]bool, len(p))
	used := c.usedBy(p)
	for k := range c.demand.skus {
		c.take(used, k, func(src int32, _ int64) { ships[src] = true })
	}
	return ships
}

// lessIdle is the score of a plan without a source that ships nothing: its fixed cost and its order are
// saved, and everybody else ships what they did. With many suppliers nearly all are such.
func (c *climber) lessIdle(whole score, src int, option int32) score {
	c.plans++
	whole.orders--
	whole.excess = int64(max(0, whole.orders-c.maxPOs))
	whole.cost -= c.sources[src].options[option].fixed
	return whole
}

// roomiest is the option of a source that holds the most units, the cheapest of those.
func (m *model) roomiest(src int) int32 {
	best := 0
	options := m.sources[src].options
	for o := range options {
		room, most := sum(options[o].cap), sum(options[best].cap)
		if room > most || (room == most && options[o].fixed < options[best].fixed) {
			best = o
		}
	}
	return int32(best)
}

func (c *climber) climb(p plan) plan {
	at := c.score(p)
	for {
		next, s := c.bestStep(p, at)
		if next == nil {
			next, s = c.bestSwap(p, at)
		}
		if next == nil {
			return p
		}
		p, at = next, s
	}
}

// bestStep tries every change to one source.
func (c *climber) bestStep(p plan, at score) (plan, score) {
	var best plan
	trial := slices.Clone(p)
	for i := range c.sources {
		if i == c.banned {
			continue
		}
		for o := unused; o < int32(len(c.sources[i].options)); o++ {
			if o == undecided || o == p[i] {
				continue
			}
			trial[i] = o
			if s := c.try(trial, at); s.less(at) {
				best, at = slices.Clone(trial), s
			}
		}
		trial[i] = p[i]
	}
	return best, at
}

// bestSwap replaces one used source by an unused one.
func (c *climber) bestSwap(p plan, at score) (plan, score) {
	var best plan
	trial := slices.Clone(p)
	for out := range c.sources {
		if p[out] == unused {
			continue
		}
		trial[out] = unused
		for in := range c.sources {
			if p[in] != unused || in == c.banned {
				continue
			}
			for o := range c.sources[in].options {
				trial[in] = int32(o)
				if s := c.try(trial, at); s.less(at) {
					best, at = slices.Clone(trial), s
				}
			}
			trial[in] = unused
		}
		trial[out] = p[out]
	}
	return best, at
}

func (c *climber) try(p plan, limit score) score {
	c.plans++
	return c.scoreIn(c.room, p, limit)
}
