package intake

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/storefront"
)

// QueueExchange queues the placing of an order that replaces goods of another, which is locked. It is for the
// same customer: who that is and where the goods go is copied, never read. What it is paid with is the
// caller's to post. It fails when the order's key is taken.
func QueueExchange(q ledgerbook.Queue, o storefront.Order, of order.Key) error {
	if err := o.Key.Validate(); err != nil {
		return fmt.Errorf("place the exchange of %s: %w", of, err)
	}
	document, err := json.Marshal(withoutPeople(o))
	if err != nil {
		return fmt.Errorf("place the exchange of %s: %w", of, err)
	}
	hash := sha256.Sum256(document)
	key := o.Key.String()
	q.Queue(`
		INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country,
			customer_hash, total_minor, captured_minor, exchange_of, exchange_minor, deliver_at)
		SELECT $2, storefront, $3, $4, $5, $6, currency, country, customer_hash, $7, $8, key, $9, now() FROM orders WHERE key = $1`,
		of.String(), key, o.Key.Order, o.PlacedAt, string(document), hash[:], o.Total, o.Payment.Captured, o.Exchange.Credit)
	q.Queue(`INSERT INTO order_contacts (order_key, ship_to, email, locale) SELECT $2, ship_to, email, locale FROM order_contacts WHERE order_key = $1`,
		of.String(), key)
	var numbers []int32
	var skus []string
	var quantities []int64
	for _, l := range o.Lines {
		numbers, skus, quantities = append(numbers, int32(l.Line)), append(skus, l.SKU), append(quantities, l.Quantity)
	}
	q.Queue(`INSERT INTO order_lines (order_key, line, sku, quantity)
		SELECT $1, l.* FROM unnest($2::int[], $3::text[], $4::bigint[]) AS l`, key, numbers, skus, quantities)
	q.Queue(`INSERT INTO outbox (key, order_key, channel, kind) VALUES ($1, $2, $3, $4)`,
		"placed/"+key, key, string(outbox.CustomerMail), string(notify.Exchanged))
	return nil
}
