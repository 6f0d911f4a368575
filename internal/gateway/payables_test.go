package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/supplier"
)

// invoiced gives acme a matched invoice of 10.00 USD for order shop/1001.
func (f *fixture) invoiced() {
	f.t.Helper()
	f.delivered(3)
	var number string
	require.NoError(f.t, f.pool.QueryRow(f.t.Context(), `SELECT number FROM purchase_orders WHERE order_key = 'shop/1001'`).Scan(&number))
	f.exec(`INSERT INTO supplier_invoices (supplier, invoice, po_number, order_key, currency, total, document, invoiced_at, standing)
		SELECT supplier, 'INV-1', number, order_key, currency, 1000, '{"Number": "INV-1", "Total": 1000, "Currency": "USD"}', now(), 'matched' FROM purchase_orders WHERE number = $1`, number)
	accrued, err := ledger.SupplierAccrued(number, "1", "acme", money.Money{Minor: 1000, Currency: "USD"})
	require.NoError(f.t, err)
	require.NoError(f.t, postgres.InTx(f.t.Context(), f.pool, func(tx pgx.Tx) error {
		return ledgerbook.Post(f.t.Context(), tx, "shop/1001", accrued)
	}))
	f.exec(`INSERT INTO claims (order_key, key, kind, account, currency, minor, owner, due_at)
		VALUES ('shop/1001', 'due/acme/INV-1', 'invoice_due', 'supplier_payable:acme', 'USD', -1000, 'purchasing', '2026-04-30')`)
}

func TestASupplierIsPaidOnceForAReference(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.invoiced()
	const path = "/v1/suppliers/acme/payments"
	due := f.get("/v1/suppliers/acme/due", f.support)
	require.Equal(t, http.StatusOK, due.StatusCode, due.body)
	require.Contains(t, due.body, `"invoice":"INV-1","currency":"USD","amount":"10.00","disputed":"0.00","order":"shop/1001"`)
	require.Contains(t, due.body, `"net":"10.00"`)
	require.Equal(t, http.StatusNotFound, f.get("/v1/suppliers/nobody/due", f.support).StatusCode)
	require.Equal(t, http.StatusForbidden, f.get("/v1/suppliers/acme/due", f.shop).StatusCode)
	scoped, _, err := apikey.New(f.pool).Create(t.Context(), apikey.Support, "shop")
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, f.get("/v1/suppliers/acme/due", scoped).StatusCode, "suppliers are paid for all storefronts")

	body := `{"reference":"REM-1","date":"2026-04-30","currency":"USD","total":"4.00","lines":[{"invoice":"INV-1","amount":"4.00"}]}`
	require.Equal(t, http.StatusForbidden, f.post(path, f.support, body).StatusCode, "operators pay")
	for _, result := range []string{"booked", "repeat"} {
		got := f.post(path, f.operator, body)
		require.Equal(t, http.StatusOK, got.StatusCode, got.body)
		require.Contains(t, got.body, `"result":"`+result+`"`)
	}
	require.Equal(t, 1, f.count(`SELECT count(*) FROM ledger_transactions WHERE kind = 'supplier_paid'`))
	f.showsWhatSuppliersWerePaid()
	require.Equal(t, 600, f.count(`SELECT -sum(minor) FROM claims WHERE kind = 'invoice_due' AND closed_at IS NULL`))
	require.Equal(t, "conflict", f.post(path, f.operator, strings.ReplaceAll(body, "4.00", "5.00")).problem(t).Code)

	for text, field := range map[string]string{
		strings.ReplaceAll(body, "4.00", "6.01"):                       "lines[0]",
		strings.Replace(body, `"total":"4.00"`, `"total":"4.01"`, 1):   "lines",
		strings.Replace(body, `"amount":"4.00"`, `"amount":"4,00"`, 1): "lines[0].amount",
		strings.Replace(body, "INV-1", "=1+1", 1):                      "lines[0].invoice",
		strings.Replace(body, "INV-1", "INV-9", 1):                     "lines[0]",
		strings.Replace(body, "2026-04-30", "30.4.26", 1):              "date",
		strings.Replace(body, "USD", "XXY", 1):                         "currency",
		strings.Replace(body, `"invoice"`, `"credit_memo"`, 1):         "lines[0]",
	} {
		got := f.post(path, f.operator, strings.Replace(text, "REM-1", "REM-2", 1))
		require.Equal(t, http.StatusUnprocessableEntity, got.StatusCode, text)
		require.Equal(t, field, got.problem(t).Errors[0].Field, text)
	}
	shown := f.post(path, f.operator, examples(t)["payment"]).problem(t)
	require.Equal(t, "lines[0]", shown.Errors[0].Field)
	require.Contains(t, shown.Errors[0].Message, "invoice INV-2041 is not known", "what the manual shows is read")
	require.Equal(t, http.StatusNotFound, f.post("/v1/suppliers/nobody/payments", f.operator, body).StatusCode)
	require.Equal(t, 1, f.count(`SELECT count(*) FROM remittances`), "what was refused left nothing")
}

// showsWhatSuppliersWerePaid: the order tells of the payment and of its reversal, but not to a storefront.
func (f *fixture) showsWhatSuppliersWerePaid() {
	f.t.Helper()
	require.NoError(f.t, postgres.InTx(f.t.Context(), f.pool, func(tx pgx.Tx) error {
		_, err := ledgerbook.PaySupplier(f.t.Context(), tx, "acme", &supplier.Remittance{
			Reference: "REM-W", At: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), Currency: "USD", Total: 100, Lines: []supplier.RemittanceLine{{Invoice: "INV-1", Minor: 100}},
		}, "books")
		if err == nil {
			_, err = ledgerbook.Reverse(f.t.Context(), tx, "shop/1001", "supplier_paid|acme|REM-W:1|due#2/acme/INV-1", "typed_wrong", "books")
		}
		return err
	}))
	const paid, undone = `"payment":"REM-1","paid_on":"2026-04-30","invoice":"INV-1","currency":"USD","amount":"4.00"`, `"reason":"typed_wrong","by":"books"`
	shown, story := f.get("/v1/orders/shop/1001", f.operator).body, f.get("/v1/orders/shop/1001/timeline", f.operator).body
	require.Contains(f.t, shown, paid)
	require.Contains(f.t, shown, undone)
	require.Contains(f.t, story, "acme was paid 4.00 USD of invoice INV-1 by REM-1 of 2026-04-30; noted by operator key")
	require.Contains(f.t, story, "books reversed it, typed wrong: acme was paid 1.00 USD of invoice INV-1 by REM-W of 2026-05-01")
	shown, story = f.get("/v1/orders/shop/1001", f.shop).body, f.get("/v1/orders/shop/1001/timeline", f.shop).body
	require.NotContains(f.t, shown, "supplier_payments")
	require.NotContains(f.t, story, "acme was paid")
	f.exec(`DELETE FROM remittance_lines WHERE reference = 'REM-W'; DELETE FROM remittances WHERE reference = 'REM-W'`)
}
