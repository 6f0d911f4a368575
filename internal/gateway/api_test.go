package gateway_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/webhook"
)

// api is every operation that the gateway describes, tried against a gateway. An operation that is
// added later is tried because it stands in the description.
type api struct {
	*fixture
	described
	t       *testing.T
	revoked string
	cases   int
}

func openAPI(t *testing.T, change ...func(*gateway.Config)) *api {
	t.Helper()
	f := setup(t, append(change, func(c *gateway.Config) {
		c.KeyRate, c.PartnerRate = gateway.Rate{PerSecond: 1 << 20, Burst: 1 << 20}, gateway.Rate{PerSecond: 1 << 20, Burst: 1 << 20}
	})...)
	f.started()
	a := &api{fixture: f, described: f.openAPI(), t: t}
	keys := apikey.New(f.pool)
	token, key, err := keys.Create(t.Context(), apikey.Operator, "")
	require.NoError(t, err)
	require.NoError(t, keys.Revoke(t.Context(), key.ID))
	a.revoked = token
	return a
}

// each visits the operations in a fixed order.
func (a *api) each(visit func(method, path string, op operation)) {
	for _, path := range slices.Sorted(maps.Keys(a.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(a.Paths[path])) {
			visit(strings.ToUpper(method), path, a.Paths[path][method])
		}
	}
}

func (op operation) signed() bool { return len(op.Security) == 0 }

// roles are whose keys may use the operation, as its description says.
func (op operation) roles() string {
	return op.Description[strings.LastIndex(op.Description, "Keys: "):]
}

func (a *api) token(op operation) string {
	for role, token := range map[string]string{"storefront": a.shop, "support": a.support} {
		if strings.Contains(op.roles(), role) {
			return token
		}
	}
	return a.operator
}

// names are what stands in the paths when nothing is wrong with them.
var names = map[string]string{"storefront": "shop", "id": "1001", "supplier": "acme", "carrier": "easypost", "rma": "DLABCDEFGHIJKLM-1-R1", "n": "1", "reference": "C0A1B2C3D4E5F6A"}

