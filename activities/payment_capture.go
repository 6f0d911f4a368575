package activities

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/postgres"
)

// paymentCall is a payment with what is needed to speak to its provider.
type paymentCall struct {
	*paymentRow

	key      order.Key
	currency string
	provider payment.Provider
}

// openPayment reads a payment under the order's lock and lets fn decide what is called for.
func (o *Orders) openPayment(ctx context.Context, key order.Key, fn func(w *postgres.Work, c *paymentCall) error) (*paymentCall, error) {
	var c *paymentCall
	err := postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		c = &paymentCall{key: key, paymentRow: queuePayment(w, key.String())}
		var shop catalog.Storefront
		w.Queue(`SELECT o.currency, s.document FROM orders o JOIN storefronts s ON s.id = o.storefront WHERE o.key = $1`,
			key.String()).QueryRow(func(row pgx.Row) error {
			return missing(row.Scan(&c.currency, &shop), "order", key.String())
		})
		err := w.Flush(ctx)
		if err == nil && c.reference == "" {
			err = paymentdesk.ErrNoPayment
		}
		if err == nil {
			c.provider, err = o.provider(shop)
		}
		if err == nil && fn != nil {
			err = fn(w, c)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("payment of order %s: %w", key, err)
	}
	return c, nil
}

// LookUpPayment asks the provider until when it holds the money, and whether it still does.
func (o *Orders) LookUpPayment(ctx context.Context, key order.Key) (payments.Standing, error) {
	c, err := o.openPayment(ctx, key, nil)
	if err != nil {
		return payments.Standing{}, err
	}
	p, err := c.provider.LookUp(ctx, c.reference)
	if err != nil {
		return payments.Standing{}, partnerFailure(err)
	}
	return StandingOf(p), nil
}

// StandingOf is what a payment's workflow takes of the provider's word.
func StandingOf(p payment.Payment) payments.Standing {
	return payments.Standing{Status: string(p.Status), Authorised: p.Authorised, Captured: p.Captured, ExpiresAt: p.ExpiresAt}
}

// CapturePayment takes what is due of an authorisation: all that was not cancelled until now. The amount
// is fixed in Postgres before the call, and what is cancelled after that is refunded; a lost answer is
// asked for again under the same key. A capture that was refused is over: the next has another key, and an
// amount of its own.
func (o *Orders) CapturePayment(ctx context.Context, key order.Key) (payments.Taking, error) {
	c, err := o.openPayment(ctx, key, fixCapture)
	if err != nil {
		return payments.Taking{}, err
	}
	if c.taking == nil {
		return payments.Taking{Amount: c.captured, Released: c.released, Over: max(c.captured-(c.authorised-c.released), 0)}, nil
	}
	taken := payments.Taking{Amount: *c.taking, Released: c.released}
	got, err := c.provider.Capture(ctx, payment.Capture{
		Key: fmt.Sprintf("capture/%s/%d", key, c.try), Reference: c.reference, Amount: *c.taking, Currency: c.currency,
	})
	switch {
	case errors.Is(err, payment.ErrRefused):
		if taken, err = c.refused(ctx, codeOf(err)); err != nil {
			return payments.Taking{}, partnerFailure(err)
		}
	case err != nil:
		return payments.Taking{}, partnerFailure(err)
	case got.Captured > 0:
		taken.Amount = got.Captured
	}
	if taken.Amount > *c.taking {
		taken.Over = taken.Amount - *c.taking
	}
	if err := o.captured(ctx, c, taken); err != nil {
		return payments.Taking{}, fmt.Errorf("record the capture of order %s: %w", key, err)
	}
	return taken, nil
}

// fixCapture begins a capture, or finds the one that was begun. Nothing is fixed when nothing is due.
func fixCapture(w *postgres.Work, c *paymentCall) error {
	if c.standing != paymentdesk.StandingAuthorised || c.due() <= 0 {
		return nil
	}
	due := c.due()
	c.try++
	c.taking, c.standing = &due, paymentdesk.StandingCapturing
	w.Queue(`UPDATE payments SET standing = 'capturing', capture_try = $2, capture_minor = $3 WHERE order_key = $1`, c.key.String(), c.try, due)
	return nil
}

