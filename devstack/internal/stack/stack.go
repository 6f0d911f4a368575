//go:build unix

// Package stack puts a Temporal server and a Postgres together, private or borrowed, and
// takes them down again.
package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dropline/dropline/devstack/internal/child"
	"github.com/dropline/dropline/devstack/internal/namespace"
	"github.com/dropline/dropline/devstack/internal/ports"
	"github.com/dropline/dropline/devstack/internal/postgres"
	"github.com/dropline/dropline/devstack/internal/temporal"
)

// The ports people expect Temporal on.
const (
	usualFrontend = 7233
	usualUI       = 8233
)

// Options say what to start.
type Options struct {
	Namespace  string
	Attributes namespace.Attributes
	State      string   // directory that persists; "" for a temporary one
	Temporal   string   // where Temporal keeps its state: "memory" or "file"
	Killable   bool     // Temporal in a process of its own, with its state in a file
	Durable    bool     // Postgres with its crash safety on
	Settings   []string // more of the private Postgres, each NAME=VALUE
	// TemporalSettings are dynamic settings of the private Temporal server, each NAME=VALUE.
	TemporalSettings []string
	WithUI           bool
	Metrics          bool // of Temporal
	UsualPorts       bool // prefer 7233 and 8233
	Private          bool // ignore the servers the environment names
	// Isolate uses a namespace and a database of its own on borrowed servers, removed at
	// the end, so that runs side by side do not meet.
	Isolate bool
	Report  func(line string)
}

// Stack is a Temporal server and a Postgres ready for use.
type Stack struct {
	options   Options
	directory *directory
	guard     *child.Guard
	failed    chan error
	stopped   chan struct{}
	started   time.Time

	mu      sync.Mutex
	values  map[string]string
	undoing []func()
}

// Start starts both servers. After an error nothing is left running.
func Start(ctx context.Context, options Options) (*Stack, error) {
	dir, err := openDirectory(options.State)
	if err != nil {
		return nil, err
	}
	s := &Stack{
		options: options, directory: dir, started: time.Now(),
		failed: make(chan error, 1), stopped: make(chan struct{}), values: map[string]string{},
	}
	if err := s.start(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context) error {
	if err := s.startGuard(); err != nil {
		return err
	}
	picker := &ports.Picker{}
	postgresPort, err := picker.Pick(0)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	outcomes := make(chan error, 2)
	go func() { outcomes <- s.startDatabase(ctx, postgresPort) }()
	go func() { outcomes <- s.startTemporal(ctx, picker) }()
	first := <-outcomes
	if first != nil {
		cancel() // the other need not finish; its own error would say no more than that
	}
	second := <-outcomes
	if first != nil {
		return first
	}
	return second
}

func (s *Stack) startGuard() error {
	removable := ""
	if s.directory.temporary {
		removable = s.directory.path
	}
	postmaster := ""
	if s.borrowedDatabase() == "" {
		data, err := postgres.Locate(s.directory.path)
		if err != nil {
			return err
		}
		postmaster = filepath.Join(data, "postmaster.pid")
	}
	guard, err := child.StartGuard(removable, postmaster)
	s.guard = guard
	return err
}

func (s *Stack) borrowedDatabase() string {
	if s.options.Private {
		return ""
	}
	return os.Getenv("DATABASE_URL")
}

func (s *Stack) borrowedTemporal() string {
	if s.options.Private {
		return ""
	}
	return os.Getenv("TEMPORAL_ADDRESS")
}

func (s *Stack) startDatabase(ctx context.Context, port int) error {
	if url := s.borrowedDatabase(); url != "" {
		return s.borrowDatabase(ctx, url)
	}
	server, err := postgres.Start(ctx, postgres.Config{
		Dir: s.directory.path, Port: port, Durable: s.options.Durable, Settings: s.options.Settings, Report: s.options.Report,
	})
	if err != nil {
		return err
	}
	s.atEnd(server.Stop)
	go s.passOn(server.Failed())
	s.set(server.Environment())
	s.set(map[string]string{"DATABASE_URL": server.URL()})
	s.progress("postgres ready on %s", ports.Address(port))
	return nil
}

func (s *Stack) borrowDatabase(ctx context.Context, url string) error {
	if !s.options.Isolate {
		if err := postgres.Ping(ctx, url); err != nil {
			return err
		}
		s.set(map[string]string{"DATABASE_URL": url})
		s.progress("postgres: using DATABASE_URL")
		return nil
	}
	place, err := postgres.Borrow(ctx, url)
	if err != nil {
		return err
	}
	s.atEnd(func() { s.cleanUp(place.Drop) })
	s.set(map[string]string{"DATABASE_URL": place.URL})
	s.progress("postgres: made %s on the server of DATABASE_URL, dropped at the end", place.What)
	return nil
}

func (s *Stack) startTemporal(ctx context.Context, picker *ports.Picker) error {
	if address := s.borrowedTemporal(); address != "" {
		return s.borrowTemporal(ctx, address)
	}
	config := temporal.Config{
		Log: s.directory.file("temporal.log"), Namespace: s.options.Namespace,
		Attributes: s.options.Attributes, WithUI: s.options.WithUI, Settings: s.options.TemporalSettings,
	}
	if s.options.Temporal == "file" || s.options.Killable {
		config.Database = s.directory.file("temporal.db")
	}
	if s.options.UsualPorts {
		config.FrontendPort, config.UIPort = usualFrontend, usualUI
	}
	if s.options.Metrics {
		port, err := picker.Pick(0)
		if err != nil {
			return err
		}
		config.MetricsPort = port
		s.set(map[string]string{"DROPLINE_TEMPORAL_METRICS": "http://" + ports.Address(port) + "/metrics"})
	}
	server, err := s.serveTemporal(ctx, picker, config)
	if err != nil {
		return err
	}
	s.atEnd(server.Stop)
	go s.passOn(server.Failed())
	s.set(map[string]string{
		"TEMPORAL_ADDRESS":     server.Address(),
		"TEMPORAL_NAMESPACE":   s.options.Namespace,
		"DROPLINE_TEMPORAL_UI": server.UI(),
		// A profile of the user's, say with TLS, does not fit this server.
		"TEMPORAL_CONFIG_FILE": os.DevNull,
	})
	s.progress("temporal ready on %s", server.Address())
	return nil
}

// temporalServer is one in this process, or in one of its own.
type temporalServer interface {
	Address() string
	UI() string
	Failed() <-chan error
	Stop()
}

func (s *Stack) serveTemporal(ctx context.Context, picker *ports.Picker, config temporal.Config) (temporalServer, error) {
	if !s.options.Killable {
		return temporal.Start(ctx, picker, config)
	}
	server, err := temporal.StartProcess(ctx, picker, config, s.directory.path, s.options.Report)
	if err != nil {
		return nil, err
	}
	s.set(server.Environment())
	return server, nil
}

func (s *Stack) borrowTemporal(ctx context.Context, address string) error {
	connected, err := namespace.DialEnvironment(ctx)
	if err != nil {
		return err
	}
	s.atEnd(connected.Close)
	name := s.options.Namespace
	if s.options.Isolate {
		name = namespace.Fresh()
	}
	if err := namespace.Prepare(ctx, connected, name, s.options.Attributes); err != nil {
		return err
	}
	fate := ""
	if s.options.Isolate {
		fate = ", deleted at the end"
		s.atEnd(func() {
			s.cleanUp(func(ctx context.Context) error { return namespace.Delete(ctx, connected, name) })
		})
	}
	s.set(map[string]string{
		"TEMPORAL_ADDRESS":     address,
		"TEMPORAL_NAMESPACE":   name,
		"DROPLINE_TEMPORAL_UI": os.Getenv("DROPLINE_TEMPORAL_UI"),
	})
	s.progress("temporal: using %s, namespace %s%s", address, name, fate)
	return nil
}

// cleanUp removes what was made on a borrowed server; a failure is told, not raised, since
// the run itself is over.
func (s *Stack) cleanUp(remove func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := remove(ctx); err != nil {
		s.options.Report("left behind: " + err.Error())
	}
}

func (s *Stack) progress(format string, args ...any) {
	s.options.Report(fmt.Sprintf("%s (%.1fs)", fmt.Sprintf(format, args...), time.Since(s.started).Seconds()))
}

func (s *Stack) set(values map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.values, values)
}

