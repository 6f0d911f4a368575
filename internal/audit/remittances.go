package audit

// postedSQL are the postings of remittances and their reversals, by the line that each is of.
const postedSQL = `SELECT split_part(k.key, '|', 2) AS supplier, split_part(k.key, '|', 3) AS payment, min(t.order_key) AS order_key,
		coalesce(-sum(e.minor) FILTER (WHERE t.kind <> 'reversal'), 0) AS paid, coalesce(sum(abs(e.minor)) FILTER (WHERE t.kind = 'reversal'), 0) AS reversed
	FROM ledger_transactions t CROSS JOIN LATERAL (SELECT regexp_replace(t.key, '^reversal[|]', '') AS key) k
	JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'bank'
	WHERE t.kind IN ('supplier_paid', 'supplier_set_off') OR t.kind = 'reversal' AND t.key ~ '^reversal[|]supplier_(paid|set_off)[|]' GROUP BY 1, 2`

// remitted are the invariants of what suppliers were paid.
var remitted = []statement{
	{
		invariant: 11, name: "each line of a payment to a supplier is posted once",
		of: "remittance_lines",
		find: `SELECT coalesce(s.order_key, ''), format('payment %s to supplier %s: its line says %s and %s reversed, %s posted and %s reversed (minor units)',
				coalesce(l.payment, s.payment), coalesce(l.supplier, s.supplier), l.minor, l.reversed, s.paid, s.reversed)
			FROM remittance_lines l FULL JOIN (` + postedSQL + `) s ON s.supplier = l.supplier AND s.payment = l.payment
			WHERE l.minor IS DISTINCT FROM s.paid OR l.reversed IS DISTINCT FROM s.reversed`,
		do: "Report it as a defect: a payment's lines and its postings are written together, so one was changed by hand.",
	},
	{
		invariant: 11, name: "each payment to a supplier is the sum of its lines",
		of: "remittances",
		find: `SELECT '', format('payment %s to supplier %s is %s, its lines sum up to %s (minor units)', r.reference, r.supplier, r.total, coalesce(s.sum, 0))
			FROM remittances r LEFT JOIN (SELECT supplier, reference, sum(minor) AS sum FROM remittance_lines GROUP BY 1, 2) s USING (supplier, reference)
			WHERE s.sum IS DISTINCT FROM r.total`,
		do: "Report it as a defect: a payment is booked whole or not at all, so it was changed by hand.",
	},
	{
		invariant: 11, name: "no invoice is paid beyond what it asks for",
		of: "supplier_invoices",
		find: `SELECT coalesce(i.order_key, ''), format('invoice %s of supplier %s asks for %s, %s of it is paid (minor units)', l.invoice, l.supplier,
				coalesce(i.total, 0), l.paid)
			FROM (SELECT supplier, invoice, sum(minor - reversed) AS paid FROM remittance_lines WHERE invoice IS NOT NULL GROUP BY 1, 2) l
			LEFT JOIN supplier_invoices i USING (supplier, invoice) WHERE l.paid > coalesce(i.total, 0)`,
		do: "Ask the supplier for the money back, and reverse the line that was too much: starter ledger reverse.",
	},
}
