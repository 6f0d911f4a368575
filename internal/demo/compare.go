package demo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
)

// compare lists what differs between how the order stands and how it must end: in Postgres, in the
// API, and in the books of suppliers, storefront, payment provider and mail server.
func (p *play) compare(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	d := &differences{}
	recorded, err := orderview.Stand(ctx, p.world.pool, p.story.key)
	if err != nil {
		return []string{err.Error()}
	}
	if recorded.ClosedAt.IsZero() {
		return []string{stillOpen, fmt.Sprintf("it is %s", recorded.State.Stage())}
	}
	p.compareState(d, &recorded.State)
	p.compareSuppliers(d, &recorded.State)
	p.compareMessages(ctx, d)
	p.compareMoney(d)
	p.comparePayment(ctx, d)
	p.compareReturns(ctx, d)
	p.compareClaims(ctx, d)
	p.comparePaid(ctx, d)
	if len(d.list) == 0 { // the API is asked last and least often
		p.compareView(ctx, d)
	}
	return d.list
}

// The differences of an order that has not ended, and of a message that has not left.
const (
	stillOpen    = "the order is still open"
	stillPending = " is still to be sent"
)

type differences struct{ list []string }

func (d *differences) add(format string, args ...any) {
	d.list = append(d.list, fmt.Sprintf(format, args...))
}

// same notes a difference between two values of one kind.
func same[T comparable](d *differences, what string, got, want T) {
	if got != want {
		d.add("%s: %v, told was %v", what, got, want)
	}
}

func (p *play) compareState(d *differences, s *order.State) {
	want := &p.story.want
	same(d, "stage", s.Stage(), want.stage)
	same(d, "SLA breached", s.Breached(), want.breached)
	same(d, "matters waiting for a person", len(s.Attention), 0)
	if err := s.Check(); err != nil {
		d.add("%v", err)
	}
	if len(s.Lines) != len(want.lines) {
		d.add("%d lines, told were %d", len(s.Lines), len(want.lines))
		return
	}
	for i, l := range s.Lines {
		var got fate
		got.cancelled = l.Cancelled
		for j := range s.POs {
			for _, pl := range s.POs[j].Lines {
				if pl.Line == l.Line {
					got.delivered += pl.Units.Delivered
					got.lost += pl.Units.Lost
				}
			}
		}
		same(d, fmt.Sprintf("line %d delivered", l.Line), got.delivered, want.lines[i].delivered)
		same(d, fmt.Sprintf("line %d cancelled", l.Line), got.cancelled, want.lines[i].cancelled)
		same(d, fmt.Sprintf("line %d lost", l.Line), got.lost, want.lines[i].lost)
	}
	same(d, "cases", len(s.Cases), len(want.cases))
	for i := range min(len(s.Cases), len(want.cases)) {
		same(d, "case "+s.Cases[i].Key, s.Cases[i].Status, want.cases[i])
	}
}

// compareSuppliers holds our purchase orders against the suppliers' own books.
func (p *play) compareSuppliers(d *differences, s *order.State) {
	want := p.story.want.orders
	same(d, "purchase orders", len(s.POs), len(want))
	for i := range min(len(s.POs), len(want)) {
		po, w := &s.POs[i], want[i]
		at := "purchase order " + po.Number
		same(d, at+" supplier", po.Supplier, w.supplier)
		same(d, at+" live units", po.Live(), w.live)
		book, known := p.world.partners.suppliers.Books.Order(po.Supplier, po.Number)
		if !known {
			d.add("%s is not in the books of %s", at, po.Supplier)
			continue
		}
		same(d, at+" reached "+po.Supplier+" times", book.Received, 1)
		same(d, at+" cancelled at "+po.Supplier, book.Cancelled, w.cancelled)
		same(d, at+" units that left "+po.Supplier, unitsSent(&book), w.sent)
		ordered, gaveBack := unitsOrdered(&book)
		if w.cancelled {
			w.gaveBack = ordered
		}
		same(d, at+" units that "+po.Supplier+" gave back", gaveBack, w.gaveBack)
		same(d, at+" cancellations at "+po.Supplier, len(book.Cancellations), w.asked)
	}
}

// unitsOrdered counts what was ordered of a supplier and how much of that it gave back.
func unitsOrdered(o *suppliersim.Order) (ordered, gaveBack int64) {
	for _, l := range o.Lines {
		ordered += l.Quantity
		gaveBack += l.CancelledUnits
	}
	return ordered, gaveBack
}

// unitsSent counts what really left: a label is not a shipment.
func unitsSent(o *suppliersim.Order) int64 {
	var n int64
	for _, parcel := range o.Parcels {
		if parcel.LabelOnly {
			continue
		}
		for _, l := range parcel.Lines {
			n += l.Quantity
		}
	}
	return n
}

