package orderview

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
)

// Event is one thing that happened to an order.
type Event struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind" doc:"document, fact, story, routing, purchase_order, effect, parcel, scan, return, message, refund, supplier_payment or ledger." example:"fact"`
	Text string    `json:"text" doc:"What happened, in a sentence." example:"Supplier answers DLABCDEFGHIJKLM-1: 2 of line 1 accepted"`
}

// numbersReused is how long before its ship notice a scan may lie and still be about the same
// parcel: carriers give a tracking number out again after months.
const numbersReused = "30 days"

// Timeline lists everything that is known to have happened to an order, the oldest first. Events of
// the same moment stand in the order cause before effect. Fails with ErrNoOrder.
func Timeline(ctx context.Context, q Querier, key order.Key) ([]Event, error) {
	b := &pgx.Batch{}
	var s Standing
	t := timeline{events: []Event{}}
	s.queue(b, key)
	t.queue(b, key)
	if err := q.SendBatch(ctx, b).Close(); err != nil {
		return nil, failed(key, err)
	}
	t.add(s.ReceivedAt, "document", "The order was taken in")
	if !s.StartedAt.IsZero() {
		t.add(s.StartedAt, "story", "Work on the order began")
	}
	for _, e := range s.State.Journal {
		t.add(e.At, "story", e.Text)
	}
	if !s.ClosedAt.IsZero() {
		t.add(s.ClosedAt, "story", "The order was closed")
	}
	slices.SortStableFunc(t.events, func(a, b Event) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return slices.Index(causality, a.Kind) - slices.Index(causality, b.Kind)
	})
	return t.events, nil
}

var causality = []string{
	"document", "scan", "fact", "parcel", "story", "routing", "purchase_order", "effect", "return", "refund", PaidSupplier, "ledger", "message",
}

type timeline struct{ events []Event }

func (t *timeline) tell(at time.Time, kind, format string, args ...any) {
	t.add(at, kind, fmt.Sprintf(format, args...))
}

func (t *timeline) add(at time.Time, kind, text string) {
	t.events = append(t.events, Event{At: at.UTC(), Kind: kind, Text: oneLine(text)})
}

