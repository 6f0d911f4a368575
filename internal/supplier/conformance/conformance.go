// Package conformance is the suite that every supplier channel passes: what the order may rely on
// whatever the channel's technology, judged by the supplier's own books.
package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/supplier"
)

// Scene is how the supplier at the other end behaves.
type Scene string

// The scenes that a channel's Books can set.
const (
	Good             Scene = "good"              // takes orders, ships nothing, accepts cancellations
	AcksInResponse   Scene = "acks_in_response"  // accepts with the receipt
	LosesAnswer      Scene = "loses_answer"      // takes the order; the first answer is lost
	FailsUntaken     Scene = "fails_untaken"     // the first attempt fails without an answer; not taken
	ErrorInDisguise  Scene = "error_in_disguise" // a success on the outside, an error on the inside; not taken
	Refuses          Scene = "refuses"
	Unavailable      Scene = "unavailable" // at first; asks to come again after RetryAfter
	Ships            Scene = "ships"       // at once, whole, in one parcel; accepts intercepts
	ShipsLater       Scene = "ships_later" // some seconds after it took the order: what is left of it, in one parcel
	RejectsCancel    Scene = "rejects_cancel"
	PendingCancel    Scene = "pending_cancel"    // promises an answer that does not come
	LosesCancel      Scene = "loses_cancel"      // accepts; the first answer is lost
	RejectsIntercept Scene = "rejects_intercept" // ships, and cannot stop the parcel
)

// RetryAfter is what the supplier asks for in the scene Unavailable.
const RetryAfter = 7 * time.Second

// Books show what the supplier knows.
type Books interface {
	// Play sets the scene, before anything is sent.
	Play(t *testing.T, scene Scene)
	// Entry is what the supplier holds under a number.
	Entry(number string) Entry
	// AwaitShipment waits until a parcel of the order left.
	AwaitShipment(ctx context.Context, number string) error
}

// Entry is one purchase order in the supplier's books.
type Entry struct {
	Orders        int           // distinct orders under the number: 0 or 1, unless all is lost
	Units         map[int]int64 // ordered, by line
	GivenBack     map[int]int64 // units that were cancelled, by line; lines without any are missing
	Cancelled     bool          // every unit was given back
	Cancellations int           // distinct requests
	Intercepts    int
}

// Order is the purchase order that the suite sends.
func Order() supplier.PurchaseOrder {
	return supplier.PurchaseOrder{
		Number: order.Key{Storefront: "shop", Order: "1001"}.PurchaseOrderNumber(1), Supplier: "acme", Currency: "USD",
		OrderedAt: time.Date(2026, 3, 2, 15, 4, 5, 0, time.UTC), Method: "ground",
		ShipTo: supplier.Address{Name: "Pat Miller", Street1: "5 Elm St", City: "Dover", Region: "DE", PostalCode: "19901", Country: "US"},
		Lines: []supplier.PurchaseOrderLine{
			{Line: 1, SKU: "MUG", SupplierSKU: "A-MUG", Quantity: 3, UnitCost: 450},
			{Line: 2, SKU: "TEE", SupplierSKU: "A-TEE", Quantity: 1, UnitCost: 1299},
		},
	}
}

var units = map[int]int64{1: 3, 2: 1}

type testBundle struct {
	t       *testing.T
	ctx     context.Context
	channel supplier.Channel
	books   Books
	po      supplier.PurchaseOrder
}

