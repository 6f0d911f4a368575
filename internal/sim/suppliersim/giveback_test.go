package suppliersim_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/supplier"
)

func (b *testBundle) cancelUnits(key string, want supplier.CancelOutcome, lines ...order.ShippedLine) supplier.CancelReceipt {
	receipt, err := b.client.Cancel(b.ctx, supplier.Cancellation{Key: key, Number: b.po.Number, Lines: lines})
	require.NoError(b.t, err)
	require.Equal(b.t, want, receipt.Outcome)
	return receipt
}

func (b *testBundle) givenBack() map[int]int64 {
	units := map[int]int64{}
	for _, line := range b.entry().Lines {
		units[line.Line] = line.CancelledUnits
	}
	return units
}

func TestBackorderedUnitsThatWereGivenBackAreNotFulfilled(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{Ack: suppliersim.AckManner{
		Content: suppliersim.ContentPart, AcceptUnits: 1, FulfilBackorderAfter: suppliersim.Duration(2 * time.Second),
	}})
	b.submit()
	b.await(acked, shipped)
	b.cancelUnits("c1", supplier.CancelAccepted, order.ShippedLine{Line: 1, Quantity: 1}) // one of the two that wait
	docs := only(b.await(shipped, shipped, invoiced, invoiced), shipped)
	require.Equal(t, []order.ShippedLine{{Line: 1, Quantity: 1}, {Line: 2, Quantity: 1}}, docs[0].ShipNotice.Lines)
	require.Equal(t, []order.ShippedLine{{Line: 1, Quantity: 1}}, docs[1].ShipNotice.Lines)
	o := b.entry()
	require.False(t, o.Cancelled)
	require.Equal(t, int64(3), o.Lines[0].Quantity)
	var charged int64
	for _, bill := range o.Invoices {
		for _, line := range bill.Lines {
			charged += line.Quantity
		}
	}
	require.Equal(t, int64(3), charged)
	require.Equal(t, "already_shipped", b.cancelUnits("c2", supplier.CancelRejected, order.ShippedLine{Line: 1, Quantity: 1}).Reason)
}

func TestLaterAcknowledgmentIsForWhatIsLeft(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{Ack: suppliersim.AckManner{
		When: suppliersim.AckInResponse, Content: suppliersim.ContentHold, ReleaseHoldAfter: suppliersim.Duration(2 * time.Second),
	}})
	b.submit()
	b.cancelUnits("c1", supplier.CancelAccepted, order.ShippedLine{Line: 1, Quantity: 1}, order.ShippedLine{Line: 2, Quantity: 1})
	docs := b.await(acked, shipped)
	ack := only(docs, acked)[0].Acknowledgment
	require.Empty(t, ack.Whole)
	require.Equal(t, []order.AckLine{{Line: 1, Status: order.AckAccepted, Quantity: 2}}, ack.Lines)
	require.Equal(t, []order.ShippedLine{{Line: 1, Quantity: 2}}, only(docs, shipped)[0].ShipNotice.Lines)
}

func TestOrderIsCancelledOnceEveryUnitWasGivenBack(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{Ship: suppliersim.ShipManner{Never: true}})
	b.submit()
	for key, line := range map[string]int{"c1": 1, "c2": 1, "c3": 1, "c4": 2} {
		require.False(t, b.entry().Cancelled)
		b.cancelUnits(key, supplier.CancelAccepted, order.ShippedLine{Line: line, Quantity: 1})
	}
	require.True(t, b.entry().Cancelled)
	require.Equal(t, "too_late", b.cancelUnits("c5", supplier.CancelRejected, order.ShippedLine{Line: 1, Quantity: 1}).Reason)
	b.cancelUnits("c6", supplier.CancelAccepted) // all of it, once more
	require.Equal(t, map[int]int64{1: 3, 2: 1}, b.givenBack())
}

