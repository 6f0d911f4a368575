package suppliersim_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/restapi"
)

func TestGoodSupplierAcknowledgesShipsAndCharges(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{})
	b.submit()
	docs := b.await(acked, shipped, invoiced)
	require.Len(t, docs, 3)
	require.Equal(t, order.AckAccepted, only(docs, acked)[0].Acknowledgment.Whole)
	notice := only(docs, shipped)[0].ShipNotice
	require.Equal(t, []order.ShippedLine{{Line: 1, Quantity: 3}, {Line: 2, Quantity: 1}}, notice.Lines)
	bill := only(docs, invoiced)[0].Invoice
	require.Equal(t, int64(3*450+1299), bill.Total)
	require.Equal(t, []string{"dropex " + notice.Tracking + " "}, b.parcels)
	o := b.entry()
	require.Equal(t, 1, o.Received)
	require.Len(t, o.Acks, 1)
	require.Len(t, o.Parcels, 1)
	require.Len(t, o.Invoices, 1)
}

func TestContentsOfAnAcknowledgment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		ack   suppliersim.AckManner
		whole order.AckStatus
		lines []order.AckLine
	}{
		{"reject all", suppliersim.AckManner{Content: suppliersim.ContentReject}, order.AckRejected, nil},
		{"reject a SKU", suppliersim.AckManner{Content: suppliersim.ContentReject, SKUs: []string{"TEE"}, Reason: "discontinued"}, "", []order.AckLine{
			{Line: 1, Status: order.AckAccepted, Quantity: 3}, {Line: 2, Status: order.AckRejected, Quantity: 1, Reason: "discontinued"},
		}},
		{"part, rest backordered", suppliersim.AckManner{Content: suppliersim.ContentPart, AcceptUnits: 1}, "", []order.AckLine{
			{Line: 1, Status: order.AckAccepted, Quantity: 1}, {Line: 1, Status: order.AckBackordered, Quantity: 2}, {Line: 2, Status: order.AckAccepted, Quantity: 1},
		}},
		{"part, rest rejected", suppliersim.AckManner{Content: suppliersim.ContentPart, AcceptUnits: 2, Rest: suppliersim.RestReject}, "", []order.AckLine{
			{Line: 1, Status: order.AckAccepted, Quantity: 2}, {Line: 1, Status: order.AckRejected, Quantity: 1, Reason: "out_of_stock"}, {Line: 2, Status: order.AckAccepted, Quantity: 1},
		}},
		{"substitute", suppliersim.AckManner{Content: suppliersim.ContentSubstitute, SubstituteSKU: "A-CUP", SKUs: []string{"MUG"}}, "", []order.AckLine{
			{Line: 1, Status: order.AckSubstitutionOffered, Quantity: 3, SupplierSKU: "A-CUP"}, {Line: 2, Status: order.AckAccepted, Quantity: 1},
		}},
		{"reprice", suppliersim.AckManner{Content: suppliersim.ContentReprice, RepriceBP: 1000, SKUs: []string{"MUG"}}, "", []order.AckLine{
			{Line: 1, Status: order.AckPriceChanged, Quantity: 3, UnitCost: 495}, {Line: 2, Status: order.AckAccepted, Quantity: 1},
		}},
		{"hold", suppliersim.AckManner{Content: suppliersim.ContentHold, Reason: "credit_hold"}, "", []order.AckLine{
			{Line: 1, Status: order.AckOnHold, Quantity: 3, Reason: "credit_hold"}, {Line: 2, Status: order.AckOnHold, Quantity: 1, Reason: "credit_hold"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.ack.When = suppliersim.AckInResponse
			b := setup(t, suppliersim.Manner{Ack: c.ack, Ship: suppliersim.ShipManner{Never: true}})
			ack := b.submit().Acknowledgment
			require.Equal(t, c.whole, ack.Whole)
			require.Equal(t, c.lines, ack.Lines)
		})
	}
}

