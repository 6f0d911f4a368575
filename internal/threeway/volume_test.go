package threeway_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/threeway"
)

func TestAnInvoiceIsExpectedWithTheVolumeDiscount(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		unitCost, freight, allowance, total int64
		disputed                            int64
	}{
		"full price":                     {100, 0, 0, 1000, 50},
		"in the price":                   {95, 0, 0, 950, 0},
		"as an allowance":                {100, 0, 50, 950, 0},
		"in the total":                   {100, 0, 0, 950, 0},
		"half of it":                     {97, 0, 0, 970, 20},
		"rounded":                        {100, 0, 49, 951, 0},
		"two minor units less":           {100, 0, 48, 952, 2},
		"beside freight that is allowed": {100, 5, 50, 955, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			po := threeway.PurchaseOrder{
				Lines: map[int]threeway.Line{1: {UnitCost: 100, Shipped: 10}}, Owed: 1000,
				Terms: threeway.Terms{PriceBP: 500, Freight: 5, DiscountBP: 500},
			}
			in := supplier.Invoice{
				Lines:   []supplier.InvoiceLine{{Line: 1, Quantity: 10, UnitCost: test.unitCost}},
				Freight: test.freight, Allowance: test.allowance, Total: test.total,
			}
			r, err := threeway.Match(po, &in)
			require.NoError(t, err)
			require.EqualValues(t, 1000, r.Covers, "nothing of what was shipped stays owed")
			require.EqualValues(t, 50, r.Discount)
			var disputes []threeway.Difference
			if test.disputed > 0 {
				disputes = []threeway.Difference{{Reason: threeway.VolumeDiscount, Minor: test.disputed}}
			}
			require.Equal(t, disputes, r.Disputes)
			require.Equal(t, test.total, r.Covers+r.Adjust+test.disputed)
		})
	}
}

func TestADiscountIsOnlyExpectedForWhatWasShipped(t *testing.T) {
	t.Parallel()
	po := threeway.PurchaseOrder{
		Lines: map[int]threeway.Line{1: {UnitCost: 100, Shipped: 4}}, Owed: 400, Terms: threeway.Terms{DiscountBP: 500},
	}
	r, err := threeway.Match(po, &supplier.Invoice{Lines: []supplier.InvoiceLine{{Line: 1, Quantity: 10, UnitCost: 100}}, Total: 1000})
	require.NoError(t, err)
	require.Equal(t, threeway.Result{Covers: 400, Discount: 20, Adjust: -20, Disputes: []threeway.Difference{
		{Reason: threeway.VolumeDiscount, Minor: 20}, {Reason: threeway.QuantityNotShipped, Minor: 600},
	}}, r)
}
