package ledger

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func posted(order, key string) Posted {
	return Posted{
		Number: 7, At: time.Date(2026, 1, 31, 23, 30, 0, 0, time.FixedZone("", 3600)), Order: order,
		Transaction: Transaction{Key: key, Kind: "captured", Memo: "Captured ch-1", Entries: []Entry{
			{ProcessorClearing, "JPY", 1999}, {CustomerDeposits, "JPY", -1999},
		}},
	}
}

func written(t *testing.T, f Format, p ...Posted) string {
	t.Helper()
	var text strings.Builder
	e, err := NewExporter(f, &text)
	require.NoError(t, err)
	for _, one := range p {
		require.NoError(t, e.Write(one))
	}
	require.NoError(t, e.Close())
	return text.String()
}

func TestCSVExportHasARowPerEntryWithDebitAndCredit(t *testing.T) {
	t.Parallel()
	require.Equal(t, `number,posted_at,order,key,kind,memo,account,account_type,currency,debit,credit
7,2026-01-31T22:30:00Z,shop/1,captured|ch-1,captured,Captured ch-1,processor_clearing,asset,JPY,1999,
7,2026-01-31T22:30:00Z,shop/1,captured|ch-1,captured,Captured ch-1,customer_deposits,liability,JPY,,1999
`, written(t, FormatCSV, posted("shop/1", "captured|ch-1")))
}

func TestCSVExportIsNoFormulaWhateverAnOrderIsCalled(t *testing.T) {
	t.Parallel()
	for _, hostile := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "＋1", "－1", "＠1"} {
		rows, err := csv.NewReader(strings.NewReader(written(t, FormatCSV, posted(hostile, hostile)))).ReadAll()
		require.NoError(t, err)
		require.Equal(t, "'", rows[1][2][:1], hostile)
		require.Equal(t, "'", rows[1][3][:1], hostile)
	}
}

func TestJournalBalancesByTypeOfAccount(t *testing.T) {
	t.Parallel()
	require.Equal(t, `2026-01-31 (7) Captured ch-1  ; order: shop/1, key: captured|ch-1
    Assets:processor_clearing                     JPY 1999
    Liabilities:customer_deposits                 JPY -1999

`, written(t, FormatJournal, posted("shop/1", "captured|ch-1")))
}

func TestAnUnknownFormatIsRefused(t *testing.T) {
	t.Parallel()
	_, err := NewExporter("xlsx", &strings.Builder{})
	require.ErrorContains(t, err, "xlsx")
}
