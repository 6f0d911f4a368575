package simulation

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// party is a supplier with its manners in this life.
type party struct {
	id       string
	currency string // of its contract
	volume   catalog.Volume
	zone     string
	rejects  int  // percent of purchase orders it will not take
	liar     int  // percent of cancellations it confirms and ships all the same
	slow     int  // percent of cancellations it answers later
	mute     bool // it forgets what it promised to answer
	prompt   int  // percent of purchase orders it acknowledges in the same breath
	account  account
}

// book is what a supplier itself has written down about one purchase order.
type book struct {
	po      string
	of      *purchase
	party   *party
	arrived bool
	fenced  bool // asked to cancel before it ever came: refuses it for ever
	refused bool
	foreign bool // holds the number with other content
	sent    map[int]int64
	cost    map[int]int64
	content string        // what was sent, to be told from another under the same number
	live    map[int]int64 // to be packed
	rogue   map[int]int64 // given up or never asked for, and still meant to be packed
	boxes   []*box
	answers map[string]string
	asked   map[string][]wire.ShippedLine
	acks    int
	papers  int
	billed  map[*box]bool
	wrong   []*wrongBill
	charged map[string]int64 // what each invoice asks for, by number
	bills   []*bill
}

// box is a parcel at a supplier or a carrier.
type box struct {
	book     *book
	tracking string
	lines    map[int]int64
	handed   bool
	stopped  bool
	done     bool
	scans    []scan
	sought   bool // the carrier has looked for it after it had lost it
	told     int  // of its scans, those that Dropline has been told of
}

func (l *life) newParty(s catalog.Supplier) *party {
	return &party{
		id: s.ID, currency: s.Contract.Currency, volume: s.Contract.Volume, zone: s.Contract.Calendar.Zone,
		rejects: 12 * l.pick(2), liar: 25 * l.pick(2), slow: 40 * l.pick(2), mute: l.chance(20), prompt: 40 * l.pick(2),
		account: newAccount(),
	}
}

func (l *life) book(p *party, number string) *book {
	b := l.books[number]
	if b == nil {
		b = &book{
			po: number, of: l.of(number), party: p, sent: map[int]int64{}, cost: map[int]int64{}, live: map[int]int64{}, rogue: map[int]int64{},
			answers: map[string]string{}, asked: map[string][]wire.ShippedLine{}, billed: map[*box]bool{}, charged: map[string]int64{},
		}
		l.books[number] = b
	}
	if b.party != p {
		l.fail("%s knows purchase order %s, and %s is asked about it", b.party.id, number, p.id)
	}
	return b
}

// sortedBooks are the books of purchase orders that have arrived, in a fixed order.
func (l *life) sortedBooks() []*book {
	var list []*book
	for _, number := range slices.Sorted(maps.Keys(l.books)) {
		if b := l.books[number]; b.arrived {
			list = append(list, b)
		}
	}
	return list
}

func (b *book) lineNumbers() []int { return slices.Sorted(maps.Keys(b.sent)) }

// free is the units of a line that have not left the house.
func (b *book) free(line int) int64 {
	n := b.live[line]
	for _, x := range b.boxes {
		if !x.handed && !x.stopped {
			n += x.lines[line]
		}
	}
	return n
}

// hold is the units of a line that the supplier ships, has shipped or means to ship.
func (b *book) hold(line int) int64 {
	n := b.live[line] + b.rogue[line]
	for _, x := range b.boxes {
		if !x.stopped {
			n += x.lines[line]
		}
	}
	return n
}

func (b *book) shipped() bool {
	return slices.ContainsFunc(b.boxes, func(x *box) bool { return x.handed && !x.stopped })
}

// paper names the next document about a purchase order.
func (b *book) paper() string {
	b.papers++
	return fmt.Sprintf("%s-d%d", b.po, b.papers)
}

func problem(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	reply(w, wire.Problem{Title: "refused", Status: status, Code: code})
}

func reply(w http.ResponseWriter, body any) {
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(err)
	}
}

