package intake

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/storefront/shopify"
)

// applyOrder takes in an order that its interface stored and did not live to place.
func (p *Processor) applyOrder(ctx context.Context, tx pgx.Tx, d received, read OrderReader) (verdict, error) {
	o, err := read(d.party, d.body)
	if err != nil {
		return unreadable(err), nil
	}
	return p.placeDocument(ctx, tx, d, o, d.bodyHash)
}

// placeDocument judges the order and places it. The order's storefront is the document's source,
// whatever the document says.
func (p *Processor) placeDocument(ctx context.Context, tx pgx.Tx, d received, o storefront.Order, hash []byte) (verdict, error) {
	if o.Key.Storefront != d.party {
		return quarantine(CodeInvalid, "It names another storefront than the one that sent it. It had no effect; ask the storefront."), nil
	}
	if problems := storefront.Problems(&o); len(problems) > 0 {
		return quarantine(CodeInvalid, "It is no order that can be taken in: %s. Correct it in the storefront, which sends it again.", list(problems)), nil
	}
	placed, err := p.Orders.PlaceOrder(ctx, tx, o, hash, d.id)
	key := o.Key.String()
	refusal := (*order.Refusal)(nil)
	switch {
	case errors.Is(err, ErrNoStorefront):
		return quarantine(CodeUnknownStorefront, "Storefront %s is not in the catalogue. Load its catalogue file, then retry.", d.party), nil
	case errors.As(err, &refusal):
		return quarantine(CodeConflictingOrder, "Order %s is not placed: %s. Ask the storefront what the payment was for; have the order sent again with "+
			"its own payment, or dismiss this document.", key, refusal.Reason), nil
	case err != nil:
		return verdict{}, err
	case placed == Repeated:
		return ignored(CodeKnownAlready, key, "The order came before, with the same content."), nil
	case placed == Conflicting:
		v := quarantine(CodeConflictingOrder, "Order %s came before, with other content. The first one counts; amend it by hand if this one is right, then dismiss this document.", key)
		v.order = key
		return v, nil
	}
	return applied(key), nil
}

// list names a few problems; a broken document may have hundreds.
func list(problems []storefront.Problem) string {
	const most = 5
	var words []string
	for _, p := range problems[:min(len(problems), most)] {
		words = append(words, p.Field+": "+p.Message)
	}
	if len(problems) > most {
		words = append(words, fmt.Sprintf("and %d more", len(problems)-most))
	}
	return strings.Join(words, "; ")
}

func (p *Processor) applyShopify(ctx context.Context, tx pgx.Tx, d received) (verdict, error) {
	document, err := shopify.Parse(d.party, d.body)
	switch {
	case errors.Is(err, shopify.ErrNothingToShip):
		return ignored(CodeNothingToShip, "", "Nothing in the order needs shipping."), nil
	case err != nil:
		return unreadable(err), nil
	}
	cancel, cancelled := document.Cancel()
	if d.kind == shopify.TopicOrderCreated {
		v, err := p.placeShopify(ctx, tx, d, document)
		if err != nil || v.status == statusQuarantined || !cancelled {
			return v, err
		}
		return p.cancelOrder(ctx, tx, d, document.Order.Key, cancel)
	}
	taken, err := p.takeShopifyPayment(ctx, tx, d, document)
	if err != nil || taken.status == statusQuarantined {
		return taken, err
	}
	if cancelled {
		// Every topic carries the whole order: a cancellation is taken from whichever comes first.
		return p.cancelOrder(ctx, tx, d, document.Order.Key, cancel)
	}
	if taken.status != "" {
		return taken, nil
	}
	switch d.kind {
	case shopify.TopicOrderUpdated, shopify.TopicOrderPaid:
		return ignored(CodeNoDecision, "", "Changes in the storefront after an order was placed are not taken over. Amend or cancel the order here if need be."), nil
	case shopify.TopicOrderCancelled:
		return quarantine(CodeInvalid, "It is called a cancellation, and says not when. Cancel the order here if the storefront means it."), nil
	}
	return ignored(CodeOtherEvent, "", "Events of this topic are not read."), nil
}

// placeShopify compares orders by what they mean: another delivery of one order differs in times
// and counters that mean nothing here.
func (p *Processor) placeShopify(ctx context.Context, tx pgx.Tx, d received, document shopify.Document) (verdict, error) {
	canonical, err := json.Marshal(document.Order)
	if err != nil {
		return verdict{}, fmt.Errorf("encode order %s: %w", document.Order.Key, err)
	}
	hash := sha256.Sum256(canonical)
	return p.placeDocument(ctx, tx, d, document.Order, hash[:])
}

// cancelOrder appends the storefront's cancellation once. The order may not have come yet: webhooks
// keep no order.
func (p *Processor) cancelOrder(ctx context.Context, tx pgx.Tx, d received, key order.Key, request order.CancelRequest) (verdict, error) {
	if key.Validate() != nil {
		//nolint:nilerr // the verdict says it
		return quarantine(CodeInvalid, "Its order id cannot be one: want 1 to 64 letters, digits, '.', '_' or '-'. Ask the storefront."), nil
	}
	// Two statements: the second has to see what whoever held the lock has committed.
	if err := tx.QueryRow(ctx, `SELECT key FROM orders WHERE key = $1 FOR NO KEY UPDATE`, key.String()).Scan(new(string)); err != nil {
		return verdict{}, missingOrder(key, err)
	}
	var known bool
	err := tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT 1 FROM facts WHERE order_key = $1 AND kind = 'cancel_request' AND body -> 'cancel' ->> 'id' = $2)`,
		key.String(), request.ID).Scan(&known)
	if err != nil {
		return verdict{}, fmt.Errorf("read the facts of order %s: %w", key, err)
	}
	if known {
		return ignored(CodeKnownAlready, key.String(), "The storefront's cancellation is known already."), nil
	}
	if _, err := facts.Append(ctx, tx, key.String(), order.Fact{Cancel: &request}, true, d.id); err != nil {
		return verdict{}, err
	}
	return applied(key.String()), nil
}

func missingOrder(key order.Key, err error) error {
	if !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("find order %s: %w", key, err)
	}
	return &later{
		order: key.String(), because: "the order has not come yet",
		giveUp: quarantine(CodeUnknownOrder, "It cancels order %s, which never came. Fetch the order from the storefront, then retry; dismiss it if the order is not wanted.", key),
	}
}
