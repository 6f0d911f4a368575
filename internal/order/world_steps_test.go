package order

import (
	"maps"
	"slices"
	"time"
)

// task is a step under way. Its effect and its result are apart: between them anything may happen.
type task struct {
	step     Step
	snapshot State
	refund   int
	result   func() // set once the effect has taken place
	resting  bool
	country  string
}

func (w *world) begin(step Step) {
	t := &task{step: step}
	w.note("begin %s %s %v", step.Kind, step.Subject, step.Lines)
	switch step.Kind {
	case StepRecord, StepRoute, StepSettle:
		t.snapshot = w.s.Clone()
	case StepRefund:
		t.refund = w.s.Refunds + 1
	}
	w.tasks = append(w.tasks, t)
}

func (w *world) advanceTask() {
	if len(w.tasks) > 0 {
		w.advance(w.tasks[w.pick(len(w.tasks))])
	}
}

func (w *world) advance(t *task) {
	switch {
	case t.resting:
		w.drop1(t)
		w.s.Again(t.step)
		w.happened("tried again")
	case t.result == nil:
		if w.stalls(t, 4) {
			return
		}
		t.result = w.effect(t)
	default:
		if w.stalls(t, 3) {
			return
		}
		w.drop1(t)
		w.note("result of %s %s", t.step.Kind, t.step.Subject)
		t.result()
		if t.step.Kind != StepAddress {
			w.s.Resumed(t.step)
		}
	}
}

func (w *world) drop1(t *task) {
	w.tasks = slices.DeleteFunc(w.tasks, func(x *task) bool { return x == t })
}

// stalls: the step could not be done, or nobody heard that it was.
func (w *world) stalls(t *task, percent int) bool {
	if w.quiet || t.step.Kind == StepAddress || !w.chance(percent) {
		return false
	}
	w.note("stalled %s %s", t.step.Kind, t.step.Subject)
	w.s.Stalled(t.step, "no answer", w.now)
	t.result, t.resting = nil, true
	w.happened("stalled")
	return true
}

func (w *world) effect(t *task) func() {
	step := t.step
	switch step.Kind {
	case StepValidate:
		return func() { w.s.ValidatedWith(w.verdict, w.now) }
	case StepRoute:
		return w.route(t)
	case StepDispatch:
		return w.dispatch(step)
	case StepLookUp:
		return w.lookUp(step)
	case StepWithdraw:
		return w.withdrawStep(step)
	case StepRepeatCancel:
		b := w.books[step.PO]
		if !w.chance(b.party.liar) || w.quiet {
			b.fenced = b.fenced || !b.arrived
			for _, line := range b.lineNumbers() {
				w.drop(b, line, b.free(line))
				b.rogue[line] = 0
			}
		}
		return func() { w.s.RepeatedCancellation(step.PO) }
	case StepIntercept:
		return w.intercept(step)
	case StepRefund:
		return w.refund(t)
	case StepRecord:
		w.store(&t.snapshot)
		return func() { w.s.Recorded(len(t.snapshot.Notices)) }
	case StepSettle:
		return w.settle(t)
	case StepAddress:
		return func() { w.addressTaken(t) }
	}
	w.fail("no such step: %s", step.Kind)
	return nil
}

// store is what Postgres has once a snapshot is committed.
func (w *world) store(s *State) {
	for i := range s.POs {
		po := &s.POs[i]
		for j := range po.Lines {
			w.stored[po.Number][po.Lines[j].Line] = po.Lines[j].Units.Live()
		}
	}
	for _, n := range s.Notices {
		if was, sent := w.outbox[n.Key]; sent && !slices.Equal(was.Lines, n.Lines) {
			w.fail("notice %s is swallowed: %v was sent, now %v", n.Key, was.Lines, n.Lines)
		}
		w.outbox[n.Key] = n
	}
}

// route assigns units to suppliers that are not excluded, as far as their stock goes. A decision is
// stored with the order and found again.
func (w *world) route(t *task) func() {
	n := t.snapshot.Supply.Decisions + 1
	w.store(&t.snapshot)
	routing, decided := w.decisions[n]
	if !decided {
		routing = w.decide(t, n)
		w.decisions[n] = routing
	}
	return func() {
		w.s.Recorded(len(t.snapshot.Notices))
		was := w.s.Supply.Since
		w.s.Routed(t.step.Lines, routing, w.now)
		if len(routing.POs) > 0 && !was.IsZero() {
			w.happened("no offer then found")
		}
	}
}

