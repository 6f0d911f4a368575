package ledgerbook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/storefront"
)

// Trail is the way of the customer's money of one order, line by line, and what the goods cost. Amounts are
// minor units of Currency.
type Trail struct {
	Order    string `json:"order"`
	Currency string `json:"currency"`
	// Captured is what the customer paid so far, and Received what an exchange of the order ExchangeOf brought.
	Captured   int64  `json:"captured"`
	Received   int64  `json:"received,omitempty"`
	ExchangeOf string `json:"exchange_of,omitempty"`
	// Money says where all of it is; each step's Sum is what is accounted for so far. Off is what is left
	// over when all steps are taken: zero.
	Money []TrailStep `json:"money"`
	Off   int64       `json:"off"`
	// Costs is what the goods cost, what suppliers gave back and what they still owe.
	Costs []TrailStep `json:"costs"`
	// Owed is how what suppliers are owed came to be and what became of it, below nothing what took off from it, as it was
	// posted; Sum is of one currency, and the last is what is left to be paid.
	Owed []TrailStep `json:"owed,omitempty"`
	// Paid is what suppliers were paid and what was set off, as it was posted; Sum is of one currency.
	Paid []TrailStep `json:"paid,omitempty"`
	// Exchanges are the orders that goods of this one were exchanged by.
	Exchanges []string `json:"exchanges,omitempty"`
}

// TrailStep is an amount of one line, 0 for the order as a whole, and what became of it. Reference is a key
// by which the step is found elsewhere: of a refund, an invoice, a credit memo, an order.
type TrailStep struct {
	Line      int    `json:"line,omitempty"`
	What      string `json:"what"`
	Reference string `json:"reference,omitempty"`
	// Currency is that of the costs, the supplier's; of the customer's money it is the trail's, and empty.
	Currency string `json:"currency,omitempty"`
	Minor    int64  `json:"minor"`
	Sum      int64  `json:"sum"`
}

// Follow tells where the money of an order is. Fails with ErrNoOrder.
func Follow(ctx context.Context, q querier, orderKey string) (*Trail, error) {
	f := &follower{trail: Trail{Order: orderKey, Money: []TrailStep{}, Costs: []TrailStep{}}, before: map[int]int64{}, left: map[int]ledger.Sale{}}
	err := f.read(ctx, q)
	if err == nil {
		err = f.walk()
	}
	if err == nil {
		err = f.costs(ctx, q)
	}
	if err == nil {
		err = f.paid(ctx, q)
	}
	if err != nil {
		return nil, fmt.Errorf("follow the money of order %s: %w", orderKey, err)
	}
	return &f.trail, nil
}

// followed is a payment back to the customer, as the refunds table has it.
type followedPart struct {
	key, rma, exchange                             string
	n                                              int
	lines                                          []order.ShippedLine
	amount, kept, label, credit, moved, supplement int64
	released, forgiven                             int64
	shipping, shippingTax                          int64
	done                                           bool
}

type follower struct {
	trail    Trail
	document storefront.Order
	parts    []followedPart
	waiting  []TrailStep // supplements of exchanges that are not made yet
	earned   bool
	held     int64               // authorised when the order was placed
	before   map[int]int64       // units given back so far, by line
	left     map[int]ledger.Sale // of the price of each line; 0: shipping
}

func (f *follower) read(ctx context.Context, q querier) error {
	t := &f.trail
	rows, err := q.Query(ctx, `SELECT document, currency, orders.captured_minor + least(coalesce(p.captured_minor + p.elsewhere_minor, 0),
				coalesce(p.authorised_minor, 0)), coalesce(p.authorised_minor, 0), exchange_minor, coalesce(exchange_of, ''),
			EXISTS (SELECT 1 FROM ledger_transactions t WHERE t.order_key = orders.key AND t.kind = 'earned'),
			coalesce((SELECT array_agg(x.key ORDER BY x.received_at, x.key) FROM orders x WHERE x.exchange_of = orders.key), '{}')
		FROM orders LEFT JOIN payments p ON p.order_key = orders.key WHERE orders.key = $1`, t.Order)
	if err != nil {
		return err
	}
	_, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (int, error) {
		return 0, row.Scan(&f.document, &t.Currency, &t.Captured, &f.held, &t.Received, &t.ExchangeOf, &f.earned, &t.Exchanges)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNoOrder
	}
	if err != nil {
		return err
	}
	rows, err = q.Query(ctx, `SELECT key, coalesce(rma, ''), coalesce(exchange_order, ''), n, lines, amount_minor + through_minor, kept_minor, label_minor,
			credit_minor, moved_minor, supplement_minor, released_minor, forgiven_minor, shipping_minor, shipping_tax_minor, state = 'done'
		FROM refunds WHERE order_key = $1 ORDER BY asked_at, n, part`, t.Order)
	if err != nil {
		return err
	}
	f.parts, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (p followedPart, err error) {
		err = row.Scan(&p.key, &p.rma, &p.exchange, &p.n, &p.lines, &p.amount, &p.kept, &p.label, &p.credit, &p.moved, &p.supplement,
			&p.released, &p.forgiven, &p.shipping, &p.shippingTax, &p.done)
		return p, err
	})
	if err != nil {
		return err
	}
	rows, err = q.Query(ctx, `SELECT r.rma, (r.state ->> 'supplement')::bigint FROM returns r
		WHERE r.order_key = $1 AND (r.state ->> 'supplement')::bigint > 0
			AND NOT EXISTS (SELECT 1 FROM refunds p WHERE p.rma = r.rma AND p.supplement_minor > 0) ORDER BY r.rma`, t.Order)
	if err != nil {
		return err
	}
	var step TrailStep
	_, err = pgx.ForEachRow(rows, []any{&step.Reference, &step.Minor}, func() error {
		step.What = "paid in addition, waits for the exchange"
		f.waiting = append(f.waiting, step)
		return nil
	})
	return err
}

