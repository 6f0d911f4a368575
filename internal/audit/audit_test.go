package audit_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/audit"
	"github.com/dropline/dropline/internal/order"
)

func (l *lives) audit() audit.Report {
	l.t.Helper()
	report, err := audit.Run(l.t.Context(), audit.Options{Pool: l.pool, Workflows: l, Grace: 20 * time.Millisecond})
	require.NoError(l.t, err)
	return report
}

// found are the names of the checks that found something.
func found(r audit.Report) []string {
	var names []string
	for _, o := range r.Outcomes {
		if o.Found > 0 {
			names = append(names, o.Check)
		}
	}
	return names
}

func outcome(t *testing.T, r audit.Report, check string) audit.Outcome {
	t.Helper()
	for _, o := range r.Outcomes {
		if o.Check == check {
			return o
		}
	}
	t.Fatalf("there is no check %q", check)
	return audit.Outcome{}
}

func TestWellRunDatabaseBreaksNothing(t *testing.T) {
	t.Parallel()
	l := wellRun(t)
	report := l.audit()
	for _, o := range report.Outcomes {
		if o.Found > 0 {
			t.Logf("%+v", o.Violations)
		}
		require.Empty(t, o.Violations, o.Check)
		require.Empty(t, o.Skipped, o.Check)
	}
	require.Zero(t, report.Broken())
	for _, check := range []string{
		"units were asked back before they were bought elsewhere", "every invoice of a closed order is matched or disputed by name",
		"a delivered parcel stays delivered", "only cancelled, lost or returned units are refunded, each once",
		"every open order has a running workflow, and no other has one", "every unit in a parcel is the order's or a case's",
	} {
		if check != "every invoice of a closed order is matched or disputed by name" {
			require.Positive(t, outcome(t, report, check).Checked, "%s looked at nothing", check)
		}
	}
}

func TestEveryInvariantHasACheck(t *testing.T) {
	t.Parallel()
	report := wellRun(t).audit()
	seen := map[int]bool{}
	for _, o := range report.Outcomes {
		seen[o.Invariant] = true
	}
	for invariant := 1; invariant <= 17; invariant++ {
		require.True(t, seen[invariant], "invariant %d", invariant)
	}
}

// comeback is a closed return of two units, sound until something more is done to it.
const comeback = `INSERT INTO return_requests (order_key, id, body_hash, answer) VALUES ('demo/smooth', 'r', '', '{}');
	INSERT INTO returns (rma, order_key, request, po_number, supplier, stage, state, started_at, closed_at, deliver_at)
		SELECT 'RMA-1', order_key, 'r', number, supplier, 'closed', '{"lines": [{"line": 1, "quantity": 2}]}', created_at, now(), NULL
		FROM purchase_orders WHERE order_key = 'demo/smooth' LIMIT 1;
	INSERT INTO return_lines (rma, po_number, line, quantity) SELECT rma, po_number, 1, 2 FROM returns; `

// exchanged is a sound exchange of that return by an order of its own, for 5.00.
const exchanged = comeback + `UPDATE orders SET exchange_of = 'demo/smooth', exchange_minor = 500 WHERE key = 'demo/open';
	INSERT INTO refunds (key, order_key, n, part, lines, amount_minor, moved_minor, exchange_order, goods_minor, tax_minor, shipping_minor, rma, reason, state, done_at)
		VALUES ('return/RMA-1/1', 'demo/smooth', 0, 1, '[]', 0, 500, 'demo/open', 500, 0, 0, 'RMA-1', 'returned', 'done', now());
	WITH t AS (INSERT INTO ledger_transactions (order_key, key, kind, memo) VALUES ('demo/smooth', 'exchange_moved|r', 'exchange_moved', ''),
		('demo/open', 'exchange_received|r', 'exchange_received', '') RETURNING id, kind)
	INSERT INTO ledger_entries (transaction_id, n, account, currency, minor)
		SELECT id, 1, 'exchange_credit', 'USD', CASE kind WHEN 'exchange_moved' THEN -500 ELSE 500 END FROM t
		UNION ALL SELECT id, 2, 'customer_deposits', 'USD', CASE kind WHEN 'exchange_moved' THEN 500 ELSE -500 END FROM t; `

