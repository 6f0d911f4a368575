package tracking_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/tracking"
)

// Whoever remembers names reads them once for many scans; they mean what they mean when they are read each time.
func TestNamesThatAreRememberedAreNotReadAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `INSERT INTO carriers (id, document) VALUES ('post', '{"aliases": [{"code": "dhl", "names": ["DHL Paket"]}]}')`)
	names := &tracking.Names{}
	scans := func(tracked string) {
		require.NoError(t, postgres.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
			_, err := names.ApplyScans(t.Context(), tx, []carrier.Scan{carrier.NewScan("DHL Paket", tracked, "in_transit", "", b.now)}, 0)
			return err
		}))
	}
	scans("1")
	b.exec(t, `ALTER TABLE carriers RENAME TO unreadable`)
	scans("2")
	var under int
	require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT count(*) FROM tracking_events WHERE carrier = 'dhl'`).Scan(&under))
	require.Equal(t, 2, under)
}
