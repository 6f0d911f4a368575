package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/postgres/postgrestest"
)

// What v0.2 writes while it runs on beside this release.
const (
	oldRefund = `INSERT INTO refunds (key, order_key, n, part, lines, amount_minor, through_minor, goods_minor, tax_minor,
			shipping_minor, shipping_tax_minor, kept_minor, label_minor, credit_minor, moved_minor, supplement_minor, reason, route, state)
		VALUES ($1, 'shop/1', $2, 1, '[]', $3, 0, $3, 0, 0, 0, 0, 0, 0, 0, 0, 'cancelled', $4, 'trying')`
	oldRefundMade = `UPDATE refunds SET state = 'done', reference = $2, route = $3, done_at = now() WHERE key = $1 AND state = 'trying'`
	oldRecord     = `UPDATE payments SET state = $1, stage = 'payment_books', needs_attention = false, moved_minor = 0 WHERE order_key = 'shop/1'`
)

// authorised has an order of 10.00 whose customer's bank holds all of it.
func authorised(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := postgrestest.Pool(t)
	for _, sql := range []string{
		seedOrder, `UPDATE orders SET captured_minor = 0`,
		`INSERT INTO payments (order_key, storefront, reference, standing, authorised_minor, stage, state)
			VALUES ('shop/1', 'shop', 'pi_1', 'authorised', 1000, 'authorised', '{}')`,
	} {
		_, err := pool.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	return pool
}

func TestRefundsOfTheReleaseBeforeAreKeptInThisOnesWords(t *testing.T) {
	t.Parallel()
	pool := authorised(t)
	exec := func(sql string, args ...any) {
		t.Helper()
		_, err := pool.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	refunds := func() (text string) {
		t.Helper()
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT string_agg(concat_ws(' ', key, route, amount_minor, released_minor, forgiven_minor, state), ', ' ORDER BY n)
			FROM refunds`).Scan(&text))
		return text
	}
	exec(oldRefund, "r1", 1, 300, "released")
	_, err := pool.Exec(t.Context(), `UPDATE payments SET standing = 'capturing', capture_try = 1, capture_minor = 701 WHERE order_key = 'shop/1'`)
	require.ErrorContains(t, err, "exceeds the 700 that are due", "what it released is not captured")
	exec(oldRefundMade, "r1", "", "released")
	exec(oldRefund, "r2", 2, 200, "forgiven")
	exec(oldRefundMade, "r2", "", "forgiven")
	exec(`UPDATE payments SET captured_minor = 500, standing = 'captured' WHERE order_key = 'shop/1'`)
	exec(oldRefund, "r3", 3, 400, "provider")
	exec(oldRefundMade, "r3", "re_1", "held")
	_, err = pool.Exec(t.Context(), oldRefund, "r4", 4, 101, "released")
	require.ErrorContains(t, err, "exceed the 500 captured", "it is counted like any other")
	require.Equal(t, "r1 provider 0 300 0 done, r2 provider 0 0 200 done, r3 held 400 0 0 done", refunds())
}

func TestSnapshotsOfTheReleaseBeforeTellWhatWasNotPaid(t *testing.T) {
	t.Parallel()
	pool := authorised(t)
	snapshots := []struct{ state, want string }{
		{`{"revision": 1, "capture": {"writtenOff": 300}}`, "0 300"},
		{`{"revision": 2, "capture": {"writtenOff": 100, "elsewhere": 50}}`, "50 100"},
		{`{"revision": 3, "capture": {}}`, "0 0"},
	}
	read := func() (text string) {
		t.Helper()
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT concat_ws(' ', elsewhere_minor, written_off_minor) FROM payments`).Scan(&text))
		return text
	}
	for _, s := range snapshots {
		_, err := pool.Exec(t.Context(), oldRecord, s.state)
		require.NoError(t, err)
		require.Equal(t, s.want, read())
	}
	_, err := pool.Exec(t.Context(), `UPDATE payments SET state = '{"revision": 4}', elsewhere_minor = 7, written_off_minor = 8`)
	require.NoError(t, err)
	require.Equal(t, "7 8", read(), "whoever says it is believed")
}