func TestEverythingThatHasNotShippedIsGivenBackAfterAPartShipped(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{Ack: suppliersim.AckManner{Content: suppliersim.ContentPart, AcceptUnits: 1}})
	b.submit()
	b.await(shipped)
	b.cancelUnits("c1", supplier.CancelAccepted)
	require.Equal(t, map[int]int64{1: 2, 2: 0}, b.givenBack())
	require.False(t, b.entry().Cancelled)
	require.Equal(t, "already_shipped", b.cancelUnits("c2", supplier.CancelRejected).Reason)
}

func TestSupplierThatIgnoresItsCancellationShipsAndClaimsAllUnits(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{
		Ack: suppliersim.AckManner{LateAfterCancel: true}, Ship: suppliersim.ShipManner{AfterCancel: true},
	})
	b.submit()
	b.cancelUnits("c1", supplier.CancelAccepted, order.ShippedLine{Line: 1, Quantity: 2})
	docs := b.await(acked, shipped)
	require.Equal(t, order.AckAccepted, only(docs, acked)[0].Acknowledgment.Whole)
	require.Equal(t, []order.ShippedLine{{Line: 1, Quantity: 3}, {Line: 2, Quantity: 1}}, only(docs, shipped)[0].ShipNotice.Lines)
	require.True(t, b.entry().Parcels[0].AfterCancel)
	require.False(t, b.entry().Cancelled)
}

func TestPendingCancellationOfUnitsIsJudgedWhenItIsAnswered(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{
		Ship: suppliersim.ShipManner{Never: true}, Cancel: suppliersim.CancelManner{Mode: suppliersim.CancelPending, Delay: soon},
	})
	b.submit()
	b.cancelUnits("c1", supplier.CancelPending, order.ShippedLine{Line: 1, Quantity: 2})
	require.True(t, only(b.await(answered), answered)[0].CancelAnswer.Accepted)
	require.Equal(t, map[int]int64{1: 2, 2: 0}, b.givenBack())
	require.Equal(t, "too_late", b.cancelUnits("c2", supplier.CancelRejected, order.ShippedLine{Line: 1, Quantity: 2}).Reason)
}

func TestCancellationThatNamesALineTwiceIsMalformed(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{Ship: suppliersim.ShipManner{Never: true}})
	b.submit()
	for _, lines := range []string{`[{"line":1,"quantity":1},{"line":1,"quantity":1}]`, `[{"line":1,"quantity":0}]`, `[{"line":0,"quantity":1}]`} {
		request, err := http.NewRequestWithContext(b.ctx, http.MethodPost,
			b.sim.BaseURL("acme")+"/purchase-orders/"+b.po.Number+"/cancellations", strings.NewReader(`{"key":"c1","lines":`+lines+`}`))
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer token")
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusBadRequest, response.StatusCode, lines)
	}
	require.Empty(t, b.entry().Cancellations)
}

func TestInterceptBringsBackTheAskedUnitsAndNoOthers(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{Ship: suppliersim.ShipManner{Parcels: 2}})
	b.submit()
	b.await(shipped, shipped) // 2 of line 1 with line 2, and 1 of line 1
	intercept := func(key string, want supplier.CancelOutcome, lines ...order.ShippedLine) {
		receipt, err := b.client.Intercept(b.ctx, supplier.Cancellation{Key: key, Number: b.po.Number, Lines: lines})
		require.NoError(t, err)
		require.Equal(t, want, receipt.Outcome)
	}
	stopped := func() [2]bool { return [2]bool{b.entry().Parcels[0].Intercepted, b.entry().Parcels[1].Intercepted} }
	intercept("i1", supplier.CancelRejected, order.ShippedLine{Line: 2, Quantity: 1}) // shares its parcel
	require.Equal(t, [2]bool{}, stopped())
	intercept("i2", supplier.CancelAccepted, order.ShippedLine{Line: 1, Quantity: 1})
	require.Equal(t, [2]bool{false, true}, stopped())
	intercept("i3", supplier.CancelRejected, order.ShippedLine{Line: 1, Quantity: 1}) // it is on its way back
	intercept("i4", supplier.CancelAccepted)
	require.Equal(t, [2]bool{true, true}, stopped())
}
