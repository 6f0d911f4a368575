package claimdesk_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/claimdesk"
	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
)

const seed = `
INSERT INTO storefronts (id, document) VALUES ('shop', '{}');
INSERT INTO suppliers (id, document) VALUES ('acme', '{"name":"Acme","contract":{"claims":{"chase_after":["1h"],"escalate_after":"2h"}}}');
INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country, customer_hash, total_minor, captured_minor)
	VALUES ('shop/1', 'shop', '1', now(), '{}', '\x00', 'EUR', 'DE', '\x00', 1000, 1000);`

const id = "shop/1/sla/P-1"

// setup gives acme two penalties of 3.00 and 2.00 that are pursued together.
func setup(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := postgrestest.Pool(t)
	_, err := pool.Exec(t.Context(), seed)
	require.NoError(t, err)
	require.NoError(t, postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		return ledgerbook.Change(t.Context(), tx, "shop/1", func(b *ledgerbook.Book) error {
			for clock, minor := range map[string]int64{"acknowledge": 300, "ship": 200} {
				claim := ledger.Claim{
					Key: "sla/P-1/" + clock, Kind: ledger.ClaimSLAPenalty, Account: ledger.SupplierClaims("acme"), Currency: "EUR", Minor: minor,
					Owner: "purchasing", Due: time.Now().UTC(),
				}
				posting, err := ledger.ClaimOpened(claim)
				require.NoError(t, err)
				require.NoError(t, b.Post(posting))
				require.NoError(t, b.OpenClaimIn("sla/P-1", claim))
			}
			return nil
		})
	}))
	return pool
}

func settle(ctx context.Context, pool *pgxpool.Pool, d claims.Settlement) (minor int64, err error) {
	err = postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		minor, err = claimdesk.Settle(ctx, tx, id, d)
		return err
	})
	return minor, err
}

func decided(request string, outcome ledger.ClaimOutcome, minor int64) claims.Settlement {
	return claims.Settlement{ID: request, Outcome: outcome, Minor: minor, Reason: "agreed", By: "operator key k"}
}

func balance(t *testing.T, pool *pgxpool.Pool, account ledger.Account) int64 {
	t.Helper()
	transactions, err := ledgerbook.Read(t.Context(), pool, "shop/1")
	require.NoError(t, err)
	balances, err := ledger.BalanceOf(transactions)
	require.NoError(t, err)
	return balances.Of(account, "EUR")
}

func TestAClaimIsLoadedWithItsContractsTermsAndWhatIsOpen(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	s, err := claimdesk.Load(t.Context(), pool, id)
	require.NoError(t, err)
	require.Equal(t, claims.Terms{ChaseAfter: []time.Duration{time.Hour}, EscalateAfter: 2 * time.Hour}, s.Terms)
	require.Equal(t, claims.Standing{News: 1, Open: 500}, s.Standing)
	require.Equal(t, []string{"Acme", "acme", "EUR", claims.Reference(id)}, []string{s.Name, s.Supplier, s.Currency, s.Reference})
	_, err = claimdesk.Load(t.Context(), pool, "shop/1/none")
	require.ErrorIs(t, err, claimdesk.ErrNoClaim)
}

func TestASettlementIsPostedInPartsAndOnceForItsRequest(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	for range 2 {
		minor, err := settle(t.Context(), pool, decided("a", ledger.ClaimPaid, 350))
		require.NoError(t, err)
		require.EqualValues(t, 350, minor)
		require.EqualValues(t, 350, balance(t, pool, ledger.Bank))
	}
	_, err := settle(t.Context(), pool, decided("a", ledger.ClaimPaid, 349))
	require.ErrorIs(t, err, claimdesk.ErrOtherRequest)
	_, err = settle(t.Context(), pool, decided("b", ledger.ClaimWrittenOff, 151))
	var refusal *order.Refusal
	require.ErrorAs(t, err, &refusal)
	minor, err := settle(t.Context(), pool, decided("b", ledger.ClaimWrittenOff, 0))
	require.NoError(t, err)
	require.EqualValues(t, 150, minor)
	require.EqualValues(t, 150, balance(t, pool, ledger.Losses))
	require.Zero(t, balance(t, pool, ledger.SupplierClaims("acme")))
	now, err := claimdesk.Stand(t.Context(), pool, id)
	require.NoError(t, err)
	require.Zero(t, now.Open)
	require.EqualValues(t, 3, now.News, "each change is news")
}

