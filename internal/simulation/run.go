package simulation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dropline/dropline/internal/audit"
	"github.com/dropline/dropline/internal/order"
)

// Options say which lives to live.
type Options struct {
	URL     string // of the database
	First   uint64 // the first seed
	Lives   int
	Workers int // worlds side by side; each is a schema of its own
	Out     io.Writer
	// Every is how often progress is told; zero: 5 s.
	Every time.Duration
}

// Failure is a life in which something happened that must not.
type Failure struct {
	Seed  uint64
	Story string
}

// Report is what came of a run.
type Report struct {
	Lives    int
	Wide     int // of these, in markets in which more is agreed
	Took     time.Duration
	Seen     map[string]int
	Failures []Failure
}

// Rate is the lives lived in a second.
func (r *Report) Rate() float64 { return float64(r.Lives) / max(r.Took.Seconds(), 0.001) }

// enough is the number of failures after which no more lives are begun.
const enough = 10

type runner struct {
	Options
	lived   atomic.Int64
	wide    atomic.Int64
	failing atomic.Int64
	mu      sync.Mutex
	next    uint64 // seed
	report  Report
}

// Run lives the lives, audits what they leave behind, and counts what happened in them.
func Run(ctx context.Context, o Options) (*Report, error) {
	r := &runner{Options: o, next: o.First, report: Report{Seen: map[string]int{}}}
	if err := SetSecrets(); err != nil {
		return nil, err
	}
	if r.Every == 0 {
		r.Every = 5 * time.Second
	}
	began := time.Now()
	failures := make(chan error, o.Workers)
	for i := range o.Workers {
		go func() { failures <- r.work(ctx, i) }()
	}
	var err error
	ticker := time.NewTicker(r.Every)
	defer ticker.Stop()
	for left := o.Workers; left > 0; {
		select {
		case failed := <-failures:
			err = errors.Join(err, failed)
			left--
		case <-ticker.C:
			lived := r.lived.Load()
			_, _ = fmt.Fprintf(o.Out, "%d of %d lives, %d violations, %.1f lives/s\n", lived, o.Lives, r.failing.Load(),
				float64(lived)/time.Since(began).Seconds())
		}
	}
	r.report.Lives, r.report.Wide, r.report.Took = int(r.lived.Load()), int(r.wide.Load()), time.Since(began)
	slices.SortFunc(r.report.Failures, func(a, b Failure) int { return int(a.Seed) - int(b.Seed) })
	return &r.report, err
}

// schemaName keeps runs that share a database apart.
func schemaName(i int) string {
	return fmt.Sprintf("sim_%d_%d_%d", os.Getpid(), time.Now().UnixNano(), i)
}

