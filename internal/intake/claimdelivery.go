package intake

import (
	"context"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/claimdesk"
	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/visibility"
	"github.com/dropline/dropline/workflows"
)

// claimOptions are those of a claim's first start.
func (o *due) claimOptions() client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                                       claims.WorkflowID(o.claim),
		TaskQueue:                                workflows.TaskQueue,
		WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		TypedSearchAttributes:                    visibility.InitialClaim(o.key, o.country, o.supplier),
		StaticSummary:                            "Claim " + claims.Reference(o.claim) + " on " + o.supplier,
		StaticDetails:                            fmt.Sprintf("A claim of order **%s**: `starter claim show %s`", o.key, claims.Reference(o.claim)),
	}
}

// tellClaim tells a claim's workflow what stands in Postgres; it needs no more than the newest.
func (d *Deliverer) tellClaim(ctx context.Context, o *due) error {
	now, err := claimdesk.Stand(ctx, d.Pool, o.claim)
	if err != nil {
		return err
	}
	if err := d.signal(ctx, o, now); err != nil {
		return err
	}
	o.deliveredSeq = now.News
	return nil
}

// completeClaim clears deliver_at unless news came since the delivery began.
func (d *Deliverer) completeClaim(ctx context.Context, o *due) error {
	_, err := d.Pool.Exec(ctx, `
		UPDATE pursuits SET started_at = coalesce(started_at, now()), deliver_tries = 0, delivered_seq = greatest(delivered_seq, $2),
			deliver_at = CASE
				WHEN deliver_at IS DISTINCT FROM $3 AND delivered_seq < fact_seq THEN deliver_at
				WHEN fact_seq > greatest(delivered_seq, $2) THEN now() END
		WHERE id = $1`, o.claim, o.deliveredSeq, o.lease)
	return err
}
