package ledgerbook

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/volume"
)

// ErrOverSettled: more would be settled than is open.
var ErrOverSettled = errors.New("more than is open of the claim")

// credit is what a supplier gave for a matter, amounts in minor units. A credit that comes before its
// claim waits for it; what exceeds the claim stays unapplied, where the audit and the claim show it. But what a
// corrected invoice asks for less than was ever disputed is not owed: beyond is what was taken so.
type credit struct {
	supplier, number, matter string
	minor, applied, beyond   int64
	corrects                 bool
	changed                  bool
}

// left is what nothing took yet.
func (c *credit) left() int64 { return c.minor - c.applied - c.beyond }

// part names the next part that is taken of a credit: by what was taken before, for each part is posted once.
func (c *credit) part() string {
	return fmt.Sprintf("%s:%d", invoiceToken(c.number), c.applied+c.beyond)
}

func (b *Book) queueCredits(q Queue) {
	q.Queue(`SELECT supplier, number, substr(pursuit, length(order_key) + 2), minor, applied, beyond, corrects <> '' FROM claim_credits
		WHERE order_key = $1 AND starts_with(pursuit, order_key || '/') ORDER BY given_at, supplier, number`, b.order).Query(func(rows pgx.Rows) (err error) {
		b.credits, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c credit, err error) {
			return c, row.Scan(&c.supplier, &c.number, &c.matter, &c.minor, &c.applied, &c.beyond, &c.corrects)
		})
		return err
	})
}

// ApplyCredits sets what suppliers gave off against the claims it was given for, as far as they are open.
// Running it again changes nothing.
func (b *Book) ApplyCredits() error {
	for i := range b.credits {
		c := &b.credits[i]
		minor := min(c.left(), b.openOf(c.matter))
		if minor == 0 {
			continue
		}
		if err := b.Settle(c.matter, "memo/"+c.part(), ledger.ClaimCredited, minor); err != nil {
			return fmt.Errorf("apply credit %s: %w", c.number, err)
		}
		c.applied, c.changed = c.applied+minor, true
	}
	for _, po := range b.pos {
		for i := range po.invoices {
			if err := b.correct(po, &po.invoices[i]); err != nil {
				return fmt.Errorf("correct invoice %s: %w", po.invoices[i].Number, err)
			}
		}
	}
	b.followPurchases()
	return nil
}

// correct takes off the cost what corrections of an invoice ask for less than was disputed of it, paid or not: it is a
// credit that waits for the next payment. A decision that took it otherwise, as money or as a credit, leaves it to
// a person.
func (b *Book) correct(po *billedPO, invoice *billedInvoice) error {
	matter := po.matter(invoice.Number)
	if !invoice.judged || b.openOf(matter) > 0 || b.decidedFor(matter) {
		return nil
	}
	most := b.correctable(matter, invoice.Total)
	for i := range b.credits {
		c := &b.credits[i]
		minor := min(c.left(), most)
		if c.matter != matter || !c.corrects || minor <= 0 {
			continue
		}
		by := c.part()
		posting, err := ledger.InvoiceCorrected(po.supplier, invoiceToken(invoice.Number), by, money.Money{Minor: minor, Currency: po.currency})
		if err == nil {
			err = b.Post(posting)
		}
		if err != nil {
			return err
		}
		c.beyond, c.changed, most = c.beyond+minor, true, most-minor
		// Below nothing is owed: what a payment can be less by.
		memo := po.claim("credit/"+po.supplier+"/memo/"+by, ledger.ClaimCreditMemo, -minor, b.now.Add(paymentTerm))
		if err := b.OpenClaim(memo); err != nil {
			return err
		}
	}
	return nil
}

// correctable is what corrections of an invoice give that was not taken of it yet, minor units. What credit memos gave for
// its dispute is a part of it: a corrected invoice asks for what is left of all that the supplier has given.
func (b *Book) correctable(matter string, total int64) int64 {
	var given, taken int64
	for i := range b.credits {
		c := &b.credits[i]
		if c.matter != matter {
			continue
		}
		taken += c.applied + c.beyond
		if c.corrects {
			given += c.minor
		}
	}
	return min(given, total) - taken
}

