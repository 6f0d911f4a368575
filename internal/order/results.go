package order

import (
	"slices"
	"strconv"
	"time"
)

// Verdict is what validation found.
type Verdict struct {
	Currency string `json:"currency"`
	Country  string `json:"country"`
	Policy   Policy `json:"policy"`
	Lines    []Line `json:"lines"` // Line, SKU and Ordered
	// Captured is what the customer paid, in minor units.
	Captured int64 `json:"captured"`
	// Doubts hold the order for a person; none lets it pass. No personal data.
	Doubts []string `json:"doubts,omitempty"`
	// Unpaid is the one among the doubts that a payment ends; empty: there is none.
	Unpaid string `json:"unpaid,omitempty"`
}

// ValidatedWith takes the verdict of validation.
func (s *State) ValidatedWith(v Verdict, now time.Time) {
	s.done(StepValidate, "")
	s.Currency, s.Country, s.Policy, s.Lines = v.Currency, v.Country, v.Policy, v.Lines
	s.Money.Captured = max(v.Captured, s.Paid.Paid)
	for i := range s.Lines {
		s.Lines[i].Unassigned = s.Lines[i].Ordered
	}
	s.Validated = true
	early := s.Early
	s.Early = nil
	for _, r := range early {
		s.Cancel(r, now)
	}
	if len(v.Doubts) == 0 || s.allCancelled() {
		return
	}
	s.Hold = &Hold{
		Reasons: slices.Clone(v.Doubts), Unpaid: v.Unpaid, Since: now,
		EscalateAt: now.Add(v.Policy.ReviewEscalateAfter), CancelAt: now.Add(v.Policy.ReviewCancelAfter),
	}
	s.raise(now, "review", "%s", heldFor(v.Doubts))
	if s.Paid.N > 0 {
		s.paidHold(now) // it came while the order was being looked at
	}
}

// NewPO is a purchase order that routing decided on and reserved stock for.
type NewPO struct {
	Number   string   `json:"number"`
	Supplier string   `json:"supplier"`
	Terms    Terms    `json:"terms"`
	Currency string   `json:"currency,omitempty"` // of the costs, where it is not the order's
	Lines    []POLine `json:"lines"`              // Line, SKU, Quantity and UnitCost
}

// Routing is a routing decision as it reaches the order.
type Routing struct {
	Decision int     `json:"decision"`
	POs      []NewPO `json:"purchaseOrders,omitempty"`
	// NoOffer says in words why the remaining units found no supplier.
	NoOffer string `json:"noOffer,omitempty"`
}

// Routed takes a routing decision for the units it was asked about: its purchase orders, and what
// found no offer. Units that came free while it was made are routed next.
func (s *State) Routed(asked []ShippedLine, r Routing, now time.Time) {
	s.done(StepRoute, "")
	s.Supply.Decisions, s.Supply.Asked = r.Decision, nil
	assigned := map[int]int64{}
	for _, n := range r.POs {
		for i := range n.Lines {
			assigned[n.Lines[i].Line] += n.Lines[i].Quantity
		}
		s.addPurchaseOrder(n, now)
	}
	var left []ShippedLine
	for _, a := range asked {
		left = addLine(left, a.Line, min(a.Quantity-assigned[a.Line], s.line(a.Line).Unassigned))
	}
	if len(left) == 0 {
		s.Supply = Supply{Decisions: r.Decision}
		return
	}
	s.noOffer(left, r.NoOffer, now)
}

func (s *State) addPurchaseOrder(n NewPO, now time.Time) {
	po := PurchaseOrder{Number: n.Number, Supplier: n.Supplier, Phase: Created, Terms: n.Terms, Currency: n.Currency}
	for _, nl := range n.Lines {
		// A cancellation may have taken units while the decision was made.
		l := s.line(nl.Line)
		take := min(nl.Quantity, l.Unassigned)
		l.Unassigned -= take
		nl.Units = Units{Pending: take, Cancelled: nl.Quantity - take}
		if take < nl.Quantity {
			s.Unrecorded = true
		}
		po.Lines = append(po.Lines, nl)
	}
	s.POs = append(s.POs, po)
	s.tell(now, "%s ships %s as %s", n.Terms.Name, describe(po.Lines), n.Number)
}

