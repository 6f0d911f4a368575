package gateway_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/webhook"
)

func TestRequestsWithoutAValidKeyAreRefusedAlike(t *testing.T) {
	t.Parallel()
	f := setup(t)
	bare := func(a answer) string {
		require.Equal(t, http.StatusUnauthorized, a.StatusCode)
		require.Equal(t, "Bearer", a.Header.Get("WWW-Authenticate"))
		return strings.Replace(a.body, a.Header.Get("X-Request-ID"), "", 1)
	}
	want := bare(f.get("/v1/orders", ""))
	unknown := "dl_" + strings.Repeat("a", 16) + "_" + strings.Repeat("a", 52)
	for _, header := range []string{
		"Bearer", "Bearer ", "Bearer x", "Bearer " + unknown, "Bearer " + f.shop + "x", "Basic " + f.shop, f.shop,
		"Bearer " + strings.ToUpper(f.shop), "Bearer " + f.shop[:30] + "' OR 1=1 --", "Bearer eyJhbGciOiJub25lIn0.e30.",
	} {
		require.Equal(t, want, bare(f.do(http.MethodGet, "/v1/orders", "", "", "Authorization", header)), header)
	}
	r := request(t.Context(), "/v1/orders", f.shop, orderBody)
	r.Header.Add("Authorization", "Bearer "+f.operator)
	w := &recorder{}
	f.handler.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.status, "two keys are none")
	require.Equal(t, http.StatusUnauthorized, f.do(http.MethodPost, "/v1/orders", "", `not even JSON`).StatusCode, "the body of a stranger is not looked at")
}

type recorder struct {
	discard
	status int
}

func (r *recorder) WriteHeader(status int) { r.status = status }

func TestUnknownAddressesAndMethodsAreProblemsToo(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, path := range []string{"/", "/v1", "/v1/nothing", "/v2/orders", "/admin", "/%00", "/v1/orders/shop/1001/delete"} {
		require.Equal(t, "not_found", f.get(path, f.shop).problem(t).Code, path)
	}
	got := f.do(http.MethodDelete, "/v1/orders", f.shop, "")
	require.Equal(t, "method_not_allowed", got.problem(t).Code)
	require.Contains(t, got.Header.Get("Allow"), "POST")
	require.Equal(t, http.StatusMethodNotAllowed, f.get("/v1/suppliers/acme/events", "").StatusCode)
}

func TestHostileBodiesAreRefusedBeforeAnybodyReadsThem(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for name, test := range map[string]struct {
		body    string
		headers []string
		status  int
	}{
		"gzip":              {orderBody, []string{"Content-Encoding", "gzip"}, 415},
		"XML":               {"<order/>", []string{"Content-Type", "application/xml"}, 415},
		"too large":         {strings.Repeat(" ", 1<<20+1), nil, 413},
		"not JSON":          {"x", nil, 400},
		"empty":             {"", nil, 400},
		"deep":              {strings.Repeat("[", 100_000), nil, 400},
		"member twice":      {`{"id": "1", "id": "2"}`, nil, 400},
		"member in capital": {`{"total": "1.00", "TOTAL": "2.00"}`, nil, 400},
		"not UTF-8":         {"{\"id\": \"\xff\"}", nil, 400},
		"trailing":          {orderBody + "x", nil, 400},
		"null":              {"null", nil, 422},
		"number":            {"7", nil, 422},
		"array":             {"[]", nil, 422},
	} {
		got := f.do(http.MethodPost, "/v1/orders", f.shop, test.body, test.headers...)
		require.Equal(t, test.status, got.StatusCode, "%s: %s", name, got.body)
		require.Equal(t, test.status, got.problem(t).Status)
	}
}

func TestEveryRequestHasANameAndOneLineInTheLog(t *testing.T) {
	t.Parallel()
	f := setup(t)
	got := f.do(http.MethodGet, "/v1/orders?cursor=pat@example.com", f.shop, "", "X-Request-ID", "caller-7")
	require.Equal(t, "caller-7", got.Header.Get("X-Request-ID"))
	forged := f.do(http.MethodGet, "/x%0a{\"level\":\"error\"}", "", "", "X-Request-ID", "a\"}\n{\"level\":\"fatal\"")
	require.Regexp(t, `^[A-Z2-7]{26}$`, forged.Header.Get("X-Request-ID"))
	f.post("/v1/orders", f.shop, orderBody)
	lines := strings.Split(strings.TrimSpace(f.log.String()), "\n")
	require.Len(t, lines, 3)
	for _, line := range lines {
		require.True(t, json.Valid([]byte(line)), line)
	}
	for _, secret := range []string{"pat@example.com", "Miller", "fatal", f.shop, strings.Split(f.shop, "_")[2]} {
		require.NotContains(t, f.log.String(), secret)
	}
	require.Contains(t, lines[0], `"route":"GET /v1/orders"`)
}

