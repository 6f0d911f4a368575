// Package csvinvoice reads invoices out of a CSV file as suppliers' programs write them: with commas,
// semicolons, tabs or bars, decimal points or decimal commas, a byte order mark, in UTF-8 or Windows-1252.
// What cannot be read in one way only is refused, with its line and column.
package csvinvoice

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// Bounds of a file.
const (
	MaxFile     = 1 << 20 // bytes
	mostLines   = 500     // of an invoice
	mostColumns = 64
	maxQuantity = 100_000
	maxLine     = 1_000_000
)

// Error says where a file cannot be read, and repeats nothing of it. Lines and columns count from 1; a
// column counts bytes.
type Error struct {
	Line, Column int
	Text         string
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Text)
}

var (
	poShape     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,21}$`)
	numberShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._:/#-]{0,63}$`)
	// plain is an amount without grouping; grouped has groups of three.
	plain   = regexp.MustCompile(`^[0-9]{1,12}([.,][0-9]{1,4})?$`)
	grouped = regexp.MustCompile(`^[0-9]{1,3}(?:([.,' ])[0-9]{3})+(?:([.,])[0-9]{1,4})?$`)
)

// The columns, by the names that a header may give them.
var columns = map[string]string{
	"po": "po", "po_number": "po", "purchase_order": "po", "order": "po",
	"invoice": "invoice", "invoice_number": "invoice", "number": "invoice",
	"date": "date", "invoice_date": "date",
	"currency": "currency", "line": "line", "po_line": "line",
	"quantity": "quantity", "qty": "quantity",
	"unit_cost": "unit_cost", "unit_price": "unit_cost", "price": "unit_cost",
	"freight": "freight", "shipping": "freight", "fee": "fee", "handling": "fee",
	"allowance": "allowance", "discount": "allowance",
	"total": "total", "invoice_total": "total", "corrects": "corrects",
}

var required = []string{"po", "invoice", "date", "currency", "line", "quantity", "unit_cost", "total"}

