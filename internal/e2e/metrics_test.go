package e2e

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/service"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/workflows"
)

// An order begins under code that waits before it does anything. The code as it is does something else there:
// the order stands still, looks as if it were running, and only the counter of failed workflow tasks tells.
func TestAnOrderWhoseHistoryDoesNotReplayIsCountedOnTheWorkersMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prompt("acme", suppliersim.AckInResponse))
	const id = "order/shop/other-code"
	other := worker.New(w.Temporal, workflows.TaskQueue, worker.Options{StickyScheduleToStartTimeout: time.Second})
	other.RegisterWorkflowWithOptions(func(ctx workflow.Context, _ workflows.OrderInput) error {
		return workflow.Sleep(ctx, 5*time.Second)
	}, workflow.RegisterOptions{Name: workflows.OrderWorkflow})
	require.NoError(t, other.Start())
	run, err := w.Temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.TaskQueue},
		workflows.OrderWorkflow, workflows.OrderInput{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		history := w.Temporal.GetWorkflowHistory(t.Context(), id, run.GetRunID(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for history.HasNext() {
			if event, err := history.Next(); err == nil && event.GetEventType() == enums.EVENT_TYPE_TIMER_STARTED {
				return true
			}
		}
		return false
	}, patient, 20*time.Millisecond)
	other.Stop()

	settings := w.Settings
	settings.HealthAddress = "127.0.0.1:0"
	ours, err := service.NewWorker(t.Context(), settings, slog.New(slog.DiscardHandler), time.Second)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ours.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	const failed = `temporal_workflow_task_execution_failed{workflow_type="Order",failure_reason="NonDeterminismError"}`
	require.Eventually(t, func() bool { return strings.Contains(metrics(t, ours.HealthAddr()), failed) }, patient, 100*time.Millisecond)
	described, err := w.Temporal.DescribeWorkflowExecution(t.Context(), id, "")
	require.NoError(t, err)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, described.GetWorkflowExecutionInfo().GetStatus(), "nothing else tells")
}

func metrics(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(text)
}
