package order

import (
	"strconv"
	"time"
)

// CaseKind is why a shipment that nobody waits for is under way.
type CaseKind string

// A duplicate shipment comes from a supplier that had lost the units; an over-shipment is more
// than it was ever asked for.
const (
	DuplicateShipment CaseKind = "duplicate_shipment"
	OverShipment      CaseKind = "over_shipment"
)

// CaseStatus is how far a case is.
type CaseStatus string

// A case is opened, the supplier is asked to intercept the parcel, and it ends intercepted or
// absorbed as a loss. Deciding waits for a person.
const (
	CaseOpened       CaseStatus = "opened"
	CaseIntercepting CaseStatus = "intercepting"
	CaseDeciding     CaseStatus = "deciding"
	CaseIntercepted  CaseStatus = "intercepted"
	CaseAbsorbed     CaseStatus = "absorbed_as_loss"
)

// Case is a parcel, or a part of one, that was shipped although the units were no longer the
// supplier's to ship. It never counts as shipped for the customer's order.
type Case struct {
	Key      string        `json:"key"`
	Kind     CaseKind      `json:"kind"`
	Status   CaseStatus    `json:"status"`
	PO       string        `json:"po"`
	Carrier  string        `json:"carrier"`
	Tracking string        `json:"tracking"`
	Lines    []ShippedLine `json:"lines"`
	Value    int64         `json:"value"` // at the supplier's unit cost, minor units of its currency
	// Unvalued: some of it has no unit cost, because the purchase order does not have its line.
	Unvalued bool `json:"unvalued,omitempty"`
}

// Open is true while the case waits for something.
func (c *Case) Open() bool { return c.Status != CaseIntercepted && c.Status != CaseAbsorbed }

// next says what an open case waits for.
func (c *Case) next() string {
	if c.Status == CaseDeciding {
		return "a person's decision about parcel " + c.Tracking
	}
	return "the supplier's word whether parcel " + c.Tracking + " was stopped"
}

// Case finds a case by key; nil when there is none.
func (s *State) Case(key string) *Case {
	for i := range s.Cases {
		if s.Cases[i].Key == key {
			return &s.Cases[i]
		}
	}
	return nil
}

// openCase adds surplus units of a parcel to its case.
func (s *State) openCase(po *PurchaseOrder, p *Parcel, line int, quantity int64, now time.Time) {
	c := s.openCaseOf(po, p)
	if c == nil {
		s.Cases = append(s.Cases, Case{
			Key: po.Number + "-s" + strconv.Itoa(s.casesOf(po)+1), Kind: OverShipment, Status: CaseOpened,
			PO: po.Number, Carrier: p.Carrier, Tracking: p.Tracking,
		})
		c = &s.Cases[len(s.Cases)-1]
	}
	c.Lines = addLine(c.Lines, line, quantity)
	if pl := po.line(line); pl != nil {
		c.Value += quantity * pl.UnitCost
		if pl.Units.Cancelled+pl.Units.Rerouted+pl.Units.Rejected > 0 {
			c.Kind = DuplicateShipment
		}
	} else {
		c.Unvalued = true
	}
	s.tell(now, "%s shipped %d of line %d that are not its to ship (%s): intercept first",
		po.Terms.Name, quantity, line, po.Number)
	s.Unrecorded = true
}

func (s *State) openCaseOf(po *PurchaseOrder, p *Parcel) *Case {
	for i := range s.Cases {
		if c := &s.Cases[i]; c.Open() && c.PO == po.Number && c.Carrier == p.Carrier && c.Tracking == p.Tracking {
			return c
		}
	}
	return nil
}

func (s *State) casesOf(po *PurchaseOrder) int {
	n := 0
	for i := range s.Cases {
		if s.Cases[i].PO == po.Number {
			n++
		}
	}
	return n
}

// mixedParcel keeps a case from stopping goods that the customer waits for: a parcel that also
// carries those is not intercepted.
func (s *State) mixedParcel(po *PurchaseOrder, p *Parcel, now time.Time) {
	if c := s.openCaseOf(po, p); c != nil && c.Status == CaseOpened && len(p.Lines) > 0 {
		s.caseUnstoppable(c, "it also carries goods that the customer waits for", now)
	}
}

func (s *State) caseNews(c *Case, m *ParcelNews, now time.Time) {
	switch m.Milestone {
	case ParcelReturning:
		s.closeCase(c, CaseIntercepted, "the parcel is on its way back", now)
	case ParcelDelivered, ParcelLost:
		if c.Status != CaseDeciding {
			s.caseUnstoppable(c, "it was "+string(m.Milestone), now)
		}
	}
}

// caseUnstoppable decides a case whose parcel cannot be stopped. What has no price on the purchase
// order cannot be held against the limit.
func (s *State) caseUnstoppable(c *Case, why string, now time.Time) {
	if value, known := s.PO(c.PO).worth(c.Value); known && value <= s.Policy.AbsorbUpTo && !c.Unvalued {
		s.closeCase(c, CaseAbsorbed, "written off: "+why, now)
		return
	}
	c.Status = CaseDeciding
	s.raise(now, "case/"+c.Key, "parcel %s of %s could not be stopped (%s): resolve case %s as %s or %s", c.Tracking, c.PO, why, c.Key, CaseIntercepted, CaseAbsorbed)
}

func (s *State) closeCase(c *Case, status CaseStatus, how string, now time.Time) {
	c.Status = status
	s.lower("case/" + c.Key)
	s.tell(now, "Case %s: %s", c.Key, how)
	s.Unrecorded = true
}

// ResolveCase is a person's decision on a case: absorb it, or take it as intercepted because the
// goods came back.
func (s *State) ResolveCase(key string, status CaseStatus, now time.Time) {
	if c := s.Case(key); c != nil && c.Open() {
		s.closeCase(c, status, "decided by an operator: "+string(status), now)
	}
}
