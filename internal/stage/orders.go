package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/proto"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/workflows"
)

// Call makes one request to the gateway with the operator's key. A JSON answer is read into answer
// unless it is nil.
func (s *Stage) Call(ctx context.Context, method, path string, body, answer any) (status int, err error) {
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return 0, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, s.Gateway+path, bytes.NewReader(text))
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+s.Key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err == nil && answer != nil {
		err = json.Unmarshal(said, answer)
	}
	if err != nil {
		return response.StatusCode, fmt.Errorf("%s %s answered %d: %w", method, path, response.StatusCode, err)
	}
	return response.StatusCode, nil
}

// Document is an order of the given SKUs, one unit of each at 12.00 and 2.28 tax, and 5.00 shipping.
func Document(id string, skus ...string) map[string]any {
	lines, total := []map[string]any{}, int64(500)
	for _, sku := range skus {
		lines = append(lines, map[string]any{"sku": sku, "title": "Thing", "quantity": 1, "unit_price": "12.00", "tax": "2.28"})
		total += 1428
	}
	amount := fmt.Sprintf("%d.%02d", total/100, total%100)
	return map[string]any{
		"storefront": storefrontID, "id": id, "placed_at": "2026-11-20T10:00:00Z", "currency": "EUR",
		"lines": lines, "shipping": "5.00", "total": amount,
		"payment": map[string]any{"status": "paid", "captured": amount, "reference": "p-1"},
		"ship_to": map[string]any{"name": "A Person", "street1": "Hauptstr. 1", "city": "Berlin", "postal_code": "10115", "country": "DE"},
		"email":   "a@person.example",
	}
}

// Place posts an order of the given SKUs, one unit of each.
func (s *Stage) Place(ctx context.Context, id string, skus ...string) (order.Key, error) {
	key := order.Key{Storefront: storefrontID, Order: id}
	var answer json.RawMessage
	status, err := s.Call(ctx, http.MethodPost, "/v1/orders", Document(id, skus...), &answer)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("place order %s: answered %d: %s", key, status, answer)
	}
	return key, err
}

// lookEvery is the pause between two looks at a row: nothing in Postgres tells when it changes.
const lookEvery = 50 * time.Millisecond

// Settled waits until an order is closed in Postgres and its workflow has ended, also while Postgres
// is away for a moment. The error of one that does not end shows where it stands.
func (s *Stage) Settled(ctx context.Context, key order.Key) (order.State, error) {
	var state order.State
	for closed := false; !closed; {
		err := s.Pool.QueryRow(ctx, `SELECT closed_at IS NOT NULL FROM orders WHERE key = $1`, key.String()).Scan(&closed)
		if err != nil && !postgres.Unavailable(err) {
			return state, fmt.Errorf("wait until order %s is settled: %w\n%s", key, err, s.card(key))
		}
		if closed {
			break
		}
		select {
		case <-ctx.Done():
			return state, fmt.Errorf("wait until order %s is settled: %w\n%s", key, ctx.Err(), s.card(key))
		case <-time.After(lookEvery):
		}
	}
	if err := s.Temporal.GetWorkflow(ctx, key.WorkflowID(), "").Get(ctx, nil); err != nil {
		return state, fmt.Errorf("wait until the workflow of order %s ends: %w", key, err)
	}
	if err := s.Pool.QueryRow(ctx, `SELECT state FROM orders WHERE key = $1`, key.String()).Scan(&state); err != nil {
		return state, fmt.Errorf("read order %s: %w", key, err)
	}
	return state, state.Check()
}

// card shows where an order stands.
func (s *Stage) card(key order.Key) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	value, err := s.Temporal.QueryWorkflow(ctx, key.WorkflowID(), "", workflows.QueryState)
	var state order.State
	if err == nil {
		err = value.Get(&state)
	}
	if err != nil {
		return "its workflow does not answer: " + err.Error()
	}
	return state.Card()
}

// Cost is what an order takes of Temporal, counted in its history as Temporal bills it.
type Cost struct {
	// Actions are billable: one each for the start, a timer, a signal, a search-attribute upsert, an
	// update and every activity attempt; all markers of one workflow task (its local activities) are one.
	Actions int
	// Events and Bytes are those of the history.
	Events, Bytes int

	WorkflowTasks, Activities, LocalActivities, Timers, Signals, Upserts, Updates int
}

// CostOf reads an order's history.
func (s *Stage) CostOf(ctx context.Context, key order.Key) (Cost, error) {
	return s.costOf(ctx, key.WorkflowID())
}

func (s *Stage) costOf(ctx context.Context, workflow string) (Cost, error) {
	var c Cost
	marked := map[int64]bool{}
	history := s.Temporal.GetWorkflowHistory(ctx, workflow, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		if err != nil {
			return c, errors.Join(fmt.Errorf("read the history of %s", workflow), err)
		}
		c.Events++
		c.Bytes += proto.Size(event)
		switch event.GetEventType() {
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
			c.Actions++
		case enums.EVENT_TYPE_TIMER_STARTED:
			c.Timers++
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
			c.Signals++
		case enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
			c.Upserts++
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
			c.Updates++
		case enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
			c.WorkflowTasks++
		case enums.EVENT_TYPE_ACTIVITY_TASK_STARTED:
			c.Activities += int(event.GetActivityTaskStartedEventAttributes().GetAttempt())
		case enums.EVENT_TYPE_MARKER_RECORDED:
			c.LocalActivities++
			task := event.GetMarkerRecordedEventAttributes().GetWorkflowTaskCompletedEventId()
			if !marked[task] {
				marked[task] = true
				c.Actions++
			}
		}
	}
	c.Actions += c.Timers + c.Signals + c.Upserts + c.Updates + c.Activities
	return c, nil
}
