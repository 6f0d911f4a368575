package order

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The world around one order: suppliers who keep their own books, carriers, customers, operators and
// a clock, all of which do what they like, when they like. It drives the order exactly as the
// workflow does (news, Tick, Steps and Begin, Deadlines) and judges it by the suppliers' books.

// livesEnv sets how many lives are lived instead of the default, seedEnv replays one of them.
const (
	livesEnv = "ORDER_LIVES"
	seedEnv  = "ORDER_SEED"
)

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// chooser makes the choices of a life: a seed for many lives, rapid for few that shrink.
type chooser interface{ pick(n int) int }

type seeded struct{ *rand.Rand }

func (c seeded) pick(n int) int { return c.IntN(n) }

type drawn struct{ t *rapid.T }

func (c drawn) pick(n int) int { return rapid.IntRange(0, n-1).Draw(c.t, "pick") }

// violation is what a life must never come to.
type violation string

type world struct {
	chooser
	s       State
	now     time.Time
	seq     int64
	log     []Fact // delivered, for repeats
	docs    []*document
	tasks   []*task
	parties []*party
	books   map[string]*book
	late    []func() // sends that are still under way somewhere
	quiet   bool

	country   string
	verdict   Verdict
	decisions map[int]Routing
	stored    map[string]map[int]int64 // live units by purchase order and line, as Postgres has them
	refunds   map[int][]ShippedLine
	outbox    map[string]Notice
	ended     map[string]WithdrawalStatus
	delivered map[string]bool
	boxes     int

	kept      *State // a clone taken on the way
	keptJSON  string
	seen      map[string]int
	trace     []string
	tracing   bool
	trusting  bool // what the order does is checked elsewhere
	requestID int
}

// document is a fact on its way to the order. A scan waits until its parcel is announced, as the
// tracking of parcels sees to.
type document struct {
	fact Fact
	box  *box
}

func (w *world) chance(percent int) bool { return w.pick(100) < percent }

func (w *world) fail(format string, args ...any) { panic(violation(fmt.Sprintf(format, args...))) }

func (w *world) note(format string, args ...any) {
	if w.tracing {
		w.trace = append(w.trace, fmt.Sprintf("%s  %s", w.now.Format("02 15:04:05"), fmt.Sprintf(format, args...)))
	}
}

// happened counts what a run must have shown, each once or more.
func (w *world) happened(what string) { w.seen[what]++ }

func newWorld(c chooser, tracing bool) *world {
	w := &world{
		chooser: c, now: monday, country: "US", tracing: tracing,
		s:     State{Key: Key{Storefront: "shop", Order: "1001"}},
		books: map[string]*book{}, decisions: map[int]Routing{}, stored: map[string]map[int]int64{},
		refunds: map[int][]ShippedLine{}, outbox: map[string]Notice{}, ended: map[string]WithdrawalStatus{},
		delivered: map[string]bool{}, seen: map[string]int{},
	}
	for i := range 1 + w.pick(4) {
		w.parties = append(w.parties, w.newParty(i))
	}
	w.verdict = w.newVerdict()
	return w
}

// live is one life from intake to the end. What went wrong comes back as an error with the story.
func live(c chooser, tracing bool) (*world, error) { return newWorld(c, tracing).live() }

func (w *world) live() (_ *world, err error) {
	defer func() {
		if r := recover(); r != nil {
			v, known := r.(violation)
			if !known {
				if _, ours := r.(error); !ours && !strings.HasPrefix(fmt.Sprint(r), "order:") {
					panic(r) // rapid's own way out
				}
				v = violation(fmt.Sprintf("panic: %v\n%s", r, debug.Stack()))
			}
			err = fmt.Errorf("%s\n%s", v, strings.Join(w.trace[max(0, len(w.trace)-120):], "\n"))
		}
	}()
	w.round()
	for range 15 + w.pick(60) {
		w.act()
		w.round()
	}
	w.settleDown()
	w.checkEnd()
	return w, nil
}

// act lets one thing happen.
func (w *world) act() {
	switch w.pick(20) {
	case 0, 1, 2, 3, 4:
		w.advanceTask()
	case 5, 6, 7:
		for range 1 + w.pick(3) {
			w.deliver()
		}
	case 8, 9, 10:
		w.supplierActs()
	case 11, 12:
		w.carrierActs()
	case 13:
		w.customerActs()
	case 14, 15:
		w.passTime()
	case 16:
		w.operatorActs()
	case 17:
		w.repeatFact()
	case 18:
		w.latecomer()
	case 19:
		if w.chance(15) {
			w.reopen()
		}
		if w.chance(20) {
			w.restock()
		}
	}
}

