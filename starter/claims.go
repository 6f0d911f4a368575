package main

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/orderview"
)

func (p *program) claimed() *cobra.Command {
	c := group("claim", "What suppliers and carriers owe: list, show and settle",
		`claim lists what is open with suppliers and carriers: disputed invoices, penalties, lost and damaged parcels.
Each has a workflow that writes to whoever owes it, reminds it on the schedule of the catalogue and at last asks
a person, who settles it here.`,
		`  starter claim list --open --overdue
  starter claim show C0A1B2C3D4E5F6A
  starter claim settle C0A1B2C3D4E5F6A written_off --reason too_small`)
	c.AddCommand(p.claimList(), p.claimShow(), p.claimSettle())
	return c
}

func (p *program) claimList() *cobra.Command {
	var at remote
	var supplier, kind string
	var open, overdue bool
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List claims, what is due first before the rest",
		Long: `list shows claims of all orders, also those that only name what we still have to pay. --open leaves out
what has ended, --overdue what is not due yet.`,
		Example: "  starter claim list --open --supplier acme",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			a, err := p.api(c.Context(), &at)
			if err != nil {
				return err
			}
			defer a.close()
			query := url.Values{"limit": {strconv.Itoa(limit)}, "open": {strconv.FormatBool(open)}, "overdue": {strconv.FormatBool(overdue)}}
			for name, value := range map[string]string{"supplier": supplier, "kind": kind} {
				if value != "" {
					query.Set(name, value)
				}
			}
			var page struct {
				Claims []orderview.Claim `json:"claims"`
			}
			if err := a.get(c.Context(), "/v1/claims?"+query.Encode(), &page); err != nil {
				return err
			}
			switch {
			case p.json:
				return p.writeJSON(page)
			case len(page.Claims) == 0:
				p.say("No claims.")
			default:
				p.tellClaims(page.Claims)
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&supplier, "supplier", "", "only claims on this supplier or carrier")
	f.StringVar(&kind, "kind", "", "only claims of this kind, such as invoice_dispute or sla_penalty")
	f.BoolVar(&open, "open", false, "only claims that have not ended")
	f.BoolVar(&overdue, "overdue", false, "only open claims whose deadline has passed")
	f.IntVar(&limit, "limit", 50, "how many at most, up to 500")
	at.flags(c)
	return c
}

func (p *program) tellClaims(list []orderview.Claim) {
	rows := make([][]string, 0, len(list))
	for i := range list {
		c := &list[i]
		standing := "due " + moment(c.DueAt)
		if !c.ClosedAt.IsZero() {
			standing = words(c.Resolution) + " " + moment(c.ClosedAt)
		}
		if c.NeedsAttention {
			standing += ", needs attention"
		}
		about := words(c.Kind) + after(": ", words(c.Reason))
		rows = append(rows, []string{c.Reference, c.Order, about, c.Partner, c.Amount + " " + c.Currency, c.Owner, words(c.Stage), standing})
	}
	p.table([]string{"CLAIM", "ORDER", "ABOUT", "PARTNER", "OWED", "OWNER", "STAGE", ""}, rows)
}

func (p *program) claimShow() *cobra.Command {
	var at remote
	c := &cobra.Command{
		Use: "show CLAIM", Short: "Show where a claim stands, and its story",
		Long: `show tells what is owed and why, when the supplier was written to, what it gave and what people decided. It
reads Postgres alone, so it also answers while Temporal is away.`,
		Example: "  starter claim show C0A1B2C3D4E5F6A",
		Args:    exactly("CLAIM"),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := p.api(c.Context(), &at)
			if err != nil {
				return err
			}
			defer a.close()
			var v orderview.Pursuit
			if err := a.get(c.Context(), "/v1/claims/"+url.PathEscape(args[0]), &v); err != nil {
				return err
			}
			if p.json {
				return p.writeJSON(v)
			}
			p.tellPursuit(&v)
			return nil
		},
	}
	at.flags(c)
	return c
}

