package order

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAcknowledgmentInTheSameTaskAsItsDeadlineCounts(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.now = b.now.Add(5 * time.Hour) // a worker was away across the deadline
	a := b.ack(1)
	a.Whole, a.At = AckAccepted, monday.Add(time.Hour)
	b.apply(Fact{Acknowledge: a})
	b.tick()
	require.Empty(t, b.po(1).Withdrawals)
	require.Empty(t, b.po(1).Breached)
	require.Equal(t, Units{Accepted: 3}, b.units(1, 1))
}

func TestAcknowledgmentAfterItsDeadlineIsJudgedByTheSuppliersClock(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.now = b.now.Add(3 * time.Hour)
	b.apply(Fact{Acknowledge: &Acknowledgment{Document: "a", PO: b.number(1), At: b.now, Whole: AckAccepted}})
	b.tick()
	require.Equal(t, []string{"acknowledge"}, b.po(1).Breached)
	require.Empty(t, b.po(1).Withdrawals, "late, but before anybody had acted on it")
}

func TestDoubleAckChangesNothing(t *testing.T) {
	t.Parallel()
	b := sent(t)
	a := b.ack(1, AckLine{Line: 1, Status: AckAccepted, Quantity: 2}, AckLine{Line: 1, Status: AckRejected, Quantity: 1},
		AckLine{Line: 2, Status: AckAccepted, Quantity: 2})
	b.learn(Fact{Acknowledge: a})
	before := b.s.Clone()
	b.learn(Fact{Acknowledge: a}) // under another number
	later := *a
	later.Document, later.At = "z", a.At.Add(time.Minute)
	b.learn(Fact{Acknowledge: &later}) // the same words, said again
	require.Equal(t, before.Lines, b.s.Lines)
	require.Equal(t, before.POs[0].Lines, b.s.POs[0].Lines)
	require.Empty(t, b.po(1).Withdrawals)
}

func TestAnOlderAckThatComesLaterChangesNothing(t *testing.T) {
	t.Parallel()
	b := sent(t)
	older := b.ack(1)
	older.Whole = AckRejected
	b.now = b.now.Add(time.Minute)
	b.ackWhole(1, AckAccepted)
	b.learn(Fact{Acknowledge: older})
	require.Equal(t, Units{Accepted: 3}, b.units(1, 1))
}

func TestAckThenRejectReleasesTheUnits(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.pass(time.Hour)
	b.ackWhole(1, AckRejected)
	require.Equal(t, Units{Rejected: 3}, b.units(1, 1))
	step := b.begin(StepRoute)
	require.Equal(t, []ShippedLine{{1, 3}, {2, 2}}, step.Lines)
	require.Contains(t, b.s.Exclusions, Exclusion{Supplier: "s1", SKU: "MUG", Reason: "rejected by the supplier"})
}

func TestAnswersThatDoNotCoverTheLineLeaveTheRestWhereItStood(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.pass(time.Minute)
	b.ackLines(1, AckLine{Line: 1, Status: AckBackordered, Quantity: 1})
	require.Equal(t, Units{Accepted: 2, Backordered: 1}, b.units(1, 1))
	require.Equal(t, Units{Accepted: 2}, b.units(1, 2), "an answer for one line says nothing of the other")
	b.pass(time.Minute)
	b.ackLines(1, AckLine{Line: 1, Status: AckRejected, Quantity: 1})
	require.Equal(t, Units{Accepted: 2, Rejected: 1}, b.units(1, 1))
}

func TestALineTheSupplierInventsIsIgnored(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.ackLines(1, AckLine{Line: 7, Status: AckAccepted, Quantity: 1}, AckLine{Line: 1, Status: AckAccepted, Quantity: 3})
	require.Equal(t, Units{Accepted: 3}, b.units(1, 1))
	require.Equal(t, Units{Pending: 2}, b.units(1, 2))
	require.False(t, b.deadline("ack/"+b.number(1)).IsZero())
}

