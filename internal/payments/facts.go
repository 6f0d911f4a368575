package payments

import (
	"fmt"
	"time"
)

// Fact is something that happened outside, numbered per payment without gaps. Exactly one of the
// pointers is set.
type Fact struct {
	Seq     int64         `json:"seq"`
	Shipped *Moment       `json:"shipped,omitempty"` // a carrier has had the first parcel in its hands
	Ended   *Moment       `json:"ended,omitempty"`   // the order's accounts were closed
	Release *Release      `json:"release,omitempty"`
	Refund  *RefundMade   `json:"refund,omitempty"`
	Change  *RefundChange `json:"refundChange,omitempty"`
	Dispute *DisputeNews  `json:"dispute,omitempty"`
	Changed *Standing     `json:"paymentChange,omitempty"`
}

// Unknown: it is of a kind that this release does not know, or was passed on by a program that does not.
func (f Fact) Unknown() bool { return f == Fact{Seq: f.Seq} }

// Moment is when it happened.
type Moment struct {
	At time.Time `json:"at"`
}

// Release is what was cancelled before the capture: Total is all of it so far, so that a number counts
// once however often it comes.
type Release struct {
	At    time.Time `json:"at"`
	Total int64     `json:"total"`
}

// RefundMade is a refund of ours that did not go through at once: pending, failed or held.
type RefundMade struct {
	Key       string         `json:"key"`
	Amount    int64          `json:"amount"`
	Reference string         `json:"reference,omitempty"`
	Standing  RefundStanding `json:"standing"`
	At        time.Time      `json:"at"`
	Reason    string         `json:"reason,omitempty"`
}

// RefundChange is the provider's news about a refund of ours: done, failed or pending. Try says which of
// the provider's refunds for it is meant.
type RefundChange struct {
	Key       string         `json:"key"`
	Amount    int64          `json:"amount"`
	Try       int            `json:"try"`
	Reference string         `json:"reference"`
	Standing  RefundStanding `json:"standing"`
	At        time.Time      `json:"at"`
	Reason    string         `json:"reason,omitempty"`
}

