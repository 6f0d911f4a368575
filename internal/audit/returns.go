package audit

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
)

// comebacks are the invariants of what comes back.
var comebacks = []statement{
	{
		invariant: 10, name: "only units that were granted are paid for in a return, each once",
		of: "return_lines",
		find: `SELECT r.order_key, format('%s line %s: %s units paid for, %s granted', f.rma, f.line, f.paid, coalesce(l.quantity, 0))
			FROM (SELECT rma, (e ->> 'line')::int AS line, sum((e ->> 'quantity')::bigint) AS paid
				FROM refunds, jsonb_array_elements(coalesce(nullif(lines, 'null'), '[]')) e WHERE rma IS NOT NULL GROUP BY 1, 2) f
			JOIN returns r ON r.rma = f.rma LEFT JOIN return_lines l ON l.rma = f.rma AND l.line = f.line
			WHERE f.paid > coalesce(l.quantity - l.released, 0)`,
		do: "Stop payments of this return; compare with the storefront's own list of refunds.",
	},
	{
		invariant: 11, name: "the open claims of returns are what suppliers still owe for them",
		of: "returns",
		find: `SELECT r.order_key, format('%s: the state says %s is owed, open claims say %s (minor units)', r.rma, s.owed, coalesce(c.sum, 0))
			FROM returns r CROSS JOIN LATERAL (SELECT coalesce((r.state #>> '{claim,expected}')::bigint, 0)
				- coalesce((r.state #>> '{claim,got}')::bigint, 0) - coalesce((r.state #>> '{claim,writtenOff}')::bigint, 0) AS owed) s
			LEFT JOIN LATERAL (SELECT sum(minor) AS sum FROM claims c WHERE c.order_key = r.order_key AND c.closed_at IS NULL
				AND (c.key = 'return/' || r.rma OR starts_with(c.key, 'return/' || r.rma || '#'))) c ON true
			WHERE s.owed <> coalesce(c.sum, 0)`,
		do: "Compare starter return show with starter ledger; the claim and the state are recorded together, so one was changed by hand.",
	},
	{
		invariant: 12, name: "each credit memo reached its return once",
		of: "credit_memos",
		find: `SELECT m.order_key, format('credit memo %s of %s told %s %s times', m.number, m.supplier, m.rma, f.n)
			FROM credit_memos m CROSS JOIN LATERAL (SELECT count(*) AS n FROM return_facts f
				WHERE f.rma = m.rma AND f.kind = 'credit_memo' AND f.body #>> '{creditMemo,number}' = m.number) f WHERE f.n <> 1
			UNION ALL
			SELECT r.order_key, format('%s counts credits of %s, its memos give %s (minor units)', r.rma, r.state #>> '{claim,got}', coalesce(m.sum, 0))
			FROM returns r LEFT JOIN (SELECT rma, sum(minor) AS sum FROM credit_memos GROUP BY 1) m ON m.rma = r.rma
			WHERE coalesce((r.state #>> '{claim,got}')::bigint, 0) > coalesce(m.sum, 0)`,
		do: "Report it as a defect: a credit counts twice, or not at all.",
	},
	{
		invariant: 13, name: "facts about returns are numbered without gaps",
		of: "returns WHERE fact_seq > 0",
		find: `SELECT r.order_key, format('%s: %s facts, the newest is %s, the return counts %s', r.rma, coalesce(f.n, 0), coalesce(f.newest, 0), r.fact_seq)
			FROM returns r LEFT JOIN (SELECT rma, count(*) AS n, max(seq) AS newest FROM return_facts GROUP BY 1) f ON f.rma = r.rma
			WHERE (r.fact_seq, r.fact_seq) IS DISTINCT FROM (coalesce(f.n, 0), coalesce(f.newest, 0))`,
		do: "A fact was lost or added by hand. Restore return_facts from the backup.",
	},
	{
		invariant: 15, name: "what a return must know reaches its workflow",
		of: "returns WHERE deliver_at IS NOT NULL OR fact_seq > delivered_seq OR started_at IS NULL",
		find: `SELECT order_key, format('%s: its workflow was never started, and nothing will start it', rma) FROM returns
			WHERE started_at IS NULL AND deliver_at IS NULL AND NOT needs_attention
			UNION ALL
			SELECT order_key, format('%s: news is due since %s and not delivered', rma, to_char(deliver_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
			FROM returns WHERE deliver_at < now() - @grace::interval - interval '30 seconds'
			UNION ALL
			SELECT order_key, format('%s: %s facts wait, and nothing will deliver them', rma, fact_seq - delivered_seq)
			FROM returns WHERE fact_seq > delivered_seq AND deliver_at IS NULL AND closed_at IS NULL AND NOT needs_attention`,
		do: "Check that a worker or a gateway runs and reaches Temporal.",
	},
	{
		invariant: 16, name: "what is recorded of a return is what its tables say",
		of: "returns",
		find: `SELECT order_key, format('%s line %s: %s units in the tables, the state grants %s', rma, line, sum(tabled), sum(granted)) FROM (
				SELECT r.order_key, r.rma, l.line, l.quantity AS tabled, 0 AS granted FROM returns r JOIN return_lines l USING (rma)
				UNION ALL
				SELECT r.order_key, r.rma, (e ->> 'line')::int, 0, (e ->> 'quantity')::bigint
				FROM returns r CROSS JOIN jsonb_array_elements(coalesce(r.state -> 'lines', '[]')) e) u
			GROUP BY order_key, rma, line HAVING sum(tabled) <> sum(granted)`,
		do: "Report it as a defect.",
	},
	{
		invariant: 16, name: "what a return paid is what was refunded for it",
		of: "returns",
		find: `SELECT r.order_key, format('%s counts %s paid, %s was refunded (minor units)', r.rma, s.paid, coalesce(f.sum, 0))
			FROM returns r CROSS JOIN LATERAL (SELECT coalesce((r.state ->> 'paidMinor')::bigint, 0) AS paid) s
			LEFT JOIN (SELECT rma, sum(amount_minor + through_minor) AS sum, max(done_at) AS newest FROM refunds WHERE rma IS NOT NULL AND state = 'done' GROUP BY 1) f
				ON f.rma = r.rma
			WHERE s.paid <> coalesce(f.sum, 0) AND coalesce(f.newest, '-infinity') < now() - @grace::interval`,
		do: "See in the Temporal UI whether the step that records the return fails; the refunds are right.",
	},
	{
		invariant: 8, name: "an exchange moves value and makes none",
		of: "orders WHERE exchange_of IS NOT NULL OR EXISTS (SELECT 1 FROM exchange_payments p WHERE p.order_key = orders.key)",
		find: `SELECT f.family, format('exchanges hold %s more than was paid for them and is not used yet (minor units)', -coalesce(l.sum, 0) - coalesce(w.waits, 0))
			FROM (SELECT DISTINCT coalesce(exchange_of, key) AS family FROM orders) f
			LEFT JOIN (SELECT coalesce(o.exchange_of, o.key) AS family, sum(e.minor) AS sum FROM ledger_transactions t
				JOIN ledger_entries e ON e.transaction_id = t.id JOIN orders o ON o.key = t.order_key
				WHERE e.account = 'exchange_credit' GROUP BY 1) l USING (family)
			LEFT JOIN (SELECT r.order_key AS family, sum((r.state ->> 'supplement')::bigint) AS waits FROM returns r
				WHERE NOT EXISTS (SELECT 1 FROM refunds p WHERE p.rma = r.rma AND p.supplement_minor > 0 AND (p.state = 'done' OR p.moved_minor >= p.supplement_minor))
				GROUP BY 1) w USING (family)
			WHERE -coalesce(l.sum, 0) <> coalesce(w.waits, 0)
				AND NOT EXISTS (SELECT 1 FROM refunds p WHERE p.order_key = f.family AND p.state = 'trying' AND p.supplement_minor > p.moved_minor)`,
		do: "Follow the money with starter ledger follow ORDER: a posting of the order or of its exchange is missing.",
	},
	{
		invariant: 8, name: "an exchange order is paid by what came back, and only once",
		of: "orders WHERE exchange_of IS NOT NULL",
		find: `SELECT o.key, format('%s was moved to it, payments of returns say %s, its ledger %s (minor units)', o.exchange_minor, coalesce(p.moved, 0), coalesce(l.sum, 0))
			FROM orders o LEFT JOIN (SELECT exchange_order, sum(moved_minor) AS moved FROM refunds GROUP BY 1) p ON p.exchange_order = o.key
			LEFT JOIN (SELECT t.order_key, sum(e.minor) AS sum FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
				WHERE t.kind = 'exchange_received' AND e.account = 'exchange_credit' GROUP BY 1) l ON l.order_key = o.key
			WHERE o.exchange_of IS NOT NULL AND (o.exchange_minor, o.exchange_minor) IS DISTINCT FROM (coalesce(p.moved, 0)::bigint, coalesce(l.sum, 0)::bigint)
			UNION ALL
			SELECT o.key, format('%s went back of it, %s through the payment of %s (minor units)', r.through, coalesce(p.back, 0), o.exchange_of)
			FROM orders o JOIN (SELECT order_key, sum(through_minor) AS through FROM refunds GROUP BY 1) r ON r.order_key = o.key
			LEFT JOIN LATERAL (SELECT sum(b.amount_minor) AS back FROM refunds b JOIN refunds mine ON b.key = 'through/' || mine.key
				WHERE b.order_key = o.exchange_of AND mine.order_key = o.key) p ON true
			WHERE o.exchange_of IS NOT NULL AND r.through <> coalesce(p.back, 0)`,
		do: "Report it as a defect: value of an exchange is counted twice, or not at all.",
	},
	{
		invariant: 8, name: "the ledger holds the store credit that customers were given",
		of: "store_credits",
		find: `SELECT c.order_key, format('credits of %s were given, the ledger holds %s (minor units)', c.sum, coalesce(l.sum, 0))
			FROM (SELECT order_key, sum(minor) AS sum FROM store_credits WHERE issued_at IS NOT NULL GROUP BY 1) c
			LEFT JOIN (SELECT t.order_key, -sum(e.minor) AS sum FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
				WHERE e.account = 'store_credit' GROUP BY 1) l USING (order_key)
			WHERE c.sum <> coalesce(l.sum, 0)
			UNION ALL
			SELECT c.order_key, format('credit %s is of %s, its return says %s (minor units)', c.refund, c.minor, r.credit_minor + c.bonus_minor)
			FROM store_credits c JOIN refunds r ON r.key = c.refund WHERE c.minor <> r.credit_minor + c.bonus_minor`,
		do: "A credit was not posted, or posted twice: compare starter ledger with the storefront's credits.",
	},
	{
		invariant: 12, name: "each label that was bought is in the ledger once",
		of: "return_parcels WHERE bought_of <> ''",
		find: `SELECT r.order_key, format('the label of %s cost %s %s, the ledger holds %s (minor units)', p.rma, p.cost_minor, p.cost_currency, coalesce(l.sum, 0))
			FROM return_parcels p JOIN returns r USING (rma) LEFT JOIN LATERAL (
				SELECT sum(e.minor) AS sum FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
				WHERE t.order_key = r.order_key AND t.key = 'return_label|' || p.rma AND e.account = 'return_shipping' AND e.currency = p.cost_currency) l ON true
			WHERE p.bought_of <> '' AND p.cost_minor <> coalesce(l.sum, 0)`,
		do: "Compare with the carrier's bill: it was bought twice, or not posted.",
	},
	{
		invariant: 12, name: "each label that was given back is in the ledger once",
		of: "return_parcels WHERE bought_of <> ''",
		find: `SELECT r.order_key, format('the label of %s for %s %s stands as given back: "%s", the ledger holds %s (minor units)', p.rma, p.cost_minor,
				p.cost_currency, p.give_back, coalesce(-l.sum, 0))
			FROM return_parcels p JOIN returns r USING (rma) LEFT JOIN LATERAL (
				SELECT sum(e.minor) AS sum FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
				WHERE t.order_key = r.order_key AND t.key = 'return_label_given_back|' || p.rma AND e.account = 'return_shipping' AND e.currency = p.cost_currency) l ON true
			WHERE p.bought_of <> '' AND CASE p.give_back WHEN 'accepted' THEN p.cost_minor ELSE 0 END <> coalesce(-l.sum, 0)`,
		do: "Compare with the carrier's account: both are written together, so one was changed by hand.",
	},
	{
		invariant: 12, name: "no parcel travels under a label that was given back", warning: true,
		of: "return_parcels WHERE give_back IN ('asked', 'accepted')",
		find: `SELECT r.order_key, format('the parcel of %s was scanned at %s, and its label was given back', p.rma, to_char(p.first_scan_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'))
			FROM return_parcels p JOIN returns r USING (rma) WHERE p.give_back IN ('asked', 'accepted') AND p.first_scan_at IS NOT NULL`,
		do: "The carrier may charge it again: look for it on its bill. What is in the parcel counts as always.",
	},
	{
		invariant: 15, name: "no carrier keeps a label that nobody uses for a week without a word", warning: true,
		of: "return_parcels WHERE bought_of <> ''",
		find: `SELECT r.order_key, format('the label of %s is to be given back to %s since %s: %s', p.rma, p.bought_of,
				to_char(r.closed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), coalesce(nullif(p.give_back_note, ''), 'it has not decided'))
			FROM return_parcels p JOIN returns r USING (rma)
			WHERE p.bought_of <> '' AND p.give_back_due IS NOT NULL AND p.give_back IN ('', 'asked') AND p.first_scan_at IS NULL
				AND r.closed_at < now() - interval '7 days'`,
		do: "Ask the carrier; a wrong URL or secret in its catalogue entry shows here too.",
	},
	{
		invariant: 15, name: "nobody keeps a return waiting for a week", warning: true,
		of: "returns WHERE needs_attention",
		find: `SELECT r.order_key, format('%s waits for a person since %s: %s', r.rma, left(a ->> 'since', 10), left(a ->> 'text', 160))
			FROM returns r CROSS JOIN jsonb_array_elements(coalesce(nullif(r.state -> 'attention', 'null'), '[]')) a
			WHERE r.needs_attention AND (a ->> 'since')::timestamptz < now() - interval '7 days'`,
		do: "starter return list --attention, then starter return decide: docs/operating.md says how.",
	},
}

