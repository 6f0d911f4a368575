// Package crash lets the worker die at every call it makes. For each story of the demo it lists every
// Temporal request, every statement to Postgres and every call to a partner, and kills a worker before
// the call, after it was done and before its answer was heard, and after. Another worker starts at once.
// The order has to move again soon, and everybody's books must end as if nobody had died.
package crash

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dropline/dropline/internal/demo"
)

// Options say what to crash.
type Options struct {
	Out io.Writer
	// Seed chooses the points; Points is how many, and All makes it all of them.
	Seed   uint64
	Points int
	All    bool
	// Only tells the stories whose names contain one of these words, separated by commas.
	Only string
	// List says only which calls there are.
	List bool
	// At is one point to repeat; its story is told aloud.
	At string
	// Houses is how many stories are told side by side; zero: 24.
	Houses int
	// Undisturbed is how often each story is told without a crash first; zero: twice.
	Undisturbed int
	// environment is added to that of the workers.
	environment []string
}

// Result is what a run found.
type Result struct {
	Points     int // at which a worker died
	Violations []string
	Slowest    time.Duration // until an order moved again
	SlowestAt  Point
	Later      time.Duration // that an order ended than undisturbed
	NotReached int
}

// recoverWithin is how long after the start of another worker an order may stand still: an activity's
// heartbeat timeout (10 s), and some time to be taken up again.
const recoverWithin = 12 * time.Second

