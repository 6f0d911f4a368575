package order

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// newVerdict is what validation finds, whenever and however often it runs.
func (w *world) newVerdict() Verdict {
	v := Verdict{Currency: "USD", Country: w.country}
	for i := range 1 + w.pick(4) {
		v.Lines = append(v.Lines, Line{Line: i + 1, SKU: string(rune('A' + w.pick(4))), Ordered: 1 + int64(w.pick(3))})
	}
	v.Policy = Policy{
		Backorder:           []BackorderAction{BackorderWait, BackorderWait, BackorderMove, BackorderCancel}[w.pick(4)],
		BackorderWaitAtMost: time.Duration(w.pick(3)) * 96 * time.Hour,
		ShipGrace:           time.Duration(w.pick(2)) * 24 * time.Hour, ShipHold: w.chance(20),
		ReviewEscalateAfter: 4 * time.Hour, ReviewCancelAfter: 72 * time.Hour, AbsorbUpTo: int64(w.pick(3)) * 120,
	}
	if w.chance(20) {
		v.Doubts = []string{"velocity"}
	}
	return v
}

func (w *world) customerActs() {
	if w.chance(50) {
		return
	}
	w.requestID++
	r := CancelRequest{ID: fmt.Sprintf("r%d", w.requestID), By: "support"}
	if w.chance(60) {
		for range 1 + w.pick(2) {
			r.Lines = append(r.Lines, ShippedLine{1 + w.pick(4), int64(w.pick(5)) - 1})
		}
	}
	if w.chance(20) && w.requestID > 1 {
		r.ID = "r1"
		w.happened("cancel repeated")
	}
	if w.chance(30) {
		w.post(Fact{Cancel: &r}, nil)
		return
	}
	w.cancel(r)
}

// cancel asks as an update does and holds the order to its answer.
func (w *world) cancel(r CancelRequest) {
	before := encode(&w.s)
	err := w.s.CanCancel(r)
	if encode(&w.s) != before {
		w.fail("asking whether a cancellation can be granted changed the order")
	}
	w.note("cancel %v: %v", r, err)
	if err != nil {
		w.happened("cancel refused")
		return
	}
	repeat := slices.Contains(w.s.Requests, r.ID)
	validated, turnable := w.s.Validated, w.turnable()
	reply := w.s.Cancel(r, w.now)
	w.note("reply %v", reply)
	switch {
	case !validated:
		w.happened("cancelled before validation")
	case repeat:
	case len(r.Lines) == 0:
		w.happened("cancel of the whole")
	default:
		w.happened("cancel of a part")
		lines := map[int]bool{}
		var wanted int64
		for _, l := range r.Lines {
			wanted += l.Quantity
			lines[l.Line] = true
		}
		if got := count(reply.Cancelled) + count(reply.Asked); got != wanted && len(lines) == len(r.Lines) {
			w.fail("granted a cancellation of %d units, did %d", wanted, got)
		}
	}
	if w.turnable() < turnable {
		w.happened("cancel turned")
	}
}

func (w *world) turnable() int64 {
	var n int64
	for i := range w.s.POs {
		for _, l := range w.s.Lines {
			n += w.s.POs[i].reroutable(l.Line)
		}
	}
	return n
}

func (w *world) operatorActs() {
	if w.s.Hold != nil {
		if w.chance(40) {
			w.s.TakeReview([]Review{ReviewApprove, ReviewAmend, ReviewReject}[w.pick(3)], "an operator", w.now)
		}
		return
	}
	same := w.chance(70)
	if w.chance(50) && w.s.Validated && w.s.CanChangeAddress(same) == nil {
		step := Step{Kind: StepAddress}
		w.s.Begin(step)
		w.tasks = append(w.tasks, &task{step: step, country: map[bool]string{true: w.country, false: "CA"}[same]})
		return
	}
	w.operatorResolves()
}

