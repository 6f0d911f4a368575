package simulation

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
	"github.com/dropline/dropline/workflows"
)

// violation is what a life must never come to.
type violation string

func isViolation(cause any) bool {
	_, is := cause.(violation)
	return is
}

// life is one order's life, and that of those which replace its goods, with all who have to do with them.
type life struct {
	*purchase // that the life is about now: mostly the first
	purchases []*purchase

	ctx     context.Context //nolint:containedctx // a life is one call, from Replay or Run
	world   *world
	chooser Chooser
	number  uint64
	now     time.Time
	steps   int
	turns   int           // of background loops that found something to do
	waiting time.Duration // the time that is to pass next
	idle    int           // times in a row that there was nothing to do but to wait for a step's rest to end
	unrest  int           // steps until everyone does what they should
	quiet   bool          // everyone does
	over    bool
	closing bool // the life was given up: whoever is still at work comes home
	broken  string

	// the engine
	flows         []*flow // the order's first
	answers       []*answer
	frozen        []*frozen
	current       *strand
	engineTrouble outage

	// the network
	netPlan, met netFault
	dead         bool
	late         []func()

	// the partners and people
	parties   map[string]*party
	books     map[string]*book
	boxes     int
	pushes    int
	documents []*document
	delivered []*document
	garbage   int
	expected  map[string]string // natural keys that belong in quarantine, and for which reason; empty: for any
	entries   map[string]*entry
	paidBack  int64
	letters   map[string]*letter
	requests  int
	askAgain  time.Time // a person was refused, and tries again then

	bookkeeper bookkeeper

	// what comes back
	till       *till // nil: the storefront keeps its customers' payments to itself
	pursued    bool  // claims are pursued in this life
	dues       map[string]*debt
	hauls      bool    // suppliers ship under our account, and labels are bought
	sold       []*haul // parcels that labels were asked for, as the carrier has them
	haulClaims map[string]*haulClaim
	damage     map[string]*damage   // by purchase order, once all is over
	polls      int                  // times in a row that it was asked to take labels back
	joint      bool                 // the life is nobody's order's, but what the orders before it have come to together
	judged     uint64               // how many round trips there had been when it was last looked whether the order is over
	backs      map[string]*comeback // by RMA
	overrides  bool                 // an operator has asked for a return that the policy does not grant
	regrets    int                  // times that the customer comes back to an order that is over; less than none: not drawn yet
	back       bool                 // the customer has
	born       int                  // purchases that replace others and that nobody has noticed yet
	swaps      map[string][]swap    // what was wanted instead of goods, by the request
	wired      map[string]*transfer // refunds that the shop does not make
	extras     map[string]*extra    // what was paid in addition, by reference
	papers     []*paper             // that were sent, each once
	page       visits               // to the return page

	ahead   ahead
	seen    map[string]int
	tracing bool
	twice   bool // every document comes twice in a row
	trace   []string
}

func (l *life) fail(format string, args ...any) {
	v := violation(fmt.Sprintf(format, args...))
	if l.broken == "" {
		l.broken = string(v)
	}
	panic(v)
}

func (l *life) note(format string, args ...any) {
	if l.tracing {
		l.trace = append(l.trace, l.now.Format("01-02 15:04:05.000  ")+fmt.Sprintf(format, args...))
	}
}

// happened counts what a run must have shown.
func (l *life) happened(what string) {
	l.seen[what]++
	l.note("* %s", what)
}

// setNow moves the clocks of the world. Postgres knows microseconds.
func (l *life) setNow(at time.Time) {
	l.now = at.UTC().Truncate(time.Microsecond)
	l.world.at = l.now
}

var shops = []string{"maple", "oak", "pine"}

// newLife draws the people, the partners and the stocks of a life.
func (w *world) newLife(ctx context.Context, c Chooser, number uint64, tracing bool) *life {
	l := &life{
		ctx: ctx, world: w, chooser: c, number: number, tracing: tracing,
		parties: map[string]*party{}, books: map[string]*book{}, expected: map[string]string{}, entries: map[string]*entry{},
		letters: map[string]*letter{}, seen: map[string]int{}, backs: map[string]*comeback{}, regrets: -1, dues: map[string]*debt{},
		bookkeeper: newBookkeeper(number), swaps: map[string][]swap{}, extras: map[string]*extra{}, wired: map[string]*transfer{}, haulClaims: map[string]*haulClaim{}, purchase: &purchase{},
	}
	l.purchases = []*purchase{l.purchase}
	w.life, w.processor = l, w.newProcessor()
	l.setNow(time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC).Add(time.Duration(l.pick(360*24*60)) * time.Minute))
	l.key = order.Key{Storefront: oneOf(l, shops), Order: fmt.Sprintf("s%d", number)}
	l.deals()
	l.order = &flow{id: l.key.WorkflowID(), kind: workflows.OrderWorkflow}
	l.flows = []*flow{l.order}
	l.unrest = 30 + l.pick(70)
	for _, s := range w.catalog.Suppliers {
		l.parties[s.ID] = l.newParty(s)
	}
	l.newBasket()
	return l
}