func address(path string) string {
	for name, value := range names {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	return path
}

func (a *api) body(op operation) string {
	content, takes := op.RequestBody.Content["application/json"]
	if !takes {
		return ""
	}
	return write(a.example(content.Schema))
}

// send makes a request with whatever the operation wants as proof.
func (a *api) send(method, path string, op operation, body string, headers ...string) answer {
	a.cases++
	if op.signed() {
		return a.do(method, path, "", body, append(signatures(body), headers...)...)
	}
	return a.do(method, path, a.token(op), body, headers...)
}

// judge holds an answer to what the description and the house promise.
func (a *api) judge(op operation, got answer, about string) {
	a.t.Helper()
	require.Less(a.t, got.StatusCode, 500, "%s %s: %s\n%s", op.OperationID, about, got.body, a.log.String())
	response, documented := op.Responses[fmt.Sprint(got.StatusCode)]
	require.True(a.t, documented, "%s %s: %d is not documented: %s", op.OperationID, about, got.StatusCode, got.body)
	a.shape(got, response.Content, op.OperationID+" "+about)
}

func (a *api) shape(got answer, content map[string]struct{ Schema schema }, about string) {
	a.t.Helper()
	require.Less(a.t, len(got.body), largest, about)
	own := got.Header.Get("X-Request-ID")
	text := strings.ReplaceAll(got.body, own, "")
	require.NotRegexp(a.t, leaks, text, about)
	for _, private := range []string{secret, "other_secret", a.shop[4:], a.operator[4:], "Miller", "pat@", "Elm St"} {
		require.NotContains(a.t, text, private, about)
	}
	require.Equal(a.t, "no-store", got.Header.Get("Cache-Control"))
	require.Equal(a.t, "nosniff", got.Header.Get("X-Content-Type-Options"))
	require.Empty(a.t, got.Header.Get("Set-Cookie"))
	require.Regexp(a.t, `^[A-Za-z0-9._-]{1,64}$`, own)
	media := got.Header.Get("Content-Type")
	if got.StatusCode >= http.StatusBadRequest {
		require.Equal(a.t, "application/problem+json", media, about)
		require.NotEmpty(a.t, got.problem(a.t).Code)
	}
	described, told := content[media]
	require.True(a.t, told, "%s: %s is not documented", about, media)
	var value any
	require.NoError(a.t, json.Unmarshal([]byte(got.body), &value), about)
	a.conforms(described.Schema, value, about)
}

// conforms holds a value to its schema: types, members and the words of enumerations.
func (a *api) conforms(s schema, value any, at string) {
	a.t.Helper()
	s = a.resolve(s)
	if len(s.Enum) > 0 {
		require.Contains(a.t, s.Enum, value, at)
	}
	switch v := value.(type) {
	case nil:
		require.Contains(a.t, fmt.Sprint(s.Type), "null", at)
	case map[string]any:
		require.Equal(a.t, "object", s.kind(), at)
		for _, name := range s.Required {
			require.Contains(a.t, v, name, at)
		}
		for name, member := range v {
			if s.Properties != nil {
				require.Contains(a.t, s.Properties, name, at)
				a.conforms(s.Properties[name], member, at+"."+name)
			}
		}
	case []any:
		require.Equal(a.t, "array", s.kind(), at)
		for _, item := range v {
			a.conforms(*s.Items, item, at+"[]")
		}
	case string:
		require.Equal(a.t, "string", s.kind(), at)
	case bool:
		require.Equal(a.t, "boolean", s.kind(), at)
	case float64:
		require.Contains(a.t, []string{"integer", "number"}, s.kind(), at)
	}
}

// quiet holds the log to one line of JSON a request, without anything that came with it.
func (a *api) quiet() {
	a.t.Helper()
	text := a.log.String()
	for line := range strings.Lines(text) {
		require.True(a.t, json.Valid([]byte(line)), line)
	}
	for _, unwanted := range []string{"Miller", "pat@", secret, a.shop[4:], a.operator[4:], "DROP TABLE", "calc", `\u001b`, "panicked", "alert("} {
		require.NotContains(a.t, text, unwanted)
	}
}

func TestEveryOperationTakesHostileBodiesWithoutHarm(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	statuses := map[int]int{}
	operations := 0
	a.each(func(method, path string, op operation) {
		operations++
		content, takes := op.RequestBody.Content["application/json"]
		if !takes {
			return
		}
		for _, c := range a.changes(content.Schema) {
			// An order of its own, or most would only be told that the id is taken.
			body := strings.Replace(c.body, `"id":"1001"`, fmt.Sprintf(`"id":"c%d"`, a.cases), 1)
			got := a.send(method, address(path), op, body)
			a.judge(op, got, c.name)
			statuses[got.StatusCode]++
		}
	})
	a.quiet()
	for _, status := range []int{200, 201, 202, 400, 422} {
		require.NotZero(t, statuses[status], "%v", statuses)
	}
	require.Zero(t, a.count(`SELECT count(*) FROM orders WHERE storefront <> 'shop'`))
	t.Logf("api bodies: %d operations, %d requests: %v", operations, a.cases, statuses)
}

// hostileWords stand in paths, queries and headers; they are escaped where a client would.
var hostileWords = []string{
	"", " ", ".", "..", "../..", "..\\..", "%2e%2e%2f", "a/b", "\x00", "a\r\nSet-Cookie: a=b", "\x1b[2J", "\xff\xfe", "'--", "' OR '1'='1", "a;b", "a&b=c", "*", "?", "#",
	"=1+1", "<script>", "{{.}}", "0", "-1", "9223372036854775808", "1e9", "NaN", "null", "true", "shop", "other", "SHOP", "ſhop", "shop ", "💩", strings.Repeat("z", 65),
	strings.Repeat("9", 201), strings.Repeat("x", 8000),
}

func TestEveryOperationTakesHostileParametersWithoutHarm(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	a.each(func(method, path string, op operation) {
		body := a.body(op)
		for _, p := range op.Parameters {
			for _, word := range append(hostileWords, bounds(p.Schema)...) {
				at, headers := address(path), []string(nil)
				switch p.In {
				case "path":
					at = address(strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(word)))
				case "query":
					at += "?" + p.Name + "=" + url.QueryEscape(word)
				case "header":
					headers = []string{p.Name, word}
				}
				got := a.send(method, at, op, body, headers...)
				if p.In == "path" && (got.StatusCode == http.StatusNotFound || got.StatusCode == http.StatusMethodNotAllowed || got.StatusCode == http.StatusTemporaryRedirect || got.StatusCode == http.StatusMovedPermanently) {
					continue // it led to another address, or to none
				}
				a.judge(op, got, fmt.Sprintf("%s %s=%.40q", p.In, p.Name, word))
			}
			if p.In == "query" {
				a.judge(op, a.send(method, address(path)+"?"+p.Name+"=1&"+p.Name+"=2", op, body), "query twice")
			}
		}
		a.judge(op, a.send(method, address(path)+"?unknown=1&%ff=%00&;", op, body), "unknown query")
		a.judge(op, a.send(method, address(path)+"?"+strings.Repeat("a=1&", 2000), op, body), "many queries")
	})
	a.quiet()
	t.Logf("api parameters: %d requests", a.cases)
}