// Parse reads a file whole or not at all: one invoice for each number, in the order of their first lines.
// It fails with *Error. document names where the invoices came from.
func Parse(file []byte, document string) ([]supplier.Invoice, error) {
	text, err := decode(file)
	if err != nil {
		return nil, err
	}
	r := &reader{document: document, at: map[string]int{}, header: map[string]int{}, said: map[string][]string{}}
	r.csv = csv.NewReader(strings.NewReader(text))
	r.csv.Comma, r.csv.FieldsPerRecord = delimiter(text), -1
	r.csv.TrimLeadingSpace = r.csv.Comma != '\t' // which it would take for a space
	if err := r.readHeader(); err != nil {
		return nil, err
	}
	for {
		row, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = r.take(row)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(r.invoices) == 0 {
		return nil, &Error{1, 1, "the file holds no invoice"}
	}
	return r.invoices, nil
}

// decode makes UTF-8 of the file. Bytes that are no UTF-8 are Windows-1252, which older programs write.
func decode(file []byte) (string, error) {
	if len(file) > MaxFile {
		return "", &Error{1, 1, fmt.Sprintf("the file has more than %d bytes: split it", MaxFile)}
	}
	if bytes.HasPrefix(file, []byte{0xff, 0xfe}) || bytes.HasPrefix(file, []byte{0xfe, 0xff}) {
		return "", &Error{1, 1, "the file is UTF-16: save it as UTF-8"}
	}
	file = bytes.TrimPrefix(file, []byte("\ufeff"))
	if i := bytes.IndexByte(file, 0); i >= 0 {
		return "", placed(file, i, "a NUL byte: this is no text")
	}
	if utf8.Valid(file) {
		return string(file), nil
	}
	var b strings.Builder
	for i, c := range file {
		switch {
		case c < 0x80 || c >= 0xa0:
			b.WriteRune(rune(c))
		case slices.Contains([]byte{0x81, 0x8d, 0x8f, 0x90, 0x9d}, c):
			return "", placed(file, i, "a byte that is neither UTF-8 nor Windows-1252")
		default:
			b.WriteRune('\u25a1') // a letter or a sign of no column that is read
		}
	}
	return b.String(), nil
}

func placed(file []byte, at int, text string) *Error {
	before := file[:at]
	return &Error{bytes.Count(before, []byte("\n")) + 1, at - bytes.LastIndexByte(before, '\n'), text}
}

// delimiter is the one that divides the header most often.
func delimiter(text string) rune {
	header, _, _ := strings.Cut(text, "\n")
	best, most := ',', 0
	for _, d := range []rune{',', ';', '\t', '|'} {
		if n := strings.Count(header, string(d)); n > most {
			best, most = d, n
		}
	}
	return best
}

type reader struct {
	csv      *csv.Reader
	document string
	header   map[string]int // columns by name
	invoices []supplier.Invoice
	at       map[string]int      // invoices by number
	said     map[string][]string // what stands for a whole invoice, by number
	count    int                 // columns of the header
}

// next reads a row; rows of nothing are passed over.
func (r *reader) next() ([]string, error) {
	for {
		row, err := r.csv.Read()
		var broken *csv.ParseError
		switch {
		case errors.As(err, &broken):
			return nil, &Error{broken.Line, broken.Column, "the quotes do not match"}
		case err != nil:
			return nil, err
		}
		if slices.ContainsFunc(row, func(f string) bool { return strings.TrimSpace(f) != "" }) {
			return row, nil
		}
	}
}

func (r *reader) readHeader() error {
	row, err := r.next()
	if errors.Is(err, io.EOF) {
		return &Error{1, 1, "the file is empty"}
	}
	if err != nil {
		return err
	}
	if len(row) > mostColumns {
		return r.wrong(mostColumns, fmt.Sprintf("more than %d columns", mostColumns))
	}
	r.count = len(row)
	for i, name := range row {
		column, known := columns[strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "_")]
		if !known {
			continue
		}
		if _, twice := r.header[column]; twice {
			return r.wrong(i, "a second column for "+column)
		}
		r.header[column] = i
	}
	for _, column := range required {
		if _, there := r.header[column]; !there {
			return &Error{1, 1, "the header has no column " + column}
		}
	}
	return nil
}

// wrong names the place of a field in the row that was read last.
func (r *reader) wrong(field int, text string) *Error {
	line, column := r.csv.FieldPos(field)
	return &Error{line, column, text}
}

func (r *reader) field(row []string, column string) string {
	if i, there := r.header[column]; there {
		return strings.TrimSpace(row[i])
	}
	return ""
}

func (r *reader) refuse(column, want string) *Error {
	return r.wrong(r.header[column], column+": want "+want)
}

// take reads a row: a line of an invoice, with what stands for the whole of it.
func (r *reader) take(row []string) error {
	if len(row) != r.count {
		return r.wrong(min(len(row), r.count)-1, fmt.Sprintf("%d fields where the header has %d", len(row), r.count))
	}
	number := r.field(row, "invoice")
	if !numberShape.MatchString(number) {
		return r.refuse("invoice", "a number of at most 64 letters, digits and ._:/#-")
	}
	i, known := r.at[number]
	var err error
	if !known {
		if i, err = r.begin(row, number); err != nil {
			return err
		}
	} else if err := r.repeats(row, number); err != nil {
		return err
	}
	return r.line(row, &r.invoices[i])
}

// whole are the columns that stand for a whole invoice: the same, or nothing, in its further lines.
var whole = []string{"po", "date", "currency", "freight", "fee", "allowance", "total", "corrects"}

