package returndesk

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/returns"
)

// trusted is units of a line that the customer got something for before anybody has seen them.
type trusted struct{ kept, instant int64 }

// queueTrusted reads what the order's returns have given on trust. One that was cancelled, or ended without its goods,
// gave nothing; whatever else came of a return, its goods were paid for unseen. An exchange gives no money at once.
func (c *counter) queueTrusted(b *pgx.Batch) {
	b.Queue(`SELECT l.line,
			coalesce(sum(l.quantity) FILTER (WHERE r.state @> '{"keep": true}'), 0)::bigint,
			coalesce(sum(l.quantity) FILTER (WHERE r.state @> '{"instant": true}' AND r.state ->> 'resolution' <> 'exchange'), 0)::bigint
		FROM return_lines l JOIN returns r USING (rma)
		WHERE r.order_key = $1 AND NOT r.state @> '{"cancelled": true}' AND NOT r.state @> '{"expired": true}'
		GROUP BY l.line`, c.key.String()).Query(func(rows pgx.Rows) error {
		var line int
		var units trusted
		_, err := pgx.ForEachRow(rows, []any{&line, &units.kept, &units.instant}, func() error { c.trusted[line] = units; return nil })
		return err
	})
}

// trust is what the order's returns have given on trust, by the prices that decide what is small enough.
func (c *counter) trust(prices map[int]int64) (sum returns.Trust, err error) {
	for line, units := range c.trusted {
		for _, part := range []struct {
			into  *int64
			units int64
		}{{&sum.Kept, units.kept}, {&sum.Instant, units.instant}} {
			value, err := money.MulMinor(prices[line], part.units)
			if err == nil {
				*part.into, err = money.AddMinor(*part.into, value)
			}
			if err != nil {
				return sum, fmt.Errorf("add up what was given on trust for line %d: %w", line, err)
			}
		}
	}
	return sum, nil
}
