package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const payPath = "/v1/orders/shop/1001/payment"

// unpaid makes order 1001, of 48.49 USD, one that nothing was paid for.
func (f *fixture) unpaid() {
	f.t.Helper()
	f.started()
	f.exec(`UPDATE orders SET captured_minor = 0`)
}

func TestAStorefrontSaysThatItsCustomerPaidLater(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.unpaid()
	total := f.get("/v1/orders/shop/1001", f.shop).body
	require.Contains(t, total, `"total":"48.49"`)
	nudged := f.nudged.Load()
	const part = `{"request_id": "p-1", "amount": "10.00", "currency": "USD", "reference": "ch_1"}`
	for range 2 {
		got := f.post(payPath, f.shop, part)
		require.Equal(t, http.StatusOK, got.StatusCode, got.body)
		require.JSONEq(t, `{"message": "The order is part-paid: 38.49 USD is missing.", "paid": "10.00", "missing": "38.49", "over": "0.00", "request_id": "p-1"}`, got.body)
	}
	require.Greater(t, f.nudged.Load(), nudged)
	got := f.post(payPath, f.operator, `{"request_id": "p-2", "amount": "40.00", "currency": "USD", "reference": "wire-2"}`)
	require.Equal(t, http.StatusOK, got.StatusCode, got.body)
	require.JSONEq(t, `{"message": "More was paid than is due: 1.51 USD goes back to the customer.", "paid": "50.00", "missing": "0.00", "over": "1.51", "request_id": "p-2"}`, got.body)
	require.Contains(t, f.get("/v1/orders/shop/1001/timeline", f.shop).body, "The customer paid 10.00 USD")
}

func TestWhatIsNoPaymentOfTheOrderIsRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.unpaid()
	f.post(payPath, f.shop, `{"request_id": "p-1", "amount": "10.00", "currency": "USD", "reference": "ch_1"}`)
	for body, want := range map[string]struct {
		status int
		code   string
	}{
		`{"request_id": "p-1", "amount": "11.00", "currency": "USD", "reference": "ch_1"}`:      {http.StatusConflict, "conflict"},
		`{"request_id": "p-2", "amount": "11.00", "currency": "USD", "reference": "ch_1"}`:      {http.StatusConflict, "conflict"},
		`{"request_id": "p-3", "amount": "11.00", "currency": "EUR", "reference": "ch_3"}`:      {http.StatusConflict, "refused"},
		`{"amount": "11.00", "currency": "USD", "reference": "ch_3"}`:                           {http.StatusUnprocessableEntity, "invalid"},
		`{"request_id": "p-3", "amount": "0.00", "currency": "USD", "reference": "ch_3"}`:       {http.StatusUnprocessableEntity, "invalid"},
		`{"request_id": "p-3", "amount": "-1.00", "currency": "USD", "reference": "ch_3"}`:      {http.StatusUnprocessableEntity, "invalid"},
		`{"request_id": "p-3", "amount": "1.001", "currency": "USD", "reference": "ch_3"}`:      {http.StatusUnprocessableEntity, "invalid"},
		`{"request_id": "p-3", "amount": "1.00", "currency": "XXQ", "reference": "ch_3"}`:       {http.StatusUnprocessableEntity, "invalid"},
		`{"request_id": "p-3", "amount": "1.00", "currency": "USD", "reference": "to Ann Oak"}`: {http.StatusUnprocessableEntity, "invalid"},
	} {
		got := f.post(payPath, f.shop, body)
		require.Equal(t, want.status, got.StatusCode, body+got.body)
		require.Equal(t, want.code, got.problem(t).Code, body)
	}
	const good = `{"request_id": "p-9", "amount": "1.00", "currency": "USD", "reference": "ch_9"}`
	require.Equal(t, http.StatusForbidden, f.post(payPath, f.support, good).StatusCode)
	require.Equal(t, http.StatusNotFound, f.post(payPath, f.other, good).StatusCode, "another storefront's order is not there")
	require.Equal(t, http.StatusNotFound, f.post("/v1/orders/shop/none/payment", f.shop, good).StatusCode)
}

func TestAShopifyStorefrontSaysNothingOfPaymentsByItself(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.unpaid()
	f.exec(`UPDATE storefronts SET document = '{"platform": "shopify"}' WHERE id = 'shop'`)
	for _, key := range []string{f.shop, f.operator} {
		got := f.post(payPath, key, `{"request_id": "p-1", "amount": "48.49", "currency": "USD", "reference": "ch_2"}`)
		require.Equal(t, http.StatusConflict, got.StatusCode, got.body)
		require.Equal(t, "refused", got.problem(t).Code)
		require.Contains(t, got.problem(t).Detail, "Shopify tells of payments itself")
	}
}

func TestAnOrderIsNotPlacedWithAPaymentThatPaidForAnother(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.unpaid()
	require.Equal(t, http.StatusOK, f.post(payPath, f.shop, `{"request_id": "p-1", "amount": "48.49", "currency": "USD", "reference": "ch_2"}`).StatusCode)
	second := strings.NewReplacer(`"1001"`, `"1002"`, `"ch_1"`, `"ch_2"`).Replace(orderBody)
	for range 2 {
		got := f.post("/v1/orders", f.shop, second)
		require.Equal(t, http.StatusConflict, got.StatusCode, got.body)
		require.Equal(t, "refused", got.problem(t).Code)
		require.Contains(t, got.problem(t).Detail, "that payment has paid for something else already")
	}
	require.Equal(t, http.StatusNotFound, f.get("/v1/orders/shop/1002", f.shop).StatusCode)
	require.Equal(t, http.StatusCreated, f.post("/v1/orders", f.shop, strings.Replace(second, `"ch_2"`, `"ch_3"`, 1)).StatusCode, "with its own")
}
