package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

const (
	cancelPath = "/v1/orders/shop/1001/cancel"
	cancelAll  = `{"request_id": "c-1", "reason": "customer"}`
	newAddress = `{"name": "Pat Miller", "street1": "7 Oak St", "city": "Dover", "region": "DE", "postal_code": "19901", "country": "US"}`
)

const storedCancels = `SELECT count(*) FROM facts WHERE kind = 'cancel_request' AND urgent AND body->'cancel'->>'id' = 'api/c-1'`

func TestCancellationTellsWhatTheOrderAnswered(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	f.orders.reply = order.CancelReply{Cancelled: []order.ShippedLine{{Line: 1, Quantity: 2}}, Asked: []order.ShippedLine{{Line: 2, Quantity: 1}}, Message: "Done."}
	for range 2 {
		got := f.post(cancelPath, f.shop, cancelAll)
		require.Equal(t, http.StatusOK, got.StatusCode, got.body)
		require.JSONEq(t, `{"result": "answered", "message": "Done.", "request_id": "c-1",
			"cancelled": [{"line": 1, "quantity": 2}], "asked": [{"line": 2, "quantity": 1}]}`, got.body)
	}
	require.Equal(t, order.CancelRequest{ID: "api/c-1", Reason: "customer", By: "storefront"}, f.orders.asked[0])
	require.Equal(t, f.orders.ids[0], f.orders.ids[1], "the same request has the same update id")
	require.Zero(t, f.count(storedCancels))

	f.post(cancelPath, f.support, `{"request_id": "c-1", "lines": [{"line": 1, "quantity": 1}]}`)
	require.NotEqual(t, f.orders.ids[0], f.orders.ids[2], "other content must not get the first one's answer")
}

func TestRefusedCancellationSaysWhy(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	f.orders.err = &order.Refusal{Reason: "parcel 1Z was scanned by the carrier; it can be refused at the door or returned"}
	got := f.post(cancelPath, f.shop, cancelAll)
	require.Equal(t, http.StatusConflict, got.StatusCode)
	p := got.problem(t)
	require.Equal(t, "refused", p.Code)
	require.Contains(t, p.Detail, "refused at the door")
	require.Zero(t, f.count(storedCancels))
}

func TestCancellationThatGetsNoAnswerIsNeverLost(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]error{
		"Temporal is away": gateway.ErrUnreachable, "the answer is late": gateway.ErrLate, "no workflow runs": gateway.ErrNotRunning,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.started()
			f.orders.err = cause
			for range 3 {
				got := f.post(cancelPath, f.shop, cancelAll)
				require.Equal(t, http.StatusAccepted, got.StatusCode, got.body)
				require.Contains(t, got.body, `"result":"stored"`)
			}
			require.Equal(t, 1, f.count(storedCancels))
			require.Equal(t, 1, f.count(`SELECT count(*) FROM orders WHERE deliver_at IS NOT NULL`))
			require.Contains(t, f.get("/v1/orders/shop/1001", f.shop).body, `"stage":"cancelled"`)
		})
	}
}

func TestCancellationIsStoredAlthoughTheCallerHungUp(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	ctx, hangUp := context.WithCancel(t.Context())
	f.orders.err = gateway.ErrLate
	f.orders.before = func(context.Context) { hangUp() }
	r := request(ctx, cancelPath, f.shop, cancelAll)
	f.handler.ServeHTTP(discard{}, r)
	require.Equal(t, 1, f.count(storedCancels))
}

func TestNobodyWaitsForAnAnswerLongerThanPromised(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *gateway.Config) { c.AnswerWait = 20 * time.Millisecond })
	f.started()
	f.orders.before = func(ctx context.Context) { <-ctx.Done() }
	f.orders.err = gateway.ErrLate
	require.Equal(t, http.StatusAccepted, f.post(cancelPath, f.shop, cancelAll).StatusCode)
	got := f.post("/v1/orders/shop/1001/address", f.shop, `{"request_id": "a", "ship_to": `+newAddress+`}`)
	require.Equal(t, "order_unreachable", got.problem(t).Code)
	require.NotEmpty(t, got.Header.Get("Retry-After"))
}

