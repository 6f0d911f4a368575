package simulation

import (
	"time"

	"go.temporal.io/sdk/converter"

	"github.com/dropline/dropline/internal/payment/stripe"
	"github.com/dropline/dropline/workflows"
)

// turn gives a background loop one turn with a fault.
func (l *life) turn(what string, f *fault, do func() (bool, error)) bool {
	more := false
	var err error
	l.prepare(f)
	s := l.begin(func() { more, err = do() })
	l.clean(f)
	switch {
	case !s.ended:
		l.fail("%s stands still", what)
	case f.lost:
		l.happened(what + " died")
		return false
	case err != nil:
		l.note("%s fails", what)
		return false
	}
	if more {
		l.turns++
	}
	return more
}

// background gives the loops their turns, each with so many percent, if anything waits for them: a
// loop that finds nothing does nothing.
func (l *life) background(process, deliver, send int) {
	documents, news, messages := l.waitingFor()
	if documents && l.chance(process) {
		l.process()
		_, news, messages = l.waitingFor()
	}
	if news && l.chance(deliver) {
		l.deliver()
	}
	if messages && l.chance(send) {
		l.sendMessages()
	}
}

// ahead is when the database holds something for somebody to do; nil: nothing.
type ahead struct {
	seen                      uint64 // how many round trips there had been
	known                     bool
	documents, news, messages *time.Time // for the loops
	mine                      *time.Time // news of the life's own orders
	check                     *time.Time // of its parcels
	closed                    bool       // its orders, and all returns of them
}

// look says what lies ahead. As long as nobody has been at the database, that is what it was.
func (l *life) look() *ahead {
	soFar := l.world.cable.soFar()
	if a := &l.ahead; a.known && a.seen == soFar {
		return a
	}
	a := ahead{seen: soFar, known: true}
	err := l.world.admin.QueryRow(l.ctx, `
		SELECT (SELECT min(next_attempt_at) FROM documents WHERE status = 'received'), least((SELECT min(deliver_at) FROM orders),
				(SELECT min(deliver_at) FROM returns), (SELECT min(deliver_at) FROM pursuits), (SELECT min(deliver_at) FROM payments)),
			(SELECT min(due_at) FROM outbox WHERE state = 'pending'), least((SELECT min(deliver_at) FROM orders WHERE key = ANY ($1)),
				(SELECT min(deliver_at) FROM returns WHERE order_key = ANY ($1)), (SELECT min(deliver_at) FROM pursuits WHERE order_key = ANY ($1)),
				(SELECT min(deliver_at) FROM payments WHERE order_key = ANY ($1))),
			(SELECT min(next_check_at) FROM parcels WHERE order_key = ANY ($1)),
			coalesce((SELECT bool_and(closed_at IS NOT NULL) FROM orders WHERE key = ANY ($1)), false)
				AND NOT EXISTS (SELECT FROM returns WHERE order_key = ANY ($1) AND closed_at IS NULL)
				AND NOT EXISTS (SELECT FROM payments WHERE order_key = ANY ($1) AND closed_at IS NULL AND started_at IS NOT NULL)
				AND NOT ($2 AND EXISTS (SELECT FROM pursuits WHERE order_key = ANY ($1) AND closed_at IS NULL))`, l.keys(), l.pursued).
		Scan(&a.documents, &a.news, &a.messages, &a.mine, &a.check, &a.closed)
	if err != nil {
		l.fail("look what lies ahead: %v", err)
	}
	l.ahead = a
	return &l.ahead
}

// waitingFor says for which loops something is due.
func (l *life) waitingFor() (documents, news, messages bool) {
	due := func(at *time.Time) bool { return at != nil && !at.After(l.now) }
	a := l.look()
	return due(a.documents), due(a.news), due(a.messages)
}

// inVain: a turn with this fault would find nothing, and nothing would go wrong in it. It need not be taken:
// else each loop asks the database once more for each time that it found something.
func (l *life) inVain(f *fault, due bool) bool { return f.statement < 0 && !due }

