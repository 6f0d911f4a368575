package ledgerbook

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
)

// Payable is an invoice of which something is due, or a credit that can be set off; amounts are minor units. A
// line of a payment may name either with Minor or less.
type Payable struct {
	Supplier string    `json:"supplier"`
	Due      time.Time `json:"due"`
	Invoice  string    `json:"invoice,omitempty"`
	Credit   string    `json:"credit_memo,omitempty"` // or the reference of a claim that was settled without one
	Currency string    `json:"currency"`
	// Minor is what is due, or less than nothing: what can be set off.
	Minor int64 `json:"minor"`
	// Disputed is the part of it that is claimed back, and may be left unpaid.
	Disputed int64  `json:"disputed_minor,omitempty"`
	Order    string `json:"order,omitempty"` // empty for a credit for several
}

// PayableSum is what one supplier is due in one currency: Net is Owed less Disputed and less Credits.
type PayableSum struct {
	Supplier string `json:"supplier"`
	Currency string `json:"currency"`
	Owed     int64  `json:"owed_minor"`
	Disputed int64  `json:"disputed_minor"`
	Credits  int64  `json:"credits_minor"`
	Net      int64  `json:"net_minor"`
}

// owing is an open claim on a payable, with the numbers that its key may stand for.
type owing struct {
	Payable

	kind     ledger.ClaimKind
	key      string
	invoices []string
	memos    []string
	lefts    []int64 // of the credit memos of a return
}

// PayablesOf lists what is due to a supplier, or to all of them when it is empty: by supplier, day and number.
func PayablesOf(ctx context.Context, q querier, supplierID string) ([]Payable, error) {
	rows, err := q.Query(ctx, `
		SELECT p.supplier, c.due_at, c.currency, -c.minor, c.order_key, c.kind, c.key,
			coalesce((SELECT sum(d.minor) FROM claims d WHERE d.order_key = c.order_key AND d.kind = 'invoice_dispute' AND d.closed_at IS NULL
				AND d.pursuit = c.order_key || '/' || regexp_replace(c.key, '^due(#[0-9]+)?/', '')), 0)::bigint,
			CASE c.kind WHEN 'invoice_due' THEN (SELECT array_agg(i.invoice) FROM supplier_invoices i WHERE i.order_key = c.order_key AND i.supplier = p.supplier) END,
			CASE WHEN starts_with(c.key, 'return/') THEN m.numbers ELSE (SELECT array_agg(k.number) FROM claim_credits k
				WHERE k.supplier = p.supplier AND starts_with(c.key, 'credit/' || k.supplier || '/memo/' || replace(k.number, ' ', '_'))) END, m.lefts
		FROM claims c CROSS JOIN LATERAL (SELECT split_part(c.account, ':', 2) AS supplier) p
		LEFT JOIN LATERAL (SELECT array_agg(x.number ORDER BY x.given_at, x.number) AS numbers, array_agg(x.rest ORDER BY x.given_at, x.number) AS lefts
			FROM (SELECT m.number, m.given_at, (m.minor - coalesce((SELECT sum(-l.minor - l.reversed) FROM remittance_lines l
					WHERE l.supplier = m.supplier AND l.credit = m.number), 0))::bigint AS rest
				FROM credit_memos m WHERE m.supplier = p.supplier AND m.rma = split_part(c.key, '/', 2)) x) m
			ON c.kind = 'credit_memo' AND starts_with(c.key, 'return/')
		WHERE c.closed_at IS NULL AND c.kind IN ('invoice_due', 'credit_memo') AND starts_with(c.account, 'supplier_payable:')
			AND ($1 = '' OR p.supplier = $1)`, supplierID)
	if err != nil {
		return nil, fmt.Errorf("read what suppliers are due: %w", err)
	}
	open, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o owing, err error) {
		err = row.Scan(&o.Supplier, &o.Due, &o.Currency, &o.Minor, &o.Order, &o.kind, &o.key, &o.Disputed, &o.invoices, &o.memos, &o.lefts)
		o.Due = o.Due.UTC()
		return o, err
	})
	if err != nil {
		return nil, fmt.Errorf("read what suppliers are due: %w", err)
	}
	var list []Payable
	for i := range open {
		list = append(list, open[i].named()...)
	}
	return joined(list), nil
}