// bounds are the values at and around what a parameter's schema allows.
func bounds(s schema) []string {
	var all []string
	for _, n := range []*int64{s.Minimum, s.Maximum} {
		if n != nil {
			all = append(all, fmt.Sprint(*n-1), fmt.Sprint(*n), fmt.Sprint(*n+1))
		}
	}
	for _, word := range s.Enum {
		all = append(all, fmt.Sprint(word), strings.ToUpper(fmt.Sprint(word)))
	}
	if s.MaxLength != nil {
		all = append(all, strings.Repeat("a", *s.MaxLength), strings.Repeat("a", *s.MaxLength+1))
	}
	return all
}

func TestEveryOperationTakesHostileTransportsWithoutHarm(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	_, err := zip.Write(make([]byte, 64<<20))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	a.each(func(method, path string, op operation) {
		at, body := address(path), a.body(op)
		for _, wrong := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "POSTX"} {
			got := a.do(wrong, at, a.token2(op), body)
			a.cases++
			require.Equal(t, http.StatusMethodNotAllowed, got.StatusCode, "%q %s", wrong, at)
			require.Contains(t, got.Header.Get("Allow"), method)
			got.problem(t)
		}
		if method != http.MethodPost {
			return
		}
		for name, c := range map[string]struct {
			body    string
			headers []string
			status  int
		}{
			"gzip bomb":         {bomb.String(), []string{"Content-Encoding", "gzip"}, 415},
			"bomb undeclared":   {bomb.String(), nil, 400},
			"brotli":            {body, []string{"Content-Encoding", "br"}, 415},
			"encoding of none":  {body, []string{"Content-Encoding", "identity"}, 415},
			"no type":           {body, []string{"Content-Type", ""}, 415},
			"form":              {"a=b", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
			"multipart":         {"--x", []string{"Content-Type", "multipart/form-data; boundary=x"}, 415},
			"octets":            {body, []string{"Content-Type", "application/octet-stream"}, 415},
			"other charset":     {body, []string{"Content-Type", "application/json; charset=utf-7"}, 415},
			"type with newline": {body, []string{"Content-Type", "application/json\r\nX-Evil: 1"}, 415},
			"long type":         {body, []string{"Content-Type", "application/json; a=" + strings.Repeat("x", 9000)}, 0},
			"over the limit":    {body + strings.Repeat(" ", 1<<20), nil, 413},
			"empty":             {"", nil, 400},
			"blank":             {" \r\n\t", nil, 400},
			"byte order mark":   {"\ufeff" + body, nil, 400},
			"two documents":     {body + body, nil, 400},
			"cut off":           {body[:len(body)/2], nil, 400},
			"comment":           {"/* */" + body, nil, 400},
			"deep":              {strings.Repeat(`{"a":`, 100_000), nil, 400},
			"deep list":         {strings.Repeat(`[`, 1<<20), nil, 400},
			"long number":       {strings.Repeat("9", 1<<20), nil, 0},
			"NUL":               {"\x00", nil, 400},
			"UTF-16":            {"{\x00}\x00", nil, 400},
		} {
			got := a.send(method, at, op, c.body, c.headers...)
			a.judge(op, got, name)
			if c.status > 0 {
				require.Equal(t, c.status, got.StatusCode, "%s %s: %s", op.OperationID, name, got.body)
			}
		}
	})
	a.quiet()
	t.Logf("api transports: %d requests", a.cases)
}

