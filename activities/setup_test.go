package activities_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/activities"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/partners"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/workflows"
)

// Two suppliers of mugs, of whom acme is the cheaper; only bolt has tea, only acme lamps.
const catalogue = `
suppliers:
  - id: acme
    name: Acme Wholesale
    contract: {valid_from: 2020-01-01, currency: USD, channel: {kind: rest, url: "ACME", key_id: d, secret_env: TEST_TOKEN, webhook_secret_env: TEST_TOKEN},
      calendar: {zone: America/New_York, business_days: [mon, tue, wed, thu, fri], hours: "09:00-17:00"},
      sla: {acknowledge: 2 business hours, ship: 2 business days, reminders: [30m before]},
      cancel: {window: until_shipped, confirmation: promised, within: 4 business hours, on_silence: hold},
      ships_to: {countries: [US]}, shipping: {methods: [{name: ground, base: "6.50", transit_days: {min: 2, max: 5}}]},
      returns: {window_days: 30, restocking_bp: 1000, credit_within: 14d},
      tolerances: {price_bp: 50, quantity: 0}}
    offers:
      - {sku: MUG, supplier_sku: A-1, cost: "4.20", on_hand: 100}
      - {sku: LAMP, supplier_sku: A-2, cost: "31.00", on_hand: 10}
  - id: bolt
    name: Bolt Supply
    contract: {valid_from: 2020-01-01, currency: USD, channel: {kind: rest, url: "BOLT", key_id: d, secret_env: TEST_TOKEN, webhook_secret_env: TEST_TOKEN},
      calendar: {zone: Europe/Berlin, business_days: [mon, tue, wed, thu, fri], hours: "08:00-16:00"},
      sla: {acknowledge: 1d, ship: 3d},
      ships_to: {countries: [US]}, shipping: {methods: [{name: parcel, base: "9.00", transit_days: {min: 2, max: 5}}]}}
    offers:
      - {sku: MUG, supplier_sku: "77", cost: "5.20", on_hand: 100}
      - {sku: TEA, supplier_sku: "55", cost: "6.10", on_hand: 60}
storefronts:
  - id: shop
    name: Shop
    platform: generic
    currencies: [USD]
    refund_url: "SHOP"
    secret_env: TEST_TOKEN
    webhook_secret_env: TEST_TOKEN
    sender: orders@shop.example
    policy: {review: {max_order_value: "900.00", velocity: {orders: 1000, per: 1h}}, refund_shipping: none_delivered, duplicate_shipment: {absorb_up_to: "15.00"},
      returns: {window_days: 30, restocking_bp: 1000, opened_bp: 2000}}
`

const token = "token"

