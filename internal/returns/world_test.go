package returns

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/order"
)

// The world around one return: a customer, a carrier, a supplier and staff who do what they like, when
// they like. It drives the return as its workflow does, and keeps the customer's and the supplier's
// books by itself.

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

type chooser interface{ pick(n int) int }

type seeded struct{ *rand.Rand }

func (c seeded) pick(n int) int { return c.IntN(n) }

type drawn struct{ t *rapid.T }

func (c drawn) pick(n int) int { return rapid.IntRange(0, n-1).Draw(c.t, "pick") }

type world struct {
	chooser
	s     State
	now   time.Time
	seq   int64
	log   []Fact
	paid  map[int]int64 // units by line, by the customer's books
	given int64         // credit, by the supplier's books
	// supplement is what was used or given back of what the customer paid for an exchange; exchanges are
	// the orders placed.
	supplement int64
	exchanges  int
	memos      int
	told       map[string]int
	seen       map[string]int
	failed     string
	recorded   record // by the last snapshot
}

func (w *world) chance(percent int) bool { return w.pick(100) < percent }

func newWorld(c chooser) *world {
	w := &world{chooser: c, now: monday, paid: map[int]int64{}, told: map[string]int{}, seen: map[string]int{}}
	g := Grant{PO: "DLAAAAAAAAAAAAA-1", Credit: w.chance(80), Terms: Terms{
		Supplier: "acme", Name: "Acme", WindowDays: 30, RestockingBP: int64(w.pick(3) * 500), CreditWithin: 14 * 24 * time.Hour, CountsFinds: w.chance(50),
	}}
	for i := range 1 + w.pick(3) {
		g.Lines = append(g.Lines, Line{
			Line: i + 1, SKU: fmt.Sprintf("SKU-%d", i+1), Quantity: int64(1 + w.pick(4)), Reason: Reasons[w.pick(len(Reasons))], UnitCost: int64(w.pick(2000)),
		})
	}
	if w.chance(15) {
		g.Keep = true
		for i := range g.Lines {
			g.Lines[i].Reason = Damaged
		}
	}
	p := Policy{
		SendWithin: 14 * 24 * time.Hour, InspectWithin: 3 * 24 * time.Hour, RestockingBP: int64(w.pick(2) * 1000), OpenedBP: int64(w.pick(2) * 2000),
		CustomerPaysShipping: w.chance(30), ReturnShipping: 490,
	}
	g.Instant = !g.Keep && w.pick(2) > 0
	resolution := Resolutions[max(w.pick(5)-2, 0)]
	if resolution == Exchange {
		g.Supplement, p.ExchangeAtScan = int64(w.pick(2)*300), w.chance(50)
		g.Instant = !g.Keep && p.ExchangeAtScan
	}
	w.s = New(order.Key{Storefront: "shop", Order: "1"}, Number(g.PO, 1), "EUR", g, p, Request{By: "support", Resolution: resolution}, 500, w.now)
	return w
}

func (w *world) apply(f Fact) {
	w.seq++
	f.Seq = w.seq
	w.log = append(w.log, f)
	w.s.Apply(f, w.now)
	if w.chance(15) {
		w.s.Apply(f, w.now)
	}
}

// perform carries out every due step, or lets it fail.
func (w *world) perform(quiet bool) {
	for range 40 {
		w.s.Tick(w.now)
		steps := w.s.Steps()
		if len(steps) == 0 {
			return
		}
		for _, k := range steps {
			w.s.Begin(k)
			if !quiet && w.chance(10) {
				w.s.Stalled(k, "no answer", w.now)
				w.s.Again(k)
				w.seen["stalled"]++
				continue
			}
			w.result(k)
			w.s.Resumed(k)
		}
		if err := w.s.Check(); err != nil {
			w.failed = err.Error()
			return
		}
	}
	w.failed = "steps never end: " + fmt.Sprint(w.s.Steps())
}

// label is the supplier's, bought of a carrier, or of a time when neither was noted.
func (w *world) label() *Label {
	l := &Label{Carrier: "dropex", Tracking: "RET1"}
	switch bound := int64(100); {
	case w.chance(40):
		l.Supplied = true
	case w.chance(50):
		l.BoughtOf = &CarrierTerms{Carrier: "track", Owner: "purchasing", UpTo: &bound}
	}
	return l
}