// decidedFor: a person has taken what was disputed of an invoice as given otherwise than by a document of the supplier.
func (b *Book) decidedFor(matter string) bool {
	for i := range b.claims {
		row := &b.claims[i]
		if row.matter != matter {
			continue
		}
		for _, t := range b.transactions {
			given := func(e ledger.Entry) bool { return e.Account != row.Account && e.Account != ledger.CostOfGoods }
			if strings.HasPrefix(t.Key, "claim_closed|"+row.Key+"|settle/") && slices.ContainsFunc(t.Entries, given) {
				return true
			}
		}
	}
	return false
}

// openOf is what is open of a matter, minor units.
func (b *Book) openOf(matter string) (sum int64) {
	for i := range b.claims {
		if row := &b.claims[i]; row.open && row.matter == matter {
			sum += row.Minor
		}
	}
	return sum
}

// Settle ends minor units of the claims of a matter, in the order of their keys, and posts it; closure
// names the credit or the decision. ErrOverSettled when so much is not open.
func (b *Book) Settle(matter, closure string, outcome ledger.ClaimOutcome, minor int64) error {
	if minor <= 0 || minor > b.openOf(matter) {
		return fmt.Errorf("settle %d of claim %s of order %s: %w", minor, matter, b.order, ErrOverSettled)
	}
	var open []string
	for i := range b.claims {
		if row := &b.claims[i]; row.open && row.matter == matter {
			open = append(open, row.Key)
		}
	}
	slices.Sort(open)
	account := ledger.Account("")
	rest, currency := minor, ""
	for _, key := range open {
		row := *b.claim(key)
		part := min(rest, row.Minor)
		if part == 0 {
			break
		}
		account, currency = row.Account, row.Currency
		if err := b.closePart(row, closure, outcome, part, string(outcome)); err != nil {
			return fmt.Errorf("settle claim %s of order %s: %w", key, b.order, err)
		}
		rest -= part
	}
	if outcome != ledger.ClaimCredited {
		return nil
	}
	// So much less is owed to the supplier than its invoices say, until a payment takes it into account.
	return b.OpenClaim(ledger.Claim{
		Key: "credit/" + account.Partner() + "/" + closure, Kind: ledger.ClaimCreditMemo, Account: ledger.SupplierPayable(account.Partner()),
		Currency: currency, Minor: minor, Owner: purchasing, Due: b.now.Add(paymentTerm).UTC(),
	})
}

// closePart ends a part of a claim or all of it. What is left goes on under a key of its own, so that
// each can be read for what it was.
func (b *Book) closePart(row claimRow, closure string, outcome ledger.ClaimOutcome, minor int64, resolution string) error {
	posting, left, err := ledger.ClaimClosed(closure, row.Claim, outcome, minor)
	if err == nil {
		err = b.Post(posting)
	}
	switch {
	case err != nil:
		return err
	case left == 0:
		return b.CloseClaim(row.Key, resolution)
	}
	if err := b.CloseClaim(row.Key, resolvedSuperseded); err != nil {
		return err
	}
	_, row.Key = b.openRow(numbered.ReplaceAllString(row.Key, ""))
	row.Minor = left
	return b.openAs(claimRow{Claim: row.Claim, matter: row.matter, reason: row.reason})
}

// numbered ends the keys that openRow gives out. The hash of an invoice's number is longer.
var numbered = regexp.MustCompile(`#[0-9]{1,4}$`)

// pursuit is the id of what pursues a claim.
func (b *Book) pursuit(c *claimRow) string {
	if c.matter == "" {
		return ""
	}
	if volume.Joint(c.matter) {
		return c.matter
	}
	return claims.ID(b.order, c.matter)
}

