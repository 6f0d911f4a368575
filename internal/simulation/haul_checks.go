package simulation

import (
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/order"
)

// ourLabel is a label as the database holds it when all is done.
type ourLabel struct {
	RMA, Tracking, GiveBack string
	Cost                    int64
	Over                    bool // the return ended without its goods
	Scanned                 bool
}

// checkHauls: each label that was bought was used, or given back once, or stands as a cost; and what the carrier
// says that it has paid for parcels is what we have of it.
func (l *life) checkHauls(s *order.State) {
	if !l.hauls {
		return
	}
	l.checkLabels()
	l.checkLabelCosts()
	l.checkHaulClaims()
	l.checkMatters(s)
}

func (l *life) checkLabels() {
	rows, err := l.world.admin.Query(l.ctx, `SELECT p.rma, p.tracking, p.give_back, p.cost_minor,
			r.stage IN ('cancelled', 'expired') OR coalesce(r.state ->> 'keep', '') = 'true', p.first_scan_at IS NOT NULL
		FROM return_parcels p JOIN returns r USING (rma) WHERE r.order_key = $1 AND p.bought_of = $2`, l.key.String(), seller)
	var list []ourLabel
	if err == nil {
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ourLabel])
	}
	if err != nil {
		l.fail("read the labels: %v", err)
	}
	ours := map[string]ourLabel{}
	for _, o := range list {
		ours[o.Tracking] = o
	}
	for _, h := range l.sold {
		if h.tracking == "" {
			continue
		}
		o, known := ours[h.tracking]
		if !known {
			l.fail("the carrier has sold label %s for %s, and nobody knows of it here", h.tracking, h.reference)
		}
		delete(ours, h.tracking)
		l.checkLabel(h, &o)
	}
	for tracking := range ours {
		l.fail("the carrier has never sold label %s", tracking)
	}
}

func (l *life) checkLabel(h *haul, o *ourLabel) {
	used := l.used(h)
	switch {
	case o.RMA != h.reference || o.Cost != h.price:
		l.fail("label %s was sold for %s at %d, and stands with %s at %d", h.tracking, h.reference, h.price, o.RMA, o.Cost)
	case h.refund == refundGiven && o.GiveBack != string(carrier.GiveBackAccepted), h.refund == refundRejected && o.GiveBack != string(carrier.GiveBackRefused):
		l.fail("label %s is %s, and stands as %q", h.tracking, h.refund, o.GiveBack)
	case h.refund != refundGiven && o.GiveBack == string(carrier.GiveBackAccepted):
		l.fail("label %s stands as given back, and the carrier says %q", h.tracking, h.refund)
	case o.Over && !used && h.refund != refundGiven && h.refund != refundRejected:
		l.fail("nobody will use label %s of %s, and it was not given back: %q", h.tracking, h.reference, h.refund)
	case h.refund != "" && !o.Over && !used:
		l.fail("label %s was given back, and return %s goes on", h.tracking, h.reference)
	}
	switch {
	case used:
	case h.refund == refundGiven:
		l.happened("label ended: given back")
	default:
		l.happened("label ended: a cost")
	}
}

// checkLabelCosts: the ledger holds what the carrier sold, less what it took back. What it charges once more for a
// label that was used afterwards stands on its bill.
func (l *life) checkLabelCosts() {
	var sold, ours int64
	for _, h := range l.sold {
		if h.tracking != "" && h.refund != refundGiven {
			sold += h.price
		}
	}
	err := l.world.admin.QueryRow(l.ctx, `SELECT coalesce(sum(e.minor), 0)::bigint FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
		WHERE t.order_key = $1 AND t.kind IN ('return_label', 'return_label_given_back') AND e.account = 'return_shipping'`, l.key.String()).Scan(&ours)
	if err != nil {
		l.fail("read what labels have cost: %v", err)
	}
	if sold != ours {
		l.fail("the carrier has sold labels for %d, the ledger has %d", sold, ours)
	}
}

