package restapi_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/conformance"
	"github.com/dropline/dropline/internal/supplier/restapi"
)

const (
	jsonType    = "application/json"
	goodReceipt = `{"received_at":"2026-03-02T15:04:07Z"}`
	unknownPO   = `{"code":"purchase_order_not_found"}`
)

// serve answers with whatever the handler writes, over a real connection.
func serve(t *testing.T, handle http.HandlerFunc) *restapi.Client {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return connect(t, server.URL, 5*time.Second)
}

// failureOf finds the channel's error.
func failureOf(t *testing.T, err error) *supplier.Error {
	t.Helper()
	var failure *supplier.Error
	require.ErrorAs(t, err, &failure)
	return failure
}

// requireFailure checks the kind and that nothing of the documents leaks into the text.
func requireFailure(t *testing.T, err, kind error, about string) {
	t.Helper()
	var failure *supplier.Error
	require.ErrorAs(t, err, &failure, about)
	require.ErrorIs(t, err, kind, "%s: %v", about, err)
	for _, secret := range []string{"Miller", "Elm", token} {
		require.NotContains(t, err.Error(), secret, about)
	}
}

func TestStatusOfASubmissionIsClassified(t *testing.T) {
	t.Parallel()
	page := `<html>Pat Miller, 5 Elm St</html>`
	for _, c := range []struct {
		status      int
		media, body string
		kind        error
	}{
		{200, jsonType, goodReceipt, nil},
		{201, jsonType, goodReceipt, nil},
		{202, jsonType, goodReceipt, supplier.ErrUnknown},
		{204, jsonType, "", supplier.ErrUnknown},
		{200, jsonType, ``, supplier.ErrUnknown},
		{200, jsonType, `{}`, supplier.ErrUnknown},
		{200, jsonType, `null`, supplier.ErrUnknown},
		{200, jsonType, `{"error":"Pat Miller"}`, supplier.ErrUnknown},
		{200, jsonType, `{"received_at":"2026-03-02T15:04:07Z","errors":[{"field":"5 Elm St"}]}`, supplier.ErrUnknown},
		{200, jsonType, `{"received_at":"2026-03-02T15:04:07Z","error":null}`, nil},
		{200, jsonType, `{"received_at":"Miller"}`, supplier.ErrUnknown},
		{200, jsonType, goodReceipt + goodReceipt, supplier.ErrUnknown},
		{200, jsonType, `{"received_at":"2026-03-02T15:04:07Z","reference":"a\nlevel=error"}`, supplier.ErrUnknown},
		{200, jsonType, `{"received_at":"2026-03-02T15:04:07Z","acknowledgment":{"id":"a","at":"2026-03-02T15:04:07Z","whole":"maybe"}}`, supplier.ErrUnknown},
		{200, jsonType, `{"received_at":"2026-03-02T15:04:07Z","acknowledgment":{"id":"a","po":"DL9-1","at":"2026-03-02T15:04:07Z","whole":"accepted"}}`, supplier.ErrUnknown},
		{200, jsonType, `{"received_at":"2026-03-02T15:04:07Z","acknowledgment":{"id":"a","currency":"EUR","at":"2026-03-02T15:04:07Z","whole":"accepted"}}`, supplier.ErrUnknown},
		{200, "text/html", page, supplier.ErrUnknown},
		{400, "text/html", page, supplier.ErrRefused},
		{401, jsonType, `{"code":"unauthorized"}`, supplier.ErrRefused},
		{404, jsonType, unknownPO, supplier.ErrRefused},
		{408, "text/html", page, supplier.ErrUnknown},
		{409, "text/html", page, supplier.ErrConflict},
		{409, jsonType, `{"code":"number_in_use"}`, supplier.ErrConflict},
		{409, jsonType, `{"code":"cancelled"}`, supplier.ErrRefused},
		{422, jsonType, `{"code":"Pat Miller"}`, supplier.ErrRefused},
		{429, jsonType, ``, supplier.ErrUnavailable},
		{500, "text/html", page, supplier.ErrUnknown},
		{501, "text/html", page, supplier.ErrUnknown},
		{502, "text/html", page, supplier.ErrUnknown},
		{503, "text/html", page, supplier.ErrUnavailable},
		{504, "text/html", page, supplier.ErrUnknown},
	} {
		about := fmt.Sprintf("%d %s", c.status, c.body)
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", c.media)
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		_, err := client.Submit(t.Context(), conformance.Order())
		if c.kind == nil {
			require.NoError(t, err, about)
			continue
		}
		requireFailure(t, err, c.kind, about)
	}
}

