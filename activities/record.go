package activities

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/postgres"
)

// RecordProgress brings Postgres up to what the order has decided: its snapshot, the units of its
// purchase orders with their reservations, and the messages that follow. Running it twice changes
// nothing.
func (o *Orders) RecordProgress(ctx context.Context, s order.State) error {
	err := postgres.Do(ctx, o.Pool, func(_ context.Context, w *postgres.Work) error {
		return record(w, &s, s.Notices)
	})
	if err != nil {
		return fmt.Errorf("record order %s: %w", s.Key, err)
	}
	return nil
}

// record queues what the snapshot says. The number of statements does not grow with the order. The
// order's row comes first, as everywhere: it keeps others out until the transaction ends.
// notices are those of its decisions that are told now: the workflow has taken them.
func record(w ledgerbook.Queue, s *order.State, notices []order.Notice) error {
	err := recordBesidesLines(w, s, notices)
	recordLines(w, s)
	return err
}

// recordBesidesLines is for a snapshot that does not know all purchase orders: units that are
// cancelled since may still be live with one, and are recorded together with it.
func recordBesidesLines(w ledgerbook.Queue, s *order.State, notices []order.Notice) error {
	snapshot, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode the state of order %s: %w", s.Key, err)
	}
	// A message that was given up asks for a person, whatever the order itself asks for.
	w.Queue(`UPDATE orders SET state = $2, stage = $3,
		needs_attention = $4 OR EXISTS (SELECT FROM outbox WHERE order_key = $1 AND state = 'failed'),
		closed_at = CASE WHEN $5 THEN coalesce(closed_at, now()) ELSE NULL END WHERE key = $1`,
		s.Key.String(), snapshot, string(s.Stage()), len(s.Attention) > 0, s.Settled)
	if err := recordPurchaseOrders(w, s); err != nil {
		return err
	}
	return recordNotices(w, s.Key, notices)
}

func recordLines(w ledgerbook.Queue, s *order.State) {
	lines, cancelled := make([]int, 0, len(s.Lines)), make([]int64, 0, len(s.Lines))
	for i := range s.Lines {
		lines, cancelled = append(lines, s.Lines[i].Line), append(cancelled, s.Lines[i].Cancelled)
	}
	w.Queue(`UPDATE order_lines l SET cancelled = n.cancelled
		FROM unnest($2::int[], $3::bigint[]) AS n (line, cancelled)
		WHERE l.order_key = $1 AND l.line = n.line AND l.cancelled <> n.cancelled`, s.Key.String(), lines, cancelled)
}

// recordPurchaseOrders writes status and units, and moves the reservations with them: what left the
// purchase order frees the supplier's stock, what shipped uses it up, each once, because the change
// is the difference to what the row held.
func recordPurchaseOrders(w ledgerbook.Queue, s *order.State) error {
	if len(s.POs) == 0 {
		return nil
	}
	var numbers, statuses, lineNumbers, units []string
	var lines []int
	var live, open, out, costs []int64
	for i := range s.POs {
		po := &s.POs[i]
		numbers, statuses = append(numbers, po.Number), append(statuses, po.Status())
		for j := range po.Lines {
			pl := &po.Lines[j]
			encoded, err := json.Marshal(pl.Units)
			if err != nil {
				return fmt.Errorf("encode the units of %s: %w", po.Number, err)
			}
			shipped := pl.Units.Labelled + pl.Units.Shipped + pl.Units.Terminal()
			lineNumbers, lines = append(lineNumbers, po.Number), append(lines, pl.Line)
			live, open = append(live, pl.Units.Live()), append(open, pl.Units.Live()-shipped)
			out, costs, units = append(out, shipped), append(costs, pl.UnitCost), append(units, string(encoded))
		}
	}
	// A snapshot taken before a send was answered must not hide that it was.
	w.Queue(`UPDATE purchase_orders p SET status = CASE
			WHEN p.submitted_at IS NOT NULL AND n.status IN ('created', 'sending', 'delivery_unknown') THEN 'submitted'
			ELSE n.status END
		FROM unnest($1::text[], $2::text[]) AS n (number, status) WHERE p.number = n.number AND p.status <> n.status`, numbers, statuses)
	w.Queue(recordUnitsSQL, lineNumbers, lines, live, open, out, costs, units)
	return nil
}

