package audit

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
)

// tills are the invariants of payments at a provider.
var tills = []statement{
	{
		invariant: 9, name: "what was captured of authorisations is in the ledger, each once",
		of: "payments WHERE authorised_minor > 0",
		find: `SELECT p.order_key, format('%s captured of an authorisation, the ledger took %s (minor units)', p.captured_minor, coalesce(l.sum, 0))
			FROM payments p LEFT JOIN LATERAL (
				SELECT sum(e.minor) AS sum FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
				WHERE t.order_key = p.order_key AND t.kind = 'authorisation_captured' AND e.account = 'processor_clearing') l ON true
			WHERE p.captured_minor <> coalesce(l.sum, 0)`,
		do: "Compare starter ledger with the provider's list of captures, and post or reverse what differs.",
	},
	{
		invariant: 9, name: "a payment that is closed is captured or let go, and leaves nothing open",
		of: "payments WHERE closed_at IS NOT NULL",
		find: `SELECT p.order_key, format('the payment is closed and its authorisation is %s', p.standing)
			FROM payments p WHERE p.closed_at IS NOT NULL AND p.standing IN ('authorised', 'capturing')
			UNION ALL
			SELECT p.order_key, format('the payment is closed and %s holds %s (minor units)', e.account, sum(e.minor))
			FROM payments p JOIN ledger_transactions t ON t.order_key = p.order_key JOIN ledger_entries e ON e.transaction_id = t.id
			WHERE p.closed_at IS NOT NULL AND p.fact_seq = p.delivered_seq AND e.account IN ('customer_receivable', 'refunds_payable', 'chargebacks')
			GROUP BY p.order_key, e.account HAVING sum(e.minor) <> 0`,
		do: "See starter payment show and starter ledger: decide what is open, or report it as a defect.",
	},
	{
		invariant: 9, name: "refunds forgive no more than was written off",
		of: "payments WHERE closed_at IS NOT NULL",
		find: `SELECT p.order_key, format('refunds took off %s as written off, the closed payment wrote off %s (minor units)', sum(r.forgiven_minor), p.written_off_minor)
			FROM payments p JOIN refunds r USING (order_key)
			WHERE p.closed_at IS NOT NULL AND p.fact_seq = p.delivered_seq
			GROUP BY p.order_key, p.written_off_minor HAVING sum(r.forgiven_minor) > p.written_off_minor`,
		do: "The customer paid what a refund kept as never paid: compare starter ledger with starter payment show, and give it back.",
	},
	{
		invariant: 12, name: "facts about payments are numbered without gaps",
		of: "payments",
		find: `SELECT p.order_key, format('%s facts of its payment, the newest is number %s', coalesce(f.n, 0), p.fact_seq)
			FROM payments p LEFT JOIN (SELECT order_key, count(*) AS n, max(seq) AS newest FROM payment_facts GROUP BY 1) f ON f.order_key = p.order_key
			WHERE coalesce(f.n, 0) <> p.fact_seq OR coalesce(f.newest, 0) <> p.fact_seq`,
		do: "A fact was lost or added by hand. Restore payment_facts from the backup.",
	},
	{
		invariant: 15, name: "what a payment must know reaches its workflow",
		of: "payments",
		find: `SELECT order_key, format('its payment has %s facts, its workflow was given %s', fact_seq, delivered_seq)
			FROM payments WHERE deliver_at IS NULL AND (fact_seq <> delivered_seq OR fact_seq > 0 AND started_at IS NULL)
			UNION ALL
			SELECT order_key, 'its payment''s news waits since ' || to_char(deliver_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')
			FROM payments WHERE deliver_at < now() - @grace::interval - interval '1 minute'`,
		do: "Is Temporal up, and a worker? See the worker's log for why it is not delivered. If one payment alone waits: starter payment revive ORDER.",
	},
	{
		invariant: 15, name: "nobody keeps a payment waiting for a week", warning: true,
		of: "payments WHERE needs_attention",
		find: `SELECT p.order_key, format('its payment waits for a person since %s: %s', left(a ->> 'since', 10), left(a ->> 'text', 160))
			FROM payments p CROSS JOIN jsonb_array_elements(coalesce(nullif(p.state -> 'attention', 'null'), '[]')) a
			WHERE p.needs_attention AND (a ->> 'since')::timestamptz < now() - interval '7 days'`,
		do: "starter payment list, then starter payment decide: docs/operating.md says how.",
	},
}

// openPayment is an open payment as the tables hold it.
type openPayment struct {
	order     string
	attention bool
	delivered int64
}

// openPayments are the payments whose workflows should run.
var openPayments = asked[openPayment]{
	name: paymentsRun,
	do:   "See in the Temporal UI how its workflow ended. starter payment revive ORDER starts it again from its recorded state.",
	open: `SELECT order_key, needs_attention, delivered_seq FROM payments WHERE started_at IS NOT NULL AND closed_at IS NULL ORDER BY order_key`,
	scan: func(row pgx.CollectableRow) (p openPayment, err error) {
		err = row.Scan(&p.order, &p.attention, &p.delivered)
		return p, err
	},
	about: func(p openPayment) (order, name string) { return p.order, "its payment" },
	judge: askPayment,
}

// askPayment says what is wrong with an open payment; empty: nothing.
func askPayment(ctx context.Context, workflows Workflows, p openPayment) (string, error) {
	key, err := order.ParseKey(p.order)
	if err != nil {
		return "", err
	}
	state, status, err := workflows.Payment(ctx, key)
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
	case state.LastFact < p.delivered:
		return fmt.Sprintf("%d facts count as delivered, the workflow knows %d", p.delivered, state.LastFact), nil
	case len(state.Attention) > 0 && !p.attention:
		return "the workflow asks for a person, and the payment is not marked", nil
	case !state.Finished() && len(state.Steps())+len(state.Busy)+len(state.Attention)+len(state.Waiting()) == 0:
		return fmt.Sprintf("it is %s and waits for nothing", state.Stage()), nil
	}
	return "", nil
}
