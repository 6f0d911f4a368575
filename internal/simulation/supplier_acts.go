package simulation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// supplierActs lets one supplier do something of its own accord.
func (l *life) supplierActs() {
	books := l.sortedBooks()
	if len(books) == 0 {
		return
	}
	b := oneOf(l, books)
	switch l.pick(14) {
	case 0, 1, 2, 3:
		l.acknowledges(b)
	case 4, 5, 6:
		l.ship(b, false)
	case 7, 8:
		l.handOver(b)
	case 9:
		l.answerPending(b)
	case 10:
		l.cancelsItself(b)
	case 11:
		l.reclaims(b)
	case 12:
		if l.chance(25) {
			l.ship(b, true)
		}
	case 13:
		l.reprint(b)
		l.bills(b)
	}
}

func (l *life) acknowledges(b *book) {
	l.postEvent(b, wire.TypeAcknowledged, l.acknowledgment(b))
}

// ship packs units and announces the parcel; wild puts in what nobody asked for.
func (l *life) ship(b *book, wild bool) {
	x := &box{book: b, lines: map[int]int64{}}
	for _, line := range b.lineNumbers() {
		if n := b.live[line]; n > 0 {
			take := 1 + int64(l.pick(int(n)))
			if l.quiet {
				take = n
			}
			b.live[line] -= take
			x.lines[line] += take
		}
		if n := b.rogue[line]; n > 0 && (l.quiet || l.chance(50)) {
			b.rogue[line] = 0
			x.lines[line] += n
		}
	}
	if wild {
		l.happened("shipped what nobody asked for")
		x.lines[1+l.pick(5)]++
	}
	l.pack(b, x)
}

func (l *life) pack(b *book, x *box) {
	notice := wire.Shipment{PO: b.po, At: l.now, Carrier: oneOf(l, []string{"hare", "hareexpress"})}
	for _, line := range slices.Sorted(maps.Keys(x.lines)) {
		if x.lines[line] > 0 {
			notice.Lines = append(notice.Lines, wire.ShippedLine{Line: line, Quantity: x.lines[line]})
		}
	}
	if len(notice.Lines) == 0 {
		return
	}
	l.boxes++
	x.tracking = fmt.Sprintf("T%dX%d", l.number, l.boxes)
	notice.Tracking = x.tracking
	b.boxes = append(b.boxes, x)
	l.note("%s packs %s for %s: %v", b.party.id, x.tracking, b.po, notice.Lines)
	l.postEvent(b, wire.TypeShipment, notice)
	if l.chance(50) {
		l.handOver(b)
	}
}

// reprint throws a label away and prints another for the same units.
func (l *life) reprint(b *book) {
	for _, old := range b.boxes {
		if old.handed || old.stopped || len(old.lines) == 0 {
			continue
		}
		x := &box{book: b, lines: old.lines}
		old.lines = map[int]int64{}
		l.happened("label printed anew")
		l.pack(b, x)
		return
	}
}

// handOver gives a packed box to the carrier, which scans it.
func (l *life) handOver(b *book) {
	for _, x := range b.boxes {
		if x.handed || x.stopped || x.units() == 0 {
			continue
		}
		x.handed = true
		l.note("%s is handed over: %v", x.tracking, x.lines)
		l.scan(x, "in_transit")
		return
	}
}

func (x *box) units() int64 {
	var n int64
	for _, q := range x.lines {
		n += q
	}
	return n
}

// answerPending keeps a promise.
func (l *life) answerPending(b *book) {
	for _, key := range slices.Sorted(maps.Keys(b.answers)) {
		if b.answers[key] != order.AnswerPending || b.party.mute && !l.quiet && l.chance(60) {
			continue
		}
		outcome := order.AnswerRejected
		if l.quiet || l.chance(70) {
			outcome = l.giveBackLate(b, key)
		}
		b.answers[key] = outcome
		l.happened("promise kept")
		l.postAnswer(b, key, outcome)
		if outcome == order.AnswerRejected && !l.quiet && l.chance(20) { // and thinks better of it
			b.answers[key] = l.giveBackLate(b, key)
			l.postAnswer(b, key, b.answers[key])
			l.happened("thought better of a refusal")
		}
		return
	}
}

