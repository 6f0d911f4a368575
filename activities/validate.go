package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/supplier"
)

// ValidateOrder judges a stored order: address, payment, totals, articles, velocity. What raises a
// doubt holds the order for a person; nothing here fails it. It reads in one round trip.
func (o *Orders) ValidateOrder(ctx context.Context, key order.Key) (order.Verdict, error) {
	facts, err := o.readForValidation(ctx, key)
	if err != nil {
		return order.Verdict{}, fmt.Errorf("validate order %s: %w", key, err)
	}
	document := &facts.document
	if facts.beingCaptured() {
		return order.Verdict{}, fmt.Errorf("validate order %s: %w", key, captureUnderWay(key.String()))
	}
	verdict := order.Verdict{
		Currency: document.Currency,
		Country:  document.ShipTo.Country,
		Policy:   policyFor(facts.shop.Policy, document.Currency),
		Captured: document.Paid() + facts.payment.authorised,
	}
	for i := range document.Lines {
		l := &document.Lines[i]
		verdict.Lines = append(verdict.Lines, order.Line{Line: l.Line, SKU: l.SKU, Ordered: l.Quantity})
	}
	verdict.Doubts, verdict.Unpaid = doubts(&facts)
	return verdict, nil
}

// judged is what validation looks at.
type judged struct {
	document storefront.Order
	shop     catalog.Storefront
	payment  *paymentRow
	known    []string        // SKUs that somebody offers
	ages     []time.Duration // how much older the customer's newest orders are, this one (0) included
}

func (o *Orders) readForValidation(ctx context.Context, key order.Key) (judged, error) {
	j := judged{payment: &paymentRow{}}
	var people supplier.Address
	var email string
	batch := &pgx.Batch{}
	var captured int64
	batch.Queue(`SELECT o.document, o.captured_minor, c.ship_to, c.email, s.document FROM orders o
		JOIN order_contacts c ON c.order_key = o.key JOIN storefronts s ON s.id = o.storefront
		WHERE o.key = $1`, key.String()).QueryRow(func(row pgx.Row) error {
		return missing(row.Scan(&j.document, &captured, &people, &email, &j.shop), "order", key.String())
	})
	batch.Queue(`SELECT coalesce(array_agg(DISTINCT f.sku), '{}') FROM order_lines l JOIN offers f USING (sku)
		WHERE l.order_key = $1`, key.String()).QueryRow(func(row pgx.Row) error { return row.Scan(&j.known) })
	batch.Queue(`SELECT o.received_at - earlier.received_at FROM orders o
		JOIN orders earlier ON earlier.storefront = o.storefront AND earlier.customer_hash = o.customer_hash
			AND earlier.received_at <= o.received_at
		WHERE o.key = $1 ORDER BY earlier.received_at DESC LIMIT $2`, key.String(), velocityLook).Query(func(rows pgx.Rows) error {
		ages, err := pgx.CollectRows(rows, pgx.RowTo[time.Duration])
		j.ages = ages
		return err
	})
	batch.Queue(`SELECT reference, standing, authorised_minor, capture_try FROM payments WHERE order_key = $1`, key.String()).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&j.payment.reference, &j.payment.standing, &j.payment.authorised, &j.payment.try)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err := o.Pool.SendBatch(ctx, batch).Close(); err != nil {
		return j, err
	}
	j.document.ShipTo, j.document.Email = people, email
	j.paidSince(captured)
	return j, nil
}

// paidSince brings the payment up to date: captured is all that was, with what the customer paid after the order was
// placed.
func (j *judged) paidSince(captured int64) {
	p := &j.document.Payment
	if captured <= p.Captured {
		return
	}
	p.Captured, p.Status = captured, storefront.PaymentPartiallyPaid
	if j.document.Paid() >= j.document.Total {
		p.Status = storefront.PaymentPaid
	}
}

// velocityLook is how many of a customer's newest orders are looked at: more than any velocity rule
// allows, and bounded whatever the customer's history.
const velocityLook = 100

