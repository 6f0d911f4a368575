package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/tracking"
	"github.com/dropline/dropline/workflows"
)

const (
	// deliveryLease is how long a claimed order is one deliverer's; no transaction stays open while
	// Temporal is called. deliverWithin is shorter, so that only a deliverer that died is overtaken.
	deliveryLease = 10 * time.Second
	deliverWithin = 8 * time.Second
	firstPause    = 250 * time.Millisecond
	longestPause  = 30 * time.Second
	// While Temporal is away each deliverer tries one order this often.
	longestOutagePause = 5 * time.Second
	deliverSideBySide  = 4
	// discountsEvery is how often volume discounts are looked at: what an invoice makes due is claimed that soon.
	discountsEvery = time.Minute
	// claimDiscountsWithin bounds a look at the volume discounts of all suppliers.
	claimDiscountsWithin = time.Minute
	// pollRarely is how often a loop looks that is told when there is work.
	pollRarely = 10 * time.Second
	// After so many refusals in a row that are not an outage an order asks for a person.
	refusals = 10
	// A signal takes at most so many facts and, if it holds more than one, so many bytes.
	signalFacts = 100
	signalBytes = 64 << 10
)

// Deliverer starts the workflows of new orders and gives them the facts that have come since, in
// their order, at least once. Several may run side by side, here and on other machines.
//
// When the workflow has completed it is started again with Reopen. One that ended in any other way
// (terminated, failed, timed out, cancelled from outside) was ended on purpose or by a defect:
// nothing starts it again by itself. Its order is marked needs_attention, its facts stay
// undelivered, and Revive is the operator's decision to go on.
type Deliverer struct {
	Pool     *pgxpool.Pool
	Temporal Temporal
	Log      *slog.Logger

	once   sync.Once
	nudge  chan struct{}
	outage outage
}

// Nudge tells the deliverer, in this process, that an order has news. It never blocks.
func (d *Deliverer) Nudge() { poke(d.wakeups()) }

func (d *Deliverer) wakeups() chan struct{} {
	d.once.Do(func() { d.nudge = make(chan struct{}, 1) })
	return d.nudge
}

// Run delivers until ctx ends, and returns when the deliveries under way are recorded or given back.
func (d *Deliverer) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	for n := range deliverSideBySide {
		loops.Go(func() { d.loop(ctx, n == 0) })
	}
	loops.Wait()
	return nil
}

// loop delivers as long as something is due. One loop of a process looks by itself for what others have
// left or planned; the rest look when they are told to, and are told when more is due than one can take.
func (d *Deliverer) loop(ctx context.Context, looks bool) {
	row, looked := 0, time.Time{}
	for ctx.Err() == nil {
		if looks && time.Since(looked) >= discountsEvery {
			d.discounts(ctx)
			looked = time.Now()
		}
		_, more, err := d.next(ctx)
		if more && err == nil {
			if row++; row > 1 {
				d.Nudge()
			}
			continue
		}
		row = 0
		wait, wakeups := pollEvery, d.wakeups()
		if !looks {
			wait = pollRarely
		}
		if pause := d.outage.pause(); pause > 0 {
			wait, wakeups = pause, nil // news do not bring Temporal back
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-wakeups:
		}
		timer.Stop()
	}
}

// discounts claims the volume discounts that are due; their workflows are delivered like all others.
func (d *Deliverer) discounts(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, claimDiscountsWithin)
	defer cancel()
	if err := ClaimDiscounts(within, d.Pool); err != nil && ctx.Err() == nil {
		d.Log.Warn("Volume discounts cannot be claimed; they are tried again", "error", err)
	}
}

// Deliver claims one order and brings its workflow up to date. found is false when nothing is due.
// The error was logged and recorded; the order is due again later.
func (d *Deliverer) Deliver(ctx context.Context) (found bool, err error) {
	found, _, err = d.next(ctx)
	return found, err
}

// next is Deliver. more: when it claimed its order, something else was due too. What becomes due after that is
// told with a nudge, or found by the loop that looks.
func (d *Deliverer) next(ctx context.Context) (found, more bool, err error) {
	claiming, cancel := context.WithTimeout(ctx, claimWithin)
	due, more, err := d.claim(claiming)
	cancel()
	if errors.Is(err, pgx.ErrNoRows) {
		return false, false, nil
	}
	if err != nil {
		if ctx.Err() == nil {
			d.outage.begins(d.Log, "The database does not answer; facts wait", err)
		}
		return false, false, err
	}
	err = d.deliver(ctx, due)
	// What was delivered has to be recorded, even when the deliverer is being stopped.
	done, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	if record := d.record(done, due, err, ctx.Err() != nil); record != nil {
		d.outage.begins(d.Log, "The database does not answer; facts wait", record)
		return true, more, record
	}
	return true, more, err
}