func TestMain(m *testing.M) {
	if err := os.Setenv("TEST_TOKEN", token); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// bundle is the activities between a real database, two suppliers and a storefront.
type bundle struct {
	t         *testing.T
	ctx       context.Context
	url       string
	pool      *pgxpool.Pool
	suppliers *suppliersim.Server
	shop      *storefrontsim.Server
	desk      *activities.Orders
	now       time.Time // what the activities take for now
}

// quiet is a supplier that takes orders and says nothing more.
var quiet = suppliersim.Manner{Ack: suppliersim.AckManner{When: suppliersim.AckNever}, Ship: suppliersim.ShipManner{Never: true}}

func setup(t *testing.T) *bundle {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	url := postgrestest.URL(t)
	b := &bundle{t: t, ctx: ctx, url: url, pool: open(t, url), now: time.Now().UTC()}
	part := suppliersim.Supplier{Token: token, Secret: token, Manner: quiet}
	var err error
	b.suppliers, err = suppliersim.Start(suppliersim.Options{
		Seed: 7, Gateway: "http://127.0.0.1:1", Attempts: 1, Suppliers: map[string]suppliersim.Supplier{"acme": part, "bolt": part},
	})
	require.NoError(t, err)
	t.Cleanup(b.suppliers.Close)
	b.shop, err = storefrontsim.Start(storefrontsim.Config{Token: token})
	require.NoError(t, err)
	t.Cleanup(b.shop.Close)
	b.load(catalogue)
	b.desk = b.deskOn(b.pool)
	return b
}

func open(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(context.Background(), url, 12)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// deskOn gives the activities another pool.
func (b *bundle) deskOn(pool *pgxpool.Pool) *activities.Orders {
	return &activities.Orders{Pool: pool, Partners: partners.New(pool, true), Now: func() time.Time { return b.now }}
}

func (b *bundle) load(text string) {
	b.t.Helper()
	text = strings.NewReplacer("ACME", b.suppliers.BaseURL("acme"), "BOLT", b.suppliers.BaseURL("bolt"), "SHOP", b.shop.URL()).Replace(text)
	file, err := catalog.Parse("test.yaml", []byte(text))
	require.NoError(b.t, err)
	require.NoError(b.t, postgres.SaveCatalog(b.ctx, b.pool, file))
}

func (b *bundle) manner(id string, m suppliersim.Manner) {
	b.t.Helper()
	require.NoError(b.t, b.suppliers.SetManner(id, m))
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	_, err := b.pool.Exec(b.ctx, sql, args...)
	require.NoError(b.t, err)
}

// number reads one number.
func (b *bundle) number(sql string, args ...any) int64 {
	b.t.Helper()
	var n int64
	require.NoError(b.t, b.pool.QueryRow(b.ctx, sql, args...).Scan(&n))
	return n
}

func (b *bundle) text(sql string, args ...any) string {
	b.t.Helper()
	var text string
	require.NoError(b.t, b.pool.QueryRow(b.ctx, sql, args...).Scan(&text))
	return text
}

// line is an article at 10.00 USD with 80 cents of tax a unit.
func line(n int, sku string, quantity int64) storefront.Line {
	return storefront.Line{Line: n, SKU: sku, Title: sku, Quantity: quantity, UnitPrice: 1000, Tax: 80 * quantity}
}

// sale is a paid order with 5.00 of shipping and 40 cents of tax on it.
func sale(id string, lines ...storefront.Line) storefront.Order {
	o := storefront.Order{
		Key: order.Key{Storefront: "shop", Order: id}, PlacedAt: time.Now().UTC(), Currency: "USD", Lines: lines,
		Shipping: 500, ShippingTax: 40,
		ShipTo: supplier.Address{Name: "Ann Example", Street1: "1 Oak Street", City: "Troy", Region: "NY", PostalCode: "12180", Country: "US"},
		Email:  "ann@example.com",
	}
	for _, l := range lines {
		o.Discount += l.Discount
	}
	total, err := o.Sum()
	if err != nil {
		panic(err)
	}
	o.Total = total
	o.Payment = storefront.Payment{Status: storefront.PaymentPaid, Captured: total}
	return o
}

// place stores an order and begins its life.
func (b *bundle) place(o storefront.Order) *life {
	b.t.Helper()
	orders, err := intake.NewOrders([]byte("sixteen bytes or more"))
	require.NoError(b.t, err)
	require.NoError(b.t, postgres.InTx(b.ctx, b.pool, func(tx pgx.Tx) error {
		placed, err := orders.PlaceOrder(b.ctx, tx, o, []byte(o.Key.Order), 0)
		if err == nil && placed != intake.Created {
			err = fmt.Errorf("placed: %s", placed)
		}
		return err
	}))
	return &life{bundle: b, key: o.Key, state: order.State{Key: o.Key}}
}

// life is one order with the state that its workflow would hold.
type life struct {
	*bundle

	key   order.Key
	state order.State
}

// due takes the next step that is due, which must be of the given kind, and begins it.
func (l *life) due(kind order.StepKind) order.Step {
	l.t.Helper()
	for _, step := range l.state.Steps() {
		if step.Kind == kind {
			l.state.Begin(step)
			return step
		}
	}
	require.Failf(l.t, "not due", "%s: %+v", kind, l.state.Steps())
	return order.Step{}
}

func (l *life) validate() {
	l.t.Helper()
	l.due(order.StepValidate)
	verdict, err := l.desk.ValidateOrder(l.ctx, l.key)
	require.NoError(l.t, err)
	require.Empty(l.t, verdict.Doubts)
	l.state.ValidatedWith(verdict, l.now)
}

func (l *life) routeInput(step order.Step) workflows.RouteInput {
	return workflows.RouteInput{State: l.state.Clone(), Lines: step.Lines}
}

func (l *life) route() order.Routing {
	l.t.Helper()
	step := l.due(order.StepRoute)
	in := l.routeInput(step)
	routed, err := l.desk.RouteOrder(l.ctx, in)
	require.NoError(l.t, err)
	l.state.Recorded(len(in.State.Notices))
	l.state.Routed(step.Lines, routed, l.now)
	require.NoError(l.t, l.state.Check())
	return routed
}

// routed validates and routes.
func (l *life) routed() *life {
	l.t.Helper()
	l.validate()
	l.route()
	return l
}

func (l *life) dispatchInput(po int) workflows.PurchaseOrderInput {
	return workflows.PurchaseOrderInput{Key: l.key, PO: l.key.PurchaseOrderNumber(po)}
}

// dispatch sends the next purchase order that is due.
func (l *life) dispatch() order.Dispatch {
	l.t.Helper()
	step := l.due(order.StepDispatch)
	result, err := l.desk.DispatchPurchaseOrder(l.ctx, workflows.PurchaseOrderInput{Key: l.key, PO: step.PO})
	require.NoError(l.t, err)
	l.state.Dispatched(step.PO, result, l.now)
	return result
}

// dispatched validates, routes and sends everything.
func (l *life) dispatched() *life {
	l.t.Helper()
	l.routed()
	for range l.state.POs {
		require.Equal(l.t, order.DispatchSubmitted, l.dispatch().Outcome)
	}
	return l
}

func (l *life) record() {
	l.t.Helper()
	l.due(order.StepRecord)
	snapshot := l.state.Clone()
	require.NoError(l.t, l.desk.RecordProgress(l.ctx, snapshot))
	l.state.Recorded(len(snapshot.Notices))
}

// hear applies a fact as the workflow takes it.
func (l *life) hear(f order.Fact) {
	l.t.Helper()
	f.Seq = l.state.LastFact + 1
	l.state.Apply(f, l.now)
	require.NoError(l.t, l.state.Check())
}

func (l *life) po(n int) *order.PurchaseOrder { return l.state.PO(l.key.PurchaseOrderNumber(n)) }

func (l *life) acknowledge(n int) {
	l.t.Helper()
	l.hear(order.Fact{Acknowledge: &order.Acknowledgment{Document: "ack", PO: l.po(n).Number, At: l.now, Whole: order.AckAccepted}})
}

// parcel ships units of a purchase order, whole unless they are named, and lets the parcel reach a
// milestone.
func (l *life) parcel(n int, tracking string, milestone order.Milestone, lines ...order.ShippedLine) {
	l.t.Helper()
	po := l.po(n)
	if len(lines) == 0 {
		for i := range po.Lines {
			lines = append(lines, order.ShippedLine{Line: po.Lines[i].Line, Quantity: po.Lines[i].Quantity})
		}
	}
	l.hear(order.Fact{Ship: &order.ShipNotice{Document: tracking, PO: po.Number, At: l.now, Carrier: "ups", Tracking: tracking, Lines: lines}})
	for _, m := range []order.Milestone{order.ParcelInTransit, milestone} {
		l.hear(order.Fact{Milestone: &order.ParcelNews{Carrier: "ups", Tracking: tracking, Milestone: m, At: l.now}})
	}
}

// settle closes the order's accounts.
func (l *life) settle() (string, error) {
	l.t.Helper()
	l.due(order.StepSettle)
	snapshot := l.state.Clone()
	snapshot.Settled = true
	text, err := l.desk.SettleOrder(l.ctx, snapshot)
	if err == nil {
		l.state.Recorded(len(snapshot.Notices))
		l.state.SettledNow(text, l.now)
	}
	return text, err
}

// stock is what is on hand and what is reserved of it.
func (b *bundle) stock(id, sku string) [2]int64 {
	b.t.Helper()
	return [2]int64{
		b.number(`SELECT on_hand FROM offers WHERE supplier = $1 AND sku = $2`, id, sku),
		b.number(`SELECT reserved FROM offers WHERE supplier = $1 AND sku = $2`, id, sku),
	}
}

// entry is a purchase order in its supplier's books.
func (l *life) entry(n int) suppliersim.Order {
	l.t.Helper()
	po := l.po(n)
	entry, found := l.suppliers.Books.Order(po.Supplier, po.Number)
	require.True(l.t, found, "%s never heard of %s", po.Supplier, po.Number)
	return entry
}

// effect is the state of an effect.
func (b *bundle) effect(key string) string {
	b.t.Helper()
	return b.text(`SELECT state FROM effects WHERE key = $1`, key)
}
