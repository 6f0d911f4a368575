package activities

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/workflows"
)

// RefundAgain makes a refund once more that came back or was held, because a person decided so. Amount
// and key were fixed with the refund; each try has a key of its own, and another after each refusal. What the provider refuses, or must
// not be asked for while the customer's bank disputes the payment, comes back without a reference. A try
// whose answer was lost is asked for again in any case: the provider may have made it before the dispute.
func (o *Orders) RefundAgain(ctx context.Context, in workflows.RefundAgainInput) (payments.RefundTried, error) {
	tried := payments.RefundTried{Key: in.Refund, Try: in.Try, Standing: payments.RefundFailed}
	e := &effect{key: againKey(in)}
	c, err := o.openPayment(ctx, in.Key, func(w *postgres.Work, _ *paymentCall) error {
		queueBeginEffect(w, e, in.Key, "refund")
		return nil
	})
	if err != nil {
		return tried, err
	}
	if c.disputed && !e.inDoubt() && e.before != effectDone {
		tried.Reason = "disputed"
		return tried, o.endEffect(ctx, e, effectNotSent, nil)
	}
	receipt, err := c.provider.Refund(ctx, payment.Refund{Key: e.key, Reference: c.reference, Amount: in.Amount, Currency: c.currency})
	switch {
	case errors.Is(err, payment.ErrRefused):
		tried.Reason = codeOf(err)
		return tried, o.endEffect(ctx, e, effectNotSent, nil)
	case errors.Is(err, payment.ErrUnavailable):
		return tried, o.failed(ctx, e, e.untried(), err)
	case err != nil:
		return tried, o.failed(ctx, e, effectUnknown, err)
	}
	tried.Reference, tried.Standing, tried.Reason = receipt.Reference, refundStanding(receipt.Status), receipt.Reason
	done, cancel := background(ctx)
	defer cancel()
	err = postgres.Do(done, o.Pool, func(_ context.Context, w *postgres.Work) error {
		w.Queue(`SELECT FROM orders WHERE key = $1 FOR NO KEY UPDATE`, in.Key.String())
		queueProviderRefund(w, in.Key.String(), receipt.Reference, in.Refund, in.Try, in.Amount, receipt.Status)
		return queueEndEffect(w, e, effectDone, tried)
	})
	if err != nil {
		return tried, fmt.Errorf("record try %d of refund %s: %w", in.Try, in.Refund, err)
	}
	return tried, nil
}

// againKey names one try to the provider, which answers a key for a day as it did before: also with a refusal whose
// cause is mended by then. So what was refused is asked for under another key; a try in doubt never is.
func againKey(in workflows.RefundAgainInput) string {
	key := in.Refund + "#" + strconv.Itoa(in.Try)
	if in.Refused > 0 {
		key += "." + strconv.Itoa(in.Refused)
	}
	return key
}

func refundStanding(s payment.RefundStatus) payments.RefundStanding {
	switch s {
	case payment.RefundSucceeded:
		return payments.RefundDone
	case payment.RefundFailed:
		return payments.RefundFailed
	default:
		return payments.RefundPending
	}
}

// LookUpRefund asks the provider where a pending refund stands.
func (o *Orders) LookUpRefund(ctx context.Context, in workflows.RefundAgainInput) (payments.RefundTried, error) {
	tried := payments.RefundTried{Key: in.Refund, Try: in.Try, Reference: in.Reference, Standing: payments.RefundPending}
	c, err := o.openPayment(ctx, in.Key, nil)
	if err != nil {
		return tried, err
	}
	receipt, err := c.provider.LookUpRefund(ctx, in.Reference)
	if errors.Is(err, payment.ErrRefused) {
		tried.Reason = codeOf(err)
		return tried, nil
	}
	if err != nil {
		return tried, partnerFailure(err)
	}
	done, cancel := background(ctx)
	defer cancel()
	_, err = o.Pool.Exec(done, `UPDATE provider_refunds SET status = $3 WHERE order_key = $1 AND reference = $2 AND status <> 'failed'`,
		in.Key.String(), in.Reference, string(receipt.Status))
	if err != nil {
		return tried, fmt.Errorf("record where refund %s stands: %w", in.Refund, err)
	}
	tried.Standing, tried.Reason = refundStanding(receipt.Status), receipt.Reason
	return tried, nil
}
