package routing

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// basket is two SKUs and two suppliers: acme has both at a price, best is cheaper but lacks B.
func basket() Request {
	return Request{
		Currency: "EUR", Destination: Destination{Country: "DE", Region: "BY"}, At: decidedAt,
		Lines:  []Line{{1, "A", 2}, {2, "B", 1}},
		Policy: Policy{SplitPenalty: 100, RiskCost: 1000, LatenessCostPerDay: 50, PromiseDays: 3, AllowPartial: true},
		Candidates: []Candidate{
			{
				Supplier: "acme", ContractFrom: decidedAt, ShipsTo: []string{"DE"}, ShipDays: 1, RejectBP: 500, ExpectedLateBP: 1000,
				Shipping: []Method{{Name: "ground", BaseCost: 400, PerItemCost: 10, TransitDaysMax: 2}},
				Offers:   []Offer{{SKU: "A", SupplierSKU: "ac-a", UnitCost: 1000, Available: 5}, {SKU: "B", SupplierSKU: "ac-b", UnitCost: 2000, Available: 5}},
			},
			{
				Supplier: "best", ContractFrom: decidedAt, ShipsTo: []string{"DE"}, ShipDays: 1,
				Shipping: []Method{{Name: "ground", BaseCost: 400, PerItemCost: 10, TransitDaysMax: 2}},
				Offers:   []Offer{{SKU: "A", SupplierSKU: "be-a", UnitCost: 900, Available: 5}},
			},
		},
	}
}

func decide(t *testing.T, r Request) Decision {
	t.Helper()
	d, err := Decide(r)
	require.NoError(t, err)
	return d
}

func TestEachHardRuleRemovesWhatItNames(t *testing.T) {
	t.Parallel()
	first := func(r *Request) *Candidate { return &r.Candidates[0] }
	for _, c := range []struct {
		rule   Rule
		sku    string
		detail string
		change func(r *Request)
	}{
		{RuleContractNotInForce, "", "starts", func(r *Request) { first(r).ContractFrom = decidedAt.Add(1) }},
		{RuleContractNotInForce, "", "ended", func(r *Request) { first(r).ContractUntil = decidedAt }},
		{RuleDoesNotShipToCountry, "", "DE", func(r *Request) { first(r).ShipsTo = []string{"FR"} }},
		{RuleRegionExcluded, "", "DE-BY", func(r *Request) { first(r).ExceptRegions = []Area{{"DE", "BY"}} }},
		{RuleNoShippingMethod, "", "DE", func(r *Request) { first(r).Shipping[0].Countries = []string{"FR"} }},
		{RuleCurrency, "", "USD", func(r *Request) { first(r).Shipping[0].Currency = "USD" }},
		{RuleExcluded, "", "rejected PO-1", func(r *Request) { r.Excluded = []Exclusion{{Supplier: "acme", Reason: "rejected PO-1"}} }},
		{RuleQuarantined, "", "score", func(r *Request) {
			r.Excluded = []Exclusion{{Supplier: "acme", Rule: RuleQuarantined, Reason: "score"}}
		}},
		{RuleExcluded, "A", "lost it", func(r *Request) { r.Excluded = []Exclusion{{Supplier: "acme", SKU: "A", Reason: "lost it"}} }},
		{RuleNoOffer, "A", "A", func(r *Request) { first(r).Offers = first(r).Offers[1:] }},
		{RuleOutOfStock, "A", "-1 available", func(r *Request) { first(r).Offers[0].Available = -1 }},
		{RuleCurrency, "A", "USD", func(r *Request) { first(r).Offers[0].Currency = "USD" }},
		{RuleHazmatMethod, "A", "DE", func(r *Request) {
			first(r).Offers[0].Hazmat, first(r).Shipping[0].RefusesHazmat = true, true
		}},
		{RuleHazmatDestination, "A", "DE-BY", func(r *Request) {
			first(r).Offers[0].Hazmat, r.Policy.HazmatProhibited = true, []Area{{"DE", "BY"}}
		}},
	} {
		r := basket()
		require.Empty(t, decide(t, r).Candidates[0].Eliminations)
		c.change(&r)
		got := decide(t, r)
		report := got.Candidates[0]
		require.Len(t, report.Eliminations, 1, c.rule)
		require.Equal(t, c.rule, report.Eliminations[0].Rule)
		require.Equal(t, c.sku, report.Eliminations[0].SKU)
		require.Contains(t, report.Eliminations[0].Detail, c.detail)
		require.Equal(t, c.sku != "", report.Considered, c.rule)
		for _, a := range got.Assignments {
			for _, l := range a.Lines {
				require.False(t, a.Supplier == "acme" && (c.sku == "" || c.sku == l.SKU), c.rule)
			}
		}
	}
}