func (p *program) tellPursuit(v *orderview.Pursuit) {
	p.say("%s  %s", p.paint(bold, "Claim "+v.Reference+" on "+plain(v.Supplier+v.Carrier)), p.paint(stageColour(v.Stage), words(v.Stage)))
	p.say("order %s%s, %s %s open, since %s%s", plain(v.Order), after(", purchase order ", v.PurchaseOrder), v.Open, v.Currency, moment(v.OpenedAt),
		after(", closed ", moment(v.ClosedAt)))
	if v.Answer != "" {
		p.say("The supplier has %s it.", v.Answer)
	}
	switch {
	case v.Found != "":
		p.say("%s", p.paint(yellow, "! The parcel came, and the carrier had paid "+v.Found+" for it: starter claim settle "+v.Reference+" repaid|kept --reason parcel_found"))
	case v.NeedsAttention:
		p.say("%s", p.paint(yellow, "! "+v.Supplier+v.Carrier+" does not settle it: starter claim settle "+v.Reference+" OUTCOME --reason CODE"))
	}
	if !v.FileBy.IsZero() {
		p.say("To be filed by %s.", moment(v.FileBy))
	}
	p.heading("Parts")
	p.tellClaims(v.Claims)
	var rows [][]string
	for _, b := range v.Parcels {
		rows = append(rows, []string{moment(b.FirstScan), "handed in", plain(b.Carrier + " " + b.Tracking + ", now " + words(b.Milestone))})
	}
	for _, l := range v.Letters {
		rows = append(rows, []string{moment(l.At), "letter", plain(l.Text)})
	}
	for _, c := range v.Credits {
		rows = append(rows, []string{moment(c.At), "credit " + plain(c.Number), c.Amount + " " + v.Currency + ", applied " + c.Applied})
	}
	for _, s := range v.Settlements {
		rows = append(rows, []string{moment(s.At), words(s.Outcome), s.Amount + " " + v.Currency + ", " + words(s.Reason) + ", by " + plain(s.By)})
	}
	if len(rows) > 0 {
		p.heading("Story")
		p.table([]string{"AT (UTC)", "", ""}, rows)
	}
}

func (p *program) claimSettle() *cobra.Command {
	var r request
	var part, reason string
	c := &cobra.Command{
		Use: "settle CLAIM OUTCOME", Short: "Settle a claim, or a part of it (operators)",
		Long: `settle ends a claim and posts it.

  credited     the supplier gave a credit that did not come as a document: set off against what we owe it
  paid         the money came
  conceded     the supplier or carrier is right: it is cost
  written_off  right or wrong, nobody will pay: it is a loss

What a carrier paid for a parcel that it delivered all the same waits for a person, too:

  repaid       the money went back to the carrier
  kept         the carrier lets us keep it

--amount settles a part of it; the rest is pursued further. --reason is one of agreed, credit_by_mail,
supplier_is_right, supplier_refuses, supplier_insolvent, carrier_refuses, parcel_found,
too_small and other.`,
		Example: `  starter claim settle C0A1B2C3D4E5F6A conceded --reason supplier_is_right
  starter claim settle C0A1B2C3D4E5F6A paid --amount 3.00 --reason agreed`,
		Args: exactly("CLAIM", "the outcome"),
		RunE: func(c *cobra.Command, args []string) error {
			if reason == "" {
				return usagef(c, "want --reason")
			}
			a, err := p.api(c.Context(), &r.remote)
			if err != nil {
				return err
			}
			defer a.close()
			body := map[string]any{"request_id": r.name(), "outcome": args[1], "reason": reason}
			if part != "" {
				body["amount"] = part
			}
			var answer map[string]any
			if err := a.post(c.Context(), "/v1/claims/"+url.PathEscape(args[0])+"/settle", body, &answer); err != nil {
				return err
			}
			if p.json {
				return p.writeJSON(answer)
			}
			p.say("%s", plain(fmt.Sprint(answer["message"])))
			p.say("%s", p.paint(dim, "Request "+r.id+"; asking again with --id "+r.id+" gives the same answer."))
			return nil
		},
	}
	c.Flags().StringVar(&part, "amount", "", "a part of the claim; default: all that is open")
	c.Flags().StringVar(&reason, "reason", "", "why, as a code")
	r.flags(c)
	return c
}
