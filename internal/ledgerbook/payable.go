package ledgerbook

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
)

const (
	resolvedPaid   = "paid"
	resolvedSetOff = "set_off"
)

// dueBefore is how the keys of the claims of one invoice begin: due/, due#2/ and so on. The number stands before
// the invoice's, which may end in one of its own.
var dueBefore = regexp.MustCompile(`^due(#[0-9]{1,4})?/`)

func dueKey(matter string, n int) string {
	if n == 1 {
		return "due/" + matter
	}
	return fmt.Sprintf("due#%d/%s", n, matter)
}

// openDue is the open claim for what is due of an invoice; nil: nothing is.
func (b *Book) openDue(matter string) *claimRow {
	for n := 1; ; n++ {
		row := b.claim(dueKey(matter, n))
		if row == nil || row.open {
			return row
		}
	}
}

// rename ends a claim that a payment changed, and names what it leaves: minor, which may be nothing. Each can be
// read for what it was. A claim that has ended already is named again.
func (b *Book) rename(row *claimRow, minor int64, resolution string) error {
	claim := row.Claim
	if minor != 0 {
		resolution = resolvedSuperseded
	}
	if row.open {
		if err := b.CloseClaim(claim.Key, resolution); err != nil {
			return err
		}
	}
	if minor == 0 {
		return nil
	}
	claim.Minor = minor
	if claim.Kind == ledger.ClaimInvoiceDue {
		matter := dueBefore.ReplaceAllString(claim.Key, "")
		n := 1
		for b.claim(dueKey(matter, n)) != nil {
			n++
		}
		claim.Key = dueKey(matter, n)
	} else {
		_, claim.Key = b.openRow(numbered.ReplaceAllString(claim.Key, ""))
	}
	return b.OpenClaim(claim)
}

// setOffOf is what payments have set off of a credit, by what the keys of its claims begin with, less what was
// reversed of it.
func (b *Book) setOffOf(base string) (sum int64) {
	for _, t := range b.transactions {
		if r, is := ledger.RemittedBy(t); is && r.SetOff && numbered.ReplaceAllString(r.Claim, "") == base {
			sum -= r.Minor
		}
	}
	return sum
}

// Errors of reversals.
var (
	// ErrNoPosting: the order's ledger has no posting of that key.
	ErrNoPosting = errors.New("no such posting")
	// ErrNotReversible: something rests on the posting that a reversal would leave standing.
	ErrNotReversible = errors.New("not a posting that may be reversed by itself")
)

// Reverse undoes a line of a payment to a supplier that was booked in error, in the book of one order, today: what
// it paid is due again, what it set off can be set off again. Again it changes nothing (repeat). reason is a word,
// by a role or a short name. ErrNoPosting; ErrNotReversible for all other postings: claims, refunds, captures and
// what was shipped or invoiced are followed by rows and workflows that a reversal would not tell.
func Reverse(ctx context.Context, tx pgx.Tx, orderKey, key, reason, by string) (repeat bool, err error) {
	var undone ledger.Remitted
	err = Change(ctx, tx, orderKey, func(b *Book) error {
		undone, repeat, err = b.reverse(key)
		return err
	})
	if err == nil && !repeat {
		err = keepReversal(ctx, tx, undone, orderKey, key, reason, by)
	}
	if err != nil {
		return false, fmt.Errorf("reverse %s of order %s: %w", key, orderKey, err)
	}
	return repeat, nil
}

func (b *Book) reverse(key string) (undone ledger.Remitted, repeat bool, err error) {
	i := b.find(key)
	if i < 0 {
		return undone, false, ErrNoPosting
	}
	undone, is := ledger.RemittedBy(b.transactions[i])
	if !is || undone.Reversal {
		return undone, false, ErrNotReversible
	}
	if b.Has(ledger.ReversalKey(key)) {
		return undone, true, nil
	}
	posting, err := ledger.Reversal(b.transactions[i])
	if err == nil {
		err = b.Post(posting)
	}
	if err != nil {
		return undone, false, err
	}
	return undone, false, b.reopen(undone)
}

// reopen names what a line of a payment paid or set off as open again.
func (b *Book) reopen(r ledger.Remitted) error {
	last := b.claim(r.Claim)
	if last == nil {
		return ErrNoClaim
	}
	var open *claimRow
	if r.SetOff {
		open, _ = b.openRow(numbered.ReplaceAllString(r.Claim, ""))
	} else {
		open = b.openDue(dueBefore.ReplaceAllString(r.Claim, ""))
	}
	// Less is owed by what is paid, and more by what is set off: the amount has the sign of neither claim.
	minor := -r.Minor
	if open == nil {
		return b.rename(last, minor, resolvedSuperseded)
	}
	sum, err := money.AddMinor(open.Minor, minor)
	if err != nil {
		return err
	}
	return b.rename(open, sum, resolvedSuperseded)
}

func keepReversal(ctx context.Context, tx pgx.Tx, r ledger.Remitted, orderKey, key, reason, by string) error {
	tag, err := tx.Exec(ctx, `UPDATE remittance_lines SET reversed = reversed + $3 WHERE supplier = $1 AND payment = $2`,
		r.Supplier, r.Payment, max(r.Minor, -r.Minor))
	if err == nil && tag.RowsAffected() != 1 {
		err = errors.New("no payment has a line for it")
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO ledger_reversals (order_key, key, reason, by) VALUES ($1, $2, $3, $4)`, orderKey, key, strings.TrimSpace(reason), by)
	return err
}

// paid reads what suppliers came to be owed for the order's goods, and what they were paid.
func (f *follower) paid(ctx context.Context, q querier) error {
	rows, err := q.Query(ctx, `SELECT t.key, t.memo, e.account, e.currency, -e.minor, coalesce(l.invoice, l.credit, ''), coalesce(l.reference, '')
		FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
			AND (starts_with(e.account, 'supplier_payable:') OR e.account = 'bank' AND t.key ~ '^(reversal\|)?supplier_(paid|set_off)\|')
		LEFT JOIN remittance_lines l ON l.supplier = split_part(regexp_replace(t.key, '^reversal\|', ''), '|', 2)
			AND l.payment = split_part(regexp_replace(t.key, '^reversal\|', ''), '|', 3)
		WHERE t.order_key = $1 ORDER BY t.id, e.account`, f.trail.Order)
	if err != nil {
		return err
	}
	var t ledger.Transaction
	var account, reference string
	var s TrailStep
	owed, paid := map[string]int64{}, map[string]int64{}
	_, err = pgx.ForEachRow(rows, []any{&t.Key, &t.Memo, &account, &s.Currency, &s.Minor, &s.Reference, &reference}, func() error {
		s.What = remittedAs(t, reference)
		if s.What == "" {
			s.What, s.Reference = t.Memo, t.Key
		}
		list, sums := &f.trail.Owed, owed
		if account == string(ledger.Bank) {
			list, sums = &f.trail.Paid, paid
		}
		sums[s.Currency] += s.Minor
		s.Sum = sums[s.Currency]
		*list = append(*list, s)
		return nil
	})
	return err
}

// remittedAs says what a posting of the payment named did; empty: it is of no payment.
func remittedAs(t ledger.Transaction, reference string) string {
	r, is := ledger.RemittedBy(t)
	what := "paid to " + r.Supplier + " by " + reference
	switch {
	case !is:
		return ""
	case r.SetOff:
		what = "set off against " + r.Supplier + " in " + reference
	}
	if r.Reversal {
		what = "reversed: " + what
	}
	return what
}
