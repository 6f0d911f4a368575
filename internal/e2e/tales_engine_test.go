package e2e

import (
	"context"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

func talesOfSignals() map[string]tale {
	return map[string]tale{
		"cancelled-in-the-ui": {ends: order.StageCancelled, tell: func(r *rehearsal) {
			r.untilSent(1)
			require.NoError(r.t, r.temporal.CancelWorkflow(r.t.Context(), r.key.WorkflowID(), ""))
		}},
		"cancelled-in-the-ui-too-late": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			r.tell(accepted(r.po(1)), labelled(r.po(1), "T1", 3), reached("T1", order.ParcelInTransit))
			r.untilStage(order.StageShipped)
			require.NoError(r.t, r.temporal.CancelWorkflow(r.t.Context(), r.key.WorkflowID(), ""))
			r.tell(reached("T1", order.ParcelDelivered))
		}},
		"signal-bare": {ends: order.StageCancelled, tell: func(r *rehearsal) {
			r.untilSent(1)
			r.signalRaw(workflows.SignalCancel, nil) // as the Temporal UI does
		}},
		"signal-null": {ends: order.StageCancelled, tell: func(r *rehearsal) {
			r.untilSent(1)
			r.signal(workflows.SignalCancel, nil)
		}},
		"signal-lines": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			r.signal(workflows.SignalCancel, order.CancelRequest{ID: "c1", By: "support", Lines: []order.ShippedLine{{Line: 1, Quantity: 2}}})
			r.until("two units are given back", func(s *order.State) bool { return s.Lines[0].Cancelled == 2 })
			r.delivers(1, 1)
		}},
		"signal-unreadable": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			r.signal(workflows.SignalCancel, "please")
			s := r.until("a person is asked", func(s *order.State) bool { return len(s.Attention) > 0 })
			require.Zero(r.t, s.Lines[0].Cancelled)
			r.delivers(1, 3)
		}},
		"facts-unreadable": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			r.number(accepted(r.po(1)), labelled(r.po(1), "T1", 3), reached("T1", order.ParcelDelivered))
			r.signal(workflows.SignalFacts, "they were encrypted with a key that nobody has")
		}},
		// Another program encrypted the payload, with a key that nobody here has.
		"facts-encrypted": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			r.number(accepted(r.po(1)), labelled(r.po(1), "T1", 3), reached("T1", order.ParcelDelivered))
			r.signalRaw(workflows.SignalFacts, &common.Payloads{Payloads: []*common.Payload{{
				Metadata: map[string][]byte{"encoding": []byte("binary/encrypted"), "encryption-key-id": []byte("lost")}, Data: []byte("\x00\xffnothing"),
			}}})
		}},
		"facts-missing": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			r.number(accepted(r.po(1)), labelled(r.po(1), "T1", 3)) // are never delivered
			r.tell(reached("T1", order.ParcelDelivered))
		}},
		"facts-doubled": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			facts := r.number(accepted(r.po(1)), labelled(r.po(1), "T1", 3), reached("T1", order.ParcelInTransit))
			for range 3 {
				r.signal(workflows.SignalFacts, workflows.FactsSignal{Facts: facts})
			}
			for i := range facts {
				r.signal(workflows.SignalFacts, workflows.FactsSignal{Facts: facts[len(facts)-1-i:]})
			}
			r.tell(reached("T1", order.ParcelDelivered))
			require.Equal(r.t, 1, r.ends().POs)
		}},
		"facts-storefront-cancel": {ends: order.StageCancelled, tell: func(r *rehearsal) {
			r.untilSent(1)
			r.tell(order.Fact{Cancel: &order.CancelRequest{ID: "shop-1", By: "storefront"}})
		}},
		"signal-unknown": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			r.signal("no_such_signal", "hello")
			r.delivers(1, 3)
		}},
		// The last fact comes while the order is being settled.
		"news-at-the-end": {ends: order.StageSettled, set: func(r *rehearsal) {
			r.before[workflows.ActivitySettle] = func(ctx context.Context, call int) error {
				if call > 1 {
					return nil
				}
				news := workflows.FactsSignal{Facts: r.number(reached("T-"+r.po(1), order.ParcelException))}
				return r.temporal.SignalWorkflow(ctx, r.key.WorkflowID(), "", workflows.SignalFacts, news)
			}
		}, tell: func(r *rehearsal) {
			r.delivers(1, 3)
			r.ends()
			require.Equal(r.t, 2, r.called(workflows.ActivitySettle), "what came meanwhile is settled, too")
		}},
	}
}

