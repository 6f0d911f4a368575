// Package e2e tests Dropline whole: gateway and worker as they run in production, on a real Temporal
// server and a real Postgres, with partners that are real servers.
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/engine/enginetest"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/service"
	"github.com/dropline/dropline/internal/sim/carriersim"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/workflows"
)

func TestMain(m *testing.M) {
	// The catalogue names the variables that hold partners' secrets.
	if err := os.Setenv("E2E_SECRET", "token-for-tests"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// world is one deployment with its partners.
type world struct {
	pool       *pgxpool.Pool
	temporal   client.Client
	settings   config.Settings
	suppliers  *suppliersim.Server
	carrier    *carriersim.Server
	storefront *storefrontsim.Server
	gateway    string
	key        string
}

func newWorld(t *testing.T, manners map[string]suppliersim.Manner) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{}
	url := postgrestest.URL(t)
	var namespace string
	w.temporal, namespace = enginetest.Namespace(t)
	var err error
	w.pool, err = postgres.Open(ctx, url, 4)
	require.NoError(t, err)
	t.Cleanup(w.pool.Close)
	w.settings = config.Settings{
		DatabaseURL: url, DatabaseConnections: 16, TemporalNamespace: namespace, ListenAddress: "127.0.0.1:0",
		LogLevel: "warn", LogFormat: "text", AllowPrivatePartners: true, CustomerHashKey: "test",
	}
	w.startPartners(t, manners)
	w.loadCatalog(t, manners)
	w.startGateway(t)
	w.key, _, err = apikey.New(w.pool).Create(ctx, apikey.Operator, "")
	require.NoError(t, err)
	return w
}

func (w *world) startPartners(t *testing.T, manners map[string]suppliersim.Manner) {
	t.Helper()
	var err error
	w.storefront, err = storefrontsim.Start(storefrontsim.Config{Token: os.Getenv("E2E_SECRET"), Storefront: "shop"})
	require.NoError(t, err)
	t.Cleanup(w.storefront.Close)
	w.suppliers, err = suppliersim.Start(suppliersim.Options{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(w.suppliers.Close)
	for id, manner := range manners {
		require.NoError(t, w.suppliers.Add(id, suppliersim.Supplier{
			Token: os.Getenv("E2E_SECRET"), Secret: os.Getenv("E2E_SECRET"), Manner: manner,
		}))
	}
}

func (w *world) loadCatalog(t *testing.T, manners map[string]suppliersim.Manner) {
	t.Helper()
	text := fmt.Sprintf(`
storefronts:
  - {id: shop, name: Shop, platform: generic, currencies: [EUR], refund_url: %q, secret_env: E2E_SECRET, webhook_secret_env: E2E_SECRET, sender: shop@shop.example,
     policy: {backorder: {action: move}}}
carriers:
  - {id: track, kind: easypost, url: "http://127.0.0.1:1", secret_env: E2E_SECRET, webhook_secret_env: E2E_SECRET, poll_every: 1h, aliases: [{code: dropex, names: [dropex]}]}
suppliers:
`, w.storefront.URL())
	for _, id := range []string{"acme", "bolt"} {
		if _, plays := manners[id]; !plays {
			continue
		}
		text += fmt.Sprintf(`
  - id: %[1]s
    name: %[1]s
    contract:
      valid_from: 2020-01-01
      currency: EUR
      channel: {kind: rest, url: %[2]q, key_id: dropline, secret_env: E2E_SECRET, webhook_secret_env: E2E_SECRET}
      calendar: {zone: Europe/Berlin, always_open: true}
      sla: {acknowledge: 1h, ship: 2h}
      ships_to: {countries: [DE]}
      shipping: {methods: [{name: parcel, base: "4.00", per_item: "0.50", transit_days: {min: 1, max: 2}}]}
    offers:
      - {sku: %[1]s-mug, supplier_sku: A-1, cost: "6.00", on_hand: 1000}
      - {sku: %[1]s-jar, supplier_sku: A-2, cost: "3.00", on_hand: 1000}
`, id, w.suppliers.BaseURL(id))
	}
	file, err := catalog.Parse("e2e.yaml", []byte(text))
	require.NoError(t, err)
	require.NoError(t, catalog.Validate(file))
	require.NoError(t, postgres.SaveCatalog(t.Context(), w.pool, file))
	require.NoError(t, engine.EnsureSchedules(t.Context(), w.temporal, file.Carriers))
}

func (w *world) startGateway(t *testing.T) {
	t.Helper()
	g, err := service.NewGateway(t.Context(), w.settings, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	runs(t, g.Run)
	w.gateway = "http://" + g.Addr()
	w.suppliers.SetGateway(w.gateway)
	w.carrier, err = carriersim.Start(carriersim.Config{Gateway: w.gateway, Source: "track", Secret: os.Getenv("E2E_SECRET"), Interval: 300 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(w.carrier.Close)
	w.suppliers.SetListener(w.carrier)
}

func (w *world) startWorker(t *testing.T) {
	t.Helper()
	worker, err := service.NewWorker(t.Context(), w.settings, slog.New(slog.DiscardHandler), 5*time.Second)
	require.NoError(t, err)
	runs(t, worker.Run)
}

// runs keeps something running until the test ends.
func runs(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
}

// place posts an order of the given SKUs, one unit of each.
func (w *world) place(t *testing.T, id string, skus ...string) order.Key {
	t.Helper()
	lines, total := "", 500
	for i, sku := range skus {
		if i > 0 {
			lines += ","
		}
		lines += fmt.Sprintf(`{"sku": %q, "title": "Thing", "quantity": 1, "unit_price": "12.00", "tax": "2.28"}`, sku)
		total += 1428
	}
	body := fmt.Sprintf(`{"storefront": "shop", "id": %q, "placed_at": "2026-11-20T10:00:00Z", "currency": "EUR",
		"lines": [%s], "shipping": "5.00", "total": "%d.%02d",
		"payment": {"status": "paid", "captured": "%[3]d.%02[4]d", "reference": "p-1"},
		"ship_to": {"name": "A Person", "street1": "Hauptstr. 1", "city": "Berlin", "postal_code": "10115", "country": "DE"},
		"email": "a@person.example"}`, id, lines, total/100, total%100)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.gateway+"/v1/orders", bytes.NewBufferString(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+w.key)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, response.StatusCode, string(answer))
	return order.Key{Storefront: "shop", Order: id}
}

// settled waits until an order is closed in Postgres and its workflow has ended.
func (w *world) settled(t *testing.T, key order.Key) order.State {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	defer func() {
		if t.Failed() {
			w.explain(t, key)
		}
	}()
	var closed bool
	for !closed {
		err := w.pool.QueryRow(ctx, `SELECT closed_at IS NOT NULL FROM orders WHERE key = $1`, key.String()).Scan(&closed)
		if !postgres.Unavailable(err) || ctx.Err() != nil {
			require.NoError(t, err)
		}
		if !closed {
			pause(t, 50*time.Millisecond) // nothing in Postgres tells when a row changes
		}
	}
	require.NoError(t, w.temporal.GetWorkflow(ctx, key.WorkflowID(), "").Get(ctx, nil))
	var state order.State
	require.NoError(t, w.pool.QueryRow(ctx, `SELECT state FROM orders WHERE key = $1`, key.String()).Scan(&state))
	require.NoError(t, state.Check())
	return state
}

// explain shows where an order stands that did not end as it should.
func (w *world) explain(t *testing.T, key order.Key) {
	t.Helper()
	value, err := w.temporal.QueryWorkflow(context.Background(), key.WorkflowID(), "", workflows.QueryState)
	if err != nil {
		t.Logf("the workflow of %s does not answer: %v", key, err)
		return
	}
	var state order.State
	if err := value.Get(&state); err == nil {
		t.Log(state.Card())
	}
}
