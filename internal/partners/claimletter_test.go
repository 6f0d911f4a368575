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