func TestCancellationBeforeWorkBeganWaitsForIt(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.post("/v1/orders", f.shop, orderBody)
	require.Equal(t, http.StatusAccepted, f.post(cancelPath, f.shop, cancelAll).StatusCode)
	require.Equal(t, 1, f.count(storedCancels))
	require.Empty(t, f.orders.asked)
}

func TestClosedOrderRefusesAndRemembersWhatItTook(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	s := order.State{Key: order.Key{Storefront: "shop", Order: "1001"}}
	s.ValidatedWith(order.Verdict{Lines: []order.Line{{Line: 1, SKU: "MUG", Ordered: 2}}}, time.Now())
	s.Cancel(order.CancelRequest{ID: "api/earlier"}, time.Now())
	state, err := json.Marshal(s)
	require.NoError(t, err)
	f.exec(`UPDATE orders SET state = $1, closed_at = now()`, state)
	got := f.post(cancelPath, f.shop, cancelAll)
	require.Equal(t, http.StatusConflict, got.StatusCode)
	require.Contains(t, got.problem(t).Detail, "it is cancelled already")
	require.Equal(t, http.StatusOK, f.post(cancelPath, f.shop, `{"request_id": "earlier"}`).StatusCode)
	require.Equal(t, "refused", f.post("/v1/orders/shop/1001/review", f.support, `{"decision": "approve"}`).problem(t).Code)
	require.Empty(t, f.orders.asked)
	require.Zero(t, f.count(storedCancels))
}

func TestWhatIsWrongWithACancellationIsNamed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	for body, field := range map[string]string{
		`{}`:                        "request_id",
		`{"request_id": "a b"}`:     "request_id",
		`{"request_id": "a\u0000"}`: "request_id",
		`{"request_id": "a", "lines": [{"line": 3, "quantity": 1}]}`:                             "lines[0].line",
		`{"request_id": "a", "lines": [{"line": 1, "quantity": 3}]}`:                             "lines[0].quantity",
		`{"request_id": "a", "lines": [{"line": 1, "quantity": -1}]}`:                            "lines[0].quantity",
		`{"request_id": "a", "lines": [{"line": 1, "quantity": 1}, {"line": 1, "quantity": 1}]}`: "lines[1].line",
		`{"request_id": "a", "lines": []}`:                                                       "lines",
		`{"request_id": "a", "reason": "Pat Miller moved"}`:                                      "reason",
	} {
		got := f.post(cancelPath, f.shop, body)
		require.Equal(t, http.StatusUnprocessableEntity, got.StatusCode, body)
		require.Equal(t, field, got.problem(t).Errors[0].Field, body)
	}
	require.Equal(t, http.StatusUnprocessableEntity, f.do(http.MethodPost, cancelPath, f.shop, cancelAll, "Idempotency-Key", "other").StatusCode)
	require.Empty(t, f.orders.asked)
	require.Equal(t, http.StatusOK, f.do(http.MethodPost, cancelPath, f.shop, `{}`, "Idempotency-Key", "from-header").StatusCode)
	require.Equal(t, "api/from-header", f.orders.asked[0].(order.CancelRequest).ID)
}

func TestNewAddressWaitsInPostgresAndOnlyItsNameGoesToTheOrder(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	body := `{"request_id": "a-1", "ship_to": ` + newAddress + `}`
	for range 2 {
		got := f.post("/v1/orders/shop/1001/address", f.shop, body)
		require.Equal(t, http.StatusOK, got.StatusCode, got.body)
	}
	require.Equal(t, workflows.AddressRequest{Change: "shop/1001/a-1", Country: "US"}, f.orders.asked[0])
	require.Equal(t, f.orders.ids[0], f.orders.ids[1])
	require.Equal(t, 1, f.count(`SELECT count(*) FROM address_changes WHERE id = 'shop/1001/a-1' AND ship_to->>'street1' = '7 Oak St'`))
	got := f.post("/v1/orders/shop/1001/address", f.shop, strings.Replace(body, "7 Oak", "8 Oak", 1))
	require.Equal(t, "conflict", got.problem(t).Code)
	require.NotContains(t, f.log.String(), "Oak")
}

