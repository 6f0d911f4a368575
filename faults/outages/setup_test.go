// Package outages tests what happens when programs and servers stop, die, run out of disk or have a wrong
// clock. Tests that would disturb others have a stack of their own: `make faults` runs them.
package outages

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/faults/rig"
	"github.com/dropline/dropline/faults/rig/rigtest"
	"github.com/dropline/dropline/internal/order"
)

func TestMain(m *testing.M) {
	rig.Main()
	os.Exit(m.Run())
}

// alone skips tests that need a stack of their own.
func alone(t *testing.T) {
	t.Helper()
	if os.Getenv("DROPLINE_OUTAGES") == "" {
		t.Skip("stops what other tests stand on: it has a stack of its own")
	}
}

// patience bounds one test.
const patience = 3 * time.Minute

// open puts a world up that is judged by the end of the test.
func open(t *testing.T, wishes rig.Wishes) (*rig.World, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return rigtest.Open(ctx, t, &rig.Rig{}, wishes), ctx
}

func place(ctx context.Context, t *testing.T, w *rig.World, id string, skus ...string) order.Key {
	t.Helper()
	key, _, err := w.Order(ctx, id, skus...)
	require.NoError(t, err)
	return key
}

func judge(ctx context.Context, t *testing.T, w *rig.World, endings ...rig.Ending) {
	t.Helper()
	wrong, err := w.Judge(ctx, endings...)
	require.NoError(t, err)
	require.Empty(t, wrong)
}

func ended(keys ...order.Key) []rig.Ending {
	var list []rig.Ending
	for _, key := range keys {
		list = append(list, rig.Ending{Key: key})
	}
	return list
}

// processIn reads a process id that the stack keeps.
func processIn(t *testing.T, variable string) int {
	t.Helper()
	text, err := os.ReadFile(os.Getenv(variable))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	return pid
}

func sendSignal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, s))
}

// pause lets the world go on for a while.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
