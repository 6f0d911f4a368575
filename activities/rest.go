package activities

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
)

// An activity that fails rests before it is tried again, each time twice as long.
const (
	firstRest   = time.Second
	longestRest = time.Minute
)

// Rest puts into a failure how long to wait before the next attempt, unless it says so itself or there
// must be none. attempt counts from 1. It is for failures alone: an attempt whose worker died is made up
// for at once (workflows.partnerCall), however many came before it.
func Rest(err error, attempt int32) error {
	var failure *temporal.ApplicationError
	switch {
	case err == nil || temporal.IsCanceledError(err):
		return err
	case !errors.As(err, &failure):
		return temporal.NewApplicationErrorWithOptions(err.Error(), "Failed", temporal.ApplicationErrorOptions{NextRetryDelay: rest(attempt)})
	case failure.NonRetryable() || failure.NextRetryDelay() > 0:
		return err
	}
	return temporal.NewApplicationErrorWithOptions(failure.Message(), failure.Type(), temporal.ApplicationErrorOptions{NextRetryDelay: rest(attempt)})
}

func rest(attempt int32) time.Duration {
	return min(firstRest<<min(max(attempt-1, 0), 20), longestRest)
}
