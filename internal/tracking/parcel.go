package tracking

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/sla"
)

// parcel is a row with what is needed to move it.
type parcel struct {
	po, order, carrier, tracking string
	lines                        []order.ShippedLine
	noticed, since, now          time.Time
	milestone                    order.Milestone
	firstScan                    time.Time // zero: no carrier has had it in hand
	poStatus                     string
	// wanted: the customer still waits for what is in it. Nobody is told of a parcel whose units
	// were cancelled or bought elsewhere.
	wanted bool
	// untold: it was not when it was scanned, and is now.
	untold bool
	policy carrier.Policy
}

// silences are the fields of a storefront's policy that say when a silent parcel is late or lost.
type silences struct {
	DelayedAfter sla.Term `json:"delayed_after,omitzero"`
	LostAfter    sla.Term `json:"lost_after,omitzero"`
}

func (s *silences) policy() carrier.Policy {
	p := carrier.DefaultPolicy
	if s != nil && !s.DelayedAfter.IsZero() {
		p.DelayedAfter = s.DelayedAfter.Elapsed()
	}
	if s != nil && !s.LostAfter.IsZero() {
		p.LostAfter = s.LostAfter.Elapsed()
	}
	return p
}

// move brings the row up to the evidence and commits what follows from the difference. It returns
// how many facts were appended.
func (p *parcel) move(ctx context.Context, tx pgx.Tx, scans []carrier.Scan, document int64) (int, error) {
	standing, outlook := p.judge(scans)
	news := p.news(standing, outlook)
	batch := &pgx.Batch{}
	for _, n := range news {
		if err := facts.QueueAppend(batch, p.order, order.Fact{Milestone: &n}, true, document); err != nil {
			return 0, err
		}
	}
	if err := p.save(batch, standing, outlook); err != nil {
		return 0, fmt.Errorf("save a parcel of %s: %w", p.po, err)
	}
	if err := postgres.Later(ctx, tx, batch); err != nil {
		return 0, fmt.Errorf("save a parcel of %s: %w", p.po, err)
	}
	return len(news), nil
}

// judge says where the evidence puts the parcel, and what silence makes of it.
func (p *parcel) judge(scans []carrier.Scan) (carrier.Standing, carrier.Outlook) {
	standing := carrier.Derive(carrier.Since(scans, p.since))
	if standing.Milestone == "" {
		standing.Milestone, standing.At = order.ParcelLabelled, p.noticed
	}
	return standing, carrier.Watch(standing, p.noticed, p.now, p.policy)
}

// news are the changes that may change a decision: the first physical scan stops the ship clock,
// and the order's workflow acts on an end or an exception. A routine scan wakes nobody.
func (p *parcel) news(s carrier.Standing, o carrier.Outlook) []order.ParcelNews {
	var news []order.ParcelNews
	tell := func(m order.Milestone, at time.Time, detail string) {
		news = append(news, order.ParcelNews{Carrier: p.carrier, Tracking: p.tracking, Milestone: m, At: at.UTC(), Detail: detail})
	}
	// The first scan is told by itself, because the ship clock is judged by its time and not by that
	// of what followed.
	first := p.firstScan.IsZero() && !s.FirstScanAt.IsZero()
	if first {
		tell(order.ParcelInTransit, s.FirstScanAt, "")
	}
	switch {
	case o.Milestone == p.milestone:
	case decides(o.Milestone):
		tell(o.Milestone, o.At, p.detail(s, o.Milestone))
	case p.milestone == order.ParcelException && !first:
		tell(o.Milestone, o.At, "") // ends the attention that the exception asked for
	}
	return news
}

func decides(m order.Milestone) bool {
	switch m {
	case order.ParcelDelivered, order.ParcelReturning, order.ParcelLost, order.ParcelException:
		return true
	default:
		return false
	}
}

// detail is in Dropline's own words: the carrier's may name people.
func (p *parcel) detail(s carrier.Standing, m order.Milestone) string {
	switch {
	case s.Contradiction != "":
		return s.Contradiction
	case m == order.ParcelException:
		return "the carrier reports an exception: ask it"
	}
	return ""
}

// save queues the row, and the messages that follow.
func (p *parcel) save(batch *pgx.Batch, s carrier.Standing, o carrier.Outlook) error {
	batch.Queue(`
		UPDATE parcels SET milestone = $4, milestone_at = $5, first_scan_at = $6, last_scan_at = $7,
			note = $8, next_check_at = $9, untold = false
		WHERE po_number = $1 AND carrier = $2 AND tracking = $3`, p.po, p.carrier, p.tracking,
		o.Milestone, orNull(o.At), orNull(s.FirstScanAt), orNull(s.LastScanAt), noteOf(s), orNull(o.CheckAt))
	if !s.FirstScanAt.IsZero() {
		batch.Queue(`UPDATE purchase_orders SET first_scan_at = least(first_scan_at, $2) WHERE number = $1
			AND first_scan_at IS DISTINCT FROM least(first_scan_at, $2)`, p.po, s.FirstScanAt)
	}
	if p.wanted && (p.untold || p.firstScan.IsZero()) && !s.FirstScanAt.IsZero() {
		if err := paymentdesk.Shipped(batch, p.order, s.FirstScanAt); err != nil {
			return err
		}
	}
	return outbox.Queue(batch, p.messages(s, o)...)
}

// noteOf is what a person should know of the parcel.
func noteOf(s carrier.Standing) string {
	var notes []string
	if s.Contradiction != "" {
		notes = append(notes, s.Contradiction)
	}
	if s.Unread != "" {
		notes = append(notes, "status never seen before: "+s.Unread)
	}
	return strings.Join(notes, "; ")
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// messages are what the customer and the storefront are told. Keys make each go out once, so it
// does no harm to say again what is true; what has been overtaken ("on its way" for a parcel already
// delivered) is not said at all.
func (p *parcel) messages(s carrier.Standing, o carrier.Outlook) []outbox.Message {
	if !p.wanted || s.FirstScanAt.IsZero() {
		return nil
	}
	if news := p.untold || p.firstScan.IsZero() || o.Milestone != p.milestone; !news {
		return nil
	}
	payload := outbox.Payload{PO: p.po, Carrier: p.carrier, Tracking: p.tracking, Lines: p.lines}
	message := func(channel outbox.Channel, kind string) outbox.Message {
		return outbox.Message{
			Key:      kind + "/" + p.po + "/" + p.tracking,
			OrderKey: p.order, Channel: channel, Kind: kind, Payload: payload,
		}
	}
	list := []outbox.Message{message(outbox.Storefront, outbox.KindFulfilled)}
	milestone := func(m notify.Milestone) { list = append(list, message(outbox.CustomerMail, string(m))) }
	switch o.Milestone {
	case order.ParcelDelivered:
		milestone(notify.Delivered)
	case order.ParcelInTransit, order.ParcelOutForDelivery, order.ParcelAtPickupPoint, order.ParcelDelayed, order.ParcelException:
		milestone(notify.Shipped)
		switch o.Milestone {
		case order.ParcelOutForDelivery:
			milestone(notify.OutForDelivery)
		case order.ParcelDelayed:
			milestone(notify.Delayed)
		}
	case order.ParcelReturning, order.ParcelLost, order.ParcelLabelled:
		// what follows from these is decided, and told, by the order
	}
	return list
}