// serveSupplier answers as the protocol of docs/supplier-api.md has it.
func (l *life) serveSupplier(p *party, w http.ResponseWriter, r *http.Request, body []byte) {
	if r.Header.Get("Authorization") != "Bearer "+secretOf(p.id) {
		l.fail("%s is called with another's token", p.id)
	}
	rest := strings.Trim(strings.TrimPrefix(r.URL.Path, "/purchase-orders"), "/")
	number, what, _ := strings.Cut(rest, "/")
	switch {
	case r.URL.Path == "/returns":
		l.takeReturn(p, w, body)
	case r.Method == http.MethodPost && number == "":
		l.takeOrder(p, w, body)
	case r.Method == http.MethodGet && what == "":
		l.showOrder(w, number)
	case what == "cancellations":
		l.takeCancellation(p, w, number, body)
	case what == "intercepts":
		l.takeIntercept(p, w, number, body)
	default:
		l.fail("%s has no %s %s", p.id, r.Method, r.URL.Path)
	}
}

func (l *life) takeOrder(p *party, w http.ResponseWriter, body []byte) {
	var po wire.PurchaseOrder
	if err := json.Unmarshal(body, &po); err != nil {
		l.fail("%s cannot read a purchase order: %v", p.id, err)
	}
	b := l.book(p, po.Number)
	content, err := json.Marshal(po.Lines)
	if err != nil {
		panic(err)
	}
	switch {
	case b.foreign:
		problem(w, http.StatusConflict, wire.CodeConflict)
		return
	case b.arrived && b.content != string(content):
		l.fail("%s is sent again with other content: %s, then %s", po.Number, b.content, content)
	case b.arrived:
		l.happened("purchase order arrived twice")
	case b.fenced:
		l.happened("late send refused by the fence")
		problem(w, http.StatusConflict, wire.CodeCancelled)
		return
	case b.refused || !l.quiet && l.chance(p.rejects):
		b.refused = true
		l.happened("send refused")
		problem(w, http.StatusUnprocessableEntity, wire.CodeOutOfStock)
		return
	case !l.quiet && l.chance(1):
		b.foreign = true
		l.happened("number taken")
		problem(w, http.StatusConflict, wire.CodeConflict)
		return
	default:
		b.receive(l, po, string(content))
	}
	receipt := wire.Receipt{Reference: "SO-" + po.Number, ReceivedAt: l.now}
	if b.acks == 0 && l.chance(p.prompt) {
		receipt.Acknowledgment = l.acknowledgment(b)
		receipt.Acknowledgment.ID = b.paper()
		l.happened("acknowledged in the same breath")
	}
	reply(w, receipt)
}

func (b *book) receive(l *life, po wire.PurchaseOrder, content string) {
	b.arrived, b.content = true, content
	if po.Currency != b.party.currency {
		l.fail("%s is in %s, and %s deals in %s", po.Number, po.Currency, b.party.id, b.party.currency)
	}
	for _, line := range po.Lines {
		cost, err := money.Parse(line.UnitCost, po.Currency)
		if err != nil || line.Quantity < 1 {
			l.fail("%s orders %d for %q", po.Number, line.Quantity, line.UnitCost)
		}
		b.sent[line.Line], b.live[line.Line], b.cost[line.Line] = line.Quantity, line.Quantity, cost.Minor
	}
	if po.ShipTo.Street1 != b.of.basket.street && !b.of.moved {
		l.fail("%s goes to another address than the customer's", po.Number)
	}
	l.note("%s has %s: %s", b.party.id, b.po, content)
}

func (l *life) showOrder(w http.ResponseWriter, number string) {
	b := l.books[number]
	if b == nil || !b.arrived {
		problem(w, http.StatusNotFound, wire.CodeNotFound)
		return
	}
	standing := wire.Standing{Number: number, Receipt: wire.Receipt{Reference: "SO-" + number, ReceivedAt: l.now}, Shipments: []wire.Shipment{}}
	if b.acks > 0 || l.chance(30) {
		standing.Acknowledgment = l.acknowledgment(b)
		standing.Acknowledgment.ID = b.paper()
		l.happened("look-up found an answer")
	}
	l.happened("look-up found it")
	reply(w, standing)
}

