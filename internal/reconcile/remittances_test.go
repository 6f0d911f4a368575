package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/reconcile"
)

// paid books a payment to acme of one invoice, less a credit, so many days ago.
func (w *world) paid(reference string, days int, invoice string, minor int64, credit string, off int64) {
	w.t.Helper()
	on := time.Now().UTC().AddDate(0, 0, -days).Format(time.DateOnly)
	w.exec(`INSERT INTO remittances (supplier, reference, paid_on, currency, total, content, by) VALUES ('acme', $1, $2::date, 'EUR', $3, '', 'books')`, reference, on, minor-off)
	w.exec(`INSERT INTO remittance_lines (supplier, reference, n, payment, invoice, minor) VALUES ('acme', $1::text, 1, $1 || ':1', $2, $3)`, reference, invoice, minor)
	if off > 0 {
		w.exec(`INSERT INTO remittance_lines (supplier, reference, n, payment, credit, minor) VALUES ('acme', $1::text, 2, $1 || ':2', $2, $3)`, reference, credit, -off)
	}
}

func TestPaymentsAreComparedWithASupplierThatStatesThem(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.bought()
	today := time.Now().UTC().Truncate(24 * time.Hour)
	before := func(days int) time.Time { return today.AddDate(0, 0, -days) }
	w.exec(`INSERT INTO claim_credits (supplier, number, order_key, pursuit, currency, minor, given_at) VALUES
		('acme', 'CM-1', 'shop/1', 'shop/1/acme/INV-1', 'EUR', 150, $1), ('acme', 'CM-2', 'shop/1', 'shop/1/acme/INV-1', 'EUR', 50, $1)`, before(20))
	w.paid("REM-1", 20, "INV-1", 1000, "CM-1", 150) // arrived
	w.paid("REM-2", 19, "INV-2", 500, "CM-2", 50)   // has not arrived; its credit is not stated either
	w.paid("REM-3", 18, "INV-3", 300, "", 0)        // arrived as another amount
	w.paid("REM-4", 17, "INV-4", 400, "", 0)        // reversed here, and arrived
	w.paid("REM-5", 16, "INV-5", 700, "", 0)        // arrived twice
	w.paid("REM-6", 3, "INV-6", 700, "", 0)         // may be under way
	w.exec(`UPDATE remittance_lines SET reversed = minor WHERE reference = 'REM-4'`)
	stated := func(kind string, lines ...string) {
		t.Helper()
		file := "number,date,amount,currency,kind\n"
		for _, l := range lines {
			file += strings.Replace(l, ",", ","+before(15).Format(time.DateOnly)+",", 1) + ",EUR," + kind + "\n"
		}
		_, err := reconcile.ImportStatement(t.Context(), w.pool, "acme", []byte(file), before(30), before(1))
		require.NoError(t, err)
		_, err = w.r.Run(t.Context(), reconcile.Days(before(31), today))
		require.NoError(t, err)
	}
	notSetOff := "supplier/acme | CM-2 | shop/1 | -50 | - | EUR | " + string(reconcile.CauseNotSetOff)
	stated("", "CM-1,-1.50")
	require.Equal(t, []string{notSetOff}, w.differences(), "its statements have told of no payment")
	stated("payment", "REM-1,-8.50", "REM-3,-2.90", "REM-4,-4.00", "REM-5,-7.00", "REM-5,-7.00")
	require.ElementsMatch(t, []string{
		notSetOff,
		"supplier/acme | REM-2 |  | -450 | - | EUR | " + string(reconcile.CauseNotArrived),
		"supplier/acme | REM-3 |  | -300 | -290 | EUR | " + string(reconcile.CauseAmount),
		"supplier/acme | REM-4 |  | - | -400 | EUR | " + string(reconcile.CauseUnknownTransfer),
		"supplier/acme | REM-5 |  | - | -700 | EUR | " + string(reconcile.CausePaidTwice),
		"supplier/acme | REM-6 |  | -700 | - | EUR | " + string(reconcile.CauseBorder),
	}, w.differences())
	stated("payment", "REM-2,-4.50", "REM-6,-7.00")
	require.Len(t, w.differences(), 4, "what arrives is gone")
}
