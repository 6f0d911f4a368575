package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/orderview"
)

func (p *program) submit() *cobra.Command {
	var at remote
	c := &cobra.Command{
		Use: "submit FILE", Short: "Place an order",
		Long: `submit places the order that a file describes ("-" reads the standard input), in the form of
POST /v1/orders. Without --url the document must say the storefront. Placing the same bytes again
changes nothing.`,
		Example: `  starter submit order.json
  starter submit order.json --url http://127.0.0.1:8080 --key @shop.key`,
		Args: exactly("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			document, err := p.readInput(args[0])
			if err != nil {
				return fmt.Errorf("read the order: %w", err)
			}
			a, err := p.api(c.Context(), &at)
			if err != nil {
				return err
			}
			defer a.close()
			got, err := a.ask(c.Context(), http.MethodPost, "/v1/orders", document)
			if err != nil {
				return err
			}
			var placed struct {
				Order string `json:"order"`
				New   bool   `json:"new"`
			}
			if err := got.read(&placed); err != nil {
				return err
			}
			placed.New = got.status == http.StatusCreated
			switch {
			case p.json:
				return p.writeJSON(placed)
			case placed.New:
				p.say("Placed %s. See how it goes: starter show %s", placed.Order, placed.Order)
			default:
				p.say("%s was placed before; nothing has changed.", placed.Order)
			}
			return nil
		},
	}
	at.flags(c)
	return c
}

func (p *program) list() *cobra.Command {
	var at remote
	var storefront, stage, cursor string
	var attention bool
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List orders, the newest first",
		Long: "list shows orders as their workflows recorded them last; starter show tells the newest of one.",
		Example: `  starter list --attention
  starter list --storefront shop --stage backordered`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			for name, value := range map[string]string{"storefront": storefront, "stage": stage, "cursor": cursor} {
				if value != "" {
					query.Set(name, value)
				}
			}
			if attention {
				query.Set("needs_attention", "true")
			}
			a, err := p.api(c.Context(), &at)
			if err != nil {
				return err
			}
			defer a.close()
			var page struct {
				Orders     []orderview.Summary `json:"orders"`
				NextCursor string              `json:"next_cursor,omitempty"`
			}
			if err := a.get(c.Context(), "/v1/orders?"+query.Encode(), &page); err != nil {
				return err
			}
			if p.json {
				return p.writeJSON(page)
			}
			p.listed(page.Orders)
			if page.NextCursor != "" {
				p.say("%s", p.paint(dim, "More: --cursor "+page.NextCursor))
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&storefront, "storefront", "", "only orders of this storefront")
	f.StringVar(&stage, "stage", "", "only orders in this stage: received, held, backordered, dispatched, acknowledged, shipped, delivered, settled or cancelled")
	f.BoolVar(&attention, "attention", false, "only orders that wait for a person")
	f.IntVar(&limit, "limit", 50, "how many at most, up to 200")
	f.StringVar(&cursor, "cursor", "", "go on after an earlier list")
	at.flags(c)
	return c
}

func (p *program) listed(orders []orderview.Summary) {
	if len(orders) == 0 {
		p.say("No orders.")
		return
	}
	var rows [][]string
	for i := range orders {
		o := &orders[i]
		mark := ""
		if o.NeedsAttention {
			mark = "needs attention"
		}
		rows = append(rows, []string{o.Order, o.Number, o.Stage, moment(o.ReceivedAt), o.Total + " " + o.Currency, mark})
	}
	p.table([]string{"ORDER", "NUMBER", "STAGE", "RECEIVED (UTC)", "TOTAL", ""}, rows)
}

