package order

import (
	"slices"
	"time"
)

// StepKind is something to do now.
type StepKind string

// The steps an order can ask for.
const (
	StepValidate     StepKind = "validate"
	StepRoute        StepKind = "route"
	StepDispatch     StepKind = "dispatch"
	StepLookUp       StepKind = "look_up"
	StepWithdraw     StepKind = "withdraw"
	StepRepeatCancel StepKind = "repeat_cancellation"
	StepIntercept    StepKind = "intercept"
	StepRefund       StepKind = "refund"
	StepRecord       StepKind = "record"
	StepSettle       StepKind = "settle"
	// StepCatchUp reads facts that the order should have had and has not.
	StepCatchUp StepKind = "catch_up"
	// StepAddress is under way while a new address is taken; nothing is sent meanwhile.
	StepAddress StepKind = "address"
)

// Step is one thing to do. Kind and Subject are its identity.
type Step struct {
	Kind    StepKind
	Subject string // PO number, withdrawal key or case key; empty for the order as a whole
	PO      string
	Lines   []ShippedLine
}

func (k StepKind) key(subject string) string { return string(k) + " " + subject }

func (s *State) busy(k StepKind, subject string) bool {
	return slices.Contains(s.Busy, k.key(subject))
}

func (s *State) done(k StepKind, subject string) {
	// Two addresses may be taken at once; each ends for itself.
	if i := slices.Index(s.Busy, k.key(subject)); i >= 0 {
		s.Busy = slices.Delete(s.Busy, i, i+1)
	}
}

// Begin marks a step as under way. What a step changes while it runs is marked here.
func (s *State) Begin(step Step) {
	s.Busy = append(s.Busy, step.Kind.key(step.Subject))
	switch step.Kind {
	case StepDispatch:
		po := s.PO(step.PO)
		po.Phase = Sending
		po.Sends++
	case StepWithdraw:
		w := s.PO(step.PO).Withdrawal(step.Subject)
		w.Status, w.Conditional, w.Owed = Asking, w.OnlyIfSilent(), true
	case StepIntercept:
		s.Case(step.Subject).Status = CaseIntercepting
	case StepRefund:
		s.Refunding = slices.Clone(step.Lines)
		s.Overpaid, s.Repaying = false, s.Overpaid || s.Repaying
	case StepRecord:
		s.snapshot()
	case StepRoute:
		s.snapshot()
		s.Supply.Asked = slices.Clone(step.Lines)
	case StepSettle:
		s.snapshot()
		s.SettleFact = s.LastFact
	}
}

func (s *State) snapshot() {
	s.Unrecorded = false
	s.Revision++
}

// recording: a snapshot is on its way to Postgres. One at a time, so that an older one never
// overtakes a newer.
func (s *State) recording() bool {
	return s.busy(StepRecord, "") || s.busy(StepRoute, "") || s.busy(StepSettle, "")
}

// unbegin makes a step due again after it could not be done.
func (s *State) unbegin(step Step) {
	switch step.Kind {
	case StepDispatch:
		if po := s.PO(step.PO); po.Phase == Sending {
			// Nobody can say whether one of the attempts got through.
			po.Phase = DeliveryUnknown
		}
	case StepWithdraw:
		if w := s.PO(step.PO).Withdrawal(step.Subject); w.Status == Asking {
			w.Status = Wanted
		}
	case StepIntercept:
		if c := s.Case(step.Subject); c.Status == CaseIntercepting {
			c.Status = CaseOpened
		}
	case StepRecord, StepRoute, StepSettle:
		s.Unrecorded = true
	}
}