func TestOneSupplierIsKeptUntilSplittingPaysForItself(t *testing.T) {
	t.Parallel()
	d := decide(t, basket())
	require.Equal(t, []string{"acme"}, suppliers(d))
	// 4000 goods; 400 + 3 × 10 shipping; 50 × 10 % lateness; 1000 × 5 % risk.
	require.Equal(t, Cost{Goods: 4000, Shipping: 430, Lateness: 5, Risk: 50, Total: 4485}, d.Cost)
	require.Equal(t, []string{"best"}, d.RunnerUp.Suppliers)
	require.Equal(t, "leaves 1 more units unassigned", d.RunnerUp.Why)

	r := basket()
	r.Candidates[1].Offers[0].UnitCost = 700 // saves 600, costs 400 shipping and 100 split
	d = decide(t, r)
	require.Equal(t, []string{"acme", "best"}, suppliers(d))
	require.Equal(t, int64(4385), d.Cost.Total)
}

func TestLinesOfOneSKUShareItsStock(t *testing.T) {
	t.Parallel()
	r := basket()
	r.Lines = []Line{{7, "A", 4}, {3, "A", 4}}
	d := decide(t, r)
	require.Empty(t, d.Unassigned)
	require.Equal(t, []AssignedLine{{Line: 3, SKU: "A", SupplierSKU: "ac-a", Quantity: 3, UnitCost: 1000}}, d.Assignments[0].Lines)
	require.Equal(t, []AssignedLine{{Line: 3, SKU: "A", SupplierSKU: "be-a", Quantity: 1, UnitCost: 900}, {Line: 7, SKU: "A", SupplierSKU: "be-a", Quantity: 4, UnitCost: 900}}, d.Assignments[1].Lines)

	r.Lines[0].Quantity = 10
	d = decide(t, r)
	require.Equal(t, []Unassigned{{7, "A", 4, ReasonInsufficientStock}}, d.Unassigned)
}

func TestWholeOrdersAreRefusedRatherThanSplitWhenPartialIsNotAllowed(t *testing.T) {
	t.Parallel()
	r := basket()
	r.Lines = append(r.Lines, Line{3, "C", 1})
	require.Equal(t, []Unassigned{{3, "C", 1, ReasonNoSupplier}}, decide(t, r).Unassigned)
	r.Policy.AllowPartial = false
	d := decide(t, r)
	require.Empty(t, d.Assignments)
	require.Equal(t, []Unassigned{{1, "A", 2, ReasonOrderIncomplete}, {2, "B", 1, ReasonOrderIncomplete}, {3, "C", 1, ReasonNoSupplier}}, d.Unassigned)
	require.Nil(t, d.RunnerUp)
}

func TestSupplierLimitIsNamedAsTheReason(t *testing.T) {
	t.Parallel()
	r := basket()
	r.Candidates[0].Offers = r.Candidates[0].Offers[1:]
	r.Policy.MaxSuppliers = 1
	d := decide(t, r)
	require.Equal(t, []string{"best"}, suppliers(d), "two units before one")
	require.Equal(t, []Unassigned{{2, "B", 1, ReasonSupplierLimit}}, d.Unassigned)
}

func TestParcelsAreCountedPerLimitAndPerUnitThatShipsAlone(t *testing.T) {
	t.Parallel()
	r := basket()
	r.Candidates = r.Candidates[:1]
	r.Lines = []Line{{1, "A", 5}, {2, "B", 2}}
	r.Candidates[0].Offers[0].MaxPerParcel = 2
	a := decide(t, r).Assignments[0]
	require.Equal(t, int64(3), a.Parcels, "five at two a parcel; B travels along")
	require.Equal(t, int64(3*400+7*10), a.Cost.Shipping)
	r.Candidates[0].Offers[1].ShipsAlone = true
	require.Equal(t, int64(5), decide(t, r).Assignments[0].Parcels)
}