// token2 is a key where one is wanted.
func (a *api) token2(op operation) string {
	if op.signed() {
		return ""
	}
	return a.token(op)
}

func TestEveryOperationOpensToItsOwnCredentialsOnly(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	a.each(func(method, path string, op operation) {
		at, body := address(path), a.body(op)
		if op.signed() {
			a.signatures(method, at, op, body)
			return
		}
		stranger := "dl_" + strings.Repeat("a", 16) + "_" + strings.Repeat("a", 52)
		for name, credential := range map[string]string{
			"none": "", "garbage": "Bearer x", "unknown": "Bearer " + stranger, "revoked": "Bearer " + a.revoked, "basic": "Basic " + a.operator,
			"cut": "Bearer " + a.operator[:60], "doubled": "Bearer " + a.operator + " " + a.operator, "unsigned token": "Bearer eyJhbGciOiJub25lIn0.e30.",
			"other id": "Bearer " + a.operator[:3] + a.shop[3:19] + a.operator[19:], "capitals": "Bearer " + strings.ToUpper(a.operator),
		} {
			for _, b := range []string{body, `not JSON`, strings.Repeat(" ", 1<<20+1)} {
				got := a.do(method, at, "", b, "Authorization", credential)
				a.cases++
				a.judge(op, got, name)
				require.Equal(t, http.StatusUnauthorized, got.StatusCode, "%s %s", op.OperationID, name)
			}
		}
		for role, token := range map[string]string{"storefront": a.shop, "support": a.support, "operator": a.operator} {
			got := a.do(method, at, token, body)
			a.cases++
			a.judge(op, got, role)
			require.Equal(t, !strings.Contains(op.roles(), role), got.StatusCode == http.StatusForbidden, "%s %s: %s", op.OperationID, role, got.body)
		}
		if strings.Contains(op.roles(), "storefront") {
			a.stranger(method, path, op, body)
		}
	})
	require.Zero(t, a.count(`SELECT count(*) FROM orders WHERE storefront = 'other' AND order_id <> '1001'`))
	a.quiet()
	t.Logf("api credentials: %d requests", a.cases)
}

// stranger: to another storefront's key an order of the shop looks like none.
func (a *api) stranger(method, path string, op operation, body string) {
	a.t.Helper()
	bare := func(got answer) string {
		a.cases++
		a.judge(op, got, "another storefront")
		return strings.ReplaceAll(got.body, got.Header.Get("X-Request-ID"), "")
	}
	if !strings.Contains(path, "{storefront}") {
		require.NotContains(a.t, bare(a.do(method, address(path), a.other, body)), `"shop`)
		return
	}
	asked := len(a.orders.asked)
	theirs := a.do(method, address(path), a.other, body)
	require.Equal(a.t, http.StatusNotFound, theirs.StatusCode)
	nobodys := a.do(method, address(strings.ReplaceAll(path, "{id}", "none")), a.other, body)
	require.Equal(a.t, bare(nobodys), bare(theirs))
	require.Len(a.t, a.orders.asked, asked, "nobody was asked")
}

