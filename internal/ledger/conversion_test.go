package ledger

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/money"
)

func TestCostsInAnotherCurrencyAreConvertedToThePenny(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := money.Rate{From: "EUR", To: "USD", Num: rapid.Int64Range(1, 5000).Draw(t, "num"), Den: rapid.Int64Range(1, 5000).Draw(t, "den")}
		var posted []Transaction
		sums := map[Account]int64{}
		for n := range rapid.IntRange(1, 12).Draw(t, "postings") {
			account := rapid.SampledFrom([]Account{CostOfGoods, Losses}).Draw(t, "account")
			minor := rapid.Int64Range(1, 99999).Draw(t, "minor")
			debit, credit := account, SupplierPayable("acme")
			if rapid.Bool().Draw(t, "given back") {
				debit, credit = credit, debit
				minor = -minor
			}
			sums[account] += minor
			tx, err := post("some", "Some posting", "EUR", fmt.Sprint(n)).move(max(minor, -minor), debit, credit).done()
			require.NoError(t, err)
			posted = append(posted, tx)
			if rapid.Bool().Draw(t, "converted now") {
				posted = append(posted, convertAll(t, posted, rate)...)
			}
		}
		posted = append(posted, convertAll(t, posted, rate)...)
		require.Empty(t, convertAll(t, posted, rate), "nothing is converted twice")
		balances, err := BalanceOf(posted)
		require.NoError(t, err)
		var payable int64
		for account, sum := range sums {
			require.Zero(t, balances.Of(account, "EUR"))
			worth, err := rate.Convert(sum)
			require.NoError(t, err)
			require.Equal(t, worth, balances.Of(account, "USD"))
			payable -= sum
		}
		require.Equal(t, payable, balances.Of(SupplierPayable("acme"), "EUR"), "what is owed stays in its currency")
		require.Equal(t, -payable, balances.Of(CurrencyConversion, "EUR"))
	})
}

func convertAll(t require.TestingT, posted []Transaction, rate money.Rate) []Transaction {
	list, err := Conversions(posted, []money.Rate{rate})
	require.NoError(t, err)
	for _, tx := range list {
		require.NoError(t, tx.Validate())
	}
	return list
}

func TestTheOrdersOwnCurrencyIsNeverConverted(t *testing.T) {
	t.Parallel()
	own, err := SupplierAccrued("PO-1", "1Z1", "acme", money.Money{Minor: 500, Currency: "USD"})
	require.NoError(t, err)
	list, err := Conversions([]Transaction{own}, []money.Rate{{From: "EUR", To: "USD", Num: 11, Den: 10}})
	require.NoError(t, err)
	require.Empty(t, list)
}