// acknowledgment answers for every unit that was sent, as the books are now, and changes them by what
// it says.
func (l *life) acknowledgment(b *book) *wire.Acknowledgment {
	b.acks++
	ack := &wire.Acknowledgment{PO: b.po, At: l.now.Add(time.Duration(b.acks) * time.Millisecond), Currency: b.party.currency}
	var whole int64
	for _, line := range b.lineNumbers() {
		whole += b.live[line] - b.sent[line]
	}
	switch {
	case whole == 0 && l.chance(50):
		ack.Whole = string(order.AckAccepted)
	case !l.quiet && l.chance(12) && !b.shipped():
		ack.Whole, ack.Reason = string(order.AckRejected), "discontinued"
		for _, line := range b.lineNumbers() {
			l.drop(b, line, b.free(line))
		}
	default:
		for _, line := range b.lineNumbers() {
			l.acknowledgeUnits(b, ack, line)
		}
	}
	return ack
}

func (l *life) acknowledgeUnits(b *book, ack *wire.Acknowledgment, line int) {
	say := func(status order.AckStatus, n int64) {
		if n < 1 {
			return
		}
		for i := range ack.Lines {
			if ack.Lines[i].Line == line && ack.Lines[i].Status == string(status) {
				ack.Lines[i].Quantity += n // each answer for a line stands once
				return
			}
		}
		said := wire.AckLine{Line: line, Status: string(status), Quantity: n}
		switch status {
		case order.AckSubstitutionOffered:
			said.SupplierSKU = "OTHER-1"
		case order.AckPriceChanged:
			said.UnitCost = b.party.spells(b.cost[line] * int64(98+l.pick(10)) / 100)
		case order.AckBackordered:
			if l.chance(70) {
				said.ExpectedOn = l.now.AddDate(0, 0, 1+l.pick(12)).Format(time.DateOnly)
			}
		case order.AckRejected:
			said.Reason = "out_of_stock"
		case order.AckAccepted, order.AckOnHold:
		}
		ack.Lines = append(ack.Lines, said)
	}
	left := b.live[line]
	var packed int64
	for _, x := range b.boxes {
		if !x.stopped {
			packed += x.lines[line]
		}
	}
	packed = min(packed, b.sent[line]-left)
	say(order.AckAccepted, packed)
	say(order.AckRejected, b.sent[line]-left-packed)
	for left > 0 {
		n := 1 + int64(l.pick(int(left)))
		left -= n
		if l.quiet {
			say(order.AckAccepted, n)
			continue
		}
		status := oneOf(l, []order.AckStatus{
			order.AckAccepted, order.AckAccepted, order.AckAccepted, order.AckBackordered, order.AckRejected,
			order.AckSubstitutionOffered, order.AckPriceChanged, order.AckOnHold,
		})
		if status == order.AckRejected || status == order.AckSubstitutionOffered {
			b.live[line] -= n
		}
		say(status, n)
	}
}

// drop gives up n units of a line, from labels or from what is not packed, as the supplier likes.
func (l *life) drop(b *book, line int, n int64) {
	if !l.chance(50) {
		take := min(n, b.live[line])
		b.live[line], n = b.live[line]-take, n-take
	}
	for _, x := range b.boxes {
		if x.handed || x.stopped || x.lines[line] == 0 || n == 0 {
			continue
		}
		// What was packed with it needs another label.
		for other, q := range x.lines {
			if _, asked := b.sent[other]; asked {
				b.live[other] += q
			}
		}
		x.lines = map[int]int64{}
		take := min(n, b.live[line])
		b.live[line], n = b.live[line]-take, n-take
	}
	b.live[line] -= min(n, b.live[line])
}

