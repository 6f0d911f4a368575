package shopify_test

import (
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/storefront/shopify"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte(created(f)))
	f.Add([]byte(`{"order":` + created(f) + `}`))
	for _, rest := range []string{
		`"total_discounts":"10.01","total_price":"49.99","line_items":[{"id":"7","quantity":2,"price":20.00}]`,
		`"cancelled_at":"2026-03-02T10:00:00Z","cancel_reason":"customer","line_items":[{"id":7,"quantity":1,"price":"1.00"}]`,
		`"financial_status":"partially_paid","total_outstanding":"-92233720368547758.07","total_price":"92233720368547758.07","line_items":[{"quantity":1,"price":"1"}]`,
		`"line_items":[{"quantity":1,"price":"92233720368547758.07","total_discount":"-92233720368547758.07"}]`,
		`"shipping_lines":[{"price":"92233720368547758.07","discounted_price":"-92233720368547758.07"}],"line_items":[{"quantity":1,"price":"1"}]`,
		`"transactions":[{"kind":"sale","status":"success","amount":"1.00","authorization":"a\u0000b"}],"line_items":[{"quantity":9223372036854775807,"price":"2"}]`,
		`"created_at":"9999-12-31T23:59:59-12:00","line_items":[{"quantity":1,"price":"1.00"}]`,
		`"email":"a@b.example\u2028","shipping_address":{"address1":"a\r\nb","country_code":"us"},"line_items":[{"quantity":1,"price":"1"}]`,
	} {
		f.Add([]byte(small(rest)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := shopify.Parse("shop", body)
		if err != nil {
			require.Zero(t, d)
			require.Less(t, len(err.Error()), 250, "what is wrong, not what came")
			return
		}
		require.NoError(t, d.Order.Key.Validate())
		_, err = json.Marshal(d)
		require.NoError(t, err, "what was read can be stored")
		require.False(t, strings.ContainsFunc(d.CancelReason+d.Order.Number+d.Order.ShipTo.Name+d.Order.Payment.Reference, unicode.IsControl))
		storefront.Doubts(&d.Order)
		if len(storefront.Problems(&d.Order)) > 0 {
			return
		}
		for _, l := range d.Order.Lines {
			require.True(t, l.Quantity >= 1 && l.Quantity <= storefront.MaxQuantity)
			require.True(t, l.UnitPrice >= 0 && l.Discount >= 0 && l.Tax >= 0)
		}
		total, err := d.Order.Sum()
		require.NoError(t, err)
		require.Zero(t, exactSum(&d.Order).Cmp(big.NewInt(total)))
		if request, cancels := d.Cancel(); cancels {
			require.Equal(t, "shopify-cancelled-"+d.Order.Key.Order, request.ID)
		}
	})
}

// exactSum adds an order up in integers without limit.
func exactSum(o *storefront.Order) *big.Int {
	sum := big.NewInt(o.Shipping)
	sum.Add(sum, big.NewInt(o.Unshipped))
	if !o.TaxIncluded {
		sum.Add(sum, big.NewInt(o.ShippingTax))
	}
	for _, l := range o.Lines {
		sum.Add(sum, new(big.Int).Mul(big.NewInt(l.UnitPrice), big.NewInt(l.Quantity)))
		sum.Sub(sum, big.NewInt(l.Discount))
		if !o.TaxIncluded {
			sum.Add(sum, big.NewInt(l.Tax))
		}
	}
	return sum
}

func FuzzHeaders(f *testing.F) {
	f.Add("orders/create", "e-1", "w-1", "2026-03-01T18:20:11.5-05:00")
	f.Add("../../x", "bad\nid", "", "9999-12-31T23:59:59-12:00")
	f.Fuzz(func(t *testing.T, topic, eventID, webhookID, at string) {
		h := http.Header{
			"X-Shopify-Topic": {topic}, "X-Shopify-Event-Id": {eventID}, "X-Shopify-Webhook-Id": {webhookID}, "X-Shopify-Triggered-At": {at},
		}
		require.Regexp(t, `^([a-z_]{1,40}/[a-z_]{1,40})?$`, shopify.Topic(h))
		key, err := shopify.EventKey(h)
		if err != nil {
			require.ErrorIs(t, err, shopify.ErrNoKey)
			require.Empty(t, key)
		} else {
			require.Regexp(t, `^([a-z_]{1,40}/[a-z_]{1,40}:)?[A-Za-z0-9_.:-]{1,128}$`, key)
			h.Set("X-Shopify-Triggered-At", "")
			again, err := shopify.EventKey(h)
			require.NoError(t, err)
			require.Equal(t, key, again, "the time is no part of what makes a repeat")
		}
		if when, dated := shopify.TriggeredAt(h); dated {
			require.Equal(t, time.UTC, when.Location())
		}
	})
}

// An error stands in the log and before an operator; what stood in a field may be anybody's.
func TestErrorRepeatsNothingOfTheBody(t *testing.T) {
	t.Parallel()
	for _, rest := range []string{
		`"currency":"Ann Exa","line_items":[{"quantity":1,"price":"1.00"}]`, `"line_items":[{"quantity":4915112345678.5,"price":"1.00"}]`,
		`"line_items":[{"quantity":1,"price":"Ann Exa"}]`, `"line_items":[{"quantity":1,"price":"1.4915112345678"}]`, `"email":{"Ann Exa":1}`,
		`"created_at":"Ann Exa"`, `"id":"4915112345678x"`,
	} {
		_, err := shopify.Parse("shop", []byte(small(rest)))
		require.ErrorIs(t, err, shopify.ErrMalformed, rest)
		require.NotContains(t, err.Error(), "Ann", rest)
		require.NotContains(t, err.Error(), "49151", rest)
	}
}
