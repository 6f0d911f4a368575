package e2e

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/engine/enginetest"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/workflows"
)

// till plays one payment's workflow on a real server, with a script in place of its activities.
type till struct {
	*player

	opened    payments.State
	facts     []payments.Fact // what Postgres holds, by number from 1
	taken     payments.Taking // what the capture comes to
	tried     payments.RefundStanding
	untouched bool // it reads its state from Postgres instead of getting it
}

func newTill(t *testing.T, c client.Client, namespace, name string) *till {
	t.Helper()
	b := &till{player: newPlayer(t, c, namespace, "payment", name)}
	b.workflow = payments.WorkflowID(b.key)
	b.opened = payments.New(payments.Sale{Key: b.key, Reference: "pi_1", Currency: "EUR", AtShipment: true, Authorised: 2856})
	b.taken, b.tried = payments.Taking{Amount: 2856}, payments.RefundDone
	return b
}

func (b *till) start(watchers ...interceptor.WorkerInterceptor) {
	b.t.Helper()
	b.work(b.script, watchers)
	in := workflows.PaymentInput{Key: b.key}
	if !b.untouched {
		in.State = &b.opened
	}
	b.begin(workflows.PaymentWorkflow, in)
}

func (b *till) script(w worker.Worker) {
	w.RegisterWorkflowWithOptions(workflows.Payment, workflow.RegisterOptions{Name: workflows.PaymentWorkflow})
	serve(b.desk, w, workflows.ActivityLookUpPayment, func(order.Key) any {
		return payments.Standing{Status: "authorised", Authorised: 2856, ExpiresAt: time.Now().Add(6 * 24 * time.Hour)}
	})
	serve(b.desk, w, workflows.ActivityCapturePayment, func(order.Key) any { return b.taken })
	serve(b.desk, w, workflows.ActivityVoidPayment, func(order.Key) any { return "" })
	serve(b.desk, w, workflows.ActivityRefundAgain, func(in workflows.RefundAgainInput) any {
		return payments.RefundTried{Key: in.Refund, Try: in.Try, Reference: "re_2", Standing: b.tried}
	})
	serve(b.desk, w, workflows.ActivityLookUpRefund, func(in workflows.RefundAgainInput) any {
		return payments.RefundTried{Key: in.Refund, Try: in.Try, Reference: in.Reference, Standing: payments.RefundDone}
	})
	serve(b.desk, w, workflows.ActivitySendEvidence, func(workflows.EvidenceInput) any { return "" })
	serve(b.desk, w, workflows.ActivityRecordPayment, func(payments.State) any { return "" })
	serve(b.desk, w, workflows.ActivityClosePayment, func(payments.State) any { return "" })
	serve(b.desk, w, workflows.ActivityLoadPayment, func(order.Key) any { return b.opened })
	serve(b.desk, w, workflows.ActivityPaymentFacts, func(in workflows.PaymentFactsInput) any {
		return slices.Clone(b.facts[min(int(in.After), len(b.facts)):])
	})
}

func (b *till) hear(f payments.Fact) {
	b.t.Helper()
	b.mu.Lock()
	f.Seq = int64(len(b.facts) + 1)
	b.facts = append(b.facts, f)
	b.mu.Unlock()
	b.signal(workflows.PaymentFactsSignal{Facts: []payments.Fact{f}})
}

func (b *till) decide(d payments.Decision) error {
	d.By = "operator"
	return b.ask(workflows.UpdateDecide, d)
}

// until waits until the payment is in a stage, with nothing under way.
func (b *till) until(stage payments.Stage) {
	b.t.Helper()
	untilState(b.player, string(stage), func(s *payments.State) bool { return s.Stage() == stage && len(s.Busy) == 0 })
}

// ships is what happens to a payment that goes as it should.
func ships(b *till) {
	b.until(payments.StageAuthorised)
	b.hear(payments.Fact{Shipped: &payments.Moment{At: time.Now()}})
}

// cancels is what happens to one of which nothing is taken.
func cancels(b *till) {
	b.until(payments.StageAuthorised)
	b.hear(payments.Fact{Release: &payments.Release{At: time.Now(), Total: 2856}})
}

// captured makes it a payment that was taken with the order.
func captured(b *till) { b.opened.Authorised, b.opened.AtShipment = 0, false }

// pends is a payment with a refund that the bank has had for too long.
func pends(b *till) {
	captured(b)
	b.opened.Refunds = []payments.Refund{{
		Key: "refund/1", Amount: 1428, Reference: "re_1", Standing: payments.RefundPending, Try: 1, At: time.Now(), LookAt: time.Now().Add(-time.Hour),
	}}
}

// comesBackAndIsMadeAgain is a refund that fails days later.
func comesBackAndIsMadeAgain(b *till) {
	b.until(payments.StageRefundDue)
	require.NoError(b.t, b.decide(payments.Decision{ID: "d", Kind: payments.DecideRetry}))
}

func failedRefund(b *till) {
	captured(b)
	b.opened.Refunds = []payments.Refund{{
		Key: "refund/1", Amount: 1428, Reference: "re_1", Standing: payments.RefundFailed, Try: 1, At: time.Now(),
	}}
}

