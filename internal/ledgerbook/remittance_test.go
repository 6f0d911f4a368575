package ledgerbook_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/supplier"
)

var paidOn = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)

// remittance makes one of lines such as "I1 600" and "CM-1 -40".
func remittance(reference string, lines ...string) *supplier.Remittance {
	r := &supplier.Remittance{Reference: reference, At: paidOn, Currency: "EUR"}
	for _, text := range lines {
		at := strings.LastIndex(text, " ")
		var l supplier.RemittanceLine
		if _, err := fmt.Sscan(text[at+1:], &l.Minor); err != nil {
			panic(err)
		}
		if l.Invoice = text[:at]; l.Minor < 0 {
			l.Invoice, l.Credit = "", text[:at]
		}
		r.Total += l.Minor
		r.Lines = append(r.Lines, l)
	}
	return r
}

func pay(pool *pgxpool.Pool, r *supplier.Remittance) (repeat bool, err error) {
	err = postgres.InTx(context.Background(), pool, func(tx pgx.Tx) error {
		repeat, err = ledgerbook.PaySupplier(context.Background(), tx, "acme", r, "operator key k")
		return err
	})
	return repeat, err
}

func reverse(pool *pgxpool.Pool, order, key string) (repeat bool, err error) {
	err = postgres.InTx(context.Background(), pool, func(tx pgx.Tx) error {
		repeat, err = ledgerbook.Reverse(context.Background(), tx, order, key, "typed_wrong", "bookkeeping")
		return err
	})
	return repeat, err
}

// invoiced gives acme invoices for all that shop/1 accrued, 10.00, and matches them.
func invoiced(t *testing.T, pool *pgxpool.Pool, totals map[string]int64) {
	t.Helper()
	shipped, err := ledger.SupplierAccrued("P-1", "1", "acme", eur(1000))
	require.NoError(t, err)
	inTx(t, pool, func(tx pgx.Tx) error { return ledgerbook.Post(t.Context(), tx, "shop/1", shipped) })
	for number, total := range totals {
		invoice(t, pool, "P-1", number, total)
	}
	match(t, pool, "shop/1")
}

func invoice(t *testing.T, pool *pgxpool.Pool, po, number string, total int64) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `INSERT INTO supplier_invoices (supplier, invoice, po_number, order_key, currency, total, document, invoiced_at)
		SELECT supplier, $2, number, order_key, currency, $3, jsonb_build_object('PO', number, 'Number', $2::text, 'Currency', currency, 'Total', $3::bigint,
			'At', '2026-03-01T00:00:00Z', 'Lines', jsonb_build_array(jsonb_build_object('Line', 1, 'Quantity', $3::bigint / 100, 'UnitCost', 100))), '2026-03-01'
		FROM purchase_orders WHERE number = $1`, po, number, total)
	require.NoError(t, err)
}

func match(t *testing.T, pool *pgxpool.Pool, order string) {
	t.Helper()
	inTx(t, pool, func(tx pgx.Tx) error { return ledgerbook.MatchInvoices(t.Context(), tx, order) })
}

// square requires that the claims cover what the accounts hold, and returns the balances.
func square(t require.TestingT, pool *pgxpool.Pool, order string) (balances ledger.Balances, open []ledger.Claim) {
	ctx := context.Background()
	require.NoError(t, postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		return ledgerbook.Change(ctx, tx, order, func(b *ledgerbook.Book) (err error) {
			open = b.Claims()
			balances, err = ledger.BalanceOf(b.Transactions())
			return err
		})
	}))
	for _, b := range balances {
		if !b.Account.NeedsClaim() {
			continue
		}
		left := b.Minor
		for _, c := range open {
			if c.Account == b.Account && c.Currency == b.Currency {
				left -= c.Minor
			}
		}
		require.Zero(t, left, "%s: %v", b.Account, open)
	}
	return balances, open
}

