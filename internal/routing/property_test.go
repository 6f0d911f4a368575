package routing

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDecisionCostsWhatTheBestOfAllPlansCosts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := drawRequest(t, small)
		d, err := Decide(r)
		require.NoError(t, err)
		short, cost, orders := newOracle(&r).solve(nil)
		if short > 0 && !r.Policy.AllowPartial {
			require.Empty(t, d.Assignments)
			require.Zero(t, d.Cost)
			return
		}
		require.True(t, d.Exact)
		require.Equal(t, short, unitsUnassigned(d))
		require.Equal(t, cost, d.Cost.Total)
		require.Len(t, d.Assignments, orders)
		if len(d.Assignments) == 0 {
			return
		}
		o := newOracle(&r)
		short, cost, _ = o.solve(suppliers(d))
		if d.RunnerUp == nil {
			require.Equal(t, totalUnits(r), short)
			return
		}
		require.Equal(t, short, d.RunnerUp.Unassigned)
		require.Equal(t, cost, d.RunnerUp.Cost.Total)
	})
}

func TestQuantitiesAreConservedAndStockAndLimitsHold(t *testing.T) {
	t.Parallel()
	wide := shape{suppliers: 14, skus: 6, lines: 8, quantity: 4, money: 1, removals: true}
	rapid.Check(t, func(t *rapid.T) {
		r := drawRequest(t, wide)
		d, err := Decide(r)
		require.NoError(t, err)
		routed := map[int]int64{}
		for _, u := range d.Unassigned {
			require.Positive(t, u.Quantity)
			routed[u.Line] += u.Quantity
		}
		var sums Cost
		for _, a := range d.Assignments {
			requireAssignmentHolds(t, &r, a, routed)
			sums.Goods += a.Cost.Goods
			sums.Shipping += a.Cost.Shipping
			sums.Lateness += a.Cost.Lateness
			sums.Risk += a.Cost.Risk
		}
		sums.SplitPenalty = r.Policy.SplitPenalty * int64(max(0, len(d.Assignments)-1))
		sums.Total = sums.Goods + sums.Shipping + sums.SplitPenalty + sums.Lateness + sums.Risk
		require.Equal(t, sums, d.Cost)
		for _, l := range r.Lines {
			require.Equal(t, l.Quantity, routed[l.Line], "line %d", l.Line)
		}
		if r.Policy.MaxSuppliers > 0 {
			require.LessOrEqual(t, len(d.Assignments), r.Policy.MaxSuppliers)
		}
		if !r.Policy.AllowPartial && len(d.Assignments) > 0 {
			require.Empty(t, d.Unassigned)
		}
	})
}

func requireAssignmentHolds(t *rapid.T, r *Request, a Assignment, routed map[int]int64) {
	c := r.Candidates[slices.IndexFunc(r.Candidates, func(c Candidate) bool { return c.Supplier == a.Supplier })]
	taken := map[string]int64{}
	var goods int64
	require.NotEmpty(t, a.Lines)
	for _, l := range a.Lines {
		require.Positive(t, l.Quantity)
		routed[l.Line] += l.Quantity
		taken[l.SKU] += l.Quantity
		goods += l.Quantity * l.UnitCost
	}
	require.Equal(t, goods, a.Cost.Goods)
	for name, n := range taken {
		o := c.Offers[slices.IndexFunc(c.Offers, func(o Offer) bool { return o.SKU == name })]
		require.LessOrEqual(t, n, o.Available)
	}
}

func TestOrderOfTheRequestsListsDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := drawRequest(t, shape{suppliers: 13, skus: 4, lines: 5, quantity: 3, money: 1, removals: true})
		require.Equal(t, canonicalDecision(t, r), canonicalDecision(t, shuffled(r, rapid.Uint64().Draw(t, "seed"))))
	})
}

func TestScalingAllMoneyScalesTheCostAndKeepsTheChoice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// Multiples of 100 keep expectations and conversions whole, so no rounding intervenes.
		r := drawRequest(t, shape{suppliers: 6, skus: 3, lines: 4, quantity: 3, money: 100, removals: true})
		k := rapid.Int64Range(2, 1000).Draw(t, "k")
		one, err := Decide(r)
		require.NoError(t, err)
		many, err := Decide(scaled(r, k))
		require.NoError(t, err)
		require.Equal(t, one.Cost.Total*k, many.Cost.Total)
		require.Len(t, many.Assignments, len(one.Assignments))
		for i, a := range one.Assignments {
			b := many.Assignments[i]
			require.Equal(t, []any{a.Supplier, a.Method, a.Parcels}, []any{b.Supplier, b.Method, b.Parcels})
			for j, l := range a.Lines {
				l.UnitCost, l.OfferCost = l.UnitCost*k, l.OfferCost*k
				require.Equal(t, l, b.Lines[j])
			}
		}
	})
}

func TestAnEliminatedCandidateChangesOnlyTheReport(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := drawRequest(t, shape{suppliers: 5, skus: 3, lines: 4, quantity: 3, money: 1, removals: true})
		before, err := Decide(r)
		require.NoError(t, err)
		late := r.Candidates[0]
		late.Supplier = rapid.SampledFrom([]string{"a", "s00x", "z"}).Draw(t, "name")
		late.ContractUntil = decidedAt
		r.Candidates = append(slices.Clone(r.Candidates), late)
		after, err := Decide(r)
		require.NoError(t, err)
		at := slices.IndexFunc(after.Candidates, func(c CandidateReport) bool { return c.Supplier == late.Supplier })
		require.Equal(t, RuleContractNotInForce, after.Candidates[at].Eliminations[0].Rule)
		after.Candidates = slices.Delete(after.Candidates, at, at+1)
		require.NotEqual(t, before.Input, after.Input)
		after.Input = before.Input
		require.Equal(t, before, after)
	})
}

