package routing

import (
	"fmt"
	"strings"

	"github.com/dropline/dropline/internal/money"
)

// Explain tells an operator what was decided and why, in plain text.
func Explain(d Decision) string {
	var b strings.Builder
	explainHeadline(&b, &d)
	for i := range d.Assignments {
		explainAssignment(&b, &d.Assignments[i], d.Currency)
	}
	for _, u := range d.Unassigned {
		fmt.Fprintf(&b, "Unassigned: line %d, %d × %s: %s\n", u.Line, u.Quantity, u.SKU, u.Reason.text())
	}
	if len(d.Assignments) > 0 {
		fmt.Fprintf(&b, "Cost: %s = %s\n", minorText(d.Cost.Total, d.Currency), d.Cost.against(Cost{}, d.Currency))
	}
	if a := d.RunnerUp; a != nil {
		fmt.Fprintf(&b, "Runner-up: %s for %s: %s\n", strings.Join(a.Suppliers, " + "), minorText(a.Cost.Total, d.Currency), a.Why)
	}
	b.WriteString("Candidates:\n")
	for i := range d.Candidates {
		explainCandidate(&b, &d.Candidates[i], d.Currency)
	}
	fmt.Fprintf(&b, "Rules %s, input %s\n", d.Version, d.Input)
	return b.String()
}

func explainHeadline(b *strings.Builder, d *Decision) {
	if len(d.Assignments) == 0 {
		b.WriteString("Nothing could be routed.\n")
		return
	}
	how := "no plan is better"
	if !d.Exact {
		how = "best plan found; not every plan was compared"
	}
	partly := ""
	if len(d.Unassigned) > 0 {
		partly = "partly "
	}
	fmt.Fprintf(b, "Routed %sto %s for %s (%s).\n", partly, count(len(d.Assignments), "supplier"), minorText(d.Cost.Total, d.Currency), how)
}

func explainAssignment(b *strings.Builder, a *Assignment, currency string) {
	fmt.Fprintf(b, "%s by %s, %s, %s to the door:", a.Supplier, a.Method, count(int(a.Parcels), "parcel"), count(a.Days, "day"))
	for i, l := range a.Lines {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, " line %d: %d × %s at %s", l.Line, l.Quantity, l.SKU, minorText(l.UnitCost, currency))
		if a.Currency != "" {
			fmt.Fprintf(b, " (ordered at %s)", minorText(l.OfferCost, a.Currency))
		}
	}
	c := Cost{Goods: a.Cost.Goods, Shipping: a.Cost.Shipping, Lateness: a.Cost.Lateness, Risk: a.Cost.Risk}
	fmt.Fprintf(b, " (%s)\n", c.against(Cost{}, currency))
}

func explainCandidate(b *strings.Builder, c *CandidateReport, currency string) {
	fmt.Fprintf(b, "- %s: ", c.Supplier)
	switch {
	case c.Chosen:
		b.WriteString("chosen")
	case c.Considered:
		b.WriteString("considered")
	default:
		b.WriteString("removed")
	}
	if c.Alone != nil {
		fmt.Fprintf(b, "; alone it ships %s for %s", count(int(c.Alone.Units), "unit"), minorText(c.Alone.Cost.Total, currency))
	}
	b.WriteByte('\n')
	for _, e := range c.Eliminations {
		sku := e.SKU
		if sku == "" {
			sku = "all"
		}
		fmt.Fprintf(b, "    %s: %s (%s)\n", sku, e.Rule, e.Detail)
	}
}

func (r Reason) text() string {
	switch r {
	case ReasonNoSupplier:
		return "no candidate may ship it"
	case ReasonInsufficientStock:
		return "all candidates together have too few"
	case ReasonSupplierLimit:
		return "more suppliers would be needed than the policy allows"
	case ReasonOrderIncomplete:
		return "it could ship, but the rest cannot and the policy wants all or nothing"
	}
	return string(r)
}

// against lists the parts in which c differs from base, signed when base is a real cost.
func (c Cost) against(base Cost, currency string) string {
	var parts []string
	for _, p := range []struct {
		name   string
		amount int64
	}{
		{"goods", c.Goods - base.Goods},
		{"shipping", c.Shipping - base.Shipping},
		{"split penalty", c.SplitPenalty - base.SplitPenalty},
		{"lateness", c.Lateness - base.Lateness},
		{"risk", c.Risk - base.Risk},
	} {
		if p.amount == 0 {
			continue
		}
		sign := ""
		if base != (Cost{}) && p.amount > 0 {
			sign = "+"
		}
		parts = append(parts, p.name+" "+sign+minorText(p.amount, currency))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func minorText(minor int64, currency string) string {
	return money.Money{Minor: minor, Currency: currency}.String()
}
