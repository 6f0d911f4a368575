package order

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// CancelReply is the true answer to a cancellation, at the moment it was made.
type CancelReply struct {
	// Cancelled units are cancelled now; their price goes back.
	Cancelled []ShippedLine `json:"cancelled,omitempty"`
	// Asked units are with suppliers that have been asked to give them back.
	Asked []ShippedLine `json:"asked,omitempty"`
	// Message says the same in words, with what happens next.
	Message string `json:"message"`
}

// Refusal is a request the order cannot grant, and why. Its text is meant for a person.
type Refusal struct{ Reason string }

func (r *Refusal) Error() string { return r.Reason }

func refuse(format string, args ...any) error { return &Refusal{Reason: fmt.Sprintf(format, args...)} }

// beforeScan are the states from which a supplier can still be asked to give units back.
var beforeScan = []UnitState{Pending, Accepted, OnHold, Backordered, Labelled}

// CanCancel says whether a cancellation can be granted at all: nil, or a *Refusal that says what
// can be done instead. It changes nothing.
func (s *State) CanCancel(r CancelRequest) error {
	if r.ID == "" {
		return refuse("a cancellation needs an id, so that asking twice does not cancel twice")
	}
	if slices.Contains(s.Requests, r.ID) {
		return nil
	}
	if !s.Validated {
		return nil // every unit is still ours
	}
	for _, want := range r.Lines {
		l := s.line(want.Line)
		if l == nil {
			return refuse("the order has no line %d", want.Line)
		}
		if want.Quantity <= 0 {
			return refuse("line %d: the quantity to cancel must be at least 1", want.Line)
		}
		if can := s.cancellable(l); want.Quantity > can {
			return refuse("line %d: %d units cannot be cancelled, %d can: %s", want.Line, want.Quantity, can, s.instead(l))
		}
	}
	if len(r.Lines) == 0 {
		var can int64
		for i := range s.Lines {
			can += s.cancellable(&s.Lines[i])
		}
		if can == 0 {
			return refuse("nothing is left to cancel: %s", s.instead(&s.Lines[0]))
		}
	}
	return nil
}

// cancellable is the units of a line that can be cancelled now or asked back.
func (s *State) cancellable(l *Line) int64 {
	n := l.Unassigned
	for i := range s.POs {
		pl := s.POs[i].line(l.Line)
		if pl == nil {
			continue
		}
		for _, from := range beforeScan {
			n += *pl.Units.of(from)
		}
		n += s.POs[i].reroutable(l.Line)
	}
	return n
}

// reroutable is the units already asked back from a supplier in order to buy them elsewhere.
func (p *PurchaseOrder) reroutable(line int) int64 {
	var n int64
	for i := range p.Withdrawals {
		if !p.Withdrawals[i].open() {
			continue
		}
		for _, u := range p.Withdrawals[i].Units {
			if u.Line == line && u.Then == ThenReroute {
				n += u.Quantity
			}
		}
	}
	return n
}

// instead tells a person why units of a line are past cancelling and what can be done.
func (s *State) instead(l *Line) string {
	if l.Cancelled == l.Ordered {
		return "it is cancelled already"
	}
	for i := range s.POs {
		po := &s.POs[i]
		for j := range po.Parcels {
			p := &po.Parcels[j]
			if p.ScannedAt.IsZero() || !slices.ContainsFunc(p.Lines, func(x ShippedLine) bool { return x.Line == l.Line }) {
				continue
			}
			switch p.Milestone {
			case ParcelDelivered:
				return "parcel " + p.Tracking + " was delivered; ask for a return instead"
			case ParcelReturning, ParcelLost:
				return "parcel " + p.Tracking + " is " + string(p.Milestone) + "; its price goes back to the customer"
			}
			return "parcel " + p.Tracking + " was scanned by the carrier at " + Clock(p.ScannedAt) +
				"; it can be refused at the door or returned"
		}
		if w := po.openWithdrawal(); w != nil && w.cancels() {
			return po.Terms.Name + " has already been asked to cancel and has not answered yet"
		}
	}
	return "nothing of it is open any more"
}

