package ledger_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
)

func eur(minor int64) money.Money { return money.Money{Minor: minor, Currency: "EUR"} }

var due = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// book posts what a test expects to be recorded.
type book struct {
	t   require.TestingT
	txs []ledger.Transaction
}

func (b *book) post(tx ledger.Transaction, err error) {
	require.NoError(b.t, err)
	b.txs = append(b.txs, tx)
}

func (b *book) balances() ledger.Balances {
	balances, err := ledger.BalanceOf(b.txs)
	require.NoError(b.t, err)
	return balances
}

func (b *book) of(account ledger.Account) int64 { return b.balances().Of(account, "EUR") }

func TestEveryAccountHasATypeAndATitle(t *testing.T) {
	t.Parallel()
	for account, want := range map[ledger.Account]struct {
		kind  ledger.AccountType
		title string
	}{
		ledger.ProcessorClearing:         {ledger.Asset, "Payment processor clearing"},
		ledger.Bank:                      {ledger.Asset, "Bank"},
		ledger.CustomerDeposits:          {ledger.Liability, "Customer deposits"},
		ledger.TaxPayable:                {ledger.Liability, "Tax payable"},
		ledger.Revenue:                   {ledger.Income, "Revenue"},
		ledger.ShippingRevenue:           {ledger.Income, "Shipping revenue"},
		ledger.FeesRetained:              {ledger.Income, "Fees retained"},
		ledger.CostOfGoods:               {ledger.Expense, "Cost of goods"},
		ledger.ReturnShipping:            {ledger.Expense, "Return shipping"},
		ledger.Losses:                    {ledger.Expense, "Losses"},
		ledger.Goodwill:                  {ledger.Expense, "Goodwill"},
		ledger.SupplierPayable("acme"):   {ledger.Liability, "Payable to supplier acme"},
		ledger.SupplierClaims("acme"):    {ledger.Asset, "Claims on supplier acme"},
		ledger.CarrierClaims("parcelco"): {ledger.Asset, "Claims on carrier parcelco"},
	} {
		require.NoError(t, account.Validate())
		require.Equal(t, want.kind, account.Type(), account)
		require.Equal(t, want.title, account.Title())
		require.Equal(t, strings.Contains(string(account), ":"), account.NeedsClaim())
	}
}

func TestAccountsOutsideTheChartAreRefused(t *testing.T) {
	t.Parallel()
	for _, account := range []ledger.Account{
		"", "petty_cash", "revenue:acme", "supplier_payable", "supplier_payable:",
		ledger.SupplierPayable("jane@example.com"), ledger.SupplierClaims("Jane Doe"),
		ledger.CarrierClaims(strings.Repeat("x", 121)),
	} {
		require.ErrorIs(t, account.Validate(), ledger.ErrUnknownAccount, account)
		require.Empty(t, account.Type())
	}
}

func TestTransactionThatMustNotBeRecordedIsRefused(t *testing.T) {
	t.Parallel()
	good := func() ledger.Transaction {
		tx, err := ledger.Captured("c1", eur(100))
		require.NoError(t, err)
		return tx
	}
	require.NoError(t, good().Validate())
	for name, c := range map[string]struct {
		spoil func(*ledger.Transaction)
		want  error
	}{
		"off by one":        {func(tx *ledger.Transaction) { tx.Entries[0].Minor++ }, ledger.ErrUnbalanced},
		"other currency":    {func(tx *ledger.Transaction) { tx.Entries[0].Currency = "USD" }, ledger.ErrUnbalanced},
		"no such currency":  {func(tx *ledger.Transaction) { tx.Entries[0].Currency = "eur" }, money.ErrUnknownCurrency},
		"one entry":         {func(tx *ledger.Transaction) { tx.Entries = tx.Entries[:1] }, ledger.ErrEntries},
		"zero entry":        {func(tx *ledger.Transaction) { tx.Entries[1].Minor = 0 }, ledger.ErrEntries},
		"unknown account":   {func(tx *ledger.Transaction) { tx.Entries[1].Account = "x" }, ledger.ErrUnknownAccount},
		"no key":            {func(tx *ledger.Transaction) { tx.Key = "" }, ledger.ErrToken},
		"personal key":      {func(tx *ledger.Transaction) { tx.Key = "captured|jane@example.com" }, ledger.ErrToken},
		"personal memo":     {func(tx *ledger.Transaction) { tx.Memo = "paid by jane@example.com" }, ledger.ErrToken},
		"no kind":           {func(tx *ledger.Transaction) { tx.Kind = "" }, ledger.ErrToken},
		"sum out of range":  {func(tx *ledger.Transaction) { tx.Entries = overflowing() }, money.ErrOverflow},
		"balanced by wraps": {func(tx *ledger.Transaction) { tx.Entries = wrapping() }, money.ErrOverflow},
	} {
		tx := good()
		c.spoil(&tx)
		require.ErrorIs(t, tx.Validate(), c.want, name)
		_, err := ledger.BalanceOf([]ledger.Transaction{tx})
		require.ErrorIs(t, err, c.want, name)
	}
}

