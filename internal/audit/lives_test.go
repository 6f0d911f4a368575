package audit_test

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/activities"
	"github.com/dropline/dropline/internal/audit"
	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/tracking"
	"github.com/dropline/dropline/workflows"
)

// lives are orders led through their lives by the rules and the activities of the product, with this
// test in the place of Temporal, on a real database.
type lives struct {
	t          *testing.T
	pool       *pgxpool.Pool
	activities *activities.Orders
	now        time.Time
	states     map[order.Key]*order.State
	ended      map[order.Key]string // how a workflow ended that did not complete
}

func newLives(t *testing.T) *lives {
	t.Helper()
	l := &lives{t: t, pool: postgrestest.Pool(t), now: time.Now().UTC(), states: map[order.Key]*order.State{}, ended: map[order.Key]string{}}
	l.activities = &activities.Orders{Pool: l.pool, Partners: obliging{}, Now: func() time.Time { return l.now }}
	text, err := os.ReadFile("../catalog/testdata/demo.yaml")
	require.NoError(t, err)
	file, err := catalog.Parse("demo.yaml", text)
	require.NoError(t, err)
	require.NoError(t, postgres.SaveCatalog(t.Context(), l.pool, file))
	return l
}

const document = `{"id": "ID", "number": "#ID", "placed_at": "2026-03-02T15:04:05Z", "currency": "USD",
	"lines": [{"sku": "MUG-BLUE", "title": "Blue mug", "quantity": 2, "unit_price": "12.50"}], "shipping": "4.90", "total": "29.90",
	"payment": {"status": "paid", "captured": "29.90"}, "email": "pat@example.com",
	"ship_to": {"name": "Pat Miller", "street1": "5 Elm \"Old\" St", "city": "Dover", "region": "DE", "postal_code": "19901", "country": "US",
		"phone": "+13025550100"}}`

// place takes an order in and leads it as far as it goes.
func (l *lives) place(id string) order.Key {
	l.t.Helper()
	var fields map[string]any
	require.NoError(l.t, json.Unmarshal([]byte(document), &fields))
	fields["id"], fields["number"] = id, "#"+id
	body, err := json.Marshal(fields)
	require.NoError(l.t, err)
	o, err := gateway.ReadOrder("demo", body)
	require.NoError(l.t, err)
	orders, err := intake.NewOrders([]byte("sixteen bytes or more"))
	require.NoError(l.t, err)
	_, err = gateway.CommitTo(l.pool, &intake.Archive{Pool: l.pool}, orders).Place(l.t.Context(),
		gateway.Document{Source: "api/demo", Kind: "order", NaturalKey: "order/" + id, ContentType: "application/json", Body: body}, o)
	require.NoError(l.t, err)
	l.states[o.Key] = &order.State{Key: o.Key}
	l.lead(o.Key)
	return o.Key
}

// lead does what the workflow does: takes the news, judges the deadlines, performs the steps.
func (l *lives) lead(key order.Key) {
	l.t.Helper()
	s := l.states[key]
	for {
		news, err := facts.After(l.t.Context(), l.pool, key.String(), s.LastFact)
		require.NoError(l.t, err)
		for _, fact := range news {
			s.Apply(fact, l.now)
		}
		l.exec(`UPDATE orders SET started_at = coalesce(started_at, now()), delivered_seq = fact_seq, deliver_at = NULL WHERE key = $1`, key.String())
		s.Tick(l.now)
		steps := s.Steps()
		if len(steps) == 0 {
			return
		}
		for _, step := range steps {
			s.Begin(step)
			require.NoError(l.t, l.perform(l.t.Context(), s, step), step.Kind)
		}
	}
}

