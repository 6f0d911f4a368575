package threeway_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/threeway"
)

func one(quantity, cost int64) []supplier.InvoiceLine {
	return []supplier.InvoiceLine{{Line: 1, Quantity: quantity, UnitCost: cost}}
}

// ten units at 1.00 were ordered and shipped.
func ten(terms threeway.Terms) threeway.PurchaseOrder {
	return threeway.PurchaseOrder{Lines: map[int]threeway.Line{1: {UnitCost: 100, Shipped: 10}}, Terms: terms, Owed: 1000}
}

func TestEachDifferenceIsDisputedForItsReason(t *testing.T) {
	t.Parallel()
	loose := threeway.Terms{PriceBP: 100, Quantity: 1, Freight: 500, Fee: 50}
	charged := ten(loose)
	charged.Lines[1] = threeway.Line{UnitCost: 100, Shipped: 10, Charged: 10}
	charged.Owed, charged.Freight = 0, 300
	share := ten(threeway.Terms{FreightBP: 1000})
	early := ten(loose)
	early.Owed = 400
	for name, test := range map[string]struct {
		po      threeway.PurchaseOrder
		invoice supplier.Invoice
		want    threeway.Result
	}{
		"as ordered":              {ten(loose), supplier.Invoice{Lines: one(10, 100), Total: 1000}, threeway.Result{Covers: 1000}},
		"a cent within the price": {ten(loose), supplier.Invoice{Lines: one(10, 101), Total: 1010}, threeway.Result{Covers: 1000, Adjust: 10}},
		"a cent above the price": {
			ten(loose),
			supplier.Invoice{Lines: one(10, 102), Total: 1020},
			threeway.Result{Covers: 1000, Disputes: []threeway.Difference{{threeway.Price, 20}}},
		},
		"a unit within the number": {ten(loose), supplier.Invoice{Lines: one(11, 100), Total: 1100}, threeway.Result{Covers: 1000, Adjust: 100}},
		"a unit too many": {
			ten(loose),
			supplier.Invoice{Lines: one(12, 100), Total: 1200},
			threeway.Result{Covers: 1000, Adjust: 100, Disputes: []threeway.Difference{{threeway.QuantityNotShipped, 100}}},
		},
		"too many and too dear": {
			ten(threeway.Terms{}),
			supplier.Invoice{Lines: one(12, 110), Total: 1320},
			threeway.Result{Covers: 1000, Disputes: []threeway.Difference{{threeway.Price, 120}, {threeway.QuantityNotShipped, 200}}},
		},
		"never ordered": {
			ten(loose),
			supplier.Invoice{Lines: append(one(10, 100), supplier.InvoiceLine{Line: 2, Quantity: 1, UnitCost: 700}), Total: 1700},
			threeway.Result{Covers: 1000, Disputes: []threeway.Difference{{threeway.NotOrdered, 700}}},
		},
		"charged before": {
			charged,
			supplier.Invoice{Lines: one(3, 100), Total: 300},
			threeway.Result{Adjust: 100, Disputes: []threeway.Difference{{threeway.Duplicate, 200}}},
		},
		"freight and fee allowed": {ten(loose), supplier.Invoice{Lines: one(10, 100), Freight: 500, Fee: 50, Total: 1550}, threeway.Result{Covers: 1000, Adjust: 550}},
		"freight and fee above": {
			ten(loose),
			supplier.Invoice{Lines: one(10, 100), Freight: 501, Fee: 52, Total: 1553},
			threeway.Result{Covers: 1000, Adjust: 550, Disputes: []threeway.Difference{{threeway.Freight, 1}, {threeway.Fee, 2}}},
		},
		"freight again": {
			charged,
			supplier.Invoice{Lines: one(1, 100), Freight: 300, Total: 400},
			threeway.Result{Adjust: 300, Disputes: []threeway.Difference{{threeway.Freight, 100}}},
		},
		"freight as a share": {
			share,
			supplier.Invoice{Lines: one(10, 100), Freight: 130, Total: 1130},
			threeway.Result{Covers: 1000, Adjust: 100, Disputes: []threeway.Difference{{threeway.Freight, 30}}},
		},
		"an allowance": {ten(loose), supplier.Invoice{Lines: one(10, 100), Allowance: 200, Total: 800}, threeway.Result{Covers: 1000, Adjust: -200}},
		"more than its parts": {
			ten(loose),
			supplier.Invoice{Lines: one(10, 100), Total: 1011},
			threeway.Result{Covers: 1000, Disputes: []threeway.Difference{{threeway.Arithmetic, 11}}},
		},
		"a little less": {ten(loose), supplier.Invoice{Lines: one(10, 99), Total: 990}, threeway.Result{Covers: 1000, Adjust: -10}},
		"much less":     {ten(loose), supplier.Invoice{Lines: one(10, 95), Total: 950}, threeway.Result{Covers: 950}},
		"before it is due": {
			early,
			supplier.Invoice{Lines: one(10, 100), Total: 1000},
			threeway.Result{Covers: 400, Disputes: []threeway.Difference{{threeway.QuantityNotShipped, 600}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := threeway.Match(test.po, &test.invoice)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestAnInvoiceIsDividedToTheCent(t *testing.T) {
	t.Parallel()
	amount := rapid.Int64Range(0, 5000)
	rapid.Check(t, func(t *rapid.T) {
		po := threeway.PurchaseOrder{Lines: map[int]threeway.Line{}, Owed: amount.Draw(t, "owed"), Freight: amount.Draw(t, "freight before")}
		po.Terms = threeway.Terms{
			PriceBP: rapid.Int64Range(0, 1000).Draw(t, "bp"), Quantity: rapid.Int64Range(0, 2).Draw(t, "units"),
			Freight: amount.Draw(t, "freight allowed"), Fee: amount.Draw(t, "fee allowed"),
		}
		in := supplier.Invoice{Freight: amount.Draw(t, "freight"), Fee: amount.Draw(t, "fee"), Allowance: amount.Draw(t, "allowance"), Total: amount.Draw(t, "total")}
		for line := range rapid.IntRange(1, 3).Draw(t, "lines") {
			if rapid.Bool().Draw(t, "ordered") {
				po.Lines[line] = threeway.Line{
					UnitCost: amount.Draw(t, "agreed"), Shipped: rapid.Int64Range(0, 5).Draw(t, "shipped"), Charged: rapid.Int64Range(0, 5).Draw(t, "charged"),
				}
			}
			in.Lines = append(in.Lines, supplier.InvoiceLine{Line: line, Quantity: rapid.Int64Range(1, 5).Draw(t, "quantity"), UnitCost: amount.Draw(t, "cost")})
		}
		got, err := threeway.Match(po, &in)
		require.NoError(t, err)
		sum := got.Covers + got.Adjust
		for _, d := range got.Disputes {
			require.Positive(t, d.Minor, d.Reason)
			sum += d.Minor
		}
		require.Equal(t, in.Total, sum, "every cent of the total is owed, let pass or disputed")
		require.GreaterOrEqual(t, got.Covers, int64(0))
		require.LessOrEqual(t, got.Covers, po.Owed, "no more is covered than is owed")
		require.GreaterOrEqual(t, got.Covers+got.Adjust, int64(0), "no more is disputed than is charged")
	})
}
