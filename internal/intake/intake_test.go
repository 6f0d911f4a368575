package intake_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/storefront"
)

func TestADocumentIsStoredOnceAndAnImpostorIsQuarantined(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.store(t, "supplier/acme", "x", "k", "one")
	require.Equal(t, intake.Stored{ID: first.ID}, first)
	require.Equal(t, intake.Stored{ID: first.ID, Repeat: true}, b.store(t, "supplier/acme", "x", "k", "one"))
	second := b.store(t, "supplier/acme", "x", "k", "two")
	require.True(t, second.Conflict)
	require.NotEqual(t, first.ID, second.ID)
	require.Equal(t, intake.Stored{ID: second.ID, Repeat: true, Conflict: true}, b.store(t, "supplier/acme", "x", "k", "two"))
	require.Equal(t, "quarantined conflicting_repeat", b.standing(t, second.ID))
	require.False(t, b.store(t, "supplier/other", "x", "k", "two").Repeat, "keys are a source's own")
	_, err := b.archive.Store(context.Background(), intake.Document{Source: "supplier/acme"})
	require.Error(t, err)
}

func TestOneDocumentFromManyDeliveriesAtOnceIsStoredOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var senders sync.WaitGroup
	for i := range 16 {
		senders.Go(func() {
			_, err := b.archive.Store(context.Background(), intake.Document{Source: "s/x", NaturalKey: "k", Body: []byte{byte(i % 2)}})
			if err != nil {
				t.Error(err)
			}
		})
	}
	senders.Wait()
	require.Equal(t, 2, b.number(t, `SELECT count(*) FROM documents`))
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM documents WHERE status = 'quarantined'`))
}

func TestAnOrderIsPlacedOnceWithItsPeopleApart(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	require.Equal(t, intake.Created, b.place(t, sample("1"), "x"))
	require.Equal(t, intake.Repeated, b.place(t, sample("1"), "x"))
	require.Equal(t, intake.Conflicting, b.place(t, sample("1"), "y"))
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM order_lines WHERE sku = 'MUG' AND quantity = 2`))
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM orders WHERE deliver_at <= now() AND country = 'DE' AND captured_minor = 1000`))
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM outbox WHERE key = 'placed/shop/1' AND channel = 'customer_mail' AND kind = 'placed'`))
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM ledger_entries WHERE account = 'customer_deposits' AND minor = -1000`))
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM order_contacts WHERE email = 'Ann@Example.com' AND ship_to->>'street1' = '1 Secret Street'`))
	// Only the contacts know people.
	for _, table := range []string{"orders", "order_lines", "outbox", "ledger_transactions", "facts", "documents"} {
		var all string
		require.NoError(t, b.pool.QueryRow(ctx, `SELECT coalesce(string_agg(t::text, ' '), '') FROM `+table+` t`).Scan(&all))
		for _, personal := range []string{"Ann", "Secret", "xample.com", "cust-77", "10115"} {
			require.NotContains(t, all, personal, table)
		}
	}
}

func TestCustomersAreCountedByReferenceElseAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for id, change := range map[string]func(*storefront.Order){
		"1": func(*storefront.Order) {},
		"2": func(o *storefront.Order) { o.Email = "else@example.com" },
		"3": func(o *storefront.Order) { o.CustomerRef = "" },
		"4": func(o *storefront.Order) { o.CustomerRef, o.Email = "", " ann@EXAMPLE.com" },
		"5": func(o *storefront.Order) { o.CustomerRef, o.Email = "", "" },
		"6": func(o *storefront.Order) { o.CustomerRef, o.Email = "", "" },
	} {
		o := sample(id)
		change(&o)
		require.Equal(t, intake.Created, b.place(t, o, id))
	}
	rows, err := b.pool.Query(context.Background(), `SELECT string_agg(order_id, ' ' ORDER BY order_id) FROM orders GROUP BY customer_hash ORDER BY 1`)
	require.NoError(t, err)
	groups, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{"1 2", "3 4", "5", "6"}, groups)
	_, err = intake.NewOrders([]byte("short"))
	require.Error(t, err)
}

func TestAnOrderOfAnUnknownStorefrontIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := sample("1")
	o.Key.Storefront = "nowhere"
	err := postgres.InTx(context.Background(), b.pool, func(tx pgx.Tx) error {
		_, err := b.orders.PlaceOrder(context.Background(), tx, o, []byte("x"), 0)
		return err
	})
	require.ErrorIs(t, err, intake.ErrNoStorefront)
}

