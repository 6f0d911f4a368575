package csvinvoice_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/csvinvoice"
	"github.com/dropline/dropline/internal/supplier/csvtable"
)

const head = "po,invoice,date,currency,line,quantity,unit_cost,freight,total\n"

func TestAFileIsReadHoweverItsProgramWritesIt(t *testing.T) {
	t.Parallel()
	want := []supplier.Invoice{{
		Document: "d", PO: "P-1", Number: "INV 7", At: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), Currency: "EUR", Freight: 490, Total: 125290,
		Lines: []supplier.InvoiceLine{{Line: 1, Quantity: 10, UnitCost: 12345}, {Line: 2, Quantity: 1, UnitCost: 1350}},
	}}
	for name, file := range map[string]string{
		"commas":         head + "P-1,INV 7,2026-03-02,EUR,1,10,123.45,4.90,1252.90\nP-1,INV 7,2026-03-02,EUR,2,1,13.50,4.90,1252.90\n",
		"only once":      head + "P-1,INV 7,2026-03-02,EUR,1,10,123.45,4.90,1252.90\n,INV 7,,,2,1,13.50,,\n",
		"decimal commas": strings.ReplaceAll(head, ",", ";") + "P-1;INV 7;2026-03-02;EUR;1;10;123,45;4,90;1.252,90\r\nP-1;INV 7;2026-03-02;EUR;2;1;13,50;4,90;1.252,90\r\n",
		"quoted":         "\ufeff" + head + "\"P-1\",\"INV 7\",2026-03-02,EUR,1,10,\"123,45\",\"4,90\",\"1 252,90\"\n\nP-1,INV 7,2026-03-02,EUR,2,1,13.5,\"4,90\",\"1 252,90\"\n",
		"windows":        "Description;PO Number;Invoice;Date;Currency;Line;Qty;Price;Shipping;Total\nGr\xf6\xdfe \x80;P-1;INV 7;2026-03-02;EUR;1;10;123,45;4,90;1\xa0252,90\n;;INV 7;;;2;1;13,50;;\n",
		"tabs":           strings.ReplaceAll(head, ",", "\t") + "P-1\tINV 7\t2026-03-02\tEUR\t1\t10\t123.45\t4.90\t1'252.90\n\tINV 7\t\t\t2\t1\t13.50\t\t\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := csvinvoice.Parse([]byte(file), "d")
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestWhatCanBeReadInTwoWaysIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	row := "P-1,I1,2026-03-02,EUR,1,1,1.00,,1.00\n"
	for name, test := range map[string]struct {
		file, want string
	}{
		"thousands or decimals": {head + `P-1,I1,2026-03-02,EUR,1,1,"1,234",,1.00`, "line 2, column 27: unit_cost: want an amount that can be read in one way only"},
		"a point as well":       {head + "P-1,I1,2026-03-02,EUR,1,1,1.234,,1.00", "line 2, column 27: unit_cost"},
		"two signs of grouping": {head + `P-1,I1,2026-03-02,EUR,1,1,"1.234'567,00",,1.00`, "unit_cost: want an amount with"},
		"a sign":                {head + "P-1,I1,2026-03-02,EUR,1,1,-1.00,,1.00", "unit_cost"},
		"a date of two tongues": {head + "P-1,I1,02/03/2026,EUR,1,1,1.00,,1.00", "line 2, column 8: date"},
		"other totals":          {head + row + "P-1,I1,2026-03-02,EUR,2,1,1.00,,2.00\n", "line 3, column 33: total: want the same"},
		"a line twice":          {head + row + row, "line 3, column 23: line: want each line"},
		"a field too few":       {head + "P-1,I1,2026-03-02,EUR,1,1,1.00,1.00\n", "8 fields where the header has 9"},
		"half of a quote":       {head + row + "P-1,\"I1,2026\n", "the quotes do not match"},
		"no total":              {"po,invoice,date,currency,line,quantity,unit_cost\n", "no column total"},
		"two columns of one":    {"po,order,invoice\n", "line 1, column 4: a second column for po"},
		"nothing":               {"", "the file is empty"},
		"a header alone":        {head, "no invoice"},
		"UTF-16":                {"\xff\xfep\x00", "UTF-16"},
		"no text":               {head + "P-1\x00", "line 2, column 4: a NUL byte"},
		"neither encoding":      {head + row + "\x81", "line 3, column 1: a byte"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := csvinvoice.Parse([]byte(test.file), "d")
			var where *csvtable.Error
			require.ErrorAs(t, err, &where)
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestThousandsOfLinesAreRead(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	file.WriteString(head)
	for i := range 5000 {
		fmt.Fprintf(&file, "P-%d,I-%d,2026-03-02,USD,%d,2,1.25,,5.00\n", i/2, i/2, i%2+1)
	}
	list, err := csvinvoice.Parse([]byte(file.String()), "d")
	require.NoError(t, err)
	require.Len(t, list, 2500)
}

func TestAnAmountIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Range(0, 99_999_999_999).Draw(t, "minor")
		signs := rapid.SampledFrom([][2]string{{"", "."}, {"", ","}, {".", ","}, {",", "."}, {" ", ","}, {"'", "."}, {"\u00a0", ","}}).Draw(t, "signs")
		digits := fmt.Sprintf("%03d", minor)
		euros, cents := digits[:len(digits)-2], digits[len(digits)-2:]
		for i := len(euros) - 3; i > 0; i -= 3 {
			euros = euros[:i] + signs[0] + euros[i:]
		}
		got, err := csvtable.Amount(euros+signs[1]+cents, "EUR")
		require.NoError(t, err)
		require.Equal(t, minor, got)
	})
}

// FuzzParse: no file makes the reader panic, and what it reads is within the bounds of an invoice.
func FuzzParse(f *testing.F) {
	f.Add([]byte(head + "P-1,I1,2026-03-02,EUR,1,1,1.00,,1.00\n"))
	f.Add([]byte("\ufeffpo;invoice;date;currency;line;quantity;unit_cost;total\nP;I;2026-01-01;JPY;1;1;5;5"))
	f.Add([]byte("\"\n\xff,;\t|"))
	f.Fuzz(func(t *testing.T, file []byte) {
		list, err := csvinvoice.Parse(file, "d")
		var where *csvtable.Error
		if err != nil && !errors.As(err, &where) {
			t.Fatalf("an error without a place: %v", err)
		}
		if err != nil && (where.Line < 1 || where.Column < 1) {
			t.Fatalf("an error at no place: %v", err)
		}
		for _, in := range list {
			for _, minor := range []int64{in.Total, in.Freight, in.Fee, in.Allowance} {
				if minor < 0 {
					t.Fatalf("a negative amount in %q", in.Number)
				}
			}
			if len(in.Lines) == 0 || len(in.Lines) > 500 || in.PO == "" {
				t.Fatalf("an invoice out of bounds: %q", in.Number)
			}
		}
	})
}
