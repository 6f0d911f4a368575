package tracking_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/carrier/easypost"
	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/tracking"
)

const seed = `
INSERT INTO storefronts (id, document) VALUES ('shop', '{"policy":{"delayed_after":"72h","lost_after":"10d"}}');
INSERT INTO suppliers (id, document) VALUES ('acme', '{}');
INSERT INTO carriers (id, document) VALUES ('tracker', '{"aliases":[{"code":"UPS","names":["United Parcel"]}]}');
INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country,
	customer_hash, total_minor, captured_minor)
	VALUES ('shop/1', 'shop', '1', now(), '{}', '\x00', 'EUR', 'DE', '\x00', 1000, 1000);
INSERT INTO order_lines (order_key, line, sku, quantity) VALUES ('shop/1', 1, 'MUG', 10), ('shop/1', 2, 'CUP', 1);
INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ('shop/1', 1, '{}', '{}');
INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, terms, created_at, acknowledged_at)
	VALUES ('P-1', 'shop/1', 1, 'acme', 'acknowledged', 'EUR', '{}', now() - interval '20 days', now());
INSERT INTO purchase_order_lines (number, order_key, line, sku, supplier_sku, quantity, live, reserved, unit_cost)
	VALUES ('P-1', 'shop/1', 1, 'MUG', 'A-1', 10, 10, 10, 100);`

type bundle struct {
	pool *pgxpool.Pool
	now  time.Time
}

func setup(t *testing.T) *bundle {
	t.Helper()
	pool := postgrestest.Pool(t)
	_, err := pool.Exec(context.Background(), seed)
	require.NoError(t, err)
	return &bundle{pool: pool, now: time.Now().UTC().Truncate(time.Second)}
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.pool.Exec(context.Background(), sql, args...)
	require.NoError(t, err)
}

func (b *bundle) announce(t *testing.T, n order.ShipNotice) (result tracking.Announced) {
	t.Helper()
	require.NoError(t, postgres.InTx(context.Background(), b.pool, func(tx pgx.Tx) (err error) {
		result, err = tracking.Announce(context.Background(), tx, n, 0)
		return err
	}))
	return result
}

func (b *bundle) scan(t *testing.T, scans ...carrier.Scan) (result tracking.Outcome) {
	t.Helper()
	require.NoError(t, postgres.InTx(context.Background(), b.pool, func(tx pgx.Tx) (err error) {
		result, err = tracking.ApplyScans(context.Background(), tx, scans, 0)
		return err
	}))
	return result
}

// at is a scan that happened so many hours ago.
func (b *bundle) at(hoursAgo int, status string) carrier.Scan {
	return carrier.NewScan("UPS", "1Z", status, "", b.now.Add(-time.Duration(hoursAgo)*time.Hour))
}

func (b *bundle) notice(quantity int64) order.ShipNotice {
	return order.ShipNotice{
		PO: "P-1", At: b.now.Add(-5 * 24 * time.Hour), Carrier: "united-parcel", Tracking: "1-z",
		Lines: []order.ShippedLine{{Line: 1, Quantity: quantity}},
	}
}

// facts tells the order's facts in short: "ship", "in_transit", with "!" when urgent.
func (b *bundle) facts(t *testing.T) []string {
	t.Helper()
	list, err := facts.After(context.Background(), b.pool, "shop/1", 0)
	require.NoError(t, err)
	var words []string
	for i, f := range list {
		var urgent bool
		require.NoError(t, b.pool.QueryRow(context.Background(), `SELECT urgent FROM facts WHERE seq = $1`, i+1).Scan(&urgent))
		word := "ship"
		if f.Milestone != nil {
			require.Equal(t, "ups/1Z", f.Milestone.Carrier+"/"+f.Milestone.Tracking)
			word = string(f.Milestone.Milestone)
		} else {
			require.Equal(t, "ups/1Z", f.Ship.Carrier+"/"+f.Ship.Tracking)
		}
		if urgent {
			word += "!"
		}
		words = append(words, word)
	}
	return words
}

func (b *bundle) outbox(t *testing.T) []string {
	t.Helper()
	rows, err := b.pool.Query(context.Background(), `SELECT channel || ' ' || key FROM outbox ORDER BY id`)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return list
}

func (b *bundle) milestone(t *testing.T) (m order.Milestone, firstScan, nextCheck *time.Time) {
	t.Helper()
	require.NoError(t, b.pool.QueryRow(context.Background(), `SELECT milestone, first_scan_at, next_check_at FROM parcels`).
		Scan(&m, &firstScan, &nextCheck))
	return m, firstScan, nextCheck
}

