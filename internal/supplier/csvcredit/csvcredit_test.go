package csvcredit_test

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
	"github.com/dropline/dropline/internal/supplier/csvcredit"
	"github.com/dropline/dropline/internal/supplier/csvtable"
)

const head = "credit_memo,date,currency,amount,rma,claim,invoice\n"

func TestCreditMemosAreReadHoweverTheirProgramWritesThem(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
	want := []supplier.Credit{
		{Number: "CM-1", RMA: "P-1-R1", At: at, Currency: "EUR", Amount: 123450},
		{Number: "CM-2", Claim: "C0A1B2C3D4E5F6A", At: at, Currency: "EUR", Amount: 120},
		{Number: "CM 3", Invoice: "INV 7", At: at, Currency: "JPY", Amount: 300},
	}
	for name, file := range map[string]string{
		"commas": head + "CM-1,2026-03-14,EUR,1234.50,P-1-R1,,\nCM-2,2026-03-14,EUR,1.20,,C0A1B2C3D4E5F6A,\nCM 3,2026-03-14,JPY,300,,,INV 7\n",
		"decimal commas": strings.ReplaceAll(head, ",", ";") +
			"CM-1;2026-03-14;EUR;1.234,50;P-1-R1;;\r\nCM-2;2026-03-14;EUR;1,20;;C0A1B2C3D4E5F6A;\r\n\r\nCM 3;2026-03-14;JPY;300;;;INV 7\r\n",
		"windows": "Gutschrift f\xfcr;Credit Note;Memo Date;Currency;Credit Amount;RMA Number;Claim;Invoice Number\n" +
			"Gr\xf6\xdfe;CM-1;2026-03-14;EUR;1\xa0234,50;P-1-R1;;\n;CM-2;2026-03-14;EUR;1,2;;C0A1B2C3D4E5F6A;\n;CM 3;2026-03-14;JPY;300;;;INV 7\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.True(t, csvcredit.Is([]byte(file)))
			got, err := csvcredit.Parse([]byte(file))
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestACreditMemoThatCanBeReadInTwoWaysIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	row := "CM-1,2026-03-14,EUR,1.00,P-1-R1,,\n"
	for name, test := range map[string]struct {
		file, want string
	}{
		"thousands or decimals": {head + `CM-1,2026-03-14,EUR,"1,234",P-1-R1,,`, "line 2, column 21: amount: want an amount that can be read in one way only"},
		"a sign":                {head + "CM-1,2026-03-14,EUR,-1.00,P-1-R1,,", "line 2, column 21: amount"},
		"nothing given":         {head + "CM-1,2026-03-14,EUR,0.00,P-1-R1,,", "line 2, column 21: amount: want more than nothing"},
		"too many decimals":     {head + "CM-1,2026-03-14,JPY,1.5,P-1-R1,,", "amount"},
		"for nothing":           {head + "CM-1,2026-03-14,EUR,1.00,,,", "line 2, column 1: credit_memo: want what it is for"},
		"for two things":        {head + row + "CM-2,2026-03-14,EUR,1.00,P-1-R1,,I1", "line 3, column 34: invoice: want nothing"},
		"a formula":             {head + `CM-1,2026-03-14,EUR,1.00,"=HYPERLINK(""http://x"")",,`, "line 2, column 26: rma"},
		"a formula as number":   {head + "=1+1,2026-03-14,EUR,1.00,P-1-R1,,", "line 2, column 1: credit_memo"},
		"no claim of ours":      {head + "CM-1,2026-03-14,EUR,1.00,,C12,", "line 2, column 27: claim"},
		"a memo twice":          {head + row + row, "line 3, column 1: credit_memo: want each credit memo once"},
		"no currency":           {head + "CM-1,2026-03-14,euros,1.00,P-1-R1,,", "line 2, column 17: currency"},
		"a date of two tongues": {head + "CM-1,14/03/2026,EUR,1.00,P-1-R1,,", "line 2, column 6: date"},
		"a field too few":       {head + "CM-1,2026-03-14,EUR,1.00,P-1-R1,\n", "6 fields where the header has 7"},
		"half of a quote":       {head + row + "\"CM-2", "the quotes do not match"},
		"no amounts":            {"credit_memo,date,currency,rma\n", "no column amount"},
		"a header alone":        {head, "no credit memo"},
		"no text":               {head + "CM\x00", "line 2, column 3: a NUL byte"},
		"too much":              {head + strings.Repeat(" ", csvtable.MaxFile), "split it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := csvcredit.Parse([]byte(test.file))
			require.Empty(t, list, "whole or not at all")
			var where *csvtable.Error
			require.ErrorAs(t, err, &where)
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestTheDocumentedFileIsRead(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/supplier-api.md")
	require.NoError(t, err)
	_, file, found := strings.Cut(string(page), "```csv credits\n")
	require.True(t, found)
	file, _, _ = strings.Cut(file, "```")
	list, err := csvcredit.Parse([]byte(file))
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, int64(450), list[0].Amount)
}

func TestMoreMemosThanOneTransactionTakesAreRefused(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	file.WriteString(head)
	for i := range 2000 {
		fmt.Fprintf(&file, "CM-%d,2026-03-14,EUR,1.00,P-1-R1,,\n", i)
	}
	list, err := csvcredit.Parse([]byte(file.String()))
	require.NoError(t, err)
	require.Len(t, list, 2000)
	file.WriteString("CM-X,2026-03-14,EUR,1.00,P-1-R1,,\n")
	_, err = csvcredit.Parse([]byte(file.String()))
	require.ErrorContains(t, err, "line 2002, column 1")
}

func TestAFileOfInvoicesIsToldFromOneOfCreditMemos(t *testing.T) {
	t.Parallel()
	for file, credits := range map[string]bool{
		head:                                   true,
		"Credit Note;Date\n":                   true,
		"po,invoice,date,line,unit_cost\n":     false,
		"po,invoice,credit_memo,unit_cost\n":   false,
		"invoice,date,currency,amount,claim\n": false,
		"":                                     false,
		"credit_memo,memo\n":                   false,
	} {
		require.Equal(t, credits, csvcredit.Is([]byte(file)), "%q", file)
	}
}

// What is written is what is read: no cent more or less, whatever else stands in the row.
func TestAMemoIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Range(1, 99_999_999_999).Draw(t, "minor")
		subject := rapid.SampledFrom([]supplier.Credit{{RMA: "P-1-R1"}, {Claim: "C0A1B2C3D4E5F6A"}, {Invoice: "I 1"}}).Draw(t, "subject")
		number := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._:/#-]{0,20}`).Draw(t, "number")
		note := rapid.StringMatching(`[a-z,;" ]{0,12}`).Draw(t, "note")
		file := fmt.Sprintf("note,credit_memo,date,currency,amount,rma,claim,invoice\n\"%s\",%s,2026-03-14,EUR,%d.%02d,%s,%s,%s\n",
			strings.ReplaceAll(note, `"`, `""`), number, minor/100, minor%100, subject.RMA, subject.Claim, subject.Invoice)
		list, err := csvcredit.Parse([]byte(file))
		require.NoError(t, err)
		subject.Number, subject.Amount, subject.Currency, subject.At = number, minor, "EUR", time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
		require.Equal(t, []supplier.Credit{subject}, list)
	})
}

// FuzzParse: no file makes the reader panic, and what it reads is within the bounds of a credit memo.
func FuzzParse(f *testing.F) {
	f.Add([]byte(head + "CM-1,2026-03-14,EUR,1.00,P-1-R1,,\n"))
	f.Add([]byte("\ufeffcredit note;date;currency;amount;claim\nC;2026-01-01;JPY;5;C0A1B2C3D4E5F6A"))
	f.Add([]byte("\"\n\xff,;\t|"))
	f.Fuzz(func(t *testing.T, file []byte) {
		list, err := csvcredit.Parse(file)
		var where *csvtable.Error
		if err != nil && (!errors.As(err, &where) || where.Line < 1 || where.Column < 1) {
			t.Fatalf("an error without a place: %v", err)
		}
		for _, memo := range list {
			if memo.Amount <= 0 || memo.Number == "" || (memo.RMA != "") == (memo.Claim != "" || memo.Invoice != "") || memo.Claim != "" && memo.Invoice != "" {
				t.Fatalf("a memo out of bounds: %q", memo.Number)
			}
		}
	})
}
