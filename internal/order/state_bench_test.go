package order

import (
	"fmt"
	"testing"
	"time"
)

var benchedAt = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// routedOrder is an order of so many lines, all with one supplier that has not heard of it yet.
func routedOrder(lines int) State {
	s := State{Key: Key{Storefront: "shop", Order: "1001"}}
	verdict := Verdict{Currency: "EUR", Country: "DE"}
	po := NewPO{Number: s.Key.PurchaseOrderNumber(1), Supplier: "acme", Terms: Terms{Name: "ACME"}}
	var all []ShippedLine
	for n := range lines {
		sku := fmt.Sprintf("SKU-%d", n)
		verdict.Lines = append(verdict.Lines, Line{Line: n + 1, SKU: sku, Ordered: 2})
		po.Lines = append(po.Lines, POLine{Line: n + 1, SKU: sku, Quantity: 2, UnitCost: 600})
		all = append(all, ShippedLine{Line: n + 1, Quantity: 2})
	}
	s.ValidatedWith(verdict, benchedAt)
	s.Routed(all, Routing{Decision: 1, POs: []NewPO{po}}, benchedAt)
	return s
}

// BenchmarkRound is what a workflow does with an order at every turn, besides talking to Temporal.
func BenchmarkRound(b *testing.B) {
	for _, lines := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("%dlines", lines), func(b *testing.B) {
			s := routedOrder(lines)
			b.ReportAllocs()
			for b.Loop() {
				s.Tick(benchedAt)
				if len(s.Steps()) == 0 {
					b.Fatal("the purchase order is to be sent")
				}
				_ = s.Deadlines()
				_ = s.Card()
				_ = s.Clone()
			}
		})
	}
}
