package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
)

// bookkeeping is what is asked of the ledger of all orders.
func (p *program) bookkeeping() []*cobra.Command {
	return []*cobra.Command{p.trialBalance(), p.exportLedger(), p.closePeriod(), p.periods(), p.reversePosting()}
}

// day reads a date; empty is today (UTC).
func day(c *cobra.Command, flag, text string) (time.Time, error) {
	if text == "" {
		return time.Now().UTC(), nil
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return at, usagef(c, "--%s %q is not a date like 2026-01-31", flag, text)
	}
	return at, nil
}

func (p *program) trialBalance() *cobra.Command {
	var through string
	c := &cobra.Command{
		Use: "balance", Short: "Show what every account holds over all orders: the trial balance",
		Long:    `balance adds up all postings to the end of a day (UTC). Debits and credits are equal in each currency.`,
		Example: "  starter ledger balance\n  starter ledger balance --through 2026-01-31",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			last, err := day(c, "through", through)
			if err != nil {
				return err
			}
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				balances, err := ledgerbook.TrialBalance(c.Context(), pool, last)
				if err != nil {
					return err
				}
				if p.json {
					return p.writeJSON(slices.Concat(ledger.Balances{}, balances))
				}
				p.say("Trial balance at the end of %s (UTC)", last.Format(time.DateOnly))
				return p.tellBalance(balances)
			})
		},
	}
	c.Flags().StringVar(&through, "through", "", "last day that counts, as 2026-01-31 (default today)")
	return c
}

func (p *program) tellBalance(balances ledger.Balances) error {
	var rows [][]string
	sums := map[string]ledger.Side{}
	var currencies []string
	for _, b := range balances {
		if !slices.Contains(currencies, b.Currency) {
			currencies = append(currencies, b.Currency)
		}
		side := ledger.SideOf(b.Minor)
		rows = append(rows, []string{b.Account.Title(), string(b.Account.Type()), side.DebitText(b.Currency), side.CreditText(b.Currency)})
		sum, err := sums[b.Currency].Plus(side)
		if err != nil {
			return fmt.Errorf("add up %s: %w", b.Currency, err)
		}
		sums[b.Currency] = sum
	}
	slices.Sort(currencies)
	for _, currency := range currencies {
		rows = append(rows, []string{"Sum", "", sums[currency].DebitText(currency), sums[currency].CreditText(currency)})
	}
	p.table([]string{"ACCOUNT", "TYPE", "DEBIT", "CREDIT"}, rows)
	return nil
}

func (p *program) exportLedger() *cobra.Command {
	var from, through, format, to string
	c := &cobra.Command{
		Use: "export", Short: "Write the postings of all orders for a bookkeeper",
		Long: `export writes every posting of a span of days (UTC), oldest first: as CSV with a row per entry, or as a
journal in the plain-text format that ledger and hledger read. The days of a closed period always give
the same bytes.`,
		Example: "  starter ledger export --from 2026-01-01 --through 2026-01-31 --output january.csv\n" +
			"  starter ledger export --format journal | hledger -f - balance",
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			first := time.Unix(0, 0)
			last, err := day(c, "through", through)
			if err == nil && from != "" {
				first, err = day(c, "from", from)
			}
			if err != nil {
				return err
			}
			if last.Before(first) {
				return usagef(c, "--through %s is before --from %s", through, from)
			}
			if !slices.Contains(ledger.Formats, ledger.Format(format)) {
				return usagef(c, "--format %q is not one of %v", format, ledger.Formats)
			}
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				return p.toFile(to, func(w io.Writer) error {
					return export(c.Context(), pool, first, last, ledger.Format(format), w)
				})
			})
		},
	}
	c.Flags().StringVar(&from, "from", "", "first day, as 2026-01-01 (default the beginning)")
	c.Flags().StringVar(&through, "through", "", "last day (default today)")
	c.Flags().StringVar(&format, "format", string(ledger.FormatCSV), "csv or journal")
	c.Flags().StringVarP(&to, "output", "o", "", "file to write, which must not exist (default the standard output)")
	return c
}

func export(ctx context.Context, pool *pgxpool.Pool, first, last time.Time, format ledger.Format, w io.Writer) error {
	exporter, err := ledger.NewExporter(format, w)
	if err == nil {
		err = ledgerbook.EachPosting(ctx, pool, first, last, exporter.Write)
	}
	if err != nil {
		return err
	}
	return exporter.Close()
}

// toFile lets write fill a new file, or the standard output when there is no name. A file that could
// not be written whole is removed: half a month looks like a month.
func (p *program) toFile(name string, write func(io.Writer) error) (err error) {
	if name == "" {
		return write(p.out)
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			err = errors.Join(err, os.Remove(name))
		}
	}()
	return write(file)
}

func (p *program) closePeriod() *cobra.Command {
	var through, by string
	c := &cobra.Command{
		Use: "close", Short: "Fix the ledger up to the end of a day, for good",
		Long: `close hands everything up to the end of a day (UTC) over to the bookkeeper: the database refuses any
posting dated so from then on, and the trial balance of the moment is kept. It cannot be undone; what turns out
to be wrong is corrected on a later day: a payment to a supplier by starter ledger reverse, a claim by starter claim
settle, an invoice by the supplier's correction or credit memo.`,
		Example: "  starter ledger close --through 2026-01-31 --by bookkeeping",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if through == "" || by == "" {
				return usagef(c, "--through and --by are needed")
			}
			last, err := day(c, "through", through)
			if err != nil {
				return err
			}
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				period, err := ledgerbook.ClosePeriod(c.Context(), pool, last, by)
				if err != nil {
					return err
				}
				if p.json {
					return p.writeJSON(period)
				}
				p.say("The ledger is closed through %s.", period.Through.Format(time.DateOnly))
				return p.tellBalance(period.Balance)
			})
		},
	}
	c.Flags().StringVar(&through, "through", "", "last day of the period, as 2026-01-31")
	c.Flags().StringVar(&by, "by", "", "who closes it: a role or a short name")
	return c
}

func (p *program) periods() *cobra.Command {
	return &cobra.Command{
		Use: "periods", Short: "List the closed periods",
		Example: "  starter ledger periods",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				periods, err := ledgerbook.Periods(c.Context(), pool)
				if err != nil {
					return err
				}
				if p.json {
					return p.writeJSON(slices.Concat([]ledgerbook.Period{}, periods))
				}
				var rows [][]string
				for _, period := range periods {
					rows = append(rows, []string{period.Through.Format(time.DateOnly), moment(period.ClosedAt), period.ClosedBy})
				}
				p.table([]string{"THROUGH", "CLOSED AT", "BY"}, rows)
				return nil
			})
		},
	}
}
