package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/supplier/csvcredit"
	"github.com/dropline/dropline/internal/supplier/csvinvoice"
)

// importing is the taking in of a supplier's file of one kind.
type importing struct {
	kind, noun string                    // noun: of what it holds, for one and more: "credit memos"
	count      func([]byte) (int, error) // reads the file, and says how many it holds
}

func (p *program) invoices() *cobra.Command {
	c := group("invoice", "Take in suppliers' invoices",
		`invoice takes in invoices that a supplier sends as a file, by mail or otherwise.`,
		`  starter invoice import acme march.csv`)
	c.AddCommand(p.invoiceImport())
	return c
}

func (p *program) invoiceImport() *cobra.Command {
	file := importing{intake.KindInvoicesCSV, "invoices", func(body []byte) (int, error) {
		list, err := csvinvoice.Parse(body, "")
		return len(list), err
	}}
	return &cobra.Command{
		Use: "import SUPPLIER FILE", Short: "Take in a supplier's invoices from a CSV file",
		Long: `import reads a file of invoices, whole or not at all, and stores it as if the supplier had posted it. A mistake
is told with its line and column. The workers take it in from there: what does not fit an order stands
in starter inbox list. The same file again changes nothing.

The columns are po, invoice, date, currency, line, quantity, unit_cost and total, and may be freight, fee,
allowance and corrects: docs/supplier-api.md describes them.`,
		Example: "  starter invoice import acme march.csv",
		Args:    exactly("SUPPLIER", "FILE"),
		RunE:    func(c *cobra.Command, args []string) error { return p.importFile(c.Context(), file, args[0], args[1]) },
	}
}

func (p *program) credits() *cobra.Command {
	c := group("credit", "Take in suppliers' credit memos",
		`credit takes in credit memos that a supplier sends as a file, by mail or otherwise.`,
		`  starter credit import acme march-credits.csv`)
	c.AddCommand(p.creditImport())
	return c
}

func (p *program) creditImport() *cobra.Command {
	file := importing{intake.KindCreditsCSV, "credit memos", func(body []byte) (int, error) {
		list, err := csvcredit.Parse(body)
		return len(list), err
	}}
	return &cobra.Command{
		Use: "import SUPPLIER FILE", Short: "Take in a supplier's credit memos from a CSV file",
		Long: `import reads a file of credit memos, whole or not at all, and stores it as if the supplier had posted it. A
mistake is told with its line and column. The workers take it in from there: what fits no return or claim
stands in starter inbox list. The same file again changes nothing.

The columns are credit_memo, date, currency and amount, and one of rma, claim and invoice for what it is:
docs/supplier-api.md describes them.`,
		Example: "  starter credit import acme march-credits.csv",
		Args:    exactly("SUPPLIER", "FILE"),
		RunE:    func(c *cobra.Command, args []string) error { return p.importFile(c.Context(), file, args[0], args[1]) },
	}
}

// importFile stores a supplier's file that can be read.
func (p *program) importFile(ctx context.Context, file importing, supplier, path string) error {
	body, err := p.readInput(path)
	if err != nil {
		return err
	}
	n, err := file.count(body)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	pool, err := p.database(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := postgres.Supplier(ctx, pool, supplier); err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	stored, err := (&intake.Archive{Pool: pool}).Store(ctx, intake.Document{
		Source: "supplier/" + supplier, Kind: file.kind, ContentType: "text/csv", Body: body,
		NaturalKey: "sha256:" + hex.EncodeToString(sum[:]),
	})
	switch {
	case err != nil:
		return err
	case p.json:
		return p.writeJSON(map[string]any{strings.ReplaceAll(file.noun, " ", "_"): n, "document": stored.ID, "repeat": stored.Repeat})
	case stored.Repeat:
		p.say("The file was taken in before, as document %d.", stored.ID)
		return nil
	}
	p.say("Stored %d %s as document %d; starter inbox list shows it if one of them does not fit.", n, file.noun, stored.ID)
	return nil
}