// givenBack is a label that was bought and posted, and that its carrier was asked to take back.
const givenBack = `INSERT INTO return_parcels (carrier, tracking, rma, bought_of, cost_currency, cost_minor, give_back)
	VALUES ('dropex', 'EZ1', 'RMA-1', 'track', 'USD', 595, 'asked');
	WITH t AS (INSERT INTO ledger_transactions (order_key, key, kind, memo) VALUES ('demo/smooth', 'return_label|RMA-1', 'return_label', '') RETURNING id)
	INSERT INTO ledger_entries (transaction_id, n, account, currency, minor) SELECT id, 1, 'return_shipping', 'USD', 595 FROM t
		UNION ALL SELECT id, 2, 'bank', 'USD', -595 FROM t; `

// pursued is a claim that was settled and posted, sound until something more is done to it.
const pursued = `INSERT INTO pursuits (id, reference, order_key, kind, supplier, currency, stage, fact_seq, delivered_seq, started_at, closed_at, deliver_at)
		SELECT order_key || '/x', 'C0', order_key, 'sla_penalty', supplier, currency, 'settled', 1, 1, created_at, now(), NULL
		FROM purchase_orders WHERE order_key = 'demo/smooth' LIMIT 1;
	INSERT INTO claims (order_key, key, kind, account, currency, minor, owner, due_at, closed_at, resolution, pursuit)
		SELECT order_key, 'x', kind, 'supplier_claims:' || supplier, currency, 5, 'purchasing', opened_at, now(), 'paid', id FROM pursuits; `

// onCarrier is a claim on a carrier that was paid, for a parcel that has come; sound but for that until something
// more is done to it.
const onCarrier = `INSERT INTO carriers (id, document) VALUES ('track', '{}') ON CONFLICT DO NOTHING;
	INSERT INTO pursuits (id, reference, order_key, kind, po_number, carrier, currency, stage, fact_seq, delivered_seq, started_at, closed_at, deliver_at)
		SELECT order_key || '/lost/' || po_number || '/' || tracking, 'C0', order_key, 'lost_parcel', po_number, 'track', 'USD', 'settled', 1, 1, noticed_at, now(), NULL
		FROM parcels WHERE order_key = 'demo/smooth' AND milestone = 'delivered' LIMIT 1;
	INSERT INTO claims (order_key, key, kind, account, currency, minor, owner, due_at, closed_at, resolution, pursuit)
		SELECT order_key, substr(id, length(order_key) + 2), kind, 'carrier_claims:track', currency, 5, 'purchasing', opened_at, now(), 'paid', id FROM pursuits; `

