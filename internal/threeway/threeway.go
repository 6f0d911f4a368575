// Package threeway compares an invoice with what was ordered and what was shipped, line by line, within
// what the contract lets pass. It is pure; amounts are minor units of one currency.
package threeway

import (
	"fmt"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/volume"
)

// Reason is why a part of an invoice is disputed.
type Reason string

// The reasons, in the order in which they are told.
const (
	Price              Reason = "price"                // a unit costs more than was agreed
	VolumeDiscount     Reason = "volume_discount"      // less than the discount of the tier that was reached
	QuantityNotShipped Reason = "quantity_not_shipped" // more units than were shipped
	NotOrdered         Reason = "not_ordered"          // a line that the purchase order does not have
	Duplicate          Reason = "duplicate"            // units that another invoice charged already
	Freight            Reason = "freight"              // more freight than the contract allows
	Fee                Reason = "fee"                  // a higher fee than the contract allows
	Arithmetic         Reason = "arithmetic"           // the total is more than its parts
)

// Reasons are all of them, in their order.
var Reasons = []Reason{Price, VolumeDiscount, QuantityNotShipped, NotOrdered, Duplicate, Freight, Fee, Arithmetic}

// Early are those that end by themselves when what was charged turns out to be owed after all.
var Early = []Reason{QuantityNotShipped, Duplicate}

// Line is one line of a purchase order.
type Line struct {
	UnitCost int64 // agreed
	Shipped  int64 // units, by the ship notices
	Charged  int64 // units that earlier invoices charged
}

// Terms are what the contract lets pass. Freight and Fee are what it allows a purchase order; FreightBP is
// a share of the goods instead, in basis points.
type Terms struct {
	PriceBP   int64
	Quantity  int64 // units of a line
	Freight   int64
	FreightBP int64
	Fee       int64
	// DiscountBP is the volume discount of the period, in basis points of the goods.
	DiscountBP int64
}

// PurchaseOrder is what an invoice is compared with.
type PurchaseOrder struct {
	Lines map[int]Line
	Terms Terms
	// Owed is what the ledger says we owe for shipments that no invoice has charged yet.
	Owed int64
	// Freight and Fee are what earlier invoices charged of them.
	Freight, Fee int64
}

// Difference is a part of an invoice that is disputed.
type Difference struct {
	Reason Reason
	Minor  int64 // positive
}

// Result divides an invoice: Covers + Adjust + the disputes are its total.
type Result struct {
	Covers   int64 // of what was owed without an invoice
	Discount int64 // the volume discount that was expected of it, given or disputed
	Adjust   int64 // a difference that is let pass: cost, negative when we pay less
	Disputes []Difference
}

// Match compares an invoice. It fails with money.ErrOverflow.
//
// A unit price is let pass up to the tolerance of its line, and a line's units up to the contract's
// number. Freight and fee pass up to what the contract allows, an allowance always. Where less is charged
// than is owed, a shortfall within the price tolerance lowers the cost; a larger one leaves the rest
// owed, for another invoice to charge.
func Match(po PurchaseOrder, in *supplier.Invoice) (Result, error) {
	m := &match{po: po, disputes: map[Reason]int64{}}
	for _, l := range in.Lines {
		m.line(l)
	}
	freight := po.Terms.Freight
	if po.Terms.FreightBP > 0 {
		freight = m.share(m.goods, po.Terms.FreightBP)
	}
	m.allowed(Freight, in.Freight, max(freight-po.Freight, 0))
	m.allowed(Fee, in.Fee, max(po.Terms.Fee-po.Fee, 0))
	m.sum = m.add(m.sum, -in.Allowance)
	m.extra(in.Total)
	m.bound(in)
	if m.err != nil {
		return Result{}, fmt.Errorf("compare invoice %s: %w", in.Number, m.err)
	}
	r := Result{Covers: m.covers, Discount: m.discount}
	r.Adjust = in.Total - r.Covers
	for _, reason := range Reasons {
		if minor := m.disputes[reason]; minor > 0 {
			r.Disputes = append(r.Disputes, Difference{reason, minor})
			r.Adjust -= minor
		}
	}
	return r, nil
}

// match adds up. The first overflow ends it.
type match struct {
	po       PurchaseOrder
	goods    int64 // charged for lines that were ordered
	sum      int64 // of the parts, as charged
	covers   int64
	lower    int64 // how much less than agreed is charged for units that we owe
	discount int64
	disputes map[Reason]int64
	err      error
}