// compareMessages holds the outbox and the mail server's books against what was to be told.
func (p *play) compareMessages(ctx context.Context, d *differences) {
	rows, err := p.world.pool.Query(ctx, `SELECT channel, kind, state FROM outbox WHERE order_key = $1 ORDER BY id`, p.story.key.String())
	if err != nil {
		d.add("read the outbox: %v", err)
		return
	}
	var channel outbox.Channel
	var kind, state string
	reminders := 0
	_, err = pgx.ForEachRow(rows, []any{&channel, &kind, &state}, func() error {
		switch {
		case state == "pending":
			d.add("the %s message to %s"+stillPending, kind, channel)
		case state == "failed":
			d.add("the %s message to %s was given up", kind, channel)
		case channel == outbox.SupplierMail && kind != outbox.KindClaimAsked:
			reminders++
		}
		return nil
	})
	if err != nil {
		d.add("read the outbox: %v", err)
	}
	same(d, "reminders", reminders, p.story.want.reminders)

	got := map[string]int{}
	for _, m := range p.world.partners.mail.Told(p.story.key.String(), "") {
		got[m.Milestone]++
		if m.To != p.story.email() {
			d.add("the %s mail went to somebody else", m.Milestone)
		}
	}
	want := p.story.want.messages()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if n := got[name]; n < want[name].least || n > want[name].most {
			d.add("the customer was told %q %d times, told was %d to %d", name, n, want[name].least, want[name].most)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, expected := want[name]; !expected {
			d.add("the customer was told %q, which is not part of the story", name)
		}
	}
}

// compareMoney holds the storefront's books against the story.
func (p *play) compareMoney(d *differences) {
	shop := p.world.partners.storefronts[p.story.key.Storefront]
	refunded := p.story.want.refunded
	if p.story.want.paid != nil {
		refunded = 0 // the provider refunds
	}
	same(d, "refunded by the storefront's books", shop.Refunded(p.story.key.Order)[currency], refunded)
	var delivered, told int64
	for _, l := range p.story.want.lines {
		delivered += l.delivered + l.lost
	}
	for _, n := range shop.Notices(storefrontsim.Fulfillments) {
		if n.Order == p.story.key.Order {
			for _, l := range n.Lines {
				told += l.Quantity
			}
		}
	}
	same(d, "units the storefront was told are on their way", told, delivered)
}

// compareView holds what the API shows against the story.
func (p *play) compareView(ctx context.Context, d *differences) {
	view, err := p.world.show(ctx, p.story.key)
	if err != nil {
		d.add("%v", err)
		return
	}
	same(d, "stage in the API", view.Stage, string(p.story.want.stage))
	same(d, "refunded in the API", view.Refunded, amount(p.story.want.refunded))
	captured := p.story.total()
	if p.story.want.paid != nil {
		captured = p.story.want.paid.captured
	}
	same(d, "captured in the API", view.Captured, amount(captured))
	same(d, "purchase orders in the API", len(view.PurchaseOrders), len(p.story.want.orders))
	same(d, "cases in the API", len(view.Cases), len(p.story.want.cases))
	same(d, "needs attention in the API", view.NeedsAttention, false)
	for _, r := range view.Refunds {
		same(d, fmt.Sprintf("refund %d in the API", r.Number), r.State, "done")
	}
}

// compareBooks looks for what no story tells: a purchase order that only a supplier knows, an order
// that only we know, a key that a storefront was given twice for different things.
func (w *world) compareBooks(ctx context.Context, plays []*play) []string {
	d := &differences{}
	ours := map[string]bool{}
	rows, err := w.pool.Query(ctx, `SELECT number FROM purchase_orders`)
	if err != nil {
		return []string{err.Error()}
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return []string{err.Error()}
	}
	for _, number := range numbers {
		ours[number] = true
	}
	books := w.partners.suppliers.Books.Snapshot()
	for _, id := range slices.Sorted(maps.Keys(books)) {
		for i := range books[id].Orders {
			if o := &books[id].Orders[i]; !ours[o.Number] {
				d.add("%s holds purchase order %s, which is not ours", id, o.Number)
			}
		}
	}
	for _, id := range storefrontIDs {
		same(d, "keys used for two things at "+id, w.partners.storefronts[id].Conflicts(), 0)
	}
	same(d, "keys used for two things at the payment provider", w.partners.provider.Conflicts(), 0)
	var orders, quarantined int
	err = w.pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM orders WHERE exchange_of IS NULL), (SELECT count(*) FROM documents WHERE status = 'quarantined')`).
		Scan(&orders, &quarantined)
	if err != nil {
		return append(d.list, err.Error())
	}
	same(d, "orders in the database", orders, len(plays))
	same(d, "documents in quarantine", quarantined, 0)
	return d.list
}
