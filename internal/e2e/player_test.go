package e2e

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"github.com/dropline/dropline/workflows"
)

// player plays one workflow beside an order's on a real server, with a script in place of its activities.
type player struct {
	*desk

	t         *testing.T
	temporal  client.Client
	namespace string
	queue     string
	workflow  string // its id
	firstRun  string
	stop      func() // the worker
}

// newPlayer has no workflow yet: whoever plays one names it.
func newPlayer(t *testing.T, c client.Client, namespace, kind, name string) *player {
	return &player{desk: newDesk(name), t: t, temporal: c, namespace: namespace, queue: kind + "/" + name}
}

// work starts a worker with the script.
func (p *player) work(script func(worker.Worker), watchers []interceptor.WorkerInterceptor) {
	p.t.Helper()
	w := worker.New(p.temporal, p.queue, worker.Options{
		Identity: "worker", MaxConcurrentWorkflowTaskPollers: 2, MaxConcurrentActivityTaskPollers: 1, DisableRegistrationAliasing: true, Interceptors: watchers,
	})
	script(w)
	require.NoError(p.t, w.Start())
	p.stop = sync.OnceFunc(w.Stop)
	p.t.Cleanup(p.stop)
}

// begin starts the workflow.
func (p *player) begin(name string, in any) {
	p.t.Helper()
	run, err := p.temporal.ExecuteWorkflow(p.t.Context(), client.StartWorkflowOptions{ID: p.workflow, TaskQueue: p.queue}, name, in)
	require.NoError(p.t, err)
	p.firstRun = run.GetRunID()
}

func (p *player) signal(payload any) {
	p.t.Helper()
	require.NoError(p.t, p.temporal.SignalWorkflow(p.t.Context(), p.workflow, "", workflows.SignalFacts, payload))
}

// ask makes a request and waits until it has been answered.
func (p *player) ask(update string, request any) error {
	ctx, cancel := context.WithTimeout(p.t.Context(), patient)
	defer cancel()
	handle, err := p.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: p.workflow, UpdateName: update, Args: []any{request}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return err
	}
	return handle.Get(ctx, nil)
}

// untilState waits until the state is as wanted.
func untilState[S any](p *player, what string, so func(*S) bool) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		var s S
		value, err := p.temporal.QueryWorkflow(p.t.Context(), p.workflow, "", workflows.QueryState)
		return err == nil && value.Get(&s) == nil && so(&s)
	}, patient, 20*time.Millisecond, "%s: waiting until %s", p.workflow, what)
}

// fillHistory sends what nobody can read until the first run has gone on in another; rested waits until the
// workflow is as it was. The server suggests a new run at 4 MB. Our own clients would refuse to send so much.
func (p *player) fillHistory(rested func()) {
	p.t.Helper()
	noise, err := converter.GetDefaultDataConverter().ToPayloads(strings.Repeat("please ", 260_000))
	require.NoError(p.t, err)
	rested()
	for goesOn := true; goesOn; {
		_, err := p.temporal.WorkflowService().SignalWorkflowExecution(p.t.Context(), &workflowservice.SignalWorkflowExecutionRequest{
			Namespace: p.namespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: p.workflow},
			SignalName: workflows.SignalFacts, Input: noise, Identity: "worker",
		})
		require.NoError(p.t, err)
		rested()
		described, err := p.temporal.DescribeWorkflowExecution(p.t.Context(), p.workflow, p.firstRun)
		require.NoError(p.t, err)
		goesOn = described.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	}
}

// told waits for the result of the newest run, and keeps the histories of all.
func (p *player) told(name string, result any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patient)
	defer cancel()
	require.NoError(p.t, p.temporal.GetWorkflow(ctx, p.workflow, "").Get(ctx, result))
	keep(p.t, name, historiesOf(p.t, p.temporal, p.workflow, p.firstRun))
}
