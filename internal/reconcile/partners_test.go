package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/reconcile"
)

// bought gives order shop/1 a purchase order at acme, with a parcel, and a return that is on its way.
func (w *world) bought() {
	w.t.Helper()
	w.order("pi_elsewhere")
	for _, sql := range []string{
		`INSERT INTO order_lines (order_key, line, sku, quantity) VALUES ('shop/1', 1, 'MUG', 10)`,
		`INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ('shop/1', 1, '{}', '{}')`,
		`INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, terms) VALUES ('P-1', 'shop/1', 1, 'acme', 'shipped', 'EUR', '{}')`,
		`INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, milestone) VALUES
			('P-1', 'ups', '1Z1', 'shop/1', '[]', now(), 'delivered'), ('P-1', 'ups', '1Z2', 'shop/1', '[]', now(), 'returning')`,
	} {
		w.exec(sql)
	}
}

func (w *world) invoiced(number string, minor int64, at time.Time) {
	w.t.Helper()
	w.exec(`INSERT INTO supplier_invoices (supplier, invoice, po_number, order_key, currency, total, document, invoiced_at)
		VALUES ('acme', $1, 'P-1', 'shop/1', 'EUR', $2, '{}', $3)`, number, minor, at)
}

func TestStatementIsComparedWithWhatWasReceived(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.bought()
	today := time.Now().UTC().Truncate(24 * time.Hour)
	before := func(days int) time.Time { return today.AddDate(0, 0, -days) }
	w.r.Now = func() time.Time { return today.AddDate(0, 0, 2) }
	for number, at := range map[string]time.Time{
		"INV-1": before(5), "INV-2": before(5), "INV-3": before(5), "INV-EDGE": before(7), "INV-OLD": before(30), "INV-TWICE": before(5),
	} {
		w.invoiced(number, 1000, at.Add(13*time.Hour))
	}
	day := func(days int) string { return before(days).Format(time.DateOnly) }
	file := "number,date,amount,currency\n" +
		"INV-1," + day(5) + ",10.00,EUR\n" + // as received
		"INV-2," + day(4) + ",10.50,EUR\n" + // another amount, and another day
		"INV-9," + day(3) + ",7.00,EUR\n" + // never received
		"CM-9," + day(3) + ",-2.00,EUR\n" + // never received
		"INV-TWICE," + day(5) + ",10.00,EUR\nINV-TWICE," + day(5) + ",10.00,EUR\n"
	imported, err := reconcile.ImportStatement(t.Context(), w.pool, "acme", []byte(file), before(7), before(1))
	require.NoError(t, err)
	require.Equal(t, 6, imported.Lines)
	_, err = w.r.Run(t.Context(), reconcile.Days(before(10), today))
	require.NoError(t, err)
	want := []string{
		"supplier/acme | INV-EDGE | shop/1 | 1000 | - | EUR | " + string(reconcile.CauseBorder),
		"supplier/acme | INV-3 | shop/1 | 1000 | - | EUR | " + string(reconcile.CauseNotStated),
		"supplier/acme | INV-TWICE | shop/1 | - | 1000 | EUR | " + string(reconcile.CauseStatedTwice),
		"supplier/acme | INV-2 | shop/1 | 1000 | 1050 | EUR | " + string(reconcile.CauseAmount),
		"supplier/acme | INV-9 |  | - | 700 | EUR | " + string(reconcile.CauseNoInvoice),
		"supplier/acme | CM-9 |  | - | -200 | EUR | " + string(reconcile.CauseNoCredit),
	}
	require.ElementsMatch(t, want, w.open())

	// The invoice comes after all, and a corrected statement takes the rest back.
	w.invoiced("INV-9", 700, today)
	corrected := "number,date,amount,currency\nINV-2," + day(4) + ",10.00,EUR\nINV-TWICE," + day(5) + ",10.00,EUR\nINV-3," + day(5) + ",10.00,EUR\n"
	_, err = reconcile.ImportStatement(t.Context(), w.pool, "acme", []byte(corrected), time.Time{}, time.Time{})
	require.NoError(t, err)
	_, err = w.r.Run(t.Context(), reconcile.Days(before(10), today))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{want[0], want[5]}, w.open())
}

