package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/carriersim"
	"github.com/dropline/dropline/internal/stage"
)

// sendBack is handBack until the return is closed.
func sendBack(ctx context.Context, on *stage.Stage, key order.Key, lines int) (rma string, err error) {
	if rma, err = handBack(ctx, on, key, lines); err != nil {
		return rma, err
	}
	return rma, looking(ctx, "the end of return "+rma, func() (closed bool, err error) {
		err = on.Pool.QueryRow(ctx, `SELECT closed_at IS NOT NULL FROM returns WHERE rma = $1`, rma).Scan(&closed)
		return closed, err
	})
}

// handBack is a customer who sends a delivered order back: asks for it through the API, hands the parcel
// in with its label, and the supplier gets it. It looks into Postgres past the gateway, and only for the label:
// under load each look counts as the deployment's.
func handBack(ctx context.Context, on *stage.Stage, key order.Key, lines int) (rma string, err error) {
	numbers := make([]int, lines)
	for i := range numbers {
		numbers[i] = i + 1
	}
	if rma, err = on.Return(ctx, key, "bench", returns.ChangedMind, numbers...); err != nil {
		return "", err
	}
	var label returns.Label
	var supplier, po string
	err = looking(ctx, "the label of return "+rma, func() (found bool, err error) {
		err = on.Pool.QueryRow(ctx, `SELECT state -> 'label' IS NOT NULL, coalesce(state #>> '{label,carrier}', ''), coalesce(state #>> '{label,tracking}', ''),
			supplier, po_number FROM returns WHERE rma = $1`, rma).Scan(&found, &label.Carrier, &label.Tracking, &supplier, &po)
		return found, err
	})
	if err != nil {
		return rma, err
	}
	on.Carrier.OnParcel(label.Carrier, label.Tracking, carriersim.Prompt)
	if err := on.Carrier.Await(ctx, func() bool { return on.Carrier.Arrived(label.Carrier, label.Tracking) }); err != nil {
		return rma, fmt.Errorf("wait for the parcel of return %s: %w", rma, err)
	}
	if !on.Suppliers.Arrive(supplier, po, rma) {
		return rma, fmt.Errorf("supplier %s was never told of return %s", supplier, rma)
	}
	return rma, nil
}

// looking waits for what nothing tells of.
func looking(ctx context.Context, what string, seen func() (bool, error)) error {
	for {
		found, err := seen()
		if found && err == nil {
			return nil
		}
		if err == nil {
			err = rest(ctx, lookEvery)
		}
		if err != nil {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
	}
}

// sendAllBack lets the customer of each delivered order send it back, until ctx ends.
func (s *Shape) sendAllBack(ctx context.Context, on *stage.Stage, failed func(error)) {
	asked := map[order.Key]bool{}
	for rest(ctx, lookEvery) == nil {
		keys, err := deliveredOrders(ctx, on)
		if err != nil && ctx.Err() == nil {
			failed(err)
		}
		for _, key := range keys {
			if asked[key] {
				continue
			}
			asked[key] = true
			go func() {
				if _, err := handBack(ctx, on, key, len(s.SKUs)); err != nil && ctx.Err() == nil {
					failed(err)
				}
			}()
		}
	}
}

// deliveredOrders lists settled orders of which nothing was asked back yet.
func deliveredOrders(ctx context.Context, on *stage.Stage) ([]order.Key, error) {
	rows, err := on.Pool.Query(ctx, `SELECT storefront, order_id FROM orders o
		WHERE closed_at IS NOT NULL AND NOT EXISTS (SELECT FROM returns r WHERE r.order_key = o.key)`)
	if err != nil {
		return nil, fmt.Errorf("find the orders to send back: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[order.Key])
}

// checkReturn is nil when a return ended as it should: everything back, everything paid, the credit in.
func (c *counting) checkReturn(ctx context.Context, key order.Key, rma string) error {
	v, err := c.on.ReturnClosed(ctx, key, rma)
	if err != nil {
		return err
	}
	if v.Stage != string(returns.StageClosed) || v.Credit.Received != v.Credit.Expected || v.Credit.Expected == "0.00" {
		return fmt.Errorf("return %s ended %s, refunded %s, credit %+v", rma, v.Stage, v.Refunded, v.Credit)
	}
	return nil
}

// returned counts what the return of a settled order takes.
func (c *counting) returned(ctx context.Context, key order.Key) (Figures, string, error) {
	before, began := c.wire.traffic(), time.Now()
	rma, err := sendBack(ctx, c.on, key, len(c.shape.SKUs))
	if err == nil {
		err = rest(ctx, afterwards)
	}
	if err != nil {
		return nil, rma, errors.Join(err, context.Cause(ctx))
	}
	seen, took := c.wire.traffic().less(before), time.Since(began).Seconds()
	if err := c.checkReturn(ctx, key, rma); err != nil {
		return nil, rma, err
	}
	cost, err := c.on.CostOfReturn(ctx, key, rma)
	return c.figures(cost, seen, returns.WorkflowID(key, rma), took), rma, err
}
