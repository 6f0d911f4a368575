package enginetest

import (
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"
)

// Heaviest is the most that any one workflow task of a history was answered with: commands, and the bytes of the events
// that they became, which are about those of the message that brought them. (Two maxima: they may be of
// different tasks.)
func Heaviest(h *history.History) (commands, bytes int) {
	events := h.GetEvents()
	for i := range events {
		if events[i].GetEventType() != enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			continue
		}
		n, size := 0, 0
		for _, e := range events[i+1:] {
			if !ofCommand(e.GetEventType()) {
				break // the server writes what a task led to right behind its completion
			}
			n++
			size += proto.Size(e)
		}
		commands, bytes = max(commands, n), max(bytes, size)
	}
	return commands, bytes
}

// ofCommand says whether a worker's answer makes the server write such an event.
func ofCommand(kind enums.EventType) bool {
	switch kind {
	case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, enums.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED,
		enums.EVENT_TYPE_TIMER_STARTED, enums.EVENT_TYPE_TIMER_CANCELED, enums.EVENT_TYPE_MARKER_RECORDED,
		enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, enums.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
		enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
		enums.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED, enums.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
		enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
		enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
		return true
	default:
		return false
	}
}