// credited is a credit memo of a return of shop/1.
func credited(t *testing.T, pool *pgxpool.Pool, rma string, sum int64, memos map[string]int64) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `INSERT INTO return_requests (order_key, id, body_hash, answer) VALUES ('shop/1', $1, '', '{}') ON CONFLICT DO NOTHING`, rma)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `INSERT INTO returns (rma, order_key, request, po_number, supplier, stage, state)
		VALUES ($1, 'shop/1', $1, 'P-1', 'acme', 'closed', '{}') ON CONFLICT DO NOTHING`, rma)
	require.NoError(t, err)
	for number, minor := range memos {
		_, err = pool.Exec(t.Context(), `INSERT INTO credit_memos (supplier, number, rma, order_key, currency, minor, given_at)
			VALUES ('acme', $1, $2, 'shop/1', 'EUR', $3, now())`, number, rma, minor)
		require.NoError(t, err)
	}
	follow(t, pool, rma, sum)
}

func follow(t *testing.T, pool *pgxpool.Pool, rma string, sum int64) {
	t.Helper()
	inTx(t, pool, func(tx pgx.Tx) error {
		return ledgerbook.Change(t.Context(), tx, "shop/1", func(b *ledgerbook.Book) error {
			return b.FollowReturn(ledgerbook.ReturnCredit{RMA: rma, Supplier: "acme", Currency: "EUR", Expected: sum, Got: sum})
		})
	})
}

func TestARemittancePaysInvoicesAndSetsCreditsOffUntilNothingIsOpen(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	invoiced(t, pool, map[string]int64{"I1": 600, "I 2": 400})
	credited(t, pool, "R1", 150, map[string]int64{"CM-1": 100, "CM 2": 50})
	list, err := ledgerbook.PayablesOf(t.Context(), pool, "acme")
	require.NoError(t, err)
	named := map[string]int64{}
	for _, p := range list {
		named[p.Invoice+p.Credit] = p.Minor
	}
	require.Equal(t, map[string]int64{"I1": 600, "I 2": 400, "CM-1": -100, "CM 2": -50}, named)
	sums, err := ledgerbook.PayableSums(list)
	require.NoError(t, err)
	require.Equal(t, []ledgerbook.PayableSum{{Supplier: "acme", Currency: "EUR", Owed: 1000, Credits: 150, Net: 850}}, sums)

	first := remittance("REM 1", "I1 600", "I 2 150", "CM-1 -70")
	for _, again := range []bool{false, true} {
		repeat, err := pay(pool, first)
		require.NoError(t, err)
		require.Equal(t, again, repeat)
		balances, open := square(t, pool, "shop/1")
		require.EqualValues(t, -680, balances.Of(ledger.Bank, "EUR"))
		require.EqualValues(t, 850, balances.Of(ledger.CostOfGoods, "EUR"), "costs do not change by paying")
		require.Len(t, open, 2)
	}
	_, err = pay(pool, remittance("REM 1", "I1 600"))
	require.ErrorIs(t, err, ledgerbook.ErrConflict)
	follow(t, pool, "R1", 150)
	_, open := square(t, pool, "shop/1")
	require.Len(t, open, 2, "a return that is followed again does not bring back what was set off")

	_, err = pay(pool, remittance("REM-2", "I 2 250", "CM-1 -30", "CM 2 -50"))
	require.NoError(t, err)
	balances, open := square(t, pool, "shop/1")
	require.Empty(t, open)
	require.Zero(t, balances.Of(ledger.SupplierPayable("acme"), "EUR"))
	require.EqualValues(t, -850, balances.Of(ledger.Bank, "EUR"))
	list, err = ledgerbook.PayablesOf(t.Context(), pool, "")
	require.NoError(t, err)
	require.Empty(t, list)

	credited(t, pool, "R1", 170, map[string]int64{"CM-3": 20})
	_, err = pay(pool, remittance("BACK", "CM-3 -20"))
	require.NoError(t, err, "the supplier pays back what it cannot be paid less")
	balances, open = square(t, pool, "shop/1")
	require.Empty(t, open)
	require.EqualValues(t, -830, balances.Of(ledger.Bank, "EUR"))
}

