package soak

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/enums/v1"
	workflowapi "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/workflows"
)

// visibleWithin is how long Temporal may take to list a workflow that it has.
const visibleWithin = time.Minute

// verifyWorkflows: every order has its workflow, started once. A further run only goes on from one that
// completed, or was continued as new.
func (r *run) verifyWorkflows(ctx context.Context) error {
	runs, err := r.runs(ctx)
	for end := time.Now().Add(visibleWithin); err == nil && len(runs) < len(r.plan.stories) && time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		runs, err = r.runs(ctx)
	}
	if err != nil {
		return err
	}
	for _, s := range r.plan.stories {
		id := s.key.WorkflowID()
		if err := r.verifyRuns(ctx, id, runs[id]); err != nil {
			return err
		}
		delete(runs, id)
	}
	for id := range runs {
		r.found.add("workflow %s runs for no order", id)
	}
	return nil
}

// runs lists the runs of each workflow. One that moves on while the pages are read may be on two of them.
func (r *run) runs(ctx context.Context) (map[string][]*workflowapi.WorkflowExecutionInfo, error) {
	all, known := map[string][]*workflowapi.WorkflowExecutionInfo{}, map[string]bool{}
	var next []byte
	for {
		page, err := r.world.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: r.world.namespace, Query: "WorkflowType = '" + workflows.OrderWorkflow + "'", PageSize: 1000, NextPageToken: next,
		})
		if err != nil {
			return nil, fmt.Errorf("list the workflows: %w", err)
		}
		for _, one := range page.GetExecutions() {
			if id, run := one.GetExecution().GetWorkflowId(), one.GetExecution().GetRunId(); !known[run] {
				known[run], all[id] = true, append(all[id], one)
			}
		}
		if next = page.GetNextPageToken(); len(next) == 0 {
			return all, nil
		}
	}
}

func (r *run) verifyRuns(ctx context.Context, id string, runs []*workflowapi.WorkflowExecutionInfo) error {
	if len(runs) == 0 {
		r.found.add("lost: workflow %s was never started", id)
	}
	starts := 0
	for _, one := range runs {
		switch status := one.GetStatus(); status {
		case enums.WORKFLOW_EXECUTION_STATUS_RUNNING, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		default:
			r.found.add("workflow %s ended as %s", id, status)
		}
		fresh := true
		if len(runs) > 1 {
			var err error
			if fresh, err = r.fresh(ctx, one); err != nil {
				return err
			}
		}
		if fresh {
			starts++
		}
	}
	if len(runs) > 0 && starts != 1 {
		r.found.add("workflow %s was started anew %d times, want once: %s", id, starts, told(runs))
	}
	return nil
}

func told(runs []*workflowapi.WorkflowExecutionInfo) string {
	var words []string
	for _, one := range runs {
		words = append(words, fmt.Sprintf("run %s, %s since %s", one.GetExecution().GetRunId(), one.GetStatus(), one.GetStartTime().AsTime().Format(time.RFC3339Nano)))
	}
	return strings.Join(words, "; ")
}

// fresh: the run began the order, and did not go on from an earlier one.
func (r *run) fresh(ctx context.Context, one *workflowapi.WorkflowExecutionInfo) (bool, error) {
	history := r.world.temporal.GetWorkflowHistory(ctx, one.GetExecution().GetWorkflowId(), one.GetExecution().GetRunId(), false,
		enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	event, err := history.Next()
	if err != nil {
		return false, fmt.Errorf("read the history of %s: %w", one.GetExecution().GetWorkflowId(), err)
	}
	started := event.GetWorkflowExecutionStartedEventAttributes()
	var input workflows.OrderInput
	if err := converter.GetDefaultDataConverter().FromPayloads(started.GetInput(), &input); err != nil {
		return false, fmt.Errorf("read the input of %s: %w", one.GetExecution().GetWorkflowId(), err)
	}
	return !input.Reopen && started.GetContinuedExecutionRunId() == "", nil
}

// verifyPartners: each purchase order is in its supplier's books once and in ours; nobody bought what was
// not asked for; a cancelled order's customer has the money back once, and nobody else has any.
func (r *run) verifyPartners(ctx context.Context) error {
	ours, err := r.purchaseOrders(ctx)
	if err != nil {
		return err
	}
	roads := map[string]*story{}
	for _, s := range r.plan.stories {
		roads[s.po] = s
	}
	for supplier, books := range r.world.suppliers.Books.Snapshot() {
		for i := range books.Orders {
			bought := &books.Orders[i]
			s := roads[bought.Number]
			switch {
			case s == nil || s.road == resting || s.supplier != supplier:
				r.found.add("%s has purchase order %s, and no order of ours asks it for anything", supplier, bought.Number)
			case ours[bought.Number] != supplier:
				r.found.add("%s has purchase order %s, and we have not", supplier, bought.Number)
			case bought.Conflicts > 0:
				r.found.add("%s got purchase order %s with different contents", supplier, bought.Number)
			case s.road == delivered && len(bought.Cancellations) > 0:
				r.found.add("%s was asked to cancel purchase order %s, and no customer asked us", supplier, bought.Number)
			}
		}
	}
	for number := range ours {
		if roads[number] == nil {
			r.found.add("purchase order %s is one too many", number)
		}
	}
	r.verifyStorefronts()
	return nil
}

func (r *run) purchaseOrders(ctx context.Context) (map[string]string, error) {
	rows, err := r.world.pool.Query(ctx, `SELECT number, supplier FROM purchase_orders`)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	var number, supplier string
	_, err = pgx.ForEachRow(rows, []any{&number, &supplier}, func() error { all[number] = supplier; return nil })
	return all, err
}

// verifyStorefronts: each heard of a parcel once, or of a cancellation once, and paid back the whole of
// what was cancelled.
func (r *run) verifyStorefronts() {
	back, told := map[string]int64{}, map[storefrontsim.Operation]map[string]int{
		storefrontsim.Fulfillments: {}, storefrontsim.Cancellations: {}, storefrontsim.Refunds: {},
	}
	for shop, storefront := range r.world.storefronts {
		for _, n := range storefront.Notices("") {
			told[n.Operation][shop+"/"+n.Order]++
			back[shop+"/"+n.Order] += n.Amount
		}
		if conflicts := storefront.Conflicts(); conflicts > 0 {
			r.found.add("%s was told different things under one key %d times", shop, conflicts)
		}
	}
	for _, s := range r.plan.stories {
		want, refund := map[storefrontsim.Operation]int{}, int64(0)
		switch s.road {
		case cancelled:
			want[storefrontsim.Cancellations], want[storefrontsim.Refunds], refund = 1, 1, total
		case delivered:
			want[storefrontsim.Fulfillments] = 1
		case resting:
		}
		if got := back[s.key.String()]; got != refund {
			r.found.add("order %s: its customer got back %d, want %d", s.key, got, refund)
		}
		for operation, orders := range told {
			if got := orders[s.key.String()]; got != want[operation] {
				r.found.add("order %s: its storefront heard of %d %s, want %d", s.key, got, operation, want[operation])
			}
		}
	}
}
