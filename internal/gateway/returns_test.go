package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sla"
)

const (
	returnsPath = "/v1/orders/shop/1001/returns"
	oneMug      = `{"request_id": "r-1", "lines": [{"line": 1, "quantity": 1, "reason": "changed_mind"}]}`
)

// delivered brings order 1001 to the customer, so many days ago.
func (f *fixture) delivered(days int) {
	f.t.Helper()
	f.started()
	key := order.Key{Storefront: "shop", Order: "1001"}
	po, at := key.PurchaseOrderNumber(1), time.Now().AddDate(0, 0, -days)
	shop := catalog.Storefront{ID: "shop", Policy: catalog.Policy{Returns: catalog.ReturnPolicy{
		WindowDays: 30, SendWithin: sla.MustTerm("14d"), InspectWithin: sla.MustTerm("3d"),
	}}}
	acme := catalog.Supplier{ID: "acme", Name: "Acme"}
	acme.Contract.Returns = catalog.Returns{WindowDays: 30, CreditWithin: sla.MustTerm("14d")}
	state := order.State{Key: key, Validated: true, Lines: []order.Line{{Line: 1, SKU: "MUG", Ordered: 2}}, POs: []order.PurchaseOrder{{
		Number: po, Supplier: "acme", Lines: []order.POLine{{Line: 1, SKU: "MUG", Quantity: 2, UnitCost: 400, Units: order.Units{Delivered: 2}}},
	}}}
	b := &pgx.Batch{}
	b.Queue(`UPDATE storefronts SET document = $1 WHERE id = 'shop'`, shop)
	b.Queue(`INSERT INTO suppliers (id, document) VALUES ('acme', $1)`, acme)
	b.Queue(`UPDATE orders SET state = $1 WHERE key = 'shop/1001'`, state)
	b.Queue(`INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ('shop/1001', 1, '{}', '{}')`)
	b.Queue(`INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, terms)
		VALUES ($1, 'shop/1001', 1, 'acme', 'shipped', 'USD', '{}')`, po)
	b.Queue(`INSERT INTO purchase_order_lines (number, order_key, line, sku, supplier_sku, quantity, live, reserved, unit_cost)
		VALUES ($1, 'shop/1001', 1, 'MUG', 'A-1', 2, 2, 0, 400)`, po)
	b.Queue(`INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, milestone, milestone_at)
		VALUES ($1, 'ups', '1Z', 'shop/1001', '[{"line":1,"quantity":2}]', now(), 'delivered', $2)`, po, at)
	require.NoError(f.t, f.pool.SendBatch(f.t.Context(), b).Close())
}

// granted asks for a return and gives the path that it has in the API.
func (f *fixture) granted() string {
	f.t.Helper()
	var said struct {
		Returns []struct{ Links struct{ Self string } }
	}
	got := f.post(returnsPath, f.shop, oneMug)
	require.Equal(f.t, http.StatusCreated, got.StatusCode, got.body)
	require.NoError(f.t, json.Unmarshal([]byte(got.body), &said))
	return said.Returns[0].Links.Self
}

