// Package engine connects to Temporal with the settings the Temporal CLI uses (TEMPORAL_*, profiles
// in temporal.toml), and keeps the schedules that orders rely on.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/workflows"
)

// Options reads how to reach Temporal. namespace overrides the settings when it is not empty.
func Options(logger *slog.Logger, namespace string) (client.Options, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return options, fmt.Errorf("read the Temporal settings: %w", err)
	}
	if namespace != "" {
		options.Namespace = namespace
	}
	options.Logger = log.NewStructuredLogger(logger)
	options.DataConverter = Bounded(converter.GetDefaultDataConverter())
	return options, nil
}

// Lazy returns a client that connects when it is first used: what must work while Temporal is away
// starts without it.
func Lazy(logger *slog.Logger, namespace string) (client.Client, client.Options, error) {
	options, err := Options(logger, namespace)
	if err != nil {
		return nil, options, err
	}
	c, err := client.NewLazyClient(options)
	if err != nil {
		return nil, options, fmt.Errorf("connect to Temporal at %s: %w", options.HostPort, err)
	}
	return c, options, nil
}

// Await connects, and waits for Temporal as long as ctx lasts. It says once that it waits. adjust
// changes how the connection is made.
func Await(
	ctx context.Context, logger *slog.Logger, namespace string, adjust ...func(*client.Options),
) (client.Client, client.Options, error) {
	options, err := Options(logger, namespace)
	if err != nil {
		return nil, options, err
	}
	for _, change := range adjust {
		change(&options)
	}
	told := false
	for {
		c, err := client.DialContext(ctx, options)
		if err == nil {
			return c, options, nil
		}
		if ctx.Err() != nil {
			return nil, options, fmt.Errorf("connect to Temporal at %s: %w", options.HostPort, err)
		}
		if !told {
			told = true
			logger.Warn("waiting for Temporal", "address", options.HostPort, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// scheduleCatchup is how far back a schedule makes up for time the server was away: one pass is
// enough, since each works off all that is due.
const scheduleCatchup = time.Minute

// EnsureSchedules creates or corrects the schedule of every tracking service, the timer behind each
// parcel that is under way, and that of the nightly reconciliation.
func EnsureSchedules(ctx context.Context, c client.Client, carriers []catalog.Carrier) error {
	for _, service := range carriers {
		if err := ensurePoll(ctx, c, service); err != nil {
			return fmt.Errorf("schedule the poll of carrier %s: %w", service.ID, err)
		}
	}
	if err := ensureReconciliation(ctx, c); err != nil {
		return fmt.Errorf("schedule the reconciliation: %w", err)
	}
	return nil
}

// ScheduleID names the schedule that polls a tracking service.
func ScheduleID(carrier string) string { return "carrier-poll/" + carrier }

func ensurePoll(ctx context.Context, c client.Client, service catalog.Carrier) error {
	id := ScheduleID(service.ID)
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: service.PollEvery.Elapsed()}}}
	action := &client.ScheduleWorkflowAction{
		ID: id, Workflow: workflows.CarrierPollWorkflow, Args: []any{workflows.CarrierPollInput{Carrier: service.ID}},
		TaskQueue: workflows.TaskQueue, StaticSummary: "Ask " + service.ID + " for parcels that are due",
	}
	return ensure(ctx, c, client.ScheduleOptions{ID: id, Spec: spec, Action: action, CatchupWindow: scheduleCatchup})
}

// reconciliationHour is when partners have booked the day before, and nobody works (UTC).
const reconciliationHour = 3

// ensureReconciliation runs it once a night. A night that the server slept through is made up for.
func ensureReconciliation(ctx context.Context, c client.Client) error {
	const id = "reconcile"
	return ensure(ctx, c, client.ScheduleOptions{
		ID: id, CatchupWindow: 24 * time.Hour,
		Spec: client.ScheduleSpec{Calendars: []client.ScheduleCalendarSpec{{Hour: []client.ScheduleRange{{Start: reconciliationHour}}}}},
		Action: &client.ScheduleWorkflowAction{
			ID: id, Workflow: workflows.ReconcileWorkflow, TaskQueue: workflows.TaskQueue, StaticSummary: "Compare our books with those of partners",
		},
	})
}

func ensure(ctx context.Context, c client.Client, options client.ScheduleOptions) error {
	_, err := c.ScheduleClient().Create(ctx, options)
	var exists *serviceerror.AlreadyExists
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) && !errors.As(err, &exists) {
		return err
	}
	return c.ScheduleClient().GetHandle(ctx, options.ID).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := in.Description.Schedule
			schedule.Spec, schedule.Action = &options.Spec, options.Action
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
}
