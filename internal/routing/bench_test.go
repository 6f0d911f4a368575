package routing

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// market is a realistic instance: list prices that suppliers undercut or exceed by up to a
// tenth, patchy ranges, thin stock, two or three methods, some bulky or limited goods.
func market(seed uint64, suppliers, lines int) Request {
	rnd := rand.New(rand.NewPCG(seed, 7))
	r := Request{
		Currency: "EUR", Destination: Destination{Country: "DE"}, At: decidedAt,
		Policy: Policy{SplitPenalty: 150, LatenessCostPerDay: 200, PromiseDays: 4, RiskCost: 2500, AllowPartial: true},
	}
	list := make([]int64, lines)
	for i := range lines {
		list[i] = 500 + rnd.Int64N(6000)
		r.Lines = append(r.Lines, Line{Line: i + 1, SKU: fmt.Sprintf("SKU-%02d", i), Quantity: 1 + rnd.Int64N(4)})
	}
	for s := range suppliers {
		c := Candidate{
			Supplier: fmt.Sprintf("supplier-%02d", s), ContractFrom: decidedAt, ShipsTo: []string{"DE"},
			ExpectedLateBP: rnd.Int64N(3000), LateDays: 2, RejectBP: rnd.Int64N(1500), ShipDays: 1 + rnd.IntN(2),
			Shipping: []Method{
				{Name: "economy", BaseCost: 350 + rnd.Int64N(200), PerItemCost: 20, TransitDaysMax: 5},
				{Name: "express", BaseCost: 900 + rnd.Int64N(300), PerItemCost: 40, TransitDaysMax: 1},
				{Name: "standard", BaseCost: 500 + rnd.Int64N(200), PerItemCost: 30, TransitDaysMax: 3, RefusesHazmat: true},
			},
		}
		for i, l := range r.Lines {
			if rnd.IntN(10) < 4 {
				continue
			}
			o := Offer{SKU: l.SKU, SupplierSKU: l.SKU, UnitCost: list[i] * (90 + rnd.Int64N(21)) / 100, Available: 1 + rnd.Int64N(8), Hazmat: i%7 == 3, ShipsAlone: i%9 == 5}
			if i%6 == 4 {
				o.MaxPerParcel = 2
			}
			if rnd.IntN(6) == 0 {
				o.LeadDays = 3
			}
			c.Offers = append(c.Offers, o)
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}

func BenchmarkDecide(b *testing.B) {
	for _, size := range []struct{ lines, suppliers int }{{3, 5}, {20, 12}, {20, 40}} {
		b.Run(fmt.Sprintf("%dlines%dsuppliers", size.lines, size.suppliers), func(b *testing.B) {
			var requests []Request
			for seed := range uint64(8) {
				requests = append(requests, market(seed, size.suppliers, size.lines))
			}
			nodes, i := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				d, err := Decide(requests[i%len(requests)])
				require.NoError(b, err)
				nodes += d.Explored.Nodes
				i++
			}
			b.ReportMetric(float64(nodes)/float64(i), "nodes/op")
		})
	}
}
