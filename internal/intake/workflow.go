package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/visibility"
	"github.com/dropline/dropline/workflows"
)

// Temporal is the part of client.Client that delivery needs.
type Temporal interface {
	ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	SignalWorkflow(ctx context.Context, workflowID, runID, signalName string, arg any) error
	SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string, signalArg any,
		options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
}

// errEndedOtherwise: the workflow is closed and did not complete.
var errEndedOtherwise = errors.New("the order's workflow did not end by completing")

// options are those of a first start: the id is used up for ever, so a second start is an error.
func (o *due) options() client.StartWorkflowOptions {
	if o.claim != "" {
		return o.claimOptions()
	}
	if o.rma != "" {
		return client.StartWorkflowOptions{
			ID:                                       returns.WorkflowID(o.key, o.rma),
			TaskQueue:                                workflows.TaskQueue,
			WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
			WorkflowExecutionErrorWhenAlreadyStarted: true,
			TypedSearchAttributes:                    visibility.InitialReturn(o.key, o.country, o.supplier),
			StaticSummary:                            fmt.Sprintf("Return · %s · %s", count(o.lines, "line"), count(o.units, "unit")),
			StaticDetails:                            fmt.Sprintf("Return **%s** of order **%s**.", o.rma, o.key),
		}
	}
	if o.payment {
		return client.StartWorkflowOptions{
			ID:                                       payments.WorkflowID(o.key),
			TaskQueue:                                workflows.TaskQueue,
			WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
			WorkflowExecutionErrorWhenAlreadyStarted: true,
			TypedSearchAttributes:                    visibility.InitialPayment(o.key, o.country),
			StaticSummary:                            "Payment",
			StaticDetails:                            fmt.Sprintf("Payment of order **%s**.", o.key),
		}
	}
	return client.StartWorkflowOptions{
		ID:                                       o.key.WorkflowID(),
		TaskQueue:                                workflows.TaskQueue,
		WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		TypedSearchAttributes:                    visibility.Initial(o.key, o.country),
		StaticSummary:                            fmt.Sprintf("%s · %s · %s", count(o.lines, "line"), count(o.units, "unit"), o.country),
		StaticDetails: fmt.Sprintf("Order **%s** of storefront **%s**.\n\nWhy these suppliers: `starter explain %s`",
			o.key.Order, o.key.Storefront, o.key),
	}
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// start starts the workflow of a new order. One that is started already, by a deliverer that did
// not live to record it, counts.
func (d *Deliverer) start(ctx context.Context, o *due) error {
	name, input := o.begin(false)
	_, err := d.Temporal.ExecuteWorkflow(ctx, o.options(), name, input)
	if err != nil && !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return fmt.Errorf("start the workflow: %w", err)
	}
	return nil
}

// begin is the workflow's type and what it is started with. again: it completed before, or is lost.
func (o *due) begin(again bool) (name string, input any) {
	if o.claim != "" {
		return workflows.ClaimWorkflow, workflows.ClaimInput{ID: o.claim}
	}
	if o.rma != "" {
		in := workflows.ReturnInput{Key: o.key, RMA: o.rma}
		if !again {
			in.State = o.granted
		}
		return workflows.ReturnWorkflow, in
	}
	if o.payment {
		in := workflows.PaymentInput{Key: o.key}
		if !again {
			in.State = o.opened
		}
		return workflows.PaymentWorkflow, in
	}
	return workflows.OrderWorkflow, workflows.OrderInput{Key: o.key, Reopen: again}
}

// signal gives facts to the running workflow, or to a new run when the last one completed.
func (d *Deliverer) signal(ctx context.Context, o *due, signal any) error {
	err := d.Temporal.SignalWorkflow(ctx, o.options().ID, "", workflows.SignalFacts, signal)
	if _, ok := errors.AsType[*serviceerror.NotFound](err); !ok {
		return err
	}
	if o.claim != "" {
		// Postgres holds all of a claim: however its workflow ended, another one goes on from there.
		return d.reopen(ctx, o, true, signal)
	}
	again, err := d.mayReopen(ctx, o)
	if err != nil {
		return err
	}
	return d.reopen(ctx, o, again, signal)
}

// mayReopen judges a workflow that took no signal. again: the next run goes on from the recorded state.
func (d *Deliverer) mayReopen(ctx context.Context, o *due) (again bool, err error) {
	described, err := d.Temporal.DescribeWorkflowExecution(ctx, o.options().ID, "")
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		// The server's retention has removed the history, or the server was set up anew. Without a
		// recorded state the order begins anew too.
		return o.recorded, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the workflow: %w", err)
	}
	switch status := described.GetWorkflowExecutionInfo().GetStatus(); status {
	case enums.WORKFLOW_EXECUTION_STATUS_COMPLETED,
		enums.WORKFLOW_EXECUTION_STATUS_RUNNING, // another deliverer reopened it
		enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		return true, nil
	default:
		return false, fmt.Errorf("%w: it is %s", errEndedOtherwise, status)
	}
}

