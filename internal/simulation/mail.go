package simulation

import (
	"context"

	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/outbox"
)

// letter is a message that reached somebody.
type letter struct {
	about     order.Key
	milestone notify.Milestone
	subject   string
	tracking  string
	amount    string
	items     int64
	times     int
}

type mailbox struct{ world *world }

// Send is outbox.Mailer's.
func (m mailbox) Send(_ context.Context, n notify.Notification) error {
	l := m.world.life
	plan := l.netPlan
	l.netPlan = netWell
	if plan != netWell {
		l.met = plan
	}
	switch plan {
	case netWell, netLost, netGarbled, netDiesAfter, netFreezesAfter, netLate:
	case netDies:
		l.die()
		return &notify.DeliveryError{Kind: notify.ErrTemporary, Key: n.Key()}
	default:
		return &notify.DeliveryError{Kind: notify.ErrTemporary, Key: n.Key(), Code: 451}
	}
	if l.dead {
		return &notify.DeliveryError{Kind: notify.ErrTemporary, Key: n.Key()}
	}
	known := l.letters[n.Key()]
	if known == nil {
		known = &letter{about: n.Order, milestone: n.Milestone, subject: n.Subject, tracking: n.Tracking, amount: n.Amount}
		for _, item := range n.Items {
			known.items += item.Quantity
		}
		l.letters[n.Key()] = known
		l.checkLetter(known)
	}
	known.times++
	l.page.link = n.ReturnPage
	l.note("the customer is told: %s %s %s", n.Milestone, n.Tracking, n.Amount)
	if plan == netDiesAfter {
		l.die()
	}
	if plan != netWell {
		l.happened("mail's answer lost")
		return &notify.DeliveryError{Kind: notify.ErrUnknown, Key: n.Key()}
	}
	return nil
}

// checkLetter: nobody is told what is not so.
func (l *life) checkLetter(told *letter) {
	switch told.milestone {
	case notify.Shipped, notify.OutForDelivery, notify.Delayed:
		if x := l.boxOf(told.tracking); x == nil || !x.handed {
			l.fail("the customer is told %s of parcel %q, which never left", told.milestone, told.tracking)
		}
	case notify.Delivered:
		x := l.boxOf(told.tracking)
		if x == nil || !x.scanned("delivered") {
			l.fail("the customer is told that parcel %q was delivered, which it was not", told.tracking)
		}
	}
}

func (x *box) scanned(status string) bool {
	for _, s := range x.scans {
		if s.Status == status {
			return true
		}
	}
	return false
}

func (l *life) boxOf(tracking string) *box {
	for _, b := range l.sortedBooks() {
		for _, x := range b.boxes {
			if x.tracking == tracking {
				return x
			}
		}
	}
	return nil
}

type supplierMail struct{ world *world }

// RemindCarrier is outbox.SupplierMailer's.
func (m supplierMail) RemindCarrier(_ context.Context, id string, about outbox.Message) (bool, error) {
	return m.world.life.hearsFromUs(id, about), nil
}

// Remind is outbox.SupplierMailer's.
func (m supplierMail) Remind(_ context.Context, supplier string, about outbox.Message) (bool, error) {
	if said, is := about.Payload.(outbox.Payload); is && said.Claim != "" && m.world.life.pursued {
		return m.world.life.hearsOfClaim(supplier, about.Kind, &said), nil
	}
	m.world.life.happened("supplier reminded")
	m.world.life.note("%s is reminded", supplier)
	return supplier == "alder" || supplier == "cedar", nil
}