type panicking struct{ gateway.Intake }

func (panicking) Store(context.Context, gateway.Document) (gateway.Stored, error) {
	panic("the secret of acme is " + secret)
}

func TestPanicIsAPlain500(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *gateway.Config) { c.Intake = panicking{} })
	got := f.event("supplier/acme", `{"id": "e"}`)
	require.Equal(t, "internal", got.problem(t).Code)
	require.NotContains(t, got.body, secret)
	require.Contains(t, f.log.String(), "panicked")
	require.Equal(t, http.StatusOK, f.get("/healthz", "").StatusCode)
}

func TestReadinessNeedsPostgresAndTellsOfTemporal(t *testing.T) {
	t.Parallel()
	f := setup(t)
	require.JSONEq(t, `{"postgres": "ok", "temporal": "ok"}`, f.get("/readyz", "").body)
	f.orders.err = gateway.ErrUnreachable
	got := f.get("/readyz", "")
	require.Equal(t, http.StatusOK, got.StatusCode)
	require.Contains(t, got.body, "unreachable")
	f.pool.Close()
	require.Equal(t, http.StatusServiceUnavailable, f.get("/readyz", "").StatusCode)
	require.Equal(t, http.StatusOK, f.get("/healthz", "").StatusCode)
}

func TestPageAndDescriptionNeedNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	f := setup(t)
	page := f.get("/docs", "")
	require.Equal(t, http.StatusOK, page.StatusCode)
	require.NotRegexp(t, `(?i)<script|<link|https?://|@import|url\(`, page.body)
	require.Contains(t, page.Header.Get("Content-Security-Policy"), "default-src 'none'")
	yaml := f.get("/openapi.yaml", "")
	require.Equal(t, http.StatusOK, yaml.StatusCode)
	require.Contains(t, yaml.body, "openapi: 3.1.0")
	for path, item := range f.openAPI().Paths {
		for method, op := range item {
			require.Contains(t, page.body, path, method)
			require.Contains(t, page.body, op.OperationID)
			require.NotEmpty(t, op.Summary)
		}
	}
	require.Len(t, f.openAPI().Paths, 28)
	require.Contains(t, page.body, "problem-order_unreachable")
	require.NotContains(t, yaml.body, "$schema")
}

func TestEveryOperationButWebhooksNeedsAKeyAndNamesItsFailures(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for path, item := range f.openAPI().Paths {
		for method, op := range item {
			signed := strings.Contains(path, "/webhooks") || strings.HasSuffix(path, "/events")
			require.Equal(t, !signed, len(op.Security) == 1, path)
			status := f.do(strings.ToUpper(method), strings.NewReplacer("{", "", "}", "").Replace(path), "", "{}").StatusCode
			require.Equal(t, http.StatusUnauthorized, status, path)
			for _, status := range []string{"401", "500", "503"} {
				require.Contains(t, op.Responses, status, path)
			}
		}
	}
}

var (
	oddTexts = []any{
		"", " ", "x", "1001", "shop", "-1", "1e9", "NaN", "0.001", "'; DROP TABLE orders; --", "\x00", "a\u2028b", "../../etc/passwd",
		"\r\nSet-Cookie: a=b", "=cmd|' /C calc'!A0", "＝1+1", "<script>alert(1)</script>", "%s%n", "{{.}}", "${jndi:ldap://x}",
		strings.Repeat("A", 5000), "2026-03-02T15:04:05Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z", "USD", "XXX", "US", "\U0001F4A9", "ﷺ",
	}
	oddValues = []any{nil, true, false, 0, -1, 1.5, 1e308, 9007199254740993, json.Number("1e400"), []any{}, map[string]any{}, []any{nil}}
	leaks     = regexp.MustCompile(`(?i)sqlstate|pgx|goroutine|\.go:|panic|postgres:|127\.0\.0\.1|select |insert |relation |json: |reflect|runtime error|github\.com`)
)

