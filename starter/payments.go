package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/payments"
)

func (p *program) payments() *cobra.Command {
	c := group("payment", "See and decide about payments: captures, refunds that came back, chargebacks",
		`payment shows where the money of an order stands whose storefront has a payment provider of its own, lists
what waits for a person, and puts a person's decisions to it.`,
		`  starter payment list
  starter payment show shop/1001
  starter payment came shop/1001 --amount 29.90 --currency USD --reference wire-2026-117
  starter payment decide shop/1001 paid_elsewhere --reference wire-2026-117
  starter payment evidence shop/1001`)
	c.AddCommand(p.paymentShow(), p.paymentList(), p.paymentCame(), p.paymentDecide(), p.paymentEvidence(), p.paymentRevive())
	return c
}

func (p *program) paymentShow() *cobra.Command {
	var at remote
	c := &cobra.Command{
		Use: "show ORDER", Short: "Show where an order's payment stands, and its story",
		Long: `show tells what was authorised, captured and released, which refunds are on their way or came back, and
which chargebacks are open. It reads Postgres alone, so it also answers while Temporal is away.`,
		Example: "  starter payment show shop/1001",
		Args:    exactly("ORDER"),
		RunE: func(c *cobra.Command, args []string) error {
			var v orderview.Payment
			if err := p.ofOrder(c, &at, args[0], "/payment", &v); err != nil {
				return err
			}
			if p.json {
				return p.writeJSON(v)
			}
			p.tellPayment(&v)
			return nil
		},
	}
	at.flags(c)
	return c
}

// ofOrder reads what the API keeps below an order.
func (p *program) ofOrder(c *cobra.Command, at *remote, name, below string, into any) error {
	key, err := parseOrder(c, name)
	if err != nil {
		return err
	}
	a, err := p.api(c.Context(), at)
	if err != nil {
		return err
	}
	defer a.close()
	return a.get(c.Context(), orderPath(key)+below, into)
}

func (p *program) tellPayment(v *orderview.Payment) {
	p.say("%s  %s", p.paint(bold, "Payment of order "+plain(v.Order)), p.paint(stageColour(v.Stage), strings.ToUpper(words(v.Stage))))
	for _, attention := range v.Attention {
		p.say("%s", p.paint(yellow, plain("! "+attention.Text+" (since "+moment(attention.Since)+")")))
	}
	if len(v.WaitsFor) > 0 {
		p.heading("Waits for")
		for _, wait := range v.WaitsFor {
			p.say("  %s%s", plain(wait.For), after(", until ", deadline(wait.Until)))
		}
	}
	p.heading("Money")
	p.say("  authorised %s, released %s, captured %s, due %s %s", v.Authorised, v.Released, v.Captured, v.Due, v.Currency)
	for _, r := range v.Refunds {
		p.say("  refund %s: %s %s, %s%s", plain(r.Key), r.Amount, v.Currency, words(r.Standing), after(" — ", plain(r.Reason)))
	}
	for _, d := range v.Disputes {
		p.say("  chargeback %s: %s %s, %s%s", plain(d.Reference), d.Amount, v.Currency, words(d.Standing), after(" — ", plain(d.Reason)))
	}
	p.tellStory(v.Story, true)
}

func (p *program) paymentList() *cobra.Command {
	var at remote
	c := &cobra.Command{
		Use: "list", Short: "List the payments that wait for a person, the oldest first",
		Long:    `list shows the payments of all orders that wait for a decision; starter payment show says for which.`,
		Example: "  starter payment list",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			a, err := p.api(c.Context(), &at)
			if err != nil {
				return err
			}
			defer a.close()
			var page struct {
				Payments []orderview.Payment `json:"payments"`
			}
			if err := a.get(c.Context(), "/v1/payments", &page); err != nil {
				return err
			}
			if p.json {
				return p.writeJSON(page)
			}
			if len(page.Payments) == 0 {
				p.say("No payment waits for a person.")
				return nil
			}
			var rows [][]string
			for i := range page.Payments {
				v := &page.Payments[i]
				why := ""
				if len(v.Attention) > 0 {
					why = v.Attention[0].Text
				}
				rows = append(rows, []string{v.Order, words(v.Stage), v.Due + " " + v.Currency, why})
			}
			p.table([]string{"ORDER", "STAGE", "DUE", "WHY"}, rows)
			return nil
		},
	}
	at.flags(c)
	return c
}

func (p *program) paymentDecide() *cobra.Command {
	var r request
	var matter, reference, reason string
	c := &cobra.Command{
		Use: "decide ORDER DECISION", Short: "Decide about a payment where only a person can",
		Long: `decide puts a decision to a payment. starter payment show says what waits for one. --matter names it when
several do: capture, or refund/ with the refund's key.

  retry            the capture, or the refund, is tried once more
  paid_elsewhere   the money went by other means: --reference says which transfer
  write_off        nobody will pay what could not be captured: --reason names why
  set_off          the refund is not owed: a lost chargeback has given the customer the money`,
		Example: `  starter payment decide shop/1001 retry
  starter payment decide shop/1001 paid_elsewhere --reference wire-2026-117
  starter payment decide shop/1001 write_off --matter capture --reason uncollectable`,
		Args: exactly("ORDER", "the decision"),
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(payments.Decisions, payments.DecisionKind(args[1])) {
				return usagef(c, "decision %q: want retry, paid_elsewhere, write_off or set_off", args[1])
			}
			key, err := parseOrder(c, args[0])
			if err != nil {
				return err
			}
			a, err := p.api(c.Context(), &r.remote)
			if err != nil {
				return err
			}
			defer a.close()
			body := map[string]any{"decision": args[1], "request_id": r.name()}
			for name, value := range map[string]string{"matter": matter, "reference": reference, "reason": reason} {
				if value != "" {
					body[name] = value
				}
			}
			var answer map[string]any
			if err := a.post(c.Context(), orderPath(key)+"/payment/decide", body, &answer); err != nil {
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
	f := c.Flags()
	f.StringVar(&matter, "matter", "", "what is decided: capture, or refund/ with the refund's key")
	f.StringVar(&reference, "reference", "", "with paid_elsewhere: the transfer's number, or the receipt's")
	f.StringVar(&reason, "reason", "", "with write_off: too_small, uncollectable, fraud, agreed or other")
	r.flags(c)
	return c
}

func (p *program) paymentEvidence() *cobra.Command {
	var at remote
	c := &cobra.Command{
		Use: "evidence ORDER", Short: "Show what proves that an order was delivered",
		Long: `evidence prints the text that answers a chargeback, as it would be now: goods, parcels with their scans, what
the customer was told, what went back. Of the address it holds the place alone.`,
		Example: "  starter payment evidence shop/1001 > evidence.txt",
		Args:    exactly("ORDER"),
		RunE: func(c *cobra.Command, args []string) error {
			var proof struct {
				Order    string `json:"order"`
				Document string `json:"document"`
			}
			if err := p.ofOrder(c, &at, args[0], "/evidence", &proof); err != nil {
				return err
			}
			if p.json {
				return p.writeJSON(proof)
			}
			for line := range strings.Lines(proof.Document) {
				p.say("%s", plain(strings.TrimRight(line, "\n")))
			}
			return nil
		},
	}
	at.flags(c)
	return c
}
