package storefront_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/storefront"
)

func FuzzProblems(f *testing.F) {
	text, err := json.Marshal(sound())
	require.NoError(f, err)
	f.Add(text)
	for _, change := range [][2]string{
		{`"quantity":2`, `"quantity":-2`},
		{`"quantity":2`, `"quantity":100001`},
		{`"line":1`, `"line":7`},
		{`"discount":`, `"discount":-`},
		{`"unit_price":`, `"unit_price":9223372036854775807,"x":`},
		{`"currency":"USD"`, `"currency":"usd"`},
		{`2026-`, `0000-`},
		{`2026-`, `9999-`},
		{`Pat`, `Pat\u0000`},
	} {
		f.Add([]byte(strings.Replace(string(text), change[0], change[1], 1)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var o storefront.Order
		if json.Unmarshal(text, &o) != nil || len(o.Lines) > 1000 {
			return
		}
		before := o.Total
		problems := storefront.Problems(&o)
		for _, p := range problems {
			require.Regexp(t, `^[a-z0-9_.\[\]]{1,60}$`, p.Field)
			require.NotEmpty(t, p.Message)
			require.Regexp(t, `^[ -~]{1,120}$`, p.Message)
		}
		require.Equal(t, before, o.Total, "judged, not changed")
		for _, d := range storefront.Doubts(&o) {
			require.NotEmpty(t, d.Code)
			require.Less(t, len(d.Detail), 300)
		}
		if len(problems) > 0 {
			return
		}
		_, err := o.Sum()
		require.NoError(t, err)
		stored, err := json.Marshal(o)
		require.NoError(t, err, "what is accepted can be stored")
		require.NotContains(t, string(stored), `\u0000`)
		var again storefront.Order
		require.NoError(t, json.Unmarshal(stored, &again))
		require.Empty(t, storefront.Problems(&again))
	})
}

func FuzzSpreadDiscount(f *testing.F) {
	f.Add(int64(1000), int64(1250), int64(2), int64(0), int64(300), int64(7), int64(1))
	f.Add(int64(1)<<62, int64(1)<<62, int64(1), int64(0), int64(1)<<62, int64(1), int64(0))
	f.Add(int64(-1)<<63, int64(1), int64(1), int64(1), int64(1), int64(1), int64(1))
	f.Fuzz(func(t *testing.T, discount, price, quantity, own, price2, quantity2, own2 int64) {
		o := storefront.Order{Discount: discount, Lines: []storefront.Line{
			{Line: 1, UnitPrice: price, Quantity: quantity, Discount: own}, {Line: 2, UnitPrice: price2, Quantity: quantity2, Discount: own2},
		}}
		if err := o.SpreadDiscount(); err != nil {
			require.Equal(t, own, o.Lines[0].Discount)
			require.Equal(t, own2, o.Lines[1].Discount)
			return
		}
		if o.Lines[0].Discount == own && o.Lines[1].Discount == own2 {
			return
		}
		require.True(t, o.Lines[0].Discount >= own && o.Lines[1].Discount >= own2, "a share is never taken back")
		sum, fits := o.Lines[0].Discount+o.Lines[1].Discount, o.Lines[0].Discount > 0 == (o.Lines[1].Discount > 0)
		if fits {
			require.Equal(t, discount, sum)
		}
	})
}
