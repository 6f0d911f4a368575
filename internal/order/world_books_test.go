package order

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// party is a supplier with its manners.
type party struct {
	id       string
	terms    Terms
	stock    map[string]int64
	deaf     int // percent of sends whose answer is lost
	liar     int // percent of cancellations confirmed and shipped all the same
	slow     int // percent of cancellations answered later
	mute     bool
	rejects  int
	loseCopy bool
}

// book is what a supplier itself has written down about one purchase order.
type book struct {
	po       string
	party    *party
	arrived  bool
	fenced   bool // asked to cancel before it ever came: refuses it for ever
	conflict bool // holds the number with other content
	sent     map[int]int64
	live     map[int]int64 // to be packed
	boxes    []*box
	// surplus is what it ships or means to ship although it gave it up or was never asked for it:
	// by its own fault, or because the contract's silence rule took it away.
	surplus map[int]int64
	rogue   map[int]int64 // of the surplus, what it has yet to pack
	answers map[string]string
	asked   map[string][]ShippedLine
	acked   bool
	acks    int
}

// box is a parcel at a supplier or a carrier.
type box struct {
	book              *book
	carrier, tracking string
	lines             map[int]int64
	announced         bool // its notice was delivered
	handed, scanned   bool
	handedAt          time.Time
	stopped, done     bool
}

func (w *world) newParty(i int) *party {
	p := &party{
		id: fmt.Sprintf("s%d", i), stock: map[string]int64{},
		deaf: 30 * w.pick(2), liar: 30 * w.pick(2), slow: 40 * w.pick(2), mute: w.chance(20), rejects: 20 * w.pick(2), loseCopy: w.chance(50),
	}
	p.terms = Terms{
		Name: "Supplier " + p.id, KeepOnSilence: w.chance(40), LooksRarer: w.chance(50), AcceptPriceBP: int64(w.pick(2)) * 500, AcceptSubstitutes: w.chance(50),
	}
	for _, sku := range []string{"A", "B", "C", "D"} {
		p.stock[sku] = int64(w.pick(8))
	}
	return p
}

func (w *world) restock() {
	p := w.parties[w.pick(len(w.parties))]
	for _, sku := range []string{"A", "B", "C", "D"} {
		p.stock[sku] += int64(w.pick(4))
	}
}

// hold is the units of a line that a supplier ships, has shipped or means to ship.
func (b *book) hold(line int) int64 {
	n := b.live[line] + b.rogue[line]
	for _, x := range b.boxes {
		if !x.stopped {
			n += x.lines[line]
		}
	}
	return n
}

// shipped: some of it has left the house.
func (b *book) shipped() bool {
	return slices.ContainsFunc(b.boxes, func(x *box) bool { return x.handed && !x.stopped })
}

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

func (b *book) lineNumbers() []int { return slices.Sorted(maps.Keys(b.sent)) }

