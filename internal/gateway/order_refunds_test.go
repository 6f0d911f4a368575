package gateway_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

const elsewherePath = "/v1/orders/shop/1001/refunds/elsewhere"

// refusedRefund gives order 1001 a refund that its storefront has refused.
func (f *fixture) refusedRefund() {
	f.t.Helper()
	f.started()
	f.exec(`INSERT INTO refunds (key, order_key, n, lines, amount_minor, goods_minor, tax_minor, shipping_minor, reason, state)
		VALUES ('refund/shop/1001/1', 'shop/1001', 1, '[]', 1000, 1000, 0, 0, 'cancelled', 'trying')`)
	f.exec(`INSERT INTO effects (key, order_key, kind, state) VALUES ('refund/shop/1001/1', 'shop/1001', 'refund', 'not_sent')`)
	f.exec(`UPDATE orders SET state = jsonb_set(state, '{attention}',
		'[{"key": "stalled/refund/", "text": "refund keeps failing and is tried again: refused", "since": "2026-03-02T15:04:05Z"}]')`)
}

func TestOnlyAnOperatorNotesThatARefundWasPaidElsewhereOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.refusedRefund()
	const body = `{"request_id": "e-1", "refund": "refund/shop/1001/1", "reference": "wire-1", "reason": "refused"}`
	for _, token := range []string{f.shop, f.support} {
		require.Equal(t, http.StatusForbidden, f.post(elsewherePath, token, body).StatusCode)
	}
	require.Contains(t, f.get("/v1/orders/shop/1001", f.operator).body, `"key":"refund/shop/1001/1"`)
	for range 2 {
		got := f.post(elsewherePath, f.operator, body)
		require.Equal(t, http.StatusOK, got.StatusCode, got.body)
		require.Contains(t, got.body, `"request_id":"e-1"`)
	}
	for body, code := range map[string]string{
		`{"request_id": "e-1", "refund": "refund/shop/1001/1", "reference": "wire-2", "reason": "refused"}`: "conflict",
		`{"request_id": "e-2", "refund": "refund/shop/1001/1", "reference": "wire-2", "reason": "refused"}`: "refused",
	} {
		got := f.post(elsewherePath, f.operator, body)
		require.Equal(t, http.StatusConflict, got.StatusCode, got.body)
		require.Equal(t, code, got.problem(t).Code)
	}
	none := `{"refund": "refund/shop/1001/9", "reference": "wire-2", "reason": "refused"}`
	require.Equal(t, http.StatusNotFound, f.post(elsewherePath, f.operator, none).StatusCode)
	named := `{"refund": "refund/shop/1001/1", "reference": "to Ann Oak", "reason": "refused"}`
	require.Equal(t, http.StatusUnprocessableEntity, f.post(elsewherePath, f.operator, named).StatusCode)
	shown := f.get("/v1/orders/shop/1001", f.shop).body
	require.Contains(t, shown, `"elsewhere":{"reference":"wire-1","reason":"refused","by":"operator key `)
	require.Contains(t, f.get("/v1/orders/shop/1001/timeline", f.operator).body, "noted that refund/shop/1001/1 was paid past the storefront by wire-1")
}

func TestARefundThatTheStorefrontMayHaveMadeIsNotedOnAPersonsWordAlone(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.refusedRefund()
	f.exec(`UPDATE effects SET state = 'unknown', last_at = now() - interval '1 hour'`)
	got := f.post(elsewherePath, f.operator, `{"refund": "refund/shop/1001/1", "reference": "wire-1", "reason": "refused"}`)
	require.Equal(t, http.StatusConflict, got.StatusCode, got.body)
	require.Contains(t, got.problem(t).Detail, "ask there first whether it was made")
	got = f.post(elsewherePath, f.operator, `{"refund": "refund/shop/1001/1", "reference": "wire-1", "reason": "refused", "not_made": true}`)
	require.Equal(t, http.StatusOK, got.StatusCode, got.body)
}