// Run holds a channel to the contract. start gives a fresh channel and the books of the supplier
// behind it, in the scene Good, and cleans up after itself.
func Run(t *testing.T, start func(t *testing.T) (supplier.Channel, Books)) {
	for _, c := range []struct {
		name  string
		scene Scene
		check func(*testBundle)
	}{
		{"SubmitIsReceived", Good, submitIsReceived},
		{"SubmitTwiceIsOneOrder", Good, submitTwiceIsOneOrder},
		{"SubmitAtTheSameTimeIsOneOrder", Good, submitAtTheSameTimeIsOneOrder},
		{"OtherContentUnderTheSameNumberIsAConflict", Good, otherContentIsAConflict},
		{"AcknowledgmentComesWithTheReceipt", AcksInResponse, acknowledgmentComesWithTheReceipt},
		{"LostAnswerIsUnknownAndLookUpFindsTheOrder", LosesAnswer, lostAnswerIsUnknown},
		{"FailureWithoutAnswerIsUnknownAndLookUpDeniesTheOrder", FailsUntaken, failureIsUnknown},
		{"ErrorInDisguiseIsUnknown", ErrorInDisguise, failureIsUnknown},
		{"RefusalIsNotTaken", Refuses, refusalIsNotTaken},
		{"UnavailableSaysWhenToComeAgain", Unavailable, unavailableSaysWhen},
		{"NumberNeverSentIsNotFound", Good, numberNeverSentIsNotFound},
		{"CancelledContextSendsNothing", Good, cancelledContextSendsNothing},
		{"CancellationIsAccepted", Good, cancellationIsAccepted},
		{"CancellationIsRejected", RejectsCancel, cancellationIsRejected},
		{"CancellationIsPending", PendingCancel, cancellationIsPending},
		{"LostCancellationAnswerComesAgain", LosesCancel, lostCancellationAnswerComesAgain},
		{"CancellationOfSomeUnitsIsAcceptedAndTheRestShips", ShipsLater, someUnitsAreCancelledAndTheRestShips},
		{"CancellationOfMoreUnitsThanAreLeftIsRejected", Good, moreThanIsLeftIsRejected},
		{"CancellationOfUnitsThatShippedIsRejected", Ships, shippedUnitsAreNotCancelled},
		{"LostAnswerForSomeUnitsComesAgainAndGivesThemBackOnce", LosesCancel, lostAnswerForSomeUnitsComesAgain},
		{"ShippedOrderIsNotCancelledAndShowsItsParcel", Ships, shippedOrderIsNotCancelled},
		{"InterceptIsAccepted", Ships, interceptIsAccepted},
		{"InterceptIsRejected", RejectsIntercept, interceptIsRejected},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			t.Cleanup(cancel)
			channel, books := start(t)
			books.Play(t, c.scene)
			c.check(&testBundle{t: t, ctx: ctx, channel: channel, books: books, po: Order()})
		})
	}
}

func (b *testBundle) submit() supplier.Receipt {
	receipt, err := b.channel.Submit(b.ctx, b.po)
	require.NoError(b.t, err)
	return receipt
}

// holdsOnce checks that the supplier has the order as it was sent, and once.
func (b *testBundle) holdsOnce() {
	entry := b.books.Entry(b.po.Number)
	require.Equal(b.t, 1, entry.Orders)
	require.Equal(b.t, units, entry.Units)
}

// requireKind checks that an error is an *Error of the kind, and silent about the customer.
func (b *testBundle) requireKind(err, kind error) {
	var failure *supplier.Error
	require.ErrorAs(b.t, err, &failure)
	require.ErrorIs(b.t, err, kind)
	require.NotContains(b.t, err.Error(), "Miller")
	require.NotContains(b.t, err.Error(), "Elm")
	require.NotEmpty(b.t, failure.Supplier)
	require.NotEmpty(b.t, failure.Detail)
}

func submitIsReceived(b *testBundle) {
	receipt := b.submit()
	require.False(b.t, receipt.ReceivedAt.IsZero())
	b.holdsOnce()
	standing, err := b.channel.LookUp(b.ctx, b.po.Number)
	require.NoError(b.t, err)
	require.Equal(b.t, receipt.Reference, standing.Reference)
	require.Equal(b.t, receipt.ReceivedAt, standing.ReceivedAt)
	require.False(b.t, standing.Cancelled)
	require.Empty(b.t, standing.Shipments)
}

