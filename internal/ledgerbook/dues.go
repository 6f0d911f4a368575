package ledgerbook

import (
	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/ledger"
)

// QueueDues queues the reading of what an order's customer has paid against what is due. What was paid in addition
// for an exchange that is not made yet is due. The caller holds the order's row.
func QueueDues(q Queue, orderKey string, d *ledger.Dues) {
	q.Queue(`
		SELECT o.captured_minor + o.exchange_minor + coalesce(p.authorised_minor, 0), o.total_minor + w.waits, r.priced, r.gone
		FROM orders o LEFT JOIN payments p ON p.order_key = o.key
		CROSS JOIN LATERAL (SELECT
			coalesce(sum(goods_minor + tax_minor + shipping_minor + shipping_tax_minor - kept_minor), 0)::bigint AS priced,
			coalesce(sum(amount_minor + through_minor + credit_minor + moved_minor + released_minor + forgiven_minor), 0)::bigint AS gone
			FROM refunds WHERE order_key = o.key) r
		CROSS JOIN LATERAL (SELECT coalesce(sum((b.state ->> 'supplement')::bigint), 0)::bigint AS waits FROM returns b
			WHERE b.order_key = o.key AND NOT EXISTS (SELECT FROM refunds x WHERE x.rma = b.rma AND x.supplement_minor > 0)) w
		WHERE o.key = $1`, orderKey).QueryRow(func(row pgx.Row) error {
		return row.Scan(&d.Paid, &d.Total, &d.Priced, &d.Gone)
	})
}
