package order

import (
	"encoding/json"
	"maps"
	"slices"
)

// check is what must hold after every step of a life.
func (w *world) check() {
	s := &w.s
	if err := s.Check(); err != nil {
		w.fail("%v", err)
	}
	for i := range s.POs {
		w.checkBook(&s.POs[i])
		w.checkParcels(&s.POs[i])
		w.checkWatched(&s.POs[i])
	}
	for _, d := range s.Deadlines() {
		if !d.At.After(w.now) {
			w.fail("deadline %s at %s has passed and is still waited for", d.Key, d.At)
		}
		if d.Text == "" {
			w.fail("deadline %s says nothing", d.Key)
		}
	}
	w.checkProgress()
	w.observe()
	if w.pick(24) == 0 {
		w.checkCopies()
	}
}

// checkBook compares with the supplier's own book: what it means to ship beyond what the order counts
// as its own would reach the customer twice.
func (w *world) checkBook(po *PurchaseOrder) {
	b := w.books[po.Number]
	for i := range po.Withdrawals {
		x := &po.Withdrawals[i]
		if x.Status == Silent && w.ended[x.Key] != Silent {
			// The contract's silence rule: taken as cancelled at the risk of two shipments.
			for _, u := range x.Units {
				if b.answers[x.Key] != AnswerAccepted {
					b.surplus[u.Line] += u.Quantity
				}
			}
		}
		w.ended[x.Key] = x.Status
	}
	if !b.arrived {
		return
	}
	for j := range po.Lines {
		pl := &po.Lines[j]
		if hold := b.hold(pl.Line); hold > pl.Units.Live()+b.surplus[pl.Line] {
			w.fail("%s ships %d of line %d of %s, the order counts on %d (surplus known: %d)",
				b.party.id, hold, pl.Line, po.Number, pl.Units.Live(), b.surplus[pl.Line])
		}
	}
}

// checkParcels: what stands on labels and in parcels is what the units say.
func (w *world) checkParcels(po *PurchaseOrder) {
	for j := range po.Lines {
		pl := &po.Lines[j]
		in := map[Milestone]int64{}
		for i := range po.Parcels {
			p := &po.Parcels[i]
			stand := p.Milestone
			switch {
			case p.ScannedAt.IsZero():
				stand = ParcelLabelled
			case !p.final():
				stand = ParcelInTransit
			}
			for _, l := range p.Lines {
				if l.Line == pl.Line {
					in[stand] += l.Quantity
				}
			}
		}
		u := &pl.Units
		for stand, want := range map[Milestone]int64{
			ParcelLabelled: u.Labelled + po.asked(pl.Line, Labelled), ParcelInTransit: u.Shipped,
			ParcelDelivered: u.Delivered, ParcelReturning: u.Returned, ParcelLost: u.Lost,
		} {
			if in[stand] != want {
				w.fail("%s line %d: %d units in parcels that are %s, %d by state", po.Number, pl.Line, in[stand], stand, want)
			}
		}
	}
}

// checkWatched: no purchase order sits without a next step.
func (w *world) checkWatched(po *PurchaseOrder) {
	s, t := &w.s, po.totals()
	attends := func(key string) bool {
		return slices.ContainsFunc(s.Attention, func(a Attention) bool { return a.Key == key })
	}
	waits := func(key string) bool {
		return slices.ContainsFunc(s.Deadlines(), func(d Deadline) bool { return d.Key == key })
	}
	number := po.Number
	switch po.Phase {
	case Created:
		if po.Live() > 0 && s.Hold == nil && !s.busy(StepAddress, "") && !s.recording() {
			w.fail("%s is not sent", number)
		}
		return
	case Sending, DeliveryUnknown:
		if !s.busy(StepDispatch, number) && !s.busy(StepLookUp, number) {
			w.fail("%s is %s, and nobody asks about it", number, po.Phase)
		}
		return
	case Failed:
		if po.Live() > 0 {
			w.fail("%s has failed with live units", number)
		}
		return
	}
	resolving := s.busy(StepLookUp, number) || s.busy(StepDispatch, number)
	if t.Pending > 0 && !waits("ack/"+number) && !attends("clock/"+number) && !resolving {
		w.fail("%s has unanswered units and no clock", number)
	}
	if t.Pending == 0 && t.Accepted+t.OnHold+t.Labelled > 0 && !waits("ship/"+number) && !attends("clock/"+number) && !resolving {
		w.fail("%s has units to ship and no clock", number)
	}
	if t.Backordered > 0 && !waits("backorder/"+number) {
		w.fail("%s has backordered units and no clock", number)
	}
	var asked int64
	for i := range po.Withdrawals {
		x := &po.Withdrawals[i]
		if !x.open() {
			continue
		}
		asked += count(x.Lines())
		if !s.busy(StepWithdraw, x.Key) && !waits("cancel/"+x.Key) {
			w.fail("withdrawal %s is %s and waits for nothing", x.Key, x.Status)
		}
		if count(x.Lines()) == 0 {
			w.fail("withdrawal %s is about nothing", x.Key)
		}
	}
	if asked != t.CancelRequested {
		w.fail("%s: %d units are cancel-requested, open withdrawals ask for %d", number, t.CancelRequested, asked)
	}
}

