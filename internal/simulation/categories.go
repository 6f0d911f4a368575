package simulation

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/returns"
)

// categories are of what category an article is, in a market in which that matters.
var categories = map[string]string{"ANVIL": "Tools", "BELL": "Music", "DRUM": "Music"}

// article is where the catalogue offers one.
var article = regexp.MustCompile(`\{sku: (\w+)`)

// categorised names an article's category.
func categorised(offer []byte) []byte {
	category := categories[string(article.FindSubmatch(offer)[1])]
	if category == "" {
		return offer
	}
	return fmt.Appendf(nil, "%s, category: %s", offer, category)
}

// categorise has some orders say for themselves of which category an article is.
func (l *life) categorise(line *basketLine, document map[string]any) {
	if !l.world.market.wide {
		return
	}
	line.category = strings.ToLower(categories[line.sku])
	if l.chance(20) {
		said := oneOf(l, []string{"TOOLS", "music", "Books"})
		line.category, document["category"] = strings.ToLower(said), said
		l.happened("order names a category")
	}
}

// refusedFor counts what was refused for a rule that only a category has: the customer is told of which.
func (l *life) refusedFor(code, text string) {
	if strings.Contains(text, "(tools)") || strings.Contains(text, "(music)") {
		l.happened("return refused for its category: " + code)
	}
}

func (l *life) returnPolicy() *catalog.ReturnPolicy {
	for i := range l.world.catalog.Storefronts {
		if s := &l.world.catalog.Storefronts[i]; s.ID == l.key.Storefront {
			return &s.Policy.Returns
		}
	}
	l.fail("there is no storefront %s", l.key.Storefront)
	return nil
}

// checkCategories: goods come back on the terms of their category, and no more is paid for what is as it was sold than
// those leave.
func (l *life) checkCategories(s *returns.State, c *comeback) {
	policy := l.returnPolicy()
	var most int64
	whole := true
	for i := range s.Lines {
		r := &s.Lines[i]
		sold := &l.basket.lines[r.Line-1]
		own, special := policy.Categories[sold.category]
		price := sold.sum * r.Settled / sold.quantity
		restocking := policy.RestockingBP
		if own.RestockingBP != nil {
			restocking = *own.RestockingBP
		}
		plain := !r.Reason.Fault() && len(r.Ruled) == 0 && r.Found[returns.AsNew] == r.Quantity && len(r.Found) == 1 && !s.Keep && !s.Instant && !c.excused
		switch {
		case r.Category != sold.category:
			l.fail("return %s: line %d is of category %q, and was judged as %q", s.RMA, r.Line, sold.category, r.Category)
		case !r.Reason.Fault() && own.FinalSale && !l.overrides:
			l.fail("return %s: line %d was sold without a right to return it", s.RMA, r.Line)
		case own.RestockingBP != nil && *own.RestockingBP != policy.RestockingBP && (r.Fees == nil || r.Fees.RestockingBP != restocking):
			l.fail("return %s: for line %d %d basis points are to be kept, and not %v", s.RMA, r.Line, restocking, r.Fees)
		}
		if special {
			l.happened("return of a category with terms of its own")
		}
		if plain {
			price -= price * restocking / 10_000
		}
		whole, most = whole && plain, most+price
	}
	credit, bonus := l.creditedUnder("return/" + s.RMA + "/")
	if paid := s.PaidMinor + credit - bonus; whole && paid > most+int64(len(s.Lines)+s.Paid) {
		l.fail("return %s has paid %d for goods of which the policy leaves %d", s.RMA, paid, most)
	}
	if whole && len(s.Lines) > 0 {
		l.happened("return paid by the policy alone")
	}
}
