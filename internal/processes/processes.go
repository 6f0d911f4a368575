// Package processes runs Dropline's own programs as processes, as whoever installs it would run them,
// and kills them as a power cut would. It is for what proves the product from outside.
package processes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Programs are binaries in one folder.
type Programs struct {
	Folder string   // with the binaries
	Logs   string   // folder for what they write
	Env    []string // their whole environment, "NAME=value"
}

// Beside is the folder of the running program, where "make build" puts all of them.
func Beside() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the folder of this program: %w", err)
	}
	return filepath.Dir(self), nil
}

// Check reports the first of the named programs that is not there.
func (p *Programs) Check(names ...string) error {
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(p.Folder, name)); err != nil {
			return fmt.Errorf("there is no %s in %s: run \"make build\", or name their folder with --bin", name, p.Folder)
		}
	}
	return nil
}

// Call runs a program to its end and returns what it wrote to its standard output, also when it failed.
func (p *Programs) Call(ctx context.Context, name string, args ...string) (string, error) {
	//nolint:gosec // folders and names are the caller's, who runs its own programs
	command := exec.CommandContext(ctx, filepath.Join(p.Folder, name), args...)
	command.Env = p.Env
	var output, complaint bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaint
	if err := command.Run(); err != nil {
		said := strings.TrimSpace(complaint.String())
		return output.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, said)
	}
	return output.String(), nil
}

// Process is a program that keeps running, and ends with this one at the latest.
type Process struct {
	Name string
	Log  string // file that it writes to
	// Ended is closed when the process is gone, however it went.
	Ended   chan struct{}
	command *exec.Cmd
}

// Start starts a program that appends to the log file of the given name. env comes on top of the
// environment of all.
func (p *Programs) Start(name, log string, env []string, args ...string) (*Process, error) {
	//nolint:gosec // folders and names are the caller's, who runs its own programs
	file, err := os.OpenFile(filepath.Join(p.Logs, log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer func() { _ = file.Close() }() // the child holds it open
	started := &Process{Name: name, Log: file.Name(), Ended: make(chan struct{})}
	//nolint:noctx,gosec // it outlives every context but this program's own end; see above
	started.command = exec.Command(filepath.Join(p.Folder, name), args...)
	started.command.Env = append(append([]string(nil), p.Env...), env...)
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
func (p *Process) own(running chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.command.Start()
	running <- err
	if err != nil {
		return
	}
	_ = p.command.Wait() // how it ended is read from the process state
	close(p.Ended)
}

// ID is the process id.
func (p *Process) ID() int { return p.command.Process.Pid }

// Kill ends the process as a power cut would, and returns when it is gone.
func (p *Process) Kill() error {
	if err := p.command.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.Name, err)
	}
	<-p.Ended
	return nil
}

// stopWithin is how long a program may take to finish what it is doing.
const stopWithin = 8 * time.Second

// Stop asks the process to end, and insists. One that has ended already, or nil, is stopped.
func (p *Process) Stop() {
	if p == nil {
		return
	}
	_ = p.command.Process.Signal(syscall.SIGTERM) // see above
	select {
	case <-p.Ended:
	case <-time.After(stopWithin):
		_ = p.Kill() // nothing else can be done
	}
}

// Fate is how a process went that has ended: "exit status 1", "signal: killed".
func (p *Process) Fate() string { return p.command.ProcessState.String() }

// Failure says how a process ended that should still run, with the last lines of its log.
func (p *Process) Failure() error {
	text, err := os.ReadFile(p.Log)
	if err != nil {
		text = []byte(err.Error())
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	const last = 12
	lines = lines[max(0, len(lines)-last):]
	return fmt.Errorf("%s ended (%s); its log %s ends with:\n%s", p.Name, p.Fate(), p.Log, strings.Join(lines, "\n"))
}

// startWithin is how long a program may take to be ready.
const startWithin = 40 * time.Second

// Ready waits until the program answers at base + "/readyz" that it is ready.
func (p *Process) Ready(ctx context.Context, base string) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		if answers(ctx, base+"/readyz") {
			return nil
		}
		select {
		case <-p.Ended:
			return p.Failure()
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready at %s: see %s: %w", p.Name, base, p.Log, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func answers(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// FreeAddresses finds ports of the loopback interface that nobody uses. Another program may take one
// before ours does; then ours says so and ends.
func FreeAddresses(ctx context.Context, n int) ([]string, error) {
	var addresses []string
	for range n {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = listener.Close() }() // held until all are found, so that none is found twice
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}