func (s *State) noOffer(left []ShippedLine, why string, now time.Time) {
	if s.Policy.Backorder != BackorderWait || (!s.Supply.Until.IsZero() && !now.Before(s.Supply.Until)) {
		s.cancelUnassigned(left, "no supplier can ship them: "+why, now)
		return
	}
	if s.Supply.Since.IsZero() {
		s.Supply.Since = now
		s.Supply.Until = now.Add(s.Policy.BackorderWaitAtMost)
		s.notice(Notice{Key: "backordered/order/" + strconv.Itoa(s.Supply.Decisions), Kind: NoticeBackordered, Lines: left})
	}
	if count(s.unassigned()) > count(left) {
		return // other units came free while this was decided: they are not made to wait
	}
	// Ten looks at the stock over the whole wait, but not more often than a feed could bring news.
	pause := min(max(s.Policy.BackorderWaitAtMost/10, time.Second), 6*time.Hour)
	s.Supply.TryAt = now.Add(pause)
	if s.Supply.TryAt.After(s.Supply.Until) {
		s.Supply.TryAt = s.Supply.Until
	}
	s.tell(now, "No supplier for %d units (%s): trying again until %s", count(left), why, Clock(s.Supply.Until))
	s.Unrecorded = true
}

func (s *State) cancelUnassigned(left []ShippedLine, why string, now time.Time) {
	for _, u := range left {
		l := s.line(u.Line)
		l.Unassigned -= u.Quantity
		l.Cancelled += u.Quantity
	}
	s.Supply = Supply{Decisions: s.Supply.Decisions}
	s.notice(Notice{Key: "cancelled/no-offer/" + strconv.Itoa(s.Supply.Decisions), Kind: NoticeCancelled, Lines: left})
	s.tell(now, "%s cancelled: %s", units(count(left)), why)
	s.Unrecorded = true
}

// DispatchOutcome is what is known after a send.
type DispatchOutcome string

// What a send can end in.
const (
	DispatchSubmitted DispatchOutcome = "submitted"
	DispatchUnknown   DispatchOutcome = "unknown"
	DispatchRefused   DispatchOutcome = "refused"
	DispatchAbsent    DispatchOutcome = "absent" // a look-up found that the supplier does not have it
	// DispatchConflict: the supplier holds the number with other content, which it must not ship.
	DispatchConflict DispatchOutcome = "conflict"
)

