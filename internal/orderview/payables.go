package orderview

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
)

// PaidSupplier is the kind of the events that say what a supplier was paid. One storefront's key does not see them, as
// little as what the supplier is due.
const PaidSupplier = "supplier_payment"

// SupplierPayment is an invoice that a payment to a supplier paid, or a credit that it set off.
type SupplierPayment struct {
	Supplier   string    `json:"supplier" example:"acme"`
	Payment    string    `json:"payment" doc:"Its reference." example:"REM-2026-04"`
	PaidOn     string    `json:"paid_on" doc:"The day of the payment." example:"2026-04-30"`
	Invoice    string    `json:"invoice,omitempty" doc:"The invoice that is paid, or a part of it." example:"INV-2041"`
	CreditMemo string    `json:"credit_memo,omitempty" doc:"In place of an invoice: the credit that is set off." example:"CM-7"`
	Currency   string    `json:"currency" example:"USD"`
	Amount     string    `json:"amount" doc:"Below nothing for what was set off." example:"100.00"`
	BookedAt   time.Time `json:"booked_at"`
	By         string    `json:"by" example:"operator key 4f1c"`
	// Reversed is why it does not count any more.
	Reversed *Reversal `json:"reversed,omitempty"`
}

// Reversal is the end of what was booked in error.
type Reversal struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason" example:"typed_wrong"`
	By     string    `json:"by" example:"bookkeeping"`
}

const supplierPaymentsSQL = `
	SELECT l.supplier, l.reference, to_char(r.paid_on, 'YYYY-MM-DD'), coalesce(l.invoice, ''), coalesce(l.credit, ''), e.currency, -e.minor, t.posted_at, r.by,
		x.reversed_at, coalesce(x.reason, ''), coalesce(x.by, '')
	FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'bank'
	JOIN remittance_lines l ON l.supplier = split_part(t.key, '|', 2) AND l.payment = split_part(t.key, '|', 3)
	JOIN remittances r ON r.supplier = l.supplier AND r.reference = l.reference
	LEFT JOIN ledger_reversals x ON x.order_key = t.order_key AND x.key = t.key
	WHERE t.order_key = $1 AND t.kind IN ('supplier_paid', 'supplier_set_off') ORDER BY t.id`

// queueSupplierPayments queues the reading of what suppliers were paid for an order, in the order in which it was booked.
func queueSupplierPayments(b *pgx.Batch, key order.Key, take func(*SupplierPayment)) {
	queueEach(b, supplierPaymentsSQL, key, func(row pgx.CollectableRow) error {
		var p SupplierPayment
		var x Reversal
		var minor int64
		var reversed *time.Time
		err := row.Scan(&p.Supplier, &p.Payment, &p.PaidOn, &p.Invoice, &p.CreditMemo, &p.Currency, &minor, &p.BookedAt, &p.By, &reversed, &x.Reason, &x.By)
		p.Amount, p.BookedAt = amount(minor, p.Currency), p.BookedAt.UTC()
		if reversed != nil {
			x.At = reversed.UTC()
			p.Reversed = &x
		}
		take(&p)
		return err
	})
}

// about says what a line of a payment did.
func (p *SupplierPayment) about() string {
	if p.Invoice != "" {
		return fmt.Sprintf("%s was paid %s %s of invoice %s by %s of %s", p.Supplier, p.Amount, p.Currency, p.Invoice, p.Payment, p.PaidOn)
	}
	return fmt.Sprintf("%s %s of %s's credit %s was set off in %s of %s", p.Amount, p.Currency, p.Supplier, p.CreditMemo, p.Payment, p.PaidOn)
}

func (t *timeline) supplierPayment(p *SupplierPayment) {
	t.tell(p.BookedAt, PaidSupplier, "%s; noted by %s", p.about(), p.By)
	if x := p.Reversed; x != nil {
		t.tell(x.At, PaidSupplier, "%s reversed it, %s: %s", x.By, words(x.Reason), p.about())
	}
}
