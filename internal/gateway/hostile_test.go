package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/webhook"
)

// Each of a million wrong values would be a finding of its own: the answer was fifty times as long as
// the request, and took a thousand times its memory.
func TestAnswerToAGreatManyMistakesIsShort(t *testing.T) {
	t.Parallel()
	handler, _, _ := small()
	placing := http.Header{"Authorization": {"Bearer x"}}
	for name, body := range map[string]string{
		"lines":   strings.Replace(orderBody, `"lines": [`, `"lines": [`+strings.Repeat("{},", 300_000), 1),
		"numbers": `{"lines": [` + strings.Repeat("1,", 500_000) + `1]}`,
	} {
		w := send(handler, "/v1/orders", []byte(body), placing.Clone())
		sound(t, w, http.StatusRequestEntityTooLarge)
		require.Less(t, w.Body.Len(), 1000, name)
	}
	var members strings.Builder
	for i := range 9000 {
		fmt.Fprintf(&members, `"member%d": 1, `, i)
	}
	w := send(handler, "/v1/orders", []byte(`{`+members.String()+`"id": "1"}`), placing.Clone())
	sound(t, w, http.StatusUnprocessableEntity)
	require.Contains(t, w.Body.String(), "more: correct these first")
	wrong := send(handler, "/v1/orders", []byte(strings.Replace(orderBody, `"lines": [`,
		`"lines": [`+strings.Repeat(`{"sku": "M", "quantity": 1, "unit_price": "1,0"},`, 400), 1)), placing.Clone())
	sound(t, wrong, http.StatusUnprocessableEntity)
	var p gateway.Problem
	require.NoError(t, json.Unmarshal(wrong.Body.Bytes(), &p))
	require.Len(t, p.Errors, 51)
	require.Equal(t, "lines[0].unit_price", p.Errors[0].Field)
}

func TestLargestOrderIsTaken(t *testing.T) {
	t.Parallel()
	handler, intake, _ := small()
	line := `{"sku": "M", "title": "T", "quantity": 1, "unit_price": "1.00", "discount": "0.00", "tax": "0.00", "external_id": "x"}`
	before, _, _ := strings.Cut(orderBody, `"lines"`)
	_, after, _ := strings.Cut(orderBody, `"shipping"`)
	body := before + `"lines": [` + strings.Repeat(line+",", 499) + line + `], "shipping"` + strings.Replace(after, `"discount": "5.00", `, "", 1)
	sound(t, send(handler, "/v1/orders", []byte(body), http.Header{"Authorization": {"Bearer x"}}), http.StatusCreated)
	require.Len(t, intake.orders[0].Lines, 500)
}

// encoding/json takes "ſku" for "sku", so which of two counts would depend on the reader.
func TestMembersThatOneReaderTakesForTheSameAreRefused(t *testing.T) {
	t.Parallel()
	handler, intake, _ := small()
	for _, other := range []string{"ſku", "SKU", "Sku"} {
		body := strings.Replace(orderBody, `{"sku": "MUG"`, `{"`+other+`": "GOLD", "sku": "MUG"`, 1)
		require.NotEqual(t, orderBody, body)
		sound(t, send(handler, "/v1/orders", []byte(body), http.Header{"Authorization": {"Bearer x"}}), http.StatusBadRequest)
		_, err := gateway.ReadOrder("shop", []byte(body))
		require.ErrorContains(t, err, "twice", other)
	}
	_, err := gateway.ReadOrder("shop", []byte(strings.Replace(orderBody, `"discount": "5.00", "total"`, `"discont": "5.00", "total"`, 1)))
	require.ErrorContains(t, err, "none of an order", "a file is held to what the API is held to")
	require.Empty(t, intake.orders)
}

