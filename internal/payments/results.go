package payments

import (
	"encoding/json"
	"time"
)

// LookedUp takes what the provider says of the authorisation.
func (s *State) LookedUp(p Standing, now time.Time) {
	s.done(StepLookUp)
	s.Looked, s.Unrecorded = true, true
	s.takeStanding(p, now)
	if s.held() && !s.ExpiresAt.IsZero() {
		s.tell(now, "The customer's bank holds %s until %s", s.amount(s.Authorised), s.ExpiresAt.UTC().Format("2 Jan 2006"))
	}
}

// Taking is how a capture ended. Amount was fixed before the call: all that was not cancelled until
// then; Released is the rest.
type Taking struct {
	Amount   int64 `json:"amount"`
	Released int64 `json:"released,omitempty"`
	// Over is what a person at the provider took beyond what was due.
	Over int64 `json:"over,omitempty"`
	// Refused: the provider will not, for the reason of that code. Gone: there is no authorisation any more.
	Refused bool   `json:"refused,omitempty"`
	Code    string `json:"code,omitempty"`
	Gone    bool   `json:"gone,omitempty"`
}

// CapturedWith takes the end of a capture. Nothing captured and nothing refused: nothing was due.
func (s *State) CapturedWith(t Taking, now time.Time) {
	s.done(StepCapture)
	s.Released, s.Unrecorded = max(s.Released, t.Released), true
	switch {
	case t.Refused:
		s.refusedCapture(t, now)
	case t.Amount > 0:
		s.Capture.Amount, s.Capture.Over, s.Capture.At = t.Amount, t.Over, now.UTC().Truncate(time.Millisecond)
		s.Capture.RetryAt, s.Capture.Code = time.Time{}, ""
		s.lower(matterCapture)
		s.tell(now, "%s captured", s.amount(t.Amount))
		if t.Over > 0 {
			s.takeRefund(&RefundMade{Key: Overpaid + s.Key.String(), Amount: t.Over, Standing: RefundHeld, At: now, Reason: "captured_too_much"}, now)
		}
		s.tookLess(now)
	}
}

// tookLess asks a person for what a capture did not come to, as far as it is due still.
func (s *State) tookLess(now time.Time) {
	if rest := s.Due(); rest > 0 && s.Capture.Amount > 0 {
		s.raise(now, matterCapture, "%s less was captured at the provider than is due: be paid by other means and say paid_elsewhere, or write it off", s.amount(rest))
	}
}

func (s *State) refusedCapture(t Taking, now time.Time) {
	s.Capture.Code = t.Code
	if t.Gone {
		s.gone(now)
		return
	}
	again := ""
	if s.Capture.Refusals < len(retries) {
		s.Capture.RetryAt = now.Add(retries[s.Capture.Refusals])
		again = "; it is tried again on " + s.Capture.RetryAt.UTC().Format("2 Jan 15:04")
	}
	s.Capture.Refusals++
	s.tell(now, "The capture was refused%s", because(t.Code))
	s.raise(now, matterCapture, "the capture of %s was refused%s%s: decide retry, be paid by other means and say paid_elsewhere, or write it off",
		s.amount(s.Due()), because(t.Code), again)
}

// Voiding is how the letting go of an authorisation ended of which nothing is due. Taken is what somebody at
// the provider had captured of it nevertheless, all of it too much; Amount 0: nothing.
type Voiding struct {
	Taken Taking `json:"taken"`
}

// UnmarshalJSON also takes the answer of an earlier build, which was none.
func (v *Voiding) UnmarshalJSON(data []byte) error {
	type plain Voiding
	if len(data) == 0 || data[0] != '{' {
		return nil
	}
	return json.Unmarshal(data, (*plain)(v))
}

// LetGo takes the end of letting an authorisation go.
func (s *State) LetGo(v Voiding, now time.Time) {
	if v.Taken.Amount == 0 {
		s.VoidedNow(now)
		return
	}
	s.done(StepVoid)
	s.CapturedWith(v.Taken, now)
}

// VoidedNow: the authorisation is let go, or had ended by itself.
func (s *State) VoidedNow(now time.Time) {
	s.done(StepVoid)
	s.Capture.Voided, s.Unrecorded = true, true
	s.captureSettled()
	s.tell(now, "Nothing is taken: the authorisation of %s is released", s.amount(s.Authorised))
}

// RefundTried is how another try of a refund ended, or where one stands.
type RefundTried struct {
	Key       string         `json:"key"`
	Try       int            `json:"try"`
	Reference string         `json:"reference,omitempty"`
	Standing  RefundStanding `json:"standing"` // done, pending or failed
	Reason    string         `json:"reason,omitempty"`
}

