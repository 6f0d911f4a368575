package ledgerbook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/audit"
	"github.com/dropline/dropline/internal/claimdesk"
	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/supplier"
)

// setupVolume gives orders shop/1 to shop/n of 10.00 each, shipped and accrued, by a supplier that gives 5 %
// from 15.00 and 10.01 % from 40.00 on in a year.
func setupVolume(t *testing.T, n int) *pgxpool.Pool {
	t.Helper()
	pool := setup(t)
	exec(t, pool, `UPDATE suppliers SET document = '{"contract": {"calendar": {"zone": "Europe/Berlin"}, "volume_discounts": {"period": "year", "tiers": [
		{"from": [{"amount": "15.00", "currency": "EUR"}], "discount_bp": 500},
		{"from": [{"amount": "40.00", "currency": "EUR"}], "discount_bp": 1001}]}}}'`)
	for i := 1; i <= n; i++ {
		key, po := fmt.Sprint("shop/", i), fmt.Sprint("P-", i)
		if i > 1 {
			exec(t, pool, `INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country, customer_hash, total_minor, captured_minor)
				VALUES ($1, 'shop', $2, now(), '{}', '\x00', 'EUR', 'DE', '\x00', 1000, 1000)`, key, fmt.Sprint(i))
			exec(t, pool, `INSERT INTO order_lines (order_key, line, sku, quantity) VALUES ($1, 1, 'MUG', 10)`, key)
			exec(t, pool, `INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ($1, 1, '{}', '{}')`, key)
			exec(t, pool, `INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, terms) VALUES ($2, $1, 1, 'acme', 'shipped', 'EUR', '{}')`, key, po)
			exec(t, pool, `INSERT INTO purchase_order_lines (number, order_key, line, sku, supplier_sku, quantity, live, reserved, unit_cost)
				VALUES ($2, $1, 1, 'MUG', 'A-1', 10, 10, 0, 100)`, key, po)
			exec(t, pool, `INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at) VALUES ($2, 'ups', $2, $1, '[{"line":1,"quantity":10}]', now())`, key, po)
		}
		accrual, err := ledger.SupplierAccrued(po, "1Z", "acme", eur(1000))
		require.NoError(t, err)
		inTx(t, pool, func(tx pgx.Tx) error { return ledgerbook.Post(t.Context(), tx, key, accrual) })
	}
	return pool
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	_, err := pool.Exec(context.Background(), sql, args...)
	require.NoError(t, err)
}

// bill has order i invoiced at full price and matches it, both as often as wanted.
func bill(t *testing.T, pool *pgxpool.Pool, i int) {
	t.Helper()
	number, po, key := fmt.Sprint("I", i), fmt.Sprint("P-", i), fmt.Sprint("shop/", i)
	in := supplier.Invoice{
		PO: po, Number: number, At: time.Now().UTC(), Currency: "EUR", Total: 1000,
		Lines: []supplier.InvoiceLine{{Line: 1, Quantity: 10, UnitCost: 100}},
	}
	document, err := json.Marshal(in)
	require.NoError(t, err)
	exec(t, pool, `INSERT INTO supplier_invoices (supplier, invoice, po_number, order_key, currency, total, document, invoiced_at)
		VALUES ('acme', $1, $2, $3, 'EUR', 1000, $4, now()) ON CONFLICT DO NOTHING`, number, po, key, document)
	inTx(t, pool, func(tx pgx.Tx) error { return ledgerbook.MatchInvoices(context.Background(), tx, key) })
}

func claimDiscounts(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	due, err := ledgerbook.DuePeriods(context.Background(), pool)
	require.NoError(t, err)
	for _, period := range due {
		inTx(t, pool, func(tx pgx.Tx) error { return ledgerbook.ClaimDiscounts(context.Background(), tx, period) })
	}
}

func number(t *testing.T, pool *pgxpool.Pool, sql string) (n int) {
	t.Helper()
	require.NoError(t, pool.QueryRow(context.Background(), sql).Scan(&n))
	return n
}

const (
	claimedSQL  = `SELECT coalesce(sum(minor), 0) FROM claims WHERE kind = 'volume_discount'`
	disputedSQL = `SELECT coalesce(sum(minor), 0) FROM claims WHERE reason = 'volume_discount'`
)

// covered asserts that the accounts of all orders are square.
func covered(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		inTx(t, pool, func(tx pgx.Tx) error {
			return ledgerbook.Change(context.Background(), tx, fmt.Sprint("shop/", i), func(b *ledgerbook.Book) error {
				balances, err := ledger.BalanceOf(b.Transactions())
				require.NoError(t, err)
				square, problems := ledger.Closed(balances, b.Claims())
				require.True(t, square, problems)
				return nil
			})
		})
	}
}

// auditOfClaims asserts that the audit finds nothing wrong with the claims.
func auditOfClaims(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	report, err := audit.Run(t.Context(), audit.Options{Pool: pool})
	require.NoError(t, err)
	looked := 0
	for _, outcome := range report.Outcomes {
		if outcome.Invariant == 11 && strings.Contains(outcome.Check, "claim") || strings.Contains(outcome.Check, "claim on a supplier") {
			looked++
			require.Empty(t, outcome.Violations, outcome.Check)
		}
	}
	require.GreaterOrEqual(t, looked, 4)
}

