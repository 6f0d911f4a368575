package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/workflows"
)

// alive is one workflow on a real server, with a script in place of its activities.
type alive struct {
	*desk

	t         *testing.T
	temporal  client.Client
	namespace string
	queue     string
	workflow  string // its id
	firstRun  string
	untouched bool // it reads its state from Postgres instead of getting it
}

func newAlive(t *testing.T, c client.Client, namespace, kind, name string) *alive {
	t.Helper()
	return &alive{desk: newDesk(name), t: t, temporal: c, namespace: namespace, queue: kind + "/" + name}
}

// worker makes a worker that knows the workflow, and does not start it.
func (a *alive) worker(life any, name string, watchers []interceptor.WorkerInterceptor) worker.Worker {
	w := worker.New(a.temporal, a.queue, worker.Options{
		Identity: "worker", MaxConcurrentWorkflowTaskPollers: 2, MaxConcurrentActivityTaskPollers: 1, DisableRegistrationAliasing: true, Interceptors: watchers,
	})
	w.RegisterWorkflowWithOptions(life, workflow.RegisterOptions{Name: name})
	return w
}

func (a *alive) execute(name string, in any) {
	a.t.Helper()
	run, err := a.temporal.ExecuteWorkflow(a.t.Context(), client.StartWorkflowOptions{ID: a.workflow, TaskQueue: a.queue}, name, in)
	require.NoError(a.t, err)
	a.firstRun = run.GetRunID()
}

func (a *alive) id() string { return a.workflow }

func (a *alive) signal(payload any) {
	a.t.Helper()
	require.NoError(a.t, a.temporal.SignalWorkflow(a.t.Context(), a.workflow, "", workflows.SignalFacts, payload))
}

func (a *alive) ask(update string, request any) error {
	ctx, cancel := context.WithTimeout(a.t.Context(), patient)
	defer cancel()
	handle, err := a.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: a.workflow, UpdateName: update, Args: []any{request}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return err
	}
	return handle.Get(ctx, nil)
}

// untilIs waits until the workflow's state is as wanted.
func untilIs[S any](a *alive, what string, is func(*S) bool) {
	a.t.Helper()
	require.Eventually(a.t, func() bool {
		var s S
		value, err := a.temporal.QueryWorkflow(a.t.Context(), a.workflow, "", workflows.QueryState)
		return err == nil && value.Get(&s) == nil && is(&s)
	}, patient, 20*time.Millisecond, "%s: waiting until %s", a.workflow, what)
}

// ends waits for the workflow's result.
func ends[R any](a *alive) (result R) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patient)
	defer cancel()
	require.NoError(a.t, a.temporal.GetWorkflow(ctx, a.workflow, "").Get(ctx, &result))
	return result
}
