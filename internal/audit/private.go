package audit

// Invariant 17: personal data stands in its allowed stores only (order_contacts, address_changes,
// return_notes, return_pictures and the archived documents), and nothing crosses from one storefront to another.
var private = []statement{
	{
		invariant: 17, name: "no e-mail address, street or telephone number outside its stores",
		of: "order_contacts",
		// The customer's own words, as they look inside JSON, in lower case.
		find: `WITH told AS (` + told + `), known AS (
				SELECT order_key, word FROM order_contacts c, LATERAL (VALUES
					(lower(c.email)), (lower(c.ship_to ->> 'email')),
					(lower(trim(BOTH '"' FROM (c.ship_to -> 'street1')::text))), (lower(c.ship_to ->> 'phone'))) w (word)
				WHERE length(word) >= 6
			)
			SELECT DISTINCT t.order_key, format('%s repeats the customer''s e-mail address, street or telephone number', t.place)
			FROM told t JOIN known k ON k.order_key = t.order_key WHERE position(k.word in lower(t.text)) > 0
			UNION
			SELECT DISTINCT order_key, format('%s holds an e-mail address', place) FROM told
			WHERE place <> 'orders.document' AND text ~* '[a-z0-9._%+-]+@[a-z0-9-]+(\.[a-z0-9-]+)+'`,
		do: "Remove it from the place that is named, and report which partner or step wrote it there.",
	},
	{
		invariant: 17, name: "nothing crosses from one storefront to another",
		of: "documents WHERE order_key IS NOT NULL",
		find: `SELECT d.order_key, format('document %s from %s was applied to it', d.id, d.source) FROM documents d JOIN orders o ON o.key = d.order_key
			WHERE d.status = 'applied' AND split_part(d.source, '/', 1) IN ('api', 'shopify') AND split_part(d.source, '/', 2) <> o.storefront
			UNION ALL
			SELECT d.order_key, format('document %s from %s was applied to it, and it has no purchase order there', d.id, d.source) FROM documents d
			WHERE d.status = 'applied' AND d.order_key IS NOT NULL AND split_part(d.source, '/', 1) = 'supplier' AND NOT EXISTS (
				SELECT 1 FROM purchase_orders p WHERE p.order_key = d.order_key AND p.supplier = split_part(d.source, '/', 2))
			UNION ALL
			SELECT key, format('its key names another storefront than %s', storefront) FROM orders WHERE key <> storefront || '/' || order_id`,
		do: "Revoke the partner's key or secret until it is clear how this came about.",
	},
}

// told is everything that people and logs may see of an order.
const told = `
	SELECT key AS order_key, 'orders.state' AS place, state::text AS text FROM orders WHERE state IS NOT NULL
	UNION ALL SELECT key, 'orders.document', document::text FROM orders
	UNION ALL SELECT order_key, 'facts.body', body::text FROM facts
	UNION ALL SELECT order_key, 'effects.result', result::text FROM effects WHERE result IS NOT NULL
	UNION ALL SELECT order_key, 'outbox', payload::text || ' ' || last_error FROM outbox
	UNION ALL SELECT order_key, 'documents.reason', reason FROM documents WHERE reason <> '' AND order_key IS NOT NULL
	UNION ALL SELECT order_key, 'ledger_transactions.memo', key || ' ' || memo FROM ledger_transactions
	UNION ALL SELECT order_key, 'claims', key || ' ' || owner || ' ' || resolution FROM claims
	UNION ALL SELECT order_key, 'routing_decisions', request || ' ' || decision FROM routing_decisions
	UNION ALL SELECT order_key, 'purchase_orders.terms', terms::text FROM purchase_orders
	UNION ALL SELECT order_key, 'parcels.note', note FROM parcels
	UNION ALL SELECT order_key, 'refunds', reason || ' ' || reference FROM refunds`
