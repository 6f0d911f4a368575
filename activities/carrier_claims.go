package activities

import (
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
)

// boxes are the parcels in which goods of a purchase order reached the customer, and what a carrier damaged in them as
// other returns have it.
type boxes struct {
	parcels []returns.Brought
	damage  []returns.Damage
	shared  []string // those returns
}

// queueBoxes reads them. A return of which no carrier damaged anything asks nothing.
func queueBoxes(q ledgerbook.Queue, s *returns.State) *boxes {
	var found boxes
	if _, damage := s.DamagedOnTheWay(); len(damage) == 0 {
		return &found
	}
	q.Queue(`SELECT lines FROM parcels WHERE po_number = $1 AND milestone = 'delivered'`, s.PO).Query(func(rows pgx.Rows) error {
		var lines []order.ShippedLine
		_, err := pgx.ForEachRow(rows, []any{&lines}, func() error {
			brought := returns.Brought{}
			for _, l := range lines {
				brought[l.Line] += l.Quantity
			}
			found.parcels, lines = append(found.parcels, brought), nil
			return nil
		})
		return err
	})
	q.Queue(`SELECT rma, state FROM returns WHERE order_key = $1 AND po_number = $2 AND rma <> $3
			AND jsonb_path_exists(state, '$.lines[*] ? (@.found.damaged > 0)') ORDER BY rma`,
		s.Key.String(), s.PO, s.RMA).Query(func(rows pgx.Rows) error {
		var rma string
		var other returns.State
		_, err := pgx.ForEachRow(rows, []any{&rma, &other}, func() error {
			_, damage := other.DamagedOnTheWay()
			found.shared, found.damage = append(found.shared, rma), append(found.damage, damage...)
			other = returns.State{}
			return nil
		})
		return err
	})
	return &found
}

// claimOfCarriers brings the book up to what carriers answer for of a return.
func claimOfCarriers(b *ledgerbook.Book, s *returns.State, boxes *boxes, now time.Time) error {
	follow := func(matter string, kind ledger.ClaimKind, terms *returns.CarrierTerms, minor int64) error {
		if terms == nil || minor == 0 && !b.Claimed(matter) {
			return nil
		}
		return b.FollowParcel(ledgerbook.ParcelClaim{
			Matter: matter, Kind: kind, Carrier: terms.Carrier, Currency: s.CreditCurrency(), Owner: terms.Owner, Minor: minor,
			Due: now.UTC().Truncate(time.Second).Add(terms.AnswerWithin),
		})
	}
	damage := ledgerbook.DamageMatter(s.PO, s.RMA)
	if terms, mine := s.DamagedOnTheWay(); terms != nil {
		var minor int64
		for _, d := range mine {
			minor += d.Minor()
		}
		// What other returns claimed for the same parcels counts towards what the carrier pays for them.
		pays := terms.ForDamage(slices.Concat(mine, boxes.damage), boxes.parcels)
		minor = min(minor, max(pays-b.DamageClaimed(s.PO, boxes.shared), 0))
		if err := follow(damage, ledger.ClaimDamage, terms, minor); err != nil {
			return err
		}
	}
	terms, minor := s.LostOnReturn()
	if terms != nil {
		minor = terms.Most(minor)
	}
	return follow(ledgerbook.LostReturnMatter(s.PO, s.RMA), ledger.ClaimLostParcel, terms, minor)
}

// transit is what stands in Postgres about the parcels of a purchase order that was sent under our account with a
// carrier, or of which one is claimed.
type transit struct {
	carrier *catalog.Carrier // nil: at the supplier's risk
	came    map[string]bool  // the numbers of parcels that were delivered
}

func (t *transit) brought(p *order.Parcel) bool { return t != nil && t.came[p.Carrier+"/"+p.Tracking] }

// queueTransit reads it for purchase orders with a lost parcel: an order without one asks nothing.
func (c *closing) queueTransit(q ledgerbook.Queue) {
	c.transit = map[string]*transit{}
	var lost []string
	for i := range c.state.POs {
		for _, p := range c.state.POs[i].Parcels {
			if p.Milestone == order.ParcelLost {
				lost = append(lost, c.state.POs[i].Number)
				break
			}
		}
	}
	if len(lost) == 0 {
		return
	}
	q.Queue(`SELECT o.number, c.document, (SELECT coalesce(array_agg(p.carrier || '/' || p.tracking), '{}') FROM parcels p
			WHERE p.po_number = o.number AND p.milestone = 'delivered')
		FROM purchase_orders o JOIN suppliers s ON s.id = o.supplier LEFT JOIN carriers c ON c.id = s.document #>> '{contract,transit_carrier}'
		WHERE o.number = ANY ($1)`, lost).Query(func(rows pgx.Rows) error {
		var number string
		var carrier *catalog.Carrier
		var came []string
		_, err := pgx.ForEachRow(rows, []any{&number, &carrier, &came}, func() error {
			t := &transit{carrier: carrier, came: map[string]bool{}}
			for _, box := range came {
				t.came[box] = true
			}
			c.transit[number], carrier, came = t, nil, nil
			return nil
		})
		return err
	})
}

// lost claims a parcel of the carrier that bore the risk of the way and lost it, unless it has delivered it by now: an
// order that has given the units up keeps such news as evidence only.
func (p *settlement) lost(po *order.PurchaseOrder, i int, cost money.Money, t *transit, now time.Time) {
	if p.err != nil || t.brought(&po.Parcels[i]) {
		return
	}
	claims := t.carrier.Claims.OrDefault()
	minor := claims.Liable(cost.Minor, cost.Currency, 1)
	if minor == 0 {
		return
	}
	p.err = p.book.FollowParcel(ledgerbook.ParcelClaim{
		Matter: ledgerbook.LostMatter(po.Number, shipmentOf(po, i)), Kind: ledger.ClaimLostParcel, Carrier: t.carrier.ID, Currency: cost.Currency,
		Owner: claims.Owner, Minor: minor, Due: now.UTC().Truncate(time.Second).Add(claims.AnswerWithin.Elapsed()),
	})
}

// found withdraws the claim for a parcel that the carrier delivered all the same.
func (p *settlement) found(po *order.PurchaseOrder, i int, t *transit) {
	matter := ledgerbook.LostMatter(po.Number, shipmentOf(po, i))
	if p.err != nil || !t.brought(&po.Parcels[i]) || !p.book.Claimed(matter) {
		return
	}
	p.err = p.book.FollowParcel(ledgerbook.ParcelClaim{Matter: matter, Kind: ledger.ClaimLostParcel, Currency: p.currency, Due: p.due})
}
