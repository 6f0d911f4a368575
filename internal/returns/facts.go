package returns

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
)

// Fact is something that happened outside, numbered per return without gaps. Exactly one of the
// pointers is set.
type Fact struct {
	Seq        int64             `json:"seq"`
	Answer     *SupplierAnswer   `json:"answer,omitempty"`
	Parcel     *order.ParcelNews `json:"parcel,omitempty"`
	Inspection *Inspection       `json:"inspection,omitempty"`
	Memo       *CreditMemo       `json:"creditMemo,omitempty"`
	Cancel     *CancelRequest    `json:"cancel,omitempty"`
	Paid       *order.RefundPaid `json:"paid,omitempty"`
}

// Unknown: it is of a kind that this release does not know, or was passed on by a program that does not.
func (f Fact) Unknown() bool { return f == Fact{Seq: f.Seq} }

// SupplierAnswerKind is what a supplier says about a return.
type SupplierAnswerKind string

// The answers.
const (
	SupplierAccepted SupplierAnswerKind = "accepted"
	SupplierRefused  SupplierAnswerKind = "refused"
)

// SupplierAnswer is a supplier's word about a return that it was told of (X12 180).
type SupplierAnswer struct {
	Document string             `json:"document"`
	At       time.Time          `json:"at"`
	Kind     SupplierAnswerKind `json:"kind"`
	Reason   string             `json:"reason,omitempty"`
}

// Inspection is what whoever received the parcel found. Several add up; Final says that no more comes.
type Inspection struct {
	Document string          `json:"document"`
	At       time.Time       `json:"at"`
	Lines    []InspectedLine `json:"lines"`
	Final    bool            `json:"final,omitempty"`
}

// InspectedLine is units of one line in one condition.
type InspectedLine struct {
	Line        int         `json:"line"`
	Quantity    int64       `json:"quantity"`
	Condition   Condition   `json:"condition"`
	Disposition Disposition `json:"disposition,omitempty"`
}

// CreditMemo is money that the supplier gives back for the return, in minor units of its currency.
type CreditMemo struct {
	Document string    `json:"document"`
	Number   string    `json:"number"`
	At       time.Time `json:"at"`
	Amount   int64     `json:"amount"`
}

// CancelRequest takes a return back: the customer keeps the goods.
type CancelRequest struct {
	ID string `json:"id"`
	By string `json:"by"`
}

// Apply takes a fact in. A number that was seen is a repeat and changes nothing; one that comes before
// its predecessor leaves a gap, which is fetched.
func (s *State) Apply(f Fact, now time.Time) {
	switch {
	case f.Seq != 0 && f.Seq <= s.LastFact:
		return
	case f.Seq > s.LastFact+1, f.Unknown() && !s.IgnoresUnknown: // what it says may have been dropped on the way
		s.Missed = true
		return
	}
	s.LastFact = max(s.LastFact, f.Seq)
	switch {
	case f.Answer != nil:
		s.takeAnswer(f.Answer, now)
	case f.Parcel != nil:
		s.takeParcel(f.Parcel, now)
	case f.Inspection != nil:
		s.takeInspection(f.Inspection, now)
	case f.Memo != nil:
		s.takeMemo(f.Memo, now)
	case f.Cancel != nil:
		if s.CanCancel(*f.Cancel) == nil {
			s.Cancel(*f.Cancel, now)
		}
	case f.Paid != nil:
		s.PaidElsewhere = !s.IgnoresWakes && s.Paying != nil
	}
	s.Unrecorded = true
}

// MissedFacts notes that facts came which could not be read.
func (s *State) MissedFacts() { s.Missed = true }

// CaughtUp takes the facts that were fetched: all after the newest that the return had.
func (s *State) CaughtUp(facts []Fact, now time.Time) {
	s.done(StepCatchUp)
	s.Missed = false
	for _, f := range facts {
		if f.Unknown() && f.Seq == s.LastFact+1 && !s.IgnoresUnknown {
			s.passOver(f.Seq, now)
			continue
		}
		s.Apply(f, now)
	}
}

// unknownFact is the matter of a fact that was passed over.
const unknownFact = "unknown-fact"

// passOver puts a fact before a person that this release cannot read from Postgres either: waiting for one that can
// would hold up all that comes after it.
func (s *State) passOver(seq int64, now time.Time) {
	s.LastFact, s.Unrecorded = seq, true
	s.raise(now, unknownFact, "fact %d of the return is of a kind that this release does not know, and was passed over: see to what it says by hand", seq)
}

