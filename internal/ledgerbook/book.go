package ledgerbook

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
)

// Queue takes statements for the next round trip: a *pgx.Batch or a *postgres.Work.
type Queue interface {
	Queue(sql string, args ...any) *pgx.QueuedQuery
}

// Book is an order's ledger with its claims, purchase orders and invoices: read in one round trip,
// changed in memory, written in one round trip. The order stays locked from the reading on, so that
// what a change was decided by is still so when it is written.
type Book struct {
	order        string
	now          time.Time // of the reading
	transactions []ledger.Transaction
	posted       int // how many of them stand in Postgres
	claims       []claimRow
	pos          []*billedPO
	rates        []money.Rate // of the purchase orders in other currencies
	judged       []judgement
	credits      []credit
	found        map[string]int64 // by matter: what carriers paid for parcels that came all the same
	answered     []string         // the pursuits of which a person has answered that
}

// claimRow is a claim with its end.
type claimRow struct {
	ledger.Claim
	open       bool
	resolution string
	changed    bool
	// matter is the pursuit that the claim belongs to, without the order unless it joins several; empty: nobody
	// pursues it.
	matter string
	reason string // of a dispute: what differs
}

// judgement is what became of an invoice.
type judgement struct{ supplier, invoice, standing string }

// Open queues the reading of an order's book and the lock on the order. The book can be used when
// the round trip is done, which fails with ErrNoOrder when there is no such order.
func Open(q Queue, orderKey string) *Book {
	b := &Book{order: orderKey}
	q.Queue(`SELECT now() FROM orders WHERE key = $1 FOR NO KEY UPDATE`, orderKey).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&b.now)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("open the book of order %s: %w", orderKey, ErrNoOrder)
		}
		return err
	})
	q.Queue(readSQL, orderKey).Query(func(rows pgx.Rows) (err error) {
		b.transactions, err = collectTransactions(rows)
		b.posted = len(b.transactions)
		return err
	})
	q.Queue(`
		SELECT key, kind, account, currency, minor, owner, due_at, closed_at IS NULL, resolution,
			coalesce(CASE WHEN starts_with(pursuit, order_key || '/') THEN substr(pursuit, length(order_key) + 2) ELSE pursuit END, ''), reason
		FROM claims WHERE order_key = $1 ORDER BY key`, orderKey).Query(func(rows pgx.Rows) (err error) {
		b.claims, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (claimRow, error) {
			var c claimRow
			err := row.Scan(&c.Key, &c.Kind, &c.Account, &c.Currency, &c.Minor, &c.Owner, &c.Due, &c.open, &c.resolution, &c.matter, &c.reason)
			c.Due = c.Due.UTC()
			return c, err
		})
		return err
	})
	b.queuePOs(q)
	b.queueInvoices(q)
	b.queueCredits(q)
	return b
}

// Transactions are those posted so far, oldest first. The caller must not change them.
func (b *Book) Transactions() []ledger.Transaction { return b.transactions }

// Claims are the open claims by key.
func (b *Book) Claims() []ledger.Claim {
	var open []ledger.Claim
	for i := range b.claims {
		if b.claims[i].open {
			open = append(open, b.claims[i].Claim)
		}
	}
	slices.SortFunc(open, func(x, y ledger.Claim) int { return strings.Compare(x.Key, y.Key) })
	return open
}

// Has is true when a transaction of that key was posted.
func (b *Book) Has(key string) bool { return b.find(key) >= 0 }

func (b *Book) find(key string) int {
	return slices.IndexFunc(b.transactions, func(t ledger.Transaction) bool { return t.Key == key })
}

// Post adds transactions. One that stands in the book already is left alone; ErrConflict when it
// stands there with other entries. Memos are words and may change between versions.
func (b *Book) Post(transactions ...ledger.Transaction) error {
	for _, t := range transactions {
		if err := t.Validate(); err != nil {
			return fmt.Errorf("post to the ledger of order %s: %w", b.order, err)
		}
		if i := b.find(t.Key); i < 0 {
			b.transactions = append(b.transactions, t)
		} else if contentOf(b.transactions[i]) != contentOf(t) {
			return fmt.Errorf("post %s to the ledger of order %s: %w", t.Key, b.order, ErrConflict)
		}
	}
	return nil
}

func (b *Book) claim(key string) *claimRow {
	for i := range b.claims {
		if b.claims[i].Key == key {
			return &b.claims[i]
		}
	}
	return nil
}

// OpenClaim names a claim. The same claim again changes nothing, also after it was closed;
// ErrConflict when the key names another amount or account. A claim that a posting opens needs that
// posting too.
func (b *Book) OpenClaim(claim ledger.Claim) error {
	row := claimRow{Claim: claim}
	if claims.Pursued(&claim) {
		row.matter = claim.Key
	}
	return b.openAs(row)
}