// Cancel grants a cancellation as far as it can be granted. Before dispatch the units are cancelled
// at once; after it their suppliers are asked. A repeat of the same id changes nothing.
func (s *State) Cancel(r CancelRequest, now time.Time) CancelReply {
	if slices.Contains(s.Requests, r.ID) {
		return CancelReply{Message: "This cancellation was taken before; the order's status tells how it stands."}
	}
	s.Requests = append(s.Requests, r.ID)
	wanted := r.Lines
	if len(wanted) == 0 {
		for i := range s.Lines {
			wanted = append(wanted, ShippedLine{s.Lines[i].Line, s.Lines[i].Ordered})
		}
	}
	if !s.Validated {
		s.Early = append(s.Early, r)
		s.Requests = s.Requests[:len(s.Requests)-1]
		return CancelReply{Message: "The order has not been looked at yet; it is cancelled before anything is sent."}
	}
	s.lower("unreadable/cancel")
	by := r.By
	if by == "" {
		by = "the customer"
	}
	s.tell(now, "Cancellation requested by %s", by)
	s.Unrecorded = true
	var reply CancelReply
	asks := make([][]ask, len(s.POs))
	for _, want := range wanted {
		l := s.line(want.Line)
		if l == nil || want.Quantity <= 0 {
			continue
		}
		left := want.Quantity
		n := min(left, l.Unassigned)
		l.Unassigned -= n
		left -= n
		n += s.cancelUnsent(l, left)
		left = want.Quantity - n
		l.Cancelled += n
		reply.Cancelled = addLine(reply.Cancelled, l.Line, n)
		reply.Asked = addLine(reply.Asked, l.Line, s.askBack(l, left, asks))
	}
	for i := range asks {
		if len(asks[i]) > 0 {
			s.withdraw(&s.POs[i], "the customer cancelled", ThenCancel, asks[i], now)
		}
		s.fenceInsteadOfSending(&s.POs[i])
	}
	if len(reply.Cancelled) > 0 {
		s.notice(Notice{Key: "cancelled/" + r.ID, Kind: NoticeCancelled, Lines: reply.Cancelled})
	}
	if s.allCancelled() {
		s.Hold = nil
	}
	reply.Message = s.cancelMessage(&reply)
	return reply
}

func (s *State) allCancelled() bool {
	for i := range s.Lines {
		if s.Lines[i].Cancelled < s.Lines[i].Ordered {
			return false
		}
	}
	return len(s.Lines) > 0
}

// fenceInsteadOfSending: a purchase order that was to be sent once more has nothing left to send. Its
// first send may still be under way, so the supplier is told all the same.
func (s *State) fenceInsteadOfSending(po *PurchaseOrder) {
	if t := po.totals(); po.Phase == Created && po.Sends > 0 && t.Pending == 0 && t.CancelRequested > 0 {
		po.Phase = Submitted
	}
}

// cancelUnsent takes units from purchase orders that no supplier can have seen.
func (s *State) cancelUnsent(l *Line, left int64) int64 {
	var n int64
	for i := range s.POs {
		if pl := s.POs[i].line(l.Line); pl != nil && s.POs[i].Phase == Created && s.POs[i].Sends == 0 {
			n += pl.Units.move(Pending, Cancelled, left-n)
		}
	}
	return n
}

// askBack plans what to ask of each supplier, the least committed units first, and turns units that
// are already being asked back into cancelled ones.
func (s *State) askBack(l *Line, left int64, asks [][]ask) int64 {
	var asked int64
	for i := range s.POs {
		po := &s.POs[i]
		pl := po.line(l.Line)
		if pl == nil || left == asked {
			continue
		}
		asked += po.turnToCancel(l.Line, left-asked)
		var can int64
		for _, from := range beforeScan {
			can += *pl.Units.of(from)
		}
		if n := min(can, left-asked); n > 0 {
			asks[i] = append(asks[i], ask{l.Line, n, beforeScan})
			asked += n
		}
	}
	return asked
}

// turnToCancel changes what happens with units that are already being asked back.
func (p *PurchaseOrder) turnToCancel(line int, n int64) int64 {
	var turned int64
	for i := range p.Withdrawals {
		w := &p.Withdrawals[i]
		if !w.open() {
			continue
		}
		for j := range w.Units {
			u := &w.Units[j]
			if u.Line != line || u.Then != ThenReroute || turned == n {
				continue
			}
			turned += w.split(j, n-turned)
			w.Units[j].Then = ThenCancel
		}
	}
	return turned
}

func (s *State) cancelMessage(r *CancelReply) string {
	var parts []string
	if n := count(r.Cancelled); n > 0 {
		parts = append(parts, fmt.Sprintf("%s cancelled; the price goes back to the customer.", units(n)))
	}
	if n := count(r.Asked); n > 0 {
		parts = append(parts, fmt.Sprintf("%s already with suppliers: they have been asked to give them back, and their answer decides.", units(n)))
	}
	if len(parts) == 0 {
		return "Nothing could be cancelled any more."
	}
	return strings.Join(parts, " ")
}

func count(lines []ShippedLine) int64 {
	var n int64
	for _, l := range lines {
		n += l.Quantity
	}
	return n
}

func units(n int64) string {
	if n == 1 {
		return "1 unit is"
	}
	return fmt.Sprintf("%d units are", n)
}

// Review is a person's decision about a held order.
type Review string