// oneLine keeps what partners wrote from breaking a terminal or a page.
func oneLine(text string) string {
	const most = 300
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

func (t *timeline) queue(b *pgx.Batch, key order.Key) {
	queueEach(b, `SELECT source, kind, status, reason_code, received_at FROM documents WHERE order_key = $1`, key, t.document)
	queueEach(b, `SELECT body, created_at FROM facts WHERE order_key = $1 ORDER BY seq`, key, t.fact)
	queueEach(b, `SELECT n, decided_at FROM routing_decisions WHERE order_key = $1 ORDER BY n`, key,
		func(row pgx.CollectableRow) error {
			var n int
			var at time.Time
			err := row.Scan(&n, &at)
			t.tell(at, "routing", "Suppliers were chosen (decision %d)", n)
			return err
		})
	queueEach(b, `
		SELECT number, supplier, reference, created_at, submitted_at, acknowledged_at, first_scan_at
		FROM purchase_orders WHERE order_key = $1 ORDER BY created_at, number`, key, t.purchaseOrder)
	queueEach(b, `SELECT key, kind, state, attempts, first_at, last_at FROM effects WHERE order_key = $1 ORDER BY first_at, key`, key, t.effect)
	queueEach(b, `SELECT rma, opened_at, closed_at, state -> 'journal' FROM returns WHERE order_key = $1 ORDER BY opened_at, rma`, key, t.comeback)
	queueEach(b, `SELECT supplier, number, rma, minor, currency, given_at FROM credit_memos WHERE order_key = $1 ORDER BY given_at, number`, key, t.memo)
	queueEach(b, `SELECT po_number, carrier, tracking, noticed_at FROM parcels WHERE order_key = $1 ORDER BY noticed_at`, key,
		func(row pgx.CollectableRow) error {
			var number, carrier, tracking string
			var at time.Time
			err := row.Scan(&number, &carrier, &tracking, &at)
			t.tell(at, "parcel", "Parcel %s (%s) was announced for %s", tracking, carrier, number)
			return err
		})
	queueEach(b, `
		SELECT DISTINCT e.carrier, e.tracking, e.scan_id, e.status, e.at FROM tracking_events e
		JOIN parcels p ON p.carrier = e.carrier AND p.tracking = e.tracking
		WHERE p.order_key = $1 AND e.at > p.noticed_at - interval '`+numbersReused+`'
		ORDER BY e.at, e.scan_id`, key,
		func(row pgx.CollectableRow) error {
			var carrier, tracking, id, status string
			var at time.Time
			err := row.Scan(&carrier, &tracking, &id, &status, &at)
			t.tell(at, "scan", "%s scanned parcel %s: %s", carrier, tracking, words(status))
			return err
		})
	queueEach(b, `SELECT channel, kind, state, created_at, sent_at FROM outbox WHERE order_key = $1 ORDER BY id`, key, t.message)
	queueEach(b, `
		SELECT r.n, coalesce(r.rma, ''), r.amount_minor + r.released_minor + r.forgiven_minor, o.currency, r.reason, r.asked_at, r.done_at
		FROM refunds r JOIN orders o ON o.key = r.order_key WHERE r.order_key = $1 ORDER BY r.n`, key, t.refund)
	queueEach(b, `SELECT refund, reference, reason, by, decided_at FROM refund_decisions WHERE order_key = $1 ORDER BY decided_at, refund`, key, t.elsewhere)
	queueSupplierPayments(b, key, t.supplierPayment)
	queueEach(b, `SELECT kind, memo, posted_at FROM ledger_transactions WHERE order_key = $1 ORDER BY id`, key,
		func(row pgx.CollectableRow) error {
			var kind, memo string
			var at time.Time
			err := row.Scan(&kind, &memo, &at)
			t.tell(at, "ledger", "Booked %s: %s", words(kind), memo)
			return err
		})
}

func (t *timeline) document(row pgx.CollectableRow) error {
	var source, kind, status, code string
	var at time.Time
	err := row.Scan(&source, &kind, &status, &code, &at)
	switch status {
	case "quarantined":
		t.tell(at, "document", "%s sent %s: set aside (%s)", source, kind, words(code))
	case "ignored":
		t.tell(at, "document", "%s sent %s: nothing new in it", source, kind)
	default:
		t.tell(at, "document", "%s sent %s", source, kind)
	}
	return err
}

func (t *timeline) fact(row pgx.CollectableRow) error {
	var body []byte
	var at time.Time
	if err := row.Scan(&body, &at); err != nil {
		return err
	}
	var fact order.Fact
	if err := json.Unmarshal(body, &fact); err != nil {
		return err
	}
	t.tell(at, "fact", "%s", sentence(&fact))
	return nil
}

func (t *timeline) purchaseOrder(row pgx.CollectableRow) error {
	var number, supplier, reference string
	var created time.Time
	var submitted, acknowledged, scanned *time.Time
	err := row.Scan(&number, &supplier, &reference, &created, &submitted, &acknowledged, &scanned)
	t.tell(created, "purchase_order", "Purchase order %s for %s was made", number, supplier)
	if submitted != nil {
		as := ""
		if reference != "" {
			as = " as " + reference
		}
		t.tell(*submitted, "purchase_order", "%s has %s%s", supplier, number, as)
	}
	if acknowledged != nil {
		t.tell(*acknowledged, "purchase_order", "%s acknowledged %s, by its own clock", supplier, number)
	}
	if scanned != nil {
		t.tell(*scanned, "purchase_order", "First carrier scan for %s: it counts as shipped", number)
	}
	return err
}

func (t *timeline) effect(row pgx.CollectableRow) error {
	var key, kind, state string
	var attempts int
	var first, last time.Time
	err := row.Scan(&key, &kind, &state, &attempts, &first, &last)
	t.tell(first, "effect", "Began %s (%s)", words(kind), key)
	outcome := map[string]string{
		"trying": "is under way", "unknown": "has no answer: it may or may not have happened", "done": "is done", "refused": "was refused", "not_sent": "was not made",
	}[state]
	t.tell(last, "effect", "%s (%s) %s after %s", words(kind), key, outcome, times(attempts))
	return err
}

func times(n int) string {
	if n == 1 {
		return "one attempt"
	}
	return fmt.Sprintf("%d attempts", n)
}

func (t *timeline) message(row pgx.CollectableRow) error {
	var channel, kind, state string
	var at time.Time
	var sent *time.Time
	err := row.Scan(&channel, &kind, &state, &at, &sent)
	to := map[string]string{"customer_mail": "customer", "storefront": "storefront", "supplier_mail": "supplier", "carrier_mail": "carrier"}[channel]
	if sent != nil {
		t.tell(*sent, "message", "The %s was told: %s", to, words(kind))
		return err
	}
	t.tell(at, "message", "A message to the %s is %s: %s", to, state, words(kind))
	return err
}

// comeback tells a return as its workflow did.
func (t *timeline) comeback(row pgx.CollectableRow) error {
	var rma string
	var opened time.Time
	var closed *time.Time
	var journal []order.Entry
	err := row.Scan(&rma, &opened, &closed, &journal)
	for _, e := range journal {
		t.tell(e.At, "return", "%s: %s", rma, e.Text)
	}
	if closed != nil {
		t.tell(*closed, "return", "%s was closed", rma)
	}
	return err
}

func (t *timeline) memo(row pgx.CollectableRow) error {
	var supplier, number, rma, currency string
	var minor int64
	var at time.Time
	err := row.Scan(&supplier, &number, &rma, &minor, &currency, &at)
	t.tell(at, "return", "%s gave credit memo %s of %s %s for return %s", supplier, number, amount(minor, currency), currency, rma)
	return err
}

// elsewhere tells who decided that a refund was paid past the storefront.
func (t *timeline) elsewhere(row pgx.CollectableRow) error {
	var refund, reference, reason, by string
	var at time.Time
	err := row.Scan(&refund, &reference, &reason, &by, &at)
	t.tell(at, "refund", "%s noted that %s was paid past the storefront by %s (%s)", by, refund, reference, words(reason))
	return err
}

func (t *timeline) refund(row pgx.CollectableRow) error {
	var n int
	var minor int64
	var rma, currency, reason string
	var asked time.Time
	var done *time.Time
	err := row.Scan(&n, &rma, &minor, &currency, &reason, &asked, &done)
	name := fmt.Sprintf("Refund %d", n)
	if rma != "" {
		name = "Refund for return " + rma
	}
	t.tell(asked, "refund", "%s of %s %s was begun: %s", name, amount(minor, currency), currency, words(reason))
	if done != nil {
		t.tell(*done, "refund", "%s of %s %s was made", name, amount(minor, currency), currency)
	}
	return err
}
