// Package volume holds the rules of volume discounts: in which period a purchase counts, which tier a
// period's purchases reach, and what of the discount is still to be claimed. Everything is pure; amounts are
// minor units of one currency.
package volume

import (
	"fmt"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/money"
)

// Matter begins the ids of what claims a period's discounts; no order's key begins so.
const Matter = "volume:"

// ID names the pursuit of a tier: the claims of all orders of the period.
func ID(supplier, period, currency string, bp int64) string {
	return fmt.Sprintf("%s%s/%s/%s/%d", Matter, supplier, period, currency, bp)
}

// Joint tells whether a pursuit joins the claims of several orders.
func Joint(pursuit string) bool { return strings.HasPrefix(pursuit, Matter) }

// Within is the period that a moment falls in, and when it ends. The zone is the supplier's.
func Within(length catalog.VolumePeriod, at time.Time, zone *time.Location) (name string, ends time.Time) {
	year, month, _ := at.In(zone).Date()
	switch length {
	case catalog.VolumeMonth:
		return fmt.Sprintf("%04d-%02d", year, month), time.Date(year, month+1, 1, 0, 0, 0, 0, zone)
	case catalog.VolumeQuarter:
		quarter := (month - 1) / 3
		return fmt.Sprintf("%04d-Q%d", year, quarter+1), time.Date(year, quarter*3+4, 1, 0, 0, 0, 0, zone)
	default:
		return fmt.Sprintf("%04d", year), time.Date(year+1, time.January, 1, 0, 0, 0, 0, zone)
	}
}

// Reached is the discount of the highest tier that a sum of purchases reaches, in basis points; 0: none.
func Reached(tiers []catalog.VolumeTier, currency string, sum int64) (bp int64) {
	for _, tier := range tiers {
		for _, from := range tier.From {
			if from.Currency == currency && sum >= from.Minor {
				bp = max(bp, tier.DiscountBP)
			}
		}
	}
	return bp
}

// Expected is the discount that an invoice for goods is expected with. It is rounded down: what the
// invoices of a period are rounded by is never asked for too much, and claimed when the period is over.
func Expected(goods, bp int64) (int64, error) {
	share, err := money.MulMinor(goods, bp)
	if err != nil {
		return 0, fmt.Errorf("discount of %d basis points: %w", bp, err)
	}
	return share / 10_000, nil
}

// Purchase is what one invoice charged for goods, less what corrected it, and the discount that was expected
// or claimed for it so far.
type Purchase struct{ Goods, Given int64 }

// Sum adds up the goods of purchases.
func Sum(purchases []Purchase) (sum int64, err error) {
	for _, p := range purchases {
		if sum, err = money.AddMinor(sum, p.Goods); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

// Missing divides what is missing of the discount over the purchases, by what each lacks: with it, what was
// given is exactly bp of their sum. all is its sum; nil when nothing is missing. What was given too much,
// because a purchase was corrected, lessens what is missing. rounding is true when no more is missing than
// rounding left over.
func Missing(purchases []Purchase, bp int64) (parts []int64, all int64, rounding bool, err error) {
	sum, err := Sum(purchases)
	if err != nil {
		return nil, 0, false, err
	}
	if all, err = money.BasisPoints(sum, bp); err != nil {
		return nil, 0, false, err
	}
	lacks, lacking := make([]int64, len(purchases)), false
	for i, p := range purchases {
		all -= p.Given
		share, err := Expected(p.Goods, bp)
		if err != nil {
			return nil, 0, false, err
		}
		lacks[i] = max(share-p.Given, 0)
		lacking = lacking || lacks[i] > 0
	}
	if all <= 0 {
		return nil, 0, false, nil
	}
	if !lacking {
		for i, p := range purchases {
			lacks[i] = p.Goods
		}
	}
	parts, err = money.Allocate(all, lacks)
	return parts, all, all <= int64(len(purchases)), err
}
