package simulation

import (
	"encoding/json"
	"fmt"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// strays lets things happen that only those lives have in which there are other ways: suppliers bill early, customers go
// to their page, and somebody does by file or mail what they may not, or cannot. Nothing of that may have an effect.
func (l *life) strays() bool {
	books := l.sortedBooks()
	if !l.otherWays() || len(books) == 0 || !l.chance(12) {
		return false
	}
	b := oneOf(l, books)
	if l.chance(60) {
		if l.back {
			l.asksReturn(l.some())
		} else {
			l.bills(b)
		}
		l.background(70, 60, 30)
		return true
	}
	bill := l.falseInvoice(b)
	switch l.pick(9) {
	case 0:
		l.byStranger(b, "billing@stranger.example", l.vouches("stranger.example"), intake.CodeUnknownSender, bill)
	case 1:
		l.byStranger(b, l.mailbox(b.party.id), oneOf(l, []string{
			l.vouches("stranger.example"), l.vouches(b.party.id + ".example.stranger.example"), "dkim=fail header.d=" + b.party.id + ".example",
			"dkim=none\nAuthentication-Results: " + mailServer + "; dkim=pass header.d=" + b.party.id + ".example",
		}), intake.CodeNotAuthentic, bill)
	case 2:
		l.byAnother(b, bill, intake.CodeForeignPO)
	case 3:
		l.byAnother(b, l.falseCredit(), intake.CodeForeignPO)
	case 4:
		l.acknowledgesByMail(b)
	case 5:
		l.happened("mail without a document")
		id := b.paper()
		l.postAside(b.party, id, l.message(id, l.mailbox(b.party.id), l.vouches(b.party.id+".example")), intake.CodeNoDocument)
	case 6:
		l.happened("mail of something else")
		l.mailsWrong(b, l.packs(enclosure{"text/csv", fmt.Appendf(nil, "name,phone\nPat %s,1\n", b.paper())}), intake.CodeMalformed)
	case 7:
		l.happened("file for a purchase order that was never made")
		bill.data, bill.rows[0]["po"] = nil, "DLNEVER-1"
		l.postWrong(b.party, b.paper(), l.file([]*paper{bill}), intake.CodeUnknownPO)
	case 8:
		l.happened("file for a return that was never granted")
		memo := wire.CreditMemo{RMA: "DLNEVER-1-R1", Number: "NEVER-" + b.paper(), At: l.now, Currency: l.world.currency, Amount: l.amount(l.world.scale)}
		l.postWrong(b.party, b.paper(), l.file([]*paper{l.paperOf(b, wire.TypeCreditMemo, memo)}), intake.CodeUnknownReturn)
	}
	l.background(70, 60, 30)
	return true
}

// falseInvoice charges for goods of a purchase order, now and then under a number that its supplier uses.
func (l *life) falseInvoice(b *book) *paper {
	number := "FALSE-" + b.paper()
	for _, known := range l.papers {
		if known.book == b && known.kind == wire.TypeInvoice && l.chance(50) {
			number = known.number
		}
	}
	line := b.lineNumbers()[0]
	cost := l.amount(b.cost[line] + l.world.scale)
	return l.paperOf(b, wire.TypeInvoice, wire.Invoice{
		PO: b.po, Number: number, At: l.now, Currency: l.world.currency, Lines: []wire.InvoiceLine{{Line: line, Quantity: 1, UnitCost: cost}}, Total: cost,
	})
}

// falseCredit gives a credit for a return; nil: there is none.
func (l *life) falseCredit() *paper {
	list := l.sortedBacks()
	if len(list) == 0 {
		return nil
	}
	c := oneOf(l, list)
	return l.paperOf(c.book, wire.TypeCreditMemo, wire.CreditMemo{
		RMA: c.rma, Number: "FALSE-" + c.book.paper(), At: l.now, Currency: l.world.currency, Amount: l.amount(l.world.scale),
	})
}

func (l *life) byStranger(b *book, box, word, code string, bill *paper) {
	l.happened("stranger's mail: " + code)
	id := b.paper()
	l.postAside(b.party, id, l.message(id, box, word, l.encloses([]*paper{bill})), code)
}

// byAnother: a supplier whose word counts, about what is not its own.
func (l *life) byAnother(b *book, p *paper, code string) {
	if p == nil {
		return
	}
	suppliers := l.world.catalog.Suppliers
	other := l.parties[oneOf(l, suppliers).ID]
	if other == p.book.party {
		return
	}
	l.happened("another supplier's " + p.noun())
	if l.chance(50) {
		l.postWrong(other, p.book.paper(), l.file([]*paper{p}), code)
		return
	}
	l.mailsWrong(&book{po: b.paper(), party: other}, l.encloses([]*paper{p}), code)
}

// acknowledgesByMail: what decides about goods is signed by its supplier, and no mail server's word replaces that.
func (l *life) acknowledgesByMail(b *book) {
	l.happened("acknowledged by mail")
	text, err := json.Marshal(wire.Acknowledgment{PO: b.po, At: l.now, Whole: string(order.AckRejected), Reason: "out_of_stock"})
	if err != nil {
		panic(err)
	}
	body, err := json.Marshal(wire.Event{ID: b.paper(), Type: wire.TypeAcknowledged, CreatedAt: l.now, Data: text})
	if err != nil {
		panic(err)
	}
	l.mailsWrong(b, l.packs(enclosure{"application/json", body}), intake.CodeUnknownType)
}

func (l *life) postWrong(from *party, id string, file []byte, code string) {
	l.expected[hashKey(file)] = code
	l.postFile(from, byFile, id, file)
}

func (l *life) mailsWrong(b *book, e enclosure, code string) {
	id := b.paper()
	whole := l.message(id, l.mailbox(b.party.id), l.vouches(b.party.id+".example"), e)
	l.expectAttachment(whole, 0, code)
	l.post(&document{from: byMail, party: b.party.id, id: id, what: "a mail of what may not come by mail, or not from here", body: whole})
}
