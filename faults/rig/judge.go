package rig

import (
	"context"
	"fmt"
	"time"

	"github.com/dropline/dropline/internal/audit"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
)

// Ending is how an order is to end: shipped whole, or cancelled and refunded whole.
type Ending struct {
	Key       order.Key
	Cancelled bool
	// Units is how many lines of one unit it has; zero: one.
	Units int64
}

// What one unit of stage.Document costs with its tax, and the shipping, in minor units.
const (
	unitPrice = 1428
	shipping  = 500
)

// judgement collects what is wrong.
type judgement struct {
	w     *World
	found []string
}

func (j *judgement) want(ok bool, format string, args ...any) {
	if !ok {
		j.found = append(j.found, fmt.Sprintf(format, args...))
	}
}

// Judge waits until the orders have ended and everybody was told, and returns what was lost or doubled by
// the partners' own books and by the audit.
func (w *World) Judge(ctx context.Context, endings ...Ending) ([]string, error) {
	j := &judgement{w: w}
	for _, e := range endings {
		state, err := w.Settled(ctx, e.Key)
		if err != nil {
			return nil, err
		}
		if e.Cancelled {
			j.cancelled(e, &state)
		} else {
			j.shipped(e, &state)
		}
		if err := w.Captured(ctx, e); err != nil {
			return nil, err
		}
	}
	if w.Payments != nil {
		if err := w.Payments.Delivered(ctx); err != nil {
			return nil, fmt.Errorf("wait until the provider's news have arrived: %w", err)
		}
	}
	if err := w.drained(ctx); err != nil {
		return nil, err
	}
	for _, e := range endings {
		j.told(e)
		j.money(e)
	}
	j.partners()
	if err := j.counts(ctx); err != nil {
		return nil, err
	}
	report, err := audit.Run(ctx, audit.Options{Pool: w.Pool, Workflows: audit.Ask(w.Temporal)})
	if err != nil {
		return nil, err
	}
	for i := range report.Outcomes {
		o := &report.Outcomes[i]
		j.want(o.Warning || o.Found == 0, "audit: %s: %v", o.Check, o.Violations)
	}
	return j.found, nil
}

func (j *judgement) shipped(e Ending, state *order.State) {
	j.want(state.Stage() == order.StageSettled, "%s is %s, not settled", e.Key, state.Stage())
	j.want(state.Refunds == 0, "%s was refunded", e.Key)
	var sent int64
	for i := range state.POs {
		po := &state.POs[i]
		book, found := j.w.Suppliers.Books.Order(po.Supplier, po.Number)
		if !found || len(book.Parcels) == 0 {
			j.want(!found || book.Cancelled, "%s stays with %s, and nothing came of it", po.Number, po.Supplier)
			continue
		}
		j.want(book.Received == 1, "%s reached %s %d times", po.Number, po.Supplier, book.Received)
		j.want(len(book.Parcels) == 1 && !book.Cancelled, "%s: %d parcels, cancelled: %v", po.Number, len(book.Parcels), book.Cancelled)
		for _, parcel := range book.Parcels {
			for _, line := range parcel.Lines {
				sent += line.Quantity
			}
		}
	}
	j.want(sent == max(e.Units, 1), "%s: %d units were sent, not %d", e.Key, sent, max(e.Units, 1))
}

func (j *judgement) cancelled(e Ending, state *order.State) {
	j.want(state.Stage() == order.StageCancelled, "%s is %s, not cancelled", e.Key, state.Stage())
	for i := range state.POs {
		po := &state.POs[i]
		book, _ := j.w.Suppliers.Books.Order(po.Supplier, po.Number)
		j.want(book.Received <= 1 && len(book.Parcels) == 0, "%s: received %d times, %d parcels", po.Number, book.Received, len(book.Parcels))
		j.want(book.Received == 0 || book.Cancelled, "%s was not given back", po.Number)
		j.want(len(book.Cancellations) <= 1, "%s was asked back under %d keys", po.Number, len(book.Cancellations))
	}
	price := unitPrice*max(e.Units, 1) + shipping
	if _, elsewhere := j.w.paid[e.Key.Order]; elsewhere {
		price = 0 // the provider gives it back
	}
	refunded := j.w.Storefront.Refunded(e.Key.Order)["EUR"]
	j.want(refunded == price, "%s: %d were refunded, not %d", e.Key, refunded, price)
}