// A proxy's 404, taken for the supplier's, would send the order to a second supplier.
func TestBare404IsNoEvidenceThatTheOrderIsMissing(t *testing.T) {
	t.Parallel()
	for body, kind := range map[string]error{"404 page not found": supplier.ErrUnknown, `{}`: supplier.ErrUnknown, unknownPO: supplier.ErrNotFound} {
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", jsonType)
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, body)
		})
		_, err := client.LookUp(t.Context(), "DL1-1")
		requireFailure(t, err, kind, body)
		_, err = client.Cancel(t.Context(), supplier.Cancellation{Key: "c1", Number: "DL1-1"})
		requireFailure(t, err, kind, body)
	}
}

func TestStandingOfAnotherOrderIsNoAnswer(t *testing.T) {
	t.Parallel()
	client, _ := replay(t, http.StatusOK, `{"number":"DL2-1","received_at":"2026-03-02T15:04:07Z"}`)
	_, err := client.LookUp(t.Context(), "DL1-1")
	requireFailure(t, err, supplier.ErrUnknown, "another number")
}

func TestRetryAfterIsReadAndCapped(t *testing.T) {
	t.Parallel()
	for header, want := range map[string][2]time.Duration{
		"":                    {0, 0},
		"7":                   {7 * time.Second, 7 * time.Second},
		"-7":                  {0, 0},
		"soon":                {0, 0},
		"9999999":             {time.Hour, time.Hour},
		"9223372036854775807": {time.Hour, time.Hour},
		time.Now().Add(20 * time.Minute).UTC().Format(http.TimeFormat): {18 * time.Minute, 20 * time.Minute},
		time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat):       {0, 0},
		time.Now().Add(48 * time.Hour).UTC().Format(http.TimeFormat):   {time.Hour, time.Hour},
	} {
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		_, err := client.Submit(t.Context(), conformance.Order())
		requireFailure(t, err, supplier.ErrUnavailable, header)
		failure := failureOf(t, err)
		require.GreaterOrEqual(t, failure.RetryAfter, want[0], header)
		require.LessOrEqual(t, failure.RetryAfter, want[1], header)
	}
}

func TestNothingSentIsUnavailable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	refused := "http://" + listener.Addr().String()

	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = nil
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)

	for base, detail := range map[string]string{
		refused:                   "the connection was refused",
		"http://supplier.invalid": "the host name was not resolved",
		untrusted.URL:             "the TLS handshake failed",
		"https://" + plain.Listener.Addr().String(): "before the request was sent",
	} {
		_, err := connect(t, base, 5*time.Second).Submit(t.Context(), conformance.Order())
		requireFailure(t, err, supplier.ErrUnavailable, base)
		failure := failureOf(t, err)
		require.Contains(t, failure.Detail, detail)
		require.Contains(t, failure.Detail, "before the request was sent")
	}
}

func TestSilenceAfterTheRequestIsUnknown(t *testing.T) {
	t.Parallel()
	_, sim := setup(t)
	require.NoError(t, sim.SetManner("acme", submitFault(suppliersim.Fault{Kind: suppliersim.FaultSilent, Applied: true})))
	client := connect(t, sim.BaseURL("acme"), 300*time.Millisecond)
	_, err := client.Submit(t.Context(), conformance.Order())
	requireFailure(t, err, supplier.ErrUnknown, "silent")
	failure := failureOf(t, err)
	require.Contains(t, failure.Detail, "no answer in time")
	_, err = client.LookUp(t.Context(), conformance.Order().Number)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	arrived := make(chan struct{})
	stuck := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
	})
	go func() { <-arrived; cancel() }()
	_, err = stuck.Submit(ctx, conformance.Order())
	requireFailure(t, err, supplier.ErrUnknown, "cancelled on the way")
}

