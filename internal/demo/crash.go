package demo

import (
	"context"
	"fmt"
	"time"
)

// crash kills the worker at the moment when it does the most harm: suppliers have taken purchase
// orders and the worker has not heard so. It starts another one at once.
func (w *world) crash(ctx context.Context, plays []*play, say func(order, text string)) error {
	if err := w.untilHarmful(ctx, plays); err != nil {
		return err
	}
	inFlight := 0
	if err := w.pool.QueryRow(ctx, `SELECT count(*) FROM orders WHERE closed_at IS NULL`).Scan(&inFlight); err != nil {
		return fmt.Errorf("count the orders in flight: %w", err)
	}
	killed := w.worker.ID()
	if err := w.worker.Kill(); err != nil {
		return err
	}
	say("", fmt.Sprintf("KILL -9 worker (process %d), %d orders in flight, 2 purchase orders taken and unanswered", killed, inFlight))
	if err := w.restartWorker(ctx); err != nil {
		return err
	}
	say("", fmt.Sprintf("another worker is up (process %d)", w.worker.ID()))
	return nil
}

// The kill comes when the suppliers have held the crash stories' purchase orders for a while, so that
// other orders are under way too. Patience bounds the wait for a quiet moment: the client gives up on
// a silent supplier after ten seconds, and then there is nothing left to crash into.
const (
	suspense = 2 * time.Second
	patience = 6 * time.Second
)

// untilHarmful waits until the suppliers hold the purchase orders of the crash stories, and then, for a
// while, until no other call to a partner and no message is under way: what the kill cuts short is
// tried again only after its time-out, which is ten seconds for a message.
func (w *world) untilHarmful(ctx context.Context, plays []*play) error {
	var numbers []string
	for _, p := range plays {
		if p.story.crash {
			numbers = append(numbers, "submit/"+p.story.key.PurchaseOrderNumber(1))
		}
	}
	var since time.Time
	for {
		var hanging, others, waiting int
		err := w.pool.QueryRow(ctx, `
			SELECT (SELECT count(*) FROM effects WHERE key = ANY ($1) AND state = 'trying'),
				(SELECT count(*) FROM effects WHERE key <> ALL ($1) AND state = 'trying')
					+ (SELECT count(*) FROM outbox WHERE state = 'pending' AND attempts > 0),
				(SELECT count(*) FROM orders WHERE started_at IS NULL)
					+ (SELECT count(*) FROM purchase_orders p WHERE submitted_at IS NULL AND 'submit/' || number <> ALL ($1)
						AND NOT EXISTS (SELECT 1 FROM effects e WHERE e.key = 'submit/' || p.number AND state = 'not_sent'))`,
			numbers).Scan(&hanging, &others, &waiting)
		if err != nil {
			return fmt.Errorf("wait for the moment to crash: %w", err)
		}
		harmful := hanging == len(numbers) && w.held(plays)
		if harmful && since.IsZero() {
			since = time.Now()
		}
		held := time.Since(since)
		if harmful && (others+waiting == 0 && held > suspense || held > patience) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the moment to crash: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// held: the suppliers' books have the purchase orders of the crash stories.
func (w *world) held(plays []*play) bool {
	for _, p := range plays {
		if !p.story.crash {
			continue
		}
		if _, known := w.partners.suppliers.Books.Order(p.story.want.orders[0].supplier, p.story.key.PurchaseOrderNumber(1)); !known {
			return false
		}
	}
	return true
}