// breakages break a well-run database behind its guards, one for each check.
var breakages = map[string]string{
	"the units of each purchase-order line add up":            `UPDATE purchase_order_lines SET units = '{"accepted": 1}' WHERE order_key = 'demo/open'`,
	"order lines are the lines that the customer ordered":     `UPDATE order_lines SET quantity = 3 WHERE order_key = 'demo/open'`,
	"no unit is live with two suppliers":                      `UPDATE purchase_order_lines SET live = 1 WHERE order_key = 'demo/rerouted' AND live = 0`,
	"units were asked back before they were bought elsewhere": `DELETE FROM effects WHERE kind = 'cancel' AND order_key = 'demo/rerouted'`,
	"each purchase order that a supplier has was sent once, under its own number": `UPDATE effects SET state = 'unknown' WHERE kind = 'submit' AND order_key = 'demo/open';
		UPDATE purchase_orders SET submitted_at = now() - interval '1 minute' WHERE order_key = 'demo/open'`,
	"offers hold back exactly what open purchase orders reserve":          `UPDATE offers SET reserved = reserved + 1 WHERE sku = 'MUG-BLUE'`,
	"a reservation ends when its units leave or ship":                     `UPDATE purchase_order_lines SET reserved = 1 WHERE order_key = 'demo/smooth'`,
	"no more came back than was shipped":                                  `UPDATE purchase_order_lines SET units = '{"returned": 2}' WHERE order_key = 'demo/reduced'`,
	"no unit is lost when facts are folded over the recorded state":       `UPDATE orders SET state = jsonb_set(state, '{lines,0,ordered}', '7') WHERE key = 'demo/rerouted'`,
	"no more is shipped than was ordered, unless a case is open about it": `UPDATE parcels SET lines = '[{"line": 1, "quantity": 9}]' WHERE order_key = 'demo/smooth'`,
	"every unit in a parcel is the order's or a case's":                   `UPDATE parcels SET lines = '[{"line": 1, "quantity": 3}]' WHERE order_key = 'demo/smooth'`,
	"late answers and shipments ended before the order was closed":        `UPDATE orders SET state = jsonb_set(state, '{purchaseOrders,0,lateAck}', '"received"') WHERE key = 'demo/smooth'`,
	"no unit is both cancelled and scanned":                               `UPDATE parcels SET lines = '[{"line": 1, "quantity": 2}]' WHERE order_key = 'demo/reduced'`,

	"an exchange moves value and makes none":                     exchanged + `UPDATE ledger_entries SET minor = 499 WHERE account = 'exchange_credit' AND minor > 0`,
	"an exchange order is paid by what came back, and only once": exchanged + `UPDATE orders SET exchange_minor = 501 WHERE key = 'demo/open'`,
	"the ledger holds the store credit that customers were given": comeback + `INSERT INTO store_credits (refund, order_key, rma, currency, minor, issued_at)
		VALUES ('x', 'demo/smooth', 'RMA-1', 'USD', 100, now())`,
	"each label that was bought is in the ledger once": comeback + `INSERT INTO return_parcels (carrier, tracking, rma, bought_of, cost_currency, cost_minor)
		VALUES ('dropex', 'EZ1', 'RMA-1', 'track', 'USD', 595)`,
	"every ledger transaction sums to zero in each currency": `UPDATE ledger_entries SET minor = minor + 1 WHERE account = 'processor_clearing'`,
	"costs in another currency are converted at the rate of their purchase orders": `UPDATE purchase_orders SET terms = terms
		|| '{"rate": {"from": "EUR", "to": "USD", "num": 11, "den": 10}}' WHERE order_key = 'demo/smooth';
		WITH t AS (INSERT INTO ledger_transactions (order_key, key, kind, memo) VALUES ('demo/smooth', 'converted|EUR|1', 'converted', '') RETURNING id)
		INSERT INTO ledger_entries (transaction_id, n, account, currency, minor)
			SELECT id, 1, 'cost_of_goods', 'USD', 5 FROM t UNION ALL SELECT id, 2, 'currency_conversion', 'USD', -5 FROM t`,
	"each label that was given back is in the ledger once": comeback + givenBack + `UPDATE return_parcels SET give_back = 'accepted'`,
	"no carrier keeps a label that nobody uses for a week without a word": comeback + givenBack + `UPDATE return_parcels SET give_back_due = now();
		UPDATE returns SET closed_at = now() - interval '8 days'`,
	"no parcel travels under a label that was given back":            comeback + givenBack + `UPDATE return_parcels SET first_scan_at = now()`,
	"Postgres guards the books":                                      `ALTER TABLE ledger_entries DISABLE TRIGGER ledger_is_append_only`,
	"refunds never exceed what was captured":                         `UPDATE refunds SET amount_minor = 99999`,
	"the ledger holds what was captured less what was refunded":      `UPDATE orders SET captured_minor = captured_minor + 1 WHERE key = 'demo/open'`,
	"the customer's money is used up when the order is closed":       `UPDATE ledger_entries SET minor = minor + 5 WHERE account = 'customer_deposits'`,
	"only cancelled, lost or returned units are refunded, each once": `UPDATE refunds SET lines = '[{"line": 1, "quantity": 2}]', asked_at = now() - interval '1 minute'`,
	"each refund has a named reason":                                 `UPDATE refunds SET reason = 'because'`,
	"each payment that came later is in the ledger once": `INSERT INTO order_payments (order_key, n, storefront, reference, request, amount_minor, by)
		SELECT key, 1, storefront, 'p', 'r', 5, 'k' FROM orders WHERE key = 'demo/smooth'`,
	"each refund that was made is in the ledger once": `UPDATE ledger_transactions SET key = 'other' WHERE kind = 'refunded'`,
	"each refund that was paid past its storefront is in the ledger once, and somebody decided so": `INSERT INTO refund_decisions
		(refund, order_key, request, reference, reason, not_made, by) SELECT key, order_key, 'r', 'wire-1', 'refused', false, 'x' FROM refunds`,
	"every invoice line matches a line of its purchase order, or is disputed": invoice + `UPDATE supplier_invoices SET standing = 'matched', document = '{"Lines": [{"Line": 8}]}'`,
	"every invoice of a closed order is matched or disputed by name": invoice + `UPDATE supplier_invoices SET standing = 'received';
		UPDATE orders SET closed_at = now() - interval '1 minute' WHERE closed_at IS NOT NULL`,
	"the postings of each claim sum up to what is open of it":   pursued + `UPDATE claims SET closed_at = NULL WHERE key = 'x'`,
	"each settlement and each credit of a claim is posted once": pursued + `INSERT INTO claim_settlements SELECT id, 'r', 'paid', 0, 5, 'agreed', 'k' FROM pursuits`,
	"the volume discounts of each period are claimed as far as they are recorded": `INSERT INTO volume_periods (supplier, period, currency)
		SELECT supplier, '2026', currency FROM purchase_orders WHERE order_key = 'demo/smooth' LIMIT 1;
		INSERT INTO volume_purchases (supplier, invoice, order_key, period, currency, ends_at, goods, claimed)
		SELECT supplier, 'I', 'demo/smooth', period, currency, now(), 100, 5 FROM volume_periods`,
	"every claim on a supplier or carrier is pursued": pursued + `UPDATE claims SET closed_at = NULL, pursuit = NULL WHERE key = 'x'`,
	"what a carrier paid for a parcel that came all the same is answered once": onCarrier + `UPDATE pursuits SET found = 5;
		INSERT INTO claim_settlements SELECT id, 'r', 'repaid', 0, 5, 'parcel_found', 'k' FROM pursuits`,
	"no claim on a carrier stays open for a parcel that it delivered": onCarrier + `UPDATE claims SET closed_at = NULL WHERE key LIKE 'lost/%';
		UPDATE parcels SET milestone_at = now() - interval '1 day' WHERE order_key = 'demo/smooth'`,
	"no credit is more than what it was given for": pursued + `INSERT INTO claim_credits (supplier, number, order_key, pursuit, currency, minor, given_at)
		SELECT supplier, 'CM', order_key, id, currency, 5, '2020-01-01' FROM pursuits`,
	"each line of a payment to a supplier is posted once":               remittedOnce + `UPDATE remittance_lines SET minor = 840`,
	"each payment to a supplier is the sum of its lines":                remittedOnce + `UPDATE remittances SET total = 841`,
	"no invoice is paid beyond what it asks for":                        remittedOnce + `UPDATE supplier_invoices SET total = 839`,
	"no claim is overdue":                                               `UPDATE claims SET due_at = now() - interval '1 day'`,
	"the accounts of closed orders are zero or covered by named claims": `DELETE FROM claims WHERE order_key = 'demo/smooth'`,
	"our books and those of partners agree": `WITH r AS (INSERT INTO reconciliation_runs (from_day, until_day) VALUES ('2026-03-01', '2026-03-02') RETURNING id)
		INSERT INTO reconciliation_differences (key, book, what, cause, subject, currency, at, first_run, last_run)
		SELECT 'k', 'carrier/ups', 'twice', 'billed twice', '1Z', 'EUR', now(), id, id FROM r`,
	"the refunds that the state counts are the refunds that were made": `DELETE FROM refunds`,

	"nobody is in doubt about an effect for long": `UPDATE effects SET state = 'unknown', last_at = now() - interval '2 hours' WHERE order_key = 'demo/open'`,
	"each effect that is done says how it ended":  `UPDATE effects SET result = NULL`,
	"documents are read when they are due":        `UPDATE documents SET status = 'received', next_attempt_at = now() - interval '1 minute'`,
	"each quarantined document says why":          `UPDATE documents SET status = 'quarantined'`,
	"no document waits in quarantine":             `UPDATE documents SET status = 'quarantined', reason_code = 'malformed', reason = 'It cannot be read.'`,
	"only documents that were applied have facts, each fact once": `UPDATE facts SET document_id = (SELECT min(id) FROM documents);
		UPDATE documents SET status = 'ignored'`,
	"only units that were granted are paid for in a return, each once": comeback + `INSERT INTO refunds (key, order_key, n, part, lines, amount_minor, goods_minor, tax_minor, shipping_minor, shipping_tax_minor, rma, reason, state)
		VALUES ('return/X', 'demo/smooth', 0, 9, '[{"line": 1, "quantity": 9}]', 0, 0, 0, 0, 0, 'RMA-1', 'returned', 'done')`,
	"the open claims of returns are what suppliers still owe for them": comeback + `UPDATE returns SET state = jsonb_set(state, '{claim}', '{"expected": 5}')`,
	"each credit memo reached its return once": comeback + `INSERT INTO credit_memos (supplier, number, rma, order_key, currency, minor, given_at)
		SELECT supplier, 'CM-1', rma, order_key, 'USD', 5, now() FROM returns`,
	"facts about returns are numbered without gaps":                           comeback + `UPDATE returns SET fact_seq = 1`,
	"what a return must know reaches its workflow":                            comeback + `UPDATE returns SET started_at = NULL`,
	"what is recorded of a return is what its tables say":                     comeback + `UPDATE return_lines SET quantity = 1`,
	"what a return paid is what was refunded for it":                          comeback + `UPDATE returns SET state = jsonb_set(state, '{paidMinor}', '5')`,
	"nobody keeps a return waiting for a week":                                comeback + `UPDATE returns SET needs_attention = true, state = jsonb_set(state, '{attention}', '[{"since": "2020-01-01T00:00:00Z", "text": "x"}]')`,
	"what was captured of authorisations is in the ledger, each once":         till + `UPDATE payments SET authorised_minor = 9, captured_minor = 9`,
	"a payment that is closed is captured or let go, and leaves nothing open": till + `UPDATE payments SET closed_at = now(), standing = 'authorised'`,
	"refunds forgive no more than was written off": till + `UPDATE payments SET closed_at = now(), written_off_minor = 4;
		UPDATE refunds SET order_key = 'demo/smooth', amount_minor = 0, forgiven_minor = 5`,
	"facts about payments are numbered without gaps": till + `UPDATE payments SET fact_seq = 1`,
	"what a payment must know reaches its workflow":  till + `UPDATE payments SET deliver_at = now() - interval '1 hour'`,
	"nobody keeps a payment waiting for a week": till + `UPDATE payments SET needs_attention = true,
		state = '{"attention": [{"since": "2020-01-01T00:00:00Z", "text": "x"}]}'`,
	"facts are numbered without gaps":                       `DELETE FROM facts WHERE order_key = 'demo/smooth' AND seq = 1`,
	"a delivered parcel stays delivered":                    `UPDATE parcels SET milestone = 'in_transit' WHERE order_key = 'demo/smooth'`,
	"orders and purchase orders are in declared states":     `UPDATE purchase_orders SET status = 'lost'`,
	"each customer was told once that the order was placed": `DELETE FROM outbox WHERE kind = 'placed' AND order_key = 'demo/open'`,
	"nobody was told the same twice": `INSERT INTO outbox (key, order_key, channel, kind, payload, state)
		SELECT 'again', order_key, channel, kind, payload, state FROM outbox WHERE kind = 'delivered' LIMIT 1`,
	"nobody was told of a delivery or a shipment without a scan": `DELETE FROM tracking_events WHERE status = 'delivered'`,
	"nobody was told of a cancellation that was not made":        `UPDATE order_lines SET cancelled = 0`,
	"each customer was told of a delivery":                       `DELETE FROM outbox WHERE kind = 'delivered'`,

	"every order was begun, or will be":            `UPDATE orders SET started_at = NULL WHERE key = 'demo/open'`,
	"what an order must know reaches its workflow": `UPDATE orders SET deliver_at = now() - interval '1 hour' WHERE key = 'demo/open'`,
	"messages leave when they are due":             `UPDATE outbox SET state = 'pending', due_at = now() - interval '1 hour'`,
	"no message was given up":                      `UPDATE outbox SET state = 'failed'`,
	"every parcel under way is watched":            `UPDATE parcels SET next_check_at = NULL WHERE order_key = 'demo/underway'`,
	"nobody keeps an order waiting for a week": `UPDATE orders SET needs_attention = true,
		state = jsonb_set(state, '{attention}', '[{"key": "review", "text": "held", "since": "2026-01-01T00:00:00Z"}]') WHERE key = 'demo/open'`,
	"the recorded state is what its tables say": `UPDATE orders SET stage = 'shipped' WHERE key = 'demo/smooth'`,

	"no e-mail address, street or telephone number outside its stores": `UPDATE facts SET body = jsonb_set(body, '{ack,reason}', '"ring at 5 Elm \"Old\" St"') WHERE order_key = 'demo/open'`,
	"nothing crosses from one storefront to another":                   `UPDATE documents SET source = 'api/other'`,
}

