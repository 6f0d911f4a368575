package simulation

import (
	"fmt"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// before is what the purchases of every other quarter had reached before any life began, in basis points: the
// discount of the first tier. Within lives none is reached, so that each is the same alone: what they have bought
// together is looked at when all are over (reckon).
const before = 250

// quarterOf is the period that an invoice counts in, by the supplier's calendar, and the discount that it is
// expected with, in basis points.
func (p *party) quarterOf(at time.Time) (name string, bp int64) {
	zone, err := time.LoadLocation(p.zone)
	if err != nil {
		panic(err)
	}
	year, month, _ := at.In(zone).Date()
	quarter := int(month+2) / 3
	if quarter%2 == 1 {
		bp = before
	}
	return fmt.Sprintf("%d-Q%d", year, quarter), bp
}

// boughtBefore records what had been reached; empty: no contract has volume discounts.
func boughtBefore(suppliers []catalog.Supplier) string {
	var rows []string
	for i := range suppliers {
		if s := &suppliers[i]; len(s.Contract.Volume.Tiers) > 0 {
			for _, period := range []string{"2026-Q1", "2026-Q3", "2027-Q1", "2027-Q3", "2028-Q1", "2028-Q3"} {
				rows = append(rows, fmt.Sprintf("('%s', '%s', '%s', %d)", s.ID, period, s.Contract.Currency, before))
			}
		}
	}
	if len(rows) == 0 {
		return ""
	}
	return "INSERT INTO volume_periods (supplier, period, currency, reached_bp) VALUES " + strings.Join(rows, ", ") + ";\n"
}

// discount has a supplier give the discount of the quarter in one of the ways that are open to it, or less, or none.
func (l *life) discount(b *book, said *wire.Invoice, billed *bill) {
	if len(b.party.volume.Tiers) == 0 {
		return
	}
	_, bp := b.party.quarterOf(billed.at)
	if bp == 0 {
		l.happened("billed before a tier")
		return
	}
	whole := billed.goods * bp / 10_000
	way := oneOf(l, []string{"in the total", "as an allowance", "in the prices", "by half", "not at all"})
	switch way {
	case "in the total":
		billed.given = whole
	case "as an allowance", "by half":
		if billed.given = whole; way == "by half" {
			billed.given /= 2
		}
		if billed.given > 0 {
			said.Allowance = b.party.spells(billed.given)
		}
	case "in the prices":
		billed.unitary = true
		for i := range said.Lines {
			line := &said.Lines[i]
			less := (b.cost[line.Line]*bp + 9_999) / 10_000 // never too little
			line.UnitCost = b.party.spells(b.cost[line.Line] - less)
			billed.given += less * line.Quantity
		}
		billed.total = billed.goods // without what was charged too much
	}
	billed.total -= billed.given
	l.happened("volume discount given: " + way)
}

// counted is an invoice as it counts for volume discounts.
type counted struct {
	period                   string
	goods, granted, disputed int64
	early                    bool // it came before what it charges for was known, and counts more since
}

func (l *life) countedOf(b *bill, supplier string) (c counted) {
	err := l.world.admin.QueryRow(l.ctx, `SELECT v.period, v.goods, v.granted, coalesce((SELECT sum(e.minor) FROM ledger_transactions t
			JOIN ledger_entries e ON e.transaction_id = t.id WHERE t.order_key = v.order_key AND starts_with(e.account, 'supplier_claims:')
			AND t.key = 'claim_opened|dispute/volume_discount/' || v.supplier || '/' || v.invoice), 0)::bigint,
			EXISTS (SELECT FROM ledger_transactions t WHERE t.order_key = v.order_key AND t.key IN (
				'claim_opened|dispute/quantity_not_shipped/' || v.supplier || '/' || v.invoice, 'claim_opened|dispute/duplicate/' || v.supplier || '/' || v.invoice))
		FROM volume_purchases v WHERE v.order_key = $1 AND v.supplier = $2 AND v.invoice = $3`, l.key.String(), supplier, b.number).
		Scan(&c.period, &c.goods, &c.granted, &c.disputed, &c.early)
	if err != nil {
		l.fail("read what invoice %s counts: %v", b.number, err)
	}
	return c
}

// checkDiscounts: each invoice counts in its quarter, is expected with the discount of it, and what is missing of that
// is disputed. What is paid for was agreed or let pass, so that an invoice may count for less than it charges.
func (l *life) checkDiscounts() {
	for _, b := range l.sortedBooks() {
		if len(b.party.volume.Tiers) == 0 {
			continue
		}
		for _, billed := range b.bills {
			c := l.countedOf(billed, b.party.id)
			period, bp := b.party.quarterOf(billed.at)
			whole := c.goods * bp / 10_000
			// An invoice that asks for less than was agreed counts for that; suppliers raise prices by 7 % at most.
			most := max(c.goods, billed.goods*107/100) * bp / 10_000
			switch {
			case c.period != period:
				l.fail("invoice %s is of %s, and counts in %s", billed.number, period, c.period)
			case c.granted > most || c.granted < whole && !c.early || c.disputed > c.granted:
				l.fail("invoice %s counts %d: a discount of %d to %d is due, %d were expected and %d disputed", billed.number, c.goods, whole, most, c.granted, c.disputed)
			case c.goods == billed.goods && c.granted == whole && c.disputed != billed.missing(whole):
				l.fail("invoice %s came with %d of a discount of %d, and %d are disputed", billed.number, billed.given, whole, c.disputed)
			}
			if c.disputed > 0 {
				l.happened("volume discount disputed")
			}
		}
	}
}

// missing is what is disputed of a discount that is due: of one that was given, each line may be rounded.
func (b *bill) missing(due int64) int64 {
	missing := max(due-b.given, 0)
	if b.given > 0 && missing <= int64(b.lines) {
		return 0
	}
	return missing
}
