//go:build unix

package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/term"
)

// forcedAfter is how many stop signals a command may ignore before it is killed.
const forcedAfter = 3

// groupPatience is how long processes the command left behind get to end by themselves.
const groupPatience = 2 * time.Second

// Command is the user's command inside the stack.
type Command struct {
	Path string
	Args []string
	Env  []string
	// Signals are passed on to the command as they come.
	Signals <-chan os.Signal
	// WatchGroup is told the process group of the command; nil if nobody wants to know.
	WatchGroup func(group int) error
}

// Run runs the command on our own terminal or files and returns its exit code, 128+n if
// signal n ended it. When ctx ends first the command is told to stop.
func (c Command) Run(ctx context.Context) (int, error) {
	command := &exec.Cmd{
		Path: c.Path, Args: c.Args, Env: c.Env,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
	// At a terminal the command must stay in the foreground group, or it could not read
	// from it. Anywhere else a group of its own lets us reach its descendants too.
	ownGroup := !term.IsTerminal(int(os.Stdin.Fd()))
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: ownGroup}
	running, err := Start(command, syscall.SIGTERM)
	if err != nil {
		return 0, err
	}
	r := runningCommand{Child: running, ownGroup: ownGroup}
	if ownGroup {
		defer r.endGroup()
		if c.WatchGroup != nil {
			if err := c.WatchGroup(running.PID()); err != nil {
				return 0, errors.Join(err, running.Stop(groupPatience, syscall.SIGTERM))
			}
		}
	}
	return r.wait(ctx, c.Signals)
}

type runningCommand struct {
	*Child
	ownGroup bool
}

func (r runningCommand) wait(ctx context.Context, signals <-chan os.Signal) (int, error) {
	stops := 0
	for {
		select {
		case <-r.Done():
			return r.ExitCode(), nil
		case received := <-signals:
			signal, ok := received.(syscall.Signal)
			if !ok {
				continue
			}
			if stops++; stops >= forcedAfter {
				signal = syscall.SIGKILL
			}
			if err := r.forward(signal); err != nil {
				return 0, err
			}
		case <-ctx.Done():
			err := r.Stop(groupPatience, syscall.SIGTERM)
			return r.ExitCode(), err
		}
	}
}

// forward passes a signal on. A terminal has sent its SIGINT to the whole foreground
// group already; a second copy would look like the impatient second Ctrl-C.
func (r runningCommand) forward(signal syscall.Signal) error {
	if r.ownGroup {
		return ignoreGone(syscall.Kill(-r.PID(), signal))
	}
	if signal == syscall.SIGINT {
		return nil
	}
	return r.Signal(signal)
}

// endGroup ends what the command started and left running.
func (r runningCommand) endGroup() {
	if syscall.Kill(-r.PID(), syscall.SIGTERM) != nil {
		return
	}
	deadline := time.Now().Add(groupPatience)
	for time.Now().Before(deadline) {
		if syscall.Kill(-r.PID(), 0) != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	_ = syscall.Kill(-r.PID(), syscall.SIGKILL)
}

func ignoreGone(err error) error {
	if err == nil || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return fmt.Errorf("pass on a signal: %w", err)
}
