package reconcile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/payment/stripe"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/reconcile"
	"github.com/dropline/dropline/internal/sim/paymentsim"
)

// world is a shop with a payment provider, whose books and ours are both real.
type world struct {
	t       *testing.T
	pool    *pgxpool.Pool
	sim     *paymentsim.Server
	account payment.Provider
	r       *reconcile.Reconciler
	away    error // the provider's, while it is
	n       int
}

func setup(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, pool: postgrestest.Pool(t)}
	var err error
	w.sim, err = paymentsim.Start(paymentsim.Config{SecretKey: "sk", Storefront: "shop", FeeBP: 100, FeeFixed: 25, DisputeFee: 1500})
	require.NoError(t, err)
	t.Cleanup(w.sim.Close)
	w.account, err = stripe.New(stripe.Config{Storefront: "shop", BaseURL: w.sim.URL(), SecretKey: "sk"})
	require.NoError(t, err)
	shop, err := json.Marshal(catalog.Storefront{ID: "shop", Payments: catalog.Payments{Provider: catalog.PaymentStripe, URL: w.sim.URL()}})
	require.NoError(t, err)
	w.exec(`INSERT INTO storefronts (id, document) VALUES ('shop', $1), ('plain', '{}')`, shop)
	w.exec(`INSERT INTO suppliers (id, document) VALUES ('acme', '{}'), ('borealis', '{}')`)
	w.r = &reconcile.Reconciler{
		Pool: w.pool, Now: func() time.Time { return time.Now().Add(48 * time.Hour) },
		Payments: func(s catalog.Storefront) (payment.Provider, bool, error) { return w.account, s.HasPayments(), w.away },
	}
	return w
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.pool.Exec(w.t.Context(), sql, args...)
	require.NoError(w.t, err)
}

// order places an order whose payment is at the provider.
func (w *world) order(reference string) (key string) {
	w.t.Helper()
	w.n++
	key = fmt.Sprintf("shop/%d", w.n)
	w.exec(`INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country, customer_hash, total_minor, captured_minor)
		VALUES ($1, 'shop', $2, now(), jsonb_build_object('payment', jsonb_build_object('reference', $3::text)), '\x00', 'EUR', 'DE', '\x00', 10000, 10000)`,
		key, fmt.Sprint(w.n), reference)
	return key
}

func (w *world) post(key string, t ledger.Transaction, err error) {
	w.t.Helper()
	require.NoError(w.t, err)
	require.NoError(w.t, postgres.InTx(w.t.Context(), w.pool, func(tx pgx.Tx) error { return ledgerbook.Post(w.t.Context(), tx, key, t) }))
}

func eur(minor int64) money.Money { return money.Money{Minor: minor, Currency: "EUR"} }

// sold is an order that was captured on both sides.
func (w *world) sold(minor int64) (key, reference string) {
	w.t.Helper()
	reference = w.sim.Pay(paymentsim.Checkout{Amount: minor, Currency: "EUR", Captured: true})
	key = w.order(reference)
	w.captured(key, "c", minor)
	return key, reference
}

func (w *world) captured(key, capture string, minor int64) {
	w.t.Helper()
	t, err := ledger.Captured(capture, eur(minor))
	w.post(key, t, err)
}

func (w *world) refunded(key, refund string, minor int64) {
	w.t.Helper()
	t, err := ledger.Refunded(refund, eur(minor), ledger.RefundReturned)
	w.post(key, t, err)
}

func (w *world) span() reconcile.Span {
	return reconcile.Days(time.Now().Add(-24*time.Hour), time.Now().Add(24*time.Hour))
}

// differences are those open after a run, as text.
func (w *world) differences() []string {
	w.t.Helper()
	_, err := w.r.Run(w.t.Context(), w.span())
	require.NoError(w.t, err)
	return w.open()
}

func (w *world) open() []string {
	w.t.Helper()
	list, err := reconcile.List(w.t.Context(), w.pool, reconcile.Filter{State: "open"})
	require.NoError(w.t, err)
	told := []string{}
	for _, k := range list {
		side := func(minor *int64) string {
			if minor == nil {
				return "-"
			}
			return fmt.Sprint(*minor)
		}
		told = append(told, strings.Join([]string{k.Book, k.Subject, k.Order, side(k.Ours), side(k.Theirs), k.Currency, string(k.Cause)}, " | "))
	}
	return told
}