// reopen signals the workflow and starts it if it is closed, in one step: of two deliverers one
// starts it, and both signal it.
func (d *Deliverer) reopen(ctx context.Context, o *due, again bool, signal any) error {
	options := o.options()
	options.WorkflowIDReusePolicy = enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	name, input := o.begin(again)
	_, err := d.Temporal.SignalWithStartWorkflow(ctx, options.ID, workflows.SignalFacts, signal, options, name, input)
	if err != nil {
		return fmt.Errorf("reopen the workflow: %w", err)
	}
	return nil
}

// Revive starts the workflow of an order again, however it ended, from its recorded state, and asks
// for the facts that it has missed to be delivered. A workflow that runs is left alone.
func (d *Deliverer) Revive(ctx context.Context, key order.Key) error {
	o := &due{key: key}
	err := d.Pool.QueryRow(ctx, `
		SELECT country, state IS NOT NULL, (SELECT count(*) FROM order_lines WHERE order_key = $1),
			(SELECT coalesce(sum(quantity), 0)::bigint FROM order_lines WHERE order_key = $1)
		FROM orders WHERE key = $1`, key.String()).Scan(&o.country, &o.recorded, &o.lines, &o.units)
	if err != nil {
		return fmt.Errorf("revive order %s: %w", key, err)
	}
	if err := d.reopen(ctx, o, o.recorded, workflows.FactsSignal{}); err != nil {
		return fmt.Errorf("revive order %s: %w", key, err)
	}
	_, err = d.Pool.Exec(ctx, `UPDATE orders SET started_at = coalesce(started_at, now()), deliver_at = now() WHERE key = $1`, key.String())
	if err != nil {
		return fmt.Errorf("revive order %s: %w", key, err)
	}
	d.Nudge()
	return nil
}

// ReviveReturn does for a return what Revive does for an order: its workflow goes on from the recorded state.
func (d *Deliverer) ReviveReturn(ctx context.Context, rma string) error {
	o := &due{rma: rma, recorded: true}
	err := d.Pool.QueryRow(ctx, `
		SELECT o.storefront, o.order_id, o.country, r.supplier, (SELECT count(*) FROM return_lines WHERE rma = $1),
			(SELECT coalesce(sum(quantity), 0)::bigint FROM return_lines WHERE rma = $1)
		FROM returns r JOIN orders o ON o.key = r.order_key WHERE r.rma = $1`, rma).
		Scan(&o.key.Storefront, &o.key.Order, &o.country, &o.supplier, &o.lines, &o.units)
	if err != nil {
		return fmt.Errorf("revive return %s: %w", rma, err)
	}
	if err := d.reopen(ctx, o, true, workflows.ReturnFactsSignal{}); err != nil {
		return fmt.Errorf("revive return %s: %w", rma, err)
	}
	_, err = d.Pool.Exec(ctx, `UPDATE returns SET started_at = coalesce(started_at, now()), deliver_at = now() WHERE rma = $1`, rma)
	if err != nil {
		return fmt.Errorf("revive return %s: %w", rma, err)
	}
	d.Nudge()
	return nil
}

// RevivePayment does for an order's payment what Revive does for the order. Fails with
// paymentdesk.ErrNoPayment, also for a payment that never needed a workflow.
func (d *Deliverer) RevivePayment(ctx context.Context, key order.Key) error {
	o := &due{key: key, payment: true, recorded: true}
	err := d.Pool.QueryRow(ctx, `SELECT o.country FROM payments p JOIN orders o ON o.key = p.order_key
		WHERE p.order_key = $1 AND (p.started_at IS NOT NULL OR p.deliver_at IS NOT NULL)`, key.String()).Scan(&o.country)
	if errors.Is(err, pgx.ErrNoRows) {
		err = paymentdesk.ErrNoPayment
	}
	if err == nil {
		err = d.reopen(ctx, o, true, workflows.PaymentFactsSignal{})
	}
	if err == nil {
		_, err = d.Pool.Exec(ctx, `UPDATE payments SET started_at = coalesce(started_at, now()), deliver_at = now() WHERE order_key = $1`, key.String())
	}
	if err != nil {
		return fmt.Errorf("revive the payment of order %s: %w", key, err)
	}
	d.Nudge()
	return nil
}

// isOutage: nothing is wrong with the order; Temporal, or the database, does not answer.
func isOutage(err error) bool {
	var unavailable *serviceerror.Unavailable
	var deadline *serviceerror.DeadlineExceeded
	var exhausted *serviceerror.ResourceExhausted
	var canceled *serviceerror.Canceled
	return errors.As(err, &unavailable) || errors.As(err, &deadline) || errors.As(err, &exhausted) || errors.As(err, &canceled) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || postgres.Unavailable(err)
}
