package audit

// Invariants 12 to 14: effects, facts and messages.
var messages = []statement{
	{
		invariant: 12, name: "nobody is in doubt about an effect for long",
		of: "effects",
		find: `SELECT e.order_key, format('%s is %s since %s after %s attempts, and nobody was asked to look', e.key,
				CASE e.state WHEN 'trying' THEN 'under way' WHEN 'unknown' THEN 'without an answer' ELSE 'not sent' END,
				to_char(e.last_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), e.attempts)
			FROM effects e JOIN orders o ON o.key = e.order_key
			WHERE e.state <> 'done' AND e.last_at < now() - interval '1 hour' AND o.closed_at IS NULL AND NOT o.needs_attention
				AND NOT (e.kind IN ('refund', 'store_credit') AND (e.state = 'not_sent'
					OR EXISTS (SELECT FROM payments p WHERE p.order_key = e.order_key AND p.needs_attention)
					OR EXISTS (SELECT FROM returns b WHERE b.order_key = e.order_key AND b.needs_attention)
					OR EXISTS (SELECT FROM refund_decisions d WHERE d.refund = e.key)))`,
		do: "See in the Temporal UI which step is pending and why; ask the partner what it holds under the key.",
	},
	{
		invariant: 12, name: "each effect that is done says how it ended",
		of: "effects WHERE state = 'done'",
		find: `SELECT order_key, format('%s is done and has no result', key) FROM effects
			WHERE state = 'done' AND (result IS NULL OR result = 'null')`,
		do: "Report it as a defect: a repeat of the step could not give the first answer.",
	},
	{
		invariant: 12, name: "documents are read when they are due",
		of: "documents WHERE status = 'received'",
		find: `SELECT coalesce(order_key, ''), format('document %s from %s (%s) is due since %s and unread', id, source, kind,
				to_char(next_attempt_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
			FROM documents WHERE status = 'received' AND next_attempt_at < now() - @grace::interval`,
		do: "Check that a worker or a gateway runs and reaches the database; each reads documents.",
	},
	{
		invariant: 12, name: "each quarantined document says why",
		of: "documents WHERE status = 'quarantined'",
		find: `SELECT coalesce(order_key, ''), format('document %s from %s is in quarantine without a reason', id, source)
			FROM documents WHERE status = 'quarantined' AND (reason_code = '' OR reason = '')`,
		do: "Read it (starter inbox show) and retry it.",
	},
	{
		invariant: 12, name: "no document waits in quarantine", warning: true,
		of: "documents WHERE status = 'quarantined'",
		find: `SELECT coalesce(order_key, ''), format('document %s from %s: %s', id, source, replace(reason_code, '_', ' '))
			FROM documents WHERE status = 'quarantined'`,
		do: "starter inbox show NUMBER says what to do; then retry or dismiss it.",
	},
	{
		invariant: 12, name: "only documents that were applied have facts, each fact once",
		of: "facts WHERE document_id IS NOT NULL",
		find: `SELECT f.order_key, format('fact %s came from document %s, which is %s', f.seq, d.id, d.status)
			FROM facts f JOIN documents d ON d.id = f.document_id WHERE d.status <> 'applied'
			UNION ALL
			SELECT order_key, format('document %s told the order the same %s times', document_id, count(*)) FROM facts
			WHERE document_id IS NOT NULL GROUP BY order_key, document_id, body - 'seq' HAVING count(*) > 1`,
		do: "Report it as a defect. The order ignores repeats by their number only.",
	},
	{
		invariant: 13, name: "facts are numbered without gaps",
		of: "orders WHERE fact_seq > 0",
		find: `SELECT o.key, format('%s facts, the newest is %s, the order counts %s', coalesce(f.n, 0), coalesce(f.newest, 0), o.fact_seq)
			FROM orders o LEFT JOIN (SELECT order_key, count(*) AS n, max(seq) AS newest FROM facts GROUP BY 1) f ON f.order_key = o.key
			WHERE (o.fact_seq, o.fact_seq) IS DISTINCT FROM (coalesce(f.n, 0), coalesce(f.newest, 0)) OR o.delivered_seq > o.fact_seq`,
		do: "A fact was lost or added by hand. Restore facts from the backup.",
	},
	{
		invariant: 13, name: "a delivered parcel stays delivered",
		of: "facts WHERE kind = 'parcel_delivered'",
		find: `SELECT f.order_key, format('parcel %s was told as delivered and stands as %s', p.tracking, replace(p.milestone, '_', ' '))
			FROM facts f JOIN parcels p ON p.order_key = f.order_key
				AND p.carrier = f.body -> 'parcel' ->> 'carrier' AND p.tracking = f.body -> 'parcel' ->> 'tracking'
			WHERE f.kind = 'parcel_delivered' AND p.milestone NOT IN ('delivered', 'returning')`,
		do: "Look at its scans (starter show ORDER --timeline) and ask the carrier.",
	},
	{
		invariant: 13, name: "orders and purchase orders are in declared states",
		of: "orders",
		find: `SELECT key, format('the stage is %s', quote_literal(left(stage, 30))) FROM orders
			WHERE stage NOT IN ('received', 'held', 'backordered', 'dispatched', 'acknowledged', 'shipped', 'delivered', 'settled', 'cancelled')
			UNION ALL
			SELECT order_key, format('%s is %s', number, quote_literal(left(status, 30))) FROM purchase_orders
			WHERE status NOT IN ('created', 'sending', 'delivery_unknown', 'failed', 'submitted', 'acknowledged', 'shipping', 'shipped',
				'complete', 'rejected', 'cancel_requested', 'cancelled')`,
		do: "The database was changed by hand, or by a newer version: run this version's audit.",
	},
	{
		invariant: 14, name: "each customer was told once that the order was placed",
		of: "orders",
		find: `SELECT o.key, format('%s confirmations', coalesce(m.n, 0)) FROM orders o
			LEFT JOIN (SELECT order_key, count(*) AS n FROM outbox WHERE channel = 'customer_mail' AND kind IN ('placed', 'exchanged') GROUP BY 1) m ON m.order_key = o.key
			WHERE coalesce(m.n, 0) <> 1`,
		do: "None: write to the customer. Several: report it as a defect.",
	},
	{
		invariant: 14, name: "nobody was told the same twice",
		of: "outbox",
		find: `SELECT order_key, format('%s messages to the %s say %s with the same content', count(*), replace(channel, '_', ' '), replace(kind, '_', ' '))
			FROM outbox WHERE kind IN ('placed', 'shipped', 'out_for_delivery', 'delivered', 'fulfilled') GROUP BY order_key, channel, kind, payload HAVING count(*) > 1
			UNION ALL
			SELECT m.order_key, format('%s messages about refunds, %s refunds were made', m.n, coalesce(r.n, 0) + over.n)
			FROM (SELECT order_key, count(*) AS n FROM outbox WHERE kind = 'refunded' GROUP BY 1) m
			LEFT JOIN (SELECT order_key, count(*) AS n FROM refunds WHERE state = 'done' GROUP BY 1) r ON r.order_key = m.order_key
			CROSS JOIN LATERAL (SELECT count(*) AS n FROM payments p, jsonb_array_elements(p.state -> 'refunds') back
				WHERE p.order_key = m.order_key AND starts_with(back ->> 'key', 'overpaid/')) over -- of what was paid too much
			WHERE m.n > coalesce(r.n, 0) + over.n`,
		do: "Report it as a defect: a message's key names what it says.",
	},
	{
		invariant: 14, name: "nobody was told of a delivery or a shipment without a scan",
		of: "outbox WHERE kind IN ('shipped', 'out_for_delivery', 'delivered', 'fulfilled')",
		find: `SELECT m.order_key, format('told %s about parcel %s, of which %s', replace(m.kind, '_', ' '), m.payload ->> 'tracking',
				CASE WHEN m.kind = 'delivered' THEN 'no scan says that it was delivered' ELSE 'there is no scan' END)
			FROM outbox m
			WHERE m.kind IN ('shipped', 'out_for_delivery', 'delivered', 'fulfilled') AND NOT EXISTS (
				SELECT 1 FROM parcels p WHERE p.order_key = m.order_key AND p.tracking = m.payload ->> 'tracking' AND p.first_scan_at IS NOT NULL
					AND (m.kind <> 'delivered' OR EXISTS (SELECT 1 FROM tracking_events e
						WHERE e.carrier = p.carrier AND e.tracking = p.tracking AND e.status ILIKE 'delivered%')))`,
		do: "Tell the customer the truth, and report it as a defect.",
	},
	{
		invariant: 14, name: "nobody was told of a cancellation that was not made",
		of: "outbox WHERE kind = 'cancelled'",
		find: `SELECT m.order_key, 'told of a cancellation, and no unit is cancelled' FROM outbox m
			WHERE m.kind = 'cancelled' AND NOT EXISTS (SELECT 1 FROM order_lines l WHERE l.order_key = m.order_key AND l.cancelled > 0)`,
		do: "Tell the customer the truth, and report it as a defect.",
	},
	{
		invariant: 14, name: "each customer was told of a delivery",
		of: "parcels WHERE milestone = 'delivered'",
		find: `SELECT p.order_key, format('parcel %s was delivered, and the customer was not told', p.tracking)
			FROM parcels p JOIN purchase_orders o ON o.number = p.po_number
			WHERE p.milestone = 'delivered' AND o.status IN ('shipping', 'shipped', 'complete')
				AND NOT EXISTS (SELECT 1 FROM orders c, jsonb_array_elements(coalesce(nullif(c.state -> 'cases', 'null'), '[]')) e
					WHERE c.key = p.order_key AND e ->> 'tracking' = p.tracking) -- nobody waited for it
				AND NOT EXISTS (SELECT 1 FROM outbox m WHERE m.order_key = p.order_key AND m.channel = 'customer_mail'
					AND m.kind = 'delivered' AND m.payload ->> 'tracking' = p.tracking)`,
		do: "Write to the customer.",
	},
}
