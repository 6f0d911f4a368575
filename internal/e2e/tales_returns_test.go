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
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/workflows"
)

// comeback plays one return's workflow on a real server, with a script in place of its activities.
type comeback struct {
	*player

	granted   returns.State
	facts     []returns.Fact // what Postgres holds, by number from 1
	untouched bool           // it reads its state from Postgres instead of getting it
}

func newComeback(t *testing.T, c client.Client, namespace, name string) *comeback {
	t.Helper()
	b := &comeback{player: newPlayer(t, c, namespace, "return", name)}
	policy := returns.Policy{SendWithin: 14 * 24 * time.Hour, InspectWithin: 3 * 24 * time.Hour}
	grant := returns.Grant{
		PO: b.po(1), Credit: true, Terms: returns.Terms{Supplier: "acme", Name: "Acme", CreditWithin: 14 * 24 * time.Hour},
		Lines: []returns.Line{{Line: 1, SKU: "MUG", Quantity: 2, Reason: returns.ChangedMind, UnitCost: 400}},
	}
	request := returns.Request{ID: "r-1", By: "storefront", Resolution: returns.Refund}
	b.granted = returns.New(b.key, returns.Number(b.po(1), 1), "EUR", grant, policy, request, 2856, time.Now().UTC())
	b.workflow = returns.WorkflowID(b.key, b.granted.RMA)
	return b
}

func (b *comeback) script(w worker.Worker) {
	w.RegisterWorkflowWithOptions(workflows.Return, workflow.RegisterOptions{Name: workflows.ReturnWorkflow})
	serve(b.desk, w, workflows.ActivityAuthoriseReturn, func(workflows.ReturnInput) any {
		return workflows.ReturnAuthorised{
			Label: &returns.Label{Carrier: "ups", Tracking: "R-1"}, Answer: &returns.SupplierAnswer{At: time.Now(), Kind: returns.SupplierAccepted},
		}
	})
	serve(b.desk, w, workflows.ActivityPayReturn, func(workflows.PayReturnInput) any {
		return workflows.ReturnPaid{Amount: 2856, Text: "Refunded 28.56 EUR"}
	})
	serve(b.desk, w, workflows.ActivityRecordReturn, func(returns.State) any { return "" })
	serve(b.desk, w, workflows.ActivityCloseReturn, func(returns.State) any { return "" })
	serve(b.desk, w, workflows.ActivityLoadReturn, func(string) any { return b.granted })
	serve(b.desk, w, workflows.ActivityReturnFacts, func(in workflows.ReturnFactsInput) any {
		return slices.Clone(b.facts[min(int(in.After), len(b.facts)):])
	})
}

func (b *comeback) start(watchers ...interceptor.WorkerInterceptor) {
	b.t.Helper()
	b.work(b.script, watchers)
	in := workflows.ReturnInput{Key: b.key, RMA: b.granted.RMA}
	if !b.untouched {
		in.State = &b.granted
	}
	b.begin(workflows.ReturnWorkflow, in)
}

func (b *comeback) hear(f returns.Fact) {
	b.t.Helper()
	b.mu.Lock()
	f.Seq = int64(len(b.facts) + 1)
	b.facts = append(b.facts, f)
	b.mu.Unlock()
	b.signal(workflows.ReturnFactsSignal{Facts: []returns.Fact{f}})
}

func (b *comeback) inspected(condition returns.Condition) {
	b.t.Helper()
	b.hear(returns.Fact{Inspection: &returns.Inspection{
		Document: "i", At: time.Now(), Final: true, Lines: []returns.InspectedLine{{Line: 1, Quantity: 2, Condition: condition}},
	}})
}

func (b *comeback) credited() {
	b.t.Helper()
	b.hear(returns.Fact{Memo: &returns.CreditMemo{Document: "m", Number: "CM-1", At: time.Now(), Amount: 800}})
}

// until waits until the return is in a stage, with nothing under way.
func (b *comeback) until(stage returns.Stage) {
	b.t.Helper()
	untilState(b.player, string(stage), func(s *returns.State) bool { return s.Stage() == stage && len(s.Busy) == 0 })
}

// returnTale is a return's life; it must end as told and its history must replay.
type returnTale struct {
	set      func(*comeback)
	tell     func(*comeback)
	watchers []interceptor.WorkerInterceptor
	patient  bool // a rest is as long as it is
	ends     returns.Stage
}

// comesBack is what happens to a return that goes as it should.
func comesBack(b *comeback) {
	b.until(returns.StageAwaiting)
	b.inspected(returns.AsNew)
	b.until(returns.StageCredit)
	b.credited()
}

