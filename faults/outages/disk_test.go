//go:build linux

package outages

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/faults/rig"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/stage"
)

// The documents are on a file system of their own that is filled to the last byte: Postgres answers 53100.
// It needs leave to mount one, in a mount namespace of its own (unshare -m).
func TestIntakeAnswers503WhileThePostgresDiskIsFull(t *testing.T) {
	t.Parallel()
	alone(t)
	small := mountSmall(t)
	w, ctx := open(t, rig.Wishes{})
	filler := fillBelow(ctx, t, w, small, "documents")

	var keys []order.Key
	var refused string
	for n := 0; refused == "" && n < 500; n++ {
		id := fmt.Sprintf("o%d", n)
		status, err := w.Call(ctx, http.MethodPost, "/v1/orders", stage.Document(id, "acme-mug"), nil)
		require.NoError(t, err)
		if status == http.StatusCreated {
			keys = append(keys, order.Key{Storefront: "shop", Order: id})
			continue
		}
		require.Equal(t, http.StatusServiceUnavailable, status)
		refused = id
	}
	require.NotEmpty(t, refused, "the disk was never full")
	require.NoError(t, os.Remove(filler))
	keys = append(keys, place(ctx, t, w, refused, "acme-mug"))
	judge(ctx, t, w, ended(keys...)...)
}

// What the worker writes before it calls a supplier is on the full file system: nothing is sent that is not
// written down, and the step is tried again until there is room.
func TestStepsAreTriedAgainWhileThePostgresDiskIsFull(t *testing.T) {
	t.Parallel()
	alone(t)
	small := mountSmall(t)
	w, ctx := open(t, rig.Wishes{})
	filler := fillBelow(ctx, t, w, small, "effects")
	keys := []order.Key{place(ctx, t, w, "one", "acme-mug"), place(ctx, t, w, "two", "acme-mug")}
	for _, key := range keys {
		triedAgain(ctx, t, w, key)
	}
	require.Empty(t, w.Suppliers.Books.Snapshot()["acme"].Orders, "sent without a note of it")
	require.NoError(t, os.Remove(filler))
	judge(ctx, t, w, ended(keys...)...)
}

// triedAgain waits until a step of an order has failed.
func triedAgain(ctx context.Context, t *testing.T, w *rig.World, key order.Key) {
	t.Helper()
	for {
		described, err := w.Temporal.DescribeWorkflowExecution(ctx, key.WorkflowID(), "")
		if err == nil {
			for _, a := range described.GetPendingActivities() {
				if a.GetAttempt() > 1 {
					return
				}
			}
		}
		require.NoError(t, ctx.Err(), "no step of %s failed", key)
		pause(ctx, 100*time.Millisecond)
	}
}

// fillBelow puts a table on a small file system, and fills that to the last byte with a file whose path it
// returns.
func fillBelow(ctx context.Context, t *testing.T, w *rig.World, small, table string) (filler string) {
	t.Helper()
	name := "small_" + w.Settings.TemporalNamespace[len("test-"):]
	_, err := w.Pool.Exec(ctx, fmt.Sprintf(`CREATE TABLESPACE %s LOCATION '%s'`, name, small))
	require.NoError(t, err)
	_, err = w.Pool.Exec(ctx, `ALTER TABLE `+table+` SET TABLESPACE `+name)
	require.NoError(t, err)
	filler = filepath.Join(small, "filler")
	fill(t, filler)
	return filler
}

// mountSmall mounts a file system of 8 MB that belongs to Postgres.
func mountSmall(t *testing.T) string {
	t.Helper()
	data, err := os.Stat(os.Getenv("DROPLINE_PG_DATA"))
	if err != nil {
		t.Skip("needs the stack's own Postgres")
	}
	owner, ok := data.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	dir, err := os.MkdirTemp("/tmp", "dropline-disk-") //nolint:usetesting // Postgres, another user under root, must get there
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.Remove(dir) })
	require.NoError(t, os.Chmod(dir, 0o711)) // Postgres is another user
	err = syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=8m,mode=0755,uid=%d,gid=%d", owner.Uid, owner.Gid))
	if errors.Is(err, syscall.EPERM) {
		t.Skip("needs leave to mount a file system: run it below unshare -m")
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	inside := filepath.Join(dir, "data")
	require.NoError(t, os.Mkdir(inside, 0o700))
	require.NoError(t, os.Chown(inside, int(owner.Uid), int(owner.Gid)))
	return inside
}

// fill writes until there is no room.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	defer func() { _ = file.Close() }() // it holds nothing of worth
	for size := 1 << 20; size > 0; size /= 2 {
		block := make([]byte, size)
		for err == nil {
			_, err = file.Write(block)
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
		err = nil
	}
}
