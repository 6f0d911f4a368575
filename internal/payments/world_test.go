package payments

import (
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

// The world around one payment: a provider, a customer's bank, an order and staff who do what they like,
// when they like. It drives the payment as its workflow does, and keeps the provider's book by itself.

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

type chooser interface{ pick(n int) int }

type seeded struct{ *rand.Rand }

func (c seeded) pick(n int) int { return c.IntN(n) }

type drawn struct{ t *rapid.T }

func (c drawn) pick(n int) int { return rapid.IntRange(0, n-1).Draw(c.t, "pick") }

// accounts are our books, by the postings alone.
type accounts struct{ clearing, receivable, payable, chargebacks, losses, bank, deposits, fees int64 }

type world struct {
	chooser
	s        State
	now      time.Time
	seq      int64
	log      []Fact
	books    accounts
	provider int64 // our balance there, by its own book
	taken    bool  // captured at the provider
	refunds  map[string]*theirs
	disputes []*Dispute
	released int64
	requests int
	seen     map[string]int
	failed   string
}

// theirs is a refund as the provider knows its newest try.
type theirs struct {
	amount   int64
	try      int
	standing RefundStanding
	told     bool
}

func newWorld(c chooser) *world {
	w := &world{chooser: c, now: monday, refunds: map[string]*theirs{}, seen: map[string]int{}}
	sale := Sale{Key: order.Key{Storefront: "shop", Order: "1"}, Reference: "pi_1", Currency: "EUR", AtShipment: w.chance(60)}
	if w.chance(75) {
		sale.Authorised = int64(1000 + w.pick(9000))
		w.books.receivable, w.books.deposits = sale.Authorised, -sale.Authorised
	} else {
		w.taken, w.provider, w.books.clearing, w.books.deposits = true, 5000, 5000, -5000
	}
	w.s = New(sale)
	return w
}

func (w *world) chance(percent int) bool { return w.pick(100) < percent }

func (w *world) apply(f Fact) {
	w.seq++
	f.Seq = w.seq
	w.log = append(w.log, f)
	w.s.Apply(f, w.now)
	if w.chance(15) {
		w.s.Apply(f, w.now)
	}
}

// record posts what the payment says, as the ledger would.
func (w *world) record() {
	for _, p := range w.s.Posts {
		b := &w.books
		switch p.Kind {
		case PostRefundFailed:
			b.clearing, b.payable = b.clearing+p.Amount, b.payable-p.Amount
		case PostRefundRepeated:
			b.clearing, b.payable = b.clearing-p.Amount, b.payable+p.Amount
		case PostRefundElsewhere:
			b.bank, b.payable = b.bank-p.Amount, b.payable+p.Amount
		case PostRefundSetOff:
			b.losses, b.payable = b.losses-p.Amount, b.payable+p.Amount
		case PostDisputeOpened:
			b.clearing, b.chargebacks, b.fees = b.clearing-p.Amount-p.Fee, b.chargebacks+p.Amount, b.fees+p.Fee
		case PostDisputeWon:
			b.clearing, b.chargebacks = b.clearing+p.Amount, b.chargebacks-p.Amount
		case PostDisputeLost:
			b.losses, b.chargebacks = b.losses+p.Amount, b.chargebacks-p.Amount
		case PostPaidElsewhere:
			b.bank, b.receivable = b.bank+p.Amount, b.receivable-p.Amount
		case PostWrittenOff:
			b.losses, b.receivable = b.losses+p.Amount, b.receivable-p.Amount
		case PostWriteOffLess:
			b.losses, b.receivable = b.losses-p.Amount, b.receivable+p.Amount
		case PostOverpaid:
			b.payable, b.receivable = b.payable-p.Amount, b.receivable+p.Amount
		default:
			w.failed = "no posting " + string(p.Kind)
		}
	}
}

// perform carries out every due step, or lets it fail.
func (w *world) perform(quiet bool) {
	patience := 10 // no outage lasts for ever
	for range 60 {
		w.s.Tick(w.now)
		steps := w.s.Steps()
		if len(steps) == 0 {
			return
		}
		for _, k := range steps {
			w.s.Begin(k)
			if !quiet && patience > 0 && w.chance(10) {
				patience--
				w.s.Stalled(k, "no answer", w.now)
				w.s.Again(k)
				w.seen["stalled"]++
				continue
			}
			w.result(k, quiet)
			w.s.Resumed(k)
		}
		if err := w.s.Check(); err != nil {
			w.failed = err.Error()
			return
		}
	}
	w.failed = "steps never end: " + fmt.Sprint(w.s.Steps())
}

func (w *world) result(k StepKind, quiet bool) {
	switch k {
	case StepLookUp:
		p := Standing{Status: "authorised", Authorised: w.s.Authorised}
		if w.chance(80) {
			p.ExpiresAt = w.now.Add(time.Duration(1+w.pick(8)) * 24 * time.Hour)
		}
		w.s.LookedUp(p, w.now)
	case StepCapture:
		w.capture(quiet)
	case StepVoid:
		if w.taken {
			w.failed = "a captured payment is voided"
		}
		w.s.VoidedNow(w.now)
		w.seen["voided"]++
	case StepRefund:
		w.again()
	case StepLookUpRefund:
		r, _ := w.s.NextRefund(k)
		t := w.refunds[r.Key]
		if quiet && t.standing == RefundPending {
			t.standing = RefundDone
		}
		w.s.RefundLooked(RefundTried{Key: r.Key, Try: t.try, Standing: t.standing}, w.now)
	case StepEvidence:
		d, _ := w.s.NextEvidence()
		w.s.EvidenceSent(d.Reference, []string{"", "too_late"}[w.pick(2)], w.now)
		w.seen["evidence"]++
	case StepRecord, StepClose:
		snapshot := w.s.Clone()
		w.record()
		w.s.Recorded(k, &snapshot)
	case StepCatchUp:
		w.s.CaughtUp(slices.Clone(w.log[w.s.LastFact:]), w.now)
	}
}

func (w *world) capture(quiet bool) {
	due := w.s.Authorised - w.released - w.s.Capture.Elsewhere - w.s.Capture.WrittenOff
	switch {
	case due == 0:
		w.s.CapturedWith(Taking{Released: w.released}, w.now)
	case !quiet && w.chance(30):
		gone := w.chance(30)
		w.s.CapturedWith(Taking{Refused: true, Code: "declined", Gone: gone, Released: w.released}, w.now)
		w.seen["refused"]++
	default:
		over := int64(0)
		if w.chance(5) {
			over = 100
		}
		w.taken = true
		w.provider += due + over
		w.books.clearing, w.books.receivable, w.books.payable = w.books.clearing+due+over, w.books.receivable-due, w.books.payable-over
		w.s.CapturedWith(Taking{Amount: due + over, Over: over, Released: w.released}, w.now)
		w.seen["captured"]++
	}
}

func (w *world) again() {
	r, _ := w.s.NextRefund(StepRefund)
	if w.chance(20) {
		w.s.RefundedAgain(RefundTried{Key: r.Key, Try: r.Try + 1, Standing: RefundFailed, Reason: "refused"}, w.now)
		return
	}
	t := w.refunds[r.Key]
	if t == nil {
		t = &theirs{amount: r.Amount}
		w.refunds[r.Key] = t
	}
	t.try, t.standing, t.told = r.Try+1, []RefundStanding{RefundDone, RefundPending, RefundFailed}[w.pick(3)], true
	w.provider -= r.Amount
	if t.standing == RefundFailed {
		w.provider += r.Amount
	}
	tried := RefundTried{Key: r.Key, Try: t.try, Reference: fmt.Sprintf("%s/%d", r.Key, t.try), Standing: t.standing}
	if t.standing == RefundPending && w.chance(50) {
		t.standing = RefundFailed
		w.provider += r.Amount
		w.apply(Fact{Change: &RefundChange{Key: r.Key, Amount: r.Amount, Try: t.try, Reference: tried.Reference, Standing: RefundFailed, At: w.now}})
		w.seen["overtaken"]++
	}
	w.s.RefundedAgain(tried, w.now)
	w.seen["again"]++
}

// happen lets one thing happen.
func (w *world) happen() {
	w.now = w.now.Add(time.Duration(w.pick(72)) * time.Hour)
	switch w.pick(9) {
	case 0:
		w.apply(Fact{Shipped: &Moment{At: w.now}})
	case 1:
		if w.chance(30) {
			w.apply(Fact{Ended: &Moment{At: w.now}})
		}
	case 2:
		w.cancel()
	case 3:
		w.refund()
	case 4, 5:
		w.refundNews()
	case 6:
		w.dispute()
	case 7:
		w.decide()
	case 8:
		if w.chance(20) && !w.taken {
			w.apply(Fact{Changed: &Standing{Status: []string{"voided", "captured", "authorised"}[w.pick(3)]}})
		}
	}
}

// cancel cancels goods before the capture: Postgres releases, and tells.
func (w *world) cancel() {
	if w.taken || w.s.Capture.Voided || w.s.Capture.Elsewhere+w.s.Capture.WrittenOff > 0 && w.chance(70) {
		return
	}
	part := min(int64(w.pick(5000)), w.s.Authorised-w.released)
	if w.chance(30) {
		part = w.s.Authorised - w.released
	}
	if part == 0 {
		return
	}
	w.released += part
	w.books.deposits, w.books.receivable = w.books.deposits+part, w.books.receivable-part
	w.apply(Fact{Release: &Release{At: w.now, Total: w.released}})
	w.seen["released"]++
}

// refund is one that the order made: through the provider, or held.
func (w *world) refund() {
	if !w.taken || w.provider < 100 {
		return
	}
	key := fmt.Sprintf("refund/shop/1/%d", len(w.refunds)+1)
	made := RefundMade{Key: key, Amount: min(int64(1+w.pick(2000)), w.provider), At: w.now}
	w.books.deposits += made.Amount
	if w.s.Disputed() || w.chance(20) {
		made.Standing = RefundHeld
		w.books.payable -= made.Amount
		w.refunds[key] = &theirs{amount: made.Amount}
		w.apply(Fact{Refund: &made})
		w.seen["held"]++
		return
	}
	w.provider, w.books.clearing = w.provider-made.Amount, w.books.clearing-made.Amount
	made.Reference, made.Standing = key+"/1", []RefundStanding{RefundDone, RefundPending, RefundFailed}[w.pick(3)]
	w.refunds[key] = &theirs{amount: made.Amount, try: 1, standing: made.Standing, told: made.Standing != RefundDone}
	if made.Standing == RefundFailed {
		w.provider += made.Amount
	}
	if made.Standing != RefundDone { // one that went through at once costs nothing
		w.apply(Fact{Refund: &made})
	}
}

// refundNews is a webhook about a refund, perhaps of an older try, perhaps once more.
func (w *world) refundNews() {
	for _, key := range slices.Sorted(maps.Keys(w.refunds)) {
		t := w.refunds[key]
		if t.try == 0 || !w.chance(50) {
			continue
		}
		change := RefundChange{Key: key, Amount: t.amount, Try: t.try, Reference: fmt.Sprintf("%s/%d", key, t.try), At: w.now}
		switch {
		case t.standing == RefundFailed:
			change.Standing = []RefundStanding{RefundFailed, RefundDone}[w.pick(2)] // the second is old news
		case w.chance(50):
			t.standing = RefundFailed
			w.provider += t.amount
			change.Standing = RefundFailed
			w.seen["came back"]++
		default:
			t.standing, change.Standing = RefundDone, RefundDone
		}
		w.apply(Fact{Change: &change})
		return
	}
}

func (w *world) dispute() {
	if !w.taken {
		return
	}
	if len(w.disputes) == 0 || w.chance(10) {
		w.disputes = append(w.disputes, &Dispute{
			Reference: fmt.Sprintf("dp_%d", len(w.disputes)+1), Amount: int64(1 + w.pick(5000)), Fee: 1500, EvidenceBy: w.now.Add(240 * time.Hour), OpenedAt: w.now,
		})
		d := w.disputes[len(w.disputes)-1]
		w.provider -= d.Amount + d.Fee
		w.seen["dispute"]++
		if w.chance(20) {
			w.close(d) // its closing overtakes it
		}
		w.tellDispute(d, false)
		return
	}
	d := w.disputes[w.pick(len(w.disputes))]
	if !d.Closed {
		w.close(d)
		return
	}
	w.tellDispute(d, w.chance(50))
}

func (w *world) close(d *Dispute) {
	d.Closed, d.Won = true, w.chance(40)
	if d.Won {
		w.provider += d.Amount
	}
	w.seen[map[bool]string{true: "won", false: "lost"}[d.Won]]++
	w.tellDispute(d, true)
}

func (w *world) tellDispute(d *Dispute, closed bool) {
	w.apply(Fact{Dispute: &DisputeNews{
		Reference: d.Reference, At: d.OpenedAt, Amount: d.Amount, Fee: d.Fee, EvidenceBy: d.EvidenceBy, Closed: closed, Won: closed && d.Won,
	}})
}

// decide is a person who decides about whatever waits, rightly or wrongly.
func (w *world) decide() {
	waiting := w.s.matters()
	w.requests++
	d := Decision{ID: fmt.Sprint(w.requests), By: "operator", Kind: Decisions[w.pick(len(Decisions))], Reference: "T-1", Reason: "other"}
	if len(waiting) > 0 {
		d.Matter = waiting[w.pick(len(waiting))]
	}
	if w.s.CanDecide(d) == nil {
		w.s.Decide(d, w.now)
		w.s.Decide(d, w.now)
		w.seen["decided"]++
	}
}

// end lets everything come to its end: staff decide what waits, the bank decides, time passes.
func (w *world) end() {
	w.apply(Fact{Ended: &Moment{At: w.now}})
	for range 400 {
		w.perform(true)
		if w.failed != "" || w.s.Finished() {
			return
		}
		for _, d := range w.disputes {
			if !d.Closed {
				w.close(d)
			}
		}
		for _, matter := range w.s.matters() {
			w.requests++
			kind := DecideElsewhere
			if matter == matterCapture && w.chance(50) {
				kind = DecideWriteOff
			}
			d := Decision{ID: fmt.Sprint(w.requests), By: "operator", Kind: kind, Matter: matter, Reference: "T-1", Reason: "other"}
			if err := w.s.CanDecide(d); err == nil {
				w.s.Decide(d, w.now)
			}
		}
		if deadlines := w.s.Deadlines(); len(deadlines) > 0 {
			w.now = slices.MinFunc(deadlines, func(a, b order.Deadline) int { return a.At.Compare(b.At) }).At
		}
	}
	w.failed = "it never ends: " + w.s.Card()
}

func (w *world) live() {
	for range 4 + w.pick(25) {
		w.happen()
		if w.failed == "" && w.chance(80) {
			w.perform(false)
		}
		if w.failed != "" {
			return
		}
	}
	w.end()
	w.judge()
}

func (w *world) judge() {
	b := &w.books
	switch {
	case w.failed != "":
	case b.receivable != 0 || b.payable != 0 || b.chargebacks != 0:
		w.failed = fmt.Sprintf("it is over, and the books hold %+v", *b)
	case b.clearing != w.provider:
		w.failed = fmt.Sprintf("the books say %d at the provider, its own book %d", b.clearing, w.provider)
	case b.clearing+b.receivable+b.payable+b.chargebacks+b.losses+b.bank+b.deposits+b.fees != 0:
		w.failed = fmt.Sprintf("the books do not balance: %+v", *b)
	case len(w.s.Attention) > 0 && !strings.HasPrefix(w.s.Attention[0].Key, "stalled/"):
		w.failed = "it is over and asks for a person: " + w.s.Attention[0].Text
	}
}

// Whatever happens, in whatever order and however often: no money is made or lost, and it comes to an end.
func TestEveryLifeOfAPaymentEndsSquare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(drawn{t})
		w.live()
		if w.failed != "" {
			t.Fatalf("%s\n%s", w.failed, w.s.Card())
		}
	})
}

func TestManyPaymentsSeeEverything(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for seed := range uint64(3000) {
		w := newWorld(seeded{rand.New(rand.NewPCG(seed, 1))})
		w.live()
		require.Empty(t, w.failed, "seed %d\n%s", seed, w.s.Card())
		for what, n := range w.seen {
			seen[what] += n
		}
	}
	for _, what := range []string{
		"stalled", "voided", "captured", "refused", "evidence", "again", "overtaken", "released", "held", "came back", "dispute", "won", "lost", "decided",
	} {
		require.NotZero(t, seen[what], what)
	}
}
