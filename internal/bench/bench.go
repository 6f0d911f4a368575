// Package bench measures what Dropline costs and how fast it is: counts per order, CPU time beside a
// bare workflow, intake beside pgbench, orders that sleep by the hundred thousand. bench/README.md says
// what each figure means.
package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options say what is measured.
type Options struct {
	// Out takes progress and the tables.
	Out io.Writer
	// File takes the figures as JSON.
	File string
	// Only names the sections to run; none runs all. The others keep what File says of them.
	Only []string
	// Shapes narrows per_order to some shapes; none means all.
	Shapes []string
	// Quick runs everything small: whether it works, not how fast.
	Quick bool
	// CountsOnly leaves out of per_order what depends on the machine.
	CountsOnly bool
	// Sleepers is how many orders and parcels wait; 0: as many as Quick says.
	Sleepers int
	// Orders of a round of load and Rounds; 0: as many as Quick says.
	Orders, Rounds int
	Seed           uint64
	// Profile is a folder for CPU and memory profiles of gateway and worker; empty: none.
	Profile string
}

// sizes are how much is measured.
type sizes struct {
	counted              int // orders of each shape
	rounds               int
	loadOrders, loadWarm int
	inFlight             int
	intakeFor            time.Duration
	sleepers             int
	startFor             time.Duration // how long sleepers are started at most
	coldAnswers          int
	starts               int
}

var (
	longSizes = sizes{
		counted: 5, rounds: 3, loadOrders: 300, loadWarm: 200, inFlight: 100, intakeFor: 8 * time.Second,
		sleepers: 100_000, startFor: 25 * time.Minute, coldAnswers: 300, starts: 5,
	}
	quickSizes = sizes{
		counted: 2, rounds: 1, loadOrders: 40, loadWarm: 10, inFlight: 40, intakeFor: 2 * time.Second,
		sleepers: 2_000, startFor: 30 * time.Second, coldAnswers: 30, starts: 2,
	}
)

// section is a part of the measurements that can be run by itself.
type section struct {
	name, text string
	run        func(*bench, context.Context) error
}

// sections run in this order.
func sections() []section {
	return []section{
		{"per_order", "what an order of each shape costs, and the load beside the floor", (*bench).perOrder},
		{"rules", "routing, ledger and document readers, and how they grow", (*bench).rules},
		{"startup", "start-up time and memory of worker and gateway", (*bench).startup},
		{"intake", "webhooks a second at the gateway, beside pgbench", (*bench).intake},
		{"sleepers", "orders that wait for an answer: memory, restart, first answer", (*bench).sleepers},
	}
}

// SectionNames lists what Options.Only may name, with what each measures.
func SectionNames() []string {
	var list []string
	for _, s := range sections() {
		list = append(list, fmt.Sprintf("%-10s %s", s.name, s.text))
	}
	return list
}

type bench struct {
	Options

	sizes  sizes
	report *Report
	began  time.Time
	mu     sync.Mutex
}

// Run measures and writes the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	b := &bench{Options: o, sizes: longSizes, began: time.Now()}
	if o.Quick {
		b.sizes = quickSizes
	}
	if o.Sleepers > 0 {
		b.sizes.sleepers = o.Sleepers
	}
	if o.Orders > 0 {
		b.sizes.loadOrders = o.Orders
	}
	if o.Rounds > 0 {
		b.sizes.rounds = o.Rounds
	}
	chosen, err := b.chosen()
	if err != nil {
		return nil, err
	}
	if b.report, err = b.newReport(ctx); err != nil {
		return nil, err
	}
	for _, s := range chosen {
		began := time.Now()
		b.progress("%s: %s", s.name, s.text)
		if err := s.run(b, ctx); err != nil {
			return nil, fmt.Errorf("measure %s: %w", s.name, err)
		}
		b.report.Measured[s.name] = Measured{
			At: began.UTC().Truncate(time.Second), Seconds: time.Since(began).Round(time.Second).Seconds(), Quick: o.Quick, LoadAverage: loadAverage(),
		}
		if err := b.report.write(o.File); err != nil {
			return nil, err
		}
	}
	return b.report, nil
}

func (b *bench) chosen() ([]section, error) {
	all := sections()
	if len(b.Only) == 0 {
		return all, nil
	}
	var chosen []section
	for _, name := range b.Only {
		at := slices.IndexFunc(all, func(s section) bool { return s.name == strings.TrimSpace(name) })
		if at < 0 {
			return nil, fmt.Errorf("there is no section %q: want some of\n  %s", name, strings.Join(SectionNames(), "\n  "))
		}
		chosen = append(chosen, all[at])
	}
	return chosen, nil
}

// progress says what is under way, with the time since the beginning.
func (b *bench) progress(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintf(b.Out, "[%4.0fs] %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}
