package order

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bundle is one order whose life a test tells step by step.
type bundle struct {
	t   *testing.T
	s   State
	now time.Time
	pos int
	doc int
}

// policy is a storefront that waits four days for backorders and gives suppliers a day's grace.
var policy = Policy{
	Backorder: BackorderWait, BackorderWaitAtMost: 96 * time.Hour, ShipGrace: 24 * time.Hour,
	ReviewEscalateAfter: 4 * time.Hour, ReviewCancelAfter: 72 * time.Hour, AbsorbUpTo: 500,
}

// setup validates an order of three MUG and two TEE.
func setup(t *testing.T, change ...func(*Verdict)) *bundle {
	t.Helper()
	b := &bundle{t: t, now: monday, s: State{Key: Key{Storefront: "shop", Order: "1001"}}}
	v := Verdict{
		Currency: "USD", Country: "US", Policy: policy,
		Lines: []Line{{Line: 1, SKU: "MUG", Ordered: 3}, {Line: 2, SKU: "TEE", Ordered: 2}},
	}
	for _, f := range change {
		f(&v)
	}
	b.begin(StepValidate)
	b.s.ValidatedWith(v, b.now)
	return b
}

// sent is an order whose lines are all with one supplier, which has the purchase order.
func sent(t *testing.T, change ...func(*Verdict)) *bundle {
	t.Helper()
	b := setup(t, change...)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	b.submit(1)
	return b
}

// acknowledged is one whose supplier has accepted all of it.
func acknowledged(t *testing.T, change ...func(*Verdict)) *bundle {
	t.Helper()
	b := sent(t, change...)
	b.ackWhole(1, AckAccepted)
	return b
}

func (b *bundle) number(n int) string { return b.s.Key.PurchaseOrderNumber(n) }

func (b *bundle) po(n int) *PurchaseOrder { return b.s.PO(b.number(n)) }

func (b *bundle) units(n, line int) Units { return b.po(n).line(line).Units }

func (b *bundle) tick() {
	b.t.Helper()
	b.s.Tick(b.now)
	require.NoError(b.t, b.s.Check())
	for _, d := range b.s.Deadlines() {
		require.True(b.t, d.At.After(b.now), "deadline %s has passed and is still waited for", d.Key)
	}
}

func (b *bundle) pass(d time.Duration) {
	b.t.Helper()
	b.now = b.now.Add(d)
	b.tick()
}

// begin starts the step that must be due.
func (b *bundle) begin(kind StepKind) Step {
	b.t.Helper()
	b.tick()
	for _, step := range b.s.Steps() {
		if step.Kind == kind {
			b.s.Begin(step)
			return step
		}
	}
	require.Fail(b.t, "step is not due", "%s is not among %v", kind, b.s.Steps())
	return Step{}
}

func (b *bundle) notDue(kind StepKind) {
	b.t.Helper()
	b.tick()
	for _, step := range b.s.Steps() {
		require.NotEqual(b.t, kind, step.Kind)
	}
}

// route gives lines to the next purchase order, at 2.00 a unit.
func (b *bundle) route(lines ...ShippedLine) {
	b.t.Helper()
	b.routeTo(Terms{}, lines...)
}

func (b *bundle) routeTo(terms Terms, lines ...ShippedLine) {
	b.t.Helper()
	step := b.begin(StepRoute)
	b.s.Recorded(len(b.s.Notices))
	b.pos++
	po := NewPO{Number: b.number(b.pos), Supplier: fmt.Sprintf("s%d", b.pos), Terms: terms}
	po.Terms.Name = []string{"Acme", "Bolt", "Crown"}[b.pos-1]
	for _, l := range lines {
		po.Lines = append(po.Lines, POLine{Line: l.Line, SKU: b.s.line(l.Line).SKU, Quantity: l.Quantity, UnitCost: 200})
	}
	b.s.Routed(step.Lines, Routing{Decision: b.s.Supply.Decisions + 1, POs: []NewPO{po}, NoOffer: "out of stock"}, b.now)
	b.tick()
}

func (b *bundle) result(outcome DispatchOutcome) Dispatch {
	return Dispatch{
		Outcome: outcome, Reason: "will not take it", SentAt: b.now, AckDueAt: b.now.Add(2 * time.Hour),
		RemindAt: []time.Time{b.now.Add(90 * time.Minute)}, ShipDueAt: b.now.Add(48 * time.Hour),
	}
}

