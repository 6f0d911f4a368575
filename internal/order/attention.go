package order

import (
	"slices"
	"strings"
	"time"
)

// noteHolds tells a person about units that a supplier has but will not ship as things stand.
func (s *State) noteHolds(po *PurchaseOrder, now time.Time) {
	t := po.totals()
	if t.OnHold == 0 {
		s.lower("hold/" + po.Number)
		return
	}
	s.raise(now, "hold/"+po.Number, "%s holds units of %s and does not say until when: %s", po.Terms.Name, po.Number, summary(&Units{OnHold: t.OnHold}))
}

// tidy ends what is no longer so, and asks for a person where no clock would ever run: nobody should
// be called for what has settled itself, and no order may sit without a next step.
func (s *State) tidy(now time.Time) {
	if s.Validated && len(s.unassigned()) == 0 && len(s.Supply.Asked) == 0 {
		s.Supply = Supply{Decisions: s.Supply.Decisions}
	}
	if s.Hold == nil {
		s.lower("review")
		s.lower("review-escalated")
	}
	for i := range s.POs {
		s.tidyPurchaseOrder(&s.POs[i], now)
	}
	s.tidyClaims()
	s.tidyStalled()
}

// tidyClaims: a supplier that claims units it has lost is somebody's business as long as the order
// lives. What it ships after that opens a case. A cancellation that nobody could read is about nothing
// any more.
func (s *State) tidyClaims() {
	if !s.complete() {
		return
	}
	for i := range s.POs {
		s.lower("claims/" + s.POs[i].Number)
	}
	s.lower("unreadable/cancel")
}

func (s *State) tidyPurchaseOrder(po *PurchaseOrder, now time.Time) {
	t := po.totals()
	if t.Accepted+t.OnHold+t.Labelled == 0 {
		s.lower("ship/" + po.Number)
	}
	if t.CancelRequested == 0 {
		s.lower("answer/" + po.Number)
	}
	if t.Backordered == 0 {
		s.lower("backorder/" + po.Number)
	}
	if t.OnHold == 0 {
		s.lower("hold/" + po.Number)
	}
	if t.open() == 0 {
		s.lower("conflict/" + po.Number)
	}
	if s.unwatched(po, &t) {
		s.raise(now, "clock/"+po.Number, "%s has %s, but no deadline for it is known: watch it by hand", po.Terms.Name, po.Number)
	} else {
		s.lower("clock/" + po.Number)
	}
}

// unwatched: a supplier has units, and no clock runs for them. That happens to a purchase order whose
// send was refused or never answered, and which its supplier ships nevertheless.
func (s *State) unwatched(po *PurchaseOrder, t *Units) bool {
	if po.Phase != Submitted || s.busy(StepDispatch, po.Number) || s.busy(StepLookUp, po.Number) {
		return false
	}
	if t.Pending > 0 {
		return po.AckDueAt.IsZero()
	}
	return t.Accepted+t.OnHold+t.Labelled > 0 && po.ShipDueAt.IsZero()
}

// tidyStalled ends the call for a person about steps that are no longer needed.
func (s *State) tidyStalled() {
	const prefix = "stalled/"
	var due []Step
	for _, a := range slices.Clone(s.Attention) {
		kind, subject, found := strings.Cut(strings.TrimPrefix(a.Key, prefix), "/")
		if !strings.HasPrefix(a.Key, prefix) || !found || s.busy(StepKind(kind), subject) {
			continue
		}
		if due == nil {
			due = s.Steps()
		}
		if !slices.ContainsFunc(due, func(step Step) bool { return string(step.Kind) == kind && step.Subject == subject }) {
			s.lower(a.Key)
		}
	}
}
