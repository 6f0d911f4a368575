package simulation

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// wrongBill is an invoice that asks for more than the supplier can have, as it knows itself when somebody says so.
type wrongBill struct {
	bill    wire.Invoice
	total   int64 // minor units, as excess and given
	excess  int64
	given   int64 // back, by memos and a correction
	memos   int
	right   bool // another stands in its place
	decided bool
}

// bill is an invoice in a supplier's books; minor units of its currency.
type bill struct {
	number  string
	at      time.Time
	lines   int
	goods   int64 // at the agreed cost
	given   int64 // the volume discount that it was given with
	unitary bool  // in the prices of the units
	total   int64
}

// bills charges for a box that has left, at the agreed cost or, sometimes, more.
func (l *life) bills(b *book) {
	for _, x := range b.boxes {
		if !x.handed || x.stopped || b.billed[x] || x.units() == 0 {
			continue
		}
		b.billed[x] = true
		w := &wrongBill{bill: wire.Invoice{PO: b.po, Number: "INV-" + x.tracking, At: l.now, Currency: b.party.currency}}
		billed := &bill{number: w.bill.Number, at: l.now}
		for _, line := range slices.Sorted(maps.Keys(x.lines)) {
			if _, known := b.cost[line]; !known || x.lines[line] == 0 {
				continue
			}
			cost := b.cost[line]
			if l.chance(10) {
				cost += l.world.scale
				w.excess += l.world.scale * x.lines[line]
				l.happened("billed too much")
			}
			w.bill.Lines = append(w.bill.Lines, wire.InvoiceLine{Line: line, Quantity: x.lines[line], UnitCost: b.party.spells(cost)})
			billed.goods, billed.total = billed.goods+b.cost[line]*x.lines[line], billed.total+cost*x.lines[line]
		}
		if billed.lines = len(w.bill.Lines); billed.lines == 0 {
			return
		}
		l.discount(b, &w.bill, billed)
		w.total, b.bills = billed.total, append(b.bills, billed)
		l.bill(b, w)
		return
	}
}

// bill sends an invoice, as it is or, where claims are pursued, with something more that is wrong with it.
func (l *life) bill(b *book, w *wrongBill) {
	extra := l.pursued && !l.world.market.wide
	if extra && l.chance(15) {
		l.spoils(b, w)
	}
	l.postBill(b, w)
	l.happened("invoice")
	if l.chance(20) {
		l.happened("invoice told twice")
		l.sendPaper(b, wire.TypeInvoice, w.bill)
	}
	if extra && l.chance(6) {
		again := &wrongBill{bill: w.bill, total: w.total, excess: w.total}
		again.bill.Number += "-B"
		l.happened("billed twice")
		l.postBill(b, again)
	}
}

func (l *life) postBill(b *book, w *wrongBill) {
	w.bill.Total = b.party.spells(w.total)
	b.party.account.billed[w.bill.Number], b.charged[w.bill.Number] = w.total, w.total
	if w.excess > 0 {
		b.wrong = append(b.wrong, w)
	}
	l.sendPaper(b, wire.TypeInvoice, w.bill)
}

// spoils makes an invoice ask for units that were not shipped, for freight that was not agreed, or for more than
// its lines.
func (l *life) spoils(b *book, w *wrongBill) {
	more := 3 * l.world.scale
	switch l.pick(3) {
	case 0:
		line := &w.bill.Lines[0]
		line.Quantity++
		more = b.cost[line.Line]
		l.happened("billed too many")
	case 1:
		w.bill.Freight = l.amount(more)
		l.happened("billed freight")
	case 2:
		l.happened("billed more than its lines")
	}
	w.total, w.excess = w.total+more, w.excess+more
}

// wrongBills are those of all suppliers, in a fixed order.
func (l *life) wrongBills() (list []*wrongBill) {
	for _, b := range l.sortedBooks() {
		list = append(list, b.wrong...)
	}
	return list
}

// billsAct lets a supplier find out that it has billed too much, at any moment.
func (l *life) billsAct() {
	if list := l.wrongBills(); len(list) > 0 {
		l.amends(oneOf(l, list))
	}
}

// billsFinish lets a supplier that has billed too much think about it once.
func (l *life) billsFinish() bool {
	for _, w := range l.wrongBills() {
		if w.decided {
			continue
		}
		w.decided = true
		if l.chance(40) && l.amends(w) {
			return true
		}
	}
	return false
}

// amends gives back what an invoice asked for too much, or a part of it: by a credit memo that names the invoice, or
// by an invoice in its place. A memo is written once the invoice is known to have come.
func (l *life) amends(w *wrongBill) bool {
	b := l.books[w.bill.PO]
	amount := w.excess - w.given
	if l.chance(30) {
		amount /= 2
	}
	if amount <= 0 || !l.hasCome(b.party, w.bill.Number) {
		return false
	}
	w.given, w.memos = w.given+amount, w.memos+1
	number := fmt.Sprintf("C%d-%s", w.memos, w.bill.Number)
	b.party.account.credited[number] = amount
	if w.right || l.chance(50) {
		l.happened("invoice credited")
		l.postEvent(b, wire.TypeCreditMemo, wire.CreditMemo{
			Invoice: w.bill.Number, Number: number, At: l.now, Currency: b.party.currency, Amount: b.party.spells(amount),
		})
		return true
	}
	w.right = true
	right := w.bill
	right.Number, right.Corrects, right.At, right.Total = number, w.bill.Number, l.now, b.party.spells(w.total-amount)
	l.happened("invoice corrected")
	l.postEvent(b, wire.TypeInvoice, right)
	return true
}

// hasCome: an invoice was taken up.
func (l *life) hasCome(p *party, number string) (come bool) {
	err := l.world.admin.QueryRow(l.ctx, `SELECT EXISTS (SELECT FROM supplier_invoices WHERE supplier = $1 AND invoice = $2)`, p.id, number).Scan(&come)
	if err != nil {
		l.fail("look for an invoice: %v", err)
	}
	return come
}
