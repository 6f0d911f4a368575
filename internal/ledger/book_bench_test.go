package ledger

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/money"
)

// postings are the transactions of an order with so many shipments.
func postings(tb testing.TB, shipments int) []Transaction {
	tb.Helper()
	euros := func(minor int64) money.Money { return money.Money{Minor: minor, Currency: "EUR"} }
	paid, err := Captured("order-1", euros(int64(shipments)*1428))
	require.NoError(tb, err)
	list := []Transaction{paid}
	for n := range shipments {
		cost, err := SupplierAccrued(fmt.Sprintf("PO-%d", n), "parcel", "acme", euros(600))
		require.NoError(tb, err)
		list = append(list, cost)
	}
	return list
}

func BenchmarkBalanceOf(b *testing.B) {
	for _, shipments := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("%dshipments", shipments), func(b *testing.B) {
			list := postings(b, shipments)
			b.ReportAllocs()
			for b.Loop() {
				_, err := BalanceOf(list)
				require.NoError(b, err)
			}
		})
	}
}
