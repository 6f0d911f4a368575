package returns

import (
	"fmt"
	"slices"
	"time"

	"github.com/dropline/dropline/internal/order"
)

// AuthorisedWith takes what came of telling the supplier and making the label.
func (s *State) AuthorisedWith(label *Label, answer *SupplierAnswer, now time.Time) {
	s.done(StepAuthorise)
	s.Authorised, s.Label, s.Unrecorded = true, label, true
	if answer != nil {
		s.takeAnswer(answer, now)
	}
	if s.Keep {
		s.notify(NoticeKeep, "")
		s.tell(now, "The customer keeps the goods")
		s.expectCredit(now)
		return
	}
	if !s.Cancelled {
		s.notify(NoticeAuthorised, "")
	}
}

// Payment is what came of paying the customer once: minor units that went back as money, were given as store
// credit and were used for an exchange, the order that the exchange made, and the same in words. Lines are the
// units that were paid for; nil: all that the payment under way covers.
type Payment struct {
	Money, Credit, Moved int64
	Replacement          string
	Text                 string
	Lines                []order.ShippedLine
}

// PaidWith takes the end of a payment. A return that was begun anew may ask for more than its payment of that
// number was fixed for: the rest stays owed.
func (s *State) PaidWith(p Payment, now time.Time) {
	s.done(StepPay)
	paid := p.Lines
	if paid == nil {
		paid = s.Paying.units()
	}
	for _, u := range paid {
		if l := s.line(u.Line); l != nil {
			l.Settled += u.Quantity
		}
	}
	if s.Paying.Exchange || s.Paying.Supplement > 0 {
		s.Exchanged = true
	}
	s.Paying, s.PaidElsewhere = nil, false
	s.Paid++
	s.PaidMinor, s.CreditedMinor, s.MovedMinor = s.PaidMinor+p.Money, s.CreditedMinor+p.Credit, s.MovedMinor+p.Moved
	if p.Replacement != "" {
		s.Replacement = p.Replacement
	}
	s.Unrecorded = true
	s.tell(now, "%s", p.Text)
}

// Recorded ends a snapshot; the notices it carried are on their way.
func (s *State) Recorded(k StepKind, carried int) {
	s.done(k)
	s.Notices = s.Notices[min(carried, len(s.Notices)):]
}

// grantedAnew is the matter of units that two returns may bring back.
const grantedAnew = "granted-anew"

// GrantedAnew takes the lines, such as "1, 2", whose units were granted for another return after this one was given
// up, though its goods come after all. Which return brings them only people know, so one is asked, once for the
// same lines. Empty: the matter is over.
func (s *State) GrantedAnew(lines string, now time.Time) {
	if lines == s.Anew {
		return
	}
	s.Anew, s.Unrecorded = lines, true
	s.lower(grantedAnew)
	if lines != "" {
		s.raise(now, grantedAnew, "the goods of %s come after it was given up, and another return was granted for the same units (line %s): "+
			"cancel that one if it is for the same goods, and note it", s.RMA, lines)
	}
}

// Stalled tells a person that a step keeps failing.
func (s *State) Stalled(k StepKind, why string, now time.Time) {
	s.raise(now, "stalled/"+string(k), "%s keeps failing and is tried again: %s", k, why)
}

// Again makes a stalled step due again.
func (s *State) Again(k StepKind) {
	s.done(k)
	switch k {
	case StepRecord:
		s.Unrecorded = true
	case StepClose:
		s.Unrecorded, s.Closed = true, false
	case StepPay:
		s.PaidElsewhere = false
	}
}

// Woken: what a stalled step rests for has come, and it is due before its rest is over.
func (s *State) Woken(k StepKind) bool { return k == StepPay && s.PaidElsewhere }

// Resumed notes that a step that had stalled went through.
func (s *State) Resumed(k StepKind) { s.lower("stalled/" + string(k)) }

// Recover makes a recorded state ready to go on from in a new run.
func (s *State) Recover() {
	s.Busy = nil
	s.Closed = false
	s.Unrecorded = true
}

func refuse(format string, args ...any) error {
	return &order.Refusal{Reason: fmt.Sprintf(format, args...)}
}

// CanCancel says whether the customer can still take the return back.
func (s *State) CanCancel(r CancelRequest) error {
	switch {
	case r.ID == "":
		return refuse("a cancellation needs an id")
	case slices.Contains(s.Requests, r.ID):
		return nil
	case s.Cancelled:
		return refuse("return %s is cancelled already", s.RMA)
	case s.Expired:
		return refuse("return %s has expired: there is nothing to cancel", s.RMA)
	case s.Inspected || s.Paid > 0 || s.Paying != nil:
		return refuse("return %s cannot be cancelled any more: the goods are back or paid for", s.RMA)
	case handedIn(s.Parcel) && s.Parcel != order.ParcelReturning:
		return refuse("return %s cannot be cancelled any more: the parcel is on its way", s.RMA)
	}
	return nil
}

// Cancel takes the return back.
func (s *State) Cancel(r CancelRequest, now time.Time) {
	if slices.Contains(s.Requests, r.ID) {
		return
	}
	s.Requests = append(s.Requests, r.ID)
	s.Cancelled, s.Unrecorded = true, true
	s.lower("supplier-refused")
	s.lower(goesBack)
	s.countCredit(now)
	s.tell(now, "Cancelled by %s: the customer keeps the goods", r.By)
}

