package main

import (
	"context"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/partners"
	"github.com/dropline/dropline/internal/reconcile"
)

func (p *program) reconciliation() *cobra.Command {
	c := group("reconcile", "Compare our books with those of payment providers, suppliers and carriers",
		`Every night a schedule compares the ledger with the payment providers' books, what suppliers invoiced with
their statements, and parcels with carriers' bills. What differs is kept, once, until it is gone or
accepted. docs/reconciliation.md tells what each likely cause means.`,
		`  starter reconcile show
  starter reconcile run --from 2026-01-01 --through 2026-01-31
  starter reconcile import supplier acme statement.csv
  starter reconcile accept 4711 --by bookkeeping --reason "paid by transfer"`)
	c.AddCommand(p.reconcileRun(), p.reconcileShow(), p.reconcileImport(), p.reconcileAccept())
	return c
}

func (p *program) reconcileRun() *cobra.Command {
	var from, through string
	c := &cobra.Command{
		Use: "run", Short: "Compare all books now",
		Long: `run compares whole days (UTC) and shows what is open then. Without days it does as the schedule: yesterday, and
back to the oldest open difference, 35 days at most. It may be repeated at any time. Exits 1 while
differences are open.`,
		Example: "  starter reconcile run\n  starter reconcile run --from 2026-01-01 --through 2026-01-31",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if (from == "") != (through == "") {
				return usagef(c, "--from and --through belong together")
			}
			first, err := day(c, "from", from)
			if err != nil {
				return err
			}
			last, err := day(c, "through", through)
			if err != nil {
				return err
			}
			if last.Before(first) {
				return usagef(c, "--through %s is before --from %s", through, from)
			}
			settings, err := p.settings()
			if err != nil {
				return badSettings(err)
			}
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				r := &reconcile.Reconciler{Pool: pool, Payments: partners.New(pool, settings.AllowPrivatePartners).Payments, Now: time.Now}
				span := reconcile.Days(first, last)
				if from == "" {
					if span, err = r.Daily(c.Context()); err != nil {
						return err
					}
				}
				return p.compare(c.Context(), r, span)
			})
		},
	}
	c.Flags().StringVar(&from, "from", "", "first day, as 2026-01-01")
	c.Flags().StringVar(&through, "through", "", "last day")
	return c
}

func (p *program) compare(ctx context.Context, r *reconcile.Reconciler, span reconcile.Span) error {
	result, failed := r.Run(ctx, span)
	open, err := reconcile.List(ctx, r.Pool, reconcile.Filter{State: "open"})
	if err != nil {
		return err
	}
	if p.json {
		err = p.writeJSON(map[string]any{"run": result, "open": append([]reconcile.Kept{}, open...)})
	} else {
		p.tellCompared(&result)
		err = p.tellDifferences(open)
	}
	switch {
	case failed != nil:
		return failed
	case err == nil && len(open) > 0:
		return errTold
	}
	return err
}

func (p *program) tellCompared(r *reconcile.Result) {
	p.say("Compared %s to %s (UTC)", r.From.Format(time.DateOnly), r.Until.Add(-time.Hour).Format(time.DateOnly))
	rows := make([][]string, 0, len(r.Books))
	for _, b := range r.Books {
		said := []string{b.Problem}
		for _, currency := range slices.Sorted(maps.Keys(b.Fees)) {
			said = append(said, "fees "+money.Money{Minor: b.Fees[currency], Currency: currency}.String())
		}
		rows = append(rows, []string{b.Book, strconv.Itoa(b.Ours), strconv.Itoa(b.Theirs), strconv.Itoa(b.Differences), strings.TrimSpace(strings.Join(said, " "))})
	}
	p.table([]string{"BOOK", "OURS", "THEIRS", "DIFFERENCES", "NOTE"}, rows)
}

func (p *program) tellDifferences(list []reconcile.Kept) error {
	if len(list) == 0 {
		p.say("%s", p.paint(green, "Nothing differs."))
		return nil
	}
	var rows [][]string
	for i := range list {
		k := &list[i]
		rows = append(rows, []string{
			strconv.FormatInt(k.ID, 10), k.At.UTC().Format(time.DateOnly), k.Book, k.Subject, k.Order,
			sideText(k.Ours, k.Currency), sideText(k.Theirs, k.Currency), k.State, string(k.Cause) + reasonText(k),
		})
	}
	p.table([]string{"NUMBER", "DAY", "BOOK", "ABOUT", "ORDER", "OURS", "THEIRS", "STATE", "LIKELY CAUSE"}, rows)
	return nil
}

func reasonText(k *reconcile.Kept) string {
	if k.Reason == "" {
		return ""
	}
	return " (" + k.AcceptedBy + ": " + k.Reason + ")"
}

