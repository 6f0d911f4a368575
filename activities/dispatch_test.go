package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/activities"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/supplier"
)

// submits is a quiet supplier whose first answers to purchase orders are faulty.
func submits(faults ...suppliersim.Fault) suppliersim.Manner {
	m := quiet
	m.Submit = faults
	return m
}

func TestDispatchStartsTheContractsClocksAndRunsOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.now = time.Date(2026, 3, 6, 21, 30, 0, 0, time.UTC) // Friday, 16:30 in New York
	l := b.place(sale("1", line(1, "MUG", 3))).routed()
	result := l.dispatch()
	require.Equal(t, order.DispatchSubmitted, result.Outcome)
	require.NotEmpty(t, result.Reference)
	require.Equal(t, "2026-03-09T10:30:00-04:00", result.AckDueAt.Format(time.RFC3339), "two business hours, across the weekend and the clock change")
	require.Equal(t, "2026-03-09T10:00:00-04:00", result.RemindAt[0].Format(time.RFC3339))
	require.Equal(t, "submitted", b.text(`SELECT status FROM purchase_orders`))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM purchase_orders WHERE submitted_at = $1 AND ack_due_at = $2`, result.SentAt, result.AckDueAt))

	b.now = b.now.Add(time.Hour)
	again, err := b.desk.DispatchPurchaseOrder(b.ctx, l.dispatchInput(1))
	require.NoError(t, err)
	require.Equal(t, result.Reference, again.Reference)
	require.True(t, result.AckDueAt.Equal(again.AckDueAt))
	require.Equal(t, 1, l.entry(1).Received)
	require.Equal(t, "done", b.text(`SELECT state FROM effects`), "what was done stays done")
}

func TestAnAcknowledgmentInTheReceiptIsPassedOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := quiet
	m.Ack.When = suppliersim.AckInResponse
	b.manner("acme", m)
	l := b.place(sale("1", line(1, "MUG", 3))).dispatched()
	require.Equal(t, "acknowledged", l.po(1).Status())
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM purchase_orders WHERE acknowledged_at IS NOT NULL`))
}

func TestADispatchThatWasKilledAfterTheCallIsLookedUpAndNotSentAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.manner("acme", submits(suppliersim.Fault{Kind: suppliersim.FaultDropAfterApply, Times: 1}))
	l := b.place(sale("1", line(1, "MUG", 3))).routed()
	_, err := b.desk.DispatchPurchaseOrder(b.ctx, l.dispatchInput(1))
	require.NoError(t, err)
	b.exec(`UPDATE effects SET state = 'trying', result = NULL`) // as if the worker had died before it noted the end
	require.Equal(t, order.DispatchSubmitted, l.dispatch().Outcome)
	require.Equal(t, 1, l.entry(1).Received)
	require.Equal(t, "done", b.effect("submit/"+l.po(1).Number))
}

func TestADispatchThatWasKilledBeforeTheCallIsSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 3))).routed()
	b.exec(`INSERT INTO effects (key, order_key, kind, state) VALUES ($1, $2, 'submit', 'trying')`, "submit/"+l.po(1).Number, l.key.String())
	require.Equal(t, order.DispatchSubmitted, l.dispatch().Outcome)
	require.Equal(t, 1, l.entry(1).Received)
}