func TestPartBackorderedMovesOnlyThoseUnits(t *testing.T) {
	t.Parallel()
	b := sent(t, func(v *Verdict) { v.Policy.Backorder = BackorderMove })
	b.ackLines(1, AckLine{Line: 1, Status: AckAccepted, Quantity: 1}, AckLine{Line: 1, Status: AckBackordered, Quantity: 2},
		AckLine{Line: 2, Status: AckAccepted, Quantity: 2})
	step := b.answer(AnswerAccepted)
	require.Equal(t, []ShippedLine{{1, 2}}, step.Lines)
	require.Equal(t, Units{Accepted: 1, Rerouted: 2}, b.units(1, 1))
	require.Equal(t, []ShippedLine{{1, 2}}, b.begin(StepRoute).Lines)
}

func TestBackorderedLinesOfOneOrderAreEachTold(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.ackLines(1, AckLine{Line: 1, Status: AckBackordered, Quantity: 3}, AckLine{Line: 2, Status: AckBackordered, Quantity: 2})
	told := b.notices(NoticeBackordered)
	require.Len(t, told, 2)
	require.NotEqual(t, told[0].Key, told[1].Key)
}

func TestABackorderThatTheSupplierKeepsGoesToAPersonAndIsNotAskedForAgainAndAgain(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.ackLines(1, AckLine{Line: 1, Status: AckBackordered, Quantity: 3}, AckLine{Line: 2, Status: AckAccepted, Quantity: 2})
	b.ship(1, "T2", ShippedLine{2, 2})
	b.scan("T2", ParcelInTransit)
	b.pass(96 * time.Hour)
	b.answer(AnswerRejected)
	require.Equal(t, Units{Backordered: 3}, b.units(1, 1))
	require.False(t, b.attention("backorder/"+b.number(1)))
	b.pass(96 * time.Hour)
	require.True(t, b.attention("backorder/"+b.number(1)))
	b.notDue(StepWithdraw)
	require.True(t, b.deadline("backorder/"+b.number(1)).After(b.now.Add(time.Hour)), "the clock goes on, slowly")
	b.ship(1, "T1", ShippedLine{1, 3})
	require.False(t, b.attention("backorder/"+b.number(1)))
}

func TestARefusedWithdrawalDoesNotExtendTheWaitForOtherBackorders(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.ackLines(1, AckLine{Line: 1, Status: AckBackordered, Quantity: 3}, AckLine{Line: 2, Status: AckAccepted, Quantity: 2})
	until := b.deadline("backorder/" + b.number(1))
	b.pass(time.Hour)
	b.cancel("r", ShippedLine{2, 2})
	b.answer(AnswerRejected)
	require.Equal(t, until, b.deadline("backorder/"+b.number(1)))
}

func TestPriceChangeOutsideContractIsWithdrawn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.routeTo(Terms{AcceptPriceBP: 500}, ShippedLine{1, 3}, ShippedLine{2, 2})
	b.submit(1)
	b.ackLines(1, AckLine{Line: 1, Status: AckPriceChanged, Quantity: 3, UnitCost: 210}, AckLine{Line: 2, Status: AckPriceChanged, Quantity: 2, UnitCost: 211})
	require.Equal(t, int64(210), b.po(1).line(1).UnitCost, "five percent are within the contract")
	require.Equal(t, int64(200), b.po(1).line(2).UnitCost)
	require.Equal(t, []ShippedLine{{2, 2}}, b.answer(AnswerAccepted).Lines)
	require.Equal(t, Units{Rerouted: 2}, b.units(1, 2))
}

func TestSmallPriceRisesDoNotAddUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.routeTo(Terms{AcceptPriceBP: 500}, ShippedLine{1, 3}, ShippedLine{2, 2})
	b.submit(1)
	for _, cost := range []int64{208, 216} {
		b.pass(time.Minute)
		b.ackLines(1, AckLine{Line: 1, Status: AckPriceChanged, Quantity: 3, UnitCost: cost}, AckLine{Line: 2, Status: AckAccepted, Quantity: 2})
	}
	require.Equal(t, int64(208), b.po(1).line(1).UnitCost)
	require.Equal(t, Units{CancelRequested: 3}, b.units(1, 1))
}

func TestASubstituteShipsNothingUnlessOrderedAnew(t *testing.T) {
	t.Parallel()
	for _, accept := range []bool{false, true} {
		b := setup(t)
		b.routeTo(Terms{AcceptSubstitutes: accept}, ShippedLine{1, 3}, ShippedLine{2, 2})
		b.submit(1)
		b.ackLines(1, AckLine{Line: 1, Status: AckSubstitutionOffered, Quantity: 3, SupplierSKU: "OTHER"}, AckLine{Line: 2, Status: AckAccepted, Quantity: 2})
		require.Equal(t, Units{Rejected: 3}, b.units(1, 1))
		require.Equal(t, []ShippedLine{{1, 3}}, b.begin(StepRoute).Lines)
		require.Empty(t, b.po(1).Withdrawals, "there is nothing to cancel")
	}
}

