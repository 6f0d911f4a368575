package audit

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/ledger"
)

// closedSQL streams the entries and the open claims of closed orders, order by order. Orders with
// news are about to be opened again.
const closedSQL = `
	SELECT o.key, 'entry', e.account, e.currency, sum(e.minor)::bigint, '', '', NULL::timestamptz
	FROM orders o JOIN ledger_transactions t ON t.order_key = o.key JOIN ledger_entries e ON e.transaction_id = t.id
	WHERE o.closed_at IS NOT NULL AND o.fact_seq = o.delivered_seq
	GROUP BY o.key, e.account, e.currency
	UNION ALL
	SELECT o.key, c.kind, c.account, c.currency, c.minor, c.key, c.owner, c.due_at
	FROM orders o JOIN claims c ON c.order_key = o.key
	WHERE o.closed_at IS NOT NULL AND o.fact_seq = o.delivered_seq AND c.closed_at IS NULL
	ORDER BY 1, 2, 3, 4`

// closedBooks asks the ledger's own rule whether the accounts of closed orders are square.
func closedBooks(ctx context.Context, tx pgx.Tx, o Options) (*Outcome, error) {
	f := newFound(accountsClosed, "See starter ledger ORDER: name what is open with a claim, or post what is missing.", o)
	rows, err := tx.Query(ctx, closedSQL)
	if err != nil {
		return nil, err
	}
	b := &book{found: f}
	var key, kind, account, currency, claim, owner string
	var minor int64
	var due *time.Time
	_, err = pgx.ForEachRow(rows, []any{&key, &kind, &account, &currency, &minor, &claim, &owner, &due}, func() error {
		if key != b.order {
			b.judge()
			*b = book{found: f, order: key}
		}
		if kind == "entry" {
			b.entries = append(b.entries, ledger.Entry{Account: ledger.Account(account), Currency: currency, Minor: minor})
			return nil
		}
		c := ledger.Claim{Key: claim, Kind: ledger.ClaimKind(kind), Account: ledger.Account(account), Currency: currency, Minor: minor, Owner: owner}
		if due != nil {
			c.Due = *due
		}
		b.claims = append(b.claims, c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.judge()
	return &f.Outcome, nil
}

// book is what one order's accounts hold.
type book struct {
	found   *found
	order   string
	entries []ledger.Entry
	claims  []ledger.Claim
}

func (b *book) judge() {
	if b.order == "" {
		return
	}
	b.found.Checked++
	balances := make(ledger.Balances, 0, len(b.entries))
	for _, e := range b.entries {
		balances = append(balances, ledger.Balance(e))
	}
	if ok, problems := ledger.Closed(balances, b.claims); !ok {
		b.found.add(b.order, "%s", strings.Join(problems, "; "))
	}
}
