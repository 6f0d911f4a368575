package simulation

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/money"
)

// exchange is a currency and what a whole unit of it is worth in the storefronts', in millionths: about as many
// minor units as it has itself, so that no supplier is out of the running.
type exchange struct {
	currency string
	worth    int64
}

// ratesFrom is the day of the first rate; each week has another, until no life lasts any more.
var ratesFrom = time.Date(2025, 12, 29, 0, 0, 0, 0, time.UTC)

const (
	ratesWeeks = 150
	week       = 7 * 24 * time.Hour
)

// on is the rate that holds at a time, in millionths.
func (x exchange) on(at time.Time) int64 {
	n := int64(at.Sub(ratesFrom) / week)
	return x.worth + x.worth/100*(n%7-3)
}

// rates are the catalogue's.
func (m *market) rates() []byte {
	var text strings.Builder
	for _, partner := range slices.Sorted(maps.Keys(m.abroad)) {
		x := m.abroad[partner]
		if text.Len() == 0 {
			text.WriteString("\nrates:\n")
		}
		if strings.Contains(text.String(), "from: "+x.currency) {
			panic("simulation: " + partner + " has a rate of its own for " + x.currency)
		}
		for n := range ratesWeeks {
			at := ratesFrom.Add(time.Duration(n) * week)
			_, _ = fmt.Fprintf(&text, "  - {from: %s, to: %s, rate: \"%d.%06d\", on: %s}\n",
				x.currency, m.currency, x.on(at)/1e6, x.on(at)%1e6, at.Format(time.DateOnly))
		}
	}
	return []byte(text.String())
}

// spells writes an amount that is owed to the supplier, or by it.
func (p *party) spells(minor int64) string {
	text, err := money.Format(minor, p.currency)
	if err != nil {
		panic(err)
	}
	return text
}

// balance is what an account of the order holds.
type balance struct {
	Account, Currency string
	Minor             int64
}

// checkAbroad: what is owed to and by a supplier stays in its currency, to the minor unit that it has billed;
// what it cost is in the storefront's, at the rate of the week in which it was first ordered in that currency.
func (l *life) checkAbroad() {
	rows, err := l.world.admin.Query(l.ctx, `SELECT e.account, e.currency, sum(e.minor)::bigint FROM ledger_entries e
		JOIN ledger_transactions t ON t.id = e.transaction_id WHERE t.order_key = $1 GROUP BY 1, 2`, l.key.String())
	if err != nil {
		l.fail("read the accounts: %v", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[balance])
	if err != nil {
		l.fail("read the accounts: %v", err)
	}
	owed, converted := map[string]int64{}, map[string]int64{} // by currency
	for _, b := range list {
		name, partner, _ := strings.Cut(b.Account, ":")
		switch {
		case name == "currency_conversion":
			converted[b.Currency] += b.Minor
		case name == "supplier_payable" || name == "supplier_claims":
			if want := l.world.market.currencyOf(partner); b.Minor != 0 && b.Currency != want {
				l.fail("%s holds %d %s, and %s deals in %s", b.Account, b.Minor, b.Currency, partner, want)
			}
			owed[b.Currency] += b.Minor
		case name == "bank":
			owed[b.Currency] += b.Minor
		case b.Currency != l.world.currency && b.Minor != 0:
			l.fail("%s holds %d %s, and the storefront deals in %s", b.Account, b.Minor, b.Currency, l.world.currency)
		}
	}
	l.checkConverted(owed, converted)
	for _, s := range l.world.catalog.Suppliers {
		l.checkBilled(l.parties[s.ID])
	}
}

// checkConverted compares what stands against converted costs with what is owed.
func (l *life) checkConverted(owed, converted map[string]int64) {
	want := new(big.Rat)
	accounts := int64(3) // that hold costs, each converted by itself
	for partner, x := range l.world.market.abroad {
		rate, ordered := l.rateOf(partner)
		if converted[x.currency]+owed[x.currency] != 0 {
			l.fail("%d %s stand against what was converted, and %d %s are owed", converted[x.currency], x.currency, -owed[x.currency], x.currency)
		}
		if !ordered {
			continue
		}
		worth := new(big.Rat).Mul(new(big.Rat).SetInt64(converted[x.currency]), big.NewRat(rate, 1e6))
		want.Add(want, worth.Mul(worth, big.NewRat(scaleOf(l.world.currency), scaleOf(x.currency))))
	}
	off := want.Add(want, new(big.Rat).SetInt64(converted[l.world.currency]))
	if off.Abs(off).Cmp(new(big.Rat).SetInt64(accounts*int64(len(l.world.market.abroad)))) > 0 {
		l.fail("%d %s stand against what was converted: that is off by %s", converted[l.world.currency], l.world.currency, off.FloatString(2))
	}
}

// scaleOf is how many minor units a currency's whole unit has.
func scaleOf(currency string) int64 {
	digits, err := money.Digits(currency)
	if err != nil {
		panic(err)
	}
	scale := int64(1)
	for range digits {
		scale *= 10
	}
	return scale
}

// rateOf is what was agreed with a supplier abroad, in millionths: the rate of the day on which the order was first
// bought in that currency. All of its purchase orders must have it.
func (l *life) rateOf(supplier string) (rate int64, ordered bool) {
	var orders, rates int
	var first, last time.Time
	var num, den *int64
	err := l.world.admin.QueryRow(l.ctx, `SELECT count(*), count(DISTINCT terms -> 'rate'), coalesce(min(created_at), 'epoch'), coalesce(max(created_at), 'epoch'),
		min((terms -> 'rate' ->> 'num')::bigint), min((terms -> 'rate' ->> 'den')::bigint) FROM purchase_orders
		WHERE order_key = $1 AND currency = $2`, l.key.String(), l.world.market.currencyOf(supplier)).Scan(&orders, &rates, &first, &last, &num, &den)
	if err != nil {
		l.fail("read the rates: %v", err)
	}
	if orders == 0 {
		return 0, false
	}
	x := l.world.market.abroad[supplier]
	rate = x.on(first.UTC())
	if rates != 1 {
		l.fail("the order buys in %s at %d rates", x.currency, rates)
	}
	want := new(big.Rat).Mul(big.NewRat(rate, 1e6), big.NewRat(scaleOf(l.world.currency), scaleOf(x.currency)))
	if want.Cmp(big.NewRat(*num, *den)) != 0 {
		l.fail("%s was bought at %d/%d, and the rate of %s is %s", x.currency, *num, *den, first.UTC().Format(time.DateOnly), want)
	}
	l.happened("bought abroad")
	if x.on(last.UTC()) != rate {
		l.happened("rate kept over a new one")
	}
	return rate, true
}

// checkBilled: what an invoice asks for became due, as it was billed.
func (l *life) checkBilled(p *party) {
	var theirs, ours int64
	for _, b := range l.sortedBooks() {
		for _, bill := range b.bills {
			if b.party == p {
				theirs += bill.total
			}
		}
	}
	err := l.world.admin.QueryRow(l.ctx, `SELECT coalesce(-sum(minor), 0)::bigint FROM claims WHERE order_key = $1 AND kind = 'invoice_due'
		AND account = 'supplier_payable:' || $2 AND currency = $3 AND starts_with(key, 'due/')`, l.key.String(), p.id, p.currency).Scan(&ours)
	if err != nil {
		l.fail("read what is due to %s: %v", p.id, err)
	}
	if theirs != ours {
		l.fail("%s has billed %d %s, of which %d became due", p.id, theirs, p.currency, ours)
	}
}
