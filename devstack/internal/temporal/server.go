// Package temporal runs a Temporal server and its Web UI inside this process.
package temporal

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/temporal"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/dropline/dropline/devstack/internal/failure"
	"github.com/dropline/dropline/devstack/internal/namespace"
	"github.com/dropline/dropline/devstack/internal/ports"
)

// stopWithin bounds a clean stop: the server itself would wait minutes for its pollers.
const stopWithin = 3 * time.Second

// Config says how the server runs.
type Config struct {
	Database   string // path of the SQLite file; "" keeps everything in memory
	Log        string // file the server writes its log to
	Namespace  string
	Attributes namespace.Attributes
	// Preferred ports, taken if free; 0 takes any.
	FrontendPort, UIPort int
	// MetricsPort is where Prometheus finds the server's metrics; 0 for nowhere.
	MetricsPort int
	// Settings are dynamic settings, NAME=VALUE, that go before those for one developer.
	Settings []string
	WithUI   bool
}

// Server is a running Temporal server.
type Server struct {
	config  Config
	server  temporal.Server
	ui      *webUI
	address string
	fatal   *fatalHook
}

// fatalHook turns the server's "log and exit the process" into an error, so that what else
// runs in this process is torn down in order.
type fatalHook struct {
	once   sync.Once
	log    string
	failed chan error
}

func (h *fatalHook) OnWrite(entry *zapcore.CheckedEntry, _ []zapcore.Field) {
	h.once.Do(func() {
		h.failed <- failure.WithLog(errors.New("the Temporal server gave up: "+entry.Message), h.log)
	})
	runtime.Goexit()
}

// Start starts a server and returns when its namespace answers.
func Start(ctx context.Context, picker *ports.Picker, c Config) (*Server, error) {
	at, err := pickPorts(picker, c.FrontendPort)
	if err != nil {
		return nil, err
	}
	s, err := start(ctx, c, at)
	if err != nil {
		return nil, err
	}
	if c.WithUI {
		if s.ui, err = startUI(ctx, picker, c.UIPort, s.address, c.Namespace); err != nil {
			s.Stop()
			return nil, err
		}
	}
	return s, nil
}

// start starts a server without its UI.
func start(ctx context.Context, c Config, at serverPorts) (*Server, error) {
	store := memoryStore()
	var err error
	if c.Database != "" {
		if store, err = fileStore(c.Database); err != nil {
			return nil, fmt.Errorf("open the Temporal database %s: %w", c.Database, err)
		}
	}
	if err := registerNamespace(store, c.Namespace, c.Attributes); err != nil {
		return nil, err
	}
	s := &Server{
		config: c, address: ports.Address(at.frontend),
		fatal: &fatalHook{log: c.Log, failed: make(chan error, 1)},
	}
	if err := s.launch(ctx, at, configuration(at, store, c.MetricsPort)); err != nil {
		return nil, fmt.Errorf("start the Temporal server: %w", err)
	}
	return s, nil
}

func (s *Server) launch(ctx context.Context, at serverPorts, c *config.Config) error {
	server, err := s.build(at, c)
	if err != nil {
		return err
	}
	s.server = server
	started := make(chan error, 1)
	go func() { started <- server.Start() }()
	select {
	case err = <-started:
	case err = <-s.fatal.failed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return failure.WithLog(err, s.config.Log)
	}
	if err := s.awaitNamespace(ctx); err != nil {
		err = failure.WithLog(err, s.config.Log) // before the noise of stopping
		s.Stop()
		return err
	}
	return nil
}

func (s *Server) build(at serverPorts, c *config.Config) (temporal.Server, error) {
	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Level: "warn", Format: "console", OutputFile: s.config.Log}).
		WithOptions(zap.WithFatalHook(s.fatal)))
	authorizer, err := authorization.GetAuthorizerFromConfig(&c.Global.Authorization)
	if err != nil {
		return nil, fmt.Errorf("make the authorizer: %w", err)
	}
	claims, err := authorization.GetClaimMapperFromConfig(&c.Global.Authorization, logger)
	if err != nil {
		return nil, fmt.Errorf("make the claim mapper: %w", err)
	}
	return temporal.NewServer(
		temporal.WithConfig(c),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(at.hosts()),
		temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
		temporal.WithDynamicConfigClient(dynamicSettings(s.config.Settings)),
	)
}

// awaitNamespace waits until the namespace answers, and gives an existing one the
// attributes it lacks.
func (s *Server) awaitNamespace(ctx context.Context) error {
	connected, err := namespace.Dial(ctx, s.address)
	if err != nil {
		return err
	}
	defer connected.Close()
	if s.config.Database == "" {
		return namespace.AwaitQueryable(ctx, connected, s.config.Namespace, s.config.Attributes)
	}
	return namespace.Prepare(ctx, connected, s.config.Namespace, s.config.Attributes)
}

// Address is the host:port clients connect to.
func (s *Server) Address() string { return s.address }

// UI is the URL of the Web UI, "" without one.
func (s *Server) UI() string {
	if s.ui == nil {
		return ""
	}
	return s.ui.url
}

// Failed yields an error if the server gives up.
func (s *Server) Failed() <-chan error { return s.fatal.failed }

// Stop ends the server. One in memory has nothing to save and ends with the process.
func (s *Server) Stop() {
	if s.ui != nil {
		s.ui.stop()
	}
	if s.config.Database == "" {
		return
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		// What it says is in its log; a database in WAL mode needs no clean end.
		_ = s.server.Stop()
	}()
	select {
	case <-stopped:
	case <-time.After(stopWithin):
	}
}