// invoice gives the settled order an invoice.
const invoice = `INSERT INTO supplier_invoices (supplier, invoice, po_number, order_key, currency, total, document, invoiced_at)
	SELECT supplier, 'I-1', number, order_key, currency, 840, '{"Lines": [{"Line": 1}]}', now() FROM purchase_orders WHERE order_key = 'demo/smooth';`

// remittedOnce pays that invoice, but for the posting.
const remittedOnce = invoice + `INSERT INTO remittances (supplier, reference, paid_on, currency, total, content, by)
		SELECT supplier, 'REM', '2026-03-14', currency, 840, '', 'k' FROM supplier_invoices;
	INSERT INTO remittance_lines (supplier, reference, n, payment, invoice, minor) SELECT supplier, 'REM', 1, 'REM:1', 'I-1', 840 FROM remittances;`

// till gives the settled order a payment at a provider.
const till = `INSERT INTO payments (order_key, storefront, reference, standing, stage, state)
	SELECT key, storefront, 'pi_1', 'captured', 'payment_books', '{}' FROM orders WHERE key = 'demo/smooth';`

// misled break what only the workflows can tell.
var misled = map[string]func(l *lives){
	"every open claim on a supplier has a running workflow":              func(l *lives) { l.broken(pursued + `UPDATE pursuits SET closed_at = NULL`) },
	"every open return has a running workflow that keeps its units":      func(l *lives) { l.broken(comeback + `UPDATE returns SET closed_at = NULL`) },
	"every open payment has a running workflow that waits for something": func(l *lives) { l.broken(till + `UPDATE payments SET started_at = now()`) },
	"the workflows keep every unit":                                      func(l *lives) { l.states[open].Lines[0].Unassigned = 5 },
	"every open order waits for something, or for a person": func(l *lives) {
		l.states[open].POs[0].ShipDueAt = time.Time{}
	},
	"every open order has a running workflow, and no other has one": func(l *lives) { l.ended[open] = "terminated" },
	"what is recorded is what the workflow knows":                   func(l *lives) { l.states[open].POs[0].Lines[0].Units = order.Units{Accepted: 1, Cancelled: 1} },
}