func (s *State) takeAnswer(a *SupplierAnswer, now time.Time) {
	if s.Answer == a.Kind {
		return
	}
	s.Answer, s.AnswerReason = a.Kind, a.Reason
	if a.Kind == SupplierAccepted {
		s.tell(now, "%s accepts the return", s.Terms.Name)
		s.Credit = s.Covered
		s.lower("supplier-refused")
		return
	}
	s.tell(now, "%s refuses the return: %s", s.Terms.Name, a.Reason)
	if !s.Inspected && !s.Cancelled {
		s.Credit = false // what comes all the same is the storefront's; a fault is still the supplier's
		s.raise(now, "supplier-refused", "%s refuses return %s, which the customer was granted: decide whether it is refunded without the goods, or refused",
			s.Terms.Name, s.RMA)
	}
}

// goesBack is the matter of a return parcel that the carrier could not deliver.
const goesBack = "parcel-goes-back"

// rank orders what a parcel passes; one that was delivered stays so.
var rank = map[order.Milestone]int{
	"": 0, order.ParcelLabelled: 1, order.ParcelInTransit: 2, order.ParcelDelayed: 2, order.ParcelException: 2,
	order.ParcelReturning: 2, order.ParcelOutForDelivery: 3, order.ParcelAtPickupPoint: 3, order.ParcelLost: 4, order.ParcelDelivered: 5,
}

func (s *State) takeParcel(p *order.ParcelNews, now time.Time) {
	if rank[p.Milestone] < rank[s.Parcel] || p.Milestone == s.Parcel {
		return
	}
	s.Parcel, s.ParcelAt = p.Milestone, p.At
	s.tell(now, "Return parcel %s: %s", p.Tracking, strings.ReplaceAll(string(p.Milestone), "_", " "))
	if s.Cancelled {
		s.raise(now, "cancelled-and-sent", "return %s was cancelled and its parcel is under way all the same: what is found in it counts", s.RMA)
		return
	}
	s.lower(goesBack)
	switch p.Milestone {
	case order.ParcelReturning:
		if !s.Inspected {
			s.raise(now, goesBack, "the carrier takes the parcel of return %s back to the customer: have it sent again, cancel the return, or note what was found",
				s.RMA)
		}
	case order.ParcelDelivered:
		if !s.Inspected {
			// The news may have waited for others.
			since := now
			if p.At.Before(now) {
				since = p.At
			}
			s.InspectBy = since.Add(s.InspectWithin)
		}
	case order.ParcelLost:
		s.lostOnTheWay(now)
	}
}

// lostOnTheWay: the customer handed the goods in with our label and has done all there was to do.
func (s *State) lostOnTheWay(now time.Time) {
	if s.Inspected {
		return
	}
	for i := range s.Lines {
		l := &s.Lines[i]
		l.find(LostOnTheWay, l.room())
	}
	s.inspected(now)
}

// room is the units that can still be found: those that were granted, not found yet, and not decided
// about without having been seen.
func (l *Line) room() int64 {
	unseen := max(l.ruled()-(l.found()-l.good()), 0)
	return l.Quantity - l.found() - unseen
}

func (l *Line) find(c Condition, n int64) {
	if n <= 0 {
		return
	}
	if l.Found == nil {
		l.Found = map[Condition]int64{}
	}
	l.Found[c] += n
}

// takeInspection adds up what was found. Units beyond what was granted, and lines that were not, are
// somebody's to decide: they pay nobody by themselves.
func (s *State) takeInspection(in *Inspection, now time.Time) {
	for _, found := range in.Lines {
		l := s.line(found.Line)
		if l == nil {
			s.raise(now, "not-granted", "%s found goods in the parcel of %s that are not part of the return (line %d): decide what becomes of them",
				s.Terms.Name, s.RMA, found.Line)
			continue
		}
		given := s.correct(l)
		var n int64
		if s.Terms.CountsFinds {
			n = l.cameAfterAll(found, s.Parcel)
		}
		more := min(found.Quantity-n, l.room())
		l.find(found.Condition, more)
		n += more
		if given != "" {
			l.find(given, l.room())
		}
		if over := found.Quantity - n; over > 0 && found.Condition != Missing {
			l.Surplus += over
			s.raise(now, "surplus", "%s found %d more of %s than %s grants: decide what becomes of them", s.Terms.Name, over, l.SKU, s.RMA)
		}
		if found.Disposition != "" && n > 0 {
			if l.Dispositions == nil {
				l.Dispositions = map[Disposition]int64{}
			}
			l.Dispositions[found.Disposition] += n
		}
		s.tell(now, "Inspected: %d × %s %s", found.Quantity, l.SKU, strings.ReplaceAll(string(found.Condition), "_", " "))
	}
	if s.Inspected {
		s.judgeFindings(now)
		return
	}
	all := true
	for i := range s.Lines {
		l := &s.Lines[i]
		if in.Final {
			l.find(Missing, l.room())
		}
		all = all && l.found() == l.Quantity
	}
	if all {
		s.inspected(now)
	}
}

