package restapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// Seeds are documents of the protocol as docs/supplier-api.md shows them, and what is none.
const (
	seedLines    = `"lines":[{"line":1,"quantity":1}]`
	seedAck      = `"id":"a-1","at":"2026-03-02T14:59:00Z","whole":"accepted"`
	seedAckLines = `"id":"a-1","at":"2026-03-02T14:59:00Z","currency":"USD","lines":[{"line":1,"status":"price_changed","quantity":1,"unit_cost":"1.10"},{"line":1,"status":"backordered","quantity":2,"expected_on":"2026-04-01"},{"line":2,"status":"substitution_offered","quantity":1,"supplier_sku":"X-9"}]`
	seedShipment = `"id":"s-1","at":"2026-03-02T14:59:00Z","carrier":"UPS","tracking":"1Z 999",` + seedLines
	seedInvoice  = `"po":"DL1-1","at":"2026-03-02T14:59:00Z","number":"I1","currency":"USD","freight":"1.00","total":"2.00","lines":[{"line":1,"quantity":1,"unit_cost":"1.00"}]`
)

func envelope(kind, data string) []byte {
	return []byte(`{"id":"e1","type":"` + kind + `","created_at":"2026-03-02T15:00:00Z","data":{"po":"DL1-1",` + data + `}}`)
}

// quiet holds for errors: they name a member and a rule, and repeat nothing of the document.
func quiet(t *testing.T, err error) {
	t.Helper()
	require.Less(t, len(err.Error()), 250)
	require.False(t, strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }), "%q", err)
	require.NotContains(t, err.Error(), "Miller")
}

func soundTime(t *testing.T, at time.Time) {
	t.Helper()
	require.Equal(t, time.UTC, at.Location())
	require.False(t, at.Before(earliest) || at.After(latest))
}

func soundAck(t *testing.T, ack *order.Acknowledgment) {
	t.Helper()
	soundTime(t, ack.At)
	require.Regexp(t, documentShape, ack.Document)
	require.Equal(t, ack.Whole == "", len(ack.Lines) > 0)
	require.LessOrEqual(t, len(ack.Lines), maxLines)
	require.Equal(t, wire.Reason(ack.Reason), ack.Reason)
	for _, line := range ack.Lines {
		soundUnits(t, line.Line, line.Quantity)
		require.True(t, line.UnitCost >= 0 && line.UnitCost <= wire.MaxMinor)
		require.Equal(t, wire.Reason(line.Reason), line.Reason)
	}
}

func soundUnits(t *testing.T, line int, quantity int64) {
	t.Helper()
	require.True(t, line >= 1 && line <= maxLine)
	require.True(t, quantity >= 1 && quantity <= maxQuantity)
}

func soundShipment(t *testing.T, notice *order.ShipNotice) {
	t.Helper()
	soundTime(t, notice.At)
	require.Regexp(t, trackingShape, notice.Tracking)
	require.Regexp(t, carrierShape, notice.Carrier)
	seen := map[int]bool{}
	for _, line := range notice.Lines {
		soundUnits(t, line.Line, line.Quantity)
		require.False(t, seen[line.Line])
		seen[line.Line] = true
	}
}

func FuzzParseWebhook(f *testing.F) {
	for _, seed := range [][]byte{
		envelope(wire.TypeAcknowledged, seedAck), envelope(wire.TypeAcknowledged, seedAckLines), envelope(wire.TypeShipment, seedShipment),
		envelope(wire.TypeCancellationAnswered, `"at":"2026-03-02T14:59:00Z","key":"c1","outcome":"rejected","reason":"too_late"`),
		[]byte(`{"id":"e1","type":"invoice.created","created_at":"2026-03-02T15:00:00Z","data":{` + seedInvoice + `}}`),
		[]byte(`{"id":1}`), []byte(`{{`), envelope(wire.TypeShipment, `"PO":"a"`), envelope(wire.TypeShipment, `"carrıer":"a","CARRIER":"b"`),
		envelope(wire.TypeAcknowledged, `"whole":"accepted","at":"9999-12-31T23:59:59-12:00","reason":"Pat Miller"`),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		doc, err := ParseWebhook(body)
		if err != nil {
			var failure *ParseError
			require.ErrorAs(t, err, &failure)
			require.Zero(t, doc)
			quiet(t, err)
			return
		}
		require.Regexp(t, documentShape, doc.NaturalKey())
		require.Regexp(t, numberShape, doc.PO)
		soundTime(t, doc.CreatedAt)
		facts := 0
		if doc.Acknowledgment != nil {
			facts++
			soundAck(t, doc.Acknowledgment)
		}
		if doc.ShipNotice != nil {
			facts++
			soundShipment(t, doc.ShipNotice)
		}
		if doc.CancelAnswer != nil {
			facts++
			require.Regexp(t, documentShape, doc.CancelKey)
		}
		if doc.Invoice != nil {
			facts++
			soundInvoice(t, doc.Invoice)
		}
		require.Equal(t, 1, facts)
		// What was read can be stored and read again.
		text, err := json.Marshal(doc)
		require.NoError(t, err)
		var again Document
		require.NoError(t, json.Unmarshal(text, &again))
		require.Equal(t, doc, again)
	})
}

