package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/orderview"
)

// books are an order's accounts.
type books struct {
	Transactions []ledger.Transaction `json:"transactions"`
	Balances     ledger.Balances      `json:"balances"`
	Claims       []claim              `json:"claims"`
}

// claim is what is open with a partner by name, or was.
type claim struct {
	Key        string     `json:"key"`
	Kind       string     `json:"kind"`
	Account    string     `json:"account"`
	Currency   string     `json:"currency"`
	Minor      int64      `json:"minor"`
	Owner      string     `json:"owner"`
	DueAt      time.Time  `json:"due_at"`
	ClosedAt   *time.Time `json:"closed_at,omitempty"`
	Resolution string     `json:"resolution,omitempty"`
	Reason     string     `json:"reason,omitempty"`    // of a dispute
	Reference  string     `json:"reference,omitempty"` // of what is pursued
}

func (p *program) ledger() *cobra.Command {
	c := &cobra.Command{
		Use: "ledger ORDER", Short: "Show an order's accounts, or the books of all orders",
		Long: `ledger shows every posting of an order, what its accounts hold, and the named claims that are open with
suppliers. Amounts are debits; credits have a minus. Each posting sums to zero. The commands below it
are about all orders, for the bookkeeper.`,
		Example: `  starter ledger shop/1001
  starter ledger balance
  starter ledger export --from 2026-01-01 --through 2026-01-31 --output january.csv`,
		Args: exactly("ORDER"),
		RunE: func(c *cobra.Command, args []string) error {
			key, err := parseOrder(c, args[0])
			if err != nil {
				return err
			}
			pool, err := p.database(c.Context())
			if err != nil {
				return err
			}
			defer pool.Close()
			if _, err := orderview.Stand(c.Context(), pool, key); err != nil {
				return err
			}
			b, err := readBooks(c.Context(), pool, key.String())
			if err != nil {
				return err
			}
			if p.json {
				return p.writeJSON(b)
			}
			p.tellBooks(b)
			return nil
		},
	}
	c.AddCommand(p.follow())
	c.AddCommand(p.bookkeeping()...)
	return c
}

func readBooks(ctx context.Context, pool *pgxpool.Pool, key string) (*books, error) {
	b := &books{Transactions: []ledger.Transaction{}, Claims: []claim{}}
	posted, err := ledgerbook.Read(ctx, pool, key)
	if err != nil {
		return nil, err
	}
	b.Transactions = append(b.Transactions, posted...)
	if b.Balances, err = ledger.BalanceOf(posted); err != nil {
		return nil, fmt.Errorf("add up the ledger of order %s: %w", key, err)
	}
	rows, err := pool.Query(ctx, `SELECT key, kind, account, currency, minor, owner, due_at, closed_at, resolution, reason,
			coalesce((SELECT reference FROM pursuits p WHERE p.id = c.pursuit), '')
		FROM claims c WHERE order_key = $1 ORDER BY opened_at, key`, key)
	if err != nil {
		return nil, fmt.Errorf("read the claims of order %s: %w", key, err)
	}
	claims, err := pgx.CollectRows(rows, pgx.RowToStructByPos[claim])
	b.Claims = append(b.Claims, claims...)
	return b, err
}

func (p *program) tellBooks(b *books) {
	var rows [][]string
	for _, t := range b.Transactions {
		for i, e := range t.Entries {
			memo := ""
			if i == 0 {
				memo = t.Memo
			}
			rows = append(rows, []string{memo, e.Account.Title(), amount(e.Minor, e.Currency)})
		}
	}
	p.table([]string{"POSTING", "ACCOUNT", "DEBIT"}, rows)
	p.heading("Balances")
	rows = nil
	for _, balance := range b.Balances {
		rows = append(rows, []string{balance.Account.Title(), amount(balance.Minor, balance.Currency)})
	}
	p.table([]string{"ACCOUNT", "DEBIT"}, rows)
	if len(b.Claims) == 0 {
		return
	}
	p.heading("Claims")
	rows = nil
	for _, c := range b.Claims {
		standing := "due " + c.DueAt.UTC().Format(time.DateOnly)
		if c.ClosedAt != nil {
			standing = words(c.Resolution) + " " + c.ClosedAt.UTC().Format(time.DateOnly)
		}
		rows = append(rows, []string{c.Key, words(c.Kind), ledger.Account(c.Account).Title(), amount(c.Minor, c.Currency), c.Owner, standing, c.Reference})
	}
	p.table([]string{"CLAIM", "KIND", "ACCOUNT", "DEBIT", "OWNER", "", "PURSUED AS"}, rows)
}

func amount(minor int64, currency string) string {
	return money.Money{Minor: minor, Currency: currency}.String()
}
