package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/proto"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
)

// cost is what an order takes of Temporal, counted in its history as Temporal bills it.
type cost struct {
	Actions, Events, Bytes int
}

// costOf counts: an action each for the start, a timer, a signal, a search-attribute upsert, an
// update and every activity attempt; all markers of one workflow task (its local activities) are one.
func (w *world) costOf(t *testing.T, key order.Key) cost {
	t.Helper()
	var c cost
	marked := map[int64]bool{}
	history := w.temporal.GetWorkflowHistory(t.Context(), key.WorkflowID(), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		require.NoError(t, err)
		c.Events++
		c.Bytes += proto.Size(event)
		switch event.GetEventType() {
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, enums.EVENT_TYPE_TIMER_STARTED,
			enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
			enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
			c.Actions++
		case enums.EVENT_TYPE_ACTIVITY_TASK_STARTED:
			c.Actions += int(event.GetActivityTaskStartedEventAttributes().GetAttempt())
		case enums.EVENT_TYPE_MARKER_RECORDED:
			task := event.GetMarkerRecordedEventAttributes().GetWorkflowTaskCompletedEventId()
			if !marked[task] {
				marked[task] = true
				c.Actions++
			}
		}
		t.Logf("%2d %s", event.GetEventId(), event.GetEventType())
	}
	t.Logf("%s: %+v", key, c)
	return c
}

// prompt is a supplier that answers within a second, as a human-paced one does within a day.
func prompt(when suppliersim.AckWhen) suppliersim.Manner {
	pause := suppliersim.Duration(300 * time.Millisecond)
	return suppliersim.Manner{
		Ack:  suppliersim.AckManner{When: when, Delay: pause},
		Ship: suppliersim.ShipManner{Delay: pause, Carrier: "dropex"},
	}
}

func TestSmoothOrderStaysWithinItsBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]suppliersim.Manner{"acme": prompt(suppliersim.AckInResponse)})
	w.startWorker(t)
	key := w.place(t, "smooth", "acme-mug")
	state := w.settled(t, key)
	require.Equal(t, order.StageSettled, state.Stage())
	c := w.costOf(t, key)
	require.LessOrEqual(t, c.Actions, 10)
	require.LessOrEqual(t, c.Events, 40)
	require.LessOrEqual(t, c.Bytes, 10_000)
}

func TestOrderOfThreeLinesFromTwoSuppliersStaysWithinItsBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]suppliersim.Manner{
		"acme": prompt(suppliersim.AckInResponse), "bolt": prompt(suppliersim.AckInResponse),
	})
	w.startWorker(t)
	key := w.place(t, "split", "acme-mug", "acme-jar", "bolt-mug")
	state := w.settled(t, key)
	require.Equal(t, order.StageSettled, state.Stage())
	c := w.costOf(t, key)
	require.LessOrEqual(t, c.Actions, 16)
	require.LessOrEqual(t, c.Events, 64)
	require.LessOrEqual(t, c.Bytes, 16_000)
}

// The acknowledgment that comes on its own costs a timer, a signal and an upsert more: the operator
// sees the clock it stops. docs/costs.md has the trade.
func TestOrderAcknowledgedByWebhookStaysWithinItsBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]suppliersim.Manner{"acme": prompt(suppliersim.AckByWebhook)})
	w.startWorker(t)
	key := w.place(t, "webhook", "acme-mug")
	state := w.settled(t, key)
	require.Equal(t, order.StageSettled, state.Stage())
	c := w.costOf(t, key)
	require.LessOrEqual(t, c.Actions, 13)
	require.LessOrEqual(t, c.Events, 40)
	require.LessOrEqual(t, c.Bytes, 12_000)
}
