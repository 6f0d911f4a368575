package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
)

func (p *program) comebacks() *cobra.Command {
	c := group("return", "Take goods back: ask, show, list, cancel and decide",
		`return asks to send goods back, shows where a return stands and what it waits for, and puts a person's
decisions to it. A return has a number (RMA); its workflow follows it from the announcement at the
supplier to the refund and the supplier's credit.`,
		`  starter return request shop/1001 --line 1 --quantity 1 --reason damaged
  starter return list --attention
  starter return link shop/1001
  starter return show DLABCDEFGHIJKLM-1-R1`)
	c.AddCommand(p.returnRequest(), p.returnShow(), p.returnList(), p.returnLink(), p.returnCancel(), p.returnDecide(), p.returnRevive())
	return c
}

func (p *program) returnRequest() *cobra.Command {
	var r request
	var line, photos int
	var quantity int64
	var reason, outcome string
	var pictures []string
	var override bool
	c := &cobra.Command{
		Use: "request ORDER", Short: "Ask to send units of a line back",
		Long: `request is judged at once: by what was delivered, by the storefront's policy and by what is on its way back
already. It is granted with one number (RMA) for each supplier that the goods go back to, or refused with
the reason. --override grants what the policy would not, such as a return after its window; never more
units than were delivered.`,
		Example: `  starter return request shop/1001 --line 1 --quantity 1 --reason damaged
  starter return request shop/1001 --line 2 --quantity 1 --reason changed_mind --override`,
		Args: exactly("ORDER"),
		RunE: func(c *cobra.Command, args []string) error {
			key, err := parseOrder(c, args[0])
			if err != nil {
				return err
			}
			if line < 1 || quantity < 1 || reason == "" {
				return usagef(c, "want --line, --quantity and --reason")
			}
			body := map[string]any{
				"request_id": r.name(), "photos": photos, "photo_urls": append([]string{}, pictures...), "override": override, "resolution": outcome,
				"lines": []map[string]any{{"line": line, "quantity": quantity, "reason": reason}},
			}
			a, err := p.api(c.Context(), &r.remote)
			if err != nil {
				return err
			}
			defer a.close()
			var granted struct {
				Returns []struct {
					RMA     string            `json:"rma"`
					Lines   []orderview.Units `json:"lines"`
					Keep    bool              `json:"keep"`
					SendBy  time.Time         `json:"send_by,omitzero"`
					Message string            `json:"message"`
				} `json:"returns"`
				RequestID string `json:"request_id"`
			}
			if err := a.post(c.Context(), orderPath(key)+"/returns", body, &granted); err != nil {
				return err
			}
			if p.json {
				return p.writeJSON(granted)
			}
			for i := range granted.Returns {
				g := &granted.Returns[i]
				p.say("Granted %s: %s. %s", p.paint(bold, g.RMA), quantities(g.Lines), plain(g.Message))
				p.say("%s", p.paint(dim, "See how it goes: starter return show "+g.RMA))
			}
			return nil
		},
	}
	f := c.Flags()
	f.IntVar(&line, "line", 0, "the line that comes back")
	f.Int64Var(&quantity, "quantity", 1, "how many units of it")
	f.StringVar(&reason, "reason", "", "changed_mind, wrong_size, damaged, defective, wrong_item or not_as_described")
	f.IntVar(&photos, "photos", 0, "how many pictures of what is wrong the customer has sent")
	f.StringVar(&outcome, "outcome", "refund", "refund, store_credit, or exchange for the same article; other goods are asked for over the API")
	f.StringArrayVar(&pictures, "photo", nil, "https address of a picture, once for each")
	f.BoolVar(&override, "override", false, "grant it against the policy (operators)")
	r.flags(c)
	return c
}

func (p *program) returnShow() *cobra.Command {
	var at remote
	c := &cobra.Command{
		Use: "show RMA", Short: "Show where a return stands, and its story",
		Long: `show tells what a return waits for and until when, what was found in the parcel, what the customer got and
what the supplier owes. It reads Postgres alone, so it also answers while Temporal is away.`,
		Example: "  starter return show DLABCDEFGHIJKLM-1-R1",
		Args:    exactly("RMA"),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := p.api(c.Context(), &at)
			if err != nil {
				return err
			}
			defer a.close()
			v, err := a.comeback(c, args[0])
			if err != nil {
				return err
			}
			if p.json {
				return p.writeJSON(v)
			}
			p.tellReturn(&v)
			return nil
		},
	}
	at.flags(c)
	return c
}

func (a *api) comeback(c *cobra.Command, rma string) (orderview.Return, error) {
	var v orderview.Return
	err := a.get(c.Context(), "/v1/returns/"+url.PathEscape(rma), &v)
	return v, err
}

