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
	"github.com/dropline/dropline/internal/threeway"
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

// MatchInvoices compares each invoice that was not judged yet, line by line, with its purchase order and
// with what was accrued for its shipments (internal/threeway says how), posts the difference or disputes
// it, and names what is owed: an invoice_due claim per invoice and one invoice_missing claim per purchase
// order for what nobody has invoiced. What suppliers gave for disputes is set off against them. Running it
// again changes nothing.
func (b *Book) MatchInvoices() error {
	for _, po := range b.pos {
		po.weigh(b.transactions)
		if err := b.matchPO(po); err != nil {
			return fmt.Errorf("match the invoices of purchase order %s: %w", po.number, err)
		}
	}
	return b.ApplyCredits()
}

// billedPO is one purchase order with what was accrued and invoiced for it. Amounts are minor units.
type billedPO struct {
	number, supplier, currency string
	rate                       *money.Rate // nil: it is in the order's currency
	terms                      threeway.Terms
	lines                      map[int]threeway.Line
	volume                     volumeTerms
	owed                       int64           // the payable that its accruals and judged invoices made
	invoices                   []billedInvoice // oldest first
}

// contract is the part of a supplier's contract that invoices are judged by.
type contract struct {
	Tolerances catalog.Tolerances     `json:"tolerances"`
	Handling   money.Money            `json:"handling"`
	Invoices   catalog.InvoiceCharges `json:"invoices"`
	Volume     catalog.Volume         `json:"volume_discounts"`
	Calendar   struct {
		Zone string `json:"zone"`
	} `json:"calendar"`
}

// billedLine is a line of a purchase order, as Postgres tells it.
type billedLine struct {
	Line int   `json:"line"`
	Cost int64 `json:"cost"`
}

type billedInvoice struct {
	supplier.Invoice
	judged bool
	// bought is what it counts for volume discounts; nil: nothing.
	bought *purchase
}

func (b *Book) queuePOs(q Queue) {
	q.Queue(`
		SELECT p.number, p.supplier, p.currency, p.terms -> 'rate', s.document -> 'contract',
			(SELECT jsonb_agg(jsonb_build_object('line', l.line, 'cost', l.unit_cost)) FROM purchase_order_lines l WHERE l.number = p.number),
			(SELECT jsonb_agg(e) FROM parcels b, jsonb_array_elements(b.lines) e WHERE b.po_number = p.number),
			(SELECT jsonb_object_agg(v.period, v.reached_bp) FROM volume_periods v WHERE v.supplier = p.supplier AND v.currency = p.currency)
		FROM purchase_orders p JOIN suppliers s ON s.id = p.supplier
		WHERE p.order_key = $1 ORDER BY p.number`, b.order).Query(func(rows pgx.Rows) (err error) {
		if b.pos, err = pgx.CollectRows(rows, collectPO); err != nil {
			return err
		}
		for _, po := range b.pos {
			if po.rate == nil || slices.ContainsFunc(b.rates, func(r money.Rate) bool { return r.From == po.rate.From }) {
				continue // an order has one rate for a currency
			}
			b.rates = append(b.rates, *po.rate)
		}
		return nil
	})
}

func collectPO(row pgx.CollectableRow) (*billedPO, error) {
	po := &billedPO{lines: map[int]threeway.Line{}}
	var terms *contract
	var ordered []billedLine
	var shipped []order.ShippedLine
	err := row.Scan(&po.number, &po.supplier, &po.currency, &po.rate, &terms, &ordered, &shipped, &po.volume.reached)
	if terms != nil {
		po.terms = threeway.Terms{
			PriceBP: terms.Tolerances.PriceBP, Quantity: int64(terms.Tolerances.Quantity),
			Freight: terms.Invoices.FreightUpTo.Minor, FreightBP: terms.Invoices.FreightBP, Fee: terms.Handling.Minor,
		}
		po.volume.Volume, po.volume.zone = terms.Volume, terms.Calendar.Zone
	}
	for _, l := range ordered {
		po.lines[l.Line] = threeway.Line{UnitCost: l.Cost}
	}
	for _, l := range shipped {
		if line, ordered := po.lines[l.Line]; ordered {
			line.Shipped += l.Quantity
			po.lines[l.Line] = line
		}
	}
	return po, err
}

