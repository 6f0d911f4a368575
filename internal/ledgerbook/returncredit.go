package ledgerbook

import (
	"fmt"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/ledger"
)

// ReturnCredit is what a supplier owes for goods that came back, all amounts so far in minor units.
type ReturnCredit struct {
	RMA, Supplier, Currency string
	// Damage: the goods were wrong when they were sent; otherwise it takes them back on its terms.
	Damage bool
	// Expected is what the contract promises, Got what credit memos gave, WrittenOff what a person let go.
	Expected, Got, WrittenOff int64
	Due                       time.Time
}

// resolvedWrittenOff: a person let the rest go; the return says who.
const (
	resolvedCredited   = "credited"
	resolvedWrittenOff = "written_off"
)

// FollowReturn brings the book up to a return's credit: what is owed more, given or let go since the
// book was last brought up to it is posted, and one open claim names the rest. Amounts only grow.
func (b *Book) FollowReturn(c ReturnCredit) error {
	if c.Due.IsZero() {
		c.Due = b.now // nothing is open any more: the day is a formality
	}
	kind := ledger.ClaimReturnCredit
	if c.Damage {
		kind = ledger.ClaimDamage
	}
	claim := func(key string, minor int64) ledger.Claim {
		return ledger.Claim{
			Key: key, Kind: kind, Account: ledger.SupplierClaims(c.Supplier), Currency: c.Currency, Minor: minor, Owner: purchasing, Due: c.Due.UTC(),
		}
	}
	base := "return/" + c.RMA
	for _, step := range []struct {
		word    string
		now     int64
		posting func(key string, minor int64) (ledger.Transaction, error)
	}{
		{"expected", c.Expected, func(key string, minor int64) (ledger.Transaction, error) {
			return ledger.ClaimOpened(claim(key, minor))
		}},
		{resolvedCredited, c.Got, func(key string, minor int64) (ledger.Transaction, error) {
			tx, _, err := ledger.ClaimClosed(key, claim(base, minor), ledger.ClaimCredited, minor)
			return tx, err
		}},
		{resolvedWrittenOff, c.WrittenOff, func(key string, minor int64) (ledger.Transaction, error) {
			tx, _, err := ledger.ClaimClosed(key, claim(base, minor), ledger.ClaimWrittenOff, minor)
			return tx, err
		}},
	} {
		since := step.now - b.followed(c, base, step.word)
		if since <= 0 {
			continue
		}
		// The sum reached is part of the key: bringing the book up to the same state posts nothing twice.
		t, err := step.posting(fmt.Sprintf("%s/%s:%d", base, step.word, step.now), since)
		if err == nil {
			err = b.Post(t)
		}
		if err != nil {
			return fmt.Errorf("follow return %s: %w", c.RMA, err)
		}
	}
	resolution := resolvedSuperseded
	switch rest := c.Expected - c.Got - c.WrittenOff; {
	case rest == 0 && c.WrittenOff > 0:
		resolution = resolvedWrittenOff
	case rest == 0:
		resolution = resolvedCredited
	}
	if err := b.name(claim(base, c.Expected-c.Got-c.WrittenOff), resolution); err != nil {
		return err
	}
	return b.nameCredit(c, base+"/credit")
}

// followed is what was posted before of what a return's credit has come to.
func (b *Book) followed(c ReturnCredit, base, word string) (sum int64) {
	account := ledger.SupplierClaims(c.Supplier)
	for _, t := range b.transactions {
		if !strings.Contains(t.Key, "|"+base+"/"+word+":") && !strings.Contains(t.Key, "|"+base+"|"+base+"/"+word+":") {
			continue
		}
		for _, e := range t.Entries {
			if e.Account == account && e.Currency == c.Currency {
				sum += max(e.Minor, -e.Minor)
			}
		}
	}
	return sum
}

// nameCredit names what credit memos gave and no payment has taken into account yet: so much less is owed
// to the supplier than its invoices say.
func (b *Book) nameCredit(c ReturnCredit, base string) error {
	return b.name(ledger.Claim{
		Key: base, Kind: ledger.ClaimCreditMemo, Account: ledger.SupplierPayable(c.Supplier), Currency: c.Currency, Minor: c.Got - b.setOffOf(base),
		Owner: purchasing, Due: b.now.Add(paymentTerm).UTC(),
	}, resolvedSuperseded)
}

// name keeps one open claim under a key for an amount, which may be 0. An amount that changes ends the
// claim and opens the next, so that each can be read for what it was; resolution says how it ended.
func (b *Book) name(claim ledger.Claim, resolution string) error {
	base, key := claim.Key, ""
	for n := 2; ; n++ {
		row := b.claim(claim.Key)
		if row == nil {
			break
		}
		if row.open {
			key = claim.Key
			if row.Minor == claim.Minor {
				return nil
			}
		}
		claim.Key = fmt.Sprintf("%s#%d", base, n)
	}
	if key != "" {
		if err := b.CloseClaim(key, resolution); err != nil {
			return err
		}
	}
	if claim.Minor == 0 {
		return nil
	}
	return b.OpenClaim(claim)
}