const interceptPrefix = "intercept/"

func (l *life) giveBackLate(b *book, key string) string {
	if len(key) > len(interceptPrefix) && key[:len(interceptPrefix)] == interceptPrefix {
		l.stopParcel(b, key[len(interceptPrefix):])
		return order.AnswerAccepted
	}
	return l.giveBack(b, b.asked[key])
}

func (l *life) postAnswer(b *book, key, outcome string) {
	if len(key) > len(interceptPrefix) && key[:len(interceptPrefix)] == interceptPrefix {
		key = key[len(interceptPrefix):]
	}
	said := wire.CancellationAnswered{PO: b.po, Key: key, At: l.now, Outcome: outcome}
	l.postEvent(b, wire.TypeCancellationAnswered, said)
}

// cancelsItself: the supplier gives up all that has not left, and says so without having been asked.
func (l *life) cancelsItself(b *book) {
	var free int64
	for _, line := range b.lineNumbers() {
		free += b.free(line)
	}
	if free == 0 || b.shipped() || l.chance(50) {
		return
	}
	for _, line := range b.lineNumbers() {
		l.drop(b, line, b.free(line))
	}
	l.note("%s cancels %s of its own accord", b.party.id, b.po)
	l.happened("supplier cancelled")
	b.acks++
	at := l.now.Add(time.Duration(b.acks) * time.Millisecond)
	l.postEvent(b, wire.TypeAcknowledged, wire.Acknowledgment{PO: b.po, At: at, Whole: string(order.AckRejected), Reason: "out_of_stock"})
}

// reclaims: the supplier means to ship what it has given up.
func (l *life) reclaims(b *book) {
	if l.chance(60) {
		return
	}
	took := false
	for _, line := range b.lineNumbers() {
		if n := b.sent[line] - b.hold(line); n > 0 {
			b.rogue[line] += n
			took = true
		}
	}
	if !took {
		return
	}
	l.note("%s wants %s back", b.party.id, b.po)
	l.happened("claimed again")
	if l.chance(60) {
		b.acks++
		at := l.now.Add(time.Duration(b.acks) * time.Millisecond)
		l.postEvent(b, wire.TypeAcknowledged, wire.Acknowledgment{PO: b.po, At: at, Whole: string(order.AckAccepted)})
	}
	if l.chance(30) {
		l.ship(b, false)
	}
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
		said := wire.Invoice{PO: b.po, Number: "INV-" + x.tracking, At: l.now, Currency: b.party.currency}
		billed := &bill{number: said.Number, at: l.now}
		for _, line := range slices.Sorted(maps.Keys(x.lines)) {
			if _, known := b.cost[line]; !known || x.lines[line] == 0 {
				continue
			}
			cost := b.cost[line]
			if l.chance(10) {
				cost += l.world.scale
				l.happened("billed too much")
			}
			said.Lines = append(said.Lines, wire.InvoiceLine{Line: line, Quantity: x.lines[line], UnitCost: b.party.spells(cost)})
			billed.goods, billed.total = billed.goods+b.cost[line]*x.lines[line], billed.total+cost*x.lines[line]
		}
		if billed.lines = len(said.Lines); billed.lines == 0 {
			return
		}
		l.discount(b, &said, billed)
		said.Total = b.party.spells(billed.total)
		b.bills = append(b.bills, billed)
		l.happened("invoice")
		l.postEvent(b, wire.TypeInvoice, said)
		if l.chance(20) {
			l.happened("invoice told twice")
			l.postEvent(b, wire.TypeInvoice, said)
		}
		return
	}
}

// postEvent puts a supplier's event on its way.
func (l *life) postEvent(b *book, kind string, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	id := b.paper()
	body, err := json.Marshal(wire.Event{ID: id, Type: kind, CreatedAt: l.now, Data: text})
	if err != nil {
		panic(err)
	}
	l.post(&document{from: "supplier", party: b.party.id, id: id, what: kind, body: body})
}
