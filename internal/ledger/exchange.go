package ledger

import "github.com/dropline/dropline/internal/money"

// An exchange moves value from the order that goods came back of to the order that replaces them. Each
// order's ledger is balanced by itself; over both, ExchangeCredit holds nothing but what the customer has
// paid in addition and what is not used yet.

// ExchangePaid records what the customer paid in addition for dearer goods, before there is an order for
// them. It stands in the ledger of the order that is exchanged: its payment is where the money is.
func ExchangePaid(key string, amount money.Money) (Transaction, error) {
	return post("exchange_paid", "Paid in addition for the exchange of "+key, amount.Currency, key).
		move(amount.Minor, ProcessorClearing, ExchangeCredit).done()
}

// ExchangeMoved records that the price of returned goods is used for the order that replaces them.
func ExchangeMoved(key, newOrder string, amount money.Money) (Transaction, error) {
	return post("exchange_moved", "Used for the exchange order "+newOrder, amount.Currency, key).
		move(amount.Minor, CustomerDeposits, ExchangeCredit).done()
}

// ExchangeReceived records, in the new order, that its price is paid by the exchange.
func ExchangeReceived(oldOrder, rma string, amount money.Money) (Transaction, error) {
	return post("exchange_received", "Paid by the exchange "+rma+" of order "+oldOrder, amount.Currency, rma).
		move(amount.Minor, ExchangeCredit, CustomerDeposits).done()
}

// ExchangeUndone records, in the exchange order, that units of it are refunded: their price goes back to
// where it came from, and from there to the customer by ExchangeRefunded. ErrReason for an unnamed reason.
func ExchangeUndone(refundKey string, amount money.Money, reason RefundReason) (Transaction, error) {
	source, err := reason.source()
	if err != nil {
		return Transaction{}, err
	}
	return post("exchange_undone", "Given back "+refundKey+" ("+string(reason)+")", amount.Currency, refundKey).
		move(amount.Minor, source, ExchangeCredit).done()
}

// ExchangeRefunded records, in the order that was exchanged, that value of the exchange went back to the
// customer as money.
func ExchangeRefunded(refundKey string, amount money.Money) (Transaction, error) {
	return post("exchange_refunded", "Refund of the exchange "+refundKey, amount.Currency, refundKey).
		move(amount.Minor, ExchangeCredit, ProcessorClearing).done()
}

// ExchangeRefundedElsewhere is ExchangeRefunded for money that a person paid from the bank, past a storefront that does
// not make the refund: its processor goes on holding what it captured.
func ExchangeRefundedElsewhere(refundKey string, amount money.Money) (Transaction, error) {
	return post("exchange_refunded_elsewhere", "Refund of the exchange "+refundKey+" by other means", amount.Currency, refundKey).
		move(amount.Minor, ExchangeCredit, Bank).done()
}

// ExchangeRefundHeld records, in the order that was exchanged, that value of the exchange is owed to the customer
// as money, and not paid.
func ExchangeRefundHeld(refundKey string, amount money.Money) (Transaction, error) {
	return post("exchange_refund_held", "Refund of the exchange "+refundKey+" held", amount.Currency, refundKey).
		move(amount.Minor, ExchangeCredit, RefundsPayable).done()
}

// StoreCredited records that the customer holds a credit instead of money: the price of what came back,
// and a bonus that the storefront's policy adds at its own expense.
func StoreCredited(key string, amount, bonus money.Money) (Transaction, error) {
	return post("store_credited", "Store credit "+key, amount.Currency, key).
		move(amount.Minor, CustomerDeposits, StoreCredit).
		move(bonus.Minor, Goodwill, StoreCredit).done()
}
