package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/webhook"
)

// kept is an intake that remembers what it was given last.
type kept struct {
	documents []gateway.Document
	orders    []storefront.Order
}

func (k *kept) Store(_ context.Context, d gateway.Document) (gateway.Stored, error) {
	k.documents = append(k.documents, d)
	return gateway.Stored{}, nil
}

func (k *kept) Place(_ context.Context, d gateway.Document, o storefront.Order) (gateway.Stored, error) {
	k.documents, k.orders = append(k.documents, d), append(k.orders, o)
	return gateway.Stored{}, nil
}

// forget begins anew, so that a fuzz target need not build a gateway for every input.
func (k *kept) forget() { *k = kept{} }

func (l *safeLog) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

// everybody is the key of whoever shows one.
type everybody struct{}

func (everybody) Authenticate(context.Context, string) (apikey.Key, error) {
	return apikey.Key{ID: "k", Role: apikey.Storefront, Storefront: "shop"}, nil
}

// small is a gateway without Postgres, whose log and intake can be looked into.
func small() (http.Handler, *kept, *safeLog) {
	intake, log := &kept{}, &safeLog{}
	return gateway.New(gateway.Config{
		Keys: everybody{}, Intake: intake, Orders: &scripted{}, Log: zerolog.New(log),
		Secrets: secrets{"shopify/shop": {secret}, "supplier/acme": {secret}, "carrier/easypost": {secret}, "payments/shop": {secret}},
		KeyRate: gateway.Rate{PerSecond: 1 << 30, Burst: 1 << 30}, PartnerRate: gateway.Rate{PerSecond: 1 << 30, Burst: 1 << 30},
	}), intake, log
}

// largest is how long an answer may be whatever was asked: more would let a small request cost a lot.
const largest = 64 << 10

// sound holds for every answer: a known status, the one shape, bounded, and nothing from inside.
func sound(t *testing.T, w *httptest.ResponseRecorder, statuses ...int) {
	t.Helper()
	require.Contains(t, statuses, w.Code, w.Body.String())
	require.Less(t, w.Body.Len(), largest)
	require.NotRegexp(t, leaks, strings.Replace(w.Body.String(), w.Header().Get("X-Request-ID"), "", 1))
	if w.Code >= http.StatusBadRequest {
		require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
		var p gateway.Problem
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
		require.Equal(t, w.Code, p.Status)
	}
}

