package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dropline/dropline/internal/money"
)

// ErrDuplicateKey: two transactions of an order have the same key.
var ErrDuplicateKey = errors.New("transaction key occurs twice")

// Balance is what one account holds in one currency, debit positive, in minor units.
type Balance struct {
	Account  Account `json:"account"`
	Currency string  `json:"currency"`
	Minor    int64   `json:"minor"`
}

// Balances are the balances of an order, by account and then currency. Accounts that came
// back to zero are still listed.
type Balances []Balance

// BalanceOf sums the transactions of one order. Their order does not matter. An invalid
// transaction and a repeated key (ErrDuplicateKey) are refused.
func BalanceOf(transactions []Transaction) (Balances, error) {
	var balances Balances
	keys := make(map[string]bool, len(transactions)) // looked up, never ranged over
	for _, t := range transactions {
		if err := t.Validate(); err != nil {
			return nil, err
		}
		if keys[t.Key] {
			return nil, fmt.Errorf("transaction %s: %w", t.Key, ErrDuplicateKey)
		}
		keys[t.Key] = true
		var err error
		if balances, err = balances.add(t.Entries); err != nil {
			return nil, fmt.Errorf("transaction %s: %w", t.Key, err)
		}
	}
	return balances, nil
}

// Of returns what an account holds in a currency, debit positive, zero when unused.
func (b Balances) Of(account Account, currency string) int64 {
	if i, found := b.find(account, currency); found {
		return b[i].Minor
	}
	return 0
}

func (b Balances) find(account Account, currency string) (int, bool) {
	return slices.BinarySearchFunc(b, Balance{Account: account, Currency: currency},
		func(x, y Balance) int {
			return cmp.Or(
				strings.Compare(string(x.Account), string(y.Account)),
				strings.Compare(x.Currency, y.Currency))
		})
}

func (b Balances) add(entries []Entry) (Balances, error) {
	for _, entry := range entries {
		i, found := b.find(entry.Account, entry.Currency)
		if !found {
			b = slices.Insert(b, i, Balance{Account: entry.Account, Currency: entry.Currency})
		}
		sum, err := money.AddMinor(b[i].Minor, entry.Minor)
		if err != nil {
			return nil, fmt.Errorf("balance of %s: %w", entry.Account, err)
		}
		b[i].Minor = sum
	}
	return b, nil
}

// balanced returns ErrUnbalanced unless each currency sums to zero over all accounts.
func (b Balances) balanced() error {
	perCurrency := slices.Clone(b)
	slices.SortStableFunc(perCurrency, func(x, y Balance) int { return strings.Compare(x.Currency, y.Currency) })
	var sum int64
	for i, balance := range perCurrency {
		var err error
		if sum, err = money.AddMinor(sum, balance.Minor); err != nil {
			return err
		}
		last := i == len(perCurrency)-1 || perCurrency[i+1].Currency != balance.Currency
		if last && sum != 0 {
			return fmt.Errorf("%s: off by %d minor units: %w", balance.Currency, sum, ErrUnbalanced)
		}
	}
	return nil
}

// Side is a sum as a bookkeeper writes it: what was debited and what was credited, both positive.
type Side struct{ Debit, Credit int64 }

// SideOf puts a balance on its side.
func SideOf(minor int64) Side {
	if minor < 0 {
		return Side{Credit: -minor}
	}
	return Side{Debit: minor}
}

// Plus adds both columns up.
func (s Side) Plus(t Side) (sum Side, err error) {
	if sum.Debit, err = money.AddMinor(s.Debit, t.Debit); err != nil {
		return Side{}, err
	}
	if sum.Credit, err = money.AddMinor(s.Credit, t.Credit); err != nil {
		return Side{}, err
	}
	return sum, nil
}

// DebitText is the left column, empty when nothing was debited.
func (s Side) DebitText(currency string) string { return column(s.Debit, currency) }

// CreditText is the right column.
func (s Side) CreditText(currency string) string { return column(s.Credit, currency) }

func column(minor int64, currency string) string {
	if minor == 0 {
		return ""
	}
	return money.Money{Minor: minor, Currency: currency}.String()
}