// deliver starts the workflow if need be and sends the facts. It moves o on as far as it gets.
func (d *Deliverer) deliver(ctx context.Context, o *due) error {
	ctx, cancel := context.WithTimeout(ctx, deliverWithin)
	defer cancel()
	if o.claim != "" && o.settled {
		o.deliveredSeq = o.factSeq // nobody is left to be told
		return nil
	}
	if !o.started {
		if err := d.start(ctx, o); err != nil {
			return err
		}
		o.started = true
	}
	if o.factSeq == o.deliveredSeq {
		return nil
	}
	if o.claim != "" {
		return d.tellClaim(ctx, o)
	}
	if o.rma != "" {
		list, err := returndesk.After(ctx, d.Pool, o.rma, o.deliveredSeq)
		if err != nil {
			return err
		}
		return deliverAll(ctx, d, o, list, func(f returns.Fact) int64 { return f.Seq },
			func(batch []returns.Fact) any { return workflows.ReturnFactsSignal{Facts: batch} })
	}
	if o.payment {
		list, err := paymentdesk.After(ctx, d.Pool, o.key.String(), o.deliveredSeq)
		if err != nil {
			return err
		}
		return deliverAll(ctx, d, o, list, func(f payments.Fact) int64 { return f.Seq },
			func(batch []payments.Fact) any { return workflows.PaymentFactsSignal{Facts: batch} })
	}
	list, err := d.news(ctx, o)
	if err != nil {
		return err
	}
	return deliverAll(ctx, d, o, list, func(f order.Fact) int64 { return f.Seq },
		func(batch []order.Fact) any { return workflows.FactsSignal{Facts: batch} })
}

// news reads the facts that the order's workflow lacks, and in the same round trip where the order stands with them.
func (d *Deliverer) news(ctx context.Context, o *due) (list []order.Fact, err error) {
	b := &pgx.Batch{}
	facts.QueueAfter(b, o.key.String(), o.deliveredSeq, func(found []order.Fact) { list = found })
	stands := orderview.QueueStand(b, o.key)
	if err := d.Pool.SendBatch(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("read the news of order %s: %w", o.key, err)
	}
	o.stands = &stands.State
	return list, nil
}

// deliverAll sends facts in signals of bounded size.
func deliverAll[F any](ctx context.Context, d *Deliverer, o *due, list []F, number func(F) int64, signal func([]F) any) error {
	for len(list) > 0 {
		n, err := signalSize(list)
		if err != nil {
			return err
		}
		if err := d.signal(ctx, o, signal(list[:n])); err != nil {
			return err
		}
		o.deliveredSeq = number(list[n-1])
		list = list[n:]
	}
	return nil
}

// signalSize is how many of the facts go into the next signal: at least one.
func signalSize[F any](list []F) (int, error) {
	total := 0
	for i, f := range list[:min(len(list), signalFacts)] {
		body, err := json.Marshal(f)
		if err != nil {
			return 0, err
		}
		total += len(body) + 1
		if i > 0 && total > signalBytes {
			return i, nil
		}
	}
	return min(len(list), signalFacts), nil
}

// record ends a claim. cause is nil when everything known was delivered.
func (d *Deliverer) record(ctx context.Context, o *due, cause error, stopping bool) error {
	switch {
	case cause == nil:
		d.outage.ends(d.Log)
		return d.complete(ctx, o)
	case errors.Is(cause, errEndedOtherwise):
		d.outage.ends(d.Log)
		d.Log.Error("An order has news and its workflow did not end by completing: decide whether to revive it",
			"order", o.name(), "error", cause)
		return d.park(ctx, o)
	case stopping:
		return d.postpone(ctx, o, 0, o.tries)
	case isOutage(cause):
		d.outage.begins(d.Log, "Temporal does not answer; facts wait", cause)
		return d.postpone(ctx, o, pauseAfter(o.tries), o.tries+1)
	}
	d.outage.ends(d.Log)
	d.Log.Warn("An order's news could not be delivered; it is tried again", "order", o.name(), "try", o.tries+1, "error", safe(cause))
	if err := d.postpone(ctx, o, pauseAfter(o.tries), o.tries+1); err != nil || o.tries+1 != refusals {
		return err
	}
	table, column, key := o.row()
	_, err := d.Pool.Exec(ctx, `UPDATE `+table+` SET needs_attention = true WHERE `+column+` = $1`, key)
	return err
}

