package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/storefront"
)

// ErrOtherPayment: the request's id brought another payment before.
var ErrOtherPayment = errors.New("a payment of that request was another one")

// LaterPayment is money that a customer paid for an order after it was placed, as the storefront says. It is the
// storefront that took it: nothing is taken here.
type LaterPayment struct {
	Order     order.Key
	Request   string // repeating it is harmless
	Reference string // the storefront's own id of the payment: it pays for one order, once
	Amount    int64  // minor units
	Currency  string
	By        string // a role and its key, or a partner; never a person's name
	// Provider is the payment's id at the storefront's payment provider, if it has one: refunds go back by it.
	Provider string
}

// PaymentTaken is how an order's payment stands with a later payment. Amounts are minor units.
type PaymentTaken struct {
	Repeat        bool
	Paid          int64 // in all
	Missing, Over int64 // of what is due, and beyond it
}

// payable is an order that something was paid for, locked.
type payable struct {
	currency, reference string
	total, captured     int64
	exchange, followed  bool // it replaces returned goods; its payment at the provider is ours to capture
	platform            catalog.Platform
}

// byShopify says a payment that a document of Shopify told of.
const byShopify = "shopify"

// TakePayment records a later payment once: in the ledger, as a fact for the order's workflow, and at a provider as the
// payment by which refunds go back. Fails with *order.Refusal when it is not to be taken, facts.ErrNoOrder and
// ErrOtherPayment.
func TakePayment(ctx context.Context, tx pgx.Tx, p LaterPayment, document int64) (PaymentTaken, error) {
	o, err := lockPayable(ctx, tx, p.Order)
	if err != nil {
		return PaymentTaken{}, fmt.Errorf("take a payment for order %s: %w", p.Order, err)
	}
	taken, err := o.take(ctx, tx, p, document)
	if err != nil {
		return PaymentTaken{}, fmt.Errorf("take a payment for order %s: %w", p.Order, err)
	}
	return taken, nil
}

// lockPayable reads in a second statement what may have changed while it waited for the order's row.
func lockPayable(ctx context.Context, tx pgx.Tx, key order.Key) (*payable, error) {
	var o payable
	b := &pgx.Batch{}
	b.Queue(`SELECT FROM orders WHERE key = $1 FOR NO KEY UPDATE`, key.String())
	b.Queue(`SELECT o.currency, o.total_minor, o.captured_minor, coalesce(o.document #>> '{payment,reference}', ''), o.exchange_of IS NOT NULL,
			coalesce(p.authorised_minor > 0, false), coalesce(s.document ->> 'platform', '')
		FROM orders o JOIN storefronts s ON s.id = o.storefront LEFT JOIN payments p ON p.order_key = o.key WHERE o.key = $1`, key.String()).QueryRow(func(row pgx.Row) error {
		return row.Scan(&o.currency, &o.total, &o.captured, &o.reference, &o.exchange, &o.followed, &o.platform)
	})
	err := tx.SendBatch(ctx, b).Close()
	if errors.Is(err, pgx.ErrNoRows) {
		err = facts.ErrNoOrder
	}
	return &o, err
}

func (o *payable) take(ctx context.Context, tx pgx.Tx, p LaterPayment, document int64) (PaymentTaken, error) {
	repeat, err := takenBefore(ctx, tx, p)
	if err != nil {
		return PaymentTaken{}, err
	}
	if repeat {
		dues, err := duesOf(ctx, tx, p.Order)
		return PaymentTaken{Repeat: true, Paid: dues.Paid, Missing: dues.Missing(), Over: dues.Over()}, err
	}
	if err := o.judge(p); err != nil {
		return PaymentTaken{}, err
	}
	n, err := insertPayment(ctx, tx, p, document)
	if err != nil {
		return PaymentTaken{}, err
	}
	if err := o.book(ctx, tx, p, n); err != nil {
		return PaymentTaken{}, err
	}
	dues, err := duesOf(ctx, tx, p.Order)
	if err != nil {
		return PaymentTaken{}, err
	}
	fact := order.CustomerPaid{
		N: n, At: time.Now().UTC().Truncate(time.Millisecond), Currency: p.Currency, Amount: p.Amount, Paid: dues.Paid, Missing: dues.Missing(), Over: dues.Over(),
	}
	_, err = facts.Append(ctx, tx, p.Order.String(), order.Fact{Payment: &fact}, true, document)
	return PaymentTaken{Paid: fact.Paid, Missing: fact.Missing, Over: fact.Over}, err
}

