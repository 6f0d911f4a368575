package bench

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
)

// sampledHistories is of how many orders of a round the histories are compared with those of the floor.
const sampledHistories = 20

// unfairBy is how far the floor's histories may be from the orders': signals that meet in one workflow task save some
// events, now here, now there.
const unfairBy = 0.05

// compareHistories counts the events that orders took under load, and those of the bare workflows in their place:
// a floor that does less than an order is none.
func (l *loading) compareHistories(ctx context.Context, name string, orders int, figures Figures) error {
	sampled := min(orders, sampledHistories)
	whole, least := 0, 0
	for i := range sampled {
		n := i * orders / sampled
		ids, err := l.workflowsOf(ctx, fmt.Sprintf("%s-%d", name, n))
		if err != nil {
			return err
		}
		for i := range l.workflows {
			ids = append(ids, floorID(name, n, i))
		}
		for i, id := range ids {
			events, err := historyOf(ctx, l.deployment.Temporal, id)
			if err != nil {
				return err
			}
			if i < len(ids)-l.workflows {
				whole += len(events.GetEvents())
			} else {
				least += len(events.GetEvents())
			}
		}
	}
	figures["load_events"], figures["floor_events"] = float64(whole)/float64(sampled), float64(least)/float64(sampled)
	if apart := figures["floor_events"]/figures["load_events"] - 1; math.Abs(apart) > unfairBy {
		l.bench.note(fmt.Sprintf("under load the floor of %s took %.1f events and an order %.1f: their ratio is not to be trusted",
			l.shape.Name, figures["floor_events"], figures["load_events"]))
	}
	return nil
}

// workflowsOf are those of an order: its own, and its returns'.
func (l *loading) workflowsOf(ctx context.Context, id string) ([]string, error) {
	key := order.Key{Storefront: "shop", Order: id}
	rows, err := l.deployment.Pool.Query(ctx, `SELECT rma FROM returns WHERE order_key = $1`, key.String())
	if err != nil {
		return nil, fmt.Errorf("list the returns of order %s: %w", key, err)
	}
	rmas, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the returns of order %s: %w", key, err)
	}
	ids := []string{key.WorkflowID()}
	for _, rma := range rmas {
		ids = append(ids, returns.WorkflowID(key, rma))
	}
	return ids, nil
}