func TestARemittanceThatDoesNotFitIsRefusedWholeWithItsLine(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	invoiced(t, pool, map[string]int64{"I1": 600})
	credited(t, pool, "R1", 100, map[string]int64{"CM-1": 60, "CM-2": 40})
	_, err := pool.Exec(t.Context(), `INSERT INTO suppliers (id, document) VALUES ('other', '{}')`)
	require.NoError(t, err)
	invoice(t, pool, "P-1", "LATE", 100)
	_, err = pool.Exec(t.Context(), `UPDATE purchase_orders SET supplier = 'other'`)
	require.NoError(t, err)
	invoice(t, pool, "P-1", "THEIRS", 100)
	_, err = pool.Exec(t.Context(), `UPDATE purchase_orders SET supplier = 'acme'`)
	require.NoError(t, err)
	_, err = pay(pool, remittance("BEFORE", "I1 100"))
	require.NoError(t, err)
	dollars := remittance("R", "I1 1")
	dollars.Currency = "USD"
	short := remittance("R", "I1 1")
	short.Total = 2
	for want, r := range map[string]*supplier.Remittance{
		"line 2: invoice I9 is not known of this supplier":              remittance("R", "I1 1", "I9 1"),
		"line 2: invoice THEIRS is not known of this supplier":          remittance("R", "I1 1", "THEIRS 1"),
		"line 2: invoice LATE has not been compared":                    remittance("R", "I1 1", "LATE 100"),
		"line 1: invoice I1: 5.00 EUR of it is due, and no more":        remittance("R", "I1 501"),
		"line 1: invoice I1 is in EUR":                                  dollars,
		"line 2: credit memo CM-1: 0.60 EUR of it can be set off":       remittance("R", "I1 100", "CM-1 -61"),
		"line 1: credit memo CM-9 is not known":                         remittance("R", "CM-9 -1"),
		"line 2: invoice I1 stands in it twice":                         remittance("R", "I1 1", "I1 2"),
		"its lines sum up to 0.01 EUR and not to its total of 0.02 EUR": short,
		"a remittance has 1 to 2000 lines":                              remittance("R"),
	} {
		_, err := pay(pool, r)
		var line *supplier.LineError
		require.ErrorAs(t, err, &line, want)
		require.ErrorContains(t, err, want)
	}
	_, err = pay(pool, remittance("R", "I1 500", "CM-2 -40"))
	require.NoError(t, err, "nothing of what was refused was kept")
	_, err = pay(pool, remittance("R2", "I1 1"))
	require.ErrorContains(t, err, "invoice I1 is paid already")
	_, err = pay(pool, remittance("R2", "CM-2 -1"))
	require.ErrorContains(t, err, "set off already", "what another memo of the return gave is not this one's")
	err = postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := ledgerbook.PaySupplier(t.Context(), tx, "nobody", remittance("R", "I1 1"), "x")
		return err
	})
	require.ErrorIs(t, err, ledgerbook.ErrNoSupplier)
	square(t, pool, "shop/1")
}

// An invoice is disputed and paid but for the dispute; then the supplier credits it.
func TestADisputedPartIsLeftUnpaidAndSetOffWhenItIsCredited(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	invoiced(t, pool, map[string]int64{"I1": 1200})
	list, err := ledgerbook.PayablesOf(t.Context(), pool, "acme")
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, []int64{1200, 200}, []int64{list[0].Minor, list[0].Disputed})
	_, err = pay(pool, remittance("REM-1", "I1 1000"))
	require.NoError(t, err)
	square(t, pool, "shop/1")
	_, err = pool.Exec(t.Context(), `INSERT INTO claim_credits (supplier, number, order_key, pursuit, currency, minor, given_at)
		VALUES ('acme', 'CM-7', 'shop/1', 'shop/1/acme/I1', 'EUR', 200, now())`)
	require.NoError(t, err)
	match(t, pool, "shop/1")
	invoice(t, pool, "P-1", "I2", 100) // late, for nothing that was shipped
	match(t, pool, "shop/1")
	list, err = ledgerbook.PayablesOf(t.Context(), pool, "acme")
	require.NoError(t, err)
	sums, err := ledgerbook.PayableSums(list)
	require.NoError(t, err)
	require.Equal(t, []ledgerbook.PayableSum{{Supplier: "acme", Currency: "EUR", Owed: 300, Disputed: 100, Credits: 200}}, sums)
	_, err = pay(pool, remittance("REM-2", "I1 200", "CM-7 -200"))
	require.NoError(t, err)
	balances, open := square(t, pool, "shop/1")
	require.EqualValues(t, -1000, balances.Of(ledger.Bank, "EUR"))
	require.EqualValues(t, 1000, balances.Of(ledger.CostOfGoods, "EUR"))
	require.Len(t, open, 2, "the late invoice is due and disputed: %v", open)
}

