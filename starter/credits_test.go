package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFileOfCreditMemosIsImportedOnceOrToldWithItsPlace(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	c.exec(`INSERT INTO suppliers (id, document) VALUES ('acme', '{}')`)
	path := filepath.Join(t.TempDir(), "credits.csv")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }

	write("credit_memo,date,currency,amount,rma\nCM-1,2026-03-14,EUR,\"1,234\",R1\n")
	wrong := c.run("credit", "import", "acme", path)
	require.Equal(t, exitFailed, wrong.code)
	require.Contains(t, wrong.errors, "line 2, column 21: amount")

	write("credit_memo,date,currency,amount,rma\nCM-1,2026-03-14,EUR,12.34,R1\n")
	require.Contains(t, c.done("credit", "import", "acme", path), "Stored 1 credit memos")
	require.Contains(t, c.done("credit", "import", "acme", path), "taken in before")
	require.Contains(t, c.done("credit", "import", "acme", path, "--json"), `"credit_memos": 1`)
	require.Equal(t, exitFailed, c.run("credit", "import", "nobody", path).code)
	require.Equal(t, exitUsage, c.run("credit", "import", "acme").code)
	require.Equal(t, exitFailed, c.run("invoice", "import", "acme", path).code, "it holds no invoices")
}
