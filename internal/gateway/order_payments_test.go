package gateway_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/payments"
)

const paymentPath = "/v1/orders/shop/1001/payment"

// declined gives order 1001 a payment whose capture the bank has refused.
func (f *fixture) declined() {
	f.t.Helper()
	f.started()
	s := payments.New(payments.Sale{
		Key: order.Key{Storefront: "shop", Order: "1001"}, Reference: "pi_1", Currency: "USD", AtShipment: true, Authorised: 2990,
	})
	s.Shipped = true
	s.Begin(payments.StepCapture)
	s.CapturedWith(payments.Taking{Refused: true, Code: "insufficient_funds"}, time.Now())
	b := &pgx.Batch{}
	b.Queue(`INSERT INTO payments (order_key, storefront, reference, standing, authorised_minor, stage, needs_attention, state, started_at)
		VALUES ('shop/1001', 'shop', 'pi_1', 'authorised', 2990, $1, true, $2, now())`, string(s.Stage()), s)
	require.NoError(f.t, f.pool.SendBatch(f.t.Context(), b).Close())
}

func TestAPaymentIsShownWithItsOrderAndListedWhileItWaitsForAPerson(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	require.Equal(t, http.StatusNotFound, f.get(paymentPath, f.operator).StatusCode, "the storefront keeps it to itself")
	f = setup(t)
	f.declined()
	var one orderview.Payment
	shown := f.get(paymentPath, f.shop)
	require.Equal(t, http.StatusOK, shown.StatusCode, shown.body)
	require.NoError(t, json.Unmarshal([]byte(shown.body), &one))
	require.Equal(t, "payment_due", one.Stage)
	require.Equal(t, "29.90", one.Due)
	require.Contains(t, one.Attention[0].Text, "insufficient_funds")
	require.Contains(t, f.get("/v1/orders/shop/1001", f.shop).body, `"payment":{`)
	require.Contains(t, f.get("/v1/payments", f.support).body, `"order":"shop/1001"`)
	require.Equal(t, http.StatusForbidden, f.get("/v1/payments", f.shop).StatusCode)
	require.Equal(t, http.StatusNotFound, f.get(paymentPath, f.other).StatusCode)
}

func TestAKeyOfOneStorefrontListsThePaymentsOfThatOneAlone(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.declined()
	for shop, says := range map[string]string{"shop": `"order":"shop/1001"`, "other": `"payments":[]`} {
		token, _, err := apikey.New(f.pool).Create(t.Context(), apikey.Support, shop)
		require.NoError(t, err)
		require.Contains(t, f.get("/v1/payments", token).body, says)
	}
}

func TestOnlyAnOperatorDecidesAboutAPaymentAndOnlyWhatFits(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.declined()
	elsewhere := `{"request_id": "d-1", "decision": "paid_elsewhere", "reference": "wire-1"}`
	require.Equal(t, http.StatusForbidden, f.post(paymentPath+"/decide", f.support, elsewhere).StatusCode)
	require.Equal(t, http.StatusOK, f.post(paymentPath+"/decide", f.operator, elsewhere).StatusCode)
	for body, says := range map[string]string{
		`{"decision": "paid_elsewhere"}`:              "needs a reference",
		`{"decision": "write_off"}`:                   "needs a reason",
		`{"decision": "set_off"}`:                     "is not set off",
		`{"decision": "retry", "matter": "refund/x"}`: "not to be decided",
	} {
		got := f.post(paymentPath+"/decide", f.operator, body)
		require.Equal(t, http.StatusConflict, got.StatusCode, body)
		require.Contains(t, got.problem(t).Detail, says)
	}
}

func TestADecisionIsAskedForAgainWhileThePaymentDoesNotKnowWhatItIsAbout(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.declined()
	_, err := f.pool.Exec(t.Context(), `UPDATE payments SET started_at = NULL`)
	require.NoError(t, err)
	require.Contains(t, f.get(paymentPath, f.shop).body, `"needs_attention":true`)
	for _, cause := range []error{gateway.ErrNotRunning, &order.Refusal{Reason: "nothing is to be decided"}} {
		f.orders.err = cause
		elsewhere := `{"request_id": "d-1", "decision": "paid_elsewhere", "reference": "wire-1"}`
		require.Equal(t, http.StatusServiceUnavailable, f.post(paymentPath+"/decide", f.operator, elsewhere).StatusCode, "shown as decidable: come again")
	}
}

func TestEvidenceIsForSupport(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.declined()
	require.Equal(t, http.StatusForbidden, f.get("/v1/orders/shop/1001/evidence", f.shop).StatusCode)
	got := f.get("/v1/orders/shop/1001/evidence", f.support)
	require.Equal(t, http.StatusOK, got.StatusCode, got.body)
	require.Contains(t, got.body, "THE CARRIERS' SCANS")
}