// correct takes back that goods were lost on the way or missing, as long as nobody has been paid, or
// refused, on that ground; it returns what they were. Those that are not found now are so again.
func (s *State) correct(l *Line) Condition {
	for _, c := range []Condition{Missing, LostOnTheWay} {
		if l.Found[c] > 0 && l.Settled == 0 && l.ruled() == 0 && !s.covers(l.Line) {
			delete(l.Found, c)
			return c
		}
	}
	return ""
}

// cameAfterAll counts units that were lost, and paid for as if they had come, as what they are found to be: the
// carrier has delivered the parcel. Units that nobody would have paid for stay what they were paid as.
func (l *Line) cameAfterAll(found InspectedLine, parcel order.Milestone) int64 {
	if parcel != order.ParcelDelivered || found.Condition != AsNew && found.Condition != Opened {
		return 0
	}
	n := min(found.Quantity, l.Found[LostOnTheWay])
	if n == 0 {
		return 0
	}
	if l.Found[LostOnTheWay] -= n; l.Found[LostOnTheWay] == 0 {
		delete(l.Found, LostOnTheWay)
	}
	l.find(found.Condition, n)
	return n
}

// covers: a payment under way covers units of a line.
func (s *State) covers(line int) bool {
	return s.Paying != nil && slices.ContainsFunc(s.Paying.Parts, func(p PayoutPart) bool { return p.Line == line })
}

// inspected ends the wait for the goods: from here on it is about money.
func (s *State) inspected(now time.Time) {
	if s.Inspected {
		return
	}
	s.Inspected, s.InspectAt, s.InspectBy = true, now, time.Time{}
	s.lower("inspection")
	s.lower("supplier-refused")
	s.lower("expired")
	s.lower(goesBack)
	if s.Expired || s.Cancelled {
		s.tell(now, "The goods of return %s came after all", s.RMA)
	}
	s.Expired, s.Cancelled = false, false
	s.notify(NoticeReceived, "")
	s.judgeFindings(now)
}

// judgeFindings asks a person about what nobody is paid for by rule, and fixes what the supplier owes.
func (s *State) judgeFindings(now time.Time) {
	for i := range s.Lines {
		l := &s.Lines[i]
		s.lower(rulingKey(l.Line))
		if n := s.undecided(l); n > 0 {
			s.raise(now, rulingKey(l.Line), "%d × %s of %s came back %s: decide how much of the price goes back", n, l.SKU, s.RMA, l.wrongs())
		}
	}
	s.expectCredit(now)
}

func rulingKey(line int) string { return "ruling/" + strconv.Itoa(line) }

// wrongs names the conditions that nobody pays for by rule.
func (l *Line) wrongs() string {
	var words []string
	for _, c := range Conditions {
		byRule := c == AsNew || c == Opened || c == DamagedGoods && l.Reason.Fault()
		if l.Found[c] > 0 && !byRule {
			words = append(words, strings.ReplaceAll(string(c), "_", " "))
		}
	}
	if l.Doubted && l.Found[LostOnTheWay] > 0 {
		words = append(words, "not: the carrier lost the parcel")
	}
	return strings.Join(words, ", ")
}

func (s *State) takeMemo(m *CreditMemo, now time.Time) {
	if slices.Contains(s.Claim.Memos, m.Number) {
		return
	}
	s.Claim.Memos = append(s.Claim.Memos, m.Number)
	s.Claim.Over += m.Amount
	s.tell(now, "Credit memo %s of %s: %s", m.Number, s.Terms.Name, s.owed(m.Amount))
	s.countCredit(now)
	s.creditChanged(now)
}