func (l *life) checkHaulClaims() {
	for reference, c := range l.haulClaims {
		var paid, back int64
		err := l.world.admin.QueryRow(l.ctx, `SELECT coalesce(sum(s.minor) FILTER (WHERE outcome = 'paid'), 0)::bigint,
				coalesce(sum(s.minor) FILTER (WHERE outcome = 'repaid'), 0)::bigint
			FROM claim_settlements s JOIN pursuits p ON p.id = s.pursuit WHERE p.reference = $1`, reference).Scan(&paid, &back)
		if err != nil {
			l.fail("read what became of claim %s: %v", reference, err)
		}
		if paid != c.paid || back != c.back {
			l.fail("the carrier has paid %d for claim %s and got %d back, we have %d and %d", c.paid, reference, c.back, paid, back)
		}
	}
}

// ourMatter is what was claimed of the carrier under one name, in minor units: Asked is what was not withdrawn of it,
// Found what it has paid of it for what came all the same.
type ourMatter struct {
	ID                         string
	Asked, Closed, Paid, Found int64
}

const mattersSQL = `
	SELECT p.id,
		coalesce(sum(e.minor) FILTER (WHERE e.account LIKE 'carrier\_claims:%' AND (t.kind = 'claim_opened' OR t.key LIKE '%|found:%')), 0)::bigint,
		coalesce(-sum(e.minor) FILTER (WHERE e.account LIKE 'carrier\_claims:%' AND t.kind = 'claim_closed' AND t.key NOT LIKE '%|found:%'), 0)::bigint,
		coalesce(sum(e.minor) FILTER (WHERE e.account = 'bank'), 0)::bigint, p.found
	FROM pursuits p JOIN claims c ON c.pursuit = p.id
	JOIN ledger_transactions t ON t.order_key = p.order_key AND (t.key = 'claim_opened|' || c.key OR starts_with(t.key, 'claim_closed|' || c.key || '|'))
	JOIN ledger_entries e ON e.transaction_id = t.id
	WHERE p.order_key = $1 AND p.carrier = $2 GROUP BY p.id ORDER BY p.id`

// checkMatters: nothing is claimed for what was delivered, and no more than the carrier answers for; and each parcel
// that it lost at its risk is claimed.
func (l *life) checkMatters(s *order.State) {
	rows, err := l.world.admin.Query(l.ctx, mattersSQL, l.key.String(), seller)
	var list []ourMatter
	if err == nil {
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ourMatter])
	}
	if err != nil {
		l.fail("read what was claimed of the carrier: %v", err)
	}
	l.damage = l.damaged()
	claimed := map[string]bool{}
	for i := range list {
		m := &list[i]
		parts := strings.Split(strings.TrimPrefix(m.ID, l.key.String()+"/"), "/")
		claimed[parts[len(parts)-1]] = true
		l.checkMatter(m, parts)
	}
	for _, b := range l.sortedBooks() {
		if d := l.damage[b.po]; d != nil {
			l.checkDamage(b, d)
		}
	}
	for i := range s.POs {
		po := &s.POs[i]
		for j := range po.Parcels {
			p := &po.Parcels[j]
			x := l.boxOf(p.Tracking)
			if p.Milestone == order.ParcelLost && len(p.Lines) > 0 && atCarriersRisk(po.Supplier) && !x.scanned("delivered") && !claimed[p.Tracking] {
				l.fail("the carrier has lost %s of %s at its risk, and nothing is claimed", p.Tracking, po.Number)
			}
		}
	}
}