// round is what the workflow does each time it wakes.
func (w *world) round() {
	w.s.Tick(w.now)
	begun := map[string]bool{}
	for _, step := range w.s.Steps() {
		key := step.Kind.key(step.Subject)
		if begun[key] || w.s.busy(step.Kind, step.Subject) {
			w.fail("step %s is begun twice", key)
		}
		begun[key] = true
		w.s.Begin(step)
		w.begin(step)
	}
	if !w.trusting {
		w.check()
		for i := range w.s.Journal {
			w.note("order: %s", w.s.Journal[i].Text)
			w.tally(w.s.Journal[i].Text)
		}
	}
	w.s.Journal = nil
}

func (w *world) deliver() {
	if len(w.docs) == 0 {
		return
	}
	i := w.pick(len(w.docs))
	d := w.docs[i]
	if d.box != nil && d.fact.Milestone != nil && !d.box.announced {
		return
	}
	w.docs = append(w.docs[:i], w.docs[i+1:]...)
	if d.box != nil && d.fact.Milestone != nil && !d.box.scanned && d.fact.Milestone.Milestone != ParcelInTransit {
		w.apply(Fact{Milestone: &ParcelNews{Carrier: d.box.carrier, Tracking: d.box.tracking, Milestone: ParcelInTransit, At: d.box.handedAt}})
	}
	if d.box != nil {
		d.box.announced = true
		d.box.scanned = d.box.scanned || d.fact.Milestone != nil
	}
	w.apply(d.fact)
	if w.chance(10) {
		w.apply(d.fact) // the same document came twice and slipped past everyone
	}
}

func (w *world) apply(f Fact) {
	w.seq++
	f.Seq = w.seq
	w.log = append(w.log, f)
	w.note("fact %d: %s", f.Seq, brief(f))
	if a := f.CancelReply; a != nil && w.s.PO(a.PO) != nil {
		if x := w.s.PO(a.PO).Withdrawal(a.Key); x != nil && x.Status == Silent && !a.Accepted {
			w.happened("refused after silence")
		} else if x != nil && x.Status == Refused && a.Accepted {
			w.happened("confirmed after refusal")
		}
	}
	w.s.Apply(f, w.now)
}

