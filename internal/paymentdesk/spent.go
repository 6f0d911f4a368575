package paymentdesk

import "github.com/jackc/pgx/v5"

// Use is what a storefront's payment is to pay for.
type Use struct {
	Storefront, Reference string
	// Order is the one that it pays for: what the order was placed with itself is its own. Empty: it pays for goods in
	// exchange, and nothing at all may have used it.
	Order string
	// Placing: the order comes with it. Orders of one checkout may come with one payment.
	Placing bool
}

// QueueSpent makes all that one payment is to pay for take turns until the transaction ends, and finds whether it has
// paid for something else already: in addition for an exchange, later for an order, or with an order when that was placed.
func QueueSpent(q Queue, u Use, spent *bool) {
	q.Queue(`SELECT pg_advisory_xact_lock(hashtextextended('payment/' || $1 || '/' || $2, 0))`, u.Storefront, u.Reference)
	// A statement of its own: it sees what those before it have committed.
	q.Queue(`
		SELECT EXISTS (SELECT FROM exchange_payments WHERE storefront = $1 AND reference = $2)
			OR EXISTS (SELECT FROM order_payments WHERE storefront = $1 AND reference = $2 AND order_key <> $3)
			OR NOT $4 AND (EXISTS (SELECT FROM payments WHERE storefront = $1 AND reference = $2 AND order_key <> $3)
				OR EXISTS (SELECT FROM orders WHERE storefront = $1 AND document #>> '{payment,reference}' = $2 AND key <> $3
					AND (document #>> '{payment,captured}')::bigint > 0))`,
		u.Storefront, u.Reference, u.Order, u.Placing).QueryRow(func(row pgx.Row) error { return row.Scan(spent) })
}
