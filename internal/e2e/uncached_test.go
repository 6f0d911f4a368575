package e2e

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
)

// Without a cache every workflow task begins with a replay of all that went before, as after the loss
// of a worker. The cache is one for the process, so the tales are told in a process of their own.
func TestOrdersLiveWithoutACache(t *testing.T) {
	t.Parallel()
	if os.Getenv("TEMPORAL_ADDRESS") == "" {
		t.Skip("needs Temporal: run it through make, or set TEMPORAL_ADDRESS")
	}
	const some = "^(stalled-intercept|stalled-refund|retried|cancel-line|cancel-after-news|refused-requests|review-overtaken|" +
		"address-changed|facts-unreadable|facts-doubled|news-at-the-end|cancelled-in-the-ui|reopened|reset|wide|poll)$"
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTalesAreTold$/"+some, "-test.v", "-test.count=1")
	child.Env = append(os.Environ(), "DROPLINE_UNCACHED=1", recordHistories+"=")
	said, err := child.CombinedOutput()
	require.NoError(t, err, string(said))
	require.Contains(t, string(said), "--- PASS: TestTalesAreTold/reopened", "the child told no tales")
}

// uncached is set in the process in which no workflow is cached.
func uncached() bool { return os.Getenv("DROPLINE_UNCACHED") != "" }

// requireReplays: no workflow task went to a worker that remembered the workflow.
func requireReplays(t *testing.T, runs []*history.History) {
	t.Helper()
	for _, run := range runs {
		for _, e := range run.GetEvents() {
			queue := e.GetWorkflowTaskScheduledEventAttributes().GetTaskQueue()
			require.NotEqual(t, enums.TASK_QUEUE_KIND_STICKY, queue.GetKind(), "event %d", e.GetEventId())
		}
	}
}