// add takes a step. Nothing is not a step.
func (f *follower) add(line int, minor int64, reference, what string) {
	if minor == 0 {
		return
	}
	t := &f.trail
	sum := minor
	if len(t.Money) > 0 {
		sum += t.Money[len(t.Money)-1].Sum
	}
	t.Money = append(t.Money, TrailStep{Line: line, What: what, Reference: reference, Minor: minor, Sum: sum})
}

// walk goes through what was given back, in the order in which it was fixed, and then through what is left.
func (f *follower) walk() error {
	for i := range f.document.Lines {
		n := f.document.Lines[i].Line
		priced := f.document.PricedLine(n)
		f.left[n] = ledger.Sale{Goods: priced.Net(), Tax: priced.Tax}
	}
	shipping := f.document.PricedShipping()
	f.left[0] = ledger.Sale{Goods: shipping.Price, Tax: shipping.Tax}
	for i := range f.parts {
		if err := f.giveBack(&f.parts[i]); err != nil {
			return err
		}
	}
	goods, tax := "revenue", "tax"
	if !f.earned {
		goods, tax = "held until it is earned", "tax, held until it is earned"
	}
	for i := range f.document.Lines {
		n := f.document.Lines[i].Line
		f.add(n, f.left[n].Goods, "", goods)
		f.add(n, f.left[n].Tax, "", tax)
	}
	f.add(0, f.document.Unshipped, "", "not for goods: "+goods)
	f.add(0, f.left[0].Goods, "", "shipping, "+goods)
	f.add(0, f.left[0].Tax, "", "shipping, "+tax)
	for _, w := range f.waiting {
		f.add(0, w.Minor, w.Reference, w.What)
	}
	t := &f.trail
	sum := int64(0)
	if len(t.Money) > 0 {
		sum = t.Money[len(t.Money)-1].Sum
	}
	never := t.Captured + t.Received - sum
	switch {
	case f.held > 0:
		never = t.Captured - f.held
	case f.document.Paid() >= f.document.Total:
		never = 0
	}
	f.add(0, never, "", "not paid")
	t.Off = t.Captured + t.Received - sum - never
	return nil
}

// giveBack tells what became of the price of units that were given back: per line in the share of its price.
func (f *follower) giveBack(p *followedPart) error {
	if p.n < 0 {
		f.add(0, p.amount, p.key, "refunded for the exchange order"+pending(p.done))
		f.add(0, -p.amount, p.key, "taken back from the exchange order")
		return nil
	}
	var numbers []int
	var weights []int64
	take := func(line int, goods, tax int64) {
		left := f.left[line]
		left.Goods, left.Tax = left.Goods-goods, left.Tax-tax
		f.left[line] = left
		numbers, weights = append(numbers, line), append(weights, goods+tax)
	}
	for _, l := range p.lines {
		goods, tax, err := ledger.LineRefund(f.document.PricedLine(l.Line), f.before[l.Line], l.Quantity)
		if err != nil {
			return fmt.Errorf("line %d: %w", l.Line, err)
		}
		f.before[l.Line] += l.Quantity
		take(l.Line, goods, tax)
	}
	if p.shipping+p.shippingTax != 0 {
		take(0, p.shipping, p.shippingTax)
	}
	fromSupplement := min(p.supplement, p.moved)
	for _, use := range []struct {
		minor           int64
		what, reference string
	}{
		{p.amount - (p.supplement - fromSupplement), "refunded" + pending(p.done), p.key},
		{p.moved - fromSupplement, "used for the exchange order", p.exchange},
		{p.credit, "given as store credit" + pending(p.done), p.key},
		{p.released, "cancelled before its capture", p.key},
		{p.forgiven, "written off, so nothing goes back", p.key},
		{p.kept - p.label, "kept as restocking fee", p.key},
		{p.label, "kept for the label", p.key},
	} {
		if err := f.spread(use.minor, numbers, weights, use.what, use.reference); err != nil {
			return err
		}
	}
	f.add(0, fromSupplement, p.exchange, "paid in addition, used for the exchange order")
	f.add(0, p.supplement-fromSupplement, p.key, "paid in addition, refunded"+pending(p.done))
	return nil
}