func TestASmoothParcelWakesItsOrderTwiceAndTellsTheCustomerThrice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, tracking.AnnouncedNew, b.announce(t, b.notice(10)))
	require.Equal(t, tracking.AnnouncedKnown, b.announce(t, b.notice(10)))
	require.Equal(t, tracking.AnnouncedDifferent, b.announce(t, b.notice(9)))
	require.Equal(t, 0, b.scan(t, b.at(60, "pre_transit")).News)
	require.Equal(t, 1, b.scan(t, b.at(50, "in_transit")).News)
	require.Equal(t, 0, b.scan(t, b.at(50, "in_transit")).News)
	require.Equal(t, 0, b.scan(t, b.at(30, "in_transit/arrived")).News)
	require.Equal(t, 0, b.scan(t, b.at(6, "out_for_delivery")).News)
	require.Equal(t, 1, b.scan(t, b.at(2, "delivered")).News)
	require.Equal(t, 0, b.scan(t, b.at(1, "in_transit")).News, "delivered never goes back")

	require.Equal(t, []string{"ship", "in_transit!", "delivered!"}, b.facts(t))
	require.Equal(t, []string{
		"storefront fulfilled/P-1/1Z", "customer_mail shipped/P-1/1Z",
		"customer_mail out_for_delivery/P-1/1Z", "customer_mail delivered/P-1/1Z",
	}, b.outbox(t))
	m, first, _ := b.milestone(t)
	require.Equal(t, order.ParcelDelivered, m)
	require.True(t, first.Equal(b.now.Add(-50*time.Hour)))
	var stopped time.Time
	require.NoError(t, b.pool.QueryRow(context.Background(), `SELECT first_scan_at FROM purchase_orders`).Scan(&stopped))
	require.True(t, stopped.Equal(*first))
}

func TestScansInAnyOrderAndGroupingEndTheSame(t *testing.T) {
	t.Parallel()
	var want []any
	for seed := range uint64(8) {
		b := setup(t)
		scans := []carrier.Scan{b.at(100, "pre_transit"), b.at(90, "in_transit"), b.at(20, "failure"), b.at(6, "out_for_delivery"), b.at(2, "delivered")}
		scans = append(scans, scans...)
		random := rand.New(rand.NewPCG(seed, 1))
		random.Shuffle(len(scans), func(i, j int) { scans[i], scans[j] = scans[j], scans[i] })
		notice := random.IntN(len(scans))
		for i := 0; i < len(scans); {
			if i >= notice {
				b.announce(t, b.notice(10))
				notice = len(scans)
			}
			n := min(1+random.IntN(3), len(scans)-i)
			b.scan(t, scans[i:i+n]...)
			i += n
		}
		b.announce(t, b.notice(10))
		m, first, _ := b.milestone(t)
		told := b.facts(t)
		got := []any{m, b.now.Sub(*first), strings.Count(strings.Join(told, " "), "delivered!"), strings.Count(strings.Join(told, " "), "in_transit!")}
		if want == nil {
			want = []any{order.ParcelDelivered, 90 * time.Hour, 1, 1}
		}
		require.Equal(t, want[0], got[0])
		require.Equal(t, want[1:3], got[1:3])
		require.GreaterOrEqual(t, got[3], 1, "the first scan is told")
		require.Contains(t, b.outbox(t), "customer_mail delivered/P-1/1Z")
		require.Contains(t, b.outbox(t), "storefront fulfilled/P-1/1Z")
	}
}

func TestScansBeforeTheShipNoticeCountOnceItComes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Empty(t, b.scan(t, b.at(90, "in_transit"), b.at(2, "delivered")).Orders)
	b.announce(t, b.notice(10))
	require.Equal(t, []string{"ship", "in_transit!", "delivered!"}, b.facts(t))
	require.Equal(t, []string{"storefront fulfilled/P-1/1Z", "customer_mail delivered/P-1/1Z"}, b.outbox(t),
		"nobody is told that a delivered parcel is on its way")
}