func send(handler http.Handler, path string, body []byte, headers http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header = headers
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func FuzzOrderBody(f *testing.F) {
	f.Add([]byte(orderBody))
	for _, change := range [][2]string{
		{`"12.50"`, `"92233720368547758.07"`},
		{`"quantity": 2`, `"quantity": 100000`},
		{`"quantity": 2`, `"quantity": 1e2`},
		{`"id"`, `"ſtorefront": "x", "storefront": "shop", "id"`},
		{`2026-03-02T15:04:05Z`, `9999-12-31T23:59:59-12:00`},
		{`2026-03-02T15:04:05Z`, `0000-01-01T00:00:00+12:00`},
		{`Pat Miller`, `Pat\u0000Miller`},
		{`"USD"`, `"KWD"`},
		{`"5.00"`, `"-5.00"`},
		{`"discount": "5.00", "total"`, `"discount": "25.00", "total"`},
		{`"paid"`, `null`},
		{`"id"`, `"lineſ": [], "id"`},
		{`"lines"`, `"LINES"`},
	} {
		f.Add([]byte(strings.Replace(orderBody, change[0], change[1], 1)))
	}
	handler, intake, log := small()
	f.Fuzz(func(t *testing.T, body []byte) {
		intake.forget()
		log.forget()
		w := send(handler, "/v1/orders", body, http.Header{"Authorization": {"Bearer x"}})
		sound(t, w, 201, 400, 413, 422)
		require.NotContains(t, log.String(), "Miller")
		read, err := gateway.ReadOrder("shop", body)
		if err != nil {
			require.Less(t, len(err.Error()), largest)
		}
		if w.Code != http.StatusCreated {
			require.Empty(t, intake.orders)
			require.NotContains(t, w.Body.String(), "Miller")
			return
		}
		require.NoError(t, err, "an archived body can be read again")
		require.Equal(t, body, intake.documents[0].Body, "the evidence is what came")
		stored := intake.orders[0]
		require.Equal(t, stored, read, "and means the same")
		require.Equal(t, "shop", stored.Key.Storefront)
		require.Empty(t, storefront.Problems(&stored))
		text, err := json.Marshal(stored)
		require.NoError(t, err)
		var again storefront.Order
		require.NoError(t, json.Unmarshal(text, &again))
		require.Equal(t, stored, again)
	})
}

func FuzzDelivery(f *testing.F) {
	for _, seed := range []string{
		`{"id": "e-1"}`, `{"id": "e-1", "ID": "e-2"}`, `{"İd": "x"}`, `[]`, `{}}`, `{"id": "` + strings.Repeat("x", 129) + `"}`,
		strings.Repeat("[", 65), "\xff", `{"id": "a\u0000b"}`, "",
	} {
		f.Add(uint8(0), []byte(seed), "orders/create", "event-1", uint16(3))
		f.Add(uint8(1), []byte(seed), "", "", uint16(0))
		f.Add(uint8(2), []byte(seed), "customers/redact", "a b", uint16(9))
		f.Add(uint8(3), []byte(seed), "", "", uint16(5))
	}
	handler, intake, log := small()
	f.Fuzz(func(t *testing.T, which uint8, body []byte, topic, event string, bit uint16) {
		path := []string{"/v1/shopify/shop/webhooks", "/v1/suppliers/acme/events", "/v1/carriers/easypost/events", "/v1/webhooks/payments/shop"}[which%4]
		intake.forget()
		log.forget()
		signed := func(body []byte) http.Header {
			h := http.Header{"X-Shopify-Topic": {topic}, "X-Shopify-Event-Id": {event}}
			pairs := signatures(string(body))
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] != "X-Shopify-Topic" {
					h.Set(pairs[i], pairs[i+1])
				}
			}
			return h
		}
		w := send(handler, path, body, signed(body))
		sound(t, w, 202, 400, 413)
		for _, d := range intake.documents {
			require.Equal(t, http.StatusAccepted, w.Code)
			require.Equal(t, body, d.Body, "the raw bytes are what was signed")
			require.Regexp(t, `^[A-Za-z0-9_./:-]{1,210}$`, d.NaturalKey)
			require.Regexp(t, `^(shopify/shop|supplier/acme|carrier/easypost|payments/shop)$`, d.Source)
			require.Regexp(t, `^[a-z_/]{1,81}$`, d.Kind)
		}
		stored := len(intake.documents)
		// The same signature on any other body is nobody's.
		forged := append(bytes.Clone(body), ' ')
		forged[int(bit/8)%len(forged)] ^= 1 << (bit % 8)
		if bytes.Equal(forged, body) {
			return
		}
		sound(t, send(handler, path, forged, signed(body)), 401, 413)
		none := signed(body)
		for _, name := range []string{"X-Shopify-Hmac-Sha256", "Dropline-Signature", "Stripe-Signature", "X-Hmac-Signature"} {
			none.Del(name)
		}
		if len(body) > 0 { // without any body there is nothing to judge
			sound(t, send(handler, path, body, none), 401, 413)
		}
		old := signed(body)
		for _, timed := range []string{"Dropline-Signature", "Stripe-Signature"} {
			old.Set(timed, webhook.Sign(secret, body, time.Now().Add(-6*time.Minute)))
		}
		if which%2 == 1 && len(body) > 0 {
			sound(t, send(handler, path, body, old), 401, 413)
		}
		require.Len(t, intake.documents, stored)
	})
}

func FuzzAddress(f *testing.F) {
	for _, path := range []string{
		"/v1/orders/shop/1001", "/v1/orders/..%2f..%2fetc/passwd", "/v1//orders", "/%00", "/v1/orders/shop/1001/../../x", "/v1/orders/*",
		"/v1/orders?cursor=%ff", "//evil.example/v1/orders", "/v1/suppliers/acme/events", "/v1/orders/shop/1%0d%0aSet-Cookie:%20a=b", "/docs#x",
	} {
		f.Add("GET", path, "caller-7")
		f.Add("DELETE", path, "a\"}\n{\"level\":\"fatal\"}")
		f.Add("G\x1b[2JT", path, strings.Repeat("x", 65))
	}
	handler, intake, log := small()
	f.Fuzz(func(t *testing.T, method, path, id string) {
		address, err := url.ParseRequestURI(path)
		if err != nil || len(path) > 4096 {
			return
		}
		intake.forget()
		log.forget()
		r := &http.Request{Method: method, URL: address, Header: http.Header{"X-Request-Id": {id}}, Body: http.NoBody, Host: "x"}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.NotEqual(t, http.StatusInternalServerError, w.Code, log.String())
		require.Regexp(t, `^[A-Za-z0-9._-]{1,64}$`, w.Header().Get("X-Request-ID"))
		require.False(t, strings.ContainsAny(w.Header().Get("Location"), "\r\n"))
		lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
		require.Len(t, lines, 1, "one request, one line")
		require.True(t, json.Valid([]byte(lines[0])))
		require.NotContains(t, lines[0], "\x1b")
	})
}
