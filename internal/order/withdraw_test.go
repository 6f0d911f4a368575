package order

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSilentSupplierIsFencedBeforeFailover(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.pass(90 * time.Minute)
	require.Len(t, b.notices(NoticeReminder), 1)
	b.pass(30 * time.Minute)
	require.Equal(t, []string{"acknowledge"}, b.po(1).Breached)
	b.notDue(StepRoute)
	b.answer(AnswerPending)
	b.notDue(StepRoute)
	b.pass(4 * time.Hour)
	require.Equal(t, Silent, b.po(1).Withdrawals[0].Status)
	require.Equal(t, []ShippedLine{{1, 3}, {2, 2}}, b.begin(StepRoute).Lines)
}

func TestSupplierThatKeepsOnSilenceIsLeftToAPersonAgainAndAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.routeTo(Terms{KeepOnSilence: true}, ShippedLine{1, 3}, ShippedLine{2, 2})
	b.submit(1)
	b.pass(2 * time.Hour)
	step := b.answer(AnswerPending)
	b.pass(4 * time.Hour)
	require.True(t, b.attention("cancel/"+step.Subject))
	for range 3 {
		b.notDue(StepRoute)
		require.Equal(t, b.now.Add(24*time.Hour), b.deadline("cancel/"+step.Subject))
		b.pass(24 * time.Hour)
	}
	require.NoError(t, b.s.CanResolve(step.Subject, "", ""))
	b.s.ResolveWithdrawal(step.Subject, true, b.now)
	require.False(t, b.attention("cancel/"+step.Subject))
	b.begin(StepRoute)
}

func TestAnOrderThatNobodyAnswersLooksRarer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.routeTo(Terms{KeepOnSilence: true, LooksRarer: true}, ShippedLine{1, 3}, ShippedLine{2, 2})
	b.submit(1)
	b.pass(2 * time.Hour)
	step := b.answer(AnswerPending)
	b.pass(4 * time.Hour)
	for _, days := range []int{1, 1, 2, 4, 7, 7, 7} {
		wait := time.Duration(days*24) * time.Hour
		require.Equal(t, b.now.Add(wait), b.deadline("cancel/"+step.Subject))
		b.pass(wait)
		require.True(t, b.attention("cancel/"+step.Subject))
	}
	b.s.ResolveWithdrawal(step.Subject, true, b.now)
	b.begin(StepRoute)
}

func TestAPromiseWithoutATimeStillEnds(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.cancel("r")
	step := b.begin(StepWithdraw)
	b.s.Withdrawn(step.PO, step.Subject, Answer{Outcome: AnswerPending}, b.now)
	require.Equal(t, b.now.Add(24*time.Hour), b.deadline("cancel/"+step.Subject))
}

func TestSupplierThatAcknowledgedAfterItWasAskedKeepsTheOrderWhenItStaysSilent(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.pass(2 * time.Hour)
	b.answer(AnswerPending)
	b.ackWhole(1, AckAccepted)
	b.pass(4 * time.Hour)
	require.Equal(t, Units{Accepted: 3}, b.units(1, 1))
	b.notDue(StepRoute)
}

func TestBackorderOfUnitsThatAreAskedBackIsRemembered(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.pass(2 * time.Hour)
	b.answer(AnswerPending)
	b.ackWhole(1, AckBackordered)
	b.cancelAnswer(1, b.number(1)+"-c1", false)
	require.Equal(t, Units{Backordered: 3}, b.units(1, 1))
	require.False(t, b.deadline("backorder/"+b.number(1)).IsZero())
}

func TestSupplierCancelsOnItsOwn(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{1, 2})
	b.scan("T1", ParcelInTransit)
	b.pass(time.Minute)
	b.cancelAnswer(1, "", true)
	b.notDue(StepRoute) // what it had shipped may still have to be told
	require.Equal(t, []ShippedLine{{1, 1}, {2, 2}}, b.answer(AnswerAccepted).Lines)
	require.Equal(t, Units{Shipped: 2, Rerouted: 1}, b.units(1, 1))
	require.Equal(t, []ShippedLine{{1, 1}, {2, 2}}, b.begin(StepRoute).Lines)
}

func TestSupplierCancelsOnItsOwnAfterItHadRefusedToCancel(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.cancel("r", ShippedLine{1, 1})
	b.answer(AnswerRejected)
	b.pass(time.Hour)
	b.cancelAnswer(1, "", true)
	require.Equal(t, []ShippedLine{{1, 3}, {2, 2}}, b.begin(StepWithdraw).Lines)
}

