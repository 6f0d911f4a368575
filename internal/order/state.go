// Package order holds the rules of an order's life as one pure state machine.
//
// Facts and requests change the State; Plan says what to do next and what to wait for. The package
// knows no clock, no database and no Temporal: the workflow feeds it and carries out its plan, the
// simulator drives it through a million lives, and the same code renders an order for a reader.
//
// Plan is a function of the State alone (level-triggered): whatever order facts came in, whatever
// was interrupted, asking again gives the steps that are still due.
package order

import (
	"fmt"
	"time"
)

// Stage is how far an order is, in one word for lists and filters.
type Stage string

// The stages of an order's life.
const (
	StageReceived     Stage = "received"
	StageHeld         Stage = "held"
	StageBackordered  Stage = "backordered"
	StageDispatched   Stage = "dispatched"
	StageAcknowledged Stage = "acknowledged"
	StageShipped      Stage = "shipped"
	StageDelivered    Stage = "delivered"
	StageSettled      Stage = "settled"
	StageCancelled    Stage = "cancelled"
)

// State is everything an order's workflow knows. It holds no personal data and no prices of the
// customer's lines: those stay in Postgres and are read where they are used.
type State struct {
	Key      Key    `json:"key"`
	Currency string `json:"currency,omitempty"`
	Country  string `json:"country,omitempty"`
	Policy   Policy `json:"policy"`

	Lines  []Line          `json:"lines,omitempty"`
	POs    []PurchaseOrder `json:"purchaseOrders,omitempty"`
	Cases  []Case          `json:"cases,omitempty"`
	Hold   *Hold           `json:"hold,omitempty"`
	Supply Supply          `json:"supply"`
	// Refunds is how many refunds were made: each has the key of its number. Refunding is what the
	// next one gives back, fixed when it is first tried, because its amount is.
	Refunds   int           `json:"refunds,omitempty"`
	Refunding []ShippedLine `json:"refunding,omitempty"`
	// RefundPaid: a person has paid the refund under way past the storefront; it is only to be booked.
	RefundPaid bool `json:"refundPaid,omitempty"`

	// Paid is the newest payment that came after the order was placed. Overpaid: more than is due was paid, which
	// goes back; Repaying: the refund under way gives it back.
	Paid     CustomerPaid `json:"paid,omitzero"`
	Overpaid bool         `json:"overpaid,omitempty"`
	Repaying bool         `json:"repaying,omitempty"`

	// A release that did not know later payments, wakes of a resting step (RefundPaid) or that a fact's kind may be
	// unknown took such a fact for nothing in this run, which goes on like that.
	IgnoresPayments bool `json:"ignoresPayments,omitempty"`
	IgnoresWakes    bool `json:"ignoresWakes,omitempty"`
	IgnoresUnknown  bool `json:"ignoresUnknown,omitempty"`

	// Money is shown to operators; what decides about it is the ledger.
	Money Money `json:"money"`

	// Validated, Settled: the first and the last step are done.
	Validated bool `json:"validated,omitempty"`
	Settled   bool `json:"settled,omitempty"`

	// SettleFact is the newest fact that the settlement under way knows of.
	SettleFact int64 `json:"settleFact,omitempty"`

	// LastFact is the number of the newest fact applied: any fact up to it is a repeat.
	LastFact int64 `json:"lastFact,omitempty"`
	// Missed: a fact before one that came, or one that could not be read, is still to be fetched.
	Missed bool `json:"missed,omitempty"`
	// Requests are the ids of the cancellations applied, so that a repeat is a no-op.
	Requests []string `json:"requests,omitempty"`
	// Early are cancellations that came before the order was validated.
	Early []CancelRequest `json:"early,omitempty"`

	// MovedAt is when the goods were sent to another address; what went out before goes to the old one.
	MovedAt time.Time `json:"movedAt,omitzero"`

	// Exclusions are the suppliers that gave units of a SKU back; routing passes them over.
	Exclusions []Exclusion `json:"exclusions,omitempty"`
	// Attention is what waits for a person.
	Attention []Attention `json:"attention,omitempty"`
	// Journal is the order's story, newest last.
	Journal []Entry `json:"journal,omitempty"`

	// Notices are customer messages decided and not yet recorded.
	Notices []Notice `json:"notices,omitempty"`
	// Revision orders the snapshots that go to Postgres, so that an older one never overtakes a newer. It
	// only grows, and is never behind the time of the workflow task (in Unix milliseconds).
	Revision int64 `json:"revision,omitempty"`
	// Unrecorded is set when a decision has not reached Postgres.
	Unrecorded bool `json:"unrecorded,omitempty"`
	// Busy are the keys of the steps under way.
	Busy []string `json:"busy,omitempty"`
}

