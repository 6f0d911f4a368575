package order

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestASupplierCannotAnswerForAnotherSuppliersCase(t *testing.T) {
	t.Parallel()
	b := setup(t, func(v *Verdict) { v.Policy.AbsorbUpTo = 0 })
	step := b.begin(StepRoute)
	b.s.Routed(step.Lines, Routing{Decision: 1, POs: []NewPO{
		{Number: b.number(1), Supplier: "acme", Lines: []POLine{{Line: 1, SKU: "MUG", Quantity: 3, UnitCost: 200}}},
		{Number: b.number(2), Supplier: "bolt", Lines: []POLine{{Line: 2, SKU: "TEE", Quantity: 2, UnitCost: 200}}},
	}}, b.now)
	b.submit(1)
	b.submit(2)
	b.ackWhole(2, AckAccepted)
	b.ship(2, "T1", ShippedLine{2, 50})
	b.scan("T1", ParcelInTransit)
	require.Len(t, b.s.Cases, 1)
	before := b.s.Cases[0].Status

	b.cancelAnswer(1, b.s.Cases[0].Key, true)
	require.Equal(t, before, b.s.Cases[0].Status, "the case is the other supplier's")
}

func TestASupplierThatCannotBeAskedBreachesAndAPersonCanEndIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	step := b.begin(StepDispatch)
	b.s.Dispatched(step.PO, b.result(DispatchUnknown), b.now)
	require.False(t, b.s.SLADeadline().IsZero(), "a clock runs although nobody knows whether it arrived")

	look := b.begin(StepLookUp)
	b.now = b.po(1).AckDueAt.Add(time.Second)
	b.s.Stalled(look, "no answer in time", b.now)
	b.s.Again(look)
	b.s.Tick(b.now)
	require.True(t, b.s.Breached())
	require.Equal(t, Wanted, b.po(1).Withdrawals[0].Status, "asked back as soon as it answers")

	b.s.Cancel(CancelRequest{ID: "c"}, b.now)
	b.s.ResolveWithdrawal(b.po(1).Withdrawals[0].Key, true, b.now)
	require.Equal(t, StageCancelled, b.s.Stage())
	b.notDue(StepLookUp)
	b.settle()
	require.True(t, b.s.Finished())
}

func TestASupplierThatOffersAndRefusesInTurnsIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	b := sent(t)
	for range 3 * mostWithdrawals {
		b.now = b.now.Add(time.Minute)
		b.ackLines(1, AckLine{Line: 1, Status: AckPriceChanged, Quantity: 3, UnitCost: 99_999})
		if w := b.po(1).openWithdrawal(); w != nil {
			b.cancelAnswer(1, w.Key, false)
		}
	}
	require.LessOrEqual(t, len(b.po(1).Withdrawals), mostWithdrawals)
	require.True(t, b.attention("withdrawals/"+b.number(1)))
}