// takenBefore finds the payment that the request, or another one about the same payment, brought already.
func takenBefore(ctx context.Context, tx pgx.Tx, p LaterPayment) (bool, error) {
	var same bool
	err := tx.QueryRow(ctx, `SELECT bool_and(reference = $3 AND amount_minor = $4 AND $5 = (SELECT currency FROM orders WHERE key = $1))
		FROM order_payments WHERE order_key = $1 AND (request = $2 OR reference = $3) HAVING count(*) > 0`,
		p.Order.String(), p.Request, p.Reference, p.Amount, p.Currency).Scan(&same)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case !same:
		return false, ErrOtherPayment
	}
	return true, nil
}

// judge refuses what would count money twice, or mix what is held apart.
func (o *payable) judge(p LaterPayment) error {
	refuse := func(why string) error { return &order.Refusal{Reason: why} }
	_, overflow := money.AddMinor(o.captured, p.Amount)
	switch {
	case p.Currency != o.currency:
		return refuse("the order is paid in " + o.currency)
	case p.Amount <= 0:
		return refuse("nothing was paid")
	case overflow != nil:
		return refuse("the amount is out of range")
	case o.platform == catalog.PlatformShopify && p.By != byShopify:
		return refuse("Shopify tells of payments itself") // its documents state sums: the same money would count twice
	case o.exchange:
		return refuse("the order replaces goods that came back, and is paid with them")
	case o.followed:
		return refuse("the order's payment is captured at the payment provider: it shows what was taken")
	case o.captured > 0 && p.Reference == o.reference:
		return refuse("the order was placed with that payment")
	}
	return nil
}

func insertPayment(ctx context.Context, tx pgx.Tx, p LaterPayment, document int64) (n int, err error) {
	spent := false
	b := &pgx.Batch{}
	paymentdesk.QueueSpent(b, paymentdesk.Use{Storefront: p.Order.Storefront, Reference: cmp.Or(p.Provider, p.Reference), Order: p.Order.String()}, &spent)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return 0, err
	}
	if spent {
		return 0, errSpent
	}
	err = tx.QueryRow(ctx, `
		INSERT INTO order_payments (order_key, n, storefront, reference, request, amount_minor, by, document_id)
		SELECT $1, 1 + (SELECT count(*) FROM order_payments WHERE order_key = $1), $2, $3, $4, $5, $6, nullif($7::bigint, 0)
		ON CONFLICT DO NOTHING RETURNING n`,
		p.Order.String(), p.Order.Storefront, p.Reference, p.Request, p.Amount, p.By, document).Scan(&n)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, errSpent
	}
	return n, err
}

// errSpent: one payment never pays twice.
var errSpent = &order.Refusal{Reason: "that payment has paid for something else already"}

// book enters the money as captured, and where the storefront's provider has it opens the order's payment there.
func (o *payable) book(ctx context.Context, tx pgx.Tx, p LaterPayment, n int) error {
	capture, err := ledger.Captured(fmt.Sprintf("%s/%d", p.Order.Order, n+1), money.Money{Minor: p.Amount, Currency: p.Currency})
	if err != nil {
		return err
	}
	b := &pgx.Batch{}
	b.Queue(`UPDATE orders SET captured_minor = captured_minor + $2 WHERE key = $1`, p.Order.String(), p.Amount)
	if p.Provider != "" {
		paid := storefront.Order{
			Key: p.Order, Currency: p.Currency, Total: o.total,
			Payment: storefront.Payment{Status: storefront.PaymentPaid, Captured: p.Amount, Reference: p.Provider},
		}
		if err := paymentdesk.Open(b, paid, nil); err != nil {
			return err
		}
	}
	if err := postgres.Later(ctx, tx, b); err != nil {
		return err
	}
	return ledgerbook.Post(ctx, tx, p.Order.String(), capture)
}

func duesOf(ctx context.Context, tx pgx.Tx, key order.Key) (dues ledger.Dues, err error) {
	b := &pgx.Batch{}
	ledgerbook.QueueDues(b, key.String(), &dues)
	return dues, tx.SendBatch(ctx, b).Close()
}
