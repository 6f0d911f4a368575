// Package csvremittance reads a payment to a supplier out of a CSV file as bookkeepers' programs write them
// (csvtable). What cannot be read in one way only is refused, with its line and column.
package csvremittance

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/csvtable"
)

// The columns, by the names that a header may give them.
var columns = map[string]string{
	"reference": "reference", "payment": "reference", "payment_reference": "reference", "remittance": "reference",
	"date": "date", "payment_date": "date", "paid_on": "date", "currency": "currency",
	"total": "total", "payment_total": "total",
	"invoice": "invoice", "invoice_number": "invoice",
	"credit_memo": "credit_memo", "credit_memo_number": "credit_memo", "credit_note": "credit_memo", "credit": "credit_memo",
	"amount": "amount", "paid": "amount", "amount_paid": "amount",
}

// whole are the columns that stand for the whole payment: the same, or nothing, in its further rows.
var whole = []string{"reference", "date", "currency", "total"}

// Parse reads a file whole or not at all: one payment, a line of it from each row. It fails with *csvtable.Error.
func Parse(file []byte) (*supplier.Remittance, error) {
	table, err := csvtable.Open(file, columns)
	if err == nil {
		err = table.Need("reference", "date", "currency", "total", "amount")
	}
	if err == nil && !table.Has("invoice") && !table.Has("credit_memo") {
		err = table.Need("invoice")
	}
	if err != nil {
		return nil, err
	}
	r := &reader{Table: table}
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
	if len(r.Lines) == 0 {
		return nil, &csvtable.Error{Line: 1, Column: 1, Text: "the file holds no payment"}
	}
	if err := r.Check(); err != nil {
		return nil, &csvtable.Error{Line: 2, Column: 1, Text: err.Error()}
	}
	return &r.Remittance, nil
}

type reader struct {
	*csvtable.Table
	supplier.Remittance

	said []string // what stands for the whole payment
}

func (r *reader) take() (err error) {
	if len(r.Lines) == 0 {
		err = r.begin()
	} else {
		err = r.repeats()
	}
	if err != nil {
		return err
	}
	l := supplier.RemittanceLine{Invoice: r.Field("invoice"), Credit: r.Field("credit_memo")}
	column, number := "invoice", l.Invoice
	if l.Invoice == "" {
		column, number = "credit_memo", l.Credit
	}
	switch {
	case l.Invoice != "" && l.Credit != "":
		return r.Refuse("credit_memo", "nothing where the row names an invoice")
	case number == "":
		return r.Refuse("amount", "beside it an invoice that is paid or a credit memo that is set off")
	case !csvtable.IsNumber(number):
		return r.Refuse(column, "a number of at most 64 letters, digits and ._:/#-")
	case slices.ContainsFunc(r.Lines, func(o supplier.RemittanceLine) bool { return o.Invoice == l.Invoice && o.Credit == l.Credit }):
		return r.Refuse(column, "each number once")
	case len(r.Lines) == supplier.MostRemittanceLines:
		return r.Refuse("amount", fmt.Sprintf("at most %d rows: split the payment", supplier.MostRemittanceLines))
	}
	if l.Minor, err = r.signed("amount"); err != nil {
		return err
	}
	if l.Invoice != "" && l.Minor <= 0 {
		return r.Refuse("amount", "more than nothing for an invoice")
	}
	if l.Credit != "" && l.Minor >= 0 {
		return r.Refuse("amount", "less than nothing for a credit memo, such as -12.50")
	}
	r.Lines = append(r.Lines, l)
	return nil
}

func (r *reader) begin() (err error) {
	if r.Reference, err = r.Number("reference"); err != nil {
		return err
	}
	if r.At, err = r.Date("date"); err != nil {
		return err
	}
	if r.Remittance.Currency, err = r.Table.Currency("currency"); err != nil {
		return err
	}
	for _, column := range whole {
		r.said = append(r.said, r.Field(column))
	}
	r.Total, err = r.signed("total")
	return err
}

func (r *reader) repeats() error {
	for i, column := range whole {
		if text := r.Field(column); text != "" && text != r.said[i] {
			return r.Refuse(column, "the same as in the first row, or nothing: a file is one payment")
		}
	}
	return nil
}

// signed reads an amount that may be less than nothing.
func (r *reader) signed(column string) (int64, error) {
	text, negative := strings.CutPrefix(r.Field(column), "-")
	minor, err := csvtable.Amount(text, r.Remittance.Currency)
	if err != nil {
		return 0, r.Refuse(column, "an amount that can be read in one way only: 1234.50, or -1234.50")
	}
	if negative {
		return -minor, nil
	}
	return minor, nil
}