func TestAnAnswerWithoutAKeyThatFitsTwoQuestionsIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.cancel("r1", ShippedLine{1, 1})
	b.answer(AnswerPending)
	b.cancel("r2", ShippedLine{2, 1})
	b.answer(AnswerPending)
	b.pass(time.Minute)
	b.cancelAnswer(1, "", true)
	require.True(t, b.attention("answer/"+b.number(1)))
	require.Equal(t, Units{Accepted: 2, CancelRequested: 1}, b.units(1, 1))
	require.Equal(t, Units{Accepted: 1, CancelRequested: 1}, b.units(1, 2))
}

func TestAnAnswerWithoutAKeyThatOvertakesThePromiseCounts(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.cancel("r", ShippedLine{1, 1})
	step := b.begin(StepWithdraw)
	b.pass(time.Minute)
	b.cancelAnswer(1, "", false)
	b.s.Withdrawn(step.PO, step.Subject, Answer{Outcome: AnswerPending, ConfirmBy: b.now.Add(time.Hour)}, b.now)
	require.Equal(t, Units{Accepted: 3}, b.units(1, 1))
}

func TestDoubleAnswersToACancellationChangeNothing(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.cancel("r", ShippedLine{1, 1})
	step := b.answer(AnswerAccepted)
	before := b.s.Clone()
	b.cancelAnswer(1, step.Subject, true)
	b.cancelAnswer(1, step.Subject, true)
	require.Equal(t, before.POs[0].Lines, b.s.POs[0].Lines)
	require.Equal(t, before.Lines, b.s.Lines)
}

func TestSupplierThatCancelsWhatItHadRefusedToIsTakenAtItsWord(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.cancel("r", ShippedLine{1, 1})
	step := b.answer(AnswerRejected)
	b.cancelAnswer(1, step.Subject, true)
	require.Equal(t, Units{Accepted: 2, Cancelled: 1}, b.units(1, 1))
	require.Equal(t, []ShippedLine{{1, 1}}, b.refund())
}

func TestSupplierThatRefusesAfterItWasTakenAsSilentIsToldAgain(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.pass(2 * time.Hour)
	step := b.answer(AnswerPending)
	b.pass(4 * time.Hour)
	b.cancelAnswer(1, step.Subject, false)
	require.Equal(t, b.number(1), b.begin(StepRepeatCancel).PO)
}

func TestCancelOfUnitsThatWereAskedBackUnderAConditionIsAskedWithoutOne(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.pass(2 * time.Hour)
	step := b.begin(StepWithdraw)
	require.True(t, b.po(1).Withdrawal(step.Subject).OnlyIfSilent())
	reply := b.cancel("r")
	require.Equal(t, int64(5), count(reply.Asked))
	// Its acknowledgment had arrived, so the supplier was not asked at all.
	b.s.Withdrawn(step.PO, step.Subject, Answer{Outcome: AnswerRejected}, b.now)
	again := b.answer(AnswerAccepted)
	require.NotEqual(t, step.Subject, again.Subject)
	require.Equal(t, Units{Cancelled: 3}, b.units(1, 1))
}

func TestUnitsAskedBackArePartlyTurnedIntoACancellation(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.pass(2 * time.Hour)
	b.cancel("r", ShippedLine{1, 1})
	b.answer(AnswerAccepted)
	require.Equal(t, Units{Cancelled: 1, Rerouted: 2}, b.units(1, 1))
	require.Equal(t, []ShippedLine{{1, 2}, {2, 2}}, b.begin(StepRoute).Lines)
	require.Equal(t, []ShippedLine{{1, 1}}, b.refund())
}

func TestWithdrawalIsOnTheConditionOfSilenceOnlyIfNothingWasEverHeard(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.ackLines(1, AckLine{Line: 1, Status: AckAccepted, Quantity: 3})
	b.pass(2 * time.Hour)
	require.Equal(t, []ShippedLine{{2, 2}}, b.po(1).Withdrawals[0].Lines())
	require.False(t, b.po(1).Withdrawals[0].OnlyIfSilent(), "the answer for line 1 would call the question about line 2 off")
}

func TestWithdrawalKeysFitTheProtocol(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.cancel("r", ShippedLine{1, 1})
	b.ship(1, "T1", ShippedLine{9, 1})
	for _, key := range []string{b.po(1).Withdrawals[0].Key, b.s.Cases[0].Key} {
		require.Regexp(t, `^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`, key)
	}
}