func TestALineThatWasBookedInErrorIsReversedAndOpenAgain(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	invoiced(t, pool, map[string]int64{"I1": 600, "I1#2": 400})
	credited(t, pool, "R1", 100, map[string]int64{"CM-1": 100})
	_, err := pay(pool, remittance("REM-1", "I1 250", "I1#2 400", "CM-1 -60"))
	require.NoError(t, err)
	for _, key := range []string{"supplier_paid|acme|REM-1:1|due/acme/I1", "supplier_paid|acme|REM-1:2|due/acme/I1#2", "supplier_set_off|acme|REM-1:3|return/R1/credit"} {
		for _, again := range []bool{false, true} {
			repeat, err := reverse(pool, "shop/1", key)
			require.NoError(t, err)
			require.Equal(t, again, repeat)
		}
		_, err := reverse(pool, "shop/1", ledger.ReversalKey(key))
		require.ErrorIs(t, err, ledgerbook.ErrNotReversible)
	}
	balances, open := square(t, pool, "shop/1")
	require.Zero(t, balances.Of(ledger.Bank, "EUR"))
	require.Len(t, open, 3)
	follow(t, pool, "R1", 100)
	_, err = pay(pool, remittance("REM-1", "I1 250", "I1#2 400", "CM-1 -60"))
	require.NoError(t, err, "known, and not booked again")
	balances, _ = square(t, pool, "shop/1")
	require.Zero(t, balances.Of(ledger.Bank, "EUR"))
	_, err = pay(pool, remittance("REM-2", "I1 600", "I1#2 400", "CM-1 -100"))
	require.NoError(t, err)
	balances, open = square(t, pool, "shop/1")
	require.Empty(t, open)
	require.EqualValues(t, -900, balances.Of(ledger.Bank, "EUR"))

	for key, want := range map[string]error{
		"supplier_accrued|P-1|1": ledgerbook.ErrNotReversible, "claim_closed|return/R1|return/R1/credited:100": ledgerbook.ErrNotReversible,
		"nothing": ledgerbook.ErrNoPosting,
	} {
		_, err = reverse(pool, "shop/1", key)
		require.ErrorIs(t, err, want, key)
	}
}

// A credit for the claims of several orders is one line of a payment, and what it pays of an invoice in another
// currency than its order's changes no cost.
func TestOneCreditIsSetOffInTheBooksOfSeveralOrders(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	_, err := pool.Exec(t.Context(), `
		INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country, customer_hash, total_minor, captured_minor)
			VALUES ('shop/2', 'shop', '2', now(), '{}', '\x00', 'EUR', 'DE', '\x00', 1000, 1000);
		UPDATE orders SET currency = 'USD' WHERE key = 'shop/1';
		UPDATE purchase_orders SET terms = '{"rate": {"from": "EUR", "to": "USD", "num": 11, "den": 10}}'`)
	require.NoError(t, err)
	shipped, err := ledger.SupplierAccrued("P-1", "1", "acme", eur(1000))
	require.NoError(t, err)
	inTx(t, pool, func(tx pgx.Tx) error {
		return ledgerbook.Change(t.Context(), tx, "shop/1", func(b *ledgerbook.Book) error { return b.Post(shipped) })
	})
	invoice(t, pool, "P-1", "I1", 1000)
	match(t, pool, "shop/1")
	const pursuit = "volume:acme/2026/EUR/500"
	for _, order := range []string{"shop/1", "shop/2"} {
		inTx(t, pool, func(tx pgx.Tx) error {
			return ledgerbook.Change(t.Context(), tx, order, func(b *ledgerbook.Book) error {
				claim := ledger.Claim{
					Key: "volume/acme/2026/EUR/500", Kind: ledger.ClaimVolumeDiscount, Account: ledger.SupplierClaims("acme"), Currency: "EUR", Minor: 50,
					Owner: "purchasing", Due: paidOn,
				}
				posting, err := ledger.ClaimOpened(claim)
				require.NoError(t, err)
				require.NoError(t, b.Post(posting))
				return b.OpenClaimIn(pursuit, claim)
			})
		})
	}
	_, err = pool.Exec(t.Context(), `INSERT INTO claim_credits (supplier, number, order_key, pursuit, currency, minor, given_at)
		VALUES ('acme', 'CM-V', 'shop/1', $1, 'EUR', 100, now())`, pursuit)
	require.NoError(t, err)
	inTx(t, pool, func(tx pgx.Tx) error { return ledgerbook.ApplyJointCredits(t.Context(), tx, pursuit) })
	list, err := ledgerbook.PayablesOf(t.Context(), pool, "acme")
	require.NoError(t, err)
	require.Len(t, list, 2)
	before, _ := square(t, pool, "shop/1")
	_, err = pay(pool, remittance("REM-1", "I1 1000", "CM-V -80"))
	require.NoError(t, err)
	first, _ := square(t, pool, "shop/1")
	second, open := square(t, pool, "shop/2")
	require.Equal(t, []int64{-950, 30}, []int64{first.Of(ledger.Bank, "EUR"), second.Of(ledger.Bank, "EUR")})
	require.Len(t, open, 1)
	require.Positive(t, before.Of(ledger.CostOfGoods, "USD"))
	for _, currency := range []string{"EUR", "USD"} {
		require.Equal(t, before.Of(ledger.CostOfGoods, currency), first.Of(ledger.CostOfGoods, currency))
	}
	_, err = pay(pool, remittance("REM-2", "CM-V -21"))
	require.ErrorContains(t, err, "0.20 EUR of it can be set off")
	_, err = pay(pool, remittance("REM-2", "CM-V -20"))
	require.NoError(t, err)
	for _, order := range []string{"shop/1", "shop/2"} {
		_, open := square(t, pool, order)
		require.Empty(t, open)
	}
}

