package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// The reconciliation: the nightly comparison of our books with those of partners.
const (
	ReconcileWorkflow = "Reconcile"
	ActivityReconcile = "Reconcile"
)

// ReconcileResult counts what a night found.
type ReconcileResult struct {
	Run   int64  `json:"run"`
	From  string `json:"from"` // first and last day that were compared
	To    string `json:"to"`
	Books int    `json:"books"`
	Open  int    `json:"open"` // differences that wait for a person, of all days
}

// Reconcile compares the days since the last night that went well. A night that fails is made up for by
// the next.
func Reconcile(ctx workflow.Context) (ReconcileResult, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    10 * time.Minute,
		HeartbeatTimeout:       noticeDeath,
		ScheduleToCloseTimeout: 15 * time.Minute,
		Summary:                "Compare our books with those of partners",
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 10 * time.Second, BackoffCoefficient: 2, MaximumInterval: 2 * time.Minute},
	})
	var result ReconcileResult
	err := workflow.ExecuteActivity(ctx, ActivityReconcile).Get(ctx, &result)
	if err == nil {
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("%s to %s: %d books compared, %d differences open", result.From, result.To, result.Books, result.Open))
	}
	return result, err
}
