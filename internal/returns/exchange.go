package returns

import (
	"fmt"

	"github.com/dropline/dropline/internal/money"
)

// Wanted is an article that the customer wants instead, at the storefront's price: the storefront sells it
// and knows what it costs; Dropline only adds up. Amounts are minor units of the order's currency, with the
// tax in the price where the order has it there.
type Wanted struct {
	Title      string `json:"title,omitempty"`
	ExternalID string `json:"externalId,omitempty"`
	UnitPrice  int64  `json:"unitPrice"`
	// Tax is for all units of the line.
	Tax int64 `json:"tax,omitempty"`
}

// Paid is a payment that the storefront has captured for goods that cost more than those that come back.
type Paid struct {
	Reference string
	Amount    int64 // minor units
}

// Exchanges says what an exchange is priced with.
type Exchanges struct {
	// TaxIncluded: the order's prices contain their tax.
	TaxIncluded bool
	Currency    string
	// Sold are the articles that somebody can ship.
	Sold map[string]bool
	// WaiveUpTo: goods that cost up to this more are sent for what comes back, in minor units. Unpayable: nothing can
	// be paid in addition, because the payment is at a provider, where an authorisation is captured once.
	WaiveUpTo int64
	Unpayable bool
	// Worth is what the next units of a line bring when they come back, goods and tax, in minor units.
	Worth func(line int, quantity int64) (int64, error)
}

// PriceExchange fixes what each grant of an exchange costs in addition, and refuses a payment that does not
// come to exactly that. Goods wanted without a price are those that come back once more: they cost nothing
// in addition. A grant whose goods cost less refunds the rest. A difference that nothing was paid for is waived, or not,
// as a whole.
func PriceExchange(grants []Grant, payment Paid, e Exchanges) (refusal *Refusal, err error) {
	var need int64
	for i := range grants {
		g := &grants[i]
		var difference int64
		for j := range g.Lines {
			l := &g.Lines[j]
			if !e.Sold[l.ExchangeSKU] {
				return &Refusal{Code: RefusedUnknownSKU, Line: l.Line, Text: fmt.Sprintf("Nobody can send %s: no supplier offers it.", l.ExchangeSKU)}, nil
			}
			worth, err := e.Worth(l.Line, l.Quantity)
			if err != nil {
				return nil, err
			}
			if l.Want == nil {
				continue
			}
			price, err := l.Want.price(l.Quantity, e.TaxIncluded)
			if err != nil {
				return nil, err
			}
			if difference, err = money.AddMinor(difference, price-worth); err != nil {
				return nil, err
			}
		}
		g.Supplement = max(difference, 0)
		if need, err = money.AddMinor(need, g.Supplement); err != nil {
			return nil, err
		}
	}
	if payment.Amount == 0 && need <= e.WaiveUpTo {
		for i := range grants {
			grants[i].Waived, grants[i].Supplement = grants[i].Supplement, 0
		}
		return refusal, nil
	}
	sum := func(minor int64) string { return money.Money{Minor: minor, Currency: e.Currency}.String() }
	switch {
	case e.Unpayable && need+payment.Amount > 0:
		refusal = &Refusal{
			Code: RefusedUnpayable,
			Text: fmt.Sprintf("The goods wanted cost %s more than those that come back, and nothing can be paid in addition: ask for a refund, and order them anew.", sum(need)),
		}
	case payment.Amount < need:
		refusal = &Refusal{
			Code: RefusedUnderpaid, Missing: need - payment.Amount,
			Text: fmt.Sprintf("The goods wanted cost %s more than those that come back, and %s is missing.", sum(need), sum(need-payment.Amount)),
		}
	case payment.Amount > need:
		refusal = &Refusal{
			Code: RefusedOverpaid,
			Text: fmt.Sprintf("The goods wanted cost %s more than those that come back: a payment of %s is too much.", sum(need), sum(payment.Amount)),
		}
	}
	return refusal, nil
}

// price is what units cost, tax included.
func (w *Wanted) price(quantity int64, taxIncluded bool) (int64, error) {
	price, err := money.MulMinor(w.UnitPrice, quantity)
	if err == nil && !taxIncluded {
		price, err = money.AddMinor(price, w.Tax)
	}
	return price, err
}

// of is the part of a wanted line that n of its units are, after some that were taken before.
func (w *Wanted) of(quantity, before, n int64) *Wanted {
	if w == nil {
		return nil
	}
	part := *w
	part.Tax = money.Portion(w.Tax, quantity, before, n)
	return &part
}

// exchanging: what comes back is not paid for in money but used for other goods.
func (s *State) exchanging() bool { return s.Resolution == Exchange && !s.Exchanged }

// idle: the customer paid in addition for an exchange that will not be; the money goes back.
func (s *State) idle() bool {
	return s.Supplement > 0 && !s.Exchanged && (s.Cancelled || s.Expired)
}

// owes: the customer is to be given something now.
func (s *State) owes() bool { return s.idle() || len(s.due()) > 0 }

// payout fixes what the customer is given next. The first payment for what comes back is the exchange:
// what a person decides about later, or comes later, is paid for in money.
func (s *State) payout() *Payout {
	p := &Payout{Parts: s.due(), Fee: s.shippingFee(), BonusBP: s.BonusBP}
	if s.exchanging() {
		p.Supplement = s.Supplement
		for _, part := range p.Parts {
			p.Exchange = p.Exchange || part.KeptBP == 0
		}
	}
	return p
}
