package returndesk

import (
	"cmp"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
)

func (c *counter) queueTerms(b *pgx.Batch) {
	b.Queue(`SELECT s.document, c.document FROM suppliers s LEFT JOIN carriers c ON c.id = s.document #>> '{contract,transit_carrier}'
		WHERE s.id IN (SELECT supplier FROM purchase_orders WHERE order_key = $1)`,
		c.key.String()).Query(func(rows pgx.Rows) error {
		var s catalog.Supplier
		var transit *catalog.Carrier
		_, err := pgx.ForEachRow(rows, []any{&s, &transit}, func() error {
			c.suppliers[s.ID], c.transit[s.ID] = s, transit
			s, transit = catalog.Supplier{}, nil
			return nil
		})
		return err
	})
}

// queueArrivals reads when units came. The scans say it; the order's state only says that they did.
func (c *counter) queueArrivals(b *pgx.Batch) {
	b.Queue(`SELECT po_number, lines, milestone_at FROM parcels WHERE order_key = $1 AND milestone = 'delivered' AND milestone_at IS NOT NULL`,
		c.key.String()).Query(func(rows pgx.Rows) error {
		var po string
		var lines []order.ShippedLine
		var at time.Time
		_, err := pgx.ForEachRow(rows, []any{&po, &lines, &at}, func() error {
			for _, l := range lines {
				if u := (unit{po, l.Line}); at.After(c.arrived[u]) {
					c.arrived[u] = at
				}
			}
			lines = nil
			return nil
		})
		return err
	})
}

func (c *counter) queueReturns(b *pgx.Batch) {
	b.Queue(`SELECT l.po_number, l.line, sum(l.quantity - l.released)::bigint FROM return_lines l JOIN returns r USING (rma)
		WHERE r.order_key = $1 GROUP BY l.po_number, l.line`, c.key.String()).Query(func(rows pgx.Rows) error {
		var u unit
		var n int64
		_, err := pgx.ForEachRow(rows, []any{&u.po, &u.line, &n}, func() error { c.taken[u] = n; return nil })
		return err
	})
	c.queueTrusted(b)
	b.Queue(`SELECT po_number, count(*)::int FROM returns WHERE order_key = $1 GROUP BY po_number`, c.key.String()).Query(func(rows pgx.Rows) error {
		var po string
		var n int
		_, err := pgx.ForEachRow(rows, []any{&po, &n}, func() error { c.returns[po] = n; return nil })
		return err
	})
}

// queueCategories reads of which category the order's goods are: it says so itself, or the catalogue does.
func (c *counter) queueCategories(b *pgx.Batch) {
	for i := range c.document.Lines {
		c.categories[c.document.Lines[i].Line] = catalog.CategoryKey(c.document.Lines[i].Category)
	}
	b.Queue(`SELECT l.line, min(f.document ->> 'category') FROM order_lines l JOIN offers f ON f.sku = l.sku
		WHERE l.order_key = $1 AND f.document ->> 'category' <> '' GROUP BY l.line`, c.key.String()).Query(func(rows pgx.Rows) error {
		var line int
		var category string
		_, err := pgx.ForEachRow(rows, []any{&line, &category}, func() error {
			c.categories[line] = cmp.Or(c.categories[line], catalog.CategoryKey(category))
			return nil
		})
		return err
	})
}

// terms are those of a supplier for goods of a category.
func (c *counter) terms(po *order.PurchaseOrder, category string) returns.Terms {
	s := c.suppliers[po.Supplier]
	r := s.Contract.Returns.Of(category)
	terms := returns.Terms{
		Supplier: s.ID, Name: s.Name, Currency: po.Currency, WindowDays: r.WindowDays, RestockingBP: r.RestockingBP,
		PaysShipping: r.PaysShipping == catalog.PayerSupplier, CreditWithin: r.CreditWithin.Elapsed(), CountsFinds: true,
	}
	if carrier := c.transit[s.ID]; carrier != nil {
		terms.Transit = CarrierTermsOf(carrier, cmp.Or(po.Currency, c.document.Currency))
	}
	return terms
}

