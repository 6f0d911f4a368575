package returns

import "github.com/dropline/dropline/internal/money"

// Trust is what an order's customer gets before anybody has seen the goods, in minor units of its currency: the
// price of goods Kept, and that of goods refunded at an Instant, when the carrier has the parcel.
type Trust struct{ Kept, Instant int64 }

// trust decides whether a grant's goods need not come back, and whether they are refunded before they are looked at.
// before is what the order's other returns have had; with this one's it is what the next begins from.
func (g *Grant) trust(wanted Resolution, p Policy, before Trust, prices map[int]int64) Trust {
	value, err := g.Value(prices)
	if err != nil {
		return before // worth more than can be counted
	}
	if kept, err := money.AddMinor(before.Kept, value); err == nil && g.wrong() && kept <= p.KeepUpTo {
		g.Keep, before.Kept = true, kept
		return before
	}
	if wanted == Exchange {
		g.Instant = p.ExchangeAtScan
		return before
	}
	if refunded, err := money.AddMinor(before.Instant, value); err == nil && refunded <= p.InstantUpTo {
		g.Instant, before.Instant = true, refunded
	}
	return before
}

// wrong: something is wrong with all of it.
func (g *Grant) wrong() bool {
	for i := range g.Lines {
		if !g.Lines[i].Reason.Fault() {
			return false
		}
	}
	return true
}

// Value is what the customer paid for a grant's goods, in minor units. Fails when that is more than can be counted.
func (g *Grant) Value(prices map[int]int64) (sum int64, err error) {
	for i := range g.Lines {
		l := &g.Lines[i]
		price, err := money.MulMinor(prices[l.Line], l.Quantity)
		if err == nil {
			sum, err = money.AddMinor(sum, price)
		}
		if err != nil {
			return 0, err
		}
	}
	return sum, nil
}