func TestTiesGoToFewerSuppliersThenToTheFirstName(t *testing.T) {
	t.Parallel()
	r := basket()
	r.Policy = Policy{AllowPartial: true}
	r.Lines = []Line{{1, "A", 4}}
	twin := r.Candidates[1]
	twin.Shipping = []Method{{Name: "free"}}
	r.Candidates = nil
	for _, name := range []string{"d", "b", "c", "a"} {
		twin.Supplier = name
		r.Candidates = append(r.Candidates, twin)
	}
	d := decide(t, r)
	require.Equal(t, []string{"a"}, suppliers(d))
	require.Equal(t, []string{"b"}, d.RunnerUp.Suppliers)
	require.Equal(t, "costs the same and comes later in the order of supplier names", d.RunnerUp.Why)
	r.Lines[0].Quantity = 8
	require.Equal(t, []string{"a", "b"}, suppliers(decide(t, r)))
}

func TestForeignPricesAreConvertedExactlyAndRoundedHalfUp(t *testing.T) {
	t.Parallel()
	r := basket()
	r.Candidates = r.Candidates[:1]
	r.Lines = r.Lines[:1]
	r.Candidates[0].Offers[0].Currency = "JPY"
	r.Candidates[0].Offers[0].UnitCost = 3
	r.Rates = []Rate{{From: "JPY", To: "EUR", Num: 5, Den: 10}}
	d := decide(t, r)
	require.Equal(t, []AssignedLine{{Line: 1, SKU: "A", SupplierSKU: "ac-a", Quantity: 2, UnitCost: 2, OfferCost: 3}}, d.Assignments[0].Lines)
	require.Equal(t, "JPY", d.Assignments[0].Currency)
	require.Contains(t, Explain(d), "at 0.02 EUR (ordered at 3 JPY)")
	r.Rates = []Rate{{From: "JPY", To: "EUR", Num: 1<<62 - 1, Den: 1 << 62}} // the product needs 128 bits
	r.Candidates[0].Offers[0].UnitCost = MaxAmount
	require.Equal(t, MaxAmount, decide(t, r).Assignments[0].Lines[0].UnitCost)
	r.Rates = []Rate{{From: "JPY", To: "EUR", Num: 1 << 62, Den: 1}}
	_, err := Decide(r)
	require.ErrorIs(t, err, ErrInvalid)
}

func TestLargestAmountsDoNotOverflow(t *testing.T) {
	t.Parallel()
	r := basket()
	r.Lines = []Line{{1, "A", MaxUnits/2 - 1}, {2, "B", MaxUnits / 2}}
	r.Policy = Policy{SplitPenalty: MaxAmount, LatenessCostPerDay: MaxAmount, RiskCost: MaxAmount}
	c := r.Candidates[0]
	c.ShipDays, c.LateDays, c.ExpectedLateBP, c.RejectBP = MaxDays, MaxDays, wholeBP, wholeBP
	c.Shipping = []Method{{Name: "dear", BaseCost: MaxAmount, PerItemCost: MaxAmount, TransitDaysMax: MaxDays}}
	c.Offers = []Offer{
		{SKU: "A", UnitCost: MaxAmount, Available: MaxUnits / 20, MaxPerParcel: 1},
		{SKU: "B", UnitCost: MaxAmount, Available: MaxUnits / 20, ShipsAlone: true, LeadDays: MaxDays},
	}
	r.Candidates = nil
	for i := range 30 {
		c.Supplier = "s" + string(rune('A'+i))
		r.Candidates = append(r.Candidates, c)
		if n := len(r.Candidates); n != exactLimit && n != 30 {
			continue
		}
		d := decide(t, r)
		units := totalUnits(r)
		pos := int64(len(d.Assignments))
		require.Equal(t, int64(10), pos)
		var parcels int64
		for _, a := range d.Assignments {
			parcels += a.Parcels
		}
		require.Equal(t, units, parcels)
		require.Equal(t, MaxAmount*(3*units+(pos-1)+pos*(3*MaxDays)+pos), d.Cost.Total)
	}
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *Request){
		"currency":      func(r *Request) { r.Currency = "eur" },
		"country":       func(r *Request) { r.Destination.Country = "" },
		"moment":        func(r *Request) { r.At = time.Time{} },
		"no lines":      func(r *Request) { r.Lines = nil },
		"line twice":    func(r *Request) { r.Lines[1].Line = 1 },
		"zero quantity": func(r *Request) { r.Lines[0].Quantity = 0 },
		"too many":      func(r *Request) { r.Lines[0].Quantity = MaxUnits },
		"supplier":      func(r *Request) { r.Candidates[1].Supplier = "acme" },
		"negative cost": func(r *Request) { r.Candidates[0].Offers[0].UnitCost = -1 },
		"probability":   func(r *Request) { r.Candidates[0].RejectBP = 10_001 },
		"offer twice":   func(r *Request) { r.Candidates[0].Offers[1].SKU = "A" },
		"method":        func(r *Request) { r.Candidates[0].Shipping[0].Name = "" },
		"policy":        func(r *Request) { r.Policy.RiskCost = MaxAmount + 1 },
		"exclusion":     func(r *Request) { r.Excluded = []Exclusion{{Supplier: "acme", Rule: RuleNoOffer}} },
		"rate":          func(r *Request) { r.Rates = []Rate{{From: "USD", To: "EUR", Num: 1, Den: 0}} },
	} {
		r := basket()
		change(&r)
		_, err := Decide(r)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
}

