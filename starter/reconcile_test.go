package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStatementIsImportedComparedAndAccepted(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	require.Contains(t, c.done("reconcile", "show"), "Nothing has been compared yet")
	c.exec(`INSERT INTO suppliers (id, document) VALUES ('acme', '{}')`)
	yesterday := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	file := filepath.Join(t.TempDir(), "statement.csv")
	require.NoError(t, os.WriteFile(file, []byte("number,date,amount,currency\nINV-1,"+yesterday+",12.50,EUR\n"), 0o600))
	require.Contains(t, c.done("reconcile", "import", "supplier", "acme", file), "Imported 1 line")
	require.Contains(t, c.done("reconcile", "import", "supplier", "acme", file), "imported before")

	ran := c.run("reconcile", "run")
	require.Equal(t, exitFailed, ran.code, "a difference is open")
	require.Regexp(t, `supplier/acme +INV-1 +- +12\.50 EUR +open +the invoice was never received`, ran.out)
	require.Contains(t, c.done("reconcile", "show", "--book", "supplier/acme"), "INV-1")
	require.Contains(t, c.done("reconcile", "show", "--json"), `"theirs_minor": 1250`)

	require.Contains(t, c.done("reconcile", "accept", "1", "--by", "bookkeeping", "--reason", "paid by transfer"), "is accepted")
	require.Contains(t, c.done("reconcile", "run", "--from", yesterday, "--through", yesterday), "Nothing differs")
	require.Contains(t, c.done("reconcile", "show", "--state", "accepted"), "bookkeeping: paid by transfer")
	twice := c.run("reconcile", "accept", "1", "--by", "bookkeeping", "--reason", "again")
	require.Equal(t, exitFailed, twice.code)
	require.Contains(t, twice.errors, "no open difference")
}

func TestReconcilerIsToldWhatIsWrongWithACommand(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	for said, args := range map[string][]string{
		"belong together":            {"reconcile", "run", "--from", "2026-01-01"},
		"is before --from":           {"reconcile", "run", "--from", "2026-02-01", "--through", "2026-01-01"},
		"want supplier NAME FILE":    {"reconcile", "import", "customer", "acme", "x.csv"},
		"--by and --reason are":      {"reconcile", "accept", "1"},
		"is no number":               {"reconcile", "accept", "x", "--by", "a", "--reason", "b"},
		`"1.1." is not a date like`:  {"reconcile", "import", "supplier", "acme", "x.csv", "--from", "1.1."},
		"with --from and --through ": {"reconcile", "import", "carrier", "ups", "x.csv", "--from", "2026-01-01"},
	} {
		r := c.run(args...)
		require.Equal(t, exitUsage, r.code, args)
		require.Contains(t, r.errors, said)
	}
}