func soundInvoice(t *testing.T, bill *supplier.Invoice) {
	t.Helper()
	var sum int64
	for _, line := range bill.Lines {
		soundUnits(t, line.Line, line.Quantity)
		require.GreaterOrEqual(t, line.UnitCost, int64(0))
		sum += line.Quantity * line.UnitCost
		require.GreaterOrEqual(t, sum, int64(0), "the lines add up within 64 bits")
	}
	for _, amount := range []int64{bill.Freight, bill.Allowance, bill.Total} {
		require.True(t, amount >= 0 && amount <= wire.MaxMinor)
	}
}

func FuzzSubmitAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"received_at":"2026-03-02T15:04:07Z","reference":"R 1"}`, `{"received_at":"2026-03-02T15:04:07Z","acknowledgment":{` + seedAckLines + `}}`,
		`{"error":"Pat Miller"}`, `{"ERRORS":[]}`, `{"received_at":"Miller"}`, `{"received_at":"9999-12-31T23:59:59-12:00"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		receipt, err := decodeReceipt(body, supplier.PurchaseOrder{Number: "DL1-1", Currency: "USD"})
		if err != nil {
			require.Zero(t, receipt)
			quiet(t, err)
			return
		}
		soundTime(t, receipt.ReceivedAt)
		require.LessOrEqual(t, len(receipt.Reference), 64)
		if receipt.Acknowledgment != nil {
			soundAck(t, receipt.Acknowledgment)
			require.Equal(t, "DL1-1", receipt.Acknowledgment.PO)
		}
	})
}

func FuzzLookUpAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"number":"DL1-1","received_at":"2026-03-02T15:04:07Z","cancelled":true,"shipments":[{` + seedShipment + `}]}`,
		`{"number":"DL1-1","received_at":"2026-03-02T15:04:07Z","acknowledgment":{` + seedAck + `},"shipments":[]}`,
		`{"number":"DL2-1","received_at":"2026-03-02T15:04:07Z"}`, `{"number":"DL1-1","received_at":"2026-03-02T15:04:07Z","shipments":[null]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		standing, err := decodeStanding(body, "DL1-1")
		if err != nil {
			require.Zero(t, standing)
			quiet(t, err)
			return
		}
		for i := range standing.Shipments {
			soundShipment(t, &standing.Shipments[i])
			require.Equal(t, "DL1-1", standing.Shipments[i].PO, "never another order's parcel")
		}
		if standing.Acknowledgment != nil {
			soundAck(t, standing.Acknowledgment)
		}
	})
}

func FuzzCancelReply(f *testing.F) {
	f.Add([]byte(`{"outcome":"accepted","at":"` + time.Now().UTC().Format(time.RFC3339) + `"}`))
	f.Add([]byte(`{"outcome":"rejected","at":"2026-03-02T15:04:07Z","reason":"Pat Miller\n"}`))
	f.Add([]byte(`{"outcome":"ACCEPTED","error":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		reply, err := decodeAnswer(body)
		if err != nil {
			require.Zero(t, reply)
			quiet(t, err)
			return
		}
		require.Contains(t, []supplier.CancelOutcome{supplier.CancelAccepted, supplier.CancelRejected, supplier.CancelPending}, reply.Outcome)
		require.Equal(t, wire.Reason(reply.Reason), reply.Reason)
		soundTime(t, reply.At)
	})
}

func FuzzRefusal(f *testing.F) {
	f.Add(uint16(404), "application/json", "", []byte(`{"code":"purchase_order_not_found"}`))
	f.Add(uint16(429), "text/html", "-9223372037", []byte(`<html>Pat Miller</html>`))
	f.Add(uint16(503), "application/json", "Fri, 31 Dec 9999 23:59:59 GMT", []byte(`{"code":"a\nlevel=error"}`))
	f.Fuzz(func(t *testing.T, status uint16, media, after string, body []byte) {
		now := time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)
		response := &http.Response{
			StatusCode: 100 + int(status)%500, Header: http.Header{"Content-Type": {media}, "Retry-After": {after}},
			Request: &http.Request{URL: &url.URL{Path: submitPath}},
		}
		err := (&Client{name: "acme"}).refusal(response, body, now)
		if response.StatusCode == http.StatusOK || response.StatusCode == http.StatusCreated {
			require.NoError(t, err)
			return
		}
		var failure *supplier.Error
		require.ErrorAs(t, err, &failure)
		quiet(t, err)
		require.GreaterOrEqual(t, failure.RetryAfter, time.Duration(0))
		require.LessOrEqual(t, failure.RetryAfter, maxRetryAfter)
		if strings.HasPrefix(after, "-") {
			require.Zero(t, failure.RetryAfter, "a wait into the past is none")
		}
	})
}