// signatures: a delivery is taken with its own partner's signature over its own bytes only.
func (a *api) signatures(method, at string, op operation, body string) {
	a.t.Helper()
	signedBy := func(secret, body string, at time.Time) []string {
		return []string{
			"X-Hmac-Signature", "hmac-sha256-hex=" + hex.EncodeToString(mac(secret, body)),
			"Dropline-Signature", webhook.Sign(secret, []byte(body), at),
			"Stripe-Signature", webhook.Sign(secret, []byte(body), at),
			"X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(mac(secret, body)), "X-Shopify-Topic", "orders/create",
		}
	}
	genuine := a.do(method, at, "", body, signedBy(secret, body, time.Now())...)
	a.judge(op, genuine, "genuine")
	require.Equal(a.t, http.StatusAccepted, genuine.StatusCode, genuine.body)
	stored := a.count(`SELECT count(*) FROM documents`)
	for name, got := range map[string]answer{
		"unsigned":         a.do(method, at, "", body),
		"an API key":       a.do(method, at, a.operator, body),
		"empty secret":     a.do(method, at, "", body, signedBy("", body, time.Now())...),
		"another's secret": a.do(method, at, "", body, signedBy("other_secret", body, time.Now())...),
		"another body":     a.do(method, at, "", body+" ", signedBy(secret, body, time.Now())...),
		"nobody's partner": a.do(method, strings.TrimSuffix(strings.NewReplacer("/shop/", "/nobody/", "/acme/", "/nobody/", "/easypost/", "/nobody/").Replace(at+"/"), "/"), "", body, signedBy(secret, body, time.Now())...),
	} {
		a.cases++
		a.judge(op, got, name)
		require.Equal(a.t, "bad_signature", got.problem(a.t).Code, "%s %s", op.OperationID, name)
	}
	require.Equal(a.t, stored, a.count(`SELECT count(*) FROM documents`), "nothing of it is kept")
}

func TestEveryOperationSaysWhenItsDatabaseIsAway(t *testing.T) {
	t.Parallel()
	down, err := postgres.Open(t.Context(), "postgres://dropline@127.0.0.1:1/dropline", 1)
	require.NoError(t, err)
	t.Cleanup(down.Close)
	a := &api{t: t, fixture: setup(t, func(c *gateway.Config) {
		c.Database, c.Intake = down, gateway.CommitTo(down, &intake.Archive{Pool: down}, nil)
		c.KeyRate = gateway.Rate{PerSecond: 1 << 20, Burst: 1 << 20}
	})}
	a.described = a.openAPI()
	a.each(func(method, path string, op operation) {
		reached := 0
		for _, body := range a.partial(op) {
			got := a.send(method, address(path), op, body)
			if got.StatusCode == http.StatusUnprocessableEntity {
				continue // refused for what it says, before the database is needed
			}
			reached++
			require.Equal(t, http.StatusServiceUnavailable, got.StatusCode, "%s: %s", op.OperationID, got.body)
			require.NotEmpty(t, got.Header.Get("Retry-After"), op.OperationID)
			a.shape(got, op.Responses["503"].Content, op.OperationID)
		}
		require.NotZero(t, reached, op.OperationID)
	})
}

// partial are sound bodies of an operation with all, some and none of their members, where these are
// few.
func (a *api) partial(op operation) []string {
	content, takes := op.RequestBody.Content["application/json"]
	if !takes {
		return []string{""}
	}
	sound, isObject := a.example(content.Schema).(map[string]any)
	bodies := []string{write(a.example(content.Schema))}
	if members := slices.Sorted(maps.Keys(sound)); isObject && len(members) <= 6 {
		for subset := range 1 << len(members) {
			left := map[string]any{}
			for i, name := range members {
				if subset&(1<<i) != 0 {
					left[name] = sound[name]
				}
			}
			bodies = append(bodies, write(left))
		}
	}
	return bodies
}
