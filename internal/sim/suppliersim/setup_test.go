package suppliersim_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/conformance"
	"github.com/dropline/dropline/internal/supplier/restapi"
	"github.com/dropline/dropline/internal/webhook"
)

// testBundle is a simulator with a client on one side and a gateway on the other.
type testBundle struct {
	t      *testing.T
	ctx    context.Context
	sim    *suppliersim.Server
	client *restapi.Client
	po     supplier.PurchaseOrder

	mu      sync.Mutex
	refuse  int // deliveries still to be answered with 503
	events  []restapi.Document
	forged  int
	parcels []string // carrier, tracking and manner as told to the listener
}

func setup(t *testing.T, m suppliersim.Manner) *testBundle {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	b := &testBundle{t: t, ctx: ctx, po: conformance.Order()}
	gateway := httptest.NewServer(http.HandlerFunc(b.receive))
	t.Cleanup(gateway.Close)
	sim, err := suppliersim.Start(suppliersim.Options{
		Seed: 7, Gateway: gateway.URL, FirstWait: time.Millisecond, LongestWait: 5 * time.Millisecond,
		Suppliers: map[string]suppliersim.Supplier{"acme": {Token: "token", Secret: "secret", Manner: m}},
		Listener: suppliersim.ShipmentListenerFunc(func(carrier, tracking, manner string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.parcels = append(b.parcels, carrier+" "+tracking+" "+manner)
		}),
	})
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	b.sim = sim
	b.client, err = restapi.New(restapi.Config{Supplier: "acme", BaseURL: sim.BaseURL("acme"), Token: "token", AllowPrivate: true})
	require.NoError(t, err)
	t.Cleanup(b.client.Close)
	return b
}

// receive plays Dropline's gateway.
func (b *testBundle) receive(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse > 0 {
		b.refuse--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.URL.Path != "/v1/suppliers/acme/events" || webhook.Verify([]string{"secret"}, r.Header.Get(webhook.Header), body, time.Now(), time.Minute) != nil {
		b.forged++
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	doc, err := restapi.ParseWebhook(body)
	if err != nil {
		b.t.Errorf("the simulator sent what the parser refuses: %v", err)
	}
	b.events = append(b.events, doc)
	w.WriteHeader(http.StatusAccepted)
}

func (b *testBundle) submit() supplier.Receipt {
	receipt, err := b.client.Submit(b.ctx, b.po)
	require.NoError(b.t, err)
	return receipt
}

func (b *testBundle) cancel(want supplier.CancelOutcome) {
	receipt, err := b.client.Cancel(b.ctx, supplier.Cancellation{Key: "c1", Number: b.po.Number})
	require.NoError(b.t, err)
	require.Equal(b.t, want, receipt.Outcome)
}

// await waits until as many events of the given types were taken as are named, and gives all.
func (b *testBundle) await(types ...string) []restapi.Document {
	want := map[string]int{}
	for _, kind := range types {
		want[kind]++
	}
	err := b.sim.Books.Await(b.ctx, func(s suppliersim.Snapshot) bool {
		got := map[string]int{}
		for _, hook := range s["acme"].Webhooks {
			got[hook.Type] += hook.Delivered
		}
		for kind, n := range want {
			if got[kind] < n {
				return false
			}
		}
		return true
	})
	require.NoError(b.t, err, "%+v", b.sim.Books.Snapshot()["acme"].Webhooks)
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.events)
}

func (b *testBundle) entry() suppliersim.Order {
	o, found := b.sim.Books.Order("acme", b.po.Number)
	require.True(b.t, found)
	return o
}

func only(docs []restapi.Document, kind string) []restapi.Document {
	return slices.DeleteFunc(slices.Clone(docs), func(d restapi.Document) bool { return d.Type != kind })
}

const (
	acked    = "purchase_order.acknowledged"
	shipped  = "shipment.created"
	answered = "purchase_order.cancellation_answered"
	invoiced = "invoice.created"
)

const (
	soon = suppliersim.Duration(time.Millisecond)
	long = suppliersim.Duration(time.Hour)
)