// named are the documents that an open claim stands for.
func (o *owing) named() []Payable {
	p := o.Payable
	switch {
	case o.kind == ledger.ClaimInvoiceDue:
		matter := dueBefore.ReplaceAllString(o.key, "")
		if i := slices.IndexFunc(o.invoices, func(n string) bool { return Matter(p.Supplier, n) == matter }); i >= 0 {
			p.Invoice = o.invoices[i]
		}
		p.Disputed = min(p.Disputed, p.Minor)
	case len(o.lefts) > 0:
		p.Disputed = 0
		return o.memosOf(p)
	default:
		p.Disputed = 0
		p.Credit = o.credit()
	}
	return []Payable{p}
}

// memosOf divides what is left of a return's credit among its memos, the oldest first.
func (o *owing) memosOf(p Payable) (list []Payable) {
	rest := -p.Minor
	for i, number := range o.memos {
		if part := min(rest, o.lefts[i]); part > 0 {
			p.Credit, p.Minor = number, -part
			list, rest = append(list, p), rest-part
		}
	}
	return list
}

var settledKey = regexp.MustCompile(`^credit/[^/]+/settle/([^/]+)/`)

func (o *owing) credit() string {
	if settled := settledKey.FindStringSubmatch(o.key); settled != nil {
		return settled[1]
	}
	for _, number := range o.memos {
		if ofCredit(o.key, "credit/"+o.Supplier+"/memo/"+invoiceToken(number)+":") {
			return number
		}
	}
	return ""
}

// joined adds up what one credit left in several claims: it is one line of a payment.
func joined(list []Payable) []Payable {
	slices.SortStableFunc(list, func(x, y Payable) int {
		return cmp.Or(strings.Compare(x.Supplier, y.Supplier), strings.Compare(x.Credit, y.Credit), x.Due.Compare(y.Due), strings.Compare(x.Invoice, y.Invoice))
	})
	var sums []Payable
	for _, p := range list {
		if n := len(sums) - 1; n >= 0 && p.Credit != "" && sums[n].Supplier == p.Supplier && sums[n].Credit == p.Credit && sums[n].Currency == p.Currency {
			sums[n].Minor += p.Minor
			if sums[n].Order != p.Order {
				sums[n].Order = ""
			}
			continue
		}
		sums = append(sums, p)
	}
	slices.SortStableFunc(sums, func(x, y Payable) int { return cmp.Or(strings.Compare(x.Supplier, y.Supplier), x.Due.Compare(y.Due)) })
	return sums
}

// PayableSums adds up what each supplier is due, by supplier and currency. Fails with money.ErrOverflow.
func PayableSums(list []Payable) (sums []PayableSum, err error) {
	for _, p := range list {
		i := slices.IndexFunc(sums, func(s PayableSum) bool { return s.Supplier == p.Supplier && s.Currency == p.Currency })
		if i < 0 {
			i = len(sums)
			sums = append(sums, PayableSum{Supplier: p.Supplier, Currency: p.Currency})
		}
		s := &sums[i]
		for _, add := range []struct {
			to    *int64
			minor int64
		}{{&s.Owed, max(p.Minor, 0)}, {&s.Credits, max(-p.Minor, 0)}, {&s.Disputed, p.Disputed}, {&s.Net, p.Minor - p.Disputed}} {
			if *add.to, err = money.AddMinor(*add.to, add.minor); err != nil {
				return nil, fmt.Errorf("add up what supplier %s is due: %w", p.Supplier, err)
			}
		}
	}
	slices.SortFunc(sums, func(x, y PayableSum) int {
		return cmp.Or(strings.Compare(x.Supplier, y.Supplier), strings.Compare(x.Currency, y.Currency))
	})
	return sums, nil
}

// WritePayables writes what is due as CSV. A row's supplier, invoice, credit memo, currency and amount are as the
// file of a payment has them; the amount leaves out what is disputed.
func WritePayables(to io.Writer, list []Payable) error {
	w := csv.NewWriter(to)
	if err := w.Write([]string{"supplier", "due", "invoice", "credit_memo", "currency", "amount", "disputed", "order"}); err != nil {
		return err
	}
	for _, p := range list {
		amount, err := money.Format(p.Minor-p.Disputed, p.Currency)
		if err != nil {
			return err
		}
		disputed, err := money.Format(p.Disputed, p.Currency)
		if err != nil {
			return err
		}
		if err := w.Write([]string{
			p.Supplier, p.Due.Format(time.DateOnly), ledger.Cell(p.Invoice), ledger.Cell(p.Credit), p.Currency, amount, disputed, ledger.Cell(p.Order),
		}); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
