package ledger

import (
	"strconv"

	"github.com/dropline/dropline/internal/money"
)

// Authorised records a sale whose money the customer's bank holds: ours to take, owed to the customer
// until earned.
func Authorised(paymentKey string, amount money.Money) (Transaction, error) {
	return post("authorised", "Payment "+paymentKey+" authorised", amount.Currency, paymentKey).
		move(amount.Minor, CustomerReceivable, CustomerDeposits).done()
}

// AuthorisationCaptured records that (a part of) an authorisation was taken; over is what was taken beyond
// what was due, and is owed to the customer.
func AuthorisationCaptured(captureKey string, amount money.Money, over int64) (Transaction, error) {
	return post("authorisation_captured", "Authorisation captured by "+captureKey, amount.Currency, captureKey).
		move(amount.Minor-over, ProcessorClearing, CustomerReceivable).
		move(over, ProcessorClearing, RefundsPayable).done()
}

// Released records that units were cancelled before their price was captured: it never will be.
func Released(refundKey string, amount money.Money) (Transaction, error) {
	return post("released", "Not captured: "+refundKey, amount.Currency, refundKey).
		move(amount.Minor, CustomerDeposits, CustomerReceivable).done()
}

// Forgiven records a refund of what was never paid and is written off: the loss is smaller by it.
func Forgiven(refundKey string, amount money.Money) (Transaction, error) {
	return post("forgiven", "Never paid: "+refundKey, amount.Currency, refundKey).
		move(amount.Minor, CustomerDeposits, Losses).done()
}

// RefundHeld records a refund that is owed and not made.
func RefundHeld(refundKey string, amount money.Money, reason RefundReason) (Transaction, error) {
	source, err := reason.source()
	if err != nil {
		return Transaction{}, err
	}
	return post("refund_held", "Refund "+refundKey+" held ("+string(reason)+")", amount.Currency, refundKey).
		move(amount.Minor, source, RefundsPayable).done()
}

// RefundFailed records that a refund's n-th try came back: the money is with us, and owed.
func RefundFailed(refundKey string, n int, amount money.Money) (Transaction, error) {
	return post("refund_failed", "Refund "+refundKey+" came back", amount.Currency, refundKey, strconv.Itoa(n)).
		move(amount.Minor, ProcessorClearing, RefundsPayable).done()
}

// RefundRepeated records the n-th try of a refund that came back or was held.
func RefundRepeated(refundKey string, n int, amount money.Money) (Transaction, error) {
	return post("refund_repeated", "Refund "+refundKey+" made again", amount.Currency, refundKey, strconv.Itoa(n)).
		move(amount.Minor, RefundsPayable, ProcessorClearing).done()
}

// RefundElsewhere records that an owed refund was paid by other means than the provider.
func RefundElsewhere(refundKey string, amount money.Money) (Transaction, error) {
	return post("refund_elsewhere", "Refund "+refundKey+" paid by other means", amount.Currency, refundKey).
		move(amount.Minor, RefundsPayable, Bank).done()
}

// RefundSetOff records that a refund is not owed any more: the customer's bank has given the money.
func RefundSetOff(refundKey string, amount money.Money) (Transaction, error) {
	return post("refund_set_off", "Refund "+refundKey+" set off against a chargeback", amount.Currency, refundKey).
		move(amount.Minor, RefundsPayable, Losses).done()
}

// DisputeOpened records that the customer's bank took money, and the provider its fee for that.
func DisputeOpened(dispute string, amount money.Money, fee int64) (Transaction, error) {
	return post("dispute_opened", "Chargeback "+dispute, amount.Currency, dispute).
		move(amount.Minor, Chargebacks, ProcessorClearing).
		move(fee, PaymentFees, ProcessorClearing).done()
}

// DisputeWon records that the bank gave the money back.
func DisputeWon(dispute string, amount money.Money) (Transaction, error) {
	return post("dispute_won", "Chargeback "+dispute+" won", amount.Currency, dispute).
		move(amount.Minor, ProcessorClearing, Chargebacks).done()
}

// DisputeLost records that the customer keeps it.
func DisputeLost(dispute string, amount money.Money) (Transaction, error) {
	return post("dispute_lost", "Chargeback "+dispute+" lost", amount.Currency, dispute).
		move(amount.Minor, Losses, Chargebacks).done()
}

// PaidElsewhere records that the customer paid what could not be captured by other means.
func PaidElsewhere(paymentKey string, amount money.Money) (Transaction, error) {
	return post("paid_elsewhere", "Payment "+paymentKey+" by other means", amount.Currency, paymentKey).
		move(amount.Minor, Bank, CustomerReceivable).done()
}

// PaymentWrittenOff records that nobody will pay.
func PaymentWrittenOff(paymentKey string, amount money.Money) (Transaction, error) {
	return post("payment_written_off", "Payment "+paymentKey+" written off", amount.Currency, paymentKey).
		move(amount.Minor, Losses, CustomerReceivable).done()
}

// PaymentWrittenOffLess records that a part of what was written off was cancelled: n tells several apart.
func PaymentWrittenOffLess(paymentKey string, n int, amount money.Money) (Transaction, error) {
	return post("payment_written_off_less", "Written off less of "+paymentKey, amount.Currency, paymentKey, strconv.Itoa(n)).
		move(amount.Minor, CustomerReceivable, Losses).done()
}

// Overpaid records that a part of what was paid by other means was cancelled, and is owed.
func Overpaid(paymentKey string, n int, amount money.Money) (Transaction, error) {
	return post("overpaid", "Overpaid: "+paymentKey, amount.Currency, paymentKey, strconv.Itoa(n)).
		move(amount.Minor, CustomerReceivable, RefundsPayable).done()
}

// PaymentFee records what the provider kept of a movement.
func PaymentFee(movement string, amount money.Money) (Transaction, error) {
	return post("payment_fee", "Fee of the payment provider for "+movement, amount.Currency, movement).
		move(amount.Minor, PaymentFees, ProcessorClearing).done()
}
