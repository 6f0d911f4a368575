package workflows_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/engine/enginetest"
)

// A workflow task is answered in one gRPC message, and the server ends a workflow whose answer is above 4 MB.
// What one task may answer is bounded far below that; the worst legal order is measured by
// TestTheWorstLegalOrderStaysSmall.
const (
	mostCommands = 20
	mostBytes    = 16 << 10
)

func TestNoWorkflowTaskIsAnsweredWithMoreThanAFewCommands(t *testing.T) {
	t.Parallel()
	commands, bytes := 0, 0
	for _, file := range goldens(t) {
		h, err := readHistory(file)
		require.NoError(t, err)
		n, size := enginetest.Heaviest(h)
		require.Positive(t, n, file)
		require.LessOrEqual(t, n, mostCommands, file)
		require.LessOrEqual(t, size, mostBytes, file)
		commands, bytes = max(commands, n), max(bytes, size)
	}
	t.Logf("at most %d commands, %d bytes", commands, bytes)
}