func TestStoredDecisionIsRecomputedByteForByte(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := drawRequest(t, small)
		request, err := r.Canonical()
		require.NoError(t, err)
		stored := canonicalDecision(t, r)
		same, diff, err := Recompute(request, []byte(stored))
		require.NoError(t, err)
		require.True(t, same, diff)
		require.Empty(t, diff)
	})
}

func TestHeuristicStaysCloseToTheOptimum(t *testing.T) {
	t.Parallel()
	gap := measureGap(t, 200)
	t.Logf("heuristic against optimum: %d of %d equal, mean %.3f %%, worst %.2f %%", gap.equal, gap.instances, gap.meanPercent(), gap.worstPercent())
	require.Zero(t, gap.lessComplete, "the heuristic must assign as many units")
	require.GreaterOrEqual(t, gap.equal*100, gap.instances*60)
	require.Less(t, gap.meanPercent(), 0.2)
	require.Less(t, gap.worstPercent(), 3.0)
}

type gapReport struct{ instances, equal, lessComplete, sumPPM, worstPPM int64 }

func (g gapReport) meanPercent() float64  { return float64(g.sumPPM) / float64(g.instances) / 10_000 }
func (g gapReport) worstPercent() float64 { return float64(g.worstPPM) / 10_000 }

// measureGap runs both searches on instances small enough for the exact one.
func measureGap(t *testing.T, instances int64) (g gapReport) {
	g.instances = instances
	for seed := range uint64(instances) {
		r := market(seed, 10, 12).sorted()
		m := modelOf(t, &r)
		known, _ := m.heuristic()
		best, _, done := m.exact(known, -1, m.nodeBudget())
		require.True(t, done)
		h, e := m.price(known), m.price(best)
		if sum(h.short) != sum(e.short) {
			g.lessComplete++
			continue
		}
		ppm := (h.cost.Total - e.cost.Total) * 1_000_000 / e.cost.Total
		require.GreaterOrEqual(t, ppm, int64(0))
		if ppm == 0 {
			g.equal++
		}
		g.sumPPM += ppm
		g.worstPPM = max(g.worstPPM, ppm)
	}
	return g
}

func TestAPlanWithoutAnIdleSourceNeedNotBePricedAnew(t *testing.T) {
	t.Parallel()
	idle := 0
	for seed := range uint64(20) {
		r := market(seed, 30, 4)
		m := modelOf(t, &r)
		m.maxPOs = 1 + int(seed)
		c := m.climber(-1)
		p := m.emptyPlan()
		for i := range p {
			p[i] = m.roomiest(i)
		}
		whole, ships := m.score(p), c.shipping(p)
		for i, o := range p {
			if ships[i] {
				continue
			}
			idle++
			p[i] = unused
			require.Equal(t, m.score(p), c.lessIdle(whole, i, o))
			p[i] = o
		}
	}
	require.Greater(t, idle, 100)
}

func modelOf(t testing.TB, r *Request) *model {
	t.Helper()
	want := demandOf(r.Lines)
	var candidates []*screened
	for i := range r.Candidates {
		s, err := screen(r, &r.Candidates[i], want)
		require.NoError(t, err)
		candidates = append(candidates, s)
	}
	return newModel(&r.Policy, want, candidates)
}

func canonicalDecision(t require.TestingT, r Request) string {
	d, err := Decide(r)
	require.NoError(t, err)
	doc, err := d.Canonical()
	require.NoError(t, err)
	return string(doc)
}

func shuffled(r Request, seed uint64) Request {
	rnd := rand.New(rand.NewPCG(seed, 1))
	r = r.sorted()
	rnd.Shuffle(len(r.Lines), func(i, j int) { r.Lines[i], r.Lines[j] = r.Lines[j], r.Lines[i] })
	rnd.Shuffle(len(r.Candidates), func(i, j int) { r.Candidates[i], r.Candidates[j] = r.Candidates[j], r.Candidates[i] })
	rnd.Shuffle(len(r.Excluded), func(i, j int) { r.Excluded[i], r.Excluded[j] = r.Excluded[j], r.Excluded[i] })
	for _, c := range r.Candidates {
		rnd.Shuffle(len(c.Shipping), func(i, j int) { c.Shipping[i], c.Shipping[j] = c.Shipping[j], c.Shipping[i] })
		rnd.Shuffle(len(c.Offers), func(i, j int) { c.Offers[i], c.Offers[j] = c.Offers[j], c.Offers[i] })
	}
	return r
}

func scaled(r Request, k int64) Request {
	r = r.sorted()
	r.Policy.SplitPenalty *= k
	r.Policy.LatenessCostPerDay *= k
	r.Policy.RiskCost *= k
	for _, c := range r.Candidates {
		for i := range c.Shipping {
			c.Shipping[i].BaseCost *= k
			c.Shipping[i].PerItemCost *= k
		}
		for i := range c.Offers {
			c.Offers[i].UnitCost *= k
		}
	}
	return r
}

func unitsUnassigned(d Decision) (n int64) {
	for _, u := range d.Unassigned {
		n += u.Quantity
	}
	return n
}

func totalUnits(r Request) (n int64) {
	for _, l := range r.Lines {
		n += l.Quantity
	}
	return n
}

func suppliers(d Decision) (names []string) {
	for _, a := range d.Assignments {
		names = append(names, a.Supplier)
	}
	return names
}
