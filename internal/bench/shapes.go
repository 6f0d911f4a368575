package bench

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
)

// Shape is a kind of order whose cost is measured.
type Shape struct {
	Name string
	// Text says what happens to such an order.
	Text      string
	Suppliers []stage.Supplier
	SKUs      []string
	// Ends is the stage of the order when it is over, Refunds how many refunds it took.
	Ends    order.Stage
	Refunds int
	// Cancels: the customer cancels the whole order once the supplier has it.
	Cancels bool
	// Returns: the customer sends everything back once the order is settled.
	Returns bool
}

// stepPause stands for the time that partners take: long enough for what happened before to have had
// its effect, so that counts do not depend on the machine.
const stepPause = 300 * time.Millisecond

// breachAfter is the acknowledgment SLA of a supplier that never answers.
const breachAfter = "3s"

func supplierOf(id string, ack suppliersim.AckWhen) stage.Supplier {
	pause := suppliersim.Duration(stepPause)
	return stage.Supplier{ID: id, Manner: suppliersim.Manner{
		Ack:  suppliersim.AckManner{When: ack, Delay: pause},
		Ship: suppliersim.ShipManner{Delay: pause, Carrier: "dropex"},
	}}
}

// Shapes are the five that the budget speaks of.
func Shapes() []Shape {
	acme, bolt := supplierOf("acme", suppliersim.AckInResponse), supplierOf("bolt", suppliersim.AckInResponse)

	silent := supplierOf("acme", suppliersim.AckNever)
	silent.Acknowledge = breachAfter
	silent.Manner.Cancel = suppliersim.CancelManner{Mode: suppliersim.CancelPending, Delay: suppliersim.Duration(stepPause)}
	dear := bolt
	dear.Dear = true

	patient := acme
	patient.Manner.Ship.Delay = suppliersim.Duration(time.Hour)

	// Inspection and credit come one after the other, as they do with days between them.
	back := acme
	back.Manner.Return = suppliersim.ReturnManner{Delay: suppliersim.Duration(stepPause), CreditDelay: suppliersim.Duration(2 * stepPause)}

	return []Shape{
		{
			Name: "smooth_1", Text: "one line, one supplier that acknowledges in its answer",
			Suppliers: []stage.Supplier{acme}, SKUs: []string{"acme-mug"}, Ends: order.StageSettled,
		},
		{
			Name: "smooth_3x2", Text: "three lines, two suppliers, two parcels",
			Suppliers: []stage.Supplier{acme, bolt}, SKUs: []string{"acme-mug", "acme-jar", "bolt-mug"}, Ends: order.StageSettled,
		},
		{
			Name: "failover", Text: "the supplier never acknowledges: reminder, breach, fence, bought elsewhere",
			Suppliers: []stage.Supplier{silent, dear}, SKUs: []string{"mug"}, Ends: order.StageSettled,
		},
		{
			Name: "cancel", Text: "the customer cancels after dispatch, the supplier agrees, the price goes back",
			Suppliers: []stage.Supplier{patient}, SKUs: []string{"acme-mug"}, Ends: order.StageCancelled, Refunds: 1, Cancels: true,
		},
		{
			Name: "return", Text: "delivered, then sent back by the customer: asked for, labelled, inspected, refunded, credited",
			Suppliers: []stage.Supplier{back}, SKUs: []string{"acme-mug"}, Ends: order.StageSettled, Returns: true,
		},
	}
}

// check is nil when an order of this shape ended as it should.
func (s *Shape) check(state *order.State) error {
	if got := state.Stage(); got != s.Ends || state.Refunds != s.Refunds {
		return fmt.Errorf("an order of the shape %s ended %s with %d refunds, want %s with %d:\n%s",
			s.Name, got, state.Refunds, s.Ends, s.Refunds, state.Card())
	}
	return nil
}

// customers do what those of a shape do, until ctx ends.
func (s *Shape) customers(ctx context.Context, on *stage.Stage, failed func(error)) {
	switch {
	case s.Cancels:
		s.cancelAll(ctx, on, failed)
	case s.Returns:
		s.sendAllBack(ctx, on, failed)
	}
}

// done finds the orders of a load whose life is over, by the beginning of their ids.
func (s *Shape) done() string {
	if s.Returns {
		return `SELECT count(*) FROM orders o JOIN returns r ON r.order_key = o.key WHERE r.closed_at IS NOT NULL AND o.order_id LIKE $1 || '-%'`
	}
	return `SELECT count(*) FROM orders WHERE closed_at IS NOT NULL AND order_id LIKE $1 || '-%'`
}

// cancelAll cancels each order once its purchase order is with the supplier, until ctx ends.
func (s *Shape) cancelAll(ctx context.Context, on *stage.Stage, failed func(error)) {
	asked := map[string]bool{}
	ticker := time.NewTicker(stepPause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		keys, err := sentBefore(ctx, on, asked)
		for _, key := range keys {
			asked[key] = true
			go func() {
				if err := cancelOrder(ctx, on, key); err != nil && ctx.Err() == nil {
					failed(err)
				}
			}()
		}
		if err != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}

// sentBefore lists orders whose supplier has answered, and that nobody has cancelled yet.
func sentBefore(ctx context.Context, on *stage.Stage, asked map[string]bool) ([]string, error) {
	rows, err := on.Pool.Query(ctx, `
		SELECT e.order_key FROM effects e JOIN orders o ON o.key = e.order_key
		WHERE e.state = 'done' AND o.closed_at IS NULL AND e.last_at < now() - $1::interval`, stepPause)
	if err != nil {
		return nil, fmt.Errorf("find the orders to cancel: %w", err)
	}
	defer rows.Close()
	var keys []string
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, fmt.Errorf("find the orders to cancel: %w", err)
		}
		if !asked[key] {
			keys = append(keys, key)
		}
	}
	return keys, rows.Err()
}

func cancelOrder(ctx context.Context, on *stage.Stage, key string) error {
	var said any
	status, err := on.Call(ctx, http.MethodPost, "/v1/orders/"+key+"/cancel", map[string]any{"request_id": "bench"}, &said)
	// A busy order may answer too late for its customer; then the request is stored and carried out.
	if err == nil && status != http.StatusOK && status != http.StatusAccepted {
		err = fmt.Errorf("cancel order %s: answered %d: %v", key, status, said)
	}
	return err
}
