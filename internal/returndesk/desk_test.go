package returndesk_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sla"
	"github.com/dropline/dropline/internal/storefront"
)

var (
	key    = order.Key{Storefront: "shop", Order: "1"}
	po     = key.PurchaseOrderNumber(1)
	monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
)

// desk is a desk on a database where three mugs of order shop/1 were delivered on a Monday.
func desk(t *testing.T) (*returndesk.Desk, *pgxpool.Pool) {
	t.Helper()
	ctx, pool := context.Background(), postgrestest.Pool(t)
	shop := catalog.Storefront{ID: "shop", Policy: catalog.Policy{Returns: catalog.ReturnPolicy{
		WindowDays: 30, SendWithin: sla.MustTerm("14d"), InspectWithin: sla.MustTerm("3d"),
	}}}
	acme := catalog.Supplier{ID: "acme", Name: "Acme"}
	acme.Contract.Returns = catalog.Returns{WindowDays: 30, CreditWithin: sla.MustTerm("14d")}
	document := storefront.Order{Key: key, Currency: "EUR", Lines: []storefront.Line{{Line: 1, SKU: "MUG", Quantity: 3, UnitPrice: 1200}}, Total: 3600}
	state := order.State{Key: key, Lines: []order.Line{{Line: 1, SKU: "MUG", Ordered: 3}}, POs: []order.PurchaseOrder{{
		Number: po, Supplier: "acme", Lines: []order.POLine{{Line: 1, SKU: "MUG", Quantity: 3, UnitCost: 400, Units: order.Units{Delivered: 3}}},
	}}}
	b := &pgx.Batch{}
	b.Queue(`INSERT INTO storefronts (id, document) VALUES ('shop', $1)`, shop)
	b.Queue(`INSERT INTO suppliers (id, document) VALUES ('acme', $1)`, acme)
	b.Queue(`INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country, customer_hash, total_minor, captured_minor, state)
		VALUES ('shop/1', 'shop', '1', now(), $1, '\x00', 'EUR', 'DE', '\x00', 3600, 3600, $2)`, document, state)
	b.Queue(`INSERT INTO order_lines (order_key, line, sku, quantity) VALUES ('shop/1', 1, 'MUG', 3)`)
	b.Queue(`INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ('shop/1', 1, '{}', '{}')`)
	b.Queue(`INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, terms)
		VALUES ($1, 'shop/1', 1, 'acme', 'shipped', 'EUR', '{}')`, po)
	b.Queue(`INSERT INTO purchase_order_lines (number, order_key, line, sku, supplier_sku, quantity, live, reserved, unit_cost)
		VALUES ($1, 'shop/1', 1, 'MUG', 'A-1', 3, 3, 0, 400)`, po)
	b.Queue(`INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, milestone, milestone_at)
		VALUES ($1, 'ups', '1Z', 'shop/1', '[{"line":1,"quantity":3}]', now(), 'delivered', $2)`, po, monday)
	require.NoError(t, pool.SendBatch(ctx, b).Close())
	return &returndesk.Desk{Pool: pool, Now: func() time.Time { return monday.AddDate(0, 0, 2) }}, pool
}

func mugs(id string, quantity int64) returns.Request {
	return returns.Request{ID: id, By: "support", Resolution: returns.Refund, Lines: []returns.RequestedLine{
		{Line: 1, Quantity: quantity, Reason: returns.ChangedMind},
	}}
}

func TestAGrantedReturnIsKeptAndARepeatGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d, pool := desk(t)
	first, err := d.Request(ctx, key, mugs("r-1", 2))
	require.NoError(t, err)
	require.Nil(t, first.Refused)
	require.Equal(t, []returndesk.Granted{{
		RMA: po + "-R1", Lines: []order.ShippedLine{{Line: 1, Quantity: 2}}, SendBy: monday.AddDate(0, 0, 16),
	}}, first.Returns)

	again, err := d.Request(ctx, key, mugs("r-1", 2))
	require.NoError(t, err)
	require.True(t, again.Repeated)
	require.Equal(t, first.Returns, again.Returns)
	_, err = d.Request(ctx, key, mugs("r-1", 1))
	require.ErrorIs(t, err, returndesk.ErrOtherRequest)

	list, err := returndesk.OfOrder(ctx, pool, key)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, returns.StageAuthorising, list[0].State.Stage())
	next, err := d.Request(ctx, key, mugs("r-2", 1))
	require.NoError(t, err)
	require.Equal(t, po+"-R2", next.Returns[0].RMA)
}

func TestARefusalIsKeptToo(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d, pool := desk(t)
	d.Now = func() time.Time { return monday.AddDate(0, 0, 40) }
	first, err := d.Request(ctx, key, mugs("r-1", 1))
	require.NoError(t, err)
	require.Equal(t, returns.RefusedWindow, first.Refused.Code)
	require.Equal(t, monday.AddDate(0, 0, 30), *first.Refused.Until)
	d.Now = func() time.Time { return monday }
	again, err := d.Request(ctx, key, mugs("r-1", 1))
	require.NoError(t, err)
	require.True(t, again.Repeated)
	require.Equal(t, first.Refused, again.Refused)
	list, err := returndesk.OfOrder(ctx, pool, key)
	require.NoError(t, err)
	require.Empty(t, list)
	_, err = d.Request(ctx, order.Key{Storefront: "shop", Order: "2"}, mugs("r-1", 1))
	require.ErrorIs(t, err, orderview.ErrNoOrder)
}

