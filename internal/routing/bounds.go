package routing

import (
	"math/bits"
	"slices"
)

// maxPrice keeps twelve sources' worth of prices below 2·10^18.
const maxPrice int64 = 1_000_000_000_000

const (
	rootRounds = 150
	nodeRounds = 15
	stalledFor = 5 // rounds without a better bound before the step is halved
	maxHalved  = 10
)

// bounds says what a plan must cost at least, by pricing units. Let every assigned unit of
// SKU k pay prices[k]; a source then makes of its best option at most the payments for all
// units that cost less than their price, minus the fixed cost. No plan costs less than all
// payments minus what the sources make (docs/routing.md). Any prices give a bound; raise looks
// for good ones.
type bounds struct {
	need  []int64   // per SKU: units all sources together can ship
	short int64     // units the plans of interest leave unassigned
	spare int64     // of those, units that all sources together could ship
	room  [][]int64 // per source and SKU: units it can ship
}

func (m *model) newBounds(known score, banned int) *bounds {
	b := &bounds{need: make([]int64, len(m.demand.skus)), short: known.unassigned, room: make([][]int64, len(m.sources))}
	for i := range m.sources {
		if i == banned {
			continue
		}
		b.room[i] = m.sources[i].options[m.roomiest(i)].cap
		for k, c := range b.room[i] {
			b.need[k] += c
		}
	}
	b.spare = known.unassigned - m.demand.total
	for k, d := range m.demand.units {
		b.need[k] = min(d, b.need[k])
		b.spare += b.need[k]
	}
	return b
}

// firstPrices are the cheapest units, each bearing an even share of its option's fixed cost.
func (s *search) firstPrices() []int64 {
	prices := make([]int64, len(s.demand.skus))
	for k := range prices {
		for i := range s.sources {
			for o := range s.sources[i].options {
				opt := &s.sources[i].options[o]
				if opt.cap[k] == 0 {
					continue
				}
				if p := opt.unit[k] + opt.fixed/sum(opt.cap); prices[k] == 0 || p < prices[k] {
					prices[k] = min(p, maxPrice)
				}
			}
		}
	}
	return prices
}

// balance is the fixed cost of an option less what it makes of units at these prices.
func (o *option) balance(prices []int64) int64 {
	b := o.fixed
	for k, p := range prices {
		if p > o.unit[k] {
			b -= o.cap[k] * (p - o.unit[k])
		}
	}
	return b
}

// credit is the least balance of these options of a source, if negative.
func (s *search) credit(src int, options []int32, prices []int64) (least int64) {
	for _, o := range options {
		least = min(least, s.sources[src].options[o].balance(prices))
	}
	return least
}

// raise improves the node's prices by subgradient steps towards the best score known and
// returns the best bound met. It stops as soon as the bound rules the node out.
func (b *bounds) raise(s *search, n *node, rounds int) int64 {
	prices := slices.Clone(n.prices)
	slope := make([]int64, len(prices))
	best := b.evaluate(s, n, prices, slope)
	bound, halved, stalled := best, 0, 0
	for range rounds {
		norm := int64(0)
		for _, g := range slope {
			norm += g * g
		}
		if norm == 0 || bound > s.bound.cost || halved > maxHalved {
			break
		}
		move(prices, slope, norm, 2*(s.bound.cost-bound+1), halved)
		bound = b.evaluate(s, n, prices, slope)
		if stalled++; bound > best {
			best, stalled = bound, 0
			copy(n.prices, prices)
		} else if stalled == stalledFor {
			stalled = 0
			halved++
			copy(prices, n.prices)
			bound = b.evaluate(s, n, prices, slope)
		}
	}
	return best
}

// evaluate returns the bound under the prices and its slope in each of them.
func (b *bounds) evaluate(s *search, n *node, prices, slope []int64) (bound int64) {
	copy(slope, b.need)
	dearest := 0
	for k, p := range prices {
		bound += p * b.need[k]
		if p > prices[dearest] {
			dearest = k
		}
	}
	// Which units stay unassigned is the plan's choice: at worst the dearest.
	bound -= prices[dearest] * b.spare
	slope[dearest] -= b.spare
	for i, o := range s.plan {
		if o >= 0 {
			bound += s.sources[i].options[o].supply(prices, slope)
		}
	}
	return bound + s.credits(n, prices, slope)
}

// supply is balance, and takes what the option would ship from the slope.
func (o *option) supply(prices, slope []int64) int64 {
	for k, p := range prices {
		if p > o.unit[k] {
			slope[k] -= o.cap[k]
		}
	}
	return o.balance(prices)
}

// credits sums the least balances of the undecided sources, where negative, of at most as
// many sources as purchase orders are left.
func (s *search) credits(n *node, prices, slope []int64) (total int64) {
	var buf [exactLimit]struct {
		credit int64
		src    int
		option *option
	}
	found := buf[:0]
	for i, options := range n.alive {
		if s.plan[i] != undecided {
			continue
		}
		at := len(found)
		found = found[:at+1]
		found[at].credit, found[at].src = 0, i
		for _, o := range options {
			opt := &s.sources[i].options[o]
			if c := opt.balance(prices); c < found[at].credit {
				found[at].credit, found[at].option = c, opt
			}
		}
		if found[at].credit == 0 {
			found = found[:at]
		}
	}
	for range min(s.maxPOs-n.orders, len(found)) {
		least := 0
		for i := range found {
			if found[i].credit < found[least].credit {
				least = i
			}
		}
		total += found[least].option.supply(prices, slope)
		n.open[found[least].src]++
		found[least].credit = 0
	}
	return total
}

// move shifts every price along its slope by gap × slope ÷ norm, halved as often as asked.
func move(prices, slope []int64, norm, gap int64, halved int) {
	for k, g := range slope {
		switch {
		case g > 0:
			prices[k] = min(maxPrice, prices[k]+ratio(gap, g, norm, halved))
		case g < 0:
			prices[k] = max(0, prices[k]-ratio(gap, -g, norm, halved))
		}
	}
}

// ratio is gap × slope ÷ (norm × 2^halved), at most maxPrice, without overflow on the way.
func ratio(gap, slope, norm int64, halved int) int64 {
	hi, lo := bits.Mul64(uint64(gap), uint64(slope))
	by := uint64(norm) << halved
	if hi >= by {
		return maxPrice
	}
	q, _ := bits.Div64(hi, lo, by)
	return int64(min(q, uint64(maxPrice)))
}
