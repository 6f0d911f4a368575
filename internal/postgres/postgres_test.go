package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
)

// seedOrder inserts an order with one line of ten units and one purchase order for it.
const seedOrder = `
INSERT INTO storefronts (id, document) VALUES ('shop', '{}');
INSERT INTO suppliers (id, document) VALUES ('acme', '{}');
INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country,
	customer_hash, total_minor, captured_minor)
	VALUES ('shop/1', 'shop', '1', now(), '{}', '\x00', 'EUR', 'DE', '\x00', 1000, 1000);
INSERT INTO order_lines (order_key, line, sku, quantity) VALUES ('shop/1', 1, 'MUG', 10);
INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ('shop/1', 1, '{}', '{}');
INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, terms)
	VALUES ('P-1', 'shop/1', 1, 'acme', 'created', 'EUR', '{}'), ('P-2', 'shop/1', 1, 'acme', 'created', 'EUR', '{}');
INSERT INTO purchase_order_lines (number, order_key, line, sku, supplier_sku, quantity, live, reserved, unit_cost)
	VALUES ('P-1', 'shop/1', 1, 'MUG', 'A-1', 10, 10, 10, 100);`

func TestMigratingTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool := postgrestest.Pool(t)
	first, err := postgres.Migrate(ctx, pool)
	require.NoError(t, err)
	second, err := postgres.Migrate(ctx, pool)
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.Positive(t, first)
}

// A client behind a connection that is dead in one direction never says goodbye.
func TestTheLocksOfAClientThatFellSilentAreReleased(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	usual, err := postgres.Open(t.Context(), url, 2)
	require.NoError(t, err)
	t.Cleanup(usual.Close)
	var bound string
	require.NoError(t, usual.QueryRow(t.Context(), `SHOW idle_in_transaction_session_timeout`).Scan(&bound))
	require.Equal(t, "15s", bound)

	silent, err := postgres.Open(t.Context(), url, 1, func(c *pgx.ConnConfig) {
		c.RuntimeParams["idle_in_transaction_session_timeout"] = "100ms"
	})
	require.NoError(t, err)
	t.Cleanup(silent.Close)
	_, err = usual.Exec(t.Context(), `CREATE TABLE held (id int); INSERT INTO held VALUES (1)`)
	require.NoError(t, err)
	tx, err := silent.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM held FOR UPDATE`)
	require.NoError(t, err)
	_, err = usual.Exec(t.Context(), `SELECT FROM held FOR UPDATE`)
	require.NoError(t, err, "the lock is given up")
	_, err = tx.Exec(t.Context(), `SELECT 1`)
	require.True(t, postgres.Unavailable(err), "%v", err)
	require.Error(t, tx.Rollback(t.Context()))
}

func TestASecondLivePurchaseOrderForTheSameUnitsIsRefused(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool := postgrestest.Pool(t)
	_, err := pool.Exec(ctx, seedOrder)
	require.NoError(t, err)

	second := `INSERT INTO purchase_order_lines (number, order_key, line, sku, supplier_sku, quantity, live, reserved, unit_cost)
		VALUES ('P-2', 'shop/1', 1, 'MUG', 'A-1', 10, 10, 10, 100)`
	_, err = pool.Exec(ctx, second)
	require.Equal(t, "one_live_purchase_order", postgres.Violates(err))

	// A failover gives the units up and buys them again in one transaction.
	require.NoError(t, postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, second); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE purchase_order_lines SET live = 0 WHERE number = 'P-1'`)
		return err
	}))

	_, err = pool.Exec(ctx, `UPDATE order_lines SET cancelled = 1 WHERE order_key = 'shop/1'`)
	require.Equal(t, "one_live_purchase_order", postgres.Violates(err), "cancelled units must not stay live")
}

