package ledgerbook_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
)

// corrects gives a correction of invoice I1, which asks for so much less.
func corrects(t *testing.T, pool *pgxpool.Pool, number string, less, asks int64) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `INSERT INTO claim_credits (supplier, number, order_key, pursuit, currency, minor, given_at, corrects, asks)
		VALUES ('acme', $1, 'shop/1', 'shop/1/acme/I1', 'EUR', $2, now(), 'I1', $3)`, number, less, asks)
	require.NoError(t, err)
	for range 2 {
		match(t, pool, "shop/1")
	}
}

func TestAnInvoiceThatWasPaidAndIsCorrectedDownwardsLeavesACreditForTheNextPayment(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	invoiced(t, pool, map[string]int64{"I1": 1000})
	_, err := pay(pool, remittance("REM-1", "I1 1000"))
	require.NoError(t, err)
	corrects(t, pool, "I2", 150, 850)
	corrects(t, pool, "I3", 50, 800)
	balances, open := square(t, pool, "shop/1")
	require.EqualValues(t, 800, balances.Of(ledger.CostOfGoods, "EUR"), "the goods cost what the last invoice asks for")
	require.EqualValues(t, 200, balances.Of(ledger.SupplierPayable("acme"), "EUR"))
	require.Len(t, open, 2)
	for _, c := range open {
		require.Equal(t, ledger.ClaimCreditMemo, c.Kind)
		require.WithinDuration(t, time.Now().Add(30*24*time.Hour), c.Due, time.Hour, "its deadline")
	}
	_, err = pay(pool, remittance("REM-2", "I2 -151"))
	require.ErrorContains(t, err, "1.50 EUR of it can be set off, and no more")
	_, err = pay(pool, remittance("REM-2", "I2 -150", "I3 -50"))
	require.NoError(t, err)
	balances, open = square(t, pool, "shop/1")
	require.Empty(t, open)
	require.Zero(t, balances.Of(ledger.SupplierPayable("acme"), "EUR"))
	require.EqualValues(t, -800, balances.Of(ledger.Bank, "EUR"))
}

// 2.00 of 12.00 are disputed; the correction to 9.00 gives those back, and 1.00 more.
func TestACorrectionTakesTheDisputeFirstAndNeverMoreThanTheInvoice(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	invoiced(t, pool, map[string]int64{"I1": 1200})
	corrects(t, pool, "I2", 300, 900)
	balances, open := square(t, pool, "shop/1")
	require.EqualValues(t, 900, balances.Of(ledger.CostOfGoods, "EUR"))
	require.Zero(t, balances.Of(ledger.SupplierClaims("acme"), "EUR"))
	require.EqualValues(t, -900, balances.Of(ledger.SupplierPayable("acme"), "EUR"))
	require.Len(t, open, 3, "the invoice is due, and two credits can be set off")
	_, err := pool.Exec(t.Context(), `INSERT INTO claim_credits (supplier, number, order_key, pursuit, currency, minor, given_at, corrects, asks)
		VALUES ('acme', 'I9', 'shop/1', 'shop/1/acme/I1', 'EUR', 5000, now(), 'I1', 0)`)
	require.NoError(t, err)
	match(t, pool, "shop/1")
	balances, _ = square(t, pool, "shop/1")
	require.Zero(t, balances.Of(ledger.SupplierPayable("acme"), "EUR"), "no more than the invoice asked for")
	_, err = pay(pool, remittance("REM-1", "I1 1200", "I2 -300", "I9 -900"))
	require.NoError(t, err)
	_, open = square(t, pool, "shop/1")
	require.Empty(t, open)
}

