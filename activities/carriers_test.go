package activities_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/activities"
	"github.com/dropline/dropline/internal/carrier/easypost"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/workflows"
)

// manyParcels are more than one request to the database claims.
const manyParcels = `
INSERT INTO storefronts (id, document) VALUES ('shop', '{}');
INSERT INTO suppliers (id, document) VALUES ('acme', '{}');
INSERT INTO carriers (id, document) VALUES ('tracker', '{}');
INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country, customer_hash, total_minor, captured_minor)
	VALUES ('shop/1', 'shop', '1', now(), '{}', '\x00', 'EUR', 'DE', '\x00', 1000, 1000);
INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ('shop/1', 1, '{}', '{}');
INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, terms)
	VALUES ('P-1', 'shop/1', 1, 'acme', 'acknowledged', 'EUR', '{}');
INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, next_check_at)
	SELECT 'P-1', 'ups', 'N' || n, 'shop/1', '[]', now(), now() FROM generate_series(1, 700) n;`

func TestACarrierPollNearItsDeadlineLeavesTheRestToAnotherAttempt(t *testing.T) {
	t.Parallel()
	pool := postgrestest.Pool(t)
	_, err := pool.Exec(t.Context(), manyParcels)
	require.NoError(t, err)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"trackers": [], "has_more": false}`))
	}))
	defer service.Close()
	polling := &activities.Carriers{Pool: pool, Tracker: func(catalog.Carrier) (*easypost.Client, error) {
		return easypost.NewClient(easypost.Config{BaseURL: service.URL, APIKey: "k"})
	}}
	due := func() (n int) {
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM parcels WHERE next_check_at <= now() + interval '1 minute'`).Scan(&n))
		return n
	}
	soon, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	_, err = polling.PollCarrier(soon, workflows.CarrierPollInput{Carrier: "tracker"})
	var again *temporal.ApplicationError
	require.ErrorAs(t, err, &again)
	require.Equal(t, "MoreParcels", again.Type())
	require.False(t, again.NonRetryable())
	require.Equal(t, 200, due())

	done, err := polling.PollCarrier(t.Context(), workflows.CarrierPollInput{Carrier: "tracker"})
	require.NoError(t, err)
	require.Equal(t, 200, done.Due, "it goes on where the first stopped")
	require.Zero(t, due())
}
