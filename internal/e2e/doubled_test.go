package e2e

import (
	"bytes"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
	"github.com/dropline/dropline/internal/webhook"
)

// A supplier sends one acknowledgment ten thousand times. What the partner's rate lets through is
// answered as taken, and ends at the inbox: the order's workflow hears of it once.
func TestDoubledMessagesEndAtTheInbox(t *testing.T) {
	t.Parallel()
	extremes(t)
	manner := suppliersim.Manner{Ship: suppliersim.ShipManner{Delay: suppliersim.Duration(time.Minute), Carrier: "dropex"}}
	w := newWorld(t, stage.Supplier{ID: "acme", Manner: manner})
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "doubled", "acme-mug")
	var body []byte
	require.Eventually(t, func() bool {
		err := w.Pool.QueryRow(t.Context(), `SELECT body FROM documents WHERE source = 'supplier/acme' ORDER BY id LIMIT 1`).Scan(&body)
		return err == nil
	}, patient, 50*time.Millisecond, "the acknowledgment has not come")

	const doubles = 10_000
	var taken, limited, other atomic.Int64
	numbers := make(chan int)
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for range numbers {
				switch status := w.postEvent(t, "acme", body); {
				case status/100 == 2:
					taken.Add(1)
				case status == http.StatusTooManyRequests:
					limited.Add(1)
				default:
					other.Add(1)
				}
			}
		})
	}
	for i := range doubles {
		numbers <- i
	}
	close(numbers)
	senders.Wait()
	t.Logf("of %d repeats %d were taken, %d were answered 429", doubles, taken.Load(), limited.Load())
	require.Zero(t, other.Load())
	require.Positive(t, taken.Load())

	state := w.settled(t, key)
	require.Equal(t, order.StageSettled, state.Stage())
	runs := historiesOf(t, w.Temporal, key.WorkflowID(), w.runOf(t, key))
	require.Len(t, runs, 1)
	require.LessOrEqual(t, count(runs[0], enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED), 3, "acknowledged, shipped, delivered")
}

// postEvent sends a supplier's event to the gateway, signed as it signs them.
func (w *world) postEvent(t *testing.T, supplier string, body []byte) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Gateway+"/v1/suppliers/"+supplier+"/events", bytes.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(webhook.Header, webhook.Sign(stage.Secret, body, time.Now()))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}
