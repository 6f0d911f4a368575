package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/postgres"
)

func TestPlacedOrderIsStoredExactlyWithItsEvidence(t *testing.T) {
	t.Parallel()
	f := setup(t)
	got := f.post("/v1/orders", f.shop, orderBody)
	require.Equal(t, http.StatusCreated, got.StatusCode, got.body)
	require.Equal(t, "/v1/orders/shop/1001", got.Header.Get("Location"))
	require.Equal(t, 1, f.count(`SELECT count(*) FROM orders WHERE key = 'shop/1001' AND total_minor = 4849 AND captured_minor = 4849
		AND deliver_at IS NOT NULL AND document->'lines'->0->>'unit_price' = '1250' AND document->'lines'->1->>'discount' = '500'`))
	require.Equal(t, 1, f.count(`SELECT count(*) FROM documents WHERE source = 'api/shop' AND natural_key = 'order/1001'
		AND order_key = 'shop/1001' AND status = 'applied' AND body = $1`, []byte(orderBody)))
	require.EqualValues(t, 1, f.nudged.Load())
}

func TestSameOrderAgainGivesTheSameAnswer(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first, second := f.post("/v1/orders", f.shop, orderBody), f.post("/v1/orders", f.shop, orderBody)
	require.Equal(t, http.StatusCreated, first.StatusCode)
	require.Equal(t, http.StatusOK, second.StatusCode)
	require.Equal(t, first.body, second.body)
	require.Equal(t, 1, f.count(`SELECT count(*) FROM orders`))
}

func TestManyAtOncePlaceOneOrder(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var wg sync.WaitGroup
	statuses := make([]int, 8)
	for i := range statuses {
		wg.Go(func() { statuses[i] = f.post("/v1/orders", f.shop, orderBody).StatusCode })
	}
	wg.Wait()
	created := 0
	for _, status := range statuses {
		require.Contains(t, []int{200, 201}, status)
		if status == http.StatusCreated {
			created++
		}
	}
	require.Equal(t, 1, created)
	require.Equal(t, 1, f.count(`SELECT count(*) FROM orders`))
	require.Equal(t, 1, f.count(`SELECT count(*) FROM documents`))
}

func TestOtherOrderUnderATakenIDIsAConflict(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.post("/v1/orders", f.shop, orderBody)
	got := f.post("/v1/orders", f.shop, strings.Replace(orderBody, `"quantity": 2`, `"quantity": 1`, 1))
	require.Equal(t, http.StatusConflict, got.StatusCode)
	p := got.problem(t)
	require.Equal(t, "conflict", p.Code)
	require.Contains(t, p.Detail, "shop/1001")
	require.Equal(t, 2, f.count(`SELECT quantity::int FROM order_lines WHERE line = 1`))
	require.Equal(t, 1, f.count(`SELECT count(*) FROM documents`))
	require.Equal(t, http.StatusOK, f.post("/v1/orders", f.shop, orderBody).StatusCode)
}

func TestOneStorefrontsIDsAreNotAnothers(t *testing.T) {
	t.Parallel()
	f := setup(t)
	require.Equal(t, http.StatusCreated, f.post("/v1/orders", f.shop, orderBody).StatusCode)
	require.Equal(t, http.StatusCreated, f.post("/v1/orders", f.other, orderBody).StatusCode)
	require.Equal(t, 2, f.count(`SELECT count(*) FROM orders`))
}

