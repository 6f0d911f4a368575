package restapi_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/conformance"
	"github.com/dropline/dropline/internal/supplier/restapi"
)

const token = "token-of-acme"

// stage is the simulator as the conformance suite sees it.
type stage struct{ sim *suppliersim.Server }

var scenes = map[conformance.Scene]suppliersim.Manner{
	conformance.Good:            {Ship: suppliersim.ShipManner{Never: true}},
	conformance.AcksInResponse:  {Ack: suppliersim.AckManner{When: suppliersim.AckInResponse}, Ship: suppliersim.ShipManner{Never: true}},
	conformance.LosesAnswer:     submitFault(suppliersim.Fault{Kind: suppliersim.FaultDropAfterApply, Times: 1}),
	conformance.FailsUntaken:    submitFault(suppliersim.Fault{Kind: suppliersim.FaultDropBeforeApply, Times: 1}),
	conformance.ErrorInDisguise: submitFault(suppliersim.Fault{Kind: suppliersim.FaultErrorBody, Times: 1}),
	conformance.Refuses:         submitFault(suppliersim.Fault{Kind: suppliersim.FaultRefuse}),
	conformance.Unavailable: submitFault(suppliersim.Fault{
		Kind: suppliersim.FaultRespond429, Times: 1, RetryAfter: suppliersim.Duration(conformance.RetryAfter),
	}),
	conformance.Ships:            {},
	conformance.ShipsLater:       {Ship: suppliersim.ShipManner{Delay: suppliersim.Duration(3 * time.Second)}},
	conformance.RejectsCancel:    cancelManner(suppliersim.CancelManner{Mode: suppliersim.CancelReject}),
	conformance.PendingCancel:    cancelManner(suppliersim.CancelManner{Mode: suppliersim.CancelPendingNever}),
	conformance.LosesCancel:      cancelManner(suppliersim.CancelManner{LoseAnswer: 1}),
	conformance.RejectsIntercept: {Intercept: suppliersim.CancelManner{Mode: suppliersim.CancelReject, Reason: "carrier_refused"}},
}

func submitFault(faults ...suppliersim.Fault) suppliersim.Manner {
	return suppliersim.Manner{Submit: faults, Ship: suppliersim.ShipManner{Never: true}}
}

func cancelManner(m suppliersim.CancelManner) suppliersim.Manner {
	return suppliersim.Manner{Cancel: m, Ship: suppliersim.ShipManner{Never: true}}
}

func (s stage) Play(t *testing.T, scene conformance.Scene) {
	manner, known := scenes[scene]
	require.True(t, known, "scene %s has no manner", scene)
	require.NoError(t, s.sim.SetManner("acme", manner))
}

func (s stage) Entry(number string) conformance.Entry {
	o, _ := s.sim.Books.Order("acme", number)
	entry := conformance.Entry{
		Units: map[int]int64{}, GivenBack: map[int]int64{}, Cancelled: o.Cancelled,
		Cancellations: len(o.Cancellations), Intercepts: len(o.Intercepts),
	}
	if o.Received > 0 {
		entry.Orders = 1
	}
	for _, line := range o.Lines {
		entry.Units[line.Line] += line.Quantity
		if line.CancelledUnits > 0 {
			entry.GivenBack[line.Line] += line.CancelledUnits
		}
	}
	return entry
}

func (s stage) AwaitShipment(ctx context.Context, number string) error {
	return s.sim.Books.Await(ctx, func(suppliersim.Snapshot) bool {
		o, _ := s.sim.Books.Order("acme", number)
		return len(o.Parcels) > 0
	})
}

func setup(t *testing.T) (*restapi.Client, *suppliersim.Server) {
	t.Helper()
	sim, err := suppliersim.Start(suppliersim.Options{
		Seed: 1, Suppliers: map[string]suppliersim.Supplier{"acme": {Token: token, Secret: "secret-of-acme"}},
	})
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	return connect(t, sim.BaseURL("acme"), 5*time.Second), sim
}

func connect(t *testing.T, base string, timeout time.Duration) *restapi.Client {
	t.Helper()
	client, err := restapi.New(restapi.Config{Supplier: "acme", BaseURL: base, Token: token, Timeout: timeout, AllowPrivate: true})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

func TestConformance(t *testing.T) {
	t.Parallel()
	conformance.Run(t, func(t *testing.T) (supplier.Channel, conformance.Books) {
		client, sim := setup(t)
		return client, stage{sim}
	})
}
