package tracking

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/postgres"
)

// applyAtOnce is how many boxes share a transaction. Each takes a lock of Postgres' table of locks, which
// has room for 64 of every connection that may be open.
const applyAtOnce = 100

// applyAnswers brings parcels up to what a service answered. Most answers hold nothing new: those are
// stored, and asked about again later, a hundred in two round trips. Boxes with news follow one by one,
// as a push of theirs would. Returns how many facts were appended.
func applyAnswers(ctx context.Context, pool *pgxpool.Pool, answers []box) (news int, err error) {
	slices.SortFunc(answers, func(a, b box) int { // as everyone locks them
		return cmp.Or(cmp.Compare(a.carrier, b.carrier), cmp.Compare(a.tracking, b.tracking))
	})
	for some := range slices.Chunk(answers, applyAtOnce) {
		loud, err := applyQuiet(ctx, pool, some)
		if err != nil {
			return news, err
		}
		for _, b := range loud {
			outcome, err := b.check(ctx, pool)
			if err != nil {
				return news, fmt.Errorf("a %s parcel: %w", b.carrier, err)
			}
			news += outcome.News
		}
	}
	return news, nil
}

// applyQuiet stores the scans of all boxes, saves the parcels that have no news and returns the boxes of
// the others. It locks no order: nothing of theirs changes, and nobody else moves a parcel whose box is
// locked.
func applyQuiet(ctx context.Context, pool *pgxpool.Pool, boxes []box) (loud []box, err error) {
	err = postgres.Do(ctx, pool, func(ctx context.Context, w *postgres.Work) error {
		loud = nil
		parcels, scans := readBoxes(w, boxes)
		coming := readComing(w, boxes)
		if err := w.Flush(ctx); err != nil {
			return err
		}
		var quiet saving
		for _, b := range boxes {
			at := place{b.carrier, b.tracking}
			if (*coming)[at] || !quiet.take((*parcels)[at], (*scans)[at]) {
				loud = append(loud, b)
			}
		}
		quiet.queue(w)
		return nil
	})
	return loud, err
}

// place is a box's number with its carrier.
type place struct{ carrier, tracking string }

// readBoxes locks the boxes, stores their scans, and reads what there is about them by then.
func readBoxes(w *postgres.Work, boxes []box) (*map[place][]*parcel, *map[place][]carrier.Scan) {
	var locks, carriers, numbers []string
	var fresh []carrier.Scan
	for _, b := range boxes {
		locks = append(locks, b.lockName())
		carriers, numbers = append(carriers, b.carrier), append(numbers, b.tracking)
		for _, s := range b.scans {
			s.Carrier, s.Tracking = b.carrier, b.tracking
			fresh = append(fresh, s)
		}
	}
	w.Queue(`SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest($1::text[]) AS name`, locks)
	storeAll(w, fresh)
	parcels, scans := map[place][]*parcel{}, map[place][]carrier.Scan{}
	w.Queue(`
		SELECT `+parcelColumns+`
		FROM unnest($1::text[], $2::text[]) AS b (carrier, tracking) JOIN parcels p USING (carrier, tracking) `+parcelJoins,
		carriers, numbers).Query(func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, readParcel)
		for _, p := range list {
			at := place{p.carrier, p.tracking}
			parcels[at] = append(parcels[at], p)
		}
		return err
	})
	w.Queue(`
		SELECT e.carrier, e.tracking, e.scan_id, e.status, e.detail, e.at
		FROM unnest($1::text[], $2::text[]) AS b (carrier, tracking) JOIN tracking_events e USING (carrier, tracking)
		WHERE e.at >= (SELECT min(noticed_at) FROM parcels p WHERE p.carrier = b.carrier AND p.tracking = b.tracking) - $3::interval`,
		carriers, numbers, noticeLate+clocksDiffer).Query(func(rows pgx.Rows) error {
		var s carrier.Scan
		_, err := pgx.ForEachRow(rows, []any{&s.Carrier, &s.Tracking, &s.ID, &s.Status, &s.Text, &s.At}, func() error {
			at := place{s.Carrier, s.Tracking}
			scans[at] = append(scans[at], s)
			return nil
		})
		return err
	})
	return &parcels, &scans
}