func TestAReturnIsGrantedAtOnceAndShownWithItsOrder(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.delivered(3)
	before := f.nudged.Load()
	self := f.granted()
	require.Greater(t, f.nudged.Load(), before, "its workflow begins at once")
	again := f.post(returnsPath, f.shop, oneMug)
	require.Equal(t, http.StatusOK, again.StatusCode)
	require.Contains(t, again.body, `"request_id":"r-1"`)
	require.Contains(t, again.body, "Send the goods back until ")
	require.Equal(t, 1, f.count(`SELECT count(*) FROM returns`))

	var one orderview.Return
	shown := f.get(self, f.support)
	require.NoError(t, json.Unmarshal([]byte(shown.body), &one), shown.body)
	require.Equal(t, "authorising", one.Stage)
	require.Equal(t, []orderview.ReturnLine{{Line: 1, SKU: "MUG", Quantity: 1, Reason: "changed_mind", Found: []orderview.Found{}}}, one.Lines)
	require.Contains(t, f.get("/v1/orders/shop/1001", f.shop).body, one.RMA)
	require.Contains(t, f.get("/v1/orders/shop/1001/timeline", f.shop).body, "Return granted by request of storefront: 1 × MUG")
	require.Contains(t, f.get(returnsPath, f.shop).body, one.RMA)
	require.Equal(t, shown.body, f.get("/v1/returns/"+one.RMA, f.shop).body)
	require.Equal(t, http.StatusNotFound, f.get("/v1/returns/"+one.RMA, f.other).StatusCode)
	require.Contains(t, f.get("/v1/returns", f.operator).body, one.RMA)
	require.NotContains(t, f.get("/v1/returns", f.other).body, one.RMA)
	require.NotContains(t, f.get("/v1/returns?needs_attention=true", f.operator).body, one.RMA)
	require.Equal(t, http.StatusNotFound, f.get(self, f.other).StatusCode)
	require.Equal(t, http.StatusNotFound, f.get(returnsPath+"/RMA-9", f.shop).StatusCode)
	require.Equal(t, http.StatusNotFound, f.get("/v1/orders/shop/1002/returns", f.shop).StatusCode)
}

func TestAnotherRequestUnderTheIDIsAConflict(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.delivered(3)
	f.granted()
	got := f.post(returnsPath, f.shop, strings.Replace(oneMug, "changed_mind", "damaged", 1))
	require.Equal(t, "conflict", got.problem(t).Code)
}

func TestARefusedReturnSaysWhyInWordsAndInCodeTheSameEachTime(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.delivered(40)
	for range 2 {
		got := f.post(returnsPath, f.shop, oneMug)
		require.Equal(t, http.StatusUnprocessableEntity, got.StatusCode)
		p := got.problem(t)
		require.Equal(t, "return_refused", p.Code)
		require.Equal(t, "window_closed", p.Refusal.Code)
		require.WithinDuration(t, time.Now().AddDate(0, 0, -10), *p.Refusal.Until, 48*time.Hour)
		require.Contains(t, p.Detail, "could be returned until")
	}
	override := `{"request_id": "r-2", "override": true, "lines": [{"line": 1, "quantity": 1, "reason": "changed_mind"}]}`
	require.Equal(t, "override", f.post(returnsPath, f.support, override).problem(t).Errors[0].Field)
	require.Equal(t, http.StatusCreated, f.post(returnsPath, f.operator, override).StatusCode)
}

func TestWhatIsNotOfferedIsNotPretended(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.delivered(3)
	for _, wish := range []string{"exchange", "store_credit"} {
		body := strings.Replace(oneMug, "{", `{"resolution": "`+wish+`", `, 1)
		got := f.post(returnsPath, f.shop, strings.Replace(body, "r-1", "r-"+strings.ReplaceAll(wish, "_", "-"), 1))
		require.Equal(t, "return_refused", got.problem(t).Code)
		require.Equal(t, "outcome_not_offered", got.problem(t).Refusal.Code)
	}
	require.Zero(t, f.count(`SELECT count(*) FROM returns`))
}

// exchange asks for another article for one mug.
const exchange = `{"request_id": "x-1", "resolution": "exchange", "currency": "USD", "payment": {"reference": "pay-1", "captured": "%s"},
	"lines": [{"line": 1, "quantity": 1, "reason": "wrong_size", "exchange": {"sku": "%s", "unit_price": "%s"}}]}`

