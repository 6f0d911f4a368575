package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/reconcile"
	"github.com/dropline/dropline/workflows"
)

// Reconciliation is the activity of the nightly comparison.
type Reconciliation struct{ reconcile.Reconciler }

// Register makes the activity known to a worker.
func (r *Reconciliation) Register(w worker.ActivityRegistry) {
	w.RegisterActivityWithOptions(r.Reconcile, activity.RegisterOptions{Name: workflows.ActivityReconcile})
}

// Reconcile compares the days that are due. It may be repeated: what was found already is not found twice.
func (r *Reconciliation) Reconcile(ctx context.Context) (workflows.ReconcileResult, error) {
	span, err := r.Daily(ctx)
	if err != nil {
		return workflows.ReconcileResult{}, err
	}
	ran, err := r.Run(ctx, span)
	if err != nil {
		return workflows.ReconcileResult{}, comparisonFailure(err)
	}
	open, err := reconcile.Open(ctx, r.Pool)
	return workflows.ReconcileResult{
		Run: ran.Run, Books: len(ran.Books), Open: open,
		From: span.From.Format(time.DateOnly), To: span.Until.Add(-time.Second).Format(time.DateOnly),
	}, err
}

func comparisonFailure(err error) error {
	failure, is := errors.AsType[*payment.Error](err)
	if !is {
		return err
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), "Partner", temporal.ApplicationErrorOptions{NextRetryDelay: failure.RetryAfter})
}
