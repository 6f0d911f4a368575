package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/routing"
	"github.com/dropline/dropline/workflows"
)

// RouteOrder chooses suppliers for units, reserves their stock and stores the decision with its
// frozen inputs, in the transaction that records the order: a unit that moves from one supplier to
// another is never live with both. A second run finds the decision and returns it.
func (o *Orders) RouteOrder(ctx context.Context, in workflows.RouteInput) (order.Routing, error) {
	var routed order.Routing
	err := postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		var err error
		routed, err = o.route(ctx, w, &in)
		return err
	})
	if err != nil {
		return order.Routing{}, fmt.Errorf("route order %s: %w", in.State.Key, err)
	}
	return routed, nil
}

func (o *Orders) route(ctx context.Context, w *postgres.Work, in *workflows.RouteInput) (order.Routing, error) {
	n := in.State.Supply.Decisions + 1
	market, err := readMarket(ctx, w, in, n, o.Now())
	if err != nil {
		return order.Routing{}, err
	}
	if market.decision != nil {
		// The snapshot may be newer than the one that was recorded with the decision.
		routed := o.routingOf(in.State.Key, n, market, *market.decision)
		if market.recorded > in.State.Revision {
			// A worker died after it had recorded what followed from the decision, all in one workflow task.
			return routed, nil
		}
		return routed, recordBesidesLines(w, o.after(in, routed), in.State.Notices)
	}
	request := market.request(in, o.Now())
	decision, err := routing.Decide(request)
	if err != nil {
		return order.Routing{}, err
	}
	if err := storeDecision(w, in.State.Key, n, request, decision); err != nil {
		return order.Routing{}, err
	}
	routed := o.routingOf(in.State.Key, n, market, decision)
	if err := storePurchaseOrders(w, in.State.Key, n, &routed, decision); err != nil {
		return order.Routing{}, err
	}
	// What follows from the decision is told by the workflow: a request that came meanwhile may have
	// cancelled the units already, and nobody is told twice.
	return routed, record(w, o.after(in, routed), in.State.Notices)
}

// after is the order with its decision, as the workflow will have it in a moment: what is recorded
// is true at once, and facts that come next find their purchase orders in it.
func (o *Orders) after(in *workflows.RouteInput, routed order.Routing) *order.State {
	s := in.State.Clone()
	s.Routed(in.Lines, routed, o.Now())
	return &s
}

// market is what a decision is made from.
type market struct {
	suppliers []catalog.Supplier
	offers    []stocked
	region    string
	country   string
	currency  string
	rates     []money.Rate // into currency; one that the order was converted at before stays
	sent      int          // purchase orders the order has already
	recorded  int64        // revision of the order's newest snapshot
	decision  *routing.Decision
	frozen    map[string]order.Terms // of the decision's purchase orders, when it stands already
}

type stocked struct {
	catalog.Offer
	free int64 // on hand minus reserved
}

