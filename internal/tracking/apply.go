// Package tracking keeps scans as evidence, derives from them where each parcel stands, and commits
// in the same transaction what follows: facts that change a decision, messages to customers and
// storefronts, and when to ask the carrier next.
package tracking

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dropline/dropline/internal/carrier"
)

// Outcome is what applying scans did.
type Outcome struct {
	Orders []string // the orders whose parcels the scans are about; none for an unknown number
	News   int      // facts that were appended
}

// ApplyScans stores scans and moves their parcels, whatever order they came in and however often.
// Scans of a number that no parcel has yet are kept, and count once it is announced. document is
// the inbound document they came with, 0 for a poll.
func ApplyScans(ctx context.Context, tx pgx.Tx, scans []carrier.Scan, document int64) (Outcome, error) {
	return new(Names).ApplyScans(ctx, tx, scans, document)
}

// ApplyScans is the function of that name.
func (n *Names) ApplyScans(ctx context.Context, tx pgx.Tx, scans []carrier.Scan, document int64) (Outcome, error) {
	known, err := n.current(ctx, tx)
	if err != nil {
		return Outcome{}, err
	}
	var outcome Outcome
	for _, box := range boxes(known.canonical(scans)) {
		one, err := box.apply(ctx, tx, document, false)
		if err != nil {
			return Outcome{}, fmt.Errorf("apply the scans of a %s parcel: %w", box.carrier, err)
		}
		outcome.Orders = append(outcome.Orders, one.Orders...)
		outcome.News += one.News
	}
	return outcome, nil
}

// box is a tracking number with scans of it.
type box struct {
	carrier, tracking string
	scans             []carrier.Scan
}

// boxes groups scans by number, in a fixed order so that transactions lock alike.
func boxes(scans []carrier.Scan) []box {
	sorted := slices.Clone(scans)
	slices.SortStableFunc(sorted, func(a, b carrier.Scan) int {
		return cmp.Or(cmp.Compare(a.Carrier, b.Carrier), cmp.Compare(a.Tracking, b.Tracking))
	})
	var list []box
	for _, s := range sorted {
		if last := len(list) - 1; last < 0 || list[last].carrier != s.Carrier || list[last].tracking != s.Tracking {
			list = append(list, box{carrier: s.Carrier, tracking: s.Tracking})
		}
		list[len(list)-1].scans = append(list[len(list)-1].scans, s)
	}
	return list
}

// apply stores the box's scans and moves its parcels. Without a new scan there is nothing to do,
// unless time itself may have news (recheck).
func (b box) apply(ctx context.Context, tx pgx.Tx, document int64, recheck bool) (Outcome, error) {
	batch := &pgx.Batch{}
	b.lock(batch)
	fresh := b.store(batch)
	known := b.read(batch)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil || *fresh == 0 && !recheck {
		return Outcome{}, err
	}
	return b.move(ctx, tx, known, document)
}

// lock keeps the box's scans and its announcement apart: whichever comes second sees the first.
func (b box) lock(batch *pgx.Batch) {
	batch.Queue(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, b.lockName())
}

func (b box) lockName() string { return "parcel/" + b.carrier + "/" + b.tracking }

// store counts the scans that were not known before.
func (b box) store(batch *pgx.Batch) *int64 {
	var fresh int64
	if len(b.scans) == 0 {
		return &fresh
	}
	var ids, statuses, details []string
	var times []time.Time
	for _, s := range b.scans {
		ids, times = append(ids, s.ID), append(times, s.At)
		statuses, details = append(statuses, storable(s.Status)), append(details, storable(s.Text))
	}
	batch.Queue(`
		INSERT INTO tracking_events (carrier, tracking, scan_id, status, detail, at)
		SELECT $1, $2, s.* FROM unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[]) AS s
		ON CONFLICT DO NOTHING`, b.carrier, b.tracking, ids, statuses, details, times).
		Exec(func(tag pgconn.CommandTag) error {
			fresh = tag.RowsAffected()
			return nil
		})
	return &fresh
}

// storable drops NUL, which JSON may hold and Postgres may not.
func storable(text string) string { return strings.ReplaceAll(text, "\x00", "") }

// refresh derives anew where the box's parcels stand.
func (b box) refresh(ctx context.Context, tx pgx.Tx, document int64) (Outcome, error) {
	batch := &pgx.Batch{}
	known := b.read(batch)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return Outcome{}, err
	}
	return b.move(ctx, tx, known, document)
}

