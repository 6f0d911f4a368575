package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// The carrier poll: the scheduled pass over all parcels of one tracking service that are due.
const (
	CarrierPollWorkflow = "CarrierPoll"
	ActivityPollCarrier = "PollCarrier"
)

// CarrierPollInput names the tracking service.
type CarrierPollInput struct {
	Carrier string `json:"carrier"`
}

// CarrierPollResult counts what a pass did.
type CarrierPollResult struct {
	Due  int `json:"due"`  // parcels that were asked about
	News int `json:"news"` // parcels whose milestone changed
}

// CarrierPoll asks a tracking service about the parcels that are due, and finds those that have not
// been scanned for too long. It wakes no order whose customer has nothing new to be told, so its cost
// does not grow with the time parcels are under way. A pass that fails is made up for by the next.
func CarrierPoll(ctx workflow.Context, in CarrierPollInput) (CarrierPollResult, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    2 * time.Minute,
		HeartbeatTimeout:       noticeDeath,
		ScheduleToCloseTimeout: 5 * time.Minute,
		Summary:                "Ask " + in.Carrier + " for parcels that are due",
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
	})
	var result CarrierPollResult
	err := workflow.ExecuteActivity(ctx, ActivityPollCarrier, in).Get(ctx, &result)
	if err == nil {
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("%d parcels asked about, %d with news", result.Due, result.News))
	}
	return result, err
}
