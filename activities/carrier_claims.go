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

// boxes are the parcels in which goods of a return reached the customer damaged: a carrier is liable for each of
// them. What was damaged in them may stand in other returns as well.
type boxes struct {
	parcels int64
	shared  []string // those returns
}

// sharedBoxesSQL counts the parcels of a purchase order that brought one of some lines, and names the other returns
// with damaged goods out of them: of any parcel, where none is known to have brought the lines.
const sharedBoxesSQL = `
	WITH boxes AS (
		SELECT p.lines FROM parcels p WHERE p.po_number = $1 AND p.milestone = 'delivered'
			AND EXISTS (SELECT FROM jsonb_array_elements(p.lines) u WHERE (u ->> 'line')::int = ANY ($2)))
	SELECT (SELECT count(*) FROM boxes), (
		SELECT coalesce(array_agg(DISTINCT r.rma), '{}') FROM returns r JOIN return_lines l ON l.rma = r.rma
		WHERE r.order_key = $3 AND r.po_number = $1 AND r.rma <> $4
			AND jsonb_path_exists(r.state, '$.lines[*] ? (@.line == $line && @.found.damaged > 0)', jsonb_build_object('line', l.line))
			AND (NOT EXISTS (SELECT FROM boxes)
				OR EXISTS (SELECT FROM boxes b, jsonb_array_elements(b.lines) u WHERE (u ->> 'line')::int = l.line)))`

// queueBoxes reads them. A return of which no carrier damaged anything asks nothing.
func queueBoxes(q ledgerbook.Queue, s *returns.State) *boxes {
	var found boxes
	if _, minor, lines := s.DamagedOnTheWay(); minor > 0 {
		q.Queue(sharedBoxesSQL, s.PO, lines, s.Key.String(), s.RMA).
			QueryRow(func(row pgx.Row) error { return row.Scan(&found.parcels, &found.shared) })
	}
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
	if terms, minor, _ := s.DamagedOnTheWay(); terms != nil {
		// What other returns claimed for the same parcels counts towards what the carrier pays for them.
		others := b.DamageClaimed(s.PO, boxes.shared)
		minor = min(minor, max(terms.Most(minor+others, boxes.parcels)-others, 0))
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
