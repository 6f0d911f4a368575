package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/dropline/dropline/internal/order"
)

// run is one run of an order's workflow. An order that has news after it was settled has several.
type run struct {
	id      string
	history *history.History
}

// runsOf reads the histories of an order, the oldest run first.
func (w *world) runsOf(ctx context.Context, key order.Key) ([]run, error) {
	described, err := w.temporal.DescribeWorkflowExecution(ctx, key.WorkflowID(), "")
	if err != nil {
		return nil, fmt.Errorf("describe the workflow of order %s: %w", key, err)
	}
	ids := []string{described.GetWorkflowExecutionInfo().GetExecution().GetRunId()}
	listed, err := w.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: w.namespace, Query: fmt.Sprintf("WorkflowId = '%s'", key.WorkflowID()),
	})
	if err != nil {
		return nil, fmt.Errorf("list the runs of order %s: %w", key, err)
	}
	for _, e := range listed.GetExecutions() { // the newest first
		if id := e.GetExecution().GetRunId(); id != ids[0] {
			ids = append(ids, id)
		}
	}
	var runs []run
	for _, id := range slices.Backward(ids) {
		events, err := w.history(ctx, key, id)
		if err != nil {
			return nil, err
		}
		runs = append(runs, run{id, events})
	}
	return runs, nil
}

func (w *world) history(ctx context.Context, key order.Key, runID string) (*history.History, error) {
	var read history.History
	events := w.temporal.GetWorkflowHistory(ctx, key.WorkflowID(), runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, fmt.Errorf("read the history of order %s: %w", key, err)
		}
		read.Events = append(read.Events, event)
	}
	return &read, nil
}

// actions counts what Temporal Cloud would bill of a history: the start, timers, signals, updates,
// search attributes, every attempt of an activity, and the local activities of one workflow task
// together.
func actions(h *history.History) int {
	n := 0
	marked := map[int64]bool{} // workflow tasks whose local activities are counted
	for _, e := range h.GetEvents() {
		switch e.GetEventType() {
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, enums.EVENT_TYPE_TIMER_STARTED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
			enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED, enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
			n++
		case enums.EVENT_TYPE_ACTIVITY_TASK_STARTED:
			n += int(e.GetActivityTaskStartedEventAttributes().GetAttempt())
		case enums.EVENT_TYPE_MARKER_RECORDED:
			if task := e.GetMarkerRecordedEventAttributes().GetWorkflowTaskCompletedEventId(); !marked[task] {
				marked[task] = true
				n++
			}
		}
	}
	return n
}

// record writes the histories of all stories as the replayer reads them: NAME.json, and NAME-2.json
// for a second run.
func (w *world) record(ctx context.Context, folder string, plays []*play) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("record the histories: %w", err)
	}
	for _, p := range plays {
		runs, err := w.runsOf(ctx, p.story.key)
		if err != nil {
			return err
		}
		for i, r := range runs {
			name := p.story.name
			if i > 0 {
				name = fmt.Sprintf("%s-%d", name, i+1)
			}
			text, err := temporalproto.CustomJSONMarshalOptions{Indent: "  "}.Marshal(r.history)
			if err != nil {
				return fmt.Errorf("encode the history of order %s: %w", p.story.key, err)
			}
			if err := os.WriteFile(filepath.Join(folder, name+".json"), append(text, '\n'), 0o644); err != nil {
				return fmt.Errorf("record the histories: %w", err)
			}
		}
	}
	return nil
}