func (l *life) checkMatter(m *ourMatter, parts []string) {
	kind, number, subject := parts[0], parts[1], parts[2]
	switch kind {
	case "lost":
		x := l.boxOf(subject)
		if x == nil || !x.handed || !atCarriersRisk(x.book.party.id) { // one that is not scanned for long counts as lost, too
			l.fail("%d is claimed for parcel %s, which did not go at the carrier's risk", m.Asked, subject)
		}
		l.checkLoss(m, x, l.accrued(number, subject))
	case "lost-return":
		c := l.comeback(subject)
		if c.box == nil || !buysLabels(c.book.party.id) {
			l.fail("%d is claimed for the parcel of %s, which did not go under the carrier's label", m.Asked, subject)
		}
		var worth int64
		for line, n := range c.granted {
			worth += c.book.cost[line] * n
		}
		l.checkLoss(m, c.box, min(m.Asked, worth+worth/10)) // its price may have been changed since
	case "damage":
		l.happened("carrier's claim ended: damage")
		if l.damage[number] == nil {
			l.damage[number] = &damage{}
		}
		l.damage[number].claimed += m.Asked
	default:
		l.fail("%d is claimed of the carrier for %v", m.Asked, parts)
	}
}

// damage is what a carrier damaged of one purchase order, by line, and what was claimed for it, in minor units.
type damage struct {
	worth   map[int]int64
	claimed int64
}

// damaged is what returns say about it, by purchase order.
func (l *life) damaged() map[string]*damage {
	list := map[string]*damage{}
	for _, e := range l.readReturns() {
		_, found := e.State.DamagedOnTheWay()
		for _, d := range found {
			if list[e.State.PO] == nil {
				list[e.State.PO] = &damage{worth: map[int]int64{}}
			}
			list[e.State.PO].worth[d.Line] += d.Minor()
		}
	}
	return list
}

// checkDamage: of each parcel that was delivered the carrier is asked for what was damaged out of it, up to what it
// answers for. Of a line that came in several of them it is not known here out of which the damage is.
func (l *life) checkDamage(b *book, d *damage) {
	var most int64
	known := map[int]int{}
	for _, x := range b.boxes {
		if !x.scanned("delivered") {
			continue
		}
		var worth int64
		for line := range d.worth {
			if x.lines[line] > 0 {
				worth += d.worth[line]
				known[line]++
			}
		}
		most += min(worth, l.liability())
	}
	single := true
	for line := range d.worth {
		single = single && known[line] == 1
	}
	if d.claimed > most || single && d.claimed != most {
		l.fail("%s: %d is claimed for damage, the carrier answers for %d of %v", b.po, d.claimed, most, d.worth)
	}
	if single {
		l.happened("damage claimed to the cent")
	}
}

// checkLoss: of a parcel that came all the same nothing is claimed, and what was paid for it was found.
func (l *life) checkLoss(m *ourMatter, x *box, worth int64) {
	switch came, want := x.scanned("delivered"), min(worth, l.liability()); {
	case came && (m.Asked != m.Closed || m.Found != m.Paid):
		l.fail("%s came: %d is claimed for it, %d of that was settled, %d paid and %d found", x.tracking, m.Asked, m.Closed, m.Paid, m.Found)
	case came:
		l.happened("carrier's claim ended: found")
	case m.Asked != want || m.Found != 0:
		l.fail("%s is lost, and %d is claimed for it; of %d the carrier answers for %d", x.tracking, m.Asked, worth, want)
	default:
		l.happened("carrier's claim ended: lost")
	}
}

// accrued is what a shipment has cost, minor units.
func (l *life) accrued(po, shipment string) (minor int64) {
	err := l.world.admin.QueryRow(l.ctx, `SELECT coalesce(sum(e.minor), 0)::bigint FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
		WHERE t.order_key = $1 AND t.key = 'supplier_accrued|' || $2 || '|' || $3 AND e.account = 'cost_of_goods'`, l.key.String(), po, shipment).Scan(&minor)
	if err != nil {
		l.fail("read what shipment %s has cost: %v", shipment, err)
	}
	return minor
}

// liability is what the carrier answers for at most of one parcel, minor units.
func (l *life) liability() int64 {
	bound, bounded := catalog.AmountIn(l.world.catalog.Carriers[0].Claims.MaxLiability, l.world.currency)
	if !bounded {
		l.fail("the carrier's liability has no bound")
	}
	return bound.Minor
}
