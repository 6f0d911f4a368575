package activities_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/workflows"
)

// wire watches the connections to Postgres.
type wire struct {
	trips   atomic.Int64 // requests that were waited for
	writes  atomic.Int64
	breakAt int64 // the write that breaks the connection; 0: none
	deliver bool  // the request arrives before it breaks: only the answer is lost
}

type watched struct {
	net.Conn

	wire  *wire
	asked atomic.Bool
}

func (c *watched) Write(p []byte) (int, error) {
	c.asked.Store(true)
	if c.wire.writes.Add(1) == c.wire.breakAt {
		if c.wire.deliver {
			_, _ = c.Conn.Write(p)
		}
		_ = c.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}

func (c *watched) Read(p []byte) (int, error) {
	if c.asked.Swap(false) {
		c.wire.trips.Add(1)
	}
	return c.Conn.Read(p)
}

// watch opens a pool of one connection that the wire watches.
func (b *bundle) watch(w *wire) *pgxpool.Pool {
	b.t.Helper()
	config, err := pgxpool.ParseConfig(b.url)
	require.NoError(b.t, err)
	config.MaxConns = 1
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &watched{Conn: conn, wire: w}, err
	}
	pool, err := pgxpool.NewWithConfig(b.ctx, config)
	require.NoError(b.t, err)
	b.t.Cleanup(pool.Close)
	return pool
}

// smooth leads an order through validation, routing, dispatch and settlement, and returns the round
// trips to Postgres that its activities took and the suppliers that took part.
func (b *bundle) smooth(w *wire, o storefront.Order) (trips int64, suppliers int) {
	b.t.Helper()
	l := b.place(o)
	before := w.trips.Load()
	l.dispatched()
	for n := range l.state.POs {
		l.parcel(n+1, "1Z"+string(rune('1'+n)), order.ParcelDelivered)
	}
	_, err := l.settle()
	require.NoError(b.t, err)
	return w.trips.Load() - before, len(l.state.POs)
}

func TestRoundTripsStayWithinTheBudgetWhateverTheNumberOfLines(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`UPDATE storefronts SET document = jsonb_set(document, '{policy,review,max_order_value}', '[]')`)
	var w wire
	desk := b.deskOn(b.watch(&w))
	b.desk = desk
	b.smooth(&w, sale("warm", line(1, "MUG", 1))) // the connection learns the statements

	trips, suppliers := b.smooth(&w, sale("one", line(1, "MUG", 1)))
	t.Logf("one line, %d supplier: %d round trips", suppliers, trips)
	require.Equal(t, 1, suppliers)
	require.LessOrEqual(t, trips, int64(8))

	trips, suppliers = b.smooth(&w, sale("three", line(1, "MUG", 1), line(2, "TEA", 2), line(3, "LAMP", 1)))
	t.Logf("three lines, %d suppliers: %d round trips", suppliers, trips)
	require.Equal(t, 2, suppliers)
	require.LessOrEqual(t, trips, int64(12))

	var many []storefront.Line
	for n := range 50 {
		many = append(many, line(n+1, []string{"TEA", "LAMP"}[n/45], 1))
	}
	most, suppliers := b.smooth(&w, sale("fifty", many...))
	t.Logf("fifty lines, %d suppliers: %d round trips", suppliers, most)
	require.Equal(t, 2, suppliers)
	require.Equal(t, trips, most)
}

func TestRoundTripsOfSingleSteps(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var w wire
	b.desk = b.deskOn(b.watch(&w))
	for _, pass := range []string{"warm", "counted"} {
		l := b.place(sale(pass, line(1, "MUG", 3))).dispatched()
		l.state.Cancel(order.CancelRequest{ID: "c"}, b.now)
		in := l.withdrawal()
		for _, step := range []struct {
			name string
			most int64
			do   func() error
		}{
			{"cancel", 2, func() error { _, err := b.desk.CancelPurchaseOrder(b.ctx, in); return err }},
			{"refund", 4, func() error {
				_, err := b.desk.RefundCustomer(b.ctx, l.refund(1, order.ShippedLine{Line: 1, Quantity: 3}))
				return err
			}},
			{"record", 1, func() error { return b.desk.RecordProgress(b.ctx, l.state) }},
		} {
			before := w.trips.Load()
			require.NoError(t, step.do(), step.name)
			if pass == "counted" {
				require.LessOrEqual(t, w.trips.Load()-before, step.most, step.name)
			}
		}
	}
}