func TestWhatASupplierSaysReachesItsOrder(t *testing.T) {
	t.Parallel()
	b := withPO(t)
	ack := b.event(t, "supplier/acme", "a", b.head("P-1")+`,"whole":"accepted"}`)
	b.exec(t, `UPDATE documents SET body = convert_to(replace(convert_from(body, 'UTF8'), '"type":"a"', '"type":"purchase_order.acknowledged"'), 'UTF8')`)
	ship := b.event(t, "supplier/acme", "shipment.created", b.head("P-1")+`,"carrier":"UPS","tracking":"1Z-99","lines":[{"line":1,"quantity":2}]}`)
	answer := b.event(t, "supplier/acme", "purchase_order.cancellation_answered", b.head("P-1")+`,"key":"P-1:c1","outcome":"rejected"}`)
	bill := b.event(t, "supplier/acme", "invoice.created", b.head("P-1")+`,"number":"I1","currency":"EUR","lines":[{"line":1,"quantity":2,"unit_cost":"1.00"}],"total":"2.00"}`)
	b.process(t)
	for _, id := range []int64{ack, ship, answer, bill} {
		require.Equal(t, "applied", b.standing(t, id))
	}
	var ackAt *time.Time
	require.NoError(t, b.pool.QueryRow(context.Background(), `SELECT acknowledged_at FROM purchase_orders`).Scan(&ackAt))
	require.True(t, ackAt.Equal(b.now.Add(-time.Minute)), "by the supplier's clock")
	list := b.facts(t)
	require.Len(t, list, 3, "an invoice changes no decision")
	for i, f := range list {
		require.EqualValues(t, i+1, f.Seq)
		if f.CancelReply != nil {
			require.Equal(t, "P-1:c1", f.CancelReply.Key)
		}
	}
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM parcels WHERE carrier = 'ups' AND tracking = '1Z99'`))
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM supplier_invoices WHERE standing = 'received' AND total = 200`))
	require.Equal(t, 4, b.number(t, `SELECT count(*) FROM documents WHERE order_key = 'shop/1'`))
}

func TestWhatCannotBeMatchedHasNoEffectAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	b := withPO(t)
	parcel := `,"carrier":"ups","tracking":"1Z99","lines":[{"line":1,"quantity":%]}`
	bill := `,"number":"I1","currency":"EUR","lines":[{"line":1,"quantity":2,"unit_cost":"1.00"}],"total":"%"}`
	for _, step := range []struct{ source, kind, data, want string }{
		{"supplier/acme", "purchase_order.acknowledged", b.head("P-9") + `,"whole":"accepted"}`, "quarantined unknown_purchase_order"},
		{"supplier/other", "purchase_order.acknowledged", b.head("P-1") + `,"whole":"rejected"}`, "quarantined foreign_purchase_order"},
		{"supplier/acme", "purchase_order.acknowledged", b.head("P-1") + `,"currency":"USD","lines":[{"line":1,"status":"accepted","quantity":2}]}`, "quarantined currency_mismatch"},
		{"supplier/acme", "purchase_order.acknowledged", `{"po":5}`, "quarantined malformed"},
		{"supplier/acme", "purchase_order.acknowledged", b.head("P-1") + `,"whole":"maybe"}`, "quarantined invalid"},
		{"supplier/acme", "party", `{}`, "quarantined unknown_type"},
		{"fax/acme", "party", `{}`, "quarantined unknown_source"},
		{"shopify/shop", "orders/create", `{"name":"Ann Example"}`, "quarantined malformed"},
		{"carrier/tracker", "x", `{}`, "ignored other_event"},
		{"supplier/acme", "shipment.created", b.head("P-1") + strings.Replace(parcel, "%", "2}", 1), "applied"},
		{"supplier/acme", "shipment.created", b.head("P-1") + strings.Replace(parcel, "%", "2}", 1), "ignored known_already"},
		{"supplier/acme", "shipment.created", b.head("P-1") + strings.Replace(parcel, "%", "1}", 1), "quarantined conflicting_ship_notice"},
		{"supplier/acme", "invoice.created", b.head("P-1") + strings.Replace(bill, "%", "2.00", 1), "applied"},
		{"supplier/acme", "invoice.created", b.head("P-1") + strings.Replace(bill, "%", "2.00", 1), "ignored known_already"},
		{"supplier/acme", "invoice.created", b.head("P-1") + strings.Replace(bill, "%", "2.01", 1), "quarantined conflicting_invoice"},
	} {
		id := b.event(t, step.source, step.kind, step.data)
		b.process(t)
		require.Equal(t, step.want, b.standing(t, id), step.data)
	}
	require.Len(t, b.facts(t), 1)
	list, err := b.prison.List(context.Background(), intake.Filter{})
	require.NoError(t, err)
	require.Len(t, list, 10)
	for _, entry := range list {
		require.NotEmpty(t, entry.Reason)
		require.NotContains(t, entry.Reason, "Ann")
	}
	foreign, err := b.prison.List(context.Background(), intake.Filter{Source: "supplier/other", Code: intake.CodeForeignPO})
	require.NoError(t, err)
	require.Len(t, foreign, 1)
	require.Empty(t, foreign[0].OrderKey, "a foreign document is no part of the order's story")
}

