package gateway_test

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/webhook"
)

func mac(secret, body string) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(body))
	return h.Sum(nil)
}

// shopify delivers a genuine order webhook; headers change it.
func (f *fixture) shopify(body string, headers ...string) answer {
	f.t.Helper()
	return f.do(http.MethodPost, "/v1/shopify/shop/webhooks", "", body, append([]string{
		"X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(mac(secret, body)),
		"X-Shopify-Topic", "orders/create", "X-Shopify-Event-Id", "event-1",
		"X-Shopify-Triggered-At", time.Now().UTC().Format(time.RFC3339),
	}, headers...)...)
}

// event delivers a genuine event of a supplier or carrier; headers change it.
func (f *fixture) event(from, body string, headers ...string) answer {
	f.t.Helper()
	kind, id, _ := strings.Cut(from, "/")
	genuine := []string{
		"Dropline-Signature", webhook.Sign(secret, []byte(body), time.Now()),
		"X-Hmac-Signature", "hmac-sha256-hex=" + hex.EncodeToString(mac(secret, body)),
	}
	return f.do(http.MethodPost, "/v1/"+kind+"s/"+id+"/events", "", body, append(genuine, headers...)...)
}

func TestGenuineDeliveriesAreCommittedRawBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const body = `{"id": "e-1",   "x": [1e999, 12345678901234567890]}`
	for source, deliver := range map[string]func() answer{
		"shopify/shop":     func() answer { return f.shopify(body) },
		"supplier/acme":    func() answer { return f.event("supplier/acme", body) },
		"carrier/easypost": func() answer { return f.event("carrier/easypost", body) },
	} {
		first, again := deliver(), deliver()
		require.Equal(t, http.StatusAccepted, first.StatusCode, first.body)
		require.JSONEq(t, `{"result": "stored"}`, first.body)
		require.Equal(t, http.StatusAccepted, again.StatusCode)
		require.JSONEq(t, `{"result": "repeat"}`, again.body)
		require.Equal(t, 1, f.count(`SELECT count(*) FROM documents WHERE source = $1 AND body = $2 AND status = 'received'`, source, []byte(body)))
	}
	require.Equal(t, 1, f.count(`SELECT count(*) FROM documents WHERE natural_key = 'orders/create:event-1' AND kind = 'orders/create'`))
	require.Equal(t, 2, f.count(`SELECT count(*) FROM documents WHERE natural_key = 'e-1'`))
	require.EqualValues(t, 6, f.nudged.Load())
}

func TestKnownShopifySignatureIsAccepted(t *testing.T) {
	t.Parallel()
	f := setup(t)
	got := f.shopify(`{"foo": "bar"}`, "X-Shopify-Hmac-Sha256", "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=")
	require.Equal(t, http.StatusAccepted, got.StatusCode, got.body)
}

func TestForgedDeliveriesAreRefusedAlikeAndLeaveNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const body = `{"id": "e-1"}`
	shopifySigned := func(secret, body string) string { return base64.StdEncoding.EncodeToString(mac(secret, body)) }
	bare := func(a answer) string {
		require.Equal(t, http.StatusUnauthorized, a.StatusCode, a.body)
		return strings.Replace(a.body, a.Header.Get("X-Request-ID"), "", 1)
	}
	want := bare(f.event("supplier/acme", body, "Dropline-Signature", ""))
	require.Contains(t, want, "bad_signature")
	for name, got := range map[string]answer{
		"shopify unsigned":                f.shopify(body, "X-Shopify-Hmac-Sha256", ""),
		"shopify another tenant's secret": f.shopify(body, "X-Shopify-Hmac-Sha256", shopifySigned("other_secret", body)),
		"shopify one bit changed":         f.shopify(strings.Replace(body, "1", "0", 1), "X-Shopify-Hmac-Sha256", shopifySigned(secret, body)),
		"shopify not base64":              f.shopify(body, "X-Shopify-Hmac-Sha256", "!!!"),
		"shopify empty secret":            f.shopify(body, "X-Shopify-Hmac-Sha256", shopifySigned("", body)),
		"shopify unknown storefront": f.do(http.MethodPost, "/v1/shopify/nowhere/webhooks", "", body,
			"X-Shopify-Hmac-Sha256", shopifySigned(secret, body)),
		"supplier unknown":           f.event("supplier/nobody", body),
		"supplier empty secret":      f.event("supplier/nobody", body, "Dropline-Signature", webhook.Sign("", []byte(body), time.Now())),
		"supplier wrong secret":      f.event("supplier/acme", body, "Dropline-Signature", webhook.Sign("x", []byte(body), time.Now())),
		"supplier forged and stale":  f.event("supplier/acme", body, "Dropline-Signature", webhook.Sign("x", []byte(body), time.Unix(1, 0))),
		"supplier huge signature":    f.event("supplier/acme", body, "Dropline-Signature", strings.Repeat("v1=00,", 1000)),
		"carrier unsigned":           f.event("carrier/easypost", body, "X-Hmac-Signature", ""),
		"carrier wrong":              f.event("carrier/easypost", body+" ", "X-Hmac-Signature", "hmac-sha256-hex="+hex.EncodeToString(mac(secret, body))),
		"an API key is no signature": f.do(http.MethodPost, "/v1/suppliers/acme/events", f.operator, body),
		"not JSON and unsigned":      f.event("supplier/acme", `{`, "Dropline-Signature", ""),
	} {
		require.Equal(t, want, bare(got), name)
	}
	require.Zero(t, f.count(`SELECT count(*) FROM documents`))
}

func TestOldDeliveriesAreRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const body = `{"id": "e-1"}`
	for _, got := range []answer{
		f.event("supplier/acme", body, "Dropline-Signature", webhook.Sign(secret, []byte(body), time.Now().Add(-6*time.Minute))),
		f.event("supplier/acme", body, "Dropline-Signature", webhook.Sign(secret, []byte(body), time.Now().Add(6*time.Minute))),
		f.shopify(body, "X-Shopify-Triggered-At", time.Now().Add(-8*24*time.Hour).Format(time.RFC3339)),
	} {
		require.Equal(t, "stale_delivery", got.problem(t).Code)
	}
	require.Zero(t, f.count(`SELECT count(*) FROM documents`))
	require.Equal(t, http.StatusAccepted, f.shopify(body, "X-Shopify-Triggered-At", time.Now().Add(-6*24*time.Hour).Format(time.RFC3339)).StatusCode)
}

func TestDeliveriesOfOtherShapesAreRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	_, err := zip.Write(make([]byte, 1<<20))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	deep := strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65)
	for name, test := range map[string]struct {
		body    string
		headers []string
		status  int
	}{
		"gzip bomb":           {bomb.String(), []string{"Content-Encoding", "gzip"}, 415},
		"form":                {"a=b", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		"no type":             {`{}`, []string{"Content-Type", ""}, 415},
		"other charset":       {`{}`, []string{"Content-Type", "application/json; charset=utf-16"}, 415},
		"too large":           {`{"a":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 413},
		"empty":               {"", nil, 400},
		"not JSON":            {"hello", nil, 400},
		"two documents":       {`{} {}`, nil, 400},
		"cut off":             {`{"id": "e`, nil, 400},
		"deep":                {deep, nil, 400},
		"very deep":           {strings.Repeat("[", 500_000), nil, 400},
		"stray closing brace": {`{}}`, nil, 400},
		"trailing comma":      {`{"a":1,}`, nil, 400},
	} {
		for _, got := range []answer{
			f.shopify(test.body, test.headers...), f.event("supplier/acme", test.body, test.headers...), f.event("carrier/easypost", test.body, test.headers...),
		} {
			require.Equal(t, test.status, got.StatusCode, "%s: %s", name, got.body)
			require.Equal(t, test.status, got.problem(t).Status)
		}
	}
	require.Zero(t, f.count(`SELECT count(*) FROM documents`))
}

func TestDeliveryAtTheLimitsIsTaken(t *testing.T) {
	t.Parallel()
	f := setup(t)
	deep := `{"id":"deep","a":` + strings.Repeat(`[`, 63) + strings.Repeat(`]`, 63) + `}`
	require.Equal(t, http.StatusAccepted, f.event("supplier/acme", deep).StatusCode)
	large := `{"id":"large","a":"` + strings.Repeat("x", 1<<20-len(`{"id":"large","a":""}`)) + `"}`
	require.Len(t, large, 1<<20)
	require.Equal(t, http.StatusAccepted, f.event("supplier/acme", large, "Content-Type", "application/json; charset=UTF-8").StatusCode)
}

func TestEventWithoutAUsableIDIsKnownByItsContent(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for i, body := range []string{
		`{}`, `[]`, `{"id": 7}`, `{"id": ""}`, `{"id": "a b"}`, `{"id": "x", "id": "y"}`, `{"id": "x", "ID": "y"}`,
		`{"ID": "x"}`, `{"data": {"id": "inner"}}`, `[{"id": "x"}]`, `{"id": {"id": "x"}}`, `{"id": "` + strings.Repeat("x", 200) + `"}`,
	} {
		require.JSONEq(t, `{"result": "stored"}`, f.event("supplier/acme", body).body, body)
		require.JSONEq(t, `{"result": "repeat"}`, f.event("supplier/acme", body).body, body)
		require.Equal(t, i+1, f.count(`SELECT count(*) FROM documents WHERE natural_key LIKE 'sha256:%'`), body)
	}
}

func TestSameEventIDWithOtherContentIsKeptForAPerson(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.event("supplier/acme", `{"id": "e", "n": 1}`)
	require.Equal(t, http.StatusAccepted, f.event("supplier/acme", `{"id": "e", "n": 2}`).StatusCode)
	require.Equal(t, 1, f.count(`SELECT count(*) FROM documents WHERE status = 'quarantined'`))
}

func TestTopicsNobodyReadsAreNotKept(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, topic := range []string{"customers/update", "shop/redact", "", "../../x"} {
		got := f.shopify(`{"email": "pat@example.com"}`, "X-Shopify-Topic", topic)
		require.Equal(t, http.StatusAccepted, got.StatusCode)
		require.JSONEq(t, `{"result": "ignored"}`, got.body)
	}
	require.Zero(t, f.count(`SELECT count(*) FROM documents`))
	for i, topic := range []string{"orders/create", "orders/updated", "orders/cancelled", "orders/paid"} {
		f.shopify(`{}`, "X-Shopify-Topic", topic)
		require.Equal(t, i+1, f.count(`SELECT count(*) FROM documents`))
	}
	f.shopify(`{}`, "X-Shopify-Event-Id", "", "X-Shopify-Webhook-Id", "w-1")
	f.shopify(`{}`, "X-Shopify-Event-Id", "")
	require.Equal(t, 2, f.count(`SELECT count(*) FROM documents WHERE natural_key IN ('orders/create:w-1') OR natural_key LIKE 'orders/create:sha256:%'`))
}

func TestReplacedSecretWorksBesideTheNewOne(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, s := range []string{"old", secret} {
		body := `{"id": "` + s + `"}`
		require.Equal(t, http.StatusAccepted, f.event("supplier/acme", body, "Dropline-Signature", webhook.Sign(s, []byte(body), time.Now())).StatusCode)
	}
}

func TestFloodOfOnePartnerIsSlowedAndOthersPass(t *testing.T) {
	t.Parallel()
	now := time.Now()
	f := setup(t, func(c *gateway.Config) {
		c.PartnerRate, c.KeyRate = gateway.Rate{PerSecond: 1, Burst: 2}, gateway.Rate{PerSecond: 1, Burst: 2}
		c.Now = func() time.Time { return now }
	})
	const body = `{"id": "e"}`
	for range 5 { // what does not verify costs the partner nothing
		require.Equal(t, http.StatusUnauthorized, f.event("supplier/acme", body, "Dropline-Signature", "t=1,v1=00").StatusCode)
	}
	for i, want := range []int{http.StatusAccepted, http.StatusAccepted, http.StatusTooManyRequests} {
		got := f.event("supplier/acme", body)
		require.Equal(t, want, got.StatusCode, i)
		require.Equal(t, want == http.StatusTooManyRequests, got.Header.Get("Retry-After") == "1")
		require.Equal(t, want == http.StatusTooManyRequests, f.get("/v1/orders", f.shop).StatusCode == http.StatusTooManyRequests, i)
	}
	require.Equal(t, http.StatusAccepted, f.event("carrier/easypost", body).StatusCode)
	require.Equal(t, http.StatusOK, f.get("/v1/orders", f.other).StatusCode)
	now = now.Add(time.Second)
	require.Equal(t, http.StatusOK, f.get("/v1/orders", f.shop).StatusCode)
	require.Equal(t, http.StatusTooManyRequests, f.get("/v1/orders", f.shop).StatusCode)
}