func TestDecidingLeavesTheRequestAsItWas(t *testing.T) {
	t.Parallel()
	r := shuffled(basket(), 3)
	before := shuffled(basket(), 3)
	decide(t, r)
	require.Equal(t, before, r)
}

func TestTamperedDocumentsAreShownByRecomputing(t *testing.T) {
	t.Parallel()
	r := basket()
	request, err := r.Canonical()
	require.NoError(t, err)
	stored := canonicalDecision(t, r)

	same, diff, err := Recompute(request, []byte(strings.Replace(stored, `"total":4485`, `"total":4484`, 1)))
	require.NoError(t, err)
	require.False(t, same)
	require.Contains(t, diff, `"total": 4484`)
	require.Contains(t, diff, `"total": 4485`)

	same, diff, err = Recompute([]byte(strings.Replace(string(request), `"available":5`, `"available":6`, 1)), []byte(stored))
	require.NoError(t, err)
	require.False(t, same)
	require.Contains(t, diff, `"input"`)

	_, _, err = Recompute(request, []byte(strings.Replace(stored, Version, "routing/0", 1)))
	require.ErrorIs(t, err, ErrVersion)
	_, _, err = Recompute(request, []byte(strings.Replace(stored, `{"version"`, `{"unheard_of":1,"version"`, 1)))
	require.ErrorContains(t, err, "unheard_of")
}

func TestExplanationReadsAsAnOperatorWouldTellIt(t *testing.T) {
	t.Parallel()
	r := basket()
	r.Candidates[1].Offers[0].UnitCost = 700
	d := decide(t, r)
	require.Equal(t, `Routed to 2 suppliers for 43.85 EUR (no plan is better).
acme by ground, 1 parcel, 3 days to the door: line 2: 1 × B at 20.00 EUR (goods 20.00 EUR, shipping 4.10 EUR, lateness 0.05 EUR, risk 0.50 EUR)
best by ground, 1 parcel, 3 days to the door: line 1: 2 × A at 7.00 EUR (goods 14.00 EUR, shipping 4.20 EUR)
Cost: 43.85 EUR = goods 34.00 EUR, shipping 8.30 EUR, split penalty 1.00 EUR, lateness 0.05 EUR, risk 0.50 EUR
Runner-up: acme for 44.85 EUR: costs 1.00 EUR more: goods +6.00 EUR, shipping -4.00 EUR, split penalty -1.00 EUR
Candidates:
- acme: chosen; alone it ships 3 units for 44.85 EUR
- best: chosen; alone it ships 2 units for 18.20 EUR
    B: no_offer (does not offer B)
Rules routing/1, input `+d.Input+"\n", Explain(d))
	require.Equal(t, "-0.05 EUR 7 JPY 1.234 KWD", minorText(-5, "EUR")+" "+minorText(7, "JPY")+" "+minorText(1234, "KWD"))
}

func TestAboveTwelveSuppliersTheDecisionDoesNotClaimToBeExact(t *testing.T) {
	t.Parallel()
	require.True(t, decide(t, market(1, exactLimit, 5)).Exact)
	require.False(t, decide(t, market(1, exactLimit+1, 5)).Exact)
}
