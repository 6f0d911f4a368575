package audit

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/claims"
)

// owed are the invariants of what suppliers and carriers owe.
var owed = []statement{
	{
		invariant: 11, name: "the postings of each claim sum up to what is open of it",
		of: "pursuits",
		find: `SELECT p.order_key, format('claim %s: its postings leave %s, its open claims name %s (minor units)', p.reference, s.rest, o.open)
			FROM pursuits p
			CROSS JOIN LATERAL (SELECT coalesce(sum(e.minor), 0) AS rest FROM claims c
				JOIN ledger_transactions t ON t.order_key = c.order_key
					AND (t.key = 'claim_opened|' || c.key OR starts_with(t.key, 'claim_closed|' || c.key || '|'))
				JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = c.account AND e.currency = c.currency
				WHERE c.pursuit = p.id) s
			CROSS JOIN LATERAL (SELECT coalesce(sum(c.minor), 0) AS open FROM claims c WHERE c.pursuit = p.id AND c.closed_at IS NULL) o
			WHERE s.rest <> o.open`,
		do: "Compare starter claim show with starter ledger; claims and postings are written together, so one was changed by hand.",
	},
	{
		invariant: 11, name: "each settlement and each credit of a claim is posted once",
		of: "pursuits",
		find: `SELECT p.order_key, format('claim %s: %s settled or credited, %s posted (minor units)', p.reference, g.sum, s.sum)
			FROM pursuits p
			CROSS JOIN LATERAL (SELECT coalesce((SELECT sum(minor) FROM claim_settlements d WHERE d.pursuit = p.id
					AND d.outcome NOT IN ('repaid', 'kept')), 0)
				+ coalesce((SELECT sum(applied) FROM claim_credits d WHERE d.pursuit = p.id), 0) AS sum) g
			CROSS JOIN LATERAL (SELECT coalesce(-sum(e.minor), 0) AS sum FROM claims c
				JOIN ledger_transactions t ON t.order_key = c.order_key
					AND (starts_with(t.key, 'claim_closed|' || c.key || '|settle/') OR starts_with(t.key, 'claim_closed|' || c.key || '|memo/'))
				JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = c.account AND e.currency = c.currency
				WHERE c.pursuit = p.id) s
			WHERE g.sum <> s.sum`,
		do: "Report it as a defect: a decision or a credit counts twice, or not at all.",
	},
	{
		invariant: 11, name: "the volume discounts of each period are claimed as far as they are recorded",
		of: "volume_periods",
		find: `SELECT g.order_key, format('volume discounts of %s in %s: %s recorded as claimed, %s posted (%s, minor units)', v.supplier, v.period, g.sum, s.sum, v.currency)
			FROM volume_periods v
			CROSS JOIN LATERAL (SELECT min(order_key) AS order_key, coalesce(sum(claimed), 0) AS sum FROM volume_purchases p
				WHERE p.supplier = v.supplier AND p.period = v.period AND p.currency = v.currency) g
			CROSS JOIN LATERAL (SELECT coalesce(sum(e.minor), 0) AS sum FROM pursuits p JOIN claims c ON c.pursuit = p.id
				JOIN ledger_transactions t ON t.order_key = c.order_key AND t.key = 'claim_opened|' || c.key
				JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = c.account AND e.currency = c.currency
				WHERE p.supplier = v.supplier AND p.kind = 'volume_discount'
					AND starts_with(p.id, 'volume:' || v.supplier || '/' || v.period || '/' || v.currency || '/')) s
			WHERE g.sum <> s.sum`,
		do: "Compare starter claim show with volume_purchases; both are written together, so one was changed by hand.",
	},
	{
		invariant: 11, name: "what a carrier paid for a parcel that came all the same is answered once",
		of: "pursuits WHERE carrier IS NOT NULL",
		find: `SELECT p.order_key, format('claim %s: %s settled as repaid, %s posted; %s found, %s answered (minor units)', p.reference, d.repaid, s.sum, p.found, d.answered)
			FROM pursuits p
			CROSS JOIN LATERAL (SELECT coalesce(sum(minor) FILTER (WHERE outcome = 'repaid'), 0) AS repaid, coalesce(sum(minor), 0) AS answered
				FROM claim_settlements WHERE pursuit = p.id AND outcome IN ('repaid', 'kept')) d
			CROSS JOIN LATERAL (SELECT coalesce(-sum(e.minor), 0) AS sum FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
				AND e.account = 'bank' WHERE t.order_key = p.order_key
					AND starts_with(t.key, 'claim_repaid|' || substr(p.id, length(p.order_key) + 2) || '|')) s
			WHERE p.carrier IS NOT NULL AND (d.repaid <> s.sum OR d.answered > p.found)`,
		do: "Report it as a defect: a decision about a found parcel counts twice, or not at all.",
	},
	{
		invariant: 11, name: "no claim on a carrier stays open for a parcel that it delivered",
		of: "pursuits WHERE carrier IS NOT NULL",
		find: `SELECT p.order_key, format('claim %s is open for parcel %s, which was delivered at %s', p.reference, b.tracking,
				to_char(b.milestone_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'))
			FROM pursuits p JOIN pursuit_parcels b ON b.pursuit = p.id
			WHERE p.kind = 'lost_parcel' AND b.milestone = 'delivered' AND b.milestone_at < now() - @grace::interval - interval '1 hour'
				AND EXISTS (SELECT FROM claims c WHERE c.pursuit = p.id AND c.closed_at IS NULL)`, warning: true,
		do: "The order or the return hears of it within the hour; see whether its workflow runs, and settle the claim as conceded otherwise.",
	},
	{
		invariant: 15, name: "every claim on a supplier or carrier is pursued",
		of: "claims WHERE closed_at IS NULL",
		find: `SELECT order_key, format('claim %s on %s is open, and nobody pursues it', key, account) FROM claims
			WHERE closed_at IS NULL AND pursuit IS NULL AND account ~ '^(supplier|carrier)_claims:' AND NOT starts_with(key, 'return/')
			UNION ALL
			SELECT order_key, format('claim %s: its workflow was never started, and nothing will start it', reference) FROM pursuits
			WHERE started_at IS NULL AND deliver_at IS NULL AND NOT needs_attention
			UNION ALL
			SELECT order_key, format('claim %s: news is due since %s and not delivered', reference,
				to_char(deliver_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
			FROM pursuits WHERE deliver_at < now() - @grace::interval - interval '30 seconds'
			UNION ALL
			SELECT order_key, format('claim %s is ended, and %s of it is open (minor units)', p.reference, o.sum)
			FROM pursuits p CROSS JOIN LATERAL (SELECT sum(minor) AS sum FROM claims c WHERE c.pursuit = p.id AND c.closed_at IS NULL) o
			WHERE p.closed_at IS NOT NULL AND p.deliver_at IS NULL AND o.sum IS NOT NULL`,
		do: "Check that a worker or a gateway runs and reaches Temporal; a claim without a reference was opened by hand.",
	},
	{
		invariant: 11, name: "no credit is more than what it was given for", warning: true,
		of: "claim_credits",
		find: `SELECT order_key, format('credit %s of %s gives %s, its claim took %s (minor units)', number, supplier, minor, applied + beyond)
			FROM claim_credits WHERE applied + beyond < minor AND given_at < now() - interval '7 days'`,
		do: "Ask the supplier what the rest is for.",
	},
}

