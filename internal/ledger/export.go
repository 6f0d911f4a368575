package ledger

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/money"
)

// Posted is a transaction as it stands in the book: when, for which order ("shop/1001"), and under
// which running number.
type Posted struct {
	Number int64
	At     time.Time
	Order  string
	Transaction
}

// Format names a way to write postings for a bookkeeper.
type Format string

// The formats.
const (
	// FormatCSV has one row per entry.
	FormatCSV Format = "csv"
	// FormatJournal is the plain-text accounting format that ledger (ledger-cli.org) and hledger read.
	FormatJournal Format = "journal"
)

// Formats are all that an Exporter can write.
var Formats = []Format{FormatCSV, FormatJournal}

// Exporter writes postings one after the other; the same postings always give the same bytes.
type Exporter interface {
	Write(p Posted) error
	// Close writes what is still to be written; the writer below stays open.
	Close() error
}

// NewExporter begins an export.
func NewExporter(f Format, to io.Writer) (Exporter, error) {
	switch f {
	case FormatCSV:
		w := &csvExporter{csv.NewWriter(to)}
		return w, w.csv.Write([]string{"number", "posted_at", "order", "key", "kind", "memo", "account", "account_type", "currency", "debit", "credit"})
	case FormatJournal:
		return &journalExporter{to: to}, nil
	}
	return nil, fmt.Errorf("export as %.20q: not one of %v", string(f), Formats)
}

type csvExporter struct{ csv *csv.Writer }

func (e *csvExporter) Write(p Posted) error {
	for _, entry := range p.Entries {
		amount, err := money.Format(max(entry.Minor, -entry.Minor), entry.Currency)
		if err != nil {
			return fmt.Errorf("export %s: %w", p.Key, err)
		}
		debit, credit := amount, ""
		if entry.Minor < 0 {
			debit, credit = "", amount
		}
		err = e.csv.Write([]string{
			fmt.Sprint(p.Number), p.At.UTC().Format(time.RFC3339), Cell(p.Order), Cell(p.Key), Cell(p.Kind), Cell(p.Memo),
			Cell(string(entry.Account)), string(entry.Account.Type()), entry.Currency, debit, credit,
		})
		if err != nil {
			return fmt.Errorf("export %s: %w", p.Key, err)
		}
	}
	return nil
}

func (e *csvExporter) Close() error {
	e.csv.Flush()
	return e.csv.Error()
}

// Cell keeps a spreadsheet from taking text for a formula (OWASP, CSV injection): a storefront chooses
// its order ids. Full-width forms count, since some spreadsheets fold them.
func Cell(text string) string {
	if first := []rune(text + " ")[0]; strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + text
	}
	return text
}

type journalExporter struct {
	to  io.Writer
	err error
}

// roots are the top-level accounts that both programs know.
var roots = map[AccountType]string{Asset: "Assets", Liability: "Liabilities", Income: "Income", Expense: "Expenses"}

func (e *journalExporter) Write(p Posted) error {
	e.printf("%s (%d) %s  ; order: %s, key: %s\n", p.At.UTC().Format(time.DateOnly), p.Number, p.Memo, p.Order, p.Key)
	for _, entry := range p.Entries {
		amount, err := money.Format(entry.Minor, entry.Currency)
		if err != nil {
			return fmt.Errorf("export %s: %w", p.Key, err)
		}
		e.printf("    %-44s  %s %s\n", roots[entry.Account.Type()]+":"+string(entry.Account), entry.Currency, amount)
	}
	e.printf("\n")
	return e.err
}

func (e *journalExporter) Close() error { return e.err }

// printf keeps the first error: what follows it is not worth writing.
func (e *journalExporter) printf(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.to, format, args...)
	}
}