func (r *reader) begin(row []string, number string) (int, error) {
	in := supplier.Invoice{Document: r.document, Number: number, PO: r.field(row, "po"), Currency: r.field(row, "currency"), Corrects: r.field(row, "corrects")}
	if !poShape.MatchString(in.PO) {
		return 0, r.refuse("po", "a purchase order number")
	}
	if _, err := wire.ParseMoney("0", in.Currency); err != nil {
		return 0, r.refuse("currency", "a code such as USD")
	}
	if in.Corrects != "" && (!numberShape.MatchString(in.Corrects) || in.Corrects == number) {
		return 0, r.refuse("corrects", "the number of another invoice")
	}
	at, err := time.Parse(time.DateOnly, r.field(row, "date"))
	if err != nil || at.Year() < 2015 || at.Year() > 2100 {
		return 0, r.refuse("date", "a date such as 2026-03-02")
	}
	in.At = at
	for _, amount := range []struct {
		column   string
		optional bool
		into     *int64
	}{{"freight", true, &in.Freight}, {"fee", true, &in.Fee}, {"allowance", true, &in.Allowance}, {"total", false, &in.Total}} {
		text := r.field(row, amount.column)
		if text == "" && amount.optional {
			continue
		}
		minor, err := Amount(text, in.Currency)
		if err != nil {
			return 0, r.refuse(amount.column, err.Error())
		}
		*amount.into = minor
	}
	for _, column := range whole {
		r.said[number] = append(r.said[number], r.field(row, column))
	}
	r.at[number] = len(r.invoices)
	r.invoices = append(r.invoices, in)
	return len(r.invoices) - 1, nil
}

func (r *reader) repeats(row []string, number string) error {
	for i, column := range whole {
		if text := r.field(row, column); text != "" && text != r.said[number][i] {
			return r.refuse(column, "the same as in the invoice's first line, or nothing")
		}
	}
	return nil
}

func (r *reader) line(row []string, in *supplier.Invoice) error {
	line, err := strconv.ParseUint(r.field(row, "line"), 10, 31)
	if err != nil || line < 1 || line > maxLine {
		return r.refuse("line", "a line number from 1")
	}
	if slices.ContainsFunc(in.Lines, func(l supplier.InvoiceLine) bool { return l.Line == int(line) }) {
		return r.refuse("line", "each line of an invoice once")
	}
	quantity, err := strconv.ParseUint(r.field(row, "quantity"), 10, 31)
	if err != nil || quantity < 1 || quantity > maxQuantity {
		return r.refuse("quantity", "1 to 100000 whole units")
	}
	cost, err := Amount(r.field(row, "unit_cost"), in.Currency)
	if err != nil {
		return r.refuse("unit_cost", err.Error())
	}
	if len(in.Lines) == mostLines {
		return r.refuse("line", fmt.Sprintf("at most %d lines of an invoice", mostLines))
	}
	in.Lines = append(in.Lines, supplier.InvoiceLine{Line: int(line), Quantity: int64(quantity), UnitCost: cost})
	return nil
}

// errAmbiguous: three digits behind a single comma or point may be thousands or decimals.
var (
	errAmbiguous = errors.New("an amount that can be read in one way only: 1234.50 or 1234,50")
	errAmount    = errors.New("an amount with at most the currency's decimals, without a sign")
)

// Amount reads an amount into minor units of a currency: 12.50, 12,50, 1.234,50, 1,234.50, 1'234.50 and
// 1 234,50. Its errors say what is wanted.
func Amount(text, currency string) (int64, error) {
	text = strings.ReplaceAll(text, "\u00a0", " ")
	separator := ""
	if parts := grouped.FindStringSubmatch(text); parts != nil {
		switch group, point := parts[1], parts[2]; {
		case group == point:
			return 0, errAmbiguous
		case point == "" && (group == "." || group == ",") && strings.Count(text, group) == 1:
			return 0, errAmbiguous
		case !sameGroups(text, group, point):
			return 0, errAmount
		default:
			separator = group
		}
	} else if !plain.MatchString(text) {
		return 0, errAmount
	}
	if separator != "" {
		text = strings.ReplaceAll(text, separator, "")
	}
	minor, err := wire.ParseMoney(strings.ReplaceAll(text, ",", "."), currency)
	if err != nil {
		return 0, errAmount
	}
	return minor, nil
}

// sameGroups: the groups are all divided by one sign. The expression remembers only the last of them.
func sameGroups(text, group, point string) bool {
	if point != "" {
		text = text[:strings.LastIndex(text, point)]
	}
	return !strings.ContainsAny(strings.ReplaceAll(text, group, ""), ".,' ")
}