// stock puts goods on the suppliers' shelves.
func (l *life) stock() error {
	var suppliers, skus []string
	var onHand []int64
	for i := range l.world.catalog.Offers {
		o := &l.world.catalog.Offers[i]
		suppliers, skus = append(suppliers, o.Supplier), append(skus, o.SKU)
		onHand = append(onHand, oneOf(l, []int64{0, 1, 2, 4, 60, 60}))
	}
	if err := l.agree(); err != nil {
		return err
	}
	_, err := l.world.admin.Exec(l.ctx, `UPDATE offers o SET on_hand = n.on_hand
		FROM unnest($1::text[], $2::text[], $3::bigint[]) AS n (supplier, sku, on_hand) WHERE o.supplier = n.supplier AND o.sku = n.sku`,
		suppliers, skus, onHand)
	return err
}

// live is one life from intake to the end. What went wrong comes back as an error with the story's end.
func (l *life) live() (err error) {
	defer func() {
		cause := recover()
		l.goHome()
		if cause == nil {
			return
		}
		if !isViolation(cause) {
			l.broken = defect(cause)
		}
		err = fmt.Errorf("%s\n%s", l.broken, strings.Join(l.trace[max(0, len(l.trace)-150):], "\n"))
	}()
	if l.joint {
		l.discounts()
	} else if err := l.stock(); err != nil {
		return fmt.Errorf("stock the shelves: %w", err)
	}
	for !l.over {
		l.advance()
		l.expire()
		l.setNow(l.now.Add(l.round()))
	}
	if l.joint {
		l.checkReckoned()
	} else {
		l.checkEnd()
	}
	return nil
}

// defect describes a panic of the product. Any other panic is the way out of a shrinking test.
func defect(cause any) string {
	from, known := cause.(rethrown)
	if !known {
		from = rethrown{cause, debug.Stack()}
	}
	switch from.cause.(type) {
	case error, string:
		return "panic: " + from.String()
	}
	panic(from.cause)
}

// goHome ends all that still stands still somewhere.
func (l *life) goHome() {
	l.closing = true
	defer func() { _ = recover() }()
	for _, z := range l.frozen {
		l.resume(z.strand)
	}
	for _, a := range l.answers {
		if a.strand != nil && !a.strand.ended {
			l.resume(a.strand)
		}
	}
	for _, r := range l.runs() {
		l.giveUp(r)
	}
	l.world.cable.calm()
}

// giveUp ends a workflow whose life is over.
func (l *life) giveUp(r *run) {
	defer func() { _ = recover() }()
	if r.strand != nil && !r.strand.ended {
		l.resume(r.strand)
	}
}

// round lets one thing happen and says how long nothing happens then.
func (l *life) round() time.Duration {
	if l.steps++; l.steps > 6000 {
		l.fail("never ends: %s", l.standing())
	}
	if l.steps == l.unrest {
		l.quiet = true
		l.note("---- from here on everyone does what they should")
	}
	l.noticeReplacements()
	l.noticeFrozen()
	l.giveUpWaiting()
	l.resumeAnswered()
	var pause time.Duration
	if l.quiet {
		pause = l.settleDown()
	} else {
		pause = l.restless()
	}
	l.keepsBooks()
	if l.broken != "" {
		l.fail("%s", l.broken)
	}
	if l.chance(20) {
		l.checkState()
	}
	return max(pause, time.Millisecond)
}

// restless lets one thing happen while nobody does what they should. Before a long time passes the
// workflow gets its turn, and workers, mostly, the time for what it asks.
func (l *life) restless() time.Duration {
	if l.waiting > 0 {
		if due := l.dueCalls(); len(due) > 0 && l.chance(94) {
			l.perform(oneOf(l, due))
			return l.between(time.Millisecond, 900*time.Millisecond, 7*time.Millisecond)
		}
		pause := l.waiting
		if at := l.nextDeadline(); !at.IsZero() && at.Sub(l.now) < pause {
			pause = at.Sub(l.now) + time.Millisecond
		}
		if l.ordersBusy() || l.returnsBusy() {
			pause = min(pause, 5*time.Minute) // a step rests, and comes up again in between
		}
		l.waiting -= pause
		return pause
	}
	switch {
	case l.joint:
		l.actJointly()
	case l.back && !l.atReplacement():
		l.actBack()
	default:
		l.act()
	}
	pause := l.pause1()
	if pause > 10*time.Second {
		l.waiting = pause
		return time.Millisecond
	}
	return pause
}