func TestHeldUnitsAskForAPersonUntilNoneIsHeld(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.ackLines(1, AckLine{Line: 1, Status: AckOnHold, Quantity: 3}, AckLine{Line: 2, Status: AckAccepted, Quantity: 2})
	require.True(t, b.attention("hold/"+b.number(1)), "the answer for line 2 does not end the hold of line 1")
	b.pass(time.Minute)
	b.ackWhole(1, AckAccepted)
	require.False(t, b.attention("hold/"+b.number(1)))
}

func TestLateAckAfterFailoverIsRefused(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.pass(3 * time.Hour)
	b.answer(AnswerAccepted)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	b.submit(2)
	b.ackWhole(2, AckAccepted)
	b.ackWhole(1, AckAccepted)
	require.Equal(t, Units{Rerouted: 3}, b.units(1, 1))
	require.Equal(t, Units{Accepted: 3}, b.units(2, 1))
	step := b.begin(StepRepeatCancel)
	require.Equal(t, b.number(1), step.PO)
	b.s.RepeatedCancellation(step.PO)
	b.notDue(StepRepeatCancel)
	b.pass(time.Minute)
	b.ackWhole(1, AckAccepted)
	b.notDue(StepRepeatCancel)
	require.True(t, b.attention("claims/"+b.number(1)), "told twice already: now a person tells it")
}

func TestAckForUnitsThatAPartOfWasLostIsNotTakenAtItsWord(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.ackLines(1, AckLine{Line: 1, Status: AckAccepted, Quantity: 2}, AckLine{Line: 1, Status: AckRejected, Quantity: 1}, AckLine{Line: 2, Status: AckAccepted, Quantity: 2})
	b.pass(time.Minute)
	b.ackWhole(1, AckAccepted)
	require.Equal(t, Units{Accepted: 2, Rejected: 1}, b.units(1, 1))
	require.True(t, b.attention("claims/"+b.number(1)))
}

func TestAckInTheReceiptCountsAfterAShipNoticeOvertookIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	b.begin(StepDispatch)
	b.ship(1, "T1", ShippedLine{1, 1})
	d := b.result(DispatchSubmitted)
	d.Ack = &Acknowledgment{Document: "a", PO: b.number(1), At: b.now, Whole: AckAccepted}
	b.s.Dispatched(b.number(1), d, b.now)
	b.tick()
	require.Equal(t, Units{Accepted: 2, Labelled: 1}, b.units(1, 1))
	b.pass(3 * time.Hour)
	require.Empty(t, b.po(1).Withdrawals)
}

func TestRejectionOfUnitsThatAreBeingAskedBackNeverReleasesMoreThanTheSupplierGaveUp(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.cancel("r", ShippedLine{1, 1})
	b.begin(StepWithdraw)
	b.pass(time.Minute)
	// The supplier has cancelled that unit, and says so here before its answer arrives.
	b.ackLines(1, AckLine{Line: 1, Status: AckAccepted, Quantity: 2}, AckLine{Line: 1, Status: AckRejected, Quantity: 1})
	b.s.Withdrawn(b.number(1), b.number(1)+"-c1", Answer{Outcome: AnswerAccepted}, b.now)
	b.tick()
	require.Equal(t, Units{Accepted: 2, Cancelled: 1}, b.units(1, 1))
}

func TestRejectionOfEverythingNeedsNoOtherAnswer(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.cancel("r")
	b.answer(AnswerPending)
	b.pass(time.Minute)
	b.ackWhole(1, AckRejected)
	require.Equal(t, Units{Cancelled: 3}, b.units(1, 1))
	require.Nil(t, b.po(1).openWithdrawal())
	var told int64
	for _, n := range b.notices(NoticeCancelled) {
		told += count(n.Lines)
	}
	require.Equal(t, int64(5), told)
	b.settle()
	require.Equal(t, StageCancelled, b.s.Stage())
}