func submitTwiceIsOneOrder(b *testBundle) {
	first := b.submit()
	second := b.submit()
	require.Equal(b.t, first.Reference, second.Reference)
	require.Equal(b.t, first.ReceivedAt, second.ReceivedAt)
	b.holdsOnce()
}

func submitAtTheSameTimeIsOneOrder(b *testBundle) {
	const senders = 8
	failures := make(chan error, senders)
	for range senders {
		go func() {
			_, err := b.channel.Submit(b.ctx, b.po)
			failures <- err
		}()
	}
	for range senders {
		require.NoError(b.t, <-failures)
	}
	b.holdsOnce()
}

func otherContentIsAConflict(b *testBundle) {
	b.submit()
	other := Order()
	other.Lines[0].Quantity = 30
	_, err := b.channel.Submit(b.ctx, other)
	b.requireKind(err, supplier.ErrConflict)
	b.holdsOnce()
}

func acknowledgmentComesWithTheReceipt(b *testBundle) {
	ack := b.submit().Acknowledgment
	require.NotNil(b.t, ack)
	require.Equal(b.t, b.po.Number, ack.PO)
	require.NotEmpty(b.t, ack.Document)
	require.False(b.t, ack.At.IsZero())
	require.Equal(b.t, order.AckAccepted, ack.Whole)
	// It is the same document, not a second one, wherever it shows.
	require.Equal(b.t, ack, b.submit().Acknowledgment)
	standing, err := b.channel.LookUp(b.ctx, b.po.Number)
	require.NoError(b.t, err)
	require.Equal(b.t, ack, standing.Acknowledgment)
}

func lostAnswerIsUnknown(b *testBundle) {
	_, err := b.channel.Submit(b.ctx, b.po)
	b.requireKind(err, supplier.ErrUnknown)
	standing, err := b.channel.LookUp(b.ctx, b.po.Number)
	require.NoError(b.t, err)
	require.False(b.t, standing.ReceivedAt.IsZero())
	b.holdsOnce()
	require.Equal(b.t, standing.Reference, b.submit().Reference)
	b.holdsOnce()
}

func failureIsUnknown(b *testBundle) {
	_, err := b.channel.Submit(b.ctx, b.po)
	b.requireKind(err, supplier.ErrUnknown)
	_, err = b.channel.LookUp(b.ctx, b.po.Number)
	b.requireKind(err, supplier.ErrNotFound)
	require.Zero(b.t, b.books.Entry(b.po.Number).Orders)
	b.submit()
	b.holdsOnce()
}

func refusalIsNotTaken(b *testBundle) {
	_, err := b.channel.Submit(b.ctx, b.po)
	b.requireKind(err, supplier.ErrRefused)
	require.Zero(b.t, b.books.Entry(b.po.Number).Orders)
}

func unavailableSaysWhen(b *testBundle) {
	_, err := b.channel.Submit(b.ctx, b.po)
	b.requireKind(err, supplier.ErrUnavailable)
	var failure *supplier.Error
	require.ErrorAs(b.t, err, &failure)
	require.Equal(b.t, RetryAfter, failure.RetryAfter)
	require.Zero(b.t, b.books.Entry(b.po.Number).Orders)
	b.submit()
	b.holdsOnce()
}

func numberNeverSentIsNotFound(b *testBundle) {
	_, err := b.channel.LookUp(b.ctx, b.po.Number)
	b.requireKind(err, supplier.ErrNotFound)
	_, err = b.channel.Cancel(b.ctx, b.cancellation("c1"))
	b.requireKind(err, supplier.ErrNotFound)
	_, err = b.channel.Intercept(b.ctx, b.cancellation("i1"))
	b.requireKind(err, supplier.ErrNotFound)
}