func TestBackorderIsPromisedAndFulfilled(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{Ack: suppliersim.AckManner{
		Content: suppliersim.ContentPart, AcceptUnits: 1, ExpectedIn: suppliersim.Duration(10 * 24 * time.Hour), FulfilBackorderAfter: soon,
	}})
	b.submit()
	docs := b.await(acked, shipped, shipped)
	ack := only(docs, acked)[0].Acknowledgment
	require.WithinDuration(t, ack.At.AddDate(0, 0, 10), ack.Lines[1].ExpectedOn, 24*time.Hour)
	units := map[int]int64{}
	for _, doc := range only(docs, shipped) {
		for _, line := range doc.ShipNotice.Lines {
			units[line.Line] += line.Quantity
		}
	}
	require.Equal(t, map[int]int64{1: 3, 2: 1}, units)
}

func TestHoldIsReleasedAndRepricedUnitsAreChargedAtTheNewCost(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{Ack: suppliersim.AckManner{Content: suppliersim.ContentHold, ReleaseHoldAfter: soon}})
	b.submit()
	b.await(acked, acked, shipped)

	b = setup(t, suppliersim.Manner{
		Ack:     suppliersim.AckManner{Content: suppliersim.ContentReprice, RepriceBP: 1000, SKUs: []string{"MUG"}},
		Invoice: suppliersim.InvoiceManner{Freight: 600, Allowance: 100},
	})
	b.submit()
	bill := only(b.await(invoiced), invoiced)[0].Invoice
	require.Equal(t, []supplier.InvoiceLine{{Line: 1, Quantity: 3, UnitCost: 495}, {Line: 2, Quantity: 1, UnitCost: 1299}}, bill.Lines)
	require.Equal(t, int64(3*495+1299+600-100), bill.Total)
}

func TestAckTwiceIsTwoDocumentsAndAckThenRejectShipsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{Ack: suppliersim.AckManner{Twice: true}, Ship: suppliersim.ShipManner{Never: true}})
	b.submit()
	docs := b.await(acked, acked)
	require.NotEqual(t, docs[0].NaturalKey(), docs[1].NaturalKey())

	b = setup(t, suppliersim.Manner{
		Ack:  suppliersim.AckManner{When: suppliersim.AckInResponse, ThenRejectAfter: soon},
		Ship: suppliersim.ShipManner{Delay: suppliersim.Duration(200 * time.Millisecond)},
	})
	require.Equal(t, order.AckAccepted, b.submit().Acknowledgment.Whole)
	require.Equal(t, order.AckRejected, b.await(acked)[0].Acknowledgment.Whole)
	ctx, cancel := context.WithTimeout(b.ctx, 400*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, b.sim.Books.Await(ctx, func(s suppliersim.Snapshot) bool {
		return len(s["acme"].Orders[0].Parcels) > 0
	}), context.DeadlineExceeded)
}

func TestLateAckAndShipmentComeAfterTheAcceptedCancellation(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{
		Ack: suppliersim.AckManner{LateAfterCancel: true}, Ship: suppliersim.ShipManner{AfterCancel: true},
	})
	b.submit()
	require.Empty(t, b.entry().Acks)
	b.cancel(supplier.CancelAccepted)
	docs := b.await(acked, shipped)
	require.Len(t, only(docs, acked), 1)
	o := b.entry()
	require.True(t, o.Cancelled)
	require.Len(t, o.Parcels, 1)
	require.True(t, o.Parcels[0].AfterCancel)
}

