package intake_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/postgres"
)

// meanwhile begins do while a transaction holds what it has to wait for, and commits that as soon as
// do waits, or is through without waiting.
func (b *bundle) meanwhile(t *testing.T, hold string, do func() error) {
	t.Helper()
	done := make(chan error, 1)
	require.NoError(t, postgres.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), hold)
		require.NoError(t, err)
		go func() { done <- do() }()
		require.Eventually(t, func() bool {
			var waiting int
			err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE $1::int = ANY (pg_blocking_pids(pid))`,
				tx.Conn().PgConn().PID()).Scan(&waiting)
			return err == nil && waiting > 0 || len(done) > 0
		}, 10*time.Second, 2*time.Millisecond)
		return nil
	}))
	require.NoError(t, <-done)
}

// The settlement has read the invoices by then: an invoice that does not wait for its end is matched
// by nobody.
func TestAnInvoiceWaitsForTheSettlementUnderWay(t *testing.T) {
	t.Parallel()
	b := withPO(t)
	b.event(t, "supplier/acme", "invoice.created", b.head("P-1")+`,"number":"I1","currency":"EUR","lines":[{"line":1,"quantity":2,"unit_cost":"1.00"}],"total":"2.00"}`)
	b.meanwhile(t, `UPDATE orders SET closed_at = now() WHERE key = 'shop/1'`, func() error {
		_, err := b.processor.Process(context.WithoutCancel(t.Context()))
		return err
	})
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM supplier_invoices`))
	require.Zero(t, b.number(t, `SELECT count(*) FROM supplier_invoices WHERE standing = 'received'`), "nobody matches it later")
}

func TestRowsThatAnotherHoldsArePassedOver(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d := delivery(t)
	require.Equal(t, intake.Created, d.place(t, sample("2"), "x"))
	d.exec(t, `UPDATE orders SET deliver_at = now() - interval '1 hour' WHERE key = 'shop/1'`)
	held := d.event(t, "nobody/x", "k", `{}`)
	free := d.event(t, "nobody/x", "k", `{}`)
	d.exec(t, `UPDATE documents SET next_attempt_at = now() - interval '1 hour' WHERE id = $1`, held)
	require.NoError(t, postgres.InTx(ctx, d.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SELECT FROM orders WHERE key = 'shop/1' FOR UPDATE`)
		require.NoError(t, err)
		_, err = tx.Exec(ctx, `SELECT FROM documents WHERE id = $1 FOR UPDATE`, held)
		require.NoError(t, err)

		n, err := d.processor.Process(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		found, err := d.deliverer.Deliver(ctx)
		require.NoError(t, err)
		require.True(t, found)
		return nil
	}))
	require.Equal(t, "quarantined unknown_source", d.standing(t, free))
	require.NotNil(t, d.current("order/shop/2"))
	require.Nil(t, d.last())
	require.True(t, d.deliver(t), "nor is it forgotten")
	require.NotNil(t, d.last())
}

// Its effect is another's by then, or nobody's: an operator may have dismissed it.
func TestADocumentThatIsFinishedMeanwhileHasNoEffect(t *testing.T) {
	t.Parallel()
	b := withPO(t)
	b.exec(t, `CREATE FUNCTION dismiss() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN UPDATE documents SET status = 'ignored' WHERE id = NEW.document_id; RETURN NEW; END $$`)
	b.exec(t, `CREATE TRIGGER meanwhile AFTER INSERT ON facts FOR EACH ROW EXECUTE FUNCTION dismiss()`)
	id := b.event(t, "supplier/acme", "purchase_order.acknowledged", b.head("P-1")+`,"whole":"accepted"}`)
	b.process(t)
	require.Empty(t, b.facts(t))
	b.exec(t, `DROP TRIGGER meanwhile ON facts`)
	b.exec(t, `UPDATE documents SET next_attempt_at = now()`)
	b.process(t)
	require.Equal(t, "applied", b.standing(t, id))
	require.Len(t, b.facts(t), 1)
}

func TestWhatPostgresRefusedIsNotRepeatedInTheLog(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var log strings.Builder
	b.processor.Log = slog.New(slog.NewTextHandler(&log, nil))
	b.exec(t, `ALTER TABLE order_contacts ADD CONSTRAINT nobody CHECK (email = '')`)
	b.store(t, "shopify/shop", "orders/create", "o", shopifyOrder(``))
	_, err := b.processor.Process(t.Context())
	require.NoError(t, err)
	require.Contains(t, log.String(), "23514", "its row would be quoted: "+log.String())
	for _, personal := range []string{"@", "Street", "Example"} {
		require.NotContains(t, log.String(), personal)
	}
}
