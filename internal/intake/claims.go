package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/restapi"
	"github.com/dropline/dropline/internal/volume"
)

// matter is what a supplier's document about a claim is checked against.
type matter struct{ pursuit, order, supplier, currency string }

// applyClaim takes what a supplier says about a claim.
func applyClaim(ctx context.Context, tx pgx.Tx, d received, document restapi.Document) (verdict, error) {
	said := document.Claim
	m, err := findMatter(ctx, tx, d.party, said)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return quarantine(CodeUnknownClaim, "It is about a claim or an invoice that is not known. Ask the supplier what it means."), nil
	case err != nil:
		return verdict{}, fmt.Errorf("find a claim: %w", err)
	case m.supplier != d.party:
		return quarantine(CodeForeignPO, "It is about a claim on another supplier. It had no effect; ask the supplier."), nil
	case document.Currency != "" && document.Currency != m.currency:
		return quarantine(CodeCurrencyMismatch, "Its amount is in %s, the claim in %s. Ask the supplier for another.", document.Currency, m.currency), nil
	}
	if said.Answer == "" {
		return creditClaim(ctx, tx, m, credit{number: said.Number, minor: said.Amount, at: said.At})
	}
	if err := lockOrder(ctx, tx, m.order); err != nil {
		return verdict{}, err
	}
	_, err = tx.Exec(ctx, `UPDATE pursuits SET answer = $2, fact_seq = fact_seq + 1, deliver_at = least(deliver_at, now())
		WHERE id = $1 AND answer <> $2`, m.pursuit, string(said.Answer))
	return applied(m.order), err
}

// findMatter finds a claim by its reference, or the one that disputes an invoice, which need not exist
// yet: a credit may come before the order is settled.
func findMatter(ctx context.Context, tx pgx.Tx, party string, said *restapi.ClaimSaid) (m matter, err error) {
	if said.Reference != "" {
		err = tx.QueryRow(ctx, `SELECT id, order_key, coalesce(supplier, ''), currency FROM pursuits WHERE reference = $1`, said.Reference).
			Scan(&m.pursuit, &m.order, &m.supplier, &m.currency)
		return m, err
	}
	m.supplier = party
	err = tx.QueryRow(ctx, `SELECT order_key, currency FROM supplier_invoices WHERE supplier = $1 AND invoice = $2`, party, said.Invoice).
		Scan(&m.order, &m.currency)
	m.pursuit = claims.ID(m.order, ledgerbook.Matter(party, said.Invoice))
	return m, err
}

func lockOrder(ctx context.Context, tx pgx.Tx, key string) error {
	if _, err := tx.Exec(ctx, `SELECT FROM orders WHERE key = $1 FOR NO KEY UPDATE`, key); err != nil {
		return fmt.Errorf("lock order %s: %w", key, err)
	}
	return nil
}

// credit is what a supplier gives for a claim, by a number of its own. corrects is the invoice in whose place one
// stands that asks for less, and asks what that one asks for; amounts in minor units.
type credit struct {
	number   string
	minor    int64
	at       time.Time
	corrects string
	asks     int64
}

// takeCreditNumber makes documents of one supplier that give a credit under one number take turns until tx ends:
// a number counts once, whether it is for a claim or for a return.
func takeCreditNumber(ctx context.Context, tx pgx.Tx, supplier, number string) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 0))`, supplier, number); err != nil {
		return fmt.Errorf("take turns for credit %s: %w", number, err)
	}
	return nil
}

// creditClaim keeps what a supplier gave for a claim, once by its number, and sets it off against what is
// open. What is more than the claim stays unapplied, and is shown with it.
func creditClaim(ctx context.Context, tx pgx.Tx, m matter, c credit) (verdict, error) {
	if err := m.lock(ctx, tx); err != nil {
		return verdict{}, err
	}
	if err := takeCreditNumber(ctx, tx, m.supplier, c.number); err != nil {
		return verdict{}, err
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO claim_credits (supplier, number, order_key, pursuit, currency, minor, given_at, corrects, asks)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $8 <> '' THEN $9::bigint END
		WHERE NOT EXISTS (SELECT 1 FROM credit_memos WHERE supplier = $1 AND number = $2)
		ON CONFLICT DO NOTHING`, m.supplier, c.number, m.order, m.pursuit, m.currency, c.minor, c.at, c.corrects, c.asks)
	if err != nil {
		return verdict{}, fmt.Errorf("record credit %s: %w", c.number, err)
	}
	if tag.RowsAffected() == 0 {
		return repeatedCredit(ctx, tx, m, c)
	}
	if volume.Joint(m.pursuit) {
		return applied(m.order), ledgerbook.ApplyJointCredits(ctx, tx, m.pursuit)
	}
	return applied(m.order), ledgerbook.Change(ctx, tx, m.order, (*ledgerbook.Book).ApplyCredits)
}