// RefundedAgain takes the end of another try. One that the provider refused was never made.
func (s *State) RefundedAgain(t RefundTried, now time.Time) {
	s.done(StepRefund)
	r := s.refund(t.Key)
	ahead := r.Ahead
	r.Ahead, r.Reason, s.Unrecorded = nil, t.Reason, true
	if t.Reference == "" && ahead != nil && ahead.Try == t.Try {
		t.Reference, t.Standing = ahead.Reference, RefundPending // it was made: there is news of it
	}
	if t.Reference == "" {
		r.Standing = RefundFailed
		r.Refused++
		s.raise(now, matterRefund(r.Key), "the refund of %s was refused again%s: pay it by other means and say paid_elsewhere, or decide retry",
			s.amount(r.Amount), because(t.Reason))
		return
	}
	r.Try, r.Refused, r.Reference, r.Standing, r.LookAt = t.Try, 0, t.Reference, RefundPending, now.Add(pendingPatience)
	s.lower(matterRefund(r.Key))
	s.post(Post{Kind: PostRefundRepeated, About: r.Key, N: r.Try, Amount: r.Amount})
	s.tell(now, "The refund of %s is made once more", s.amount(r.Amount))
	if t.Standing == RefundPending || t.Standing == RefundDone && t.Try == 1 {
		// One that was held, or was refused at once, is the first that the customer hears of; others are told once.
		s.Notices = append(s.Notices, Notice{Key: r.Key, Amount: r.Amount})
	}
	s.stands(r, t, now)
	if ahead != nil {
		s.takeChange(ahead, now)
	}
}

// RefundLooked takes what the provider says of a pending refund.
func (s *State) RefundLooked(t RefundTried, now time.Time) {
	s.done(StepLookUpRefund)
	r := s.refund(t.Key)
	r.Look, s.Unrecorded = false, true
	if r.Try != t.Try || r.Standing != RefundPending {
		return // news came meanwhile
	}
	r.LookAt = now.Add(lookEvery)
	r.Reason = t.Reason
	if !s.stands(r, t, now) {
		s.raise(now, matterRefund(r.Key), "the refund of %s is with the customer's bank since %s: ask the provider", s.amount(r.Amount), r.At.UTC().Format("2 Jan 2006"))
	}
}

// stands takes the standing of a refund's newest try; false: it is still under way.
func (s *State) stands(r *Refund, t RefundTried, now time.Time) bool {
	switch t.Standing {
	case RefundDone:
		s.arrived(r, now)
		if r.Try != 1 {
			s.Notices = append(s.Notices, Notice{Key: r.Key, Amount: r.Amount})
		}
	case RefundFailed:
		s.failed(r, now)
	default:
		return false
	}
	return true
}

// EvidenceSent: the bank has our answer, or will not take it.
func (s *State) EvidenceSent(reference, refused string, now time.Time) {
	s.done(StepEvidence)
	d := s.dispute(reference)
	d.Submitted, d.Send, s.Unrecorded = true, false, true
	if d.Closed {
		return
	}
	if refused != "" {
		s.raise(now, matterDispute(reference), "the provider did not take our answer to the chargeback of %s (%s): see starter payment evidence, and answer by hand",
			s.amount(d.Amount), refused)
		return
	}
	s.lower(matterDispute(reference))
	s.tell(now, "Our answer to the chargeback is with the bank")
}

// Recorded ends a snapshot: the postings, stops and notices it carried are in Postgres.
func (s *State) Recorded(k StepKind, carried *State) {
	s.done(k)
	s.Posts = s.Posts[min(len(carried.Posts), len(s.Posts)):]
	s.Notices = s.Notices[min(len(carried.Notices), len(s.Notices)):]
	for _, stop := range carried.Stops {
		s.Stops = deleteOf(s.Stops, stop)
	}
	if len(s.Posts)+len(s.Notices)+len(s.Stops) > 0 {
		s.Unrecorded = true
	}
}

// Stalled tells a person that a step keeps failing.
func (s *State) Stalled(k StepKind, why string, now time.Time) {
	s.raise(now, "stalled/"+string(k), "%s keeps failing and is tried again: %s", k, why)
}

// Again makes a stalled step due again.
func (s *State) Again(k StepKind) {
	s.done(k)
	s.Unrecorded = true
	if k == StepClose {
		s.Closed = false
	}
}

// Woken: no step of a payment is due before its rest is over.
func (s *State) Woken(StepKind) bool { return false }

// Resumed notes that a step that had stalled went through.
func (s *State) Resumed(k StepKind) { s.lower("stalled/" + string(k)) }

// Recover makes a recorded state ready to go on from in a new run.
func (s *State) Recover() {
	s.Busy = nil
	s.Closed = false
	s.Unrecorded = true
}