func (l *lives) perform(ctx context.Context, s *order.State, step order.Step) error {
	a := l.activities
	po := workflows.PurchaseOrderInput{Key: s.Key, PO: step.PO}
	switch step.Kind {
	case order.StepValidate:
		verdict, err := a.ValidateOrder(ctx, s.Key)
		s.ValidatedWith(verdict, l.now)
		return err
	case order.StepRoute:
		in := workflows.RouteInput{State: s.Clone(), Lines: step.Lines}
		routing, err := a.RouteOrder(ctx, in)
		s.Recorded(len(in.State.Notices))
		s.Routed(step.Lines, routing, l.now)
		return err
	case order.StepDispatch:
		result, err := a.DispatchPurchaseOrder(ctx, po)
		s.Dispatched(step.PO, result, l.now)
		return err
	case order.StepWithdraw:
		w := s.PO(step.PO).Withdrawal(step.Subject)
		answer, err := a.CancelPurchaseOrder(ctx, workflows.CancelInput{
			Key: s.Key, PO: step.PO, Effect: step.Subject, Reason: w.Reason, Lines: step.Lines, OnlyIfSilent: w.OnlyIfSilent(),
		})
		s.Withdrawn(step.PO, step.Subject, answer, l.now)
		return err
	case order.StepRefund:
		text, err := a.RefundCustomer(ctx, workflows.RefundInput{Key: s.Key, N: s.Refunds + 1, Lines: step.Lines, Owed: s.Owed(step.Lines), Reason: s.RefundReason(step.Lines)})
		s.Refunded(step.Lines, text.Amount, text.Text, l.now)
		return err
	case order.StepRecord:
		snapshot := s.Clone()
		err := a.RecordProgress(ctx, snapshot)
		s.Recorded(len(snapshot.Notices))
		return err
	case order.StepSettle:
		snapshot := s.Clone()
		snapshot.Settled = true
		text, err := a.SettleOrder(ctx, snapshot)
		s.Recorded(len(snapshot.Notices))
		s.SettledNow(text, l.now)
		return err
	default:
		l.t.Fatalf("no such step here: %s", step.Kind)
		return nil
	}
}

func (l *lives) exec(sql string, args ...any) {
	l.t.Helper()
	_, err := l.pool.Exec(l.t.Context(), sql, args...)
	require.NoError(l.t, err, sql)
}

// fact tells an order something, as a partner's document would.
func (l *lives) fact(key order.Key, fact order.Fact) {
	l.t.Helper()
	require.NoError(l.t, pgx.BeginFunc(l.t.Context(), l.pool, func(tx pgx.Tx) error {
		_, err := facts.Append(l.t.Context(), tx, key.String(), fact, true, 0)
		return err
	}))
	l.lead(key)
}

// newest is the purchase order that the order made last.
func (l *lives) newest(key order.Key) string {
	s := l.states[key]
	return s.POs[len(s.POs)-1].Number
}

func (l *lives) acknowledge(key order.Key) {
	po := l.newest(key)
	l.exec(`UPDATE purchase_orders SET acknowledged_at = now() WHERE number = $1`, po)
	l.fact(key, order.Fact{Acknowledge: &order.Acknowledgment{Document: "ack", PO: po, At: l.now, Whole: order.AckAccepted}})
}

// ship has a parcel announced, and scanned with each of the statuses.
func (l *lives) ship(key order.Key, quantity int64, statuses ...string) {
	l.t.Helper()
	number := carrier.Number("1Z" + key.Order)
	notice := order.ShipNotice{
		Document: "asn", PO: l.newest(key), At: l.now, Carrier: "ups", Tracking: number,
		Lines: []order.ShippedLine{{Line: 1, Quantity: quantity}},
	}
	require.NoError(l.t, pgx.BeginFunc(l.t.Context(), l.pool, func(tx pgx.Tx) error {
		if _, err := tracking.Announce(l.t.Context(), tx, notice, 0); err != nil {
			return err
		}
		for i, status := range statuses {
			scan := carrier.NewScan("ups", number, status, "", l.now.Add(time.Duration(i)*time.Millisecond))
			if _, err := tracking.ApplyScans(l.t.Context(), tx, []carrier.Scan{scan}, 0); err != nil {
				return err
			}
		}
		return nil
	}))
	l.lead(key)
}

// The orders of a clean database, one for each way an order goes.
var (
	smooth   = order.Key{Storefront: "demo", Order: "smooth"}   // delivered and settled
	open     = order.Key{Storefront: "demo", Order: "open"}     // acknowledged, waits for the shipment
	reduced  = order.Key{Storefront: "demo", Order: "reduced"}  // one of two units cancelled and refunded, then settled
	rerouted = order.Key{Storefront: "demo", Order: "rerouted"} // lost by a silent supplier, with the next
	underway = order.Key{Storefront: "demo", Order: "underway"} // scanned once
)