// lock locks the orders that a matter is about.
func (m *matter) lock(ctx context.Context, tx pgx.Tx) error {
	if volume.Joint(m.pursuit) {
		return ledgerbook.LockJoint(ctx, tx, m.pursuit)
	}
	return lockOrder(ctx, tx, m.order)
}

// repeatedCredit compares a credit with the one of its number. What a corrected invoice gives depends on those
// before it: it is the same when it asks for the same.
func repeatedCredit(ctx context.Context, tx pgx.Tx, m matter, c credit) (verdict, error) {
	var same bool
	err := tx.QueryRow(ctx, `SELECT coalesce((SELECT pursuit = $3 AND CASE WHEN corrects = '' THEN minor = $4 ELSE corrects = $5 AND asks = $6 END
		FROM claim_credits WHERE supplier = $1 AND number = $2), false)`, m.supplier, c.number, m.pursuit, c.minor, c.corrects, c.asks).Scan(&same)
	if err != nil {
		return verdict{}, fmt.Errorf("read credit %s: %w", c.number, err)
	}
	if same {
		return ignored(CodeKnownAlready, m.order, "The credit came before, with the same content."), nil
	}
	v := quarantine(CodeConflictingMemo, "Credit %s came before, with other content. Only the first one counts; ask the supplier which is right.", c.number)
	v.order = m.order
	return v, nil
}

// correctedInvoice takes an invoice that stands in an earlier one's place: what it asks for less is a
// credit for the earlier one's dispute. Of an invoice that is corrected again, what it asks for less than the
// correction before.
func correctedInvoice(ctx context.Context, tx pgx.Tx, po purchaseOrder, i *supplier.Invoice) (verdict, error) {
	var number string
	var total, given int64
	var known bool
	err := tx.QueryRow(ctx, `SELECT s.po_number, s.total, coalesce(c.given, 0)::bigint,
			EXISTS (SELECT 1 FROM claim_credits WHERE supplier = $1 AND number = $3)
		FROM supplier_invoices s LEFT JOIN LATERAL (SELECT sum(minor) AS given FROM claim_credits WHERE supplier = $1 AND corrects = $2) c ON true
		WHERE s.supplier = $1 AND s.invoice = $2`, po.supplier, i.Corrects, i.Number).
		Scan(&number, &total, &given, &known)
	unknown := quarantine(CodeInvalid, "It corrects an invoice of purchase order %s that never came. Ask the supplier what it means.", po.number)
	unknown.order = po.order
	c := credit{number: i.Number, minor: total - i.Total - given, at: i.At, corrects: i.Corrects, asks: i.Total}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return verdict{}, &later{order: po.order, giveUp: unknown, because: "the invoice that it corrects has not come yet"}
	case err != nil:
		return verdict{}, fmt.Errorf("read invoice %s: %w", i.Corrects, err)
	case number != po.number:
		return unknown, nil
	}
	m := matter{pursuit: claims.ID(po.order, ledgerbook.Matter(po.supplier, i.Corrects)), order: po.order, supplier: po.supplier, currency: po.currency}
	switch {
	case known:
		return repeatedCredit(ctx, tx, m, c)
	case c.minor < 0:
		v := quarantine(CodeConflictingInvoice, "It asks for more than invoice %s, which it corrects, or than an earlier correction of it. "+
			"Ask the supplier for an invoice of the difference.", i.Corrects)
		v.order = po.order
		return v, nil
	case c.minor == 0:
		return ignored(CodeKnownAlready, po.order, "It asks for as much as the invoice that it corrects, or as an earlier correction of it."), nil
	}
	return creditClaim(ctx, tx, m, c)
}
