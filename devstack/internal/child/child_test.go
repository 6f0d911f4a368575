//go:build unix

package child

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func shell(script string, signals <-chan os.Signal) Command {
	return Command{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: os.Environ(), Signals: signals}
}

func TestTheExitCodeOfTheCommandIsHandedOn(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -s KILL $$": 137, "kill -s TERM $$": 143} {
		code, err := shell(script, nil).Run(context.Background())
		require.NoError(t, err)
		require.Equal(t, want, code, script)
	}
}

func TestASignalReachesTheCommandAndItsDescendantsEnd(t *testing.T) {
	t.Parallel()
	ready := filepath.Join(t.TempDir(), "ready")
	signals := make(chan os.Signal, 1)
	command := shell(`trap 'exit 5' TERM; sleep 300 & echo $! >"`+ready+`.new"; mv "`+ready+`.new" "`+ready+`"; wait`, signals)
	exited := make(chan int, 1)
	go func() {
		code, err := command.Run(context.Background())
		if err != nil {
			code = -1
		}
		exited <- code
	}()
	descendant := awaitPID(t, ready)
	signals <- syscall.SIGTERM
	require.Equal(t, 5, <-exited)
	awaitGone(t, descendant)
}

func TestACommandThatIgnoresSignalsIsKilledAtTheThird(t *testing.T) {
	t.Parallel()
	ready := filepath.Join(t.TempDir(), "ready")
	signals := make(chan os.Signal, forcedAfter)
	exited := make(chan int, 1)
	go func() {
		code, err := shell(`trap '' TERM; echo $$ >"`+ready+`.new"; mv "`+ready+`.new" "`+ready+`"; while :; do sleep 1; done`,
			signals).Run(context.Background())
		if err != nil {
			code = -1
		}
		exited <- code
	}()
	awaitPID(t, ready)
	for range forcedAfter {
		signals <- syscall.SIGTERM
	}
	require.Equal(t, 128+int(syscall.SIGKILL), <-exited)
}

func TestTheGuardCleansUpWhenItsOwnerVanishes(t *testing.T) {
	t.Parallel()
	leftover := filepath.Join(t.TempDir(), "leftover")
	require.NoError(t, os.Mkdir(leftover, 0o700))
	orphans := exec.Command("/bin/sh", "-c", "sleep 300 & echo $!; wait")
	orphans.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	said, err := orphans.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, orphans.Start())
	line, err := bufio.NewReader(said).ReadString('\n')
	require.NoError(t, err)
	descendant, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)

	guard, err := StartGuard(leftover, "")
	require.NoError(t, err)
	require.NoError(t, guard.WatchGroup(orphans.Process.Pid))
	require.NoError(t, guard.orders.Close()) // what the kernel does when the owner is killed

	require.Error(t, orphans.Wait(), "the group was ended by a signal")
	awaitGone(t, descendant)
	require.NoError(t, guard.command.Wait())
	require.NoDirExists(t, leftover)
}

func TestADismissedGuardTouchesNothing(t *testing.T) {
	t.Parallel()
	kept := t.TempDir()
	guard, err := StartGuard(kept, "")
	require.NoError(t, err)
	require.NoError(t, guard.Dismiss())
	require.DirExists(t, kept)
}

func awaitPID(t *testing.T, file string) int {
	t.Helper()
	var pid int
	require.Eventually(t, func() bool {
		raw, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(raw)))
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
	return pid
}

// awaitGone waits until a process has ended; one that only awaits its parent counts.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		if syscall.Kill(pid, 0) != nil {
			return true
		}
		state, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		return err != nil || strings.HasPrefix(strings.TrimSpace(string(state)), "Z")
	}, 20*time.Second, 10*time.Millisecond)
}
