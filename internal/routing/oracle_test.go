package routing

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"
)

var decidedAt = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// shape bounds the instances drawn.
type shape struct {
	suppliers, skus, lines, quantity int
	money                            int64 // amounts and probabilities are drawn as multiples
	removals                         bool  // draw suppliers and offers that rules remove
}

var small = shape{suppliers: 3, skus: 2, lines: 3, quantity: 2, money: 1, removals: true}

func drawRequest(t *rapid.T, s shape) Request {
	amount := func(name string, most int64) int64 { return s.money * rapid.Int64Range(0, most).Draw(t, name) }
	flag := func(name string, oneIn int) bool { return rapid.IntRange(1, oneIn).Draw(t, name) == oneIn }
	r := Request{
		Currency: "EUR", Destination: Destination{Country: "DE", Region: "BY"}, At: decidedAt,
		Policy: Policy{
			SplitPenalty: amount("split", 9), LatenessCostPerDay: amount("late", 4), PromiseDays: rapid.IntRange(0, 6).Draw(t, "promise"),
			RiskCost: amount("risk", 30), MaxSuppliers: rapid.IntRange(0, s.suppliers).Draw(t, "max"), AllowPartial: !flag("whole", 4),
		},
		Rates: []Rate{{From: "USD", To: "EUR", Num: 9, Den: 10}},
	}
	if s.removals && flag("hazmatProhibited", 4) {
		r.Policy.HazmatProhibited = []Area{{Country: "DE"}}
	}
	for i := range rapid.IntRange(1, s.lines).Draw(t, "lines") {
		r.Lines = append(r.Lines, Line{Line: i + 1, SKU: sku(rapid.IntRange(0, s.skus-1).Draw(t, "sku")), Quantity: int64(rapid.IntRange(1, s.quantity).Draw(t, "quantity"))})
	}
	for i := range rapid.IntRange(1, s.suppliers).Draw(t, "suppliers") {
		c := Candidate{
			Supplier: fmt.Sprintf("s%02d", i), ContractFrom: decidedAt.AddDate(-1, 0, 0), ShipsTo: []string{"DE"},
			ExpectedLateBP: 1000 * rapid.Int64Range(0, 10).Draw(t, "lateBP"), LateDays: rapid.IntRange(0, 3).Draw(t, "lateDays"),
			RejectBP: 1000 * rapid.Int64Range(0, 10).Draw(t, "rejectBP"), ShipDays: rapid.IntRange(0, 3).Draw(t, "shipDays"),
		}
		for j := range rapid.IntRange(1, 2).Draw(t, "methods") {
			c.Shipping = append(c.Shipping, Method{
				Name: fmt.Sprintf("m%d", j), BaseCost: amount("base", 8), PerItemCost: amount("perItem", 3),
				TransitDaysMax: rapid.IntRange(1, 5).Draw(t, "transit"), RefusesHazmat: flag("refusesHazmat", 3),
			})
		}
		for k := range s.skus {
			if flag("noOffer", 5) {
				continue
			}
			c.Offers = append(c.Offers, Offer{
				SKU: sku(k), SupplierSKU: "x" + sku(k), UnitCost: amount("unit", 20), Available: rapid.Int64Range(-1, int64(s.quantity*s.lines)).Draw(t, "available"),
				ShipsAlone: flag("alone", 4), Hazmat: flag("hazmat", 4), MaxPerParcel: rapid.Int64Range(0, 2).Draw(t, "perParcel"), LeadDays: rapid.IntRange(0, 6).Draw(t, "lead"),
			})
		}
		if s.removals {
			drawRemovals(t, &r, &c, flag)
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

func drawRemovals(t *rapid.T, r *Request, c *Candidate, flag func(string, int) bool) {
	if flag("ended", 12) {
		c.ContractUntil = decidedAt
	}
	if flag("abroad", 12) {
		c.ShipsTo = []string{"FR"}
	}
	if flag("exceptRegion", 12) {
		c.ExceptRegions = []Area{{Country: "DE", Region: "BY"}}
	}
	if flag("excluded", 8) {
		r.Excluded = append(r.Excluded, Exclusion{Supplier: c.Supplier, SKU: rapid.SampledFrom([]string{"", sku(0)}).Draw(t, "excludedSKU"), Reason: "rejected before"})
	}
	for i := range c.Shipping {
		if flag("methodAbroad", 8) {
			c.Shipping[i].Countries = []string{"FR"}
		}
	}
	for i := range c.Offers {
		c.Offers[i].Currency = rapid.SampledFrom([]string{"", "EUR", "USD", "GBP"}).Draw(t, "currency")
	}
}

func sku(k int) string { return string(rune('A' + k)) }

// oracle finds the best plan by trying every quantity of every SKU at every supplier, each
// purchase order priced straight from the rules' text.
type oracle struct {
	r           *Request
	skus        []string
	need        []int64
	q           [][]int64 // supplier, SKU
	avoid       []string  // plans that use all of these are out
	found       bool
	short, cost int64
	orders      int
}

func newOracle(r *Request) *oracle {
	o := &oracle{r: r}
	for _, l := range r.Lines {
		k := slices.Index(o.skus, l.SKU)
		if k < 0 {
			o.skus, o.need = append(o.skus, l.SKU), append(o.need, 0)
			k = len(o.skus) - 1
		}
		o.need[k] += l.Quantity
	}
	for range r.Candidates {
		o.q = append(o.q, make([]int64, len(o.skus)))
	}
	return o
}

// solve returns units left over, total cost and purchase orders of the best plan that does
// not use all of the suppliers in avoid.
func (o *oracle) solve(avoid []string) (short, cost int64, orders int) {
	o.found, o.avoid = false, avoid
	o.place(0, 0, 0, 0)
	return o.short, o.cost, o.orders
}

func (o *oracle) place(supplier, k int, placed, short int64) {
	if k == len(o.skus) {
		o.finish(short)
		return
	}
	if supplier == len(o.q) {
		o.place(0, k+1, 0, short+o.need[k]-placed)
		return
	}
	for n := int64(0); n <= o.need[k]-placed; n++ {
		o.q[supplier][k] = n
		o.place(supplier+1, k, placed+n, short)
	}
	o.q[supplier][k] = 0
}

func (o *oracle) finish(short int64) {
	var cost int64
	var used []string
	for i := range o.q {
		if !slices.ContainsFunc(o.q[i], func(n int64) bool { return n > 0 }) {
			continue
		}
		c, ok := o.cheapestOrder(i)
		if !ok {
			return
		}
		cost += c
		used = append(used, o.r.Candidates[i].Supplier)
	}
	if most := o.r.Policy.MaxSuppliers; most > 0 && len(used) > most {
		return
	}
	if len(o.avoid) > 0 && !slices.ContainsFunc(o.avoid, func(s string) bool { return !slices.Contains(used, s) }) {
		return
	}
	cost += o.r.Policy.SplitPenalty * int64(max(0, len(used)-1))
	better := !o.found || short < o.short || (short == o.short && (cost < o.cost || (cost == o.cost && len(used) < o.orders)))
	if better {
		o.found, o.short, o.cost, o.orders = true, short, cost, len(used)
	}
}

func (o *oracle) cheapestOrder(i int) (best int64, ok bool) {
	c := &o.r.Candidates[i]
	for _, e := range o.r.Excluded {
		if e.Supplier == c.Supplier && e.SKU == "" {
			return 0, false
		}
	}
	if !slices.Contains(c.ShipsTo, "DE") || len(c.ExceptRegions) > 0 || (!c.ContractUntil.IsZero() && !o.r.At.Before(c.ContractUntil)) {
		return 0, false
	}
	for _, m := range c.Shipping {
		if cost, allowed := o.orderBy(i, m); allowed && (!ok || cost < best) {
			best, ok = cost, true
		}
	}
	return best, ok
}

func (o *oracle) orderBy(i int, m Method) (cost int64, ok bool) {
	c, p := &o.r.Candidates[i], &o.r.Policy
	if len(m.Countries) > 0 && !slices.Contains(m.Countries, "DE") {
		return 0, false
	}
	var shared, alone int64
	days := 0
	for k, n := range o.q[i] {
		if n == 0 {
			continue
		}
		at := slices.IndexFunc(c.Offers, func(f Offer) bool { return f.SKU == o.skus[k] })
		if at < 0 || n > c.Offers[at].Available {
			return 0, false
		}
		f := c.Offers[at]
		unit := f.UnitCost
		switch f.Currency {
		case "GBP":
			return 0, false
		case "USD":
			unit = (unit*18 + 10) / 20
		}
		if f.Hazmat && (m.RefusesHazmat || len(p.HazmatProhibited) > 0) {
			return 0, false
		}
		if slices.ContainsFunc(o.r.Excluded, func(e Exclusion) bool { return e.Supplier == c.Supplier && e.SKU == f.SKU }) {
			return 0, false
		}
		cost += n * (unit + m.PerItemCost)
		days = max(days, max(c.ShipDays, f.LeadDays)+m.TransitDaysMax)
		switch {
		case f.ShipsAlone:
			alone += n
		case f.MaxPerParcel == 0:
			shared = max(shared, 1)
		default:
			for shared*f.MaxPerParcel < n {
				shared++
			}
		}
	}
	cost += (shared + alone) * m.BaseCost
	late := int64(max(0, days-p.PromiseDays))*10000 + c.ExpectedLateBP*int64(max(1, c.LateDays))
	cost += (p.LatenessCostPerDay*late + 5000) / 10000
	cost += (p.RiskCost*c.RejectBP + 5000) / 10000
	return cost, true
}
