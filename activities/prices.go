package activities

import (
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
)

func shippingPolicy(s catalog.Storefront) ledger.ShippingPolicy {
	if s.Policy.RefundShipping == catalog.RefundShippingProportional {
		return ledger.ShippingInProportion
	}
	return ledger.ShippingIfNothingDelivered
}
