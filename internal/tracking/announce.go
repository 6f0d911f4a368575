package tracking

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
)

// Announced is what became of a ship notice.
type Announced string

// A notice is new, tells again of a known parcel, or contradicts what an earlier one said was in it.
const (
	AnnouncedNew       Announced = "new"
	AnnouncedKnown     Announced = "known"
	AnnouncedDifferent Announced = "different"
)

// RoutineWait is how long a routine ship notice may wait for an urgent fact to ride along with
// before it is delivered by itself. It is delivered well before the ship deadline in any case, so
// that the order knows of the parcel when it judges the deadline.
const RoutineWait = 6 * time.Hour

// ErrNoPurchaseOrder: the notice names a purchase order that does not exist.
var ErrNoPurchaseOrder = errors.New("no such purchase order")

// Announce records the parcel of a ship notice, tells its order, and applies the scans that came
// before it. The fact is urgent unless the notice only confirms what the order expects: the
// purchase order is acknowledged without reservation and live, and holds the shipped units.
func Announce(ctx context.Context, tx pgx.Tx, notice order.ShipNotice, document int64) (Announced, error) {
	return new(Names).Announce(ctx, tx, notice, document)
}

// Announce is the function of that name.
func (n *Names) Announce(ctx context.Context, tx pgx.Tx, notice order.ShipNotice, document int64) (Announced, error) {
	known, err := n.current(ctx, tx)
	if err != nil {
		return "", err
	}
	notice.Carrier, notice.Tracking = known.of(notice.Carrier), carrier.Number(notice.Tracking)
	b := box{carrier: notice.Carrier, tracking: notice.Tracking}
	orderKey, fresh, err := b.insert(ctx, tx, notice)
	if err != nil {
		return "", fmt.Errorf("announce a parcel of %s: %w", notice.PO, err)
	}
	if !fresh {
		return b.compare(ctx, tx, notice)
	}
	routine, err := expected(ctx, tx, notice, orderKey)
	if err != nil {
		return "", fmt.Errorf("judge the ship notice for %s: %w", notice.PO, err)
	}
	batch, fact := &pgx.Batch{}, order.Fact{Ship: &notice}
	if routine {
		err = facts.QueueRoutine(batch, orderKey, notice.PO, fact, RoutineWait, document)
	} else {
		err = facts.QueueAppend(batch, orderKey, fact, true, document)
	}
	if err != nil {
		return "", err
	}
	if err := postgres.Later(ctx, tx, batch); err != nil {
		return "", fmt.Errorf("tell the ship notice for %s: %w", notice.PO, err)
	}
	if _, err := b.refresh(ctx, tx, document); err != nil {
		return "", fmt.Errorf("apply the scans of a parcel of %s: %w", notice.PO, err)
	}
	return AnnouncedNew, nil
}

// insert adds the parcel's row, with the order locked.
func (b box) insert(ctx context.Context, tx pgx.Tx, notice order.ShipNotice) (orderKey string, fresh bool, err error) {
	lines, err := json.Marshal(notice.Lines)
	if err != nil {
		return "", false, err
	}
	batch := &pgx.Batch{}
	b.lock(batch)
	batch.Queue(`
		SELECT o.key FROM orders o JOIN purchase_orders p ON p.order_key = o.key
		WHERE p.number = $1 FOR NO KEY UPDATE OF o`, notice.PO).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&orderKey)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNoPurchaseOrder
		}
		return err
	})
	batch.Queue(`
		INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, next_check_at)
		SELECT number, $2, $3, order_key, $4, $5, now() FROM purchase_orders WHERE number = $1
		ON CONFLICT DO NOTHING`, notice.PO, notice.Carrier, notice.Tracking, lines, notice.At).
		Exec(func(tag pgconn.CommandTag) error {
			fresh = tag.RowsAffected() == 1
			return nil
		})
	err = tx.SendBatch(ctx, batch).Close()
	return orderKey, fresh, err
}

func (b box) compare(ctx context.Context, tx pgx.Tx, notice order.ShipNotice) (Announced, error) {
	var lines []order.ShippedLine
	err := tx.QueryRow(ctx, `SELECT lines FROM parcels WHERE po_number = $1 AND carrier = $2 AND tracking = $3`,
		notice.PO, b.carrier, b.tracking).Scan(&lines)
	if err != nil {
		return "", fmt.Errorf("read a parcel of %s: %w", notice.PO, err)
	}
	byLine := func(x, y order.ShippedLine) int { return x.Line - y.Line }
	told := slices.SortedFunc(slices.Values(notice.Lines), byLine)
	slices.SortFunc(lines, byLine)
	if slices.Equal(told, lines) {
		return AnnouncedKnown, nil
	}
	return AnnouncedDifferent, nil
}

// expected judges a notice whose parcel is already inserted.
func expected(ctx context.Context, tx pgx.Tx, notice order.ShipNotice, orderKey string) (bool, error) {
	var live bool
	var fits int
	var acknowledgments []order.Acknowledgment
	// Purchase-order lines hold what the supplier answers for; all parcels together, this one
	// included, must stay within it.
	batch := &pgx.Batch{}
	batch.Queue(`
		SELECT acknowledged_at IS NOT NULL AND status IN ('submitted', 'acknowledged', 'shipping')
		FROM purchase_orders WHERE number = $1`, notice.PO).QueryRow(func(row pgx.Row) error { return row.Scan(&live) })
	batch.Queue(`
		SELECT count(*) FROM purchase_order_lines l
		WHERE l.number = $1 AND l.line = ANY ($2) AND l.live >= (
			SELECT sum((e ->> 'quantity')::bigint) FROM parcels p, jsonb_array_elements(p.lines) e
			WHERE p.po_number = l.number AND (e ->> 'line')::int = l.line)`, notice.PO, linesOf(notice)).
		QueryRow(func(row pgx.Row) error { return row.Scan(&fits) })
	batch.Queue(`
		SELECT body -> 'ack' FROM facts
		WHERE order_key = $1 AND kind = 'acknowledgment' AND body -> 'ack' ->> 'po' = $2`, orderKey, notice.PO).
		Query(func(rows pgx.Rows) (err error) {
			acknowledgments, err = pgx.CollectRows(rows, pgx.RowTo[order.Acknowledgment])
			return err
		})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return false, err
	}
	return live && fits == len(notice.Lines) && !slices.ContainsFunc(acknowledgments, func(a order.Acknowledgment) bool { return reserved(a, notice) }), nil
}

// reserved: the supplier answered with anything but a plain yes to what it now ships. Only the
// workflow can tell what a parcel of units in doubt means.
func reserved(a order.Acknowledgment, notice order.ShipNotice) bool {
	if a.Whole != "" {
		return a.Whole != order.AckAccepted
	}
	accepted := map[int]int64{}
	for _, l := range a.Lines {
		if l.Status != order.AckAccepted {
			return true
		}
		accepted[l.Line] += l.Quantity
	}
	return slices.ContainsFunc(notice.Lines, func(l order.ShippedLine) bool { return accepted[l.Line] < l.Quantity })
}

func linesOf(notice order.ShipNotice) []int32 {
	var lines []int32
	for _, l := range notice.Lines {
		lines = append(lines, int32(l.Line))
	}
	return lines
}