func TestSettlementsAtOnceNeverEndMoreThanIsOpen(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	var sum, refused atomic.Int64
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			// Each request is made twice.
			minor, err := settle(t.Context(), pool, decided(fmt.Sprint("r", i/2), ledger.ClaimConceded, 120))
			if err != nil {
				refused.Add(1)
				return
			}
			sum.Add(minor)
		})
	}
	group.Wait()
	require.EqualValues(t, 4*2*120, sum.Load(), "four of six fit, and each is answered twice")
	require.EqualValues(t, 4, refused.Load())
	require.EqualValues(t, 20, balance(t, pool, ledger.SupplierClaims("acme")))
	require.EqualValues(t, -20, balance(t, pool, ledger.CostOfGoods))
	var settled int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT sum(minor) FROM claim_settlements`).Scan(&settled))
	require.Equal(t, 480, settled)
}

func TestAClaimIsRecordedForwardOnlyAndEndsWhenNothingIsOpen(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	record := func(s claims.State) {
		require.NoError(t, postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
			_, err := claimdesk.Record(t.Context(), tx, &s)
			return err
		}))
	}
	fresh, err := claimdesk.Load(t.Context(), pool, id)
	require.NoError(t, err)
	asked := fresh.Take(claims.StepAsk, time.Now())
	escalated := asked.Take(claims.StepEscalate, time.Now())
	record(escalated)
	record(asked)
	s, err := claimdesk.Load(t.Context(), pool, id)
	require.NoError(t, err)
	require.True(t, s.Escalated, "an older snapshot changes nothing")
	closed := s.Take(claims.StepClose, time.Now())
	record(closed)
	var open bool
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT closed_at IS NULL AND needs_attention FROM pursuits`).Scan(&open))
	require.True(t, open, "a claim does not end while something of it is open")
	_, err = settle(t.Context(), pool, decided("a", ledger.ClaimConceded, 0))
	require.NoError(t, err)
	record(closed.Take(claims.StepClose, time.Now()))
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT closed_at IS NOT NULL AND NOT needs_attention AND stage = 'settled' AND deliver_at IS NULL
		FROM pursuits`).Scan(&open))
	require.True(t, open)
}

// A second settlement of the order finds more to claim of a matter that was escalated, decided and ended.
func TestASettledClaimThatOpensAgainIsPursuedAndAsksAPersonAnew(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	record := func(s claims.State) {
		require.NoError(t, postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
			_, err := claimdesk.Record(t.Context(), tx, &s)
			return err
		}))
	}
	began := time.Now()
	s, err := claimdesk.Load(t.Context(), pool, id)
	require.NoError(t, err)
	asked := s.Take(claims.StepAsk, began)
	escalated := asked.Take(claims.StepEscalate, began)
	record(escalated)
	_, err = settle(t.Context(), pool, decided("a", ledger.ClaimConceded, 0))
	require.NoError(t, err)
	record(escalated.Take(claims.StepClose, began))
	standing := func() (text string) {
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT concat_ws(' ', stage, closed_at IS NULL, needs_attention) FROM pursuits`).Scan(&text))
		return text
	}
	require.Equal(t, "settled f f", standing())
	more := ledger.Claim{
		Key: "sla/P-1/deliver", Kind: ledger.ClaimSLAPenalty, Account: ledger.SupplierClaims("acme"), Currency: "EUR", Minor: 90,
		Owner: "purchasing", Due: began.UTC(),
	}
	require.NoError(t, postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		return ledgerbook.Change(t.Context(), tx, "shop/1", func(b *ledgerbook.Book) error {
			posting, err := ledger.ClaimOpened(more)
			require.NoError(t, err)
			require.NoError(t, b.Post(posting))
			return b.OpenClaimIn("sla/P-1", more)
		})
	}))
	require.Equal(t, "open t f", standing())
	again, err := claimdesk.Load(t.Context(), pool, id)
	require.NoError(t, err)
	require.Equal(t, claims.StepEscalate, again.Due(began.Add(3*time.Hour)))
	record(again.Take(claims.StepEscalate, began.Add(3*time.Hour)))
	require.Equal(t, "escalated t t", standing())
	after, err := claimdesk.Load(t.Context(), pool, id)
	require.NoError(t, err)
	require.True(t, after.Escalated, "asked once")
	minor, err := settle(t.Context(), pool, decided("b", ledger.ClaimWrittenOff, 40))
	require.NoError(t, err)
	require.EqualValues(t, 40, minor)
	require.Equal(t, "escalated t t", standing(), "what is left still waits for a person")
}
