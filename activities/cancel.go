package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/sla"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/workflows"
)

// CancelPurchaseOrder asks a supplier to give units back: the fence that stands before they are
// bought elsewhere. Its answer is a promise to wait for, or final.
//
// When the units are asked back only because the supplier was silent, it is first looked whether it
// has spoken: in our own archive, where an answer may wait for its delivery, and at the supplier,
// whose webhook may have been lost.
func (o *Orders) CancelPurchaseOrder(ctx context.Context, in workflows.CancelInput) (order.Answer, error) {
	c, err := o.openCancel(ctx, in, "cancel")
	if err != nil {
		return order.Answer{}, fmt.Errorf("cancel at the supplier, purchase order %s: %w", in.PO, err)
	}
	if c.effect.before == effectDone {
		return c.earlierResult()
	}
	// Once the supplier may have been asked, only its answer to that can tell.
	if in.OnlyIfSilent && !c.effect.inDoubt() {
		answer, spoke, err := o.hasSpoken(ctx, c)
		if err != nil {
			return order.Answer{}, err
		}
		if spoke {
			return answer, o.endEffect(ctx, &c.effect, effectDone, answer)
		}
	}
	receipt, err := c.channel.Cancel(ctx, c.request())
	if errors.Is(err, supplier.ErrNotFound) {
		// It never had the order, and will refuse the number if it comes late.
		receipt, err = supplier.CancelReceipt{Outcome: supplier.CancelAccepted, Reason: "the supplier never had it"}, nil
	}
	return o.answered(ctx, c, receipt, err)
}

// InterceptParcel asks a supplier to stop a parcel that should not have been sent.
func (o *Orders) InterceptParcel(ctx context.Context, in workflows.CancelInput) (order.Answer, error) {
	c, err := o.openCancel(ctx, in, "intercept")
	if err != nil {
		return order.Answer{}, fmt.Errorf("intercept a parcel of purchase order %s: %w", in.PO, err)
	}
	if c.effect.before == effectDone {
		return c.earlierResult()
	}
	receipt, err := c.channel.Intercept(ctx, c.request())
	if errors.Is(err, supplier.ErrNotFound) {
		receipt, err = supplier.CancelReceipt{Outcome: supplier.CancelRejected, Reason: "the supplier does not know the order"}, nil
	}
	return o.answered(ctx, c, receipt, err)
}

// cancellation is a request to a supplier with what decides about it.
type cancellation struct {
	in           workflows.CancelInput
	contract     catalog.Contract
	channel      supplier.Channel
	acknowledged *time.Time
	effect       effect
	lines        []order.ShippedLine // as the first attempt asked
}

// requestKey is an effect as suppliers take it: they know no slash, and which kind of request it is
// says the request. Their answers repeat it.
func requestKey(effect string) string {
	return strings.ReplaceAll(strings.TrimPrefix(effect, "intercept/"), "/", "-")
}

func (c *cancellation) request() supplier.Cancellation {
	return supplier.Cancellation{Key: requestKey(c.in.Effect), Number: c.in.PO, Reason: c.in.Reason, Lines: c.lines}
}

func (o *Orders) openCancel(ctx context.Context, in workflows.CancelInput, kind string) (*cancellation, error) {
	c := &cancellation{in: in, effect: effect{key: kind + "/" + requestKey(in.Effect)}}
	var who catalog.Supplier
	batch := &pgx.Batch{}
	batch.Queue(`SELECT s.document, p.acknowledged_at FROM purchase_orders p JOIN suppliers s ON s.id = p.supplier
		WHERE p.number = $1`, in.PO).QueryRow(func(row pgx.Row) error {
		return missing(row.Scan(&who, &c.acknowledged), "purchase order", in.PO)
	})
	queueBeginEffect(batch, &c.effect, in.Key, kind)
	batch.Queue(`UPDATE effects SET asked = coalesce(asked, $2) WHERE key = $1 RETURNING asked`, c.effect.key, in.Lines).
		QueryRow(func(row pgx.Row) error { return row.Scan(&c.lines) })
	if err := o.Pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	c.contract = who.Contract
	var err error
	c.channel, err = o.supplierOf(who)
	return c, err
}

func (c *cancellation) earlierResult() (order.Answer, error) {
	var answer order.Answer
	if err := json.Unmarshal(c.effect.result, &answer); err != nil {
		return answer, fmt.Errorf("read the result of %s: %w", c.effect.key, err)
	}
	return answer, nil
}

// hasSpoken looks for an acknowledgment that has not reached the order.
func (o *Orders) hasSpoken(ctx context.Context, c *cancellation) (order.Answer, bool, error) {
	if c.acknowledged != nil {
		return order.Answer{Outcome: order.AnswerRejected, Reason: "its answer for the order had arrived"}, true, nil
	}
	standing, err := c.channel.LookUp(ctx, c.in.PO)
	if err == nil && !standing.Cancelled && standing.Acknowledgment != nil {
		ack := *standing.Acknowledgment
		ack.PO = c.in.PO
		if err := o.keepAcknowledgment(ctx, c.in.Key.String(), &ack); err != nil {
			return order.Answer{}, false, fmt.Errorf("keep the acknowledgment of %s: %w", c.in.PO, err)
		}
		return order.Answer{Outcome: order.AnswerRejected, Reason: "it had answered for the order; the answer was lost on the way"}, true, nil
	}
	// Not found, or no way to ask: the cancellation itself will tell.
	return order.Answer{}, false, nil
}

// keepAcknowledgment appends an acknowledgment as a fact, unless one has come meanwhile. The order is
// locked before its purchase order, as everyone does.
func (o *Orders) keepAcknowledgment(ctx context.Context, orderKey string, ack *order.Acknowledgment) error {
	return postgres.InTx(ctx, o.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT FROM orders WHERE key = $1 FOR NO KEY UPDATE`, orderKey); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `UPDATE purchase_orders SET acknowledged_at = $2 WHERE number = $1 AND acknowledged_at IS NULL`, ack.PO, ack.At)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		_, err = facts.Append(ctx, tx, orderKey, order.Fact{Acknowledge: ack}, true, 0)
		return err
	})
}

func (o *Orders) answered(ctx context.Context, c *cancellation, receipt supplier.CancelReceipt, err error) (order.Answer, error) {
	var answer order.Answer
	switch {
	case errors.Is(err, supplier.ErrRefused):
		answer = order.Answer{Outcome: order.AnswerRejected, Reason: detail(err)}
	case errors.Is(err, supplier.ErrUnavailable):
		return answer, o.failed(ctx, &c.effect, c.effect.untried(), err)
	case err != nil:
		// Asking again under the same key is safe.
		return answer, o.failed(ctx, &c.effect, effectUnknown, err)
	case receipt.Outcome == supplier.CancelAccepted:
		answer = order.Answer{Outcome: order.AnswerAccepted, Reason: receipt.Reason}
	case receipt.Outcome == supplier.CancelRejected:
		answer = order.Answer{Outcome: order.AnswerRejected, Reason: receipt.Reason}
	default:
		answer = order.Answer{Outcome: order.AnswerPending, ConfirmBy: c.confirmBy(o.Now())}
	}
	return answer, o.endEffect(ctx, &c.effect, effectDone, answer)
}

// confirmBy is when the contract promises the answer; zero when it promises none.
func (c *cancellation) confirmBy(now time.Time) time.Time {
	within := c.contract.Cancel.Within
	if within.IsZero() {
		return time.Time{}
	}
	clock, err := sla.Start(c.contract.Calendar, sla.CancelConfirmation, within, nil, now)
	if err != nil {
		return time.Time{}
	}
	return clock.DueAt
}