func TestATierIsClaimedOnceForWhatCameBeforeAndExpectedOfWhatComesAfter(t *testing.T) {
	t.Parallel()
	pool := setupVolume(t, 5)
	step := func(i, claimed, disputed int) {
		for range 2 {
			bill(t, pool, i)
			claimDiscounts(t, pool)
		}
		require.Equal(t, claimed, number(t, pool, claimedSQL), i)
		require.Equal(t, disputed, number(t, pool, disputedSQL), i)
		covered(t, pool, i)
	}
	step(1, 0, 0)
	step(2, 100, 0)       // 5 % of 20.00
	step(3, 100, 50)      // 5 % is expected of the third
	step(4, 300, 100)     // 10.01 % of 40.00, less what was expected and claimed
	step(5, 300, 100+100) // 10.01 % of the fifth, rounded down
	require.Equal(t, 2, number(t, pool, `SELECT count(*) FROM pursuits WHERE kind = 'volume_discount'`), "one for each tier")
	require.Equal(t, 4, number(t, pool, `SELECT count(DISTINCT order_key) FROM claims WHERE pursuit LIKE 'volume:acme/%/EUR/1001'`))
	exec(t, pool, `UPDATE volume_purchases SET ends_at = now() - interval '1 day', pending = true`)
	claimDiscounts(t, pool)
	require.Equal(t, 500, number(t, pool, `SELECT sum(granted + claimed) FROM volume_purchases`), "10.01 % of 50.00, rounded half to even")
	require.Zero(t, number(t, pool, `SELECT count(*) FROM volume_purchases WHERE pending`))
}

// Both see no tier, and both looks at the period see that it is reached.
func TestInvoicesAtOnceThatReachATierAreClaimedOnce(t *testing.T) {
	t.Parallel()
	pool := setupVolume(t, 3)
	bill(t, pool, 1)
	claimDiscounts(t, pool)
	var group sync.WaitGroup
	for i := 2; i <= 3; i++ {
		group.Go(func() { bill(t, pool, i) })
	}
	group.Wait()
	due, err := ledgerbook.DuePeriods(t.Context(), pool)
	require.NoError(t, err)
	require.Len(t, due, 1)
	for range 4 {
		group.Go(func() {
			inTx(t, pool, func(tx pgx.Tx) error { return ledgerbook.ClaimDiscounts(t.Context(), tx, due[0]) })
		})
	}
	group.Wait()
	require.Equal(t, 150, number(t, pool, claimedSQL))
	require.Equal(t, 3, number(t, pool, `SELECT count(*) FROM claims WHERE kind = 'volume_discount'`))
	covered(t, pool, 3)
}

func TestACorrectedInvoiceCountsForLess(t *testing.T) {
	t.Parallel()
	pool := setupVolume(t, 2)
	bill(t, pool, 1)
	exec(t, pool, `INSERT INTO claim_credits (supplier, number, order_key, pursuit, currency, minor, given_at)
		VALUES ('acme', 'C1', 'shop/1', 'shop/1/acme/I1', 'EUR', 600, now())`)
	for range 2 {
		inTx(t, pool, func(tx pgx.Tx) error {
			return ledgerbook.Change(t.Context(), tx, "shop/1", (*ledgerbook.Book).ApplyCredits)
		})
	}
	bill(t, pool, 2)
	claimDiscounts(t, pool)
	require.Equal(t, 1400, number(t, pool, `SELECT sum(goods - credited) FROM volume_purchases`))
	require.Zero(t, number(t, pool, claimedSQL), "14.00 reach nothing")
}

func TestTheClaimOfATierIsSettledAndCreditedOverItsOrders(t *testing.T) {
	t.Parallel()
	pool := setupVolume(t, 3)
	for i := 1; i <= 3; i++ {
		bill(t, pool, i)
	}
	claimDiscounts(t, pool)
	var id string
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT id FROM pursuits WHERE kind = 'volume_discount'`).Scan(&id))
	s, err := claimdesk.Load(t.Context(), pool, id)
	require.NoError(t, err)
	require.EqualValues(t, 150, s.Open)
	auditOfClaims(t, pool)
	settle := func(request string, minor int64) (settled int64) {
		inTx(t, pool, func(tx pgx.Tx) (err error) {
			settled, err = claimdesk.Settle(context.Background(), tx, id, claims.Settlement{
				ID: request, Outcome: ledger.ClaimPaid, Minor: minor, Reason: "agreed", By: "operator key k",
			})
			return err
		})
		return settled
	}
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() { require.EqualValues(t, 70, settle("a", 70)) })
	}
	group.Wait()
	require.Equal(t, 80, number(t, pool, `SELECT sum(minor) FROM claims WHERE kind = 'volume_discount' AND closed_at IS NULL`))
	exec(t, pool, `INSERT INTO claim_credits (supplier, number, order_key, pursuit, currency, minor, given_at) VALUES ('acme', 'C1', 'shop/1', $1, 'EUR', 90, now())`, id)
	for range 2 {
		inTx(t, pool, func(tx pgx.Tx) error {
			if err := ledgerbook.LockJoint(t.Context(), tx, id); err != nil {
				return err
			}
			return ledgerbook.ApplyJointCredits(t.Context(), tx, id)
		})
	}
	require.Equal(t, 80, number(t, pool, `SELECT applied FROM claim_credits`), "what is more than the claim stays with the credit")
	require.Zero(t, number(t, pool, `SELECT count(*) FROM claims WHERE kind = 'volume_discount' AND closed_at IS NULL`))
	covered(t, pool, 3)
	auditOfClaims(t, pool)
	err = postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		return ledgerbook.SettleJoint(t.Context(), tx, id, "x", ledger.ClaimPaid, 1)
	})
	require.ErrorIs(t, err, ledgerbook.ErrOverSettled)
}