func (l *life) takeCancellation(p *party, w http.ResponseWriter, number string, body []byte) {
	var request wire.Cancellation
	if err := json.Unmarshal(body, &request); err != nil {
		l.fail("%s cannot read a cancellation: %v", p.id, err)
	}
	b := l.book(p, number)
	if _, again := b.answers[request.Key]; again {
		l.happened("cancellation asked again")
		if fmt.Sprint(b.asked[request.Key]) != fmt.Sprint(request.Lines) {
			l.fail("cancellation %s was about %v, and is now about %v", request.Key, b.asked[request.Key], request.Lines)
		}
	} else {
		b.asked[request.Key] = request.Lines
		b.answers[request.Key] = l.judgeCancellation(b, request)
		l.note("%s answers %s about %v: %s", p.id, request.Key, request.Lines, b.answers[request.Key])
	}
	if !b.arrived && b.fenced {
		problem(w, http.StatusNotFound, wire.CodeNotFound)
		return
	}
	said := wire.Answer{Outcome: b.answers[request.Key], At: time.Now().UTC()}
	if said.Outcome == order.AnswerRejected {
		said.Reason = "too_late"
	}
	reply(w, said)
}

func (l *life) judgeCancellation(b *book, request wire.Cancellation) string {
	switch {
	case l.quiet || !b.arrived:
		return l.giveBack(b, request.Lines)
	case l.chance(b.party.slow):
		l.happened("answer promised")
		return order.AnswerPending
	case l.chance(12):
		return order.AnswerRejected
	case l.chance(b.party.liar):
		l.happened("confirmed and shipped all the same")
		for _, u := range l.wanted(b, request.Lines) {
			n := min(u.Quantity, b.live[u.Line])
			b.live[u.Line] -= n
			b.rogue[u.Line] += n
		}
		return order.AnswerAccepted
	}
	return l.giveBack(b, request.Lines)
}

// wanted are the units that a cancellation is about: without lines, all that has not left the house.
func (l *life) wanted(b *book, lines []wire.ShippedLine) []wire.ShippedLine {
	if len(lines) > 0 {
		return lines
	}
	for _, line := range b.lineNumbers() {
		if n := b.free(line); n > 0 {
			lines = append(lines, wire.ShippedLine{Line: line, Quantity: n})
		}
	}
	return lines
}

// giveBack gives units up as far as they have not left the house.
func (l *life) giveBack(b *book, lines []wire.ShippedLine) string {
	if !b.arrived {
		b.fenced, b.foreign = true, false
		l.happened("fence before arrival")
		return order.AnswerAccepted
	}
	for _, u := range lines {
		handed := b.hold(u.Line) - b.free(u.Line) - b.rogue[u.Line]
		if b.free(u.Line) < u.Quantity && handed > 0 {
			return order.AnswerRejected
		}
	}
	for _, u := range l.wanted(b, lines) {
		l.drop(b, u.Line, min(u.Quantity, b.free(u.Line)))
	}
	if len(lines) == 0 { // a late acknowledgment is refused: what it still meant to ship, too
		for _, line := range b.lineNumbers() {
			b.rogue[line] = 0
		}
	}
	return order.AnswerAccepted
}

func (l *life) takeIntercept(p *party, w http.ResponseWriter, number string, body []byte) {
	var request wire.Cancellation
	if err := json.Unmarshal(body, &request); err != nil {
		l.fail("%s cannot read an intercept: %v", p.id, err)
	}
	b := l.book(p, number)
	key := "intercept/" + request.Key
	if _, again := b.answers[key]; !again {
		b.asked[key] = request.Lines
		b.answers[key] = oneOf(l, []string{order.AnswerAccepted, order.AnswerRejected, order.AnswerPending})
		if b.answers[key] == order.AnswerAccepted {
			l.stopParcel(b, request.Key)
		}
	}
	reply(w, wire.Answer{Outcome: b.answers[key], At: time.Now().UTC(), Reason: "carrier_refused"})
}

// stopParcel keeps the parcel of a case in the house, or has it brought back.
func (l *life) stopParcel(b *book, caseKey string) {
	s := b.of.lastState
	if s == nil {
		return
	}
	c := s.Case(caseKey)
	if c == nil {
		return
	}
	for _, x := range b.boxes {
		if x.tracking != c.Tracking {
			continue
		}
		if x.handed && !x.done {
			x.done = true
			l.scan(x, "return_to_sender")
		}
		x.stopped = true
	}
}