func talesOfTheEngine() map[string]tale {
	return map[string]tale{
		// Two runs: the second begins from the state of the first when the history has grown too long.
		"long-history": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			r.tell(accepted(r.po(1)))
			r.untilStage(order.StageAcknowledged)
			// The server suggests a new run at 4 MB. Our own clients would refuse to send so much.
			noise, err := converter.GetDefaultDataConverter().ToPayloads(strings.Repeat("please ", 260_000))
			require.NoError(r.t, err)
			for r.firstRunGoesOn() {
				r.signalRaw(workflows.SignalCancel, noise)
				require.Eventually(r.t, func() bool { return !r.requested() }, patient, 10*time.Millisecond)
			}
			require.Len(r.t, r.runs(), 2)
			r.delivers(1, 3)
		}},
		"reopened": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.delivers(1, 3)
			r.ends()
			r.reopen(reached("T-"+r.po(1), order.ParcelException))
		}},
		"reopened-after-failures": {hurried: true, ends: order.StageSettled, set: func(r *rehearsal) {
			r.before[workflows.ActivityLoad] = refuses(1)
		}, tell: func(r *rehearsal) {
			r.delivers(1, 3)
			r.ends()
			r.reopen(reached("T-"+r.po(1), order.ParcelException))
			r.refuses(workflows.UpdateCancel, order.CancelRequest{ID: "c1"}, "")
			r.ends()
			require.Equal(r.t, 2, r.called(workflows.ActivityLoad))
		}},
		// The worker stops while it does a local activity; the workflow task times out, and another
		// worker does it again.
		"worker-lost": {beginsItself: true, ends: order.StageSettled, tell: func(r *rehearsal) {
			r.taskTimeout = 2 * time.Second
			lost := make(gate)
			r.before[workflows.ActivityValidate] = func(ctx context.Context, call int) error {
				if call == 1 {
					return lost.pass(ctx)
				}
				return nil
			}
			r.startWorker()
			r.begin()
			r.untilCalled(workflows.ActivityValidate, 1)
			r.stop()
			r.startWorker()
			r.untilCalled(workflows.ActivityValidate, 2)
			close(lost)
			r.delivers(1, 3)
			r.ends()
			require.True(r.t, r.happened(enums.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT))
		}},
		// An operator takes the order back to a moment before the acknowledgment, which the server delivers again.
		"reset": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			sent := r.lastTaskCompleted()
			r.tell(accepted(r.po(1)))
			r.untilStage(order.StageAcknowledged)
			answer, err := r.temporal.ResetWorkflowExecution(r.t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
				Namespace: r.namespace, RequestId: "reset", Reason: "a test",
				WorkflowExecution:         &common.WorkflowExecution{WorkflowId: r.key.WorkflowID(), RunId: r.began[0]},
				WorkflowTaskFinishEventId: sent,
			})
			require.NoError(r.t, err)
			r.began = append(r.began, answer.GetRunId())
			r.tell(labelled(r.po(1), "T1", 3), reached("T1", order.ParcelInTransit), reached("T1", order.ParcelDelivered))
		}},
		"wide": {ends: order.StageSettled, set: func(r *rehearsal) {
			r.lines = nil
			for i := range 12 {
				r.lines = append(r.lines, order.Line{Line: i + 1, SKU: "MUG", Ordered: 1})
			}
		}, tell: func(r *rehearsal) {
			r.untilSent(1)
			parcel := labelled(r.po(1), "T1", 1)
			for i := range 11 {
				parcel.Ship.Lines = append(parcel.Ship.Lines, order.ShippedLine{Line: i + 2, Quantity: 1})
			}
			r.tell(accepted(r.po(1)), parcel, reached("T1", order.ParcelInTransit), reached("T1", order.ParcelDelivered))
		}},
		"every-supplier-silent": {ends: order.StageCancelled, set: func(r *rehearsal) { r.ackIn = time.Second }},
		"parcel-lost": {ends: order.StageSettled, tell: func(r *rehearsal) {
			r.untilSent(1)
			r.tell(accepted(r.po(1)), labelled(r.po(1), "T1", 3), reached("T1", order.ParcelInTransit))
			r.tell(reached("T1", order.ParcelLost))
		}},
	}
}

// firstRunGoesOn is true as long as the run that was started first has not ended.
func (r *rehearsal) firstRunGoesOn() bool {
	r.t.Helper()
	described, err := r.temporal.DescribeWorkflowExecution(r.t.Context(), r.key.WorkflowID(), r.began[0])
	require.NoError(r.t, err)
	return described.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
}

func (r *rehearsal) happened(kind enums.EventType) bool {
	for _, run := range r.runs() {
		for _, e := range run.GetEvents() {
			if e.GetEventType() == kind {
				return true
			}
		}
	}
	return false
}

func (r *rehearsal) lastTaskCompleted() (id int64) {
	for _, e := range r.runs()[0].GetEvents() {
		if e.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			id = e.GetEventId()
		}
	}
	return id
}

func talesOfPolls() map[string]tale {
	polls := func(r *rehearsal) error {
		run, err := r.temporal.ExecuteWorkflow(r.t.Context(), r.options(), workflows.CarrierPollWorkflow, workflows.CarrierPollInput{Carrier: "track"})
		require.NoError(r.t, err)
		r.began = append(r.began, run.GetRunID())
		var result workflows.CarrierPollResult
		err = run.Get(r.t.Context(), &result)
		require.Equal(r.t, err == nil, result.Due == 250)
		return err
	}
	return map[string]tale{
		"poll": {beginsItself: true, tell: func(r *rehearsal) {
			r.startWorker()
			require.NoError(r.t, polls(r))
		}},
		"poll-retried": {beginsItself: true, tell: func(r *rehearsal) {
			r.before[workflows.ActivityPollCarrier] = func(_ context.Context, call int) error {
				if call == 1 {
					return temporal.NewApplicationErrorWithOptions("busy", "Busy", temporal.ApplicationErrorOptions{NextRetryDelay: 50 * time.Millisecond})
				}
				return nil
			}
			r.startWorker()
			require.NoError(r.t, polls(r))
		}},
		"poll-failed": {beginsItself: true, tell: func(r *rehearsal) {
			r.before[workflows.ActivityPollCarrier] = refuses(1)
			r.startWorker()
			require.ErrorContains(r.t, polls(r), "it cannot be done now")
		}},
	}
}