// readMarket locks the order, so that a second run finds the decision of the first, and then the
// offers of all its articles, so that two orders never reserve the same unit. Offers are locked in
// one order by everyone, and all of them before the snapshot is recorded, which changes the
// reservations of suppliers that gave units back: two orders never wait for each other.
func readMarket(ctx context.Context, w *postgres.Work, in *workflows.RouteInput, n int, now time.Time) (*market, error) {
	m := &market{frozen: map[string]order.Terms{}}
	key := in.State.Key.String()
	wanted, all := skusOf(in)
	w.Queue(`SELECT o.country, o.currency, coalesce(c.ship_to->>'region', ''),
			(SELECT count(*) FROM purchase_orders p WHERE p.order_key = o.key AND p.decision < $2),
			coalesce((o.state->>'revision')::bigint, 0),
			(SELECT jsonb_agg(rate) FROM (
				SELECT DISTINCT ON (from_currency) rate FROM (
					SELECT r.from_currency, jsonb_build_object('from', r.from_currency, 'to', r.to_currency, 'num', r.num, 'den', r.den) AS rate,
						2 AS rank, r.valid_on FROM exchange_rates r WHERE r.to_currency = o.currency AND r.valid_on <= $3
					UNION ALL
					SELECT p.currency, p.terms->'rate', 1, p.created_at::date FROM purchase_orders p
					WHERE p.order_key = o.key AND p.terms->'rate' IS NOT NULL
				) known ORDER BY from_currency, rank, valid_on DESC) newest)
		FROM orders o JOIN order_contacts c ON c.order_key = o.key WHERE o.key = $1
		FOR NO KEY UPDATE OF o`, key, n, now.UTC().Format(time.DateOnly)).QueryRow(func(row pgx.Row) error {
		return missing(row.Scan(&m.country, &m.currency, &m.region, &m.sent, &m.recorded, &m.rates), "order", key)
	})
	w.Queue(`SELECT decision FROM routing_decisions WHERE order_key = $1 AND n = $2`, key, n).Query(m.readDecision)
	w.Queue(`SELECT number, terms FROM purchase_orders WHERE order_key = $1 AND decision = $2`, key, n).Query(func(rows pgx.Rows) error {
		var number string
		var terms order.Terms
		_, err := pgx.ForEachRow(rows, []any{&number, &terms}, func() error {
			m.frozen[number], terms = terms, order.Terms{}
			return nil
		})
		return err
	})
	w.Queue(`SELECT document, on_hand - reserved FROM offers WHERE sku = ANY ($1)
		ORDER BY sku COLLATE "C", supplier COLLATE "C" FOR NO KEY UPDATE`, all).Query(func(rows pgx.Rows) error {
		offers, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (stocked, error) {
			var s stocked
			err := row.Scan(&s.Offer, &s.free)
			return s, err
		})
		m.offers = slices.DeleteFunc(offers, func(s stocked) bool { return !slices.Contains(wanted, s.SKU) })
		return err
	})
	w.Queue(`SELECT document FROM suppliers WHERE id IN (SELECT supplier FROM offers WHERE sku = ANY ($1)) ORDER BY id`,
		wanted).Query(func(rows pgx.Rows) (err error) {
		m.suppliers, err = pgx.CollectRows(rows, pgx.RowTo[catalog.Supplier])
		return err
	})
	return m, w.Flush(ctx)
}

// skusOf are the articles to find suppliers for, and all that the order has.
func skusOf(in *workflows.RouteInput) (wanted, all []string) {
	for i := range in.State.Lines {
		l := &in.State.Lines[i]
		all = append(all, l.SKU)
		if slices.ContainsFunc(in.Lines, func(want order.ShippedLine) bool { return want.Line == l.Line }) {
			wanted = append(wanted, l.SKU)
		}
	}
	return wanted, all
}

func (m *market) readDecision(rows pgx.Rows) error {
	var text string
	_, err := pgx.ForEachRow(rows, []any{&text}, func() error {
		m.decision = &routing.Decision{}
		return json.Unmarshal([]byte(text), m.decision)
	})
	if err != nil {
		return fmt.Errorf("read the decision that was made before: %w", err)
	}
	return nil
}

func storeDecision(w *postgres.Work, key order.Key, n int, request routing.Request, decision routing.Decision) error {
	asked, err := request.Canonical()
	if err != nil {
		return err
	}
	decided, err := decision.Canonical()
	if err != nil {
		return err
	}
	w.Queue(`INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ($1, $2, $3, $4)`,
		key.String(), n, string(asked), string(decided))
	return nil
}

// routingOf names the purchase orders of a decision. Their numbers follow from the order and the
// place in the decision, so that a second run gives the same.
func (o *Orders) routingOf(key order.Key, n int, m *market, d routing.Decision) order.Routing {
	routed := order.Routing{Decision: n, NoOffer: whyUnassigned(d)}
	for i := range d.Assignments {
		a := &d.Assignments[i]
		po := order.NewPO{Number: key.PurchaseOrderNumber(m.sent + i + 1), Supplier: a.Supplier}
		var stands bool
		if po.Terms, stands = m.frozen[po.Number]; !stands {
			po.Terms = m.terms(a.Supplier)
			po.Terms.Rate = m.rate(a.Currency)
		}
		po.Currency = a.Currency
		for _, l := range a.Lines {
			po.Lines = append(po.Lines, order.POLine{Line: l.Line, SKU: l.SKU, Quantity: l.Quantity, UnitCost: orderedAt(a, l)})
		}
		routed.POs = append(routed.POs, po)
	}
	return routed
}

