package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/workflows"
)

// fixture is a gateway on a real Postgres, with orders whose answers the test decides.
type fixture struct {
	t       *testing.T
	pool    *pgxpool.Pool
	handler http.Handler
	orders  *scripted
	log     *safeLog
	nudged  atomic.Int64
	// shop and other are storefronts' tokens.
	shop, other, support, operator string
}

type secrets map[string][]string

func (s secrets) Secrets(kind, id string) []string { return s[kind+"/"+id] }

const secret = "test_secret_key"

func setup(t *testing.T, change ...func(*gateway.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, pool: postgrestest.Pool(t), orders: &scripted{}, log: &safeLog{}}
	_, err := f.pool.Exec(t.Context(), `INSERT INTO storefronts (id, document) VALUES ('shop', '{}'), ('other', '{}')`)
	require.NoError(t, err)
	keys := apikey.New(f.pool)
	for _, k := range []struct {
		token      *string
		role       apikey.Role
		storefront string
	}{
		{&f.shop, apikey.Storefront, "shop"},
		{&f.other, apikey.Storefront, "other"},
		{&f.support, apikey.Support, ""},
		{&f.operator, apikey.Operator, ""},
	} {
		*k.token, _, err = keys.Create(t.Context(), k.role, k.storefront)
		require.NoError(t, err)
	}
	placing, err := intake.NewOrders([]byte("sixteen bytes or more"))
	require.NoError(t, err)
	config := gateway.Config{
		Database: f.pool, Keys: keys, Orders: f.orders, Log: zerolog.New(f.log),
		Intake: gateway.CommitTo(f.pool, &intake.Archive{Pool: f.pool}, placing),
		Secrets: secrets{
			"shopify/shop": {secret}, "shopify/other": {"other_secret"}, "supplier/acme": {"old", secret}, "carrier/easypost": {secret},
			"payments/shop": {"old", secret}, "payments/other": {"other_secret"},
		},
		Nudge:      func() { f.nudged.Add(1) },
		AnswerWait: time.Second,
	}
	for _, c := range change {
		c(&config)
	}
	f.handler = gateway.New(config)
	return f
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

func (a answer) problem(t *testing.T) gateway.Problem {
	t.Helper()
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), a.body)
	var p gateway.Problem
	require.NoError(t, json.Unmarshal([]byte(a.body), &p))
	require.Equal(t, a.StatusCode, p.Status)
	require.Equal(t, a.Header.Get("X-Request-ID"), p.RequestID)
	require.NotEmpty(t, p.Action)
	return p
}

