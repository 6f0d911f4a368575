// Package csvinvoice reads invoices out of a CSV file as suppliers' programs write them (csvtable). What cannot
// be read in one way only is refused, with its line and column.
package csvinvoice

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"

	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/csvtable"
)

// Bounds of an invoice.
const (
	mostLines   = 500
	maxQuantity = 100_000
	maxLine     = 1_000_000
)

var poShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,21}$`)

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
// It fails with *csvtable.Error. document names where the invoices came from.
func Parse(file []byte, document string) ([]supplier.Invoice, error) {
	table, err := csvtable.Open(file, columns)
	if err == nil {
		err = table.Need(required...)
	}
	if err != nil {
		return nil, err
	}
	r := &reader{Table: table, document: document, at: map[string]int{}, said: map[string][]string{}}
	for {
		err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = r.take()
		}
		if err != nil {
			return nil, err
		}
	}
	if len(r.invoices) == 0 {
		return nil, &csvtable.Error{Line: 1, Column: 1, Text: "the file holds no invoice"}
	}
	return r.invoices, nil
}

type reader struct {
	*csvtable.Table

	document string
	invoices []supplier.Invoice
	at       map[string]int      // invoices by number
	said     map[string][]string // what stands for a whole invoice, by number
}

// take reads a row: a line of an invoice, with what stands for the whole of it.
func (r *reader) take() error {
	number, err := r.Number("invoice")
	if err != nil {
		return err
	}
	i, known := r.at[number]
	if !known {
		if i, err = r.begin(number); err != nil {
			return err
		}
	} else if err := r.repeats(number); err != nil {
		return err
	}
	return r.line(&r.invoices[i])
}

// whole are the columns that stand for a whole invoice: the same, or nothing, in its further lines.
var whole = []string{"po", "date", "currency", "freight", "fee", "allowance", "total", "corrects"}

func (r *reader) begin(number string) (i int, err error) {
	in := supplier.Invoice{Document: r.document, Number: number, PO: r.Field("po"), Corrects: r.Field("corrects")}
	if !poShape.MatchString(in.PO) {
		return 0, r.Refuse("po", "a purchase order number")
	}
	if in.Currency, err = r.Currency("currency"); err != nil {
		return 0, err
	}
	if in.Corrects != "" && (!csvtable.IsNumber(in.Corrects) || in.Corrects == number) {
		return 0, r.Refuse("corrects", "the number of another invoice")
	}
	if in.At, err = r.Date("date"); err != nil {
		return 0, err
	}
	for _, amount := range []struct {
		column   string
		optional bool
		into     *int64
	}{{"freight", true, &in.Freight}, {"fee", true, &in.Fee}, {"allowance", true, &in.Allowance}, {"total", false, &in.Total}} {
		if amount.optional && r.Field(amount.column) == "" {
			continue
		}
		if *amount.into, err = r.Amount(amount.column, in.Currency); err != nil {
			return 0, err
		}
	}
	for _, column := range whole {
		r.said[number] = append(r.said[number], r.Field(column))
	}
	r.at[number] = len(r.invoices)
	r.invoices = append(r.invoices, in)
	return len(r.invoices) - 1, nil
}

func (r *reader) repeats(number string) error {
	for i, column := range whole {
		if text := r.Field(column); text != "" && text != r.said[number][i] {
			return r.Refuse(column, "the same as in the invoice's first line, or nothing")
		}
	}
	return nil
}

func (r *reader) line(in *supplier.Invoice) error {
	line, err := strconv.ParseUint(r.Field("line"), 10, 31)
	if err != nil || line < 1 || line > maxLine {
		return r.Refuse("line", "a line number from 1")
	}
	if slices.ContainsFunc(in.Lines, func(l supplier.InvoiceLine) bool { return l.Line == int(line) }) {
		return r.Refuse("line", "each line of an invoice once")
	}
	quantity, err := strconv.ParseUint(r.Field("quantity"), 10, 31)
	if err != nil || quantity < 1 || quantity > maxQuantity {
		return r.Refuse("quantity", "1 to 100000 whole units")
	}
	cost, err := r.Amount("unit_cost", in.Currency)
	if err != nil {
		return err
	}
	if len(in.Lines) == mostLines {
		return r.Refuse("line", fmt.Sprintf("at most %d lines of an invoice", mostLines))
	}
	in.Lines = append(in.Lines, supplier.InvoiceLine{Line: int(line), Quantity: int64(quantity), UnitCost: cost})
	return nil
}