// submit sends purchase order n.
func (b *bundle) submit(n int) {
	b.t.Helper()
	b.begin(StepDispatch)
	b.s.Dispatched(b.number(n), b.result(DispatchSubmitted), b.now)
	b.tick()
}

func (b *bundle) apply(f Fact) {
	b.t.Helper()
	f.Seq = b.s.LastFact + 1
	b.s.Apply(f, b.now)
	require.NoError(b.t, b.s.Check())
}

// learn applies a fact and lets what has passed take effect, as one workflow task does.
func (b *bundle) learn(f Fact) {
	b.t.Helper()
	b.apply(f)
	b.tick()
}

func (b *bundle) ack(n int, lines ...AckLine) *Acknowledgment {
	b.doc++
	return &Acknowledgment{Document: fmt.Sprintf("a%02d", b.doc), PO: b.number(n), At: b.now, Lines: lines}
}

func (b *bundle) ackLines(n int, lines ...AckLine) {
	b.t.Helper()
	b.learn(Fact{Acknowledge: b.ack(n, lines...)})
}

func (b *bundle) ackWhole(n int, status AckStatus) {
	b.t.Helper()
	a := b.ack(n)
	a.Whole = status
	b.learn(Fact{Acknowledge: a})
}

func (b *bundle) ship(n int, tracking string, lines ...ShippedLine) {
	b.t.Helper()
	b.learn(Fact{Ship: &ShipNotice{Document: "n" + tracking, PO: b.number(n), At: b.now, Carrier: "ups", Tracking: tracking, Lines: lines}})
}

func (b *bundle) scan(tracking string, m Milestone) {
	b.t.Helper()
	b.learn(Fact{Milestone: &ParcelNews{Carrier: "ups", Tracking: tracking, Milestone: m, At: b.now}})
}

// answer lets the supplier answer the withdrawal that is due.
func (b *bundle) answer(outcome string) Step {
	b.t.Helper()
	step := b.begin(StepWithdraw)
	a := Answer{Outcome: outcome, Reason: "too late"}
	if outcome == AnswerPending {
		a.ConfirmBy = b.now.Add(4 * time.Hour)
	}
	b.s.Withdrawn(step.PO, step.Subject, a, b.now)
	b.tick()
	return step
}

func (b *bundle) cancelAnswer(n int, key string, accepted bool) {
	b.t.Helper()
	b.doc++
	b.learn(Fact{CancelReply: &CancelAnswer{Document: fmt.Sprintf("c%d", b.doc), PO: b.number(n), Key: key, At: b.now, Accepted: accepted}})
}

func (b *bundle) cancel(id string, lines ...ShippedLine) CancelReply {
	b.t.Helper()
	r := CancelRequest{ID: id, Lines: lines, By: "support"}
	require.NoError(b.t, b.s.CanCancel(r))
	reply := b.s.Cancel(r, b.now)
	b.tick()
	return reply
}

func (b *bundle) refund() []ShippedLine {
	b.t.Helper()
	step := b.begin(StepRefund)
	b.s.Refunded(step.Lines, 0, "Refunded", b.now)
	b.tick()
	return step.Lines
}

// settle lets everything of our own be done and finishes the order.
func (b *bundle) settle() {
	b.t.Helper()
	for !b.s.Finished() {
		b.tick()
		steps := b.s.Steps()
		require.NotEmpty(b.t, steps, "waits for %v, attention %v", b.s.Waiting(), b.s.Attention)
		for _, step := range steps {
			b.s.Begin(step)
			switch step.Kind {
			case StepRecord:
				b.s.Recorded(len(b.s.Notices))
			case StepRefund:
				b.s.Refunded(step.Lines, 0, "Refunded", b.now)
			case StepSettle:
				b.s.SettledNow("Settled", b.now)
			default:
				require.Fail(b.t, "not ours to do", "%v", step)
			}
		}
	}
}

func (b *bundle) attention(key string) bool {
	for _, a := range b.s.Attention {
		if a.Key == key {
			return true
		}
	}
	return false
}

func (b *bundle) deadline(key string) time.Time {
	for _, d := range b.s.Deadlines() {
		if d.Key == key {
			return d.At
		}
	}
	return time.Time{}
}

func (b *bundle) notices(kind NoticeKind) []Notice {
	var list []Notice
	for _, n := range b.s.Notices {
		if n.Kind == kind {
			list = append(list, n)
		}
	}
	return list
}