func TestCleanBooksHaveNoDifferences(t *testing.T) {
	t.Parallel()
	w := setup(t)
	key, reference := w.sold(5_000)
	w.sold(7_500)
	receipt, err := w.account.Refund(t.Context(), payment.Refund{Key: "r1", Reference: reference, Amount: 1_000, Currency: "EUR"})
	require.NoError(t, err)
	require.NotEmpty(t, receipt.Reference)
	w.refunded(key, "r1", 1_000)
	part := w.sim.Pay(paymentsim.Checkout{Amount: 9_000, Currency: "EUR"})
	_, err = w.account.Capture(t.Context(), payment.Capture{Key: "c", Reference: part, Amount: 4_000, Currency: "EUR"})
	require.NoError(t, err)
	w.captured(w.order(part), "c", 4_000)

	result, err := w.r.Run(t.Context(), w.span())
	require.NoError(t, err)
	require.Empty(t, w.open())
	require.Len(t, result.Books, 1)
	require.Equal(t, reconcile.Compared{Book: "payments/shop", Ours: 4, Theirs: 5, Fees: map[string]int64{"EUR": 75 + 100 + 65}}, result.Books[0])
	latest, err := reconcile.Latest(t.Context(), w.pool)
	require.NoError(t, err)
	require.Equal(t, result.Run, latest.Run)
	require.Equal(t, result.Books, latest.Books)
}

