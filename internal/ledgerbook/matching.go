package ledgerbook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/supplier"
)

const (
	purchasing = "purchasing" // the role that settles with suppliers
	// paymentTerm is how long an invoice, a missing invoice or a dispute may stay open before it is
	// overdue.
	paymentTerm = 30 * 24 * time.Hour

	resolvedInvoiced   = "invoiced"
	resolvedSuperseded = "superseded"
	accruedLater       = "accrued_later" // an invoice came before we knew that we owe it
)

// MatchInvoices is Book.MatchInvoices as a step of its own, for an invoice that comes after its order
// was settled.
func MatchInvoices(ctx context.Context, tx pgx.Tx, orderKey string) error {
	return Change(ctx, tx, orderKey, (*Book).MatchInvoices)
}

// MatchInvoices compares each invoice that was not judged yet with what was accrued for the shipments
// of its purchase order, posts the difference or disputes it, and names what is owed: an invoice_due
// claim per invoice and one invoice_missing claim per purchase order for what nobody has invoiced.
// Running it again changes nothing.
//
// An excess over the accrual within the contract's tolerances adjusts the cost, above it becomes a
// dispute. A shortfall adjusts the cost when the invoices cover every accrued unit and it is within
// the tolerances; otherwise it stays accrued, as missing.
func (b *Book) MatchInvoices() error {
	for _, po := range b.pos {
		po.weigh(b.transactions)
		if err := b.matchPO(po); err != nil {
			return fmt.Errorf("match the invoices of purchase order %s: %w", po.number, err)
		}
	}
	return nil
}

// billedPO is one purchase order with what was accrued and invoiced for it. Amounts are minor units.
type billedPO struct {
	number, supplier, currency string
	tolerances                 catalog.Tolerances
	unitCost                   int64           // the dearest line's
	shipped                    map[int]int64   // units by line, by the ship notices
	owed                       int64           // the payable that its accruals and judged invoices made
	invoices                   []billedInvoice // oldest first
}

type billedInvoice struct {
	supplier.Invoice
	judged bool
}

func (b *Book) queuePOs(q Queue) {
	q.Queue(`
		SELECT p.number, p.supplier, p.currency, s.document -> 'contract' -> 'tolerances',
			coalesce((SELECT max(l.unit_cost) FROM purchase_order_lines l WHERE l.number = p.number), 0),
			(SELECT jsonb_agg(e) FROM parcels b, jsonb_array_elements(b.lines) e WHERE b.po_number = p.number)
		FROM purchase_orders p JOIN suppliers s ON s.id = p.supplier
		WHERE p.order_key = $1 ORDER BY p.number`, b.order).Query(func(rows pgx.Rows) (err error) {
		b.pos, err = pgx.CollectRows(rows, collectPO)
		return err
	})
}

func collectPO(row pgx.CollectableRow) (*billedPO, error) {
	po := &billedPO{shipped: map[int]int64{}}
	var tolerances *catalog.Tolerances
	var lines []order.ShippedLine
	err := row.Scan(&po.number, &po.supplier, &po.currency, &tolerances, &po.unitCost, &lines)
	if tolerances != nil {
		po.tolerances = *tolerances
	}
	for _, l := range lines {
		po.shipped[l.Line] += l.Quantity
	}
	return po, err
}

func (b *Book) queueInvoices(q Queue) {
	q.Queue(`
		SELECT i.po_number, i.standing <> 'received', i.document
		FROM supplier_invoices i JOIN purchase_orders p ON p.number = i.po_number
		WHERE p.order_key = $1 ORDER BY i.invoiced_at, i.invoice`, b.order).Query(func(rows pgx.Rows) error {
		var number string
		var judged bool
		var document []byte
		_, err := pgx.ForEachRow(rows, []any{&number, &judged, &document}, func() error {
			invoice := billedInvoice{judged: judged}
			if err := json.Unmarshal(document, &invoice.Invoice); err != nil {
				return fmt.Errorf("read an invoice of %s: %w", number, err)
			}
			i := slices.IndexFunc(b.pos, func(po *billedPO) bool { return po.number == number })
			b.pos[i].invoices = append(b.pos[i].invoices, invoice)
			return nil
		})
		return err
	})
}