func TestWhatIsWrongWithAnOrderIsNamedFieldByField(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for name, test := range map[string]struct{ from, to, field, message string }{
		"number for an amount":     {`"total": "48.49"`, `"total": 48.49`, "total", "want string"},
		"no amount":                {`"total": "48.49"`, `"total": "forty"`, "total", `want a decimal string such as "12.50"`},
		"exponent":                 {`"unit_price": "12.50"`, `"unit_price": "1e3"`, "lines[0].unit_price", `want a decimal string such as "12.50"`},
		"too many decimals":        {`"unit_price": "12.50"`, `"unit_price": "12.500"`, "lines[0].unit_price", "more decimals than USD has (2)"},
		"too large":                {`"unit_price": "12.50"`, `"unit_price": "99999999999999999999"`, "lines[0].unit_price", "out of range"},
		"negative":                 {`"shipping": "4.90"`, `"shipping": "-4.90"`, "shipping", "negative"},
		"missing price":            {`"unit_price": "12.50", `, ``, "lines[0].unit_price", "missing"},
		"empty price":              {`"unit_price": "12.50"`, `"unit_price": ""`, "lines[0].unit_price", "missing"},
		"no lines":                 {`"lines": [`, `"lines": [], "x": [`, "lines", "want array length >= 1"},
		"unknown field":            {`"email":`, `"mail":`, "mail", "no such field"},
		"unknown currency":         {`"USD"`, `"ZZZ"`, "currency", "want an ISO 4217 code in capitals, such as USD"},
		"no quantity":              {`"quantity": 2`, `"quantity": 0`, "lines[0].quantity", "want number >= 1"},
		"half a unit":              {`"quantity": 2`, `"quantity": 1.5`, "lines[0].quantity", "want integer"},
		"huge quantity":            {`"quantity": 2`, `"quantity": 1e300`, "lines[0].quantity", "want number <= 100000"},
		"line break in the name":   {`Pat Miller`, `Pat\nBcc: x@y.z`, "ship_to.name", "holds a control character or a line break"},
		"zero byte":                {`Blue mug`, `Blue\u0000mug`, "lines[0].title", "holds a control character or a line break"},
		"category in two lines":    {`"Blue mug"`, `"Blue mug", "category": "a\nb"`, "lines[0].category", "holds a control character or a line break"},
		"category without an end":  {`"Blue mug"`, `"Blue mug", "category": "` + strings.Repeat("c", 65) + `"`, "lines[0].category", "want length <= 64"},
		"country in words":         {`"country": "US"`, `"country": "USA"`, "ship_to.country", "want length <= 2"},
		"no such country":          {`"country": "US"`, `"country": "ZZ"`, "ship_to.country", "not an ISO 3166-1 alpha-2 code in capitals"},
		"payment status":           {`"paid"`, `"maybe"`, "payment.status", `want value to be one of "pending, authorized, partially_paid, paid, partially_refunded, refunded, voided, expired"`},
		"id with a slash":          {`"id": "1001"`, `"id": "../1001"`, "id", "want 1 to 64 letters, digits, '.', '_' or '-' for storefront and order"},
		"discount under the lines": {`"discount": "5.00", "total"`, `"discount": "4.00", "total"`, "discount", "is not the sum of the lines' discounts"},
		"discount over the price":  {`"discount": "5.00", "tax"`, `"discount": "25.00", "tax"`, "lines[1].discount", "want 0 up to the price of the line, which must be in range"},
		"time":                     {`2026-03-02T15:04:05Z`, `yesterday`, "placed_at", "want string to be RFC 3339 date-time"},
		"another's storefront":     {`"id": "1001"`, `"id": "1001", "storefront": "other"`, "storefront", "is not the key's; leave it out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, orderBody, test.from)
			got := f.post("/v1/orders", f.shop, strings.Replace(orderBody, test.from, test.to, 1))
			require.Equal(t, http.StatusUnprocessableEntity, got.StatusCode, got.body)
			require.Contains(t, got.problem(t).Errors, gateway.FieldError{Field: test.field, Message: test.message})
			require.NotContains(t, got.body, "yesterday")
			require.Zero(t, f.count(`SELECT count(*) FROM documents`))
		})
	}
}

func TestALineSaysOfWhichCategoryItIs(t *testing.T) {
	t.Parallel()
	o, err := gateway.ReadOrder("shop", []byte(strings.Replace(orderBody, `"Blue mug"`, `"Blue mug", "category": "Kitchen"`, 1)))
	require.NoError(t, err)
	require.Equal(t, []string{"Kitchen", ""}, []string{o.Lines[0].Category, o.Lines[1].Category})
}

func TestOneDiscountForTheOrderIsSplitOverItsLinesToTheCent(t *testing.T) {
	t.Parallel()
	f := setup(t)
	body := `{"id": "9", "placed_at": "2026-03-02T15:04:05Z", "currency": "USD", "total": "19.99", "discount": "10.01",
		"lines": [{"sku": "A", "quantity": 1, "unit_price": "10.00"}, {"sku": "B", "quantity": 1, "unit_price": "10.00"}, {"sku": "C", "quantity": 1, "unit_price": "10.00"}],
		"payment": {"status": "paid", "captured": "19.99"}, "ship_to": {"street1": "5 Elm St", "city": "Dover", "country": "US"}}`
	got := f.post("/v1/orders", f.shop, body)
	require.Equal(t, http.StatusCreated, got.StatusCode, got.body)
	require.Equal(t, 1001, f.count(`SELECT sum((l->>'discount')::int) FROM orders, jsonb_array_elements(document->'lines') l`))
	require.Equal(t, 334, f.count(`SELECT max((l->>'discount')::int) FROM orders, jsonb_array_elements(document->'lines') l`))
}