// CarrierTermsOf are the terms on which a carrier answers for parcels of an order, as they stand now.
func CarrierTermsOf(c *catalog.Carrier, currency string) *returns.CarrierTerms {
	claims := c.Claims.OrDefault()
	terms := &returns.CarrierTerms{Carrier: c.ID, Owner: claims.Owner, AnswerWithin: claims.AnswerWithin.Elapsed()}
	if bound, bounded := catalog.AmountIn(claims.MaxLiability, currency); bounded {
		terms.UpTo = &bound.Minor
	}
	return terms
}

// delivered is what the order's purchase orders brought, and what is still on its way.
func (c *counter) delivered() []returns.Delivered {
	var list []returns.Delivered
	state := &c.standing.State
	for i := range state.POs {
		po := &state.POs[i]
		for j := range po.Lines {
			l := &po.Lines[j]
			u := unit{po.Number, l.Line}
			category := c.categories[l.Line]
			d := returns.Delivered{
				PO: po.Number, Line: l.Line, SKU: l.SKU, Quantity: l.Units.Delivered, Taken: c.taken[u], At: c.arrived[u],
				UnitCost: l.UnitCost, Terms: c.terms(po, category), Category: category, Returning: returning(po, l.Line),
			}
			d.Underway = max(l.Units.Shipped+l.Units.Labelled+l.Units.Accepted+l.Units.Pending+l.Units.Backordered+l.Units.OnHold-d.Returning, 0)
			list = append(list, d)
		}
	}
	return list
}

// returning is the units of a line in parcels that go back to their sender by themselves.
func returning(po *order.PurchaseOrder, line int) (n int64) {
	for i := range po.Parcels {
		if p := &po.Parcels[i]; p.Milestone == order.ParcelReturning {
			for _, l := range p.Lines {
				if l.Line == line {
					n += l.Quantity
				}
			}
		}
	}
	return n
}

// prices are what the customer paid for one unit of each line, with tax and after discounts, rounded up:
// they decide what is small enough, not what goes back.
func (c *counter) prices() (map[int]int64, error) {
	prices := map[int]int64{}
	for i := range c.document.Lines {
		l := &c.document.Lines[i]
		priced := c.document.PricedLine(l.Line)
		if err := priced.Validate(); err != nil {
			return nil, fmt.Errorf("line %d: %w", l.Line, err)
		}
		prices[l.Line] = (priced.Total() + l.Quantity - 1) / l.Quantity
	}
	return prices, nil
}

// policy picks what decides about this order's returns.
func (c *counter) policy() returns.Policy {
	r := &c.shop.Policy.Returns
	in := func(amounts []money.Money) int64 {
		amount, _ := catalog.AmountIn(amounts, c.document.Currency)
		return amount.Minor
	}
	var outcomes []returns.Resolution
	for _, one := range r.Outcomes {
		outcomes = append(outcomes, returns.Resolution(one))
	}
	categories := map[string]returns.Rules{}
	for name, own := range r.Categories {
		of := r.Of(name)
		categories[name] = returns.Rules{
			FinalSale: own.FinalSale, PhotosForFault: of.PhotosForFault, WindowDays: of.WindowDays, FaultDays: of.FaultDays,
			RestockingBP: of.RestockingBP, OpenedBP: of.OpenedBP,
		}
	}
	return returns.Policy{
		Categories: categories, Outcomes: outcomes, ExchangeAtScan: r.ExchangeAt == catalog.ExchangeAtScan, CreditBonusBP: r.CreditBonusBP,
		WindowDays: r.WindowDays, FaultDays: r.FaultDays, FinalSale: r.FinalSale, RestockingBP: r.RestockingBP, OpenedBP: r.OpenedBP,
		CustomerPaysShipping: r.PaysShipping == catalog.PayerCustomer, ReturnShipping: in(r.ReturnShipping),
		InstantUpTo: in(r.InstantUpTo), KeepUpTo: in(r.KeepUpTo), PhotosForFault: r.PhotosForFault, LostUpTo: in(r.LostUpTo),
		SendWithin: r.SendWithin.Elapsed(), InspectWithin: r.InspectWithin.Elapsed(),
	}
}
