package returns

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
)

// StepKind is something to do now.
type StepKind string

// The steps a return can ask for. Each has no subject: one of a kind is under way at a time.
const (
	StepAuthorise StepKind = "authorise"
	StepPay       StepKind = "pay"
	StepRecord    StepKind = "record"
	StepClose     StepKind = "close"
	StepCatchUp   StepKind = "catch_up"
)

// Steps lists what is due now and not under way, in the order in which it should be begun.
func (s *State) Steps() []StepKind {
	var due []StepKind
	add := func(k StepKind) {
		if !s.busy(k) {
			due = append(due, k)
		}
	}
	if s.Missed {
		add(StepCatchUp)
	}
	if !s.Authorised && !s.Cancelled {
		add(StepAuthorise)
	}
	if (s.Authorised || s.Cancelled) && (s.Paying != nil || s.owes()) {
		add(StepPay)
	}
	if s.finishable() && len(due) == 0 && len(s.Busy) == 0 {
		// News that came after it was closed, and change nothing, are closed in once more.
		if !s.Closed || s.Unrecorded || len(s.Notices) > 0 {
			add(StepClose)
		}
		return due
	}
	if (s.Unrecorded || len(s.Notices) > 0) && !s.recording() && !s.recordsSoon(due) {
		add(StepRecord)
	}
	return due
}

// recording: a snapshot is on its way to Postgres. One at a time, so that an older one never overtakes
// a newer.
func (s *State) recording() bool { return s.busy(StepRecord) || s.busy(StepClose) }

// recordsSoon: a step with a partner is about to change the return again, and the snapshot waits for
// its result. One that keeps failing is not waited for.
func (s *State) recordsSoon(due []StepKind) bool {
	for _, k := range []StepKind{StepAuthorise, StepPay} {
		stalled := slices.ContainsFunc(s.Attention, func(a order.Attention) bool { return a.Key == "stalled/"+string(k) })
		if !stalled && (s.busy(k) || slices.Contains(due, k)) {
			return true
		}
	}
	return false
}

// Begin marks a step as under way.
func (s *State) Begin(k StepKind) {
	s.Busy = append(s.Busy, string(k))
	switch k {
	case StepPay:
		if s.Paying == nil {
			s.Paying = s.payout()
		}
	case StepRecord:
		s.Unrecorded, s.Closed = false, s.Closed && s.finishable() // news may have opened it again
		s.Revision++
	case StepClose:
		// Nothing else is under way: what stalled is done, or not needed any more. What is recorded is how it
		// is once this has gone through.
		s.Attention = slices.DeleteFunc(s.Attention, func(a order.Attention) bool {
			return strings.HasPrefix(a.Key, "stalled/") || a.Key == goesBack // nobody waits for the parcel any more
		})
		s.Unrecorded, s.Closed = false, true
		s.Revision++
	}
}

func (s *State) busy(k StepKind) bool { return slices.Contains(s.Busy, string(k)) }

func (s *State) done(k StepKind) {
	s.Busy = slices.DeleteFunc(s.Busy, func(b string) bool { return b == string(k) })
}

// due is what the customer is to be paid for next.
func (s *State) due() []PayoutPart {
	if s.Cancelled || s.Expired {
		return nil
	}
	var parts []PayoutPart
	for i := range s.Lines {
		l := &s.Lines[i]
		switch {
		case s.Inspected:
			parts = append(parts, s.dueByFindings(l)...)
		case s.Instant && handedIn(s.Parcel) && l.Settled == 0:
			parts = append(parts, PayoutPart{Line: l.Line, Quantity: l.Quantity, KeptBP: 0, Reason: l.Reason})
		}
	}
	return parts
}

// dueByFindings pays first for what came back as it should, then for what a person decided about.
// What was paid in advance counts against both, in that order.
func (s *State) dueByFindings(l *Line) []PayoutPart {
	paid := l.Settled
	var parts []PayoutPart
	pay := func(quantity, kept int64) {
		already := min(paid, quantity)
		paid -= already
		if n := quantity - already; n > 0 {
			parts = append(parts, PayoutPart{Line: l.Line, Quantity: n, KeptBP: kept, Reason: l.Reason})
		}
	}
	opened := l.Found[Opened]
	pay(l.good()-opened, s.fee(l, false))
	pay(opened, s.fee(l, true))
	for _, r := range l.Ruled {
		pay(r.Quantity, whole-r.ShareBP)
	}
	return parts
}

