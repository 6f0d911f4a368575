package returns

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
)

var testKey = order.Key{Storefront: "shop", Order: "1"}

// sorted is a policy with rules for three categories of their own.
func sorted() Policy {
	p := policy()
	p.RestockingBP, p.OpenedBP, p.FinalSale = 1000, 2000, []string{"EARRINGS"}
	p.Categories = map[string]Rules{
		"underwear":   {FinalSale: true, FaultDays: 60, PhotosForFault: true},
		"electronics": {WindowDays: 14, FaultDays: 90, RestockingBP: 1000, OpenedBP: 3000},
		"furniture":   {WindowDays: 100, RestockingBP: 0, OpenedBP: 0, PhotosForFault: true},
	}
	return p
}

func TestACategoryHasItsOwnRulesAndARefusalSaysThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		category string
		sku      string
		reason   Reason
		photos   int
		days     int // since the delivery
		want     RefusalCode
		says     string
	}{
		{"underwear", "MUG", ChangedMind, 1, 0, RefusedFinalSale, "Line 1 (underwear) was sold without a right to return it."},
		{"underwear", "MUG", Damaged, 1, 60, "", ""},
		{"underwear", "MUG", Damaged, 1, 61, RefusedWindow, "Line 1 (underwear) could be returned until 1 May 2026."},
		{"underwear", "MUG", Damaged, 0, 1, RefusedPhotos, "picture"},
		{"electronics", "MUG", ChangedMind, 1, 14, "", ""},
		{"electronics", "MUG", ChangedMind, 1, 15, RefusedWindow, "Line 1 (electronics) could be returned until 16 March 2026."},
		{"electronics", "MUG", Defective, 0, 90, "", ""},
		{"electronics", "EARRINGS", ChangedMind, 1, 1, RefusedFinalSale, "Line 1 (electronics) was sold"},
		{"furniture", "MUG", ChangedMind, 1, 100, "", ""},
		{"furniture", "MUG", Damaged, 1, 101, RefusedWindow, "(furniture)"},
		{"toys", "MUG", ChangedMind, 1, 30, "", ""},
		{"toys", "MUG", ChangedMind, 1, 31, RefusedWindow, "Line 1 could be returned until 1 April 2026."},
		{"", "EARRINGS", ChangedMind, 1, 1, RefusedFinalSale, "Line 1 was sold"},
	} {
		d := mug("P-1", 1, monday)
		d.SKU, d.Category = c.sku, c.category
		r := asks(1, c.reason)
		r.Photos = c.photos
		grants, refusal := Judge(r, sorted(), []Delivered{d}, map[int]int64{1: 9999}, monday.AddDate(0, 0, c.days))
		if c.want == "" {
			require.Nil(t, refusal, "%+v", c)
			require.Equal(t, c.category, grants[0].Lines[0].Category)
			continue
		}
		require.NotNil(t, refusal, "%+v", c)
		require.Equal(t, c.want, refusal.Code, "%+v", c)
		require.Contains(t, refusal.Text, c.says, "%+v", c)
		require.Equal(t, c.want == RefusedWindow, !refusal.Until.IsZero(), "%+v", c)
	}
}

func TestFeesAreThoseOfTheCategory(t *testing.T) {
	t.Parallel()
	for category, kept := range map[string][2]int64{"electronics": {1000, 3000}, "furniture": {0, 0}, "toys": {1000, 2000}} {
		b := granted(t, ChangedMind, func(p *Policy, g *Grant) {
			p.Categories = sorted().Categories
			g.Lines[0].Category = category
		})
		require.Equal(t, category == "toys", b.s.Lines[0].Fees == nil, "what all goods cost is said once")
		b.s.Lines[0].Found, b.s.Inspected = map[Condition]int64{AsNew: 1, Opened: 1}, true
		var got [2]int64
		for i, part := range b.s.due() {
			got[i] = part.KeptBP
		}
		require.Equal(t, kept, got, category)
	}
}

// A supplier that does not take one category back owes nothing for it, and what it owes for the others.
func TestTheSuppliersCreditFollowsTheTermsOfEachCategory(t *testing.T) {
	t.Parallel()
	line := func(n int, category string, terms Terms) Delivered {
		d := mug("P-1", 1, monday)
		d.Line, d.Category, d.Terms = n, category, terms
		return d
	}
	r := Request{ID: "r", Resolution: Refund, Lines: []RequestedLine{
		{Line: 1, Quantity: 1, Reason: ChangedMind}, {Line: 2, Quantity: 1, Reason: ChangedMind}, {Line: 3, Quantity: 1, Reason: ChangedMind},
	}}
	delivered := []Delivered{
		line(1, "toys", Terms{Supplier: "acme", WindowDays: 14, RestockingBP: 500}),
		line(2, "underwear", Terms{Supplier: "acme", WindowDays: 0, RestockingBP: 500}),
		line(3, "electronics", Terms{Supplier: "acme", WindowDays: 14, RestockingBP: 2500}),
	}
	grants, refusal := Judge(r, policy(), delivered, nil, monday.Add(day))
	require.Nil(t, refusal)
	require.Len(t, grants, 1)
	require.True(t, grants[0].Credit)
	b := granted(t, ChangedMind, func(_ *Policy, g *Grant) { *g = grants[0] })
	for i := range b.s.Lines {
		b.s.Lines[i].Found = map[Condition]int64{AsNew: 1}
	}
	b.s.expectCredit(monday)
	require.EqualValues(t, 380+0+300, b.s.Claim.Expected, "400 less 5 %, nothing, 400 less 25 %")

	none, _ := Judge(Request{ID: "r", Resolution: Refund, Lines: r.Lines[1:2]}, policy(), delivered, nil, monday.Add(day))
	require.False(t, none[0].Credit, "none of it is covered")
	fault := Request{ID: "r", Resolution: Refund, Photos: 1, Lines: []RequestedLine{{Line: 2, Quantity: 1, Reason: Damaged}}}
	owed, _ := Judge(fault, policy(), delivered, map[int]int64{2: 9999}, monday.Add(day))
	require.True(t, owed[0].Credit, "a fault is the supplier's, whatever it takes back")
}