func TestAnExchangeIsPricedAndAnsweredWithWhatIsMissing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.delivered(3)
	f.exec(`UPDATE storefronts SET document = jsonb_set(document, '{policy,returns,outcomes}', '["refund", "exchange"]') WHERE id = 'shop'`)
	f.exec(`INSERT INTO offers (supplier, sku, document, on_hand) SELECT id, 'JUG', '{}', 9 FROM suppliers LIMIT 1`)
	asks := func(n int, paid, sku, price string) answer {
		return f.post(returnsPath, f.shop, strings.Replace(fmt.Sprintf(exchange, paid, sku, price), "x-1", fmt.Sprint("x-", n), 1))
	}
	require.Equal(t, "unknown_sku", asks(1, "0.00", "VASE", "1.00").problem(t).Refusal.Code)
	short := asks(2, "0.00", "JUG", "9000.00").problem(t).Refusal
	require.Equal(t, "payment_missing", short.Code)
	granted := asks(3, short.Missing, "JUG", "9000.00")
	require.Equal(t, http.StatusCreated, granted.StatusCode, granted.body)
	require.Equal(t, 1, f.count(`SELECT count(*) FROM exchange_payments WHERE reference = 'pay-1'`))
	require.Equal(t, 1, f.count(`SELECT count(*) FROM ledger_transactions WHERE kind = 'exchange_paid'`))
	again := asks(3, short.Missing, "JUG", "9000.00")
	require.Equal(t, http.StatusOK, again.StatusCode)
	require.Equal(t, "payment_used", asks(4, short.Missing, "JUG", "9000.00").problem(t).Refusal.Code)
	for body, field := range map[string]string{
		strings.Replace(exchange, `"currency": "USD", `, "", 1):                                                     "currency",
		strings.Replace(exchange, `"resolution": "exchange", `, "", 1):                                              "lines[0].exchange",
		strings.Replace(exchange, `"%s"}}]`, `"-%s"}}]`, 1):                                                         "lines[0].exchange.unit_price",
		strings.Replace(exchange, `{"request_id"`, `{"photo_urls": ["http://pictures.example/1"], "request_id"`, 1): "photo_urls[0]",
	} {
		require.Equal(t, field, f.post(returnsPath, f.shop, fmt.Sprintf(body, "0.00", "JUG", "1.00")).problem(t).Errors[0].Field, body)
	}
}

func TestAReturnIsCancelledByItsWorkflowOrTheRequestIsStored(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.delivered(3)
	self := f.granted()
	const keep = `{"request_id": "k-1"}`
	stored := f.post(self+"/cancel", f.shop, keep)
	require.Equal(t, http.StatusAccepted, stored.StatusCode, "its workflow does not exist yet: %s", stored.body)
	require.Equal(t, http.StatusAccepted, f.post(self+"/cancel", f.shop, keep).StatusCode)
	require.Equal(t, 1, f.count(`SELECT count(*) FROM return_facts WHERE kind = 'cancel_request' AND urgent`))

	f.exec(`DELETE FROM return_facts`)
	f.exec(`UPDATE returns SET started_at = now(), fact_seq = 0`)
	require.Contains(t, f.post(self+"/cancel", f.shop, keep).body, `"result":"answered"`)
	require.Equal(t, returns.CancelRequest{ID: "api/k-1", By: "storefront"}, f.orders.asked[0])
	for _, cause := range []error{gateway.ErrLate, gateway.ErrNotRunning, gateway.ErrUnreachable} {
		f.orders.err = cause
		require.Equal(t, http.StatusAccepted, f.post(self+"/cancel", f.shop, keep).StatusCode)
	}
	require.Equal(t, 1, f.count(`SELECT count(*) FROM return_facts`))
	f.orders.err = &order.Refusal{Reason: "the parcel is on its way"}
	require.Equal(t, "refused", f.post(self+"/cancel", f.shop, keep).problem(t).Code)
	require.Equal(t, http.StatusNotFound, f.post(self+"/cancel", f.other, keep).StatusCode)
	require.Equal(t, http.StatusNotFound, f.post(strings.Replace(self, "1001", "1002", 1)+"/cancel", f.shop, keep).StatusCode)
}

func TestAClosedReturnRefusesAndRemembersWhatItTook(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.delivered(3)
	self := f.granted()
	var s returns.State
	require.NoError(t, f.pool.QueryRow(t.Context(), `SELECT state FROM returns`).Scan(&s))
	s.Cancel(returns.CancelRequest{ID: "api/k-1", By: "storefront"}, time.Now())
	s.Closed = true
	f.exec(`UPDATE returns SET state = $1, closed_at = now(), started_at = now()`, s)
	require.Equal(t, http.StatusOK, f.post(self+"/cancel", f.shop, `{"request_id": "k-1"}`).StatusCode)
	require.Contains(t, f.post(self+"/cancel", f.shop, `{"request_id": "k-2"}`).problem(t).Detail, "is cancelled already")
	require.Contains(t, f.post(self+"/decide", f.support, `{"decision": "refuse"}`).problem(t).Detail, "the return is closed")
	require.Empty(t, f.orders.asked)
}

