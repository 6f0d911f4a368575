package simulation

import (
	"encoding/json"
	"strings"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/order"
)

// checkState is what must hold at any moment.
func (l *life) checkState() {
	defer l.about(l.some())()
	s := l.state()
	if s == nil || !s.Validated {
		return
	}
	l.lastState = s
	if err := s.Check(); err != nil {
		l.fail("%v", err)
	}
	for _, d := range s.Deadlines() {
		if d.Text == "" {
			l.fail("deadline %s says nothing", d.Key)
		}
	}
	for i := range s.Cases {
		l.seen["case "+string(s.Cases[i].Kind)] = 1
		l.seen["case "+string(s.Cases[i].Status)] = 1
	}
}

// ended is an order as the database holds it when all is done.
type ended struct {
	state       order.State
	clearing    int64 // what the ledger says that the storefront's processor owes us
	refundRows  int64
	refundMinor int64
	refundsPaid int
	through     int64 // of what is refunded, by the payment of the order that goods were exchanged of
	others      int64 // of what is refunded, for orders that replace goods of this one
	reserved    int64
	unreadable  []string // natural keys in quarantine
	told        []string
	facts       []string
	bills       []string // supplier, purchase order, number and total of each invoice
	quarantined []int64
	gaveUp      int
}

func (l *life) readEnd() *ended {
	e := &ended{}
	var text []byte
	err := l.world.admin.QueryRow(l.ctx, `
		SELECT state,
			(SELECT coalesce(sum(e.minor), 0)::bigint FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
				WHERE t.order_key = o.key AND e.account = 'processor_clearing'),
			(SELECT count(*) FROM refunds r WHERE r.order_key = o.key AND r.state = 'done'),
			(SELECT coalesce(sum(amount_minor + CASE WHEN rma IS NULL THEN released_minor + forgiven_minor ELSE 0 END), 0)::bigint FROM refunds r WHERE r.order_key = o.key),
			(SELECT count(*) FROM refunds r WHERE r.order_key = o.key AND amount_minor + through_minor > 0 AND n >= 0),
			(SELECT coalesce(sum(through_minor), 0)::bigint FROM refunds r WHERE r.order_key = o.key),
			(SELECT coalesce(sum(amount_minor), 0)::bigint FROM refunds r WHERE r.order_key = o.key AND n < 0),
			(SELECT coalesce(sum(reserved), 0)::bigint FROM offers),
			ARRAY(SELECT natural_key || ' ' || reason_code || ' ' || reason FROM documents WHERE status = 'quarantined' ORDER BY natural_key),
			ARRAY(SELECT id FROM documents WHERE status = 'quarantined'),
			(SELECT count(*) FROM outbox WHERE order_key = o.key AND state = 'failed'),
			ARRAY(SELECT channel || ' ' || kind FROM outbox WHERE order_key = o.key AND state = 'sent' ORDER BY key)
			, ARRAY(SELECT kind FROM facts WHERE order_key = o.key ORDER BY seq)
			, ARRAY(SELECT supplier || ' ' || po_number || ' ' || invoice || ' ' || total FROM supplier_invoices WHERE order_key = o.key)
		FROM orders o WHERE key = $1`, l.key.String()).
		Scan(&text, &e.clearing, &e.refundRows, &e.refundMinor, &e.refundsPaid, &e.through, &e.others, &e.reserved, &e.unreadable, &e.quarantined, &e.gaveUp, &e.told, &e.facts, &e.bills)
	if err != nil {
		l.fail("read how the order ended: %v", err)
	}
	if err := json.Unmarshal(text, &e.state); err != nil {
		l.fail("read the recorded state: %v", err)
	}
	return e
}

// checkEnd: everything ordered has come to one end, the partners' books say the same, the customer has
// the money for what is gone and was told so once.
func (l *life) checkEnd() {
	// The carrier is asked for weeks whether a delivered parcel comes back; this life ends here.
	for _, table := range []string{"parcels", "return_parcels"} {
		if _, err := l.world.admin.Exec(l.ctx, `UPDATE `+table+` SET next_check_at = NULL WHERE next_check_at IS NOT NULL`); err != nil {
			l.fail("end the polling: %v", err)
		}
	}
	l.checkExtras()
	for _, p := range l.purchases {
		l.checkPurchase(p)
	}
	l.checkDebts()
	l.checkPayables()
}

