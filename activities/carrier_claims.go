package activities

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
)

// queueBoxes counts the parcels in which goods of a return reached the customer damaged: a carrier is liable for
// each of them. A return of which no carrier damaged anything asks nothing.
func queueBoxes(q ledgerbook.Queue, s *returns.State) *int64 {
	var boxes int64
	if _, minor, lines := s.DamagedOnTheWay(); minor > 0 {
		q.Queue(`SELECT count(*) FROM parcels WHERE po_number = $1 AND milestone = 'delivered'
			AND EXISTS (SELECT FROM jsonb_array_elements(lines) u WHERE (u ->> 'line')::int = ANY ($2))`, s.PO, lines).
			QueryRow(func(row pgx.Row) error { return row.Scan(&boxes) })
	}
	return &boxes
}

// claimOfCarriers brings the book up to what carriers answer for of a return.
func claimOfCarriers(b *ledgerbook.Book, s *returns.State, boxes int64, now time.Time) error {
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
	if terms, minor, _ := s.DamagedOnTheWay(); terms != nil {
		// What other returns claimed for the same parcels counts towards what the carrier pays for them.
		others := b.DamageClaimed(s.PO, damage)
		minor = min(minor, max(terms.Most(minor+others, boxes)-others, 0))
		if err := follow(damage, ledger.ClaimDamage, terms, minor); err != nil {
			return err
		}
	}
	terms, minor := s.LostOnReturn()
	if terms != nil {
		minor = terms.Most(minor, 1)
	}
	return follow(ledgerbook.LostReturnMatter(s.PO, s.RMA), ledger.ClaimLostParcel, terms, minor)
}

// transit is what stands in Postgres about the parcels of a purchase order that was sent under our account with a
// carrier, or of which one is claimed.
type transit struct {
	carrier *catalog.Carrier // nil: at the supplier's risk
	came    map[string]bool  // the numbers of parcels that were delivered
}

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

// lost claims a parcel that a carrier lost of whoever bore the risk of the way.
func (p *settlement) lost(po *order.PurchaseOrder, shipment string, cost money.Money, t *transit, now time.Time) {
	if t == nil || t.carrier == nil || p.err != nil {
		return
	}
	claims := t.carrier.Claims.OrDefault()
	minor := claims.Liable(cost.Minor, cost.Currency, 1)
	if minor == 0 {
		return
	}
	p.err = p.book.FollowParcel(ledgerbook.ParcelClaim{
		Matter: ledgerbook.LostMatter(po.Number, shipment), Kind: ledger.ClaimLostParcel, Carrier: t.carrier.ID, Currency: cost.Currency,
		Owner: claims.Owner, Minor: minor, Due: now.UTC().Truncate(time.Second).Add(claims.AnswerWithin.Elapsed()),
	})
}

// found withdraws the claim for a parcel that the carrier delivered all the same.
func (p *settlement) found(po *order.PurchaseOrder, i int, t *transit) {
	parcel := &po.Parcels[i]
	matter := ledgerbook.LostMatter(po.Number, shipmentOf(po, i))
	if p.err != nil || t == nil || !t.came[parcel.Carrier+"/"+parcel.Tracking] || !p.book.Claimed(matter) {
		return
	}
	p.err = p.book.FollowParcel(ledgerbook.ParcelClaim{Matter: matter, Kind: ledger.ClaimLostParcel, Currency: p.currency, Due: p.due})
}