// Decision is what a person rules about units of a line, or about the whole return.
type Decision struct {
	// ID makes a repeat a no-op.
	ID string `json:"id"`
	// Line and ShareBP: so much of the price of the units that came back wrong goes back.
	Line    int   `json:"line,omitempty"`
	ShareBP int64 `json:"shareBp"`
	// Findings notes an inspection that somebody reported to us in words.
	Findings *Inspection `json:"findings,omitempty"`
	// WriteOff lets go what the supplier still owes; Reason is a code, By who answers for it.
	WriteOff bool   `json:"writeOff,omitempty"`
	Reason   string `json:"reason,omitempty"`
	// Left is what the supplier owed when the decision was made, in minor units: a credit that comes
	// meanwhile is not written off with the rest. Zero: whatever is left.
	Left int64 `json:"left,omitempty"`
	// Noted ends a matter that needs nothing but having been seen, by its key.
	Noted string `json:"noted,omitempty"`
	By    string `json:"by"`
}

// noted are the matters that need nothing but having been seen.
var noted = []string{"surplus", "not-granted", "credit-over", grantedAnew, unknownFact}

// CanDecide says whether a decision fits the return as it stands.
func (s *State) CanDecide(d Decision) error {
	switch {
	case d.ID == "" || d.By == "":
		return refuse("a decision needs an id and who makes it")
	case slices.Contains(s.Requests, d.ID):
		return nil
	case d.WriteOff:
		if s.Claim.Open() <= 0 {
			return refuse("%s owes nothing for return %s", s.Terms.Name, s.RMA)
		}
		if d.Left != 0 && d.Left != s.Claim.Open() {
			return refuse("%s owes another amount for return %s by now: look again", s.Terms.Name, s.RMA)
		}
		if d.Reason == "" {
			return refuse("writing off needs a reason")
		}
		return nil
	case d.Noted != "":
		if !slices.Contains(noted, d.Noted) {
			return refuse("%q is not a matter that can be noted", d.Noted)
		}
		return nil
	case d.Findings != nil:
		if s.Inspected {
			return refuse("return %s was inspected already", s.RMA)
		}
		return s.canFind(d.Findings)
	case s.Answer == SupplierRefused && !s.Inspected && !s.Cancelled && d.Line == 0:
		if d.ShareBP != 0 && d.ShareBP != whole {
			return refuse("refund it whole (10000) without the goods, or refuse it (0)")
		}
		return nil
	}
	l := s.line(d.Line)
	switch {
	case l == nil:
		return refuse("return %s has no line %d", s.RMA, d.Line)
	case s.undecided(l) == 0:
		return refuse("nothing is to be decided about line %d of return %s", d.Line, s.RMA)
	case d.ShareBP < 0 || d.ShareBP > whole:
		return refuse("the share is 0 to 10000 basis points")
	}
	return nil
}

func (s *State) canFind(in *Inspection) error {
	for _, f := range in.Lines {
		if s.line(f.Line) == nil || f.Quantity <= 0 || !slices.Contains(Conditions, f.Condition) {
			return refuse("findings need a line of the return, a quantity and a condition of %v", Conditions)
		}
	}
	return nil
}

// Decide carries a decision out.
func (s *State) Decide(d Decision, now time.Time) {
	if slices.Contains(s.Requests, d.ID) {
		return
	}
	s.Requests = append(s.Requests, d.ID)
	s.Unrecorded = true
	switch {
	case d.WriteOff:
		open := s.Claim.Open()
		s.Claim.WrittenOff += open
		s.Claim.WrittenBy = d.By
		s.tell(now, "%s writes off %s that %s owes: %s", d.By, s.owed(open), s.Terms.Name, d.Reason)
		s.creditChanged(now)
	case d.Noted != "":
		if d.Noted == "credit-over" {
			s.Claim.Over = 0
		}
		s.lower(d.Noted)
		s.tell(now, "%s has seen to it: %s", d.By, d.Noted)
	case d.Findings != nil:
		s.takeInspection(d.Findings, now)
	case d.Line == 0:
		s.withoutSupplier(d, now)
	default:
		l := s.line(d.Line)
		n := s.undecided(l)
		l.Ruled = append(l.Ruled, Ruling{Quantity: n, ShareBP: d.ShareBP, By: d.By})
		s.lower(rulingKey(l.Line))
		s.tell(now, "%s decides: %d%% of the price of %d × %s goes back", d.By, d.ShareBP/100, n, l.SKU)
		if d.ShareBP == 0 {
			s.notify(NoticeNotPaid, fmt.Sprintf("/%d", l.Line))
		}
	}
}

// withoutSupplier ends a return that the supplier refuses: the customer keeps what it still has, and is
// paid for it or not. What the supplier has found already counts as found.
func (s *State) withoutSupplier(d Decision, now time.Time) {
	s.lower("supplier-refused")
	s.lower("inspection") // nobody waits for it any more
	s.lower(goesBack)
	if d.ShareBP == 0 && s.found() == 0 {
		s.Cancelled = true
		s.notify(NoticeNotPaid, "")
		s.tell(now, "%s refuses the return, as %s does", d.By, s.Terms.Name)
		return
	}
	s.Inspected, s.InspectAt, s.InspectBy = true, now, time.Time{}
	for i := range s.Lines {
		l := &s.Lines[i]
		if n := s.undecided(l); n > 0 {
			l.Ruled = append(l.Ruled, Ruling{Quantity: n, ShareBP: d.ShareBP, By: d.By})
		}
	}
	s.expectCredit(now)
	if d.ShareBP == 0 {
		s.notify(NoticeNotPaid, "")
		s.tell(now, "%s refuses the rest of the return, as %s does", d.By, s.Terms.Name)
		return
	}
	s.Keep = true
	s.notify(NoticeKeep, "")
	s.tell(now, "%s decides: the customer keeps the goods and is refunded", d.By)
}