// checkProgress: the order as a whole has a next step.
func (w *world) checkProgress() {
	s := &w.s
	if count(s.unassigned()) > 0 && s.Supply.TryAt.IsZero() && s.Hold == nil && !s.busy(StepAddress, "") && !s.recording() {
		w.fail("units are without a supplier, and nobody looks for one")
	}
	if s.Hold != nil && !slices.ContainsFunc(s.Attention, func(a Attention) bool { return a.Key == "review" }) {
		w.fail("held, and no person is asked")
	}
	for i := range s.Cases {
		c := &s.Cases[i]
		if c.Open() && !s.busy(StepIntercept, c.Key) && !slices.ContainsFunc(s.Attention, func(a Attention) bool { return a.Key == "case/"+c.Key }) {
			w.fail("case %s is %s and waits for nothing", c.Key, c.Status)
		}
	}
	for i := range s.POs {
		for j := range s.POs[i].Parcels {
			p := &s.POs[i].Parcels[j]
			key := p.Carrier + p.Tracking
			if w.delivered[key] && p.Milestone != ParcelDelivered {
				w.fail("parcel %s went back from delivered to %s", p.Tracking, p.Milestone)
			}
			w.delivered[key] = p.Milestone == ParcelDelivered
		}
	}
	if s.Finished() && (len(s.Deadlines()) > 0 || s.SLADeadline() != s.SLADeadline().Truncate(0) && !s.SLADeadline().IsZero()) {
		w.fail("finished, and still waiting: %v", s.Deadlines())
	}
}

// observe counts branches that show in the state.
func (w *world) observe() {
	for i := range w.s.Cases {
		c := &w.s.Cases[i]
		w.happened("case " + string(c.Kind))
		w.happened("case " + string(c.Status))
	}
	for i := range w.s.POs {
		for j := range w.s.POs[i].Parcels {
			p := &w.s.POs[i].Parcels[j]
			if len(p.Voided) > 0 {
				w.happened("voided label")
			}
			if w.books[w.s.POs[i].Number].boxes != nil && len(p.Voided) > 0 && w.handed(w.s.POs[i].Number, p.Tracking) {
				w.happened("voided label scanned")
			}
		}
	}
}

func (w *world) handed(po, tracking string) bool {
	return slices.ContainsFunc(w.books[po].boxes, func(x *box) bool { return x.tracking == tracking && x.handed })
}

// checkCopies: a snapshot reads back the same, and no copy sees what happens to the other.
func (w *world) checkCopies() {
	before := encode(&w.s)
	var read State
	if err := json.Unmarshal([]byte(before), &read); err != nil || encode(&read) != before {
		w.fail("the state does not read back as it was written: %v", err)
	}
	read.Journal = nil
	if w.kept != nil && encode(w.kept) != w.keptJSON {
		w.fail("a clone saw what happened to the original")
	}
	c := w.s.Clone()
	kept := w.s.Clone()
	w.kept, w.keptJSON = &kept, encode(&kept)
	c.Recover()
	c.Cancel(CancelRequest{ID: "on the clone"}, w.now)
	for _, f := range w.log[max(0, len(w.log)-3):] {
		f.Seq = c.LastFact + 1
		c.Apply(f, w.now)
	}
	c.Tick(w.now.AddDate(1, 0, 0))
	for _, step := range c.Steps() {
		c.Begin(step)
	}
	if encode(&w.s) != before {
		w.fail("the original saw what happened to a clone")
	}
	if w.s.Card() == "" || (!w.s.Finished() && w.s.Validated && w.s.Stage() == "") {
		w.fail("nothing to show")
	}
}

// settleDown brings a life to its end: partners do what they owe, people decide, time passes.
func (w *world) settleDown() {
	w.quiet = true
	w.note("---- from here on everyone does what they should")
	for range 600 {
		w.round()
		if w.s.Finished() && len(w.docs) == 0 && len(w.late) == 0 && !w.owed() {
			return
		}
		switch {
		case len(w.tasks) > 0:
			w.advance(w.tasks[0])
		case len(w.docs) > 0:
			w.deliver()
		case len(w.late) > 0:
			w.latecomer()
		case w.partnersFinish():
		case w.s.Hold != nil:
			w.s.TakeReview(ReviewApprove, "an operator", w.now)
		case w.operatorResolves():
		default:
			next := w.nextDeadline()
			if next.IsZero() {
				w.fail("stuck at %s: busy %v, attention %v, card:\n%s", w.s.Stage(), w.s.Busy, w.s.Attention, w.s.Card())
			}
			w.now = next.UTC()
		}
	}
	w.fail("never ends: %s; busy %v, attention %v, waits %v", w.s.Stage(), w.s.Busy, w.s.Attention, w.s.Waiting())
}

