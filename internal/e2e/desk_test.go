package e2e

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

// desk stands in for the activities of one order on a real server. It answers as an obliging world
// does, unless a tale sets it otherwise before the order begins.
type desk struct {
	key    order.Key
	lines  []order.Line
	policy order.Policy
	doubts []string
	unpaid string   // the one among them that a payment ends
	stock  []string // suppliers in the order in which routing takes them
	terms  order.Terms
	// acks: the supplier acknowledges in its answer to the purchase order.
	acks          bool
	ackIn, shipIn time.Duration
	// firstAckIn is the first supplier's time to acknowledge, if it has a time of its own.
	firstAckIn   time.Duration
	answer       order.Answer // to cancellations
	intercept    order.Answer
	send, lookUp order.DispatchOutcome
	// routes and acknowledgeIn take the place of the desk's own answers; nil: they stay.
	routes        func(*workflows.RouteInput) order.Routing
	acknowledgeIn func(po string) time.Duration
	// before is asked before an activity does its n-th call, from 1: it may fail it, or hold it up.
	before map[string]func(ctx context.Context, call int) error
	// garbled is how many results of an activity, the first ones, the workflow cannot read.
	garbled map[string]int
	// huge is how many results of an activity, the first ones, are larger than the server takes.
	huge map[string]int

	mu       sync.Mutex
	calls    map[string]int
	archive  []order.Fact // what Postgres holds, by number from 1
	settled  []order.State
	refunded []workflows.RefundInput
	// refundedByOld is how many of the refunds a worker of a release takes that knows nothing of overpaid money.
	refundedByOld int
}

func newDesk(id string) *desk {
	return &desk{
		key:       order.Key{Storefront: "shop", Order: id},
		lines:     []order.Line{{Line: 1, SKU: "MUG", Ordered: 3}},
		policy:    order.Policy{Backorder: order.BackorderMove, ReviewEscalateAfter: time.Hour, ReviewCancelAfter: 2 * time.Hour},
		stock:     []string{"acme", "bolt", "core"},
		ackIn:     time.Hour,
		shipIn:    2 * time.Hour,
		answer:    order.Answer{Outcome: order.AnswerAccepted},
		intercept: order.Answer{Outcome: order.AnswerAccepted},
		send:      order.DispatchSubmitted,
		lookUp:    order.DispatchSubmitted,
		before:    map[string]func(context.Context, int) error{},
		garbled:   map[string]int{},
		huge:      map[string]int{},
		calls:     map[string]int{},
	}
}

// serve registers the activities with a worker.
func (d *desk) serve(w worker.ActivityRegistry) {
	serve(d, w, workflows.ActivityValidate, func(order.Key) any {
		return order.Verdict{Currency: "EUR", Country: "DE", Policy: d.policy, Lines: d.lines, Captured: 9900, Doubts: d.doubts, Unpaid: d.unpaid}
	})
	serve(d, w, workflows.ActivityRoute, func(in workflows.RouteInput) any { return d.route(&in) })
	serve(d, w, workflows.ActivityDispatch, func(in workflows.PurchaseOrderInput) any { return d.dispatch(d.send, in.PO) })
	serve(d, w, workflows.ActivityLookUp, func(in workflows.PurchaseOrderInput) any { return d.dispatch(d.lookUp, in.PO) })
	serve(d, w, workflows.ActivityCancel, func(workflows.CancelInput) any { return d.answer })
	serve(d, w, workflows.ActivityIntercept, func(workflows.CancelInput) any { return d.intercept })
	serve(d, w, workflows.ActivityRefund, func(in workflows.RefundInput) any {
		d.refunded = append(d.refunded, in)
		return workflows.RefundResult{Amount: 3300, Text: "Refunded 33.00 EUR", Overpaid: in.Overpaid && len(d.refunded) > d.refundedByOld}
	})
	serve(d, w, workflows.ActivityRecord, func(order.State) any { return "" })
	serve(d, w, workflows.ActivityAddress, func(workflows.AddressInput) any { return "AT" })
	serve(d, w, workflows.ActivityFacts, func(in workflows.FactsInput) any {
		return slices.Clone(d.archive[min(int(in.After), len(d.archive)):])
	})
	serve(d, w, workflows.ActivityLoad, func(order.Key) any {
		last := d.settled[len(d.settled)-1].Clone()
		last.Recover()
		return last
	})
	serve(d, w, workflows.ActivitySettle, func(s order.State) any {
		d.settled = append(d.settled, s)
		return "The accounts are closed"
	})
	serve(d, w, workflows.ActivityPollCarrier, func(workflows.CarrierPollInput) any {
		return workflows.CarrierPollResult{Due: 250, News: 3}
	})
	w.RegisterActivityWithOptions(func(context.Context) (workflows.ReconcileResult, error) {
		return workflows.ReconcileResult{Run: 7, From: "2026-03-01", To: "2026-03-02", Books: 3, Open: 2}, nil
	}, activity.RegisterOptions{Name: workflows.ActivityReconcile})
}