func (w *world) decide(t *task, n int) Routing {
	routing := Routing{Decision: n, NoOffer: "out of stock"}
	lots := map[string][]POLine{}
	for _, l := range t.step.Lines {
		sku, left := t.snapshot.line(l.Line).SKU, l.Quantity
		first := w.pick(len(w.parties))
		for i := range w.parties {
			p := w.parties[(first+i)%len(w.parties)]
			excluded := slices.ContainsFunc(t.snapshot.Exclusions, func(x Exclusion) bool { return x.Supplier == p.id && x.SKU == sku })
			if take := min(left, p.stock[sku]); take > 0 && !excluded {
				p.stock[sku] -= take
				left -= take
				lots[p.id] = append(lots[p.id], POLine{Line: l.Line, SKU: sku, Quantity: take, UnitCost: 100})
			}
		}
	}
	for _, p := range w.parties {
		if len(lots[p.id]) == 0 {
			continue
		}
		number := w.s.Key.PurchaseOrderNumber(len(w.books) + 1)
		w.books[number] = &book{
			po: number, party: p, live: map[int]int64{}, surplus: map[int]int64{}, rogue: map[int]int64{},
			answers: map[string]string{}, asked: map[string][]ShippedLine{},
		}
		w.stored[number] = map[int]int64{}
		for _, l := range lots[p.id] {
			w.stored[number][l.Line] = l.Quantity
		}
		routing.POs = append(routing.POs, NewPO{Number: number, Supplier: p.id, Terms: p.terms, Lines: slices.Clone(lots[p.id])})
	}
	return routing
}

func (w *world) clocks(d Dispatch) Dispatch {
	d.SentAt = w.now
	d.AckDueAt, d.RemindAt = w.now.Add(2*time.Hour), []time.Time{w.now.Add(90 * time.Minute)}
	d.ShipDueAt = w.now.Add(48 * time.Hour)
	return d
}

func (w *world) dispatch(step Step) func() {
	b, po := w.books[step.PO], w.s.PO(step.PO)
	content := map[int]int64{}
	for line, n := range w.stored[step.PO] {
		if n > 0 {
			content[line] = n
		}
	}
	if !b.arrived && (po.Phase == Failed || po.Live() == 0) {
		w.fail("%s is sent, but it is %s with %d live units", step.PO, po.Phase, po.Live())
	}
	if !b.arrived && po.Sends == 1 {
		for i := range po.Lines {
			if pl := &po.Lines[i]; pl.Units.Live() != content[pl.Line] {
				w.fail("%s is sent with %v, line %d has %d live units", step.PO, content, pl.Line, pl.Units.Live())
			}
		}
	}
	if po.Sends > maxSends {
		w.fail("%s is sent %d times", step.PO, po.Sends)
	}
	d := w.clocks(Dispatch{Outcome: DispatchUnknown})
	if w.chance(b.party.deaf) && !w.quiet {
		switch w.pick(3) {
		case 0:
			w.receive(b, content)
		case 1:
			w.late = append(w.late, func() { w.receive(b, content) })
		}
		return func() { w.s.Dispatched(step.PO, d, w.now) }
	}
	if w.chance(4) && !b.arrived && !w.quiet {
		b.conflict = true
	}
	switch w.receive(b, content) {
	case "submitted":
		d.Outcome, d.Reference = DispatchSubmitted, "SO"
		if w.chance(30) {
			d.Ack = w.acknowledge(b)
		}
	case "conflict":
		d.Outcome = DispatchConflict
	case "refused":
		d = Dispatch{Outcome: DispatchRefused, Reason: "will not take it"}
	}
	return func() {
		if po := w.s.PO(step.PO); po.Phase == Submitted && !po.AckAt.IsZero() {
			w.happened("ack before the dispatch result")
		}
		if w.s.PO(step.PO).Sends > 1 && d.Outcome == DispatchRefused {
			w.happened("fenced after a refused second send")
		}
		w.s.Dispatched(step.PO, d, w.now)
	}
}

func (w *world) lookUp(step Step) func() {
	b := w.books[step.PO]
	d := w.clocks(Dispatch{Outcome: DispatchAbsent})
	if b.arrived {
		d.Outcome, d.Reference = DispatchSubmitted, "SO"
		w.happened("lookup found it")
		if w.chance(50) {
			d.Ack = w.acknowledge(b)
		}
	}
	return func() { w.s.Dispatched(step.PO, d, w.now) }
}

func (w *world) withdrawStep(step Step) func() {
	b, asked := w.books[step.PO], w.s.PO(step.PO).Withdrawal(step.Subject)
	if len(step.Lines) == 0 {
		w.fail("%s asks for nothing, which reads as everything", step.Subject)
	}
	answer, decided := b.answers[step.Subject]
	if asked.Conditional && b.acked && !decided {
		answer = AnswerRejected // nothing was asked
		b.answers[step.Subject] = answer
	} else if !decided {
		answer = w.answer(b, step.Subject, step.Lines)
	}
	a := Answer{Outcome: answer, Reason: "so it is"}
	if answer == AnswerPending && w.chance(80) {
		a.ConfirmBy = w.now.Add(4 * time.Hour)
	}
	return func() {
		w2 := w.s.PO(step.PO).Withdrawal(step.Subject)
		if a.Outcome == AnswerRejected && w2.open() && w2.Conditional && w2.cancels() {
			w.happened("asked unconditionally")
		}
		w.s.Withdrawn(step.PO, step.Subject, a, w.now)
	}
}