func (w *world) addressTaken(t *task) {
	for i := range w.s.POs {
		if po := &w.s.POs[i]; po.Live() > 0 && po.Sends > 0 {
			w.fail("%s went out while the address was changed", po.Number)
		}
		if po := &w.s.POs[i]; po.Live() > 0 && t.country != w.country {
			w.fail("%s was made for %s", po.Number, w.country)
		}
	}
	w.s.AddressTaken()
	w.country = t.country
	w.s.ChangedAddress(t.country, w.now)
}

// operatorResolves decides where only a person can, after a call to the supplier.
func (w *world) operatorResolves() bool {
	for _, a := range w.s.Attention {
		kind, subject, _ := strings.Cut(a.Key, "/")
		switch kind {
		case "answer":
			for i := range w.s.PO(subject).Withdrawals {
				if x := &w.s.PO(subject).Withdrawals[i]; x.open() {
					w.resolve(w.s.PO(subject), x)
					return true
				}
			}
		case "cancel":
			for i := range w.s.POs {
				po := &w.s.POs[i]
				if x := po.Withdrawal(subject); x != nil {
					w.resolve(po, x)
					return true
				}
			}
		case "case":
			status := []CaseStatus{CaseAbsorbed, CaseIntercepted}[w.pick(2)]
			if status == CaseIntercepted {
				w.stop(w.boxOf(w.s.Case(subject)))
			}
			w.s.ResolveCase(subject, status, w.now)
			return true
		case "ship", "backorder", "hold", "conflict", "clock":
			if w.quiet {
				w.insists(subject)
				return true
			}
		}
	}
	return false
}

// resolve settles a question with a supplier by telephone.
func (w *world) resolve(po *PurchaseOrder, x *Withdrawal) {
	b := w.books[po.Number]
	answer := b.answers[x.Key]
	if answer != AnswerAccepted && answer != AnswerRejected {
		answer = w.cancelAtSupplier(b, x.Lines())
		b.answers[x.Key] = answer
	}
	w.note("operator: %s is %s", x.Key, answer)
	w.s.ResolveWithdrawal(x.Key, answer == AnswerAccepted, w.now)
}

// insists: an operator calls a supplier about units that are stuck with it. All that had left the
// house has been scanned by now, so a refusal is about units that it does not have.
func (w *world) insists(number string) {
	po := w.s.PO(number)
	if n := len(po.Withdrawals); n > 0 && w.s.CanResolve(po.Withdrawals[n-1].Key, "", "") == nil {
		w.s.ResolveWithdrawal(po.Withdrawals[n-1].Key, true, w.now)
		w.happened("refused, then resolved by a person")
		return
	}
	w.requestID++
	w.cancel(CancelRequest{ID: fmt.Sprintf("op%d", w.requestID), By: "an operator"})
}

func (w *world) carrierActs() {
	for _, p := range w.s.POs {
		b := w.books[p.Number]
		for _, x := range b.boxes {
			if x.done || !w.chance(40) {
				continue
			}
			if !x.handed {
				if w.chance(10) && x.announced {
					w.apply(Fact{Milestone: &ParcelNews{Carrier: x.carrier, Tracking: x.tracking, Milestone: ParcelLost, At: w.now}})
				}
				continue
			}
			m := []Milestone{
				ParcelInTransit, ParcelOutForDelivery, ParcelAtPickupPoint, ParcelDelayed, ParcelException, ParcelDelivered, ParcelDelivered,
				ParcelReturning, ParcelLost,
			}[w.pick(9)]
			x.done = m == ParcelDelivered || m == ParcelReturning || m == ParcelLost
			w.scan(x, m)
			if x.done && w.chance(30) {
				w.scan(x, []Milestone{ParcelInTransit, ParcelException, ParcelReturning, ParcelLost}[w.pick(4)])
			}
		}
	}
}

// latecomer lets a send that was given up arrive after all, or fade away.
func (w *world) latecomer() {
	if len(w.late) == 0 {
		return
	}
	i := w.pick(len(w.late))
	arrive := w.late[i]
	w.late = slices.Delete(w.late, i, i+1)
	if w.quiet || w.chance(80) {
		w.note("a send comes late")
		arrive()
	}
}