func TestPaymentsAtOnceNeverPayAnInvoiceTwice(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	invoiced(t, pool, map[string]int64{"I1": 600, "I2": 400})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			_, _ = pay(pool, remittance(fmt.Sprint("REM-", i/2), "I1 200", "I2 100"))
		})
	}
	group.Wait()
	balances, _ := square(t, pool, "shop/1")
	require.EqualValues(t, -900, balances.Of(ledger.Bank, "EUR"), "three of four fit, each once")
}

// Whatever is paid, set off and reversed in whatever order: the claims cover the accounts after every step, and
// all can be paid in the end.
func TestAnyPaymentsAndReversalsLeaveTheClaimsExact(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	invoiced(t, pool, map[string]int64{"I1": 600, "I2": 400})
	credited(t, pool, "R1", 300, map[string]int64{"CM-1": 200, "CM-2": 100})
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		for range 4 {
			n++
			if rapid.Bool().Draw(t, "reverse") {
				posted, err := ledgerbook.Read(context.Background(), pool, "shop/1")
				require.NoError(t, err)
				tx := rapid.SampledFrom(posted).Draw(t, "posting")
				_, err = reverse(pool, "shop/1", tx.Key)
				if r, is := ledger.RemittedBy(tx); is && !r.Reversal {
					require.NoError(t, err)
				}
			} else {
				paid := rapid.Int64Range(1, 700).Draw(t, "paid")
				off := rapid.Int64Range(1, 250).Draw(t, "off")
				number := rapid.SampledFrom([]string{"I1", "I2"}).Draw(t, "invoice")
				memo := rapid.SampledFrom([]string{"CM-1", "CM-2"}).Draw(t, "memo")
				_, _ = pay(pool, remittance(fmt.Sprint("REM-", n), fmt.Sprint(number, " ", paid), fmt.Sprint(memo, " ", -off)))
			}
			balances, _ := square(t, pool, "shop/1")
			require.LessOrEqual(t, -balances.Of(ledger.Bank, "EUR"), int64(1000))
		}
	})
	list, err := ledgerbook.PayablesOf(t.Context(), pool, "acme")
	require.NoError(t, err)
	if len(list) == 0 {
		return
	}
	rest := &supplier.Remittance{Reference: "REST", At: paidOn, Currency: "EUR"}
	for _, p := range list {
		rest.Lines = append(rest.Lines, supplier.RemittanceLine{Invoice: p.Invoice, Credit: p.Credit, Minor: p.Minor})
		rest.Total += p.Minor
	}
	_, err = pay(pool, rest)
	require.NoError(t, err)
	balances, open := square(t, pool, "shop/1")
	require.Empty(t, open)
	require.EqualValues(t, -700, balances.Of(ledger.Bank, "EUR"))
}
