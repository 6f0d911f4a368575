// Package csvtable reads the CSV files that suppliers' programs write: with commas, semicolons, tabs or bars,
// decimal points or decimal commas, a byte order mark, in UTF-8 or Windows-1252. What cannot be read in one way
// only is refused, with its line and column. What the columns mean is for its users to say.
package csvtable

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// MaxFile is the most bytes of a file.
const MaxFile = 1 << 20

const mostColumns = 64

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
	numberShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._:/#-]{0,63}$`)
	// plain is an amount without grouping; grouped has groups of three.
	plain   = regexp.MustCompile(`^[0-9]{1,12}([.,][0-9]{1,4})?$`)
	grouped = regexp.MustCompile(`^[0-9]{1,3}(?:([.,' ])[0-9]{3})+(?:([.,])[0-9]{1,4})?$`)
)

// Table is a file whose header was read. Its errors are of *Error.
type Table struct {
	csv    *csv.Reader
	header map[string]int // fields by column
	count  int            // fields of the header
	row    []string
}

// Open reads the header of a file. columns are those that are read, by the names that a header may give them, in
// lower case and with underscores for spaces; others are passed over.
func Open(file []byte, columns map[string]string) (*Table, error) {
	text, err := decode(file)
	if err != nil {
		return nil, err
	}
	t := &Table{csv: csv.NewReader(strings.NewReader(text)), header: map[string]int{}}
	t.csv.Comma, t.csv.FieldsPerRecord = delimiter(text), -1
	t.csv.TrimLeadingSpace = t.csv.Comma != '\t' // which it would take for a space
	return t, t.readHeader(columns)
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

// read reads a row; rows of nothing are passed over.
func (t *Table) read() (err error) {
	for {
		t.row, err = t.csv.Read()
		var broken *csv.ParseError
		switch {
		case errors.As(err, &broken):
			return &Error{broken.Line, broken.Column, "the quotes do not match"}
		case err != nil:
			return err
		}
		if slices.ContainsFunc(t.row, func(f string) bool { return strings.TrimSpace(f) != "" }) {
			return nil
		}
	}
}

func (t *Table) readHeader(columns map[string]string) error {
	err := t.read()
	if errors.Is(err, io.EOF) {
		return &Error{1, 1, "the file is empty"}
	}
	if err != nil {
		return err
	}
	if len(t.row) > mostColumns {
		return t.wrong(mostColumns, fmt.Sprintf("more than %d columns", mostColumns))
	}
	t.count = len(t.row)
	for i, name := range t.row {
		column, known := columns[strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "_")]
		if !known {
			continue
		}
		if _, twice := t.header[column]; twice {
			return t.wrong(i, "a second column for "+column)
		}
		t.header[column] = i
	}
	return nil
}

// Has: the header names a column.
func (t *Table) Has(column string) bool {
	_, there := t.header[column]
	return there
}

// Need fails for the first of the columns that the header does not name.
func (t *Table) Need(columns ...string) error {
	for _, column := range columns {
		if !t.Has(column) {
			return &Error{1, 1, "the header has no column " + column}
		}
	}
	return nil
}

// Next reads the next row, or fails with io.EOF after the last.
func (t *Table) Next() error {
	if err := t.read(); err != nil {
		return err
	}
	if n := len(t.row); n != t.count {
		return t.wrong(min(n, t.count)-1, fmt.Sprintf("%d fields where the header has %d", n, t.count))
	}
	return nil
}

// wrong names the place of a field in the row that was read last.
func (t *Table) wrong(field int, text string) *Error {
	line, column := t.csv.FieldPos(field)
	return &Error{line, column, text}
}

// Field is what a column holds in the row that was read last; empty without such a column.
func (t *Table) Field(column string) string {
	if i, there := t.header[column]; there {
		return strings.TrimSpace(t.row[i])
	}
	return ""
}

// Refuse says what a column should hold, with its place in the row that was read last.
func (t *Table) Refuse(column, want string) error {
	return t.wrong(t.header[column], column+": want "+want)
}

// IsNumber reports whether a text has the form of the numbers that suppliers give their documents.
func IsNumber(text string) bool { return numberShape.MatchString(text) }

// Number reads the number of a supplier's document.
func (t *Table) Number(column string) (string, error) {
	text := t.Field(column)
	if !IsNumber(text) {
		return "", t.Refuse(column, "a number of at most 64 letters, digits and ._:/#-")
	}
	return text, nil
}

// Currency reads a currency's code.
func (t *Table) Currency(column string) (string, error) {
	text := t.Field(column)
	if _, err := wire.ParseMoney("0", text); err != nil {
		return "", t.Refuse(column, "a code such as USD")
	}
	return text, nil
}

// Date reads a day, as its first instant in UTC.
func (t *Table) Date(column string) (time.Time, error) {
	at, err := time.Parse(time.DateOnly, t.Field(column))
	if err != nil || at.Year() < 2015 || at.Year() > 2100 {
		return time.Time{}, t.Refuse(column, "a date such as 2026-03-02")
	}
	return at, nil
}

// Amount reads an amount into minor units of a currency.
func (t *Table) Amount(column, currency string) (int64, error) {
	minor, err := Amount(t.Field(column), currency)
	if err != nil {
		return 0, t.Refuse(column, err.Error())
	}
	return minor, nil
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
