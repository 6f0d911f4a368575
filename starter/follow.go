package main

import (
	"cmp"
	"context"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/ledgerbook"
)

func (p *program) follow() *cobra.Command {
	var line int
	from := map[ledgerbook.Origin]*string{}
	c := &cobra.Command{
		Use: "follow ORDER", Short: "Follow the customer's money of an order to the last cent",
		Long: `follow tells, line by line, what became of what the customer paid: earned, taxed, refunded, kept as a fee,
given as store credit or used for an exchange order, whose own way is told below it; what the goods cost, what
suppliers gave back and what they owe; how what they are owed came to be and was paid, with what was set off; and what they
were paid. The running sums end at what was captured, and at what suppliers are due still. Instead of an order name the
other end: a supplier's invoice or credit memo by its number, a refund by its key or reference.`,
		Example: `  starter ledger follow shop/1001
  starter ledger follow shop/1001 --line 2
  starter ledger follow --invoice INV-2041`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				orders, marked, err := followed(c, pool, args, from)
				if err != nil {
					return err
				}
				trails, err := trailsOf(c.Context(), pool, orders)
				if err != nil {
					return err
				}
				if p.json {
					return p.writeJSON(trails)
				}
				for _, t := range trails {
					p.tellTrail(t, line, marked)
				}
				return nil
			})
		},
	}
	f := c.Flags()
	f.IntVar(&line, "line", 0, "only this line's steps; the sums stay those of the whole order")
	from[ledgerbook.FromInvoice] = f.String("invoice", "", "begin at a supplier's invoice")
	from[ledgerbook.FromCredit] = f.String("credit", "", "begin at a supplier's credit memo")
	from[ledgerbook.FromRefund] = f.String("refund", "", "begin at a refund, by its key or the storefront's reference")
	c.MarkFlagsMutuallyExclusive("invoice", "credit", "refund")
	return c
}

// followed are the orders to follow, and what the question named, which is marked.
func followed(c *cobra.Command, pool *pgxpool.Pool, args []string, from map[ledgerbook.Origin]*string) (orders []string, marked string, err error) {
	for _, origin := range []ledgerbook.Origin{ledgerbook.FromInvoice, ledgerbook.FromCredit, ledgerbook.FromRefund} {
		if marked = *from[origin]; marked == "" {
			continue
		}
		if len(args) > 0 {
			return nil, "", usagef(c, "want an order or --%s, not both", origin)
		}
		orders, err = ledgerbook.OrdersOf(c.Context(), pool, origin, marked)
		if err == nil && len(orders) == 0 {
			err = usagef(c, "there is no %s %q", origin, marked)
		}
		return orders, marked, err
	}
	if len(args) == 0 {
		return nil, "", usagef(c, "want ORDER, --invoice, --credit or --refund")
	}
	key, err := parseOrder(c, args[0])
	return []string{key.String()}, "", err
}

// trailsOf follows orders, and the exchanges of each after it.
func trailsOf(ctx context.Context, pool *pgxpool.Pool, orders []string) ([]*ledgerbook.Trail, error) {
	trails := []*ledgerbook.Trail{}
	for len(orders) > 0 {
		t, err := ledgerbook.Follow(ctx, pool, orders[0])
		if err != nil {
			return nil, err
		}
		trails = append(trails, t)
		orders = append(append([]string{}, t.Exchanges...), orders[1:]...)
	}
	return trails, nil
}

func (p *program) tellTrail(t *ledgerbook.Trail, line int, marked string) {
	p.heading("Order " + t.Order)
	p.say("captured %s%s%s", amount(t.Captured, t.Currency), after(", moved here by the exchange of "+t.ExchangeOf+": ", received(t)), off(t))
	p.table([]string{"LINE", "WHAT BECAME OF IT", "REFERENCE", "AMOUNT", "SUM"}, trailRows(t.Money, t.Currency, line, marked))
	if len(t.Costs) > 0 {
		p.heading("What the goods cost")
		p.table([]string{"LINE", "WHAT", "REFERENCE", "AMOUNT", "SUM"}, trailRows(t.Costs, t.Currency, line, marked))
	}
	if len(t.Owed) > 0 {
		p.heading("What suppliers are owed")
		p.table([]string{"LINE", "WHAT", "REFERENCE", "AMOUNT", "SUM"}, trailRows(t.Owed, t.Currency, line, marked))
	}
	if len(t.Paid) > 0 {
		p.heading("What suppliers were paid")
		p.table([]string{"LINE", "WHAT", "REFERENCE", "AMOUNT", "SUM"}, trailRows(t.Paid, t.Currency, line, marked))
	}
}

func received(t *ledgerbook.Trail) string {
	if t.Received == 0 {
		return ""
	}
	return amount(t.Received, t.Currency)
}

func off(t *ledgerbook.Trail) string {
	if t.Off == 0 {
		return ""
	}
	return "; " + amount(t.Off, t.Currency) + " is not accounted for: run starter audit"
}

func trailRows(steps []ledgerbook.TrailStep, currency string, line int, marked string) [][]string {
	var rows [][]string
	for _, s := range steps {
		if line != 0 && s.Line != line && s.Line != 0 {
			continue
		}
		number := ""
		if s.Line != 0 {
			number = strconv.Itoa(s.Line)
		}
		what := plain(s.What)
		if marked != "" && s.Reference == marked {
			what = "> " + what
		}
		in := cmp.Or(s.Currency, currency)
		rows = append(rows, []string{number, what, plain(s.Reference), amount(s.Minor, in), amount(s.Sum, in)})
	}
	return rows
}