func pauseAfter(tries int) time.Duration { return min(firstPause<<min(tries, 20), longestPause) }

// complete clears deliver_at unless somebody has set it since the claim. Facts that came since and
// are not urgent get a time of their own, so that none waits for ever. The stage that lists filter by
// follows the facts that were delivered, unless the workflow has recorded a newer one meanwhile.
func (d *Deliverer) complete(ctx context.Context, o *due) error {
	if o.claim != "" {
		return d.completeClaim(ctx, o)
	}
	if o.rma != "" || o.payment {
		table, column, key := o.row()
		_, err := d.Pool.Exec(ctx, `
			UPDATE `+table+` SET started_at = coalesce(started_at, now()), deliver_tries = 0, delivered_seq = greatest(delivered_seq, $2),
				deliver_at = CASE
					WHEN deliver_at IS DISTINCT FROM $3 THEN deliver_at
					WHEN fact_seq > greatest(delivered_seq, $2) THEN now() + $4::interval END
			WHERE `+column+` = $1`, key, o.deliveredSeq, o.lease, tracking.RoutineWait)
		return err
	}
	var stage *string
	revision := int64(0)
	if o.stands != nil {
		now := string(o.stands.Stage())
		stage, revision = &now, o.stands.Revision
	}
	_, err := d.Pool.Exec(ctx, `
		UPDATE orders SET started_at = coalesce(started_at, now()), deliver_tries = 0,
			stage = CASE WHEN $6::text IS NOT NULL AND closed_at IS NULL AND coalesce((state->>'revision')::bigint, 0) = $5 THEN $6 ELSE stage END,
			delivered_seq = greatest(delivered_seq, $2),
			deliver_at = CASE
				WHEN deliver_at IS DISTINCT FROM $3 THEN deliver_at
				WHEN fact_seq > greatest(delivered_seq, $2) THEN now() + $4::interval END
		WHERE key = $1`, o.key.String(), o.deliveredSeq, o.lease, tracking.RoutineWait, revision, stage)
	return err
}

// postpone keeps what was reached and plans the next try, unless another deliverer has the order.
func (d *Deliverer) postpone(ctx context.Context, o *due, wait time.Duration, tries int) error {
	table, column, key := o.row()
	_, err := d.Pool.Exec(ctx, `
		UPDATE `+table+` SET deliver_tries = $4, delivered_seq = greatest(delivered_seq, $2),
			started_at = CASE WHEN $6 THEN coalesce(started_at, now()) ELSE started_at END,
			deliver_at = CASE WHEN deliver_at > $3 THEN deliver_at ELSE now() + $5::interval END
		WHERE `+column+` = $1`, key, o.deliveredSeq, o.lease, tries, wait, o.started)
	return err
}

// park leaves the order to a person. The next urgent fact brings it here again.
func (d *Deliverer) park(ctx context.Context, o *due) error {
	table, column, key := o.row()
	_, err := d.Pool.Exec(ctx, `
		UPDATE `+table+` SET needs_attention = true, delivered_seq = greatest(delivered_seq, $2),
			started_at = coalesce(started_at, now()), deliver_at = nullif(deliver_at, $3)
		WHERE `+column+` = $1`, key, o.deliveredSeq, o.lease)
	return err
}

// outage is shared by the loops, so that a server that is away is logged once.
type outage struct {
	mu       sync.Mutex
	down     bool
	failures int
}

func (o *outage) begins(log *slog.Logger, text string, cause error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.down {
		log.Error(text, "error", safe(cause))
	}
	o.down = true
	o.failures++
}

func (o *outage) ends(log *slog.Logger) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down {
		log.Info("Facts are delivered again")
	}
	o.down, o.failures = false, 0
}

func (o *outage) pause() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.down {
		return 0
	}
	return min(firstPause<<min(o.failures/deliverSideBySide, 20), longestOutagePause)
}
