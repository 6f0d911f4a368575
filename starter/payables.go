package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/supplier/csvremittance"
)

// word is a reason: what stands in the ledger holds nothing personal.
var word = regexp.MustCompile(`^[a-z][a-z_]{0,39}$`)

func (p *program) suppliers() *cobra.Command {
	c := group("supplier", "What suppliers are due, and what they were paid",
		`supplier tells what is due to suppliers, and books what they were paid: each invoice and each credit memo that
a payment names, in the ledger of its order.`,
		`  starter supplier due
  starter supplier due acme --output acme.csv
  starter supplier pay acme payment.csv --by bookkeeping`)
	c.AddCommand(p.supplierDue(), p.supplierPay())
	return c
}

func (p *program) supplierDue() *cobra.Command {
	var to string
	c := &cobra.Command{
		Use: "due [SUPPLIER]", Short: "List what suppliers are due, by date",
		Long: `due lists the invoices that are not paid, with what is disputed of them, and the credits that are not set off
yet (below nothing). A disputed part may be left unpaid: the sums leave it out.

--output writes it as CSV, "-" to the standard output. With the columns reference, date and total it is the file
that starter supplier pay reads; its amounts leave out what is disputed.`,
		Example: "  starter supplier due acme\n  starter supplier due acme --output acme.csv",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				if name != "" {
					if _, err := postgres.Supplier(c.Context(), pool, name); err != nil {
						return err
					}
				}
				list, err := ledgerbook.PayablesOf(c.Context(), pool, name)
				if err != nil {
					return err
				}
				if to != "" {
					file := to
					if to == "-" {
						file = ""
					}
					return p.toFile(file, func(w io.Writer) error { return ledgerbook.WritePayables(w, list) })
				}
				return p.tellDue(list)
			})
		},
	}
	c.Flags().StringVarP(&to, "output", "o", "", "file to write as CSV, which must not exist; - for the standard output")
	return c
}

func (p *program) tellDue(list []ledgerbook.Payable) error {
	sums, err := ledgerbook.PayableSums(list)
	if err != nil {
		return err
	}
	if p.json {
		return p.writeJSON(map[string]any{"due": append([]ledgerbook.Payable{}, list...), "sums": append([]ledgerbook.PayableSum{}, sums...)})
	}
	if len(list) == 0 {
		p.say("Nothing is due.")
		return nil
	}
	var rows [][]string
	for i := range list {
		d := &list[i]
		what, disputed := "invoice "+d.Invoice, ""
		if d.Credit != "" {
			what = "credit memo " + d.Credit
		}
		if d.Disputed > 0 {
			disputed = amount(d.Disputed, d.Currency)
		}
		rows = append(rows, []string{d.Supplier, d.Due.Format(time.DateOnly), plain(what), amount(d.Minor, d.Currency), disputed, plain(d.Order)})
	}
	p.table([]string{"SUPPLIER", "DUE", "WHAT", "AMOUNT", "DISPUTED", "ORDER"}, rows)
	p.heading("Sums")
	rows = nil
	for _, s := range sums {
		rows = append(rows, []string{s.Supplier, amount(s.Owed, s.Currency), amount(s.Disputed, s.Currency), amount(s.Credits, s.Currency), amount(s.Net, s.Currency)})
	}
	p.table([]string{"SUPPLIER", "OWED", "DISPUTED", "CREDITS", "NET"}, rows)
	return nil
}

func (p *program) supplierPay() *cobra.Command {
	var by string
	c := &cobra.Command{
		Use: "pay SUPPLIER FILE", Short: "Book a payment to a supplier from a CSV file",
		Long: `pay reads a payment that was made, and books it whole or not at all: what it pays of each invoice, and which
credit memos it sets off. The same reference with the same content changes nothing; with other content it is refused.
So is what is more than is due, or not known, with its row.

The columns are reference, date, currency and total, which stand for the whole payment, and invoice or credit_memo,
and amount: above nothing for an invoice, below for a credit memo. The amounts sum up to the total. A disputed part of
an invoice may be left unpaid. A credit that came without a memo is named by its claim's reference.`,
		Example: "  starter supplier pay acme payment.csv --by bookkeeping",
		Args:    exactly("SUPPLIER", "FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			if by == "" {
				return usagef(c, "want --by")
			}
			body, err := p.readInput(args[1])
			if err != nil {
				return err
			}
			said, err := csvremittance.Parse(body)
			if err != nil {
				return fmt.Errorf("%s: %w", args[1], err)
			}
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				var repeat bool
				err := postgres.InTx(c.Context(), pool, func(tx pgx.Tx) (err error) {
					repeat, err = ledgerbook.PaySupplier(c.Context(), tx, args[0], said, by)
					return err
				})
				switch {
				case err != nil:
					return err
				case p.json:
					return p.writeJSON(map[string]any{"reference": said.Reference, "lines": len(said.Lines), "repeat": repeat})
				case repeat:
					p.say("Payment %s was booked before; nothing changed.", plain(said.Reference))
				default:
					p.say("Booked payment %s of %s to %s, %d lines.", plain(said.Reference), amount(said.Total, said.Currency), plain(args[0]), len(said.Lines))
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&by, "by", "", "who books it: a role or a short name")
	return c
}

func (p *program) reversePosting() *cobra.Command {
	var reason, by string
	c := &cobra.Command{
		Use: "reverse ORDER KEY", Short: "Reverse a payment to a supplier that was booked in error",
		Long: `reverse undoes one line of a payment to a supplier in the ledger of an order, by a posting of its own, dated
today whatever periods are closed: what was paid is due again, what was set off can be set off again. KEY is the
posting's, as starter ledger ORDER --json shows it. Again it changes nothing.

Other postings are refused, as something else rests on each: the answer says how they are corrected.`,
		Example: `  starter ledger reverse shop/1001 'supplier_paid|acme|REM-1:2|due/acme/INV-2041' --reason typed_wrong --by bookkeeping`,
		Args:    exactly("ORDER", "KEY"),
		RunE: func(c *cobra.Command, args []string) error {
			if reason == "" || by == "" {
				return usagef(c, "--reason and --by are needed")
			}
			if !word.MatchString(reason) {
				return usagef(c, "--reason %q is not a word such as typed_wrong", reason)
			}
			key, err := parseOrder(c, args[0])
			if err != nil {
				return err
			}
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				var repeat bool
				err := postgres.InTx(c.Context(), pool, func(tx pgx.Tx) (err error) {
					repeat, err = ledgerbook.Reverse(c.Context(), tx, key.String(), args[1], reason, by)
					return err
				})
				switch {
				case errors.Is(err, ledgerbook.ErrNotReversible):
					return fmt.Errorf("%w: %s", err, howCorrected)
				case err != nil:
					return err
				case p.json:
					return p.writeJSON(map[string]any{"order": key.String(), "key": args[1], "repeat": repeat})
				case repeat:
					p.say("It was reversed before; nothing changed.")
				default:
					p.say("Reversed %s; what it paid or set off is open again.", plain(args[1]))
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, in a word such as typed_wrong")
	c.Flags().StringVar(&by, "by", "", "who reverses it: a role or a short name")
	return c
}

// howCorrected is how all postings are corrected that are not payments to suppliers.
const howCorrected = "a claim is ended by starter claim settle; an invoice by the supplier's corrected invoice or credit memo; a refund or a " +
	"capture by starter payment decide or a refund at the storefront; a bookkeeper corrects the rest in the general ledger"
