package routing

import (
	"math"
	"math/bits"
	"slices"
)

// exactLimit is the number of suppliers up to which every set of them is searched.
const exactLimit = 12

// searchBudget bounds the work of the exact search, counted in options looked at per node so
// that it does not depend on the machine (some 0.1 s). A search that exceeds it returns its
// best plan so far and does not claim exactness.
const searchBudget = 1_000_000

// nodeBudget is how many nodes of this model the budget allows.
func (m *model) nodeBudget() int {
	options := 0
	for i := range m.sources {
		options += len(m.sources[i].options)
	}
	return searchBudget / max(100, options) // below a hundred, other work prevails
}

// plan says per source which option is used, unused or (inside the search) undecided.
type plan []int32

const (
	undecided int32 = -1
	unused    int32 = -2
)

// score ranks plans, least first: more purchase orders than allowed, units left unassigned,
// cost, purchase orders. Cost counts the split penalty for the first purchase order too; all
// plans with one share that constant.
type score struct {
	excess, unassigned, cost int64
	orders                   int
}

func (a score) less(b score) bool {
	if a.excess != b.excess {
		return a.excess < b.excess
	}
	if a.unassigned != b.unassigned {
		return a.unassigned < b.unassigned
	}
	if a.cost != b.cost {
		return a.cost < b.cost
	}
	return a.orders < b.orders
}

func (m *model) emptyPlan() plan {
	return slices.Repeat(plan{unused}, len(m.sources))
}

// use is a source with the option a plan uses.
type use struct {
	src int32
	*option
}

func (m *model) usedBy(p plan) []use {
	var u []use
	for i, o := range p {
		if o >= 0 {
			u = append(u, use{int32(i), &m.sources[i].options[o]})
		}
	}
	return u
}

// take gives SKU k its cheapest units, at equal cost by supplier id, and reports each source's
// share. It returns the units still missing and the cost of the rest.
func (m *model) take(used []use, k int, share func(src int32, units int64)) (missing, cost int64) {
	missing = m.demand.units[k]
	lastCost, last := int64(-1), -1
	for missing > 0 {
		next, nextCost := -1, int64(math.MaxInt64)
		for i := range used {
			if used[i].cap[k] == 0 {
				continue
			}
			if c := used[i].unit[k]; c < nextCost && (c > lastCost || (c == lastCost && i > last)) {
				next, nextCost = i, c
			}
		}
		if next < 0 {
			break
		}
		lastCost, last = nextCost, next
		units := min(missing, used[next].cap[k])
		missing -= units
		cost += units * nextCost
		if share != nil {
			share(used[next].src, units)
		}
	}
	return missing, cost
}

// worst is a score every plan beats.
var worst = score{excess: math.MaxInt64}

// score ranks a complete plan.
func (m *model) score(p plan) score { return m.scoreBelow(p, worst) }

// scoreBelow is score, but may stop early with some score worse than limit when the plan is.
func (m *model) scoreBelow(p plan, limit score) score {
	var room [exactLimit]use
	return m.scoreIn(room[:0], p, limit)
}

// scoreIn is scoreBelow with room for the sources that the plan uses.
func (m *model) scoreIn(used []use, p plan, limit score) score {
	var s score
	for i, o := range p {
		if o >= 0 {
			opt := &m.sources[i].options[o]
			used = append(used, use{int32(i), opt})
			s.cost += opt.fixed
		}
	}
	s.orders = len(used)
	s.excess = int64(max(0, s.orders-m.maxPOs))
	for k := range m.demand.skus {
		if limit.less(s) {
			break
		}
		missing, cost := m.take(used, k, nil)
		s.unassigned += missing
		s.cost += cost
	}
	return s
}

// search is one depth-first branch and bound over sources. Of plans with the best score it
// returns the preferred one, whatever the order of the search.
type search struct {
	*model
	*bounds
	plan  plan
	best  plan
	bound score // of best
	rank  int64 // of best
	nodes int
	most  int // nodes allowed
}

// exact searches every plan that does without source banned (-1: every plan). known, whether
// it uses that source or not, is returned unless a plan found is better. done is false when
// the budget of nodes ran out.
func (m *model) exact(known plan, banned, budget int) (best plan, nodes int, done bool) {
	if m.score(known).unassigned > m.unreachable() {
		if wide := m.widest(banned); m.score(wide).unassigned < m.score(known).unassigned {
			known = wide
		}
	}
	bound := m.score(known)
	s := &search{
		model: m, bounds: m.newBounds(bound, banned), best: known, bound: bound, rank: rank(known, false), most: budget,
		plan: slices.Repeat(plan{undecided}, len(m.sources)),
	}
	root, rounds := node{prices: m.prices, alive: make([][]int32, len(m.sources))}, nodeRounds
	if m.prices == nil {
		root.prices, rounds = s.firstPrices(), rootRounds
	}
	for i := range m.sources {
		if i == banned {
			s.plan[i] = unused
			continue
		}
		for o := range m.sources[i].options {
			root.alive[i] = append(root.alive[i], int32(o))
		}
	}
	s.branch(root, rounds)
	return s.best, min(s.nodes, s.most), s.nodes <= s.most
}

