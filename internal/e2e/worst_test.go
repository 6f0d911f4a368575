package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/interceptor"
	"google.golang.org/protobuf/proto"

	"github.com/dropline/dropline/internal/engine/enginetest"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

// The worst order that is still legal: 200 lines at 20 suppliers, of which three in a row never answer
// for any line, and a parcel of its own for each line. What 10,000 doubled messages cost it is shown by
// TestDoubledMessagesEndAtTheInbox, and what a year costs it by TestAYearOfSilenceStaysSmall.
const (
	worstLines     = 200
	worstSuppliers = 20
	worstFailovers = 3
	// worstCommands: a step for each supplier at once, with a timer each, and what is recorded of them.
	worstCommands = 100
)

func TestTheWorstLegalOrderStaysSmall(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("an order of 200 lines")
	}
	c, namespace := enginetest.Namespace(t)
	r := newRehearsal(t, c, namespace, "worst")
	watch := &stopwatch{}
	r.watchers = []interceptor.WorkerInterceptor{watch}
	r.worst()
	r.startWorker()
	r.begin()
	final := r.until("every line has a supplier that lives", func(s *order.State) bool {
		live, sent := int64(0), 0
		for i := range s.POs {
			if po := &s.POs[i]; po.Live() > 0 && po.AckDueAt.Sub(po.SentAt) == time.Hour && po.Phase == order.Submitted {
				live += po.Live()
				sent++
			}
		}
		return live == worstLines && sent >= worstSuppliers
	})
	require.NoError(t, final.Check())
	var parcels []order.Fact
	for i := range final.POs {
		po := &final.POs[i]
		if po.Live() == 0 {
			continue
		}
		ack := &order.Acknowledgment{Document: "a-" + po.Number, PO: po.Number, At: time.Now()}
		for _, l := range po.Lines {
			ack.Lines = append(ack.Lines, order.AckLine{Line: l.Line, Status: order.AckAccepted, Quantity: l.Quantity})
			parcel := labelled(po.Number, fmt.Sprintf("T-%03d", l.Line), 1)
			parcel.Ship.Lines[0].Line = l.Line
			parcels = append(parcels, parcel)
		}
		r.tellAlone(order.Fact{Acknowledge: ack})
	}
	for _, p := range parcels {
		r.tellAlone(p, reached(p.Ship.Tracking, order.ParcelInTransit))
	}
	for _, p := range parcels {
		r.tellAlone(reached(p.Ship.Tracking, order.ParcelDelivered))
	}
	require.Equal(t, order.StageSettled, r.ends().Stage)

	runs := r.runs()
	require.Len(t, runs, 1)
	events, bytes := len(runs[0].GetEvents()), proto.Size(runs[0])
	t.Logf("the worst order: %d purchase orders, %d events, %d kB, longest round %s", len(final.POs), events, bytes>>10, watch.longest)
	require.GreaterOrEqual(t, len(final.POs), worstSuppliers*(1+worstFailovers))
	require.Less(t, events, 5_000)
	require.Less(t, bytes, 2<<20)
	// What a worker answers to one task is one message, and above 4 MB the server ends the workflow.
	commands, answered := enginetest.Heaviest(runs[0])
	t.Logf("the heaviest task: %d commands, %d kB", commands, answered>>10)
	require.Less(t, commands, worstCommands)
	require.Less(t, answered, 256<<10)
	// The aim is 100 ms; other tests use the same processors. The SDK calls a second a deadlock.
	require.Less(t, watch.longest, 500*time.Millisecond)
	require.NoError(t, replay(runs[0]))
}

// worst sets the desk for the worst order.
func (r *rehearsal) worst() {
	r.lines = nil
	for i := range worstLines {
		r.lines = append(r.lines, order.Line{Line: i + 1, SKU: fmt.Sprintf("A-%03d", i), Ordered: 1})
	}
	rounds := map[string]int{} // purchase order → suppliers that were tried for its lines before
	r.routes = func(in *workflows.RouteInput) order.Routing {
		bySupplier := map[int][]order.POLine{}
		for _, l := range in.Lines {
			sku, tried := r.lines[l.Line-1].SKU, 0
			for _, x := range in.State.Exclusions {
				if x.SKU == sku {
					tried++
				}
			}
			supplier := ((l.Line-1)*worstSuppliers/worstLines+tried)%worstSuppliers + tried*worstSuppliers
			bySupplier[supplier] = append(bySupplier[supplier], order.POLine{Line: l.Line, SKU: sku, Quantity: l.Quantity, UnitCost: 100})
		}
		out := order.Routing{Decision: in.State.Supply.Decisions + 1}
		for supplier := range worstSuppliers * (worstFailovers + 1) {
			lines := bySupplier[supplier]
			if len(lines) == 0 {
				continue
			}
			name := fmt.Sprintf("supplier-%02d", supplier%worstSuppliers)
			number := r.po(len(in.State.POs) + len(out.POs) + 1)
			rounds[number] = supplier / worstSuppliers
			out.POs = append(out.POs, order.NewPO{Number: number, Supplier: name, Terms: order.Terms{Name: name}, Lines: lines})
		}
		return out
	}
	r.acknowledgeIn = func(po string) time.Duration {
		if rounds[po] < worstFailovers {
			return 3 * time.Second
		}
		return time.Hour
	}
}

// tellAlone brings facts and waits until they are taken, so that each costs a workflow task.
func (r *rehearsal) tellAlone(facts ...order.Fact) {
	r.t.Helper()
	r.tell(facts...)
	require.Eventually(r.t, func() bool { return r.closed() || !r.requested() }, patient, 2*time.Millisecond)
}
