package order

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSendWithoutAnswerIsLookedUpAndNeverSentBlindly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	b.begin(StepDispatch)
	b.s.Dispatched(b.number(1), b.result(DispatchUnknown), b.now)
	b.notDue(StepDispatch)
	b.begin(StepLookUp)
	b.s.Dispatched(b.number(1), b.result(DispatchSubmitted), b.now)
	b.notDue(StepDispatch)
	require.Equal(t, 1, b.po(1).Sends)
}

func TestAbsentOrderIsSentOnceMoreAndThenFenced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	for range 2 {
		b.begin(StepDispatch)
		b.s.Dispatched(b.number(1), b.result(DispatchUnknown), b.now)
		b.begin(StepLookUp)
		b.s.Dispatched(b.number(1), b.result(DispatchAbsent), b.now)
	}
	b.notDue(StepDispatch)
	b.notDue(StepRoute)
	b.answer(AnswerAccepted)
	require.Equal(t, []ShippedLine{{1, 3}, {2, 2}}, b.begin(StepRoute).Lines)
}

func TestRefusedSecondSendIsFencedBecauseTheFirstMayStillArrive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	b.begin(StepDispatch)
	b.s.Dispatched(b.number(1), b.result(DispatchUnknown), b.now)
	b.begin(StepLookUp)
	b.s.Dispatched(b.number(1), b.result(DispatchAbsent), b.now)
	b.begin(StepDispatch)
	b.s.Dispatched(b.number(1), b.result(DispatchRefused), b.now)
	b.notDue(StepRoute)
	b.begin(StepWithdraw)
}

func TestRefusedOrderGoesToTheNextSupplierAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	b.begin(StepDispatch)
	b.s.Dispatched(b.number(1), Dispatch{Outcome: DispatchRefused, Reason: "will not take it"}, b.now)
	require.Equal(t, "failed", b.po(1).Status())
	b.begin(StepRoute)
}

func TestAckBeforeTheDispatchResultProvesTheSend(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	b.begin(StepDispatch)
	b.ackWhole(1, AckAccepted)
	b.s.Dispatched(b.number(1), b.result(DispatchUnknown), b.now)
	b.notDue(StepLookUp)
	require.False(t, b.deadline("ship/"+b.number(1)).IsZero(), "the clocks run from the send all the same")
}

func TestNumberHeldWithOtherContentIsFencedAndShownToAPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	b.begin(StepDispatch)
	b.s.Dispatched(b.number(1), b.result(DispatchConflict), b.now)
	require.True(t, b.attention("conflict/"+b.number(1)))
	b.notDue(StepRoute)
	b.answer(AnswerRejected)
	require.True(t, b.attention("conflict/"+b.number(1)), "what it ships is still not what was asked")
	b.s.ResolveWithdrawal(b.number(1)+"-c1", true, b.now)
	b.tick()
	require.False(t, b.attention("conflict/"+b.number(1)))
	b.begin(StepRoute)
}

func TestWhatWasCancelledIsRecordedBeforeTheRestIsSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	step := b.begin(StepRoute)
	b.cancel("r", ShippedLine{1, 1})
	b.s.Routed(step.Lines, Routing{Decision: 1, POs: []NewPO{{
		Number: b.number(1), Supplier: "s1", Terms: Terms{Name: "Acme"},
		Lines: []POLine{{Line: 1, SKU: "MUG", Quantity: 3, UnitCost: 200}, {Line: 2, SKU: "TEE", Quantity: 2, UnitCost: 200}},
	}}}, b.now)
	require.Equal(t, Units{Pending: 2, Cancelled: 1}, b.units(1, 1))
	b.notDue(StepDispatch)
	b.begin(StepRecord)
	b.notDue(StepDispatch)
	b.s.Recorded(len(b.s.Notices))
	b.begin(StepDispatch)
}

func TestCancelBeforeTheSecondSendStillFencesTheFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	b.begin(StepDispatch)
	b.s.Dispatched(b.number(1), b.result(DispatchUnknown), b.now)
	b.begin(StepLookUp)
	b.s.Dispatched(b.number(1), b.result(DispatchAbsent), b.now)
	reply := b.cancel("r")
	require.Empty(t, reply.Cancelled, "the first send may still be under way")
	b.notDue(StepDispatch)
	b.answer(AnswerAccepted)
	require.Equal(t, []ShippedLine{{1, 3}, {2, 2}}, b.refund())
	b.settle()
}

func TestARouteThatIsTriedAgainAsksTheSameQuestion(t *testing.T) {
	t.Parallel()
	b := setup(t, func(v *Verdict) { v.Policy.Backorder = BackorderCancel })
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	b.submit(1)
	b.ackLines(1, AckLine{Line: 1, Status: AckRejected, Quantity: 3}, AckLine{Line: 2, Status: AckAccepted, Quantity: 2})
	step := b.begin(StepRoute)
	b.s.Stalled(step, "no answer", b.now)
	b.pass(time.Minute)
	b.ackWhole(1, AckRejected) // more units come free while Postgres may hold the first decision
	b.s.Again(step)
	again := b.begin(StepRoute)
	require.Equal(t, []ShippedLine{{1, 3}}, again.Lines)
	b.s.Routed(again.Lines, Routing{Decision: 2, POs: []NewPO{{
		Number: b.number(2), Supplier: "s2", Terms: Terms{Name: "Bolt"}, Lines: []POLine{{Line: 1, SKU: "MUG", Quantity: 3, UnitCost: 200}},
	}}}, b.now)
	require.Zero(t, b.s.Lines[1].Cancelled, "nobody has looked for them yet")
	require.Equal(t, []ShippedLine{{2, 2}}, b.begin(StepRoute).Lines)
}