// rank orders plans with one score and so one number of suppliers: the greater comes first,
// and is the one whose list of supplier ids comes first. With undecided set it is the greatest
// rank a completion can have.
func rank(p plan, withUndecided bool) (r int64) {
	for _, o := range p {
		r <<= 1
		if o >= 0 || (withUndecided && o == undecided) {
			r |= 1
		}
	}
	return r
}

// node is what the decisions so far amount to.
type node struct {
	orders int
	prices []int64
	alive  [][]int32 // per undecided source: options that may be part of a plan worth finding
	open   []int     // per source: how often raise found it worth using
}

// branch explores the plans that share the decisions so far.
func (s *search) branch(n node, rounds int) {
	if s.nodes++; s.nodes > s.most {
		return
	}
	least := score{unassigned: s.short, orders: n.orders}
	if s.lacking(&n, false) > s.short {
		least.orders++
	} else {
		s.offer()
	}
	if n.orders == s.maxPOs || s.lacking(&n, true) > s.short {
		return
	}
	n.prices, n.open = slices.Clone(n.prices), make([]int, len(s.sources))
	least.cost = s.raise(s, &n, rounds)
	if s.model.prices == nil {
		s.model.prices = n.prices
	}
	if s.hopeless(least) {
		return
	}
	s.prune(&n, least)
	if next := s.mostDoubtful(&n); next >= 0 {
		s.branchOn(next, n, least)
	}
}

func (s *search) branchOn(next int, n node, least score) {
	for _, o := range n.alive[next] {
		s.plan[next] = o
		s.branch(node{orders: n.orders + 1, prices: n.prices, alive: n.alive}, nodeRounds)
	}
	s.plan[next] = unused
	least.cost -= s.credit(next, n.alive[next], n.prices)
	if !s.hopeless(least) {
		s.branch(node{orders: n.orders, prices: n.prices, alive: n.alive}, nodeRounds)
	}
	s.plan[next] = undecided
}

// prune drops options that, forced, cost more than the best plan: the option's own balance
// takes the place of its source's credit in the bound.
func (s *search) prune(n *node, least score) {
	alive := make([][]int32, len(n.alive))
	for i, options := range n.alive {
		if s.plan[i] != undecided {
			continue
		}
		credit := s.credit(i, options, n.prices)
		for _, o := range options {
			forced := least
			forced.cost += s.sources[i].options[o].balance(n.prices) - credit
			if !s.hopeless(forced) {
				alive[i] = append(alive[i], o)
			}
		}
		if len(alive[i]) == 0 {
			n.open[i] = 0
		}
	}
	n.alive = alive
}

// mostDoubtful is the undecided source that raise found worth using about as often as not;
// -1 when all are decided. A source without options left comes last and is left out.
func (s *search) mostDoubtful(n *node) int {
	best, at := -1, 0
	most := slices.Max(n.open)
	for i, o := range s.plan {
		if o != undecided {
			continue
		}
		doubt := 1 + min(n.open[i], most-n.open[i])
		if len(n.alive[i]) == 0 {
			doubt = 0
		}
		if best < 0 || doubt > at {
			best, at = i, doubt
		}
	}
	return best
}

// hopeless says that no plan with at least this score, below the decisions so far, can
// replace the best.
func (s *search) hopeless(least score) bool {
	if s.bound.less(least) {
		return true
	}
	return !least.less(s.bound) && rank(s.plan, true) < s.rank
}

// lacking counts the units the decided sources cannot ship, with help from the undecided
// ones if asked.
func (s *search) lacking(n *node, withUndecided bool) (units int64) {
	for k, need := range s.demand.units {
		for i, o := range s.plan {
			switch {
			case o >= 0:
				need -= s.sources[i].options[o].cap[k]
			case o == undecided && withUndecided && len(n.alive[i]) > 0:
				need -= s.room[i][k]
			}
		}
		units += max(0, need)
	}
	return units
}

// offer takes the plan at hand, undecided sources left out, when it is better than the best,
// or as good and preferred: by rank, then by the options in their order.
func (s *search) offer() {
	trial := slices.Clone(s.plan)
	for i, o := range trial {
		if o == undecided {
			trial[i] = unused
		}
	}
	at, r := s.score(trial), rank(trial, false)
	switch {
	case s.bound.less(at):
		return
	case at.less(s.bound), r > s.rank, r == s.rank && slices.Compare(trial, s.best) < 0:
		s.best, s.bound, s.rank = trial, at, r
	}
}

// unreachable counts the units beyond the stock of all sources together.
func (m *model) unreachable() (units int64) {
	for k, need := range m.demand.units {
		for i := range m.sources {
			need -= m.sources[i].options[m.roomiest(i)].cap[k]
		}
		units += max(0, need)
	}
	return units
}

// widest finds the sources that together leave the fewest units unassigned, within the limit
// of purchase orders and without source banned, by trying every set.
func (m *model) widest(banned int) plan {
	best, trial := m.emptyPlan(), m.emptyPlan()
	at := m.score(best)
	for set := range 1 << len(m.sources) {
		if bits.OnesCount(uint(set)) > m.maxPOs || (banned >= 0 && set>>banned&1 == 1) {
			continue
		}
		for i := range trial {
			trial[i] = unused
			if set>>i&1 == 1 {
				trial[i] = m.roomiest(i)
			}
		}
		if s := m.scoreBelow(trial, at); s.less(at) {
			copy(best, trial)
			at = s
		}
	}
	return best
}
