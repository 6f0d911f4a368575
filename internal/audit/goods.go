package audit

// Invariants 1 to 6: goods.
var goods = []statement{
	{
		invariant: 1, name: "the units of each purchase-order line add up",
		of: "purchase_order_lines",
		find: `SELECT order_key, format('%s line %s: quantity %s, but its states add up to %s, %s of them live (recorded: %s)',
				number, line, quantity, total, total - gone, live)
			FROM (SELECT l.*, (SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(units)) AS total,
				(SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(units) WHERE key IN ('cancelled', 'rejected', 'rerouted')) AS gone
				FROM purchase_order_lines l) l
			WHERE total <> quantity OR live <> total - gone`,
		do: "Units were lost or made up. Stop the order's suppliers by hand, compare with starter show, and report it as a defect.",
	},
	{
		invariant: 1, name: "order lines are the lines that the customer ordered",
		of: "order_lines",
		find: `SELECT o.key, format('%s lines with %s units are kept, the order has %s lines with %s units', kept.n, kept.units, asked.n, asked.units)
			FROM orders o
			CROSS JOIN LATERAL (SELECT count(*) AS n, coalesce(sum(quantity), 0) AS units FROM order_lines WHERE order_key = o.key) kept
			CROSS JOIN LATERAL (SELECT count(*) AS n, coalesce(sum((e ->> 'quantity')::bigint), 0) AS units
				FROM jsonb_array_elements(coalesce(o.document -> 'lines', '[]')) e) asked
			WHERE (kept.n, kept.units) IS DISTINCT FROM (asked.n, asked.units)`,
		do: "The database was changed by hand. Restore order_lines from the order's document.",
	},
	{
		invariant: 2, name: "no unit is live with two suppliers",
		of: "order_lines",
		find: `SELECT l.order_key, format('line %s: %s ordered, %s live with suppliers and %s cancelled', l.line, l.quantity, p.live, l.cancelled)
			FROM order_lines l JOIN (SELECT order_key, line, sum(live) AS live FROM purchase_order_lines GROUP BY 1, 2) p USING (order_key, line)
			WHERE p.live + l.cancelled > l.quantity`,
		do: "Two suppliers may ship the same goods: cancel one purchase order with its supplier, and check that the trigger one_live_purchase_order is enabled.",
	},
	{
		invariant: 2, name: "units were asked back before they were bought elsewhere",
		of: "purchase_order_lines WHERE (units ->> 'rerouted')::bigint > 0",
		// Whose units went where can be told where one supplier had the whole line and rejected none of
		// it, not even before it shipped it all the same. Elsewhere the others' units may have been bought before the question.
		find: `SELECT was.order_key, format('line %s left %s for another supplier, and %s was never asked to give it back before',
				was.line, was.number, a.supplier)
			FROM purchase_order_lines was JOIN purchase_orders a USING (number)
			JOIN order_lines l ON l.order_key = was.order_key AND l.line = was.line
			CROSS JOIN LATERAL (SELECT min(e.first_at) AS at FROM effects e WHERE e.order_key = was.order_key AND e.kind = 'cancel'
				AND e.key ~ ('^cancel/' || a.number || '[^0-9]')) asked
			CROSS JOIN LATERAL (SELECT min(sent.first_at) AS at FROM purchase_order_lines now JOIN purchase_orders b USING (number)
				JOIN effects sent ON sent.key = 'submit/' || b.number
				WHERE now.order_key = was.order_key AND now.line = was.line AND b.decision > a.decision) bought
			WHERE (was.units ->> 'rerouted')::bigint > 0 AND bought.at IS NOT NULL
				AND (asked.at IS NULL OR asked.at > bought.at AND was.quantity = l.quantity
					AND coalesce((was.units ->> 'rejected')::bigint, 0) = 0)
				AND NOT EXISTS (SELECT 1 FROM effects e WHERE e.key = 'submit/' || a.number AND (e.result ->> 'outcome' = 'refused'
					OR jsonb_path_exists(e.result, '$.ack ? (@.whole == "rejected" || exists(@.lines[*] ? (@.status == "rejected")))')))
				AND NOT EXISTS (SELECT 1 FROM facts f WHERE f.order_key = was.order_key AND f.kind = 'acknowledgment'
					AND f.body #>> '{ack,po}' = a.number AND jsonb_path_exists(f.body, '$.ack ? (@.whole == "rejected" || exists(@.lines[*] ? (@.status == "rejected")))'))`,
		do: "The first supplier may ship too: cancel its purchase order by hand, and report it as a defect.",
	},
	{
		invariant: 3, name: "each purchase order that a supplier has was sent once, under its own number",
		of: "purchase_orders WHERE submitted_at IS NOT NULL",
		find: `SELECT p.order_key, format('%s counts as sent, and its send is %s', p.number, coalesce(e.state, 'not recorded'))
			FROM purchase_orders p LEFT JOIN effects e ON e.key = 'submit/' || p.number
			WHERE p.submitted_at < now() - @grace::interval AND e.state IS DISTINCT FROM 'done'
			UNION ALL
			SELECT e.order_key, format('%s was sent, and the order has no such purchase order', e.key)
			FROM effects e WHERE e.kind = 'submit' AND NOT EXISTS (
				SELECT 1 FROM purchase_orders p WHERE p.number = substr(e.key, 8) AND p.order_key = e.order_key)`,
		do: "Ask the supplier what it holds under the number before anything is sent again.",
	},
	{
		invariant: 6, name: "offers hold back exactly what open purchase orders reserve",
		of: "offers",
		find: `SELECT '', format('%s of %s: %s reserved, open purchase orders reserve %s', o.sku, o.supplier, o.reserved, coalesce(p.reserved, 0))
			FROM offers o LEFT JOIN (
				SELECT p.supplier, l.sku, sum(l.reserved) AS reserved
				FROM purchase_order_lines l JOIN purchase_orders p USING (number) WHERE l.reserved > 0 GROUP BY 1, 2) p
				USING (supplier, sku)
			WHERE o.reserved <> coalesce(p.reserved, 0)`,
		do: "Stock is held for nobody, or promised twice. Correct offers.reserved to the sum, and report it as a defect.",
	},
	{
		invariant: 6, name: "a reservation ends when its units leave or ship",
		of: "purchase_order_lines",
		find: `SELECT order_key, format('%s line %s: %s reserved, %s neither shipped nor given back', number, line, reserved, live - shipped)
			FROM (SELECT l.*, (SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(units)
				WHERE key IN ('labelled', 'shipped', 'delivered', 'returned', 'lost')) AS shipped FROM purchase_order_lines l) l
			WHERE reserved <> live - shipped`,
		do: "Correct purchase_order_lines.reserved and the offer with it, and report it as a defect.",
	},
	{
		invariant: 6, name: "no more came back than was shipped",
		of: "purchase_order_lines WHERE (units ->> 'returned')::bigint > 0",
		find: `SELECT l.order_key, format('%s line %s: %s returned, %s were in parcels', l.number, l.line, l.units ->> 'returned', shipped.units)
			FROM purchase_order_lines l CROSS JOIN LATERAL (
				SELECT coalesce(sum((e ->> 'quantity')::bigint), 0) AS units FROM parcels b, jsonb_array_elements(b.lines) e
				WHERE b.po_number = l.number AND (e ->> 'line')::int = l.line) shipped
			WHERE (l.units ->> 'returned')::bigint > shipped.units`,
		do: "Check the return with the supplier before its price goes back.",
	},
}