func disputed(b *till) {
	captured(b)
	b.opened.Ended = true
	b.opened.Disputes = []payments.Dispute{{Reference: "dp_1", Amount: 2856, OpenedAt: time.Now(), Send: true}}
}

func losesTheDispute(b *till) {
	b.until(payments.StageDisputed)
	b.hear(payments.Fact{Dispute: &payments.DisputeNews{Reference: "dp_1", At: time.Now(), Amount: 2856, Closed: true}})
}

// paymentTale is a payment's life; it must end as told and its history must replay.
type paymentTale struct {
	set      func(*till)
	tell     func(*till)
	watchers []interceptor.WorkerInterceptor
	ends     payments.Stage
}

func paymentTales() map[string]paymentTale {
	all := map[string]paymentTale{
		"payment":        {ends: payments.StageClosed, tell: ships},
		"payment-voided": {ends: payments.StageVoided, tell: cancels},
		"payment-refused": {ends: payments.StageVoided, set: func(b *till) { b.taken = payments.Taking{Refused: true, Code: "declined"} }, tell: func(b *till) {
			ships(b)
			b.until(payments.StagePaymentDue)
			require.NoError(b.t, b.decide(payments.Decision{ID: "d", Kind: payments.DecideElsewhere, Reference: "wire"}))
		}},
		"payment-refund-again": {ends: payments.StageClosed, set: failedRefund, tell: comesBackAndIsMadeAgain},
		"payment-refund-late":  {ends: payments.StageClosed, set: pends},
		"payment-chargeback":   {ends: payments.StageClosed, set: disputed, tell: losesTheDispute},
		"payment-refused-requests": {ends: payments.StageClosed, watchers: []interceptor.WorkerInterceptor{&lax{}}, tell: func(b *till) {
			b.until(payments.StageAuthorised)
			require.ErrorContains(b.t, b.decide(payments.Decision{ID: "d", Kind: payments.DecideRetry}), "is to be decided")
			ships(b)
		}},
		"payment-stalled-catch-up": {ends: payments.StageClosed, set: func(b *till) { b.before[workflows.ActivityPaymentFacts] = refuses(1) }, tell: func(b *till) {
			b.until(payments.StageAuthorised)
			b.signal("no facts")
			ships(b)
		}},
		"payment-unknown-facts": {ends: payments.StageClosed, tell: func(b *till) {
			b.until(payments.StageAuthorised)
			b.hear(payments.Fact{})
			untilState(b.player, "a person is called", func(s *payments.State) bool { return s.LastFact == 1 && len(s.Attention) == 1 })
			ships(b)
		}},
		"payment-stalled-load": {ends: payments.StageClosed, set: func(b *till) {
			b.untouched = true
			b.before[workflows.ActivityLoadPayment] = refuses(1)
		}, tell: ships},
		"payment-long-history": {ends: payments.StageClosed, tell: func(b *till) {
			b.fillHistory(func() { b.until(payments.StageAuthorised) })
			ships(b)
		}},
	}
	for name, stalled := range map[string]struct {
		activity  string
		set, tell func(*till)
		ends      payments.Stage
	}{
		"look-up":        {workflows.ActivityLookUpPayment, nil, ships, payments.StageClosed},
		"capture":        {workflows.ActivityCapturePayment, nil, ships, payments.StageClosed},
		"void":           {workflows.ActivityVoidPayment, nil, cancels, payments.StageVoided},
		"refund":         {workflows.ActivityRefundAgain, failedRefund, comesBackAndIsMadeAgain, payments.StageClosed},
		"look-up-refund": {workflows.ActivityLookUpRefund, pends, nil, payments.StageClosed},
		"evidence":       {workflows.ActivitySendEvidence, disputed, losesTheDispute, payments.StageClosed},
		"record":         {workflows.ActivityRecordPayment, nil, ships, payments.StageClosed},
		"close":          {workflows.ActivityClosePayment, nil, ships, payments.StageClosed},
	} {
		all["payment-stalled-"+name] = paymentTale{ends: stalled.ends, tell: stalled.tell, set: func(b *till) {
			b.before[stalled.activity] = refuses(1)
			if stalled.set != nil {
				stalled.set(b)
			}
		}}
	}
	return all
}

// TestPaymentTalesAreTold records them for a release as TestTalesAreTold does.
func TestPaymentTalesAreTold(t *testing.T) {
	t.Parallel()
	forget()
	c, namespace := enginetest.Namespace(t)
	all := paymentTales()
	sideBySide(slices.Sorted(maps.Keys(all)), func(name string) {
		t.Run(name, func(t *testing.T) {
			story, b := all[name], newTill(t, c, namespace, name)
			if story.set != nil {
				story.set(b)
			}
			b.start(append([]interceptor.WorkerInterceptor{&hasty{}}, story.watchers...)...)
			if story.tell != nil {
				story.tell(b)
			}
			var result workflows.PaymentResult
			b.told(name, &result)
			require.Equal(t, story.ends, result.Stage)
		})
	})
}