func TestPeopleDecideAboutReturns(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.delivered(3)
	path := f.granted() + "/decide"
	require.Equal(t, "order_unreachable", f.post(path, f.support, `{"decision": "refuse"}`).problem(t).Code)
	f.exec(`UPDATE returns SET started_at = now()`)
	for body, want := range map[string]returns.Decision{
		`{"request_id": "d", "decision": "pay_share", "line": 1, "share_bp": 5000}`: {Line: 1, ShareBP: 5000},
		`{"request_id": "d", "decision": "pay_share", "line": 1, "share_bp": 0}`:    {Line: 1},
		`{"request_id": "d", "decision": "refund_without_goods"}`:                   {ShareBP: 10_000},
		`{"request_id": "d", "decision": "refuse"}`:                                 {},
		`{"request_id": "d", "decision": "write_off", "reason": "too_small"}`:       {WriteOff: true, Reason: "too_small"},
		`{"request_id": "d", "decision": "noted", "matter": "surplus"}`:             {Noted: "surplus"},
	} {
		got := f.post(path, f.operator, body)
		require.Equal(t, http.StatusOK, got.StatusCode, "%s: %s", body, got.body)
		said := f.orders.asked[len(f.orders.asked)-1].(returns.Decision)
		require.Regexp(t, `^operator key \S+$`, said.By)
		want.ID, want.By = "api/d", said.By
		require.Equal(t, want, said)
	}
	findings := `{"request_id": "d", "decision": "record_findings", "findings": [{"line": 1, "quantity": 1, "condition": "opened"}]}`
	asked := len(f.orders.ids)
	for range 2 {
		require.Equal(t, http.StatusOK, f.post(path, f.support, findings).StatusCode)
	}
	require.Equal(t, f.orders.ids[asked], f.orders.ids[asked+1], "the same request has the same update id")
	require.True(t, f.orders.asked[asked].(returns.Decision).Findings.Final)
	for _, wrong := range []string{
		`{"decision": "pay_share", "line": 1}`, `{"decision": "pay_share", "share_bp": 5000}`, `{"decision": "record_findings"}`,
		`{"decision": "write_off"}`, `{"decision": "noted"}`, `{"decision": "burn"}`,
	} {
		require.Equal(t, http.StatusUnprocessableEntity, f.post(path, f.operator, wrong).StatusCode, wrong)
	}
	writeOff := `{"decision": "write_off", "reason": "agreed"}`
	require.Equal(t, http.StatusForbidden, f.post(path, f.support, writeOff).StatusCode)
	require.Equal(t, http.StatusForbidden, f.post(path, f.shop, `{"decision": "refuse"}`).StatusCode)
}

// A credit can come between the look of a person and the decision: what is let go is what was seen.
func TestWhatIsWrittenOffIsWhatWasLeft(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.delivered(3)
	path := f.granted() + "/decide"
	var s returns.State
	require.NoError(t, f.pool.QueryRow(t.Context(), `SELECT state FROM returns`).Scan(&s))
	s.Claim.Expected, s.Claim.Got = 1400, 700
	f.exec(`UPDATE returns SET started_at = now(), state = $1`, s)
	const off = `{"request_id": "w", "decision": "write_off", "reason": "too_small"}`
	require.Equal(t, http.StatusOK, f.post(path, f.operator, off).StatusCode)
	require.EqualValues(t, 700, f.orders.asked[0].(returns.Decision).Left)
	f.orders.err = &order.Refusal{Reason: "another amount by now"}
	require.Equal(t, "order_unreachable", f.post(path, f.operator, off).problem(t).Code, "the workflow has not heard of the credit yet")
}