func TestScanAndShipNoticeAtOnceDoNotMissEachOther(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	steps := []func(pgx.Tx) error{
		func(tx pgx.Tx) error {
			_, err := tracking.Announce(ctx, tx, b.notice(10), 0)
			return err
		},
		func(tx pgx.Tx) error {
			_, err := tracking.ApplyScans(ctx, tx, []carrier.Scan{b.at(5, "in_transit")}, 0)
			return err
		},
	}
	for i, first := range steps {
		b.exec(t, `TRUNCATE parcels, tracking_events`)
		open, err := b.pool.Begin(ctx)
		require.NoError(t, err)
		require.NoError(t, first(open))
		// The other one begins while the first has not committed, and comes as far as it can.
		second := make(chan error, 1)
		go func() { second <- postgres.InTx(ctx, b.pool, steps[1-i]) }()
		require.Eventually(t, func() bool {
			var waits bool
			require.NoError(t, b.pool.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))`,
				open.Conn().PgConn().PID()).Scan(&waits))
			return waits || len(second) == 1
		}, 10*time.Second, time.Millisecond)
		require.NoError(t, open.Commit(ctx))
		require.NoError(t, <-second)
		_, scanned, _ := b.milestone(t)
		require.NotNil(t, scanned, "whichever came second saw the first")
	}
}

func TestAShipNoticeIsUrgentUnlessItOnlyConfirms(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare  string
		quantity int64
		line     int
		urgent   bool
	}{
		"confirms":              {"", 10, 1, false},
		"part":                  {"", 3, 1, false},
		"too much":              {"", 11, 1, true},
		"another line":          {"", 1, 2, true},
		"not acknowledged":      {`UPDATE purchase_orders SET acknowledged_at = NULL`, 10, 1, true},
		"being cancelled":       {`UPDATE purchase_orders SET status = 'cancel_requested'`, 10, 1, true},
		"delivery unknown":      {`UPDATE purchase_orders SET status = 'delivery_unknown'`, 10, 1, true},
		"units bought again":    {`UPDATE purchase_order_lines SET live = 9`, 10, 1, true},
		"backordered before":    {`INSERT INTO facts (order_key, seq, kind, urgent, body) VALUES ('shop/1', 100, 'acknowledgment', true, '{"ack":{"po":"P-1","lines":[{"line":1,"status":"backordered","quantity":10}]}}')`, 10, 1, true},
		"accepted before":       {`INSERT INTO facts (order_key, seq, kind, urgent, body) VALUES ('shop/1', 100, 'acknowledgment', true, '{"ack":{"po":"P-1","whole":"accepted"}}')`, 10, 1, false},
		"accepted in part only": {`INSERT INTO facts (order_key, seq, kind, urgent, body) VALUES ('shop/1', 100, 'acknowledgment', true, '{"ack":{"po":"P-1","lines":[{"line":1,"status":"accepted","quantity":4}]}}')`, 10, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			if test.prepare != "" {
				b.exec(t, test.prepare)
			}
			n := b.notice(test.quantity)
			n.Lines[0].Line = test.line
			b.announce(t, n)
			var urgent, soon bool
			require.NoError(t, b.pool.QueryRow(context.Background(), `
				SELECT f.urgent, o.deliver_at <= now() FROM facts f JOIN orders o ON o.key = f.order_key WHERE f.kind = 'ship_notice'`).Scan(&urgent, &soon))
			require.Equal(t, test.urgent, urgent)
			require.Equal(t, test.urgent, soon, "a routine notice is delivered within hours, an urgent one at once")
		})
	}
}

func TestANoticeForNoPurchaseOrderIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := b.notice(1)
	n.PO = "P-9"
	err := postgres.InTx(context.Background(), b.pool, func(tx pgx.Tx) error {
		_, err := tracking.Announce(context.Background(), tx, n, 0)
		return err
	})
	require.ErrorIs(t, err, tracking.ErrNoPurchaseOrder)
}

func TestScansOfTheNumbersFormerParcelDoNotCount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.scan(t, b.at(24*100, "in_transit"), b.at(24*98, "delivered"))
	b.announce(t, b.notice(10))
	require.Equal(t, []string{"ship"}, b.facts(t))
	m, _, _ := b.milestone(t)
	require.Equal(t, order.ParcelLabelled, m)
}

func TestANoticeThatComesAfterTheDeliveryCounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.scan(t, b.at(24*12, "in_transit"), b.at(24*10, "delivered"))
	n := b.notice(10)
	n.At = b.now
	b.announce(t, n)
	require.Equal(t, []string{"ship", "in_transit!", "delivered!"}, b.facts(t))
}

func TestNobodyIsToldOfAParcelThatIsNoLongerWanted(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{`UPDATE purchase_order_lines SET live = 0`, `UPDATE purchase_orders SET status = 'cancelled'`} {
		b := setup(t)
		b.exec(t, lost)
		b.announce(t, b.notice(10))
		b.scan(t, b.at(90, "in_transit"), b.at(2, "delivered"))
		require.Equal(t, []string{"ship!", "in_transit!", "delivered!"}, b.facts(t), "the order decides about it")
		require.Empty(t, b.outbox(t))
	}
}

func TestAnExceptionAsksAndItsEndReleases(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.announce(t, b.notice(10))
	b.scan(t, b.at(50, "in_transit"), b.at(40, "failure"))
	b.scan(t, b.at(10, "out_for_delivery"))
	require.Equal(t, []string{"ship", "in_transit!", "exception!", "out_for_delivery!"}, b.facts(t))
}

func TestATextThatPostgresCannotHoldIsNoObstacle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.announce(t, b.notice(10))
	require.Equal(t, 1, b.scan(t, carrier.NewScan("ups", "1Z", "in_transit", "a\x00b", b.now.Add(-time.Hour))).News)
}

// fakeTracker answers from a table; a number that is not in it is missing.
type fakeTracker struct {
	scans map[string][]carrier.Scan
	asked []easypost.Parcel
	err   error
}

func (f *fakeTracker) Track(_ context.Context, parcels []easypost.Parcel) (easypost.Batch, error) {
	var batch easypost.Batch
	f.asked = append(f.asked, parcels...)
	for _, p := range parcels {
		if scans, known := f.scans[p.Tracking]; known {
			batch.Tracked = append(batch.Tracked, easypost.Tracked{Parcel: p, Scans: scans})
		} else if f.err == nil {
			batch.Missing = append(batch.Missing, p)
		}
	}
	return batch, f.err
}

func TestAPollAppliesAnswersAndTakesSilenceForAnAnswer(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	b.announce(t, b.notice(10))
	b.exec(t, `UPDATE parcels SET next_check_at = now()`)
	tracker := &fakeTracker{scans: map[string][]carrier.Scan{"1Z": {b.at(80, "in_transit")}}}
	result, err := tracking.Poll(ctx, b.pool, tracker, "tracker", 100)
	require.NoError(t, err)
	require.Equal(t, tracking.PollResult{Asked: 1, News: 1}, result)
	m, _, next := b.milestone(t)
	require.Equal(t, order.ParcelDelayed, m, "80 hours without a scan")
	require.True(t, next.After(time.Now()))
	require.Contains(t, b.outbox(t), "customer_mail delayed/P-1/1Z")

	result, err = tracking.Poll(ctx, b.pool, tracker, "tracker", 100)
	require.NoError(t, err)
	require.Zero(t, result.Asked, "it is not due")

	b.exec(t, `UPDATE tracking_events SET at = at - interval '8 days'`)
	b.exec(t, `UPDATE parcels SET next_check_at = now()`)
	result, err = tracking.Poll(ctx, b.pool, &fakeTracker{}, "tracker", 1)
	require.NoError(t, err)
	require.Equal(t, tracking.PollResult{Asked: 1, Missing: 1, News: 1, More: true}, result)
	require.Equal(t, []string{"ship", "in_transit!", "lost!"}, b.facts(t))
}

func TestAPollThatFailsKeepsWhatItLearntAndComesAgain(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	b.announce(t, b.notice(5))
	second := b.notice(5)
	second.Tracking = "2Z"
	b.announce(t, second)
	b.exec(t, `UPDATE parcels SET next_check_at = now()`)
	down := &easypost.Error{Kind: easypost.ErrUnavailable}
	tracker := &fakeTracker{scans: map[string][]carrier.Scan{"1Z": {b.at(8, "in_transit")}}, err: down}
	result, err := tracking.Poll(ctx, b.pool, tracker, "tracker", 100)
	require.ErrorIs(t, err, easypost.ErrUnavailable)
	require.Equal(t, 1, result.News)
	// The attempt that follows in a second asks about what was left, and about nothing else.
	again := &fakeTracker{scans: map[string][]carrier.Scan{"2Z": {b.at(8, "in_transit")}}}
	result, err = tracking.Poll(ctx, b.pool, again, "tracker", 100)
	require.NoError(t, err)
	require.Equal(t, 1, result.News)
	require.Len(t, again.asked, 1)
	require.Equal(t, "2Z", again.asked[0].Tracking)
}

func TestAServiceIsAskedAboutItsCarriersAndThoseNobodyNames(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	b.exec(t, `INSERT INTO carriers (id, document) VALUES ('other', '{"aliases":[{"code":"DHL"}]}')`)
	for i, name := range []string{"ups", "dhl", "gls"} {
		n := b.notice(1)
		n.Carrier, n.Tracking = name, fmt.Sprintf("N%d", i)
		b.announce(t, n)
	}
	b.exec(t, `UPDATE parcels SET next_check_at = now()`)
	due, err := tracking.Due(ctx, b.pool, "other", 10)
	require.NoError(t, err)
	require.ElementsMatch(t, []easypost.Parcel{{Carrier: "dhl", Tracking: "N1"}, {Carrier: "gls", Tracking: "N2"}}, due)
	due, err = tracking.Due(ctx, b.pool, "tracker", 10)
	require.NoError(t, err)
	require.Equal(t, []easypost.Parcel{{Carrier: "ups", Tracking: "N0"}}, due, "what one claimed the other leaves")
}

func TestDueParcelsAreFoundWithoutReadingHistory(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, milestone)
		SELECT 'P-1', 'ups', 'H' || n, 'shop/1', '[]', now(), 'delivered' FROM generate_series(1, 12000) n`)
	b.announce(t, b.notice(10))
	b.exec(t, `ANALYZE parcels`)
	for name, sql := range tracking.HotQueries {
		plan := explain(t, b.pool, sql)
		require.Contains(t, plan, "parcels_due", name)
		require.NotContains(t, plan, "Seq Scan on parcels", name)
	}
}

func explain(t *testing.T, pool *pgxpool.Pool, sql string) string {
	t.Helper()
	rows, err := pool.Query(context.Background(), "EXPLAIN "+sql)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}

func TestAPollMovesParcelsByTheHundredAsOneByOne(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	const parcels = 150
	b := setup(t)
	b.exec(t, `INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, milestone, first_scan_at)
		SELECT 'P-1', 'ups', 'N' || n, 'shop/1', '[]', now() - interval '1 day', 'in_transit', $2
		FROM generate_series(0, $1 - 1) n`, parcels, b.now.Add(-20*time.Hour))
	tracker := &fakeTracker{scans: map[string][]carrier.Scan{}}
	var all []carrier.Scan
	for i := range parcels {
		at := func(hours int, word string) carrier.Scan {
			return carrier.NewScan("ups", fmt.Sprintf("N%d", i), word, word, b.now.Add(-time.Duration(hours)*time.Hour))
		}
		all = append(all, at(20, "in_transit"))
		switch i % 50 {
		case 7:
			tracker.scans[all[i].Tracking] = []carrier.Scan{all[i], at(2, "delivered")}
		case 8: // the service does not know it
		default:
			tracker.scans[all[i].Tracking] = []carrier.Scan{all[i], at(1, "in_transit")}
		}
	}
	require.NoError(t, postgres.InTx(ctx, b.pool, func(tx pgx.Tx) error {
		_, err := tracking.ApplyScans(ctx, tx, all, 0)
		return err
	}))
	b.exec(t, `UPDATE parcels SET next_check_at = now()`)
	result, err := tracking.Poll(ctx, b.pool, tracker, "tracker", 1000)
	require.NoError(t, err)
	require.Equal(t, tracking.PollResult{Asked: parcels, Missing: 3, News: 3}, result)
	var facts, messages, delivered, planned, moved int
	require.NoError(t, b.pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM facts WHERE kind = 'parcel_delivered'), (SELECT count(*) FROM outbox)`).
		Scan(&facts, &messages))
	require.Equal(t, 3, facts)
	require.Equal(t, 6, messages, "customer and storefront hear of each delivery")
	require.NoError(t, b.pool.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE milestone = 'delivered'), count(*) FILTER (WHERE next_check_at > now() + interval '20 minutes'),
			count(*) FILTER (WHERE milestone = 'in_transit' AND last_scan_at = $1 AND first_scan_at = $2) FROM parcels`,
		b.now.Add(-time.Hour), b.now.Add(-20*time.Hour)).Scan(&delivered, &planned, &moved))
	require.Equal(t, []int{3, parcels, parcels - 6}, []int{delivered, planned, moved})
	b.exec(t, `UPDATE parcels SET next_check_at = now()`)
	result, err = tracking.Poll(ctx, b.pool, tracker, "tracker", 1000)
	require.NoError(t, err)
	require.Zero(t, result.News, "told once")
}
