package returndesk

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/returns"
)

// priceExchange judges an exchange by what it costs. That somebody offers the goods is looked up; their
// price and the payment are the storefront's word: it sells them, and its key signed the request.
func (c *counter) priceExchange(ctx context.Context, tx pgx.Tx, r returns.Request, grants []returns.Grant) (*returns.Refusal, error) {
	longest := order.Key{Storefront: c.key.Storefront, Order: c.key.Order + "-X99"}
	switch {
	case c.document.Exchange != nil:
		return &returns.Refusal{Code: returns.RefusedExchanged, Text: "The order is an exchange already: ask for a refund."}, nil
	case longest.Validate() != nil:
		return &returns.Refusal{Code: returns.RefusedOutcome, Text: "The order's id is too long for an exchange: ask for a refund."}, nil
	case r.Currency != "" && r.Currency != c.document.Currency:
		return &returns.Refusal{Code: returns.RefusedCurrency, Text: "The order is in " + c.document.Currency + ": name the prices and the payment in it."}, nil
	}
	var wanted []string
	for i := range grants {
		for j := range grants[i].Lines {
			l := &grants[i].Lines[j]
			if l.ExchangeSKU == "" {
				l.ExchangeSKU = l.SKU
			}
			wanted = append(wanted, l.ExchangeSKU)
		}
	}
	b := &pgx.Batch{}
	b.Queue(`SELECT DISTINCT sku FROM offers WHERE sku = ANY ($1)`, wanted).Query(func(rows pgx.Rows) error {
		var sku string
		_, err := pgx.ForEachRow(rows, []any{&sku}, func() error { c.sold[sku] = true; return nil })
		return err
	})
	b.Queue(`SELECT (e ->> 'line')::int, sum((e ->> 'quantity')::bigint)::bigint FROM refunds, jsonb_array_elements(coalesce(nullif(lines, 'null'), '[]')) e
		WHERE order_key = $1 GROUP BY 1`, c.key.String()).Query(func(rows pgx.Rows) error {
		var line int
		var n int64
		_, err := pgx.ForEachRow(rows, []any{&line, &n}, func() error { c.refunded[line] = n; return nil })
		return err
	})
	provided := false
	b.Queue(`SELECT EXISTS (SELECT FROM payments WHERE order_key = $1)`, c.key.String()).QueryRow(func(row pgx.Row) error { return row.Scan(&provided) })
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return nil, err
	}
	payment := returns.Paid{}
	if r.Payment != nil {
		payment = *r.Payment
	}
	waive, _ := catalog.AmountIn(c.shop.Policy.Returns.ExchangeWaiveUpTo, c.document.Currency)
	refusal, err := returns.PriceExchange(grants, payment, returns.Exchanges{
		TaxIncluded: c.document.TaxIncluded, Currency: c.document.Currency, Sold: c.sold, Worth: c.worth,
		WaiveUpTo: waive.Minor, Unpayable: provided,
	})
	if refusal != nil || err != nil || payment.Amount == 0 {
		return refusal, err
	}
	return c.spend(ctx, tx, r.ID, payment)
}

// spend notes what a payment of the customer pays in addition: it pays for nothing else.
func (c *counter) spend(ctx context.Context, tx pgx.Tx, request string, payment returns.Paid) (*returns.Refusal, error) {
	spent := false
	b := &pgx.Batch{}
	paymentdesk.QueueSpent(b, paymentdesk.Use{Storefront: c.key.Storefront, Reference: payment.Reference}, &spent)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return nil, err
	}
	if spent || payment.Reference == c.document.Payment.Reference {
		return &returns.Refusal{Code: returns.RefusedPaymentUsed, Text: "That payment has paid for something else already."}, nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO exchange_payments (storefront, reference, order_key, request, currency, minor) VALUES ($1, $2, $3, $4, $5, $6)`,
		c.key.Storefront, payment.Reference, c.key.String(), request, c.document.Currency, payment.Amount)
	return nil, err
}

// worth prices the next units of a line as a refund does.
func (c *counter) worth(line int, quantity int64) (int64, error) {
	goods, tax, err := ledger.LineRefund(c.document.PricedLine(line), c.refunded[line], quantity)
	if err != nil {
		return 0, fmt.Errorf("line %d: %w", line, err)
	}
	c.refunded[line] += quantity
	return goods + tax, nil
}

// takeSupplements enters what the customer has paid in addition for exchanges: it is captured with the
// order's payment, and nothing else may use it.
func (c *counter) takeSupplements(ctx context.Context, tx pgx.Tx, states []returns.State) error {
	if !slices.ContainsFunc(states, func(s returns.State) bool { return s.Supplement > 0 }) {
		return nil
	}
	var postings []ledger.Transaction
	var sum int64
	for i := range states {
		s := &states[i]
		if s.Supplement == 0 {
			continue
		}
		t, err := ledger.ExchangePaid(s.RMA, money.Money{Minor: s.Supplement, Currency: s.Currency})
		if err != nil {
			return err
		}
		postings, sum = append(postings, t), sum+s.Supplement
	}
	if _, err := tx.Exec(ctx, `UPDATE orders SET captured_minor = captured_minor + $2 WHERE key = $1`, c.key.String(), sum); err != nil {
		return err
	}
	return ledgerbook.Post(ctx, tx, c.key.String(), postings...)
}
