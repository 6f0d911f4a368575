//go:build unix

// Command devstack runs what Dropline needs on one machine: a Temporal server with its Web
// UI, in this process, and a private Postgres beside it. It leaves nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dropline/dropline/devstack/internal/child"
	"github.com/dropline/dropline/devstack/internal/failure"
	"github.com/dropline/dropline/devstack/internal/stack"
	"github.com/dropline/dropline/devstack/internal/temporal"
)

// Exit codes. A command run by exec hands on its own.
const (
	exitOK       = 0
	exitFailure  = 1
	exitUsage    = 2
	exitNotFound = 127 // as a shell says it
	exitSignal   = 128 // plus the signal's number
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == temporal.ProcessVerb {
		if err := temporal.Serve(os.Args[2]); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "error: "+err.Error())
			os.Exit(exitFailure)
		}
		return
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	p := program{stdout: os.Stdout, stderr: os.Stderr, signals: signals}
	os.Exit(p.run(os.Args[1:]))
}

// program is one invocation and the outside world it talks to.
type program struct {
	stdout, stderr io.Writer
	signals        <-chan os.Signal
	mu             sync.Mutex // keeps lines on stderr whole
}

func (p *program) run(arguments []string) int {
	o, err := parse(arguments, os.Getenv)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(p.stdout, usage)
		return exitOK
	case err != nil:
		return p.fail(err, exitUsage)
	}
	commandPath, err := o.findCommand()
	if err != nil {
		return p.fail(err, exitNotFound)
	}
	if o.quiet {
		o.stack.Report = func(string) {}
	} else {
		o.stack.Report = p.report
	}
	running, interruption, err := p.start(o.stack)
	if interruption != 0 {
		return exitSignal + int(interruption)
	}
	if err != nil {
		return p.fail(err, exitFailure)
	}
	defer running.Stop()
	if o.verb == "exec" {
		return p.exec(o, running, commandPath)
	}
	return p.up(o, running)
}

// start starts the stack; a signal meanwhile calls it off.
func (p *program) start(options stack.Options) (*stack.Stack, syscall.Signal, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	type outcome struct {
		stack *stack.Stack
		err   error
	}
	ended := make(chan outcome, 1)
	go func() {
		started, err := stack.Start(ctx, options)
		ended <- outcome{started, err}
	}()
	select {
	case o := <-ended:
		return o.stack, 0, o.err
	case received := <-p.signals:
		cancel()
		if o := <-ended; o.stack != nil {
			o.stack.Stop()
		}
		number, ok := received.(syscall.Signal)
		if !ok {
			number = syscall.SIGTERM
		}
		return nil, number, nil
	}
}

// exec runs the command and hands on its exit code.
func (p *program) exec(o options, running *stack.Stack, path string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	go watch(ctx, cancel, o, running)
	code, err := child.Command{
		Path: path, Args: o.command, Env: running.Environment(os.Environ()),
		Signals: p.signals, WatchGroup: running.WatchGroup,
	}.Run(ctx)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return p.fail(err, exitFailure)
	}
	return code
}

// up shows where the servers are and waits to be told to stop.
func (p *program) up(o options, running *stack.Stack) int {
	exports := exportLines(running.Values())
	_, _ = io.WriteString(p.stdout, exports)
	if o.envFile != "" {
		if err := writeFile(o.envFile, exports); err != nil {
			return p.fail(fmt.Errorf("write the --env-file: %w", err), exitFailure)
		}
		// Addresses of servers that are gone would only mislead.
		defer func() { _ = os.Remove(o.envFile) }()
	}
	if !o.quiet {
		p.report("ready; Ctrl-C stops everything")
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	go watch(ctx, cancel, o, running)
	select {
	case <-p.signals:
		if !o.quiet {
			p.report("stopping")
		}
		return exitOK
	case <-ctx.Done():
		return p.fail(context.Cause(ctx), exitFailure)
	}
}

// parentCheck is how often to look whether the process that started us is still there.
const parentCheck = 250 * time.Millisecond

// watch cancels when a server cannot be kept running or our parent is gone.
func watch(ctx context.Context, cancel context.CancelCauseFunc, o options, running *stack.Stack) {
	ticker := time.NewTicker(parentCheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case err := <-running.Failed():
			cancel(err)
			return
		case <-ticker.C:
			if !o.outliveParent && os.Getppid() != o.parent {
				cancel(failure.WithHint(errors.New("the process that started devstack is gone"),
					"Pass --outlive-parent to keep the stack up without it."))
				return
			}
		}
	}
}

func (p *program) report(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintln(p.stderr, "devstack: "+line)
}

// fail prints the error, the log lines that explain it and the advice.
func (p *program) fail(err error, code int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintln(p.stderr, "error: "+err.Error())
	if name, tail := failure.Log(err); tail != "" {
		_, _ = fmt.Fprintf(p.stderr, "the end of %s:\n  %s\n", name, strings.ReplaceAll(tail, "\n", "\n  "))
	}
	hint := failure.Hint(err)
	if hint == "" {
		hint = "Run it again with --state DIR to keep the logs, DIR/temporal.log and DIR/postgres.log."
	}
	_, _ = fmt.Fprintln(p.stderr, "hint: "+strings.ReplaceAll(hint, "\n", "\nhint: "))
	return code
}

// findCommand looks for the program before anything is started for it.
func (o options) findCommand() (string, error) {
	if o.verb != "exec" {
		return "", nil
	}
	path, err := exec.LookPath(o.command[0])
	if err != nil {
		return "", failure.WithHint(fmt.Errorf("find the command %s: %w", o.command[0], err),
			"Check its spelling, or build it first.")
	}
	return path, nil
}
