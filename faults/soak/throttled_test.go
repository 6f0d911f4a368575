package soak

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/faults/rig"
	"github.com/dropline/dropline/faults/rig/rigtest"
)

const (
	// burst is how many orders come at once; each takes some dozen requests to Temporal.
	burst = 120
	// sideBySide is how many customers order at once.
	sideBySide = 12
)

// `make faults` has a stack for it whose namespaces get 25 requests a second, and two to list workflows.
// Customers and partners notice nothing but that an order takes longer: each is answered at once, at the
// first time of asking, since what they say is stored before Temporal hears of it.
func TestOrdersEndAndNobodyIsTurnedAwayInAThrottledNamespace(t *testing.T) {
	t.Parallel()
	if os.Getenv("DROPLINE_THROTTLED") == "" {
		t.Skip("slows down whatever stands on it: it has a stack of its own")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	w := rigtest.Open(ctx, t, &rig.Rig{}, rig.Wishes{Suppliers: cast(), Connections: 16})
	endings := pour(ctx, t, w)
	began := time.Now()
	wrong, err := w.Judge(ctx, endings...)
	require.NoError(t, err)
	require.Empty(t, wrong)
	for supplier, books := range w.Suppliers.Books.Snapshot() {
		for _, hook := range books.Webhooks {
			require.Equal(t, 1, hook.Attempts, "%s came again with %s of %s", supplier, hook.Type, hook.PO)
		}
	}
	polls, others := refusals(ctx, t)
	t.Logf("the last of %d orders ended %s after it was placed; Temporal refused %v and %v", burst, time.Since(began).Round(time.Second), polls, others)
	require.NotEmpty(t, polls, "a limit that nobody feels shows nothing")
	require.NotEmpty(t, others, "workers that poll too much are not all that was refused")
}

// pour places the orders and asks for the cancellations, and sees that each is taken at once.
func pour(ctx context.Context, t *testing.T, w *rig.World) []rig.Ending {
	t.Helper()
	endings, numbers := make([]rig.Ending, burst), make(chan int, burst)
	for n := range burst {
		numbers <- n
	}
	close(numbers)
	failures := make(chan error, burst)
	var customers sync.WaitGroup
	for range sideBySide {
		customers.Go(func() {
			for n := range numbers {
				s := storyOf(n)
				key, answers, err := w.Order(ctx, s.id(n), s.skus...)
				if err == nil && (len(answers.Statuses) > 1 || answers.Last() != http.StatusCreated) {
					err = fmt.Errorf("order %s was answered %v", key, answers.Statuses)
				}
				if err == nil && s.cancels {
					if answers, err = w.CancelOrder(ctx, key); err == nil && len(answers.Statuses) > 1 {
						err = fmt.Errorf("the cancellation of %s was answered %v", key, answers.Statuses)
					}
				}
				if err != nil {
					failures <- err
					return
				}
				endings[n] = rig.Ending{Key: key, Cancelled: s.cancels, Units: int64(len(s.skus))}
			}
		})
	}
	customers.Wait()
	close(failures)
	for err := range failures {
		require.NoError(t, err)
	}
	return endings
}

// refusals counts the requests that Temporal turned away for the limits of a namespace, by operation: those
// of workers who ask for work, and the others.
func refusals(ctx context.Context, t *testing.T) (polls, others map[string]int) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Getenv("DROPLINE_TEMPORAL_METRICS"), nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	polls, others = map[string]int{}, map[string]int{}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		name, value, found := strings.Cut(lines.Text(), "} ")
		if !found || !strings.HasPrefix(name, "service_errors_resource_exhausted{") || !strings.Contains(name, `service_name="frontend"`) {
			continue
		}
		var n float64
		_, err := fmt.Sscan(value, &n)
		require.NoError(t, err)
		_, operation, _ := strings.Cut(name, `operation="`)
		operation, _, _ = strings.Cut(operation, `"`)
		if strings.HasPrefix(operation, "Poll") {
			polls[operation] += int(n)
		} else {
			others[operation] += int(n)
		}
	}
	require.NoError(t, lines.Err())
	return polls, others
}
