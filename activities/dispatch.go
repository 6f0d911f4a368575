package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sla"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/workflows"
)

// DispatchPurchaseOrder sends a purchase order to its supplier and starts the contract's clocks.
//
// It never sends blindly twice: an attempt that finds an earlier one without an end asks the supplier
// for the number first. A send without an answer is reported as unknown; looking it up is a step of
// its own.
func (o *Orders) DispatchPurchaseOrder(ctx context.Context, in workflows.PurchaseOrderInput) (order.Dispatch, error) {
	d, err := o.openDispatch(ctx, in)
	if err != nil {
		return order.Dispatch{}, fmt.Errorf("dispatch purchase order %s: %w", in.PO, err)
	}
	if d.effect.before == effectDone {
		return d.earlier, nil
	}
	if d.effect.inDoubt() {
		standing, err := d.channel.LookUp(ctx, in.PO)
		if err == nil {
			return o.sent(ctx, d, standingReceipt(standing))
		}
		if !errors.Is(err, supplier.ErrNotFound) {
			return order.Dispatch{}, o.failed(ctx, &d.effect, effectUnknown, err)
		}
	}
	receipt, err := d.channel.Submit(ctx, d.po)
	switch {
	case err == nil:
		return o.sent(ctx, d, receipt)
	case errors.Is(err, supplier.ErrUnknown):
		result := d.result(order.DispatchUnknown, o.Now())
		return result, o.endEffect(ctx, &d.effect, effectUnknown, result)
	case errors.Is(err, supplier.ErrRefused):
		result := order.Dispatch{Outcome: order.DispatchRefused, Reason: detail(err)}
		return result, o.endEffect(ctx, &d.effect, effectDone, result)
	case errors.Is(err, supplier.ErrConflict):
		result := d.result(order.DispatchConflict, o.Now())
		return result, o.endEffect(ctx, &d.effect, effectDone, result)
	case errors.Is(err, supplier.ErrUnavailable):
		return order.Dispatch{}, o.failed(ctx, &d.effect, d.effect.untried(), err)
	}
	return order.Dispatch{}, o.failed(ctx, &d.effect, effectUnknown, err) // a kind we do not know proves nothing
}

// LookUpPurchaseOrder asks a supplier whether it has a purchase order whose send had no answer.
func (o *Orders) LookUpPurchaseOrder(ctx context.Context, in workflows.PurchaseOrderInput) (order.Dispatch, error) {
	d, err := o.openDispatch(ctx, in)
	if err != nil {
		return order.Dispatch{}, fmt.Errorf("look up purchase order %s: %w", in.PO, err)
	}
	if d.effect.before == effectDone {
		return d.earlier, nil
	}
	standing, err := d.channel.LookUp(ctx, in.PO)
	switch {
	case err == nil:
		return o.sent(ctx, d, standingReceipt(standing))
	case errors.Is(err, supplier.ErrNotFound):
		result := d.result(order.DispatchAbsent, o.Now())
		return result, o.endEffect(ctx, &d.effect, effectNotSent, nil)
	}
	return order.Dispatch{}, o.failed(ctx, &d.effect, effectUnknown, err)
}

// standingReceipt reads a look-up as the receipt that was lost. A supplier that has cancelled the
// order has rejected it.
func standingReceipt(s supplier.Standing) supplier.Receipt {
	receipt := s.Receipt
	if s.Cancelled {
		receipt.Acknowledgment = &order.Acknowledgment{
			Document: "look-up", At: s.ReceivedAt, Whole: order.AckRejected, Reason: "cancelled at the supplier",
		}
	}
	return receipt
}

// dispatch is a purchase order on its way.
type dispatch struct {
	po       supplier.PurchaseOrder
	contract catalog.Contract
	channel  supplier.Channel
	effect   effect
	earlier  order.Dispatch // what attempts before this one found out
}