// Steps lists what is due now and not under way, in the order in which it should be begun.
func (s *State) Steps() []Step {
	var due []Step
	add := func(step Step) {
		if !s.busy(step.Kind, step.Subject) {
			due = append(due, step)
		}
	}
	if s.Missed {
		add(Step{Kind: StepCatchUp})
	}
	if !s.Validated {
		add(Step{Kind: StepValidate})
		return due
	}
	sending := s.Hold == nil && !s.busy(StepAddress, "")
	if left := s.toRoute(); sending && len(left) > 0 && !s.recording() {
		add(Step{Kind: StepRoute, Lines: left})
	}
	for i := range s.POs {
		s.purchaseOrderSteps(&s.POs[i], sending, add)
	}
	for i := range s.Cases {
		if c := &s.Cases[i]; c.Status == CaseOpened {
			add(Step{Kind: StepIntercept, Subject: c.Key, PO: c.PO})
		}
	}
	if lines := s.refundDue(); len(lines) > 0 || s.Overpaid || s.Repaying {
		add(Step{Kind: StepRefund, Lines: lines})
	}
	// Routing and settling record the order too, in the same transaction.
	if (s.Unrecorded || len(s.Notices) > 0) && !s.recording() && !contains(due, StepRoute) {
		add(Step{Kind: StepRecord})
	}
	if s.complete() && !s.Settled && len(due) == 0 && len(s.Busy) == 0 {
		add(Step{Kind: StepSettle})
	}
	return due
}

func contains(steps []Step, kind StepKind) bool {
	return slices.ContainsFunc(steps, func(s Step) bool { return s.Kind == kind })
}

func (s *State) purchaseOrderSteps(po *PurchaseOrder, sending bool, add func(Step)) {
	switch po.Phase {
	case Created:
		// What is sent is read from Postgres: units that were cancelled before have to be off it first.
		stale := po.totals().Cancelled > 0 && (s.Unrecorded || s.recording())
		if po.Live() > 0 && sending && !stale {
			add(Step{Kind: StepDispatch, Subject: po.Number, PO: po.Number})
		}
	case DeliveryUnknown:
		if po.Live() == 0 {
			return // nobody waits for it any more; should it ship, the parcel opens a case
		}
		add(Step{Kind: StepLookUp, Subject: po.Number, PO: po.Number})
	case Submitted:
		for i := range po.Withdrawals {
			if w := &po.Withdrawals[i]; w.Status == Wanted {
				add(Step{Kind: StepWithdraw, Subject: w.Key, PO: po.Number, Lines: w.Lines()})
			}
		}
	}
	if po.LateAck == LateAckReceived {
		add(Step{Kind: StepRepeatCancel, Subject: po.Number, PO: po.Number})
	}
}

// toRoute is the units that suppliers are to be chosen for now.
func (s *State) toRoute() []ShippedLine {
	switch {
	case len(s.Supply.Asked) > 0:
		return slices.Clone(s.Supply.Asked)
	case s.Supply.TryAt.IsZero():
		return s.unassigned()
	}
	return nil
}

func (s *State) unassigned() []ShippedLine {
	var left []ShippedLine
	for i := range s.Lines {
		left = addLine(left, s.Lines[i].Line, s.Lines[i].Unassigned)
	}
	return left
}

// refundDue is the units whose price is owed and has not gone back. A refund that was tried before is
// tried again as it was.
func (s *State) refundDue() []ShippedLine {
	if len(s.Refunding) > 0 {
		return slices.Clone(s.Refunding)
	}
	var lines []ShippedLine
	for i := range s.Lines {
		l := &s.Lines[i]
		lines = addLine(lines, l.Line, s.gone(l)-l.Refunded)
	}
	return lines
}

// complete: every unit has come to its end and nothing is open with anybody.
func (s *State) complete() bool {
	for i := range s.Lines {
		if s.Lines[i].Unassigned > 0 {
			return false
		}
	}
	for i := range s.POs {
		po := &s.POs[i]
		t := po.totals()
		if t.Live() != t.Terminal() || po.openWithdrawal() != nil || po.LateAck == LateAckReceived {
			return false
		}
		if po.Phase == Sending || (po.Phase == DeliveryUnknown && po.Live() > 0) {
			return false
		}
	}
	for i := range s.Cases {
		if s.Cases[i].Open() {
			return false
		}
	}
	return s.Validated
}

