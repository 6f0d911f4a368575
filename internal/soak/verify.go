package soak

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/audit"
)

// verifyWithin bounds the checks.
const verifyWithin = 5 * time.Minute

// verify looks at everything that Dropline and its partners hold in the end.
func (r *run) verify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), verifyWithin)
	defer cancel()
	for _, check := range []struct {
		name string
		make func(context.Context) error
	}{
		{"the archive", r.verifyDocuments},
		{"the orders", r.verifyOrders},
		{"the facts", r.verifyFacts},
		{"the parcels", r.verifyParcels},
		{"the workflows", r.verifyWorkflows},
		{"the partners", r.verifyPartners},
		{"the audit", r.verifyAudit},
	} {
		before, _ := r.found.all()
		if err := check.make(ctx); err != nil {
			return fmt.Errorf("check %s: %w", check.name, err)
		}
		after, _ := r.found.all()
		r.say("checked %s: %d violations", check.name, after-before)
	}
	return nil
}

// sent lists every delivery of the plan, repeats too.
func (p *plan) sent() []*delivery {
	all := slices.Clone(p.opening)
	for _, s := range p.stories {
		all = append(all, s.after...)
	}
	return all
}

// archived is a document as it stands in the end.
type archived struct {
	id                int64
	hash              []byte
	status, code, why string
	order             string
	facts             map[string]int // that came with it, by kind
}

func (a *archived) standing() string {
	if a.code == "" {
		return a.status
	}
	return a.status + "/" + a.code
}

