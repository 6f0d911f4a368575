package bench

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestActionsOfOneNamespaceAreAddedUp(t *testing.T) {
	t.Parallel()
	const metrics = `# TYPE action counter
action{action_type="command_StartTimer",namespace="test_1",operation="RespondWorkflowTaskCompleted",service_name="frontend"} 9
action{action_type="grpc_SignalWorkflowExecution",namespace="test_1",operation="SignalWorkflowExecution",service_name="frontend"} 1.6e+01
action{action_type="grpc_SignalWorkflowExecution",namespace="test_12",operation="SignalWorkflowExecution",service_name="frontend"} 100
service_requests{namespace="test_1",operation="StartWorkflowExecution",service_name="frontend"} 100
`
	actions, err := actionsIn(strings.NewReader(metrics), "test-1")
	require.NoError(t, err)
	require.InDelta(t, 25, actions, 0)
	_, err = actionsIn(strings.NewReader(`action{namespace="test_1"} many`), "test-1")
	require.Error(t, err)
}