func overflowing() []ledger.Entry {
	return []ledger.Entry{
		{Account: ledger.Revenue, Currency: "EUR", Minor: math.MaxInt64},
		{Account: ledger.Revenue, Currency: "EUR", Minor: 1},
	}
}

// Four accounts whose balances sum to 2^64, which is zero in wrapping arithmetic.
func wrapping() []ledger.Entry {
	return []ledger.Entry{
		{Account: ledger.Revenue, Currency: "EUR", Minor: math.MaxInt64},
		{Account: ledger.TaxPayable, Currency: "EUR", Minor: math.MaxInt64},
		{Account: ledger.Losses, Currency: "EUR", Minor: 1},
		{Account: ledger.Goodwill, Currency: "EUR", Minor: 1},
	}
}

func TestReversalTakesATransactionBackToZeroUnderItsOwnKey(t *testing.T) {
	t.Parallel()
	b := &book{t: t}
	b.post(ledger.Earned("d1", ledger.Sale{Currency: "EUR", Goods: 100, Tax: 19, Shipping: 5, ShippingTax: 1}))
	original := b.txs[0]
	b.post(ledger.Reversal(original))
	require.NotEqual(t, original.Key, b.txs[1].Key)
	require.Equal(t, int64(125), original.Entries[0].Minor, "the original is left as it was")
	for _, balance := range b.balances() {
		require.Zero(t, balance.Minor, balance.Account)
	}
}

func TestSameKeyTwiceIsRefused(t *testing.T) {
	t.Parallel()
	tx, err := ledger.Captured("c1", eur(100))
	require.NoError(t, err)
	_, err = ledger.BalanceOf([]ledger.Transaction{tx, tx})
	require.ErrorIs(t, err, ledger.ErrDuplicateKey)
}

func TestKeysOfDifferentFactsNeverMeet(t *testing.T) {
	t.Parallel()
	a, err := ledger.SupplierAccrued("po-1", "s/2", "acme", eur(1))
	require.NoError(t, err)
	b, err := ledger.SupplierAccrued("po-1/s", "2", "acme", eur(1))
	require.NoError(t, err)
	require.NotEqual(t, a.Key, b.Key)
	_, err = ledger.SupplierAccrued("po|1", "s", "acme", eur(1))
	require.ErrorIs(t, err, ledger.ErrToken)
	_, err = ledger.SupplierAccrued("po-1", "", "acme", eur(1))
	require.ErrorIs(t, err, ledger.ErrToken)
}

func TestBalancesDoNotDependOnTheOrderOfTransactions(t *testing.T) {
	t.Parallel()
	b := &book{t: t}
	b.post(ledger.Captured("c1", eur(300)))
	b.post(ledger.SupplierAccrued("po-1", "s1", "zeta", eur(80)))
	b.post(ledger.SupplierAccrued("po-2", "s1", "acme", eur(70)))
	b.post(ledger.Captured("c2", money.Money{Minor: 5, Currency: "USD"}))
	want := b.balances()
	b.txs[0], b.txs[3] = b.txs[3], b.txs[0]
	b.txs[1], b.txs[2] = b.txs[2], b.txs[1]
	require.Equal(t, want, b.balances())
	require.Equal(t, int64(5), want.Of(ledger.ProcessorClearing, "USD"))
	require.Equal(t, int64(150), want.Of(ledger.CostOfGoods, "EUR"))
	require.Zero(t, want.Of(ledger.Revenue, "EUR"))
}
