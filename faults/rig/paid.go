package rig

import (
	"context"
	"fmt"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/sim/paymentsim"
	"github.com/dropline/dropline/internal/stage"
)

// paid is an order's payment at the provider.
type paid struct {
	reference string
	price     int64
	captured  bool // with the order, by the storefront
}

// capture says that a world with a payment provider captures when the goods leave.
func (w *World) capture() catalog.Capture {
	if w.wishes.Through != ToPayments {
		return ""
	}
	return catalog.CaptureShipment
}

// Pay has a customer pay for an order of so many units that is to be placed: the bank holds the price, or
// has given it already. Where the world has no payment provider the storefront has been paid.
func (w *World) Pay(id string, captured bool, units int) {
	if w.Payments == nil {
		return
	}
	price := unitPrice*int64(units) + shipping
	reference := w.Payments.Pay(paymentsim.Checkout{Amount: price, Currency: "EUR", Captured: captured})
	w.paid[id] = paid{reference: reference, price: price, captured: captured}
}

// document is an order as its storefront tells it, with its payment.
func (w *World) document(id string, skus ...string) map[string]any {
	document := stage.Document(id, skus...)
	p, found := w.paid[id]
	if !found {
		return document
	}
	payment := map[string]any{"status": "authorized", "captured": "0.00", "reference": p.reference}
	if p.captured {
		payment["status"], payment["captured"] = "paid", document["total"]
	}
	document["payment"] = payment
	return document
}

// Captured waits until the payment of an order that was shipped has ended.
func (w *World) Captured(ctx context.Context, e Ending) error {
	p, found := w.paid[e.Key.Order]
	if !found || p.captured {
		return nil
	}
	_, err := w.PaymentBecomes(ctx, e.Key, func(v *orderview.Payment) bool { return v.Stage == "payment_done" })
	return err
}

// money checks an order's payment in the provider's own book: the price came once, and what was cancelled
// went back once.
func (j *judgement) money(e Ending) {
	p, found := j.w.paid[e.Key.Order]
	if !found {
		return
	}
	wantBack, wantRefunds := int64(0), 0
	if e.Cancelled {
		wantBack, wantRefunds = p.price, 1
	}
	stands := j.w.Payments.Payment(p.reference)
	j.want(stands.Captured == p.price && stands.Refunded == wantBack, "%s: %d was captured and %d refunded of a price of %d", e.Key, stands.Captured, stands.Refunded, p.price)
	refunds := j.w.Payments.Refunds(p.reference)
	j.want(len(refunds) == wantRefunds, "%s: the provider knows %d refunds", e.Key, len(refunds))
	sums := map[string]int64{}
	for _, t := range j.w.Payments.Book() {
		if t.Payment == p.reference {
			sums[t.Kind] += t.Amount
		}
	}
	want := map[string]int64{"charge": p.price}
	if e.Cancelled {
		want["refund"] = -p.price
	}
	j.want(fmt.Sprint(sums) == fmt.Sprint(want), "%s: the provider's book holds %v, not %v", e.Key, sums, want)
}
