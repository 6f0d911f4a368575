package ledgerbook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/supplier"
)

const seed = `
INSERT INTO storefronts (id, document) VALUES ('shop', '{}');
INSERT INTO suppliers (id, document) VALUES ('acme', '{"contract":{"tolerances":{"price_bp":100,"quantity":0}}}');
INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country,
	customer_hash, total_minor, captured_minor)
	VALUES ('shop/1', 'shop', '1', now(), '{}', '\x00', 'EUR', 'DE', '\x00', 1000, 1000);
INSERT INTO order_lines (order_key, line, sku, quantity) VALUES ('shop/1', 1, 'MUG', 10);
INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ('shop/1', 1, '{}', '{}');
INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, terms)
	VALUES ('P-1', 'shop/1', 1, 'acme', 'shipped', 'EUR', '{}');
INSERT INTO purchase_order_lines (number, order_key, line, sku, supplier_sku, quantity, live, reserved, unit_cost)
	VALUES ('P-1', 'shop/1', 1, 'MUG', 'A-1', 10, 10, 0, 100);
INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at)
	VALUES ('P-1', 'ups', '1Z', 'shop/1', '[{"line":1,"quantity":10}]', now());`

func setup(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := postgrestest.Pool(t)
	_, err := pool.Exec(context.Background(), seed)
	require.NoError(t, err)
	return pool
}

func inTx(t *testing.T, pool *pgxpool.Pool, fn func(pgx.Tx) error) {
	t.Helper()
	require.NoError(t, postgres.InTx(context.Background(), pool, fn))
}

func openClaims(t *testing.T, pool *pgxpool.Pool) (open []ledger.Claim) {
	t.Helper()
	inTx(t, pool, func(tx pgx.Tx) error {
		return ledgerbook.Change(context.Background(), tx, "shop/1", func(b *ledgerbook.Book) error {
			open = b.Claims()
			return nil
		})
	})
	return open
}

func eur(minor int64) money.Money { return money.Money{Minor: minor, Currency: "EUR"} }

func captured(t *testing.T, key string, minor int64) ledger.Transaction {
	t.Helper()
	tx, err := ledger.Captured(key, eur(minor))
	require.NoError(t, err)
	return tx
}

func TestPostingAgainChangesNothingAndOtherContentIsRefused(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool := setup(t)
	first, second := captured(t, "a", 700), captured(t, "b", 300)
	inTx(t, pool, func(tx pgx.Tx) error { return ledgerbook.Post(ctx, tx, "shop/1", first, first) })
	inTx(t, pool, func(tx pgx.Tx) error { return ledgerbook.Post(ctx, tx, "shop/1", first, second) })
	inTx(t, pool, func(tx pgx.Tx) error { return ledgerbook.Post(ctx, tx, "shop/1") })
	read, err := ledgerbook.Read(ctx, pool, "shop/1")
	require.NoError(t, err)
	require.Equal(t, []ledger.Transaction{first, second}, read)

	err = postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		return ledgerbook.Post(ctx, tx, "shop/1", captured(t, "c", 1), captured(t, "a", 701))
	})
	require.ErrorIs(t, err, ledgerbook.ErrConflict)
	err = postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		return ledgerbook.Post(ctx, tx, "shop/1", captured(t, "d", 1), captured(t, "d", 2))
	})
	require.ErrorIs(t, err, ledgerbook.ErrConflict)
	read, err = ledgerbook.Read(ctx, pool, "shop/1")
	require.NoError(t, err)
	require.Len(t, read, 2)
}

func TestOneKeyPostedByTwoAtOnceIsPostedOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool := setup(t)
	first, err := pool.Begin(ctx)
	require.NoError(t, err)
	require.NoError(t, ledgerbook.Post(ctx, first, "shop/1", captured(t, "a", 700)))
	outcome := make(chan error, 2)
	for _, minor := range []int64{700, 701} {
		same := captured(t, "a", minor)
		go func() {
			outcome <- postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
				return ledgerbook.Post(ctx, tx, "shop/1", same)
			})
		}()
	}
	require.Eventually(t, func() bool {
		var waiting int
		require.NoError(t, pool.QueryRow(ctx, `
			SELECT count(*) FROM pg_locks l JOIN pg_locks mine ON mine.transactionid = l.transactionid
			WHERE NOT l.granted AND mine.granted AND mine.pid = $1`, first.Conn().PgConn().PID()).Scan(&waiting))
		return waiting == 2
	}, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, first.Commit(ctx))
	errs := []error{<-outcome, <-outcome}
	refused := 0
	for _, err := range errs {
		if err != nil {
			require.ErrorIs(t, err, ledgerbook.ErrConflict)
			refused++
		}
	}
	require.Equal(t, 1, refused)
}

func TestClaimsOpenAndCloseOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool := setup(t)
	claim := ledger.Claim{
		Key: "k", Kind: ledger.ClaimInvoiceDue, Account: ledger.SupplierPayable("acme"), Currency: "EUR", Minor: -5,
		Owner: "purchasing", Due: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
	}
	inTx(t, pool, func(tx pgx.Tx) error {
		return ledgerbook.Change(ctx, tx, "shop/1", func(b *ledgerbook.Book) error { return b.OpenClaim(claim) })
	})
	inTx(t, pool, func(tx pgx.Tx) error {
		return ledgerbook.Change(ctx, tx, "shop/1", func(b *ledgerbook.Book) error { return b.OpenClaim(claim) })
	})
	open := openClaims(t, pool)
	require.Equal(t, []ledger.Claim{claim}, open)
	other := claim
	other.Minor = -6
	err := postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		return ledgerbook.Change(ctx, tx, "shop/1", func(b *ledgerbook.Book) error { return b.OpenClaim(other) })
	})
	require.ErrorIs(t, err, ledgerbook.ErrConflict)
	for range 2 {
		inTx(t, pool, func(tx pgx.Tx) error {
			return ledgerbook.Change(ctx, tx, "shop/1", func(b *ledgerbook.Book) error { return b.CloseClaim("k", "paid") })
		})
	}
	open = openClaims(t, pool)
	require.Empty(t, open)
	err = postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		return ledgerbook.Change(ctx, tx, "shop/1", func(b *ledgerbook.Book) error { return b.CloseClaim("none", "paid") })
	})
	require.ErrorIs(t, err, ledgerbook.ErrNoClaim)
}

// addInvoice stores an invoice as the intake does.
func addInvoice(t *testing.T, pool *pgxpool.Pool, number string, units, total int64) {
	t.Helper()
	i := supplier.Invoice{
		PO: "P-1", Number: number, At: time.Now().UTC(), Currency: "EUR", Total: total,
		Lines: []supplier.InvoiceLine{{Line: 1, Quantity: units, UnitCost: 100}},
	}
	document, err := json.Marshal(i)
	require.NoError(t, err)
	_, err = pool.Exec(context.Background(), `
		INSERT INTO supplier_invoices (supplier, invoice, po_number, order_key, currency, total, document, invoiced_at)
		VALUES ('acme', $1, 'P-1', 'shop/1', 'EUR', $2, $3, $4)`, number, total, document, i.At)
	require.NoError(t, err)
}

func accrue(t *testing.T, pool *pgxpool.Pool, shipment string, minor int64) {
	t.Helper()
	accrual, err := ledger.SupplierAccrued("P-1", shipment, "acme", eur(minor))
	require.NoError(t, err)
	inTx(t, pool, func(tx pgx.Tx) error { return ledgerbook.Post(context.Background(), tx, "shop/1", accrual) })
}

// matched matches twice, asserts that the supplier's accounts are covered by claims to the cent, and
// returns the open claims as "key minor".
func matched(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	ctx := context.Background()
	for range 2 {
		inTx(t, pool, func(tx pgx.Tx) error { return ledgerbook.MatchInvoices(ctx, tx, "shop/1") })
	}
	transactions, err := ledgerbook.Read(ctx, pool, "shop/1")
	require.NoError(t, err)
	balances, err := ledger.BalanceOf(transactions)
	require.NoError(t, err)
	claims := openClaims(t, pool)
	require.NoError(t, err)
	square, problems := ledger.Closed(balances, claims)
	require.True(t, square, problems)
	var list []string
	for _, c := range claims {
		list = append(list, fmt.Sprintf("%s %d", c.Key, c.Minor))
	}
	return list
}

