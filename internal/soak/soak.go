// Package soak pours webhooks over a whole Dropline whose programs are killed all the time, and then
// proves that nothing that was answered with 2xx is lost or counted twice: neither in the archive, nor
// in the orders and their workflows, nor at the partners.
package soak

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dropline/dropline/internal/processes"
)

// Options of a run.
type Options struct {
	// Webhooks is how many are sent: a tenth of them duplicates, a hundredth garbage.
	Webhooks int
	Seed     uint64
	// KillEvery is the time between two kills, more or less.
	KillEvery time.Duration
	// Within bounds the whole run.
	Within time.Duration
	Bin    string // folder of starter and worker; empty: this program's own
	Logs   string // folder for their logs; empty: a new one
	Out    io.Writer
}

// Result is what a run came to.
type Result struct {
	Webhooks, Duplicates, Garbage int
	Kills                         int64
	Violations                    int
	Texts                         []string // the first of the violations
	// PerSecond is the rate at which webhooks were brought to their end, kills included.
	PerSecond float64
	Orders    int
	Took      time.Duration
}

// String is the last line of a run.
func (r Result) String() string {
	return fmt.Sprintf("soak: %d webhooks, %d duplicates, %d garbage, %d kills, %d violations, %.0f webhooks/s",
		r.Webhooks, r.Duplicates, r.Garbage, r.Kills, r.Violations, r.PerSecond)
}

// Run makes one soak. Its error is that it could not be made; what is wrong with Dropline is in the
// result.
func Run(ctx context.Context, o Options) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Within)
	defer cancel()
	r, err := begin(ctx, o)
	if err != nil {
		return Result{}, err
	}
	defer r.world.close()
	if err := r.send(ctx); err != nil {
		return Result{}, err
	}
	if err := r.settle(ctx); err != nil {
		return Result{}, err
	}
	r.say("%s", r.world.chaos.memory.judge(r.found))
	if err := r.verify(ctx); err != nil {
		return Result{}, err
	}
	return r.result(), nil
}

// begin brings the world up and draws what is sent.
func begin(ctx context.Context, o Options) (*run, error) {
	r := &run{Options: o, found: &findings{}, began: time.Now()}
	if r.Bin == "" {
		folder, err := processes.Beside()
		if err != nil {
			return nil, err
		}
		r.Bin = folder
	}
	w, err := open(ctx, r.Options, r.found)
	if err != nil {
		return nil, err
	}
	r.world, r.plan = w, draw(o.Webhooks, o.Seed, time.Now())
	r.queue = newQueue(r.plan)
	r.sender = newSender(w.gateway, w.keys, r.queue, r.found)
	r.say("%d webhooks about %d orders; logs are in %s", r.plan.webhooks, len(r.plan.stories), w.chaos.programs.Logs)
	return r, nil
}

// run is a soak under way.
type run struct {
	Options
	world  *world
	found  *findings
	plan   *plan
	queue  *queue
	sender *sender
	began  time.Time
}

func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.Out, "%6.1fs  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

func (r *run) result() Result {
	count, texts := r.found.all()
	seconds := time.Duration(r.sender.finished.Load()).Seconds()
	return Result{
		Webhooks: r.plan.webhooks, Duplicates: r.plan.duplicates, Garbage: r.plan.garbage, Kills: r.world.chaos.kills.Load(),
		Violations: count, Texts: texts, PerSecond: float64(r.sender.done.Load()) / seconds,
		Orders: len(r.plan.stories), Took: time.Since(r.began),
	}
}

// send brings all webhooks while the programs are killed.
func (r *run) send(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var around sync.WaitGroup
	sent := make(chan struct{})
	killing, stopKilling := context.WithCancel(ctx)
	around.Go(func() {
		if err := r.world.chaos.run(killing); err != nil {
			cancel(fmt.Errorf("kill and start again: %w", err))
		}
	})
	around.Go(func() { r.world.chaos.memory.run(killing) })
	around.Go(func() { r.queue.watch(ctx, r.world.suppliers.Books) })
	around.Go(func() { r.report(ctx, sent) })
	r.sender.run(ctx)
	close(sent)
	stopKilling()
	around.Wait()
	for _, s := range r.queue.missing() {
		r.found.add("order %s: its purchase order %s never reached %s", s.key, s.po, s.supplier)
	}
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil && cause != context.DeadlineExceeded { //nolint:errorlint // it is set as it is
		return cause
	}
	return nil
}

// sparedFrom is the share of the webhooks, in percent, from which on the gateway is no longer killed,
// so that one of its lives is long enough to see whether its memory grows.
const sparedFrom = 75

// reportEvery is the time between two lines of progress.
const reportEvery = 5 * time.Second

func (r *run) report(ctx context.Context, sent <-chan struct{}) {
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	watch := time.NewTicker(100 * time.Millisecond)
	defer watch.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sent:
			r.progress()
			return
		case <-watch.C:
			r.world.chaos.members[0].spared.Store(r.sender.done.Load()*100 >= int64(r.plan.webhooks)*sparedFrom)
		case <-ticker.C:
			r.progress()
		}
	}
}

func (r *run) progress() {
	r.say("%d of %d webhooks done; no answer %d, told to come again %d, too fast %d; %d kills; %d purchase orders to come",
		r.sender.done.Load(), r.plan.webhooks, r.sender.broken.Load(), r.sender.repeated.Load(), r.sender.throttled.Load(),
		r.world.chaos.kills.Load(), len(r.queue.missing()))
}

// backlog is what Dropline still has to do for the webhooks that it took.
type backlog struct{ unread, unstarted, undelivered, uncancelled, untold int }

func (r *run) backlog(ctx context.Context) (b backlog, err error) {
	err = r.world.pool.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM documents WHERE status = 'received'),
			(SELECT count(*) FROM orders WHERE started_at IS NULL),
			(SELECT count(*) FROM orders WHERE deliver_at <= now() + interval '1 minute'),
			(SELECT count(*) FROM orders WHERE closed_at IS NULL AND key IN (SELECT order_key FROM facts WHERE kind = 'cancel_request')),
			(SELECT count(*) FROM outbox WHERE channel = 'storefront' AND state = 'pending')`).
		Scan(&b.unread, &b.unstarted, &b.undelivered, &b.uncancelled, &b.untold)
	return b, err
}

// settle waits until every document is read, every order started, everything urgent delivered, what was
// cancelled is closed, and every storefront knows. What is not done when ctx ends is found by the checks.
func (r *run) settle(ctx context.Context) error {
	said := time.Now()
	for ctx.Err() == nil {
		b, err := r.backlog(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			return fmt.Errorf("wait until everything is done: %w", err)
		case err == nil && b == (backlog{}):
			return nil
		case time.Since(said) > reportEvery:
			said = time.Now()
			r.say("%d documents to read, %d orders to start, %d with news to deliver, %d cancelled ones to close, %d messages to storefronts",
				b.unread, b.unstarted, b.undelivered, b.uncancelled, b.untold)
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}

// Tell writes the violations and the last line.
func (r Result) Tell(out io.Writer) {
	for _, text := range r.Texts {
		fmt.Fprintln(out, "violation:", text)
	}
	if more := r.Violations - len(r.Texts); more > 0 {
		fmt.Fprintf(out, "and %d violations more\n", more)
	}
	fmt.Fprintln(out, r)
}
