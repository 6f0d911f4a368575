package activities_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/workflows"
)

// withdrawal begins the withdrawal that is due, as the workflow does.
func (l *life) withdrawal() workflows.CancelInput {
	l.t.Helper()
	step := l.due(order.StepWithdraw)
	w := l.state.PO(step.PO).Withdrawal(step.Subject)
	return workflows.CancelInput{
		Key: l.key, PO: step.PO, Effect: step.Subject, Reason: w.Reason, Lines: step.Lines, OnlyIfSilent: w.OnlyIfSilent(),
	}
}

// cancelled sends an order and has the customer cancel it.
func (b *bundle) cancelled() (*life, workflows.CancelInput) {
	b.t.Helper()
	l := b.place(sale("1", line(1, "MUG", 3))).dispatched()
	l.state.Cancel(order.CancelRequest{ID: "c"}, b.now)
	return l, l.withdrawal()
}

// silent sends an order whose supplier does not acknowledge it in time.
func (b *bundle) silent() (*life, workflows.CancelInput) {
	b.t.Helper()
	l := b.place(sale("1", line(1, "MUG", 3))).dispatched()
	b.now = l.po(1).AckDueAt
	l.state.Tick(b.now)
	in := l.withdrawal()
	require.True(b.t, in.OnlyIfSilent)
	return l, in
}

func cancels(c suppliersim.CancelManner) suppliersim.Manner {
	m := quiet
	m.Cancel = c
	return m
}

func TestTheSuppliersAnswerToACancellationDecides(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.now = time.Date(2026, 3, 6, 20, 0, 0, 0, time.UTC) // Friday, 15:00 in New York
	monday := time.Date(2026, 3, 9, 11, 0, 0, 0, must(time.LoadLocation("America/New_York")))
	for _, test := range []struct {
		manner suppliersim.CancelManner
		want   order.Answer
	}{
		{suppliersim.CancelManner{}, order.Answer{Outcome: order.AnswerAccepted}},
		{suppliersim.CancelManner{Mode: suppliersim.CancelReject}, order.Answer{Outcome: order.AnswerRejected, Reason: "too_late"}},
		{suppliersim.CancelManner{Mode: suppliersim.CancelPendingNever}, order.Answer{Outcome: order.AnswerPending, ConfirmBy: monday}},
	} {
		b.manner("acme", cancels(test.manner))
		l := b.place(sale(test.want.Outcome, line(1, "MUG", 3))).dispatched()
		l.state.Cancel(order.CancelRequest{ID: "c"}, b.now)
		in := l.withdrawal()
		answer, err := b.desk.CancelPurchaseOrder(b.ctx, in)
		require.NoError(t, err)
		require.Equal(t, test.want.Outcome, answer.Outcome)
		require.Equal(t, test.want.Reason, answer.Reason)
		require.True(t, test.want.ConfirmBy.Equal(answer.ConfirmBy), "four business hours: %s", answer.ConfirmBy)

		// Asked again later, the answer stands, and so does its deadline.
		b.now = b.now.Add(time.Hour)
		again, err := b.desk.CancelPurchaseOrder(b.ctx, in)
		b.now = b.now.Add(-time.Hour)
		require.NoError(t, err)
		require.True(t, answer.ConfirmBy.Equal(again.ConfirmBy))
		require.Len(t, l.entry(1).Cancellations, 1)
		require.Equal(t, 1, l.entry(1).Cancellations[0].Received)
		require.Equal(t, in.Effect, l.entry(1).Cancellations[0].Key, "the answer finds its withdrawal by this")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestACancellationOfAnOrderThatNeverArrivedIsAcceptedAndFencesIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.manner("acme", submits(suppliersim.Fault{Kind: suppliersim.FaultDropBeforeApply, Times: 1}))
	l := b.place(sale("1", line(1, "MUG", 3))).routed()
	require.Equal(t, order.DispatchUnknown, l.dispatch().Outcome)
	in := workflows.CancelInput{Key: l.key, PO: l.po(1).Number, Effect: l.po(1).Number + "-c1", Reason: "the customer cancelled"}
	answer, err := b.desk.CancelPurchaseOrder(b.ctx, in)
	require.NoError(t, err)
	require.Equal(t, order.AnswerAccepted, answer.Outcome)
	require.True(t, l.entry(1).Fenced)
}

func TestACancellationWhoseAnswerWasLostIsAskedAgainUnderItsKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.manner("acme", cancels(suppliersim.CancelManner{LoseAnswer: 1}))
	l, in := b.cancelled()
	_, err := b.desk.CancelPurchaseOrder(b.ctx, in)
	requireRetry(t, err, 0)
	require.Equal(t, "unknown", b.effect("cancel/"+in.Effect))
	answer, err := b.desk.CancelPurchaseOrder(b.ctx, in)
	require.NoError(t, err)
	require.Equal(t, order.AnswerAccepted, answer.Outcome)
	require.Len(t, l.entry(1).Cancellations, 1)
}

func TestTheRefusalOfALateAcknowledgmentReachesTheSupplier(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 3))).dispatched()
	in := workflows.CancelInput{Key: l.key, PO: l.po(1).Number, Effect: l.po(1).Number + "/late", Reason: "acknowledged after the order was lost"}
	answer, err := b.desk.CancelPurchaseOrder(b.ctx, in)
	require.NoError(t, err)
	require.Equal(t, order.AnswerAccepted, answer.Outcome)
	require.Len(t, l.entry(1).Cancellations, 1)
}