// move brings the box's parcels up to the evidence. Two purchase orders may share a box.
func (b box) move(ctx context.Context, tx pgx.Tx, known *contents, document int64) (Outcome, error) {
	if len(known.parcels) == 0 {
		return b.refreshReturns(ctx, tx, document)
	}
	var outcome Outcome
	for _, p := range known.parcels {
		news, err := p.move(ctx, tx, known.scans, document)
		if err != nil {
			return Outcome{}, err
		}
		outcome.News += news
		if !slices.Contains(outcome.Orders, p.order) {
			outcome.Orders = append(outcome.Orders, p.order)
		}
	}
	return outcome, nil
}

// contents are a box's parcels, and the scans that may be about them.
type contents struct {
	parcels []*parcel
	scans   []carrier.Scan
}

func (b box) readScan(row pgx.CollectableRow) (carrier.Scan, error) {
	s := carrier.Scan{Carrier: b.carrier, Tracking: b.tracking}
	err := row.Scan(&s.ID, &s.Status, &s.Text, &s.At)
	return s, err
}

// read reads the box's parcels and locks them with their orders. The orders are locked first, as
// everyone does who appends facts.
func (b box) read(batch *pgx.Batch) *contents {
	var known contents
	batch.Queue(`
		SELECT 1 FROM orders WHERE key IN (SELECT order_key FROM parcels WHERE carrier = $1 AND tracking = $2)
		ORDER BY key FOR NO KEY UPDATE`, b.carrier, b.tracking)
	batch.Queue(`
		SELECT `+parcelColumns+` FROM parcels p `+parcelJoins+`
		WHERE p.carrier = $1 AND p.tracking = $2
		ORDER BY p.order_key, p.po_number FOR NO KEY UPDATE OF p`, b.carrier, b.tracking).
		Query(func(rows pgx.Rows) (err error) {
			known.parcels, err = pgx.CollectRows(rows, readParcel)
			return err
		})
	// No scan older than this is about any of them (see evidenceSince); each takes its own from these.
	batch.Queue(`
		SELECT scan_id, status, detail, at FROM tracking_events
		WHERE carrier = $1 AND tracking = $2
			AND at >= (SELECT min(noticed_at) FROM parcels WHERE carrier = $1 AND tracking = $2) - $3::interval`,
		b.carrier, b.tracking, noticeLate+clocksDiffer).
		Query(func(rows pgx.Rows) (err error) {
			known.scans, err = pgx.CollectRows(rows, b.readScan)
			return err
		})
	return &known
}

// What a parcel is moved by, as parcel.scan reads it.
const (
	parcelColumns = `p.carrier, p.tracking, p.po_number, p.order_key, p.lines, p.noticed_at, p.milestone, p.first_scan_at,
		o.created_at, o.status, s.document -> 'policy', now(),
		EXISTS (SELECT 1 FROM purchase_order_lines l WHERE l.number = p.po_number AND l.live > 0),
		p.untold`
	parcelJoins = `JOIN purchase_orders o ON o.number = p.po_number
		JOIN orders c ON c.key = p.order_key JOIN storefronts s ON s.id = c.storefront`
)

func readParcel(row pgx.CollectableRow) (*parcel, error) {
	p := &parcel{}
	var first *time.Time
	var policy *silences
	var created time.Time
	var live bool
	err := row.Scan(&p.carrier, &p.tracking, &p.po, &p.order, &p.lines, &p.noticed, &p.milestone, &first,
		&created, &p.poStatus, &policy, &p.now, &live, &p.untold)
	if first != nil {
		p.firstScan = *first
	}
	p.policy = policy.policy()
	p.since = evidenceSince(p.noticed, created)
	p.wanted = live && p.poStatus != "cancelled" && p.poStatus != "rejected"
	return p, err
}

const (
	// clocksDiffer is how far a carrier's clock, often in an unnamed zone, may be before ours.
	clocksDiffer = 48 * time.Hour
	// noticeLate is how long after the shipment a supplier may tell of it. Carriers reuse numbers
	// after months.
	noticeLate = 30 * 24 * time.Hour
)

// evidenceSince is from when scans of a number are about this parcel: none is older than its
// purchase order, and a notice may come long after the parcel was delivered.
func evidenceSince(noticed, ordered time.Time) time.Time {
	since := noticed.Add(-noticeLate)
	if ordered.After(since) {
		since = ordered
	}
	if noticed.Before(since) {
		since = noticed
	}
	return since.Add(-clocksDiffer)
}
