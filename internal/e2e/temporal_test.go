package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"github.com/dropline/dropline/internal/engine/enginetest"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

// settledOrder plays an order to its end, and leaves its worker there.
func settledOrder(t *testing.T, c client.Client, namespace, id string) *rehearsal {
	t.Helper()
	r := newRehearsal(t, c, namespace, id)
	r.startWorker()
	r.begin()
	r.delivers(1, 3)
	require.Equal(t, order.StageSettled, r.ends().Stage)
	return r
}

func TestASignalToAClosedOrderIsRefusedAndNewsReopenIt(t *testing.T) {
	t.Parallel()
	c, namespace := enginetest.Namespace(t)
	r := settledOrder(t, c, namespace, "closed")
	var notFound *serviceerror.NotFound
	err := c.SignalWorkflow(t.Context(), r.key.WorkflowID(), "", workflows.SignalFacts, workflows.FactsSignal{})
	require.ErrorAs(t, err, &notFound, "the deliverer knows by this that the order is to be reopened")
	require.ErrorAs(t, r.ask(workflows.UpdateCancel, order.CancelRequest{ID: "c1"}, nil), &notFound)
	closed := r.state()
	require.Equal(t, order.StageSettled, closed.Stage(), "a closed order still answers a query")
	r.reopen(reached("T-"+r.po(1), order.ParcelException))
	require.Equal(t, order.StageSettled, r.ends().Stage)
	again := r.state()
	require.Equal(t, closed.LastFact+1, again.LastFact)
	require.Equal(t, 1, r.called(workflows.ActivityDispatch), "nothing is sent twice")
}

func TestASecondStartOfAnOrderIsRefused(t *testing.T) {
	t.Parallel()
	c, namespace := enginetest.Namespace(t)
	r := newRehearsal(t, c, namespace, "twice")
	r.startWorker()
	r.begin()
	again := func() error {
		options := r.options()
		options.WorkflowIDReusePolicy = enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
		_, err := c.ExecuteWorkflow(t.Context(), options, workflows.OrderWorkflow, workflows.OrderInput{Key: r.key})
		return err
	}
	require.True(t, temporal.IsWorkflowExecutionAlreadyStartedError(again()), "while it runs")
	r.delivers(1, 3)
	r.ends()
	require.True(t, temporal.IsWorkflowExecutionAlreadyStartedError(again()), "and when it is closed")
	require.Equal(t, 1, r.called(workflows.ActivityDispatch))
}

func TestAPayloadThatIsTooLargeIsRefusedAndHarmsNothing(t *testing.T) {
	t.Parallel()
	c, namespace := enginetest.Namespace(t)
	r := newRehearsal(t, c, namespace, "huge")
	r.startWorker()
	r.begin()
	r.untilSent(1)
	huge := strings.Repeat("x", 3<<20) // the server takes 2 MB
	err := c.SignalWorkflow(t.Context(), r.key.WorkflowID(), "", workflows.SignalCancel, order.CancelRequest{ID: "c1", Reason: huge})
	require.ErrorContains(t, err, "more than the 65536 that a history takes", "our own clients do not even send it")
	input, err := converter.GetDefaultDataConverter().ToPayloads(huge)
	require.NoError(t, err)
	_, err = c.WorkflowService().SignalWorkflowExecution(t.Context(), &workflowservice.SignalWorkflowExecutionRequest{
		Namespace: namespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: r.key.WorkflowID()}, SignalName: workflows.SignalCancel, Input: input,
	})
	require.ErrorContains(t, err, "exceeds", "the server takes it from nobody")
	r.delivers(1, 3)
	require.Equal(t, order.StageSettled, r.ends().Stage)
}

// A supplier that was asked to give its order back says nothing for a year, and its contract leaves
// the order with it until a person decides. The server skips the time in between.
func TestAYearOfSilenceStaysSmall(t *testing.T) {
	t.Parallel()
	c, namespace := enginetest.Namespace(t)
	r := newRehearsal(t, c, namespace, "year")
	r.terms.KeepOnSilence, r.terms.LooksRarer = true, true
	r.answer = order.Answer{Outcome: order.AnswerPending, ConfirmBy: time.Now().Add(2 * time.Hour)}
	const year = 365 * 24 * time.Hour
	r.acknowledgeIn = func(po string) time.Duration {
		if po == r.po(1) {
			return time.Hour
		}
		return 2 * year
	}
	r.shipIn = 3 * year
	r.startWorker()
	r.beginSkipping(100)
	began := time.Now()
	last := r.until("a year has passed", func(s *order.State) bool {
		po := s.PO(r.po(1))
		return po != nil && len(po.Withdrawals) > 0 && po.Withdrawals[0].ConfirmBy.Sub(began) > year-48*time.Hour
	})
	require.Len(t, last.Attention, 1, "a person was asked, once")
	require.NoError(t, r.ask(workflows.UpdateResolve, workflows.ResolveRequest{Withdrawal: r.po(1) + "-c1", Confirmed: true, By: "operator"}, nil))
	r.delivers(2, 3)
	require.Equal(t, order.StageSettled, r.ends().Stage)
	runs := r.runs()
	events, bytes := 0, 0
	for _, run := range runs {
		events, bytes = events+len(run.GetEvents()), bytes+proto.Size(run)
	}
	t.Logf("a year of silence: %d events, %d kB, %d runs", events, bytes>>10, len(runs))
	require.Less(t, events, 500, "the looks grow rarer")
	require.Less(t, bytes, 64<<10)
}

// beginSkipping starts the order's workflow with a clock of its own, which skips idle time so often.
func (r *rehearsal) beginSkipping(most int32) {
	r.t.Helper()
	input, err := converter.GetDefaultDataConverter().ToPayloads(workflows.OrderInput{Key: r.key})
	require.NoError(r.t, err)
	started, err := r.temporal.WorkflowService().StartWorkflowExecution(r.t.Context(), &workflowservice.StartWorkflowExecutionRequest{
		Namespace: r.namespace, WorkflowId: r.key.WorkflowID(), RequestId: r.key.WorkflowID(), Input: input, Identity: "worker",
		WorkflowType:       &common.WorkflowType{Name: workflows.OrderWorkflow},
		TaskQueue:          &taskqueue.TaskQueue{Name: r.queue, Kind: enums.TASK_QUEUE_KIND_NORMAL},
		TimeSkippingConfig: &common.TimeSkippingConfig{Enabled: true, MaxSessionSkipCount: most},
	})
	require.NoError(r.t, err)
	r.began = append(r.began, started.GetRunId())
}
