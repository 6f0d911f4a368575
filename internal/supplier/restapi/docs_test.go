package restapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/restapi"
)

const documentedNumber = "DLABCDEFGHIJKLM-1"

// examples reads the named JSON blocks of the protocol's page.
func examples(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/supplier-api.md")
	require.NoError(t, err)
	blocks := map[string]string{}
	for _, found := range regexp.MustCompile("(?s)```json ([a-z-]+)\n(.*?)```").FindAllSubmatch(page, -1) {
		blocks[string(found[1])] = string(found[2])
	}
	require.Len(t, blocks, 18)
	return blocks
}

// replay answers every request with a body and keeps what was asked.
func replay(t *testing.T, status int, body string) (*restapi.Client, func() (*http.Request, string)) {
	t.Helper()
	type asked struct {
		request *http.Request
		body    string
	}
	requests := make(chan asked, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		requests <- asked{r, string(text)}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return connect(t, server.URL, 5*time.Second), func() (*http.Request, string) {
		got := <-requests
		return got.request, got.body
	}
}

func TestPurchaseOrderIsSentAsDocumented(t *testing.T) {
	t.Parallel()
	docs := examples(t)
	client, asked := replay(t, http.StatusCreated, docs["receipt"])
	receipt, err := client.Submit(t.Context(), supplier.PurchaseOrder{
		Number: documentedNumber, Supplier: "acme", Currency: "USD", Method: "ground",
		OrderedAt: time.Date(2026, 3, 2, 10, 4, 5, 0, time.FixedZone("", -5*3600)),
		ShipTo: supplier.Address{
			Name: "Pat Miller", Company: "Miller & Co", Street1: "5 Elm St", Street2: "Apt 2", City: "Dover", Region: "DE",
			PostalCode: "19901", Country: "US", Phone: "+13025550100", Email: "pat@example.com",
		},
		Lines: []supplier.PurchaseOrderLine{
			{Line: 1, SKU: "MUG", SupplierSKU: "A-MUG", Quantity: 3, UnitCost: 450},
			{Line: 2, SKU: "TEE", SupplierSKU: "A-TEE", Quantity: 1, UnitCost: 1299},
		},
	})
	require.NoError(t, err)
	request, body := asked()
	require.JSONEq(t, docs["purchase-order"], body)
	require.Equal(t, "/purchase-orders", request.URL.Path)
	require.Equal(t, documentedNumber, request.Header.Get("Idempotency-Key"))
	require.Equal(t, "Bearer "+token, request.Header.Get("Authorization"))
	at := time.Date(2026, 3, 2, 15, 4, 7, 0, time.UTC)
	require.Equal(t, supplier.Receipt{
		Reference: "SO-1001", ReceivedAt: at,
		Acknowledgment: &order.Acknowledgment{Document: "ack-77", PO: documentedNumber, At: at, Whole: order.AckAccepted},
	}, receipt)
}

func TestStandingIsReadAsDocumented(t *testing.T) {
	t.Parallel()
	client, asked := replay(t, http.StatusOK, examples(t)["standing"])
	standing, err := client.LookUp(t.Context(), documentedNumber)
	require.NoError(t, err)
	request, _ := asked()
	require.Equal(t, "GET /purchase-orders/"+documentedNumber, request.Method+" "+request.URL.Path)
	require.Equal(t, "ack-77", standing.Acknowledgment.Document)
	require.Equal(t, []order.ShipNotice{{
		Document: "shp-12", PO: documentedNumber, At: time.Date(2026, 3, 3, 9, 30, 0, 0, time.UTC), Carrier: "ups",
		Tracking: "1Z999AA10123456784", Lines: []order.ShippedLine{{Line: 1, Quantity: 3}},
	}}, standing.Shipments)
}

func TestCancellationIsAskedAndAnsweredAsDocumented(t *testing.T) {
	t.Parallel()
	docs := examples(t)
	request := supplier.Cancellation{Key: "cancel-1", Number: documentedNumber, Reason: "cancelled_by_buyer"}
	want := supplier.CancelReceipt{Outcome: supplier.CancelRejected, At: time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC), Reason: "already_shipped"}

	client, asked := replay(t, http.StatusOK, docs["answer"])
	got, err := client.Cancel(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, want, got)
	sent, body := asked()
	require.JSONEq(t, docs["cancellation"], body)
	require.Equal(t, "/purchase-orders/"+documentedNumber+"/cancellations", sent.URL.Path)

	request.Key, request.Lines = "cancel-2", []order.ShippedLine{{Line: 1, Quantity: 1}}
	_, err = client.Cancel(t.Context(), request)
	require.NoError(t, err)
	sent, body = asked()
	require.JSONEq(t, docs["cancellation-units"], body)
	require.Equal(t, "/purchase-orders/"+documentedNumber+"/cancellations", sent.URL.Path)

	got, err = client.Intercept(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, want, got)
	sent, body = asked()
	require.JSONEq(t, docs["cancellation-units"], body)
	require.Equal(t, "/purchase-orders/"+documentedNumber+"/intercepts", sent.URL.Path)
	require.Equal(t, "cancel-2", sent.Header.Get("Idempotency-Key"))

	client, _ = replay(t, http.StatusNotFound, docs["problem"])
	_, err = client.LookUp(t.Context(), documentedNumber)
	require.ErrorIs(t, err, supplier.ErrNotFound)
}

