package orderview_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
)

var (
	noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	key  = order.Key{Storefront: "shop", Order: "1001"}
)

const number = "DLABCDEFGHIJKLM-1"

// placed puts an order of three mugs into the database, with personal data that must never show.
func placed(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := postgrestest.Pool(t)
	for _, sql := range []string{
		`INSERT INTO storefronts (id, document) VALUES ('shop', '{}'), ('other', '{}')`,
		`INSERT INTO suppliers (id, document) VALUES ('acme', '{}')`,
		`INSERT INTO orders (key, storefront, order_id, received_at, placed_at, document, body_hash, currency, country, customer_hash, total_minor, captured_minor)
			VALUES ('shop/1001', 'shop', '1001', '2026-03-02T12:00:00Z', '2026-03-02T11:59:00Z', '{"number":"#1001"}', 'x', 'USD', 'US', 'x', 2990, 2990)`,
		`INSERT INTO order_contacts VALUES ('shop/1001', '{"name":"Pat Miller"}', 'pat@example.com', 'en')`,
		`INSERT INTO order_lines (order_key, line, sku, quantity) VALUES ('shop/1001', 1, 'MUG', 3)`,
	} {
		_, err := pool.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	return pool
}

// record stores what an order's workflow records after it sent one purchase order for everything.
func record(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	s := order.State{Key: key}
	s.ValidatedWith(order.Verdict{Currency: "USD", Country: "US", Lines: []order.Line{{Line: 1, SKU: "MUG", Ordered: 3}}}, noon)
	s.Routed([]order.ShippedLine{{Line: 1, Quantity: 3}}, order.Routing{Decision: 1, POs: []order.NewPO{{
		Number: number, Supplier: "acme", Terms: order.Terms{Name: "Acme"},
		Lines: []order.POLine{{Line: 1, SKU: "MUG", Quantity: 3, UnitCost: 400}},
	}}}, noon)
	s.Dispatched(number, order.Dispatch{Outcome: order.DispatchSubmitted, SentAt: noon, AckDueAt: noon.Add(time.Hour), ShipDueAt: noon.Add(48 * time.Hour)}, noon)
	state, err := json.Marshal(s)
	require.NoError(t, err)
	for _, sql := range []string{
		`INSERT INTO routing_decisions VALUES ('shop/1001', 1, '', '', '2026-03-02T12:00:00Z')`,
		`INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, terms, created_at, submitted_at)
			VALUES ('` + number + `', 'shop/1001', 1, 'acme', 'submitted', 'USD', '{}', '2026-03-02T12:00:00Z', '2026-03-02T12:00:01Z')`,
	} {
		_, err := pool.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	_, err = pool.Exec(t.Context(), `UPDATE orders SET state = $1, started_at = '2026-03-02T12:00:00Z' WHERE key = 'shop/1001'`, state)
	require.NoError(t, err)
}

func learn(t *testing.T, pool *pgxpool.Pool, fact order.Fact) {
	t.Helper()
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := facts.Append(t.Context(), tx, key.String(), fact, true, 0)
		return err
	}))
}

func load(t *testing.T, pool *pgxpool.Pool) orderview.View {
	t.Helper()
	view, err := orderview.Load(t.Context(), pool, key)
	require.NoError(t, err)
	return view
}

func TestOrderNobodyHasLookedAtShowsItsBasket(t *testing.T) {
	t.Parallel()
	view := load(t, placed(t))
	require.Equal(t, "received", view.Stage)
	require.Equal(t, "#1001", view.Number)
	require.Equal(t, "29.90", view.Total)
	require.Equal(t, "0.00", view.Refunded)
	require.Equal(t, []orderview.Line{{Line: 1, SKU: "MUG", Quantity: 3, Where: "not looked at yet"}}, view.Lines)
	require.Len(t, view.WaitsFor, 1)
	require.True(t, view.StartedAt.IsZero())
}

