package audit

// Invariants 7 to 11: money.
var money = []statement{
	{
		invariant: 7, name: "every ledger transaction sums to zero in each currency",
		of: "ledger_transactions",
		find: `SELECT t.order_key, format('transaction %s is off by %s %s', t.key, sum(e.minor), e.currency)
			FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
			GROUP BY t.id, e.currency HAVING sum(e.minor) <> 0
			UNION ALL
			SELECT t.order_key, format('transaction %s has no entries', t.key) FROM ledger_transactions t
			WHERE NOT EXISTS (SELECT 1 FROM ledger_entries e WHERE e.transaction_id = t.id)`,
		do: "The ledger was changed behind its guard. Restore it from the backup; post corrections, never change entries.",
	},
	{
		invariant: 7, name: "Postgres guards the books",
		of: "(VALUES " + guards + ") AS guard (tab, name)",
		find: `SELECT '', format('the trigger %s of %s is missing or switched off', g.name, g.tab)
			FROM (VALUES ` + guards + `) AS g (tab, name) WHERE NOT EXISTS (
				SELECT 1 FROM pg_trigger t WHERE t.tgrelid = to_regclass(g.tab) AND t.tgname = g.name AND t.tgenabled IN ('O', 'A'))`,
		do: "Switch it on (ALTER TABLE … ENABLE TRIGGER …), then audit again: what it would have refused may be there.",
	},
	{
		invariant: 7, name: "costs in another currency are converted at the rate of their purchase orders",
		of: "purchase_orders WHERE terms ? 'rate'",
		find: `SELECT c.order_key, format('%s holds %s %s that are not converted, %s %s became %s instead of %s %s (minor units)',
				c.account, c.left, c.from_currency, c.out, c.from_currency, c.got, c.want, c.to_currency)
			FROM (SELECT r.order_key, r.rate ->> 'from' AS from_currency, r.rate ->> 'to' AS to_currency, e.account,
					coalesce(sum(e.minor) FILTER (WHERE e.currency = r.rate ->> 'from'), 0) AS left,
					coalesce(-sum(e.minor) FILTER (WHERE mine AND e.currency = r.rate ->> 'from'), 0) AS out,
					coalesce(sum(e.minor) FILTER (WHERE mine AND e.currency = r.rate ->> 'to'), 0) AS got,
					round(coalesce(-sum(e.minor) FILTER (WHERE mine AND e.currency = r.rate ->> 'from'), 0)
						* (r.rate ->> 'num')::numeric / (r.rate ->> 'den')::numeric) AS want
				FROM (SELECT DISTINCT ON (order_key, currency) order_key, terms -> 'rate' AS rate FROM purchase_orders
					WHERE terms ? 'rate' ORDER BY order_key, currency, number) r
				JOIN ledger_transactions t ON t.order_key = r.order_key JOIN ledger_entries e ON e.transaction_id = t.id
				CROSS JOIN LATERAL (SELECT starts_with(t.key, 'converted|' || (r.rate ->> 'from') || '|') AS mine) m
				WHERE e.account IN ('cost_of_goods', 'losses', 'return_shipping') GROUP BY r.order_key, r.rate, e.account) c
			WHERE c.left <> 0 OR c.got <> c.want`,
		do: "Compare starter ledger with the rate that starter show tells of the purchase order; whatever changes the order's ledger next converts the rest.",
	},
	{
		invariant: 8, name: "refunds never exceed what was captured",
		of: "orders",
		find: `SELECT o.key, format('%s captured or authorised, %s refunded (minor units)', o.captured_minor + coalesce(p.authorised_minor, 0), r.sum)
			FROM orders o JOIN (SELECT order_key, sum(amount_minor + released_minor + forgiven_minor) AS sum, sum(amount_minor) AS back
				FROM refunds GROUP BY 1) r ON r.order_key = o.key
			LEFT JOIN payments p ON p.order_key = o.key
			WHERE r.sum > o.captured_minor + coalesce(p.authorised_minor, 0)
				OR r.back > o.captured_minor + coalesce(p.captured_minor + p.elsewhere_minor, 0)`,
		do: "Stop refunds of this order; compare with the storefront's own list of refunds.",
	},
	{
		invariant: 8, name: "the ledger holds what was captured less what was refunded",
		of: "orders",
		find: `SELECT o.key, format('%s captured less %s refunded, the ledger holds %s (minor units)', c.captured, coalesce(r.sum, 0), coalesce(l.sum, 0))
			FROM orders o LEFT JOIN payments p ON p.order_key = o.key
			CROSS JOIN LATERAL (SELECT o.captured_minor + coalesce(p.captured_minor + p.moved_minor, 0) AS captured) c
			LEFT JOIN (SELECT order_key, sum(amount_minor) AS sum FROM refunds WHERE state = 'done' AND route IN ('', 'provider') GROUP BY 1) r
				ON r.order_key = o.key
			LEFT JOIN (SELECT t.order_key, sum(e.minor) AS sum FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
				WHERE e.account = 'processor_clearing' GROUP BY 1) l ON l.order_key = o.key
			WHERE c.captured - coalesce(r.sum, 0) <> coalesce(l.sum, 0)`,
		do: "A capture or a refund was not posted, or posted twice: compare starter ledger with the storefront's payments.",
	},
	{
		invariant: 9, name: "the customer's money is used up when the order is closed",
		of: "orders WHERE closed_at IS NOT NULL",
		find: `SELECT o.key, format('%s %s of deposits are neither earned nor refunded (minor units)', -sum(e.minor), e.currency)
			FROM orders o JOIN ledger_transactions t ON t.order_key = o.key JOIN ledger_entries e ON e.transaction_id = t.id
			WHERE o.closed_at IS NOT NULL AND o.fact_seq = o.delivered_seq AND e.account = 'customer_deposits'
			GROUP BY o.key, e.currency HAVING sum(e.minor) <> 0`,
		do: "The charge ended neither shipped nor refunded: compare starter ledger with starter show, and refund what is left.",
	},
	{
		invariant: 10, name: "only cancelled, lost or returned units are refunded, each once",
		of: "refunds",
		find: `SELECT order_key, format('line %s: %s units refunded, %s cancelled, lost or returned', line, refunded, cancelled + gone) FROM (
				SELECT l.order_key, l.line, l.cancelled, sum((e ->> 'quantity')::bigint) AS refunded, (
					SELECT coalesce(sum(coalesce((p.units ->> 'lost')::bigint, 0) + coalesce((p.units ->> 'returned')::bigint, 0)), 0)
					FROM purchase_order_lines p WHERE p.order_key = l.order_key AND p.line = l.line) AS gone
				FROM refunds r CROSS JOIN jsonb_array_elements(coalesce(nullif(r.lines, 'null'), '[]')) e
				JOIN order_lines l ON l.order_key = r.order_key AND l.line = (e ->> 'line')::int
				WHERE r.asked_at < now() - @grace::interval AND r.rma IS NULL GROUP BY l.order_key, l.line, l.cancelled) u
			WHERE refunded > cancelled + gone`,
		do: "A shipped unit was refunded without a reason: find out from starter show, and book it as goodwill if it was meant.",
	},
	{
		invariant: 10, name: "each refund has a named reason",
		of: "refunds",
		find: `SELECT order_key, format('refund %s has the reason %s', n, quote_literal(left(reason, 30))) FROM refunds
			WHERE reason NOT IN ('cancelled', 'unavailable', 'returned', 'lost', 'damaged', 'overpaid', 'goodwill', 'chargeback')`,
		do: "Name why the money went back: cancelled, unavailable, returned, lost, damaged, overpaid, goodwill or chargeback.",
	},
	{
		invariant: 11, name: "every invoice line matches a line of its purchase order, or is disputed",
		of: "supplier_invoices",
		find: `SELECT i.order_key, format('invoice %s of %s charges for line %s, which %s does not have', i.invoice, i.supplier, e ->> 'Line', i.po_number)
			FROM supplier_invoices i CROSS JOIN jsonb_array_elements(coalesce(nullif(i.document -> 'Lines', 'null'), '[]')) e
			WHERE i.standing = 'matched' AND NOT EXISTS (
				SELECT 1 FROM purchase_order_lines l WHERE l.number = i.po_number AND l.line = (e ->> 'Line')::int)`,
		do: "Dispute the invoice with the supplier.",
	},
	{
		invariant: 11, name: "every invoice of a closed order is matched or disputed by name",
		of: "supplier_invoices",
		find: `SELECT i.order_key, format('invoice %s of %s for %s was not judged', i.invoice, i.supplier, i.po_number)
			FROM supplier_invoices i JOIN orders o ON o.key = i.order_key
			WHERE i.standing = 'received' AND o.closed_at < now() - @grace::interval AND o.fact_seq = o.delivered_seq
			UNION ALL
			SELECT i.order_key, format('invoice %s of %s is disputed, and no claim says so', i.invoice, i.supplier)
			FROM supplier_invoices i WHERE i.standing = 'disputed' AND NOT EXISTS (
				SELECT 1 FROM claims c WHERE c.order_key = i.order_key AND c.kind = 'invoice_dispute' AND c.account = 'supplier_claims:' || i.supplier)`,
		do: "Have it matched: pay what is right, dispute the rest with the supplier.",
	},
	{
		invariant: 11, name: "no claim is overdue", warning: true,
		of: "claims WHERE closed_at IS NULL",
		find: `SELECT order_key, format('%s of %s %s on %s was due on %s; %s pursues it', replace(kind, '_', ' '), minor, currency, account,
				to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), owner)
			FROM claims WHERE closed_at IS NULL AND due_at < now()`,
		do: "Chase the credit or pay the invoice, then close the claim.",
	},
	{
		invariant: 12, name: "each payment that came later is in the ledger once",
		of: "order_payments",
		find: `SELECT p.order_key, format('payment %s of %s minor units has postings of %s', p.n, p.amount_minor, coalesce(l.sum, 0))
			FROM order_payments p JOIN orders o ON o.key = p.order_key LEFT JOIN LATERAL (
				SELECT sum(e.minor) AS sum FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
				WHERE t.order_key = p.order_key AND e.account = 'processor_clearing' AND t.key = 'captured|' || o.order_id || '/' || p.n + 1) l ON true
			WHERE p.amount_minor IS DISTINCT FROM l.sum`,
		do: "Compare with the storefront's payments, and post or reverse what differs.",
	},
	{
		invariant: 12, name: "each refund that was made is in the ledger once",
		of: "refunds WHERE state = 'done' AND amount_minor > 0 AND route IN ('', 'provider')",
		find: `SELECT r.order_key, format('refund %s of %s minor units has %s postings of %s', r.n, r.amount_minor, coalesce(p.n, 0), coalesce(p.sum, 0))
			FROM refunds r LEFT JOIN LATERAL (
				SELECT count(DISTINCT t.id) AS n, -sum(e.minor) AS sum FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
				WHERE t.order_key = r.order_key AND e.account = 'processor_clearing' AND t.key IN ('refunded|' || r.key,
					'exchange_refunded|' || r.key || '/supplement', 'exchange_refunded|' || substr(r.key, length('through/') + 1))) p ON true
			WHERE r.state = 'done' AND r.amount_minor > 0 AND r.route IN ('', 'provider') AND p.sum IS DISTINCT FROM r.amount_minor`,
		do: "Compare with the storefront's refunds, and post or reverse what differs.",
	},
	{
		invariant: 12, name: "each refund that was paid past its storefront is in the ledger once, and somebody decided so",
		of: "refund_decisions",
		find: `SELECT r.order_key, format('refund %s of %s minor units, paid past its storefront, has postings of %s', r.key, r.amount_minor, coalesce(p.sum, 0))
			FROM refunds r LEFT JOIN LATERAL (
				SELECT -sum(e.minor) AS sum FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
				WHERE t.order_key = r.order_key AND e.account = 'bank' AND t.key IN ('refunded_elsewhere|' || r.key, 'exchange_refunded_elsewhere|' || r.key
					|| '/supplement', 'exchange_refunded_elsewhere|' || substr(r.key, length('through/') + 1))) p ON true
			WHERE r.state = 'done' AND r.route = 'elsewhere' AND r.amount_minor <> coalesce(p.sum, 0)
			UNION ALL
			SELECT r.order_key, format('refund %s counts as paid past its storefront, and nobody decided so', r.key) FROM refunds r
			WHERE r.route = 'elsewhere' AND NOT EXISTS (SELECT FROM refund_decisions d
				WHERE d.refund = CASE WHEN starts_with(r.key, 'through/') THEN substr(r.key, length('through/') + 1) ELSE r.key END)
			UNION ALL
			SELECT d.order_key, format('refund %s was paid by %s, and by its storefront', d.refund, d.reference)
			FROM refund_decisions d JOIN refunds r ON r.key = d.refund LEFT JOIN effects e ON e.key = d.refund
			WHERE r.state = 'done' AND r.route <> 'elsewhere' OR e.state = 'done'`,
		do: "Compare the transfer with the storefront's refunds: ask back what was paid twice, and post or reverse what differs.",
	},
	{
		invariant: 11, name: "our books and those of partners agree", warning: true,
		of: "reconciliation_differences",
		find: `SELECT coalesce(order_key, ''), format('%s, %s: %s', book, subject, cause) FROM reconciliation_differences
			WHERE state = 'open' ORDER BY at`,
		do: "starter reconcile show; docs/reconciliation.md says what each cause means.",
	},
}

// guards are the triggers that refuse what must never be committed, by table.
const guards = `('orders', 'snapshots_move_forward'), ('purchase_order_lines', 'one_live_purchase_order'), ('order_lines', 'one_live_purchase_order'),
	('refunds', 'refunds_within_capture'), ('ledger_entries', 'ledger_balances'), ('ledger_transactions', 'ledger_balances'),
	('ledger_entries', 'ledger_is_append_only'), ('ledger_transactions', 'ledger_is_append_only'),
	('payments', 'captured_within_authorised'), ('payments', 'payment_snapshots_move_forward'),
	('ledger_entries', 'ledger_is_append_only_truncate'), ('ledger_transactions', 'ledger_is_append_only_truncate')`