func TestWaysOfShipping(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{Ship: suppliersim.ShipManner{Parcels: 2, Carrier: "ups", Parcel: "lost"}})
	b.submit()
	docs := only(b.await(shipped, shipped), shipped)
	slices.SortFunc(docs, func(x, y restapi.Document) int { return len(y.ShipNotice.Lines) - len(x.ShipNotice.Lines) })
	require.Equal(t, []order.ShippedLine{{Line: 1, Quantity: 2}, {Line: 2, Quantity: 1}}, docs[0].ShipNotice.Lines)
	require.Equal(t, []order.ShippedLine{{Line: 1, Quantity: 1}}, docs[1].ShipNotice.Lines)
	require.Len(t, b.parcels, 2)
	require.True(t, strings.HasPrefix(b.parcels[0], "ups DX") && strings.HasSuffix(b.parcels[0], " lost"), b.parcels[0])

	b = setup(t, suppliersim.Manner{Ack: suppliersim.AckManner{When: suppliersim.AckNever}, Ship: suppliersim.ShipManner{WithoutAck: true, LabelOnly: true}})
	b.submit()
	b.await(shipped)
	require.Empty(t, b.entry().Acks)
	require.True(t, strings.HasSuffix(b.parcels[0], " label_only"))
	b.cancel(supplier.CancelAccepted) // a label can be torn up

	b = setup(t, suppliersim.Manner{Ship: suppliersim.ShipManner{WrongBy: 2, WrongLine: 9}})
	b.submit()
	notice := only(b.await(shipped), shipped)[0].ShipNotice
	require.Equal(t, []order.ShippedLine{{Line: 9, Quantity: 5}, {Line: 2, Quantity: 1}}, notice.Lines)

	b = setup(t, suppliersim.Manner{Ship: suppliersim.ShipManner{NoNotice: true}})
	b.submit()
	require.Empty(t, only(b.await(acked, invoiced), shipped))
	require.Len(t, b.entry().Parcels, 1)
}

func TestPendingCancellationIsAnsweredTruthfully(t *testing.T) {
	t.Parallel()
	pending := suppliersim.CancelManner{Mode: suppliersim.CancelPending, Delay: soon}
	b := setup(t, suppliersim.Manner{Ship: suppliersim.ShipManner{Delay: long}, Cancel: pending})
	b.submit()
	b.cancel(supplier.CancelPending)
	docs := only(b.await(answered), answered)
	require.True(t, docs[0].CancelAnswer.Accepted)
	require.Equal(t, "c1", docs[0].CancelKey)
	require.True(t, b.entry().Cancelled)
	b.cancel(supplier.CancelAccepted) // a repeat shows the answer

	// What was shipped meanwhile is no longer cancelled.
	pending.Delay = suppliersim.Duration(1200 * time.Millisecond)
	b = setup(t, suppliersim.Manner{Ship: suppliersim.ShipManner{WithoutAck: true, Delay: 400 * soon}, Cancel: pending})
	b.submit()
	b.cancel(supplier.CancelPending)
	docs = only(b.await(shipped, answered), answered)
	require.False(t, docs[0].CancelAnswer.Accepted)
	require.Equal(t, "already_shipped", docs[0].CancelAnswer.Reason)
	require.False(t, b.entry().Cancelled)
}

func TestCancellationErrorsAreUnknown(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{
		Ship: suppliersim.ShipManner{Never: true}, Cancel: suppliersim.CancelManner{Mode: suppliersim.CancelError, Times: 1},
	})
	b.submit()
	_, err := b.client.Cancel(b.ctx, supplier.Cancellation{Key: "c1", Number: b.po.Number})
	require.ErrorIs(t, err, supplier.ErrUnknown)
	b.cancel(supplier.CancelAccepted)
}

func TestCancelledNumberRefusesAnOrderThatArrivesLater(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{})
	_, err := b.client.Cancel(b.ctx, supplier.Cancellation{Key: "c1", Number: b.po.Number})
	require.ErrorIs(t, err, supplier.ErrNotFound)
	_, err = b.client.Submit(b.ctx, b.po)
	require.ErrorIs(t, err, supplier.ErrRefused)
	_, err = b.client.LookUp(b.ctx, b.po.Number)
	require.ErrorIs(t, err, supplier.ErrNotFound)
	require.Empty(t, b.entry().Lines)
}