func TestInvoicesAreMatchedToTheCent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		invoices map[string][2]int64 // units and total by number
		claims   []string
	}{
		"none":                {nil, []string{"missing/P-1 -1000"}},
		"exact":               {map[string][2]int64{"I1": {10, 1000}}, []string{"due/acme/I1 -1000"}},
		"number with a space": {map[string][2]int64{"I 1": {10, 1000}}, []string{"due/acme/I_1#78c078f9 -1000"}},
		"within tolerance":    {map[string][2]int64{"I1": {10, 1010}}, []string{"due/acme/I1 -1010"}},
		"cheaper in tolerance": {
			map[string][2]int64{"I1": {10, 991}},
			[]string{"due/acme/I1 -991"},
		},
		"too much": {
			map[string][2]int64{"I1": {10, 1011}},
			[]string{"dispute/arithmetic/acme/I1 11", "due/acme/I1 -1011"},
		},
		"too little": {
			map[string][2]int64{"I1": {10, 900}},
			[]string{"due/acme/I1 -900", "missing/P-1 -100"},
		},
		"two that add up": {
			map[string][2]int64{"I1": {4, 400}, "I2": {6, 600}},
			[]string{"due/acme/I1 -400", "due/acme/I2 -600"},
		},
		"first of two that charges more than its lines": {
			map[string][2]int64{"I1": {9, 995}},
			[]string{"dispute/arithmetic/acme/I1 95", "due/acme/I1 -995", "missing/P-1 -100"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := setup(t)
			accrue(t, pool, "1Z", 1000)
			for number, i := range test.invoices {
				addInvoice(t, pool, number, i[0], i[1])
			}
			require.Equal(t, test.claims, matched(t, pool))
		})
	}
}

func TestMissingInvoiceClaimFollowsWhatComesLater(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool := setup(t)
	accrue(t, pool, "1Z", 600)
	require.Equal(t, []string{"missing/P-1 -600"}, matched(t, pool))
	accrue(t, pool, "2Z", 400)
	require.Equal(t, []string{"missing/P-1#2 -1000"}, matched(t, pool))
	addInvoice(t, pool, "I1", 4, 400)
	require.Equal(t, []string{"due/acme/I1 -400", "missing/P-1#3 -600"}, matched(t, pool))
	addInvoice(t, pool, "I2", 6, 650)
	require.Equal(t, []string{"dispute/arithmetic/acme/I2 50", "due/acme/I1 -400", "due/acme/I2 -650"}, matched(t, pool))
	addInvoice(t, pool, "I3", 1, 100)
	require.Equal(t, []string{"dispute/arithmetic/acme/I2 50", "dispute/duplicate/acme/I3 100", "due/acme/I1 -400", "due/acme/I2 -650", "due/acme/I3 -100"},
		matched(t, pool), "an invoice for nothing is disputed whole")
	var standings []string
	require.NoError(t, pool.QueryRow(ctx, `SELECT array_agg(standing ORDER BY invoice) FROM supplier_invoices`).Scan(&standings))
	require.Equal(t, []string{"matched", "disputed", "disputed"}, standings)
}

// A supplier charges for a shipment before we know that we owe it: that was a duplicate, absorbed later.
// The books end as if the accrual had come first.
func TestADisputeEndsWhenWhatWasChargedIsAccruedAfterAll(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool := setup(t)
	addInvoice(t, pool, "I1", 10, 1000)
	require.Equal(t, []string{"dispute/quantity_not_shipped/acme/I1 1000", "due/acme/I1 -1000"}, matched(t, pool))
	accrue(t, pool, "1Z", 400)
	require.Equal(t, []string{"dispute/quantity_not_shipped/acme/I1#2 600", "due/acme/I1 -1000"}, matched(t, pool))
	accrue(t, pool, "2Z", 600)
	require.Equal(t, []string{"due/acme/I1 -1000"}, matched(t, pool))

	transactions, err := ledgerbook.Read(ctx, pool, "shop/1")
	require.NoError(t, err)
	balances, err := ledger.BalanceOf(transactions)
	require.NoError(t, err)
	require.EqualValues(t, -1000, balances.Of(ledger.SupplierPayable("acme"), "EUR"))
	require.Zero(t, balances.Of(ledger.SupplierClaims("acme"), "EUR"))
	var standing string
	require.NoError(t, pool.QueryRow(ctx, `SELECT standing FROM supplier_invoices`).Scan(&standing))
	require.Equal(t, "matched", standing)
}