// checkPurchase is what must hold of each order by itself.
func (l *life) checkPurchase(p *purchase) {
	defer l.about(p)()
	e := l.readEnd()
	s := &e.state
	l.lastState = s
	l.note("ended: %s", s.Stage())
	if err := s.Check(); err != nil {
		l.fail("%v", err)
	}
	if !s.Settled {
		l.fail("closed, and not settled: %s", s.Card())
	}
	for i := range s.Lines {
		l.checkLine(s, &s.Lines[i])
	}
	for i := range s.Cases {
		l.happened("ended case " + string(s.Cases[i].Kind) + " " + string(s.Cases[i].Status))
	}
	for _, a := range s.Attention {
		l.fail("finished, and a person is still called: %s: %s", a.Key, a.Text)
	}
	for _, b := range l.sortedBooks() {
		if b.of == p {
			l.checkBook(s, b)
		}
	}
	l.checkMoney(e, l.checkReturns(s))
	l.checkHauls(s)
	l.checkBills(p, e.bills)
	l.checkForms()
	if l.world.market.wide {
		l.checkAbroad()
		l.checkDiscounts()
	}
	l.checkLetters(s, e)
	if p == l.first() {
		l.checkQuarantine(e)
	}
	if e.reserved != 0 {
		l.fail("%d units are still reserved", e.reserved)
	}
	l.happened("stage " + string(s.Stage()))
	for _, kind := range e.facts {
		l.seen["fact "+kind]++
	}
	for _, told := range e.told {
		l.seen["told "+told]++
	}
	l.tally(s)
}

func (l *life) checkLine(s *order.State, line *order.Line) {
	var delivered, lost, returned int64
	for i := range s.POs {
		for j := range s.POs[i].Lines {
			if pl := &s.POs[i].Lines[j]; pl.Line == line.Line {
				delivered, lost, returned = delivered+pl.Units.Delivered, lost+pl.Units.Lost, returned+pl.Units.Returned
			}
		}
	}
	if line.Ordered != delivered+lost+returned+line.Cancelled {
		l.fail("line %d: ordered %d, ended with %d delivered, %d lost, %d returned, %d cancelled",
			line.Line, line.Ordered, delivered, lost, returned, line.Cancelled)
	}
	if gone := lost + returned + line.Cancelled; line.Refunded != gone {
		l.fail("line %d: %d units are gone, %d count as refunded", line.Line, gone, line.Refunded)
	}
	if line.Ordered != l.basket.lines[line.Line-1].quantity {
		l.fail("line %d: %d were ordered, the order says %d", line.Line, l.basket.lines[line.Line-1].quantity, line.Ordered)
	}
}

// checkBook: what left a supplier's house is what the order says it shipped, or is in a case.
func (l *life) checkBook(s *order.State, b *book) {
	po := s.PO(b.po)
	if po == nil {
		l.fail("%s was sent, and the order does not know it", b.po)
	}
	if po.Supplier != b.party.id {
		l.fail("%s was sent to %s, and is %s's", b.po, b.party.id, po.Supplier)
	}
	ours, theirs := map[int]int64{}, map[int]int64{}
	for i := range po.Lines {
		u := &po.Lines[i].Units
		ours[po.Lines[i].Line] += u.Shipped + u.Terminal()
	}
	for i := range s.Cases {
		c := &s.Cases[i]
		if x := l.boxOf(c.Tracking); c.PO == b.po && x != nil && x.handed {
			for _, u := range c.Lines {
				ours[u.Line] += u.Quantity
			}
		}
	}
	for _, x := range b.boxes {
		for line, n := range x.lines {
			if x.handed {
				theirs[line] += n
			}
		}
	}
	for line := range 7 {
		if ours[line] != theirs[line] {
			l.fail("%s line %d: %s has shipped %d, the order counts %d", b.po, line, b.party.id, theirs[line], ours[line])
		}
	}
}

// checkMoney: captured less refunded is kept, in our books and in the storefront's.
func (l *life) checkMoney(e *ended, returned int64) {
	if s := &e.state; s.Money.Refunded+returned != e.refundMinor-e.others+e.through {
		l.fail("the order shows %d refunded and its returns %d, %d were", s.Money.Refunded, returned, e.refundMinor-e.others+e.through)
	}
	if l.rma != "" {
		l.checkReplacement(e)
		return
	}
	if l.till != nil {
		l.checkTill(e)
		return
	}
	if e.refundMinor != l.paidBack {
		l.fail("our books refund %d, the storefront's %d", e.refundMinor, l.paidBack)
	}
	if wired := l.paidPast(); e.clearing != l.captured()-l.paidBack+wired {
		l.fail("%d were captured and %d paid back, %d of it past the shop, the ledger keeps %d", l.captured(), l.paidBack, wired, e.clearing)
	}
	everything := true
	for i := range e.state.Lines {
		everything = everything && e.state.Lines[i].Refunded == e.state.Lines[i].Ordered
	}
	if everything && l.paidBack != l.basket.captured {
		l.fail("nothing was delivered, %d were captured and %d paid back", l.basket.captured, l.paidBack)
	}
}