func returnTales() map[string]returnTale {
	all := map[string]returnTale{
		"return": {ends: returns.StageClosed, tell: comesBack},
		"return-cancelled": {ends: returns.StageCancelled, tell: func(b *comeback) {
			b.until(returns.StageAwaiting)
			require.NoError(b.t, b.ask(workflows.UpdateCancel, returns.CancelRequest{ID: "c", By: "support"}))
		}},
		"return-cancelled-in-ui": {ends: returns.StageCancelled, tell: func(b *comeback) {
			b.until(returns.StageAwaiting)
			require.NoError(b.t, b.temporal.CancelWorkflow(b.t.Context(), b.workflow, ""))
		}},
		"return-decided": {ends: returns.StageClosed, tell: func(b *comeback) {
			b.until(returns.StageAwaiting)
			b.inspected(returns.Missing)
			b.until(returns.StageDeciding)
			require.NoError(b.t, b.ask(workflows.UpdateDecide, returns.Decision{ID: "d", Line: 1, By: "support"}))
		}},
		// The API shows a return with its newest facts folded in, also while no worker has told the
		// workflow of them: a decision about just that is granted.
		"return-decided-with-the-news": {ends: returns.StageClosed, tell: func(b *comeback) {
			b.until(returns.StageAwaiting)
			b.stop()
			b.inspected(returns.Missing)
			decided := make(chan error, 1)
			go func() { decided <- b.ask(workflows.UpdateDecide, returns.Decision{ID: "d", Line: 1, By: "support"}) }()
			b.work(b.script, []interceptor.WorkerInterceptor{&hasty{}})
			require.NoError(b.t, <-decided)
		}},
		"return-exchanged": {ends: returns.StageClosed, set: func(b *comeback) { b.granted.Resolution, b.granted.Supplement = returns.Exchange, 500 }, tell: comesBack},
		// What was paid in addition goes back though nothing came.
		"return-exchange-cancelled": {ends: returns.StageCancelled, set: func(b *comeback) {
			b.granted.Resolution, b.granted.Supplement = returns.Exchange, 500
		}, tell: func(b *comeback) {
			b.until(returns.StageAwaiting)
			require.NoError(b.t, b.ask(workflows.UpdateCancel, returns.CancelRequest{ID: "c", By: "support"}))
		}},
		"return-parcel-goes-back": {ends: returns.StageClosed, tell: func(b *comeback) {
			b.until(returns.StageAwaiting)
			b.hear(returns.Fact{Parcel: &order.ParcelNews{Carrier: "ups", Tracking: "R-1", Milestone: order.ParcelReturning, At: time.Now()}})
			b.until(returns.StageInTransit)
			b.inspected(returns.AsNew)
			b.until(returns.StageCredit)
			b.credited()
		}},
		"return-refused-requests": {ends: returns.StageClosed, watchers: []interceptor.WorkerInterceptor{&lax{}}, tell: func(b *comeback) {
			b.until(returns.StageAwaiting)
			b.inspected(returns.AsNew)
			b.until(returns.StageCredit)
			require.ErrorContains(b.t, b.ask(workflows.UpdateCancel, returns.CancelRequest{ID: "c", By: "support"}), "cannot be cancelled any more")
			require.ErrorContains(b.t, b.ask(workflows.UpdateDecide, returns.Decision{ID: "d", Line: 1, By: "support"}), "to be decided")
			b.credited()
		}},
		"return-stalled-catch-up": {ends: returns.StageClosed, set: func(b *comeback) { b.before[workflows.ActivityReturnFacts] = refuses(1) }, tell: func(b *comeback) {
			b.until(returns.StageAwaiting)
			b.signal("no facts")
			comesBack(b)
		}},
		"return-unknown-facts": {ends: returns.StageClosed, tell: func(b *comeback) {
			b.until(returns.StageAwaiting)
			b.hear(returns.Fact{})
			untilState(b.player, "a person is called", func(s *returns.State) bool { return s.LastFact == 1 && len(s.Attention) == 1 })
			require.NoError(b.t, b.ask(workflows.UpdateDecide, returns.Decision{ID: "n", By: "support", Noted: "unknown-fact"}))
			comesBack(b)
		}},
		"return-woken-pay": {ends: returns.StageClosed, patient: true, set: func(b *comeback) { b.before[workflows.ActivityPayReturn] = refuses(1) }, tell: func(b *comeback) {
			b.until(returns.StageAwaiting)
			b.inspected(returns.AsNew)
			untilState(b.player, "a person is called", func(s *returns.State) bool { return len(s.Attention) == 1 })
			b.hear(returns.Fact{Paid: &order.RefundPaid{Refund: "return/" + b.granted.RMA + "/1", Reference: "wire-1"}})
			began := time.Now()
			b.until(returns.StageCredit)
			require.Less(b.t, time.Since(began), 30*time.Second, "the rest of a minute was waited for")
			b.credited()
		}},
		"return-stalled-load": {ends: returns.StageClosed, set: func(b *comeback) {
			b.untouched = true
			b.before[workflows.ActivityLoadReturn] = refuses(1)
		}, tell: comesBack},
		"return-long-history": {ends: returns.StageClosed, tell: func(b *comeback) {
			b.fillHistory(func() { b.until(returns.StageAwaiting) })
			comesBack(b)
		}},
	}
	for name, activity := range map[string]string{
		"authorise": workflows.ActivityAuthoriseReturn, "pay": workflows.ActivityPayReturn,
		"record": workflows.ActivityRecordReturn, "close": workflows.ActivityCloseReturn,
	} {
		all["return-stalled-"+name] = returnTale{
			ends: returns.StageClosed, set: func(b *comeback) { b.before[activity] = refuses(1) }, tell: comesBack,
		}
	}
	return all
}

// TestReturnTalesAreTold records them for a release as TestTalesAreTold does.
func TestReturnTalesAreTold(t *testing.T) {
	t.Parallel()
	forget()
	c, namespace := enginetest.Namespace(t)
	all := returnTales()
	sideBySide(slices.Sorted(maps.Keys(all)), func(name string) {
		t.Run(name, func(t *testing.T) {
			story, b := all[name], newComeback(t, c, namespace, name)
			if story.set != nil {
				story.set(b)
			}
			watchers := story.watchers
			if !story.patient {
				watchers = append([]interceptor.WorkerInterceptor{&hasty{}}, watchers...)
			}
			b.start(watchers...)
			story.tell(b)
			var result workflows.ReturnResult
			b.told(name, &result)
			require.Equal(t, story.ends, result.Stage)
		})
	})
}
