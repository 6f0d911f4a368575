package intake_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returns"
)

// trips counts what is sent to Postgres and waited for.
type trips struct{ n atomic.Int64 }

func (c *trips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}
func (*trips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (c *trips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	c.n.Add(1)
	return ctx
}
func (*trips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*trips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

func TestALookInVainIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	d := delivery(t)
	d.deliver(t)
	seen := &trips{}
	pool, err := postgres.Open(t.Context(), d.pool.Config().ConnString(), 1, func(c *pgx.ConnConfig) { c.Tracer = seen })
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	idle := &intake.Deliverer{Pool: pool, Temporal: &d.server, Log: slog.New(slog.DiscardHandler)}
	found, err := idle.Deliver(t.Context())
	require.NoError(t, err)
	require.False(t, found)
	require.EqualValues(t, 1, seen.n.Load())
}

func TestADeliveryTakesThreeRoundTripsAndAStartTwo(t *testing.T) {
	t.Parallel()
	d := delivery(t)
	seen := &trips{}
	pool, err := postgres.Open(t.Context(), d.pool.Config().ConnString(), 1, func(c *pgx.ConnConfig) { c.Tracer = seen })
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	d.deliverer.Pool = pool
	require.True(t, d.deliver(t))
	require.EqualValues(t, 2, seen.n.Swap(0), "the claim and the record")
	d.append(t, true)
	require.True(t, d.deliver(t))
	require.EqualValues(t, 3, seen.n.Load(), "and between them the facts, with where the order stands")
}

func TestTheStageInListsFollowsWhatWasDelivered(t *testing.T) {
	t.Parallel()
	d := delivery(t)
	d.deliver(t)
	stage := func(name string) int {
		return d.number(t, `SELECT count(*) FROM orders WHERE stage = '`+name+`'`)
	}
	d.exec(t, `UPDATE orders SET stage = 'dispatched', state = '{"revision": 5, "lines": [{"line": 1, "ordered": 1, "unassigned": 1}]}'`)
	d.append(t, true)
	d.deliver(t)
	require.Equal(t, 1, stage("received"), "as the recorded state stands with its facts")

	d.append(t, true)
	d.during = func() {
		d.exec(t, `UPDATE orders SET stage = 'acknowledged', state = jsonb_set(state, '{revision}', '6')`)
	}
	d.deliver(t)
	require.Equal(t, 1, stage("acknowledged"), "the workflow has recorded more meanwhile")

	d.exec(t, `UPDATE orders SET stage = 'settled', closed_at = now()`)
	d.append(t, true)
	d.deliver(t)
	require.Equal(t, 1, stage("settled"))
}

// At two looks a second, one for each, sixty would take half a minute.
func TestWhatIsDueTogetherIsDeliveredInARow(t *testing.T) {
	t.Parallel()
	d := delivery(t)
	for i := 2; i <= 60; i++ {
		d.place(t, sample(fmt.Sprint(i)), "x")
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = d.deliverer.Run(ctx) })
	require.Eventually(t, func() bool {
		return d.number(t, `SELECT count(*) FROM orders WHERE deliver_at IS NOT NULL`) == 0
	}, 20*time.Second, 10*time.Millisecond)
	stop()
	running.Wait()
}

// The order that has waited longest comes first, but one that somebody holds keeps no return waiting.
func TestAReturnIsDeliveredWhileAnotherHoldsTheOnlyOrder(t *testing.T) {
	t.Parallel()
	d := delivery(t)
	d.exec(t, purchased)
	d.exec(t, `UPDATE orders SET started_at = now(), deliver_at = now() - interval '1 hour'`)
	d.exec(t, `INSERT INTO return_requests (order_key, id, body_hash, answer) VALUES ('shop/1', 'r', '', '{}')`)
	d.exec(t, `INSERT INTO returns (rma, order_key, request, po_number, supplier, stage, state)
		VALUES ('R-1', 'shop/1', 'r', 'P-1', 'acme', 'requested', '{}')`)
	server := &starter{}
	d.deliverer.Temporal = server
	require.NoError(t, postgres.InTx(t.Context(), d.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `SELECT FROM orders WHERE key = 'shop/1' FOR UPDATE`)
		require.NoError(t, err)
		require.True(t, d.deliver(t))
		return nil
	}))
	require.Equal(t, returns.WorkflowID(sample("1").Key, "R-1"), server.options.ID)
}