func TestFactsAfterTheSnapshotCountAtOnce(t *testing.T) {
	t.Parallel()
	pool := placed(t)
	record(t, pool)
	before := load(t, pool)
	require.Equal(t, "dispatched", before.Stage)
	require.Equal(t, noon.Add(time.Hour), before.WaitsFor[0].Until.UTC())

	learn(t, pool, order.Fact{Acknowledge: &order.Acknowledgment{Document: "a", PO: number, At: noon.Add(time.Minute), Whole: order.AckAccepted}})
	after := load(t, pool)
	require.Equal(t, "acknowledged", after.Stage)
	require.Equal(t, "3 accepted", after.Lines[0].Where)
	require.Equal(t, "acknowledged", after.PurchaseOrders[0].Status)
	require.Equal(t, noon.Add(48*time.Hour), after.WaitsFor[0].Until.UTC())
}

func TestFactsInTheSnapshotAreNotCountedTwice(t *testing.T) {
	t.Parallel()
	pool := placed(t)
	record(t, pool)
	learn(t, pool, order.Fact{Acknowledge: &order.Acknowledgment{Document: "a", PO: number, At: noon, Whole: order.AckRejected}})
	want := load(t, pool)
	standing, err := orderview.Stand(t.Context(), pool, key)
	require.NoError(t, err)
	require.EqualValues(t, 1, standing.State.LastFact)
	_, err = pool.Exec(t.Context(), `UPDATE orders SET state = $1`, standing.State)
	require.NoError(t, err)
	require.Equal(t, want, load(t, pool))
}

func TestCancellationThatWaitsForTheWorkflowShows(t *testing.T) {
	t.Parallel()
	pool := placed(t)
	record(t, pool)
	learn(t, pool, order.Fact{Cancel: &order.CancelRequest{ID: "api/1"}})
	view := load(t, pool)
	require.Equal(t, "cancel_requested", view.PurchaseOrders[0].Status)
	require.Equal(t, "3 cancel requested", view.Lines[0].Where)
}

func TestUnknownOrderIsSaidToBeUnknown(t *testing.T) {
	t.Parallel()
	pool := placed(t)
	for _, unknown := range []order.Key{{Storefront: "shop", Order: "1002"}, {Storefront: "other", Order: "1001"}, {Storefront: "shop", Order: "'; DROP TABLE orders; --"}} {
		_, err := orderview.Load(t.Context(), pool, unknown)
		require.ErrorIs(t, err, orderview.ErrNoOrder)
		_, err = orderview.Timeline(t.Context(), pool, unknown)
		require.ErrorIs(t, err, orderview.ErrNoOrder)
	}
}