// The last hours of 9999 in the west are in the year 10000, which no document can hold: the order was
// answered 500.
func TestTimesThatCannotBeStoredAreNamed(t *testing.T) {
	t.Parallel()
	handler, intake, _ := small()
	for _, at := range []string{"9999-12-31T23:59:59-12:00", "0000-01-01T00:00:00+14:00", "1999-12-31T23:59:59Z", "2101-01-01T00:00:00Z"} {
		w := send(handler, "/v1/orders", []byte(strings.Replace(orderBody, "2026-03-02T15:04:05Z", at, 1)), http.Header{"Authorization": {"Bearer x"}})
		sound(t, w, http.StatusUnprocessableEntity)
		require.Contains(t, w.Body.String(), "placed_at")
	}
	require.Empty(t, intake.orders)
}

func TestSQLMetacharactersAreTextFromEndToEnd(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for i, text := range []string{`'; DROP TABLE orders; --`, `" OR ""="`, `\'; SELECT pg_sleep(9); --`, `$1 $$ %s :x ?`, `{"$ne": null}`, `a'||(SELECT version())||'`} {
		quoted, err := json.Marshal(text)
		require.NoError(t, err)
		body := strings.NewReplacer(`"1001"`, fmt.Sprintf(`"m%d"`, i), `"#1001"`, string(quoted), `"MUG"`, string(quoted), `"ch_1"`, string(quoted)).Replace(orderBody)
		got := f.post("/v1/orders", f.shop, body)
		require.Equal(t, http.StatusCreated, got.StatusCode, got.body)
		require.Equal(t, 1, f.count(`SELECT count(*) FROM orders WHERE order_id = $1 AND document->>'number' = $2 AND document->'lines'->0->>'sku' = $2`, fmt.Sprintf("m%d", i), text))
		require.Contains(t, f.get("/v1/orders?limit=1", f.shop).body, strings.Trim(string(quoted), `"`))
		escaped := strings.NewReplacer("'", "%27", " ", "%20", ";", "%3B").Replace("m'; DROP TABLE orders; --")
		require.Equal(t, http.StatusNotFound, f.get("/v1/orders/shop/"+escaped, f.shop).StatusCode)
	}
	require.Equal(t, 6, f.count(`SELECT count(*) FROM orders`))
}

// secretStore is a partner's secrets, which somebody replaces.
type secretStore struct {
	mu   sync.Mutex
	acme []string
}

func (s *secretStore) Secrets(kind, id string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind+"/"+id == "supplier/acme" {
		return s.acme
	}
	return nil
}

func (s *secretStore) set(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acme = secrets
}

func TestSecretIsReplacedWithoutAGapAndTheOldOneEnds(t *testing.T) {
	t.Parallel()
	store := &secretStore{}
	f := setup(t, func(c *gateway.Config) { c.Secrets = store })
	n := 0
	deliver := func(secret string) int {
		n++
		body := fmt.Sprintf(`{"id": "e-%d"}`, n)
		return f.event("supplier/acme", body, "Dropline-Signature", webhook.Sign(secret, []byte(body), time.Now())).StatusCode
	}
	for _, step := range []struct {
		secrets  []string
		old, new int
	}{
		{[]string{"old"}, http.StatusAccepted, http.StatusUnauthorized},
		{[]string{"old", "new"}, http.StatusAccepted, http.StatusAccepted},
		{[]string{"new"}, http.StatusUnauthorized, http.StatusAccepted},
		{nil, http.StatusUnauthorized, http.StatusUnauthorized},
	} {
		store.set(step.secrets...)
		require.Equal(t, step.old, deliver("old"), "%v", step.secrets)
		require.Equal(t, step.new, deliver("new"), "%v", step.secrets)
	}
}

func TestKeyIsReplacedWithoutAGapAndTheOldOneEnds(t *testing.T) {
	t.Parallel()
	f := setup(t)
	keys := apikey.New(f.pool)
	f2 := setup(t, func(c *gateway.Config) { c.Database, c.Keys = f.pool, keys })
	old, oldKey, err := keys.Create(t.Context(), apikey.Storefront, "shop")
	require.NoError(t, err)
	next, _, err := keys.Create(t.Context(), apikey.Storefront, "shop")
	require.NoError(t, err)
	for _, token := range []string{old, next, old} {
		require.Equal(t, http.StatusOK, f2.get("/v1/orders", token).StatusCode)
	}
	require.NoError(t, keys.Revoke(t.Context(), oldKey.ID))
	require.Equal(t, http.StatusUnauthorized, f2.get("/v1/orders", old).StatusCode)
	require.Equal(t, http.StatusOK, f2.get("/v1/orders", next).StatusCode)
}

func TestReplayedDeliveryChangesNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const body = `{"id": "e-1"}`
	signature := webhook.Sign(secret, []byte(body), time.Now())
	for range 5 {
		require.Equal(t, http.StatusAccepted, f.event("supplier/acme", body, "Dropline-Signature", signature).StatusCode)
	}
	require.Equal(t, 1, f.count(`SELECT count(*) FROM documents`))
	require.Equal(t, http.StatusUnauthorized, f.event("supplier/other", body, "Dropline-Signature", signature).StatusCode, "nor elsewhere")
	require.Equal(t, 1, f.count(`SELECT count(*) FROM documents`))
}

// served is a gateway on a real connection.
func served(t *testing.T, handler http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- gateway.Serve(ctx, listener, handler) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	return listener.Addr().String()
}

// say writes bytes to the gateway and returns the statuses of all answers until it hangs up or waits
// for more.
func say(t *testing.T, address, text string) []int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	go func() { _, _ = io.WriteString(conn, text) }()
	reader := bufio.NewReader(conn)
	var statuses []int
	for {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return statuses
		}
		statuses = append(statuses, response.StatusCode)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, response.Body.Close())
		if err != nil || response.Close {
			return statuses
		}
	}
}

func TestConnectionsThatSpeakBadHTTPGetOneRefusal(t *testing.T) {
	t.Parallel()
	handler, intake, _ := small()
	address := served(t, handler)
	head := "POST /v1/orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\n"
	for name, c := range map[string]struct {
		text string
		want []int
	}{
		"two lengths":           {head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", []int{400}},
		"negative length":       {head + "Content-Length: -1\r\n\r\n{}", []int{400}},
		"length that overflows": {head + "Content-Length: 99999999999999999999\r\n\r\n{}", []int{400}},
		"length over the limit": {head + "Content-Length: 1048577\r\n\r\n" + strings.Repeat(" ", 1048577), []int{413}},
		"unknown coding":        {head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", []int{501}},
		"chunk without a size":  {head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", []int{400}},
		"chunks over the limit": {head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("10000\r\n"+strings.Repeat(" ", 0x10000)+"\r\n", 17) + "0\r\n\r\n", []int{413}},
		"hidden second request": {head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/orders HTTP/1.1\r\nHost: x\r\n\r\n", []int{400}},
		"NUL in a header":       {head + "X-A: a\x00b\r\n\r\n", []int{400}},
		"header without a name": {head + ": a\r\n\r\n", []int{400}},
		"folded header":         {head + "X-A: a\r\n b\r\nContent-Length: 2\r\n\r\n{}", []int{422}},
		"space before colon":    {head + "Content-Length : 2\r\n\r\n{}", []int{400}},
		"no host":               {"GET /healthz HTTP/1.1\r\n\r\n", []int{400}},
		"two hosts":             {"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", []int{400}},
		"not HTTP":              {"\x16\x03\x01\x02\x00\x01\x00", []int{400}},
		"line break in path":    {"GET /v1/orders\n/x HTTP/1.1\r\nHost: x\r\n\r\n", []int{400}},
		"headers over 16 KiB":   {head + strings.Repeat("X-A: "+strings.Repeat("b", 1000)+"\r\n", 40) + "\r\n", []int{431}},
		"HTTP/2 unasked":        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{404}},
	} {
		require.Equal(t, c.want, say(t, address, c.text), name)
	}
	require.Empty(t, intake.orders)
	require.Equal(t, []int{http.StatusOK}, say(t, address, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), "and it goes on")
}
