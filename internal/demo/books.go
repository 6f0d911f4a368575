package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
)

// ourBooks are what our tables hold of an order, one text column each. Ids and times are left out:
// they are another's in each telling. So is how far a parcel came that nobody waits for, and who was
// asked to stop it: how its case ends is the same, however soon somebody asks.
var ourBooks = []struct{ of, read string }{
	{"line", `SELECT concat_ws(' ', line, sku, quantity, cancelled) FROM order_lines WHERE order_key = $1`},
	{"purchase order", `SELECT concat_ws(' ', number, supplier, status) FROM purchase_orders WHERE order_key = $1`},
	{"purchase order line", `SELECT concat_ws(' ', number, line, quantity, live, reserved, unit_cost, units) FROM purchase_order_lines WHERE order_key = $1`},
	{"parcel", `SELECT concat_ws(' ', p.po_number, p.carrier, p.lines, CASE WHEN live > 0 THEN p.milestone END) FROM parcels p
		JOIN (SELECT number, sum(live) AS live FROM purchase_order_lines GROUP BY number) l ON l.number = p.po_number WHERE p.order_key = $1`},
	{"balance", `SELECT concat_ws(' ', e.account, e.currency, sum(e.minor)) FROM ledger_transactions t
		JOIN ledger_entries e ON e.transaction_id = t.id WHERE t.order_key = $1 GROUP BY e.account, e.currency HAVING sum(e.minor) <> 0`},
	// Whether an invoice was missing, or disputed, for a while depends on when it came.
	{"posting", `SELECT concat_ws(' ', t.kind, e.account, e.currency, e.minor) FROM ledger_transactions t
		JOIN ledger_entries e ON e.transaction_id = t.id WHERE t.order_key = $1 AND t.kind NOT IN ('claim_opened', 'claim_closed')`},
	{"claim", `SELECT concat_ws(' ', kind, account, currency, minor, owner) FROM claims WHERE order_key = $1 AND closed_at IS NULL`},
	{"refund", `SELECT concat_ws(' ', n, part, amount_minor, reason, state) FROM refunds WHERE order_key = $1`},
	// How an effect is known to have ended depends on who speaks first, the supplier's answer or its webhook.
	{"effect", `SELECT concat_ws(' ', key, kind, CASE state WHEN 'done' THEN 'ended' WHEN 'unknown' THEN 'ended' ELSE state END)
		FROM effects WHERE order_key = $1 AND kind <> 'intercept'`},
	{"invoice", `SELECT concat_ws(' ', po_number, currency, total, standing) FROM supplier_invoices WHERE order_key = $1`},
	{"payment", `SELECT concat_ws(' ', standing, authorised_minor, captured_minor, moved_minor, disputed, stage, needs_attention) FROM payments WHERE order_key = $1`},
	{"provider's refund", `SELECT concat_ws(' ', refund_key, try, amount_minor, status) FROM provider_refunds WHERE order_key = $1`},
	{"chargeback", `SELECT concat_ws(' ', amount_minor, opened, closed, won) FROM disputes WHERE order_key = $1`},
	{"documents in quarantine", `SELECT count(*)::text FROM documents WHERE order_key = $1 AND status = 'quarantined'`},
}

// quiet waits until everything that suppliers and provider have to say of the order has been taken in, has been read,
// and has been settled with: an invoice, or a scan, may come after the end of the story.
func (p *play) quiet(ctx context.Context) error {
	if err := p.world.partners.provider.Delivered(ctx); err != nil {
		return fmt.Errorf("wait until the payment provider has told all of order %s: %w", p.story.key, err)
	}
	for {
		var unread int
		err := p.world.pool.QueryRow(ctx, `
			SELECT (SELECT count(*) FROM documents WHERE status = 'received')
				+ (SELECT count(*) FROM orders WHERE fact_seq > coalesce((state ->> 'lastFact')::bigint, 0) OR closed_at IS NULL)
				+ (SELECT count(*) FROM payments WHERE fact_seq > coalesce((state ->> 'lastFact')::bigint, 0) OR closed_at IS NULL AND started_at IS NOT NULL)`).Scan(&unread)
		if err != nil {
			return fmt.Errorf("wait until nothing more is heard of order %s: %w", p.story.key, err)
		}
		if unread == 0 && p.unsaid() == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until nothing more is heard of order %s: %d documents unread, %d unsaid", p.story.key, unread, p.unsaid())
		case <-time.After(lookEvery):
		}
	}
}

// unsaid counts the documents about the order that its suppliers have not got rid of.
func (p *play) unsaid() (n int) {
	root := strings.TrimSuffix(p.story.key.PurchaseOrderNumber(1), "1")
	for _, books := range p.world.partners.suppliers.Books.Snapshot() {
		for i := range books.Webhooks {
			if hook := &books.Webhooks[i]; strings.HasPrefix(hook.PO, root) && hook.Delivered == 0 && !hook.Abandoned {
				n++
			}
		}
	}
	return n
}

