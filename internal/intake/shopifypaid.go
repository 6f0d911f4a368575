package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/storefront/shopify"
)

// takeShopifyPayment takes what a document says was paid beyond what is known. Documents state the sum so far, come
// twice and out of order: only a greater sum is news. The verdict is empty when there is none.
func (p *Processor) takeShopifyPayment(ctx context.Context, tx pgx.Tx, d received, document shopify.Document) (verdict, error) {
	said, key := &document.Order.Payment, document.Order.Key
	news := d.kind == shopify.TopicOrderPaid || d.kind == shopify.TopicOrderUpdated || d.kind == shopify.TopicOrderCancelled
	paid := said.Status == storefront.PaymentPaid || said.Status == storefront.PaymentPartiallyPaid
	if valid := key.Validate() == nil; !news || !paid || !valid {
		return verdict{}, nil
	}
	o, err := lockPayable(ctx, tx, key)
	changed := document.Changed || document.Order.Total != o.total
	switch {
	case errors.Is(err, facts.ErrNoOrder):
		return beforeItsOrder(d.kind, &document)
	case err != nil:
		return verdict{}, fmt.Errorf("find order %s: %w", key, err)
	case o.followed:
		return besideAuthorisation(ctx, tx, key)
	case said.Captured <= o.captured || o.exchange:
		return verdict{}, nil
	case changed && o.captured >= o.total:
		return verdict{}, nil // what was added to it there since is not sold here
	case changed:
		v := quarantine(CodeConflictingOrder, "It says that order %s is paid, with another total than it was placed with. Compare it with the storefront, "+
			"and approve or cancel the order here; then dismiss this document.", key)
		v.order = key.String()
		return v, nil
	}
	name := fmt.Sprintf("shopify/%s/%d", key.Order, said.Captured)
	_, err = TakePayment(ctx, tx, LaterPayment{
		Order: key, Request: name, Reference: name, Amount: said.Captured - o.captured, Currency: document.Order.Currency,
		By: byShopify, Provider: said.Reference,
	}, d.id)
	if refusal := (*order.Refusal)(nil); errors.As(err, &refusal) {
		v := quarantine(CodeInvalid, "It says that order %s is paid: %s. Look the payment up in the storefront, and give it back there or here.", key, refusal.Reason)
		v.order = key.String()
		return v, nil
	}
	if err != nil {
		return verdict{}, err
	}
	return applied(key.String()), nil
}

// beforeItsOrder waits for the order with what nobody says again. That an order is paid in full has a topic of its own;
// that a part was paid is said in an update alone.
func beforeItsOrder(topic string, document *shopify.Document) (verdict, error) {
	once := topic == shopify.TopicOrderPaid || document.Order.Payment.Status == storefront.PaymentPartiallyPaid
	if !once || !document.CancelledAt.IsZero() {
		return verdict{}, nil
	}
	key := document.Order.Key
	return verdict{}, &later{order: key.String(), because: "the order has not come yet", giveUp: quarantine(CodeUnknownOrder,
		"It says that order %s is paid, which never came. Fetch the order from the storefront, then retry; dismiss it if the order is not wanted.", key)}
}

// besideAuthorisation is the echo of our own capture, unless what was authorised has ended without one: then the
// customer has paid anew, which nobody here can book by itself.
func besideAuthorisation(ctx context.Context, tx pgx.Tx, key order.Key) (verdict, error) {
	p, err := paymentdesk.Stand(ctx, tx, key)
	if err != nil {
		return verdict{}, err
	}
	switch p.Row {
	case paymentdesk.StandingCapturing, paymentdesk.StandingCaptured:
		return verdict{}, nil
	case paymentdesk.StandingAuthorised:
		if !p.State.Capture.Gone {
			return verdict{}, nil
		}
	}
	v := quarantine(CodeInvalid, "It says that order %s is paid, whose authorised payment has ended here without being captured. Look in the storefront "+
		"whether it is another payment. If so: where the order's payment waits for a person, decide it as paid elsewhere, with that payment's reference; "+
		"else give it back there. Then dismiss this document.", key)
	v.order = key.String()
	return v, nil
}
