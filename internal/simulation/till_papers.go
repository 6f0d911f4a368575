package simulation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// What the provider writes, in the form of Stripe's.

func (t *till) intent() map[string]any {
	card := map[string]any{}
	if !t.expiresAt.IsZero() && !t.hidden {
		card["capture_before"] = t.expiresAt.Unix()
	}
	return map[string]any{
		"id": t.reference, "object": "payment_intent", "status": t.status, "currency": t.currency, "amount": t.authorised, "amount_received": t.captured,
		"latest_charge": map[string]any{
			"id": "ch" + t.reference[2:], "object": "charge", "payment_intent": t.reference, "currency": t.currency, "amount": t.authorised,
			"amount_captured": t.captured, "amount_refunded": t.refunded, "payment_method_details": map[string]any{"type": "card", "card": card},
		},
	}
}

func (t *till) refund(made *moneyBack) map[string]any {
	object := map[string]any{
		"id": made.reference, "object": "refund", "payment_intent": t.reference, "status": made.status, "amount": made.amount,
		"currency": t.currency, "created": made.at.Unix(), "metadata": map[string]any{"dropline_key": made.key},
	}
	if made.reason != "" {
		object["failure_reason"] = made.reason
	}
	return object
}

func (t *till) dispute(d *chargeback) map[string]any {
	var by int64
	if !d.by.IsZero() {
		by = d.by.Unix()
	}
	return map[string]any{
		"id": d.reference, "object": "dispute", "payment_intent": t.reference, "status": d.status, "reason": "product_not_received",
		"amount": d.amount, "currency": t.currency, "evidence_details": map[string]any{"due_by": by},
		"balance_transactions": []any{map[string]any{"amount": -d.amount, "fee": d.fee, "currency": t.currency}},
	}
}

// tell puts a webhook on its way.
func (l *life) tell(kind string, object, previous map[string]any) {
	t := l.till
	t.events++
	id := fmt.Sprintf("evt_%d_%d", l.number, t.events)
	data := map[string]any{"object": object}
	if previous != nil {
		data["previous_attributes"] = previous
	}
	body, err := json.Marshal(map[string]any{"id": id, "object": "event", "type": kind, "created": l.now.Unix(), "data": data})
	if err != nil {
		panic(err)
	}
	l.post(&document{from: "payments", party: l.key.Storefront, id: id, what: kind, body: body})
}

// toTill: the request is the provider's.
func (l *life) toTill(r *http.Request) bool {
	return l.till != nil && strings.HasPrefix(r.URL.Host, tillHost+".")
}

// planned takes the fault that a call meets. What only looks for a refund is mostly spared, so that the
// refund itself meets it.
func (l *life) planned(r *http.Request) netFault {
	if l.toSeller(r) {
		if plan := l.sellerTrouble(r); plan != netWell {
			return plan
		}
	}
	plan := l.netPlan
	if plan != netWell && l.toTill(r) && r.Method == http.MethodGet && r.URL.Path == "/v1/refunds" && l.chance(70) {
		return netWell
	}
	l.netPlan = netWell
	return plan
}

// callerWaits is how long a caller of the provider waits who stands still meanwhile; then it has hung up.
// Calls that arrive late do so within that time.
const callerWaits = time.Hour

func (l *life) gaveUp(r *http.Request, asked time.Time) bool {
	return l.toTill(r) && l.now.Sub(asked) > callerWaits
}

// fades: a call that was given up is not on its way for ever.
func (l *life) fades(r *http.Request, asked time.Time) bool { return l.gaveUp(r, asked) }
