package ledger

import (
	"errors"
	"fmt"

	"github.com/dropline/dropline/internal/money"
)

// ErrReason: a refund reason or a fee is not one of the named ones.
var ErrReason = errors.New("reason is not one of the named ones")

// RefundReason names why a customer gets money back. A shipped unit is refunded only for
// a return, a loss, damage, goodwill or a chargeback.
type RefundReason string

// The reasons of refunds. The first six give back a deposit: the units were never earned,
// or were taken back by Unearned first. Goodwill leaves goods and revenue where they are.
const (
	RefundCancelled   RefundReason = "cancelled"
	RefundUnavailable RefundReason = "unavailable" // no supplier could ship
	RefundReturned    RefundReason = "returned"
	RefundLost        RefundReason = "lost"
	RefundDamaged     RefundReason = "damaged"
	RefundOverpaid    RefundReason = "overpaid" // more was paid than is due
	RefundGoodwill    RefundReason = "goodwill"
	RefundChargeback  RefundReason = "chargeback" // taken by the customer's bank
)

func (r RefundReason) source() (Account, error) {
	switch r {
	case RefundCancelled, RefundUnavailable, RefundReturned, RefundLost, RefundDamaged, RefundOverpaid:
		return CustomerDeposits, nil
	case RefundGoodwill:
		return Goodwill, nil
	case RefundChargeback:
		return Losses, nil
	default:
		return "", fmt.Errorf("refund reason %.30q: %w", string(r), ErrReason)
	}
}

// Fee names what is kept of a refund.
type Fee string

// The fees a contract or a storefront's policy may name.
const (
	FeeRestocking     Fee = "restocking"
	FeeReturnShipping Fee = "return_shipping"
	FeeCancellation   Fee = "cancellation"
)

func (f Fee) validate() error {
	switch f {
	case FeeRestocking, FeeReturnShipping, FeeCancellation:
		return nil
	default:
		return fmt.Errorf("fee %.30q: %w", string(f), ErrReason)
	}
}

// Captured records a payment: money at the processor, owed to the customer until earned.
func Captured(captureKey string, amount money.Money) (Transaction, error) {
	return post("captured", "Payment "+captureKey+" captured", amount.Currency, captureKey).
		move(amount.Minor, ProcessorClearing, CustomerDeposits).done()
}

// Refunded records a refund that the processor confirmed. ErrReason for an unnamed reason.
func Refunded(refundKey string, amount money.Money, reason RefundReason) (Transaction, error) {
	source, err := reason.source()
	if err != nil {
		return Transaction{}, err
	}
	return post("refunded", "Refund "+refundKey+" ("+string(reason)+")", amount.Currency, refundKey).
		move(amount.Minor, source, ProcessorClearing).done()
}

// RefundedElsewhere records a refund that a person paid from the bank, past a storefront that does not make it. The
// deposit is used up as by any refund; the storefront's processor has given nothing back, and goes on holding what it
// captured. ErrReason for an unnamed reason.
func RefundedElsewhere(refundKey string, amount money.Money, reason RefundReason) (Transaction, error) {
	source, err := reason.source()
	if err != nil {
		return Transaction{}, err
	}
	return post("refunded_elsewhere", "Refund "+refundKey+" by other means ("+string(reason)+")", amount.Currency, refundKey).
		move(amount.Minor, source, Bank).done()
}

// FeeKept records a fee kept of a refund: the refund itself is posted without it.
func FeeKept(key string, fee Fee, amount money.Money) (Transaction, error) {
	if err := fee.validate(); err != nil {
		return Transaction{}, err
	}
	return post("fee_kept", "Fee kept: "+string(fee)+" "+key, amount.Currency, string(fee), key).
		move(amount.Minor, CustomerDeposits, FeesRetained).done()
}

// GoodwillSetOff records that goodwill paid earlier counts towards a refund: the customer
// now returns what it was given for, and gets only the rest. The refund is posted without it.
func GoodwillSetOff(key string, amount money.Money) (Transaction, error) {
	return post("goodwill_set_off", "Goodwill set off against refund "+key, amount.Currency, key).
		move(amount.Minor, CustomerDeposits, Goodwill).done()
}

// Refundable is the most that can still go back to the customer in a currency, in minor
// units: captured less refunded, never less than zero.
func Refundable(balances Balances, currency string) int64 {
	return max(balances.Of(ProcessorClearing, currency), 0)
}

// Sale is the price of what was delivered or taken back, in minor units: goods and shipping
// without tax and after discount, and the tax on each.
type Sale struct {
	Currency    string
	Goods       int64
	Tax         int64
	Shipping    int64
	ShippingTax int64
}

// Earned records that units were delivered and are kept: their deposit becomes revenue
// and tax. ErrNothingToPost when all of it was free.
func Earned(key string, sale Sale) (Transaction, error) {
	return post("earned", "Delivered "+key, sale.Currency, key).
		move(sale.Goods, CustomerDeposits, Revenue).
		move(sale.Shipping, CustomerDeposits, ShippingRevenue).
		move(sale.Tax, CustomerDeposits, TaxPayable).
		move(sale.ShippingTax, CustomerDeposits, TaxPayable).done()
}

// Unearned records that delivered units come back: revenue and tax become a deposit again,
// from which Refunded and FeeKept are then posted.
func Unearned(key string, sale Sale) (Transaction, error) {
	return post("unearned", "Taken back "+key, sale.Currency, key).
		move(sale.Goods, Revenue, CustomerDeposits).
		move(sale.Shipping, ShippingRevenue, CustomerDeposits).
		move(sale.Tax, TaxPayable, CustomerDeposits).
		move(sale.ShippingTax, TaxPayable, CustomerDeposits).done()
}