func brief(f Fact) string {
	text, err := json.Marshal(f)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// repeatFact delivers a fact again under its number: nothing may change.
func (w *world) repeatFact() {
	if len(w.log) == 0 {
		return
	}
	before := encode(&w.s)
	w.s.Apply(w.log[w.pick(len(w.log))], w.now)
	if encode(&w.s) != before {
		w.fail("a repeated fact changed the order")
	}
	w.happened("repeated fact")
}

func (w *world) passTime() {
	switch w.pick(4) {
	case 0:
		w.now = w.now.Add(time.Duration(1+w.pick(50)) * time.Minute)
	case 1:
		w.now = w.now.Add(time.Duration(1+w.pick(30)) * time.Hour)
	default:
		if next := w.nextDeadline(); !next.IsZero() {
			w.now = next.UTC().Add(time.Duration(w.pick(3)) * time.Hour)
		}
	}
	w.note("time passes")
}

func (w *world) nextDeadline() time.Time {
	var next time.Time
	for _, d := range w.s.Deadlines() {
		if next.IsZero() || d.At.Before(next) {
			next = d.At
		}
	}
	return next
}

// reopen goes on from the recorded state, as a new run of the workflow does: what was under way is
// forgotten, its effects are not.
func (w *world) reopen() {
	var again State
	if err := json.Unmarshal([]byte(encode(&w.s)), &again); err != nil {
		w.fail("the state cannot be read back: %v", err)
	}
	again.Recover()
	w.s, w.tasks = again, nil
	w.note("reopened")
	w.happened("reopened")
}

func encode(s *State) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// always is what every run of lives must have shown at least once: a race that never happened has
// not been survived. rarely is what only a full run must have shown.
var (
	always = []string{
		"late ack after loss", "ack before the dispatch result", "cancel overtaken by a scan", "case over_shipment",
		"case duplicate_shipment", "case absorbed_as_loss", "case intercepted", "case deciding", "mixed parcel", "resent after absent",
		"gave up after absent", "refused send", "conflict", "lookup found it", "backorder moved", "no offer", "no offer cancelled",
		"review timeout", "review approved", "review rejected", "cancelled before validation", "cancel of the whole", "cancel of a part",
		"cancel repeated", "cancel refused", "cancel turned", "address changed", "stalled", "tried again", "reopened", "repeated fact",
		"ship clock missed", "ship clock asked", "ship clock to a person", "ack clock missed", "supplier cancelled", "substitute offered",
		"price outside", "price inside", "older ack", "second notice", "voided label scanned", "label printed anew", "lost", "returned",
		"settled again", "reminded",
	}
	rarely = []string{
		"insisted after loss", "took back before rerouting", "silence taken as cancelled", "silence kept for a person",
		"silence after an acknowledgment", "fenced after a refused second send", "late send refused by the fence", "backorder wait",
		"backorder cancelled", "backorder kept", "no offer then found", "asked unconditionally", "rejected while asked", "refused after silence",
		"confirmed after refusal", "news during settlement", "never scanned", "ambiguous answer", "unwatched", "crossed",
		"refused, then resolved by a person",
	}
)

// fullRun is how many lives show everything.
const fullRun = 10000

// tally recognises branches by the story the order tells.
func (w *world) tally(text string) {
	for part, what := range map[string]string{
		"refused, the cancellation is repeated": "late ack after loss", "still means to ship": "insisted after loss",
		"on its way before the answer": "cancel overtaken by a scan", "before anyone else was asked": "took back before rerouting",
		"carries goods that the customer waits for": "mixed parcel", "taken as cancelled": "silence taken as cancelled",
		"has not answered the cancellation": "silence kept for a person",
		"sending it once more":              "resent after absent", "never arrived at the supplier": "gave up after absent",
		"was not taken by": "refused send", "other content than was sent": "conflict", "are backordered at": "backorder wait",
		"another supplier is tried": "backorder moved", "the storefront cancels backorders": "backorder cancelled",
		"keeps backordered units": "backorder kept", "trying again until": "no offer", "no supplier can ship them": "no offer cancelled",
		"Nobody reviewed the order in time": "review timeout", "Approved in review": "review approved", "Rejected in review": "review rejected",
		"delivery address was changed": "address changed", "did not ship": "ship clock missed", "not shipped in time": "ship clock asked",
		"does not ship it: ": "ship clock to a person", "did not acknowledge": "ack clock missed", "it cancelled of its own accord": "supplier cancelled",
		"all of it was given back": "rejected while asked", "instead of": "substitute offered", "price is outside": "price outside",
		"within the contract": "price inside", "older acknowledgment": "older ack", "second ship notice": "second notice",
		"is lost": "lost", "back to its sender": "returned", "which never scanned it": "never scanned",
		"no deadline for it is known": "unwatched", "late acknowledgment was refused": "crossed", "is reminded": "reminded", "does not say which": "ambiguous answer",
		"it acknowledged the order in the meantime": "silence after an acknowledgment",
	} {
		if strings.Contains(text, part) {
			w.happened(what)
		}
	}
}

func lives(t *testing.T) int {
	t.Helper()
	if text := os.Getenv(livesEnv); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		return n
	}
	if testing.Short() || underRace {
		return fullRun / 10
	}
	return fullRun
}

// liveThrough lives every shares-th life up to n, and counts what happened. A life that goes wrong is
// lived once more to tell its story.
func liveThrough(first, shares, n int) (map[string]int, error) {
	seen := map[string]int{}
	for seed := first; seed < n; seed += shares {
		w, err := live(seeded{rand.New(rand.NewPCG(uint64(seed), 1))}, false)
		if err != nil {
			_, err = live(seeded{rand.New(rand.NewPCG(uint64(seed), 1))}, true)
			return nil, fmt.Errorf("%s=%d: %w", seedEnv, seed, err)
		}
		for what, times := range w.seen {
			seen[what] += times
		}
	}
	return seen, nil
}

func TestNoOrderIsLostOrDoubledInThousandsOfLives(t *testing.T) {
	t.Parallel()
	if text := os.Getenv(seedEnv); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		_, err = live(seeded{rand.New(rand.NewPCG(seed, 1))}, true)
		require.NoError(t, err)
		return
	}
	const shares = 4
	n := lives(t)
	seen := map[string]int{}
	var lock sync.Mutex
	var work sync.WaitGroup
	for share := range shares {
		work.Go(func() {
			mine, err := liveThrough(share, shares, n)
			lock.Lock()
			defer lock.Unlock()
			if err != nil {
				t.Error(err)
			}
			for what, times := range mine {
				seen[what] += times
			}
		})
	}
	work.Wait()
	require.False(t, t.Failed(), "a life went wrong")
	t.Logf("%d lives: %v", n, seen)
	if n >= fullRun/10 {
		for _, what := range always {
			require.NotZero(t, seen[what], "in %d lives there was no %q", n, what)
		}
	}
	if n >= fullRun {
		for _, what := range rarely {
			require.NotZero(t, seen[what], "in %d lives there was no %q", n, what)
		}
	}
}

func TestALifeThatGoesWrongShrinks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		if _, err := live(drawn{t}, true); err != nil {
			t.Fatal(err)
		}
	})
}