func (p *program) show() *cobra.Command {
	var at remote
	var all bool
	c := &cobra.Command{
		Use: "show ORDER", Short: "Show where an order stands, and its story",
		Long: `show tells where an order's units are, what it waits for and until when, and what has happened. It reads
Postgres alone, so it also answers while Temporal is away. Deadlines are in the supplier's own time,
everything else in UTC.`,
		Example: `  starter show shop/1001
  starter show shop/1001 --all --json`,
		Args: exactly("ORDER"),
		RunE: func(c *cobra.Command, args []string) error {
			key, err := parseOrder(c, args[0])
			if err != nil {
				return err
			}
			a, err := p.api(c.Context(), &at)
			if err != nil {
				return err
			}
			defer a.close()
			var shown struct {
				orderview.View
				Timeline []orderview.Event `json:"timeline"`
			}
			if err := a.get(c.Context(), orderPath(key), &shown.View); err != nil {
				return err
			}
			var story struct {
				Events []orderview.Event `json:"events"`
			}
			if err := a.get(c.Context(), orderPath(key)+"/timeline", &story); err != nil {
				return err
			}
			shown.Timeline = story.Events
			if p.json {
				return p.writeJSON(shown)
			}
			p.tellOrder(&shown.View)
			p.tellStory(shown.Timeline, all)
			return nil
		},
	}
	c.Flags().BoolVar(&all, "all", false, "the whole story, not only the newest 30 events")
	at.flags(c)
	return c
}

func (p *program) tellOrder(v *orderview.View) {
	name := v.Order
	if v.Number != "" {
		name += " (" + v.Number + ")"
	}
	p.say("%s  %s", p.paint(bold, "Order "+plain(name)), p.paint(stageColour(v.Stage), strings.ToUpper(v.Stage)))
	p.say("placed %s, received %s%s", moment(v.PlacedAt), moment(v.ReceivedAt), after(", closed ", moment(v.ClosedAt)))
	for _, attention := range v.Attention {
		p.say("%s", p.paint(yellow, plain("! "+attention.Text+" (since "+moment(attention.Since)+")")))
	}
	if v.Hold != nil {
		p.say("%s", p.paint(yellow, plain("! Held for review: "+strings.Join(v.Hold.Reasons, "; ")+". Cancelled at "+moment(v.Hold.CancelAt)+" unless somebody decides.")))
	}
	if len(v.WaitsFor) > 0 {
		p.heading("Waits for")
		for _, wait := range v.WaitsFor {
			p.say("  %s%s", plain(wait.For), after(", until ", deadline(wait.Until)))
		}
	}
	p.heading("Lines")
	var rows [][]string
	for _, l := range v.Lines {
		rows = append(rows, []string{strconv.Itoa(l.Line), l.SKU, strconv.FormatInt(l.Quantity, 10), l.Where})
	}
	p.table([]string{"LINE", "SKU", "ORDERED", "WHERE THE UNITS ARE"}, rows)
	p.tellPurchaseOrders(v)
	p.tellParcels(v)
	if len(v.Claims) > 0 {
		p.heading("Claims")
		p.tellClaims(v.Claims)
	}
	if len(v.Returns) > 0 {
		p.heading("Returns")
		p.table([]string{"RMA", "ORDER", "STAGE", "GRANTED", "REFUNDED", ""}, returnRows(v.Returns))
	}
	p.tellMoney(v)
	p.tellMessages(v)
}

func stageColour(stage string) string {
	switch stage {
	case "settled", "delivered", "shipped", "closed":
		return green
	case "held", "backordered", "deciding":
		return yellow
	case "cancelled", "expired":
		return red
	}
	return bold
}