// broken runs statements behind the guards of the database.
func (l *lives) broken(sql string) {
	l.t.Helper()
	require.NoError(l.t, pgx.BeginFunc(l.t.Context(), l.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(l.t.Context(), `SET LOCAL session_replication_role = replica;`+sql)
		return err
	}))
}

func TestEveryCheckFindsWhatItIsFor(t *testing.T) {
	t.Parallel()
	for _, check := range audit.Checks() {
		_, inDatabase := breakages[check]
		_, inWorkflow := misled[check]
		require.NotEqual(t, inDatabase, inWorkflow, "the check %q needs a breakage that it finds", check)
	}
	for check, sql := range breakages {
		t.Run(check, func(t *testing.T) {
			t.Parallel()
			l := wellRun(t)
			l.broken(sql)
			l.finds(t, check)
		})
	}
	for check, mislead := range misled {
		t.Run(check, func(t *testing.T) {
			t.Parallel()
			l := wellRun(t)
			mislead(l)
			l.finds(t, check)
		})
	}
}

func (l *lives) finds(t *testing.T, check string) {
	t.Helper()
	report := l.audit()
	o := outcome(t, report, check)
	require.NotEmpty(t, o.Violations, "found only: %s", strings.Join(found(report), "; "))
	require.Positive(t, o.Found)
	for _, v := range o.Violations {
		require.NotEmpty(t, v.What)
		require.NotEmpty(t, v.Do)
		require.Equal(t, check, v.Check)
		require.NotContains(t, v.What, "%!")
	}
}

