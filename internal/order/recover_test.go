package order

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// delivered is an order whose goods have arrived and whose books are closed.
func delivered(t *testing.T) *bundle {
	t.Helper()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	b.scan("T1", ParcelDelivered)
	b.settle()
	require.Equal(t, StageSettled, b.s.Stage())
	return b
}

func TestNewsReopensASettledOrder(t *testing.T) {
	t.Parallel()
	b := delivered(t)
	b.ship(1, "T2", ShippedLine{1, 1})
	require.NotEqual(t, StageSettled, b.s.Stage())
	step := b.begin(StepIntercept)
	b.s.Intercepted(step.Subject, Answer{Outcome: AnswerAccepted}, b.now)
	b.settle()
	require.Equal(t, StageSettled, b.s.Stage())
}

func TestARecoveredOrderIsSettledAnew(t *testing.T) {
	t.Parallel()
	b := delivered(t)
	b.s.Recover()
	b.begin(StepRecord)
	b.s.Recorded(len(b.s.Notices))
	b.begin(StepSettle)
}

func TestNothingGoesBackForGoodsThatMayStillArrive(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.cancel("c1", ShippedLine{2, 2})
	b.answer(AnswerPending)
	b.notDue(StepRefund)
	b.ship(1, "T1", ShippedLine{1, 3})
	b.scan("T1", ParcelInTransit)
	b.notDue(StepRefund)
	b.scan("T1", ParcelLost)
	require.Equal(t, []ShippedLine{{1, 3}}, b.refund())
}

func TestASendUnderWayIsOneNobodyKnowsTheEndOfAfterARecovery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	b.begin(StepDispatch)
	b.s.Recover()
	b.notDue(StepDispatch)
	b.begin(StepLookUp)
}