func TestWebhooksAreReadAsDocumented(t *testing.T) {
	t.Parallel()
	docs := examples(t)
	parse := func(name string) restapi.Document {
		doc, err := restapi.ParseWebhook([]byte(docs[name]))
		require.NoError(t, err, name)
		require.Equal(t, documentedNumber, doc.PO)
		return doc
	}
	doc := parse("event-acknowledged")
	require.Equal(t, "ack-78", doc.NaturalKey())
	require.Equal(t, "USD", doc.Currency)
	require.Equal(t, &order.Acknowledgment{
		Document: "ack-78", PO: documentedNumber, At: time.Date(2026, 3, 2, 15, 9, 58, 0, time.UTC),
		Lines: []order.AckLine{
			{Line: 1, Status: order.AckAccepted, Quantity: 1},
			{Line: 1, Status: order.AckBackordered, Quantity: 1, ExpectedOn: time.Date(2026, 3, 12, 0, 0, 0, 0, time.UTC)},
			{Line: 1, Status: order.AckRejected, Quantity: 1, Reason: "out_of_stock"},
			{Line: 2, Status: order.AckPriceChanged, Quantity: 1, UnitCost: 1349},
		},
	}, doc.Acknowledgment)

	require.Equal(t, &order.ShipNotice{
		Document: "shp-12", PO: documentedNumber, At: time.Date(2026, 3, 3, 9, 30, 0, 0, time.UTC), Carrier: "ups",
		Tracking: "1Z999AA10123456784", Lines: []order.ShippedLine{{Line: 1, Quantity: 3}},
	}, parse("event-shipment").ShipNotice)

	doc = parse("event-cancellation")
	require.Equal(t, "cancel-1", doc.CancelKey)
	require.Equal(t, &order.CancelAnswer{
		Document: "can-5", PO: documentedNumber, At: time.Date(2026, 3, 2, 16, 59, 0, 0, time.UTC), Accepted: true,
	}, doc.CancelAnswer)

	require.Equal(t, &supplier.Invoice{
		Document: "inv-9", PO: documentedNumber, Number: "INV-2026-0009", At: time.Date(2026, 3, 4, 7, 59, 0, 0, time.UTC),
		Currency: "USD", Lines: []supplier.InvoiceLine{{Line: 1, Quantity: 3, UnitCost: 450}},
		Freight: 600, Allowance: 50, Total: 1900,
	}, parse("event-invoice").Invoice)
}

const documentedRMA = documentedNumber + "-R1"

