package shopify_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/storefront/shopify"
	"github.com/dropline/dropline/internal/supplier"
)

func created(t testing.TB) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "created.json"))
	require.NoError(t, err)
	return string(body)
}

// fixture reads a document that nobody here wrote.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	folder := os.Getenv("DROPLINE_FIXTURES")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "..", "shared", "fixtures")
	}
	body, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Skip("sample documents are absent; set DROPLINE_FIXTURES to their folder")
	}
	return body
}

func parse(t testing.TB, body string) storefront.Order {
	t.Helper()
	d, err := shopify.Parse("shop", []byte(body))
	require.NoError(t, err)
	return d.Order
}

func TestOrderIsReadToTheCent(t *testing.T) {
	t.Parallel()
	d, err := shopify.Parse("shop", []byte(created(t)))
	require.NoError(t, err)
	require.Equal(t, storefront.Order{
		Key:      order.Key{Storefront: "shop", Order: "9007199254740993123"},
		Number:   "#1042",
		PlacedAt: time.Date(2026, 3, 1, 23, 20, 11, 0, time.UTC),
		Currency: "EUR",
		Lines: []storefront.Line{
			{Line: 1, ExternalID: "9007199254740993001", SKU: "MUG-BLUE", Title: "Mug - Blue", Quantity: 3, UnitPrice: 1000, Discount: 600, Tax: 255},
			{Line: 2, ExternalID: "9007199254740993002", Title: "Poster", Quantity: 1, UnitPrice: 1999, Discount: 401, Tax: 160},
		},
		Unshipped: 1200, Shipping: 600, ShippingTax: 40, Discount: 1001, Total: 6253,
		Payment: storefront.Payment{Status: storefront.PaymentPaid, Captured: 6253},
		ShipTo:  supplier.Address{Name: "Ann Example", Street1: "Lange Str. 7 2. Stock", City: "Köln", PostalCode: "50667", Country: "DE"},
		Email:   "ann@shop.example", Locale: "de-DE", CustomerRef: "7001999888777666555",
	}, addingUp(t, d.Order))
	require.Equal(t, time.Date(2026, 3, 1, 23, 20, 15, 0, time.UTC), d.UpdatedAt)
	_, cancelled := d.Cancel()
	require.False(t, cancelled)
	require.Empty(t, storefront.Problems(&d.Order))
	require.Equal(t, []string{storefront.DoubtNoSKU}, codes(storefront.Doubts(&d.Order)))
}

func addingUp(t *testing.T, o storefront.Order) storefront.Order {
	t.Helper()
	sum, err := o.Sum()
	require.NoError(t, err)
	require.Equal(t, o.Total, sum)
	return o
}

func codes(doubts []storefront.Doubt) []string {
	var list []string
	for _, d := range doubts {
		list = append(list, d.Code)
	}
	return list
}

func TestWrappedOrderReadsLikeABareOne(t *testing.T) {
	t.Parallel()
	require.Equal(t, parse(t, created(t)), parse(t, `{"order":`+created(t)+`}`))
}

// small is an order whose money a test sets.
func small(money string) string {
	return `{"id":1,"name":"#1","created_at":"2026-03-01T10:00:00Z","currency":"EUR","financial_status":"paid",` + money +
		`,"shipping_address":{"name":"A","address1":"S 1","city":"K","zip":"50667","country_code":"DE"}}`
}

func TestOrderDiscountIsSplitWithTheCentsAddingUp(t *testing.T) {
	t.Parallel()
	line := `{"id":1,"sku":"A","quantity":1,"price":"20.00","total_discount":"0.00"}`
	o := parse(t, small(`"total_discounts":"10.01","total_price":"49.99","line_items":[`+line+`,`+line+`,`+line+`]`))
	require.Equal(t, []int64{334, 334, 333}, []int64{o.Lines[0].Discount, o.Lines[1].Discount, o.Lines[2].Discount})
	require.EqualValues(t, 1001, o.Discount)
	addingUp(t, o)
}

func TestTaxStatedForTheOrderIsSplitOverTaxableLines(t *testing.T) {
	t.Parallel()
	o := parse(t, small(`"total_tax":"1.01","total_price":"31.01","line_items":[
		{"id":1,"sku":"A","quantity":1,"price":"10.00","taxable":true},{"id":2,"sku":"B","quantity":1,"price":"10.00","taxable":false},{"id":3,"sku":"C","quantity":1,"price":"10.00"}]`))
	require.Equal(t, []int64{51, 0, 50}, []int64{o.Lines[0].Tax, o.Lines[1].Tax, o.Lines[2].Tax})
	addingUp(t, o)
}