func sideText(minor *int64, currency string) string {
	if minor == nil {
		return "-"
	}
	return money.Money{Minor: *minor, Currency: currency}.String()
}

func (p *program) reconcileShow() *cobra.Command {
	filter := reconcile.Filter{}
	c := &cobra.Command{
		Use: "show", Short: "List what differs, the oldest first",
		Example: "  starter reconcile show\n  starter reconcile show --book payments/shop --state accepted",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				list, err := reconcile.List(c.Context(), pool, filter)
				if err != nil {
					return err
				}
				if p.json {
					return p.writeJSON(append([]reconcile.Kept{}, list...))
				}
				latest, err := reconcile.Latest(c.Context(), pool)
				if err != nil {
					return err
				}
				if latest.Run == 0 {
					p.say("Nothing has been compared yet: starter reconcile run.")
					return nil
				}
				p.tellCompared(&latest)
				return p.tellDifferences(list)
			})
		},
	}
	c.Flags().StringVar(&filter.Book, "book", "", "only this book: payments/STOREFRONT, supplier/ID or carrier/NAME")
	c.Flags().StringVar(&filter.State, "state", "open", "open, accepted or gone; empty: all")
	c.Flags().IntVar(&filter.Limit, "limit", 100, "how many at most")
	return c
}

func (p *program) reconcileImport() *cobra.Command {
	var from, through string
	c := &cobra.Command{
		Use: "import supplier|carrier NAME FILE", Short: "Take in a supplier's statement or a carrier's bill",
		Long: `import keeps the file as it is and reads it: CSV or JSON with number (a carrier's: tracking), date, amount
and currency; a credit has a minus. A file that cannot be read whole is refused. Importing it again
changes nothing. A statement covers the days of its lines, or --from to --through: an invoice of such a
day that is not in it is a difference.`,
		Example: "  starter reconcile import supplier acme january.csv --from 2026-01-01 --through 2026-01-31\n  starter reconcile import carrier ups bill.csv",
		Args:    exactly("supplier|carrier", "NAME", "FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] != "supplier" && args[0] != "carrier" || args[0] == "carrier" && from+through != "" {
				return usagef(c, "want supplier NAME FILE, with --from and --through if need be, or carrier NAME FILE")
			}
			var first, last time.Time
			var err error
			if from != "" {
				first, err = day(c, "from", from)
			}
			if through != "" && err == nil {
				last, err = day(c, "through", through)
			}
			if err != nil {
				return err
			}
			file, err := os.ReadFile(args[2])
			if err != nil {
				return err
			}
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				var kept reconcile.Imported
				if args[0] == "supplier" {
					kept, err = reconcile.ImportStatement(c.Context(), pool, args[1], file, first, last)
				} else {
					kept, err = reconcile.ImportBill(c.Context(), pool, args[1], file)
				}
				if err != nil {
					return err
				}
				return p.tellImported(kept)
			})
		},
	}
	c.Flags().StringVar(&from, "from", "", "first day that a statement covers, as 2026-01-01 (default the first of its lines)")
	c.Flags().StringVar(&through, "through", "", "last day that it covers (default the last of its lines)")
	return c
}

func (p *program) tellImported(kept reconcile.Imported) error {
	if p.json {
		return p.writeJSON(kept)
	}
	if kept.Repeat {
		p.say("This very file was imported before, as document %d; nothing changed.", kept.Document)
		return nil
	}
	p.say("Imported %s, kept as document %d. starter reconcile run compares them.", count(kept.Lines, "line"), kept.Document)
	return nil
}

func (p *program) reconcileAccept() *cobra.Command {
	var by, reason string
	c := &cobra.Command{
		Use: "accept NUMBER", Short: "End an open difference with a reason",
		Long:    "accept says that a difference is known and will stay. It is opened again only when it changes.",
		Example: `  starter reconcile accept 4711 --by bookkeeping --reason "paid by transfer"`,
		Args:    exactly("NUMBER"),
		RunE: func(c *cobra.Command, args []string) error {
			if by == "" || reason == "" {
				return usagef(c, "--by and --reason are needed")
			}
			ids, err := numbers(c, args)
			if err != nil {
				return err
			}
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				if err := reconcile.Accept(c.Context(), pool, ids[0], by, reason); err != nil {
					return err
				}
				if p.json {
					return p.writeJSON(map[string]any{"accepted": ids[0]})
				}
				p.say("Difference %d is accepted.", ids[0])
				return nil
			})
		},
	}
	c.Flags().StringVar(&by, "by", "", "who accepts it: a role or a short name")
	c.Flags().StringVar(&reason, "reason", "", "why it may stay")
	return c
}