func (w *world) owed() bool {
	for _, b := range w.books {
		for _, x := range b.boxes {
			if x.handed && !x.done {
				return true
			}
		}
		for _, n := range b.rogue {
			if n > 0 {
				return true
			}
		}
	}
	return false
}

// partnersFinish lets one supplier or carrier do the next thing that it owes.
func (w *world) partnersFinish() bool {
	for _, number := range slices.Sorted(maps.Keys(w.books)) {
		b := w.books[number]
		for _, answer := range b.answers {
			if answer == AnswerPending {
				w.answerPending(b)
				return true
			}
		}
		for _, x := range b.boxes {
			var n int64
			for _, q := range x.lines {
				n += q
			}
			switch {
			case x.stopped || x.done || n == 0:
			case !x.handed:
				w.handOver(b)
				return true
			default:
				x.done = true
				w.scan(x, []Milestone{ParcelDelivered, ParcelDelivered, ParcelDelivered, ParcelLost, ParcelReturning}[w.pick(5)])
				return true
			}
		}
		if !b.arrived {
			continue
		}
		var left int64
		for _, line := range b.lineNumbers() {
			left += b.live[line] + b.rogue[line]
		}
		if left > 0 {
			w.ship(b, false)
			return true
		}
	}
	return false
}

// checkEnd: everything ordered has come to one end, the suppliers' books say the same, the customer
// has the money for what is gone and was told so once.
func (w *world) checkEnd() {
	s := &w.s
	told := map[NoticeKind]map[int]int64{NoticeCancelled: {}, NoticeLost: {}}
	for _, n := range w.outbox {
		for _, l := range n.Lines {
			if told[n.Kind] != nil {
				told[n.Kind][l.Line] += l.Quantity
			}
		}
	}
	paid := map[int]int64{}
	for _, lines := range w.refunds {
		for _, l := range lines {
			paid[l.Line] += l.Quantity
		}
	}
	for i := range s.Lines {
		l := &s.Lines[i]
		var delivered, lost, returned int64
		for j := range s.POs {
			if pl := s.POs[j].line(l.Line); pl != nil {
				delivered, lost, returned = delivered+pl.Units.Delivered, lost+pl.Units.Lost, returned+pl.Units.Returned
			}
		}
		if l.Ordered != delivered+lost+returned+l.Cancelled {
			w.fail("line %d: ordered %d, ended with %d delivered, %d lost, %d returned, %d cancelled", l.Line, l.Ordered, delivered, lost, returned, l.Cancelled)
		}
		if gone := lost + returned + l.Cancelled; l.Refunded != gone || paid[l.Line] != gone {
			w.fail("line %d: %d units are gone, %d count as refunded, %d were", l.Line, gone, l.Refunded, paid[l.Line])
		}
		if told[NoticeCancelled][l.Line] != l.Cancelled || told[NoticeLost][l.Line] != lost {
			w.fail("line %d: %d cancelled and %d lost, the customer was told of %d and %d",
				l.Line, l.Cancelled, lost, told[NoticeCancelled][l.Line], told[NoticeLost][l.Line])
		}
	}
	for _, b := range w.books {
		w.checkBooksAgree(b)
	}
	for _, a := range s.Attention {
		w.fail("finished, and a person is still called: %s: %s", a.Key, a.Text)
	}
}

// checkBooksAgree: what left a supplier's house is what the order says it shipped, or is in a case.
func (w *world) checkBooksAgree(b *book) {
	po := w.s.PO(b.po)
	if po == nil {
		if b.arrived {
			w.fail("%s was sent, and the order does not know it", b.po)
		}
		return
	}
	ours, theirs := map[int]int64{}, map[int]int64{}
	for i := range po.Lines {
		u := &po.Lines[i].Units
		ours[po.Lines[i].Line] += u.Shipped + u.Terminal()
	}
	for i := range w.s.Cases {
		if c := &w.s.Cases[i]; c.PO == b.po && w.boxOf(c).handed {
			for _, l := range c.Lines {
				ours[l.Line] += l.Quantity
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
	for line := range 6 {
		if ours[line] != theirs[line] {
			w.fail("%s line %d: %s has shipped %d, the order counts %d", b.po, line, b.party.id, theirs[line], ours[line])
		}
	}
}