func TestIncludedTaxIsNotAddedAgain(t *testing.T) {
	t.Parallel()
	o := parse(t, small(`"taxes_included":true,"total_price":"24.90","line_items":[
		{"id":1,"sku":"A","quantity":2,"price":"10.00","tax_lines":[{"price":"3.19"}]}],
		"shipping_lines":[{"price":"4.90","tax_lines":[{"price":"0.78"}]}]`))
	require.True(t, o.TaxIncluded)
	require.EqualValues(t, 319, o.Lines[0].Tax)
	addingUp(t, o)
}

func TestCurrencyWithoutCentsIsReadInItsOwnUnits(t *testing.T) {
	t.Parallel()
	body := strings.Replace(small(`"total_price":"1000.00","line_items":[{"id":1,"sku":"A","quantity":1,"price":"1000"}]`), "EUR", "JPY", 1)
	require.EqualValues(t, 1000, addingUp(t, parse(t, body)).Total)
	_, err := shopify.Parse("shop", []byte(strings.Replace(body, "1000.00", "1000.50", 1)))
	require.ErrorIs(t, err, shopify.ErrMalformed)
}

func TestOrderWithoutGoodsIsLeftAlone(t *testing.T) {
	t.Parallel()
	_, err := shopify.Parse("shop", []byte(small(`"total_price":"10.00","line_items":[{"id":1,"sku":"G","quantity":1,"price":"10.00","requires_shipping":false}]`)))
	require.ErrorIs(t, err, shopify.ErrNothingToShip)
}

func TestPaymentFollowsStatusAndTransactions(t *testing.T) {
	t.Parallel()
	body := func(status, more string) string {
		return strings.Replace(small(`"total_price":"10.00","line_items":[{"id":1,"sku":"A","quantity":1,"price":"10.00"}]`+more), `"paid"`, `"`+status+`"`, 1)
	}
	transactions := `,"transactions":[
		{"kind":"authorization","status":"success","amount":"10.00","currency":"EUR","authorization":"auth-1"},
		{"kind":"capture","status":"failure","amount":"10.00","currency":"EUR"},
		{"kind":"capture","status":"success","amount":"6.00","currency":"EUR","authorization":"cap-1"},
		{"kind":"sale","status":"success","amount":"99.00","currency":"USD"}]`
	for _, c := range []struct {
		status, more string
		want         storefront.Payment
	}{
		{"paid", "", storefront.Payment{Status: "paid", Captured: 1000}},
		{"authorized", "", storefront.Payment{Status: "authorized"}},
		{"pending", "", storefront.Payment{Status: "pending"}},
		{"voided", "", storefront.Payment{Status: "voided"}},
		{"refunded", "", storefront.Payment{Status: "refunded", Captured: 1000}},
		{"partially_paid", `,"total_outstanding":"4.00"`, storefront.Payment{Status: "partially_paid", Captured: 600}},
		{"paid", transactions, storefront.Payment{Status: "paid", Captured: 600, Reference: "cap-1"}},
		{"never_heard_of", "", storefront.Payment{Status: "pending"}},
	} {
		require.Equal(t, c.want, parse(t, body(c.status, c.more)).Payment, c.status)
	}
}

func TestCancelledDocumentAsksToCancelOnce(t *testing.T) {
	t.Parallel()
	body := strings.Replace(created(t), `"cancelled_at": null`, `"cancelled_at": "2026-03-02T01:00:00Z"`, 1)
	body = strings.Replace(body, `"cancel_reason": null`, `"cancel_reason": "customer"`, 1)
	d, err := shopify.Parse("shop", []byte(body))
	require.NoError(t, err)
	request, cancelled := d.Cancel()
	require.True(t, cancelled)
	require.Equal(t, order.CancelRequest{ID: "shopify-cancelled-9007199254740993123", Reason: "customer", By: "storefront"}, request)
}

func TestUnreadableOrderIsRefusedWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	valid := created(t)
	for name, body := range map[string]string{
		"empty":          "",
		"no object":      `"Ann"`,
		"no id":          `{"order":{}}`,
		"fractional id":  strings.Replace(valid, "9007199254740993123", "1.5", 1),
		"exponent id":    strings.Replace(valid, "9007199254740993123", "9e18", 1),
		"amount in hex":  strings.Replace(valid, `"62.53"`, `"0x40"`, 1),
		"half a cent":    strings.Replace(valid, `"62.53"`, `"62.535"`, 1),
		"unknown money":  strings.Replace(valid, `"EUR"`, `"XXA"`, 1),
		"quantity 1.5":   strings.Replace(valid, `"quantity": 3`, `"quantity": 1.5`, 1),
		"overflow":       strings.Replace(valid, `"10.00"`, `"99999999999999999.00"`, 1),
		"bad time":       strings.Replace(valid, "2026-03-01T18:20:11-05:00", "Ann", 1),
		"trailing":       valid + "{}",
		"too large":      strings.Repeat(" ", shopify.MaxBody) + valid,
		"name is object": strings.Replace(valid, `"name": "#1042"`, `"name": {"Ann": 1}`, 1),
	} {
		_, err := shopify.Parse("shop", []byte(body))
		require.ErrorIs(t, err, shopify.ErrMalformed, name)
		require.NotContains(t, err.Error(), "Ann", name)
	}
}

func TestForeignOrdersAreRead(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"shopify/order.json", "shopify/order_with_transaction.json"} {
		d, err := shopify.Parse("shop", fixture(t, name))
		require.NoError(t, err)
		o := d.Order
		require.Equal(t, "123456", o.Key.Order)
		require.Equal(t, "#9999", o.Number)
		require.Len(t, o.Lines, 2)
		require.EqualValues(t, 500, o.Lines[1].Discount)
		require.EqualValues(t, 1000, addingUp(t, o).Total)
		require.Equal(t, storefront.Payment{Status: storefront.PaymentVoided}, o.Payment)
		_, cancelled := d.Cancel()
		require.True(t, cancelled)
		require.Empty(t, storefront.Problems(&o))
		require.ElementsMatch(t, []string{"address_shape", "unpaid", "no_sku", "no_sku", "test_order"}, codes(storefront.Doubts(&o)))
	}
}

func TestDeliveryIsKnownByEventAndTopic(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	_, err := shopify.EventKey(h)
	require.ErrorIs(t, err, shopify.ErrNoKey)
	h.Set("X-Shopify-Webhook-Id", "w-1")
	h.Set("X-Shopify-Topic", "orders/cancelled")
	h.Set("X-Shopify-Event-Id", "bad\nid")
	key, err := shopify.EventKey(h)
	require.NoError(t, err)
	require.Equal(t, "orders/cancelled:w-1", key)
	h.Set("X-Shopify-Event-Id", "e-1")
	cancelled, _ := shopify.EventKey(h)
	h.Set("X-Shopify-Topic", "orders/updated")
	updated, _ := shopify.EventKey(h)
	require.Equal(t, "orders/cancelled:e-1", cancelled)
	require.NotEqual(t, cancelled, updated, "one action in Shopify sends two topics")

	_, found := shopify.TriggeredAt(h)
	require.False(t, found)
	h.Set("X-Shopify-Triggered-At", "2026-03-01T18:20:11.5-05:00")
	when, found := shopify.TriggeredAt(h)
	require.True(t, found)
	require.Equal(t, time.Date(2026, 3, 1, 23, 20, 11, 5e8, time.UTC), when)
}

func TestAnOrderIsChangedWhenItComesToAnotherSumNowThanItsTotal(t *testing.T) {
	t.Parallel()
	for current, want := range map[string]bool{
		``: false, `"current_total_price":null,`: false, `"current_total_price":"20.00",`: false, `"current_total_price":20.0,`: false,
		`"current_total_price":"19.99",`: true, `"current_total_price":"0.00",`: true, `"current_total_price":"21.00",`: true,
	} {
		d, err := shopify.Parse("shop", []byte(small(current+`"total_price":"20.00","line_items":[{"id":"7","quantity":2,"price":"10.00"}]`)))
		require.NoError(t, err, current)
		require.Equal(t, want, d.Changed, current)
	}
	_, err := shopify.Parse("shop", []byte(small(`"current_total_price":"19.999","total_price":"20.00","line_items":[{"quantity":2,"price":"10.00"}]`)))
	require.ErrorIs(t, err, shopify.ErrMalformed)
}
