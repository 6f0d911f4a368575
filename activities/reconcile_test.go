package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/activities"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/reconcile"
	"github.com/dropline/dropline/workflows"
)

func TestNightIsToldByItsDaysAndWhatIsOpen(t *testing.T) {
	t.Parallel()
	pool := postgrestest.Pool(t)
	_, err := pool.Exec(t.Context(), `INSERT INTO suppliers (id, document) VALUES ('acme', '{}')`)
	require.NoError(t, err)
	_, err = reconcile.ImportStatement(t.Context(), pool, "acme", []byte("number,date,amount,currency\nINV-1,2026-03-02,12.50,EUR\n"), time.Time{}, time.Time{})
	require.NoError(t, err)
	r := &activities.Reconciliation{Reconciler: reconcile.Reconciler{Pool: pool, Now: func() time.Time { return time.Date(2026, 3, 3, 3, 0, 0, 0, time.UTC) }}}
	for range 2 {
		night, err := r.Reconcile(t.Context())
		require.NoError(t, err)
		require.Positive(t, night.Run)
		night.Run = 0
		require.Equal(t, workflows.ReconcileResult{From: "2026-03-02", To: "2026-03-02", Books: 1, Open: 1}, night)
	}
}

func TestNightWithoutTheProviderIsTriedAgainWhenTheProviderSays(t *testing.T) {
	t.Parallel()
	pool := postgrestest.Pool(t)
	_, err := pool.Exec(t.Context(), `INSERT INTO storefronts (id, document) VALUES ('shop', '{"id": "shop", "payments": {"provider": "stripe"}}')`)
	require.NoError(t, err)
	r := &activities.Reconciliation{Reconciler: reconcile.Reconciler{
		Pool: pool, Now: time.Now, Payments: func(catalog.Storefront) (payment.Provider, bool, error) {
			return nil, true, &payment.Error{Kind: payment.ErrUnavailable, Provider: "shop", Detail: "answered 429", RetryAfter: 7 * time.Second}
		},
	}}
	_, err = r.Reconcile(t.Context())
	var failure *temporal.ApplicationError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, 7*time.Second, failure.NextRetryDelay())
	require.Contains(t, err.Error(), "compare payments/shop")
}