func TestASupplierWhoseAnswerWaitsInTheArchiveIsNotAskedBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, in := b.silent()
	b.exec(`UPDATE purchase_orders SET acknowledged_at = now()`)
	answer, err := b.desk.CancelPurchaseOrder(b.ctx, in)
	require.NoError(t, err)
	require.Equal(t, order.AnswerRejected, answer.Outcome)
	require.Empty(t, l.entry(1).Cancellations)
}

// lost is a supplier that acknowledges by a webhook that never arrives.
func (b *bundle) lost() (*life, workflows.CancelInput) {
	b.t.Helper()
	m := quiet
	m.Ack.When = suppliersim.AckByWebhook
	b.manner("acme", m)
	l, in := b.silent()
	require.NoError(b.t, b.suppliers.Books.Await(b.ctx, func(suppliersim.Snapshot) bool { return len(l.entry(1).Acks) > 0 }))
	return l, in
}

func TestAnAcknowledgmentWhoseWebhookWasLostIsFoundAtTheSupplierAndKeptOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, in := b.lost()
	for range 2 {
		answer, err := b.desk.CancelPurchaseOrder(b.ctx, in)
		require.NoError(t, err)
		require.Equal(t, order.AnswerRejected, answer.Outcome)
	}
	require.Empty(t, l.entry(1).Cancellations)
	kept, err := facts.After(b.ctx, b.pool, l.key.String(), 0)
	require.NoError(t, err)
	require.Len(t, kept, 1)
	require.Equal(t, order.AckAccepted, kept[0].Acknowledge.Whole)
	require.Equal(t, l.po(1).Number, kept[0].Acknowledge.PO)
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM orders WHERE deliver_at IS NOT NULL`))
}

func TestTwoThatFindTheLostAcknowledgmentAtOnceKeepItOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, in := b.lost()
	atOnce(t, 8, func(i int) error {
		other := in
		other.Effect += strconv.Itoa(i)
		_, err := b.desk.CancelPurchaseOrder(b.ctx, other)
		return err
	})
	kept, err := facts.After(b.ctx, b.pool, l.key.String(), 0)
	require.NoError(t, err)
	require.Len(t, kept, 1)
}

func TestASupplierThatMayHaveBeenAskedIsAskedAgainAlthoughItHasSpokenSince(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.manner("acme", cancels(suppliersim.CancelManner{LoseAnswer: 1}))
	_, in := b.silent()
	_, err := b.desk.CancelPurchaseOrder(b.ctx, in)
	require.Error(t, err, "it cancelled, and its answer was lost")
	b.exec(`UPDATE purchase_orders SET acknowledged_at = now()`)
	answer, err := b.desk.CancelPurchaseOrder(b.ctx, in)
	require.NoError(t, err)
	require.Equal(t, order.AnswerAccepted, answer.Outcome, "its books say cancelled")
}

func TestAParcelIsInterceptedOnceOrNot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := suppliersim.Manner{}
	m.Intercept.LoseAnswer = 1
	b.manner("acme", m)
	l := b.place(sale("1", line(1, "MUG", 3))).dispatched()
	require.NoError(t, b.suppliers.Books.Await(b.ctx, func(suppliersim.Snapshot) bool { return len(l.entry(1).Parcels) > 0 }))
	in := workflows.CancelInput{Key: l.key, PO: l.po(1).Number, Effect: "intercept/" + l.po(1).Number + "-s1", Reason: "shipped after the order was lost"}
	_, err := b.desk.InterceptParcel(b.ctx, in)
	requireRetry(t, err, 0)
	for range 2 {
		answer, err := b.desk.InterceptParcel(b.ctx, in)
		require.NoError(t, err)
		require.Equal(t, order.AnswerAccepted, answer.Outcome)
	}
	require.Len(t, l.entry(1).Intercepts, 1)
	require.Equal(t, l.po(1).Number+"-s1", l.entry(1).Intercepts[0].Key, "the case's own key, which a later answer repeats")
	require.True(t, l.entry(1).Parcels[0].Intercepted)
}

func TestNobodySaysThatAParcelWasStoppedOfAnOrderTheSupplierDoesNotKnow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 3))).routed()
	answer, err := b.desk.InterceptParcel(b.ctx, workflows.CancelInput{Key: l.key, PO: l.po(1).Number, Effect: "intercept/x"})
	require.NoError(t, err)
	require.Equal(t, order.AnswerRejected, answer.Outcome)
}

// Units shipped between two attempts, and an answer to the first may be on its way.
func TestACancellationAsksTheSameUnderItsKeyWhateverShippedMeanwhile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, in := b.cancelled()
	b.manner("acme", cancels(suppliersim.CancelManner{LoseAnswer: 1}))
	_, err := b.desk.CancelPurchaseOrder(b.ctx, in)
	require.Error(t, err)
	b.manner("acme", quiet)
	in.Lines = []order.ShippedLine{{Line: 1, Quantity: 1}}
	_, err = b.desk.CancelPurchaseOrder(b.ctx, in)
	require.NoError(t, err)
	require.Equal(t, []string{`[{"line": 1, "quantity": 3}]`}, []string{b.text(`SELECT asked::text FROM effects WHERE kind = 'cancel'`)})
	require.Len(t, l.entry(1).Cancellations, 1)
}
