package catalog

import (
	"slices"
	"strings"

	"github.com/dropline/dropline/internal/money"
)

// VolumePeriod is how long purchases are added up for a volume discount.
type VolumePeriod string

// The periods, by the calendar of the supplier's time zone.
const (
	VolumeMonth   VolumePeriod = "month"
	VolumeQuarter VolumePeriod = "quarter"
	VolumeYear    VolumePeriod = "year"
)

// Volume are the discounts that a supplier gives on everything it invoices in a period in which the purchases
// reach a tier. Without tiers there are none.
type Volume struct {
	Period VolumePeriod `json:"period,omitempty"`
	Tiers  []VolumeTier `json:"tiers,omitempty"` // rising in amount and discount
}

// VolumeTier gives DiscountBP basis points once a period's invoiced goods come to From: one amount for each
// currency, of which each is added up by itself.
type VolumeTier struct {
	From       []money.Money `json:"from"`
	DiscountBP int64         `json:"discount_bp"`
}

// mostTiers bounds the tiers of a contract.
const mostTiers = 20

func readVolume(s *section, c *Contract) {
	if len(s.fields) == 0 {
		return
	}
	s.need("period", "tiers")
	scan(s, "period", oneOf(VolumeMonth, VolumeQuarter, VolumeYear), &c.Volume.Period)
	if v, ok := s.take("tiers"); ok {
		items := v.items("from")
		if len(items) == 0 || len(items) > mostTiers {
			v.problem("want between 1 and %d tiers", mostTiers)
		}
		for _, item := range items {
			c.Volume.Tiers = append(c.Volume.Tiers, readTier(item, c))
		}
	}
	s.done()
}

// readTier reads a tier and compares it with the one before.
func readTier(v value, c *Contract) (tier VolumeTier) {
	s := v.section()
	s.need("from", "discount_bp")
	from, whole := s.at("from"), true
	if !s.has("from") || len(from.node.Content) == 0 {
		var amount money.Money
		scan(s, "from", amountIn(c.Currency), &amount)
		tier.From = []money.Money{amount}
	} else {
		tier.From = readThresholds(s.sub("from"))
	}
	for _, amount := range tier.From {
		whole = whole && amount.Currency != ""
	}
	scan(s, "discount_bp", basisPoints, &tier.DiscountBP)
	s.done()
	if s.has("discount_bp") && tier.DiscountBP == 0 {
		s.at("discount_bp").problem("want more than 0: a tier gives a discount")
	}
	if len(c.Volume.Tiers) > 0 && whole {
		tier.rises(c.Volume.Tiers[len(c.Volume.Tiers)-1], from, s)
	}
	return tier
}

// readThresholds reads an amount for each currency, in the order of the currencies.
func readThresholds(s *section) (list []money.Money) {
	for _, f := range s.fields {
		var amount money.Money
		if _, err := parseCurrency(f.key.Value); err != nil {
			s.known = append(s.known, f.key.Value)
			f.value.problem("%v", err)
		} else {
			scan(s, f.key.Value, amountIn(f.key.Value), &amount)
		}
		list = append(list, amount)
	}
	slices.SortFunc(list, func(x, y money.Money) int { return strings.Compare(x.Currency, y.Currency) })
	return list
}

func (t VolumeTier) rises(last VolumeTier, from value, s *section) {
	if t.DiscountBP <= last.DiscountBP {
		s.at("discount_bp").problem("%d is not more than %d of the tier before: want rising discounts", t.DiscountBP, last.DiscountBP)
	}
	if len(t.From) != len(last.From) {
		from.problem("want an amount in each currency of the tier before")
		return
	}
	for i, amount := range t.From {
		switch before := last.From[i]; {
		case amount.Currency != before.Currency:
			from.problem("want an amount in each currency of the tier before: %s is missing", before.Currency)
		case amount.Minor <= before.Minor:
			from.problem("%s is not more than %s of the tier before: want rising amounts", amount, before)
		}
	}
}