// Money is what the customer paid and got back, in minor units of the order's currency.
type Money struct {
	Captured int64 `json:"captured,omitempty"`
	Refunded int64 `json:"refunded,omitempty"`
}

// Policy is what the storefront wants done, frozen when the order was validated. Durations are in
// nanoseconds, as Go writes them.
type Policy struct {
	Backorder           BackorderAction `json:"backorder,omitempty"`
	BackorderWaitAtMost time.Duration   `json:"backorderWaitAtMost,omitempty"`
	// ShipGrace is how long after a missed ship deadline the units are asked back; with ShipHold a
	// person decides instead.
	ShipGrace           time.Duration `json:"shipGrace,omitempty"`
	ShipHold            bool          `json:"shipHold,omitempty"`
	ReviewEscalateAfter time.Duration `json:"reviewEscalateAfter,omitempty"`
	ReviewCancelAfter   time.Duration `json:"reviewCancelAfter,omitempty"`
	// AbsorbUpTo is the value in minor units up to which goods that were shipped twice, and could
	// not be stopped, are written off without asking.
	AbsorbUpTo int64 `json:"absorbUpTo,omitempty"`
}

// BackorderAction is what to do with units that a supplier cannot ship yet.
type BackorderAction string

// The storefront's choices for backordered units.
const (
	BackorderWait   BackorderAction = "wait"
	BackorderMove   BackorderAction = "move"
	BackorderCancel BackorderAction = "cancel"
)

// Line is one line of the customer's order. Ordered = Unassigned + Cancelled + the live units of
// the line on all purchase orders.
type Line struct {
	Line       int    `json:"line"`
	SKU        string `json:"sku"`
	Ordered    int64  `json:"ordered"`
	Unassigned int64  `json:"unassigned,omitempty"`
	Cancelled  int64  `json:"cancelled,omitempty"`
	// Refunded is the units whose price went back to the customer.
	Refunded int64 `json:"refunded,omitempty"`
}

// Exclusion keeps routing from giving units back to a supplier that gave them up.
type Exclusion struct {
	Supplier string `json:"supplier"`
	SKU      string `json:"sku"`
	Reason   string `json:"reason"`
}

// Supply is the search for suppliers: when units found no offer, and until when it goes on.
type Supply struct {
	Decisions int       `json:"decisions,omitempty"` // routing decisions taken
	Since     time.Time `json:"since,omitzero"`      // units are without an offer since
	TryAt     time.Time `json:"tryAt,omitzero"`      // zero: try now
	Until     time.Time `json:"until,omitzero"`      // then the units are cancelled
	// Asked is what the decision under way is about. A decision that was tried before is tried again as
	// it was: Postgres may hold its answer.
	Asked []ShippedLine `json:"asked,omitempty"`
}

// Hold is a doubt about an order that a person has to decide.
type Hold struct {
	Reasons []string `json:"reasons"`
	// Unpaid is the one among the reasons that a payment ends; empty: there is none.
	Unpaid     string    `json:"unpaid,omitempty"`
	Since      time.Time `json:"since"`
	EscalateAt time.Time `json:"escalateAt"`
	CancelAt   time.Time `json:"cancelAt"`
	Escalated  bool      `json:"escalated,omitempty"`
}

// Attention is something that waits for a person, under a key that removes it when it is settled.
type Attention struct {
	Key   string    `json:"key"`
	Text  string    `json:"text"`
	Since time.Time `json:"since"`
}

// Entry is one line of the order's story.
type Entry struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Notice is a message about a decision. Key is its identity: each is sent once.
type Notice struct {
	Key   string        `json:"key"`
	Kind  NoticeKind    `json:"kind"`
	PO    string        `json:"po,omitempty"`
	Lines []ShippedLine `json:"lines,omitempty"`
}

// NoticeKind is what a customer, or for a reminder the supplier, is told.
type NoticeKind string

// The messages that follow from decisions. Those about parcels follow from their scans.
const (
	NoticeBackordered NoticeKind = "backordered"
	NoticeCancelled   NoticeKind = "cancelled"
	NoticeLost        NoticeKind = "lost"
	NoticeReminder    NoticeKind = "supplier_reminder"
)

// journalLimit bounds the story kept in the workflow; the whole of it is in the event history.
const journalLimit = 60

func (s *State) tell(now time.Time, format string, args ...any) {
	s.Journal = append(s.Journal, Entry{At: now.UTC().Truncate(time.Millisecond), Text: fmt.Sprintf(format, args...)})
	if len(s.Journal) > journalLimit {
		s.Journal = s.Journal[len(s.Journal)-journalLimit:]
	}
}