func TestEachDifferenceWithTheProviderIsNamedWithItsLikelyCause(t *testing.T) {
	t.Parallel()
	w := setup(t)
	var want []string
	expect := func(reference, key, ours, theirs string, cause reconcile.Cause) {
		want = append(want, strings.Join([]string{"payments/shop", reference, key, ours, theirs, "EUR", string(cause)}, " | "))
	}
	key, reference := w.sold(1_000)
	w.sim.RefundByHand(reference, 100)
	expect(reference, key, "-", "-100", reconcile.CauseRefundedThere)

	key, reference = w.sold(2_000)
	w.refunded(key, "r", 300)
	expect(reference, key, "-300", "-", reconcile.CauseRefundedHere)

	key, reference = w.sold(3_000)
	receipt, err := w.account.Refund(t.Context(), payment.Refund{Key: "r3", Reference: reference, Amount: 400, Currency: "EUR"})
	require.NoError(t, err)
	w.refunded(key, "r3", 400)
	require.True(t, w.sim.SettleRefund(receipt.Reference, "lost_or_stolen_card"))
	expect(reference, key, "-", "400", reconcile.CauseRefundFailed)

	reference = w.sim.Pay(paymentsim.Checkout{Amount: 4_000, Currency: "EUR", Captured: true})
	expect(reference, w.order(reference), "-", "4000", reconcile.CauseCapturedThere)

	reference = w.sim.Pay(paymentsim.Checkout{Amount: 5_000, Currency: "EUR"})
	key = w.order(reference)
	w.captured(key, "c", 5_000)
	expect(reference, key, "5000", "-", reconcile.CauseCapturedHere)

	reference = w.sim.Pay(paymentsim.Checkout{Amount: 6_000, Currency: "EUR", Captured: true})
	expect(reference, "", "-", "6000", reconcile.CauseUnknownPayment)

	key, reference = w.sold(7_000)
	w.sim.OpenDispute(reference, "fraudulent")
	expect(reference, key, "-", "-7000", reconcile.CauseDisputedThere)

	key, reference = w.sold(8_000)
	w.captured(key, "again", 8_000)
	expect(reference, key, "8000", "-", reconcile.CauseDoubledHere)

	key, reference = w.sold(9_000)
	w.sim.Enter(paymentsim.Transaction{Kind: "charge", Payment: reference, Reference: "ch_again", Currency: "EUR", Amount: 9_000})
	expect(reference, key, "-", "9000", reconcile.CauseDoubledThere)

	reference = w.sim.Pay(paymentsim.Checkout{Amount: 10_000, Currency: "EUR", Captured: true})
	key = w.order(reference)
	w.captured(key, "c", 10_000-125)
	expect(reference, key, "9875", "10000", reconcile.CauseFee)

	reference = w.sim.Pay(paymentsim.Checkout{Amount: 11_000, Currency: "EUR", Captured: true})
	key = w.order(reference)
	w.captured(key, "c", 11_001)
	expect(reference, key, "11001", "11000", reconcile.CauseAmount)

	require.ElementsMatch(t, want, w.differences())
	require.ElementsMatch(t, want, w.differences(), "again, and nothing changes")
	var rows int
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT count(*) FROM reconciliation_differences`).Scan(&rows))
	require.Len(t, want, rows)
}

func TestFeesThatArePostedWithAMovementAreNoDifference(t *testing.T) {
	t.Parallel()
	w := setup(t)
	key, reference := w.sold(4_000)
	w.sim.OpenDispute(reference, "fraudulent")
	w.exec(`WITH t AS (INSERT INTO ledger_transactions (order_key, key, kind, memo) VALUES ($1, 'dispute_opened|d', 'dispute_opened', 'Chargeback d') RETURNING id)
		INSERT INTO ledger_entries SELECT t.id, e.n, e.account, 'EUR', e.minor FROM t, (VALUES
			(1, 'chargebacks', 4000), (2, 'payment_fees', 1500), (3, 'processor_clearing', -5500)) AS e (n, account, minor)`, key)
	w.exec(`WITH t AS (INSERT INTO ledger_transactions (order_key, key, kind, memo) VALUES ($1, 'payment_fee|f', 'payment_fee', 'Fee f') RETURNING id)
		INSERT INTO ledger_entries SELECT t.id, e.n, e.account, 'EUR', e.minor FROM t, (VALUES
			(1, 'payment_fees', 65), (2, 'processor_clearing', -65)) AS e (n, account, minor)`, key)
	require.Empty(t, w.differences())
}

func TestDifferenceEndsByItselfWhenItIsGoneAndComesBackWithIt(t *testing.T) {
	t.Parallel()
	w := setup(t)
	key, reference := w.sold(1_000)
	w.sim.RefundByHand(reference, 100)
	require.Len(t, w.differences(), 1)
	w.refunded(key, "late", 100)
	require.Empty(t, w.differences())
	w.refunded(key, "late-again", 100)
	require.Len(t, w.differences(), 1)
	w.sim.RefundByHand(reference, 100)
	require.Empty(t, w.differences())
	gone, err := reconcile.List(t.Context(), w.pool, reconcile.Filter{State: "gone"})
	require.NoError(t, err)
	require.Len(t, gone, 2)
	require.NotNil(t, gone[0].ClosedAt)
}

func TestAcceptedDifferenceStaysAcceptedUntilItChanges(t *testing.T) {
	t.Parallel()
	w := setup(t)
	reference := w.sim.Pay(paymentsim.Checkout{Amount: 500, Currency: "EUR"})
	w.captured(w.order(reference), "c", 500)
	require.Len(t, w.differences(), 1)
	list, err := reconcile.List(t.Context(), w.pool, reconcile.Filter{})
	require.NoError(t, err)
	require.NoError(t, reconcile.Accept(t.Context(), w.pool, list[0].ID, "bookkeeper", "paid in cash"))
	require.ErrorIs(t, reconcile.Accept(t.Context(), w.pool, list[0].ID, "bookkeeper", "again"), reconcile.ErrNotOpen)
	require.ErrorIs(t, reconcile.Accept(t.Context(), w.pool, 4711, "bookkeeper", "none"), reconcile.ErrNotOpen)
	require.Empty(t, w.differences())
	accepted, err := reconcile.List(t.Context(), w.pool, reconcile.Filter{Book: "payments/shop", State: "accepted"})
	require.NoError(t, err)
	require.Equal(t, "paid in cash", accepted[0].Reason)

	w.importStatement("number,date,amount,currency\nINV-1,TODAY,9.00,EUR\n")
	require.Len(t, w.differences(), 1)
	w.accept("supplier/acme")
	require.Empty(t, w.differences())
	w.importStatement("number,date,amount,currency\nINV-1,TODAY,9.01,EUR\n")
	require.Len(t, w.differences(), 1, "it is another amount now")
}

func (w *world) accept(book string) {
	w.t.Helper()
	list, err := reconcile.List(w.t.Context(), w.pool, reconcile.Filter{Book: book, State: "open"})
	require.NoError(w.t, err)
	for _, k := range list {
		require.NoError(w.t, reconcile.Accept(w.t.Context(), w.pool, k.ID, "bookkeeper", "known"))
	}
}

func TestProviderThatIsAwayLeavesEverythingAsItWas(t *testing.T) {
	t.Parallel()
	w := setup(t)
	_, reference := w.sold(1_000)
	w.sim.RefundByHand(reference, 100)
	before := w.differences()
	w.away = errors.New("no key")
	w.importStatement("number,date,amount,currency\nINV-1,TODAY,9.00,EUR\n")
	result, err := w.r.Run(t.Context(), w.span())
	require.ErrorContains(t, err, "compare payments/shop: no key")
	require.Equal(t, "no key", result.Books[0].Problem)
	require.Len(t, w.open(), len(before)+1, "the others are compared all the same")
	w.away = nil
	w.sim.Script(paymentsim.Script{Operation: paymentsim.LookUp, Fault: paymentsim.Limited, Times: 1})
	_, err = w.r.Run(t.Context(), w.span())
	require.ErrorIs(t, err, payment.ErrUnavailable)
	require.Len(t, w.differences(), len(before)+1)
}

func TestDailyRunReachesBackToTheOldestOpenDifference(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Date(2026, 3, 20, 3, 0, 0, 0, time.UTC)
	w.r.Now = func() time.Time { return now }
	span, err := w.r.Daily(t.Context())
	require.NoError(t, err)
	yesterday := time.Date(2026, 3, 19, 0, 0, 0, 0, time.UTC)
	require.Equal(t, reconcile.Days(yesterday, yesterday), span)
	_, err = w.r.Run(t.Context(), span)
	require.NoError(t, err)
	for age, since := range map[int]int{5: 5, 40: 1} {
		w.exec(`DELETE FROM reconciliation_differences`)
		w.exec(`INSERT INTO reconciliation_differences (key, book, what, cause, subject, currency, at, first_run, last_run)
			SELECT 'k', 'payments/shop', 'twice', 'x', 'pi', 'EUR', $1, max(id), max(id) FROM reconciliation_runs`, now.Add(-time.Duration(age)*24*time.Hour))
		span, err = w.r.Daily(t.Context())
		require.NoError(t, err)
		require.Equal(t, reconcile.Days(now.Add(-time.Duration(since)*24*time.Hour), yesterday), span)
	}
}

func TestNightsThatFailedAreMadeUpFor(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Date(2026, 3, 20, 3, 0, 0, 0, time.UTC)
	w.r.Now = func() time.Time { return now }
	night := func() reconcile.Span {
		span, err := w.r.Daily(t.Context())
		require.NoError(t, err)
		_, err = w.r.Run(t.Context(), span)
		require.ErrorIs(t, err, w.away)
		now = now.Add(24 * time.Hour)
		return span
	}
	first := night()
	require.Equal(t, 24*time.Hour, first.Until.Sub(first.From))
	w.away = errors.New("no key")
	night()
	night()
	w.away = nil
	require.Equal(t, 3*24*time.Hour, func() time.Duration { s := night(); return s.Until.Sub(s.From) }())
	require.Equal(t, 24*time.Hour, func() time.Duration { s := night(); return s.Until.Sub(s.From) }())
	now = now.Add(100 * 24 * time.Hour)
	s := night()
	require.Equal(t, 36*24*time.Hour, s.Until.Sub(s.From), "and no further")
}

func (w *world) importStatement(file string) reconcile.Imported {
	w.t.Helper()
	today := time.Now().UTC().Format(time.DateOnly)
	got, err := reconcile.ImportStatement(context.Background(), w.pool, "acme", []byte(strings.ReplaceAll(file, "TODAY", today)), time.Time{}, time.Time{})
	require.NoError(w.t, err)
	return got
}
