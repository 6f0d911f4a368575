package carrier

import (
	"slices"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
)

// reusedAfter is how long after a delivery a further scan is no longer believed to be about the
// same parcel: returns start within weeks, and carriers recycle numbers after months.
const reusedAfter = 60 * 24 * time.Hour

// Standing is where a parcel is, by all the evidence. Times are the carrier's, in UTC; zero means
// that it has not happened.
type Standing struct {
	Milestone order.Milestone `json:"milestone,omitempty"` // empty: nothing known yet
	At        time.Time       `json:"at,omitzero"`         // when it reached the milestone
	// FirstScanAt is when the carrier first had the parcel in hand. A label does not count: the
	// ship clock stops here.
	FirstScanAt time.Time `json:"firstScanAt,omitzero"`
	// LastScanAt is the last sign of life, a status never seen before included.
	LastScanAt  time.Time `json:"lastScanAt,omitzero"`
	DeliveredAt time.Time `json:"deliveredAt,omitzero"`
	// Contradiction is one of this package's sentences when the evidence disagrees with itself.
	Contradiction string `json:"contradiction,omitempty"`
	// Unread lists the statuses never seen before, sorted, separated by commas.
	Unread string `json:"unread,omitempty"`
}

// Derive gives the standing that a set of scans proves. It depends on the set alone: the order in
// which scans came in and how often each was told change nothing. A parcel never steps back from
// delivered, except that a return to the sender afterwards is believed and flagged; a delivery
// after a return is the sender's, and never told to the customer. Scans without a time are
// evidence that cannot be placed, and are left out.
func Derive(scans []Scan) Standing {
	readings := make([]reading, 0, len(scans))
	for _, s := range scans {
		if !s.At.IsZero() {
			readings = append(readings, read(s))
		}
	}
	slices.SortFunc(readings, byEventTime)

	var story storyteller
	for _, r := range readings {
		story.hear(r)
	}
	return story.end()
}

// storyteller folds readings in the order of their time.
type storyteller struct {
	Standing
	handedOver bool // the milestone stands on a physical scan
	unread     []string
	textual    string // a contradiction within one scan; those between scans weigh more
}

func (t *storyteller) hear(r reading) {
	if !t.DeliveredAt.IsZero() && r.at.Sub(t.DeliveredAt) > reusedAfter {
		t.flag(NumberReused)
		return
	}
	if r.contradiction != "" {
		t.textual = r.contradiction
	}
	if r.unread != "" {
		t.unread = append(t.unread, r.unread)
		t.LastScanAt = r.at
	}
	if r.physical {
		if t.FirstScanAt.IsZero() {
			t.FirstScanAt = r.at
		}
		t.LastScanAt = r.at
	}
	if r.milestone != "" {
		t.move(r)
	}
}

// move is the one place where a parcel changes its milestone.
func (t *storyteller) move(r reading) {
	switch {
	case t.handedOver && !r.physical: // a label says nothing about a parcel already moving
	case t.Milestone == order.ParcelReturning:
		if r.milestone == order.ParcelDelivered {
			t.flag(DeliveredAfterReturn)
		}
	case t.Milestone == order.ParcelDelivered && r.milestone == order.ParcelReturning:
		t.flag(DeliveredThenReturned)
		t.reach(r)
	case t.Milestone == order.ParcelDelivered:
		if r.milestone != order.ParcelDelivered {
			t.flag(MovedAfterDelivery)
		}
	default:
		t.reach(r)
	}
}

func (t *storyteller) reach(r reading) {
	if t.Milestone != r.milestone {
		t.Milestone, t.At = r.milestone, r.at
	}
	t.handedOver = t.handedOver || r.physical
	if r.milestone == order.ParcelDelivered {
		t.DeliveredAt = r.at
	}
}

// weight orders the contradictions between scans; the heaviest is the one to show.
var weight = map[string]int{NumberReused: 1, MovedAfterDelivery: 2, DeliveredAfterReturn: 3, DeliveredThenReturned: 4}

func (t *storyteller) flag(contradiction string) {
	if weight[contradiction] > weight[t.Contradiction] {
		t.Contradiction = contradiction
	}
}

func (t *storyteller) end() Standing {
	if t.Contradiction == "" {
		t.Contradiction = t.textual
	}
	slices.Sort(t.unread)
	t.Unread = strings.Join(slices.Compact(t.unread), ",")
	return t.Standing
}
