package activities

import (
	"slices"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/routing"
	"github.com/dropline/dropline/internal/sla"
	"github.com/dropline/dropline/workflows"
)

// Costs that stand on no invoice, in minor units, until storefronts set their own: another purchase
// order means another parcel at the door, a day late a question to support, a failed purchase order
// a failover.
const (
	splitPenalty       = 200
	latenessCostPerDay = 100
	riskCost           = 500
)

// request freezes what the decision is made from.
func (m *market) request(in *workflows.RouteInput, now time.Time) routing.Request {
	r := routing.Request{
		Currency:    m.currency,
		Rates:       m.rates,
		Destination: routing.Destination{Country: m.country, Region: m.region},
		At:          now.UTC().Truncate(time.Second),
		Policy: routing.Policy{
			SplitPenalty: splitPenalty, LatenessCostPerDay: latenessCostPerDay, RiskCost: riskCost, AllowPartial: true,
		},
	}
	for _, l := range in.Lines {
		for i := range in.State.Lines {
			if in.State.Lines[i].Line == l.Line {
				r.Lines = append(r.Lines, routing.Line{Line: l.Line, SKU: in.State.Lines[i].SKU, Quantity: l.Quantity})
			}
		}
	}
	for i := range m.suppliers {
		r.Candidates = append(r.Candidates, m.candidate(&m.suppliers[i], now))
	}
	for _, x := range in.State.Exclusions {
		if slices.ContainsFunc(r.Candidates, func(c routing.Candidate) bool { return c.Supplier == x.Supplier }) {
			r.Excluded = append(r.Excluded, exclusion(x))
		}
	}
	return r
}

func exclusion(x order.Exclusion) routing.Exclusion {
	return routing.Exclusion{Supplier: x.Supplier, SKU: x.SKU, Rule: routing.RuleExcluded, Reason: x.Reason}
}

func (m *market) candidate(s *catalog.Supplier, now time.Time) routing.Candidate {
	c := &s.Contract
	candidate := routing.Candidate{
		Supplier:       s.ID,
		ContractFrom:   startOf(c.ValidFrom, c.Calendar),
		ShipsTo:        c.ShipsTo.Countries,
		ExpectedLateBP: c.Risk.LateBP,
		RejectBP:       c.Risk.RejectBP,
		ShipDays:       shipDays(c, now),
	}
	if !c.ValidUntil.IsZero() {
		candidate.ContractUntil = startOf(c.ValidUntil.AddDays(1), c.Calendar)
	}
	for _, region := range c.ShipsTo.ExceptRegions {
		country, code, _ := strings.Cut(region, "-")
		candidate.ExceptRegions = append(candidate.ExceptRegions, routing.Area{Country: country, Region: code})
	}
	for _, method := range c.Shipping {
		candidate.Shipping = append(candidate.Shipping, routing.Method{
			Name: method.Name, Currency: c.Currency, BaseCost: method.Base.Minor + c.Handling.Minor, PerItemCost: method.PerItem.Minor,
			TransitDaysMax: method.TransitMaxDays, Countries: method.Countries,
		})
	}
	for i := range m.offers {
		o := &m.offers[i]
		if o.Supplier != s.ID {
			continue
		}
		candidate.Offers = append(candidate.Offers, routing.Offer{
			SKU: o.SKU, SupplierSKU: o.SupplierSKU, UnitCost: o.Cost.Minor, Currency: o.Cost.Currency,
			Available: o.free, ShipsAlone: o.Rules.ShipsAlone, Hazmat: o.Rules.Hazmat,
			MaxPerParcel: int64(o.Rules.MaxPerParcel), LeadDays: o.LeadTimeDays,
		})
	}
	return candidate
}

// startOf is the first moment of a date at the supplier.
func startOf(d sla.Date, calendar sla.Calendar) time.Time {
	zone, err := calendar.Location()
	if err != nil {
		zone = time.UTC
	}
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, zone)
}

// shipDays is how many days from now the supplier may take to ship, by its own calendar, rounded up.
func shipDays(c *catalog.Contract, now time.Time) int {
	const day = 24 * time.Hour
	return int((sla.Deadline(c.Calendar, now, c.SLA.Ship).Sub(now) + day - 1) / day)
}
