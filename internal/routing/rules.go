package routing

import (
	"fmt"
	"slices"
	"time"
)

// usableMethod is a shipping method that serves the destination, priced in the order's currency.
type usableMethod struct {
	name          string
	base, perItem int64
	transitDays   int
	refusesHazmat bool
}

// usableOffer is an offer no rule removed, priced in the order's currency.
type usableOffer struct {
	Offer
	unitCost int64
}

// screened is one candidate after the hard rules; offers runs parallel to demand.skus.
type screened struct {
	candidate    *Candidate
	methods      []usableMethod
	offers       []*usableOffer
	usable       bool
	eliminations []Elimination
}

func (s *screened) eliminate(sku string, rule Rule, format string, args ...any) {
	s.eliminations = append(s.eliminations, Elimination{SKU: sku, Rule: rule, Detail: fmt.Sprintf(format, args...)})
}

// screen applies the hard rules to one candidate of a canonical request.
func screen(r *Request, c *Candidate, want *demand) (*screened, error) {
	s := &screened{candidate: c, offers: make([]*usableOffer, len(want.skus)), eliminations: []Elimination{}}
	if rule, detail := supplierRule(r, c); rule != "" {
		s.eliminate("", rule, "%s", detail)
		return s, nil
	}
	if err := s.screenMethods(r); err != nil {
		return nil, err
	}
	if len(s.methods) == 0 {
		return s, nil
	}
	for k, sku := range want.skus {
		if err := s.screenOffer(r, k, sku); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func supplierRule(r *Request, c *Candidate) (rule Rule, detail string) {
	if r.At.Before(c.ContractFrom) {
		return RuleContractNotInForce, "contract starts " + c.ContractFrom.Format(time.RFC3339)
	}
	if !c.ContractUntil.IsZero() && !r.At.Before(c.ContractUntil) {
		return RuleContractNotInForce, "contract ended " + c.ContractUntil.Format(time.RFC3339)
	}
	if e := exclusion(r, c.Supplier, ""); e != nil {
		return e.rule(), e.Reason
	}
	to := r.Destination
	if !slices.Contains(c.ShipsTo, to.Country) {
		return RuleDoesNotShipToCountry, "does not ship to " + to.Country
	}
	if covers(c.ExceptRegions, to) {
		return RuleRegionExcluded, fmt.Sprintf("does not ship to %s-%s", to.Country, to.Region)
	}
	return "", ""
}

func (s *screened) screenMethods(r *Request) error {
	unpriced := ""
	for _, m := range s.candidate.Shipping {
		if len(m.Countries) > 0 && !slices.Contains(m.Countries, r.Destination.Country) {
			continue
		}
		base, ok, err := r.convert(m.BaseCost, m.Currency)
		if err != nil {
			return err
		}
		perItem, _, err := r.convert(m.PerItemCost, m.Currency)
		if err != nil {
			return err
		}
		if !ok {
			unpriced = m.Currency
			continue
		}
		s.methods = append(s.methods, usableMethod{m.Name, base, perItem, m.TransitDaysMax, m.RefusesHazmat})
	}
	switch {
	case len(s.methods) > 0:
	case unpriced != "":
		s.eliminate("", RuleCurrency, "shipping is priced in %s and no rate to %s is recorded", unpriced, r.Currency)
	default:
		s.eliminate("", RuleNoShippingMethod, "no shipping method serves %s", r.Destination.Country)
	}
	return nil
}

func (s *screened) screenOffer(r *Request, k int, sku string) error {
	c := s.candidate
	at := slices.IndexFunc(c.Offers, func(o Offer) bool { return o.SKU == sku })
	if at < 0 {
		s.eliminate(sku, RuleNoOffer, "does not offer %s", sku)
		return nil
	}
	o := c.Offers[at]
	unitCost, priced, err := r.convert(o.UnitCost, o.Currency)
	if err != nil {
		return err
	}
	e := exclusion(r, c.Supplier, sku)
	carriesHazmat := func(m usableMethod) bool { return !m.refusesHazmat }
	switch {
	case e != nil:
		s.eliminate(sku, e.rule(), "%s", e.Reason)
	case o.Hazmat && covers(r.Policy.HazmatProhibited, r.Destination):
		s.eliminate(sku, RuleHazmatDestination, "hazardous goods may not go to %s", place(r.Destination))
	case o.Hazmat && !slices.ContainsFunc(s.methods, carriesHazmat):
		s.eliminate(sku, RuleHazmatMethod, "no method that serves %s carries hazardous goods", r.Destination.Country)
	case !priced:
		s.eliminate(sku, RuleCurrency, "priced in %s and no rate to %s is recorded", o.Currency, r.Currency)
	case o.Available <= 0:
		s.eliminate(sku, RuleOutOfStock, "%d available", o.Available)
	default:
		s.offers[k] = &usableOffer{Offer: o, unitCost: unitCost}
		s.usable = true
	}
	return nil
}

// exclusion returns the entry for exactly this SKU (empty: the whole supplier).
func exclusion(r *Request, supplier, sku string) *Exclusion {
	for i := range r.Excluded {
		if e := &r.Excluded[i]; e.Supplier == supplier && e.SKU == sku {
			return e
		}
	}
	return nil
}

func (e *Exclusion) rule() Rule {
	if e.Rule == "" {
		return RuleExcluded
	}
	return e.Rule
}

func covers(areas []Area, to Destination) bool {
	return slices.ContainsFunc(areas, func(a Area) bool {
		return a.Country == to.Country && (a.Region == "" || a.Region == to.Region)
	})
}

func place(d Destination) string {
	if d.Region == "" {
		return d.Country
	}
	return d.Country + "-" + d.Region
}
