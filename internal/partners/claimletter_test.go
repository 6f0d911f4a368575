package partners

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
)

func TestTheLetterOfAVolumeDiscountNamesThePeriodAndNoPurchaseOrder(t *testing.T) {
	t.Parallel()
	pool := postgrestest.Pool(t)
	_, err := pool.Exec(t.Context(), `
		INSERT INTO storefronts (id, document) VALUES ('shop', '{}');
		INSERT INTO suppliers (id, document) VALUES ('acme', '{}');
		INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country, customer_hash, total_minor, captured_minor)
			SELECT 'shop/' || n, 'shop', n, now(), '{}', '\x00', 'EUR', 'DE', '\x00', 1000, 1000 FROM generate_series(1, 2) n;
		INSERT INTO pursuits (id, reference, order_key, kind, supplier, currency) VALUES ('volume:acme/2026-Q1/EUR/500', 'C1', 'shop/1', 'volume_discount', 'acme', 'EUR');
		INSERT INTO claims (order_key, key, kind, account, currency, minor, owner, due_at, pursuit)
			SELECT 'shop/' || n, 'volume/acme/2026-Q1/EUR/500', 'volume_discount', 'supplier_claims:acme', 'EUR', 100 + n, 'purchasing', now(), 'volume:acme/2026-Q1/EUR/500'
			FROM generate_series(1, 2) n`)
	require.NoError(t, err)
	r := &Reminders{Pool: pool}
	letter, err := r.aboutClaim(t.Context(), outbox.Message{Kind: outbox.KindClaimAsked, Payload: outbox.Payload{Claim: "C1", Amount: 203, Currency: "EUR"}})
	require.NoError(t, err)
	require.Equal(t, "Claim C1: 2.03 EUR", letter.Subject)
	require.Contains(t, letter.Text, "You owe us 2.03 EUR:\n\n  2.03 EUR  volume discount of 2026-Q1, for invoices that came before the tier was reached\n\n")
}

// atRisk is a database with two claims on a carrier: for a parcel that it lost, and for goods that it damaged.
const atRisk = `
	INSERT INTO storefronts (id, document) VALUES ('shop', '{}');
	INSERT INTO suppliers (id, document) VALUES ('acme', '{}');
	INSERT INTO carriers (id, document) VALUES ('track', '{}');
	INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country, customer_hash, total_minor, captured_minor)
		VALUES ('shop/1', 'shop', '1', now(), '{}', '\x00', 'EUR', 'DE', '\x00', 1000, 1000);
	INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ('shop/1', 1, '{}', '{}');
	INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, terms) VALUES ('P-1', 'shop/1', 1, 'acme', 'submitted', 'EUR', '{}');
	INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, milestone, first_scan_at, last_scan_at) VALUES
		('P-1', 'dropex', '1Z', 'shop/1', '[{"line": 1, "quantity": 1}]', now(), 'lost', '2026-03-02', '2026-03-05'),
		('P-1', 'dropex', '1Z7', 'shop/1', '[{"line": 2, "quantity": 1}]', now(), 'delivered', '2026-03-03', '2026-03-06');
	INSERT INTO pursuits (id, reference, order_key, kind, po_number, carrier, currency) VALUES
		('shop/1/lost/P-1/1Z', 'C1', 'shop/1', 'lost_parcel', 'P-1', 'track', 'EUR');
	INSERT INTO claims (order_key, key, kind, account, currency, minor, owner, due_at, pursuit)
		SELECT 'shop/1', 'lost/P-1/1Z', kind, 'carrier_claims:track', 'EUR', 420, 'logistics', '2026-04-20', id FROM pursuits`

func TestTheLetterToACarrierNamesTheParcelItsDaysTheValueAndTheReason(t *testing.T) {
	t.Parallel()
	pool := postgrestest.Pool(t)
	_, err := pool.Exec(t.Context(), atRisk)
	require.NoError(t, err)
	r := &Reminders{Pool: pool}
	message := outbox.Message{Kind: outbox.KindClaimAsked, Payload: outbox.Payload{PO: "P-1", Claim: "C1", Amount: 420, Currency: "EUR"}}
	letter, err := r.toCarrier(t.Context(), message)
	require.NoError(t, err)
	require.Equal(t, "Claim C1: 4.20 EUR for a lost parcel", letter.Subject)
	require.Equal(t, "For our account you carried:\n\n  parcel 1Z (dropex), handed in 2 March 2026, last scanned 5 March 2026\n\n"+
		"Reason: the parcel was handed to you and never delivered.\nValue of the goods that we claim: 4.20 EUR\n\n"+
		"Please pay it under the number C1, or tell us why you refuse it, by 20 April 2026.\n", letter.Text)
	message.Kind = outbox.KindClaimChased
	letter, err = r.toCarrier(t.Context(), message)
	require.NoError(t, err)
	require.Equal(t, "Reminder: Claim C1: 4.20 EUR for a lost parcel", letter.Subject)
	message.Kind = outbox.KindClaimWithdrawn
	letter, err = r.toCarrier(t.Context(), message)
	require.NoError(t, err)
	require.Equal(t, "Withdrawn: Claim C1: 4.20 EUR for a lost parcel", letter.Subject)
	require.Contains(t, letter.Text, "so we withdraw our claim C1 of 4.20 EUR:\n\n  parcel 1Z (dropex)")
	sent, err := r.RemindCarrier(t.Context(), "track", message)
	require.NoError(t, err)
	require.False(t, sent, "it has no contact for claims")
}
