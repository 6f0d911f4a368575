package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
)

// Orders begun on any release end on this code, and orders begun on this code end on the newest release:
// workers are replaced one by one, and sometimes the new ones are taken back. `make upgrade` runs it,
// because it builds the workers of the releases first.
func TestOrdersOutliveAChangeOfBuilds(t *testing.T) {
	t.Parallel()
	if os.Getenv("DROPLINE_UPGRADE") == "" {
		t.Skip("builds earlier workers: `make upgrade` runs it")
	}
	marks, err := filepath.Glob(filepath.Join("..", "..", "workflows", "testdata", "histories", "*", "COMMIT"))
	require.NoError(t, err)
	require.NotEmpty(t, marks)
	for i, mark := range marks {
		t.Run(filepath.Base(filepath.Dir(mark)), func(t *testing.T) {
			t.Parallel()
			binary, newest := earlierWorker(t, mark), i == len(marks)-1
			t.Run("orders", func(t *testing.T) {
				t.Parallel()
				upgradeFrom(t, binary, newest)
			})
			if newest { // those before had no payments and no returns
				t.Run("payments and returns", func(t *testing.T) {
					t.Parallel()
					upgradeMoneyFrom(t, binary)
				})
			}
		})
	}
}

func upgradeFrom(t *testing.T, binary string, andBack bool) {
	slow := suppliersim.Duration(1500 * time.Millisecond)
	manner := suppliersim.Manner{Ack: suppliersim.AckManner{Delay: slow}, Ship: suppliersim.ShipManner{Delay: slow, Carrier: "dropex"}}
	w := newWorld(t, stage.Supplier{ID: "acme", Manner: manner}, stage.Supplier{ID: "bolt", Manner: manner})

	// The old build alone, then beside the new, then the new alone.
	stopOld := w.startEarlier(t, binary)
	orders := w.placeSome(t, "begun-on-the-old", 8)
	stopNew := w.startWorker(t, 10*time.Second)
	orders = append(orders, w.placeSome(t, "begun-beside", 8)...)
	stopOld()
	w.allSettle(t, orders)

	if andBack {
		// The new build alone, then beside the old, then the old alone: the upgrade is taken back.
		begunNew := w.placeSome(t, "begun-on-the-new", 8)
		stopOld = w.startEarlier(t, binary)
		stopNew()
		w.allSettle(t, begunNew)
		stopOld()
		orders = append(orders, begunNew...)
	}
	changed := 0
	for _, key := range orders {
		if builds := w.buildsOf(t, key.WorkflowID()); len(builds) > 1 {
			changed++
		}
	}
	t.Logf("%d of %d orders were carried by both builds", changed, len(orders))
	require.GreaterOrEqual(t, changed, len(orders)/2, "orders begun on one build end on the other")
}

// earlierWorker builds the worker of the commit that a release's histories name.
func earlierWorker(t *testing.T, mark string) string {
	t.Helper()
	commit, err := os.ReadFile(mark)
	require.NoError(t, err)
	sources, binary := t.TempDir(), filepath.Join(t.TempDir(), "worker")
	archive := exec.CommandContext(t.Context(), "git", "archive", strings.TrimSpace(string(commit)))
	archive.Dir = filepath.Join("..", "..")
	tree, err := archive.Output()
	if err != nil {
		t.Skipf("this copy of the repository does not reach back to commit %s: %v", commit, err)
	}
	unpack := exec.CommandContext(t.Context(), "tar", "-x", "-C", sources)
	unpack.Stdin = bytes.NewReader(tree)
	require.NoError(t, unpack.Run())
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./worker")
	build.Dir = sources
	said, err := build.CombinedOutput()
	require.NoError(t, err, string(said))
	return binary
}

// startEarlier starts the worker of an earlier build as a process of its own.
func (w *world) startEarlier(t *testing.T, binary string) (stop func()) {
	t.Helper()
	// It outlives the test's context for as long as it takes to end in order.
	process := exec.CommandContext(context.WithoutCancel(t.Context()), binary)
	process.Env = append(os.Environ(), "DATABASE_URL="+w.Settings.DatabaseURL, "TEMPORAL_NAMESPACE="+w.Settings.TemporalNamespace,
		"DROPLINE_ALLOW_PRIVATE_PARTNERS=true", "DROPLINE_CUSTOMER_HASH_KEY="+w.Settings.CustomerHashKey, "DROPLINE_LOG_LEVEL=warn",
		fmt.Sprintf("DROPLINE_DATABASE_CONNECTIONS=%d", w.Settings.DatabaseConnections))
	var said bytes.Buffer
	process.Stdout, process.Stderr = &said, &said
	require.NoError(t, process.Start())
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		if err := process.Process.Signal(syscall.SIGTERM); err != nil {
			require.ErrorIs(t, err, os.ErrProcessDone)
		}
		err := <-ended
		var code *exec.ExitError
		require.NotErrorAs(t, err, &code, "the earlier worker ended badly: %s", &said)
	}
	t.Cleanup(stop)
	return stop
}

// placeSome places orders and waits until they are with their suppliers.
func (w *world) placeSome(t *testing.T, name string, n int) []order.Key {
	t.Helper()
	var keys []order.Key
	for i := range n {
		skus := []string{"acme-mug"}
		if i%2 == 1 {
			skus = append(skus, "bolt-jar")
		}
		keys = append(keys, w.place(t, fmt.Sprintf("%s-%d", name, i), skus...))
	}
	for _, key := range keys {
		require.Eventually(t, func() bool {
			var sent int
			err := w.Pool.QueryRow(t.Context(), `SELECT count(*) FROM effects WHERE order_key = $1`, key.String()).Scan(&sent)
			require.NoError(t, err)
			return sent > 0
		}, patient, 20*time.Millisecond, "%s is not sent", key)
	}
	return keys
}

func (w *world) allSettle(t *testing.T, keys []order.Key) {
	t.Helper()
	for _, key := range keys {
		state := w.settled(t, key)
		require.Equal(t, order.StageSettled, state.Stage(), key.String())
		require.Zero(t, state.Refunds, key.String())
	}
}

// buildsOf lists the processes that did a workflow's tasks, none of which may have failed.
func (w *world) buildsOf(t *testing.T, workflow string) []string {
	t.Helper()
	var builds []string
	for _, run := range historiesOf(t, w.Temporal, workflow, w.runOfWorkflow(t, workflow)) {
		for _, e := range run.GetEvents() {
			failed := e.GetWorkflowTaskFailedEventAttributes()
			// So the server turns away an end that news have overtaken: they are taken first.
			if failed != nil && failed.GetCause() != enums.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND {
				require.Fail(t, "a task failed", "%s: %s: %s", workflow, failed.GetCause(), failed.GetFailure().GetMessage())
			}
			if who := e.GetWorkflowTaskStartedEventAttributes().GetIdentity(); who != "" && !slices.Contains(builds, who) {
				builds = append(builds, who)
			}
		}
	}
	return builds
}

func (w *world) runOf(t *testing.T, key order.Key) string {
	t.Helper()
	return w.runOfWorkflow(t, key.WorkflowID())
}

func (w *world) runOfWorkflow(t *testing.T, workflow string) string {
	t.Helper()
	described, err := w.Temporal.DescribeWorkflowExecution(t.Context(), workflow, "")
	require.NoError(t, err)
	return described.GetWorkflowExecutionInfo().GetExecution().GetRunId()
}
