package intake_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/intake"
)

// An invoice that reaches a tier brings a claim, which the supplier answers with a credit that names it.
func TestAVolumeDiscountIsClaimedAndCreditedByItsReference(t *testing.T) {
	t.Parallel()
	b := withPO(t)
	b.exec(t, `UPDATE suppliers SET document = jsonb_set(document, '{contract}', coalesce(document -> 'contract', '{}') || '{"calendar": {"zone": "UTC"}, "volume_discounts":
		{"period": "year", "tiers": [{"from": [{"amount": "1.00", "currency": "EUR"}], "discount_bp": 1000}]}}') WHERE id = 'acme'`)
	b.exec(t, `UPDATE orders SET closed_at = now() WHERE key = 'shop/1'`)
	b.exec(t, `INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at) VALUES ('P-1', 'ups', '1Z', 'shop/1', '[{"line":1,"quantity":2}]', now())`)
	b.exec(t, `WITH t AS (INSERT INTO ledger_transactions (order_key, key, kind, memo) VALUES ('shop/1', 'supplier_accrued|P-1|1Z', 'supplier_accrued', '') RETURNING id)
		INSERT INTO ledger_entries (transaction_id, n, account, currency, minor) SELECT id, 1, 'cost_of_goods', 'EUR', 200 FROM t
		UNION ALL SELECT id, 2, 'supplier_payable:acme', 'EUR', -200 FROM t`)
	for range 2 {
		b.event(t, "supplier/acme", "invoice.created", b.head("P-1")+`,"number":"I1","currency":"EUR","lines":[{"line":1,"quantity":2,"unit_cost":"1.00"}],"total":"2.00"}`)
		b.process(t)
		require.NoError(t, intake.ClaimDiscounts(t.Context(), b.pool))
	}
	require.Equal(t, 20, b.number(t, `SELECT sum(minor) FROM claims WHERE kind = 'volume_discount' AND closed_at IS NULL`), "10 % of 2.00")
	require.Equal(t, 20, b.balance(t, "supplier_claims:acme"))
	reference := claims.Reference(fmt.Sprintf("volume:acme/%d/EUR/1000", b.now.Year()))
	for range 2 {
		id := b.credit(t, "CM-1", "0.20", fmt.Sprintf(`"claim":%q`, reference))
		b.process(t)
		require.Contains(t, []string{"applied", "ignored known_already"}, b.standing(t, id))
	}
	require.Zero(t, b.balance(t, "supplier_claims:acme"))
	require.Equal(t, -180, b.balance(t, "supplier_payable:acme"))
	require.Equal(t, 180, b.balance(t, "cost_of_goods"))
	require.NoError(t, intake.ClaimDiscounts(t.Context(), b.pool))
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM claims WHERE kind = 'volume_discount'`))
}
