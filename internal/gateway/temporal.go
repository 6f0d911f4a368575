package gateway

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/workflows"
)

// Orders asks orders' workflows. id names the request: asked again with the same one, the order
// gives its first answer again. Errors are *order.Refusal, ErrNotRunning, ErrLate or ErrUnreachable;
// after the last two the order may still take the request.
type Orders interface {
	Cancel(ctx context.Context, key order.Key, id string, r order.CancelRequest) (order.CancelReply, error)
	Review(ctx context.Context, key order.Key, id string, r workflows.ReviewRequest) (workflows.Answer, error)
	ChangeAddress(ctx context.Context, key order.Key, id string, r workflows.AddressRequest) (workflows.Answer, error)
	Resolve(ctx context.Context, key order.Key, id string, r workflows.ResolveRequest) (workflows.Answer, error)
	// CancelReturn and DecideReturn ask a return's workflow.
	CancelReturn(ctx context.Context, key order.Key, rma, id string, r returns.CancelRequest) (workflows.ReturnAnswer, error)
	DecideReturn(ctx context.Context, key order.Key, rma, id string, d returns.Decision) (workflows.ReturnAnswer, error)
	// DecidePayment asks a payment's workflow.
	DecidePayment(ctx context.Context, key order.Key, id string, d payments.Decision) (workflows.PaymentAnswer, error)
	// SettleClaim asks a claim's workflow.
	SettleClaim(ctx context.Context, claim, id string, d claims.Settlement) (workflows.ClaimAnswer, error)
	// Reachable is nil when orders can be asked at all.
	Reachable(ctx context.Context) error
}

// Why an order did not answer.
var (
	// ErrNotRunning: no workflow runs for the order, so nothing took the request.
	ErrNotRunning = errors.New("the order's workflow does not run")
	// ErrLate: the order did not answer in time.
	ErrLate = errors.New("the order did not answer in time")
	// ErrUnreachable: the request may not have reached the order.
	ErrUnreachable = errors.New("the order could not be reached")
)

// AskTemporal is Orders over a Temporal client.
func AskTemporal(c client.Client) Orders { return temporalOrders{c} }

type temporalOrders struct{ client client.Client }

func (t temporalOrders) Cancel(ctx context.Context, key order.Key, id string, r order.CancelRequest) (order.CancelReply, error) {
	return ask[order.CancelReply](ctx, t.client, key.WorkflowID(), workflows.UpdateCancel, id, r)
}

func (t temporalOrders) Review(ctx context.Context, key order.Key, id string, r workflows.ReviewRequest) (workflows.Answer, error) {
	return ask[workflows.Answer](ctx, t.client, key.WorkflowID(), workflows.UpdateReview, id, r)
}

func (t temporalOrders) ChangeAddress(ctx context.Context, key order.Key, id string, r workflows.AddressRequest) (workflows.Answer, error) {
	return ask[workflows.Answer](ctx, t.client, key.WorkflowID(), workflows.UpdateAddress, id, r)
}

func (t temporalOrders) Resolve(ctx context.Context, key order.Key, id string, r workflows.ResolveRequest) (workflows.Answer, error) {
	return ask[workflows.Answer](ctx, t.client, key.WorkflowID(), workflows.UpdateResolve, id, r)
}

func (t temporalOrders) CancelReturn(
	ctx context.Context, key order.Key, rma, id string, r returns.CancelRequest,
) (workflows.ReturnAnswer, error) {
	return ask[workflows.ReturnAnswer](ctx, t.client, returns.WorkflowID(key, rma), workflows.UpdateCancel, id, r)
}

func (t temporalOrders) DecideReturn(ctx context.Context, key order.Key, rma, id string, d returns.Decision) (workflows.ReturnAnswer, error) {
	return ask[workflows.ReturnAnswer](ctx, t.client, returns.WorkflowID(key, rma), workflows.UpdateDecide, id, d)
}

func (t temporalOrders) DecidePayment(ctx context.Context, key order.Key, id string, d payments.Decision) (workflows.PaymentAnswer, error) {
	return ask[workflows.PaymentAnswer](ctx, t.client, payments.WorkflowID(key), workflows.UpdateDecide, id, d)
}

func (t temporalOrders) SettleClaim(ctx context.Context, claim, id string, d claims.Settlement) (workflows.ClaimAnswer, error) {
	return ask[workflows.ClaimAnswer](ctx, t.client, claims.WorkflowID(claim), workflows.UpdateSettle, id, d)
}

func (t temporalOrders) Reachable(ctx context.Context) error {
	_, err := t.client.CheckHealth(ctx, &client.CheckHealthRequest{})
	return err
}

func ask[A any](ctx context.Context, c client.Client, workflow, name, id string, request any) (A, error) {
	var answer A
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		UpdateID: id, WorkflowID: workflow, UpdateName: name, Args: []any{request},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &answer)
	}
	if err != nil {
		return answer, fmt.Errorf("update %s of workflow %s: %w", name, workflow, updateFailure(err))
	}
	return answer, nil
}

// updateFailure sorts what can come back from an update. What the order itself did not say keeps
// its own words, for the log.
func updateFailure(err error) error {
	var said *temporal.ApplicationError
	var gone *serviceerror.NotFound
	var late *client.WorkflowUpdateServiceTimeoutOrCanceledError
	switch {
	case errors.As(err, &said) && said.Type() == workflows.RefusedType:
		return &order.Refusal{Reason: said.Message()}
	case errors.As(err, &said) && (said.Type() == "AcceptedUpdateCompletedWorkflow" || said.Type() == workflows.ReopeningType),
		errors.As(err, &gone):
		return ErrNotRunning
	case errors.As(err, &said):
		return err
	case errors.As(err, &late), errors.Is(err, context.DeadlineExceeded):
		return ErrLate
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}