// line divides what is charged for a line. A price above the tolerance is disputed for all its units, and
// the units are judged at the agreed one.
func (m *match) line(l supplier.InvoiceLine) {
	charged := m.times(l.UnitCost, l.Quantity)
	m.sum = m.add(m.sum, charged)
	ordered, known := m.po.Lines[l.Line]
	if !known {
		m.dispute(NotOrdered, charged)
		return
	}
	m.goods = m.add(m.goods, charged)
	price := l.UnitCost
	agreed := m.times(ordered.UnitCost, l.Quantity)
	if dearer := m.add(charged, -agreed); dearer > m.share(agreed, m.po.Terms.PriceBP) {
		m.dispute(Price, dearer)
		price = ordered.UnitCost
	}
	billable := min(l.Quantity, max(ordered.Shipped-ordered.Charged, 0))
	m.covers = m.add(m.covers, m.times(ordered.UnitCost, billable))
	m.lower = m.add(m.lower, m.times(max(ordered.UnitCost-l.UnitCost, 0), billable))
	passing := max(ordered.Shipped+m.po.Terms.Quantity-ordered.Charged, 0)
	if excess := l.Quantity - max(billable, min(l.Quantity, passing)); excess > 0 {
		reason := QuantityNotShipped
		if ordered.Charged > 0 && ordered.Charged >= ordered.Shipped {
			reason = Duplicate
		}
		m.dispute(reason, m.times(price, excess))
	}
}

func (m *match) allowed(reason Reason, charged, allowed int64) {
	m.sum = m.add(m.sum, charged)
	m.dispute(reason, max(charged-allowed, 0))
}

// extra is what the total asks for beyond its parts.
func (m *match) extra(total int64) {
	if more := m.add(total, -max(m.sum, 0)); more > m.share(m.goods, m.po.Terms.PriceBP) {
		m.dispute(Arithmetic, more)
	}
}

// bound keeps the parts within what is owed and what is charged.
func (m *match) bound(in *supplier.Invoice) {
	total := in.Total
	if over := m.covers - max(m.po.Owed, 0); over > 0 {
		m.covers -= over
		m.dispute(QuantityNotShipped, min(over, max(m.add(m.add(total, -m.covers), -m.disputed()), 0)))
	}
	reduced := m.volume(in)
	// Where the total is less than what is disputed of it, so much less is disputed.
	for _, reason := range Reasons {
		cut := min(max(m.add(m.disputed(), -total), 0), m.disputes[reason])
		m.disputes[reason] -= cut
	}
	// What is missing of the discount is not charged too much: it lowers what the goods cost.
	short := m.add(m.add(m.covers, m.disputed()-m.disputes[VolumeDiscount]), -m.add(total, in.Allowance)) - reduced
	if short > m.share(m.covers, m.po.Terms.PriceBP) {
		m.covers -= min(short, m.covers)
	}
}

// volume disputes what is missing of the volume discount. It may be given as an allowance, in the prices of
// the units or in the total; reduced is what is in prices and total. Where some was given, each line may be
// rounded by a minor unit; the price tolerance does not apply to a discount.
func (m *match) volume(in *supplier.Invoice) (reduced int64) {
	m.discount = m.checked(volume.Expected(m.covers, m.po.Terms.DiscountBP))
	reduced = min(m.add(m.lower, max(m.add(m.sum, -in.Total), 0)), m.discount)
	given := min(m.add(reduced, in.Allowance), m.discount)
	if missing := m.discount - given; given == 0 || missing > int64(len(in.Lines)) {
		m.dispute(VolumeDiscount, missing)
	}
	return reduced
}

func (m *match) disputed() (sum int64) {
	for _, reason := range Reasons {
		sum = m.add(sum, m.disputes[reason])
	}
	return sum
}

func (m *match) dispute(reason Reason, minor int64) {
	m.disputes[reason] = m.add(m.disputes[reason], minor)
}

func (m *match) add(a, b int64) int64 { return m.checked(money.AddMinor(a, b)) }

func (m *match) times(a, b int64) int64 { return m.checked(money.MulMinor(a, b)) }

func (m *match) share(minor, bp int64) int64 { return m.checked(money.BasisPoints(minor, bp)) }

func (m *match) checked(v int64, err error) int64 {
	if err != nil && m.err == nil {
		m.err = err
	}
	return v
}
