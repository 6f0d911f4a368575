// Package csvcredit reads credit memos out of a CSV file as suppliers' programs write them (csvtable). What cannot
// be read in one way only is refused, with its line and column.
package csvcredit

import (
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/csvtable"
)

// mostMemos of a file: all of them are booked in one transaction.
const mostMemos = 2000

var (
	rmaShape   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,29}$`)
	claimShape = regexp.MustCompile(`^C[0-9A-F]{14}$`)
)

// The columns, by the names that a header may give them.
var columns = map[string]string{
	"credit_memo": "credit_memo", "credit_memo_number": "credit_memo", "credit_note": "credit_memo",
	"credit_note_number": "credit_memo", "credit": "credit_memo", "memo": "credit_memo",
	"date": "date", "credit_date": "date", "memo_date": "date", "currency": "currency",
	"amount": "amount", "credit_amount": "amount", "total": "amount",
	"rma": "rma", "rma_number": "rma", "return": "rma",
	"claim": "claim", "claim_reference": "claim", "invoice": "invoice", "invoice_number": "invoice",
	"unit_cost": "unit_cost", "unit_price": "unit_cost", "price": "unit_cost",
}

// subjects are what a credit may be for: one of them in each row.
var subjects = []string{"rma", "claim", "invoice"}

// Is tells a file of credit memos from one of invoices by its header. A file that cannot be read is none.
func Is(file []byte) bool {
	table, err := csvtable.Open(file, columns)
	return err == nil && table.Has("credit_memo") && !table.Has("unit_cost")
}

// Parse reads a file whole or not at all: a credit memo from each row. It fails with *csvtable.Error.
func Parse(file []byte) ([]supplier.Credit, error) {
	table, err := csvtable.Open(file, columns)
	if err == nil {
		err = table.Need("credit_memo", "date", "currency", "amount")
	}
	if err != nil {
		return nil, err
	}
	var list []supplier.Credit
	known := map[string]bool{}
	for {
		err := table.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		var memo supplier.Credit
		if err == nil {
			memo, err = read(table)
		}
		switch {
		case err != nil:
			return nil, err
		case known[memo.Number]:
			return nil, table.Refuse("credit_memo", "each credit memo once")
		case len(list) == mostMemos:
			return nil, table.Refuse("credit_memo", fmt.Sprintf("at most %d credit memos: split the file", mostMemos))
		}
		known[memo.Number] = true
		list = append(list, memo)
	}
	if len(list) == 0 {
		return nil, &csvtable.Error{Line: 1, Column: 1, Text: "the file holds no credit memo"}
	}
	return list, nil
}

// read reads the credit memo of a row.
func read(t *csvtable.Table) (memo supplier.Credit, err error) {
	if memo.Number, err = t.Number("credit_memo"); err != nil {
		return memo, err
	}
	if memo.At, err = t.Date("date"); err != nil {
		return memo, err
	}
	if memo.Currency, err = t.Currency("currency"); err != nil {
		return memo, err
	}
	if memo.Amount, err = t.Amount("amount", memo.Currency); err != nil {
		return memo, err
	}
	if memo.Amount == 0 {
		return memo, t.Refuse("amount", "more than nothing")
	}
	return memo, readSubject(t, &memo)
}

// readSubject reads what a credit is for.
func readSubject(t *csvtable.Table, memo *supplier.Credit) error {
	memo.RMA, memo.Claim, memo.Invoice = t.Field("rma"), t.Field("claim"), t.Field("invoice")
	var named []string
	for _, column := range subjects {
		if t.Field(column) != "" {
			named = append(named, column)
		}
	}
	switch {
	case len(named) == 0:
		return t.Refuse("credit_memo", "what it is for beside it: one of rma, claim and invoice")
	case len(named) > 1:
		return t.Refuse(named[1], "nothing where the row names another: one of rma, claim and invoice")
	case memo.RMA != "" && !rmaShape.MatchString(memo.RMA):
		return t.Refuse("rma", "a return's number")
	case memo.Claim != "" && !claimShape.MatchString(memo.Claim):
		return t.Refuse("claim", "a claim's reference, such as C0A1B2C3D4E5F6A")
	case memo.Invoice != "" && !csvtable.IsNumber(memo.Invoice):
		return t.Refuse("invoice", "a number of at most 64 letters, digits and ._:/#-")
	}
	return nil
}