func TestWorkflowOfAClosedOrderThatStillRunsIsFound(t *testing.T) {
	t.Parallel()
	l := wellRun(t)
	l.states[smooth].Settled = false
	l.states[order.Key{Storefront: "demo", Order: "nowhere"}] = &order.State{}
	o := outcome(t, l.audit(), "every open order has a running workflow, and no other has one")
	require.EqualValues(t, 2, o.Found)
}

func TestOfflineAuditSaysWhatItLeftOut(t *testing.T) {
	t.Parallel()
	l := wellRun(t)
	report, err := audit.Run(t.Context(), audit.Options{Pool: l.pool})
	require.NoError(t, err)
	require.Zero(t, report.Broken(), found(report))
	var skipped []string
	for _, o := range report.Outcomes {
		if o.Skipped != "" {
			skipped = append(skipped, o.Check)
		}
	}
	require.Len(t, skipped, len(misled))
}

func TestWhatIsOnlyMovingIsNotReported(t *testing.T) {
	t.Parallel()
	l := wellRun(t)
	moving := &settling{lives: l, asked: 2}
	l.states[open].Attention = append(l.states[open].Attention, order.Attention{Key: "x", Text: "soon recorded"})
	report, err := audit.Run(t.Context(), audit.Options{Pool: l.pool, Workflows: moving, Grace: 10 * time.Second})
	require.NoError(t, err)
	require.Zero(t, report.Broken(), found(report))
	require.Less(t, report.Took, 9*time.Second, "an audit ends when everything is explained")
}