// openAs is OpenClaim for a claim that is pursued together with others, or has a reason.
func (b *Book) openAs(row claimRow) error {
	claim := row.Claim
	if err := claim.Validate(); err != nil {
		return fmt.Errorf("open a claim of order %s: %w", b.order, err)
	}
	known := b.claim(claim.Key)
	if known == nil {
		row.open, row.changed = true, true
		b.claims = append(b.claims, row)
		return nil
	}
	if known.Kind != claim.Kind || known.Account != claim.Account || known.Currency != claim.Currency || known.Minor != claim.Minor {
		return fmt.Errorf("open claim %s of order %s: %w", claim.Key, b.order, ErrConflict)
	}
	return nil
}

// CloseClaim ends a claim; resolution is one of a few words, never free text. Closing it again
// changes nothing. ErrNoClaim when it was never opened.
func (b *Book) CloseClaim(key, resolution string) error {
	c := b.claim(key)
	if c == nil {
		return fmt.Errorf("close claim %s of order %s: %w", key, b.order, ErrNoClaim)
	}
	if c.open {
		c.open, c.resolution, c.changed = false, resolution, true
	}
	return nil
}

// Write queues what was changed: at most eight statements, however much it is.
func (b *Book) Write(q Queue) error {
	conversions, err := ledger.Conversions(b.transactions, b.rates)
	if err != nil {
		return fmt.Errorf("post to the ledger of order %s: %w", b.order, err)
	}
	b.transactions = append(b.transactions, conversions...)
	if fresh := b.transactions[b.posted:]; len(fresh) > 0 {
		p, err := newPage(fresh)
		if err != nil {
			return fmt.Errorf("post to the ledger of order %s: %w", b.order, err)
		}
		// A key that stands there after all was posted without the lock: refused, and read next time.
		q.Queue(insertSQL, b.order, p.keys, p.kinds, p.memos, p.entryKeys, p.numbers, p.accounts, p.currencies, p.minors)
	}
	b.writePursuits(q)
	b.writeClaims(q)
	b.writeFound(q)
	b.writeCredits(q)
	b.writePurchases(q)
	if len(b.judged) > 0 {
		var suppliers, invoices, standings []string
		for _, j := range b.judged {
			suppliers, invoices, standings = append(suppliers, j.supplier), append(invoices, j.invoice), append(standings, j.standing)
		}
		q.Queue(`UPDATE supplier_invoices i SET standing = n.standing
			FROM unnest($1::text[], $2::text[], $3::text[]) AS n (supplier, invoice, standing)
			WHERE i.supplier = n.supplier AND i.invoice = n.invoice`, suppliers, invoices, standings)
	}
	return nil
}

const insertSQL = `
WITH fresh AS (
	INSERT INTO ledger_transactions (order_key, key, kind, memo)
	SELECT $1, key, kind, memo FROM unnest($2::text[], $3::text[], $4::text[]) AS w (key, kind, memo)
	RETURNING id, key
)
INSERT INTO ledger_entries (transaction_id, n, account, currency, minor)
SELECT f.id, e.n, e.account, e.currency, e.minor
FROM fresh f JOIN unnest($5::text[], $6::int[], $7::text[], $8::text[], $9::bigint[])
	AS e (key, n, account, currency, minor) USING (key)`

func (b *Book) writeClaims(q Queue) {
	var keys, kinds, accounts, currencies, owners, resolutions, pursuits, reasons []string
	var minors []int64
	var dues []time.Time
	var closed []bool
	for i := range b.claims {
		c := &b.claims[i]
		if !c.changed {
			continue
		}
		keys, kinds, accounts = append(keys, c.Key), append(kinds, string(c.Kind)), append(accounts, string(c.Account))
		currencies, minors, owners = append(currencies, c.Currency), append(minors, c.Minor), append(owners, c.Owner)
		dues, closed, resolutions = append(dues, c.Due), append(closed, !c.open), append(resolutions, c.resolution)
		pursuits, reasons = append(pursuits, b.pursuit(c)), append(reasons, c.reason)
	}
	if len(keys) == 0 {
		return
	}
	q.Queue(`
		INSERT INTO claims (order_key, key, kind, account, currency, minor, owner, due_at, closed_at, resolution, pursuit, reason)
		SELECT $1, key, kind, account, currency, minor, owner, due, CASE WHEN closed THEN now() END, resolution, nullif(pursuit, ''), reason
		FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::timestamptz[], $9::bool[], $10::text[],
			$11::text[], $12::text[]) AS c (key, kind, account, currency, minor, owner, due, closed, resolution, pursuit, reason)
		ON CONFLICT (order_key, key) DO UPDATE SET closed_at = excluded.closed_at, resolution = excluded.resolution`,
		b.order, keys, kinds, accounts, currencies, minors, owners, dues, closed, resolutions, pursuits, reasons)
}