// A category changes nothing for goods that are not of it, its rules are exactly those of a shop that has them for
// all goods, and each line is judged by its own.
func TestEachLineIsJudgedByTheRulesOfItsOwnCategory(t *testing.T) {
	t.Parallel()
	names := []string{"", "a", "b"}
	rapid.Check(t, func(t *rapid.T) {
		drawn := func(label string) Rules {
			return Rules{
				FinalSale: rapid.Bool().Draw(t, label+" final"), PhotosForFault: rapid.Bool().Draw(t, label+" photos"),
				WindowDays: rapid.IntRange(0, 40).Draw(t, label+" days"), FaultDays: rapid.IntRange(0, 40).Draw(t, label+" fault days"),
				RestockingBP: rapid.Int64Range(0, 2).Draw(t, label+" restocking") * 1000, OpenedBP: rapid.Int64Range(0, 2).Draw(t, label+" opened") * 1000,
			}
		}
		plain := func(r Rules) Policy {
			p := Policy{WindowDays: r.WindowDays, FaultDays: r.FaultDays, PhotosForFault: r.PhotosForFault, RestockingBP: r.RestockingBP, OpenedBP: r.OpenedBP}
			if r.FinalSale {
				p.FinalSale = []string{"MUG"}
			}
			return p
		}
		rules := map[string]Rules{"": drawn("all"), "a": drawn("a"), "b": drawn("b")}
		rules[""] = Rules{ // what all goods cannot be is of final sale by category
			PhotosForFault: rules[""].PhotosForFault, WindowDays: rules[""].WindowDays, FaultDays: rules[""].FaultDays,
			RestockingBP: rules[""].RestockingBP, OpenedBP: rules[""].OpenedBP,
		}
		mixed := plain(rules[""])
		mixed.Categories = map[string]Rules{"a": rules["a"], "b": rules["b"]}

		r := Request{ID: "r", Resolution: Refund, Photos: rapid.IntRange(0, 1).Draw(t, "photos")}
		now := monday.AddDate(0, 0, rapid.IntRange(0, 45).Draw(t, "now")).Add(time.Hour)
		var delivered []Delivered
		var first *Refusal
		for i := range rapid.IntRange(1, 4).Draw(t, "lines") {
			d := mug("P-1", 1, monday)
			d.Line, d.Category = i+1, rapid.SampledFrom(names).Draw(t, "category")
			delivered = append(delivered, d)
			r.Lines = append(r.Lines, RequestedLine{Line: d.Line, Quantity: 1, Reason: rapid.SampledFrom([]Reason{ChangedMind, Damaged}).Draw(t, "reason")})
			alone := Request{ID: "r", Resolution: Refund, Photos: r.Photos, Lines: r.Lines[i:]}
			of := plain(rules[d.Category])
			grants, refusal := Judge(alone, of, []Delivered{d}, nil, now)
			if refusal != nil {
				if first == nil {
					first = refusal
				}
				continue
			}
			s := New(testKey, "R", "EUR", Grant{Lines: []Line{{Line: d.Line, SKU: "MUG", Category: d.Category, Reason: ChangedMind}}}, mixed, r, 0, now)
			want := New(testKey, "R", "EUR", Grant{Lines: grants[0].Lines}, of, r, 0, now)
			want.Lines[0].Reason = ChangedMind
			for _, opened := range []bool{false, true} {
				require.Equal(t, want.fee(&want.Lines[0], opened), s.fee(&s.Lines[0], opened), "category %q", d.Category)
			}
		}
		_, refusal := Judge(r, mixed, delivered, nil, now)
		require.Equal(t, first == nil, refusal == nil, "%v and %v", first, refusal)
		if first != nil {
			require.Equal(t, []any{first.Code, first.Line, first.Until}, []any{refusal.Code, refusal.Line, refusal.Until})
		}
	})
}

// Nothing of what a supplier keeps is lost or counted twice between the lines of a return.
func TestWhatTheSupplierKeepsIsEachLinesOwn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var delivered []Delivered
		var want int64
		r := Request{ID: "r", Resolution: Refund, Override: true}
		for i := range rapid.IntRange(1, 4).Draw(t, "lines") {
			d := mug("P-1", 1, monday)
			d.Line, d.UnitCost = i+1, rapid.Int64Range(0, 999).Draw(t, "cost")
			d.Terms = Terms{Supplier: "acme", WindowDays: rapid.IntRange(0, 2).Draw(t, "window"), RestockingBP: rapid.Int64Range(0, 10_000).Draw(t, "bp")}
			delivered = append(delivered, d)
			r.Lines = append(r.Lines, RequestedLine{Line: d.Line, Quantity: 1, Reason: ChangedMind})
			if d.Terms.WindowDays >= 1 {
				want += d.UnitCost - money.Portion(d.UnitCost, whole, 0, d.Terms.RestockingBP)
			}
		}
		grants, refusal := Judge(r, policy(), delivered, nil, monday.Add(day))
		require.Nil(t, refusal, fmt.Sprint(refusal))
		s := New(testKey, "R", "EUR", grants[0], policy(), r, 0, monday)
		for i := range s.Lines {
			s.Lines[i].Found = map[Condition]int64{AsNew: 1}
		}
		s.expectCredit(monday)
		require.Equal(t, want, s.Claim.Expected)
	})
}
