package ledgerbook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/volume"
)

// ErrNoSupplier: there is no supplier of that id.
var ErrNoSupplier = errors.New("no such supplier")

// remittance is a payment to a supplier while it is booked.
type remittance struct {
	*supplier.Remittance

	supplier string
	found    []*remitted // of each line
}

// remitted is a line of a payment, with what it is about.
type remitted struct {
	supplier.RemittanceLine

	payment string   // what its postings are keyed by
	orders  []string // an invoice has one; a credit may be for the claims of several
	prefix  string   // of the keys of the claims that name the credit
	known   bool
	other   string // its currency, if it is not the payment's
	limit   *int64 // what is left of the credit memo; nil: its claims say so
	left    int64  // of the amount, without its sign
	due     int64  // what was found to be due or to set off
	judged  bool   // of an invoice: it was compared with what was shipped
}

// PaySupplier books a payment to a supplier: each of its lines in the book of its order, whole or not at all. The
// same reference with the same content changes nothing (repeat); ErrConflict with other content. Fails with
// *supplier.LineError when a line does not fit what is due, and with ErrNoSupplier. by is a role or a short name.
func PaySupplier(ctx context.Context, tx pgx.Tx, supplierID string, said *supplier.Remittance, by string) (repeat bool, err error) {
	if err = said.Check(); err == nil {
		repeat, err = keepRemittance(ctx, tx, supplierID, said, by)
	}
	if err == nil && !repeat {
		r := &remittance{Remittance: said, supplier: supplierID}
		err = r.book(ctx, tx)
	}
	if err != nil {
		return false, fmt.Errorf("book payment %s to supplier %s: %w", said.Reference, supplierID, err)
	}
	return repeat, nil
}

func keepRemittance(ctx context.Context, tx pgx.Tx, supplierID string, r *supplier.Remittance, by string) (repeat bool, err error) {
	tag, err := tx.Exec(ctx, `INSERT INTO remittances (supplier, reference, paid_on, currency, total, content, by)
		SELECT id, $2, ($3::timestamptz AT TIME ZONE 'UTC')::date, $4, $5, $6, $7 FROM suppliers WHERE id = $1
		ON CONFLICT (supplier, reference) DO NOTHING`, supplierID, r.Reference, r.At, r.Currency, r.Total, r.Content(), by)
	if err != nil || tag.RowsAffected() > 0 {
		return false, err
	}
	var before []byte
	err = tx.QueryRow(ctx, `SELECT content FROM remittances WHERE supplier = $1 AND reference = $2`, supplierID, r.Reference).Scan(&before)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, ErrNoSupplier
	case err == nil && !bytes.Equal(before, r.Content()):
		return false, ErrConflict
	}
	return err == nil, err
}

func (r *remittance) book(ctx context.Context, tx pgx.Tx) error {
	if err := r.find(ctx, tx); err != nil {
		return err
	}
	var orders []string
	for i, l := range r.found {
		if wrong := l.wrong(); wrong != "" {
			return &supplier.LineError{Line: i + 1, Text: l.Subject() + " " + wrong}
		}
		orders = append(orders, l.orders...)
	}
	if err := lockOrders(ctx, tx, orders); err != nil {
		return err
	}
	if err := r.limit(ctx, tx); err != nil {
		return err
	}
	if err := eachBook(ctx, tx, orders, r.enter); err != nil {
		return err
	}
	for i, l := range r.found {
		if l.left > 0 {
			return &supplier.LineError{Line: i + 1, Text: l.exceeds(r.Currency)}
		}
	}
	return r.keepLines(ctx, tx)
}

// find reads which orders each line is about.
func (r *remittance) find(ctx context.Context, tx pgx.Tx) error {
	numbers := make([]string, 0, len(r.Lines))
	for i, l := range r.Lines {
		f := &remitted{RemittanceLine: l, payment: fmt.Sprintf("%s:%d", invoiceToken(r.Reference), i+1), left: max(l.Minor, -l.Minor)}
		r.found, numbers = append(r.found, f), append(numbers, l.Invoice+l.Credit)
	}
	rows, err := tx.Query(ctx, `
		SELECT invoice, true, supplier, order_key, currency, '', standing <> 'received' FROM supplier_invoices WHERE invoice = ANY ($2)
		UNION ALL
		SELECT number, false, supplier, order_key, currency, 'return/' || rma || '/credit', true FROM credit_memos WHERE number = ANY ($2)
		UNION ALL
		SELECT c.number, false, c.supplier, o.key, c.currency, 'memo/', true FROM claim_credits c
			CROSS JOIN LATERAL (SELECT c.order_key AS key UNION SELECT order_key FROM claims WHERE pursuit = c.pursuit AND starts_with(pursuit, $3)) o
			WHERE c.number = ANY ($2)
		UNION ALL
		SELECT p.reference, false, p.supplier, o.key, p.currency, 'settle/' || p.reference || '/', true FROM pursuits p
			CROSS JOIN LATERAL (SELECT DISTINCT order_key AS key FROM claims WHERE pursuit = p.id) o
			WHERE p.reference = ANY ($2) AND p.supplier = $1
		ORDER BY 3, 4`, r.supplier, numbers, volume.Matter)
	if err != nil {
		return err
	}
	var number, owner, order, currency, kind string
	var invoice, judged bool
	_, err = pgx.ForEachRow(rows, []any{&number, &invoice, &owner, &order, &currency, &kind, &judged}, func() error {
		for _, l := range r.found {
			if invoice && l.Invoice != number || !invoice && l.Credit != number {
				continue
			}
			l.take(r, owner, order, currency, kind, judged)
		}
		return nil
	})
	return err
}