// Dispatch is the result of sending a purchase order, or of looking it up afterwards.
type Dispatch struct {
	Outcome   DispatchOutcome `json:"outcome"`
	Reference string          `json:"reference,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	SentAt    time.Time       `json:"sentAt,omitzero"`
	AckDueAt  time.Time       `json:"ackDueAt,omitzero"`
	RemindAt  []time.Time     `json:"remindAt,omitempty"`
	ShipDueAt time.Time       `json:"shipDueAt,omitzero"`
	Ack       *Acknowledgment `json:"ack,omitempty"`
}

// maxSends bounds the deliberate sends of one purchase order: after a look-up that found nothing it
// goes out once more, and no more.
const maxSends = 2

// Dispatched takes the result of a send or a look-up.
func (s *State) Dispatched(number string, d Dispatch, now time.Time) {
	s.done(StepDispatch, number)
	s.done(StepLookUp, number)
	po := s.PO(number)
	if po.AckDueAt.IsZero() && !d.AckDueAt.IsZero() {
		po.SentAt, po.AckDueAt, po.RemindAt, po.ShipDueAt = d.SentAt, d.AckDueAt, d.RemindAt, d.ShipDueAt
	}
	if d.Outcome == DispatchConflict {
		s.raise(now, "conflict/"+number, "%s holds %s with other content than was sent: ask it what it means to ship", po.Terms.Name, number)
	}
	if d.Outcome == DispatchSubmitted && po.Phase != Failed {
		s.arrived(po, d, now)
		return
	}
	if po.Phase == Submitted || po.Phase == Failed {
		return // its answer came by another way in the meantime
	}
	switch d.Outcome {
	case DispatchUnknown:
		po.Phase = DeliveryUnknown
		s.tell(now, "No answer from %s to %s: asking whether it arrived", po.Terms.Name, number)
	case DispatchAbsent:
		s.absent(po, now)
	case DispatchConflict:
		s.withdrawAll(po, "the supplier holds the number with other content", now)
	case DispatchRefused:
		if po.Sends > 1 {
			// The first send may still be under way; only a cancellation stops it.
			s.withdrawAll(po, d.Reason, now)
			return
		}
		s.failed(po, d.Reason, now)
	}
}

// arrived: the supplier has it. Its acknowledgment may have overtaken the result, or be a part of
// it.
func (s *State) arrived(po *PurchaseOrder, d Dispatch, now time.Time) {
	po.Phase, po.Reference = Submitted, d.Reference
	s.tell(now, "%s has %s", po.Terms.Name, po.Number)
	if d.Ack != nil && !(d.Ack.At.Equal(po.AckAt) && d.Ack.Document == po.AckDocument) {
		s.applyAcknowledgment(d.Ack, now)
	}
}

// absent: the supplier does not have the purchase order, as far as it knows. A send may still be
// under way, so giving up is a cancellation, which the supplier remembers.
func (s *State) absent(po *PurchaseOrder, now time.Time) {
	if t := po.totals(); t.Pending > 0 && po.Sends < maxSends {
		po.Phase = Created
		s.tell(now, "%s does not have %s: sending it once more", po.Terms.Name, po.Number)
		return
	}
	s.withdrawAll(po, "it never arrived at the supplier", now)
}

// withdrawAll asks everything back that the supplier has not answered for, and treats the purchase
// order as sent: the answer to the cancellation decides.
func (s *State) withdrawAll(po *PurchaseOrder, why string, now time.Time) {
	po.Phase = Submitted
	var asks []ask
	for i := range po.Lines {
		asks = append(asks, ask{po.Lines[i].Line, po.Lines[i].Units.Pending, []UnitState{Pending}})
	}
	s.withdraw(po, why, ThenReroute, asks, now)
}

// failed ends a purchase order that its supplier certainly does not have.
func (s *State) failed(po *PurchaseOrder, why string, now time.Time) {
	po.Phase = Failed
	s.tell(now, "%s was not taken by %s: %s", po.Number, po.Terms.Name, why)
	for i := range po.Withdrawals {
		if w := &po.Withdrawals[i]; w.open() {
			s.confirm(po, w, Confirmed, now)
		}
	}
	for i := range po.Lines {
		pl := &po.Lines[i]
		if n := pl.Units.draw(Rejected, pl.Quantity, Pending); n > 0 {
			s.release(po, pl, n, why, now)
		}
	}
	s.Unrecorded = true
}

// Answer is what came of asking a supplier for units, or to intercept a parcel.
type Answer struct {
	// Outcome is accepted, rejected or pending.
	Outcome   string    `json:"outcome"`
	Reason    string    `json:"reason,omitempty"`
	ConfirmBy time.Time `json:"confirmBy,omitzero"` // for pending: when the answer is due
}

// The outcomes of asking a supplier.
const (
	AnswerAccepted = "accepted"
	AnswerRejected = "rejected"
	AnswerPending  = "pending"
)

// Withdrawn takes the direct answer to a withdrawal.
func (s *State) Withdrawn(number, key string, a Answer, now time.Time) {
	s.done(StepWithdraw, key)
	po := s.PO(number)
	w := po.Withdrawal(key)
	w.Owed = a.Outcome == AnswerPending && w.Owed && w.Early == nil
	if !w.open() {
		return // the answer came by another way in the meantime
	}
	if a.Outcome == AnswerPending && w.Early != nil {
		a.Outcome = AnswerRejected
		if *w.Early {
			a.Outcome = AnswerAccepted
		}
	}
	switch a.Outcome {
	case AnswerAccepted:
		s.confirm(po, w, Confirmed, now)
	case AnswerRejected:
		s.refuse(po, w, a.Reason, now)
		if w.Conditional && w.cancels() {
			s.askUnconditionally(po, w, now)
		}
	default:
		w.Status, w.ConfirmBy = Awaiting, a.ConfirmBy
		if w.ConfirmBy.IsZero() {
			w.ConfirmBy = now.Add(unpromised)
		}
		s.tell(now, "%s will answer the cancellation of %s by %s", po.Terms.Name, number, Clock(w.ConfirmBy))
	}
}

// askUnconditionally: units were asked back on the condition that the supplier was silent, and the
// customer has cancelled them since. Now that it was not silent, perhaps nothing was asked.
func (s *State) askUnconditionally(po *PurchaseOrder, w *Withdrawal, now time.Time) {
	var asks []ask
	for _, u := range w.Units {
		if u.Then == ThenCancel && u.Quantity > 0 {
			asks = append(asks, ask{u.Line, u.Quantity, []UnitState{u.From}})
		}
	}
	s.withdraw(po, "the customer cancelled", ThenCancel, asks, now)
}

// RepeatedCancellation: the supplier was told again that a late acknowledgment is refused.
func (s *State) RepeatedCancellation(number string) {
	s.done(StepRepeatCancel, number)
	po := s.PO(number)
	po.LateAck = LateAckAnswered
	if t := po.totals(); t.open() > 0 {
		po.LateAck = LateAckCrossed
	}
	s.Unrecorded = true
}

// Intercepted takes the answer to a request to stop a parcel.
func (s *State) Intercepted(key string, a Answer, now time.Time) {
	s.done(StepIntercept, key)
	c := s.Case(key)
	if c == nil || !c.Open() {
		return
	}
	switch a.Outcome {
	case AnswerAccepted:
		s.closeCase(c, CaseIntercepted, "the supplier stops the parcel", now)
	case AnswerRejected:
		s.caseUnstoppable(c, a.Reason, now)
	default:
		c.Status = CaseDeciding
		s.raise(now, "case/"+c.Key, "the supplier of %s does not say whether parcel %s was stopped: resolve case %s as %s or %s",
			c.PO, c.Tracking, c.Key, CaseIntercepted, CaseAbsorbed)
	}
}

// Refunded: the price of these units went back, amount in minor units.
func (s *State) Refunded(lines []ShippedLine, amount int64, text string, now time.Time) {
	s.done(StepRefund, "")
	s.Refunds++
	s.Money.Refunded += amount
	s.Refunding, s.RefundPaid, s.Repaying = nil, false, false
	for _, u := range lines {
		s.line(u.Line).Refunded += u.Quantity
	}
	s.tell(now, "%s", text)
}

// Recorded: the decisions up to the snapshot are in Postgres, and its notices in the outbox.
func (s *State) Recorded(notices int) {
	s.done(StepRecord, "")
	s.Notices = slices.Clone(s.Notices[notices:])
}

// SettledNow: the ledger is closed.
func (s *State) SettledNow(text string, now time.Time) {
	s.done(StepSettle, "")
	s.Settled = s.LastFact == s.SettleFact // what came meanwhile is settled next
	s.tell(now, "%s", text)
}

// Stalled notes that a step could not be done for so long that a person should know. It stays
// under way until Again.
func (s *State) Stalled(step Step, why string, now time.Time) {
	s.raise(now, stalledKey(step), "%s keeps failing and is tried again: %s", step.Kind, why)
}

// Again makes a stalled step due again.
func (s *State) Again(step Step) {
	s.done(step.Kind, step.Subject)
	s.unbegin(step)
	if step.Kind == StepRefund {
		s.RefundPaid = false
	}
}

// Woken: what a stalled step rests for has come, and it is due before its rest is over.
func (s *State) Woken(step Step) bool { return step.Kind == StepRefund && s.RefundPaid }

// Resumed notes that a step that had stalled went through.
func (s *State) Resumed(step Step) { s.lower(stalledKey(step)) }

func stalledKey(step Step) string { return "stalled/" + string(step.Kind) + "/" + step.Subject }

// MissedFacts notes that facts came which could not be read.
func (s *State) MissedFacts() { s.Missed = true }

// CaughtUp takes the facts that were fetched: all after the newest that the order had.
func (s *State) CaughtUp(facts []Fact, now time.Time) {
	s.done(StepCatchUp, "")
	s.Missed = false
	for _, f := range facts {
		if f.Unknown() && f.Seq == s.LastFact+1 && !s.IgnoresUnknown {
			s.passOver(f.Seq, now)
			continue
		}
		s.Apply(f, now)
	}
}

// passOver puts a fact before a person that this release cannot read from Postgres either: waiting for one that can
// would hold up all that comes after it.
func (s *State) passOver(seq int64, now time.Time) {
	s.LastFact, s.Settled, s.Unrecorded = seq, false, true
	s.raise(now, "unknown-fact", "fact %d of the order is of a kind that this release does not know, and was passed over: see to what it says by hand", seq)
}

// AddressTaken ends the taking of a new address.
func (s *State) AddressTaken() { s.done(StepAddress, "") }

// Recover makes a recorded state ready to go on from in a new run: what was under way then is not
// any more, and a send that was is one nobody knows the end of.
func (s *State) Recover() {
	s.Busy = nil
	s.Settled = false
	s.Unrecorded = true // a snapshot may have been under way
	for i := range s.POs {
		po := &s.POs[i]
		if po.Phase == Sending {
			po.Phase = DeliveryUnknown
		}
		for j := range po.Withdrawals {
			if po.Withdrawals[j].Status == Asking {
				po.Withdrawals[j].Status = Wanted
			}
		}
	}
	for i := range s.Cases {
		if s.Cases[i].Status == CaseIntercepting {
			s.Cases[i].Status = CaseOpened
		}
	}
}