func TestCreditMemoIsBelowZeroOnAStatement(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.bought()
	w.exec(`INSERT INTO return_requests (order_key, id, body_hash, answer) VALUES ('shop/1', 'q', '\x00', '{}')`)
	w.exec(`INSERT INTO returns (rma, order_key, request, po_number, supplier, stage, state) VALUES ('R-1', 'shop/1', 'q', 'P-1', 'acme', 'settled', '{}')`)
	w.exec(`INSERT INTO credit_memos (supplier, number, rma, order_key, currency, minor, given_at) VALUES ('acme', 'CM-1', 'R-1', 'shop/1', 'EUR', 200, now())`)
	w.importStatement("number,date,amount,currency\nCM-1,TODAY,-2.00,EUR\n")
	require.Empty(t, w.differences())
	w.importStatement("number,date,amount,currency\nCM-1,TODAY,2.00,EUR\n")
	require.Len(t, w.differences(), 1)
	w.importStatement("number,date,amount,currency\nCM-1,TODAY,-2.00,USD\n")
	require.Contains(t, w.differences()[0], string(reconcile.CauseCurrency))
}

func TestCarriersBillIsComparedWithTheParcels(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.bought()
	today := time.Now().UTC().Format(time.DateOnly)
	bill := strings.ReplaceAll("tracking,date,amount,currency\n1z 1,TODAY,6.50,EUR\n1Z2,TODAY,6.50,EUR\n1Z2,TODAY,4.00,EUR\n1Z9,TODAY,6.50,EUR\n", "TODAY", today)
	for range 2 { // the same file again is no second bill
		_, err := reconcile.ImportBill(t.Context(), w.pool, "UPS", []byte(bill))
		require.NoError(t, err)
	}
	want := []string{
		"carrier/ups | 1Z2 | shop/1 | - | 650 | EUR | " + string(reconcile.CauseReturnBilled),
		"carrier/ups | 1Z9 |  | - | 650 | EUR | " + string(reconcile.CauseUnknownTracking),
	}
	require.ElementsMatch(t, want, w.differences())
	// A bill that overlaps with the first says nothing new but what it adds.
	_, err := reconcile.ImportBill(t.Context(), w.pool, "ups", []byte(bill+"1Z1,"+today+",6.50,EUR\n"))
	require.NoError(t, err)
	want = append(want, "carrier/ups | 1Z1 | shop/1 | - | 650 | EUR | "+string(reconcile.CauseBilledTwice))
	require.ElementsMatch(t, want, w.differences())
}

func TestALabelThatWeBoughtIsBilledAtItsPrice(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.bought()
	w.exec(`INSERT INTO return_requests (order_key, id, body_hash, answer) VALUES ('shop/1', 'q', '\x00', '{}')`)
	w.exec(`INSERT INTO returns (rma, order_key, request, po_number, supplier, stage, state) VALUES ('R-1', 'shop/1', 'q', 'P-1', 'acme', 'awaiting', '{}')`)
	for _, tracking := range []string{"EZ1", "EZ2", "EZ3"} {
		w.exec(`INSERT INTO return_parcels (carrier, tracking, rma, bought_of, cost_currency, cost_minor) VALUES ('usps', $1, 'R-1', 'easy-post', 'EUR', 595)`, tracking)
	}
	today := time.Now().UTC().Format(time.DateOnly)
	bill := strings.ReplaceAll("tracking,date,amount,currency\nEZ1,TODAY,5.95,EUR\nEZ2,TODAY,6.95,EUR\nEZ3,TODAY,5.95,USD\n", "TODAY", today)
	_, err := reconcile.ImportBill(t.Context(), w.pool, "easy-post", []byte(bill))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{
		"carrier/easypost | EZ2 | shop/1 | 595 | 695 | EUR | " + string(reconcile.CauseLabelPrice),
		"carrier/easypost | EZ3 | shop/1 | - | 595 | USD | " + string(reconcile.CauseCurrency),
	}, w.differences())
}

func TestImportedFileIsKeptRawAndOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	const file = "number,date,amount,currency\nINV-1,TODAY,10.00,EUR\n"
	first, again := w.importStatement(file), w.importStatement(file)
	require.False(t, first.Repeat)
	require.True(t, again.Repeat)
	require.Equal(t, first.Document, again.Document)
	var body []byte
	var status string
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT body, status FROM documents WHERE id = $1 AND source = 'supplier/acme'
		AND kind = 'supplier_statement'`, first.Document).Scan(&body, &status))
	require.Contains(t, string(body), "INV-1")
	require.Equal(t, "applied", status, "nobody else reads it")

	_, err := reconcile.ImportStatement(t.Context(), w.pool, "nobody", []byte(strings.ReplaceAll(file, "TODAY", "2026-03-02")), time.Time{}, time.Time{})
	require.ErrorIs(t, err, postgres.ErrNoPartner)
	_, err = reconcile.ImportBill(t.Context(), w.pool, "ups", []byte("nonsense"))
	require.Error(t, err)
	var kept int
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT count(*) FROM documents`).Scan(&kept))
	require.Equal(t, 1, kept)
}
