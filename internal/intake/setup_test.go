package intake_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/supplier"
)

const catalogue = `
INSERT INTO storefronts (id, document) VALUES ('shop', '{}');
INSERT INTO suppliers (id, document) VALUES ('acme', '{}'), ('other', '{}');`

// purchased gives order shop/1 a purchase order P-1 with acme.
const purchased = `
INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ('shop/1', 1, '{}', '{}');
INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, terms)
	VALUES ('P-1', 'shop/1', 1, 'acme', 'submitted', 'EUR', '{}');
INSERT INTO purchase_order_lines (number, order_key, line, sku, supplier_sku, quantity, live, reserved, unit_cost)
	VALUES ('P-1', 'shop/1', 1, 'MUG', 'A-1', 2, 2, 2, 100);
UPDATE orders SET started_at = now(), deliver_at = NULL WHERE key = 'shop/1';`

type bundle struct {
	pool      *pgxpool.Pool
	archive   *intake.Archive
	orders    *intake.Orders
	processor *intake.Processor
	prison    *intake.Quarantine
	now       time.Time
	sent      int
}

func setup(t *testing.T) *bundle {
	t.Helper()
	pool := postgrestest.Pool(t)
	orders, err := intake.NewOrders([]byte("sixteen bytes or more"))
	require.NoError(t, err)
	b := &bundle{
		pool: pool, orders: orders, archive: &intake.Archive{Pool: pool}, prison: &intake.Quarantine{Pool: pool},
		processor: &intake.Processor{Pool: pool, Orders: orders, Log: slog.New(slog.DiscardHandler)},
		now:       time.Now().UTC().Truncate(time.Second),
	}
	b.exec(t, catalogue)
	return b
}

// withPO is a setup with an order that was bought.
func withPO(t *testing.T) *bundle {
	t.Helper()
	b := setup(t)
	require.Equal(t, intake.Created, b.place(t, sample("1"), "x"))
	b.exec(t, purchased)
	return b
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.pool.Exec(context.Background(), sql, args...)
	require.NoError(t, err)
}

func sample(id string) storefront.Order {
	return storefront.Order{
		Key: order.Key{Storefront: "shop", Order: id}, Number: "#" + id, PlacedAt: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
		Currency: "EUR", Lines: []storefront.Line{{Line: 1, SKU: "MUG", Title: "Mug", Quantity: 2, UnitPrice: 500}},
		Total: 1000, Payment: storefront.Payment{Status: storefront.PaymentPaid, Captured: 1000},
		ShipTo: supplier.Address{Name: "Ann Example", Street1: "1 Secret Street", City: "Berlin", PostalCode: "10115", Country: "DE"},
		Email:  "Ann@Example.com", Locale: "de-DE", CustomerRef: "cust-77",
	}
}

func (b *bundle) place(t *testing.T, o storefront.Order, body string) (placed intake.Placed) {
	t.Helper()
	require.NoError(t, postgres.InTx(context.Background(), b.pool, func(tx pgx.Tx) (err error) {
		placed, err = b.orders.PlaceOrder(context.Background(), tx, o, []byte(body), 0)
		return err
	}))
	return placed
}

func (b *bundle) store(t *testing.T, source, kind, key, body string) intake.Stored {
	t.Helper()
	stored, err := b.archive.Store(context.Background(), intake.Document{
		Source: source, Kind: kind, NaturalKey: key, ContentType: "application/json", Body: []byte(body),
	})
	require.NoError(t, err)
	return stored
}

// event stores a supplier's webhook.
func (b *bundle) event(t *testing.T, source, kind, data string) int64 {
	t.Helper()
	b.sent++
	body := fmt.Sprintf(`{"id":"e%d","type":%q,"created_at":%q,"data":%s}`, b.sent, kind, b.now.Format(time.RFC3339), data)
	return b.store(t, source, kind, fmt.Sprintf("e%d", b.sent), body).ID
}

// head begins the data of an event about a purchase order.
func (b *bundle) head(po string) string {
	return fmt.Sprintf(`{"po":%q,"at":%q`, po, b.now.Add(-time.Minute).Format(time.RFC3339))
}

func (b *bundle) process(t *testing.T) {
	t.Helper()
	for {
		n, err := b.processor.Process(context.Background())
		require.NoError(t, err)
		if n == 0 {
			return
		}
	}
}

// standing is "status code" of a document.
func (b *bundle) standing(t *testing.T, id int64) string {
	t.Helper()
	var status, code string
	require.NoError(t, b.pool.QueryRow(context.Background(), `SELECT status, reason_code FROM documents WHERE id = $1`, id).Scan(&status, &code))
	if code == "" {
		return status
	}
	return status + " " + code
}

func (b *bundle) facts(t *testing.T) []order.Fact {
	t.Helper()
	list, err := facts.After(context.Background(), b.pool, "shop/1", 0)
	require.NoError(t, err)
	return list
}

func (b *bundle) number(t *testing.T, sql string) (n int) {
	t.Helper()
	require.NoError(t, b.pool.QueryRow(context.Background(), sql).Scan(&n))
	return n
}

func shopifyOrder(extra string) string {
	return `{"id":1,"name":"#1","email":"ann@example.com","created_at":"2026-03-01T09:00:00Z","currency":"EUR",
		"financial_status":"paid","total_price":"10.00","customer":{"id":77},
		"line_items":[{"id":5,"sku":"MUG","title":"Mug","quantity":2,"price":"5.00"}],
		"shipping_address":{"name":"Ann Example","address1":"1 Secret Street","city":"Berlin","zip":"10115","country_code":"DE"}` + extra + `}`
}