func TestAmountsFollowTheCurrencysDecimals(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for currency, amount := range map[string]string{"JPY": "1250", "KWD": "1.250"} {
		body := fmt.Sprintf(`{"id": "%[1]s", "placed_at": "2026-03-02T15:04:05Z", "currency": "%[1]s", "total": "%[2]s",
			"lines": [{"sku": "A", "quantity": 1, "unit_price": "%[2]s"}],
			"payment": {"status": "paid", "captured": "%[2]s"}, "ship_to": {"street1": "5 Elm St", "city": "Dover", "country": "US"}}`, currency, amount)
		got := f.post("/v1/orders", f.shop, body)
		require.Equal(t, http.StatusCreated, got.StatusCode, got.body)
		require.Equal(t, 1250, f.count(`SELECT total_minor::int FROM orders WHERE order_id = $1`, currency))
		require.Contains(t, f.get("/v1/orders/shop/"+currency, f.shop).body, `"total":"`+amount+`"`)
	}
}

func TestOperatorNamesTheStorefrontAndSupportPlacesNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	named := func(id string) string { return strings.Replace(orderBody, `{`, `{"storefront": "`+id+`",`, 1) }
	require.Equal(t, http.StatusCreated, f.post("/v1/orders", f.operator, named("shop")).StatusCode)
	for _, id := range []string{"nowhere", "a/b", ""} {
		got := f.post("/v1/orders", f.operator, named(id))
		require.Equal(t, http.StatusUnprocessableEntity, got.StatusCode, id)
		require.Equal(t, "storefront", got.problem(t).Errors[0].Field)
	}
	require.Equal(t, "forbidden", f.post("/v1/orders", f.support, named("shop")).problem(t).Code)
}

func TestAnUnreachablePostgresIsAnswered503WithATimeToComeBack(t *testing.T) {
	t.Parallel()
	down, err := postgres.Open(t.Context(), "postgres://dropline@127.0.0.1:1/dropline", 1)
	require.NoError(t, err)
	defer down.Close()
	f := setup(t, func(c *gateway.Config) {
		c.Database, c.Intake = down, gateway.CommitTo(down, &intake.Archive{Pool: down}, nil)
	})
	for _, got := range []answer{
		f.post("/v1/orders", f.shop, orderBody), f.get("/v1/orders/shop/1001", f.shop), f.get("/v1/orders", f.shop),
		f.post("/v1/orders/shop/1001/cancel", f.shop, `{"request_id": "c"}`), f.get("/readyz", ""),
		f.event("supplier/acme", `{"id": "e1"}`),
	} {
		require.Equal(t, http.StatusServiceUnavailable, got.StatusCode, got.body)
		require.NotEmpty(t, got.Header.Get("Retry-After"))
		require.NotContains(t, got.body, "127.0.0.1")
	}
	require.Zero(t, f.count(`SELECT count(*) FROM documents`))
	require.Equal(t, http.StatusOK, f.get("/healthz", "").StatusCode)
}

func TestAKeyThatCannotBeCheckedIsNotCalledInvalid(t *testing.T) {
	t.Parallel()
	down, err := postgres.Open(t.Context(), "postgres://dropline@127.0.0.1:1/dropline", 1)
	require.NoError(t, err)
	defer down.Close()
	f := setup(t, func(c *gateway.Config) { c.Keys = apikey.New(down) })
	require.Equal(t, "unavailable", f.get("/v1/orders", f.shop).problem(t).Code)
}