// within counts the customer's orders that are at most a term older than this one.
func (j *judged) within(term time.Duration) int {
	n := 0
	for _, age := range j.ages {
		if age <= term {
			n++
		}
	}
	return n
}

// beingCaptured: the payment is ours to capture when the order is placed, and nobody has said no or done
// it yet. The verdict waits for that.
func (j *judged) beingCaptured() bool {
	if j.shop.Policy.Capture == catalog.CaptureShipment {
		return false
	}
	return j.payment.standing == paymentdesk.StandingCapturing || j.payment.standing == paymentdesk.StandingAuthorised && j.payment.try == 0
}

// uncaptured is the doubt about a payment that the storefront itself has to capture.
const uncaptured = "the payment is authorized but not captured"

// doubtPayment says what is wrong with the payment; empty: nothing.
func (j *judged) doubtPayment() string {
	p, atShipment := &j.document.Payment, j.shop.Policy.Capture == catalog.CaptureShipment
	switch {
	case j.shop.HasPayments() && p.Reference != "" && j.payment.reference == "":
		return "the payment belongs to another order"
	case p.Status != storefront.PaymentAuthorized || p.Captured >= j.document.Total || j.payment.standing == paymentdesk.StandingCaptured:
		return ""
	case j.payment.reference == "":
		return uncaptured
	case atShipment:
		return ""
	}
	return "the payment could not be captured: see the order's payment"
}

// doubts lists what holds the order; unpaid is the one among them that a later payment ends.
func doubts(j *judged) (found []string, unpaid string) {
	review := &j.shop.Policy.Review
	for _, d := range storefront.Doubts(&j.document) {
		if d.Code == storefront.DoubtPOBox && !review.HoldPOBoxes {
			continue
		}
		found = append(found, d.Detail)
		if d.Code == storefront.DoubtUnpaid {
			unpaid = d.Detail
		}
	}
	if doubt := j.doubtPayment(); doubt != "" {
		found = append(found, doubt)
		if doubt == uncaptured {
			unpaid = doubt
		}
	}
	for i := range j.document.Lines {
		if sku := j.document.Lines[i].SKU; sku != "" && !slices.Contains(j.known, sku) {
			found = append(found, fmt.Sprintf("line %d: no supplier offers SKU %s", j.document.Lines[i].Line, sku))
		}
	}
	if most, limited := catalog.AmountIn(review.MaxOrderValue, j.document.Currency); limited && j.document.Total > most.Minor {
		found = append(found, "the order is worth more than "+most.String())
	}
	if slices.Contains(review.CountriesBlocked, j.document.ShipTo.Country) {
		found = append(found, "orders to "+j.document.ShipTo.Country+" are reviewed")
	}
	if v := review.Velocity; v.Orders > 0 && j.document.Exchange == nil {
		if n := j.within(v.Per.Elapsed()); n > v.Orders {
			found = append(found, fmt.Sprintf("%d orders of the same customer within %s", n, v.Per))
		}
	}
	return found, unpaid
}

// policyFor picks from a storefront's policy what decides about one order.
func policyFor(p catalog.Policy, currency string) order.Policy {
	absorb, ok := catalog.AmountIn(p.DuplicateShipment.AbsorbUpTo, currency)
	if !ok {
		absorb = money.Money{Currency: currency}
	}
	return order.Policy{
		Backorder:           order.BackorderAction(p.Backorder.Action),
		BackorderWaitAtMost: p.Backorder.WaitAtMost.Elapsed(),
		ShipGrace:           p.ShipLateness.Grace.Elapsed(),
		ShipHold:            p.ShipLateness.Action == catalog.LateHold,
		ReviewEscalateAfter: p.ReviewEscalateAfter.Elapsed(),
		ReviewCancelAfter:   p.ReviewCancelAfter.Elapsed(),
		AbsorbUpTo:          absorb.Minor,
	}
}
