package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/postgres"
)

func TestASupplierIsPaidFromWhatIsDueAndAMistakeIsReversed(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	c.owes()
	dir := t.TempDir()
	list := filepath.Join(dir, "due.csv")
	require.Contains(t, c.done("supplier", "due"), "invoice INV-1")
	require.Contains(t, c.done("supplier", "due", "acme", "--json"), `"net_minor": 1000`)
	c.done("supplier", "due", "acme", "--output", list)
	written, err := os.ReadFile(list)
	require.NoError(t, err)
	require.Equal(t, "supplier,due,invoice,credit_memo,currency,amount,disputed,order\nacme,2026-04-30,INV-1,,USD,10.00,0.00,demo/1001\n", string(written))
	require.Equal(t, exitFailed, c.run("supplier", "due", "nobody").code)

	path := filepath.Join(dir, "payment.csv")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	write("reference,date,currency,total,invoice,amount\nREM-1,2026-04-30,USD,10.01,INV-1,10.01\n")
	require.Contains(t, c.run("supplier", "pay", "acme", path, "--by", "books").errors, "line 1: invoice INV-1: 10.00 USD of it is due")
	write("reference,date,currency,total,invoice,amount\nREM-1,2026-04-30,USD,10.00,INV-1,10.00\n")
	require.Equal(t, exitUsage, c.run("supplier", "pay", "acme", path).code)
	require.Contains(t, c.done("supplier", "pay", "acme", path, "--by", "books"), "Booked payment REM-1 of 10.00 USD to acme, 1 lines.")
	require.Contains(t, c.done("supplier", "pay", "acme", path, "--by", "books"), "booked before")
	require.Contains(t, c.done("supplier", "due"), "Nothing is due.")
	require.Contains(t, c.done("ledger", "demo/1001"), "Payment REM-1:1 to supplier acme")
	require.Contains(t, c.done("ledger", "follow", "demo/1001"), "paid to acme by REM-1")

	key := "supplier_paid|acme|REM-1:1|due/acme/INV-1"
	require.Equal(t, exitUsage, c.run("ledger", "reverse", "demo/1001", key, "--reason", "Pat typed it", "--by", "books").code)
	require.Equal(t, exitUsage, c.run("ledger", "reverse", "demo/1001", key).code)
	require.Contains(t, c.done("ledger", "reverse", "demo/1001", key, "--reason", "typed_wrong", "--by", "books"), "open again")
	require.Contains(t, c.done("ledger", "reverse", "demo/1001", key, "--reason", "typed_wrong", "--by", "books"), "before")
	followed := c.done("ledger", "follow", "demo/1001", "--json")
	require.Contains(t, followed, "reversed: paid to acme by REM-1")
	var trails []ledgerbook.Trail
	require.NoError(t, json.Unmarshal([]byte(followed), &trails))
	var owed []int64
	for _, s := range trails[0].Owed {
		owed = append(owed, s.Minor, s.Sum)
	}
	require.Equal(t, []int64{1000, 1000, -1000, 0, 1000, 1000}, owed, "accrued, paid, reversed: what is due still")
	require.Contains(t, c.done("ledger", "follow", "demo/1001"), "What suppliers are owed")
	require.Contains(t, c.done("supplier", "due"), "invoice INV-1")
	require.Contains(t, c.run("ledger", "reverse", "demo/1001", "supplier_accrued|P-1|1", "--reason", "x", "--by", "books").errors, "starter claim settle")
}

// owes gives acme an invoice of 10.00 for order demo/1001.
func (c *console) owes() {
	c.t.Helper()
	c.exec(`INSERT INTO storefronts (id, document) VALUES ('demo', '{}');
		INSERT INTO suppliers (id, document) VALUES ('acme', '{"id": "acme"}');
		INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country, customer_hash, total_minor, captured_minor)
			VALUES ('demo/1001', 'demo', '1001', now(), '{}', '', 'USD', 'US', '', 1000, 1000);
		INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ('demo/1001', 1, '{}', '{}');
		INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, terms)
			VALUES ('P-1', 'demo/1001', 1, 'acme', 'shipped', 'USD', '{}');
		INSERT INTO supplier_invoices (supplier, invoice, po_number, order_key, currency, total, document, invoiced_at, standing)
			VALUES ('acme', 'INV-1', 'P-1', 'demo/1001', 'USD', 1000, '{"Number": "INV-1", "Total": 1000, "Currency": "USD"}', now(), 'matched');
		INSERT INTO claims (order_key, key, kind, account, currency, minor, owner, due_at)
			VALUES ('demo/1001', 'due/acme/INV-1', 'invoice_due', 'supplier_payable:acme', 'USD', -1000, 'purchasing', '2026-04-30')`)
	accrued, err := ledger.SupplierAccrued("P-1", "1", "acme", money.Money{Minor: 1000, Currency: "USD"})
	require.NoError(c.t, err)
	require.NoError(c.t, postgres.InTx(c.t.Context(), c.pool, func(tx pgx.Tx) error {
		return ledgerbook.Post(c.t.Context(), tx, "demo/1001", accrued)
	}))
}
