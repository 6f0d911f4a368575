package simulation

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// comeback is goods on their way back, as the customer, the carrier and the supplier know them.
type comeback struct {
	rma     string
	book    *book // of the purchase order that they came with
	granted map[int]int64
	reasons map[int]string // as far as the supplier was told
	keep    bool           // the customer was told to keep them
	content string         // of the announcement
	outcome string         // the supplier's answer to it
	label   string         // the number on it; empty: the customer sends the parcel on their own account
	box     *box           // what the customer has sent; nil: nothing
	never   bool           // and never will
	// withdrawn: the return was cancelled; what is found in its box all the same takes that back.
	withdrawn bool
	looked    map[int]int64 // units that the supplier has reported
	seen      bool          // somebody said what was found
	final     bool          // the supplier has said all
	memos     map[string]int64
	decided   bool      // the supplier has decided whether it gives the rest of its credit
	excused   bool      // a person has decided that it is paid for without the goods
	dear      bool      // the customer paid in addition for what is to replace them
	by        *purchase // what replaces the goods; nil: nothing does
}

// comeback finds what is known of an RMA, which everybody hears of for the first time some day.
func (l *life) comeback(rma string) *comeback {
	c := l.backs[rma]
	if c == nil {
		number, _, found := strings.Cut(rma, "-R")
		b := l.books[number]
		if !found || b == nil || !b.arrived {
			l.fail("return %s is of a purchase order that nobody has", rma)
		}
		c = &comeback{rma: rma, book: b, granted: map[int]int64{}, looked: map[int]int64{}, memos: map[string]int64{}}
		l.backs[rma] = c
	}
	return c
}

func (l *life) sortedBacks() []*comeback {
	var list []*comeback
	for _, rma := range slices.Sorted(maps.Keys(l.backs)) {
		list = append(list, l.backs[rma])
	}
	return list
}

// takeReturn answers the announcement of a return. Birch has no interface for them.
func (l *life) takeReturn(p *party, w http.ResponseWriter, body []byte) {
	var said wire.ReturnAuthorization
	if err := json.Unmarshal(body, &said); err != nil {
		l.fail("%s cannot read a return: %v", p.id, err)
	}
	if p.id == "birch" {
		problem(w, http.StatusNotFound, wire.CodeNotFound)
		return
	}
	c := l.comeback(said.RMA)
	if c.book.party != p || c.book.po != said.PO {
		l.fail("%s is told of return %s of %s, which %s has", p.id, said.RMA, said.PO, c.book.party.id)
	}
	if c.content != "" && c.content != string(body) {
		l.fail("return %s was %s and is now %s", c.rma, c.content, body)
	}
	if c.content == "" {
		l.announced(c, said, string(body))
	} else {
		l.happened("return announced again")
	}
	receipt := wire.ReturnReceipt{Answer: wire.Answer{Outcome: c.outcome, At: time.Now().UTC()}}
	if c.outcome == order.AnswerRejected {
		receipt.Reason = "other"
	}
	if c.label != "" {
		receipt.Label = &wire.Label{Carrier: "hare", Tracking: c.label, URL: "https://" + p.id + ".example/labels/" + c.label}
	}
	reply(w, receipt)
}

func (l *life) announced(c *comeback, said wire.ReturnAuthorization, content string) {
	c.content, c.reasons = content, map[int]string{}
	for _, u := range said.Lines {
		if u.Quantity < 1 || u.Quantity > c.book.sent[u.Line] {
			l.fail("%d of line %d come back to %s, which was sent %d", u.Quantity, u.Line, c.book.party.id, c.book.sent[u.Line])
		}
		c.granted[u.Line], c.reasons[u.Line] = u.Quantity, u.Reason
	}
	c.outcome = order.AnswerAccepted
	if !l.quiet {
		c.outcome = oneOf(l, []string{
			order.AnswerAccepted, order.AnswerAccepted, order.AnswerAccepted, order.AnswerAccepted, order.AnswerPending, order.AnswerRejected,
		})
	}
	l.happened("return announced: " + c.outcome)
	labels := 80 // percent
	if l.hauls && buysLabels(c.book.party.id) {
		labels = 20
	}
	if l.chance(labels) {
		l.boxes++
		c.label = fmt.Sprintf("R%dX%d", l.number, l.boxes)
	}
}

// supplierReturns lets a supplier do something about goods that come back, of its own accord.
func (l *life) supplierReturns() {
	list := l.sortedBacks()
	if len(list) == 0 {
		return
	}
	c := oneOf(l, list)
	switch l.pick(8) {
	case 0, 1:
		l.answersReturn(c)
	case 2, 3, 4:
		if c.there() || c.box != nil && l.chance(10) {
			l.inspects(c)
		}
	case 5, 6:
		if c.seen || l.chance(10) {
			l.credits(c, oneOf(l, []int64{100, 100, 50, 25, 120}))
		}
	case 7:
		if l.chance(10) { // it thinks better of what it said
			c.outcome = oneOf(l, []string{order.AnswerAccepted, order.AnswerRejected})
			l.postReturnAnswer(c)
			l.happened("return answered otherwise")
		}
	}
}

// answersReturn keeps a promise.
func (l *life) answersReturn(c *comeback) bool {
	if c.outcome != order.AnswerPending {
		return false
	}
	c.outcome = order.AnswerAccepted
	if !l.quiet && l.chance(40) {
		c.outcome = order.AnswerRejected
	}
	l.happened("return's promise kept")
	l.postReturnAnswer(c)
	return true
}