type openReturn struct {
	order, rma string
	attention  bool
	delivered  int64
}

// openReturns are the returns whose workflows should run.
var openReturns = asked[openReturn]{
	name: returnsRun,
	do:   "See in the Temporal UI how its workflow ended; the next fact, such as a decision, starts it again.",
	open: `SELECT order_key, rma, needs_attention, delivered_seq FROM returns WHERE started_at IS NOT NULL AND closed_at IS NULL ORDER BY rma`,
	scan: func(row pgx.CollectableRow) (r openReturn, err error) {
		err = row.Scan(&r.order, &r.rma, &r.attention, &r.delivered)
		return r, err
	},
	about: func(r openReturn) (order, name string) { return r.order, r.rma },
	judge: askReturn,
}

// askReturn says what is wrong with an open return; empty: nothing.
func askReturn(ctx context.Context, workflows Workflows, r openReturn) (string, error) {
	key, err := order.ParseKey(r.order)
	if err != nil {
		return "", err
	}
	state, status, err := workflows.Return(ctx, key, r.rma)
	if err != nil {
		return "", err
	}
	if status != Running {
		return "its workflow is " + status, nil
	}
	broken := state.Check()
	switch {
	case broken != nil:
		return fmt.Sprint(broken), nil
	case state.LastFact < r.delivered:
		return fmt.Sprintf("%d facts count as delivered, the workflow knows %d", r.delivered, state.LastFact), nil
	case len(state.Attention) > 0 && !r.attention:
		return "the workflow asks for a person, and the return is not marked", nil
	case !state.Finished() && len(state.Steps())+len(state.Busy)+len(state.Attention)+len(state.Waiting()) == 0:
		return fmt.Sprintf("it is %s and waits for nothing", state.Stage()), nil
	}
	return "", nil
}
