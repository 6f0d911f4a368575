//go:build unix

package temporal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dropline/dropline/devstack/internal/child"
	"github.com/dropline/dropline/devstack/internal/failure"
	"github.com/dropline/dropline/devstack/internal/ports"
)

// ProcessVerb is the hidden command by which devstack starts itself as a Temporal server alone.
const ProcessVerb = "temporal-server"

const (
	// answersWithin bounds a start, the schema included.
	answersWithin = time.Minute
	// askAgain is the pause between two attempts to reach a server that starts.
	askAgain = 50 * time.Millisecond
	// orphanCheck is how often the server looks whether its devstack is still there.
	orphanCheck = 250 * time.Millisecond
)

// Process is a Temporal server in a process of its own, so that it can be killed. One that dies is
// started again on the same ports, with all that it had answered for: its database is a file.
type Process struct {
	part     part
	plan     string // file that tells the server its part
	pidFile  string
	ui       *webUI
	report   func(string)
	stopping atomic.Bool
	stop     chan struct{}
	ended    chan struct{}
	failed   chan error
}

// part is what the server's process has to know.
type part struct {
	Config Config
	Ports  portNumbers
}

type portNumbers struct{ Frontend, HTTP, History, Matching, Worker int }

func (n portNumbers) serverPorts() serverPorts {
	return serverPorts{frontend: n.Frontend, http: n.HTTP, history: n.History, matching: n.Matching, worker: n.Worker}
}

// StartProcess starts a server and returns when its namespace answers. c.Database must be a file.
// dir takes the files that belong to the process.
func StartProcess(ctx context.Context, picker *ports.Picker, c Config, dir string, report func(string)) (*Process, error) {
	if c.Database == "" {
		return nil, errors.New("start the Temporal server: one that can be killed needs a database file")
	}
	at, err := pickPorts(picker, c.FrontendPort)
	if err != nil {
		return nil, err
	}
	p := &Process{
		part: part{Config: c, Ports: portNumbers{at.frontend, at.http, at.history, at.matching, at.worker}},
		plan: dir + "/temporal.json", pidFile: dir + "/temporal.pid", report: report,
		stop: make(chan struct{}), ended: make(chan struct{}), failed: make(chan error, 1),
	}
	text, err := json.Marshal(p.part)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(p.plan, text, 0o600); err != nil {
		return nil, err
	}
	server, err := p.launch(ctx)
	if err != nil {
		return nil, failure.WithLog(fmt.Errorf("start the Temporal server: %w", err), c.Log)
	}
	go p.supervise(server)
	if c.WithUI {
		if p.ui, err = startUI(ctx, picker, c.UIPort, p.Address(), c.Namespace); err != nil {
			p.Stop()
			return nil, err
		}
	}
	return p, nil
}

// launch starts the process and waits until the namespace answers.
func (p *Process) launch(ctx context.Context) (*child.Child, error) {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self, ProcessVerb, p.plan) //nolint:noctx // it lives as long as the stack, not as its start
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	server, err := child.Start(command, syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	if err := p.writePID(server.PID()); err != nil {
		return nil, errors.Join(err, server.Stop(0))
	}
	answered := make(chan error, 1)
	go func() { answered <- p.awaitAnswer(ctx) }()
	select {
	case err = <-answered:
	case <-server.Done():
		err = fmt.Errorf("it ended at once (%s)", server.Describe())
	}
	if err != nil {
		return nil, errors.Join(err, server.Stop(0))
	}
	return server, nil
}

// awaitAnswer asks until the namespace answers: refused connections are all there is to tell that the
// server is not there yet.
func (p *Process) awaitAnswer(ctx context.Context) error {
	s := &Server{config: p.part.Config, address: p.Address()}
	for {
		err := s.awaitNamespace(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(askAgain):
		}
	}
}

func (p *Process) writePID(pid int) error {
	fresh := p.pidFile + ".new"
	if err := os.WriteFile(fresh, []byte(strconv.Itoa(pid)+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, p.pidFile)
}

// supervise starts the server again whenever it dies without being asked to, and ends it on Stop.
func (p *Process) supervise(server *child.Child) {
	defer close(p.ended)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-p.stop
		cancel()
	}()
	for {
		select {
		case <-p.stop:
			// A database in WAL mode needs no clean end.
			if err := server.Stop(0); err != nil {
				p.report("temporal: " + err.Error())
			}
			return
		case <-server.Done():
		}
		began := time.Now()
		next, err := p.launchAgain(ctx)
		if err != nil {
			if !p.stopping.Load() {
				err = fmt.Errorf("restart Temporal after it died (%s): %w", server.Describe(), err)
				p.failed <- failure.WithLog(err, p.part.Config.Log)
			}
			return
		}
		p.report(fmt.Sprintf("temporal died (%s), restarted on %s (%.1fs)", server.Describe(), p.Address(), time.Since(began).Seconds()))
		server = next
	}
}

// launchAgain makes up for a server that is killed again while it starts.
func (p *Process) launchAgain(ctx context.Context) (server *child.Child, err error) {
	const attempts = 5
	for range attempts {
		if server, err = p.launch(ctx); err == nil || ctx.Err() != nil {
			return server, err
		}
	}
	return server, err
}

// Environment tells tests how to find and kill the server: DROPLINE_TEMPORAL_PID_FILE holds its
// process id and is rewritten at each restart.
func (p *Process) Environment() map[string]string {
	return map[string]string{"DROPLINE_TEMPORAL_PID_FILE": p.pidFile}
}

// Address is the host:port clients connect to.
func (p *Process) Address() string { return ports.Address(p.part.Ports.Frontend) }

// UI is the URL of the Web UI, "" without one.
func (p *Process) UI() string {
	if p.ui == nil {
		return ""
	}
	return p.ui.url
}

// Failed yields an error if the server cannot be kept alive.
func (p *Process) Failed() <-chan error { return p.failed }

// Stop ends the server and waits until it is gone.
func (p *Process) Stop() {
	if p.ui != nil {
		p.ui.stop()
	}
	if p.stopping.CompareAndSwap(false, true) {
		close(p.stop)
	}
	<-p.ended
	_ = os.Remove(p.pidFile)
}

// Serve is the life of the server's own process: it serves until it is told to stop, the server gives
// up, or the devstack that started it is gone.
func Serve(plan string) error {
	parent := os.Getppid()
	text, err := os.ReadFile(plan)
	if err != nil {
		return err
	}
	var p part
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	p.Config.WithUI = false
	s, err := start(context.Background(), p.Config, p.Ports.serverPorts())
	if err != nil {
		return err
	}
	defer s.Stop()
	ticker := time.NewTicker(orphanCheck)
	defer ticker.Stop()
	for {
		select {
		case <-signals:
			return nil
		case err := <-s.Failed():
			return err
		case <-ticker.C:
			if os.Getppid() != parent {
				return nil
			}
		}
	}
}