// The decisions: amend approves the order with an address that was corrected beforehand.
const (
	ReviewApprove Review = "approve"
	ReviewAmend   Review = "amend"
	ReviewReject  Review = "reject"
)

// CanReview says whether a review decision can be taken: nil or a *Refusal.
func (s *State) CanReview(decision Review) error {
	if decision != ReviewApprove && decision != ReviewAmend && decision != ReviewReject {
		return refuse("review decision %q: want approve, amend or reject", decision)
	}
	if s.Hold == nil {
		return refuse("the order is not held for review; it is %s", s.Stage())
	}
	return nil
}

// TakeReview carries out a person's decision about a held order.
func (s *State) TakeReview(decision Review, by string, now time.Time) {
	if s.Hold == nil {
		return
	}
	s.Hold = nil
	s.lower("review")
	s.lower("review-escalated")
	s.Unrecorded = true
	if decision == ReviewReject {
		s.tell(now, "Rejected in review by %s", by)
		s.Cancel(CancelRequest{ID: "review", By: by, Reason: "rejected in review"}, now)
		return
	}
	s.tell(now, "Approved in review by %s", by)
}

// CanChangeAddress says whether the goods can still go elsewhere: nil or a *Refusal.
func (s *State) CanChangeAddress(sameCountry bool) error {
	if !sameCountry && s.busy(StepRoute, "") {
		return refuse("suppliers are being chosen for %s right now; ask again in a moment", s.Country)
	}
	for i := range s.POs {
		po := &s.POs[i]
		if po.Live() == 0 {
			continue
		}
		if po.Phase != Created || po.Sends > 0 {
			return refuse("purchase order %s has gone to %s with the old address; cancel the order and place it again, or ask the carrier to redirect the parcel",
				po.Number, po.Terms.Name)
		}
		if !sameCountry {
			return refuse("suppliers were chosen for %s already; cancel the order and place it again", s.Country)
		}
	}
	return nil
}

// ChangedAddress notes that the goods go elsewhere. country is the ISO code of the new address.
func (s *State) ChangedAddress(country string, now time.Time) {
	s.Country, s.MovedAt = country, now.UTC()
	s.tell(now, "The delivery address was changed")
	s.Unrecorded = true
}

// CanResolve says whether a person's decision is asked for: nil or a *Refusal. Exactly one of the
// keys is set.
func (s *State) CanResolve(withdrawal, caseKey string, outcome CaseStatus) error {
	switch {
	case (withdrawal == "") == (caseKey == ""):
		return refuse("name either a withdrawal or a case")
	case withdrawal != "":
		for i := range s.POs {
			if w := s.POs[i].Withdrawal(withdrawal); w != nil && s.POs[i].resolvable(w) {
				return nil
			}
		}
		return refuse("withdrawal %s is not open", withdrawal)
	}
	c := s.Case(caseKey)
	if c == nil || !c.Open() {
		return refuse("case %s is not open", caseKey)
	}
	if outcome != CaseIntercepted && outcome != CaseAbsorbed {
		return refuse("outcome %q: want %s or %s", outcome, CaseIntercepted, CaseAbsorbed)
	}
	return nil
}

// RefusedRequest notes a request that came without anybody to answer.
func (s *State) RefusedRequest(what string, why error, now time.Time) {
	s.tell(now, "Request to %s refused: %s", what, why)
}

// Unreadable notes a request that could not be read.
func (s *State) Unreadable(what string, now time.Time) {
	s.raise(now, "unreadable/"+what, "a %s signal could not be read: send no input to cancel the whole order, or {\"id\": \"…\", \"lines\": [{\"line\": 1, \"quantity\": 1}]}", what)
}

// Settling: the last step is under way.
func (s *State) Settling() bool { return s.busy(StepSettle, "") }

// Owed is what was refunded before, and these units.
func (s *State) Owed(lines []ShippedLine) []ShippedLine {
	var owed []ShippedLine
	for i := range s.Lines {
		owed = addLine(owed, s.Lines[i].Line, s.Lines[i].Refunded)
	}
	for _, l := range lines {
		owed = addLine(owed, l.Line, l.Quantity)
	}
	return owed
}

// RefundReason names in one word why units are refunded: the ledger's reason for the posting.
func (s *State) RefundReason(lines []ShippedLine) string {
	for _, l := range lines {
		if have := s.line(l.Line); have.Refunded+l.Quantity <= have.Cancelled {
			continue
		}
		for i := range s.POs {
			if pl := s.POs[i].line(l.Line); pl != nil && pl.Units.Lost > 0 {
				return "lost"
			}
			if pl := s.POs[i].line(l.Line); pl != nil && pl.Units.Returned > 0 {
				return "returned"
			}
		}
	}
	return "cancelled"
}
