package tracking

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
)

// returnParcel is a parcel on its way back, by the number on its label.
type returnParcel struct {
	rma, order string
	milestone  order.Milestone
	labelled   time.Time
	now        time.Time
	policy     carrier.Policy
	instant    bool // the customer is paid when the carrier has it
	// untilSent is the time left to hand it in, inspect what the receiver may take to look at it; in seconds.
	untilSent, inspect int64
}

// refreshReturns derives anew where the box's return parcels stand, and tells their returns. The order is
// locked first, as everywhere.
func (b box) refreshReturns(ctx context.Context, tx pgx.Tx, document int64) (outcome Outcome, err error) {
	rows, err := tx.Query(ctx, `
		SELECT p.rma, r.order_key, p.milestone, r.opened_at, coalesce((r.state ->> 'instant')::bool, false),
			extract(epoch FROM coalesce((r.state ->> 'sendBy')::timestamptz, now()) - now())::bigint,
			coalesce((r.state ->> 'inspectWithin')::bigint, 0) / 1000000000, s.document -> 'policy', now()
		FROM return_parcels p JOIN returns r USING (rma) JOIN orders o ON o.key = r.order_key JOIN storefronts s ON s.id = o.storefront
		WHERE p.carrier = $1 AND p.tracking = $2 ORDER BY r.order_key, p.rma FOR NO KEY UPDATE OF o, p`, b.carrier, b.tracking)
	if err != nil {
		return outcome, err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (returnParcel, error) {
		var p returnParcel
		var policy *silences
		err := row.Scan(&p.rma, &p.order, &p.milestone, &p.labelled, &p.instant, &p.untilSent, &p.inspect, &policy, &p.now)
		p.policy = policy.policy()
		return p, err
	})
	if err != nil || len(list) == 0 {
		return outcome, err
	}
	for _, p := range list {
		moved, err := b.moveReturn(ctx, tx, p, document)
		if err != nil {
			return outcome, fmt.Errorf("move the parcel of return %s: %w", p.rma, err)
		}
		if moved {
			outcome.News++
		}
		if !slices.Contains(outcome.Orders, p.order) {
			outcome.Orders = append(outcome.Orders, p.order)
		}
	}
	return outcome, nil
}

func (b box) moveReturn(ctx context.Context, tx pgx.Tx, p returnParcel, document int64) (bool, error) {
	rows, err := tx.Query(ctx, `SELECT scan_id, status, detail, at FROM tracking_events WHERE carrier = $1 AND tracking = $2 AND at >= $3`,
		b.carrier, b.tracking, p.labelled.Add(-clocksDiffer))
	if err != nil {
		return false, err
	}
	scans, err := pgx.CollectRows(rows, b.readScan)
	if err != nil {
		return false, err
	}
	standing, outlook := p.judge(scans)
	_, err = tx.Exec(ctx, `UPDATE return_parcels SET milestone = $4, milestone_at = coalesce($5, milestone_at), first_scan_at = $6,
			last_scan_at = greatest(last_scan_at, $7), note = $8, next_check_at = $9
		WHERE carrier = $1 AND tracking = $2 AND rma = $3`, b.carrier, b.tracking, p.rma, string(outlook.Milestone), orNull(outlook.At),
		orNull(standing.FirstScanAt), orNull(standing.LastScanAt), noteOf(standing), orNull(outlook.CheckAt))
	if err != nil || outlook.Milestone == p.milestone {
		return false, err
	}
	fact := returns.Fact{Parcel: &order.ParcelNews{Carrier: b.carrier, Tracking: b.tracking, Milestone: outlook.Milestone, At: outlook.At.UTC()}}
	_, err = returndesk.AppendWithin(ctx, tx, p.rma, fact, p.mayWait(outlook.Milestone), document)
	return err == nil, err
}

// judge says where the evidence puts the parcel, what silence makes of it, and when to ask again. One that
// has arrived is nobody's to ask about any more.
func (p *returnParcel) judge(scans []carrier.Scan) (carrier.Standing, carrier.Outlook) {
	standing := carrier.Derive(scans)
	if standing.Milestone == "" {
		standing.Milestone = order.ParcelLabelled
	}
	outlook := carrier.Watch(standing, p.labelled, p.now, p.policy)
	if outlook.Milestone == order.ParcelDelivered {
		outlook.CheckAt = time.Time{}
	}
	return standing, outlook
}

// mayWait is how long the news of a milestone may wait for other news, at the most until it decides
// something: that the parcel was handed in, before the return would expire; that it came, until whoever
// has it should have looked. A loss, its end, and the handing in of a parcel that is paid for then, decide at once.
func (p *returnParcel) mayWait(m order.Milestone) time.Duration {
	switch {
	case m == order.ParcelLost, p.milestone == order.ParcelLost, p.instant && p.milestone == order.ParcelLabelled:
		return 0
	case m != order.ParcelDelivered && p.milestone == order.ParcelLabelled:
		return time.Duration(p.untilSent)*time.Second - time.Hour
	}
	return time.Duration(p.inspect) * time.Second
}
