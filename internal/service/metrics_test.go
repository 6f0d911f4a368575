package service

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func scraped(t *testing.T, c *counters) string {
	t.Helper()
	recorded := httptest.NewRecorder()
	c.ServeHTTP(recorded, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	require.Equal(t, http.StatusOK, recorded.Code)
	require.Contains(t, recorded.Header().Get("Content-Type"), "version=0.0.4")
	text, err := io.ReadAll(recorded.Body)
	require.NoError(t, err)
	return string(text)
}

func TestFailuresAreCountedByTypeAndReason(t *testing.T) {
	t.Parallel()
	c := newCounters()
	task := c.handler().WithTags(map[string]string{"namespace": "secret", "workflow_type": "Order", "activity_type": "none"})
	task.WithTags(map[string]string{"failure_reason": "NonDeterminismError"}).Counter("temporal_workflow_task_execution_failed").Inc(2)
	task.WithTags(map[string]string{"activity_type": "Dis\"patch\n"}).Counter("temporal_activity_execution_failed").Inc(1)
	task.Counter("temporal_activity_execution_failed").Inc(3)
	task.Counter("temporal_sticky_cache_hit").Inc(7)
	task.Gauge("temporal_sticky_cache_size").Update(7)
	text := scraped(t, c)
	require.Contains(t, text, "# TYPE temporal_workflow_task_execution_failed counter\n"+
		`temporal_workflow_task_execution_failed{workflow_type="Order",failure_reason="NonDeterminismError"} 2`+"\n")
	require.Contains(t, text, `temporal_activity_execution_failed{workflow_type="Order",activity_type="Dis\"patch\n"} 1`+"\n")
	require.Contains(t, text, `temporal_activity_execution_failed{workflow_type="Order"} 3`+"\n", "labels of one counter do not reach the next")
	require.NotContains(t, text, "sticky")
	require.NotContains(t, text, "secret")
}

func TestStrangersCannotMakeTheWorkerKeepEverMoreCounters(t *testing.T) {
	t.Parallel()
	c := newCounters()
	for i := range 3 * mostSeries {
		c.handler().WithTags(map[string]string{"workflow_type": fmt.Sprint("made-up-", i)}).Counter("temporal_workflow_task_execution_failed").Inc(1)
	}
	require.LessOrEqual(t, len(c.seen), mostSeries+len(counted))
	require.Contains(t, scraped(t, c), fmt.Sprintf("{workflow_type=\"other\"} %d\n", 2*mostSeries))
	require.Less(t, strings.Count(scraped(t, c), "\n"), mostSeries+4*len(counted))
}

func TestAlertsAreAboutWhatIsCounted(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile("../../deploy/alerts.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(rules, &struct{}{}))
	named := regexp.MustCompile(`temporal_\w+`).FindAllString(string(rules), -1)
	require.Contains(t, named, "temporal_workflow_task_execution_failed")
	for _, name := range named {
		require.NotEmpty(t, counted[name], "%s is not on /metrics", name)
	}
}
