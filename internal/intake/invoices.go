package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/csvinvoice"
	"github.com/dropline/dropline/internal/supplier/csvtable"
)

// KindInvoicesCSV is the kind of a supplier's document that is a file of invoices.
const KindInvoicesCSV = "invoices_csv"

// billed is an invoice of a file, with the purchase order that it is for.
type billed struct {
	purchaseOrder

	invoice *supplier.Invoice
}

// applyInvoices takes a file of invoices whole or not at all. Orders are locked in the order of their
// keys, so that two files never wait for each other.
func applyInvoices(ctx context.Context, tx pgx.Tx, d received) (verdict, error) {
	list, err := csvinvoice.Parse(d.body, "csv:"+strconv.FormatInt(d.id, 10))
	if where, broken := errors.AsType[*csvtable.Error](err); broken {
		return unreadableFile(where), nil
	}
	if err != nil {
		return verdict{}, err
	}
	all := make([]billed, 0, len(list))
	for i := range list {
		b := billed{purchaseOrder{number: list[i].PO}, &list[i]}
		v, err := b.find(ctx, tx, d.party)
		if err != nil || v.status != "" {
			return v, err
		}
		all = append(all, b)
	}
	slices.SortStableFunc(all, func(x, y billed) int { return cmp.Compare(x.order, y.order) })
	taken := verdict{status: statusIgnored, code: CodeKnownAlready, reason: "Every invoice of the file came before, with the same content."}
	for _, b := range all {
		v, err := invoice(ctx, tx, b.purchaseOrder, b.invoice)
		if err != nil || v.status == statusQuarantined {
			return v, err
		}
		if v.status == statusApplied {
			taken = verdict{status: statusApplied, urgent: true}
		}
	}
	return taken, nil
}

// find reads the purchase order of an invoice, or says why the file cannot be taken.
func (b *billed) find(ctx context.Context, tx pgx.Tx, party string) (v verdict, err error) {
	err = tx.QueryRow(ctx, `SELECT order_key, supplier, currency FROM purchase_orders WHERE number = $1`, b.number).Scan(&b.order, &b.supplier, &b.currency)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return quarantine(CodeUnknownPO, "The file charges for purchase order %s, which was never made. Ask the supplier what it means.", b.number), nil
	case err != nil:
		return v, fmt.Errorf("find a purchase order: %w", err)
	case b.supplier != party:
		return quarantine(CodeForeignPO, "The file charges for purchase order %s, which is not this supplier's. It had no effect; ask the supplier.", b.number), nil
	case b.invoice.Currency != b.currency:
		return quarantine(CodeCurrencyMismatch, "The file charges in %s, purchase order %s is in %s. Ask the supplier for another.",
			b.invoice.Currency, b.number, b.currency), nil
	}
	return v, nil
}
