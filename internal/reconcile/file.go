package reconcile

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/money"
)

// MaxFile is how large a statement or bill may be, in bytes.
const MaxFile = 16 << 20

// Line is one line of a statement or bill. Subject is the invoice's or credit memo's number, or the
// tracking number; of a payment to the supplier it is ours, with PaymentMark before it.
type Line struct {
	Subject  string
	On       time.Time
	Currency string
	Minor    int64
	N        int // how often the same stood before in the file, plus one
}

// written is a line as a file holds it. Amounts are decimal text.
type written struct {
	Number   string `json:"number"`
	Tracking string `json:"tracking"`
	Date     string `json:"date"`
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
	Kind     string `json:"kind"` // "payment", or nothing that counts
}

// PaymentMark begins the numbers of payments among those of invoices and credit memos: the two are given out by
// different people.
const PaymentMark = "payment/"

// ReadStatement reads a supplier's statement, ReadBill a carrier's bill: CSV with a head, or JSON. Files
// are read whole or not at all; the error names the line and repeats nothing of it.
func ReadStatement(file []byte) ([]Line, error) {
	return readFile(file, "number", func(subject string) string { return subject }, func(l Line) string { return l.Subject })
}

// ReadBill reads a carrier's bill, with tracking numbers as carrier.Number writes them; see ReadStatement.
func ReadBill(file []byte) ([]Line, error) {
	return readFile(file, "tracking", carrier.Number, func(l Line) string {
		return fmt.Sprintf("%s %s %s %d", l.Subject, l.On.Format(time.DateOnly), l.Currency, l.Minor)
	})
}

var errEmpty = errors.New("the file has no lines")

// readFile reads lines whose subjects are put into their one form, and counts those that are the same.
func readFile(file []byte, subject string, form func(string) string, same func(Line) string) ([]Line, error) {
	if len(file) > MaxFile {
		return nil, fmt.Errorf("the file is larger than %d bytes: split it", MaxFile)
	}
	file = bytes.TrimPrefix(file, []byte("\ufeff"))
	read := readCSV
	if bytes.HasPrefix(bytes.TrimSpace(file), []byte("{")) {
		read = readJSON
	}
	rows, first, err := read(file, subject)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errEmpty
	}
	lines := make([]Line, 0, len(rows))
	times := map[string]int{}
	for i, row := range rows {
		line, err := row.line()
		if err == nil && (subject == "tracking") != (row.Tracking != "") {
			err = fmt.Errorf("the %s is missing", subject)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+first, err)
		}
		line.Subject = form(line.Subject)
		times[same(line)]++
		line.N = times[same(line)]
		lines = append(lines, line)
	}
	return lines, nil
}

func readJSON(file []byte, _ string) ([]written, int, error) {
	var document struct {
		Lines []written `json:"lines"`
	}
	decoder := json.NewDecoder(bytes.NewReader(file))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&document) != nil || decoder.More() {
		return nil, 0, errors.New(`want {"lines": [{"number" or "tracking", "date", "amount", "currency", perhaps "kind"}]}, each of them text`)
	}
	return document.Lines, 1, nil
}

func readCSV(file []byte, subject string) (rows []written, first int, err error) {
	reader := csv.NewReader(bytes.NewReader(file))
	head, err := reader.Read()
	if err != nil {
		return nil, 0, errEmpty
	}
	want := []string{subject, "date", "amount", "currency"}
	places := map[string]int{}
	for i, name := range head {
		places[strings.ToLower(strings.TrimSpace(name))] = i
	}
	for _, name := range want {
		if _, found := places[name]; !found {
			return nil, 0, fmt.Errorf("the first line has to name the columns %s", strings.Join(want, ", "))
		}
	}
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return rows, 2, nil
		}
		if err != nil {
			return nil, 0, fmt.Errorf("line %d: not CSV with as many columns as the first line", len(rows)+2)
		}
		get := func(name string) string { return strings.TrimSpace(row[places[name]]) }
		kind := ""
		if _, told := places["kind"]; told {
			kind = get("kind")
		}
		w := written{Kind: kind, Date: get("date"), Amount: get("amount"), Currency: get("currency")}
		if subject == "tracking" {
			w.Tracking = get(subject)
		} else {
			w.Number = get(subject)
		}
		rows = append(rows, w)
	}
}

var subjectForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 _.:/#-]{0,119}$`)

func (w written) line() (l Line, err error) {
	l.Subject = w.Number + w.Tracking
	if !subjectForm.MatchString(l.Subject) || w.Number != "" && w.Tracking != "" {
		return l, errors.New("the number is missing or has unusual characters")
	}
	if l.On, err = time.Parse(time.DateOnly, w.Date); err != nil {
		return l, errors.New("the date is not one like 2026-01-31")
	}
	read, err := money.Parse(w.Amount, w.Currency)
	if err != nil {
		return l, errors.New("the amount is not one like 12.50 in its currency, or there is no such currency")
	}
	l.Minor, l.Currency = read.Minor, read.Currency
	if strings.EqualFold(w.Kind, "payment") && w.Tracking == "" {
		l.Subject = PaymentMark + l.Subject
	}
	return l, nil
}

// covers are the first and the last day of the lines.
func covers(lines []Line) (first, last time.Time) {
	by := func(a, b Line) int { return a.On.Compare(b.On) }
	return slices.MinFunc(lines, by).On, slices.MaxFunc(lines, by).On
}