// weigh adds up what the ledger says we owe for this purchase order: its accruals, and what its
// judged invoices changed. The keys are those that internal/ledger derives.
func (po *billedPO) weigh(transactions []ledger.Transaction) {
	po.owed = 0
	mine, withdrawn := map[string]bool{}, []string{}
	for _, invoice := range po.invoices {
		token := invoiceToken(invoice.Number)
		mine["invoice_adjusted|"+po.supplier+"|"+token] = true
		mine["claim_opened|"+po.supplier+"/"+token] = true
		withdrawn = append(withdrawn, "claim_closed|"+po.supplier+"/"+token)
	}
	payable := ledger.SupplierPayable(po.supplier)
	for _, t := range transactions {
		key := strings.TrimPrefix(t.Key, "reversal|")
		accrual := strings.HasPrefix(key, "supplier_accrued|"+po.number+"|") || strings.HasPrefix(key, "duplicate_absorbed|"+po.number+"|")
		if !accrual && !mine[key] && !isWithdrawal(key, withdrawn) {
			continue
		}
		for _, e := range t.Entries {
			if e.Account == payable && e.Currency == po.currency {
				po.owed -= e.Minor
			}
		}
	}
}

// isWithdrawal: the posting ends a dispute of one of the invoices, because more was accrued since.
func isWithdrawal(key string, disputes []string) bool {
	before, of := strings.CutSuffix(key, "|"+accruedLater)
	return of && slices.ContainsFunc(disputes, func(d string) bool { return before == d || strings.HasPrefix(before, d+"#") })
}

func (b *Book) matchPO(po *billedPO) error {
	rest := po.owed
	for _, invoice := range po.invoices {
		if invoice.judged {
			rest -= invoice.Total
		}
	}
	for i := range po.invoices {
		invoice := &po.invoices[i]
		if invoice.judged {
			continue
		}
		left, err := b.judge(po, invoice, max(rest, 0))
		if err != nil {
			return fmt.Errorf("invoice %s: %w", invoice.Number, err)
		}
		rest = left
	}
	rest, err := b.withdrawDisputes(po, max(rest, 0))
	if err != nil {
		return err
	}
	return b.reconcileMissing(po, rest)
}

// withdrawDisputes sets what was accrued after an invoice had been disputed off against the dispute: the
// supplier asked early for what we know now that we owe. It returns what is left without an invoice.
func (b *Book) withdrawDisputes(po *billedPO, rest int64) (left int64, err error) {
	for _, invoice := range po.invoices {
		base := po.supplier + "/" + invoiceToken(invoice.Number)
		row, next := b.openRow(base)
		if rest == 0 || row == nil || row.Kind != ledger.ClaimInvoiceDispute {
			continue
		}
		claim := row.Claim
		agreed := min(rest, claim.Minor)
		posting, disputed, err := ledger.ClaimClosed(accruedLater, claim, ledger.ClaimCredited, agreed)
		if err == nil {
			err = b.Post(posting)
		}
		if err != nil {
			return 0, fmt.Errorf("withdraw the dispute of invoice %s: %w", invoice.Number, err)
		}
		rest -= agreed
		if disputed == 0 {
			b.judged = append(b.judged, judgement{po.supplier, invoice.Number, "matched"})
			err = b.CloseClaim(claim.Key, accruedLater)
		} else if err = b.CloseClaim(claim.Key, resolvedSuperseded); err == nil {
			claim.Key, claim.Minor = next, disputed
			err = b.OpenClaim(claim)
		}
		if err != nil {
			return 0, fmt.Errorf("withdraw the dispute of invoice %s: %w", invoice.Number, err)
		}
	}
	return rest, nil
}

// openRow finds the open claim among those of one matter: base, base#2 and so on; next is the first key
// that is free. nil when none is open.
func (b *Book) openRow(base string) (open *claimRow, next string) {
	next = base
	for n := 2; ; n++ {
		row := b.claim(next)
		if row == nil {
			return open, next
		}
		if row.open {
			open = row
		}
		next = fmt.Sprintf("%s#%d", base, n)
	}
}

