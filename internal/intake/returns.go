package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/supplier/restapi"
)

// applyReturn takes what a supplier says about a return.
func applyReturn(ctx context.Context, tx pgx.Tx, d received, document restapi.Document) (verdict, error) {
	var supplier, order, currency string
	err := tx.QueryRow(ctx, `SELECT r.supplier, r.order_key, p.currency
		FROM returns r JOIN purchase_orders p ON p.number = r.po_number WHERE r.rma = $1`,
		document.RMA).Scan(&supplier, &order, &currency)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return quarantine(CodeUnknownReturn, "It is about return %s, which was never granted. Ask the supplier what it means.", document.RMA), nil
	case err != nil:
		return verdict{}, fmt.Errorf("find a return: %w", err)
	case supplier != d.party:
		return quarantine(CodeForeignPO, "It is about return %s, which is not this supplier's. It had no effect; ask the supplier.", document.RMA), nil
	case document.Currency != "" && document.Currency != currency:
		return quarantine(CodeCurrencyMismatch, "Its amount is in %s, the goods of return %s were bought in %s. Ask the supplier for another.",
			document.Currency, document.RMA, currency), nil
	}
	if memo := document.Return.Memo; memo != nil {
		if v, repeated, err := keepMemo(ctx, tx, supplier, order, currency, document.RMA, memo); repeated || err != nil {
			return v, err
		}
	}
	_, err = returndesk.Append(ctx, tx, document.RMA, *document.Return, true, d.id)
	return applied(order), err
}

// keepMemo records a credit memo; one that came before, for a return or for a claim, counts once.
func keepMemo(ctx context.Context, tx pgx.Tx, supplier, order, currency, rma string, m *returns.CreditMemo) (v verdict, repeated bool, err error) {
	if err := takeCreditNumber(ctx, tx, supplier, m.Number); err != nil {
		return verdict{}, false, err
	}
	tag, err := tx.Exec(ctx, `INSERT INTO credit_memos (supplier, number, rma, order_key, currency, minor, given_at)
		SELECT $1, $2, $3, $4, $5, $6, $7 WHERE NOT EXISTS (SELECT 1 FROM claim_credits WHERE supplier = $1 AND number = $2)
		ON CONFLICT DO NOTHING`, supplier, m.Number, rma, order, currency, m.Amount, m.At)
	if err != nil || tag.RowsAffected() == 1 {
		return verdict{}, false, err
	}
	var same bool
	err = tx.QueryRow(ctx, `SELECT coalesce((SELECT rma = $3 AND minor = $4 FROM credit_memos WHERE supplier = $1 AND number = $2), false)`,
		supplier, m.Number, rma, m.Amount).Scan(&same)
	if err != nil {
		return verdict{}, true, err
	}
	if same {
		return ignored(CodeKnownAlready, order, "The credit memo came before, with the same content."), true, nil
	}
	v = quarantine(CodeConflictingMemo, "Credit memo %s came before, with other content. Only the first one counts; ask the supplier which is right.", m.Number)
	v.order = order
	return v, true, nil
}
