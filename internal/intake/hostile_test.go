package intake_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hostile are JSON texts in the place of a sound value.
var hostile = []string{
	`"a\u0000b"`, `"\u001b[2J\r\n{\"level\":\"error\"}"`, `"'; DROP TABLE orders; --"`, `"\ud83d"`, `"9999-12-31T23:59:59-12:00"`, `"0000-01-01T00:00:00+14:00"`,
	`"92233720368547758.07"`, `"-92233720368547758.08"`, `-1`, `9223372036854775807`, `1e400`, `null`, `[]`, `{}`, `"` + strings.Repeat("A", 3000) + `"`,
}

// spoilt are a document with one value after the other replaced by each of the hostile ones.
func spoilt(t *testing.T, sound string) []string {
	t.Helper()
	var value any
	decoder := json.NewDecoder(strings.NewReader(sound))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&value))
	var all []string
	spoil(value, func(text string) { all = append(all, text) })
	return all
}

// spoil calls visit with the JSON text of each variant of a value.
func spoil(value any, visit func(string)) {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			spoil(v[name], func(inner string) {
				changed := maps.Clone(v)
				changed[name] = json.RawMessage(inner)
				visit(text(changed))
			})
		}
	case []any:
		for i := range v {
			spoil(v[i], func(inner string) {
				changed := slices.Clone(v)
				changed[i] = json.RawMessage(inner)
				visit(text(changed))
			})
		}
	}
	for _, harm := range hostile {
		visit(harm)
	}
}

func text(value any) string {
	written, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(written)
}

// Whatever a partner sends under a genuine signature, its document comes to an end: it is applied,
// ignored or quarantined with a reason, at the first attempt, unless it waits for an order.
func TestEveryHostileDocumentComesToAnEnd(t *testing.T) {
	t.Parallel()
	b := withPO(t)
	now := b.now.Format(time.RFC3339)
	supplied := func(kind, data string) string {
		return fmt.Sprintf(`{"id":"e-1","type":%q,"created_at":%q,"data":{"po":"P-1","at":%q,%s}}`, kind, now, now, data)
	}
	n := 0
	for source, sound := range map[string]string{
		"shopify/shop orders/create":    shopifyOrder(`,"total_discounts":"0.00","cancelled_at":null,"transactions":[{"kind":"sale","status":"success","amount":"10.00","authorization":"x"}]`),
		"shopify/shop orders/cancelled": shopifyOrder(fmt.Sprintf(`,"cancelled_at":%q,"cancel_reason":"customer"`, now)),
		"supplier/acme ack":             supplied("purchase_order.acknowledged", `"currency":"EUR","lines":[{"line":1,"status":"price_changed","quantity":2,"unit_cost":"1.10","reason":"x"}]`),
		"supplier/acme parcel":          supplied("shipment.created", `"carrier":"ups","tracking":"1Z999","lines":[{"line":1,"quantity":1}]`),
		"supplier/acme answer":          supplied("purchase_order.cancellation_answered", `"key":"c1","outcome":"rejected","reason":"too_late"`),
		"supplier/acme bill":            supplied("invoice.created", `"number":"I-1","currency":"EUR","freight":"1.00","total":"3.00","lines":[{"line":1,"quantity":2,"unit_cost":"1.00"}]`),
		"carrier/easypost tracker": fmt.Sprintf(`{"id":"evt_1","description":"tracker.updated","result":{"carrier":"UPS","tracking_code":"1Z999","status":"in_transit","updated_at":%q,
			"tracking_details":[{"status":"in_transit","status_detail":"departed","message":"Departed","datetime":%q}]}}`, now, now),
	} {
		from, kind, _ := strings.Cut(source, " ")
		for _, body := range append(spoilt(t, sound), sound) {
			n++
			require.False(t, b.store(t, from, kind, fmt.Sprintf("%s-%d", kind, n), body).Conflict)
		}
	}
	b.process(t)
	// A cancellation may come before the order of its number, and waits for it: another id is no harm.
	require.Zero(t, b.number(t, `SELECT count(*) FROM documents WHERE (status = 'received' OR attempts > 1) AND kind <> 'orders/cancelled'`), "nothing is tried again")
	require.Zero(t, b.number(t, `SELECT count(*) FROM documents WHERE reason_code IN ('panicked', 'gave_up')`))
	require.Zero(t, b.number(t, `SELECT count(*) FROM documents WHERE reason ~ '[\u0001-\u001f]' OR reason LIKE '%DROP%' OR reason LIKE '%Ann%' OR length(reason) > 400`))
	require.Zero(t, b.number(t, `SELECT count(*) FROM parcels WHERE note ~ '[\u0001-\u001f]'`), "a status nobody knows is shown to people")
	require.Zero(t, b.number(t, `SELECT count(*) FROM tracking_events WHERE status || detail ~ '[\u0001-\u001f]'`))
	require.NotZero(t, b.number(t, `SELECT count(*) FROM documents WHERE status = 'applied'`))
	require.Equal(t, n, b.number(t, `SELECT count(*) FROM documents`))
	t.Logf("hostile documents: %d", n)
}
