package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// A role is a part of a deployment that runs in a process of its own, so that its CPU time and memory
// are its own. The process is this program again; it reads one JSON document a line from its standard
// input, answers one a line, and ends when its input does.
const (
	roleGateway = "gateway"
	roleWorker  = "worker"
	roleFloor   = "floor"
)

// RoleFlag is the first argument of a process that plays a role.
const RoleFlag = "--play"

// question is what a process is asked. An empty one asks for its reading.
type question struct {
	// Run lets so many orders go through the floor.
	Run *floorLoad `json:"run,omitempty"`
	// Profile names a folder that CPU and memory profiles are written into, when the process ends.
	Profile string `json:"profile,omitempty"`
}

// reading is what a process knows of itself.
type reading struct {
	HeapMB     float64 `json:"heap_mb"`
	Mallocs    uint64  `json:"mallocs"`
	Goroutines int     `json:"goroutines"`
	// Replays are workflow tasks that came with a history from its beginning.
	Replays int64  `json:"replays,omitempty"`
	Error   string `json:"error,omitempty"`
}

// ready is the first answer.
type ready struct {
	URL   string `json:"url,omitempty"`
	Error string `json:"error,omitempty"`
}

// part is a process that plays a role.
type part struct {
	role    string
	command *exec.Cmd
	input   io.WriteCloser
	answers *bufio.Reader
	url     string // of the gateway, or of the worker's health
	ended   chan struct{}
	began   time.Time
	mu      sync.Mutex
}

// startPart starts a process and waits until it has taken its setup.
func startPart(role string, setup any, profile string) (*part, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start the %s: %w", role, err)
	}
	p := &part{role: role, ended: make(chan struct{}), began: time.Now()}
	p.command = exec.Command(self, RoleFlag, role) //nolint:noctx,gosec // this program again; it ends with its standard input
	p.command.Stderr = os.Stderr
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is ours to act on
	if p.input, err = p.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start the %s: %w", role, err)
	}
	output, err := p.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the %s: %w", role, err)
	}
	p.answers = bufio.NewReader(output)
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start the %s: %w", role, err)
	}
	var said ready
	err = p.exchange(setup, &said)
	if err == nil && said.Error != "" {
		err = errors.New(said.Error)
	}
	if err == nil && profile != "" {
		_, err = p.ask(question{Profile: profile})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the %s: %w", role, err), p.stop())
	}
	p.url = said.URL
	return p, nil
}

func (p *part) pid() int { return p.command.Process.Pid }

func (p *part) exchange(question, answer any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := json.NewEncoder(p.input).Encode(question); err != nil {
		return fmt.Errorf("ask the %s: %w", p.role, err)
	}
	line, err := p.answers.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("hear the %s: %w", p.role, err)
	}
	return json.Unmarshal(line, answer)
}

// ask asks the process and waits for its answer.
func (p *part) ask(q question) (reading, error) {
	var said reading
	err := p.exchange(q, &said)
	if err == nil && said.Error != "" {
		err = fmt.Errorf("the %s: %s", p.role, said.Error)
	}
	return said, err
}

// pause keeps the process from running, so that its looking for work is not counted as another's.
func (p *part) pause() error { return p.command.Process.Signal(syscall.SIGSTOP) }

func (p *part) resume() error { return p.command.Process.Signal(syscall.SIGCONT) }

// stop lets the process end in order.
func (p *part) stop() error {
	_ = p.resume()
	_ = p.input.Close()
	if err := p.command.Wait(); err != nil {
		return fmt.Errorf("the %s ended: %w", p.role, err)
	}
	return nil
}

// kill ends the process as a crash would.
func (p *part) kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait() // killed is how it should end
}

// Play plays a role until its input ends.
func Play(ctx context.Context, role string, input io.Reader, output io.Writer) error {
	lines := json.NewDecoder(input)
	answers := json.NewEncoder(output)
	var play func(context.Context, *json.Decoder) (player, error)
	switch role {
	case roleGateway:
		play = playGateway
	case roleWorker:
		play = playWorker
	case roleFloor:
		play = playFloor
	default:
		return fmt.Errorf("no such role: %q", role)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	playing, err := play(ctx, lines)
	if err != nil {
		return answers.Encode(ready{Error: err.Error()})
	}
	if err := answers.Encode(ready{URL: playing.url}); err != nil {
		return err
	}
	var profiles *profiling
	for {
		var q question
		if lines.Decode(&q) != nil { // the end of the input is the end of the role
			break
		}
		var failed error
		switch {
		case q.Profile != "":
			profiles, failed = beginProfiles(q.Profile, role)
		case q.Run != nil:
			failed = playing.run(ctx, *q.Run)
		}
		if err := answers.Encode(readingOf(playing, failed)); err != nil {
			return err
		}
	}
	stop()
	return errors.Join(<-playing.ended, profiles.end())
}

// player is a role under way.
type player struct {
	url     string
	ended   <-chan error
	replays func() int64
	run     func(context.Context, floorLoad) error
}

func readingOf(p player, failed error) reading {
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	r := reading{HeapMB: float64(memory.HeapAlloc) / (1 << 20), Mallocs: memory.Mallocs, Goroutines: runtime.NumGoroutine()}
	if p.replays != nil {
		r.Replays = p.replays()
	}
	if failed != nil {
		r.Error = failed.Error()
	}
	return r
}
