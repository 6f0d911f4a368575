// Package ledgerbook keeps each order's ledger and claims in Postgres. What a fact posts is decided
// in internal/ledger; here it is written once and read back.
package ledgerbook

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/ledger"
)

// Errors of books.
var (
	// ErrConflict: a key stands in the book already, with other content.
	ErrConflict = errors.New("recorded before with other content")
	// ErrNoClaim: there is no claim of that key.
	ErrNoClaim = errors.New("no such claim")
	// ErrNoOrder: there is no order of that key.
	ErrNoOrder = errors.New("no such order")
)

// querier is a pool, a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Post records transactions of one order, in one round trip however many there are. One that stands
// in the book already is left alone; ErrConflict when it stands there with other entries. Memos are
// words and may change between versions.
func Post(ctx context.Context, tx pgx.Tx, orderKey string, transactions ...ledger.Transaction) error {
	page, err := newPage(transactions)
	if err != nil {
		return fmt.Errorf("post to the ledger of order %s: %w", orderKey, err)
	}
	if len(page.keys) == 0 {
		return nil
	}
	// A key that another transaction committed while this statement waited for it is neither fresh
	// nor visible to the comparison; a second run sees it.
	for range 2 {
		settled, err := page.write(ctx, tx, orderKey)
		if err != nil {
			return fmt.Errorf("post to the ledger of order %s: %w", orderKey, err)
		}
		if settled {
			return nil
		}
	}
	return fmt.Errorf("post to the ledger of order %s: the key was taken and cannot be read: retry", orderKey)
}

// page is a set of transactions as columns.
type page struct {
	keys, kinds, memos, contents []string
	entryKeys                    []string
	numbers                      []int32
	accounts, currencies         []string
	minors                       []int64
}

func newPage(transactions []ledger.Transaction) (*page, error) {
	p := &page{}
	seen := map[string]string{}
	for _, t := range transactions {
		if err := t.Validate(); err != nil {
			return nil, err
		}
		content := contentOf(t)
		if before, twice := seen[t.Key]; twice {
			if before != content {
				return nil, fmt.Errorf("transaction %s: %w", t.Key, ErrConflict)
			}
			continue
		}
		seen[t.Key] = content
		p.keys, p.kinds = append(p.keys, t.Key), append(p.kinds, t.Kind)
		p.memos, p.contents = append(p.memos, t.Memo), append(p.contents, content)
		for i, e := range t.Entries {
			p.entryKeys = append(p.entryKeys, t.Key)
			p.numbers = append(p.numbers, int32(i+1))
			p.accounts = append(p.accounts, string(e.Account))
			p.currencies = append(p.currencies, e.Currency)
			p.minors = append(p.minors, e.Minor)
		}
	}
	return p, nil
}

// contentOf is what two transactions of one key must share.
func contentOf(t ledger.Transaction) string {
	parts := []string{t.Kind}
	for _, e := range t.Entries {
		parts = append(parts, fmt.Sprintf("%s %s %d", e.Account, e.Currency, e.Minor))
	}
	return strings.Join(parts, "\n")
}

const postSQL = `
WITH wanted AS (
	SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS w (key, kind, memo, content)
), fresh AS (
	INSERT INTO ledger_transactions (order_key, key, kind, memo)
	SELECT $1, key, kind, memo FROM wanted
	ON CONFLICT (order_key, key) DO NOTHING
	RETURNING id, key
), entered AS (
	INSERT INTO ledger_entries (transaction_id, n, account, currency, minor)
	SELECT f.id, e.n, e.account, e.currency, e.minor
	FROM fresh f JOIN unnest($6::text[], $7::int[], $8::text[], $9::text[], $10::bigint[])
		AS e (key, n, account, currency, minor) USING (key)
)
SELECT key, true FROM fresh
UNION ALL
SELECT w.key, w.content = t.kind || E'\n' || (
	SELECT string_agg(e.account || ' ' || e.currency || ' ' || e.minor, E'\n' ORDER BY e.n)
	FROM ledger_entries e WHERE e.transaction_id = t.id)
FROM wanted w JOIN ledger_transactions t ON t.order_key = $1 AND t.key = w.key`

// write reports whether every key is in the book.
func (p *page) write(ctx context.Context, tx pgx.Tx, orderKey string) (bool, error) {
	rows, err := tx.Query(ctx, postSQL, orderKey, p.keys, p.kinds, p.memos, p.contents,
		p.entryKeys, p.numbers, p.accounts, p.currencies, p.minors)
	if err != nil {
		return false, err
	}
	known := 0
	var key string
	var same bool
	_, err = pgx.ForEachRow(rows, []any{&key, &same}, func() error {
		known++
		if !same {
			return fmt.Errorf("transaction %s: %w", key, ErrConflict)
		}
		return nil
	})
	return known == len(p.keys), err
}

const readSQL = `
SELECT t.id, t.key, t.kind, t.memo, e.account, e.currency, e.minor
FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
WHERE t.order_key = $1 ORDER BY t.id, e.n`

// Read lists the transactions of an order as they were posted, oldest first.
func Read(ctx context.Context, q querier, orderKey string) ([]ledger.Transaction, error) {
	rows, err := q.Query(ctx, readSQL, orderKey)
	if err != nil {
		return nil, fmt.Errorf("read the ledger of order %s: %w", orderKey, err)
	}
	list, err := collectTransactions(rows)
	if err != nil {
		return nil, fmt.Errorf("read the ledger of order %s: %w", orderKey, err)
	}
	return list, nil
}

func collectTransactions(rows pgx.Rows) ([]ledger.Transaction, error) {
	var list []ledger.Transaction
	var id, last int64
	var t ledger.Transaction
	var e ledger.Entry
	_, err := pgx.ForEachRow(rows, []any{&id, &t.Key, &t.Kind, &t.Memo, &e.Account, &e.Currency, &e.Minor}, func() error {
		if id != last {
			last = id
			list = append(list, ledger.Transaction{Key: t.Key, Kind: t.Kind, Memo: t.Memo})
		}
		list[len(list)-1].Entries = append(list[len(list)-1].Entries, e)
		return nil
	})
	return list, err
}

// Change opens an order's book, lets fn change it and writes it, in two round trips.
func Change(ctx context.Context, tx pgx.Tx, orderKey string, fn func(*Book) error) error {
	read, write := &pgx.Batch{}, &pgx.Batch{}
	book := Open(read, orderKey)
	if err := tx.SendBatch(ctx, read).Close(); err != nil {
		return fmt.Errorf("open the book of order %s: %w", orderKey, err)
	}
	if err := fn(book); err != nil {
		return err
	}
	if err := book.Write(write); err != nil {
		return err
	}
	if err := tx.SendBatch(ctx, write).Close(); err != nil {
		return fmt.Errorf("write the book of order %s: %w", orderKey, err)
	}
	return nil
}