func TestALostAnswerIsUnknownUntilTheLookUpFindsIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.manner("acme", submits(suppliersim.Fault{Kind: suppliersim.FaultDropAfterApply, Times: 1}))
	l := b.place(sale("1", line(1, "MUG", 3))).routed()
	unknown := l.dispatch()
	require.Equal(t, order.DispatchUnknown, unknown.Outcome)
	require.Equal(t, "unknown", b.effect("submit/"+l.po(1).Number))
	l.due(order.StepLookUp)
	b.now = b.now.Add(time.Hour)
	for range 2 {
		found, err := b.desk.LookUpPurchaseOrder(b.ctx, l.dispatchInput(1))
		require.NoError(t, err)
		require.Equal(t, order.DispatchSubmitted, found.Outcome)
		require.True(t, unknown.AckDueAt.Equal(found.AckDueAt), "the clocks run from the sending")
	}
	require.Equal(t, 1, l.entry(1).Received)
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM purchase_orders WHERE status = 'submitted' AND ack_due_at = $1`, unknown.AckDueAt))
}

func TestALostOrderIsAbsentAndSentOnceMore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.manner("acme", submits(suppliersim.Fault{Kind: suppliersim.FaultDropBeforeApply, Times: 1}))
	l := b.place(sale("1", line(1, "MUG", 3))).routed()
	require.Equal(t, order.DispatchUnknown, l.dispatch().Outcome)
	l.due(order.StepLookUp)
	absent, err := b.desk.LookUpPurchaseOrder(b.ctx, l.dispatchInput(1))
	require.NoError(t, err)
	require.Equal(t, order.DispatchAbsent, absent.Outcome)
	l.state.Dispatched(l.po(1).Number, absent, b.now)
	require.Equal(t, order.DispatchSubmitted, l.dispatch().Outcome)
	require.Equal(t, 1, l.entry(1).Received)
}

func TestAnUnavailableSupplierIsTriedAgainWhenItAskedTo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.manner("acme", submits(suppliersim.Fault{Kind: suppliersim.FaultRespond503, Times: 1, RetryAfter: suppliersim.Duration(90 * time.Second)}))
	l := b.place(sale("1", line(1, "MUG", 3))).routed()
	_, err := b.desk.DispatchPurchaseOrder(b.ctx, l.dispatchInput(1))
	requireRetry(t, err, 90*time.Second)
	require.Equal(t, "not_sent", b.effect("submit/"+l.po(1).Number))
	require.Equal(t, order.DispatchSubmitted, l.dispatch().Outcome)
	require.Equal(t, 1, l.entry(1).Received)
}

// requireRetry holds an error to what Temporal reads from it: only an error of this very type keeps
// its delay.
func requireRetry(t *testing.T, err error, after time.Duration) {
	t.Helper()
	application, ok := err.(*temporal.ApplicationError) //nolint:errorlint // Temporal does not unwrap either
	require.True(t, ok, "%T: %v", err, err)
	require.False(t, application.NonRetryable())
	require.Equal(t, after, application.NextRetryDelay())
}

func TestAnUnavailableSupplierProvesNothingAboutAnEarlierAttempt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.manner("acme", submits(suppliersim.Fault{Kind: suppliersim.FaultRespond503, Times: 1}))
	l := b.place(sale("1", line(1, "MUG", 3))).routed()
	b.exec(`INSERT INTO effects (key, order_key, kind, state) VALUES ($1, $2, 'submit', 'trying')`, "submit/"+l.po(1).Number, l.key.String())
	_, err := b.desk.DispatchPurchaseOrder(b.ctx, l.dispatchInput(1))
	require.Error(t, err)
	require.Equal(t, "unknown", b.effect("submit/"+l.po(1).Number), "the attempt before it may still arrive")
}

func TestARefusedOrderIsNotSentAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := quiet
	m.Submit = []suppliersim.Fault{{Kind: suppliersim.FaultRefuse, Code: "out_of_stock"}}
	b.manner("acme", m)
	l := b.place(sale("1", line(1, "MUG", 3))).routed()
	refused := l.dispatch()
	require.Equal(t, order.DispatchRefused, refused.Outcome)
	require.Contains(t, refused.Reason, "out_of_stock")
	b.manner("acme", quiet)
	again, err := b.desk.DispatchPurchaseOrder(b.ctx, l.dispatchInput(1))
	require.NoError(t, err)
	require.Equal(t, refused, again)
	_, known := b.suppliers.Books.Order("acme", l.po(1).Number)
	require.False(t, known)
	require.Equal(t, "bolt", l.route().POs[0].Supplier)
}

func TestOtherContentUnderTheNumberIsAConflict(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 3))).routed()
	_, err := b.desk.DispatchPurchaseOrder(b.ctx, l.dispatchInput(1))
	require.NoError(t, err)
	// The supplier forgets its look-up, and what is sent has changed.
	b.exec(`DELETE FROM effects`)
	b.exec(`UPDATE purchase_order_lines SET live = 2`)
	require.Equal(t, order.DispatchConflict, l.dispatch().Outcome)
	require.Equal(t, 1, l.entry(1).Conflicts)
	l.due(order.StepWithdraw)
}

// overtaken is a supplier that answers an attempt with a failure, but only after another one has come.
type overtaken struct {
	supplier.Channel
	activities.Partners

	meanwhile func()
	failure   error
}

func (o overtaken) Supplier(catalog.Supplier) (supplier.Channel, error) { return o, nil }

func (o overtaken) Submit(context.Context, supplier.PurchaseOrder) (supplier.Receipt, error) {
	o.meanwhile()
	return supplier.Receipt{}, &supplier.Error{Kind: o.failure, Supplier: "acme"}
}

func TestAnAttemptThatEndsLateHidesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 3))).routed()
	late := b.deskOn(b.pool)
	late.Partners = overtaken{failure: supplier.ErrUnknown, meanwhile: func() {
		require.Equal(t, order.DispatchSubmitted, l.dispatch().Outcome)
	}}
	result, err := late.DispatchPurchaseOrder(b.ctx, l.dispatchInput(1))
	require.NoError(t, err)
	require.Equal(t, order.DispatchUnknown, result.Outcome)
	require.Equal(t, "done", b.effect("submit/"+l.po(1).Number))
	require.Equal(t, 1, l.entry(1).Received)
}

func TestAnAttemptThatIsTurnedAwaySaysNothingOfALaterOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 3))).routed()
	b.desk.Partners = overtaken{failure: supplier.ErrUnavailable, meanwhile: func() {
		b.exec(`UPDATE effects SET attempts = 2, previous = 'trying'`) // another one has begun and not ended
	}}
	_, err := b.desk.DispatchPurchaseOrder(b.ctx, l.dispatchInput(1))
	require.Error(t, err)
	require.Equal(t, "trying", b.effect("submit/"+l.po(1).Number))
}
