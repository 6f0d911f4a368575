package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/service"
)

// What a process of this program is, by its environment.
const (
	partVariable  = "DROPLINE_FAULTS_PART"
	namesVariable = "DROPLINE_FAULTS_NAMES"
	// stopWithin is how long a worker may finish what is under way when it is told to stop.
	stopWithin = 5 * time.Second
)

// Part is one of Dropline's programs.
type Part string

// The programs.
const (
	WorkerPart  Part = "worker"
	GatewayPart Part = "gateway"
)

// Main runs this process as one of Dropline's programs if it was started as one, and exits. Whoever
// starts programs calls it first of all.
func Main() {
	part := Part(os.Getenv(partVariable))
	if part == "" {
		return
	}
	if err := run(part); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(part Part) error {
	if address := os.Getenv(namesVariable); address != "" {
		UseNames(address)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	settings, err := config.FromEnvironment()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	switch part {
	case WorkerPart:
		worker, err := service.NewWorker(ctx, settings, log, stopWithin)
		if err != nil {
			return err
		}
		fmt.Println(worker.HealthAddr())
		return worker.Run(ctx)
	case GatewayPart:
		gateway, err := service.NewGateway(ctx, settings, log)
		if err != nil {
			return err
		}
		fmt.Println(gateway.Addr())
		return gateway.Run(ctx)
	}
	return fmt.Errorf("no part %q", part)
}

// Program is one of Dropline's programs as a process of its own.
type Program struct {
	// Address is where it answers: the gateway's own, the worker's health.
	Address string

	command *exec.Cmd
	said    tail
	ended   chan struct{}
	failure error
}

// StartProgram starts a program with the given settings, "NAME=value", and returns when it listens.
func StartProgram(part Part, settings []string) (*Program, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Program{ended: make(chan struct{})}
	p.command = exec.Command(self) //nolint:gosec,noctx // this very program, which lives until it is told to stop
	p.command.Env = append(append([]string{}, settings...), partVariable+"="+string(part))
	p.command.Stderr = &p.said
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	dieWithParent(p.command)
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start a %s: %w", part, err)
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	go func() {
		_, _ = io.Copy(io.Discard, lines) // nothing more is said there
		p.failure = p.command.Wait()
		close(p.ended)
	}()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the %s does not start: %s", part, p.Said()), p.Kill())
	}
	p.Address = strings.TrimSpace(line)
	return p, nil
}

// Said is the end of what it wrote to its log.
func (p *Program) Said() string { return p.said.String() }

// Signal sends it a signal.
func (p *Program) Signal(s syscall.Signal) error {
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", s, err)
	}
	return nil
}

// Kill ends it as a crash would.
func (p *Program) Kill() error {
	err := p.Signal(syscall.SIGKILL)
	<-p.ended
	return err
}

// stopPatience is what a program gets to end after SIGTERM.
const stopPatience = time.Minute

// Stop ends it in good order; one that was killed is no failure.
func (p *Program) Stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(stopPatience):
		return errors.Join(errors.New("a program did not stop when it was told to: "+p.Said()), p.Kill())
	}
	exit, ok := errors.AsType[*exec.ExitError](p.failure)
	if ok && exit.Sys().(syscall.WaitStatus).Signaled() { //nolint:forcetypeassert // it is one on every Unix
		return nil
	}
	if p.failure != nil {
		return fmt.Errorf("a program failed: %w: %s", p.failure, p.Said())
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 6 << 10

// Write never fails.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - tailSize; over > 0 {
		t.text = append([]byte(nil), t.text[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