// Run crashes workers and says what came of it.
func Run(ctx context.Context, o Options) (Result, error) {
	stories, err := chosen(o)
	if err != nil {
		return Result{}, err
	}
	secrets := demo.Secrets()
	for name, value := range secrets {
		if err := os.Setenv(name, value); err != nil { // the gateways in this process read it
			return Result{}, fmt.Errorf("set %s: %w", name, err)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &runner{
		options: o, began: time.Now(), known: map[string]*undisturbed{}, failed: cancel,
		work: map[bool]chan task{false: make(chan task), true: make(chan task)},
	}
	say := r.progress(ctx)
	houses := r.openHouses(ctx, secrets, stories)
	err = r.learnAll(ctx, stories)
	switch {
	case err != nil:
	case o.List:
		r.list(stories)
	default:
		err = r.crashAll(ctx, stories)
	}
	close(r.work[true])
	close(r.work[false])
	houses.Wait()
	say()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return r.result, err
}

func chosen(o Options) ([]string, error) {
	all := demo.Stories()
	if o.At != "" {
		p, err := ParsePoint(o.At)
		if err != nil {
			return nil, err
		}
		o.Only = p.Story
	}
	var list []string
	for _, name := range all {
		if slices.ContainsFunc(strings.Split(o.Only, ","), func(word string) bool { return strings.Contains(name, word) }) {
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no story's name contains %q: want some of %s", o.Only, strings.Join(all, ", "))
	}
	return list, nil
}

// task is a story to tell, once, in some house.
type task struct {
	story string
	armed *Point
	hear  func(string)
	done  func(*run)
}

type runner struct {
	options Options
	began   time.Time
	work    map[bool]chan task // for houses where the carrier is polled, and for the others
	failed  context.CancelCauseFunc
	known   map[string]*undisturbed

	mu     sync.Mutex
	result Result
	state  string
	told   int
	open   int
}

// openHouses opens houses, each of which takes up work as soon as it is open. In one of twelve the
// carrier is polled, if a story needs that.
func (r *runner) openHouses(ctx context.Context, secrets map[string]string, stories []string) *sync.WaitGroup {
	wanted := cmp.Or(r.options.Houses, 24)
	if !r.options.All && r.options.At == "" && !r.options.List {
		wanted = min(wanted, max(2*len(stories), r.options.Points))
	}
	var plain, polled int
	for _, story := range stories {
		if demo.Polled(story) {
			polled = (wanted + 11) / 12
		} else {
			plain = wanted
		}
	}
	if r.options.At != "" {
		plain, polled = min(plain, 1), min(polled, 1)
	}
	var houses sync.WaitGroup
	builders := make(chan struct{}, 3) // a new namespace keeps the server busy
	for i := range plain + polled {
		houses.Go(func() {
			builders <- struct{}{}
			h, err := openHouse(ctx, secrets, i < polled)
			<-builders
			if err != nil {
				r.failed(err)
				return
			}
			h.environment = r.options.environment
			r.note(func() { r.open++ })
			for t := range r.work[i < polled] {
				r.perform(ctx, h, t)
			}
			if err := h.close(); err != nil {
				r.failed(err)
			}
		})
	}
	return &houses
}

func (r *runner) perform(ctx context.Context, h *house, t task) {
	told, err := h.tell(ctx, t.story, t.armed, t.hear)
	if err == nil {
		err = ctx.Err() // a story that was broken off says nothing
	}
	if err != nil {
		r.failed(err)
		return
	}
	r.note(func() { r.told++ })
	t.done(told)
}

func (r *runner) note(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// give hands a task to a house, unless the run is over before one is free.
func (r *runner) give(ctx context.Context, t task) {
	select {
	case r.work[demo.Polled(t.story)] <- t:
	case <-ctx.Done():
	}
}

// learnAll tells every story without a crash.
func (r *runner) learnAll(ctx context.Context, stories []string) error {
	r.note(func() { r.state = "telling the stories undisturbed" })
	times := r.options.Undisturbed
	if times == 0 {
		times = 2
	}
	told := make(chan *run)
	for range times {
		for _, story := range stories {
			go r.give(ctx, task{story: story, done: func(one *run) { told <- one }})
		}
	}
	runs := map[string][]*run{}
	for range times * len(stories) {
		select {
		case one := <-told:
			runs[one.story] = append(runs[one.story], one)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for _, story := range stories {
		u, complaints := learn(story, runs[story])
		r.known[story] = u
		for _, complaint := range complaints {
			r.violation(complaint)
		}
	}
	return nil
}

func (r *runner) violation(text string) {
	r.note(func() { r.result.Violations = append(r.result.Violations, text) })
	fmt.Fprintln(r.options.Out, "violation:", text)
}

// plan lists the points in the order in which they are tried: stories take turns, and within a story
// the seed decides.
func (r *runner) plan(stories []string) []Point {
	random := rand.New(rand.NewPCG(r.options.Seed, 0)) //nolint:gosec // it has to be repeatable
	var columns [][]Point
	for _, story := range stories {
		points := r.known[story].points(story)
		random.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
		columns = append(columns, points)
	}
	var plan []Point
	for row, more := 0, true; more; row++ {
		more = false
		for _, column := range columns {
			if row < len(column) {
				plan, more = append(plan, column[row]), true
			}
		}
	}
	return plan
}

// list says which calls the stories make, and how often.
func (r *runner) list(stories []string) {
	for _, story := range stories {
		u := r.known[story]
		fmt.Fprintf(r.options.Out, "%s: %d points, %.1f s undisturbed\n", story, len(u.points(story)), u.took.Seconds())
		for _, name := range sortedKeys(u.counts) {
			fmt.Fprintf(r.options.Out, "  %3d  %s\n", u.counts[name], name)
		}
	}
}

// crashAll tries points until enough workers have died.
func (r *runner) crashAll(ctx context.Context, stories []string) error {
	plan := r.plan(stories)
	wanted := r.options.Points
	if r.options.At != "" {
		p, err := ParsePoint(r.options.At)
		if err != nil {
			return err
		}
		plan, wanted = []Point{p}, 1
	}
	if r.options.All {
		wanted = len(plan)
	}
	fmt.Fprintf(r.options.Out, "%d stories make %d points; %d of them are tried, seed %d\n", len(stories), len(plan), min(wanted, len(plan)), r.options.Seed)
	r.note(func() { r.state = fmt.Sprintf("of %d points", min(wanted, len(plan))) })
	results := make(chan bool)
	tried, under := 0, 0
	try := func(p Point) {
		tried, under = tried+1, under+1
		go r.give(ctx, task{story: p.Story, armed: &p, hear: r.aloud(), done: func(told *run) { results <- r.judge(p, told) }})
	}
	for tried < min(wanted, len(plan)) {
		try(plan[tried])
	}
	for under > 0 {
		select {
		case reached := <-results:
			under--
			if !reached && tried < len(plan) {
				try(plan[tried]) // in its place
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// aloud tells the story of a single point.
func (r *runner) aloud() func(string) {
	if r.options.At == "" {
		return nil
	}
	return func(text string) {
		fmt.Fprintf(r.options.Out, "%6.1fs  %s\n", time.Since(r.began).Seconds(), text)
	}
}

// judge compares a telling with the undisturbed one. It is false when nobody died.
func (r *runner) judge(p Point, told *run) bool {
	u := r.known[p.Story]
	if told.died.IsZero() {
		r.note(func() { r.result.NotReached++ })
		for _, problem := range problems(told) {
			r.violation(fmt.Sprintf("%s, point not reached: %s", p, problem))
		}
		return false
	}
	found := problems(told)
	found = append(found, compareBooks(u.books, told.telling.Books)...)
	stood := standstill(u, p, told)
	if stood > recoverWithin {
		found = append(found, fmt.Sprintf("the order stood still for %.1f s", stood.Seconds()))
	}
	for _, problem := range found {
		r.violation(fmt.Sprintf("%s: %s", p, problem))
	}
	r.note(func() {
		r.result.Points++
		if stood > r.result.Slowest {
			r.result.Slowest, r.result.SlowestAt = stood, p
		}
		r.result.Later = max(r.result.Later, told.telling.Took-u.took)
	})
	if r.options.At != "" {
		r.recite(told)
	}
	return true
}

// standstill is how long after another worker was started the order moved: its first call about the
// order, less the time in which nothing was due anyway.
func standstill(u *undisturbed, p Point, told *run) time.Duration {
	for _, c := range told.second {
		if !background(c.name) {
			return max(c.at.Sub(told.died)-u.waits[occurrence{p.Call, p.N}], 0)
		}
	}
	return 0 // all was done
}

// recite lists what both workers did around the death.
func (r *runner) recite(told *run) {
	const around = 12
	fmt.Fprintln(r.options.Out, "the last calls of the worker that died:")
	for _, c := range told.first[max(0, len(told.first)-around):] {
		fmt.Fprintf(r.options.Out, "  %+8.3fs  %s\n", c.at.Sub(told.died).Seconds(), c.name)
	}
	fmt.Fprintln(r.options.Out, "the first calls of the worker after it:")
	for _, c := range told.second[:min(around, len(told.second))] {
		fmt.Fprintf(r.options.Out, "  %+8.3fs  %s\n", c.at.Sub(told.died).Seconds(), c.name)
	}
}

// progress says every few seconds how far the run is, until what it returns is called.
func (r *runner) progress(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(5 * time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				r.note(func() {
					fmt.Fprintf(r.options.Out, "%5.0fs  %d houses, %d tellings; %d %s, %d not reached, %d violations, slowest recovery %.1f s\n",
						time.Since(r.began).Seconds(), r.open, r.told, r.result.Points, r.state, r.result.NotReached,
						len(r.result.Violations), r.result.Slowest.Seconds())
				})
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Summary is the last line of a run.
func (r *Result) Summary() string {
	return fmt.Sprintf("crash: %d points (%d by SIGKILL), %d violations, slowest recovery %.1f s", r.Points, r.Points, len(r.Violations), r.Slowest.Seconds())
}
