package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/workflows"
)

// AuthoriseReturn tells the supplier that goods come back, over its interface or in a letter, and keeps
// the label that it makes, or buys one of a carrier. Its answer counts; one that it promises comes as a
// document later. Goods that the customer keeps are not announced.
func (o *Orders) AuthoriseReturn(ctx context.Context, in workflows.ReturnInput) (workflows.ReturnAuthorised, error) {
	a, err := o.openAuthorisation(ctx, in)
	if err != nil {
		return workflows.ReturnAuthorised{}, fmt.Errorf("announce return %s: %w", in.RMA, err)
	}
	if a.state.Keep {
		return workflows.ReturnAuthorised{}, nil
	}
	result, err := a.announced(ctx, o)
	if err != nil {
		return workflows.ReturnAuthorised{}, err
	}
	return a.withLabel(ctx, o, result)
}

// announced is the supplier's answer to the return, which it is told of unless it was before.
func (a *authorisation) announced(ctx context.Context, o *Orders) (workflows.ReturnAuthorised, error) {
	if a.effect.before == effectDone {
		var result workflows.ReturnAuthorised
		return result, json.Unmarshal(a.effect.result, &result)
	}
	channel, err := o.supplierOf(a.supplier)
	if err != nil {
		return workflows.ReturnAuthorised{}, err
	}
	receipt, err := announceReturn(ctx, channel, a)
	switch {
	case errors.Is(err, supplier.ErrNotFound):
		return a.byLetter(ctx, o)
	case errors.Is(err, supplier.ErrRefused):
		receipt, err = supplier.ReturnReceipt{CancelReceipt: supplier.CancelReceipt{Outcome: supplier.CancelRejected, At: o.Now(), Reason: "refused"}}, nil
	case errors.Is(err, supplier.ErrUnavailable):
		return workflows.ReturnAuthorised{}, o.failed(ctx, &a.effect, a.effect.untried(), err)
	}
	if err != nil { // asking again under the RMA tells
		return workflows.ReturnAuthorised{}, o.failed(ctx, &a.effect, effectUnknown, err)
	}
	return a.answered(ctx, o, receipt)
}

// authorisation is a return with what its announcement needs.
type authorisation struct {
	in       workflows.ReturnInput
	state    returns.State
	supplier catalog.Supplier
	skus     map[int]string // the supplier's own, by line
	effect   effect
}

func (o *Orders) openAuthorisation(ctx context.Context, in workflows.ReturnInput) (*authorisation, error) {
	a := &authorisation{in: in, skus: map[int]string{}, effect: effect{key: "return/" + in.RMA}}
	batch := &pgx.Batch{}
	batch.Queue(`SELECT r.state, s.document FROM returns r JOIN suppliers s ON s.id = r.supplier WHERE r.rma = $1`, in.RMA).
		QueryRow(func(row pgx.Row) error { return missing(row.Scan(&a.state, &a.supplier), "return", in.RMA) })
	batch.Queue(`SELECT l.line, p.supplier_sku FROM return_lines l JOIN purchase_order_lines p ON p.number = l.po_number AND p.line = l.line
		WHERE l.rma = $1`, in.RMA).Query(func(rows pgx.Rows) error {
		var line int
		var sku string
		_, err := pgx.ForEachRow(rows, []any{&line, &sku}, func() error { a.skus[line] = sku; return nil })
		return err
	})
	queueBeginEffect(batch, &a.effect, in.Key, "return")
	return a, o.Pool.SendBatch(ctx, batch).Close()
}

// announceReturn asks a channel that has returns; ErrNotFound when it has none.
func announceReturn(ctx context.Context, channel supplier.Channel, a *authorisation) (supplier.ReturnReceipt, error) {
	returner, able := channel.(supplier.Returner)
	if !able {
		return supplier.ReturnReceipt{}, supplier.ErrNotFound
	}
	announced := supplier.ReturnAuthorization{RMA: a.in.RMA, Number: a.state.PO, SendBy: a.state.SendBy}
	for i := range a.state.Lines {
		l := &a.state.Lines[i]
		announced.Lines = append(announced.Lines, supplier.ReturnLine{
			Line: l.Line, SupplierSKU: a.skus[l.Line], Quantity: l.Quantity, Reason: string(l.Reason),
		})
	}
	return returner.AuthoriseReturn(ctx, announced)
}

// answered keeps the answer and the label.
func (a *authorisation) answered(ctx context.Context, o *Orders, receipt supplier.ReturnReceipt) (workflows.ReturnAuthorised, error) {
	var result workflows.ReturnAuthorised
	if receipt.Label != nil {
		result.Label = &returns.Label{Carrier: receipt.Label.Carrier, Tracking: receipt.Label.Tracking, Supplied: true}
	}
	if receipt.Outcome != supplier.CancelPending {
		result.Answer = &returns.SupplierAnswer{At: receipt.At, Kind: returns.SupplierAccepted, Reason: receipt.Reason}
		if receipt.Outcome == supplier.CancelRejected {
			result.Answer.Kind = returns.SupplierRefused
		}
	}
	ctx, cancel := background(ctx)
	defer cancel()
	err := postgres.Do(ctx, o.Pool, func(_ context.Context, w *postgres.Work) error {
		if l := receipt.Label; l != nil {
			w.Queue(`INSERT INTO return_parcels (carrier, tracking, rma, label_url, next_check_at) VALUES ($1, $2, $3, $4, now() + interval '1 hour')
				ON CONFLICT DO NOTHING`,
				l.Carrier, l.Tracking, a.in.RMA, l.URL)
		}
		return queueEndEffect(w, &a.effect, effectDone, result)
	})
	if err != nil {
		return workflows.ReturnAuthorised{}, fmt.Errorf("note the answer to return %s: %w", a.in.RMA, err)
	}
	return result, nil
}

// byLetter writes to a supplier that has no interface for returns; it answers by what it does.
func (a *authorisation) byLetter(ctx context.Context, o *Orders) (workflows.ReturnAuthorised, error) {
	ctx, cancel := background(ctx)
	defer cancel()
	err := postgres.Do(ctx, o.Pool, func(_ context.Context, w *postgres.Work) error {
		err := queueMessages(w, outbox.Message{
			Key: "supplier_mail/return/" + a.in.RMA, OrderKey: a.in.Key.String(), Channel: outbox.SupplierMail, Kind: "return_announced",
			Payload: outbox.Payload{PO: a.state.PO, RMA: a.in.RMA, ExpectedOn: a.state.SendBy},
		})
		if err != nil {
			return err
		}
		return queueEndEffect(w, &a.effect, effectDone, workflows.ReturnAuthorised{})
	})
	if err != nil {
		return workflows.ReturnAuthorised{}, fmt.Errorf("write to the supplier of return %s: %w", a.in.RMA, err)
	}
	return workflows.ReturnAuthorised{}, nil
}