// books writes down what everybody holds of the order, in lines that are the same whenever the story
// ended the same way.
func (p *play) books(ctx context.Context) ([]string, error) {
	b := &ledgers{play: p}
	recorded, err := orderview.Stand(ctx, p.world.pool, p.story.key)
	if err != nil {
		return nil, err
	}
	b.state(&recorded.State)
	for _, table := range ourBooks {
		rows, err := p.world.pool.Query(ctx, table.read, p.story.key.String())
		if err != nil {
			return nil, fmt.Errorf("read the books of order %s: %w", p.story.key, err)
		}
		entries, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, fmt.Errorf("read the books of order %s (%s): %w", p.story.key, table.of, err)
		}
		for _, entry := range entries {
			b.add(table.of, "%s", entry)
		}
	}
	if err := b.outbox(ctx); err != nil {
		return nil, err
	}
	b.suppliers(&recorded.State)
	b.storefront()
	b.provider()
	b.mails()
	slices.Sort(b.lines)
	return b.lines, nil
}

type ledgers struct {
	play  *play
	lines []string
}

// add notes a line under names that every telling shares.
func (b *ledgers) add(of, format string, args ...any) {
	key := b.play.story.key
	first := key.PurchaseOrderNumber(1)
	names := strings.NewReplacer(key.String(), "ORDER", strings.TrimSuffix(first, "-1"), "PO", key.Order, "ORDER")
	b.lines = append(b.lines, of+": "+names.Replace(fmt.Sprintf(format, args...)))
}

func (b *ledgers) state(s *order.State) {
	b.add("order", "%s, settled %v, breached %v, refunds %d, captured %d, refunded %d, decisions %d",
		s.Stage(), s.Settled, s.Breached(), s.Refunds, s.Money.Captured, s.Money.Refunded, s.Supply.Decisions)
	for _, l := range s.Lines {
		b.add("state of line", "%d: ordered %d, unassigned %d, cancelled %d, refunded %d", l.Line, l.Ordered, l.Unassigned, l.Cancelled, l.Refunded)
	}
	for i := range s.POs {
		po := &s.POs[i]
		for _, l := range po.Lines {
			b.add("state of purchase order", "%s of %s, line %d: %s", po.Number, po.Supplier, l.Line, plain(l.Units))
		}
	}
	for i := range s.Cases {
		c := &s.Cases[i]
		b.add("case", "%s: %s", c.Status, plain(c.Lines))
	}
}

func plain(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// outbox lists the messages that every telling has: what the story leaves open may be overtaken.
func (b *ledgers) outbox(ctx context.Context) error {
	rows, err := b.play.world.pool.Query(ctx, `SELECT channel, kind, state FROM outbox WHERE order_key = $1 AND kind <> 'claim_asked'`, b.play.story.key.String())
	if err != nil {
		return fmt.Errorf("read the outbox: %w", err)
	}
	open := b.play.story.want.messages()
	var channel, kind, state string
	_, err = pgx.ForEachRow(rows, []any{&channel, &kind, &state}, func() error {
		if bounds, told := open[kind]; channel != "customer_mail" || told && bounds.least == bounds.most {
			b.add("message", "%s to %s: %s", kind, channel, state)
		}
		return nil
	})
	return err
}

func (b *ledgers) suppliers(s *order.State) {
	ours := map[string]bool{}
	for i := range s.POs {
		ours[s.POs[i].Number] = true
	}
	books := b.play.world.partners.suppliers.Books.Snapshot()
	for _, id := range slices.Sorted(maps.Keys(books)) {
		for i := range books[id].Orders {
			if o := &books[id].Orders[i]; ours[o.Number] || strings.HasPrefix(o.Number, strings.TrimSuffix(b.play.story.key.PurchaseOrderNumber(1), "1")) {
				b.supplier(id, o)
			}
		}
	}
}

func (b *ledgers) supplier(id string, o *suppliersim.Order) {
	b.add(id, "%s: taken %v, cancelled %v, fenced %v, conflicts %d", o.Number, o.Received > 0, o.Cancelled, o.Fenced, o.Conflicts)
	for _, l := range o.Lines {
		b.add(id, "%s line %d: %d of %s at %d, gave back %d", o.Number, l.Line, l.Quantity, l.SKU, l.UnitCost, l.CancelledUnits)
	}
	for i := range o.Parcels {
		parcel := &o.Parcels[i]
		b.add(id, "%s parcel of %s, label only %v, after cancelling %v",
			o.Number, plain(parcel.Lines), parcel.LabelOnly, parcel.AfterCancel)
	}
	for _, r := range o.Cancellations {
		b.add(id, "%s cancellation of %s: %s", o.Number, plain(r.Lines), r.Outcome)
	}
	for i := range o.Invoices {
		b.add(id, "%s invoice of %s %s", o.Number, o.Invoices[i].Total, o.Invoices[i].Currency)
	}
}

func (b *ledgers) storefront() {
	key := b.play.story.key
	shop := b.play.world.partners.storefronts[key.Storefront]
	for _, operation := range []storefrontsim.Operation{storefrontsim.Fulfillments, storefrontsim.Cancellations, storefrontsim.Refunds, storefrontsim.RefundNotices} {
		for _, n := range shop.Notices(operation) {
			if n.Order == key.Order {
				b.add("storefront", "%s: %s, %d %s, %s %s", operation, plain(n.Lines), n.Amount, n.Currency, n.Reason, n.Standing)
			}
		}
	}
	b.add("storefront", "keys used for two things: %d", shop.Conflicts())
}

// mails lists what the customer has certainly to be told, as their mail program shows it.
func (b *ledgers) mails() {
	story := b.play.story
	bounds := story.want.messages()
	for _, m := range b.play.world.partners.mail.Told(story.key.String(), "") {
		if bound, told := bounds[m.Milestone]; !told || bound.least == bound.most {
			b.add("mail", "%s: %s", m.Milestone, m.Subject)
		}
	}
}
