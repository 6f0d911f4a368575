package workflows_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/workflows"
)

// The histories are those of the demo's orders, one a story, as a release left them. An order that
// began under that release must go on under this one, so a change that breaks a replay needs
// workflow.GetVersion, not a new history. `dropline-demo --history DIR` records new stories.
func TestGoldenHistoriesReplay(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/histories/*/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			replayer := worker.NewWorkflowReplayer()
			replayer.RegisterWorkflowWithOptions(workflows.Order, workflow.RegisterOptions{Name: workflows.OrderWorkflow})
			require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(nil, file))
		})
	}
}

// A replayer that accepts anything would make the test above worthless.
func TestReplayOfAChangedWorkflowFails(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/histories/*/smooth*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(func(ctx workflow.Context, in workflows.OrderInput) (workflows.OrderResult, error) {
		_ = workflow.Sleep(ctx, 1)
		return workflows.Order(ctx, in)
	}, workflow.RegisterOptions{Name: workflows.OrderWorkflow})
	require.Error(t, replayer.ReplayWorkflowHistoryFromJSONFile(nil, files[0]))
}
