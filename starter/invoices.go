package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/supplier/csvinvoice"
)

func (p *program) invoices() *cobra.Command {
	c := group("invoice", "Take in suppliers' invoices",
		`invoice takes in invoices that a supplier sends as a file, by mail or otherwise.`,
		`  starter invoice import acme march.csv`)
	c.AddCommand(p.invoiceImport())
	return c
}

func (p *program) invoiceImport() *cobra.Command {
	return &cobra.Command{
		Use: "import SUPPLIER FILE", Short: "Take in a supplier's invoices from a CSV file",
		Long: `import reads a file of invoices, whole or not at all, and stores it as if the supplier had posted it. A mistake
is told with its line and column. The workers take it in from there: what does not fit an order stands
in starter inbox list. The same file again changes nothing.

The columns are po, invoice, date, currency, line, quantity, unit_cost and total, and may be freight, fee,
allowance and corrects: docs/supplier-api.md describes them.`,
		Example: "  starter invoice import acme march.csv",
		Args:    exactly("SUPPLIER", "FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			body, err := os.ReadFile(args[1])
			if err != nil {
				return err
			}
			list, err := csvinvoice.Parse(body, "")
			if err != nil {
				return fmt.Errorf("%s: %w", args[1], err)
			}
			pool, err := p.database(c.Context())
			if err != nil {
				return err
			}
			defer pool.Close()
			if _, err := postgres.Supplier(c.Context(), pool, args[0]); err != nil {
				return err
			}
			sum := sha256.Sum256(body)
			stored, err := (&intake.Archive{Pool: pool}).Store(c.Context(), intake.Document{
				Source: "supplier/" + args[0], Kind: intake.KindInvoicesCSV, ContentType: "text/csv", Body: body,
				NaturalKey: "sha256:" + hex.EncodeToString(sum[:]),
			})
			if err != nil {
				return err
			}
			if p.json {
				return p.writeJSON(map[string]any{"invoices": len(list), "document": stored.ID, "repeat": stored.Repeat})
			}
			if stored.Repeat {
				p.say("The file was taken in before, as document %d.", stored.ID)
				return nil
			}
			p.say("Stored %d invoices as document %d; starter inbox list shows it if one of them does not fit.", len(list), stored.ID)
			return nil
		},
	}
}