func (w *world) result(k StepKind) {
	switch k {
	case StepAuthorise:
		var answer *SupplierAnswer
		if w.chance(60) {
			answer = &SupplierAnswer{Document: "a", At: w.now, Kind: SupplierAccepted}
			if w.chance(20) {
				answer.Kind, answer.Reason = SupplierRefused, "not in our range"
			}
		}
		w.s.AuthorisedWith(w.label(), answer, w.now)
	case StepPay:
		for _, part := range w.s.Paying.Parts {
			w.paid[part.Line] += part.Quantity
			if part.KeptBP < 0 || part.KeptBP > whole {
				w.failed = fmt.Sprintf("%d basis points are kept", part.KeptBP)
			}
		}
		w.supplement += w.s.Paying.Supplement
		done := Payment{Money: 1, Text: "Refunded"}
		if w.s.Paying.Exchange {
			w.exchanges++
			done.Replacement = "shop/1-X1"
			w.seen["exchanged"]++
		} else if w.s.Paying.Supplement > 0 {
			w.seen["exchange off"]++
		}
		w.s.PaidWith(done, w.now)
	case StepRecord, StepClose:
		w.snapshot(k)
		for _, n := range w.s.Notices {
			w.told[n.Key]++
		}
		w.s.Recorded(k, len(w.s.Notices))
	case StepCatchUp:
		w.s.CaughtUp(w.log, w.now)
	}
}

// record is what of a state must have reached Postgres when the return is over.
type record struct {
	lastFact, paid, got, expected, off int64
	closed, inspected                  bool
	attention, requests                int
}

func recordOf(s *State) record {
	return record{
		s.LastFact, s.PaidMinor, s.Claim.Got, s.Claim.Expected, s.Claim.WrittenOff, s.Closed, s.Inspected, len(s.Attention), len(s.Requests),
	}
}

// snapshot is what Postgres gets.
func (w *world) snapshot(k StepKind) {
	s := &w.s
	if s.Closed && !s.finishable() {
		w.failed = fmt.Sprintf("%s records a return as closed that is not", k)
	}
	w.recorded = recordOf(s)
}

// act lets one thing happen.
func (w *world) act() {
	switch w.pick(11) {
	case 0, 1:
		w.apply(Fact{Parcel: &order.ParcelNews{Carrier: "dropex", Tracking: "RET1", At: w.now, Milestone: []order.Milestone{
			order.ParcelInTransit, order.ParcelDelivered, order.ParcelInTransit, order.ParcelLost, order.ParcelOutForDelivery, order.ParcelReturning,
		}[w.pick(6)]}})
	case 2, 3:
		w.inspect(w.chance(30))
	case 4:
		w.memo()
	case 5:
		if w.chance(40) {
			w.cancel()
		}
	case 6:
		w.now = w.now.Add(time.Duration(w.pick(72)) * time.Hour)
	case 7:
		if d := w.s.Deadlines(); len(d) > 0 {
			w.now = d[w.pick(len(d))].At.Add(time.Minute)
		}
	case 8:
		w.decide()
	case 9:
		if w.chance(30) {
			w.apply(Fact{Answer: &SupplierAnswer{Document: "b", At: w.now, Kind: SupplierRefused, Reason: "no"}})
		}
	case 10:
		if w.chance(20) {
			w.reopen()
		}
		if len(w.log) > 0 && w.chance(50) {
			w.s.Apply(w.log[w.pick(len(w.log))], w.now)
		}
	}
}

func (w *world) reopen() {
	text, err := json.Marshal(w.s)
	if err != nil {
		panic(err)
	}
	var again State
	if err := json.Unmarshal(text, &again); err != nil {
		panic(err)
	}
	again.Recover()
	w.s = again
	w.seen["reopened"]++
}

func (w *world) inspect(final bool) {
	in := &Inspection{Document: fmt.Sprint(w.seq), At: w.now, Final: final}
	for i := range w.s.Lines {
		if w.chance(70) {
			in.Lines = append(in.Lines, InspectedLine{
				Line: w.s.Lines[i].Line, Quantity: int64(1 + w.pick(4)), Condition: Conditions[w.pick(len(Conditions))], Disposition: Restock,
			})
		}
	}
	if w.chance(5) {
		in.Lines = append(in.Lines, InspectedLine{Line: 99, Quantity: 1, Condition: NotOurs})
	}
	w.apply(Fact{Inspection: in})
}

func (w *world) memo() {
	w.memos++
	amount := int64(1 + w.pick(3000))
	if open := w.s.Claim.Open(); open > 0 && w.chance(50) {
		amount = open
	}
	w.given += amount
	w.apply(Fact{Memo: &CreditMemo{Document: "m", Number: fmt.Sprint("CM-", w.memos), At: w.now, Amount: amount}})
}

func (w *world) cancel() {
	r := CancelRequest{ID: fmt.Sprint("c", w.seq), By: "customer"}
	if w.s.CanCancel(r) == nil {
		w.s.Cancel(r, w.now)
		w.seen["cancelled"]++
	}
}

// decide is a person working off what waits for one, or trying what does not fit.
func (w *world) decide() {
	d := Decision{ID: fmt.Sprint("d", w.now.Unix(), w.pick(1000)), By: "support", Line: w.pick(4), ShareBP: int64(w.pick(3) * 5000)}
	switch w.pick(4) {
	case 0:
		d.WriteOff, d.Reason = true, "too_small"
	case 1:
		d.Noted = []string{"surplus", "not-granted", "credit-over"}[w.pick(3)]
	}
	if w.s.CanDecide(d) == nil {
		w.s.Decide(d, w.now)
		w.seen["decided"]++
	}
}

