package audit

// partnerBooks are what the comparison with partners' books left open.
var partnerBooks = []statement{
	{
		invariant: 11, name: "our books and those of partners agree", warning: true,
		of: "reconciliation_differences",
		find: `SELECT coalesce(order_key, ''), format('%s, %s: %s', book, subject, cause) FROM reconciliation_differences
			WHERE state = 'open' ORDER BY at`,
		do: "starter reconcile show; docs/reconciliation.md says what each cause means.",
	},
}