func (r *runner) work(ctx context.Context, i int) (err error) {
	worlds := map[string]*world{} // by market
	defer func() {
		for _, w := range worlds {
			err = errors.Join(err, w.close(context.WithoutCancel(ctx)))
		}
	}()
	for ctx.Err() == nil && r.failing.Load() < enough {
		first, n := r.share()
		if n == 0 {
			return nil
		}
		m := marketOf(first)
		if worlds[m.name()] == nil {
			w, err := newWorld(ctx, r.URL, schemaName(i)+"_"+m.name(), m)
			if err != nil {
				return err
			}
			worlds[m.name()] = w
		}
		if err := r.liveBatch(ctx, worlds[m.name()], first, n); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// shares is into how many pieces each block is cut, so that workers of a short run share it.
const shares = 4

// share takes the next seeds that share a schema: n from first on, none when there are no more.
func (r *runner) share() (first, n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	end := r.First + uint64(r.Lives)
	if first = r.next; first >= end {
		return first, 0
	}
	size := uint64(block)
	if r.Lives < 2*block*r.Workers {
		size /= shares
	}
	r.next = min((first/size+1)*size, end)
	return first, r.next - first
}

// liveBatch lives n lives in one schema and audits what they leave.
func (r *runner) liveBatch(ctx context.Context, w *world, first, n uint64) error {
	failed := false
	for seed := first; seed < first+n; seed++ {
		l := w.newLife(ctx, Seeded(seed), seed, false)
		found := l.live()
		r.lived.Add(1)
		if w.market.wide {
			r.wide.Add(1)
		}
		r.count(l.seen)
		if found != nil {
			failed = true
			if err := r.tell(ctx, w, seed, found.Error()); err != nil {
				return err
			}
		}
	}
	if failed {
		return w.empty(ctx)
	}
	if w.market.wide {
		l, found := w.reckon(ctx, first)
		r.count(l.seen)
		if found != nil {
			r.add(Failure{Seed: first, Story: fmt.Sprintf("lives %d to %d together: %v", first, first+n-1, found)})
			return w.empty(ctx)
		}
	}
	suspects, err := w.audited(ctx)
	if err != nil {
		return err
	}
	if err := w.empty(ctx); err != nil {
		return err
	}
	for _, seed := range suspects {
		if seed < first || seed >= first+n {
			r.add(Failure{Seed: first, Story: fmt.Sprintf("the audit of lives %d to %d found something that belongs to no order", first, first+n-1)})
			continue
		}
		if err := r.tell(ctx, w, seed, "the audit of several lives found something"); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) count(seen map[string]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for what, times := range seen {
		r.report.Seen[what] += times
	}
}

func (r *runner) add(f Failure) {
	r.failing.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Failures = append(r.report.Failures, f)
	what, _, _ := strings.Cut(f.Story, "\n")
	_, _ = fmt.Fprintf(r.Out, "seed %d: VIOLATED: %s\n", f.Seed, what)
}

// tell lives a life that went wrong once more, alone, to tell its story.
func (r *runner) tell(ctx context.Context, w *world, seed uint64, before string) error {
	story, err := w.replay(ctx, Seeded(seed), seed)
	if err != nil {
		return err
	}
	if story.Violation == "" {
		story.Violation = "it goes wrong only after other lives in the same schema, or not each time: " + before
	}
	r.add(Failure{Seed: seed, Story: story.Violation})
	return nil
}

// Story is one life as it was lived.
type Story struct {
	Lines     []string
	Violation string // empty: none; with the end of the story
	Seen      map[string]int
}

// replay lives one life in an empty schema, with its story, and audits it.
func (w *world) replay(ctx context.Context, c Chooser, number uint64) (*Story, error) {
	if err := w.empty(ctx); err != nil {
		return nil, err
	}
	l := w.newLife(ctx, c, number, true)
	err := l.live()
	story := &Story{Lines: l.trace, Seen: l.seen}
	if err == nil && w.market.wide {
		var last *life
		last, err = w.reckon(ctx, number)
		story.Lines = append(story.Lines, last.trace...)
		maps.Copy(story.Seen, last.seen)
	}
	if err == nil {
		var found []string
		if found, err = w.violations(ctx); err != nil {
			return nil, err
		}
		if len(found) > 0 {
			err = fmt.Errorf("the audit found:\n%s\n%s", strings.Join(found, "\n"), strings.Join(l.trace[max(0, len(l.trace)-150):], "\n"))
		}
	}
	if err != nil {
		story.Violation = err.Error()
	}
	return story, w.empty(ctx)
}

// Replay lives the one life of a seed, the same each time, and tells it.
func Replay(ctx context.Context, url string, seed uint64) (*Story, error) {
	if err := SetSecrets(); err != nil {
		return nil, err
	}
	w, err := newWorld(ctx, url, schemaName(0), marketOf(seed))
	if err != nil {
		return nil, err
	}
	story, err := w.replay(ctx, Seeded(seed), seed)
	return story, errors.Join(err, w.close(ctx))
}

// audit runs the product's own audit. The pool may still hold connections that were cut.
func (w *world) audit(ctx context.Context) (report audit.Report, err error) {
	for range 5 {
		if report, err = audit.Run(ctx, audit.Options{Pool: w.pool, Limit: 100}); err == nil {
			return report, nil
		}
	}
	return report, err
}

// audited runs the product's own audit over all lives in the schema; it returns the seeds of the
// orders that break something.
func (w *world) audited(ctx context.Context) ([]uint64, error) {
	report, err := w.audit(ctx)
	if err != nil {
		return nil, err
	}
	var seeds []uint64
	for _, v := range broken(&report) {
		var seed uint64
		if key, err := order.ParseKey(v.Order); err == nil {
			_, _ = fmt.Sscanf(key.Order, "s%d", &seed)
		} else {
			seed = ^uint64(0)
		}
		if !slices.Contains(seeds, seed) {
			seeds = append(seeds, seed)
		}
	}
	return seeds, nil
}

func (w *world) violations(ctx context.Context) ([]string, error) {
	report, err := w.audit(ctx)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, v := range broken(&report) {
		list = append(list, fmt.Sprintf("%s: %s: %s", v.Check, v.Order, v.What))
	}
	return list, nil
}

func broken(report *audit.Report) []audit.Violation {
	var list []audit.Violation
	for i := range report.Outcomes {
		if o := &report.Outcomes[i]; !o.Warning {
			list = append(list, o.Violations...)
		}
	}
	return list
}