// told checks that storefront and customer heard everything, and each thing once.
func (j *judgement) told(e Ending) {
	operation, milestone := storefrontsim.Fulfillments, "delivered"
	if e.Cancelled {
		operation, milestone = storefrontsim.Cancellations, "cancelled"
	}
	count := 0
	for _, n := range j.w.Storefront.Notices(operation) {
		if n.Order == e.Key.Order {
			count++
		}
	}
	j.want(count >= 1, "%s: the storefront was not told of its %s", e.Key, operation)
	if j.w.Mail == nil {
		return
	}
	mails := len(j.w.Mail.Told(e.Key.String(), milestone))
	j.want(mails >= 1, "%s: the customer was not told that it is %s", e.Key, milestone)
	seen := map[string]string{}
	for _, m := range j.w.Mail.Told(e.Key.String(), "") {
		j.want(seen[m.Notification] == "", "%s: the customer was told %q twice", e.Key, m.Notification)
		seen[m.Notification] = m.ID
	}
}

// partners checks what holds for all that the partners know.
func (j *judgement) partners() {
	j.want(j.w.Storefront.Conflicts() == 0, "%d keys were used twice at the storefront", j.w.Storefront.Conflicts())
	if j.w.Payments != nil {
		j.want(j.w.Payments.Conflicts() == 0, "%d keys were used twice at the payment provider", j.w.Payments.Conflicts())
	}
	for _, operation := range []storefrontsim.Operation{storefrontsim.Fulfillments, storefrontsim.Cancellations} {
		seen := map[string]bool{}
		for _, n := range j.w.Storefront.Notices(operation) {
			what := fmt.Sprint(n.Order, n.Carrier, n.Tracking, n.Reason, n.Lines)
			j.want(!seen[what], "the storefront was told twice of %s of order %s", operation, n.Order)
			seen[what] = true
		}
	}
	for supplier, books := range j.w.Suppliers.Books.Snapshot() {
		for i := range books.Orders {
			j.want(books.Orders[i].Conflicts == 0, "%s had %s with two contents", supplier, books.Orders[i].Number)
		}
		for _, hook := range books.Webhooks {
			j.want(hook.Delivered >= 1, "%s: event %s of %s never arrived", supplier, hook.Type, hook.PO)
		}
	}
}

func (j *judgement) counts(ctx context.Context) error {
	for what, query := range map[string]string{
		"documents are quarantined": `SELECT count(*) FROM documents WHERE status = 'quarantined'`,
		"messages were given up":    `SELECT count(*) FROM outbox WHERE state = 'failed'`,
	} {
		var n int
		if err := j.w.Pool.QueryRow(ctx, query).Scan(&n); err != nil {
			return fmt.Errorf("count: %w", err)
		}
		j.want(n == 0, "%d %s", n, what)
	}
	return nil
}

// Attention counts the orders that ask for a person.
func (w *World) Attention(ctx context.Context) (n int, err error) {
	err = w.Pool.QueryRow(ctx, `SELECT count(*) FROM orders WHERE needs_attention`).Scan(&n)
	return n, err
}

// lookEvery is the pause between two looks at the database: nothing tells when a row changes.
const lookEvery = 50 * time.Millisecond

// drained waits until no message waits for its courier and no document for its reader.
func (w *World) drained(ctx context.Context) error {
	return w.Await(ctx, `SELECT NOT EXISTS (SELECT FROM outbox WHERE state = 'pending')
		AND NOT EXISTS (SELECT FROM documents WHERE status = 'received')`)
}

// Await waits until a query answers true.
func (w *World) Await(ctx context.Context, query string, args ...any) error {
	for {
		var yes bool
		if err := w.Pool.QueryRow(ctx, query, args...).Scan(&yes); err != nil {
			return fmt.Errorf("wait until %s: %w", query, err)
		}
		if yes {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", query, ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}