// judge matches one invoice against what is accrued and not invoiced yet, and returns what is left
// of that.
func (b *Book) judge(po *billedPO, invoice *billedInvoice, rest int64) (left int64, err error) {
	tolerance, err := po.tolerance(rest)
	if err != nil {
		return 0, err
	}
	short := rest - invoice.Total
	expected := rest
	if short > 0 && (short > tolerance || !po.covered()) {
		expected = invoice.Total // the rest stays accrued, as missing
	}
	match, err := ledger.SupplierInvoiced(ledger.Invoice{
		Key: invoiceToken(invoice.Number), SupplierID: po.supplier,
		Accrued:   money.Money{Minor: expected, Currency: po.currency},
		Invoiced:  money.Money{Minor: invoice.Total, Currency: invoice.Currency},
		Tolerance: tolerance, Owner: purchasing, Due: b.now.Add(paymentTerm),
	})
	if err != nil {
		return 0, err
	}
	standing := "matched"
	if match.Posting != nil {
		if err := b.Post(*match.Posting); err != nil {
			return 0, err
		}
	}
	if match.Dispute != nil {
		standing = "disputed"
		if err := b.OpenClaim(*match.Dispute); err != nil {
			return 0, err
		}
	}
	if invoice.Total > 0 {
		due := po.claim("due/"+po.supplier+"/"+invoiceToken(invoice.Number), ledger.ClaimInvoiceDue, invoice.Total, invoice.At.Add(paymentTerm))
		if err := b.OpenClaim(due); err != nil {
			return 0, err
		}
	}
	invoice.judged = true
	b.judged = append(b.judged, judgement{po.supplier, invoice.Number, standing})
	return rest - expected, nil
}

// tolerance is the largest difference let pass: a part of the amount, and the price of the units
// that the contract lets differ.
func (po *billedPO) tolerance(amount int64) (int64, error) {
	byPrice, err := money.BasisPoints(amount, po.tolerances.PriceBP)
	if err != nil {
		return 0, err
	}
	byQuantity, err := money.MulMinor(po.unitCost, int64(po.tolerances.Quantity))
	if err != nil {
		return 0, err
	}
	return money.AddMinor(byPrice, byQuantity)
}

// covered: the invoices charge for every unit that the supplier says it shipped.
func (po *billedPO) covered() bool {
	charged := map[int]int64{}
	for _, invoice := range po.invoices {
		for _, l := range invoice.Lines {
			charged[l.Line] += l.Quantity
		}
	}
	for line, quantity := range po.shipped {
		if charged[line] < quantity {
			return false
		}
	}
	return true
}

// claim names a part of what we owe the supplier.
func (po *billedPO) claim(key string, kind ledger.ClaimKind, amount int64, due time.Time) ledger.Claim {
	return ledger.Claim{
		Key: key, Kind: kind, Account: ledger.SupplierPayable(po.supplier),
		Currency: po.currency, Minor: -amount, Owner: purchasing, Due: due.UTC(),
	}
}

// reconcileMissing keeps one open claim for what is accrued and not invoiced. An amount that changes
// ends the claim and opens the next, so that each can be read for what it was. One that a person
// closed stays closed until the amount changes.
func (b *Book) reconcileMissing(po *billedPO, amount int64) error {
	base := "missing/" + po.number
	key, last := base, claimRow{}
	next := base
	for n := 2; ; n++ {
		row := b.claim(next)
		if row == nil {
			break
		}
		key, last = next, *row
		next = fmt.Sprintf("%s#%d", base, n)
	}
	byPerson := !last.open && last.resolution != resolvedInvoiced && last.resolution != resolvedSuperseded
	switch {
	case last.Minor == -amount && (last.open || byPerson):
		return nil
	case last.open && amount == 0:
		return b.CloseClaim(key, resolvedInvoiced)
	case last.open:
		if err := b.CloseClaim(key, resolvedSuperseded); err != nil {
			return err
		}
	}
	if amount == 0 {
		return nil
	}
	return b.OpenClaim(po.claim(next, ledger.ClaimInvoiceMissing, amount, b.now.Add(paymentTerm)))
}

// invoiceToken makes a ledger token of an invoice number, which may hold spaces. A hash keeps
// numbers apart that would look alike.
func invoiceToken(number string) string {
	if !strings.Contains(number, " ") {
		return number
	}
	sum := sha256.Sum256([]byte(number))
	return strings.ReplaceAll(number, " ", "_") + "#" + hex.EncodeToString(sum[:4])
}
