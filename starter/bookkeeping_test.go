package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const bookedYesterday = `
INSERT INTO storefronts (id, document) VALUES ('shop', '{}');
INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country, customer_hash, total_minor, captured_minor)
	VALUES ('shop/1', 'shop', '1', now(), '{}', '\x00', 'EUR', 'DE', '\x00', 1000, 1000);
WITH t AS (INSERT INTO ledger_transactions (order_key, key, kind, memo, posted_at)
	VALUES ('shop/1', 'captured|p-1', 'captured', 'Captured p-1', now() - interval '1 day') RETURNING id)
INSERT INTO ledger_entries SELECT id, 1, 'processor_clearing', 'EUR', 1000::bigint FROM t UNION ALL SELECT id, 2, 'customer_deposits', 'EUR', -1000 FROM t`

func TestBookkeeperGetsBalanceExportAndAClosedPeriod(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	c.exec(bookedYesterday)
	yesterday := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)

	balance := c.done("ledger", "balance")
	require.Regexp(t, `Customer deposits +liability +10\.00 EUR`, balance)
	require.Regexp(t, `Sum +10\.00 EUR +10\.00 EUR`, balance)

	require.Contains(t, c.done("ledger", "export", "--format", "journal"), yesterday+" (1) Captured p-1  ; order: shop/1")
	file := filepath.Join(t.TempDir(), "books.csv")
	c.done("ledger", "export", "--from", yesterday, "--through", yesterday, "--output", file)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(text), "\n"))
	again := c.run("ledger", "export", "--output", file)
	require.Equal(t, exitFailed, again.code)
	require.Contains(t, again.errors, "file exists")

	require.Contains(t, c.done("ledger", "close", "--through", yesterday, "--by", "bookkeeping"), "closed through "+yesterday)
	require.Contains(t, c.done("ledger", "periods"), "bookkeeping")
	twice := c.run("ledger", "close", "--through", yesterday, "--by", "bookkeeping")
	require.Equal(t, exitFailed, twice.code)
	require.Contains(t, twice.errors, "closed already")
}

func TestBookkeeperIsToldWhatIsWrongWithACommand(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	for said, args := range map[string][]string{
		`--through "31.1.2026" is not a date`: {"ledger", "balance", "--through", "31.1.2026"},
		`--format "xlsx" is not one of`:       {"ledger", "export", "--format", "xlsx"},
		"is before --from":                    {"ledger", "export", "--from", "2026-02-01", "--through", "2026-01-01"},
		"--through and --by are needed":       {"ledger", "close", "--through", "2026-01-01"},
	} {
		r := c.run(args...)
		require.Equal(t, exitUsage, r.code, args)
		require.Contains(t, r.errors, said)
	}
	today := c.run("ledger", "close", "--through", time.Now().UTC().Format(time.DateOnly), "--by", "x")
	require.Equal(t, exitFailed, today.code)
	require.Contains(t, today.errors, "the day is not over")
}
