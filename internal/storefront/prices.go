package storefront

import "github.com/dropline/dropline/internal/ledger"

// PricedLine is what the customer paid for a line, as the ledger counts it: without tax, which the
// storefront may have stated as contained in the price. The zero value for a line that does not exist.
func (o *Order) PricedLine(line int) ledger.PricedLine {
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

// PricedShipping is what the customer paid for shipping, as the ledger counts it.
func (o *Order) PricedShipping() ledger.PricedShipping {
	price := o.Shipping
	if o.TaxIncluded {
		price -= o.ShippingTax
	}
	return ledger.PricedShipping{Price: price, Tax: o.ShippingTax}
}