// take is what Postgres knows of a line. Another supplier may use the same number.
func (l *remitted) take(r *remittance, owner, order, currency, kind string, judged bool) {
	if owner != r.supplier {
		return
	}
	l.known, l.judged = true, judged
	l.orders = append(l.orders, order)
	if currency != r.Currency {
		l.other = currency
	}
	switch {
	case kind == "memo/":
		l.prefix = "credit/" + r.supplier + "/memo/" + invoiceToken(l.Credit) + ":"
	case strings.HasPrefix(kind, "settle/"):
		l.prefix = "credit/" + r.supplier + "/" + kind
	default:
		l.prefix = kind
	}
}

// wrong is why a line cannot be booked, whatever stands in the books; empty: it can.
func (l *remitted) wrong() string {
	switch {
	case !l.known:
		return "is not known of this supplier: has it come, and is it this supplier's?"
	case l.other != "":
		return "is in " + l.other
	case !l.judged:
		return "has not been compared with what was shipped yet: it is not due before its order is settled"
	}
	return ""
}

func (l *remitted) exceeds(currency string) string {
	due := money.Money{Minor: l.due, Currency: currency}
	switch {
	case l.Invoice != "" && l.due == 0:
		return l.Subject() + " is paid already"
	case l.Invoice != "":
		return fmt.Sprintf("%s: %s of it is due, and no more", l.Subject(), due)
	case l.due == 0:
		return l.Subject() + " was set off already, or no claim has taken it"
	}
	return fmt.Sprintf("%s: %s of it can be set off, and no more", l.Subject(), due)
}

// limit reads what is left of the credit memos of returns: several memos of one return are one claim.
func (r *remittance) limit(ctx context.Context, tx pgx.Tx) error {
	var numbers []string
	for _, l := range r.found {
		numbers = append(numbers, l.Credit)
	}
	rows, err := tx.Query(ctx, `SELECT m.number, (m.minor - coalesce(sum(-l.minor - l.reversed), 0))::bigint
		FROM credit_memos m LEFT JOIN remittance_lines l ON l.supplier = m.supplier AND l.credit = m.number
		WHERE m.supplier = $1 AND m.number = ANY ($2) GROUP BY m.number, m.minor`, r.supplier, numbers)
	if err != nil {
		return err
	}
	var number string
	var left int64
	_, err = pgx.ForEachRow(rows, []any{&number, &left}, func() error {
		for _, l := range r.found {
			if l.Credit == number {
				l.limit = new(left)
			}
		}
		return nil
	})
	return err
}

// enter books what is in one order's book.
func (r *remittance) enter(b *Book) error {
	for _, l := range r.found {
		if !slices.Contains(l.orders, b.order) {
			continue
		}
		var err error
		if l.Invoice != "" {
			err = b.payInvoice(r.supplier, l)
		} else {
			err = b.setOff(l)
		}
		if err != nil {
			return fmt.Errorf("order %s, %s: %w", b.order, l.Subject(), err)
		}
	}
	return nil
}

func (b *Book) payInvoice(supplierID string, l *remitted) error {
	row := b.openDue(Matter(supplierID, l.Invoice))
	if row == nil {
		return nil
	}
	l.due = -row.Minor
	if l.left > l.due {
		return nil // said for the whole payment
	}
	posting, left, err := ledger.SupplierPaid(l.payment, row.Claim, l.left)
	if err == nil {
		err = b.Post(posting)
	}
	if err != nil {
		return err
	}
	l.left = 0
	return b.rename(row, left, resolvedPaid)
}

func (b *Book) setOff(l *remitted) error {
	var open []*claimRow
	for i := range b.claims {
		row := &b.claims[i]
		if row.open && row.Kind == ledger.ClaimCreditMemo && ofCredit(row.Key, l.prefix) {
			open = append(open, row)
		}
	}
	slices.SortFunc(open, func(x, y *claimRow) int { return strings.Compare(x.Key, y.Key) })
	for _, row := range open {
		found := row.Minor
		if l.limit != nil {
			found = min(found, *l.limit)
		}
		l.due += found
		part := min(l.left, found)
		if part <= 0 {
			continue
		}
		claim := *row // the rows may move when the rest is named
		posting, left, err := ledger.SupplierSetOff(l.payment, claim.Claim, part)
		if err == nil {
			err = b.Post(posting)
		}
		if err != nil {
			return err
		}
		l.left -= part
		if err := b.rename(&claim, left, resolvedSetOff); err != nil {
			return err
		}
	}
	return nil
}

// ofCredit: a claim names a part of the credit whose claims' keys begin so.
func ofCredit(key, prefix string) bool {
	rest, of := strings.CutPrefix(numbered.ReplaceAllString(key, ""), prefix)
	if strings.HasSuffix(prefix, ":") { // the amount that was applied before
		return of && rest != "" && strings.Trim(rest, "0123456789") == ""
	}
	return of && (rest == "" || strings.HasSuffix(prefix, "/"))
}

func (r *remittance) keepLines(ctx context.Context, tx pgx.Tx) error {
	var payments, invoices, credits []string
	var minors []int64
	for _, l := range r.found {
		payments, minors = append(payments, l.payment), append(minors, l.Minor)
		invoices, credits = append(invoices, l.Invoice), append(credits, l.Credit)
	}
	_, err := tx.Exec(ctx, `INSERT INTO remittance_lines (supplier, reference, n, payment, invoice, credit, minor)
		SELECT $1, $2, l.n, payment, nullif(invoice, ''), nullif(credit, ''), minor
		FROM unnest($3::text[], $4::text[], $5::text[], $6::bigint[]) WITH ORDINALITY AS l (payment, invoice, credit, minor, n)`,
		r.supplier, r.Reference, payments, invoices, credits, minors)
	return err
}
