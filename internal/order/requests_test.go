package order

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func doubtful(v *Verdict) { v.Doubts = []string{"velocity"} }

func TestHeldOrderIsCancelledWhenNobodyReviews(t *testing.T) {
	t.Parallel()
	b := setup(t, doubtful)
	b.notDue(StepRoute)
	require.True(t, b.attention("review"))
	b.pass(4 * time.Hour)
	require.True(t, b.attention("review-escalated"))
	b.pass(68 * time.Hour)
	require.Empty(t, b.s.Attention)
	b.settle()
	require.Equal(t, StageCancelled, b.s.Stage())
	require.Equal(t, []Line{
		{Line: 1, SKU: "MUG", Ordered: 3, Cancelled: 3, Refunded: 3}, {Line: 2, SKU: "TEE", Ordered: 2, Cancelled: 2, Refunded: 2},
	}, b.s.Lines)
}

func TestReviewEndsItsCallsForAPerson(t *testing.T) {
	t.Parallel()
	b := setup(t, doubtful)
	b.pass(4 * time.Hour)
	require.NoError(t, b.s.CanReview(ReviewApprove))
	b.s.TakeReview(ReviewApprove, "an operator", b.now)
	require.Empty(t, b.s.Attention)
	b.begin(StepRoute)
}

func TestCancellingAHeldOrderEndsItsReview(t *testing.T) {
	t.Parallel()
	b := setup(t, doubtful)
	b.cancel("r")
	require.Nil(t, b.s.Hold)
	require.Empty(t, b.s.Attention)
	b.settle()
}

func TestCancelBeforeValidationCancelsBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	s := State{Key: Key{Storefront: "shop", Order: "1001"}}
	r := CancelRequest{ID: "r", Lines: []ShippedLine{{1, 2}, {1, -5}, {7, 1}}}
	require.NoError(t, s.CanCancel(r))
	s.Cancel(r, monday)
	s.Cancel(r, monday)
	s.ValidatedWith(Verdict{Policy: policy, Lines: []Line{{Line: 1, SKU: "MUG", Ordered: 3}}}, monday)
	require.NoError(t, s.Check())
	require.Equal(t, Line{Line: 1, SKU: "MUG", Ordered: 3, Unassigned: 1, Cancelled: 2}, s.Lines[0])
}

func TestDoubleCancelCancelsOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.cancel("r", ShippedLine{1, 1})
	reply := b.cancel("r", ShippedLine{1, 1})
	require.Empty(t, reply.Cancelled)
	require.Equal(t, int64(1), b.s.Lines[0].Cancelled)
}

func TestCancelTellsWhatIsDoneAndWhatIsAsked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 2})
	b.submit(1)
	reply := b.cancel("r", ShippedLine{1, 3})
	require.Equal(t, []ShippedLine{{1, 1}}, reply.Cancelled)
	require.Equal(t, []ShippedLine{{1, 2}}, reply.Asked)
	require.Equal(t, "1 unit is cancelled; the price goes back to the customer. "+
		"2 units are already with suppliers: they have been asked to give them back, and their answer decides.", reply.Message)
}

func TestCancelAfterScanIsRefusedWithWhatCanBeDone(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	b.scan("T1", ParcelInTransit)
	for _, step := range []struct {
		milestone Milestone
		want      string
	}{
		{ParcelInTransit, "nothing is left to cancel: parcel T1 was scanned by the carrier at Mon 2 Mar 09:00:00 +00:00; it can be refused at the door or returned"},
		{ParcelDelivered, "nothing is left to cancel: parcel T1 was delivered; ask for a return instead"},
	} {
		b.scan("T1", step.milestone)
		require.EqualError(t, b.s.CanCancel(CancelRequest{ID: "r"}), step.want)
	}
}

func TestCancelOfMoreThanIsLeftIsRefused(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.cancel("r1", ShippedLine{1, 2})
	require.EqualError(t, b.s.CanCancel(CancelRequest{ID: "r2", Lines: []ShippedLine{{1, 2}}}),
		"line 1: 2 units cannot be cancelled, 1 can: Acme has already been asked to cancel and has not answered yet")
	require.Error(t, b.s.CanCancel(CancelRequest{ID: "r2", Lines: []ShippedLine{{1, 0}}}))
	require.Error(t, b.s.CanCancel(CancelRequest{ID: "r2", Lines: []ShippedLine{{9, 1}}}))
	require.Error(t, b.s.CanCancel(CancelRequest{}))
}

func TestAddressIsNotChangedOnceASendMayHaveGotThrough(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.s.CanChangeAddress(false))
	step := b.begin(StepRoute)
	require.Error(t, b.s.CanChangeAddress(false), "suppliers are being chosen for the old country")
	require.NoError(t, b.s.CanChangeAddress(true))
	b.s.Again(step)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	require.NoError(t, b.s.CanChangeAddress(true))
	require.Error(t, b.s.CanChangeAddress(false))
	b.begin(StepDispatch)
	require.Error(t, b.s.CanChangeAddress(true))
	b.s.Dispatched(b.number(1), b.result(DispatchUnknown), b.now)
	b.begin(StepLookUp)
	b.s.Dispatched(b.number(1), b.result(DispatchAbsent), b.now)
	require.Equal(t, Created, b.po(1).Phase)
	require.Error(t, b.s.CanChangeAddress(true), "the first send may still arrive, with the old address")
}

func TestNothingIsSentWhileAnyAddressIsBeingTaken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	b.s.Begin(Step{Kind: StepAddress})
	b.s.Begin(Step{Kind: StepAddress})
	b.s.AddressTaken()
	b.notDue(StepDispatch)
	b.s.AddressTaken()
	b.begin(StepDispatch)
}

func TestUnreadableCancelIsShownUntilACancelIsRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.s.Unreadable("cancel", b.now)
	require.True(t, b.attention("unreadable/cancel"))
	b.cancel("r", ShippedLine{1, 1})
	require.False(t, b.attention("unreadable/cancel"))
}

func TestUnreadableCancelIsNobodysBusinessOnceTheOrderIsComplete(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.s.Unreadable("cancel", b.now)
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	b.s.Tick(b.now)
	require.True(t, b.attention("unreadable/cancel"), "something can still be cancelled")
	b.s.POs[0].Lines[0].Units, b.s.POs[0].Lines[1].Units = Units{Delivered: 3}, Units{Delivered: 2}
	b.s.Tick(b.now)
	require.False(t, b.attention("unreadable/cancel"))
}

func TestRepeatedFactIsKnownByItsNumber(t *testing.T) {
	t.Parallel()
	b := sent(t)
	f := Fact{Seq: 1, Acknowledge: b.ack(1)}
	f.Acknowledge.Whole = AckAccepted
	b.s.Apply(f, b.now)
	before := encode(&b.s)
	b.s.Apply(f, b.now.Add(time.Hour))
	require.Equal(t, before, encode(&b.s))
}