func TestACorrectionIsNotTakenBesideWhatAPersonHasTakenForTheDispute(t *testing.T) {
	t.Parallel()
	for outcome, taken := range map[ledger.ClaimOutcome]bool{ledger.ClaimPaid: false, ledger.ClaimCredited: false, ledger.ClaimConceded: true} {
		t.Run(string(outcome), func(t *testing.T) {
			t.Parallel()
			pool := setup(t)
			invoiced(t, pool, map[string]int64{"I1": 1200})
			inTx(t, pool, func(tx pgx.Tx) error {
				return ledgerbook.Change(t.Context(), tx, "shop/1", func(b *ledgerbook.Book) error {
					return b.Settle("acme/I1", "settle/C-1/s-1", outcome, 200)
				})
			})
			corrects(t, pool, "I2", 200, 1000)
			var beyond int64
			require.NoError(t, pool.QueryRow(t.Context(), `SELECT beyond FROM claim_credits`).Scan(&beyond))
			require.Equal(t, taken, beyond == 200)
			balances, _ := square(t, pool, "shop/1")
			require.EqualValues(t, 1000, balances.Of(ledger.CostOfGoods, "EUR"))
		})
	}
}

// given is a document about invoice I1 of 12.00, of which 2.00 are disputed: a credit memo, or a correction that asks for
// so much less.
type given struct {
	number   string
	minor    int64
	corrects bool
}

func (g given) gives(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	if g.corrects {
		corrects(t, pool, g.number, g.minor, 1200-g.minor)
		return
	}
	_, err := pool.Exec(t.Context(), `INSERT INTO claim_credits (supplier, number, order_key, pursuit, currency, minor, given_at)
		VALUES ('acme', $1, 'shop/1', 'shop/1/acme/I1', 'EUR', $2, now())`, g.number, g.minor)
	require.NoError(t, err)
	for range 2 {
		match(t, pool, "shop/1")
	}
}

// A supplier that gives a credit memo for a dispute and then writes the invoice anew gives once.
func TestWhatAMemoGaveForADisputeACorrectionDoesNotGiveAgainInWhicheverOrderTheyCome(t *testing.T) {
	t.Parallel()
	memo, less := func(minor int64) given { return given{"CM-1", minor, false} }, func(minor int64) given { return given{"I2", minor, true} }
	for _, c := range []struct {
		documents []given
		cost      int64
	}{
		{[]given{memo(200), less(200)}, 1000},
		{[]given{memo(120), less(200)}, 1000},
		{[]given{memo(300), less(200)}, 1000},
		{[]given{memo(200), less(350)}, 850},
		{[]given{memo(50), less(350)}, 850},
		{[]given{memo(200), less(50)}, 1000},
	} {
		for range 2 {
			documents := []given{c.documents[0], c.documents[1]}
			t.Run(fmt.Sprint(documents), func(t *testing.T) {
				t.Parallel()
				pool := setup(t)
				invoiced(t, pool, map[string]int64{"I1": 1200})
				for _, d := range documents {
					d.gives(t, pool)
				}
				balances, open := square(t, pool, "shop/1")
				require.Equal(t, c.cost, balances.Of(ledger.CostOfGoods, "EUR"))
				require.Equal(t, -c.cost, balances.Of(ledger.SupplierPayable("acme"), "EUR"))
				require.Zero(t, balances.Of(ledger.SupplierClaims("acme"), "EUR"))
				due := int64(0)
				for _, claim := range open {
					due += claim.Minor
				}
				require.Equal(t, -c.cost, due, "the invoice less what can be set off")
			})
			c.documents[0], c.documents[1] = c.documents[1], c.documents[0]
		}
	}
}

// The second correction makes room for what the first could not give beside a memo, and each part has a key of its own.
func TestALaterCorrectionGivesWhatTheMemoHadNotGiven(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	invoiced(t, pool, map[string]int64{"I1": 1200})
	given{"CM-1", 200, false}.gives(t, pool)
	corrects(t, pool, "I2", 300, 900)
	corrects(t, pool, "I3", 250, 650)
	balances, _ := square(t, pool, "shop/1")
	require.EqualValues(t, 650, balances.Of(ledger.CostOfGoods, "EUR"))
	_, err := pay(pool, remittance("REM-1", "I1 1200", "CM-1 -200", "I2 -300", "I3 -50"))
	require.NoError(t, err)
	_, open := square(t, pool, "shop/1")
	require.Empty(t, open)
}