// act lets one thing happen.
func (l *life) act() {
	if !l.placed {
		l.place()
	}
	if l.moneyActs() || l.strays() {
		return
	}
	switch n := l.pick(100); {
	case n < 30:
		if due := l.dueCalls(); len(due) > 0 {
			l.perform(oneOf(l, due))
		}
	case n < 45:
		l.deliverDocument()
	case n < 60:
		l.supplierActs()
	case n < 66:
		l.carrierActs()
	case n < 70:
		l.customerActs()
	case n < 75:
		l.staffActs()
	case n < 78:
		l.place()
	case n < 79:
		if l.placed {
			l.placeOther()
		}
	case n < 81:
		l.repeatDocument()
	case n < 82:
		l.sendGarbage()
	case n < 86:
		l.arriveLate()
	case n < 90:
		l.thaw()
	case n < 92:
		l.revive()
	case n < 94:
		l.outage()
	case n < 97:
		l.poll()
	default:
		l.restock()
	}
	l.background(70, 60, 30)
}

func (l *life) pause1() time.Duration {
	if len(l.answers) > 0 && l.chance(85) {
		return l.between(time.Millisecond, 20*time.Millisecond, time.Millisecond)
	}
	switch n := l.pick(100); {
	case n < 68:
		return l.between(time.Millisecond, 4*time.Second, 7*time.Millisecond)
	case n < 84:
		return l.between(time.Minute, 50*time.Minute, time.Minute)
	case n < 92:
		return l.between(time.Hour, 30*time.Hour, time.Hour)
	}
	if at := l.nextDeadline(); !at.IsZero() {
		return at.Sub(l.now) + time.Duration(l.pick(3))*time.Hour
	}
	return time.Second
}

func (l *life) nextDeadline() time.Time {
	var next time.Time
	for _, p := range l.purchases {
		s := p.state(l)
		if s == nil {
			continue
		}
		p.lastState = s
		for _, d := range s.Deadlines() {
			if d.At.After(l.now) && (next.IsZero() || d.At.Before(next)) {
				next = d.At
			}
		}
	}
	for _, r := range l.runs() {
		for _, d := range r.deadlines(l) {
			if d.At.After(l.now) && (next.IsZero() || d.At.Before(next)) {
				next = d.At
			}
		}
	}
	return next
}

// arriveLate lets a call that was given up reach its partner after all, or fade away.
func (l *life) arriveLate() {
	if len(l.late) == 0 {
		return
	}
	i := l.pick(len(l.late))
	arrive := l.late[i]
	l.late = append(l.late[:i:i], l.late[i+1:]...)
	if l.quiet || l.chance(80) {
		arrive()
	}
}

// restock brings goods to somebody's shelves.
func (l *life) restock() {
	_, err := l.world.admin.Exec(l.ctx, `UPDATE offers SET on_hand = on_hand + $2 WHERE supplier = $1`,
		oneOf(l, l.world.catalog.Suppliers).ID, l.pick(4))
	if err != nil {
		l.fail("restock: %v", err)
	}
}

// revive is an operator's decision to go on with an order whose workflow did not end by itself.
func (l *life) revive() bool {
	for _, p := range l.purchases {
		if p.order.running() || !p.order.started || p.order.ending != enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT {
			continue
		}
		l.note("an operator revives the order")
		if err := l.world.deliverer.Revive(l.ctx, p.key); err != nil {
			l.fail("the order cannot be revived: %v", err)
		}
		l.happened("revived")
		return true
	}
	return false
}

func wireLines(lines []order.ShippedLine) []wire.ShippedLine {
	var list []wire.ShippedLine
	for _, u := range lines {
		list = append(list, wire.ShippedLine(u))
	}
	return list
}

func (l *life) standing() string {
	var calls []string
	for _, r := range l.runs() {
		for _, c := range r.calls {
			calls = append(calls, fmt.Sprintf("%s (attempt %d, frozen %t)", c.name, c.attempts, c.frozen))
		}
		if s := r.returnState(l); s != nil {
			calls = append(calls, fmt.Sprintf("%s %s, busy %v, attention %v", s.RMA, s.Stage(), s.Busy, s.Attention))
		}
	}
	var standing []string
	for _, p := range l.purchases {
		if s := p.state(l); s != nil {
			standing = append(standing, fmt.Sprintf("%s: %s; busy %v, attention %v, waits %v", p.key, s.Stage(), s.Busy, s.Attention, s.Waiting()))
		}
	}
	if len(standing) == 0 {
		return fmt.Sprintf("no order's workflow answers; documents %d, late %d, frozen %d, calls %v", len(l.documents), len(l.late), len(l.frozen), calls)
	}
	return fmt.Sprintf("%s; calls %v", strings.Join(standing, "; "), calls)
}