func TestQuarantineCanBeShownRetriedAndDismissed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	id := b.event(t, "supplier/acme", "purchase_order.acknowledged", b.head("P-1")+`,"whole":"accepted"}`)
	b.process(t)
	whole, err := b.prison.Show(ctx, id)
	require.NoError(t, err)
	require.Contains(t, string(whole.Body), `"whole":"accepted"`)
	require.Equal(t, intake.CodeUnknownPO, whole.Code)
	require.Contains(t, whole.Reason, "P-1")

	require.Equal(t, intake.Created, b.place(t, sample("1"), "x"))
	b.exec(t, purchased)
	require.NoError(t, b.prison.Retry(ctx, id))
	b.process(t)
	require.Equal(t, "applied", b.standing(t, id))
	require.Len(t, b.facts(t), 1)
	require.ErrorIs(t, b.prison.Retry(ctx, id), intake.ErrNotQuarantined)
	_, err = b.prison.Show(ctx, id)
	require.ErrorIs(t, err, intake.ErrNotQuarantined)

	other := b.event(t, "supplier/acme", "party", `{}`)
	b.process(t)
	require.NoError(t, b.prison.Dismiss(ctx, other))
	require.Equal(t, "ignored dismissed_by_operator", b.standing(t, other))
}

func TestAPoisonousDocumentIsQuarantinedAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	b := withPO(t)
	b.processor.Readers = map[string]intake.OrderReader{"api": func(_ string, body []byte) (storefront.Order, error) {
		if string(body) == "poison" {
			panic("Ann Example")
		}
		return sample("2"), nil
	}}
	poison := b.store(t, "api/shop", "order", "p", "poison").ID
	good := b.store(t, "api/shop", "order", "g", "good").ID
	foreign := b.store(t, "api/elsewhere", "order", "g", "good").ID
	b.process(t)
	require.Equal(t, "quarantined panicked", b.standing(t, poison))
	require.Equal(t, "applied", b.standing(t, good))
	require.Equal(t, "quarantined invalid", b.standing(t, foreign), "a source speaks for its own storefront only")
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM orders WHERE key = 'shop/2'`))
	require.Zero(t, b.number(t, `SELECT count(*) FROM documents WHERE reason LIKE '%Ann%'`))
}

func TestADocumentThatKeepsKillingItsProcessorIsGivenUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.event(t, "supplier/acme", "party", `{}`)
	b.exec(t, `UPDATE documents SET attempts = $1`, intake.Bound)
	b.process(t)
	require.Equal(t, "quarantined gave_up", b.standing(t, id))
}

func TestTwoProcessorsApplyEachDocumentOnce(t *testing.T) {
	t.Parallel()
	b := withPO(t)
	for range 60 {
		b.event(t, "supplier/acme", "purchase_order.acknowledged", b.head("P-1")+`,"whole":"accepted"}`)
	}
	other := &intake.Processor{Pool: b.pool, Orders: b.orders, Log: b.processor.Log}
	var both sync.WaitGroup
	for _, p := range []*intake.Processor{b.processor, other} {
		both.Go(func() {
			for {
				if n, err := p.Process(context.Background()); n == 0 || err != nil {
					return
				}
			}
		})
	}
	both.Wait()
	b.process(t)
	require.Equal(t, 60, b.number(t, `SELECT count(*) FROM documents WHERE status = 'applied'`))
	require.Len(t, b.facts(t), 60)
	require.Equal(t, 60, b.number(t, `SELECT fact_seq::int FROM orders`))
}

func TestTwoHoldersOfOneDocumentApplyItOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := withPO(t)
	// The first processor stops between its claim and its commit until the lease has run out and a
	// second one has applied the document: here, a lock on the order stands for the pause.
	blocker, err := b.pool.Begin(ctx)
	require.NoError(t, err)
	_, err = blocker.Exec(ctx, `SELECT 1 FROM orders FOR UPDATE`)
	require.NoError(t, err)
	b.event(t, "supplier/acme", "purchase_order.acknowledged", b.head("P-1")+`,"whole":"accepted"}`)
	done := make(chan error, 2)
	for i := range 2 {
		go func() {
			_, err := b.processor.Process(ctx)
			done <- err
		}()
		require.Eventually(t, func() bool {
			return b.number(t, `SELECT attempts FROM documents`) == i+1
		}, 10*time.Second, time.Millisecond)
		b.exec(t, `UPDATE documents SET next_attempt_at = now()`)
	}
	require.NoError(t, blocker.Commit(ctx))
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.Len(t, b.facts(t), 1)
}

func TestAShopifyOrderIsPlacedOnceHoweverOftenItIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i, step := range []struct{ kind, extra, want string }{
		{"orders/create", ``, "applied"},
		{"orders/create", `,"updated_at":"2026-03-01T10:00:00Z"`, "ignored known_already"},
		{"orders/create", `,"total_tip_received":"1.00"`, "quarantined conflicting_order"},
		{"orders/updated", ``, "ignored changes_no_decision"},
		{"orders/paid", ``, "ignored changes_no_decision"},
		{"carts/update", ``, "ignored other_event"},
		{"orders/cancelled", `,"cancelled_at":"2026-03-02T10:00:00Z","cancel_reason":"customer"`, "applied"},
		{"orders/updated", `,"cancelled_at":"2026-03-02T10:00:00Z","cancel_reason":"customer"`, "ignored known_already"},
	} {
		id := b.store(t, "shopify/shop", step.kind, string(rune('a'+i)), shopifyOrder(step.extra)).ID
		b.process(t)
		require.Equal(t, step.want, b.standing(t, id), step.kind+step.extra)
	}
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM orders`))
	require.Equal(t, []order.Fact{{Seq: 1, Cancel: &order.CancelRequest{ID: "shopify-cancelled-1", Reason: "customer", By: "storefront"}}}, b.facts(t))
}