func (s *State) raise(now time.Time, key, format string, args ...any) {
	for i := range s.Attention {
		if s.Attention[i].Key == key {
			return
		}
	}
	text := fmt.Sprintf(format, args...)
	s.Attention = append(s.Attention, Attention{Key: key, Text: text, Since: now.UTC().Truncate(time.Millisecond)})
	s.tell(now, "Needs attention: %s", text)
	s.Unrecorded = true
}

func (s *State) lower(key string) {
	for i := range s.Attention {
		if s.Attention[i].Key == key {
			s.Attention = append(s.Attention[:i], s.Attention[i+1:]...)
			s.Unrecorded = true
			return
		}
	}
}

func (s *State) line(n int) *Line {
	for i := range s.Lines {
		if s.Lines[i].Line == n {
			return &s.Lines[i]
		}
	}
	return nil
}

// PO finds a purchase order by number; nil when the order has none of that number.
func (s *State) PO(number string) *PurchaseOrder {
	for i := range s.POs {
		if s.POs[i].Number == number {
			return &s.POs[i]
		}
	}
	return nil
}

// Stage derives the one word from where the units stand.
func (s *State) Stage() Stage {
	var ordered, cancelled, unassigned int64
	for i := range s.Lines {
		ordered += s.Lines[i].Ordered
		cancelled += s.Lines[i].Cancelled
		unassigned += s.Lines[i].Unassigned
	}
	total := s.totals()
	switch {
	case s.Validated && cancelled == ordered:
		return StageCancelled
	case s.Settled:
		return StageSettled
	case s.Hold != nil:
		return StageHeld
	case total.Backordered > 0 || (unassigned > 0 && !s.Supply.Since.IsZero()):
		return StageBackordered
	case !s.Validated || unassigned > 0 || !s.submitted():
		return StageReceived
	case total.Pending > 0:
		return StageDispatched
	case total.open() > 0:
		return StageAcknowledged
	case total.Shipped > 0 || total.Delivered == 0:
		return StageShipped // also what is lost or on its way back until that is settled
	}
	return StageDelivered
}

// submitted is true when every purchase order with live units has reached its supplier.
func (s *State) submitted() bool {
	for i := range s.POs {
		if s.POs[i].Phase != Submitted && s.POs[i].Live() > 0 {
			return false
		}
	}
	return true
}

func (s *State) totals() Units {
	var t Units
	for i := range s.POs {
		for j := range s.POs[i].Lines {
			t.add(&s.POs[i].Lines[j].Units)
		}
	}
	return t
}

func (u *Units) add(o *Units) {
	u.Pending += o.Pending
	u.Accepted += o.Accepted
	u.Backordered += o.Backordered
	u.OnHold += o.OnHold
	u.CancelRequested += o.CancelRequested
	u.Labelled += o.Labelled
	u.Shipped += o.Shipped
	u.Delivered += o.Delivered
	u.Returned += o.Returned
	u.Lost += o.Lost
	u.Cancelled += o.Cancelled
	u.Rejected += o.Rejected
	u.Rerouted += o.Rerouted
}

// Check finds what breaks the conservation of goods. A nil answer is the invariant.
func (s *State) Check() error {
	for i := range s.Lines {
		l := &s.Lines[i]
		var live int64
		for j := range s.POs {
			if pl := s.POs[j].line(l.Line); pl != nil {
				live += pl.Units.Live()
			}
		}
		if l.Unassigned < 0 || l.Cancelled < 0 || l.Ordered != l.Unassigned+l.Cancelled+live {
			return fmt.Errorf("order %s line %d: ordered %d, but unassigned %d + cancelled %d + live %d",
				s.Key, l.Line, l.Ordered, l.Unassigned, l.Cancelled, live)
		}
		if gone := s.gone(l); l.Refunded > gone {
			return fmt.Errorf("order %s line %d: refunded %d units, only %d are cancelled, lost or returned",
				s.Key, l.Line, l.Refunded, gone)
		}
	}
	for i := range s.POs {
		for j := range s.POs[i].Lines {
			pl := &s.POs[i].Lines[j]
			if pl.Units.Sum() != pl.Quantity {
				return fmt.Errorf("purchase order %s line %d: quantity %d, but its states add up to %d",
					s.POs[i].Number, pl.Line, pl.Quantity, pl.Units.Sum())
			}
		}
	}
	return nil
}

// gone is the units of a line whose price is owed back to the customer.
func (s *State) gone(l *Line) int64 {
	n := l.Cancelled
	for i := range s.POs {
		if pl := s.POs[i].line(l.Line); pl != nil {
			n += pl.Units.Lost + pl.Units.Returned
		}
	}
	return n
}
