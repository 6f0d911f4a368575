package service

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/webhook"
)

// Nothing listens on port 1: these tests show what works while Temporal is away.
func TestMain(m *testing.M) {
	_ = os.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	_ = os.Setenv("SERVICE_TEST_SECRET", "shared")
	os.Exit(m.Run())
}

var quiet = slog.New(slog.DiscardHandler)

func settings(url string) config.Settings {
	return config.Settings{
		DatabaseURL: url, DatabaseConnections: 8, ListenAddress: "127.0.0.1:0", HealthAddress: "127.0.0.1:0",
		LogLevel: "disabled", LogFormat: "json", CustomerHashKey: "dropline",
		Mail: config.Mail{Port: 25, TLS: "none"},
	}
}

// unreachable leads to no database.
const unreachable = "postgres://dropline@127.0.0.1:1/dropline?sslmode=disable"

// running starts something, and stops it when the test ends.
func running(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(20 * time.Second):
			t.Error("it does not stop")
		}
	})
}

func gatewayOn(t *testing.T, url string) string {
	t.Helper()
	g, err := NewGateway(t.Context(), settings(url), quiet)
	require.NoError(t, err)
	running(t, g.Run)
	return "http://" + g.Addr()
}

func call(t *testing.T, method, url, body string, header ...string) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var document map[string]any
	require.NoError(t, json.NewDecoder(response.Body).Decode(&document))
	return response.StatusCode, document
}

func signed(body string) string { return webhook.Sign("shared", []byte(body), time.Now()) }

func TestGatewayWithoutPostgresAndTemporalIsAliveAndAnswers503(t *testing.T) {
	t.Parallel()
	at := gatewayOn(t, unreachable)
	status, _ := call(t, http.MethodGet, at+"/healthz", "")
	require.Equal(t, http.StatusOK, status)
	status, state := call(t, http.MethodGet, at+"/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "unreachable", state["postgres"])

	status, problem := call(t, http.MethodPost, at+"/v1/suppliers/acme/events", `{"id": "e1"}`, "Dropline-Signature", signed(`{"id": "e1"}`))
	require.Equal(t, http.StatusServiceUnavailable, status, "a signature that cannot be judged is not wrong")
	require.Equal(t, "unavailable", problem["code"])
	status, _ = call(t, http.MethodGet, at+"/v1/orders", "", "Authorization", "Bearer dl_"+strings.Repeat("a", 16)+"_"+strings.Repeat("a", 52))
	require.Equal(t, http.StatusServiceUnavailable, status)
}

const placeable = `{"id": "1001", "placed_at": "2026-03-02T15:04:05Z", "currency": "USD",
	"lines": [{"sku": "MUG", "quantity": 1, "unit_price": "12.50"}], "total": "12.50", "payment": {"status": "paid", "captured": "12.50"},
	"ship_to": {"name": "Pat Miller", "street1": "5 Elm St", "city": "Dover", "region": "DE", "postal_code": "19901", "country": "US"}}`

func TestGatewayTakesOrdersAndWebhooksInWithoutTemporal(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	pool, err := postgres.Open(t.Context(), url, 2)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	at := gatewayOn(t, url)
	_, err = pool.Exec(t.Context(), `INSERT INTO storefronts (id, document) VALUES ('shop', '{}')`)
	require.NoError(t, err)
	token, _, err := apikey.New(pool).Create(t.Context(), apikey.Storefront, "shop")
	require.NoError(t, err)
	status, placed := call(t, http.MethodPost, at+"/v1/orders", placeable, "Authorization", "Bearer "+token)
	require.Equal(t, http.StatusCreated, status, placed)
	status, _ = call(t, http.MethodGet, at+"/readyz", "")
	require.Equal(t, http.StatusOK, status, "Temporal is not needed to take orders in")

	// A supplier that was loaded after the start is known as soon as it calls.
	event := `{"id": "e1"}`
	require.Eventually(t, func() bool {
		status, _ = call(t, http.MethodPost, at+"/v1/suppliers/acme/events", event, "Dropline-Signature", signed(event))
		return status == http.StatusUnauthorized
	}, 5*time.Second, 20*time.Millisecond)
	_, err = pool.Exec(t.Context(), `INSERT INTO suppliers (id, document)
		VALUES ('acme', '{"contract": {"channel": {"webhook_secret_env": "SERVICE_TEST_SECRET"}}}')`)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		status, _ = call(t, http.MethodPost, at+"/v1/suppliers/acme/events", event, "Dropline-Signature", signed(event))
		return status == http.StatusAccepted
	}, 10*time.Second, 50*time.Millisecond)

	// The gateway reads documents by itself.
	require.Eventually(t, func() bool {
		var read string
		err := pool.QueryRow(t.Context(), `SELECT status FROM documents WHERE source = 'supplier/acme'`).Scan(&read)
		return err == nil && read == "quarantined"
	}, 10*time.Second, 20*time.Millisecond)
}