// Fees are what the storefront's policy keeps of units, in basis points; they are frozen with the
// return's lines.
type Fees struct {
	RestockingBP int64 `json:"restockingBp,omitempty"`
	OpenedBP     int64 `json:"openedBp,omitempty"`
	// Shipping is the price of the label, in minor units.
	Shipping int64 `json:"shipping,omitempty"`
}

func (s *State) fee(l *Line, opened bool) int64 {
	if l.Reason.Fault() || s.exchanging() {
		return 0
	}
	fees := &s.Fees
	if l.Fees != nil {
		fees = l.Fees
	}
	return (&Rules{RestockingBP: fees.RestockingBP, OpenedBP: fees.OpenedBP}).Kept(opened)
}

// shippingFee is what the customer pays for the label, once, when nothing was wrong with the goods. An
// exchange costs no fees: the sale stays.
func (s *State) shippingFee() int64 {
	if s.Paid > 0 || s.exchanging() || slices.ContainsFunc(s.Lines, func(l Line) bool { return l.Reason.Fault() }) {
		return 0
	}
	return s.Fees.Shipping
}

// finishable: nothing is expected of anybody.
func (s *State) finishable() bool {
	if s.Missed || !s.Authorised && !s.Cancelled || s.Paying != nil || s.owes() || s.Claim.Open() > 0 || s.deciding() || s.unnoted() {
		return false
	}
	if s.Cancelled || s.Expired {
		return !s.waitsForOvertaken()
	}
	return s.Inspected
}

// unnoted: something waits to be seen to by a person, who can only do so while the return is open.
func (s *State) unnoted() bool {
	return slices.ContainsFunc(s.Attention, func(a order.Attention) bool { return slices.Contains(noted, a.Key) })
}

// waitsForOvertaken: the return was cancelled, or given up for expired, and its parcel is under way
// all the same. One that goes back to the customer is not.
func (s *State) waitsForOvertaken() bool {
	return handedIn(s.Parcel) && s.Parcel != order.ParcelLost && s.Parcel != order.ParcelReturning && !s.Inspected
}

// Finished: the return is closed and nothing has come since.
func (s *State) Finished() bool {
	return s.Closed && len(s.Steps()) == 0 && len(s.Busy) == 0 && s.finishable()
}

// Deadlines lists what the return waits for, in a fixed order.
func (s *State) Deadlines() []order.Deadline {
	var d []order.Deadline
	add := func(key string, at time.Time, format string, args ...any) {
		if !at.IsZero() {
			d = append(d, order.Deadline{Key: key, At: at, Text: fmt.Sprintf(format, args...)})
		}
	}
	if s.Authorised && !s.Inspected && !s.Cancelled && !s.Expired && !handedIn(s.Parcel) {
		add("send", s.SendBy, "The customer hands the goods in")
	}
	if !s.Inspected {
		add("inspect", s.InspectBy, "%s looks at what came back", s.Terms.Name)
	}
	if s.Claim.Open() > 0 {
		add("credit", s.Claim.DueAt, "%s gives the credit of %s", s.Terms.Name, s.owed(s.Claim.Open()))
	}
	return d
}

// Tick lets the deadlines that have passed take effect.
func (s *State) Tick(now time.Time) {
	for _, d := range s.Deadlines() {
		if d.At.After(now) {
			continue
		}
		switch d.Key {
		case "send":
			s.expire(now)
		case "inspect":
			s.askForInspection(now)
		case "credit":
			s.chase(now)
		}
	}
}

// expire ends the wait for goods that were never handed in. They count if they come after all.
func (s *State) expire(now time.Time) {
	s.Expired, s.Unrecorded = true, true
	s.tell(now, "The goods were not handed in by %s: the return expires", s.SendBy.UTC().Format("2 Jan 2006"))
	s.notify(NoticeExpired, "")
	s.countCredit(now)
}

// inspections is how often an inspection is asked for before a person is.
const inspections = 2

func (s *State) askForInspection(now time.Time) {
	s.Unrecorded = true
	if s.Asked < inspections {
		s.Asked++
		s.notify(NoticeInspect, "/"+strconv.Itoa(s.Asked))
		s.tell(now, "%s is reminded to look at what came back", s.Terms.Name)
	} else {
		s.raise(now, "inspection", "%s has the goods of %s and does not say what it found: ask it, and note the findings", s.Terms.Name, s.RMA)
	}
	s.InspectBy = now.Add(max(s.InspectWithin, time.Hour))
}
