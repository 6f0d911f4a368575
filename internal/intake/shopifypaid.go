package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/order"
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
	switch {
	case errors.Is(err, facts.ErrNoOrder) && d.kind == shopify.TopicOrderPaid && document.CancelledAt.IsZero():
		return verdict{}, &later{order: key.String(), because: "the order has not come yet", giveUp: quarantine(CodeUnknownOrder,
			"It says that order %s is paid, which never came. Fetch the order from the storefront, then retry; dismiss it if the order is not wanted.", key)}
	case errors.Is(err, facts.ErrNoOrder):
		return verdict{}, nil // whoever knows the order says it again
	case err != nil:
		return verdict{}, fmt.Errorf("find order %s: %w", key, err)
	case said.Captured <= o.captured || o.followed || o.exchange:
		return verdict{}, nil
	case document.Order.Total != o.total && o.captured >= o.total:
		return verdict{}, nil // what was added to it there since is not sold here
	case document.Order.Total != o.total:
		v := quarantine(CodeConflictingOrder, "It says that order %s is paid, with another total than it was placed with. Compare it with the storefront, "+
			"and approve or cancel the order here; then dismiss this document.", key)
		v.order = key.String()
		return v, nil
	}
	name := fmt.Sprintf("shopify/%s/%d", key.Order, said.Captured)
	_, err = TakePayment(ctx, tx, LaterPayment{
		Order: key, Request: name, Reference: name, Amount: said.Captured - o.captured, Currency: document.Order.Currency,
		By: "shopify", Provider: said.Reference,
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
