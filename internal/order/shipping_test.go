package order

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestShipNoticeWithoutAckStopsTheAckClock(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	require.True(t, b.deadline("ack/"+b.number(1)).IsZero())
	require.Equal(t, monday.Add(48*time.Hour), b.deadline("ship/"+b.number(1)))
	b.pass(3 * time.Hour)
	require.Empty(t, b.po(1).Withdrawals)
}

func TestShipNoticeInTheSameTaskAsTheAckDeadlineCounts(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.now = b.now.Add(5 * time.Hour)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	require.Empty(t, b.po(1).Withdrawals)
}

func TestLabelDoesNotStopTheShipClock(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	b.pass(48 * time.Hour)
	require.Equal(t, []string{"ship"}, b.po(1).Breached)
	b.notDue(StepWithdraw) // the storefront's grace
	b.pass(24 * time.Hour)
	require.Equal(t, []ShippedLine{{1, 3}, {2, 2}}, b.answer(AnswerAccepted).Lines)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	require.Equal(t, Units{Rerouted: 3}, b.units(1, 1))
}

func TestFirstScanStopsTheShipClock(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	b.scan("T1", ParcelInTransit)
	require.Empty(t, b.s.Deadlines())
	b.pass(1000 * time.Hour)
	require.Empty(t, b.po(1).Withdrawals)
	require.Equal(t, StageShipped, b.s.Stage())
}

func TestShipClockThatRunsOutAgainGoesToAPersonAndNeverStops(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.pass(72 * time.Hour)
	b.answer(AnswerRejected)
	for range 30 {
		next := b.deadline("ship/" + b.number(1))
		require.False(t, next.IsZero())
		require.Less(t, next.Sub(b.now), 32*24*time.Hour)
		b.now = next
		b.tick()
		b.notDue(StepWithdraw)
	}
	require.True(t, b.attention("ship/"+b.number(1)))
	require.NoError(t, b.s.CanResolve(b.number(1)+"-c1", "", ""))
	b.s.ResolveWithdrawal(b.number(1)+"-c1", true, b.now)
	b.tick()
	require.False(t, b.attention("ship/"+b.number(1)))
	require.Equal(t, []ShippedLine{{1, 3}, {2, 2}}, b.begin(StepRoute).Lines)
}

func TestScanWinsOverACancelThatIsStillUnanswered(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.cancel("r")
	b.answer(AnswerPending)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	require.Equal(t, Units{CancelRequested: 3}, b.units(1, 1), "a label does not decide the race")
	b.scan("T1", ParcelInTransit)
	require.Equal(t, Units{Shipped: 3}, b.units(1, 1))
	b.cancelAnswer(1, b.number(1)+"-c1", false)
	b.scan("T1", ParcelDelivered)
	require.Empty(t, b.s.Cases)
	b.settle()
	require.Zero(t, b.s.Lines[0].Refunded)
}

func TestCancelConfirmedAfterTheLabelCancels(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	b.cancel("r", ShippedLine{1, 3})
	b.answer(AnswerAccepted)
	require.Equal(t, Units{Cancelled: 3}, b.units(1, 1))
	require.Equal(t, []ShippedLine{{2, 2}}, b.po(1).Parcels[0].Lines, "the supplier is not owed for a label")
	require.Equal(t, []ShippedLine{{1, 3}}, b.refund())
}

func TestWithdrawalWhoseUnitsAllWentOutIsNotAskedAnyMore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	b.begin(StepDispatch)
	b.ship(1, "T1", ShippedLine{1, 3})
	require.NoError(t, b.s.CanCancel(CancelRequest{ID: "r", Lines: []ShippedLine{{1, 3}}}))
	b.s.Cancel(CancelRequest{ID: "r", Lines: []ShippedLine{{1, 3}}}, b.now)
	b.scan("T1", ParcelInTransit)
	b.notDue(StepWithdraw) // without lines it would read as a request to cancel everything
	require.Equal(t, Units{Pending: 2}, b.units(1, 2))
}

func TestShipmentAfterConfirmedCancelOpensACase(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.cancel("r")
	b.answer(AnswerAccepted)
	b.refund()
	b.ship(1, "T1", ShippedLine{1, 3})
	require.Len(t, b.s.Cases, 1)
	require.Equal(t, DuplicateShipment, b.s.Cases[0].Kind)
	require.Equal(t, int64(600), b.s.Cases[0].Value)
	step := b.begin(StepIntercept)
	b.s.Intercepted(step.Subject, Answer{Outcome: AnswerRejected, Reason: "too late"}, b.now)
	require.True(t, b.attention("case/"+step.Subject), "600 is more than may be written off")
	require.NoError(t, b.s.CanResolve("", step.Subject, CaseAbsorbed))
	b.s.ResolveCase(step.Subject, CaseAbsorbed, b.now)
	b.settle()
}

func TestInterceptAnsweredByWebhookIsNoCancellationOfTheOrder(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	b.ship(1, "T2", ShippedLine{3, 1})
	step := b.begin(StepIntercept)
	b.s.Intercepted(step.Subject, Answer{Outcome: AnswerPending}, b.now)
	b.cancelAnswer(1, "intercept/"+step.Subject, true)
	require.Equal(t, CaseIntercepted, b.s.Cases[0].Status)
	require.Equal(t, Units{Labelled: 3}, b.units(1, 1))
	require.Empty(t, b.s.Attention)
}