// refused looks why: somebody may have captured it at the provider, or the authorisation may have ended.
func (c *paymentCall) refused(ctx context.Context, code string) (payments.Taking, error) {
	p, err := c.provider.LookUp(ctx, c.reference)
	switch {
	case errors.Is(err, payment.ErrRefused):
		return payments.Taking{Refused: true, Code: code, Released: c.released}, nil
	case err != nil:
		return payments.Taking{}, err
	case p.Captured > 0:
		return payments.Taking{Amount: p.Captured, Released: c.released}, nil
	}
	gone := p.Status == payment.Voided || p.Status == payment.Declined
	return payments.Taking{Refused: true, Code: code, Gone: gone, Released: c.released}, nil
}

// captured records how a capture ended, and posts what was taken.
func (o *Orders) captured(ctx context.Context, c *paymentCall, t payments.Taking) error {
	ctx, cancel := background(ctx)
	defer cancel()
	key := c.key.String()
	return postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		book := ledgerbook.Open(w, key)
		if t.Refused {
			w.Queue(`UPDATE payments SET standing = 'authorised', capture_minor = NULL
				WHERE order_key = $1 AND standing = 'capturing' AND capture_try = $2`, key, c.try)
			return nil
		}
		w.Queue(`UPDATE payments SET standing = CASE WHEN standing IN ('elsewhere', 'written_off') THEN standing ELSE 'captured' END,
			captured_minor = $3, capture_minor = NULL, awaits_shipment = false
			WHERE order_key = $1 AND standing = $4 AND capture_try = $2`, key, c.try, t.Amount, c.standing)
		if err := w.Flush(ctx); err != nil {
			return err
		}
		posting, err := ledger.AuthorisationCaptured(c.key.Order, money.Money{Minor: t.Amount, Currency: c.currency}, t.Over)
		if err == nil {
			err = book.Post(posting)
		}
		if err == nil {
			err = book.NamePayment(c.currency)
		}
		if err != nil {
			return err
		}
		return book.Write(w)
	})
}

// tooMuch is what was captured although it was cancelled, or paid by other means.
func (p *paymentRow) tooMuch() int64 {
	if p.standing == paymentdesk.StandingElsewhere || p.standing == paymentdesk.StandingWrittenOff {
		return p.captured
	}
	return min(p.captured, max(p.captured-(p.authorised-p.released-p.elsewhere-p.writtenOff), 0))
}

// VoidPayment lets an authorisation go of which nothing is due. It returns what somebody at the provider had
// taken of it nevertheless, all of it too much.
func (o *Orders) VoidPayment(ctx context.Context, key order.Key) (payments.Voiding, error) {
	c, err := o.openPayment(ctx, key, nil)
	if err != nil {
		return payments.Voiding{}, err
	}
	unpaid := c.standing == paymentdesk.StandingAuthorised && c.due() > 0
	switch over := c.tooMuch(); {
	case over > 0: // that was found before, and the answer did not arrive
		return payments.Voiding{Taken: payments.Taking{Amount: c.captured, Over: over, Released: c.released}}, nil
	case unpaid || c.standing == paymentdesk.StandingCapturing || c.standing == paymentdesk.StandingCaptured:
		return payments.Voiding{}, temporal.NewApplicationError(fmt.Sprintf("the authorisation of order %s is %s: it is not let go", key, c.standing), "Payment")
	}
	// To let go twice is to let go once, so each attempt has a key of its own: a provider gives its stored failure
	// to all that repeat the first.
	_, err = c.provider.Void(ctx, fmt.Sprintf("void/%s/%d", key, o.Now().UnixMilli()), c.reference)
	if errors.Is(err, payment.ErrRefused) {
		p, look := c.provider.LookUp(ctx, c.reference)
		switch {
		case look != nil:
			return payments.Voiding{}, partnerFailure(look)
		case p.Captured > 0:
			taken := payments.Taking{Amount: p.Captured, Over: p.Captured, Released: c.released}
			return payments.Voiding{Taken: taken}, o.captured(ctx, c, taken)
		case p.Status == payment.Voided || p.Status == payment.Declined:
			err = nil // it had ended by itself
		}
	}
	if err != nil {
		return payments.Voiding{}, partnerFailure(err)
	}
	done, cancel := background(ctx)
	defer cancel()
	_, err = o.Pool.Exec(done, `UPDATE payments SET standing = CASE WHEN standing = 'authorised' THEN 'voided' ELSE standing END,
		awaits_shipment = false WHERE order_key = $1`, key.String())
	if err != nil {
		return payments.Voiding{}, fmt.Errorf("record that the authorisation of order %s is let go: %w", key, err)
	}
	return payments.Voiding{}, nil
}