// drop gives up n units of a line, from labels or from what is not packed, as the supplier likes.
func (w *world) drop(b *book, line int, n int64) {
	labelsFirst := w.chance(50)
	if !labelsFirst {
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
	take := min(n, b.live[line])
	b.live[line] -= take
}

// receive takes a purchase order that arrives. The number is the order: a second one changes nothing.
func (w *world) receive(b *book, content map[int]int64) string {
	switch {
	case b.conflict:
		return "conflict"
	case b.arrived:
		for line, n := range content {
			if b.sent[line] != n {
				w.fail("%s is sent again with other content: %v, then %v", b.po, b.sent, content)
			}
		}
		return "submitted"
	case b.fenced:
		w.happened("late send refused by the fence")
		return "refused"
	case w.chance(b.party.rejects) && !w.quiet:
		return "refused"
	}
	b.arrived, b.sent, b.live = true, maps.Clone(content), maps.Clone(content)
	w.note("%s: %s has arrived: %v", b.party.id, b.po, content)
	return "submitted"
}

func (w *world) post(f Fact, x *box) { w.docs = append(w.docs, &document{fact: f, box: x}) }

func (w *world) anyBook() *book {
	var list []*book
	for _, number := range slices.Sorted(maps.Keys(w.books)) {
		if b := w.books[number]; b.arrived {
			list = append(list, b)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[w.pick(len(list))]
}

func (w *world) supplierActs() {
	b := w.anyBook()
	if b == nil {
		return
	}
	switch w.pick(12) {
	case 0, 1, 2:
		w.acknowledge(b)
	case 3, 4, 5:
		w.ship(b, false)
	case 6:
		w.handOver(b)
	case 7:
		w.answerPending(b)
	case 8:
		w.cancelsItself(b)
	case 9:
		w.reclaims(b)
	case 10:
		if w.chance(40) {
			w.ship(b, true)
		}
	case 11:
		w.reprint(b)
	}
}

// acknowledge answers for every unit that was sent, as the books are now, and changes them by what it
// says.
func (w *world) acknowledge(b *book) *Acknowledgment {
	if b.conflict {
		return nil
	}
	b.acks++
	ack := &Acknowledgment{Document: fmt.Sprintf("%s-a%d", b.po, b.acks), PO: b.po, At: w.now.Add(time.Duration(b.acks) * time.Millisecond)}
	var whole int64
	for _, line := range b.lineNumbers() {
		whole += b.live[line] - b.sent[line]
	}
	switch {
	case whole == 0 && w.chance(50):
		ack.Whole = AckAccepted
	case w.chance(15) && !w.quiet && !b.shipped():
		ack.Whole = AckRejected
		for _, line := range b.lineNumbers() {
			w.drop(b, line, b.free(line))
		}
	default:
		for _, line := range b.lineNumbers() {
			w.acknowledgeUnits(b, ack, line)
		}
	}
	b.acked = true
	w.post(Fact{Acknowledge: ack}, nil)
	w.note("%s acknowledges: %s", b.party.id, brief(Fact{Acknowledge: ack}))
	return ack
}

func (w *world) acknowledgeUnits(b *book, ack *Acknowledgment, line int) {
	say := func(status AckStatus, n int64) {
		if n > 0 {
			ack.Lines = append(ack.Lines, AckLine{
				Line: line, Status: status, Quantity: n, SupplierSKU: "other",
				UnitCost: int64(98 + w.pick(10)), ExpectedOn: w.now.AddDate(0, 0, w.pick(20)),
			})
		}
	}
	left := b.live[line]
	var packed int64
	for _, x := range b.boxes {
		if !x.stopped {
			packed += x.lines[line]
		}
	}
	packed = min(packed, b.sent[line]-left)
	say(AckAccepted, packed)
	say(AckRejected, b.sent[line]-left-packed)
	for left > 0 {
		n := 1 + int64(w.pick(int(left)))
		left -= n
		if w.quiet {
			say(AckAccepted, n)
			continue
		}
		switch status := []AckStatus{
			AckAccepted, AckAccepted, AckAccepted, AckBackordered, AckRejected, AckSubstitutionOffered, AckPriceChanged, AckOnHold,
		}[w.pick(8)]; status {
		case AckRejected, AckSubstitutionOffered:
			b.live[line] -= n
			say(status, n)
		default:
			say(status, n)
		}
	}
}

// ship packs units and announces the parcel; wild puts in what nobody asked for.
func (w *world) ship(b *book, wild bool) {
	if b.conflict {
		return
	}
	x := &box{book: b, carrier: "ups", lines: map[int]int64{}}
	for _, line := range b.lineNumbers() {
		if n := b.live[line]; n > 0 {
			take := 1 + int64(w.pick(int(n)))
			if w.quiet {
				take = n
			}
			b.live[line] -= take
			x.lines[line] += take
		}
		if n := b.rogue[line]; n > 0 && (w.chance(50) || w.quiet) {
			b.rogue[line] = 0
			x.lines[line] += n
		}
	}
	if wild {
		line := 1 + w.pick(5)
		x.lines[line]++
		b.surplus[line]++
	}
	w.pack(b, x)
}

func (w *world) pack(b *book, x *box) {
	notice := &ShipNotice{PO: b.po, At: w.now, Carrier: x.carrier}
	for _, line := range slices.Sorted(maps.Keys(x.lines)) {
		if x.lines[line] > 0 {
			notice.Lines = append(notice.Lines, ShippedLine{line, x.lines[line]})
		}
	}
	if len(notice.Lines) == 0 {
		return
	}
	w.boxes++
	x.tracking = fmt.Sprintf("T%d", w.boxes)
	notice.Tracking, notice.Document = x.tracking, "n-"+x.tracking
	b.boxes = append(b.boxes, x)
	w.post(Fact{Ship: notice}, x)
	w.note("%s packs %s for %s: %v", b.party.id, x.tracking, b.po, notice.Lines)
	if w.chance(50) {
		w.handOver(b)
	}
}

// reprint throws a label away and prints another for the same units.
func (w *world) reprint(b *book) {
	for _, old := range b.boxes {
		if old.handed || old.stopped || len(old.lines) == 0 {
			continue
		}
		x := &box{book: b, carrier: "ups", lines: old.lines}
		old.lines = map[int]int64{}
		w.happened("label printed anew")
		w.pack(b, x)
		return
	}
}

// handOver gives a packed box to the carrier, which scans it.
func (w *world) handOver(b *book) {
	for _, x := range b.boxes {
		var n int64
		for _, q := range x.lines {
			n += q
		}
		if x.handed || x.stopped || n == 0 {
			continue
		}
		x.handed, x.handedAt = true, w.now
		w.note("%s is handed over: %v", x.tracking, x.lines)
		w.scan(x, ParcelInTransit)
		return
	}
}

func (w *world) scan(x *box, m Milestone) {
	w.post(Fact{Milestone: &ParcelNews{Carrier: x.carrier, Tracking: x.tracking, Milestone: m, At: w.now}}, x)
}

// cancelsItself: the supplier gives up all that has not left, and says so without having been asked.
func (w *world) cancelsItself(b *book) {
	var free int64
	for _, line := range b.lineNumbers() {
		free += b.free(line)
	}
	po := w.s.PO(b.po)
	if free == 0 || po == nil || po.openWithdrawal() != nil || w.chance(50) {
		return // with a question open, an answer without a key would be taken for its answer
	}
	for _, line := range b.lineNumbers() {
		w.drop(b, line, b.free(line))
	}
	w.note("%s cancels %s of its own accord", b.party.id, b.po)
	w.post(Fact{CancelReply: &CancelAnswer{Document: "own", PO: b.po, At: w.now, Accepted: true, Reason: "gone"}}, nil)
}

// reclaims: the supplier means to ship what it has given up.
func (w *world) reclaims(b *book) {
	if w.chance(60) {
		return
	}
	took := false
	for _, line := range b.lineNumbers() {
		if n := b.sent[line] - b.hold(line); n > 0 {
			b.rogue[line] += n
			b.surplus[line] += n
			took = true
		}
	}
	if took && w.chance(60) {
		b.acks++
		w.post(Fact{Acknowledge: &Acknowledgment{
			Document: fmt.Sprintf("%s-a%d", b.po, b.acks), PO: b.po, At: w.now.Add(time.Duration(b.acks) * time.Millisecond), Whole: AckAccepted,
		}}, nil)
	}
	w.note("%s wants %s back", b.party.id, b.po)
	if w.chance(30) {
		w.ship(b, false)
	}
}
