package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/workflows"
)

// queryWithin is how long a worker may take to answer a query: it may have to replay the order.
const queryWithin = 20 * time.Second

// ErrNoWorker: nobody answers for the workflows.
var ErrNoWorker = errors.New("no worker answers queries")

// Ask is Workflows over a Temporal client.
func Ask(c client.Client) Workflows { return temporalWorkflows{c} }

type temporalWorkflows struct{ client client.Client }

func (t temporalWorkflows) State(ctx context.Context, key order.Key) (order.State, string, error) {
	return stateOf[order.State](ctx, t.client, key.WorkflowID())
}

func (t temporalWorkflows) Return(ctx context.Context, key order.Key, rma string) (returns.State, string, error) {
	return stateOf[returns.State](ctx, t.client, returns.WorkflowID(key, rma))
}

func (t temporalWorkflows) Payment(ctx context.Context, key order.Key) (payments.State, string, error) {
	return stateOf[payments.State](ctx, t.client, payments.WorkflowID(key))
}

func (t temporalWorkflows) Claim(ctx context.Context, id string) (claims.State, string, error) {
	return stateOf[claims.State](ctx, t.client, claims.WorkflowID(id))
}

func stateOf[S any](ctx context.Context, c client.Client, workflow string) (state S, status string, err error) {
	asking, cancel := context.WithTimeout(ctx, queryWithin)
	defer cancel()
	answer, err := c.QueryWorkflowWithOptions(asking, &client.QueryWorkflowWithOptionsRequest{
		WorkflowID: workflow, QueryType: workflows.QueryState,
		QueryRejectCondition: enums.QUERY_REJECT_CONDITION_NOT_OPEN,
	})
	var gone *serviceerror.NotFound
	var failed *serviceerror.QueryFailed
	var late *serviceerror.DeadlineExceeded
	switch {
	case errors.As(err, &gone):
		return state, Missing, nil
	case errors.As(err, &failed):
		return state, "unable to answer queries: its history does not replay", nil
	case ctx.Err() == nil && (errors.As(err, &late) || errors.Is(err, context.DeadlineExceeded)):
		return state, "", ErrNoWorker
	case err != nil:
		return state, "", fmt.Errorf("query the workflow: %w", err)
	case answer.QueryRejected != nil:
		return state, strings.ToLower(answer.QueryRejected.GetStatus().String()), nil
	}
	if err := answer.QueryResult.Get(&state); err != nil {
		return state, "", fmt.Errorf("read the workflow's state: %w", err)
	}
	return state, Running, nil
}

func (t temporalWorkflows) Running(ctx context.Context, visit func(id string) error) error {
	var next []byte
	for {
		page, err := t.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: "WorkflowType = '" + workflows.OrderWorkflow + "' AND ExecutionStatus = 'Running'", PageSize: 1000, NextPageToken: next,
		})
		if err != nil {
			return fmt.Errorf("list the running workflows: %w", err)
		}
		for _, execution := range page.GetExecutions() {
			if err := visit(execution.GetExecution().GetWorkflowId()); err != nil {
				return err
			}
		}
		if next = page.GetNextPageToken(); len(next) == 0 {
			return nil
		}
	}
}