func TestNoRequestMakesTheGatewayFailOrTellTooMuch(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *gateway.Config) { c.KeyRate = gateway.Rate{PerSecond: 1 << 20, Burst: 1 << 20} })
	f.started()
	api := f.openAPI()
	paths := make([]string, 0, len(api.Paths))
	for path := range api.Paths {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	codes := map[int]int{}
	rapid.Check(t, func(rt *rapid.T) {
		path := rapid.SampledFrom(paths).Draw(rt, "path")
		method := rapid.SampledFrom([]string{"get", "post"}).Draw(rt, "method")
		op := api.Paths[path][method]
		url := fill(rt, path, op)
		body := ""
		if content, ok := op.RequestBody.Content["application/json"]; ok {
			text, err := json.Marshal(api.sample(rt, content.Schema, "body", 0))
			require.NoError(rt, err)
			body = string(text)
		}
		token := rapid.SampledFrom([]string{f.shop, f.operator, f.support, f.other}).Draw(rt, "token")
		got := f.do(strings.ToUpper(method), url, token, body, signatures(body)...)
		codes[got.StatusCode]++
		require.Less(rt, got.StatusCode, 500, "%s %s %s: %s\n%s", method, url, body, got.body, f.log.String())
		// The request's own random name may spell anything.
		require.NotRegexp(rt, leaks, strings.Replace(got.body, got.Header.Get("X-Request-ID"), "", 1))
		require.NotContains(rt, got.Header, "Set-Cookie")
		if got.StatusCode >= 400 {
			got.problem(t)
		}
	})
	require.NotZero(t, codes[422], "some input must break rules: %v", codes)
	require.NotZero(t, codes[200]+codes[201]+codes[202], "some input must pass: %v", codes)
}

func signatures(body string) []string {
	return []string{
		"X-Hmac-Signature", "hmac-sha256-hex=" + fmt.Sprintf("%x", mac(secret, body)),
		"Dropline-Signature", webhook.Sign(secret, []byte(body), time.Now()),
		"Stripe-Signature", webhook.Sign(secret, []byte(body), time.Now()),
		"X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(mac(secret, body)), "X-Shopify-Topic", "orders/create",
	}
}

// fill puts plausible and odd values into a path and its query.
func fill(rt *rapid.T, path string, op operation) string {
	var query []string
	for _, p := range op.Parameters {
		value := rapid.SampledFrom([]string{"shop", "1001", "easypost", "%00", "%2e%2e%2f", "%27--", "a%20b", "%ff", "1", "true", "held", strings.Repeat("z", 300)}).Draw(rt, p.Name)
		switch {
		case p.In == "path" && rapid.Bool().Draw(rt, "plausible"):
			value = map[string]string{"storefront": "shop", "id": "1001", "carrier": "easypost", "supplier": "acme", "n": "1"}[p.Name]
			fallthrough
		case p.In == "path":
			path = strings.Replace(path, "{"+p.Name+"}", value, 1)
		case p.In == "query" && rapid.Bool().Draw(rt, "asked"):
			query = append(query, p.Name+"="+value)
		}
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	return path
}

// sample makes a value for a schema: the example it gives, something near it, or something odd.
func (d described) sample(rt *rapid.T, s schema, at string, depth int) any {
	if s.Ref != "" {
		s = d.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]]
	}
	switch how := rapid.IntRange(0, 19).Draw(rt, at); {
	case how == 0:
		return rapid.SampledFrom(oddValues).Draw(rt, at)
	case how == 1:
		return rapid.SampledFrom(oddTexts).Draw(rt, at)
	}
	switch {
	case s.Properties != nil:
		object := map[string]any{}
		for _, name := range slices.Sorted(keys(s.Properties)) {
			if slices.Contains(s.Required, name) || rapid.Bool().Draw(rt, at+"."+name+"?") {
				object[name] = d.sample(rt, s.Properties[name], at+"."+name, depth+1)
			}
		}
		return object
	case s.Items != nil:
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(rt, at) {
			list = append(list, d.sample(rt, *s.Items, at, depth+1))
		}
		return list
	case len(s.Enum) > 0:
		return rapid.SampledFrom(s.Enum).Draw(rt, at)
	case len(s.Examples) > 0:
		return s.Examples[0]
	}
	return rapid.SampledFrom(append(oddValues, oddTexts...)).Draw(rt, at)
}

func keys(m map[string]schema) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func TestServerFinishesWhatIsUnderWayBeforeItStops(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	entered := make(chan struct{})
	release := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- gateway.Serve(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-release
			fmt.Fprint(w, "done")
		}))
	}()
	answered := make(chan string, 1)
	go func() {
		got, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			answered <- err.Error()
			return
		}
		defer got.Body.Close()
		body, _ := io.ReadAll(got.Body)
		answered <- string(body)
	}()
	<-entered
	stop()
	require.Eventually(t, func() bool {
		_, err := net.DialTimeout("tcp", listener.Addr().String(), time.Second)
		return err != nil
	}, 5*time.Second, time.Millisecond, "no more connections are taken")
	close(release)
	require.Equal(t, "done", <-answered)
	require.NoError(t, <-ended)
}

func TestServerCutsOffSlowAndHugeHeaders(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- gateway.Serve(ctx, listener, http.NotFoundHandler()) }()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String(), nil)
	require.NoError(t, err)
	r.Header.Set("X-Large", strings.Repeat("x", 64<<10))
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer got.Body.Close()
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, got.StatusCode)
	stop()
	require.NoError(t, <-ended)
}