// orderedAt is what a supplier is to be paid for a unit, in its own currency.
func orderedAt(a *routing.Assignment, l routing.AssignedLine) int64 {
	if a.Currency != "" {
		return l.OfferCost
	}
	return l.UnitCost
}

// rate is what a currency other than the order's is converted at; nil for the order's own.
func (m *market) rate(currency string) *money.Rate {
	for i := range m.rates {
		if m.rates[i].From == currency {
			return &m.rates[i]
		}
	}
	return nil
}

func (m *market) terms(supplierID string) order.Terms {
	for i := range m.suppliers {
		if s := &m.suppliers[i]; s.ID == supplierID {
			return order.Terms{
				Name:              s.Name,
				KeepOnSilence:     s.Contract.Cancel.OnSilence == catalog.SilenceHold,
				LooksRarer:        s.Contract.Cancel.OnSilence == catalog.SilenceHold,
				AcceptPriceBP:     s.Contract.PriceChange.AcceptWithinBP,
				AcceptSubstitutes: s.Contract.Substitution == catalog.SubstitutionAccept,
			}
		}
	}
	return order.Terms{Name: supplierID}
}

func whyUnassigned(d routing.Decision) string {
	var parts []string
	for _, u := range d.Unassigned {
		parts = append(parts, fmt.Sprintf("%d × %s: %s", u.Quantity, u.SKU, strings.ReplaceAll(string(u.Reason), "_", " ")))
	}
	return strings.Join(parts, "; ")
}

func storePurchaseOrders(w *postgres.Work, key order.Key, n int, routed *order.Routing, d routing.Decision) error {
	for i := range routed.POs {
		po := &routed.POs[i]
		terms, err := json.Marshal(po.Terms)
		if err != nil {
			return fmt.Errorf("encode the terms of %s: %w", po.Number, err)
		}
		w.Queue(`INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, method, terms)
			VALUES ($1, $2, $3, $4, 'created', $5, $6, $7)`,
			po.Number, key.String(), n, po.Supplier, cmp.Or(po.Currency, d.Currency), d.Assignments[i].Method, terms)
	}
	var numbers, skus, supplierSKUs, suppliers []string
	var lines []int
	var quantities, costs []int64
	for i := range d.Assignments {
		for _, l := range d.Assignments[i].Lines {
			numbers, suppliers = append(numbers, routed.POs[i].Number), append(suppliers, routed.POs[i].Supplier)
			lines, skus, supplierSKUs = append(lines, l.Line), append(skus, l.SKU), append(supplierSKUs, l.SupplierSKU)
			quantities, costs = append(quantities, l.Quantity), append(costs, orderedAt(&d.Assignments[i], l))
		}
	}
	w.Queue(`INSERT INTO purchase_order_lines (number, order_key, line, sku, supplier_sku, quantity, live, reserved, unit_cost, units)
		SELECT number, $1, line, sku, supplier_sku, quantity, quantity AS live, quantity AS reserved, cost, jsonb_build_object('pending', quantity)
		FROM unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
			AS n (number, line, sku, supplier_sku, quantity, cost)`,
		key.String(), numbers, lines, skus, supplierSKUs, quantities, costs)
	w.Queue(`UPDATE offers o SET reserved = o.reserved + n.quantity
		FROM (SELECT supplier, sku, sum(quantity) AS quantity
			FROM unnest($1::text[], $2::text[], $3::bigint[]) AS u (supplier, sku, quantity) GROUP BY supplier, sku) n
		WHERE o.supplier = n.supplier AND o.sku = n.sku`, suppliers, skus, quantities)
	return nil
}
