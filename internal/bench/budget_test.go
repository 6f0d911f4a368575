package bench

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGrownFigureIsNamedWithHowMuchItGrew(t *testing.T) {
	t.Parallel()
	limits := Limits{"actions": 10, "events": 40, "sql": 8}
	require.Empty(t, limits.Exceeded(Figures{"actions": 10, "events": 12, "sql": 8, "other": 99}))
	require.Equal(t, []string{"actions grew to 13, 3 over its limit of 10", "sql was not measured, its limit is 8"},
		limits.Exceeded(Figures{"actions": 13, "events": 40}))
}

func TestMisspeltBudgetIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "budget.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"per_orders": {}}`), 0o600))
	_, err := ReadBudget(path)
	require.ErrorContains(t, err, "per_orders")
}

func TestFiguresOfSeveralRoundsAreCondensed(t *testing.T) {
	t.Parallel()
	rounds := []Figures{{"a": 3, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 4}, {"a": 9}}
	require.Equal(t, Figures{"a": 2, "b": 2}, Medians(rounds))
	require.Equal(t, Figures{"a": 9, "b": 4}, Most(rounds))
	require.Equal(t, Figures{"a": 1, "b": 1}, Least(rounds))
	require.InDelta(t, 2, exponent(10, 1000, 1, 10_000), 1e-9)
	require.Equal(t, Figures{"a": 123.5, "b": 0.001235, "c": 123456}, Figures{"a": 123.456, "b": 0.00123456, "c": 123456}.rounded())
}

func TestTablesStandBetweenTheirMarkers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "doc.md")
	text := "before\n<!-- bench:per_order -->\nold\n<!-- /bench -->\nafter\n"
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	r := &Report{PerOrder: map[string]Figures{"smooth_1": {"actions": 11, "events": 1234}}}
	budget := Budget{PerOrder: map[string]Limits{"smooth_1": {"actions": 10}}}
	require.NoError(t, r.WriteInto(path, budget))
	require.NoError(t, r.WriteInto(path, budget), "writing again changes nothing")
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(written), "| billable actions | 11 / 10 OVER |")
	require.Contains(t, string(written), "| history events | 1,234 |")
	require.NotContains(t, string(written), "old")
	require.Contains(t, string(written), "before\n<!-- bench:per_order -->\n")
	require.Contains(t, string(written), "<!-- /bench -->\nafter\n")

	require.NoError(t, os.WriteFile(path, []byte("<!-- bench:unheard -->\n<!-- /bench -->\n"), 0o600))
	require.ErrorContains(t, r.WriteInto(path, budget), "bench:unheard")
}

func TestThePeakIsReckonedFromWhatWasMeasured(t *testing.T) {
	t.Parallel()
	r := &Report{PerOrder: map[string]Figures{
		"smooth_1": {"actions": 10, "bytes": 5000, "events": 1}, "smooth_3x2": {"actions": 16, "bytes": 9000},
		"failover": {"actions": 22, "bytes": 10000}, "cancel": {"actions": 13, "bytes": 7000}, "return": {"actions": 22, "bytes": 13000},
	}}
	require.Equal(t, [][]string{
		{"billable actions", "0.80 × 10 + 0.15 × 16 + 0.05 × 19 = 11.3", "9,080/s"},
		{"history bytes", "0.80 × 5,000 + 0.15 × 9,000 + 0.05 × 10,000 = 5,850", "4.68 MB/s"},
	}, r.peakTable().rows)
}
