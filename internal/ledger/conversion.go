package ledger

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dropline/dropline/internal/money"
)

const kindConverted = "converted"

// Conversions brings an order's income and expenses into its own currency: what stands in another, From of a
// rate, is moved at that rate. What is owed in either direction stays in the currency in which it is owed.
//
// It is to be posted after whatever else is posted, and returns nothing when there is nothing left to convert.
// An account's parts are converted so that together they are exactly its sum at the rate, however many there
// were: a cost of which a part is given back again leaves no penny behind. There is at most one rate for a
// currency; ErrRate and ErrOverflow of internal/money.
func Conversions(transactions []Transaction, rates []money.Rate) ([]Transaction, error) {
	var list []Transaction
	for _, rate := range rates {
		t, err := convert(transactions, rate)
		if err != nil {
			return nil, fmt.Errorf("convert %s to %s: %w", rate.From, rate.To, err)
		}
		if len(t.Entries) > 0 {
			list = append(list, t)
		}
	}
	return list, nil
}

// converted is what an account holds of a currency, and how much of it was converted to what before.
type converted struct {
	account        Account
	left, out, got int64
}

func convert(transactions []Transaction, rate money.Rate) (Transaction, error) {
	base, n := kindConverted+keySeparator+rate.From, 1
	var accounts []converted
	for _, t := range transactions {
		before := t.Kind == kindConverted && strings.HasPrefix(t.Key, base+keySeparator)
		if before {
			n++
		}
		for _, e := range t.Entries {
			if kind := e.Account.Type(); kind != Income && kind != Expense {
				continue
			}
			at := slices.IndexFunc(accounts, func(c converted) bool { return c.account == e.Account })
			if at < 0 {
				at = len(accounts)
				accounts = append(accounts, converted{account: e.Account})
			}
			if err := accounts[at].add(e, rate, before); err != nil {
				return Transaction{}, err
			}
		}
	}
	t := Transaction{
		Key: base + keySeparator + strconv.Itoa(n), Kind: kindConverted,
		Memo: "Converted from " + rate.From + " to " + rate.To + " at " + strconv.FormatInt(rate.Num, 10) + "/" + strconv.FormatInt(rate.Den, 10),
	}
	var from, to int64 // what stands against them
	for _, c := range accounts {
		if c.left == 0 {
			continue
		}
		worth, err := c.worth(rate)
		if err != nil {
			return Transaction{}, err
		}
		from, to = from+c.left, to-worth
		t.Entries = append(t.Entries, Entry{c.account, rate.From, -c.left}, Entry{c.account, rate.To, worth})
	}
	t.Entries = append(t.Entries, Entry{CurrencyConversion, rate.From, from}, Entry{CurrencyConversion, rate.To, to})
	// What rounds to nothing has no entry.
	t.Entries = slices.DeleteFunc(t.Entries, func(e Entry) bool { return e.Minor == 0 })
	return t, nil
}

func (c *converted) add(e Entry, rate money.Rate, before bool) (err error) {
	if e.Currency == rate.From {
		if c.left, err = money.AddMinor(c.left, e.Minor); err == nil && before {
			c.out, err = money.SubMinor(c.out, e.Minor)
		}
	} else if before && e.Currency == rate.To {
		c.got, err = money.AddMinor(c.got, e.Minor)
	}
	return err
}

// worth is what is to be added in the other currency.
func (c *converted) worth(rate money.Rate) (int64, error) {
	whole, err := money.AddMinor(c.out, c.left)
	if err != nil {
		return 0, err
	}
	all, err := rate.Convert(whole)
	if err != nil {
		return 0, err
	}
	return money.SubMinor(all, c.got)
}
