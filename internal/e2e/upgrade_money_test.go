package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
)

// upgradeMoneyFrom has payments and returns begun on an earlier build end on this one, and the other way round.
func upgradeMoneyFrom(t *testing.T, binary string) {
	manner := suppliersim.Manner{
		Ack: suppliersim.AckManner{Delay: suppliersim.Duration(time.Second)},
		// It ships when the builds have changed.
		Ship: suppliersim.ShipManner{Delay: suppliersim.Duration(12 * time.Second), Carrier: "dropex"},
	}
	w := tills(t, catalog.CaptureShipment, stage.Supplier{ID: "acme", Manner: manner}, prompt("bolt", suppliersim.AckInResponse))

	stopOld := w.startEarlier(t, binary)
	begunOld := w.beginMoney(t, "begun-on-the-old")
	stopNew := w.startWorker(t, 10*time.Second)
	stopOld()
	w.endMoney(t, begunOld)

	begunNew := w.beginMoney(t, "begun-on-the-new")
	stopOld = w.startEarlier(t, binary)
	stopNew()
	w.endMoney(t, begunNew)
	stopOld()
	w.startWorker(t, 5*time.Second) // answers the audit
	w.requireSound(t)
}

// moneyUnderWay is a payment that is not captured yet, and a return whose parcel has not left.
type moneyUnderWay struct {
	held, returned order.Key
	reference, rma string
}

func (w *world) beginMoney(t *testing.T, name string) (m moneyUnderWay) {
	t.Helper()
	var err error
	m.returned, _ = w.pays(t, name+"-returned", true, "bolt-mug")
	w.settled(t, m.returned)
	m.rma, err = w.Return(patience(t), m.returned, "r-1", returns.ChangedMind, 1)
	require.NoError(t, err)
	_, err = w.ReturnBecomes(patience(t), m.returned, m.rma, func(v *orderview.Return) bool {
		return v.Label != nil && v.Stage != string(returns.StageAuthorising)
	})
	require.NoError(t, err)
	m.held, m.reference = w.pays(t, name+"-held", false, "acme-mug")
	// It has been looked up, and waits for the shipment.
	require.Eventually(t, func() bool {
		cost, err := w.CostOfPayment(t.Context(), m.held)
		return err == nil && cost.WorkflowTasks > 1 && cost.Timers > 0
	}, patient, 20*time.Millisecond)
	require.Zero(t, w.Payments.Payment(m.reference).Captured)
	return m
}

func (w *world) endMoney(t *testing.T, m moneyUnderWay) {
	t.Helper()
	require.NoError(t, w.SendBack(patience(t), m.returned, m.rma))
	w.closed(t, m.returned, m.rma)
	w.settled(t, m.held)
	w.payment(t, m.held, "payment_done")
	require.EqualValues(t, 1928, w.Payments.Payment(m.reference).Captured)
	require.Zero(t, w.balance(t, m.held, "customer_receivable"))
	for _, workflow := range []string{returns.WorkflowID(m.returned, m.rma), payments.WorkflowID(m.held)} {
		require.Len(t, w.buildsOf(t, workflow), 2, "%s begins on one build and ends on the other", workflow)
	}
}
