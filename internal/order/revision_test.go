package order

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A worker records twice in one workflow task and dies before the server hears of it. The task is done
// again from the same state, later: what it records then must not be taken for older.
func TestWhatATaskRecordsIsNewerThanWhatALostOneDid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	before := b.s.Clone()
	lost := before.Clone()
	lost.Tick(b.now)
	for range 2 {
		lost.Begin(Step{Kind: StepRecord})
		lost.Recorded(0)
	}
	again := before.Clone()
	again.Tick(b.now.Add(10 * time.Second))
	again.Begin(Step{Kind: StepRecord})
	require.Greater(t, again.Revision, lost.Revision)
}