func (r *run) archive(ctx context.Context) (map[string]*archived, error) {
	rows, err := r.world.pool.Query(ctx, `
		SELECT d.source || ' ' || d.natural_key, d.id, d.body_hash, d.status, d.reason_code, d.reason, coalesce(d.order_key, '') FROM documents d`)
	if err != nil {
		return nil, err
	}
	all, byID := map[string]*archived{}, map[int64]*archived{}
	var key string
	var a archived
	_, err = pgx.ForEachRow(rows, []any{&key, &a.id, &a.hash, &a.status, &a.code, &a.why, &a.order}, func() error {
		one := a
		one.facts = map[string]int{}
		all[key], byID[a.id] = &one, &one
		return nil
	})
	if err != nil {
		return nil, err
	}
	rows, err = r.world.pool.Query(ctx, `SELECT document_id, kind FROM facts WHERE document_id IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	var document int64
	var kind string
	_, err = pgx.ForEachRow(rows, []any{&document, &kind}, func() error {
		byID[document].facts[kind]++
		return nil
	})
	return all, err
}

// verifyDocuments: what was taken is in the archive as it was sent, came to one of its ends, and had
// its effect once; what was refused, and what nobody sent, is not there.
func (r *run) verifyDocuments(ctx context.Context) error {
	documents, err := r.archive(ctx)
	if err != nil {
		return err
	}
	known, effects := map[string]bool{}, map[string]int{}
	for _, d := range r.plan.sent() {
		if len(d.refused) > 0 {
			continue
		}
		key := d.source + " " + d.key
		if known[key] {
			continue // a repeat
		}
		known[key] = true
		if d.effect != "" {
			effects[d.effect] += 0
		}
		a := documents[key]
		if a == nil {
			r.found.add("lost: a %s was taken and is not in the archive as %s", d.kind, key)
			continue
		}
		r.verifyDocument(d, a, key)
		if d.effect != "" && a.status == "applied" {
			effects[d.effect]++
		}
	}
	for effect, times := range effects {
		if times != 1 {
			r.found.add("%s came about by %d documents, want exactly 1", effect, times)
		}
	}
	for key, a := range documents {
		if !known[key] {
			r.found.add("%s is in the archive (%s), and nobody was told so", key, a.standing())
		}
	}
	return nil
}

func (r *run) verifyDocument(d *delivery, a *archived, key string) {
	if sum := sha256.Sum256(d.body); !bytes.Equal(sum[:], a.hash) {
		r.found.add("%s is in the archive with other bytes", key)
	}
	if !slices.Contains(d.ends, a.standing()) {
		r.found.add("%s (%s) is %s (%s), want one of %s", key, d.kind, a.standing(), a.why, strings.Join(d.ends, ", "))
	}
	if a.status == "quarantined" && a.why == "" {
		r.found.add("%s is in quarantine without a reason", key)
	}
	want := 0
	if a.status == "applied" {
		want = 1
	}
	if d.fact != "" && a.facts[d.fact] != want {
		r.found.add("%s (%s) added %d facts of kind %s, want %d", key, a.standing(), a.facts[d.fact], d.fact, want)
	}
	if a.status != "applied" && len(a.facts) > 0 {
		r.found.add("%s (%s) added facts: %v", key, a.standing(), a.facts)
	}
	if d.story != nil && a.order != "" && a.order != d.story.key.String() {
		r.found.add("%s counts for order %s, want %s", key, a.order, d.story.key)
	}
}

// rows runs a query whose rows are violations, each a text.
func (r *run) rows(ctx context.Context, what, sql string, args ...any) error {
	rows, err := r.world.pool.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	var text string
	_, err = pgx.ForEachRow(rows, []any{&text}, func() error {
		r.found.add("%s: %s", what, text)
		return nil
	})
	return err
}

// verifyOrders: each order is there once, with its payment and its confirmation once, and started.
func (r *run) verifyOrders(ctx context.Context) error {
	rows, err := r.world.pool.Query(ctx, `
		SELECT o.key, o.total_minor, o.captured_minor, o.started_at IS NOT NULL,
			(SELECT count(*) FROM order_lines l WHERE l.order_key = o.key),
			(SELECT count(*) FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
				WHERE t.order_key = o.key AND t.kind = 'captured' AND e.minor = o.captured_minor),
			(SELECT count(*) FROM outbox m WHERE m.order_key = o.key AND m.key = 'placed/' || o.key)
		FROM orders o`)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	var key string
	var charged, captured, lines, captures, confirmations int64
	var started bool
	_, err = pgx.ForEachRow(rows, []any{&key, &charged, &captured, &started, &lines, &captures, &confirmations}, func() error {
		there[key] = true
		if charged != total || captured != total || lines != 1 || captures != 1 || confirmations != 1 {
			r.found.add("order %s: charged %d, captured %d, %d lines, %d captures booked, %d confirmations; want %d, %d, 1, 1, 1",
				key, charged, captured, lines, captures, confirmations, total, total)
		}
		if !started {
			r.found.add("order %s was never started", key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range r.plan.stories {
		if !there[s.key.String()] {
			r.found.add("lost: order %s is not there", s.key)
		}
		delete(there, s.key.String())
	}
	for key := range there {
		r.found.add("order %s is there, and nobody placed it", key)
	}
	return nil
}

// verifyFacts: an order's facts are numbered without gaps, none stands twice, and none waits that is
// due.
func (r *run) verifyFacts(ctx context.Context) error {
	for what, sql := range map[string]string{
		"facts are numbered without gaps": `
			SELECT o.key || ': ' || count(f.seq) || ' facts, numbered up to ' || o.fact_seq FROM orders o LEFT JOIN facts f ON f.order_key = o.key
			GROUP BY o.key HAVING count(f.seq) <> o.fact_seq OR coalesce(max(f.seq), 0) <> o.fact_seq`,
		"no fact stands twice": `
			SELECT order_key || ': ' || kind || ', ' || count(*) || ' times' FROM facts GROUP BY order_key, kind, body - 'seq' HAVING count(*) > 1`,
		"nothing due waits": `
			SELECT key || ': since ' || deliver_at || ', fact ' || delivered_seq || ' of ' || fact_seq FROM orders WHERE deliver_at <= now()`,
		"no fact is forgotten": `
			SELECT key || ': fact ' || delivered_seq || ' of ' || fact_seq || ' was delivered, and nothing is planned' FROM orders
			WHERE delivered_seq < fact_seq AND deliver_at IS NULL`,
		"a cancellation is asked for once": `
			SELECT order_key || ': ' || count(*) || ' cancellations' FROM facts WHERE kind = 'cancel_request' GROUP BY order_key HAVING count(*) > 1`,
	} {
		if err := r.rows(ctx, what, sql); err != nil {
			return err
		}
	}
	return nil
}

// verifyParcels: each delivered order has its parcel once, with every scan once, and it has arrived.
func (r *run) verifyParcels(ctx context.Context) error {
	scans, err := r.scans(ctx)
	if err != nil {
		return err
	}
	rows, err := r.world.pool.Query(ctx, `SELECT po_number || ' ' || carrier || ' ' || tracking, milestone FROM parcels`)
	if err != nil {
		return err
	}
	parcels := map[string]string{}
	var key, milestone string
	if _, err = pgx.ForEachRow(rows, []any{&key, &milestone}, func() error { parcels[key] = milestone; return nil }); err != nil {
		return err
	}
	expected := 0
	for _, s := range r.plan.stories {
		if s.road != delivered {
			continue
		}
		expected++
		if got := parcels[s.po+" "+s.carrier+" "+s.tracking]; got != "delivered" {
			r.found.add("order %s: its parcel is %q, want delivered", s.key, got)
		}
		for n := range journey {
			id := s.carrier + " " + s.tracking + " " + s.scanID(r.plan.began, n)
			if !scans[id] {
				r.found.add("lost: order %s: the scan %q of its parcel is not there", s.key, journey[n].text)
			}
			delete(scans, id)
		}
	}
	if len(parcels) != expected {
		r.found.add("%d parcels are there, %d were sent", len(parcels), expected)
	}
	for id := range scans {
		r.found.add("scan %s is there, and nobody sent it", id)
	}
	return nil
}

func (r *run) scans(ctx context.Context) (map[string]bool, error) {
	rows, err := r.world.pool.Query(ctx, `SELECT carrier || ' ' || tracking || ' ' || scan_id FROM tracking_events`)
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	var id string
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error { all[id] = true; return nil })
	return all, err
}

// verifyAudit makes the checks that hold for any deployment.
func (r *run) verifyAudit(ctx context.Context) error {
	report, err := audit.Run(ctx, audit.Options{Pool: r.world.pool})
	if err != nil {
		return err
	}
	for i := range report.Outcomes {
		outcome := &report.Outcomes[i]
		if outcome.Warning {
			continue
		}
		for _, v := range outcome.Violations {
			r.found.add("audit: %s: %s: %s", v.Check, v.Order, v.What)
		}
	}
	return nil
}
