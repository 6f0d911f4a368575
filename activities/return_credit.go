package activities

import (
	"context"
	"fmt"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/storefront"
)

// creditStore tells the storefront of a credit that the customer holds instead of money.
func (o *Orders) creditStore(ctx context.Context, r *refund) (storefront.RefundReceipt, error) {
	part := r.open
	channel, err := o.Partners.Storefront(r.shop)
	if err != nil {
		return storefront.RefundReceipt{}, fmt.Errorf("payment %s: storefront as configured: %w", part.key, err)
	}
	crediter, able := channel.(storefront.Crediter)
	if !able {
		amount := money.Money{Minor: part.credit + part.bonus, Currency: r.document.Currency}
		return storefront.RefundReceipt{}, partnerFailure(&storefront.Error{
			Kind: storefront.ErrRefused, Storefront: r.shop.ID, Detail: "its channel knows no store credit: give the customer " + amount.String() + " by hand",
		})
	}
	receipt, err := crediter.Credit(ctx, storefront.Credit{
		Key: part.key, Order: r.in.Key, RMA: part.rma, Amount: part.credit + part.bonus, Bonus: part.bonus, Currency: r.document.Currency,
	})
	if err != nil {
		return storefront.RefundReceipt{}, partnerFailure(err)
	}
	return receipt, nil
}
