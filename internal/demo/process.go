package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// programs are Dropline's own binaries, run as whoever installs it would run them.
type programs struct {
	folder string // with worker and starter
	logs   string
	env    []string
}

// find looks for the programs beside this one.
func findPrograms(folder string) (string, error) {
	if folder == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find the folder of worker and starter: %w", err)
		}
		folder = filepath.Dir(self)
	}
	for _, name := range []string{"worker", "starter"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			return "", fmt.Errorf("there is no %s in %s: run \"make build\", or name their folder with --bin", name, folder)
		}
	}
	return folder, nil
}

// call runs a program to its end and returns what it wrote to its standard output.
func (p *programs) call(ctx context.Context, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(p.folder, name), args...)
	command.Env = p.env
	var output, complaint bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaint
	if err := command.Run(); err != nil {
		said := strings.TrimSpace(complaint.String())
		return output.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, said)
	}
	return output.String(), nil
}

// process is a program that keeps running, and ends with this one at the latest.
type process struct {
	name    string
	log     string
	command *exec.Cmd
	ended   chan struct{}
}

// start starts a program that writes to a log file of its own.
func (p *programs) start(name, log string, env []string, args ...string) (*process, error) {
	file, err := os.OpenFile(filepath.Join(p.logs, log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer func() { _ = file.Close() }() // the child holds it open
	started := &process{name: name, log: file.Name(), ended: make(chan struct{})}
	started.command = exec.Command(filepath.Join(p.folder, name), args...) //nolint:noctx // it outlives every context but the demo's own end
	started.command.Env = append(append([]string(nil), p.env...), env...)
	started.command.Stdout, started.command.Stderr = file, file
	started.command.SysProcAttr = endWithParent()
	running := make(chan error)
	go started.own(running)
	if err := <-running; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return started, nil
}

// own keeps the thread that started the process: to the kernel that thread, and not this program,
// is the parent whose death ends the process.
func (p *process) own(running chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.command.Start()
	running <- err
	if err != nil {
		return
	}
	_ = p.command.Wait() // how it ended is read from the process state
	close(p.ended)
}

func (p *process) id() int { return p.command.Process.Pid }

// kill ends the process as a power cut would.
func (p *process) kill() error {
	if err := p.command.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.ended
	return nil
}

// stopWithin is how long a program may take to finish what it is doing.
const stopWithin = 8 * time.Second

// stop asks the process to end, and insists.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.command.Process.Signal(syscall.SIGTERM) // one that has ended already is stopped
	select {
	case <-p.ended:
	case <-time.After(stopWithin):
		_ = p.kill() // nothing else can be done
	}
}

// failure says how a process ended that should still run, with the last lines of its log.
func (p *process) failure() error {
	text, err := os.ReadFile(p.log)
	if err != nil {
		text = []byte(err.Error())
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	const last = 12
	lines = lines[max(0, len(lines)-last):]
	return fmt.Errorf("%s ended (%s); its log %s ends with:\n%s", p.name, p.command.ProcessState, p.log, strings.Join(lines, "\n"))
}