const claimsRun = "every open claim on a supplier has a running workflow"

// openClaim is a claim whose workflow should run.
type openClaim struct {
	id, order, reference string
	open, delivered      int64
}

// openClaims are the claims that are pursued.
var openClaims = asked[openClaim]{
	name: claimsRun,
	do: "See in the Temporal UI how its workflow ended; the next news of the claim, such as a credit, starts it again, and so does starter " +
		"claim settle.",
	open: `SELECT p.id, p.order_key, p.reference, p.delivered_seq,
			coalesce((SELECT sum(minor) FROM claims c WHERE c.pursuit = p.id AND c.closed_at IS NULL), 0)::bigint
		FROM pursuits p WHERE p.started_at IS NOT NULL AND p.closed_at IS NULL AND p.fact_seq = p.delivered_seq ORDER BY p.id`,
	scan: func(row pgx.CollectableRow) (c openClaim, err error) {
		err = row.Scan(&c.id, &c.order, &c.reference, &c.delivered, &c.open)
		return c, err
	},
	about: func(c openClaim) (order, name string) { return c.order, "claim " + c.reference },
	judge: func(ctx context.Context, workflows Workflows, c openClaim) (string, error) {
		state, status, err := workflows.Claim(ctx, c.id)
		if err != nil {
			return "", err
		}
		return c.judge(&state, status), nil
	},
}

// judge says what is wrong with a claim's workflow; empty: nothing.
func (c *openClaim) judge(s *claims.State, status string) string {
	switch {
	case status != Running:
		return "its workflow is " + status
	case s.News < c.delivered || s.Open != c.open:
		return fmt.Sprintf("%d minor units are open, the workflow knows of %d", c.open, s.Open)
	case s.Open > 0 && len(s.Deadlines()) == 0 && !s.NeedsAttention():
		return "it waits for nothing"
	}
	return ""
}