func TestTakenAddressIsAnErrorWithAHint(t *testing.T) {
	t.Parallel()
	g, err := NewGateway(t.Context(), settings(unreachable), quiet)
	require.NoError(t, err)
	t.Cleanup(g.close)
	s := settings(unreachable)
	s.ListenAddress = g.Addr()
	_, err = NewGateway(t.Context(), s, quiet)
	var hinted *Hinted
	require.ErrorAs(t, err, &hinted)
	require.Contains(t, hinted.Hint(), "DROPLINE_LISTEN_ADDRESS")
}

func TestWorkerWaitsForTemporalAndReadsDocumentsMeanwhile(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	pool, err := postgres.Open(t.Context(), url, 2)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	w, err := NewWorker(t.Context(), settings(url), quiet, time.Second)
	require.NoError(t, err)
	running(t, w.Run)
	status, _ := call(t, http.MethodGet, "http://"+w.HealthAddr()+"/healthz", "")
	require.Equal(t, http.StatusOK, status)
	status, state := call(t, http.MethodGet, "http://"+w.HealthAddr()+"/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, map[string]any{"postgres": "ok", "temporal": "not connected"}, state)

	_, err = pool.Exec(t.Context(), `INSERT INTO documents (source, kind, natural_key, content_type, body, body_hash)
		VALUES ('nobody/x', 'k', 'n', '', '', '')`)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		var read string
		err := pool.QueryRow(t.Context(), `SELECT status FROM documents`).Scan(&read)
		return err == nil && read == "quarantined"
	}, 10*time.Second, 20*time.Millisecond)
}

func TestWorkerStartsWithoutPostgres(t *testing.T) {
	t.Parallel()
	w, err := NewWorker(t.Context(), settings(unreachable), quiet, time.Second)
	require.NoError(t, err)
	running(t, w.Run)
	_, state := call(t, http.MethodGet, "http://"+w.HealthAddr()+"/readyz", "")
	require.Equal(t, "unreachable", state["postgres"])
}

func TestWrongMailSettingsAreSaidAtOnce(t *testing.T) {
	t.Parallel()
	s := settings(unreachable)
	s.Mail.Host, s.Mail.From = "mail.example", "nobody"
	_, err := NewWorker(t.Context(), s, quiet, time.Second)
	require.ErrorContains(t, err, "DROPLINE_SMTP_")
}

func TestActivitiesNeverWaitForConnections(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		connections := rapid.IntRange(2, 1000).Draw(t, "connections")
		local, remote := slots(connections)
		require.Positive(t, local)
		require.Positive(t, remote)
		require.LessOrEqual(t, local+remote, connections)
	})
}

func TestLocalAPIIsTheOperators(t *testing.T) {
	t.Parallel()
	local, err := OpenLocal(t.Context(), settings(postgrestest.URL(t)), quiet)
	require.NoError(t, err)
	t.Cleanup(local.Close)
	client := http.Client{Transport: local}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://local/v1/orders", nil)
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Empty(t, request.Header.Get("Authorization"), "the caller's request is left as it is")
}
