package ledgerbook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/volume"
)

// PurchasePeriod is what a supplier's volume discounts are added up by.
type PurchasePeriod struct{ Supplier, Name, Currency string }

func (p PurchasePeriod) String() string { return p.Supplier + "/" + p.Name + "/" + p.Currency }

// booksAtOnce bounds the books that are read together.
const booksAtOnce = 50

// DuePeriods are the periods whose purchases changed since they were last looked at, and those of which what
// rounding left over is due.
func DuePeriods(ctx context.Context, q querier) ([]PurchasePeriod, error) {
	rows, err := q.Query(ctx, `SELECT supplier, period, currency FROM volume_purchases WHERE pending
		UNION SELECT supplier, period, currency FROM volume_periods WHERE due_at <= now() ORDER BY 1, 2, 3`)
	if err != nil {
		return nil, fmt.Errorf("find periods of volume discounts: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[PurchasePeriod])
	if err != nil {
		return nil, fmt.Errorf("find periods of volume discounts: %w", err)
	}
	return list, nil
}

// bought is a purchase of a period, as it was read.
type bought struct {
	Order, Invoice                    string
	Goods, Credited, Granted, Claimed int64
	Ends                              time.Time
	Pending                           bool
}

// account is a period while it is looked at.
type account struct {
	PurchasePeriod

	terms     catalog.Volume
	before    int64 // basis points that were reached
	now       time.Time
	purchases []bought
	parts     []int64 // what each of them is claimed for
	all       int64
}

// ClaimDiscounts looks at a period: which tier its purchases reach by now, and what was charged too much
// before. That is posted in the book of each order, and pursued as one claim. Running it again changes
// nothing. A tier that was reached stays reached.
func ClaimDiscounts(ctx context.Context, tx pgx.Tx, p PurchasePeriod) error {
	if err := claimDiscounts(ctx, tx, p); err != nil {
		return fmt.Errorf("claim the volume discounts of %s: %w", p, err)
	}
	return nil
}

func claimDiscounts(ctx context.Context, tx pgx.Tx, p PurchasePeriod) error {
	a := &account{PurchasePeriod: p}
	if err := a.read(ctx, tx); err != nil {
		return err
	}
	due, bp, err := a.plan()
	if err != nil {
		return err
	}
	pursuit := volume.ID(p.Supplier, p.Name, p.Currency, bp)
	involved, err := openOrders(ctx, tx, pursuit)
	if err != nil {
		return err
	}
	for i, b := range a.purchases {
		if b.Pending || a.all > 0 && a.parts[i] > 0 {
			involved = append(involved, b.Order)
		}
	}
	if err := lockOrders(ctx, tx, involved); err != nil {
		return err
	}
	if a.all > 0 {
		if err := eachBook(ctx, tx, a.claimed(), func(b *Book) error { return a.post(b, pursuit) }); err != nil {
			return err
		}
		// A credit may have given more than was open before.
		if err := applyJointCredits(ctx, tx, pursuit); err != nil {
			return err
		}
	}
	return a.record(ctx, tx, bp, due)
}

// read locks the period and reads its purchases. Those that change after that are pending again.
func (a *account) read(ctx context.Context, tx pgx.Tx) error {
	args := []any{a.Supplier, a.Name, a.Currency}
	if _, err := tx.Exec(ctx, `INSERT INTO volume_periods (supplier, period, currency) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, args...); err != nil {
		return err
	}
	err := tx.QueryRow(ctx, `SELECT v.reached_bp, now(), coalesce(s.document #> '{contract,volume_discounts}', '{}')
		FROM volume_periods v JOIN suppliers s ON s.id = v.supplier
		WHERE v.supplier = $1 AND v.period = $2 AND v.currency = $3 FOR NO KEY UPDATE OF v`, args...).Scan(&a.before, &a.now, &a.terms)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT order_key, invoice, goods, credited, granted, claimed, ends_at, pending FROM volume_purchases
		WHERE supplier = $1 AND period = $2 AND currency = $3 ORDER BY invoice COLLATE "C"`, args...)
	if err != nil {
		return err
	}
	a.purchases, err = pgx.CollectRows(rows, pgx.RowToStructByPos[bought])
	return err
}

// plan decides what is claimed now. due is when what rounding left over is claimed, nil when nothing is.
func (a *account) plan() (due *time.Time, bp int64, err error) {
	list := make([]volume.Purchase, len(a.purchases))
	over := true
	for i, b := range a.purchases {
		list[i] = volume.Purchase{Goods: b.Goods - b.Credited, Given: b.Granted + b.Claimed}
		over = over && !b.Ends.After(a.now)
	}
	sum, err := volume.Sum(list)
	if err != nil {
		return nil, 0, err
	}
	bp = max(a.before, volume.Reached(a.terms.Tiers, a.Currency, sum))
	parts, all, rounding, err := volume.Missing(list, bp)
	if err != nil || all == 0 {
		return nil, bp, err
	}
	if rounding && bp == a.before && !over {
		return &a.purchases[0].Ends, bp, nil
	}
	a.parts, a.all = parts, all
	return nil, bp, nil
}

// claimed are the orders that something is claimed for.
func (a *account) claimed() (orders []string) {
	for i, b := range a.purchases {
		if a.parts[i] > 0 {
			orders = append(orders, b.Order)
		}
	}
	return orders
}

// post claims what is missing for the invoices of one order.
func (a *account) post(b *Book, pursuit string) error {
	claim := ledger.Claim{
		Kind: ledger.ClaimVolumeDiscount, Account: ledger.SupplierClaims(a.Supplier), Currency: a.Currency,
		Owner: purchasing, Due: b.now.Add(paymentTerm).UTC(),
	}
	for i, purchase := range a.purchases {
		if purchase.Order == b.order {
			claim.Minor += a.parts[i]
		}
	}
	_, claim.Key = b.openRow(strings.Replace(pursuit, volume.Matter, "volume/", 1))
	posting, err := ledger.ClaimOpened(claim)
	if err == nil {
		err = b.Post(posting)
	}
	if err != nil {
		return err
	}
	return b.OpenClaimIn(pursuit, claim)
}

func (a *account) record(ctx context.Context, tx pgx.Tx, bp int64, due *time.Time) error {
	var invoices []string
	var goods, credited, parts []int64
	for i, b := range a.purchases {
		part := int64(0)
		if a.all > 0 {
			part = a.parts[i]
		}
		if b.Pending || part > 0 {
			invoices, parts = append(invoices, b.Invoice), append(parts, part)
			goods, credited = append(goods, b.Goods), append(credited, b.Credited)
		}
	}
	_, err := tx.Exec(ctx, `UPDATE volume_purchases v SET claimed = v.claimed + n.part,
			pending = v.pending AND (v.goods <> n.goods OR v.credited <> n.credited)
		FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) AS n (invoice, goods, credited, part)
		WHERE v.supplier = $1 AND v.invoice = n.invoice`, a.Supplier, invoices, goods, credited, parts)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE volume_periods SET reached_bp = $4, due_at = $5 WHERE supplier = $1 AND period = $2 AND currency = $3`,
		a.Supplier, a.Name, a.Currency, bp, due)
	return err
}

// lockOrders locks orders in the order of their keys, as everyone does who needs several.
func lockOrders(ctx context.Context, tx pgx.Tx, orders []string) error {
	_, err := tx.Exec(ctx, `SELECT FROM orders WHERE key = ANY ($1) ORDER BY key COLLATE "C" FOR NO KEY UPDATE`, orders)
	return err
}

// eachBook changes the books of orders that are locked already, in the order of their keys.
func eachBook(ctx context.Context, tx pgx.Tx, orders []string, fn func(*Book) error) error {
	slices.Sort(orders)
	for some := range slices.Chunk(slices.Compact(orders), booksAtOnce) {
		read, write := &pgx.Batch{}, &pgx.Batch{}
		var books []*Book
		for _, key := range some {
			books = append(books, Open(read, key))
		}
		if err := tx.SendBatch(ctx, read).Close(); err != nil {
			return err
		}
		for _, b := range books {
			if err := fn(b); err != nil {
				return err
			}
			if err := b.Write(write); err != nil {
				return err
			}
		}
		if err := tx.SendBatch(ctx, write).Close(); err != nil {
			return err
		}
	}
	return nil
}

// LockPursuit locks what a pursuit rests on, so that what is open of it and the supplier's answer stay so
// until the transaction ends: its order, and before that the period of one that joins the claims of several.
func LockPursuit(ctx context.Context, tx pgx.Tx, pursuit, orderKey string) error {
	err := lockPeriod(ctx, tx, pursuit)
	if err == nil {
		err = lockOrders(ctx, tx, []string{orderKey})
	}
	if err != nil {
		return fmt.Errorf("lock claim %s: %w", pursuit, err)
	}
	return nil
}

// LockJoint is LockPursuit for whoever changes the claims of all orders that a pursuit joins.
func LockJoint(ctx context.Context, tx pgx.Tx, pursuit string) error {
	err := lockPeriod(ctx, tx, pursuit)
	if err != nil {
		return fmt.Errorf("lock claim %s: %w", pursuit, err)
	}
	orders, err := openOrders(ctx, tx, pursuit)
	if err == nil {
		err = lockOrders(ctx, tx, orders)
	}
	if err != nil {
		return fmt.Errorf("lock claim %s: %w", pursuit, err)
	}
	return nil
}

func lockPeriod(ctx context.Context, tx pgx.Tx, pursuit string) error {
	if !volume.Joint(pursuit) {
		return nil
	}
	_, err := tx.Exec(ctx, `SELECT FROM volume_periods v JOIN pursuits p ON p.supplier = v.supplier AND p.currency = v.currency
		WHERE p.id = $1 AND starts_with(p.id, $2 || v.supplier || '/' || v.period || '/' || v.currency || '/') FOR NO KEY UPDATE OF v`, pursuit, volume.Matter)
	return err
}

func openOrders(ctx context.Context, tx pgx.Tx, pursuit string) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT DISTINCT order_key FROM claims WHERE pursuit = $1 AND closed_at IS NULL`, pursuit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// SettleJoint is Book.Settle for a pursuit that joins the claims of several orders, in the order of their
// keys. LockJoint comes before it.
func SettleJoint(ctx context.Context, tx pgx.Tx, pursuit, closure string, outcome ledger.ClaimOutcome, minor int64) error {
	orders, err := openOrders(ctx, tx, pursuit)
	if err != nil {
		return fmt.Errorf("settle claim %s: %w", pursuit, err)
	}
	rest := minor
	err = eachBook(ctx, tx, orders, func(b *Book) error {
		part := min(rest, b.openOf(pursuit))
		if part == 0 {
			return nil
		}
		rest -= part
		return b.Settle(pursuit, closure, outcome, part)
	})
	if err == nil && rest != 0 {
		err = ErrOverSettled
	}
	if err != nil {
		return fmt.Errorf("settle %d of claim %s: %w", minor, pursuit, err)
	}
	return nil
}

// ApplyJointCredits is Book.ApplyCredits for a pursuit that joins the claims of several orders. LockJoint
// comes before it.
func ApplyJointCredits(ctx context.Context, tx pgx.Tx, pursuit string) error {
	if err := applyJointCredits(ctx, tx, pursuit); err != nil {
		return fmt.Errorf("apply the credits of claim %s: %w", pursuit, err)
	}
	return nil
}

func applyJointCredits(ctx context.Context, tx pgx.Tx, pursuit string) error {
	rows, err := tx.Query(ctx, `SELECT number, minor, applied FROM claim_credits WHERE pursuit = $1 AND applied < minor
		ORDER BY given_at, number COLLATE "C"`, pursuit)
	if err != nil {
		return err
	}
	credits, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c credit, err error) {
		return c, row.Scan(&c.number, &c.minor, &c.applied)
	})
	for _, c := range credits {
		if err == nil {
			err = c.applyJoint(ctx, tx, pursuit)
		}
	}
	return err
}

func (c *credit) applyJoint(ctx context.Context, tx pgx.Tx, pursuit string) error {
	var open int64
	err := tx.QueryRow(ctx, `SELECT coalesce(sum(minor), 0)::bigint FROM claims WHERE pursuit = $1 AND closed_at IS NULL`, pursuit).Scan(&open)
	minor := min(c.minor-c.applied, open)
	if err != nil || minor == 0 {
		return err
	}
	closure := fmt.Sprintf("memo/%s:%d", invoiceToken(c.number), c.applied)
	if err := SettleJoint(ctx, tx, pursuit, closure, ledger.ClaimCredited, minor); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `UPDATE claim_credits SET applied = applied + $3 WHERE pursuit = $1 AND number = $2`, pursuit, c.number, minor)
	if err == nil && tag.RowsAffected() != 1 {
		err = errors.New("credit " + c.number + " is gone")
	}
	return err
}