// busy gives the order one of everything that can happen.
func busy(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := placed(t)
	record(t, pool)
	for _, sql := range []string{
		`INSERT INTO documents (source, kind, natural_key, content_type, body, body_hash, order_key, status, reason_code, received_at)
			VALUES ('supplier/acme', 'shipment.created', 'e1', 'application/json', 'pat@example.com', 'x', 'shop/1001', 'applied', '', '2026-03-02T13:00:00Z')`,
		`INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, milestone, milestone_at, first_scan_at)
			VALUES ('` + number + `', 'ups', '1Z9', 'shop/1001', '[{"line":1,"quantity":3}]', '2026-03-02T13:00:01Z', 'in_transit', '2026-03-03T08:00:00Z', '2026-03-03T08:00:00Z')`,
		`INSERT INTO tracking_events VALUES ('ups', '1Z9', 's0', 'delivered', '', '2025-06-01T08:00:00Z'),
			('ups', '1Z9', 's1', 'in_transit', 'at the door of Pat Miller', '2026-03-03T08:00:00Z')`,
		`INSERT INTO effects (key, order_key, kind, state, attempts, first_at, last_at)
			VALUES ('po/1', 'shop/1001', 'purchase_order', 'done', 2, '2026-03-02T12:00:00Z', '2026-03-02T12:00:30Z')`,
		`INSERT INTO outbox (key, order_key, channel, kind, state, payload, created_at, sent_at, last_error)
			VALUES ('m1', 'shop/1001', 'customer_mail', 'shipped', 'sent', '{"to":"pat@example.com"}', '2026-03-03T08:00:01Z', '2026-03-03T08:00:09Z', 'pat@example.com')`,
		`INSERT INTO refunds (key, order_key, n, lines, amount_minor, goods_minor, tax_minor, shipping_minor, reason, state, asked_at, done_at)
			VALUES ('r1', 'shop/1001', 1, '[]', 150, 150, 0, 0, 'goodwill', 'done', '2026-03-04T08:00:00Z', '2026-03-04T08:00:05Z')`,
		`WITH t AS (INSERT INTO ledger_transactions (order_key, key, kind, memo, posted_at)
				VALUES ('shop/1001', 'capture', 'capture', 'customer paid', '2026-03-02T12:00:00Z') RETURNING id)
			INSERT INTO ledger_entries SELECT id, n, 'a', 'USD', m FROM t, (VALUES (1, 5), (2, -5)) e(n, m)`,
	} {
		_, err := pool.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	return pool
}

func TestTimelineTellsEverythingInItsOrder(t *testing.T) {
	t.Parallel()
	events, err := orderview.Timeline(t.Context(), busy(t), key)
	require.NoError(t, err)
	kinds := map[string]bool{}
	var texts []string
	for i, e := range events {
		kinds[e.Kind] = true
		texts = append(texts, e.Text)
		require.False(t, i > 0 && e.At.Before(events[i-1].At), "%d", i)
		require.NotContains(t, e.Text, "%!", "a sentence with a hole")
	}
	for _, kind := range []string{"document", "story", "routing", "purchase_order", "effect", "parcel", "scan", "message", "refund", "ledger"} {
		require.True(t, kinds[kind], "nothing tells of %s: %v", kind, texts)
	}
	require.Equal(t, "The order was taken in", texts[0])
	require.Contains(t, texts, "ups scanned parcel 1Z9: in transit")
	require.NotContains(t, texts, "ups scanned parcel 1Z9: delivered", "the number's earlier life is another parcel's")
	require.Contains(t, texts, "The customer was told: shipped")
	require.Contains(t, texts, "Refund 1 of 1.50 USD was made")
	require.Contains(t, texts, "purchase order (po/1) is done after 2 attempts")
}

func TestNothingPersonalIsShown(t *testing.T) {
	t.Parallel()
	pool := busy(t)
	view, err := json.Marshal(load(t, pool))
	require.NoError(t, err)
	events, err := orderview.Timeline(t.Context(), pool, key)
	require.NoError(t, err)
	told, err := json.Marshal(events)
	require.NoError(t, err)
	for _, shown := range []string{string(view), string(told)} {
		require.NotContains(t, shown, "Pat ")
		require.NotContains(t, shown, "@")
	}
}

func TestWhatPartnersWroteCannotForgeALine(t *testing.T) {
	t.Parallel()
	pool := placed(t)
	_, err := pool.Exec(t.Context(), `INSERT INTO documents (source, kind, natural_key, content_type, body, body_hash, order_key)
		VALUES ('supplier/acme', E'x\r\n12:00 The order was refunded\u001b[2J\u202e', 'e', '', '', '', 'shop/1001')`)
	require.NoError(t, err)
	events, err := orderview.Timeline(t.Context(), pool, key)
	require.NoError(t, err)
	require.Len(t, events, 2)
	for _, e := range events {
		require.NotRegexp(t, "[\r\n\x1b\u202e]", e.Text)
	}
}

func TestParcelsRefundsAndMessagesAreShown(t *testing.T) {
	t.Parallel()
	view := load(t, busy(t))
	require.Equal(t, "in_transit", view.Parcels[0].Milestone)
	require.Equal(t, []orderview.Units{{Line: 1, Quantity: 3}}, view.Parcels[0].Lines)
	require.Equal(t, "1.50", view.Refunds[0].Amount)
	require.Equal(t, "1.50", view.Refunded)
	require.Equal(t, "sent", view.Messages[0].State)
	require.Contains(t, view.WaitsFor[len(view.WaitsFor)-1].For, "1Z9")
}