// The connection breaks at each request of a step in turn, before the request arrives and after, as
// if the worker had died there. The next run ends as if nothing had happened.
func TestAStepThatDiesAnywhereLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	good := b.desk
	for name, step := range map[string]struct {
		prepare func(l *life)
		do      func(l *life) error
		once    func(l *life)
	}{
		"route": {
			prepare: func(l *life) { l.validate() },
			do:      func(l *life) error { _, err := l.desk.RouteOrder(l.ctx, l.routeInput(l.state.Steps()[0])); return err },
			once: func(l *life) {
				require.EqualValues(t, 1, l.number(`SELECT sum(reserved) FROM purchase_order_lines WHERE order_key = $1`, l.key.String()))
				require.Zero(t, l.number(`SELECT sum(reserved) - (SELECT sum(reserved) FROM purchase_order_lines) FROM offers`))
			},
		},
		"dispatch": {
			prepare: func(l *life) { l.routed() },
			do:      func(l *life) error { _, err := l.desk.DispatchPurchaseOrder(l.ctx, l.dispatchInput(1)); return err },
			once:    func(l *life) { require.Equal(t, 1, l.entry(1).Received) },
		},
		"refund": {
			prepare: func(*life) {},
			do: func(l *life) error {
				_, err := l.desk.RefundCustomer(l.ctx, l.refund(1, order.ShippedLine{Line: 1, Quantity: 1}))
				return err
			},
			once: func(l *life) {
				require.EqualValues(t, 1620, l.backAtShop())
				require.EqualValues(t, 1, l.number(`SELECT count(*) FROM ledger_transactions WHERE kind = 'refunded' AND order_key = $1`, l.key.String()))
				require.EqualValues(t, 1, l.number(`SELECT count(*) FROM outbox WHERE kind = 'refunded' AND order_key = $1`, l.key.String()))
			},
		},
		"settle": {
			prepare: func(l *life) { l.dispatched().parcel(1, "1Z1", order.ParcelDelivered) },
			do:      func(l *life) error { _, err := l.desk.SettleOrder(l.ctx, l.state.Clone()); return err },
			once: func(l *life) {
				require.EqualValues(t, 1, l.number(`SELECT count(*) FROM ledger_transactions WHERE kind = 'earned' AND order_key = $1`, l.key.String()))
				require.Equal(t, []string{"invoice_missing -420"}, l.claims())
			},
		},
	} {
		for _, deliver := range []bool{false, true} {
			broken := true
			for at := int64(1); broken; at++ {
				l := b.place(sale(fmt.Sprintf("%s-%t-%d", name, deliver, at), line(1, "MUG", 1)))
				step.prepare(l)
				w := &wire{breakAt: at, deliver: deliver}
				b.desk = b.deskOn(b.watch(w))
				err := step.do(l)
				b.desk = good
				broken = w.writes.Load() >= at
				require.True(t, broken || err == nil, "%s: %v", name, err)
				require.True(t, err == nil || postgres.Unavailable(err), "%s, request %d: %v", name, at, err)
				require.True(t, broken || at > 3, "%s: some request was broken", name)
				require.NoError(t, step.do(l), "%s after request %d broke", name, at)
				step.once(l)
			}
		}
	}
}

// deadlocks counts the transactions that Postgres ended because they waited for each other.
type deadlocks struct{ n atomic.Int64 }

func (d *deadlocks) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (d *deadlocks) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	if postgres.Retryable(data.Err) {
		d.n.Add(1)
	}
}

func (d *deadlocks) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func (d *deadlocks) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (d *deadlocks) TraceQueryEnd(_ context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	if postgres.Retryable(data.Err) {
		d.n.Add(1)
	}
}

func TestOrdersThatShareArticlesNeverWaitForEachOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`UPDATE offers SET on_hand = 1000`)
	var met deadlocks
	config, err := pgxpool.ParseConfig(b.url)
	require.NoError(t, err)
	config.MaxConns, config.ConnConfig.Tracer = 12, &met
	pool, err := pgxpool.NewWithConfig(b.ctx, config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	b.desk = b.deskOn(pool)

	skus := []string{"MUG", "TEA", "LAMP"}
	lives := make([]*life, 24)
	for i := range lives {
		l := b.place(sale(fmt.Sprint(i), line(1, skus[i%3], 1), line(2, skus[(i+1)%3], 1), line(3, skus[(i+2)%3], 1))).dispatched()
		if i%2 == 0 { // these record what was shipped; the others move units while they do
			l.parcel(1, "1Z1", order.ParcelDelivered)
			l.parcel(2, "1Z2", order.ParcelDelivered)
		} else {
			po := l.po(1 + i/2%2)
			l.hear(order.Fact{Acknowledge: &order.Acknowledgment{Document: "a", PO: po.Number, At: b.now, Whole: order.AckRejected}})
		}
		lives[i] = l
	}
	inputs := make([]workflows.RouteInput, len(lives))
	for i, l := range lives {
		if steps := l.state.Steps(); len(steps) > 0 && steps[0].Kind == order.StepRoute {
			inputs[i] = l.routeInput(steps[0])
		}
	}
	atOnce(t, len(lives), func(i int) error {
		if len(inputs[i].Lines) == 0 {
			return b.desk.RecordProgress(b.ctx, lives[i].state.Clone())
		}
		_, err := b.desk.RouteOrder(b.ctx, inputs[i])
		return err
	})
	require.Zero(t, met.n.Load())
	require.Zero(t, b.number(`SELECT sum(reserved) - (SELECT sum(reserved) FROM purchase_order_lines) FROM offers`))
}