// Finished: the order is settled and asks for nothing more.
func (s *State) Finished() bool {
	return s.Settled && s.complete() && len(s.Steps()) == 0 && len(s.Busy) == 0
}

// Deadline is a moment that changes the order if nothing comes before it.
type Deadline struct {
	Key string
	At  time.Time
	// Text says whom and what it waits for, in words for an operator.
	Text string
	// SLA: the supplier's contract sets it.
	SLA bool
}

// Deadlines lists what the order waits for, one per purchase order and purpose, in a fixed order.
func (s *State) Deadlines() []Deadline {
	var d []Deadline
	if s.Hold != nil {
		if !s.Hold.Escalated && s.Hold.EscalateAt.Before(s.Hold.CancelAt) {
			d = append(d, Deadline{Key: "review", At: s.Hold.EscalateAt, Text: "A person reviews the order; then it is escalated"})
		} else {
			d = append(d, Deadline{Key: "review", At: s.Hold.CancelAt, Text: "A person reviews the order; then it is cancelled and refunded"})
		}
	}
	if !s.Supply.TryAt.IsZero() {
		d = append(d, Deadline{Key: "supply", At: s.Supply.TryAt, Text: "Look for a supplier again"})
	}
	for i := range s.POs {
		d = append(d, s.POs[i].deadlines(&s.Policy)...)
	}
	return d
}

func (p *PurchaseOrder) deadlines(policy *Policy) []Deadline {
	var d []Deadline
	for i := range p.Withdrawals {
		if w := &p.Withdrawals[i]; w.Status == Awaiting && !w.ConfirmBy.IsZero() {
			d = append(d, Deadline{Key: "cancel/" + w.Key, At: w.ConfirmBy, SLA: true, Text: p.Terms.Name + " answers the cancellation of " + p.Number})
		}
	}
	t := p.totals()
	if p.Phase == DeliveryUnknown && t.Pending > 0 && !p.AckDueAt.IsZero() {
		d = append(d, Deadline{Key: "ack/" + p.Number, At: p.AckDueAt, SLA: true, Text: p.Terms.Name + " acknowledges " + p.Number + " by " + Clock(p.AckDueAt) + ", if it has it"})
	}
	if p.Phase != Submitted {
		return d
	}
	if until := p.waitUntil(); !until.IsZero() {
		d = append(d, Deadline{Key: "backorder/" + p.Number, At: until, Text: p.Terms.Name + " ships the backordered units of " + p.Number})
	}
	switch {
	case t.Pending > 0 && len(p.RemindAt) > 0 && (p.AckDueAt.IsZero() || p.RemindAt[0].Before(p.AckDueAt)):
		d = append(d, Deadline{Key: "ack/" + p.Number, At: p.RemindAt[0], Text: p.Terms.Name + " acknowledges " + p.Number + "; then it is reminded"})
	case t.Pending > 0 && !p.AckDueAt.IsZero():
		d = append(d, Deadline{Key: "ack/" + p.Number, At: p.AckDueAt, SLA: true, Text: p.Terms.Name + " acknowledges " + p.Number + " by " + Clock(p.AckDueAt)})
	case t.Accepted+t.OnHold+t.Labelled > 0 && !p.ShipDueAt.IsZero():
		d = append(d, p.shipDeadline(policy))
	}
	return d
}

func (p *PurchaseOrder) shipDeadline(policy *Policy) Deadline {
	d := Deadline{Key: "ship/" + p.Number, At: p.ShipDueAt, SLA: true, Text: p.Terms.Name + " ships " + p.Number + " by " + Clock(p.ShipDueAt)}
	switch {
	case !p.breached("ship"):
		return d
	case p.ShipAsked || policy.ShipHold:
		d.Text += "; it is late, and a person decides"
	default:
		d.Text += "; it is late, and is asked to give the units back"
	}
	d.At = d.At.Add(policy.ShipGrace)
	return d
}