func TestUnbalancedOrEmptyLedgerTransactionIsRefused(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool := postgrestest.Pool(t)
	_, err := pool.Exec(ctx, seedOrder)
	require.NoError(t, err)
	post := func(entries string) error {
		_, err := pool.Exec(ctx, `WITH t AS (INSERT INTO ledger_transactions (order_key, key, kind, memo)
			VALUES ('shop/1', md5(random()::text), 'k', 'm') RETURNING id)
			INSERT INTO ledger_entries (transaction_id, n, account, currency, minor) SELECT id, e.* FROM t, (`+entries+`) e`)
		return err
	}
	require.NoError(t, post(`VALUES (1, 'a', 'EUR', 5), (2, 'b', 'EUR', -5)`))
	require.Equal(t, "ledger_balances", postgres.Violates(post(`VALUES (1, 'a', 'EUR', 5), (2, 'b', 'EUR', -4)`)))
	require.Equal(t, "ledger_balances", postgres.Violates(post(`VALUES (1, 'a', 'EUR', 5), (2, 'b', 'USD', -5)`)))
	require.Equal(t, "ledger_balances", postgres.Violates(post(`SELECT 1, 'a', 'EUR', 5 WHERE false`)))
}

func TestEntriesThatComeLaterMustBalanceToo(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool := postgrestest.Pool(t)
	_, err := pool.Exec(ctx, seedOrder+`
		INSERT INTO ledger_transactions (order_key, key, kind, memo) VALUES ('shop/1', 'none', 'k', 'm')`)
	require.Equal(t, "ledger_balances", postgres.Violates(err), "a posting without entries is refused at the end")
	_, err = pool.Exec(ctx, seedOrder+`
		WITH t AS (INSERT INTO ledger_transactions (order_key, key, kind, memo) VALUES ('shop/1', 'x', 'k', 'm'), ('shop/1', 'y', 'k', 'm') RETURNING id)
		INSERT INTO ledger_entries SELECT id, e.* FROM t, (VALUES (1, 'a', 'EUR', 5), (2, 'b', 'EUR', -5)) e`)
	require.NoError(t, err)
	for _, later := range []string{
		`SELECT id, 3, 'a', 'EUR', 1 FROM ledger_transactions WHERE key = 'x'`,
		// Two that are wrong do not make up for each other.
		`SELECT id, 3, 'a', 'EUR', CASE key WHEN 'x' THEN 1 ELSE -1 END FROM ledger_transactions`,
		`SELECT id, n, 'a', currency, n - 4 FROM ledger_transactions, (VALUES (3, 'EUR'), (5, 'USD')) c (n, currency) WHERE key = 'x'`,
	} {
		_, err := pool.Exec(ctx, `INSERT INTO ledger_entries `+later)
		require.Equal(t, "ledger_balances", postgres.Violates(err), later)
	}
	_, err = pool.Exec(ctx, `INSERT INTO ledger_entries
		SELECT id, n, 'a', 'EUR', n - 4 FROM ledger_transactions, (VALUES (3), (5)) c (n) WHERE key = 'x'`)
	require.NoError(t, err, "what balances by itself is taken")
}

func TestTheLedgerIsAppendOnly(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool := postgrestest.Pool(t)
	_, err := pool.Exec(ctx, seedOrder+`
		WITH t AS (INSERT INTO ledger_transactions (order_key, key, kind, memo) VALUES ('shop/1', 'x', 'k', 'm') RETURNING id)
		INSERT INTO ledger_entries SELECT id, e.* FROM t, (VALUES (1, 'a', 'EUR', 5), (2, 'b', 'EUR', -5)) e;`)
	require.NoError(t, err)
	for _, statement := range []string{
		`UPDATE ledger_entries SET minor = minor * 2`,
		`DELETE FROM ledger_entries`,
		`UPDATE ledger_transactions SET memo = 'other'`,
		`DELETE FROM ledger_transactions`,
		`TRUNCATE ledger_entries`, `TRUNCATE ledger_transactions CASCADE`,
	} {
		_, err := pool.Exec(ctx, statement)
		require.ErrorContains(t, err, "append-only", statement)
	}
}

func TestRefundsNeverExceedWhatWasCaptured(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool := postgrestest.Pool(t)
	_, err := pool.Exec(ctx, seedOrder)
	require.NoError(t, err)
	refund := func(n, amount int) error {
		_, err := pool.Exec(ctx, `INSERT INTO refunds (key, order_key, n, lines, amount_minor, goods_minor, tax_minor, shipping_minor, reason, state)
			VALUES ('r' || $1::int, 'shop/1', $1::int, '[]', $2, 0, 0, 0, 'cancelled', 'trying')`, n, amount)
		return err
	}
	require.NoError(t, refund(1, 600))
	require.Equal(t, "refunds_within_capture", postgres.Violates(refund(2, 401)))
	require.NoError(t, refund(3, 400))
}