// DisputeNews is the opening or the closing of a chargeback; whichever comes first tells all.
type DisputeNews struct {
	Reference  string    `json:"reference"`
	At         time.Time `json:"at"`
	Amount     int64     `json:"amount"`
	Fee        int64     `json:"fee,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	EvidenceBy time.Time `json:"evidenceBy,omitzero"`
	Closed     bool      `json:"closed,omitempty"`
	Won        bool      `json:"won,omitempty"`
	// OrderEnded: the order's accounts were closed by then.
	OrderEnded bool `json:"orderEnded,omitempty"`
}

// Standing is a payment as its provider knows it.
type Standing struct {
	Status     string    `json:"status"` // authorised, captured, voided, declined
	Authorised int64     `json:"authorised"`
	Captured   int64     `json:"captured,omitempty"`
	ExpiresAt  time.Time `json:"expiresAt,omitzero"`
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
	s.Unrecorded = true
	s.Closed = false
	switch {
	case f.Shipped != nil:
		s.takeShipped(now)
	case f.Ended != nil:
		s.takeEnded(now)
	case f.Release != nil:
		s.takeRelease(f.Release, now)
	case f.Refund != nil:
		s.takeRefund(f.Refund, now)
	case f.Change != nil:
		s.takeChange(f.Change, now)
	case f.Dispute != nil:
		s.takeDispute(f.Dispute, now)
	case f.Changed != nil:
		s.takeStanding(*f.Changed, now)
	}
}

// MissedFacts notes that facts came which could not be read.
func (s *State) MissedFacts() { s.Missed = true }

// CaughtUp takes the facts that were fetched: all after the newest that the payment had.
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

// passOver puts a fact before a person that this release cannot read from Postgres either: waiting for one that can
// would hold up all that comes after it.
func (s *State) passOver(seq int64, now time.Time) {
	s.LastFact, s.Closed, s.Unrecorded = seq, false, true
	s.raise(now, "unknown-fact", "fact %d of the payment is of a kind that this release does not know, and was passed over: see to what it says by hand", seq)
}

func (s *State) takeShipped(now time.Time) {
	if s.Shipped {
		return
	}
	s.Shipped = true
	if s.Due() > 0 {
		s.tell(now, "The first parcel is with its carrier: the payment is captured")
	}
}

func (s *State) takeEnded(now time.Time) {
	if s.Ended {
		return
	}
	s.Ended = true
	for i := range s.Disputes {
		if d := &s.Disputes[i]; !d.Closed && !d.Submitted {
			d.Send = true
		}
	}
	s.tell(now, "The order is settled")
}

func (s *State) takeRelease(r *Release, now time.Time) {
	if r.Total <= s.Released {
		return
	}
	s.tell(now, "%s less is taken: it was cancelled before the capture", s.amount(r.Total-s.Released))
	s.Released = r.Total
	s.overtaken(now)
	s.captureSettled()
	s.tookLess(now)
}

// Overpaid begins the keys of refunds of what was captured or paid beyond what was due.
const Overpaid = "overpaid/"

// overtaken: the cancellation came while somebody noted that all was paid by other means, or written off.
func (s *State) overtaken(now time.Time) {
	over := -s.Due()
	if over <= 0 {
		return
	}
	if less := min(over, s.Capture.WrittenOff); less > 0 {
		s.Capture.WrittenOff -= less
		over -= less
		s.post(Post{Kind: PostWriteOffLess, About: s.Key.Order, N: int(s.LastFact), Amount: less})
	}
	if over > 0 {
		s.Capture.Elsewhere -= over
		s.post(Post{Kind: PostOverpaid, About: s.Key.Order, N: int(s.LastFact), Amount: over})
		s.takeRefund(&RefundMade{Key: fmt.Sprintf("%s%s/%d", Overpaid, s.Key, s.LastFact), Amount: over, Standing: RefundHeld, At: now}, now)
	}
}

// captureSettled ends what was asked of people about the capture, once nothing is due any more.
func (s *State) captureSettled() {
	if s.Due() <= 0 {
		s.Capture.RetryAt = time.Time{}
		s.lower(matterCapture)
	}
}

// A refund that is pending is looked up after so long, then daily. Cards take up to ten days.
const (
	pendingPatience = 10 * 24 * time.Hour
	lookEvery       = 24 * time.Hour
)

func (s *State) takeRefund(r *RefundMade, now time.Time) {
	if s.refund(r.Key) != nil {
		return
	}
	refund := Refund{Key: r.Key, Amount: r.Amount, Reference: r.Reference, Standing: r.Standing, At: r.At, Reason: r.Reason}
	if r.Reference != "" {
		refund.Try = 1
	}
	s.Refunds = append(s.Refunds, refund)
	one := &s.Refunds[len(s.Refunds)-1]
	switch r.Standing {
	case RefundPending:
		one.LookAt = now.Add(pendingPatience)
		s.tell(now, "The refund of %s is with the customer's bank", s.amount(r.Amount))
	case RefundFailed:
		s.failed(one, now)
	default:
		one.Standing = RefundHeld
		s.hold(one, now)
	}
}

// takeChange: a refund that failed stays so, whatever word overtakes which; a new try has a new
// reference. News of a try whose own answer is not here yet wait for it.
func (s *State) takeChange(c *RefundChange, now time.Time) {
	r := s.refund(c.Key)
	if r == nil {
		if c.Standing == RefundDone {
			return // it was made at once, and is
		}
		s.Refunds = append(s.Refunds, Refund{
			Key: c.Key, Amount: c.Amount, Reference: c.Reference, Standing: RefundPending, At: c.At, Try: c.Try, LookAt: now.Add(pendingPatience),
		})
		r = &s.Refunds[len(s.Refunds)-1]
	}
	if c.Try > r.Try {
		r.keep(c)
		return
	}
	if c.Try != r.Try || r.Standing != RefundPending && r.Standing != RefundDone {
		return
	}
	switch c.Standing {
	case RefundDone:
		s.arrived(r, now)
	case RefundFailed:
		r.Reason = c.Reason
		s.failed(r, now)
	default:
	}
}

// keep holds the news of a try until its own answer is here.
func (r *Refund) keep(c *RefundChange) {
	if r.Ahead == nil || r.Ahead.Try < c.Try || r.Ahead.Standing != RefundFailed {
		r.Ahead = c
	}
}

func (s *State) arrived(r *Refund, now time.Time) {
	if r.Standing == RefundDone {
		return
	}
	r.Standing, r.LookAt, r.Look, r.Reason = RefundDone, time.Time{}, false, ""
	s.lower(matterRefund(r.Key))
	s.tell(now, "The refund of %s has arrived", s.amount(r.Amount))
}

// failed takes a refund back that the customer's bank did not take: the money is with us, and owed.
func (s *State) failed(r *Refund, now time.Time) {
	r.Standing, r.LookAt, r.Look = RefundFailed, time.Time{}, false
	s.post(Post{Kind: PostRefundFailed, About: r.Key, N: r.Try, Amount: r.Amount})
	s.tell(now, "The refund of %s came back%s", s.amount(r.Amount), because(r.Reason))
	s.raise(now, matterRefund(r.Key), "the refund of %s came back%s: decide retry, or pay it by other means and say paid_elsewhere",
		s.amount(r.Amount), because(r.Reason))
}

// hold keeps a refund that must not be made by itself: while the customer's bank disputes the payment it
// may give the money back too, and a payment that came by other ways goes back by other ways.
func (s *State) hold(r *Refund, now time.Time) {
	switch {
	case s.Disputed():
		s.raise(now, matterRefund(r.Key), "the refund of %s is held: the customer's bank has taken the payment back, and a refund now would pay twice. Wait for the bank",
			s.amount(r.Amount))
	default:
		s.raise(now, matterRefund(r.Key), "the refund of %s cannot be made through the provider%s: decide retry, or pay it by other means and say paid_elsewhere",
			s.amount(r.Amount), because(r.Reason))
	}
}

func because(code string) string {
	if code == "" {
		return ""
	}
	return " (" + code + ")"
}

// Evidence goes to the bank a day before it stops reading, so that the delivery's scan can be in it. An
// unknown end is taken to be the shortest that banks give; a decision is asked for after the longest.
const (
	evidenceMargin   = 24 * time.Hour
	evidenceUnknown  = 5 * 24 * time.Hour
	decisionPatience = 100 * 24 * time.Hour
	decisionEvery    = 30 * 24 * time.Hour
)

func (s *State) takeDispute(n *DisputeNews, now time.Time) {
	s.Ended = s.Ended || n.OrderEnded
	d := s.dispute(n.Reference)
	if d == nil {
		s.openDispute(n, now)
		d = &s.Disputes[len(s.Disputes)-1]
	}
	if n.Closed && !d.Closed {
		s.closeDispute(d, n.Won, now)
	}
}

func (s *State) openDispute(n *DisputeNews, now time.Time) {
	d := Dispute{
		Reference: n.Reference, Amount: n.Amount, Fee: n.Fee, Reason: n.Reason, OpenedAt: n.At, EvidenceBy: n.EvidenceBy,
		LookAt: now.Add(decisionPatience),
	}
	d.SubmitAt = now.Add(evidenceUnknown)
	if !n.EvidenceBy.IsZero() {
		d.SubmitAt = n.EvidenceBy.Add(-evidenceMargin)
	}
	s.post(Post{Kind: PostDisputeOpened, About: d.Reference, Amount: d.Amount, Fee: d.Fee})
	s.tell(now, "The customer's bank took %s back%s", s.amount(d.Amount), because(d.Reason))
	if !n.Closed {
		d.Send = s.Ended
		if !s.Ended {
			s.Stops = append(s.Stops, d.Reference)
		}
		s.raise(now, matterDispute(d.Reference), "the customer's bank took %s back%s: what has not left is being stopped, and our answer goes to the bank by %s",
			s.amount(d.Amount), because(d.Reason), d.SubmitAt.UTC().Format("2 Jan 2006"))
	}
	s.Disputes = append(s.Disputes, d)
}

// closeDispute: won, the money is ours again, and what was held of refunds is a person's to make. Lost,
// the bank has given the customer the money: what we held back for the same goods is not owed any more.
func (s *State) closeDispute(d *Dispute, won bool, now time.Time) {
	d.Closed, d.Won, d.Send, d.LookAt = true, won, false, time.Time{}
	s.lower(matterDispute(d.Reference))
	s.Stops = deleteOf(s.Stops, d.Reference)
	if won {
		s.post(Post{Kind: PostDisputeWon, About: d.Reference, Amount: d.Amount})
		s.tell(now, "The bank decided for us: %s is ours again", s.amount(d.Amount))
	} else {
		s.post(Post{Kind: PostDisputeLost, About: d.Reference, Amount: d.Amount})
		s.tell(now, "The bank decided for the customer: %s is lost", s.amount(d.Amount))
		s.setOff(d, now)
	}
	if s.Disputed() {
		return
	}
	for i := range s.Refunds {
		if r := &s.Refunds[i]; r.Standing == RefundHeld {
			s.hold(r, now)
		}
	}
}

func (s *State) setOff(d *Dispute, now time.Time) {
	left := d.Amount
	for i := range s.Refunds {
		r := &s.Refunds[i]
		if !r.owed() || r.Standing == RefundAgain || r.Amount > left {
			continue
		}
		left -= r.Amount
		r.Standing = RefundSetOff
		s.post(Post{Kind: PostRefundSetOff, About: r.Key, N: r.Try, Amount: r.Amount})
		s.lower(matterRefund(r.Key))
		s.tell(now, "The refund of %s is not owed any more: the customer has it from the bank", s.amount(r.Amount))
	}
}

// takeStanding: somebody captured, voided or let expire at the provider what is ours to capture.
func (s *State) takeStanding(p Standing, now time.Time) {
	if !p.ExpiresAt.IsZero() {
		s.ExpiresAt = p.ExpiresAt
	}
	if !s.held() || s.busy(StepCapture) || s.busy(StepVoid) {
		return
	}
	switch p.Status {
	case "captured":
		s.Early = true // the capture's own step asks the provider how much it was
		s.Capture.RetryAt, s.Capture.Refusals = time.Time{}, 0
	case "voided", "declined":
		s.gone(now)
	}
}

// gone: nothing is held any more. What is due has to come by other ways.
func (s *State) gone(now time.Time) {
	s.Capture.Gone, s.Capture.RetryAt = true, time.Time{}
	if s.Due() <= 0 {
		return
	}
	s.raise(now, matterCapture, "the authorisation has ended without a capture, and %s is due: be paid by other means and say paid_elsewhere, or write it off",
		s.amount(s.Due()))
}