// process reads what documents are due, one by one.
func (l *life) process() {
	for {
		f := l.chooseCut()
		if due, _, _ := l.waitingFor(); l.inVain(f, due) {
			return
		}
		if !l.turn("processor", f, func() (bool, error) {
			n, err := l.world.processor.Process(l.ctx)
			return n > 0, err
		}) {
			return
		}
		l.setNow(l.now.Add(time.Microsecond))
	}
}

// deliver brings orders' workflows up to date.
func (l *life) deliver() {
	for {
		f := l.chooseCut()
		l.engineTrouble = engineWell
		if !l.quiet && l.chance(4) {
			l.engineTrouble = engineAway + outage(l.pick(2))
		}
		if _, due, _ := l.waitingFor(); l.inVain(f, due) {
			l.engineTrouble = engineWell
			return
		}
		more := l.turn("deliverer", f, func() (bool, error) { return l.world.deliverer.Deliver(l.ctx) })
		l.engineTrouble = engineWell
		if !more {
			return
		}
		l.setNow(l.now.Add(time.Microsecond))
	}
}

// sendMessages lets the courier deliver what is due.
func (l *life) sendMessages() {
	for {
		f := l.chooseCut()
		if !l.quiet && f.statement < 0 && l.chance(12) {
			f.net = oneOf(l, []netFault{netUnsent, netLost, netUnavailable, netBusy, netGarbled, netDies, netDiesAfter})
		}
		if _, _, due := l.waitingFor(); l.inVain(f, due) {
			return
		}
		if !l.turn("courier", f, func() (bool, error) {
			n, err := l.world.courier.Deliver(l.ctx)
			return n > 0, err
		}) {
			return
		}
		l.setNow(l.now.Add(time.Microsecond))
	}
}

// poll asks the carrier about the parcels that are due.
func (l *life) poll() {
	args, err := converter.GetDefaultDataConverter().ToPayloads(workflows.CarrierPollInput{Carrier: "hare"})
	if err != nil {
		panic(err)
	}
	l.seen["activity "+workflows.ActivityPollCarrier]++
	f := l.chooseCut()
	if !l.quiet && l.chance(20) {
		f.net = oneOf(l, []netFault{netUnsent, netLost, netUnavailable, netBusy, netGarbled, netDies, netDiesAfter})
	}
	l.turn("poll", f, func() (bool, error) {
		result, err := l.invoke(workflows.ActivityPollCarrier, args)
		if err != nil {
			return false, err
		}
		var counts workflows.CarrierPollResult
		if err := converter.GetDefaultDataConverter().FromPayloads(result, &counts); err != nil {
			return false, err
		}
		if counts.News > 0 {
			l.happened("poll found news")
		}
		return false, nil
	})
}

// outage takes the database away while one thing after the other is tried.
func (l *life) outage() {
	l.happened("database away")
	away := func() *fault {
		f := &fault{name: "database away", statement: -1}
		l.world.cable.fall()
		return f
	}
	if len(l.documents) > 0 {
		l.world.cable.fall()
		d := l.documents[0]
		unread := d.from == "payments" && !stripe.Concerns(d.body) // answered without a look at the database
		if status := l.hand(d, secretOf(d.party), unharmed()); status < 500 && !unread {
			l.fail("the gateway answers %d while the database is away", status)
		}
	}
	l.turn("processor", away(), func() (bool, error) {
		n, err := l.world.processor.Process(l.ctx)
		return n > 0, err
	})
	l.turn("deliverer", away(), func() (bool, error) { return l.world.deliverer.Deliver(l.ctx) })
	l.turn("courier", away(), func() (bool, error) {
		n, err := l.world.courier.Deliver(l.ctx)
		return n > 0, err
	})
}

// giveUpWaiting: who asked the order waits for its answer no longer than the gateway lets them.
func (l *life) giveUpWaiting() {
	for _, a := range l.answers {
		if !a.settled && l.now.Sub(a.asked) > 10*time.Second {
			l.happened("answer came too late")
			a.settled, a.late = true, errWaitedLong
		}
	}
}