func (p *program) tellReturn(v *orderview.Return) {
	p.say("%s  %s", p.paint(bold, "Return "+v.RMA+" of order "+plain(v.Order)), p.paint(stageColour(v.Stage), strings.ToUpper(words(v.Stage))))
	p.say("granted %s%s%s", moment(v.OpenedAt), after(", to be handed in until ", moment(v.SendBy)), after(", closed ", moment(v.ClosedAt)))
	for _, attention := range v.Attention {
		p.say("%s", p.paint(yellow, plain("! "+attention.Text+" (since "+moment(attention.Since)+")")))
	}
	if len(v.WaitsFor) > 0 {
		p.heading("Waits for")
		for _, wait := range v.WaitsFor {
			p.say("  %s%s", plain(wait.For), after(", until ", deadline(wait.Until)))
		}
	}
	p.heading("Lines")
	var rows [][]string
	for i := range v.Lines {
		l := &v.Lines[i]
		found := make([]string, 0, len(l.Found))
		for _, f := range l.Found {
			found = append(found, fmt.Sprintf("%d %s", f.Quantity, words(f.Condition)))
		}
		rows = append(rows, []string{strconv.Itoa(l.Line), l.SKU, strconv.FormatInt(l.Quantity, 10), words(l.Reason), strings.Join(found, ", "), strconv.FormatInt(l.Settled, 10)})
	}
	p.table([]string{"LINE", "SKU", "UNITS", "REASON", "FOUND", "SETTLED"}, rows)
	if v.Label != nil {
		p.heading("Parcel")
		p.say("  %s with %s: %s%s", plain(v.Label.Tracking), plain(v.Label.Carrier), words(v.Parcel), after(", label ", plain(v.Label.URL)))
	}
	if v.Note != "" {
		p.say("  the customer writes: %s", plain(strings.ReplaceAll(v.Note, "\n", " ")))
	}
	for _, address := range v.Photos {
		p.say("  picture: %s", plain(address))
	}
	p.heading("Money")
	if v.StoreCredit != "" {
		p.say("  store credit of %s %s", v.StoreCredit, v.Currency)
	}
	if v.ExchangeOrder != "" {
		p.say("  exchanged by order %s: starter ledger follow %s", plain(v.ExchangeOrder), plain(v.Order))
	}
	p.say("  refunded %s; %s owes %s, gave %s, written off %s %s", v.Refunded+" "+v.Currency, plain(v.Supplier), v.Credit.Expected, v.Credit.Received, v.Credit.WrittenOff, v.Credit.Currency)
	p.tellStory(v.Story, true)
}

func (p *program) returnList() *cobra.Command {
	var at remote
	var attention bool
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List returns, the newest first",
		Long: `list shows returns of all orders. --attention: those that wait for a person, such as an empty box or a
credit that does not come; starter return show says what is to be decided.`,
		Example: "  starter return list --attention",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			a, err := p.api(c.Context(), &at)
			if err != nil {
				return err
			}
			defer a.close()
			var page struct {
				Returns []orderview.Return `json:"returns"`
			}
			query := url.Values{"limit": {strconv.Itoa(limit)}, "needs_attention": {strconv.FormatBool(attention)}}
			if err := a.get(c.Context(), "/v1/returns?"+query.Encode(), &page); err != nil {
				return err
			}
			if p.json {
				return p.writeJSON(page)
			}
			if len(page.Returns) == 0 {
				p.say("No returns.")
				return nil
			}
			p.table([]string{"RMA", "ORDER", "STAGE", "GRANTED (UTC)", "REFUNDED", ""}, returnRows(page.Returns))
			return nil
		},
	}
	c.Flags().BoolVar(&attention, "attention", false, "only returns that wait for a person")
	c.Flags().IntVar(&limit, "limit", 50, "how many at most, up to 200")
	at.flags(c)
	return c
}

func returnRows(list []orderview.Return) [][]string {
	rows := make([][]string, 0, len(list))
	for i := range list {
		v := &list[i]
		mark := ""
		if v.NeedsAttention {
			mark = "needs attention"
		}
		rows = append(rows, []string{v.RMA, v.Order, words(v.Stage), moment(v.OpenedAt), v.Refunded + " " + v.Currency, mark})
	}
	return rows
}

// putReturn posts a request about a return and tells the answer.
func (p *program) putReturn(c *cobra.Command, r *request, rma, what string, body map[string]any) error {
	a, err := p.api(c.Context(), &r.remote)
	if err != nil {
		return err
	}
	defer a.close()
	v, err := a.comeback(c, rma)
	if err != nil {
		return err
	}
	key, err := order.ParseKey(v.Order)
	if err != nil {
		return err
	}
	body["request_id"] = r.name()
	var answer map[string]any
	if err := a.post(c.Context(), orderPath(key)+"/returns/"+url.PathEscape(rma)+"/"+what, body, &answer); err != nil {
		return err
	}
	if p.json {
		return p.writeJSON(answer)
	}
	p.say("%s", plain(fmt.Sprint(answer["message"])))
	p.say("%s", p.paint(dim, "Request "+r.id+"; asking again with --id "+r.id+" gives the same answer."))
	return nil
}

func (p *program) returnCancel() *cobra.Command {
	var r request
	c := &cobra.Command{
		Use: "cancel RMA", Short: "Take a return back: the customer keeps the goods",
		Long: `cancel ends a return whose parcel the carrier does not have yet. Its units may be returned anew. When the
return cannot be asked now the request is stored and carried out later.`,
		Example: "  starter return cancel DLABCDEFGHIJKLM-1-R1",
		Args:    exactly("RMA"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.putReturn(c, &r, args[0], "cancel", map[string]any{})
		},
	}
	r.flags(c)
	return c
}
