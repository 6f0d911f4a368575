package payments

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
)

// StepKind is something to do now.
type StepKind string

// The steps a payment can ask for; one of a kind is under way at a time.
const (
	StepLookUp       StepKind = "look_up"
	StepCapture      StepKind = "capture"
	StepVoid         StepKind = "void"
	StepRefund       StepKind = "refund"
	StepLookUpRefund StepKind = "look_up_refund"
	StepEvidence     StepKind = "evidence"
	StepRecord       StepKind = "record"
	StepClose        StepKind = "close"
	StepCatchUp      StepKind = "catch_up"
)

// partnerSteps talk to the provider.
var partnerSteps = []StepKind{StepLookUp, StepCapture, StepVoid, StepRefund, StepLookUpRefund, StepEvidence}

// Steps lists what is due now and not under way, in the order in which it should be begun.
func (s *State) Steps() []StepKind {
	var due []StepKind
	add := func(k StepKind, wanted bool) {
		if wanted && !s.busy(k) {
			due = append(due, k)
		}
	}
	add(StepCatchUp, s.Missed)
	taking := s.busy(StepCapture) || s.busy(StepVoid) || s.busy(StepLookUp)
	switch {
	case taking:
	case s.AtShipment && s.held() && !s.Looked && s.Capture.Refusals == 0 && !s.wantsCapture() && s.Due() > 0:
		add(StepLookUp, true)
	case s.wantsCapture():
		add(StepCapture, true)
	case s.held() && s.Due() == 0:
		add(StepVoid, true)
	}
	add(StepRefund, s.first(func(r *Refund) bool { return r.Standing == RefundAgain }) != nil)
	add(StepLookUpRefund, s.first(func(r *Refund) bool { return r.Look }) != nil)
	add(StepEvidence, s.answering() != nil)
	if s.finishable() && len(due) == 0 && len(s.Busy) == 0 {
		if !s.Closed {
			due = append(due, StepClose)
		}
		return due
	}
	if s.Unrecorded && !s.busy(StepRecord) && !s.busy(StepClose) && !s.recordsSoon(due) {
		due = append(due, StepRecord)
	}
	return due
}

// wantsCapture: the money is to be taken now.
func (s *State) wantsCapture() bool {
	if !s.held() || s.Due() <= 0 || !s.Capture.RetryAt.IsZero() || s.Capture.Refusals > len(retries) {
		return false
	}
	return !s.AtShipment || s.Shipped || s.Early || s.Ended
}

// recordsSoon: a step with the provider is about to change the payment again, and the snapshot waits for
// its result. One that keeps failing is not waited for, and postings are never.
func (s *State) recordsSoon(due []StepKind) bool {
	if len(s.Posts)+len(s.Stops)+len(s.Notices) > 0 {
		return false
	}
	for _, k := range partnerSteps {
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
	case StepRecord:
		s.Unrecorded = false
		s.Revision++
	case StepClose:
		// Nothing is expected of anybody: what kept failing went through, or is not needed any more.
		s.Attention = slices.DeleteFunc(s.Attention, func(a order.Attention) bool { return strings.HasPrefix(a.Key, "stalled/") })
		s.Unrecorded, s.Closed = false, true
		s.Revision++
	}
}

func (s *State) busy(k StepKind) bool { return slices.Contains(s.Busy, string(k)) }

func (s *State) done(k StepKind) { s.Busy = deleteOf(s.Busy, string(k)) }

func deleteOf(list []string, gone string) []string {
	return slices.DeleteFunc(list, func(one string) bool { return one == gone })
}

func (s *State) first(wanted func(*Refund) bool) *Refund {
	for i := range s.Refunds {
		if wanted(&s.Refunds[i]) {
			return &s.Refunds[i]
		}
	}
	return nil
}

// answering is the dispute whose evidence is to be sent now.
func (s *State) answering() *Dispute {
	for i := range s.Disputes {
		if d := &s.Disputes[i]; !d.Closed && !d.Submitted && d.Send {
			return d
		}
	}
	return nil
}

