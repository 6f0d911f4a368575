package returns

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
)

func TestEachStageOfAReturnHasItsOneAnswerToACancellation(t *testing.T) {
	t.Parallel()
	paid := func(b *bench) { b.parcel(order.ParcelDelivered); b.found(2, AsNew, false) }
	for _, c := range []struct {
		stage Stage
		lead  func(*bench)
		says  string
	}{
		{StageAuthorising, func(b *bench) { b.s.Authorised = false }, ""},
		{StageAwaiting, func(*bench) {}, ""},
		{StageInTransit, func(b *bench) { b.parcel(order.ParcelInTransit) }, "the parcel is on its way"},
		{StageInTransit, func(b *bench) { b.parcel(order.ParcelReturning) }, ""},
		{StageReceived, func(b *bench) { b.parcel(order.ParcelDelivered) }, "the parcel is on its way"},
		{StageDeciding, func(b *bench) { b.found(2, WrongGoods, true) }, "the goods are back or paid for"},
		{StageCredit, paid, "the goods are back or paid for"},
		{StageClosed, func(b *bench) { paid(b); b.memoOf("CM-1", 760) }, "the goods are back or paid for"},
		{StageExpired, func(b *bench) { b.wait(15 * day) }, "has expired"},
		{StageCancelled, func(b *bench) { b.s.Cancel(CancelRequest{ID: "first", By: "customer"}, b.now); b.perform(true) }, "is cancelled already"},
	} {
		b := granted(t, ChangedMind, nil)
		c.lead(b)
		require.Equal(t, c.stage, b.s.Stage())
		r := CancelRequest{ID: "c", By: "customer"}
		err := b.s.CanCancel(r)
		if c.says != "" {
			require.ErrorContains(t, err, c.says, c.stage)
			continue
		}
		require.NoError(t, err, c.stage)
		b.s.Cancel(r, b.now)
		require.NoError(t, b.s.CanCancel(r), "the same request again is the same answer")
		b.perform(true)
		require.Equal(t, StageCancelled, b.s.Stage())
		require.True(t, b.s.Finished())
		require.Zero(t, b.s.Paid)
	}
}

func TestAReturnParcelThatGoesBackToTheCustomerIsAPersonsUntilItComes(t *testing.T) {
	t.Parallel()
	b := granted(t, ChangedMind, nil)
	b.parcel(order.ParcelReturning)
	require.Len(t, b.s.Attention, 1)
	require.Contains(t, b.s.Attention[0].Text, "back to the customer")
	b.parcel(order.ParcelDelivered)
	require.Empty(t, b.s.Attention)
	b.found(2, AsNew, false)
	require.EqualValues(t, 2, b.paid[1])
}

func TestALostParcelIsBelievedUpToAValueAndAPersonsAboveIt(t *testing.T) {
	t.Parallel()
	for limit, paid := range map[int64]int64{0: 2, 2800: 2, 2799: 0} {
		b := granted(t, ChangedMind, func(p *Policy, _ *Grant) { p.LostUpTo = limit })
		b.parcel(order.ParcelInTransit)
		b.parcel(order.ParcelLost)
		require.Equal(t, paid, b.paid[1], limit)
		if paid > 0 {
			require.True(t, b.s.Finished())
			continue
		}
		require.Equal(t, StageDeciding, b.s.Stage())
		require.Contains(t, b.s.Attention[0].Text, "the carrier lost the parcel")
		b.decides(Decision{Line: 1, ShareBP: 10_000})
		require.EqualValues(t, 2, b.paid[1])
		require.True(t, b.s.Finished())
	}
}

func TestAWrongItemThatComesBackForAnExchangeSendsNothing(t *testing.T) {
	t.Parallel()
	b := swapped(t, nil)
	b.parcel(order.ParcelDelivered)
	b.found(2, WrongGoods, true)
	require.Equal(t, StageDeciding, b.s.Stage())
	require.Zero(t, b.exchanges)
	b.decides(Decision{Line: 1, ShareBP: 0})
	require.Zero(t, b.exchanges)
	require.EqualValues(t, 500, b.supplement, "what was paid in addition goes back whatever a person rules")
	require.True(t, b.s.Finished())
}

func TestGoodsThatComeAfterAllCountAsFoundOnlyWhereTheReturnWasGrantedSo(t *testing.T) {
	t.Parallel()
	for _, counts := range []bool{false, true} {
		b := granted(t, ChangedMind, func(_ *Policy, g *Grant) { g.Terms.CountsFinds = counts })
		b.parcel(order.ParcelInTransit)
		b.parcel(order.ParcelLost)
		require.EqualValues(t, 2, b.paid[1])
		b.parcel(order.ParcelDelivered)
		b.found(2, AsNew, true)
		require.EqualValues(t, 2, b.paid[1], "paid once")
		if counts {
			require.Equal(t, map[Condition]int64{AsNew: 2}, b.s.Lines[0].Found)
			require.Zero(t, b.s.Lines[0].Surplus)
			continue
		}
		require.Equal(t, map[Condition]int64{LostOnTheWay: 2}, b.s.Lines[0].Found)
		require.EqualValues(t, 2, b.s.Lines[0].Surplus, "a history that began before goes on as it began")
	}
}
