package simulation

import (
	"slices"
	"time"

	"github.com/dropline/dropline/internal/order"
)

// settleDown brings a life to its end: partners do what they owe, people decide, time passes. It does
// one thing and says how long nothing happens then.
func (l *life) settleDown() time.Duration {
	before := l.turns
	l.background(100, 100, 100)
	if l.turns != before {
		return time.Millisecond // the workflow takes up what has come
	}
	switch {
	case !l.placed:
		l.place()
	case l.thaw(), l.performDue(), l.revive():
	case len(l.answers) > 0:
		return l.whileAsked()
	case len(l.late) > 0:
		l.arriveLate()
	case len(l.documents) > 0:
		l.deliverDocument()
	case l.paymentFinishes():
	case l.longsMeanwhile():
	case l.partnersFinish(), l.comebacksFinish(), l.moneyFinishes(), l.staffFinish():
	case len(l.runs()) == 0 && l.finished() && l.first().later.asked == nil:
		if check := l.look().check; check != nil && !check.After(l.now) {
			l.poll()
			break
		}
		if pause := l.givesBack(); pause > 0 {
			return pause
		}
		l.over = !l.longs() && !l.booksFinish()
	default:
		return l.untilNext()
	}
	return time.Millisecond
}

// lastScans are those with which a parcel's way ends.
func (l *life) lastScans() []string {
	ends := []string{"delivered", "delivered", "delivered", "in_transit/lost", "return_to_sender"}
	if l.hauls {
		ends = append(ends, "in_transit/lost", "delivered")
	}
	return ends
}

func (l *life) performDue() bool {
	due := l.dueCalls()
	if len(due) == 0 {
		return false
	}
	l.perform(due[0])
	return true
}

// partnersFinish lets one supplier or carrier do the next thing that it owes.
func (l *life) partnersFinish() bool {
	for _, b := range l.sortedBooks() {
		for _, outcome := range b.answers {
			if outcome == order.AnswerPending {
				l.answerPending(b)
				return true
			}
		}
		for _, x := range b.boxes {
			switch {
			case x.stopped || x.done || x.units() == 0:
			case !x.handed:
				l.handOver(b)
				return true
			default:
				x.done = true
				l.scan(x, oneOf(l, l.lastScans()))
				return true
			}
		}
		for _, line := range b.lineNumbers() {
			if b.live[line]+b.rogue[line] > 0 {
				l.ship(b, false)
				return true
			}
		}
		if papers := b.papers; papers < 200 {
			if l.bills(b); b.papers > papers {
				return true
			}
		}
	}
	return false
}

// staffFinish lets a person do the next thing that waits for one.
func (l *life) staffFinish() bool {
	if l.now.Before(l.askAgain) {
		return false
	}
	if l.decides() || l.paysElsewhere() {
		return true
	}
	return slices.ContainsFunc(l.purchases, l.attends)
}

// attends lets a person do the next thing that waits for one about a purchase.
func (l *life) attends(p *purchase) bool {
	defer l.about(p)()
	s := l.state()
	if s == nil || !s.Validated {
		return false
	}
	if s.Hold != nil {
		l.review(s, "approve")
		return true
	}
	return l.resolves(s)
}

// finished: nothing waits for anything any more.
func (l *life) finished() bool {
	a := l.look()
	if l.joint {
		return a.documents == nil && a.messages == nil && a.news == nil && !l.jointlyOwed()
	}
	return a.closed && a.documents == nil && a.messages == nil && a.mine == nil && !l.untold() && !l.toNote()
}

// untold: a carrier's last word about a box was lost on its way.
func (l *life) untold() bool {
	for _, b := range l.sortedBooks() {
		for _, x := range b.boxes {
			if x.told < len(x.scans) {
				return true
			}
		}
	}
	return false
}

// tellAgain: nobody looks after a parcel any more, and the carrier tells its scans again.
func (l *life) tellAgain() {
	for _, b := range l.sortedBooks() {
		for _, x := range b.boxes {
			if x.told < len(x.scans) {
				l.push(x, len(x.scans))
				return
			}
		}
	}
}

// untilNext is how long nothing happens.
func (l *life) untilNext() time.Duration {
	next := l.nextDeadline()
	sooner := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	for _, r := range l.runs() {
		for _, c := range r.calls {
			if !c.done {
				sooner(c.due)
				sooner(c.scheduled.Add(c.patience))
			}
		}
	}
	if l.askAgain.After(l.now) {
		sooner(l.askAgain)
	}
	untold := l.untold()
	a := l.look()
	check := a.check
	for _, at := range []*time.Time{a.documents, a.messages, a.mine} {
		if at != nil {
			sooner(*at)
		}
	}
	if untold && check != nil {
		if !check.After(l.now) {
			l.poll()
			return time.Millisecond
		}
		sooner(*check)
	}
	if untold && check == nil {
		l.tellAgain()
		return time.Millisecond
	}
	if next.IsZero() && (l.ordersRest() || l.returnsBusy()) && l.idle < 60 {
		l.idle++ // a step that kept failing rests, at most six hours
		return 10 * time.Minute
	}
	if next.IsZero() {
		l.fail("stuck: %s", l.standing())
	}
	l.idle = 0
	return next.Sub(l.now)
}