func TestAnswerThatBreaksOffOrNeverEndsIsUnknown(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]http.HandlerFunc{
		"breaks off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, goodReceipt)
		},
		"too long": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, goodReceipt+strings.Repeat(" ", restapi.MaxDocument))
		},
		"endless header": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 128<<10))
			_, _ = io.WriteString(w, goodReceipt)
		},
	} {
		_, err := serve(t, handle).Submit(t.Context(), conformance.Order())
		requireFailure(t, err, supplier.ErrUnknown, name)
	}
}

// net/http repeats a request that has an Idempotency-Key when a kept connection breaks; then two
// deliveries would pass for one.
func TestBrokenKeptConnectionIsNotRetriedUnseen(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if requests.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, goodReceipt)
	})
	_, err := client.Submit(t.Context(), conformance.Order())
	require.NoError(t, err)
	_, err = client.Submit(t.Context(), conformance.Order())
	requireFailure(t, err, supplier.ErrUnknown, "kept connection")
	require.EqualValues(t, 2, requests.Load())
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		_, _ = io.WriteString(w, goodReceipt)
	}))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		_, err := client.Submit(t.Context(), conformance.Order())
		requireFailure(t, err, supplier.ErrUnknown, fmt.Sprint(status))
	}
	require.Zero(t, elsewhere.Load())
}

func TestPrivateAddressesAreNotReached(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254", "10.1.2.3"} {
		client, err := restapi.New(restapi.Config{Supplier: "acme", BaseURL: "https://" + host + ":" + port, Token: token, Timeout: 5 * time.Second})
		require.NoError(t, err)
		_, err = client.Submit(t.Context(), conformance.Order())
		requireFailure(t, err, supplier.ErrUnavailable, host)
		failure := failureOf(t, err)
		require.Contains(t, failure.Detail, "the address is not public", host)
	}
	require.Zero(t, reached.Load())
}

func TestUnsafeConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []restapi.Config{
		{BaseURL: "http://supplier.example", Token: token},
		{BaseURL: "ftp://supplier.example", Token: token, AllowPrivate: true},
		{BaseURL: "https://user:pass@supplier.example", Token: token},
		{BaseURL: "https://supplier.example?x=1", Token: token},
		{BaseURL: "https:///path", Token: token},
		{BaseURL: "https://supplier.example/" + strings.Repeat("x", 1024), Token: token},
		{BaseURL: "https://supplier.example", Token: ""},
		{BaseURL: "https://supplier.example", Token: "a\r\nX-Role: admin"},
	} {
		_, err := restapi.New(c)
		require.Error(t, err, c.BaseURL)
	}
}

func TestDocumentThatTheProtocolCannotCarryIsNotSent(t *testing.T) {
	t.Parallel()
	client := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	for name, change := range map[string]func(*supplier.PurchaseOrder){
		"number":   func(po *supplier.PurchaseOrder) { po.Number = "../books" },
		"currency": func(po *supplier.PurchaseOrder) { po.Currency = "XXY" },
		"quantity": func(po *supplier.PurchaseOrder) { po.Lines[0].Quantity = 0 },
		"cost":     func(po *supplier.PurchaseOrder) { po.Lines[0].UnitCost = -1 },
		"lines":    func(po *supplier.PurchaseOrder) { po.Lines = nil },
	} {
		po := conformance.Order()
		change(&po)
		_, err := client.Submit(t.Context(), po)
		requireFailure(t, err, supplier.ErrRefused, name)
	}
	_, err := client.LookUp(t.Context(), "a/b")
	requireFailure(t, err, supplier.ErrRefused, "look-up")
	_, err = client.Cancel(t.Context(), supplier.Cancellation{Key: "a\nb", Number: "DL1-1"})
	requireFailure(t, err, supplier.ErrRefused, "cancel")
	for name, lines := range map[string][]order.ShippedLine{
		"no units":      {{Line: 1, Quantity: 0}},
		"no line":       {{Line: 0, Quantity: 1}},
		"a line twice":  {{Line: 1, Quantity: 1}, {Line: 1, Quantity: 1}},
		"too many":      make([]order.ShippedLine, 501),
		"one of two":    {{Line: 1, Quantity: 1}, {Line: 2, Quantity: -1}},
		"more than all": {{Line: 1, Quantity: 100_001}},
	} {
		_, err = client.Cancel(t.Context(), supplier.Cancellation{Key: "c1", Number: "DL1-1", Lines: lines})
		requireFailure(t, err, supplier.ErrRefused, name)
	}
}