// readComing tells which boxes come back. They are few, and each is moved in a transaction of its own.
func readComing(w *postgres.Work, boxes []box) *map[place]bool {
	var carriers, numbers []string
	for _, b := range boxes {
		carriers, numbers = append(carriers, b.carrier), append(numbers, b.tracking)
	}
	coming := map[place]bool{}
	w.Queue(`SELECT carrier, tracking FROM return_parcels JOIN unnest($1::text[], $2::text[]) AS b (carrier, tracking) USING (carrier, tracking)`,
		carriers, numbers).Query(func(rows pgx.Rows) error {
		var at place
		_, err := pgx.ForEachRow(rows, []any{&at.carrier, &at.tracking}, func() error { coming[at] = true; return nil })
		return err
	})
	return &coming
}

// storeAll stores scans that may be known, and may be of several numbers.
func storeAll(w *postgres.Work, scans []carrier.Scan) {
	if len(scans) == 0 {
		return
	}
	var carriers, numbers, ids, statuses, details []string
	var times []time.Time
	for _, s := range scans {
		carriers, numbers = append(carriers, s.Carrier), append(numbers, s.Tracking)
		ids, times = append(ids, s.ID), append(times, s.At)
		statuses, details = append(statuses, storable(s.Status)), append(details, storable(s.Text))
	}
	w.Queue(`
		INSERT INTO tracking_events (carrier, tracking, scan_id, status, detail, at)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
		ON CONFLICT DO NOTHING`, carriers, numbers, ids, statuses, details, times)
}

// saving is what is written of parcels without news, column by column.
type saving struct {
	pos, carriers, numbers, milestones, notes []string
	reached, first, last, check               []*time.Time
}

// take adds a box's parcels, unless one of them has something to tell: then it adds none.
func (s *saving) take(parcels []*parcel, scans []carrier.Scan) bool {
	standings, outlooks := make([]carrier.Standing, len(parcels)), make([]carrier.Outlook, len(parcels))
	for i, p := range parcels {
		standings[i], outlooks[i] = p.judge(scans)
		if len(p.news(standings[i], outlooks[i])) > 0 || len(p.messages(standings[i], outlooks[i])) > 0 ||
			!standings[i].FirstScanAt.Equal(p.firstScan) {
			return false
		}
	}
	for i, p := range parcels {
		standing, outlook := standings[i], outlooks[i]
		s.pos, s.carriers, s.numbers = append(s.pos, p.po), append(s.carriers, p.carrier), append(s.numbers, p.tracking)
		s.milestones, s.notes = append(s.milestones, string(outlook.Milestone)), append(s.notes, noteOf(standing))
		s.reached, s.check = append(s.reached, orNull(outlook.At)), append(s.check, orNull(outlook.CheckAt))
		s.first, s.last = append(s.first, orNull(standing.FirstScanAt)), append(s.last, orNull(standing.LastScanAt))
	}
	return true
}

func (s *saving) queue(w *postgres.Work) {
	if len(s.pos) == 0 {
		return
	}
	w.Queue(`
		UPDATE parcels p SET milestone = n.milestone, milestone_at = n.milestone_at, first_scan_at = n.first_scan_at,
			last_scan_at = n.last_scan_at, note = n.note, next_check_at = n.next_check_at
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[], $8::text[], $9::timestamptz[])
			AS n (po_number, carrier, tracking, milestone, milestone_at, first_scan_at, last_scan_at, note, next_check_at)
		WHERE p.po_number = n.po_number AND p.carrier = n.carrier AND p.tracking = n.tracking`,
		s.pos, s.carriers, s.numbers, s.milestones, s.reached, s.first, s.last, s.notes, s.check)
}
