package paymentdesk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/supplier"
)

// Proof is what answers a chargeback. Document is plain text, made anew from Postgres each time.
type Proof struct {
	// Carrier, Tracking and ShippedAt are of the parcel that proves most: one delivered before one that is
	// not. Empty: nothing was shipped.
	Carrier, Tracking string
	ShippedAt         time.Time
	Document          string
}

// batcher is a pool, a connection or a transaction.
type batcher interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Evidence bundles what shows that the customer got what was bought: the order, its parcels with their
// scans, what the customer was told and when, what went back. Of the address it holds what a bank compares,
// the place and no name or street.
func Evidence(ctx context.Context, q batcher, key order.Key) (Proof, error) {
	e := &bundle{}
	b := &pgx.Batch{}
	e.queue(b, key.String())
	if err := q.SendBatch(ctx, b).Close(); err != nil {
		return Proof{}, fmt.Errorf("bundle the evidence of order %s: %w", key, err)
	}
	e.proof.Document = e.text(key)
	return e.proof, nil
}

// ofFamily selects what is of an order or of those that its goods were exchanged by: one payment paid for all.
const ofFamily = `order_key IN (SELECT key FROM orders WHERE $1 IN (key, exchange_of))`

// bundle is what is read, as sections of text.
type bundle struct {
	proof                            Proof
	document                         storefront.Order
	shipTo                           supplier.Address
	received                         time.Time
	parcels, scans, messages, backed []string
	delivered                        bool
}

func (e *bundle) queue(b *pgx.Batch, key string) {
	b.Queue(`SELECT o.document, c.ship_to, o.received_at FROM orders o JOIN order_contacts c ON c.order_key = o.key WHERE o.key = $1`,
		key).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&e.document, &e.shipTo, &e.received)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNoPayment
		}
		return err
	})
	b.Queue(`SELECT carrier, tracking, lines, milestone, milestone_at, first_scan_at FROM parcels WHERE `+ofFamily+`
		ORDER BY noticed_at, carrier, tracking`, key).Query(e.readParcels)
	b.Queue(`
		SELECT DISTINCT e.carrier, e.tracking, e.status, e.at FROM tracking_events e
		JOIN parcels p ON p.carrier = e.carrier AND p.tracking = e.tracking
		WHERE p.`+ofFamily+` AND e.at > p.noticed_at - interval '30 days' ORDER BY e.at, e.tracking`, key).Query(func(rows pgx.Rows) error {
		var carrier, tracking, status string
		var at time.Time
		_, err := pgx.ForEachRow(rows, []any{&carrier, &tracking, &status, &at}, func() error {
			e.scans = append(e.scans, fmt.Sprintf("%s  %s %s: %s", moment(at), carrier, tracking, words(status)))
			return nil
		})
		return err
	})
	b.Queue(`SELECT kind, sent_at FROM outbox WHERE `+ofFamily+` AND channel = 'customer_mail' AND state = 'sent' AND sent_at IS NOT NULL
		ORDER BY sent_at, id`, key).Query(func(rows pgx.Rows) error {
		var kind string
		var at time.Time
		_, err := pgx.ForEachRow(rows, []any{&kind, &at}, func() error {
			e.messages = append(e.messages, fmt.Sprintf("%s  %s", moment(at), words(kind)))
			return nil
		})
		return err
	})
	b.Queue(`
		SELECT x.minor, x.what, r.reason, coalesce(r.done_at, r.asked_at) AS at FROM refunds r CROSS JOIN LATERAL (VALUES
			(r.amount_minor, CASE r.route WHEN 'held' THEN 'owed, not refunded while the payment is disputed' ELSE 'refunded' END, r.state),
			(r.released_minor, 'cancelled before it was captured', r.state), (r.forgiven_minor, 'never paid', r.state),
			(r.credit_minor, 'given as store credit', r.state),
			(r.moved_minor, 'used for the exchange order ' || split_part(r.exchange_order, '/', 2), 'done')) x (minor, what, state)
		WHERE r.order_key = $1 AND x.state = 'done' AND x.minor > 0 ORDER BY at, r.key, x.what`, key).Query(e.readRefunds)
}

func (e *bundle) readParcels(rows pgx.Rows) error {
	var carrier, tracking, milestone string
	var lines []order.ShippedLine
	var at, first *time.Time
	_, err := pgx.ForEachRow(rows, []any{&carrier, &tracking, &lines, &milestone, &at, &first}, func() error {
		goods := make([]string, 0, len(lines))
		for _, l := range lines {
			goods = append(goods, fmt.Sprintf("%d x line %d", l.Quantity, l.Line))
		}
		text := fmt.Sprintf("%s %s with %s: %s", carrier, tracking, strings.Join(goods, ", "), words(milestone))
		if at != nil {
			text += " on " + moment(*at)
		}
		e.parcels = append(e.parcels, text)
		arrived := milestone == string(order.ParcelDelivered)
		if first != nil && (e.proof.Tracking == "" || arrived && !e.delivered) {
			e.proof.Carrier, e.proof.Tracking, e.proof.ShippedAt = carrier, tracking, first.UTC()
			e.delivered = arrived
		}
		lines, at, first = nil, nil, nil
		return nil
	})
	return err
}

func (e *bundle) readRefunds(rows pgx.Rows) error {
	var minor int64
	var what, reason string
	var at time.Time
	_, err := pgx.ForEachRow(rows, []any{&minor, &what, &reason, &at}, func() error {
		e.backed = append(e.backed, fmt.Sprintf("%s  %s %s (%s)", moment(at), e.sum(minor), what, words(reason)))
		return nil
	})
	return err
}

func (e *bundle) sum(minor int64) string {
	return money.Money{Minor: minor, Currency: e.document.Currency}.String()
}

func (e *bundle) text(key order.Key) string {
	var b strings.Builder
	number := e.document.Number
	if number == "" {
		number = key.Order
	}
	fmt.Fprintf(&b, "ORDER %s\n\nPlaced: %s\nTotal: %s\nShipped to: %s\n\nGOODS\n", line(number), moment(e.document.PlacedAt),
		e.sum(e.document.Total), place(&e.shipTo))
	for i := range e.document.Lines {
		l := &e.document.Lines[i]
		title := l.Title
		if title == "" {
			title = l.SKU
		}
		fmt.Fprintf(&b, "line %d: %d x %s\n", l.Line, l.Quantity, line(title))
	}
	section(&b, "PARCELS", e.parcels, "nothing has been shipped")
	section(&b, "THE CARRIERS' SCANS", e.scans, "none")
	section(&b, "MESSAGES TO THE CUSTOMER", e.messages, "none")
	section(&b, "REFUNDS", e.backed, "none")
	return b.String()
}

func section(b *strings.Builder, title string, entries []string, none string) {
	fmt.Fprintf(b, "\n%s\n", title)
	if len(entries) == 0 {
		entries = []string{none}
	}
	for _, entry := range entries {
		b.WriteString(line(entry) + "\n")
	}
}

func place(a *supplier.Address) string {
	parts := []string{a.PostalCode, a.City, a.Country}
	known := parts[:0]
	for _, p := range parts {
		if p = strings.TrimSpace(line(p)); p != "" {
			known = append(known, p)
		}
	}
	return strings.Join(known, " ")
}

// line keeps what others wrote within its line.
func line(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}

func words(code string) string { return strings.ReplaceAll(code, "_", " ") }

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