func (l *life) postReturnAnswer(c *comeback) {
	l.postEvent(c.book, wire.TypeReturnAnswered, wire.ReturnAnswered{RMA: c.rma, At: l.now, Outcome: c.outcome})
}

// there: the parcel is with the supplier. One without a label of ours came on its own account.
func (c *comeback) there() bool {
	return c.box != nil && (c.box.tracking == "" || c.box.scanned("delivered"))
}

var conditions = []returns.Condition{
	returns.AsNew, returns.AsNew, returns.AsNew, returns.AsNew, returns.Opened, returns.DamagedGoods, returns.WrongGoods, returns.Missing, returns.NotOurs,
}

// inspects says what is in the box, or a part of it, as the supplier sees it.
func (l *life) inspects(c *comeback) {
	said := wire.ReturnInspected{RMA: c.rma, At: l.now, Final: l.quiet || l.chance(60)}
	for _, line := range slices.Sorted(maps.Keys(c.box.lines)) {
		left := c.box.lines[line] - c.looked[line]
		for left > 0 && (said.Final || l.chance(80)) {
			n := 1 + int64(l.pick(int(left)))
			left -= n
			c.looked[line] += n
			found := wire.InspectedLine{Line: line, Quantity: n, Condition: string(oneOf(l, conditions))}
			if l.hauls && c.reasons[line] == string(returns.Damaged) && l.chance(60) {
				found.Condition = string(returns.DamagedGoods)
			}
			if l.chance(50) {
				found.Disposition = string(oneOf(l, returns.Dispositions))
			}
			said.Lines = append(said.Lines, found)
			l.happened("found " + found.Condition)
		}
	}
	if len(said.Lines) == 0 && !said.Final {
		return
	}
	if len(said.Lines) == 0 {
		l.happened("found nothing")
	}
	c.seen, c.final = true, c.final || said.Final
	l.postEvent(c.book, wire.TypeReturnInspected, said)
	if !l.quiet && l.chance(10) {
		l.happened("inspection told twice")
		l.postEvent(c.book, wire.TypeReturnInspected, said)
	}
}

// credits gives so many percent of what the goods have cost.
func (l *life) credits(c *comeback, percent int64) {
	var cost int64
	for line, n := range c.granted {
		cost += c.book.cost[line] * n
	}
	if amount := cost * percent / 100; amount > 0 {
		l.postMemo(c, fmt.Sprintf("CM-%s-%d", c.rma, len(c.memos)+1), amount)
	}
}

func (l *life) postMemo(c *comeback, number string, amount int64) {
	p := c.book.party
	c.memos[number], p.account.credited[number] = amount, amount
	memo := wire.CreditMemo{RMA: c.rma, Number: number, At: l.now, Currency: p.currency, Amount: p.spells(amount)}
	l.happened("credit memo")
	l.sendPaper(c.book, wire.TypeCreditMemo, memo)
	if !l.quiet && l.chance(15) {
		l.happened("credit memo told twice")
		l.sendPaper(c.book, wire.TypeCreditMemo, memo)
	}
}

// carrierBrings moves what is on its way back. Who handed it in without a label is on their own.
func (l *life) carrierBrings() {
	for _, c := range l.sortedBacks() {
		if x := c.box; x != nil && x.tracking != "" && !x.done && l.chance(60) {
			status := oneOf(l, []string{"in_transit", "in_transit/delayed", "failure", "delivered", "delivered", "delivered", "in_transit/lost"})
			x.done = status == "delivered" || status == "in_transit/lost"
			l.scan(x, status)
			l.happened("return scan " + status)
		}
	}
}

// comebacksFinish lets one of those who have to do with a return do the next thing that they owe.
func (l *life) comebacksFinish() bool {
	for _, c := range l.sortedBacks() {
		x := c.box
		switch {
		case l.answersReturn(c):
		case x == nil && !c.keep && !c.never:
			if c.never = l.chance(l.forgetful()); c.never {
				l.happened("return never sent")
				continue
			}
			l.sendsBack(c)
		case x == nil:
			continue
		case x.tracking != "" && !x.done:
			x.done = true
			l.scan(x, oneOf(l, []string{"delivered", "delivered", "delivered", "in_transit/lost"}))
		case x.told < len(x.scans) && !l.underway(x):
			l.push(x, len(x.scans))
		case c.there() && !c.final:
			l.inspects(c)
		default:
			if !l.givesRest(c) {
				continue
			}
		}
		return true
	}
	return false
}

// forgetful is how many percent of what may be sent back never is. Who wants other goods mostly sends it.
func (l *life) forgetful() int {
	switch {
	case l.exchanges():
		return 12
	case l.hauls:
		return 50
	}
	return 30
}

// underway: a document about a box waits for the gateway.
func (l *life) underway(x *box) bool {
	return slices.ContainsFunc(l.documents, func(d *document) bool { return d.what == "scans of "+x.tracking })
}

// givesRest: a supplier that owes a credit gives the rest of it, or never does.
func (l *life) givesRest(c *comeback) bool {
	r := l.flow(returns.WorkflowID(c.book.of.key, c.rma)).run
	if r == nil {
		return false
	}
	s := r.returnState(l)
	if s == nil || s.Claim.Open() <= 0 || c.decided {
		return false
	}
	c.decided = true
	if l.chance(30) {
		l.happened("credit never given")
		return false
	}
	l.postMemo(c, fmt.Sprintf("CM-%s-%d", c.rma, len(c.memos)+1), s.Claim.Open())
	return true
}
