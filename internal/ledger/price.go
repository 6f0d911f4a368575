package ledger

import (
	"errors"
	"fmt"

	"github.com/dropline/dropline/internal/money"
)

// Errors of prices.
var (
	// ErrQuantity: more units are asked for than the line has left.
	ErrQuantity = errors.New("quantity exceeds what is left of the line")
	// ErrPrice: a price part is negative, or a discount exceeds what it reduces.
	ErrPrice = errors.New("price is not well formed")
)

// PricedLine is what the customer paid for all units of an order line, in minor units.
// Goods is before Discount (this line's part of every discount) and without Tax; tax is
// that on the discounted goods.
type PricedLine struct {
	Quantity int64 `json:"quantity"`
	Goods    int64 `json:"goods"`
	Tax      int64 `json:"tax"`
	Discount int64 `json:"discount"`
}

// Validate returns ErrQuantity for a line of no units and ErrPrice for a malformed price.
func (l PricedLine) Validate() error {
	if l.Quantity <= 0 {
		return fmt.Errorf("line of %d units: %w", l.Quantity, ErrQuantity)
	}
	return checkPrice(l.Goods, l.Tax, l.Discount)
}

// Net is the price of the goods after discount, without tax.
func (l PricedLine) Net() int64 { return l.Goods - l.Discount }

// Total is what the customer paid for the line, tax included.
func (l PricedLine) Total() int64 { return l.Net() + l.Tax }

func checkPrice(price, tax, discount int64) error {
	if price < 0 || tax < 0 || discount < 0 || discount > price {
		return ErrPrice
	}
	_, err := money.AddMinor(price-discount, tax)
	return err
}

// How units share a line's price: refunds take the units of a line from its first on,
// deliveries from its last on. Each side is rounded cumulatively on the same scale, so
// when every unit is either refunded or earned the two meet at the same rounded point and
// sum to exactly the line, in whatever steps and whatever order they came; and before
// that the deposit of a line is never negative.

// LineRefund is the price of the next qty units to refund when alreadyRefunded units were
// refunded before. ErrQuantity, ErrPrice or money.ErrOverflow for impossible input; that
// refunded and earned units together stay within the line is the caller's count.
func LineRefund(line PricedLine, alreadyRefunded, qty int64) (goods, tax int64, err error) {
	return line.portion("refund", alreadyRefunded, qty, alreadyRefunded)
}

// LineEarned is the price of the next qty units delivered and kept when alreadyEarned
// units were. LineEarned(line, 0, kept) is the whole price of what was kept.
func LineEarned(line PricedLine, alreadyEarned, qty int64) (goods, tax int64, err error) {
	return line.portion("earn", alreadyEarned, qty, line.Quantity-alreadyEarned-qty)
}

// LineUnearned is the price of qty units that come back when alreadyEarned units,
// these included, count as earned: the opposite of the LineEarned that earned them last.
func LineUnearned(line PricedLine, alreadyEarned, qty int64) (goods, tax int64, err error) {
	return line.portion("take back", alreadyEarned-qty, qty, line.Quantity-alreadyEarned)
}

// portion prices the units (from, from+qty] of a line of which used are used up.
func (l PricedLine) portion(verb string, used, qty, from int64) (goods, tax int64, err error) {
	if err := l.Validate(); err != nil {
		return 0, 0, fmt.Errorf("%s %d units: %w", verb, qty, err)
	}
	if used < 0 || qty < 0 || used > l.Quantity || qty > l.Quantity-used {
		return 0, 0, fmt.Errorf("%s %d units after %d of %d: %w", verb, qty, used, l.Quantity, ErrQuantity)
	}
	return money.Portion(l.Net(), l.Quantity, from, qty), money.Portion(l.Tax, l.Quantity, from, qty), nil
}
