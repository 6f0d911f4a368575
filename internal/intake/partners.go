package intake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/carrier/easypost"
	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/restapi"
	"github.com/dropline/dropline/internal/tracking"
)

// purchaseOrder is what a supplier's document is checked against.
type purchaseOrder struct {
	number, order, supplier, currency string
	closed                            bool
}

func (p *Processor) applySupplier(ctx context.Context, tx pgx.Tx, d received) (verdict, error) {
	switch d.kind {
	case KindInvoicesCSV:
		return applyInvoices(ctx, tx, d)
	case KindCreditsCSV:
		return applyCredits(ctx, tx, d)
	case KindMailedAttachment:
		return unreadAttachment(), nil
	}
	document, err := restapi.ParseWebhook(d.body)
	if err != nil {
		return unreadable(err), nil
	}
	if d.kind == KindMailedEvent && !mayBeMailed(&document) {
		return quarantine(CodeUnknownType, "Only invoices and credit memos are taken by mail. Ask the supplier to post everything else."), nil
	}
	if document.Return != nil {
		return applyReturn(ctx, tx, d, document)
	}
	if document.Claim != nil {
		return applyClaim(ctx, tx, d, document)
	}
	po := purchaseOrder{number: document.PO}
	err = tx.QueryRow(ctx, `
		SELECT p.order_key, p.supplier, p.currency, o.closed_at IS NOT NULL
		FROM purchase_orders p JOIN orders o ON o.key = p.order_key WHERE p.number = $1`, document.PO).
		Scan(&po.order, &po.supplier, &po.currency, &po.closed)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return quarantine(CodeUnknownPO, "It answers for purchase order %s, which was never made. Ask the supplier what it means.", document.PO), nil
	case err != nil:
		return verdict{}, fmt.Errorf("find a purchase order: %w", err)
	case po.supplier != d.party:
		return quarantine(CodeForeignPO, "It answers for purchase order %s, which is not this supplier's. It had no effect; ask the supplier.", document.PO), nil
	case document.Currency != "" && document.Currency != po.currency:
		return quarantine(CodeCurrencyMismatch, "Its prices are in %s, purchase order %s is in %s. Ask the supplier for another.", document.Currency, po.number, po.currency), nil
	}
	switch {
	case document.Acknowledgment != nil:
		return acknowledge(ctx, tx, d, po, document.Acknowledgment)
	case document.ShipNotice != nil:
		return p.announce(ctx, tx, d, po, document.ShipNotice)
	case document.CancelAnswer != nil:
		answer := *document.CancelAnswer
		answer.Key = document.CancelKey
		_, err := facts.Append(ctx, tx, po.order, order.Fact{CancelReply: &answer}, true, d.id)
		return applied(po.order), err
	case document.Invoice != nil:
		return invoice(ctx, tx, po, document.Invoice)
	}
	return quarantine(CodeUnknownType, "It says nothing that Dropline reads. Ask the supplier what it means."), nil
}

var parseCodes = []struct {
	kind error
	code string
}{
	{restapi.ErrTooLarge, CodeTooLarge},
	{restapi.ErrMalformed, CodeMalformed},
	{restapi.ErrUnknownType, CodeUnknownType},
	{restapi.ErrInvalid, CodeInvalid},
}

func unreadable(err error) verdict {
	code := CodeMalformed
	for _, known := range parseCodes {
		if errors.Is(err, known.kind) {
			code = known.code
			break
		}
	}
	return quarantine(code, "It cannot be read: %s. Ask the sender for a corrected document; retry only after an update of Dropline.", err)
}

// acknowledge appends the fact first, which locks the order before its purchase order, as everyone
// does.
func acknowledge(ctx context.Context, tx pgx.Tx, d received, po purchaseOrder, a *order.Acknowledgment) (verdict, error) {
	batch := &pgx.Batch{}
	if err := facts.QueueAppend(batch, po.order, order.Fact{Acknowledge: a}, true, d.id); err != nil {
		return verdict{}, err
	}
	batch.Queue(`UPDATE purchase_orders SET acknowledged_at = least(acknowledged_at, $2) WHERE number = $1`, po.number, a.At)
	if err := postgres.Later(ctx, tx, batch); err != nil {
		return verdict{}, fmt.Errorf("record the acknowledgment of %s: %w", po.number, err)
	}
	return applied(po.order), nil
}