func (b *Book) queueInvoices(q Queue) {
	q.Queue(`
		SELECT i.po_number, i.standing <> 'received', i.document, v.goods, v.credited
		FROM supplier_invoices i JOIN purchase_orders p ON p.number = i.po_number
		LEFT JOIN volume_purchases v ON v.supplier = i.supplier AND v.invoice = i.invoice
		WHERE p.order_key = $1 ORDER BY i.invoiced_at, i.invoice`, b.order).Query(func(rows pgx.Rows) error {
		var number string
		var judged bool
		var document []byte
		var goods, credited *int64
		_, err := pgx.ForEachRow(rows, []any{&number, &judged, &document, &goods, &credited}, func() error {
			invoice := billedInvoice{judged: judged}
			if goods != nil {
				invoice.bought = &purchase{goods: *goods, credited: *credited}
			}
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
		mine["invoice_adjusted|"+po.supplier+"|"+invoiceToken(invoice.Number)] = true
		for _, key := range po.disputeKeys(invoice.Number, threeway.Reasons) {
			mine["claim_opened|"+key] = true
			withdrawn = append(withdrawn, "claim_closed|"+key)
		}
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

// matter is what pursues the disputes of an invoice.
func (po *billedPO) matter(invoice string) string { return Matter(po.supplier, invoice) }

// disputeKeys are the claims that dispute an invoice for reasons. The last key is that of the time before
// disputes had reasons.
func (po *billedPO) disputeKeys(invoice string, reasons []threeway.Reason) []string {
	matter := po.matter(invoice)
	keys := make([]string, 0, len(reasons)+1)
	for _, reason := range reasons {
		keys = append(keys, disputeKey(reason, matter))
	}
	return append(keys, matter)
}

func disputeKey(reason threeway.Reason, matter string) string {
	return "dispute/" + string(reason) + "/" + matter
}

// isWithdrawal: the posting ends a dispute of one of the invoices, because more was accrued since.
func isWithdrawal(key string, disputes []string) bool {
	before, of := strings.CutSuffix(key, "|"+accruedLater)
	return of && slices.ContainsFunc(disputes, func(d string) bool { return before == d || strings.HasPrefix(before, d+"#") })
}

func (b *Book) matchPO(po *billedPO) error {
	rest := po.owed
	var freight, fee int64
	charge := func(i *billedInvoice) {
		freight, fee = freight+i.Freight, fee+i.Fee
		for _, l := range i.Lines {
			if line, ordered := po.lines[l.Line]; ordered {
				line.Charged += l.Quantity
				po.lines[l.Line] = line
			}
		}
	}
	for i := range po.invoices {
		if invoice := &po.invoices[i]; invoice.judged {
			rest -= invoice.Total
			charge(invoice)
		}
	}
	for i := range po.invoices {
		invoice := &po.invoices[i]
		if invoice.judged {
			continue
		}
		covered, err := b.judge(po, invoice, threeway.PurchaseOrder{
			Lines: po.lines, Terms: po.terms, Owed: max(rest, 0), Freight: freight, Fee: fee,
		})
		if err != nil {
			return fmt.Errorf("invoice %s: %w", invoice.Number, err)
		}
		rest -= covered
		charge(invoice)
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
		for _, key := range po.disputeKeys(invoice.Number, threeway.Early) {
			row, _ := b.openRow(key)
			if rest == 0 || row == nil || row.Kind != ledger.ClaimInvoiceDispute {
				continue
			}
			agreed := min(rest, row.Minor)
			if err := b.closePart(*row, accruedLater, ledger.ClaimCredited, agreed, accruedLater); err != nil {
				return 0, fmt.Errorf("withdraw the dispute of invoice %s: %w", invoice.Number, err)
			}
			rest -= agreed
			if bought := invoice.bought; bought != nil {
				bought.goods, bought.changed = bought.goods+agreed, true
			}
			if b.openOf(po.matter(invoice.Number)) == 0 {
				b.judged = append(b.judged, judgement{po.supplier, invoice.Number, "matched"})
			}
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

// judge matches one invoice against what is accrued and not invoiced yet, and returns how much of that it
// covers. Each difference above the tolerances is a claim of its own.
func (b *Book) judge(po *billedPO, invoice *billedInvoice, against threeway.PurchaseOrder) (covered int64, err error) {
	period, err := po.period(&invoice.Invoice)
	if err != nil {
		return 0, err
	}
	against.Terms.DiscountBP = po.volume.reached[period.name]
	result, err := threeway.Match(against, &invoice.Invoice)
	if err != nil {
		return 0, err
	}
	if period.name != "" {
		invoice.bought = &purchase{period: period, goods: result.Covers, granted: result.Discount, changed: true}
	}
	match, err := ledger.SupplierInvoiced(ledger.Invoice{
		Key: invoiceToken(invoice.Number), SupplierID: po.supplier,
		Accrued:   money.Money{Minor: result.Covers, Currency: po.currency},
		Invoiced:  money.Money{Minor: result.Covers + result.Adjust, Currency: invoice.Currency},
		Tolerance: max(result.Adjust, -result.Adjust), Owner: purchasing, Due: b.now.Add(paymentTerm),
	})
	if err == nil && match.Posting != nil {
		err = b.Post(*match.Posting)
	}
	if err != nil {
		return 0, err
	}
	standing := "matched"
	for _, difference := range result.Disputes {
		standing = "disputed"
		if err := b.dispute(po, invoice.Number, difference); err != nil {
			return 0, err
		}
	}
	if invoice.Total > 0 {
		due := po.claim("due/"+po.matter(invoice.Number), ledger.ClaimInvoiceDue, invoice.Total, invoice.At.Add(paymentTerm))
		if err := b.OpenClaim(due); err != nil {
			return 0, err
		}
	}
	invoice.judged = true
	b.judged = append(b.judged, judgement{po.supplier, invoice.Number, standing})
	return result.Covers, nil
}

// dispute claims a part of an invoice back: it is owed on paper and neither paid silently nor lost. The
// disputes of one invoice are pursued together.
func (b *Book) dispute(po *billedPO, invoice string, d threeway.Difference) error {
	matter := po.matter(invoice)
	claim := ledger.Claim{
		Key: disputeKey(d.Reason, matter), Kind: ledger.ClaimInvoiceDispute, Account: ledger.SupplierClaims(po.supplier),
		Currency: po.currency, Minor: d.Minor, Owner: purchasing, Due: b.now.Add(paymentTerm).UTC(),
	}
	posting, err := ledger.ClaimOpened(claim)
	if err == nil {
		err = b.Post(posting)
	}
	if err != nil {
		return err
	}
	return b.openAs(claimRow{Claim: claim, matter: matter, reason: string(d.Reason)})
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
