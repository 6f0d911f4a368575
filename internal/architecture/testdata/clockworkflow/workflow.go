// Package clockworkflow is wrong on purpose: the determinism check must refuse it.
package clockworkflow

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// Tick reads the machine's clock, so that a replay would not get the same answer.
func Tick(workflow.Context) (time.Time, error) {
	return time.Now(), nil
}