func TestAReturnIsAnnouncedAndAnsweredAsDocumented(t *testing.T) {
	t.Parallel()
	docs := examples(t)
	client, asked := replay(t, http.StatusOK, docs["return-answer"])
	got, err := client.AuthoriseReturn(t.Context(), supplier.ReturnAuthorization{
		RMA: documentedRMA, Number: documentedNumber, SendBy: time.Date(2026, 3, 20, 9, 0, 0, 0, time.UTC),
		Lines: []supplier.ReturnLine{{Line: 1, SupplierSKU: "A-MUG", Quantity: 1, Reason: string(returns.Damaged)}},
	})
	require.NoError(t, err)
	sent, body := asked()
	require.JSONEq(t, docs["return"], body)
	require.Equal(t, "/returns", sent.URL.Path)
	require.Equal(t, documentedRMA, sent.Header.Get("Idempotency-Key"))
	require.Equal(t, supplier.ReturnReceipt{
		CancelReceipt: supplier.CancelReceipt{Outcome: supplier.CancelAccepted, At: time.Date(2026, 3, 6, 10, 0, 0, 0, time.UTC)},
		Label:         &supplier.ReturnLabel{Carrier: "ups", Tracking: "1Z999AA10123456799", URL: "https://labels.example/1Z999AA10123456799"},
	}, got)

	client, _ = replay(t, http.StatusNotFound, docs["problem"])
	_, err = client.AuthoriseReturn(t.Context(), supplier.ReturnAuthorization{
		RMA: documentedRMA, Number: documentedNumber, Lines: []supplier.ReturnLine{{Line: 1, SupplierSKU: "A-MUG", Quantity: 1, Reason: "damaged"}},
	})
	require.ErrorIs(t, err, supplier.ErrNotFound)
}

func TestWebhooksAboutClaimsAreReadAsDocumented(t *testing.T) {
	t.Parallel()
	docs := examples(t)
	for name, want := range map[string]restapi.ClaimSaid{
		"event-claim-credit": {
			Reference: "C0A1B2C3D4E5F6A", Number: "CM-2026-0005", At: time.Date(2026, 3, 20, 7, 59, 0, 0, time.UTC), Amount: 120,
		},
		"event-claim-answered": {Reference: "C0A1B2C3D4E5F6A", Answer: claims.Accepted, At: time.Date(2026, 3, 19, 7, 59, 0, 0, time.UTC)},
	} {
		doc, err := restapi.ParseWebhook([]byte(docs[name]))
		require.NoError(t, err, name)
		require.Equal(t, &want, doc.Claim)
		for _, wrong := range []string{`"claim": "C0"`, `"claim": "C0A1B2C3D4E5F6A", "rma": "R-1"`, `"claim": "C0A1B2C3D4E5F6A", "invoice": "I1"`} {
			_, err = restapi.ParseWebhook([]byte(strings.Replace(docs["event-claim-credit"], `"claim": "C0A1B2C3D4E5F6A"`, wrong, 1)))
			require.ErrorIs(t, err, restapi.ErrInvalid, wrong)
		}
	}
}

func TestWebhooksAboutReturnsAreReadAsDocumented(t *testing.T) {
	t.Parallel()
	docs := examples(t)
	parse := func(name string) *returns.Fact {
		doc, err := restapi.ParseWebhook([]byte(docs[name]))
		require.NoError(t, err, name)
		require.Equal(t, documentedRMA, doc.RMA)
		return doc.Return
	}
	require.Equal(t, &returns.SupplierAnswer{
		Document: "rma-3", At: time.Date(2026, 3, 6, 11, 59, 0, 0, time.UTC), Kind: returns.SupplierAccepted,
	}, parse("event-return-answered").Answer)
	require.Equal(t, &returns.Inspection{
		Document: "ins-4", At: time.Date(2026, 3, 12, 8, 50, 0, 0, time.UTC), Final: true,
		Lines: []returns.InspectedLine{{Line: 1, Quantity: 1, Condition: returns.DamagedGoods, Disposition: returns.Recycle}},
	}, parse("event-return-inspected").Inspection)
	require.Equal(t, &returns.CreditMemo{
		Document: "crm-2", Number: "CM-2026-0004", At: time.Date(2026, 3, 14, 7, 59, 0, 0, time.UTC), Amount: 450,
	}, parse("event-credit-memo").Memo)
}
