//go:build unix

// Package child runs processes that never outlive this one.
package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Child is a running process that receives a last signal should its parent vanish.
type Child struct {
	command *exec.Cmd
	done    chan struct{}
}

// Start starts command. On Linux the kernel sends lastSignal to it when this process dies.
func Start(command *exec.Cmd, lastSignal syscall.Signal) (*Child, error) {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	dieWithParent(command.SysProcAttr, lastSignal)
	c := &Child{command: command, done: make(chan struct{})}
	started := make(chan error)
	go c.own(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	return c, nil
}

// own keeps the starting thread for the life of the process: the kernel counts that
// thread, not the process, as the parent whose death is signalled.
func (c *Child) own(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := c.command.Start()
	started <- err
	if err != nil {
		return
	}
	// The exit is read from State; only what Wait says beyond it would be news, and the
	// callers give files, not pipes, so there is nothing more to say.
	_ = c.command.Wait()
	close(c.done)
}

// PID is the process id.
func (c *Child) PID() int { return c.command.Process.Pid }

// Done is closed once the process has ended and was waited for.
func (c *Child) Done() <-chan struct{} { return c.done }

// ExitCode is the exit status as a shell reports it: 128+n for a death by signal n.
// It is meaningful after Done.
func (c *Child) ExitCode() int {
	state := c.command.ProcessState
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// Describe tells how the process ended, for a log line. It is meaningful after Done.
func (c *Child) Describe() string { return c.command.ProcessState.String() }

// Signal sends a signal to the process; one that has ended is no error.
func (c *Child) Signal(signal syscall.Signal) error {
	err := c.command.Process.Signal(signal)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s to process %d: %w", signal, c.PID(), err)
	}
	return nil
}

// Stop sends the signals one after the other, each given patience to work, and ends with
// SIGKILL.
func (c *Child) Stop(patience time.Duration, signals ...syscall.Signal) error {
	for _, signal := range signals {
		if err := c.Signal(signal); err != nil {
			return err
		}
		select {
		case <-c.done:
			return nil
		case <-time.After(patience):
		}
	}
	if err := c.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-c.done
	return nil
}
