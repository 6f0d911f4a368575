package ledgerbook

import (
	"errors"
	"fmt"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/payments"
)

// paymentDesk pursues what is open about payments.
const paymentDesk = "payments"

// openPayments are the accounts that a payment's workflow owns, with the claim that names what they hold.
var openPayments = []struct {
	account ledger.Account
	kind    ledger.ClaimKind
}{
	{ledger.CustomerReceivable, ledger.ClaimPaymentDue},
	{ledger.RefundsPayable, ledger.ClaimRefundDue},
	{ledger.Chargebacks, ledger.ClaimChargeback},
}

// NamePayment names what the payment leaves open: one open claim for each of its accounts, for exactly
// what that holds. Whoever posts to one of them calls it before the book is written, so that an order may
// close at any moment.
func (b *Book) NamePayment(currency string) error {
	balances, err := ledger.BalanceOf(b.transactions)
	if err != nil {
		return err
	}
	for _, open := range openPayments {
		err := b.name(ledger.Claim{
			Key: "payment/" + string(open.kind), Kind: open.kind, Account: open.account, Currency: currency,
			Minor: balances.Of(open.account, currency), Owner: paymentDesk, Due: b.now.Add(paymentTerm).UTC(),
		}, resolvedSuperseded)
		if err != nil {
			return fmt.Errorf("name the open payment of order %s: %w", b.order, err)
		}
	}
	return nil
}

// PostPayment posts what a payment's news came to, and names what is left open.
func (b *Book) PostPayment(currency string, posts []payments.Post) error {
	for i := range posts {
		t, err := postingOf(&posts[i], currency)
		if errors.Is(err, ledger.ErrNothingToPost) {
			continue
		}
		if err == nil {
			err = b.Post(t)
		}
		if err != nil {
			return fmt.Errorf("post the payment of order %s: %w", b.order, err)
		}
	}
	return b.NamePayment(currency)
}

func postingOf(p *payments.Post, currency string) (ledger.Transaction, error) {
	amount := money.Money{Minor: p.Amount, Currency: currency}
	switch p.Kind {
	case payments.PostRefundFailed:
		return ledger.RefundFailed(p.About, p.N, amount)
	case payments.PostRefundRepeated:
		return ledger.RefundRepeated(p.About, p.N, amount)
	case payments.PostRefundElsewhere:
		return ledger.RefundElsewhere(p.About, amount)
	case payments.PostRefundSetOff:
		return ledger.RefundSetOff(p.About, amount)
	case payments.PostDisputeOpened:
		return ledger.DisputeOpened(p.About, amount, p.Fee)
	case payments.PostDisputeWon:
		return ledger.DisputeWon(p.About, amount)
	case payments.PostDisputeLost:
		return ledger.DisputeLost(p.About, amount)
	case payments.PostPaidElsewhere:
		return ledger.PaidElsewhere(p.About, amount)
	case payments.PostWrittenOff:
		return ledger.PaymentWrittenOff(p.About, amount)
	case payments.PostWriteOffLess:
		return ledger.PaymentWrittenOffLess(p.About, p.N, amount)
	case payments.PostOverpaid:
		return ledger.Overpaid(p.About, p.N, amount)
	}
	return ledger.Transaction{}, fmt.Errorf("no posting for %q", p.Kind)
}