// wellRun is a database in which nothing is wrong.
func wellRun(t *testing.T) *lives {
	t.Helper()
	l := newLives(t)
	l.place(smooth.Order)
	l.acknowledge(smooth)
	l.ship(smooth, 2, "in_transit", "delivered")
	require.True(t, l.states[smooth].Finished(), l.states[smooth].Card())

	l.place(open.Order)
	l.acknowledge(open)

	l.place(underway.Order)
	l.acknowledge(underway)
	l.ship(underway, 2, "in_transit")

	l.place(reduced.Order)
	l.acknowledge(reduced)
	l.fact(reduced, order.Fact{Cancel: &order.CancelRequest{ID: "c1", Lines: []order.ShippedLine{{Line: 1, Quantity: 1}}}})
	l.ship(reduced, 1, "in_transit", "delivered")
	require.True(t, l.states[reduced].Finished(), l.states[reduced].Card())

	l.place(rerouted.Order)
	past := l.states[rerouted].POs[0].AckDueAt.Add(time.Second)
	l.now = past
	l.lead(rerouted)
	require.Len(t, l.states[rerouted].POs, 2, l.states[rerouted].Card())
	l.exec(`UPDATE outbox SET state = 'sent', sent_at = now()`)
	return l
}

// State and Running make the lives stand for Temporal.
func (l *lives) State(_ context.Context, key order.Key) (order.State, string, error) {
	s := l.states[key]
	switch {
	case s == nil:
		return order.State{}, audit.Missing, nil
	case l.ended[key] != "":
		return order.State{}, l.ended[key], nil
	case s.Finished():
		return order.State{}, "completed", nil
	}
	return s.Clone(), audit.Running, nil
}

// Return: a return's life is not led here; one that is open has lost its workflow.
func (l *lives) Claim(context.Context, string) (claims.State, string, error) {
	return claims.State{}, audit.Missing, nil
}

func (l *lives) Return(context.Context, order.Key, string) (returns.State, string, error) {
	return returns.State{}, audit.Missing, nil
}

// Payment: nor is a payment's.
func (l *lives) Payment(context.Context, order.Key) (payments.State, string, error) {
	return payments.State{}, audit.Missing, nil
}

func (l *lives) Running(_ context.Context, visit func(id string) error) error {
	for key, s := range l.states {
		if !s.Finished() && l.ended[key] == "" {
			if err := visit(key.WorkflowID()); err != nil {
				return err
			}
		}
	}
	return nil
}

// obliging are partners that grant everything.
type obliging struct{}

func (obliging) Supplier(catalog.Supplier) (supplier.Channel, error) { return obliging{}, nil }

func (obliging) Storefront(catalog.Storefront) (storefront.Channel, error) { return refunding{}, nil }

func (obliging) Labeller(catalog.Carrier) (carrier.Labeller, error) {
	return nil, carrier.ErrLabelRefused
}

func (obliging) Payments(catalog.Storefront) (payment.Provider, bool, error) { return nil, false, nil }

func (obliging) Submit(_ context.Context, po supplier.PurchaseOrder) (supplier.Receipt, error) {
	return supplier.Receipt{Reference: "R-" + po.Number, ReceivedAt: time.Now()}, nil
}

func (obliging) LookUp(context.Context, string) (supplier.Standing, error) {
	return supplier.Standing{}, &supplier.Error{Kind: supplier.ErrNotFound}
}

func (obliging) Cancel(context.Context, supplier.Cancellation) (supplier.CancelReceipt, error) {
	return supplier.CancelReceipt{Outcome: supplier.CancelAccepted}, nil
}

func (obliging) Intercept(context.Context, supplier.Cancellation) (supplier.CancelReceipt, error) {
	return supplier.CancelReceipt{Outcome: supplier.CancelAccepted}, nil
}

type refunding struct{ storefront.Channel }

func (refunding) Refund(_ context.Context, r storefront.Refund) (storefront.RefundReceipt, error) {
	return storefront.RefundReceipt{Reference: "done/" + r.Key}, nil
}