func (o *Orders) openDispatch(ctx context.Context, in workflows.PurchaseOrderInput) (*dispatch, error) {
	d := &dispatch{effect: effect{key: "submit/" + in.PO}}
	var who catalog.Supplier
	batch := &pgx.Batch{}
	batch.Queue(`SELECT p.number, p.supplier, p.currency, p.method, p.created_at, c.ship_to, s.document
		FROM purchase_orders p JOIN order_contacts c USING (order_key) JOIN suppliers s ON s.id = p.supplier
		WHERE p.number = $1`, in.PO).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&d.po.Number, &d.po.Supplier, &d.po.Currency, &d.po.Method, &d.po.OrderedAt, &d.po.ShipTo, &who)
		return missing(err, "purchase order", in.PO)
	})
	batch.Queue(`SELECT line, sku, supplier_sku, live, unit_cost FROM purchase_order_lines
		WHERE number = $1 AND live > 0 ORDER BY line`, in.PO).Query(func(rows pgx.Rows) error {
		var err error
		d.po.Lines, err = pgx.CollectRows(rows, pgx.RowToStructByPos[supplier.PurchaseOrderLine])
		return err
	})
	queueBeginEffect(batch, &d.effect, in.Key, "submit")
	if err := o.Pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	if d.effect.result != nil {
		if err := json.Unmarshal(d.effect.result, &d.earlier); err != nil {
			return nil, fmt.Errorf("read the result of %s: %w", d.effect.key, err)
		}
	}
	d.contract = who.Contract
	var err error
	d.channel, err = o.supplierOf(who)
	return d, err
}

// result starts the contract's clocks at the moment of the first sending. They run from there also
// when nobody knows yet whether the supplier has the order: a supplier that has it must answer in
// time.
func (d *dispatch) result(outcome order.DispatchOutcome, now time.Time) order.Dispatch {
	if first := d.earlier; !first.SentAt.IsZero() {
		return order.Dispatch{
			Outcome: outcome, SentAt: first.SentAt, AckDueAt: first.AckDueAt, RemindAt: first.RemindAt, ShipDueAt: first.ShipDueAt,
		}
	}
	calendar := d.contract.Calendar
	result := order.Dispatch{Outcome: outcome, SentAt: now.UTC().Truncate(time.Second)}
	if ack, err := sla.Start(calendar, sla.Acknowledge, d.contract.SLA.Acknowledge, d.contract.SLA.Reminders, now); err == nil {
		result.AckDueAt, result.RemindAt = ack.DueAt, ack.RemindAt
	}
	if ship, err := sla.Start(calendar, sla.Ship, d.contract.SLA.Ship, nil, now); err == nil {
		result.ShipDueAt = ship.DueAt
	}
	return result
}

// sent records that the supplier has the purchase order, with its deadlines.
func (o *Orders) sent(ctx context.Context, d *dispatch, receipt supplier.Receipt) (order.Dispatch, error) {
	result := d.result(order.DispatchSubmitted, o.Now())
	result.Reference, result.Ack = receipt.Reference, receipt.Acknowledgment
	var acknowledged *time.Time
	if result.Ack != nil {
		result.Ack.PO = d.po.Number
		acknowledged = &result.Ack.At
	}
	ctx, cancel := background(ctx)
	defer cancel()
	batch := &pgx.Batch{}
	if err := queueEndEffect(batch, &d.effect, effectDone, result); err != nil {
		return order.Dispatch{}, err
	}
	batch.Queue(`UPDATE purchase_orders SET submitted_at = $2, reference = $3, ack_due_at = $4, ship_due_at = $5,
			acknowledged_at = coalesce(acknowledged_at, $6),
			status = CASE WHEN status IN ('created', 'sending', 'delivery_unknown') THEN 'submitted' ELSE status END
		WHERE number = $1`, d.po.Number, result.SentAt, result.Reference, result.AckDueAt, result.ShipDueAt, acknowledged)
	return result, o.Pool.SendBatch(ctx, batch).Close()
}

// detail is the part of a partner's failure that is safe to show.
func detail(err error) string {
	if failure, ok := errors.AsType[*supplier.Error](err); ok {
		return failure.Detail
	}
	return "refused"
}
