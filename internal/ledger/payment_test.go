package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/money"
)

func must(t *testing.T) func(Transaction, error) Transaction {
	t.Helper()
	return func(tx Transaction, err error) Transaction {
		t.Helper()
		require.NoError(t, err)
		return tx
	}
}

func eur(minor int64) money.Money { return money.Money{Minor: minor, Currency: "EUR"} }

// An authorised sale of 100: 30 are cancelled before the capture, 70 are captured with 5 too many, 20 are
// refunded, come back and are paid otherwise.
func TestACapturedSaleComesOutSquare(t *testing.T) {
	t.Parallel()
	ok := must(t)
	booked := []Transaction{
		ok(Authorised("1", eur(100))), ok(Released("refund/1", eur(30))), ok(AuthorisationCaptured("1", eur(75), 5)),
		ok(Refunded("refund/2", eur(20), RefundReturned)), ok(RefundFailed("refund/2", 1, eur(20))), ok(RefundElsewhere("refund/2", eur(20))),
		ok(RefundRepeated("overpaid/1", 1, eur(5))),
	}
	balances, err := BalanceOf(booked)
	require.NoError(t, err)
	require.EqualValues(t, 70, balances.Of(ProcessorClearing, "EUR"))
	require.EqualValues(t, -20, balances.Of(Bank, "EUR"))
	require.EqualValues(t, -50, balances.Of(CustomerDeposits, "EUR"))
	require.Zero(t, balances.Of(CustomerReceivable, "EUR"))
	require.Zero(t, balances.Of(RefundsPayable, "EUR"))
}

// A chargeback of all after a refund of a part takes more than was captured: that is no error of ours.
func TestAChargebackMayTakeMoreThanWasCapturedAndARefundMayNot(t *testing.T) {
	t.Parallel()
	ok := must(t)
	sold := []Transaction{
		ok(Captured("1", eur(100))), ok(Refunded("refund/1", eur(100), RefundCancelled)),
		ok(DisputeOpened("dp_1", eur(100), 15)), ok(DisputeLost("dp_1", eur(100))),
	}
	balances, err := BalanceOf(sold)
	require.NoError(t, err)
	require.EqualValues(t, -115, balances.Of(ProcessorClearing, "EUR"))
	square, problems := Closed(balances, nil)
	require.True(t, square, problems)
	balances, err = BalanceOf(append(sold, ok(RefundRepeated("refund/1", 2, eur(1)))))
	require.NoError(t, err)
	square, _ = Closed(balances, nil)
	require.False(t, square)
}

func TestWhatAPaymentLeavesOpenNeedsItsClaim(t *testing.T) {
	t.Parallel()
	ok := must(t)
	for account, c := range map[Account]struct {
		booked []Transaction
		claim  Claim
	}{
		CustomerReceivable: {[]Transaction{ok(Authorised("1", eur(10))), ok(Earned("order", Sale{Currency: "EUR", Goods: 10}))}, Claim{Kind: ClaimPaymentDue, Minor: 10}},
		RefundsPayable:     {[]Transaction{ok(Captured("1", eur(10))), ok(RefundHeld("refund/1", eur(10), RefundCancelled))}, Claim{Kind: ClaimRefundDue, Minor: -10}},
		Chargebacks:        {[]Transaction{ok(DisputeOpened("dp_1", eur(10), 0))}, Claim{Kind: ClaimChargeback, Minor: 10}},
	} {
		balances, err := BalanceOf(c.booked)
		require.NoError(t, err)
		square, _ := Closed(balances, nil)
		require.False(t, square, account)
		claim := c.claim
		claim.Key, claim.Account, claim.Currency, claim.Owner, claim.Due = "payment/x", account, "EUR", "payments", time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		square, problems := Closed(balances, []Claim{claim})
		require.True(t, square, problems)
		claim.Account = SupplierClaims("acme")
		require.ErrorIs(t, claim.Validate(), ErrClaim)
	}
}
