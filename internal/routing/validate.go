package routing

import (
	"errors"
	"fmt"
)

// ErrInvalid is wrapped by every error about a malformed request.
var ErrInvalid = errors.New("invalid routing request")

// Limits keep every sum inside int64 without a check at each addition: goods and per-item
// shipping stay below 2·10^16, a purchase order's charged parcels below 10^16, its lateness
// below 1.1·10^14, and 256 purchase orders of that below 2.7·10^18 < 2^63.
const (
	MaxAmount     int64 = 100_000_000_000 // minor units, any single amount, also after conversion
	MaxUnits      int64 = 100_000         // units in one request
	MaxCandidates       = 256
	MaxDays             = 366
	wholeBP       int64 = 10_000 // basis points in a certainty
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("routing: %s: %w", fmt.Sprintf(format, args...), ErrInvalid)
}

func (r *Request) validate() error {
	if !currencyCode(r.Currency) {
		return invalid("currency %q is not an ISO 4217 code", r.Currency)
	}
	if r.Destination.Country == "" {
		return invalid("destination has no country")
	}
	if r.At.IsZero() {
		return invalid("the moment of the decision is missing")
	}
	for _, check := range []func() error{r.validateLines, r.validatePolicy, r.validateCandidates, r.validateExcluded, r.validateRates} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Request) validateLines() error {
	if len(r.Lines) == 0 {
		return invalid("no lines")
	}
	seen := make(map[int]bool, len(r.Lines))
	var units int64
	for _, l := range r.Lines {
		switch {
		case seen[l.Line]:
			return invalid("line %d is given twice", l.Line)
		case l.SKU == "":
			return invalid("line %d has no SKU", l.Line)
		case l.Quantity <= 0 || l.Quantity > MaxUnits-units:
			return invalid("line %d: quantity %d is not positive or takes the request over %d units", l.Line, l.Quantity, MaxUnits)
		}
		seen[l.Line] = true
		units += l.Quantity
	}
	return nil
}

func (r *Request) validatePolicy() error {
	p := r.Policy
	if !amountOK(p.SplitPenalty) || !amountOK(p.LatenessCostPerDay) || !amountOK(p.RiskCost) {
		return invalid("policy amounts must lie in 0..%d", MaxAmount)
	}
	if !daysOK(p.PromiseDays) {
		return invalid("policy promises %d days, allowed are 0..%d", p.PromiseDays, MaxDays)
	}
	if p.MaxSuppliers < 0 {
		return invalid("policy allows %d suppliers", p.MaxSuppliers)
	}
	return nil
}

func (r *Request) validateCandidates() error {
	if len(r.Candidates) > MaxCandidates {
		return invalid("%d candidates, at most %d", len(r.Candidates), MaxCandidates)
	}
	seen := make(map[string]bool, len(r.Candidates))
	for i := range r.Candidates {
		c := &r.Candidates[i]
		if c.Supplier == "" || seen[c.Supplier] {
			return invalid("candidate %q is unnamed or given twice", c.Supplier)
		}
		seen[c.Supplier] = true
		if err := c.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Candidate) validate() error {
	if c.ExpectedLateBP < 0 || c.ExpectedLateBP > wholeBP || c.RejectBP < 0 || c.RejectBP > wholeBP {
		return invalid("candidate %q: probabilities must lie in 0..%d basis points", c.Supplier, wholeBP)
	}
	if !daysOK(c.ShipDays) || !daysOK(c.LateDays) {
		return invalid("candidate %q: days must lie in 0..%d", c.Supplier, MaxDays)
	}
	methods := make(map[string]bool, len(c.Shipping))
	for _, m := range c.Shipping {
		switch {
		case m.Name == "" || methods[m.Name]:
			return invalid("candidate %q: shipping method %q is unnamed or given twice", c.Supplier, m.Name)
		case !amountOK(m.BaseCost) || !amountOK(m.PerItemCost) || !daysOK(m.TransitDaysMax):
			return invalid("candidate %q: shipping method %q is out of range", c.Supplier, m.Name)
		case m.Currency != "" && !currencyCode(m.Currency):
			return invalid("candidate %q: shipping method %q has currency %q", c.Supplier, m.Name, m.Currency)
		}
		methods[m.Name] = true
	}
	offers := make(map[string]bool, len(c.Offers))
	for _, o := range c.Offers {
		switch {
		case o.SKU == "" || offers[o.SKU]:
			return invalid("candidate %q: offer of %q has no SKU or is given twice", c.Supplier, o.SKU)
		case !amountOK(o.UnitCost) || !daysOK(o.LeadDays) || o.MaxPerParcel < 0:
			return invalid("candidate %q: offer of %q is out of range", c.Supplier, o.SKU)
		case o.Currency != "" && !currencyCode(o.Currency):
			return invalid("candidate %q: offer of %q has currency %q", c.Supplier, o.SKU, o.Currency)
		}
		offers[o.SKU] = true
	}
	return nil
}

func (r *Request) validateExcluded() error {
	for _, e := range r.Excluded {
		if e.Supplier == "" {
			return invalid("an exclusion names no supplier")
		}
		if e.Rule != "" && e.Rule != RuleExcluded && e.Rule != RuleQuarantined {
			return invalid("exclusion of %q has rule %q", e.Supplier, e.Rule)
		}
	}
	return nil
}

func (r *Request) validateRates() error {
	seen := make(map[[2]string]bool, len(r.Rates))
	for _, t := range r.Rates {
		pair := [2]string{t.From, t.To}
		if !currencyCode(t.From) || !currencyCode(t.To) || t.Num <= 0 || t.Den <= 0 || seen[pair] {
			return invalid("rate %s to %s is malformed or given twice", t.From, t.To)
		}
		seen[pair] = true
	}
	return nil
}

func amountOK(a int64) bool { return a >= 0 && a <= MaxAmount }
func daysOK(d int) bool     { return d >= 0 && d <= MaxDays }

func currencyCode(s string) bool {
	if len(s) != 3 {
		return false
	}
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return true
}

// convert turns an amount of currency from (empty: the order's) into the order's currency.
// ok is false when no rate is recorded; an amount beyond MaxAmount is an error.
func (r *Request) convert(amount int64, from string) (converted int64, ok bool, err error) {
	if from == "" || from == r.Currency {
		return amount, true, nil
	}
	for _, t := range r.Rates {
		if t.From == from && t.To == r.Currency {
			if converted, err = t.Convert(amount); err != nil || converted > MaxAmount {
				return 0, false, invalid("%d %s in %s is beyond %d", amount, t.From, t.To, MaxAmount)
			}
			return converted, true, nil
		}
	}
	return 0, false, nil
}