func TestAParcelThatAlsoCarriesWantedGoodsIsNotIntercepted(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{1, 4}, ShippedLine{2, 2})
	require.Equal(t, OverShipment, b.s.Cases[0].Kind)
	require.Equal(t, CaseAbsorbed, b.s.Cases[0].Status, "200 may be written off")
	b.notDue(StepIntercept)
}

func TestALineThatThePurchaseOrderDoesNotHaveIsNeverWrittenOffUnseen(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{9, 4})
	step := b.begin(StepIntercept)
	b.s.Intercepted(step.Subject, Answer{Outcome: AnswerRejected}, b.now)
	require.Equal(t, CaseDeciding, b.s.Cases[0].Status)
	b.scan("T1", ParcelInTransit)
	b.scan("T1", ParcelDelivered)
}

func TestShipmentBeforeAnyoneElseWasAskedIsTakenBack(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.ackWhole(1, AckRejected)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	require.Equal(t, Units{Labelled: 3}, b.units(1, 1))
	require.Empty(t, b.s.Cases)
	b.notDue(StepRoute)
	b.pass(72 * time.Hour)
	b.begin(StepWithdraw) // and its label is watched like any other
}

func TestGoodsForTheOldAddressAreNotTakenBack(t *testing.T) {
	t.Parallel()
	b := sent(t)
	b.ackWhole(1, AckRejected)
	b.pass(time.Minute)
	require.NoError(t, b.s.CanChangeAddress(true))
	b.s.ChangedAddress("US", b.now)
	b.ship(1, "T1", ShippedLine{1, 3})
	require.Len(t, b.s.Cases, 1)
	require.Equal(t, []ShippedLine{{1, 3}, {2, 2}}, b.begin(StepRoute).Lines)
}

func TestALabelPrintedAnewIsNoSurplus(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	b.ship(1, "T2", ShippedLine{1, 3}, ShippedLine{2, 2})
	require.Empty(t, b.s.Cases)
	b.scan("T2", ParcelInTransit)
	require.Equal(t, Units{Shipped: 3}, b.units(1, 1))
	b.scan("T2", ParcelDelivered)
	require.True(t, b.s.complete())
	b.scan("T1", ParcelInTransit)
	require.Equal(t, OverShipment, b.s.Cases[0].Kind, "the first label moves after all: now it is one")
	require.Equal(t, []ShippedLine{{1, 3}, {2, 2}}, b.s.Cases[0].Lines)
}

func TestLostParcelIsRefunded(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	b.scan("T1", ParcelInTransit)
	b.scan("T1", ParcelLost)
	require.Equal(t, []ShippedLine{{1, 3}, {2, 2}}, b.notices(NoticeLost)[0].Lines)
	require.Equal(t, StageShipped, b.s.Stage(), "nothing was delivered")
	require.Equal(t, "lost", b.s.RefundReason([]ShippedLine{{1, 3}}))
	require.Equal(t, []ShippedLine{{1, 3}, {2, 2}}, b.refund())
	b.settle()
}

func TestALabelThatTheCarrierNeverScannedIsNotLost(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	b.scan("T1", ParcelLost)
	require.Equal(t, Units{Labelled: 3}, b.units(1, 1))
	require.False(t, b.deadline("ship/"+b.number(1)).IsZero())
	b.notDue(StepRefund)
}

func TestDeliveredNeverGoesBack(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	b.scan("T1", ParcelDelivered)
	for _, m := range []Milestone{ParcelInTransit, ParcelException, ParcelReturning, ParcelLost, ParcelLabelled, ParcelDelivered} {
		b.scan("T1", m)
		require.Equal(t, Units{Delivered: 3}, b.units(1, 1), m)
		require.Equal(t, ParcelDelivered, b.po(1).Parcels[0].Milestone)
	}
	require.Empty(t, b.s.Attention)
	b.settle()
	require.Equal(t, StageSettled, b.s.Stage())
}

func TestAnExceptionAsksForAPersonUntilTheParcelMovesOn(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	b.scan("T1", ParcelException)
	require.True(t, b.attention("parcel/T1"))
	b.scan("T1", ParcelInTransit)
	require.False(t, b.attention("parcel/T1"))
}

func TestOneTrackingNumberForTwoPurchaseOrdersTellsOfBoth(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 3})
	b.s.Supply.TryAt = time.Time{}
	b.route(ShippedLine{2, 2})
	b.submit(1)
	b.submit(2)
	b.ship(1, "T1", ShippedLine{1, 3})
	b.ship(2, "T1", ShippedLine{2, 2})
	b.scan("T1", ParcelInTransit)
	b.scan("T1", ParcelLost)
	require.Len(t, b.notices(NoticeLost), 2)
	require.Equal(t, []ShippedLine{{1, 3}, {2, 2}}, b.refund())
}

func TestShipmentOfARefusedOrderIsWatched(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	b.begin(StepDispatch)
	b.s.Dispatched(b.number(1), Dispatch{Outcome: DispatchRefused, Reason: "will not take it"}, b.now)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	require.Equal(t, Units{Labelled: 3}, b.units(1, 1))
	require.True(t, b.attention("clock/"+b.number(1)), "it has no deadline, so a person watches")
	b.scan("T1", ParcelInTransit)
	require.False(t, b.attention("clock/"+b.number(1)))
}
