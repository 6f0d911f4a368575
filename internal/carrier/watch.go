package carrier

import (
	"time"

	"github.com/dropline/dropline/internal/order"
)

// Policy says after how much silence from the carrier a parcel is late, lost, and given up.
type Policy struct {
	DelayedAfter time.Duration // without a scan, under way
	LostAfter    time.Duration // without a scan; longer than DelayedAfter
	// GiveUpAfter ends the polling of a parcel that stays silent. It must be shorter than the time
	// after which carriers recycle numbers, which is some months.
	GiveUpAfter time.Duration
}

// DefaultPolicy suits domestic parcels: ten days without a scan is where the large carriers open a
// search.
var DefaultPolicy = Policy{
	DelayedAfter: 3 * 24 * time.Hour,
	LostAfter:    10 * 24 * time.Hour,
	GiveUpAfter:  90 * 24 * time.Hour,
}

// watchDelivered is how long after a delivery a return to the sender still happens.
const watchDelivered = 30 * 24 * time.Hour

// intervals is how often to ask a carrier, by milestone: the closer the next change is and the
// more somebody waits for it, the sooner. Pushes usually come first; polls are batched by the
// hundred, so asking is cheap.
//
//	milestone         every     because
//	(nothing known)   2 h       the carrier may not have the label yet
//	labelled          1 h       the first scan stops the ship clock
//	in_transit        2 h
//	out_for_delivery  15 min    the customer is waiting at the door
//	at_pickup_point   6 h       days may pass
//	delayed           3 h
//	exception         1 h       a next step depends on it
//	returning         12 h
//	lost              24 h      it may turn up
//	delivered         24 h      a return to the sender may follow
var intervals = map[order.Milestone]time.Duration{
	"":                         2 * time.Hour,
	order.ParcelLabelled:       time.Hour,
	order.ParcelInTransit:      2 * time.Hour,
	order.ParcelOutForDelivery: 15 * time.Minute,
	order.ParcelAtPickupPoint:  6 * time.Hour,
	order.ParcelDelayed:        3 * time.Hour,
	order.ParcelException:      time.Hour,
	order.ParcelReturning:      12 * time.Hour,
	order.ParcelLost:           24 * time.Hour,
	order.ParcelDelivered:      24 * time.Hour,
}

// Outlook is a standing seen at a moment: silence counts as news.
type Outlook struct {
	// Milestone is the standing's, or delayed or lost when the carrier has been silent for so long.
	Milestone order.Milestone
	At        time.Time // when it reached that milestone
	// Next is what further silence makes of the parcel, at NextAt; empty and zero when silence
	// changes nothing any more.
	Next   order.Milestone
	NextAt time.Time
	// CheckAt is when to ask the carrier again; zero when there is nothing more to ask.
	CheckAt time.Time
}

// Watch says what a parcel's standing means now and what to wait for. noticed is when the supplier
// told of the parcel: without any scan, silence is measured from there. A parcel that the carrier
// never had in hand does not become delayed or lost; it is the supplier's to ship, and the ship
// clock is running.
func Watch(s Standing, noticed, now time.Time, p Policy) Outlook {
	o := Outlook{Milestone: s.Milestone, At: s.At}
	for _, step := range silences(s, p) {
		due := s.LastScanAt.Add(step.after)
		if due.After(now) {
			o.Next, o.NextAt = step.milestone, due
			break
		}
		o.Milestone, o.At = step.milestone, due
	}
	o.CheckAt = nextCheck(s, o, noticed, now, p)
	return o
}

type silence struct {
	milestone order.Milestone
	after     time.Duration
}

// silences are the milestones that follow when no scan follows.
func silences(s Standing, p Policy) []silence {
	delayed := silence{order.ParcelDelayed, p.DelayedAfter}
	lost := silence{order.ParcelLost, p.LostAfter}
	switch s.Milestone {
	case order.ParcelInTransit, order.ParcelOutForDelivery:
		return []silence{delayed, lost}
	case order.ParcelDelayed, order.ParcelException:
		if s.FirstScanAt.IsZero() { // a voided label
			return nil
		}
		return []silence{lost}
	default:
		return nil
	}
}

func nextCheck(s Standing, o Outlook, noticed, now time.Time, p Policy) time.Time {
	heard := noticed
	for _, at := range []time.Time{s.At, s.LastScanAt} {
		if at.After(heard) {
			heard = at
		}
	}
	keep := p.GiveUpAfter
	if s.Milestone == order.ParcelDelivered {
		keep = min(keep, watchDelivered)
	}
	end := heard.Add(keep)
	if !now.Before(end) {
		return time.Time{}
	}
	check := now.Add(intervals[o.Milestone])
	if !o.NextAt.IsZero() && o.NextAt.Before(check) {
		check = o.NextAt
	}
	if end.Before(check) {
		check = end
	}
	return check
}