func TestACancellationThatOvertakesItsOrderWaitsForIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cancel := b.store(t, "shopify/shop", "orders/cancelled", "c", shopifyOrder(`,"cancelled_at":"2026-03-02T10:00:00Z"`)).ID
	b.process(t)
	require.Equal(t, "received", b.standing(t, cancel))
	b.exec(t, `UPDATE documents SET next_attempt_at = now() + interval '1 hour'`)
	b.store(t, "shopify/shop", "orders/create", "o", shopifyOrder(``))
	b.process(t)
	require.Equal(t, "applied", b.standing(t, cancel), "the order wakes it")
	require.Len(t, b.facts(t), 1)
}

func TestACancellationWhoseOrderNeverComesIsQuarantined(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.store(t, "shopify/shop", "orders/cancelled", "c", shopifyOrder(`,"cancelled_at":"2026-03-02T10:00:00Z"`)).ID
	for range intake.Bound {
		b.exec(t, `UPDATE documents SET next_attempt_at = now()`)
		b.process(t)
	}
	require.Equal(t, "quarantined unknown_order", b.standing(t, id))
}

func TestAnInvoiceForASettledOrderIsMatchedAtOnce(t *testing.T) {
	t.Parallel()
	b := withPO(t)
	b.exec(t, `UPDATE orders SET closed_at = now()`)
	b.event(t, "supplier/acme", "invoice.created", b.head("P-1")+`,"number":"I1","currency":"EUR","lines":[{"line":1,"quantity":2,"unit_cost":"1.00"}],"total":"2.00"}`)
	b.process(t)
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM supplier_invoices WHERE standing = 'disputed'`), "nothing was accrued")
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM claims WHERE kind = 'invoice_dispute' AND minor = 200`))
}

func TestAProcessorThatIsStoppedLeavesNothingHalfDone(t *testing.T) {
	t.Parallel()
	b := withPO(t)
	b.event(t, "supplier/acme", "purchase_order.acknowledged", b.head("P-1")+`,"whole":"accepted"}`)
	woken := make(chan struct{}, 1)
	b.processor.Wake = func() { woken <- struct{}{} }
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- b.processor.Run(ctx) }()
	<-woken
	b.event(t, "supplier/acme", "purchase_order.acknowledged", b.head("P-1")+`,"whole":"accepted"}`)
	b.processor.Nudge()
	<-woken
	stop()
	require.NoError(t, <-ended)
	require.Len(t, b.facts(t), 2)
}

func TestDueWorkIsFoundWithoutReadingHistory(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `INSERT INTO documents (source, kind, natural_key, content_type, body, body_hash, status)
		SELECT 's/x', 'x', 'h' || n, 'x', '', '', 'applied' FROM generate_series(1, 12000) n`)
	b.exec(t, `INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country, customer_hash, total_minor, captured_minor)
		SELECT 'shop/' || n, 'shop', n, now(), '{}', '', 'EUR', 'DE', '', 0, 0 FROM generate_series(1, 12000) n`)
	b.store(t, "s/x", "x", "k", "x")
	b.place(t, sample("x"), "x")
	b.exec(t, `ANALYZE documents`)
	b.exec(t, `ANALYZE orders`)
	for sql, index := range intake.HotQueries {
		rows, err := b.pool.Query(context.Background(), "EXPLAIN "+sql)
		require.NoError(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		plan := strings.Join(lines, "\n")
		require.Contains(t, plan, "using "+index)
		require.NotContains(t, plan, "Seq Scan on documents")
		require.NotContains(t, plan, "Seq Scan on orders")
	}
}
