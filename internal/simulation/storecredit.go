package simulation

import (
	"encoding/json"
	"strings"

	"github.com/dropline/dropline/internal/money"
)

// writesCredit enters a store credit in the storefront's books.
func (l *life) writesCredit(e *entry, body []byte) {
	var said struct{ Amount, Bonus, Currency, RMA string }
	if err := json.Unmarshal(body, &said); err != nil || l.backs[said.RMA] == nil {
		l.fail("the storefront cannot read a store credit: %s", body)
	}
	amount, err := money.Parse(said.Amount, said.Currency)
	if err != nil {
		l.fail("a store credit of %q: %v", said.Amount, err)
	}
	e.credit = amount.Minor
	if said.Bonus != "" {
		bonus, err := money.Parse(said.Bonus, said.Currency)
		if err != nil || bonus.Minor >= amount.Minor {
			l.fail("a store credit of %q with a bonus of %q: %v", said.Amount, said.Bonus, err)
		}
		e.bonus = bonus.Minor
	}
	given, bonuses := l.creditedUnder("")
	if worth := l.paidBack + given - bonuses + e.credit - e.bonus; worth > l.captured() {
		l.fail("%d is paid back or credited, %d was captured", worth, l.captured())
	}
	l.happened("store credit")
}

// creditedUnder is what the storefront has credited under keys that begin so, and what of it came on top.
func (l *life) creditedUnder(prefix string) (credit, bonus int64) {
	for key, e := range l.entries {
		if strings.HasPrefix(key, prefix) {
			credit, bonus = credit+e.credit, bonus+e.bonus
		}
	}
	return credit, bonus
}

func (l *life) creditsGiven() (n int64) {
	for _, e := range l.entries {
		if e.credit > 0 {
			n++
		}
	}
	return n
}