// Only lines that differ are touched. Units that had been given up and that a parcel brings all the same are wanted
// again: the parcel is looked at anew, because nobody was told of its scans as long as they were not. The offers are locked in the order in which everyone locks
// them, before the first is changed.
const recordUnitsSQL = `
	WITH n AS (
		SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
			AS n (number, line, live, open, shipped, unit_cost, units)
	), was AS (
		SELECT n.*, l.sku, p.supplier, l.reserved, l.live AS was_live,
			coalesce((l.units->>'labelled')::bigint, 0) + coalesce((l.units->>'shipped')::bigint, 0)
			+ coalesce((l.units->>'delivered')::bigint, 0) + coalesce((l.units->>'returned')::bigint, 0)
			+ coalesce((l.units->>'lost')::bigint, 0) AS was_shipped
		FROM n JOIN purchase_order_lines l USING (number, line) JOIN purchase_orders p USING (number)
		WHERE (l.live, l.reserved, l.unit_cost, l.units) IS DISTINCT FROM (n.live, n.open, n.unit_cost, n.units::jsonb)
	), moved AS (
		UPDATE purchase_order_lines l SET live = was.live, reserved = was.open, units = was.units::jsonb, unit_cost = was.unit_cost
		FROM was WHERE l.number = was.number AND l.line = was.line
	), wanted AS (
		UPDATE parcels b SET next_check_at = now(), untold = true FROM was
		WHERE was.live > was.was_live AND b.po_number = was.number AND b.first_scan_at IS NOT NULL
	), change AS (
		SELECT supplier, sku, sum(reserved - open) AS freed, sum(shipped - was_shipped) AS used
		FROM was GROUP BY supplier, sku HAVING sum(reserved - open) <> 0 OR sum(shipped - was_shipped) <> 0
	), locked AS (
		SELECT supplier, sku, freed, used FROM offers o JOIN change USING (supplier, sku)
		ORDER BY sku COLLATE "C", supplier COLLATE "C" FOR NO KEY UPDATE OF o
	)
	UPDATE offers o SET reserved = greatest(o.reserved - locked.freed, 0), on_hand = greatest(o.on_hand - locked.used, 0)
	FROM locked WHERE o.supplier = locked.supplier AND o.sku = locked.sku`

func recordNotices(w ledgerbook.Queue, key order.Key, notices []order.Notice) error {
	var messages []outbox.Message
	for i := range notices {
		n := &notices[i]
		add := func(channel outbox.Channel, kind string) {
			messages = append(messages, outbox.Message{
				Key: string(channel) + "/" + key.String() + "/" + n.Key, OrderKey: key.String(), Channel: channel, Kind: kind,
				Payload: outbox.Payload{PO: n.PO, Lines: n.Lines},
			})
		}
		switch n.Kind {
		case order.NoticeReminder:
			add(outbox.SupplierMail, string(n.Kind))
		case order.NoticeCancelled:
			add(outbox.CustomerMail, string(n.Kind))
			add(outbox.Storefront, outbox.KindCancelled)
		case order.NoticeBackordered, order.NoticeLost:
			add(outbox.CustomerMail, string(n.Kind))
		}
	}
	return queueMessages(w, messages...)
}

// queueMessages puts messages into the outbox with the step that causes them. One whose key was used
// before is left out.
func queueMessages(w ledgerbook.Queue, messages ...outbox.Message) error {
	if len(messages) == 0 {
		return nil
	}
	var keys, orders, channels, kinds, payloads []string
	for _, m := range messages {
		payload, err := json.Marshal(m.Payload)
		if err != nil {
			return fmt.Errorf("encode message %s: %w", m.Key, err)
		}
		keys, orders, channels = append(keys, m.Key), append(orders, m.OrderKey), append(channels, string(m.Channel))
		kinds, payloads = append(kinds, m.Kind), append(payloads, string(payload))
	}
	w.Queue(`INSERT INTO outbox (key, order_key, channel, kind, payload)
		SELECT key, order_key, channel, kind, payload::jsonb
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS m (key, order_key, channel, kind, payload)
		ON CONFLICT (key) DO NOTHING`, keys, orders, channels, kinds, payloads)
	return nil
}