func TestBooksCountRepeatsAndConflicts(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{Ship: suppliersim.ShipManner{Never: true}})
	b.submit()
	b.submit()
	b.po.Lines[0].UnitCost++
	_, err := b.client.Submit(b.ctx, b.po)
	require.ErrorIs(t, err, supplier.ErrConflict)
	o := b.entry()
	require.Equal(t, [3]int{3, 1, 1}, [3]int{o.Received, o.Repeats, o.Conflicts})
	require.Equal(t, int64(450), o.Lines[0].UnitCost)
}

func TestSubmitFaultsPlayInTurnForEachOrder(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{
		Ship: suppliersim.ShipManner{Never: true},
		Submit: []suppliersim.Fault{
			{Kind: suppliersim.FaultRespond500, Times: 1},
			{Kind: suppliersim.FaultRespond503, Times: 1, RetryAfter: suppliersim.Duration(1500 * time.Millisecond)},
			{Kind: suppliersim.FaultRespond500, Times: 1, Applied: true},
			{Kind: suppliersim.FaultSlow, Times: 1, Delay: soon},
		},
		LookUp: []suppliersim.Fault{{Kind: suppliersim.FaultRespond500, Times: 1}},
	})
	for number := range 2 {
		b.po.Number = order.Key{Storefront: "shop", Order: "x"}.PurchaseOrderNumber(number + 1)
		_, err := b.client.Submit(b.ctx, b.po)
		require.ErrorIs(t, err, supplier.ErrUnknown)
		_, found := b.sim.Books.Order("acme", b.po.Number)
		require.False(t, found)
		_, err = b.client.Submit(b.ctx, b.po)
		var failure *supplier.Error
		require.ErrorAs(t, err, &failure)
		require.ErrorIs(t, err, supplier.ErrUnavailable)
		require.Equal(t, 2*time.Second, failure.RetryAfter)
		_, err = b.client.Submit(b.ctx, b.po)
		require.ErrorIs(t, err, supplier.ErrUnknown)
		require.Equal(t, 1, b.entry().Received)
		b.submit()
		require.Equal(t, 1, b.entry().Repeats)
		_, err = b.client.LookUp(b.ctx, b.po.Number)
		require.ErrorIs(t, err, supplier.ErrUnknown)
		_, err = b.client.LookUp(b.ctx, b.po.Number)
		require.NoError(t, err)
	}
}

func TestWebhooksAreRepeatedUntilTaken(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{Ship: suppliersim.ShipManner{Never: true}, Webhooks: suppliersim.WebhookManner{Twice: true}})
	b.mu.Lock()
	b.refuse = 5
	b.mu.Unlock()
	b.submit()
	docs := b.await(acked, acked)
	require.Equal(t, docs[0], docs[1])
	require.Equal(t, 7, b.sim.Books.Snapshot()["acme"].Webhooks[0].Attempts)
}

func TestWebhooksComeOutOfOrderWhenScripted(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{
		Invoice:  suppliersim.InvoiceManner{Mode: suppliersim.InvoiceNever},
		Webhooks: suppliersim.WebhookManner{OutOfOrder: true, Hold: long},
	})
	b.submit()
	docs := b.await(acked, shipped)
	require.Equal(t, []string{shipped, acked}, []string{docs[0].Type, docs[1].Type})
}

func TestWrongSignaturesAreBoundedAndSeeded(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{Ship: suppliersim.ShipManner{Never: true}, Webhooks: suppliersim.WebhookManner{WrongSignaturePercent: 100}})
	b.submit()
	require.NoError(t, b.sim.Books.Await(b.ctx, func(s suppliersim.Snapshot) bool {
		hooks := s["acme"].Webhooks
		return len(hooks) == 1 && hooks[0].Abandoned
	}))
	require.Equal(t, 60, b.sim.Books.Snapshot()["acme"].Webhooks[0].Attempts)
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Equal(t, 60, b.forged)
	require.Empty(t, b.events)
}