func serve[In any](d *desk, w worker.ActivityRegistry, name string, do func(In) any) {
	w.RegisterActivityWithOptions(func(ctx context.Context, in In) (any, error) {
		d.mu.Lock()
		d.calls[name]++
		call := d.calls[name]
		d.mu.Unlock()
		if before := d.before[name]; before != nil {
			if err := before(ctx, call); err != nil {
				return nil, err
			}
		}
		if call <= d.garbled[name] {
			return "nothing that was asked for", nil
		}
		if call <= d.huge[name] {
			return strings.Repeat("x", 3<<20), nil
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		return do(in), nil
	}, activity.RegisterOptions{Name: name})
}

// called is how often an activity was tried so far.
func (d *desk) called(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[name]
}

// number gives facts their numbers and puts them into the archive.
func (d *desk) number(facts ...order.Fact) []order.Fact {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range facts {
		facts[i].Seq = int64(len(d.archive) + 1)
		d.archive = append(d.archive, facts[i])
	}
	return facts
}

// route gives everything to the first supplier that is not excluded.
func (d *desk) route(in *workflows.RouteInput) order.Routing {
	if d.routes != nil {
		return d.routes(in)
	}
	out := order.Routing{Decision: in.State.Supply.Decisions + 1, NoOffer: "no supplier has it"}
	for _, supplier := range d.stock {
		if slices.ContainsFunc(in.State.Exclusions, func(x order.Exclusion) bool { return x.Supplier == supplier }) {
			continue
		}
		terms := d.terms
		terms.Name = supplier
		po := order.NewPO{Number: d.key.PurchaseOrderNumber(len(in.State.POs) + 1), Supplier: supplier, Terms: terms}
		for _, l := range in.Lines {
			po.Lines = append(po.Lines, order.POLine{Line: l.Line, SKU: d.lines[l.Line-1].SKU, Quantity: l.Quantity, UnitCost: 100})
		}
		out.POs, out.NoOffer = []order.NewPO{po}, ""
		break
	}
	return out
}

func (d *desk) dispatch(outcome order.DispatchOutcome, po string) order.Dispatch {
	now := time.Now()
	answer := order.Dispatch{Outcome: outcome, SentAt: now, AckDueAt: now.Add(d.ackIn), ShipDueAt: now.Add(d.shipIn)}
	if d.acknowledgeIn != nil {
		answer.AckDueAt = now.Add(d.acknowledgeIn(po))
	}
	if d.firstAckIn > 0 && po == d.po(1) {
		answer.AckDueAt = now.Add(d.firstAckIn)
	}
	if d.acks && outcome == order.DispatchSubmitted {
		answer.Ack = &order.Acknowledgment{Document: po, PO: po, At: now, Whole: order.AckAccepted}
	}
	return answer
}

// po is the number of the order's n-th purchase order.
func (d *desk) po(n int) string { return d.key.PurchaseOrderNumber(n) }

func accepted(po string) order.Fact {
	return order.Fact{Acknowledge: &order.Acknowledgment{Document: "a-" + po, PO: po, At: time.Now(), Whole: order.AckAccepted}}
}

func labelled(po, tracking string, quantity int64) order.Fact {
	return order.Fact{Ship: &order.ShipNotice{
		Document: "s-" + tracking, PO: po, At: time.Now(), Carrier: "ups", Tracking: tracking,
		Lines: []order.ShippedLine{{Line: 1, Quantity: quantity}},
	}}
}

func reached(tracking string, m order.Milestone) order.Fact {
	return order.Fact{Milestone: &order.ParcelNews{Carrier: "ups", Tracking: tracking, Milestone: m, At: time.Now()}}
}