func (s *Stack) atEnd(undo func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undoing = append(s.undoing, undo)
}

// passOn hands the first failure of a server on, until the stack is stopped.
func (s *Stack) passOn(failed <-chan error) {
	select {
	case err := <-failed:
		select {
		case s.failed <- err:
		default:
		}
	case <-s.stopped:
	}
}

// Failed yields an error when a server cannot be kept running.
func (s *Stack) Failed() <-chan error { return s.failed }

// WatchGroup has the process group ended should this process be killed.
func (s *Stack) WatchGroup(group int) error { return s.guard.WatchGroup(group) }

// Values are the variables that lead to the servers.
func (s *Stack) Values() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.values)
}

// connectionSettings are variables that change how a Temporal client connects. Those of the
// user's environment are not meant for a private server.
var connectionSettings = []string{
	"TEMPORAL_API_KEY", "TEMPORAL_PROFILE", "TEMPORAL_TLS", "TEMPORAL_CODEC_", "TEMPORAL_GRPC_META_",
}

// Environment is base with the variables that lead to the servers.
func (s *Stack) Environment(base []string) []string {
	values := s.Values()
	private := s.borrowedTemporal() == ""
	var environment []string
	for _, entry := range base {
		name, _, _ := strings.Cut(entry, "=")
		if _, replaced := values[name]; replaced || private && isConnectionSetting(name) {
			continue
		}
		environment = append(environment, entry)
	}
	for name, value := range values {
		environment = append(environment, name+"="+value)
	}
	return environment
}

func isConnectionSetting(name string) bool {
	for _, prefix := range connectionSettings {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// Stop ends both servers, last started first, and removes a temporary directory. It is
// called once.
func (s *Stack) Stop() {
	close(s.stopped)
	s.mu.Lock()
	undoing := s.undoing
	s.undoing = nil
	s.mu.Unlock()
	for _, undo := range slices.Backward(undoing) {
		undo()
	}
	err := s.directory.close()
	if s.guard != nil {
		err = errors.Join(err, s.guard.Dismiss())
	}
	if err != nil {
		s.options.Report("clean up: " + err.Error())
	}
}