// after puts a text behind another one, or nothing behind nothing.
func after(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

func (p *program) tellPurchaseOrders(v *orderview.View) {
	if len(v.PurchaseOrders) == 0 {
		return
	}
	p.heading("Purchase orders")
	var rows [][]string
	for i := range v.PurchaseOrders {
		po := &v.PurchaseOrders[i]
		status := words(po.Status)
		if len(po.Breached) > 0 {
			status += " (SLA breached: " + strings.Join(po.Breached, ", ") + ")"
		}
		rows = append(rows, []string{po.Number, po.Name, status, quantities(po.Lines), deadline(po.AckDueAt), deadline(po.ShipDueAt)})
	}
	p.table([]string{"NUMBER", "SUPPLIER", "STATUS", "LINES", "ACKNOWLEDGE BY", "SHIP BY"}, rows)
	for i := range v.PurchaseOrders {
		for _, w := range v.PurchaseOrders[i].Withdrawals {
			p.say("  asked back %s: %s, %s%s", w.Key, quantities(w.Lines), words(w.Status), after(", answer due ", deadline(w.ConfirmBy)))
		}
	}
}

func (p *program) tellParcels(v *orderview.View) {
	if len(v.Parcels)+len(v.Cases) == 0 {
		return
	}
	p.heading("Parcels")
	var rows [][]string
	for i := range v.Parcels {
		b := &v.Parcels[i]
		rows = append(rows, []string{b.Tracking, b.Carrier, words(b.Milestone), moment(b.MilestoneAt), quantities(b.Lines), moment(b.LastScanAt)})
	}
	p.table([]string{"TRACKING", "CARRIER", "MILESTONE", "SINCE", "LINES", "LAST SCAN"}, rows)
	for _, c := range v.Cases {
		p.say("%s", p.paint(yellow, plain(fmt.Sprintf("! %s %s: parcel %s, %s, %s", words(c.Kind), c.Key, c.Tracking, quantities(c.Lines), words(c.Status)))))
	}
}

func (p *program) tellMoney(v *orderview.View) {
	p.heading("Money")
	p.say("  total %s, captured %s, refunded %s %s", v.Total, v.Captured, v.Refunded, v.Currency)
	for _, r := range v.Refunds {
		name := strconv.Itoa(r.Number)
		if r.RMA != "" {
			name = "for return " + r.RMA
		}
		p.say("  refund %s: %s, %s, %s%s", name, r.Amount, words(r.Reason), r.State, after(" ", moment(r.DoneAt)))
		if r.State == "trying" {
			p.say("    key %s", plain(r.Key))
		}
		if d := r.Elsewhere; d != nil {
			p.say("    %s", plain("paid past the storefront by "+d.Reference+" ("+words(d.Reason)+"), as "+d.By+" decided "+moment(d.At)))
		}
	}
	for i := range v.SupplierPayments {
		s := &v.SupplierPayments[i]
		what := "invoice " + s.Invoice + " of " + s.Supplier + " paid"
		if s.CreditMemo != "" {
			what = "credit " + s.CreditMemo + " of " + s.Supplier + " set off"
		}
		p.say("  %s", plain(fmt.Sprintf("%s in %s of %s: %s %s", what, s.Payment, s.PaidOn, s.Amount, s.Currency)))
		if x := s.Reversed; x != nil {
			p.say("    %s", p.paint(yellow, plain("reversed by "+x.By+" "+moment(x.At)+" ("+words(x.Reason)+")")))
		}
	}
}

func (p *program) tellMessages(v *orderview.View) {
	if len(v.Messages) == 0 {
		return
	}
	p.heading("Messages")
	var rows [][]string
	for _, m := range v.Messages {
		rows = append(rows, []string{words(m.Channel), words(m.Kind), m.State, moment(m.At), moment(m.SentAt)})
	}
	p.table([]string{"TO", "ABOUT", "STATE", "WRITTEN", "SENT"}, rows)
}

// quantities writes units by line: "2 of line 1".
func quantities(lines []orderview.Units) string {
	parts := make([]string, len(lines))
	for i, l := range lines {
		parts[i] = fmt.Sprintf("%d of line %d", l.Quantity, l.Line)
	}
	return strings.Join(parts, ", ")
}

// newest is how many events of a story are shown unless all are asked for.
const newest = 30

func (p *program) tellStory(events []orderview.Event, all bool) {
	p.heading("Story (UTC)")
	if left := len(events) - newest; left > 0 && !all {
		p.say("%s", p.paint(dim, fmt.Sprintf("  %s before; --all shows them", count(left, "event"))))
		events = events[left:]
	}
	for _, e := range events {
		p.say("  %s  %s", p.paint(dim, moment(e.At)), plain(e.Text))
	}
}