func (p *Processor) announce(ctx context.Context, tx pgx.Tx, d received, po purchaseOrder, n *order.ShipNotice) (verdict, error) {
	announced, err := p.names.Announce(ctx, tx, *n, d.id)
	switch {
	case err != nil:
		return verdict{}, err
	case announced == tracking.AnnouncedKnown:
		return ignored(CodeKnownAlready, po.order, "The parcel was announced before, with the same content."), nil
	case announced == tracking.AnnouncedDifferent:
		v := quarantine(CodeConflictingNotice, "Its parcel for purchase order %s was announced before, with other content. Ask the supplier what is in it.", po.number)
		v.order = po.order
		return v, nil
	}
	return applied(po.order), nil
}

// invoice keeps an invoice. It changes no decision of the order; it is matched when the order is
// settled, or at once when it was settled before.
func invoice(ctx context.Context, tx pgx.Tx, po purchaseOrder, i *supplier.Invoice) (verdict, error) {
	document, err := json.Marshal(i)
	if err != nil {
		return verdict{}, err
	}
	// Whether the order is settled must not change between here and the commit: the settlement would
	// not see the invoice, and the invoice not the settlement.
	err = tx.QueryRow(ctx, `SELECT closed_at IS NOT NULL FROM orders WHERE key = $1 FOR NO KEY UPDATE`, po.order).Scan(&po.closed)
	if err != nil {
		return verdict{}, fmt.Errorf("lock order %s: %w", po.order, err)
	}
	if i.Corrects != "" {
		return correctedInvoice(ctx, tx, po, i)
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO supplier_invoices (supplier, invoice, po_number, order_key, currency, total, document, invoiced_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		po.supplier, i.Number, po.number, po.order, i.Currency, i.Total, document, i.At)
	if err != nil {
		return verdict{}, fmt.Errorf("record an invoice for %s: %w", po.number, err)
	}
	if tag.RowsAffected() == 0 {
		return repeatedInvoice(ctx, tx, po, i)
	}
	if po.closed {
		if err := ledgerbook.MatchInvoices(ctx, tx, po.order); err != nil {
			return verdict{}, err
		}
	}
	return verdict{status: statusApplied, order: po.order}, nil
}

func repeatedInvoice(ctx context.Context, tx pgx.Tx, po purchaseOrder, i *supplier.Invoice) (verdict, error) {
	var before supplier.Invoice
	err := tx.QueryRow(ctx, `SELECT document FROM supplier_invoices WHERE supplier = $1 AND invoice = $2`, po.supplier, i.Number).Scan(&before)
	if err != nil {
		return verdict{}, fmt.Errorf("read invoice %s: %w", i.Number, err)
	}
	if sameInvoice(before, *i) {
		return ignored(CodeKnownAlready, po.order, "The invoice came before, with the same content."), nil
	}
	v := quarantine(CodeConflictingInvoice, "Invoice %s came before, with other content. Only the first one counts; ask the supplier which is right.", i.Number)
	v.order = po.order
	return v, nil
}

// sameInvoice compares what is charged: the document that brought it is another one each time, a file knows only the
// day of what an event dates to the second, and lines stand in any order.
func sameInvoice(a, b supplier.Invoice) bool {
	for _, i := range []*supplier.Invoice{&a, &b} {
		i.Document, i.At = "", time.Time{}
		i.Lines = slices.SortedFunc(slices.Values(i.Lines), func(x, y supplier.InvoiceLine) int {
			return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Quantity, y.Quantity), cmp.Compare(x.UnitCost, y.UnitCost))
		})
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func (p *Processor) applyCarrier(ctx context.Context, tx pgx.Tx, d received) (verdict, error) {
	push, err := easypost.ParsePush(d.body)
	if errors.Is(err, easypost.ErrOtherEvent) {
		return ignored(CodeOtherEvent, "", "The event is not about a parcel."), nil
	}
	if err != nil {
		return unreadable(err), nil
	}
	outcome, err := p.names.ApplyScans(ctx, tx, push.Scans, d.id)
	if err != nil {
		return verdict{}, err
	}
	v := verdict{status: statusApplied, urgent: outcome.News > 0}
	if len(outcome.Orders) == 0 {
		v.code, v.reason = CodeAwaitsParcel, "Nothing new, or no parcel has this number yet: the scans are kept for it."
		return v, nil
	}
	v.order = outcome.Orders[0]
	return v, nil
}
