package conformance

import (
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/supplier"
)

func (b *testBundle) cancelUnits(key string, want supplier.CancelOutcome, lines ...order.ShippedLine) supplier.CancelReceipt {
	request := b.cancellation(key)
	request.Lines = lines
	receipt, err := b.channel.Cancel(b.ctx, request)
	require.NoError(b.t, err)
	require.Equal(b.t, want, receipt.Outcome)
	require.False(b.t, receipt.At.IsZero())
	return receipt
}

// gaveBack checks what the supplier has given back, and that it still knows what was ordered.
func (b *testBundle) gaveBack(want map[int]int64, cancelled bool, requests int) {
	b.holdsOnce()
	entry := b.books.Entry(b.po.Number)
	require.Equal(b.t, want, entry.GivenBack)
	require.Equal(b.t, cancelled, entry.Cancelled)
	require.Equal(b.t, requests, entry.Cancellations)
}

func someUnitsAreCancelledAndTheRestShips(b *testBundle) {
	b.submit()
	first := b.cancelUnits("c1", supplier.CancelAccepted, order.ShippedLine{Line: 1, Quantity: 2})
	require.Equal(b.t, first, b.cancelUnits("c1", supplier.CancelAccepted, order.ShippedLine{Line: 1, Quantity: 2}))
	b.gaveBack(map[int]int64{1: 2}, false, 1)
	standing, err := b.channel.LookUp(b.ctx, b.po.Number)
	require.NoError(b.t, err)
	require.False(b.t, standing.Cancelled)

	require.NoError(b.t, b.books.AwaitShipment(b.ctx, b.po.Number))
	standing, err = b.channel.LookUp(b.ctx, b.po.Number)
	require.NoError(b.t, err)
	require.False(b.t, standing.Cancelled)
	require.Len(b.t, standing.Shipments, 1)
	require.Equal(b.t, []order.ShippedLine{{Line: 1, Quantity: 1}, {Line: 2, Quantity: 1}}, standing.Shipments[0].Lines)
}

func moreThanIsLeftIsRejected(b *testBundle) {
	b.submit()
	b.cancelUnits("c1", supplier.CancelAccepted, order.ShippedLine{Line: 1, Quantity: 2})
	// One line that cannot be given back keeps the other, too.
	refused := b.cancelUnits("c2", supplier.CancelRejected, order.ShippedLine{Line: 1, Quantity: 2}, order.ShippedLine{Line: 2, Quantity: 1})
	require.NotEmpty(b.t, refused.Reason)
	b.gaveBack(map[int]int64{1: 2}, false, 2)
	b.cancelUnits("c3", supplier.CancelAccepted, order.ShippedLine{Line: 1, Quantity: 1})
	b.gaveBack(map[int]int64{1: 3}, false, 3)
	// A repeat shows the answer it had, although there is less to give back by now.
	b.cancelUnits("c1", supplier.CancelAccepted, order.ShippedLine{Line: 1, Quantity: 2})
	b.cancel("c4", supplier.CancelAccepted) // whatever is left
	b.gaveBack(map[int]int64{1: 3, 2: 1}, true, 4)
	standing, err := b.channel.LookUp(b.ctx, b.po.Number)
	require.NoError(b.t, err)
	require.True(b.t, standing.Cancelled)
}

func shippedUnitsAreNotCancelled(b *testBundle) {
	b.shipped()
	b.cancelUnits("c1", supplier.CancelRejected, order.ShippedLine{Line: 1, Quantity: 1})
	b.gaveBack(map[int]int64{}, false, 1)
}

func lostAnswerForSomeUnitsComesAgain(b *testBundle) {
	b.submit()
	request := b.cancellation("c1")
	request.Lines = []order.ShippedLine{{Line: 1, Quantity: 1}}
	_, err := b.channel.Cancel(b.ctx, request)
	b.requireKind(err, supplier.ErrUnknown)
	b.cancelUnits("c1", supplier.CancelAccepted, request.Lines...)
	b.gaveBack(map[int]int64{1: 1}, false, 1)
}
