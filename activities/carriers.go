package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/dropline/dropline/internal/carrier/easypost"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/tracking"
	"github.com/dropline/dropline/workflows"
)

const (
	// pollBatch is how many parcels one request to the database claims: what is in memory at once.
	pollBatch = 500
	// pollMargin is how long before its deadline an attempt takes no more parcels.
	pollMargin = 20 * time.Second
)

// Carriers are the activities of the carrier poll.
type Carriers struct {
	Pool    *pgxpool.Pool
	Tracker func(c catalog.Carrier) (*easypost.Client, error)
}

// Register makes the activities known to a worker.
func (c *Carriers) Register(r worker.ActivityRegistry) {
	r.RegisterActivityWithOptions(c.PollCarrier, activity.RegisterOptions{Name: workflows.ActivityPollCarrier})
}

// PollCarrier asks a tracking service about the parcels that are due, until none is left. When its time
// is nearly over it asks for another attempt, which goes on where this one stopped: the parcels that were
// not asked about are still due.
func (c *Carriers) PollCarrier(ctx context.Context, in workflows.CarrierPollInput) (workflows.CarrierPollResult, error) {
	var done workflows.CarrierPollResult
	service, err := postgres.Carrier(ctx, c.Pool, in.Carrier)
	if err != nil {
		return done, fmt.Errorf("poll carrier %s: %w", in.Carrier, err)
	}
	tracker, err := c.Tracker(service)
	if err != nil {
		return done, fmt.Errorf("poll carrier %s: %w", in.Carrier, err)
	}
	for {
		pass, err := tracking.Poll(ctx, c.Pool, tracker, in.Carrier, pollBatch)
		done.Due, done.News = done.Due+pass.Asked, done.News+pass.News
		if err != nil {
			return done, carrierFailure(err)
		}
		if !pass.More {
			if err := c.giveBackLabels(ctx, in.Carrier, tracker); err != nil {
				return done, fmt.Errorf("poll carrier %s: %w", in.Carrier, err)
			}
			return done, nil
		}
		if deadline, limited := ctx.Deadline(); limited && time.Until(deadline) < pollMargin {
			return done, temporal.NewApplicationErrorWithOptions(
				fmt.Sprintf("%d parcels were asked about in this attempt, more are due", done.Due), "MoreParcels",
				temporal.ApplicationErrorOptions{NextRetryDelay: time.Millisecond, Category: temporal.ApplicationErrorCategoryBenign})
		}
	}
}

func carrierFailure(err error) error {
	var failure *easypost.Error
	if !errors.As(err, &failure) {
		return err
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), "Partner",
		temporal.ApplicationErrorOptions{NextRetryDelay: failure.RetryAfter})
}
