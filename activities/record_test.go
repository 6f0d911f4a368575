package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/workflows"
)

func TestRecordingTwiceReleasesAndConsumesStockOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 5))).dispatched()
	l.acknowledge(1)
	l.hear(order.Fact{Cancel: &order.CancelRequest{ID: "c", Lines: []order.ShippedLine{{Line: 1, Quantity: 2}}}})
	in := l.withdrawal()
	answer, err := b.desk.CancelPurchaseOrder(b.ctx, in)
	require.NoError(t, err)
	l.state.Withdrawn(in.PO, in.Effect, answer, b.now)
	snapshot := l.state.Clone()
	for range 3 {
		require.NoError(t, b.desk.RecordProgress(b.ctx, snapshot))
		require.Equal(t, [2]int64{100, 3}, b.stock("acme", "MUG"), "two are free again")
	}
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM outbox WHERE kind = 'cancelled' AND channel = 'customer_mail'`))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM outbox WHERE kind = 'cancelled' AND channel = 'storefront'`))
	require.EqualValues(t, 2, b.number(`SELECT cancelled FROM order_lines`))

	l.record()
	l.parcel(1, "1Z1", order.ParcelInTransit, order.ShippedLine{Line: 1, Quantity: 2})
	for range 2 {
		require.NoError(t, b.desk.RecordProgress(b.ctx, l.state.Clone()))
		require.Equal(t, [2]int64{98, 1}, b.stock("acme", "MUG"), "two have left the shelf")
	}
}

func TestTheSameSnapshotTwiceAtOnceCountsOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 5))).dispatched()
	l.parcel(1, "1Z1", order.ParcelDelivered)
	snapshot := l.state.Clone()
	atOnce(t, 4, func(int) error { return b.desk.RecordProgress(b.ctx, snapshot) })
	require.Equal(t, [2]int64{95, 0}, b.stock("acme", "MUG"))
}

// Nobody was told of its scans as long as its units counted as given up.
func TestAParcelWhoseUnitsAreWantedAgainIsLookedAtAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 5))).dispatched()
	b.exec(`INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, milestone, milestone_at, first_scan_at)
		VALUES ($1, 'ups', '1Z1', $2, '[{"line": 1, "quantity": 5}]', now(), 'delivered', now(), now())`, l.po(1).Number, l.key.String())
	l.parcel(1, "1Z1", order.ParcelDelivered)
	snapshot := l.state.Clone()
	require.NoError(t, b.desk.RecordProgress(b.ctx, snapshot))
	require.Zero(t, b.number(`SELECT count(*) FROM parcels WHERE next_check_at IS NOT NULL`))
	b.exec(`UPDATE purchase_order_lines SET live = 0`)
	snapshot.Revision++
	require.NoError(t, b.desk.RecordProgress(b.ctx, snapshot))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM parcels WHERE next_check_at <= now()`))
}

func TestAnOlderSnapshotNeverHidesThatAPurchaseOrderWasSubmitted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 5))).routed()
	step := l.due(order.StepDispatch)
	before := l.state.Clone()
	require.Equal(t, "sending", before.POs[0].Status())
	_, err := b.desk.DispatchPurchaseOrder(b.ctx, workflows.PurchaseOrderInput{Key: l.key, PO: step.PO})
	require.NoError(t, err)
	require.NoError(t, b.desk.RecordProgress(b.ctx, before))
	require.Equal(t, "submitted", b.text(`SELECT status FROM purchase_orders`))
}

func TestAnOlderSnapshotNeverReplacesANewerOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 5))).dispatched()
	old := l.state.Clone()
	l.parcel(1, "1Z1", order.ParcelDelivered)
	l.state.Begin(order.Step{Kind: order.StepRecord})
	require.NoError(t, b.desk.RecordProgress(b.ctx, l.state.Clone()))
	err := b.desk.RecordProgress(b.ctx, old)
	require.Equal(t, "snapshots_move_forward", postgres.Violates(err))
	require.Equal(t, [2]int64{95, 0}, b.stock("acme", "MUG"))
}

func TestASettledOrderIsLoadedWithTheFactsThatItsWorkflowTookSince(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 2)))
	_, err := b.desk.LoadOrder(b.ctx, l.key)
	require.ErrorContains(t, err, "never recorded it")
	l.dispatched()
	l.parcel(1, "1Z1", order.ParcelDelivered)
	_, err = l.settle()
	require.NoError(t, err)
	b.exec(`UPDATE orders SET fact_seq = $1, delivered_seq = $1`, l.state.LastFact)

	over := order.ShipNotice{Document: "s", PO: l.po(1).Number, At: b.now, Carrier: "ups", Tracking: "1Z2", Lines: []order.ShippedLine{{Line: 1, Quantity: 1}}}
	l.keepFact(order.Fact{Ship: &over}, true)
	waiting := over
	waiting.Tracking = "1Z3"
	l.keepFact(order.Fact{Ship: &waiting}, false)
	loaded, err := b.desk.LoadOrder(b.ctx, l.key)
	require.NoError(t, err)
	require.False(t, loaded.Settled)
	require.Equal(t, l.state.LastFact+1, loaded.LastFact, "what waits comes as a signal")
	require.Len(t, loaded.POs[0].Parcels, 2)
}

func TestAnOrderWhoseStateCannotBeReadIsPutBeforeAPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 2)))
	b.exec(`UPDATE orders SET state = '{"lines": "none"}'`)
	require.EqualValues(t, 0, b.number(`SELECT count(*) FROM orders WHERE needs_attention`))
	_, err := b.desk.LoadOrder(b.ctx, l.key)
	require.ErrorContains(t, err, "cannot be read")
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM orders WHERE needs_attention`))
}

func TestAnAddressIsTakenOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 2)))
	for _, change := range []string{"first", "second"} {
		b.exec(`INSERT INTO address_changes (id, order_key, ship_to) VALUES ($1, $2, jsonb_build_object('city', $1::text, 'country', 'CA'))`, change, l.key.String())
		country, err := b.desk.ChangeAddress(b.ctx, workflows.AddressInput{Key: l.key, Change: change})
		require.NoError(t, err)
		require.Equal(t, "CA", country)
	}
	// The first one again, by a step that was given up for lost.
	country, err := b.desk.ChangeAddress(b.ctx, workflows.AddressInput{Key: l.key, Change: "first"})
	require.NoError(t, err)
	require.Equal(t, "CA", country)
	require.Equal(t, "second", b.text(`SELECT ship_to->>'city' FROM order_contacts`))
	require.Equal(t, "CA", b.text(`SELECT country FROM orders`))
	_, err = b.desk.ChangeAddress(b.ctx, workflows.AddressInput{Key: order.Key{Storefront: "shop", Order: "2"}, Change: "first"})
	require.ErrorContains(t, err, "first is not in the database")
}

func TestADatabaseThatIsAwayIsAnErrorToRetry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 2)))
	l.validate()
	in := l.routeInput(l.due(order.StepRoute))
	away := b.deskOn(open(t, "postgres://dropline@127.0.0.1:1/none"))
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	for name, step := range map[string]func() error{
		"validate": func() error { _, err := away.ValidateOrder(ctx, l.key); return err },
		"route":    func() error { _, err := away.RouteOrder(ctx, in); return err },
		"dispatch": func() error { _, err := away.DispatchPurchaseOrder(ctx, l.dispatchInput(1)); return err },
		"look up":  func() error { _, err := away.LookUpPurchaseOrder(ctx, l.dispatchInput(1)); return err },
		"cancel":   func() error { _, err := away.CancelPurchaseOrder(ctx, workflows.CancelInput{Key: l.key}); return err },
		"refund":   func() error { _, err := away.RefundCustomer(ctx, l.refund(1)); return err },
		"record":   func() error { return away.RecordProgress(ctx, l.state) },
		"settle":   func() error { _, err := away.SettleOrder(ctx, l.state); return err },
		"load":     func() error { _, err := away.LoadOrder(ctx, l.key); return err },
		"address":  func() error { _, err := away.ChangeAddress(ctx, workflows.AddressInput{Key: l.key}); return err },
	} {
		err := step()
		require.True(t, postgres.Unavailable(err), "%s: %v", name, err)
		var application *temporal.ApplicationError
		require.False(t, errors.As(err, &application) && application.NonRetryable(), name)
	}
}

// keepFact appends a fact and says whether the workflow has taken it.
func (l *life) keepFact(f order.Fact, delivered bool) {
	l.t.Helper()
	require.NoError(l.t, postgres.InTx(l.ctx, l.pool, func(tx pgx.Tx) error {
		seq, err := facts.Append(l.ctx, tx, l.key.String(), f, true, 0)
		if err == nil && delivered {
			_, err = tx.Exec(l.ctx, `UPDATE orders SET delivered_seq = $2 WHERE key = $1`, l.key.String(), seq)
		}
		return err
	}))
}

func TestAMessageThatWasGivenUpKeepsAskingForAPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 5))).dispatched()
	b.exec(`INSERT INTO outbox (key, order_key, channel, kind, state) VALUES ('refused', $1, 'storefront', 'fulfilled', 'failed')`, l.key.String())
	const marked = `SELECT count(*) FROM orders WHERE needs_attention`
	require.NoError(t, b.desk.RecordProgress(b.ctx, l.state.Clone()))
	require.EqualValues(t, 1, b.number(marked), "what the order itself has to say does not take the mark away")
	b.exec(`UPDATE outbox SET state = 'sent' WHERE key = 'refused'`)
	require.NoError(t, b.desk.RecordProgress(b.ctx, l.state.Clone()))
	require.Zero(t, b.number(marked))
}
