package e2e

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/worker"
)

// Without a cache every workflow task begins with a replay of all that went before, as after the loss
// of a worker. The cache is one for the process, so the tales are told in a process of their own.
func TestOrdersLiveWithoutACache(t *testing.T) {
	t.Parallel()
	if os.Getenv("TEMPORAL_ADDRESS") == "" {
		t.Skip("needs Temporal: run it through make, or set TEMPORAL_ADDRESS")
	}
	const some = "^(stalled-intercept|stalled-refund|retried|cancel-line|cancel-after-news|refused-requests|review-overtaken|" +
		"address-changed|facts-unreadable|facts-doubled|news-at-the-end|cancelled-in-the-ui|reopened|reset|wide|poll|" +
		"return|return-decided-with-the-news|return-exchanged|return-cancelled|return-refused-requests|return-stalled-pay|" +
		"payment|payment-voided|payment-refund-again|payment-chargeback|payment-refused-requests|payment-stalled-capture|" +
		"claim|claim-credited|claim-refused|claim-stalled-pursue)$"
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^Test(Return|Payment|Claim)?TalesAreTold$/"+some, "-test.v", "-test.count=1")
	child.Env = append(os.Environ(), "DROPLINE_UNCACHED=1", recordHistories+"=")
	said, err := child.CombinedOutput()
	require.NoError(t, err, string(said))
	for _, tale := range []string{
		"TestTalesAreTold/reopened", "TestReturnTalesAreTold/return-exchanged", "TestPaymentTalesAreTold/payment-chargeback",
		"TestClaimTalesAreTold/claim-refused",
	} {
		require.Contains(t, string(said), "--- PASS: "+tale+" ", "the child told no such tale")
	}
}

// forget takes the cache away from the workers of a process that is to live without one.
func forget() {
	if uncached() {
		worker.SetStickyWorkflowCacheSize(0)
	}
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