// NextRefund is what the refund step, or the look-up of one, is about.
func (s *State) NextRefund(k StepKind) (Refund, bool) {
	r := s.first(func(r *Refund) bool {
		return k == StepRefund && r.Standing == RefundAgain || k == StepLookUpRefund && r.Look
	})
	if r == nil {
		return Refund{}, false
	}
	return *r, true
}

// NextEvidence is the dispute that the evidence step is about.
func (s *State) NextEvidence() (Dispute, bool) {
	d := s.answering()
	if d == nil {
		return Dispute{}, false
	}
	return *d, true
}

// finishable: nothing is expected of anybody.
func (s *State) finishable() bool {
	if s.Missed || s.Due() != 0 || s.held() || s.Disputed() || len(s.Posts)+len(s.Stops)+len(s.Notices) > 0 {
		return false
	}
	return !slices.ContainsFunc(s.Refunds, func(r Refund) bool { return r.open() })
}

// Finished: the payment is closed and nothing has come since.
func (s *State) Finished() bool {
	return s.Closed && len(s.Steps()) == 0 && len(s.Busy) == 0 && s.finishable()
}

// A capture that was refused is asked for again after so long: what a bank declines today for want of
// money it may give next week. Then only a person can.
var retries = []time.Duration{time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, 96 * time.Hour}

// earlyBy is how long before it expires an authorisation is captured at the latest.
const earlyBy = 24 * time.Hour

// Deadlines lists what the payment waits for, in a fixed order.
func (s *State) Deadlines() []order.Deadline {
	var d []order.Deadline
	add := func(key string, at time.Time, format string, args ...any) {
		if !at.IsZero() {
			d = append(d, order.Deadline{Key: key, At: at, Text: fmt.Sprintf(format, args...)})
		}
	}
	if s.held() && s.Due() > 0 && !s.wantsCapture() && s.Capture.Refusals == 0 && !s.ExpiresAt.IsZero() {
		add("early", s.ExpiresAt.Add(-earlyBy), "The goods leave, else the payment is captured before its authorisation ends")
	}
	if s.held() && s.Due() > 0 {
		add("capture", s.Capture.RetryAt, "The capture of %s is tried again", s.amount(s.Due()))
	}
	for i := range s.Refunds {
		if r := &s.Refunds[i]; r.Standing == RefundPending && !r.Look {
			add("refund/"+r.Key, r.LookAt, "The customer's bank takes the refund of %s", s.amount(r.Amount))
		}
	}
	for i := range s.Disputes {
		switch x := &s.Disputes[i]; {
		case x.Closed:
		case !x.Submitted && !x.Send:
			add("evidence/"+x.Reference, x.SubmitAt, "The order is delivered, else the bank is answered without it")
		default:
			add("decision/"+x.Reference, x.LookAt, "The customer's bank decides about %s", s.amount(x.Amount))
		}
	}
	return d
}

// Tick lets the deadlines that have passed take effect.
func (s *State) Tick(now time.Time) {
	for _, d := range s.Deadlines() {
		if d.At.After(now) {
			continue
		}
		kind, about, _ := strings.Cut(d.Key, "/")
		switch kind {
		case "early":
			s.Early = true
			s.tell(now, "The authorisation ends on %s and the goods have not left: the payment is captured now, so that it is not lost",
				s.ExpiresAt.UTC().Format("2 Jan 2006"))
		case "capture":
			s.Capture.RetryAt = time.Time{}
		case "refund":
			s.refund(about).Look = true
		case "evidence":
			s.dispute(about).Send = true
		case "decision":
			x := s.dispute(about)
			x.LookAt = now.Add(decisionEvery)
			s.raise(now, matterDispute(about), "the customer's bank has not decided about %s since %s: ask the provider",
				s.amount(x.Amount), x.OpenedAt.UTC().Format("2 Jan 2006"))
		}
	}
}
