package gateway_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/order"
)

// examples are the JSON blocks of docs/api.md, by the word after ```json.
func examples(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	found := map[string]string{}
	for _, block := range regexp.MustCompile("(?s)```json ([a-z]+)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		found[block[1]] = block[2]
	}
	require.Len(t, found, strings.Count(string(text), "```")/2)
	return found
}

func TestWhatTheManualShowsIsTrue(t *testing.T) {
	t.Parallel()
	f, doc := setup(t), examples(t)
	placed := f.post("/v1/orders", f.shop, doc["order"])
	require.Equal(t, http.StatusCreated, placed.StatusCode, placed.body)
	require.JSONEq(t, doc["placed"], placed.body)
	f.exec(`UPDATE orders SET started_at = now()`)

	wrong := strings.Replace(strings.Replace(doc["order"], `"12.50"`, `"12,50"`, 1), `"1001"`, `"1002"`, 1)
	require.JSONEq(t, doc["invalid"], f.do(http.MethodPost, "/v1/orders", f.shop, wrong, "X-Request-ID", "caller-7").body)

	f.orders.reply = order.CancelReply{
		Cancelled: []order.ShippedLine{{Line: 1, Quantity: 1}}, Message: "1 unit is cancelled; the price goes back to the customer.",
	}
	require.JSONEq(t, doc["cancelled"], f.post("/v1/orders/shop/1001/cancel", f.shop, doc["cancel"]).body)
	require.Equal(t, http.StatusOK, f.post("/v1/orders/shop/1001/address", f.shop, doc["address"]).StatusCode)
	require.Len(t, doc, 10)
}

func TestReturnsGoAsTheManualShows(t *testing.T) {
	t.Parallel()
	f, doc := setup(t), examples(t)
	f.delivered(3)
	got := f.post(returnsPath, f.shop, doc["return"])
	require.Equal(t, http.StatusCreated, got.StatusCode, got.body)
	f.exec(`UPDATE returns SET started_at = now()`)
	var rma string
	require.NoError(t, f.pool.QueryRow(t.Context(), `SELECT rma FROM returns`).Scan(&rma))
	require.Equal(t, http.StatusOK, f.post(returnsPath+"/"+rma+"/decide", f.support, doc["decide"]).StatusCode)

	f.exec(`UPDATE storefronts SET document = jsonb_set(document, '{policy,returns,outcomes}', '["exchange"]') WHERE id = 'shop'`)
	f.exec(`INSERT INTO offers (supplier, sku, document, on_hand) SELECT id, 'MUG-LARGE', '{}', 9 FROM suppliers LIMIT 1`)
	got = f.post(returnsPath, f.shop, doc["exchange"])
	require.Equal(t, http.StatusCreated, got.StatusCode, got.body)
}

func TestOrderReadFromAFileIsTheOneThatThePostWouldPlace(t *testing.T) {
	t.Parallel()
	o, err := gateway.ReadOrder("shop", []byte(orderBody))
	require.NoError(t, err)
	require.EqualValues(t, 4849, o.Total)
	require.Equal(t, order.Key{Storefront: "shop", Order: "1001"}, o.Key)
	again, err := json.Marshal(o)
	require.NoError(t, err)
	require.NotContains(t, string(again), "48.49")
	for _, body := range []string{`{`, `[]`, `{"id": 7}`, strings.Replace(orderBody, "Pat", `Pat\n`, 1), strings.Replace(orderBody, `"id"`, `"id": "x", "id"`, 1)} {
		_, err := gateway.ReadOrder("shop", []byte(body))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "Pat")
	}
}