func TestRefusedAddressIsForgotten(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	f.orders.err = &order.Refusal{Reason: "purchase order DL-1 has gone to Acme with the old address"}
	got := f.post("/v1/orders/shop/1001/address", f.shop, `{"request_id": "a-1", "ship_to": `+newAddress+`}`)
	require.Equal(t, "refused", got.problem(t).Code)
	require.Zero(t, f.count(`SELECT count(*) FROM address_changes`))
	f.orders.err = gateway.ErrLate
	f.post("/v1/orders/shop/1001/address", f.shop, `{"request_id": "a-1", "ship_to": `+newAddress+`}`)
	require.Equal(t, 1, f.count(`SELECT count(*) FROM address_changes`), "the order may still take it")
}

func TestStorefrontCannotBringAnAddressThatWouldHaveHeldTheOrder(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	box := `{"request_id": "a-1", "ship_to": ` + strings.Replace(newAddress, "7 Oak St", "PO Box 7", 1) + `}`
	got := f.post("/v1/orders/shop/1001/address", f.shop, box)
	require.Equal(t, http.StatusUnprocessableEntity, got.StatusCode)
	require.Contains(t, got.problem(t).Errors[0].Message, "post office box")
	require.Equal(t, http.StatusOK, f.post("/v1/orders/shop/1001/address", f.support, box).StatusCode)
	bad := f.post("/v1/orders/shop/1001/address", f.support, strings.Replace(box, "PO Box", `X\nY`, 1))
	require.Equal(t, "ship_to.street1", bad.problem(t).Errors[0].Field)
}

func TestPeopleDecideAboutHeldOrders(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	const path = "/v1/orders/shop/1001/review"
	require.Equal(t, http.StatusOK, f.post(path, f.support, `{"decision": "approve"}`).StatusCode)
	require.Equal(t, workflows.ReviewRequest{Decision: order.ReviewApprove, By: "support"}, f.orders.asked[0])
	require.Equal(t, http.StatusOK, f.post(path, f.operator, `{"decision": "amend", "request_id": "r", "address": `+newAddress+`}`).StatusCode)
	require.Equal(t, workflows.ReviewRequest{Decision: order.ReviewAmend, By: "operator", AddressChange: "shop/1001/r"}, f.orders.asked[1])
	require.Equal(t, 1, f.count(`SELECT count(*) FROM address_changes WHERE id = 'shop/1001/r'`))
	for _, body := range []string{`{"decision": "amend"}`, `{"decision": "reject", "address": ` + newAddress + `}`, `{"decision": "burn"}`, `{}`} {
		require.Equal(t, http.StatusUnprocessableEntity, f.post(path, f.support, body).StatusCode, body)
	}
	require.Len(t, f.orders.asked, 2)
}

func TestOperatorResolvesOnlyWhatIsThere(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	s := order.State{
		Key: order.Key{Storefront: "shop", Order: "1001"}, Validated: true,
		Cases: []order.Case{{Key: "DL-1/1Z", Status: order.CaseDeciding}},
		POs:   []order.PurchaseOrder{{Number: "DL-1", Withdrawals: []order.Withdrawal{{Key: "DL-1/c1", Status: order.Awaiting}}}},
	}
	state, err := json.Marshal(s)
	require.NoError(t, err)
	f.exec(`UPDATE orders SET state = $1`, state)
	const path = "/v1/orders/shop/1001/resolve"
	require.Equal(t, http.StatusOK, f.post(path, f.operator, `{"withdrawal": "DL-1/c1", "confirmed": false}`).StatusCode)
	require.Equal(t, workflows.ResolveRequest{Withdrawal: "DL-1/c1", By: "operator"}, f.orders.asked[0])
	require.Equal(t, http.StatusOK, f.post(path, f.operator, `{"case": "DL-1/1Z", "outcome": "absorbed_as_loss"}`).StatusCode)
	require.Equal(t, workflows.ResolveRequest{Case: "DL-1/1Z", Outcome: order.CaseAbsorbed, By: "operator"}, f.orders.asked[1])
	for _, body := range []string{
		`{}`, `{"withdrawal": "DL-1/c1"}`, `{"withdrawal": "x", "confirmed": true}`, `{"case": "x", "outcome": "intercepted"}`,
		`{"case": "DL-1/1Z", "outcome": "opened"}`, `{"case": "DL-1/1Z", "outcome": "intercepted", "withdrawal": "DL-1/c1", "confirmed": true}`,
	} {
		require.Equal(t, http.StatusUnprocessableEntity, f.post(path, f.operator, body).StatusCode, body)
	}
	require.Len(t, f.orders.asked, 2)
}

