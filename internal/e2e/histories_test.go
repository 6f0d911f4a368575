package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dropline/dropline/workflows"
)

// recordHistories names the folder that TestTalesAreTold writes the tales' histories to, seen from the
// top of the repository; empty: nowhere.
const recordHistories = "RECORD_HISTORIES"

// largestHistory is what a kept history may have, in bytes of JSON: they are read in reviews.
const largestHistory = 60_000

// historiesOf reads the histories of a workflow from a run on, across those that continue it.
func historiesOf(t *testing.T, c client.Client, workflowID, run string) []*history.History {
	t.Helper()
	var runs []*history.History
	for run != "" {
		var read history.History
		events := c.GetWorkflowHistory(t.Context(), workflowID, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(t, err)
			read.Events = append(read.Events, event)
		}
		runs = append(runs, &read)
		last := read.GetEvents()[len(read.GetEvents())-1]
		run = last.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
	}
	return runs
}

// sanitise takes out of a history what tells of the machine it was recorded on and what no replay
// reads, and shortens what nobody could read anyway.
func sanitise(h *history.History) {
	for _, e := range h.GetEvents() {
		blank(e.ProtoReflect())
		if s := e.GetWorkflowExecutionSignaledEventAttributes(); s != nil {
			for _, p := range s.GetInput().GetPayloads() {
				if len(p.GetData()) > longestPayload {
					p.Data = bytes.Clone(p.GetData()[:64])
				}
			}
		}
	}
}

// longestPayload is more than anything that means something to an order.
const longestPayload = 64 << 10

// blank empties the fields that name a process, a stack or a build.
func blank(m protoreflect.Message) {
	fields := map[protoreflect.FieldDescriptor]protoreflect.Value{}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		fields[field] = value
		return true
	})
	for field, value := range fields {
		switch {
		case slices.Contains([]protoreflect.Name{"stack_trace", "request_id", "worker_version"}, field.Name()):
			m.Clear(field)
		case field.Name() == "identity" && field.Kind() == protoreflect.StringKind:
			m.Set(field, protoreflect.ValueOfString("worker"))
		case field.IsMap() || field.Kind() != protoreflect.MessageKind:
		case field.IsList():
			for i := range value.List().Len() {
				blank(value.List().Get(i).Message())
			}
		default:
			blank(value.Message())
		}
	}
}

// keep replays the histories of a tale and, when asked to, writes them down: NAME.json, and
// NAME-2.json for a second run.
func keep(t *testing.T, name string, runs []*history.History) {
	t.Helper()
	if uncached() {
		requireReplays(t, runs)
	}
	for i, r := range runs {
		if i > 0 {
			name = fmt.Sprintf("%s-%d", strings.TrimSuffix(name, fmt.Sprintf("-%d", i)), i+1)
		}
		h := proto.CloneOf(r)
		sanitise(h)
		require.NoError(t, replay(h), name)
		text, err := temporalproto.CustomJSONMarshalOptions{Indent: "  "}.Marshal(h)
		require.NoError(t, err)
		folder := os.Getenv(recordHistories)
		if folder == "" {
			continue
		}
		require.LessOrEqual(t, len(text), largestHistory, "%s: make the tale shorter", name)
		if !filepath.IsAbs(folder) {
			folder = filepath.Join("..", "..", folder)
		}
		require.NoError(t, os.MkdirAll(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, name+".json"), append(text, '\n'), 0o644))
	}
}

func replay(h *history.History) error {
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(workflows.Order, workflow.RegisterOptions{Name: workflows.OrderWorkflow})
	replayer.RegisterWorkflowWithOptions(workflows.Return, workflow.RegisterOptions{Name: workflows.ReturnWorkflow})
	replayer.RegisterWorkflowWithOptions(workflows.Payment, workflow.RegisterOptions{Name: workflows.PaymentWorkflow})
	replayer.RegisterWorkflowWithOptions(workflows.Claim, workflow.RegisterOptions{Name: workflows.ClaimWorkflow})
	replayer.RegisterWorkflowWithOptions(workflows.CarrierPoll, workflow.RegisterOptions{Name: workflows.CarrierPollWorkflow})
	replayer.RegisterWorkflowWithOptions(workflows.Reconcile, workflow.RegisterOptions{Name: workflows.ReconcileWorkflow})
	return replayer.ReplayWorkflowHistory(nil, h)
}
