package audit

// Invariant 15: progress. What the workflows themselves wait for is checked in running.go.
var progress = []statement{
	{
		invariant: 15, name: "every order was begun, or will be",
		of: "orders WHERE started_at IS NULL",
		find: `SELECT key, 'its workflow was never started, and nothing will start it' FROM orders
			WHERE started_at IS NULL AND deliver_at IS NULL AND NOT needs_attention`,
		do: "starter revive ORDER.",
	},
	{
		invariant: 15, name: "what an order must know reaches its workflow",
		of: "orders WHERE deliver_at IS NOT NULL OR fact_seq > delivered_seq",
		find: `SELECT key, format('news is due since %s and not delivered', to_char(deliver_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
			FROM orders WHERE deliver_at < now() - @grace::interval - interval '30 seconds'
			UNION ALL
			SELECT o.key, format('%s facts wait, and nothing will deliver them', o.fact_seq - o.delivered_seq)
			FROM orders o WHERE o.fact_seq > o.delivered_seq AND o.deliver_at IS NULL AND o.closed_at IS NULL AND NOT o.needs_attention
			UNION ALL
			SELECT o.key, format('an urgent fact waits since %s', to_char(f.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
			FROM orders o JOIN facts f ON f.order_key = o.key AND f.seq > o.delivered_seq AND f.urgent
			WHERE o.fact_seq > o.delivered_seq AND f.created_at < now() - @grace::interval - interval '5 minutes'`,
		do: "Check that a worker or a gateway runs and reaches Temporal. If one order alone waits: starter revive ORDER.",
	},
	{
		invariant: 15, name: "messages leave when they are due",
		of: "outbox WHERE state = 'pending'",
		find: `SELECT order_key, format('message %s (%s) is due since %s', id, replace(kind, '_', ' '), to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
			FROM outbox WHERE state = 'pending' AND due_at < now() - @grace::interval`,
		do: "Check that a worker runs: it sends the messages.",
	},
	{
		invariant: 15, name: "no message was given up", warning: true,
		of: "outbox",
		find: `SELECT order_key, format('message %s (%s to the %s) was given up after %s attempts', id, replace(kind, '_', ' '), replace(channel, '_', ' '), attempts)
			FROM outbox WHERE state = 'failed'`,
		do: "starter outbox list says why; starter outbox retry NUMBER sends it again.",
	},
	{
		invariant: 15, name: "every parcel under way is watched",
		of: "parcels",
		find: `SELECT p.order_key, format('parcel %s (%s) is %s, and nobody will ask the carrier again', p.tracking, p.carrier, replace(p.milestone, '_', ' '))
			FROM parcels p JOIN orders o ON o.key = p.order_key JOIN purchase_orders po ON po.number = p.po_number
			WHERE o.closed_at IS NULL AND NOT o.needs_attention AND p.next_check_at IS NULL
				AND p.milestone NOT IN ('delivered', 'returning', 'lost') AND p.first_scan_at IS NOT NULL
			UNION ALL
			SELECT order_key, format('parcel %s (%s) was to be asked about on %s', tracking, carrier, to_char(next_check_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'))
			FROM parcels WHERE next_check_at < now() - @grace::interval - interval '1 day'`,
		do: "See in the Temporal UI whether the schedule carrier-poll/… runs; starter catalog load sets it up again.",
	},
	{
		invariant: 15, name: "nobody keeps an order waiting for a week", warning: true,
		of: "orders WHERE needs_attention",
		find: `SELECT o.key, format('waits for a person since %s: %s', left(a ->> 'since', 10), left(a ->> 'text', 160))
			FROM orders o CROSS JOIN jsonb_array_elements(coalesce(nullif(o.state -> 'attention', 'null'), '[]')) a
			WHERE o.needs_attention AND (a ->> 'since')::timestamptz < now() - interval '7 days'`,
		do: "Decide: docs/operating.md says how for each kind of attention.",
	},
}
