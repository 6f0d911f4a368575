package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dropline/dropline/internal/money"
)

// Errors of postings.
var (
	// ErrUnbalanced: debits and credits of a currency do not cancel out.
	ErrUnbalanced = errors.New("transaction does not sum to zero")
	// ErrEntries: fewer than two entries, or one of zero.
	ErrEntries = errors.New("transaction needs two entries or more, none of zero")
	// ErrAmount: an amount that must be positive is not.
	ErrAmount = errors.New("amount must be positive")
	// ErrNothingToPost: the fact moves no money, such as the delivery of a free gift. It is
	// no failure: there is simply no transaction to record.
	ErrNothingToPost = errors.New("nothing to post")
)

// Entry changes one account: debits are positive, credits negative, in minor units.
type Entry struct {
	Account  Account `json:"account"`
	Currency string  `json:"currency"`
	Minor    int64   `json:"minor"`
}

// Transaction is a balanced set of entries. Key is derived from the business fact and
// unique per order, so posting the same fact again is recognised; Kind is the posting rule;
// Memo is built by the rule from Kind and keys and holds nothing personal.
type Transaction struct {
	Key     string  `json:"key"`
	Kind    string  `json:"kind"`
	Memo    string  `json:"memo"`
	Entries []Entry `json:"entries"`
}

// Validate returns ErrToken, ErrEntries, ErrUnknownAccount, money.ErrUnknownCurrency or
// ErrUnbalanced when the transaction must not be recorded.
func (t Transaction) Validate() error {
	if err := t.validate(); err != nil {
		return fmt.Errorf("transaction %.130q: %w", t.Key, err)
	}
	return nil
}

func (t Transaction) validate() error {
	for part := range strings.SplitSeq(t.Key, keySeparator) {
		if err := checkToken(part); err != nil {
			return fmt.Errorf("key: %w", err)
		}
	}
	if err := checkToken(t.Kind); err != nil {
		return fmt.Errorf("kind: %w", err)
	}
	if err := checkMemo(t.Memo); err != nil {
		return err
	}
	if len(t.Entries) < 2 {
		return ErrEntries
	}
	for _, entry := range t.Entries {
		if err := entry.validate(); err != nil {
			return err
		}
	}
	balances, err := Balances(nil).add(t.Entries)
	if err != nil {
		return err
	}
	return balances.balanced()
}

func (e Entry) validate() error {
	if e.Minor == 0 {
		return ErrEntries
	}
	if _, err := money.Digits(e.Currency); err != nil {
		return err
	}
	return e.Account.Validate()
}

// checkMemo admits words made of tokens, in parentheses or not, and nothing else: a memo is
// put together from a rule's own words and ids.
func checkMemo(memo string) error {
	between := func(r rune) bool { return strings.ContainsRune(" ()"+keySeparator, r) }
	for word := range strings.FieldsFuncSeq(memo, between) {
		if err := checkToken(word); err != nil {
			return fmt.Errorf("memo: %w", err)
		}
	}
	return nil
}

const kindReversal = "reversal"

// ReversalKey is the key of the posting that undoes another.
func ReversalKey(key string) string { return kindReversal + keySeparator + key }

// Reversal undoes a transaction posted in error, entry by entry, under its own key. The
// original stays: the ledger is append-only.
func Reversal(t Transaction) (Transaction, error) {
	reversal := Transaction{
		Key:     ReversalKey(t.Key),
		Kind:    kindReversal,
		Memo:    "Reversal of " + t.Key,
		Entries: slices.Clone(t.Entries),
	}
	for i, entry := range t.Entries {
		minor, err := money.SubMinor(0, entry.Minor)
		if err != nil {
			return Transaction{}, fmt.Errorf("reverse %s: %w", t.Key, err)
		}
		reversal.Entries[i].Minor = minor
	}
	if err := reversal.Validate(); err != nil {
		return Transaction{}, err
	}
	return reversal, nil
}

// keySeparator joins the parts of a key. It is no token character, so the parts of two
// different facts never join to the same key.
const keySeparator = "|"

// posting gathers the entries of one transaction; the first wrong one fails it all.
type posting struct {
	tx       Transaction
	currency string
	err      error
}

// post begins the transaction of a fact. The key parts tell the fact from all others of its
// kind in the same order.
func post(kind, memo, currency string, keyParts ...string) *posting {
	key := strings.Join(append([]string{kind}, keyParts...), keySeparator)
	p := &posting{tx: Transaction{Key: key, Kind: kind, Memo: memo}, currency: currency}
	for _, part := range keyParts {
		if err := checkToken(part); err != nil {
			p.err = err
		}
	}
	return p
}

// move debits one account and credits another; zero moves nothing, less is ErrAmount.
func (p *posting) move(minor int64, debit, credit Account) *posting {
	if minor < 0 && p.err == nil {
		p.err = ErrAmount
	}
	if minor > 0 {
		p.enter(debit, minor)
		p.enter(credit, -minor)
	}
	return p
}

// enter keeps one entry per account, so that the ledger reads as the fact and not as its
// arithmetic. No rule has an account on both sides, so an entry never becomes zero.
func (p *posting) enter(account Account, minor int64) {
	for i := range p.tx.Entries {
		entry := &p.tx.Entries[i]
		if entry.Account != account {
			continue
		}
		sum, err := money.AddMinor(entry.Minor, minor)
		if err != nil && p.err == nil {
			p.err = err
		}
		entry.Minor = sum
		return
	}
	p.tx.Entries = append(p.tx.Entries, Entry{Account: account, Currency: p.currency, Minor: minor})
}

func (p *posting) done() (Transaction, error) {
	if p.err == nil && len(p.tx.Entries) == 0 {
		p.err = ErrNothingToPost
	}
	if p.err != nil {
		return Transaction{}, fmt.Errorf("post %.130q: %w", p.tx.Key, p.err)
	}
	if err := p.tx.Validate(); err != nil {
		return Transaction{}, err
	}
	return p.tx, nil
}
