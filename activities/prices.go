package activities

import (
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/storefront"
)

// pricedLine is what the customer paid for a line, as the ledger counts it: without tax, which the
// storefront may have stated as contained in the price.
func pricedLine(o *storefront.Order, line int) ledger.PricedLine {
	for i := range o.Lines {
		l := &o.Lines[i]
		if l.Line != line {
			continue
		}
		goods := l.UnitPrice * l.Quantity
		if o.TaxIncluded {
			goods -= l.Tax
		}
		return ledger.PricedLine{Quantity: l.Quantity, Goods: goods, Tax: l.Tax, Discount: l.Discount}
	}
	return ledger.PricedLine{}
}

func pricedShipping(o *storefront.Order) ledger.PricedShipping {
	price := o.Shipping
	if o.TaxIncluded {
		price -= o.ShippingTax
	}
	return ledger.PricedShipping{Price: price, Tax: o.ShippingTax}
}

func shippingPolicy(s catalog.Storefront) ledger.ShippingPolicy {
	if s.Policy.RefundShipping == catalog.RefundShippingProportional {
		return ledger.ShippingInProportion
	}
	return ledger.ShippingIfNothingDelivered
}
