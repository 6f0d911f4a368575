package csvremittance_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/csvremittance"
	"github.com/dropline/dropline/internal/supplier/csvtable"
)

const head = "reference,date,currency,total,invoice,credit_memo,amount\n"

func TestAPaymentIsReadHoweverItsProgramWritesIt(t *testing.T) {
	t.Parallel()
	want := &supplier.Remittance{
		Reference: "REM 1", At: time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC), Currency: "EUR", Total: 123050,
		Lines: []supplier.RemittanceLine{{Invoice: "INV 7", Minor: 123450}, {Credit: "CM-1", Minor: -400}},
	}
	for name, file := range map[string]string{
		"commas": head + "REM 1,2026-03-14,EUR,1230.50,INV 7,,1234.50\n,,,,,CM-1,-4.00\n",
		"decimal commas": strings.ReplaceAll(head, ",", ";") + "REM 1;2026-03-14;EUR;1.230,50;INV 7;;1.234,50\r\n\r\n" +
			"REM 1;2026-03-14;EUR;1.230,50;;CM-1;-4,00\r\n",
		"a list of what is due": "supplier,due,invoice,credit_memo,currency,amount,disputed,order,reference,date,total\n" +
			"acme,2026-04-01,INV 7,,EUR,1234.50,0.00,shop/1,REM 1,2026-03-14,1230.50\nacme,2026-04-01,,CM-1,EUR,-4.00,0.00,shop/1,,,\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := csvremittance.Parse([]byte(file))
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestAPaymentThatCannotBeReadInOneWayIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	row := "R,2026-03-14,EUR,1.00,I1,,1.00\n"
	for name, test := range map[string]struct{ file, want string }{
		"thousands or decimals":   {head + "R,2026-03-14,EUR,1.00,I1,,\"1,234\"", "line 2, column 27: amount"},
		"an invoice taken back":   {head + "R,2026-03-14,EUR,-1.00,I1,,-1.00", "line 2, column 28: amount: want more than nothing"},
		"a credit that is paid":   {head + "R,2026-03-14,EUR,1.00,,CM-1,1.00", "amount: want less than nothing"},
		"two signs":               {head + "R,2026-03-14,EUR,1.00,,CM-1,--1.00", "amount"},
		"about nothing":           {head + "R,2026-03-14,EUR,1.00,,,1.00", "amount: want beside it"},
		"about two things":        {head + "R,2026-03-14,EUR,1.00,I1,CM-1,1.00", "credit_memo: want nothing"},
		"a formula":               {head + "R,2026-03-14,EUR,1.00,=1+1,,1.00", "line 2, column 23: invoice"},
		"a sum that is not right": {head + "R,2026-03-14,EUR,2.00,I1,,1.00", "its lines sum up to 1.00 EUR and not to its total of 2.00 EUR"},
		"an invoice twice":        {head + row + row, "line 3, column 23: invoice: want each number once"},
		"two payments":            {head + row + "R2,2026-03-14,EUR,1.00,I2,,1.00", "line 3, column 1: reference: want the same as in the first row"},
		"another total":           {head + row + "R,2026-03-14,EUR,1.01,I2,,1.00", "line 3, column 18: total: want the same"},
		"no reference":            {head + ",2026-03-14,EUR,1.00,I1,,1.00", "line 2, column 1: reference"},
		"no currency":             {head + "R,2026-03-14,euros,1.00,I1,,1.00", "currency"},
		"a date of two tongues":   {head + "R,14/03/2026,EUR,1.00,I1,,1.00", "date"},
		"no amounts":              {"reference,date,currency,total,invoice\n", "no column amount"},
		"about no column":         {"reference,date,currency,total,amount\n", "no column invoice"},
		"a header alone":          {head, "no payment"},
		"no text":                 {head + "R\x00", "a NUL byte"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := csvremittance.Parse([]byte(test.file))
			require.Nil(t, got, "whole or not at all")
			var where *csvtable.Error
			require.ErrorAs(t, err, &where)
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestTheDocumentedFileIsRead(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/payables.md")
	require.NoError(t, err)
	_, file, found := strings.Cut(string(page), "```csv payment\n")
	require.True(t, found)
	file, _, _ = strings.Cut(file, "```")
	r, err := csvremittance.Parse([]byte(file))
	require.NoError(t, err)
	require.Len(t, r.Lines, 2)
}

// What is written is what is read, and only the exact sum is taken.
func TestAPaymentIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		paid := rapid.SliceOfN(rapid.Int64Range(1, 99_999_999), 1, 6).Draw(t, "paid")
		off := rapid.Int64Range(1, 99_999_999).Draw(t, "off")
		want := &supplier.Remittance{Reference: "R", At: time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC), Currency: "EUR"}
		for i, minor := range paid {
			want.Lines = append(want.Lines, supplier.RemittanceLine{Invoice: fmt.Sprint("I", i), Minor: minor})
			want.Total += minor
		}
		want.Lines, want.Total = append(want.Lines, supplier.RemittanceLine{Credit: "CM", Minor: -off}), want.Total-off
		more := rapid.SampledFrom([]int64{0, 0, 1, -1}).Draw(t, "more")
		text := head
		for _, l := range want.Lines {
			text += fmt.Sprintf("R,2026-03-14,EUR,%s,%s,%s,%s\n", decimal(want.Total+more), l.Invoice, l.Credit, decimal(l.Minor))
		}
		got, err := csvremittance.Parse([]byte(text))
		if more != 0 {
			require.ErrorContains(t, err, "sum up to")
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func decimal(minor int64) string {
	sign := ""
	if minor < 0 {
		sign, minor = "-", -minor
	}
	return fmt.Sprintf("%s%d.%02d", sign, minor/100, minor%100)
}

// FuzzParse: no file makes the reader panic, and what it reads is a payment in itself.
func FuzzParse(f *testing.F) {
	f.Add([]byte(head + "R,2026-03-14,EUR,1.00,I1,,1.00\n"))
	f.Add([]byte("\ufeffreference;date;currency;total;credit;amount\nR;2026-03-14;JPY;-5;C;-5"))
	f.Add([]byte("\"\n\xff,;\t|"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := csvremittance.Parse(file)
		var where *csvtable.Error
		switch {
		case err == nil && r.Check() != nil:
			t.Fatalf("not a payment: %v", r.Check())
		case err != nil && (!errors.As(err, &where) || where.Line < 1 || where.Column < 1):
			t.Fatalf("an error without a place: %v", err)
		}
	})
}