// spread splits an amount over lines in proportion to their prices, to the cent.
func (f *follower) spread(minor int64, lines []int, weights []int64, what, reference string) error {
	if minor == 0 {
		return nil
	}
	if len(lines) == 1 {
		f.add(lines[0], minor, reference, what)
		return nil
	}
	if !slices.ContainsFunc(weights, func(w int64) bool { return w > 0 }) { // it is for none of them
		f.add(0, minor, reference, what)
		return nil
	}
	shares, err := money.Allocate(minor, weights)
	if err != nil {
		return err
	}
	for i, share := range shares {
		f.add(lines[i], share, reference, what)
	}
	return nil
}

func pending(done bool) string {
	if done {
		return ""
	}
	return ", not confirmed yet"
}

// costs reads what suppliers charge for the goods, gave back and owe.
func (f *follower) costs(ctx context.Context, q querier) error {
	rows, err := q.Query(ctx, `
		SELECT l.line, 'goods of ' || p.supplier, p.number, l.unit_cost * coalesce((SELECT sum((u.value)::bigint) FROM jsonb_each_text(l.units) u
				WHERE u.key IN ('shipped', 'delivered', 'returned', 'lost')), 0)::bigint, p.currency, 1, p.created_at
		FROM purchase_order_lines l JOIN purchase_orders p USING (number) WHERE l.order_key = $1
		UNION ALL
		SELECT 0, 'invoice of ' || supplier || ', ' || standing, invoice, 0, currency, 2, invoiced_at FROM supplier_invoices WHERE order_key = $1
		UNION ALL
		SELECT 0, 'credit memo of ' || supplier || ' for ' || rma, number, -minor, currency, 3, given_at FROM credit_memos WHERE order_key = $1
		UNION ALL
		SELECT 0, replace(kind, '_', ' ') || ' open with ' || account, key, -minor, currency, 4, opened_at FROM claims
			WHERE order_key = $1 AND closed_at IS NULL AND account LIKE '%\_claims:%'
		ORDER BY 6, 7, 3, 1`, f.trail.Order)
	if err != nil {
		return err
	}
	var s TrailStep
	var rank int
	var at *time.Time
	sums := map[string]int64{}
	_, err = pgx.ForEachRow(rows, []any{&s.Line, &s.What, &s.Reference, &s.Minor, &s.Currency, &rank, &at}, func() error {
		sums[s.Currency] += s.Minor
		s.Sum = sums[s.Currency]
		f.trail.Costs = append(f.trail.Costs, s)
		return nil
	})
	return err
}

// Origin is by what a trail is begun from its other end.
type Origin string

// The ends: a supplier's invoice or credit memo by its number, a refund by its key or by the storefront's reference.
const (
	FromInvoice Origin = "invoice"
	FromCredit  Origin = "credit"
	FromRefund  Origin = "refund"
)

// OrdersOf finds the orders that a document is about; several suppliers may use one number.
func OrdersOf(ctx context.Context, q querier, from Origin, number string) ([]string, error) {
	sql := map[Origin]string{
		FromInvoice: `SELECT DISTINCT order_key FROM supplier_invoices WHERE invoice = $1 ORDER BY 1`,
		FromCredit:  `SELECT DISTINCT order_key FROM credit_memos WHERE number = $1 ORDER BY 1`,
		FromRefund:  `SELECT order_key FROM refunds WHERE key = $1 OR reference = $1 UNION SELECT order_key FROM store_credits WHERE reference = $1 ORDER BY 1`,
	}[from]
	rows, err := q.Query(ctx, sql, number)
	if err != nil {
		return nil, fmt.Errorf("find the order of %s %s: %w", from, strconv.Quote(number), err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("find the order of %s %s: %w", from, strconv.Quote(number), err)
	}
	return keys, nil
}