// waitUntil is when the first wait for backordered units ends; zero when there is none.
func (p *PurchaseOrder) waitUntil() time.Time {
	var first time.Time
	for i := range p.Lines {
		pl := &p.Lines[i]
		if pl.Units.Backordered > 0 && !pl.WaitUntil.IsZero() && (first.IsZero() || pl.WaitUntil.Before(first)) {
			first = pl.WaitUntil
		}
	}
	return first
}

// SLADeadline is the next moment at which a supplier breaks its contract; zero when no clock runs.
func (s *State) SLADeadline() time.Time {
	var next time.Time
	for i := range s.POs {
		p := &s.POs[i]
		t := p.totals()
		var at time.Time
		switch {
		case p.Phase != Submitted && p.Phase != DeliveryUnknown:
		case t.Pending > 0:
			at = p.AckDueAt
		case t.Accepted+t.OnHold+t.Labelled > 0:
			at = p.ShipDueAt
		}
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// Tick lets every deadline that has passed take effect. Facts must be applied first: an
// acknowledgment that came in time counts even if its deadline passed in the same moment.
func (s *State) Tick(now time.Time) {
	if h := s.Hold; h != nil {
		s.tickHold(h, now)
	}
	if !s.Supply.TryAt.IsZero() && !now.Before(s.Supply.TryAt) {
		s.Supply.TryAt = time.Time{}
	}
	for i := range s.POs {
		s.tickPurchaseOrder(&s.POs[i], now)
	}
	s.tidy(now)
	// A workflow task whose worker dies is done again, and may do other things then: what it records is
	// newer than all that the lost one did. A task's time tells them apart; a counter alone would not.
	s.Revision = max(s.Revision, now.UnixMilli())
}

func (s *State) tickHold(h *Hold, now time.Time) {
	if !h.Escalated && !now.Before(h.EscalateAt) {
		h.Escalated = true
		s.raise(now, "review-escalated", "nobody has reviewed the order; it is cancelled at %s", Clock(h.CancelAt))
	}
	if !now.Before(h.CancelAt) {
		s.Hold = nil
		s.tell(now, "Nobody reviewed the order in time")
		s.Cancel(CancelRequest{ID: "review-timeout", By: "the review deadline"}, now)
	}
}

func (s *State) tickPurchaseOrder(po *PurchaseOrder, now time.Time) {
	for i := range po.Withdrawals {
		if w := &po.Withdrawals[i]; w.Status == Awaiting && !w.ConfirmBy.IsZero() && !now.Before(w.ConfirmBy) {
			s.silence(po, w, now)
		}
	}
	if po.Phase == DeliveryUnknown && po.totals().Pending > 0 {
		// A supplier that cannot even be asked breaches all the same. Its units are asked back as soon
		// as it answers, unless a person says sooner what became of them.
		s.tickAcknowledge(po, now)
	}
	if po.Phase != Submitted {
		return
	}
	if po.LateAck == LateAckCrossed {
		po.LateAck = LateAckAnswered
		s.withdraw(po, "its late acknowledgment was refused", ThenReroute, po.unscanned(), now)
	}
	if t := po.totals(); t.Pending > 0 {
		s.tickAcknowledge(po, now)
	}
	if t := po.totals(); t.Pending == 0 && t.Accepted+t.OnHold+t.Labelled > 0 && !po.ShipDueAt.IsZero() && !now.Before(po.ShipDueAt) {
		s.breachShip(po, now)
	}
	for i := range po.Lines {
		if pl := &po.Lines[i]; pl.Units.Backordered > 0 && !pl.WaitUntil.IsZero() && !now.Before(pl.WaitUntil) {
			s.backorderOver(po, pl, now)
		}
	}
}

// backorderOver asks for backordered units once the wait is over. A supplier that has already kept
// them once is left to a person; the clock goes on.
func (s *State) backorderOver(po *PurchaseOrder, pl *POLine, now time.Time) {
	if pl.Kept {
		s.raise(now, "backorder/"+po.Number, "%s keeps backordered units of %s and does not ship them: %s", po.Terms.Name, po.Number, po.wayOut())
		pl.WaitUntil = now.Add(max(s.Policy.BackorderWaitAtMost, unpromised))
		return
	}
	pl.WaitUntil = time.Time{}
	s.withdraw(po, "the wait for backordered units is over", ThenReroute,
		[]ask{{pl.Line, pl.Units.Backordered, []UnitState{Backordered}}}, now)
}

func (s *State) tickAcknowledge(po *PurchaseOrder, now time.Time) {
	for len(po.RemindAt) > 0 && !now.Before(po.RemindAt[0]) {
		due := po.RemindAt[0]
		po.RemindAt = po.RemindAt[1:]
		if !now.Before(po.AckDueAt) {
			continue // nobody looked in time: the reminder would come with the cancellation
		}
		s.notice(Notice{Key: "remind/" + po.Number + "/" + due.UTC().Format(time.RFC3339), Kind: NoticeReminder, PO: po.Number})
		s.tell(now, "%s is reminded to acknowledge %s by %s", po.Terms.Name, po.Number, Clock(po.AckDueAt))
	}
	if po.AckDueAt.IsZero() || now.Before(po.AckDueAt) {
		return
	}
	if !po.breached("acknowledge") {
		po.Breached = append(po.Breached, "acknowledge")
	}
	s.tell(now, "%s did not acknowledge %s by %s", po.Terms.Name, po.Number, Clock(po.AckDueAt))
	var asks []ask
	for i := range po.Lines {
		if n := po.Lines[i].Units.Pending; n > 0 {
			asks = append(asks, ask{po.Lines[i].Line, n, []UnitState{Pending}})
		}
	}
	s.withdraw(po, "not acknowledged in time", ThenReroute, asks, now)
}

// breachShip notes the breach at the deadline and acts when the storefront's grace is over: it asks
// for the units that no carrier has scanned. A supplier that has already kept them once, or whose
// storefront wants a person to decide, is left to a person; the clock goes on.
func (s *State) breachShip(po *PurchaseOrder, now time.Time) {
	if !po.breached("ship") {
		po.Breached = append(po.Breached, "ship")
		s.tell(now, "%s did not ship %s by %s", po.Terms.Name, po.Number, Clock(po.ShipDueAt))
		s.Unrecorded = true
	}
	if now.Before(po.ShipDueAt.Add(s.Policy.ShipGrace)) {
		return
	}
	if po.ShipAsked || s.Policy.ShipHold {
		s.raise(now, "ship/"+po.Number, "%s keeps %s and does not ship it: %s", po.Terms.Name, po.Number, po.wayOut())
		s.extendShipping(po, now)
		return
	}
	po.ShipAsked = true
	var asks []ask
	for i := range po.Lines {
		u := &po.Lines[i].Units
		if n := u.Accepted + u.OnHold + u.Labelled; n > 0 {
			asks = append(asks, ask{po.Lines[i].Line, n, []UnitState{OnHold, Accepted, Labelled}})
		}
	}
	s.withdraw(po, "not shipped in time", ThenReroute, asks, now)
}

// wayOut says what a person can do about units that a supplier neither ships nor gives back.
func (p *PurchaseOrder) wayOut() string {
	if n := len(p.Withdrawals); n > 0 && p.resolvable(&p.Withdrawals[n-1]) {
		return "ask it, and if it will not ship, resolve withdrawal " + p.Withdrawals[n-1].Key + " as confirmed; or wait"
	}
	return "cancel the units, or wait"
}