// answer is a supplier's answer to a cancellation, the same under the same key.
func (w *world) answer(b *book, key string, lines []ShippedLine) string {
	b.asked[key] = lines
	switch {
	case w.quiet || !b.arrived:
		b.answers[key] = w.cancelAtSupplier(b, lines)
	case w.chance(b.party.slow):
		b.answers[key] = AnswerPending
	case w.chance(15):
		b.answers[key] = AnswerRejected
	case b.arrived && w.chance(b.party.liar):
		for _, l := range lines {
			if n := min(l.Quantity, b.live[l.Line]); n > 0 {
				b.live[l.Line] -= n
				b.rogue[l.Line] += n
				b.surplus[l.Line] += n
			}
			w.drop(b, l.Line, min(l.Quantity, b.free(l.Line)))
			b.surplus[l.Line] += min(l.Quantity, b.hold(l.Line)-b.rogue[l.Line])
		}
		b.answers[key] = AnswerAccepted
	default:
		b.answers[key] = w.cancelAtSupplier(b, lines)
	}
	w.note("%s answers %s: %s; live %v", b.party.id, key, b.answers[key], b.live)
	return b.answers[key]
}

// cancelAtSupplier gives units up as far as they have not left the house.
func (w *world) cancelAtSupplier(b *book, lines []ShippedLine) string {
	if !b.arrived {
		b.fenced, b.conflict = true, false
		return AnswerAccepted
	}
	for _, l := range lines {
		handed := b.hold(l.Line) - b.free(l.Line) - b.rogue[l.Line]
		if b.free(l.Line) < l.Quantity && handed > 0 {
			return AnswerRejected
		}
	}
	for _, l := range lines {
		w.drop(b, l.Line, min(l.Quantity, b.free(l.Line)))
	}
	return AnswerAccepted
}

// answerPending keeps a promise, by webhook.
func (w *world) answerPending(b *book) {
	for _, key := range slices.Sorted(maps.Keys(b.answers)) {
		if b.answers[key] != AnswerPending || (b.party.mute && !w.quiet && w.chance(60)) {
			continue
		}
		b.answers[key] = AnswerRejected
		if w.chance(70) || w.quiet {
			b.answers[key] = w.cancelAtSupplier(b, b.asked[key])
		}
		shown := key
		if w.chance(35) {
			shown = ""
		}
		w.note("%s answers %s by webhook: %s", b.party.id, key, b.answers[key])
		w.post(Fact{CancelReply: &CancelAnswer{Document: key, PO: b.po, Key: shown, At: w.now, Accepted: b.answers[key] == AnswerAccepted}}, nil)
		if b.answers[key] == AnswerRejected && w.chance(20) && !w.quiet {
			b.answers[key] = w.cancelAtSupplier(b, b.asked[key]) // and thinks better of it
			w.post(Fact{CancelReply: &CancelAnswer{Document: key + "b", PO: b.po, Key: key, At: w.now, Accepted: b.answers[key] == AnswerAccepted}}, nil)
		}
		return
	}
}

func (w *world) intercept(step Step) func() {
	c := w.s.Case(step.Subject)
	x := w.boxOf(c)
	a := Answer{Outcome: []string{AnswerAccepted, AnswerRejected, AnswerPending}[w.pick(3)], Reason: "carrier refused"}
	if a.Outcome == AnswerAccepted {
		w.stop(x)
	}
	if a.Outcome == AnswerPending && w.chance(50) {
		yes := w.chance(50)
		if yes {
			w.stop(x)
		}
		w.post(Fact{CancelReply: &CancelAnswer{Document: step.Subject, PO: step.PO, Key: step.Subject, At: w.now, Accepted: yes}}, nil)
	}
	return func() { w.s.Intercepted(step.Subject, a, w.now) }
}

func (w *world) boxOf(c *Case) *box {
	for _, x := range w.books[c.PO].boxes {
		if x.tracking == c.Tracking {
			return x
		}
	}
	w.fail("case %s is about no parcel", c.Key)
	return nil
}

// stop keeps a parcel in the house, or has it brought back.
func (w *world) stop(x *box) {
	if x.handed && !x.done {
		w.scan(x, ParcelReturning)
		x.done = true
	}
	x.stopped = true
}

func (w *world) refund(t *task) func() {
	if _, fixed := w.refunds[t.refund]; !fixed {
		w.refunds[t.refund] = t.step.Lines
	}
	if !slices.Equal(w.refunds[t.refund], t.step.Lines) {
		w.fail("refund %d is fixed at %v and now tried for %v", t.refund, w.refunds[t.refund], t.step.Lines)
	}
	return func() {
		if w.s.Refunds+1 != t.refund {
			w.fail("refund %d is done as %d", t.refund, w.s.Refunds+1)
		}
		w.s.Refunded(t.step.Lines, 0, "Refunded", w.now)
	}
}

func (w *world) settle(t *task) func() {
	w.store(&t.snapshot)
	return func() {
		w.s.Recorded(len(t.snapshot.Notices))
		w.s.SettledNow("Settled", w.now)
		if !w.s.Settled {
			w.happened("news during settlement")
		}
		if w.seen["settled"] > 0 {
			w.happened("settled again")
		}
		w.happened("settled")
	}
}
