package ledger

import (
	"errors"
	"fmt"

	"github.com/dropline/dropline/internal/money"
)

// ErrPolicy: the shipping policy is not one of the named ones.
var ErrPolicy = errors.New("shipping policy is not one of the named ones")

// ShippingPolicy is a storefront's rule for giving shipping back.
type ShippingPolicy string

// Shipping policies. The zero value means ShippingIfNothingDelivered.
const (
	// ShippingIfNothingDelivered refunds it in full when no unit was delivered, else not.
	ShippingIfNothingDelivered ShippingPolicy = "nothing_delivered"
	// ShippingIfNothingKept refunds it in full when every unit was undelivered or returned:
	// what EU consumer law asks after a full withdrawal (Directive 2011/83/EU, article 13).
	ShippingIfNothingKept ShippingPolicy = "nothing_kept"
	// ShippingInProportion refunds it in proportion to the price of undelivered goods.
	ShippingInProportion ShippingPolicy = "in_proportion"
)

// PricedShipping is what the customer paid for shipping an order, in minor units. Price is
// before Discount and without Tax.
type PricedShipping struct {
	Price    int64 `json:"price"`
	Tax      int64 `json:"tax"`
	Discount int64 `json:"discount"`
}

// LineFate is how many units of a line will never be delivered (cancelled, unavailable,
// lost), and how many were delivered and taken back.
type LineFate struct {
	Line        PricedLine
	Undelivered int64
	Returned    int64
}

// ShippingRefund is what is still to refund of an order's shipping, given the fate of all
// its lines so far and what was refunded of shipping before. It depends only on the
// fates, not on the order in which they came, and grows as they do, so asking after every
// step, or only at the end, refunds the same. ErrPrice when more was refunded than is due.
func ShippingRefund(
	s PricedShipping, policy ShippingPolicy, fates []LineFate, alreadyPrice, alreadyTax int64,
) (price, tax int64, err error) {
	duePrice, dueTax, err := shippingDue(s, policy, fates)
	if err != nil {
		return 0, 0, fmt.Errorf("refund shipping: %w", err)
	}
	if alreadyPrice < 0 || alreadyTax < 0 || alreadyPrice > duePrice || alreadyTax > dueTax {
		return 0, 0, fmt.Errorf("refund shipping: %d + %d tax refunded before, %d + %d due: %w",
			alreadyPrice, alreadyTax, duePrice, dueTax, ErrPrice)
	}
	return duePrice - alreadyPrice, dueTax - alreadyTax, nil
}

// ReturnLabelBought records the price of the label of a return parcel. It is charged when the label is
// bought, to an account that is paid in advance or by card: nothing is owed to the carrier afterwards.
func ReturnLabelBought(rma, carrierID string, cost money.Money) (Transaction, error) {
	return post("return_label", "Label of return "+rma+" bought of carrier "+carrierID, cost.Currency, rma).
		move(cost.Minor, ReturnShipping, Bank).done()
}

// ReturnLabelGivenBack records that a carrier took back the label of a return parcel that nobody used.
func ReturnLabelGivenBack(rma, carrierID string, cost money.Money) (Transaction, error) {
	return post("return_label_given_back", "Label of return "+rma+" given back to carrier "+carrierID, cost.Currency, rma).
		move(cost.Minor, Bank, ReturnShipping).done()
}

// ShippingEarned is the part of shipping that is kept once the fate of every unit is
// known: all that is not refunded.
func ShippingEarned(s PricedShipping, policy ShippingPolicy, fates []LineFate) (price, tax int64, err error) {
	duePrice, dueTax, err := shippingDue(s, policy, fates)
	if err != nil {
		return 0, 0, fmt.Errorf("earn shipping: %w", err)
	}
	return s.Price - s.Discount - duePrice, s.Tax - dueTax, nil
}

func shippingDue(s PricedShipping, policy ShippingPolicy, fates []LineFate) (price, tax int64, err error) {
	if err := checkPrice(s.Price, s.Tax, s.Discount); err != nil {
		return 0, 0, err
	}
	given, whole, err := shareGiven(policy, fates)
	if err != nil {
		return 0, 0, err
	}
	return money.Portion(s.Price-s.Discount, whole, 0, given), money.Portion(s.Tax, whole, 0, given), nil
}

// shareGiven is the part of shipping to give back, as given out of whole.
func shareGiven(policy ShippingPolicy, fates []LineFate) (given, whole int64, err error) {
	total, err := tally(fates)
	if err != nil {
		return 0, 0, err
	}
	switch policy {
	case "", ShippingIfNothingDelivered:
		return allOrNothing(total.undelivered == total.units)
	case ShippingIfNothingKept:
		return allOrNothing(total.undelivered+total.returned == total.units)
	case ShippingInProportion:
		if total.price == 0 { // an order of free goods is shared by its units
			return total.undelivered, total.units, nil
		}
		return total.undeliveredPrice, total.price, nil
	default:
		return 0, 0, fmt.Errorf("policy %.30q: %w", string(policy), ErrPolicy)
	}
}

func allOrNothing(all bool) (given, whole int64, err error) {
	if all {
		return 1, 1, nil
	}
	return 0, 1, nil
}

type fateTotals struct{ units, undelivered, returned, price, undeliveredPrice int64 }

func tally(fates []LineFate) (fateTotals, error) {
	var total fateTotals
	for _, fate := range fates {
		undeliveredPrice, _, err := LineRefund(fate.Line, 0, fate.Undelivered)
		if err != nil {
			return fateTotals{}, err
		}
		if fate.Returned < 0 || fate.Returned > fate.Line.Quantity-fate.Undelivered {
			return fateTotals{}, fmt.Errorf("%d returned units: %w", fate.Returned, ErrQuantity)
		}
		// The parts below are at most these two, so only they can overflow.
		if total.units, err = money.AddMinor(total.units, fate.Line.Quantity); err != nil {
			return fateTotals{}, err
		}
		if total.price, err = money.AddMinor(total.price, fate.Line.Net()); err != nil {
			return fateTotals{}, err
		}
		total.undelivered += fate.Undelivered
		total.returned += fate.Returned
		total.undeliveredPrice += undeliveredPrice
	}
	if total.units == 0 {
		return fateTotals{}, fmt.Errorf("order without lines: %w", ErrQuantity)
	}
	return total, nil
}