// settling is an order that is recorded a moment after it was looked at.
type settling struct {
	*lives
	asked int
}

func (s *settling) State(ctx context.Context, key order.Key) (order.State, string, error) {
	state, status, err := s.lives.State(ctx, key)
	if key == open {
		if s.asked--; s.asked == 0 {
			s.exec(`UPDATE orders SET needs_attention = true WHERE key = $1`, key.String())
		}
	}
	return state, status, err
}

func TestViolationsAreCountedBeyondTheLimit(t *testing.T) {
	t.Parallel()
	l := wellRun(t)
	l.broken(`UPDATE refunds SET reason = 'x'; UPDATE effects SET result = NULL`)
	report, err := audit.Run(t.Context(), audit.Options{Pool: l.pool, Limit: 1})
	require.NoError(t, err)
	o := outcome(t, report, "each effect that is done says how it ended")
	require.Len(t, o.Violations, 1)
	require.Greater(t, o.Found, int64(3))
	require.GreaterOrEqual(t, report.Broken(), o.Found)
}

func TestWorkflowsThatDoNotAnswerEndTheAudit(t *testing.T) {
	t.Parallel()
	l := wellRun(t)
	_, err := audit.Run(t.Context(), audit.Options{Pool: l.pool, Workflows: silent{l}})
	require.ErrorIs(t, err, audit.ErrNoWorker)
}

type silent struct{ *lives }

func (silent) State(context.Context, order.Key) (order.State, string, error) {
	return order.State{}, "", errors.Join(audit.ErrNoWorker)
}

func TestChecksHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	names := audit.Checks()
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(names))), len(names))
}