func TestNoOfferWaitsLooksAgainAndEndsInACancellation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	step := b.begin(StepRoute)
	b.s.Routed(step.Lines, Routing{Decision: 1, NoOffer: "out of stock"}, b.now)
	b.tick()
	require.Equal(t, StageBackordered, b.s.Stage())
	require.Len(t, b.notices(NoticeBackordered), 1)
	looks := 1
	for b.s.Lines[0].Cancelled == 0 {
		b.now = b.deadline("supply")
		step := b.begin(StepRoute)
		looks++
		b.s.Routed(step.Lines, Routing{Decision: looks, NoOffer: "out of stock"}, b.now)
		b.tick()
		require.Less(t, looks, 40)
	}
	require.Equal(t, monday.Add(96*time.Hour), b.now)
	require.Equal(t, []ShippedLine{{1, 3}, {2, 2}}, b.notices(NoticeCancelled)[0].Lines)
	b.settle()
	require.Equal(t, StageCancelled, b.s.Stage())
}

func TestTwoSearchesWithoutASupplierAreBothTold(t *testing.T) {
	t.Parallel()
	b := sent(t, func(v *Verdict) { v.Policy.Backorder = BackorderCancel })
	for i, line := range []int{1, 2} {
		b.pass(time.Minute)
		b.ackLines(1, AckLine{Line: line, Status: AckRejected, Quantity: b.s.line(line).Ordered})
		step := b.begin(StepRoute)
		b.s.Routed(step.Lines, Routing{Decision: i + 2, NoOffer: "out of stock"}, b.now)
	}
	told := b.notices(NoticeCancelled)
	require.Len(t, told, 2)
	require.Equal(t, []ShippedLine{{1, 3}}, told[0].Lines)
	require.Equal(t, []ShippedLine{{2, 2}}, told[1].Lines)
}

func TestUnitsThatComeFreeDuringASearchAreNotMadeToWait(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.ackLines(1, AckLine{Line: 1, Status: AckRejected, Quantity: 3})
	step := b.begin(StepRoute)
	b.ackLines(1, AckLine{Line: 2, Status: AckRejected, Quantity: 2})
	b.s.Routed(step.Lines, Routing{Decision: 2, NoOffer: "out of stock"}, b.now)
	require.Equal(t, []ShippedLine{{1, 3}, {2, 2}}, b.begin(StepRoute).Lines)
}

func TestStepThatStalledIsShownToAPersonUntilItGoesThrough(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	step := b.begin(StepDispatch)
	b.s.Stalled(step, "no answer in time", b.now)
	b.notDue(StepDispatch)
	b.s.Again(step)
	require.True(t, b.attention("stalled/dispatch/"+b.number(1)))
	b.ackWhole(1, AckAccepted) // it had arrived
	require.False(t, b.attention("stalled/dispatch/"+b.number(1)))
	b.notDue(StepDispatch)
}

func TestARefundThatIsTriedAgainGivesBackTheSame(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.cancel("r1", ShippedLine{1, 1})
	step := b.begin(StepRefund)
	b.s.Stalled(step, "no answer", b.now)
	b.cancel("r2", ShippedLine{1, 1})
	b.s.Again(step)
	require.Equal(t, []ShippedLine{{1, 1}}, b.refund(), "its amount was fixed under its key")
	require.Equal(t, []ShippedLine{{1, 1}}, b.refund())
	require.Equal(t, 2, b.s.Refunds)
}

func TestNewsDuringTheSettlementIsSettledToo(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	b.scan("T1", ParcelDelivered)
	b.begin(StepSettle)
	b.ship(1, "T2", ShippedLine{1, 1})
	b.s.SettledNow("Settled", b.now)
	require.False(t, b.s.Settled)
	step := b.begin(StepIntercept)
	b.s.Intercepted(step.Subject, Answer{Outcome: AnswerRejected}, b.now)
	b.settle()
	require.True(t, b.s.Settled)
}

func TestARecoveredOrderAsksWhatBecameOfWhatWasUnderWay(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.cancel("r", ShippedLine{1, 1})
	b.begin(StepWithdraw)
	b.ship(1, "T1", ShippedLine{9, 1})
	b.begin(StepIntercept)
	b.begin(StepRecord)
	text, err := json.Marshal(&b.s)
	require.NoError(t, err)
	var again State
	require.NoError(t, json.Unmarshal(text, &again))
	again.Recover()
	again.Tick(b.now)
	var kinds []StepKind
	for _, step := range again.Steps() {
		kinds = append(kinds, step.Kind)
	}
	require.Equal(t, []StepKind{StepWithdraw, StepIntercept, StepRecord}, kinds)
}