func TestRequestsAtOnceNeverTakeTheSameUnits(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d, _ := desk(t)
	var granted, refused int
	var lock sync.Mutex
	var work sync.WaitGroup
	for i := range 6 {
		work.Go(func() {
			answer, err := d.Request(ctx, key, mugs(fmt.Sprint("r-", i), 1))
			lock.Lock()
			defer lock.Unlock()
			switch {
			case err != nil:
				t.Error(err)
			case answer.Refused != nil:
				refused++
			default:
				granted++
			}
		})
	}
	work.Wait()
	require.Equal(t, 3, granted)
	require.Equal(t, 3, refused)
}

func TestPostgresRefusesMoreReturnedThanWasBought(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d, pool := desk(t)
	answer, err := d.Request(ctx, key, mugs("r-1", 3))
	require.NoError(t, err)
	_, err = pool.Exec(ctx, `UPDATE return_lines SET quantity = 4 WHERE rma = $1`, answer.Returns[0].RMA)
	require.ErrorContains(t, err, "4 units in returns, only 3 were bought")
}

func TestFactsAreNumberedAndFoldedOverWhatWasRecorded(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d, pool := desk(t)
	answer, err := d.Request(ctx, key, mugs("r-1", 2))
	require.NoError(t, err)
	rma := answer.Returns[0].RMA
	for i, fact := range []returns.Fact{
		{Parcel: &order.ParcelNews{Carrier: "dropex", Tracking: "R1", Milestone: order.ParcelInTransit, At: monday}},
		{Inspection: &returns.Inspection{Document: "i", At: monday, Lines: []returns.InspectedLine{{Line: 1, Quantity: 2, Condition: returns.AsNew}}}},
	} {
		require.NoError(t, postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
			seq, err := returndesk.Append(ctx, tx, rma, fact, i == 1, 0)
			require.EqualValues(t, i+1, seq)
			return err
		}))
	}
	standing, err := returndesk.Stand(ctx, pool, rma)
	require.NoError(t, err)
	require.True(t, standing.State.Inspected)
	facts, err := returndesk.After(ctx, pool, rma, 1)
	require.NoError(t, err)
	require.Len(t, facts, 1)
	_, err = returndesk.Stand(ctx, pool, "RMA-9")
	require.ErrorIs(t, err, returndesk.ErrNoReturn)
	err = postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		_, err := returndesk.Append(ctx, tx, "RMA-9", returns.Fact{}, true, 0)
		return err
	})
	require.ErrorIs(t, err, returndesk.ErrNoReturn)
}

func TestWhatACustomerEnclosesIsKeptApartAndIsPartOfTheRequest(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d, pool := desk(t)
	with := returndesk.Enclosed{Note: "It leaks.", Pictures: []returndesk.Picture{{MediaType: "image/png", Body: []byte("a")}, {MediaType: "image/jpeg", Body: []byte("b")}}}
	first, err := d.RequestWith(ctx, key, mugs("page-1", 1), with)
	require.NoError(t, err)
	rma := first.Returns[0].RMA
	again, err := d.RequestWith(ctx, key, mugs("page-1", 1), with)
	require.NoError(t, err)
	require.True(t, again.Repeated)
	for _, other := range []returndesk.Enclosed{{}, {Note: "It leaks."}, {Note: "It leaks", Pictures: with.Pictures}, {Note: "It leaks.", Pictures: with.Pictures[:1]}} {
		_, err = d.RequestWith(ctx, key, mugs("page-1", 1), other)
		require.ErrorIs(t, err, returndesk.ErrOtherRequest)
	}
	picture, err := returndesk.ReadPicture(ctx, pool, key, rma, 2)
	require.NoError(t, err)
	require.Equal(t, with.Pictures[1], picture)
	for _, wrong := range []struct {
		key order.Key
		rma string
		n   int
	}{{order.Key{Storefront: "shop", Order: "2"}, rma, 1}, {key, "RMA-9", 1}, {key, rma, 3}} {
		_, err = returndesk.ReadPicture(ctx, pool, wrong.key, wrong.rma, wrong.n)
		require.ErrorIs(t, err, returndesk.ErrNoReturn)
	}
	answer, found, err := returndesk.Answered(ctx, pool, key, "page-1")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, first.Returns, answer.Returns)
	_, found, err = returndesk.Answered(ctx, pool, key, "page-2")
	require.NoError(t, err)
	require.False(t, found)
}

func TestALookAtAnOrderWaitsForNobody(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d, pool := desk(t)
	tx, err := pool.Begin(ctx)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(ctx) }()
	_, err = tx.Exec(ctx, `SELECT 1 FROM orders FOR UPDATE`)
	require.NoError(t, err)
	sight, err := d.Look(ctx, key)
	require.NoError(t, err)
	require.Equal(t, []returndesk.SightLine{{
		Choice: returns.Choice{
			Line: 1, Free: 3, Until: monday.AddDate(0, 0, 30), FaultUntil: monday.AddDate(0, 0, 30), Rules: returns.Rules{WindowDays: 30},
		}, SKU: "MUG", Quantity: 3,
	}}, sight.Lines)
	require.Equal(t, []returns.Resolution{returns.Refund}, sight.Outcomes)
	_, err = d.Look(ctx, order.Key{Storefront: "shop", Order: "2"})
	require.ErrorIs(t, err, orderview.ErrNoOrder)
}