func cancelledContextSendsNothing(b *testBundle) {
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	_, err := b.channel.Submit(ctx, b.po)
	b.requireKind(err, supplier.ErrUnavailable)
	require.Zero(b.t, b.books.Entry(b.po.Number).Orders)
}

func (b *testBundle) cancellation(key string) supplier.Cancellation {
	return supplier.Cancellation{Key: key, Number: b.po.Number, Reason: "cancelled_by_buyer"}
}

func (b *testBundle) cancel(key string, want supplier.CancelOutcome) supplier.CancelReceipt {
	receipt, err := b.channel.Cancel(b.ctx, b.cancellation(key))
	require.NoError(b.t, err)
	require.Equal(b.t, want, receipt.Outcome)
	require.False(b.t, receipt.At.IsZero())
	return receipt
}

func cancellationIsAccepted(b *testBundle) {
	b.submit()
	first := b.cancel("c1", supplier.CancelAccepted)
	require.Equal(b.t, first, b.cancel("c1", supplier.CancelAccepted))
	entry := b.books.Entry(b.po.Number)
	require.True(b.t, entry.Cancelled)
	require.Equal(b.t, 1, entry.Cancellations)
	standing, err := b.channel.LookUp(b.ctx, b.po.Number)
	require.NoError(b.t, err)
	require.True(b.t, standing.Cancelled)
}

func cancellationIsRejected(b *testBundle) {
	b.submit()
	require.NotEmpty(b.t, b.cancel("c1", supplier.CancelRejected).Reason)
	require.False(b.t, b.books.Entry(b.po.Number).Cancelled)
}

func cancellationIsPending(b *testBundle) {
	b.submit()
	b.cancel("c1", supplier.CancelPending)
	b.cancel("c1", supplier.CancelPending)
	entry := b.books.Entry(b.po.Number)
	require.False(b.t, entry.Cancelled)
	require.Equal(b.t, 1, entry.Cancellations)
}

func lostCancellationAnswerComesAgain(b *testBundle) {
	b.submit()
	_, err := b.channel.Cancel(b.ctx, b.cancellation("c1"))
	b.requireKind(err, supplier.ErrUnknown)
	b.cancel("c1", supplier.CancelAccepted)
	require.Equal(b.t, 1, b.books.Entry(b.po.Number).Cancellations)
}

func (b *testBundle) shipped() {
	b.submit()
	require.NoError(b.t, b.books.AwaitShipment(b.ctx, b.po.Number))
}

func shippedOrderIsNotCancelled(b *testBundle) {
	b.shipped()
	b.cancel("c1", supplier.CancelRejected)
	standing, err := b.channel.LookUp(b.ctx, b.po.Number)
	require.NoError(b.t, err)
	require.False(b.t, standing.Cancelled)
	require.Len(b.t, standing.Shipments, 1)
	parcel := standing.Shipments[0]
	require.Equal(b.t, b.po.Number, parcel.PO)
	require.NotEmpty(b.t, parcel.Document)
	require.NotEmpty(b.t, parcel.Carrier)
	require.NotEmpty(b.t, parcel.Tracking)
	require.Equal(b.t, []order.ShippedLine{{Line: 1, Quantity: 3}, {Line: 2, Quantity: 1}}, parcel.Lines)
}

func interceptIsAccepted(b *testBundle) {
	b.shipped()
	for range 2 {
		receipt, err := b.channel.Intercept(b.ctx, b.cancellation("i1"))
		require.NoError(b.t, err)
		require.Equal(b.t, supplier.CancelAccepted, receipt.Outcome)
	}
	require.Equal(b.t, 1, b.books.Entry(b.po.Number).Intercepts)
}

func interceptIsRejected(b *testBundle) {
	b.shipped()
	receipt, err := b.channel.Intercept(b.ctx, b.cancellation("i1"))
	require.NoError(b.t, err)
	require.Equal(b.t, supplier.CancelRejected, receipt.Outcome)
	require.NotEmpty(b.t, receipt.Reason)
}