func TestOrderOfAnotherStorefrontLooksLikeNone(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.post("/v1/orders", f.shop, orderBody)
	require.Equal(t, http.StatusOK, f.get("/v1/orders/shop/1001", f.shop).StatusCode)
	require.Equal(t, http.StatusOK, f.get("/v1/orders/shop/1001/timeline", f.support).StatusCode)
	bare := func(a answer) string {
		require.Equal(t, http.StatusNotFound, a.StatusCode)
		return strings.Replace(a.body, a.Header.Get("X-Request-ID"), "", 1)
	}
	want := bare(f.get("/v1/orders/other/none", f.other))
	for _, path := range []string{"/v1/orders/shop/1001", "/v1/orders/shop/1001/timeline", "/v1/orders/shop/none", "/v1/orders/other/1001", "/v1/orders/other/%27%3B--", "/v1/orders/other/a%00b", "/v1/orders/..%2Fshop/1001"} {
		require.Equal(t, want, bare(f.get(path, f.other)), path)
	}
	for _, action := range []string{"cancel", "address"} {
		body := `{"request_id": "1", "ship_to": {"name": "P", "street1": "5 Elm St", "city": "Dover", "region": "DE", "postal_code": "19901", "country": "US"}}`
		if action == "cancel" {
			body = `{"request_id": "1"}`
		}
		require.Equal(t, want, bare(f.post("/v1/orders/shop/1001/"+action, f.other, body)), action)
	}
	require.Empty(t, f.orders.asked)
}

func TestShownOrderSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.post("/v1/orders", f.shop, orderBody)
	var shown struct {
		Stage string
		Waits []any `json:"waits_for"`
		Links map[string]string
	}
	got := f.get("/v1/orders/shop/1001", f.shop)
	require.NoError(t, json.Unmarshal([]byte(got.body), &shown))
	require.Equal(t, "received", shown.Stage)
	require.NotEmpty(t, shown.Waits)
	require.Equal(t, "/v1/orders/shop/1001/cancel", shown.Links["cancel"])
	require.NotContains(t, got.body, "Miller")
	require.NotContains(t, got.body, "pat@")
}

func TestPagesNeitherSkipNorRepeatOrders(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for i := range 7 {
		f.post("/v1/orders", f.shop, strings.Replace(orderBody, `"id": "1001"`, fmt.Sprintf(`"id": "%d"`, i), 1))
	}
	f.post("/v1/orders", f.other, orderBody)
	f.exec(`UPDATE orders SET received_at = '2026-03-02T12:00:00Z' WHERE order_id IN ('2', '3', '4')`) // one moment, several orders
	var seen []string
	path := "/v1/orders?limit=2"
	for path != "" {
		got := f.get(path, f.shop)
		require.Equal(t, http.StatusOK, got.StatusCode, got.body)
		var page struct {
			Orders []struct{ Order string }
			Next   string `json:"next_cursor"`
		}
		require.NoError(t, json.Unmarshal([]byte(got.body), &page))
		for _, o := range page.Orders {
			seen = append(seen, o.Order)
		}
		f.post("/v1/orders", f.shop, strings.Replace(orderBody, `"id": "1001"`, fmt.Sprintf(`"id": "new-%d"`, len(seen)), 1))
		path = ""
		if page.Next != "" {
			path = "/v1/orders?limit=2&cursor=" + page.Next
		}
	}
	require.Equal(t, []string{"shop/6", "shop/5", "shop/1", "shop/0", "shop/4", "shop/3", "shop/2"}, seen)
}

func TestListIsFiltered(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.post("/v1/orders", f.shop, orderBody)
	f.post("/v1/orders", f.other, orderBody)
	f.exec(`UPDATE orders SET stage = 'held', needs_attention = true WHERE storefront = 'other'`)
	for query, want := range map[string]string{
		"": "shop/1001 other/1001", "?stage=held": "other/1001", "?needs_attention=true": "other/1001",
		"?needs_attention=false": "shop/1001", "?storefront=shop": "shop/1001", "?storefront=shop&stage=held": "",
	} {
		got := f.get("/v1/orders"+query, f.support)
		require.Equal(t, http.StatusOK, got.StatusCode)
		for _, order := range []string{"shop/1001", "other/1001"} {
			require.Equal(t, strings.Contains(want, order), strings.Contains(got.body, order), "%s %s", query, order)
		}
	}
	require.NotContains(t, f.get("/v1/orders", f.shop).body, "other/1001")
	for _, query := range []string{"?stage=lost", "?limit=0", "?limit=9999", "?cursor=x", "?cursor=" + strings.Repeat("A", 300), "?storefront=other", "?storefront=%00", "?unknown=1", "?needs_attention=perhaps"} {
		require.Equal(t, http.StatusUnprocessableEntity, f.get("/v1/orders"+query, f.shop).StatusCode, query)
	}
}
