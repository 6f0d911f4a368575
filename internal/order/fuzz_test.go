package order_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
)

func FuzzParseKey(f *testing.F) {
	for _, text := range []string{"shop/1001", "shop/../x", "a/b/c", "/", "shop/1\n2", "shop/.hidden", "ſhop/1", "shop/%2e%2e", "=cmd/1", "shop/" + strings.Repeat("9", 65)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := order.ParseKey(text)
		if err != nil {
			require.False(t, strings.ContainsFunc(err.Error(), unicode.IsControl), "%q", err)
			return
		}
		require.Equal(t, text, key.String())
		require.Regexp(t, `^order/[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`, key.WorkflowID())
		number := key.PurchaseOrderNumber(99)
		require.Regexp(t, `^DL[A-Z2-7]{13}-99$`, number)
		other := order.Key{Storefront: key.Storefront + "x", Order: key.Order}
		require.NotEqual(t, number, other.PurchaseOrderNumber(99))
	})
}