// settleDown lets everybody do in the end what they should have done.
func (w *world) settleDown() {
	for range 200 {
		w.perform(true)
		if w.failed != "" || w.s.Finished() {
			return
		}
		switch {
		case w.s.Answer == SupplierRefused && w.s.deciding() && !w.s.Inspected:
			w.s.Decide(Decision{ID: fmt.Sprint("end", w.pick(1e9)), By: "support", ShareBP: whole}, w.now)
		case w.s.deciding():
			for i := range w.s.Lines {
				if l := &w.s.Lines[i]; w.s.undecided(l) > 0 {
					w.s.Decide(Decision{ID: fmt.Sprint("end", l.Line, w.now), By: "support", Line: l.Line, ShareBP: 5000}, w.now)
				}
			}
		case w.s.Claim.Open() > 0 && w.s.Claim.Escalated:
			w.s.Decide(Decision{ID: fmt.Sprint("off", w.now), By: "support", WriteOff: true, Reason: "bankrupt"}, w.now)
			w.seen["written off"]++
		case w.s.unnoted():
			for _, matter := range noted {
				w.s.Decide(Decision{ID: fmt.Sprint("seen", matter, w.now), By: "support", Noted: matter}, w.now)
			}
		case handedIn(w.s.Parcel) && !w.s.Inspected:
			w.apply(Fact{Inspection: &Inspection{Document: "end", At: w.now, Final: true}})
		default:
			d := w.s.Deadlines()
			if len(d) == 0 {
				w.failed = "the return waits for nothing: " + string(w.s.Stage())
				return
			}
			w.now = d[0].At.Add(time.Second)
		}
	}
	w.failed = "the return never ends: " + string(w.s.Stage())
}

func (w *world) checkEnd() error {
	s := &w.s
	if w.failed != "" {
		return fmt.Errorf("%s\n%s", w.failed, s.Card())
	}
	for i := range s.Lines {
		l := &s.Lines[i]
		if w.paid[l.Line] > l.Quantity {
			return fmt.Errorf("the customer was paid for %d of %d units of line %d", w.paid[l.Line], l.Quantity, l.Line)
		}
		want := l.good() + l.ruled()
		if !s.Cancelled && !s.Expired && w.paid[l.Line] < want {
			return fmt.Errorf("the customer was paid for %d units of line %d, %d came back well or were ruled", w.paid[l.Line], l.Line, want)
		}
	}
	for _, a := range s.Attention {
		if a.Key != "cancelled-and-sent" { // that was said, and nothing came
			return fmt.Errorf("it is over, and a person is still called: %s\n%s", a.Text, s.Card())
		}
	}
	if now := recordOf(s); now != w.recorded {
		return fmt.Errorf("it ended as %+v, what is recorded is %+v", now, w.recorded)
	}
	if s.Claim.Got > w.given {
		return fmt.Errorf("%d were credited by our books, %d by the supplier's", s.Claim.Got, w.given)
	}
	for key, times := range w.told {
		repeatable := strings.HasPrefix(key, "return_keep") || strings.HasPrefix(key, "return_not_paid") // the outbox knows them by their key
		if times > 1 && !repeatable {
			return fmt.Errorf("%s was told %d times", key, times)
		}
	}
	if w.supplement != s.Supplement || w.exchanges > 1 {
		return fmt.Errorf("%d was paid for the exchange, %d of it was used or given back, in %d orders", s.Supplement, w.supplement, w.exchanges)
	}
	w.seen[string(s.Stage())]++
	if s.Claim.WrittenOff > 0 {
		w.seen["written off"]++
	}
	if s.Instant && s.Paid > 0 {
		w.seen["paid at once"]++
	}
	return nil
}

func live(c chooser) (map[string]int, error) {
	w := newWorld(c)
	w.perform(false)
	for range 5 + w.pick(30) {
		w.act()
		if w.chance(60) {
			w.perform(false)
		}
		if w.failed != "" {
			break
		}
	}
	if w.failed == "" {
		w.settleDown()
	}
	return w.seen, w.checkEnd()
}

func TestNoReturnIsPaidTwiceOrForgottenInThousandsOfLives(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for seed := range uint64(10_000) {
		mine, err := live(seeded{rand.New(rand.NewPCG(seed, 7))})
		require.NoError(t, err, "seed %d", seed)
		for what, n := range mine {
			seen[what] += n
		}
	}
	t.Log(seen)
	for _, what := range []string{
		"stalled", "reopened", "exchanged", "exchange off", "cancelled", "decided", "written off", "paid at once",
		string(StageClosed), string(StageCancelled), string(StageExpired),
	} {
		require.NotZero(t, seen[what], "%q never happened: %v", what, slices.Sorted(maps.Keys(seen)))
	}
}

func TestAReturnThatGoesWrongShrinks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		if _, err := live(drawn{t}); err != nil {
			t.Fatal(err)
		}
	})
}