func (f *fixture) do(method, path, token, body string, headers ...string) answer {
	f.t.Helper()
	r := httptest.NewRequestWithContext(f.t.Context(), method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Del(headers[i])
		if headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	got, err := io.ReadAll(w.Result().Body)
	require.NoError(f.t, err)
	return answer{w.Result(), string(got)}
}

func (f *fixture) get(path, token string) answer { return f.do(http.MethodGet, path, token, "") }

func (f *fixture) post(path, token, body string) answer {
	return f.do(http.MethodPost, path, token, body)
}

func (f *fixture) count(sql string, args ...any) int {
	f.t.Helper()
	var n int
	require.NoError(f.t, f.pool.QueryRow(f.t.Context(), sql, args...).Scan(&n))
	return n
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	_, err := f.pool.Exec(f.t.Context(), sql, args...)
	require.NoError(f.t, err)
}

// started places order 1001 and gives it the state that a workflow would have recorded.
func (f *fixture) started() {
	f.t.Helper()
	require.Equal(f.t, http.StatusCreated, f.post("/v1/orders", f.shop, orderBody).StatusCode)
	s := order.State{Key: order.Key{Storefront: "shop", Order: "1001"}}
	s.ValidatedWith(order.Verdict{Currency: "USD", Country: "US", Lines: []order.Line{
		{Line: 1, SKU: "MUG", Ordered: 2}, {Line: 2, SKU: "TEE", Ordered: 1},
	}}, time.Now())
	state, err := json.Marshal(s)
	require.NoError(f.t, err)
	f.exec(`UPDATE orders SET state = $1, started_at = now(), deliver_at = NULL WHERE key = 'shop/1001'`, state)
}

const orderBody = `{
  "id": "1001", "number": "#1001", "placed_at": "2026-03-02T15:04:05Z", "currency": "USD",
  "lines": [
    {"sku": "MUG", "title": "Blue mug", "quantity": 2, "unit_price": "12.50", "tax": "2.00"},
    {"sku": "TEE", "quantity": 1, "unit_price": "20.00", "discount": "5.00", "tax": "1.20"}
  ],
  "shipping": "4.90", "shipping_tax": "0.39", "discount": "5.00", "total": "48.49",
  "payment": {"status": "paid", "captured": "48.49", "reference": "ch_1"},
  "ship_to": {"name": "Pat Miller", "street1": "5 Elm St", "city": "Dover", "region": "DE", "postal_code": "19901", "country": "US"},
  "email": "pat@example.com", "locale": "en-US"
}`

// scripted answers as the test says, and remembers what it was asked.
type scripted struct {
	mu     sync.Mutex
	err    error
	reply  order.CancelReply
	asked  []any
	ids    []string
	before func(ctx context.Context)
}

func (s *scripted) take(ctx context.Context, id string, request any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.ids = append(s.asked, request), append(s.ids, id)
	if s.before != nil {
		s.before(ctx)
	}
	return s.err
}

func (s *scripted) Cancel(ctx context.Context, _ order.Key, id string, r order.CancelRequest) (order.CancelReply, error) {
	return s.reply, s.take(ctx, id, r)
}

func (s *scripted) Review(ctx context.Context, _ order.Key, id string, r workflows.ReviewRequest) (workflows.Answer, error) {
	return workflows.Answer{Message: "Reviewed.", Stage: order.StageReceived}, s.take(ctx, id, r)
}

func (s *scripted) ChangeAddress(ctx context.Context, _ order.Key, id string, r workflows.AddressRequest) (workflows.Answer, error) {
	return workflows.Answer{Message: "Changed.", Stage: order.StageReceived}, s.take(ctx, id, r)
}

func (s *scripted) Resolve(ctx context.Context, _ order.Key, id string, r workflows.ResolveRequest) (workflows.Answer, error) {
	return workflows.Answer{Message: "Resolved.", Stage: order.StageShipped}, s.take(ctx, id, r)
}

func (s *scripted) CancelReturn(ctx context.Context, _ order.Key, _, id string, r returns.CancelRequest) (workflows.ReturnAnswer, error) {
	return workflows.ReturnAnswer{Message: "Cancelled.", Stage: returns.StageCancelled}, s.take(ctx, id, r)
}

func (s *scripted) DecideReturn(ctx context.Context, _ order.Key, _, id string, d returns.Decision) (workflows.ReturnAnswer, error) {
	return workflows.ReturnAnswer{Message: "Noted.", Stage: returns.StageSettling}, s.take(ctx, id, d)
}

func (s *scripted) DecidePayment(ctx context.Context, _ order.Key, id string, d payments.Decision) (workflows.PaymentAnswer, error) {
	return workflows.PaymentAnswer{Message: "Noted.", Stage: payments.StageSettling}, s.take(ctx, id, d)
}

func (s *scripted) SettleClaim(ctx context.Context, _, id string, d claims.Settlement) (workflows.ClaimAnswer, error) {
	return workflows.ClaimAnswer{Settled: 300}, s.take(ctx, id, d)
}

func (s *scripted) Reachable(context.Context) error { return s.err }

// safeLog is a log that a test may read while it is written.
type safeLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *safeLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func request(ctx context.Context, path, token, body string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	return r
}

// discard is a caller that hung up.
type discard struct{}

func (discard) Header() http.Header       { return http.Header{} }
func (discard) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
func (discard) WriteHeader(int)           {}