func TestInvoicesOverchargeOrRepeat(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{Invoice: suppliersim.InvoiceManner{Mode: suppliersim.InvoiceOvercharge, OverchargeBP: 500}})
	b.submit()
	bill := only(b.await(invoiced), invoiced)[0].Invoice
	require.Equal(t, int64(473), bill.Lines[0].UnitCost) // 450 × 1.05 = 472.5
	require.Equal(t, int64(3*473+1364), bill.Total)

	b = setup(t, suppliersim.Manner{Invoice: suppliersim.InvoiceManner{Mode: suppliersim.InvoiceDuplicate}})
	b.submit()
	bills := only(b.await(invoiced, invoiced), invoiced)
	require.Equal(t, bills[0].Invoice.Number, bills[1].Invoice.Number)
	require.NotEqual(t, bills[0].NaturalKey(), bills[1].NaturalKey())
}

func TestMannersAreSetAndBooksReadOverHTTP(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{Ship: suppliersim.ShipManner{Never: true}})
	put := func(target, body string) int {
		request, err := http.NewRequestWithContext(b.ctx, http.MethodPut, b.sim.URL()+"/manners/"+target, strings.NewReader(body))
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	refuse := `{"submit":[{"kind":"refuse","code":"unknown_sku"}],"ship":{"delay":"2h"}}`
	require.Equal(t, http.StatusNoContent, put("acme?sku=TEE", refuse))
	_, err := b.client.Submit(b.ctx, b.po)
	require.ErrorIs(t, err, supplier.ErrRefused)
	require.ErrorContains(t, err, "unknown_sku")
	require.Equal(t, http.StatusNoContent, put("acme?po="+b.po.Number, `{"ship":{"never":true}}`))
	b.submit()
	require.Equal(t, http.StatusNotFound, put("nobody", refuse))
	for _, body := range []string{`{"shipp":{}}`, `{"submit":[{"kind":"explode"}]}`, `{"ack":{"delay":5}}`, `{"ack":{"content":"substitute"}}`, `{`} {
		require.Equal(t, http.StatusBadRequest, put("acme", body), body)
	}

	response, err := http.Get(b.sim.URL() + "/books")
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var snapshot suppliersim.Snapshot
	require.NoError(t, json.Unmarshal(text, &snapshot))
	require.Equal(t, b.po.Number, snapshot["acme"].Orders[0].Number)
	require.NotContains(t, string(text), "Miller")
}

func TestSameSeedGivesTheSameIds(t *testing.T) {
	t.Parallel()
	var seen [2][]string
	for i := range seen {
		b := setup(t, suppliersim.Manner{Ship: suppliersim.ShipManner{Parcels: 2}})
		b.submit()
		b.await(acked, shipped, shipped, invoiced)
		o := b.entry()
		seen[i] = []string{o.Reference, o.Acks[0].ID, o.Parcels[0].ID, o.Parcels[0].Tracking, o.Parcels[1].Tracking, o.Invoices[0].Number}
	}
	require.Equal(t, seen[0], seen[1])
	require.NotEqual(t, seen[0][3], seen[0][4])
}

func TestWrongTokenIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{})
	client, err := restapi.New(restapi.Config{Supplier: "acme", BaseURL: b.sim.BaseURL("acme"), Token: "tokem", AllowPrivate: true})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	_, err = client.Submit(b.ctx, b.po)
	require.ErrorIs(t, err, supplier.ErrRefused)
	require.Empty(t, b.sim.Books.Snapshot()["acme"].Orders)
}

func TestCloseEndsWhateverIsUnderWay(t *testing.T) {
	t.Parallel()
	b := setup(t, suppliersim.Manner{
		Ack: suppliersim.AckManner{Delay: long}, Submit: []suppliersim.Fault{{Kind: suppliersim.FaultSilent, Times: 1, Applied: true, Delay: long}},
	})
	failed := make(chan error, 1)
	go func() {
		_, err := b.client.Submit(b.ctx, b.po)
		failed <- err
	}()
	require.NoError(t, b.sim.Books.Await(b.ctx, func(s suppliersim.Snapshot) bool { return len(s["acme"].Orders) == 1 }))
	b.sim.Close() // returns only once the request and the timer of the acknowledgment have ended
	require.ErrorIs(t, <-failed, supplier.ErrUnknown)
}
