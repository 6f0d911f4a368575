package reconcile

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStatementsAndBillsAreReadFromBothForms(t *testing.T) {
	t.Parallel()
	want := []Line{
		{Subject: "INV-1", On: monday, Currency: "EUR", Minor: 1250, N: 1},
		{Subject: "CM/7", On: monday.Add(day), Currency: "JPY", Minor: -400, N: 1},
		{Subject: "INV-1", On: monday, Currency: "EUR", Minor: 1300, N: 2},
	}
	for _, file := range []string{
		"number,date,amount,currency\nINV-1,2026-03-02,12.50,EUR\nCM/7,2026-03-03,-400,JPY\nINV-1,2026-03-02,13.00,EUR\n",
		"\ufeffCurrency, Amount ,note,DATE,Number\r\nEUR,12.5,,2026-03-02,INV-1\r\nJPY,-400,\"a, b\",2026-03-03,CM/7\r\nEUR,13,,2026-03-02,INV-1\r\n",
		`{"lines": [{"number": "INV-1", "date": "2026-03-02", "amount": "12.50", "currency": "EUR"},
			{"number": "CM/7", "date": "2026-03-03", "amount": "-400", "currency": "JPY"}, {"number": "INV-1", "date": "2026-03-02", "amount": "13", "currency": "EUR"}]}`,
	} {
		got, err := ReadStatement([]byte(file))
		require.NoError(t, err, file)
		require.Equal(t, want, got, file)
	}
	bill, err := ReadBill([]byte("tracking,date,amount,currency\n1Z 999,2026-03-02,6.50,EUR\n1z999,2026-03-02,6.50,EUR\n1Z 999,2026-03-02,6.51,EUR\n"))
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 1}, []int{bill[0].N, bill[1].N, bill[2].N})
	require.Equal(t, "1Z999", bill[1].Subject)
}

func TestUnreadableFileIsRefusedWholeAndRepeatsNothingOfItself(t *testing.T) {
	t.Parallel()
	const head = "number,date,amount,currency\n"
	for file, want := range map[string]string{
		"":                                      "no lines",
		head:                                    "no lines",
		"invoice,date,amount,currency\nx":       "name the columns number, date, amount, currency",
		head + "A,2026-03-02,1.00,EUR\nMiller":  "line 3: not CSV",
		head + "A,02.03.2026,1.00,EUR\n":        "line 2: the date",
		head + "A,2026-03-02,1.001,EUR\n":       "line 2: the amount",
		head + "A,2026-03-02,1e3,EUR\n":         "line 2: the amount",
		head + "A,2026-03-02,1.00,Miller\n":     "line 2: the amount",
		head + ",2026-03-02,1.00,EUR\n":         "line 2: the number",
		head + "A\x1b[2J,2026-03-02,1.00,EUR\n": "line 2: the number",
		`{"lines": [{"number": 7}]}`:            "want {",
		`{"lines": [], "more": "Miller"}`:       "want {",
		`{"lines": [{"tracking": "1Z", "date": "2026-03-02", "amount": "1", "currency": "EUR"}]}`:                "line 1: the number is missing",
		`{"lines": [{"number": "A", "tracking": "1Z", "date": "2026-03-02", "amount": "1", "currency": "EUR"}]}`: "line 1: the number",
		head + strings.Repeat("A,2026-03-02,1.00,EUR\n", MaxFile/22+1):                                           "larger than",
	} {
		got, err := ReadStatement([]byte(file))
		require.ErrorContains(t, err, want)
		require.Empty(t, got)
		require.NotContains(t, err.Error(), "Miller")
	}
}

func FuzzReadStatement(f *testing.F) {
	f.Add([]byte("number,date,amount,currency\nINV-1,2026-03-02,12.50,EUR\n"))
	f.Add([]byte(`{"lines": [{"number": "A", "date": "2026-03-02", "amount": "1", "currency": "EUR"}]}`))
	f.Add([]byte("number,date,amount,currency\n\"a\nb\",,,"))
	f.Add([]byte("\xff{"))
	f.Fuzz(func(t *testing.T, file []byte) {
		lines, err := ReadStatement(file)
		if err != nil {
			require.Less(t, len(err.Error()), 300)
			return
		}
		require.NotEmpty(t, lines)
		for _, l := range lines {
			require.Regexp(t, subjectForm, l.Subject)
			require.NotEmpty(t, l.Currency)
			require.Positive(t, l.N)
			require.Less(t, l.On.Year(), 10_000)
			require.Equal(t, midnight(l.On), l.On)
			_, err := l.On.MarshalText()
			require.NoError(t, err)
		}
		first, last := covers(lines)
		require.False(t, last.Before(first.Add(-time.Nanosecond)))
	})
}