// writePursuits begins a pursuit for each matter that has none, and tells the others that something
// changed. Their workflows are started and told by the deliverer.
func (b *Book) writePursuits(q Queue) {
	var ids, references, kinds, numbers, suppliers, carriers, currencies, open []string
	for i := range b.claims {
		c := &b.claims[i]
		id := b.pursuit(c)
		if id == "" || !c.changed || slices.Contains(ids, id) {
			continue
		}
		ids, references = append(ids, id), append(references, claims.Reference(id))
		kinds, numbers = append(kinds, string(c.Kind)), append(numbers, b.purchaseOrderOf(c))
		supplier, carrier := c.Account.Partner(), ""
		if c.onCarrier() {
			supplier, carrier = "", supplier
		}
		suppliers, carriers, currencies = append(suppliers, supplier), append(carriers, carrier), append(currencies, c.Currency)
		if b.openOf(c.matter) > 0 {
			open = append(open, id)
		}
	}
	if len(ids) == 0 {
		return
	}
	q.Queue(`
		INSERT INTO pursuits AS p (id, reference, order_key, kind, po_number, supplier, carrier, currency)
		SELECT id, reference, $1, kind, po, nullif(supplier, ''), nullif(carrier, ''), currency
		FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
			AS n (id, reference, kind, po, supplier, carrier, currency)
		ON CONFLICT (id) DO UPDATE SET fact_seq = p.fact_seq + 1, deliver_at = least(p.deliver_at, now())`,
		b.order, ids, references, kinds, numbers, suppliers, carriers, currencies)
	if len(open) > 0 {
		// One that was settled begins anew, and can be settled again before its workflow has written anything.
		q.Queue(`UPDATE pursuits SET closed_at = NULL, needs_attention = false, stage = 'open' WHERE id = ANY ($1) AND closed_at IS NOT NULL`, open)
	}
}

// purchaseOrderOf is the purchase order that a claim is about, for the letters.
func (b *Book) purchaseOrderOf(c *claimRow) string {
	number := ""
	if volume.Joint(c.matter) {
		return number // it is about many
	}
	if c.onCarrier() {
		return purchaseOrderIn(c.matter)
	}
	for _, po := range b.pos {
		if po.supplier != c.Account.Partner() {
			continue
		}
		about := strings.HasPrefix(c.matter, po.number+"/") || slices.ContainsFunc(po.invoices, func(i billedInvoice) bool {
			return c.matter == po.matter(i.Number)
		})
		if about {
			return po.number
		}
		if number == "" {
			number = po.number
		}
	}
	return number
}

func (b *Book) writeCredits(q Queue) {
	var suppliers, numbers []string
	var applied, beyond []int64
	for i := range b.credits {
		if c := &b.credits[i]; c.changed {
			suppliers, numbers, applied = append(suppliers, c.supplier), append(numbers, c.number), append(applied, c.applied)
			beyond = append(beyond, c.beyond)
		}
	}
	if len(numbers) > 0 {
		q.Queue(`UPDATE claim_credits c SET applied = n.applied, beyond = n.beyond
			FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS n (supplier, number, applied, beyond)
			WHERE c.supplier = n.supplier AND c.number = n.number`, suppliers, numbers, applied, beyond)
	}
}

// Matter is what pursues the disputes of an invoice, without the order.
func Matter(supplierID, invoice string) string { return supplierID + "/" + invoiceToken(invoice) }

// OpenClaimIn is OpenClaim for a claim that is pursued together with others of one matter.
func (b *Book) OpenClaimIn(matter string, claim ledger.Claim) error {
	return b.openAs(claimRow{Claim: claim, matter: matter})
}

// ClaimedFor is what was claimed under a key when it was opened, minor units; known is false when it never
// was.
func (b *Book) ClaimedFor(key string) (minor int64, known bool) {
	if row := b.claim(key); row != nil {
		return row.Minor, true
	}
	return 0, false
}
