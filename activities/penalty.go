package activities

import (
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
)

// queuePenalties reads what the contracts say about lateness, of the suppliers that were late: an order
// without a breach asks nothing.
func (c *closing) queuePenalties(q ledgerbook.Queue) {
	c.late = map[string]catalog.Penalties{}
	var late []string
	for i := range c.state.POs {
		if po := &c.state.POs[i]; len(po.Breached) > 0 {
			late = append(late, po.Supplier)
		}
	}
	if len(late) == 0 {
		return
	}
	q.Queue(`SELECT id, coalesce(document #> '{contract,penalties}', '{}') FROM suppliers WHERE id = ANY ($1)`, late).Query(func(rows pgx.Rows) error {
		var id string
		var terms catalog.Penalties
		_, err := pgx.ForEachRow(rows, []any{&id, &terms}, func() error {
			c.late[id], terms = terms, catalog.Penalties{}
			return nil
		})
		return err
	})
}

// penalties claims what the contract promises for each clock of a purchase order that ran out, once. What
// was claimed before stands, whatever the contract says by now.
func (p *settlement) penalties(po *order.PurchaseOrder, terms catalog.Penalties, now time.Time) {
	matter := "sla/" + po.Number
	var claimed int64
	for _, clock := range []struct {
		name  string
		terms catalog.Penalty
		due   time.Time
		met   time.Time // zero: never
	}{
		{"acknowledge", terms.LateAcknowledgment, po.AckDueAt, acknowledgedAt(po)},
		{"ship", terms.LateShipment, po.ShipDueAt, firstScan(po)},
	} {
		key := matter + "/" + clock.name
		if before, known := p.book.ClaimedFor(key); known {
			claimed += before
			continue
		}
		if p.err != nil || !slices.Contains(po.Breached, clock.name) || within(clock.due, clock.met, clock.terms.Grace.Elapsed(), now) {
			continue
		}
		minor, err := penalty(po, clock.terms)
		if bound := terms.Cap.Minor; bound > 0 {
			minor = min(minor, max(bound-claimed, 0))
		}
		if err != nil || minor == 0 {
			p.err = err
			continue
		}
		claimed += minor
		claim := ledger.Claim{
			Key: key, Kind: ledger.ClaimSLAPenalty, Account: ledger.SupplierClaims(po.Supplier),
			Currency: p.currencyOf(po), Minor: minor, Owner: "purchasing", Due: p.due,
		}
		p.post(ledger.ClaimOpened(claim))
		if p.err == nil {
			p.err = p.book.OpenClaimIn(matter, claim)
		}
	}
}

// within: the supplier was late and still inside the grace.
func within(due, met time.Time, grace time.Duration, now time.Time) bool {
	if met.IsZero() {
		met = now
	}
	return !due.IsZero() && !met.After(due.Add(grace))
}

func penalty(po *order.PurchaseOrder, terms catalog.Penalty) (int64, error) {
	if terms.Amount.Minor > 0 {
		return terms.Amount.Minor, nil
	}
	var cost int64
	for i := range po.Lines {
		part, err := money.MulMinor(po.Lines[i].UnitCost, po.Lines[i].Quantity)
		if err == nil {
			cost, err = money.AddMinor(cost, part)
		}
		if err != nil {
			return 0, fmt.Errorf("cost of purchase order %s: %w", po.Number, err)
		}
	}
	return money.BasisPoints(cost, terms.ShareBP)
}

func acknowledgedAt(po *order.PurchaseOrder) time.Time {
	if !po.Acknowledged {
		return time.Time{}
	}
	return po.AckAt
}

// firstScan is when the first parcel began to move.
func firstScan(po *order.PurchaseOrder) (first time.Time) {
	for i := range po.Parcels {
		if at := po.Parcels[i].ScannedAt; !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}