func TestEachRoleMayDoWhatItIsFor(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	bodies := map[string]string{
		"cancel": `{"request_id": "1"}`, "address": `{"request_id": "1", "ship_to": ` + newAddress + `}`,
		"review": `{"decision": "approve"}`, "resolve": `{"case": "x", "outcome": "intercepted"}`,
	}
	for role, may := range map[string]struct {
		token string
		what  string
	}{
		"storefront": {f.shop, "cancel address"}, "support": {f.support, "cancel address review"}, "operator": {f.operator, "cancel address review resolve"},
	} {
		for action, body := range bodies {
			got := f.post("/v1/orders/shop/1001/"+action, may.token, body)
			require.Equal(t, !strings.Contains(may.what, action), got.StatusCode == http.StatusForbidden, "%s %s: %s", role, action, got.body)
		}
	}
}

func TestFaultOfOursIsLoggedAndNotTold(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	f.orders.err = errors.New("dial tcp 10.1.2.3:7233: SELECT secret")
	got := f.post(cancelPath, f.shop, cancelAll)
	require.Equal(t, http.StatusInternalServerError, got.StatusCode)
	require.NotContains(t, got.body, "10.1.2.3")
	require.Contains(t, f.log.String(), "10.1.2.3")
	require.Contains(t, f.log.String(), got.problem(t).RequestID)
}

// A decision can be the last thing an order waited for. When its answer was lost and the same request
// comes again, the order has closed because of it, and that is not a refusal.
func TestADecisionThatClosedItsOrderIsNotCalledRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	s := order.State{Key: order.Key{Storefront: "shop", Order: "1001"}, Settled: true, Validated: true, Cases: []order.Case{{Key: "DL-1/1Z", Status: order.CaseAbsorbed}}}
	state, err := json.Marshal(s)
	require.NoError(t, err)
	f.exec(`UPDATE orders SET state = $1, closed_at = now()`, state)
	for path, body := range map[string]string{
		"/v1/orders/shop/1001/resolve": `{"request_id": "r-1", "case": "DL-1/1Z", "outcome": "absorbed_as_loss"}`,
		"/v1/orders/shop/1001/review":  `{"request_id": "r-1", "decision": "reject"}`,
	} {
		f.orders.err = nil
		require.Equal(t, http.StatusOK, f.post(path, f.operator, body).StatusCode, "the order remembers it")
		f.orders.err = gateway.ErrNotRunning
		got := f.post(path, f.operator, body)
		require.Equal(t, "refused", got.problem(t).Code, "it was never asked that")
		require.Contains(t, got.problem(t).Detail, "the order is closed")
		f.orders.err = gateway.ErrUnreachable
		require.Equal(t, http.StatusServiceUnavailable, f.post(path, f.operator, body).StatusCode, "nobody can tell now")
	}
}

// What the API shows may be ahead of what the workflow has heard. A decision about it is then not refused.
func TestADecisionAboutNewsThatIsOnItsWayIsNotCalledRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	s := order.State{
		Key: order.Key{Storefront: "shop", Order: "1001"}, Validated: true,
		Cases: []order.Case{{Key: "DL-1/1Z", Status: order.CaseDeciding}, {Key: "DL-1/2Z", Status: order.CaseAbsorbed}},
	}
	state, err := json.Marshal(s)
	require.NoError(t, err)
	f.exec(`UPDATE orders SET state = $1`, state)
	f.orders.err = &order.Refusal{Reason: "there is no such case"}
	ask := func(parcel string) gateway.Problem {
		return f.post("/v1/orders/shop/1001/resolve", f.operator, `{"case": "DL-1/`+parcel+`", "outcome": "absorbed_as_loss"}`).problem(t)
	}
	require.Equal(t, "order_unreachable", ask("1Z").Code, "the workflow has not heard of the case yet")
	require.Equal(t, "refused", ask("2Z").Code, "nothing we know of allows it")
}