// checkLetters: each milestone was told, once.
func (l *life) checkLetters(s *order.State, e *ended) {
	count := map[notify.Milestone]int64{}
	items := map[notify.Milestone]int64{}
	about := map[string]bool{}
	for _, told := range l.letters {
		if told.about != l.key {
			continue
		}
		count[told.milestone]++
		items[told.milestone] += told.items
		if told.tracking == "" || told.milestone == notify.Lost {
			continue
		}
		key := string(told.milestone) + " " + told.tracking
		if about[key] {
			l.fail("the customer was told twice: %s", key)
		}
		about[key] = true
	}
	if e.gaveUp > 0 {
		l.happened("message given up")
		return
	}
	greeting := notify.Placed
	if l.rma != "" {
		greeting = notify.Exchanged
	}
	var cancelled, lost int64
	for i := range s.Lines {
		cancelled += s.Lines[i].Cancelled
	}
	for i := range s.POs {
		for j := range s.POs[i].Lines {
			lost += s.POs[i].Lines[j].Units.Lost
		}
	}
	switch {
	case count[greeting] != 1 || count[notify.Placed]+count[notify.Exchanged] != 1:
		l.fail("the customer was told %d times that %s was placed", count[greeting], l.key)
	case items[notify.Cancelled] != cancelled:
		l.fail("%d units are cancelled, the customer was told of %d", cancelled, items[notify.Cancelled])
	case items[notify.Lost] != lost:
		l.fail("%d units are lost, the customer was told of %d", lost, items[notify.Lost])
	case l.till == nil && count[notify.Refunded] != int64(e.refundsPaid-len(l.wired)): // who pays past the shop says so
		l.fail("%d refunds were made, the customer was told of %d", e.refundsPaid, count[notify.Refunded])
	case count[notify.StoreCredited] != l.creditsGiven():
		l.fail("%d store credits were given, the customer was told of %d", l.creditsGiven(), count[notify.StoreCredited])
	}
}

// checkQuarantine: only garbage ends there, and all of it.
func (l *life) checkQuarantine(e *ended) {
	found := map[string]bool{}
	for _, entry := range e.unreadable {
		key, why, _ := strings.Cut(entry, " ")
		found[key] = true
		code, expected := l.expected[key]
		if !expected || code != "" && !strings.HasPrefix(why, code+" ") {
			l.fail("document %s stands in quarantine, expected for %q: %s", key, code, why)
		}
	}
	// A person looks at them and lets them go.
	if err := (&intake.Quarantine{Pool: l.world.pool}).Dismiss(l.ctx, e.quarantined...); err != nil {
		l.fail("%v", err)
	}
	for key := range l.expected {
		if !found[key] {
			l.fail("garbage %s is not in quarantine", key)
		}
	}
}

// tally recognises branches by the story that the order tells.
func (l *life) tally(s *order.State) {
	for i := range s.Journal {
		for part, what := range stories {
			if strings.Contains(s.Journal[i].Text, part) {
				l.seen[what]++
			}
		}
	}
	for i := range s.POs {
		for j := range s.POs[i].Withdrawals {
			l.seen["withdrawal "+string(s.POs[i].Withdrawals[j].Status)]++
		}
		for j := range s.POs[i].Parcels {
			l.seen["parcel "+string(s.POs[i].Parcels[j].Milestone)]++
		}
	}
	if len(s.POs) > 1 {
		l.seen["several purchase orders"]++
	}
}

var stories = map[string]string{
	"refused, the cancellation is repeated": "late ack after loss", "still means to ship": "insisted after loss",
	"on its way before the answer": "cancel overtaken by a scan", "carries goods that the customer waits for": "mixed parcel",
	"taken as cancelled": "silence taken as cancelled", "has not answered the cancellation": "silence kept for a person",
	"sending it once more": "resent after absent", "never arrived at the supplier": "gave up after absent",
	"was not taken by": "refused send", "other content than was sent": "conflict", "are backordered at": "backorder wait",
	"another supplier is tried": "backorder moved", "the storefront cancels backorders": "backorder cancelled",
	"trying again until": "no offer", "no supplier can ship them": "no offer cancelled",
	"Nobody reviewed the order in time": "review timeout", "did not ship": "ship clock missed",
	"not shipped in time": "ship clock asked", "does not ship it: ": "ship clock to a person", "did not acknowledge": "ack clock missed",
	"it cancelled of its own accord": "supplier's own cancellation", "instead of": "substitute offered",
	"price is outside": "price outside", "within the contract": "price inside", "older acknowledgment": "older ack",
	"is lost": "lost", "back to its sender": "returned", "is reminded": "reminded", "does not say which": "ambiguous answer",
}
