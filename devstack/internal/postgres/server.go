//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/devstack/internal/child"
	"github.com/dropline/dropline/devstack/internal/failure"
	"github.com/dropline/dropline/devstack/internal/ports"
)

const (
	// readyWithin bounds a start, crash recovery included.
	readyWithin = 30 * time.Second
	// probeEvery is the pause between two attempts to connect.
	probeEvery = 20 * time.Millisecond
	// fastShutdown is how long a durable server gets to write a checkpoint.
	fastShutdown = 5 * time.Second
)

// Server is a running private Postgres. It is restarted on the same port when it dies
// unexpectedly.
type Server struct {
	config   Config
	found    binaries
	as       identity
	files    layout
	stopping atomic.Bool
	stop     chan struct{}
	ended    chan struct{}
	failed   chan error
}

// Reachable tells whether the user Postgres will run as can work below dir.
func Reachable(dir string) bool {
	as, err := runAs()
	return err == nil && as.reaches(dir)
}

// Locate says where the data of a server in dir will live; the directory itself need not
// exist yet.
func Locate(dir string) (data string, err error) {
	as, err := runAs()
	if err != nil {
		return "", err
	}
	files, err := place(dir, as)
	return files.data, err
}

// Start starts a server and returns when its database accepts connections.
func Start(ctx context.Context, config Config) (*Server, error) {
	as, err := runAs()
	if err != nil {
		return nil, err
	}
	files, err := place(config.Dir, as)
	if err != nil {
		return nil, err
	}
	major, err := files.majorOf()
	if err != nil {
		return nil, err
	}
	where, err := newSearch(as, major)
	if err != nil {
		return nil, err
	}
	found, err := where.find(ctx, config.Report)
	if err != nil {
		return nil, err
	}
	if major == 0 {
		if err := files.initialise(ctx, found, as); err != nil {
			return nil, err
		}
	}
	s := &Server{
		config: config, found: found, as: as, files: files,
		stop: make(chan struct{}), ended: make(chan struct{}), failed: make(chan error, 1),
	}
	return s, s.begin(ctx)
}

// URL is the address of the database.
func (s *Server) URL() string { return s.url(database) }

func (s *Server) url(name string) string {
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", role, ports.Address(s.config.Port), name)
}

// Environment tells tests how to find and kill the server: DROPLINE_PG_PID_FILE holds the
// current postmaster's process id and is rewritten at each restart.
func (s *Server) Environment() map[string]string {
	return map[string]string{
		"DROPLINE_PG_PID_FILE": s.files.pidFile,
		"DROPLINE_PG_DATA":     s.files.data,
		"DROPLINE_PG_BIN":      s.found.dir,
	}
}

// Failed yields an error if the server cannot be kept alive.
func (s *Server) Failed() <-chan error { return s.failed }

func (s *Server) begin(ctx context.Context) error {
	postmaster, err := s.launch(ctx)
	if err == nil {
		err = s.createDatabase(ctx)
	}
	if err != nil {
		if postmaster != nil {
			err = errors.Join(err, postmaster.Stop(fastShutdown, syscall.SIGQUIT))
		}
		return failure.WithLog(fmt.Errorf("start Postgres from %s: %w", s.found.dir, err), s.files.log)
	}
	go s.supervise(postmaster)
	return nil
}

// launch starts a postmaster and waits until it answers. After a kill -9 the processes of
// the one before may hold its shared memory for a moment, so an early end is tried again.
func (s *Server) launch(ctx context.Context) (*child.Child, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		postmaster, err := s.spawn()
		if err != nil {
			return nil, err
		}
		err = s.awaitReady(ctx, postmaster)
		if err == nil {
			return postmaster, nil
		}
		if ctx.Err() != nil || s.stopping.Load() {
			return nil, errors.Join(err, postmaster.Stop(fastShutdown, syscall.SIGQUIT))
		}
		if !s.worthRetrying() {
			return nil, err
		}
		if !pause(ctx, 10*probeEvery) {
			return nil, err
		}
	}
}

// worthRetrying is true while a predecessor's lock is being released.
func (s *Server) worthRetrying() bool {
	_, err := os.Stat(filepath.Join(s.files.data, "postmaster.pid"))
	return err == nil
}

func (s *Server) spawn() (*child.Child, error) {
	log, err := os.OpenFile(s.files.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	command := s.found.command(context.Background(), "postgres", serverArguments(s.files.data, s.config)...)
	command.Stdout, command.Stderr = log, log
	// Its own group: a Ctrl-C at the terminal is ours to act on, after the command ended.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.as.apply(command)
	postmaster, err := child.Start(command, syscall.SIGQUIT)
	if err != nil {
		return nil, err
	}
	return postmaster, s.writePID(postmaster.PID())
}

func (s *Server) writePID(pid int) error {
	fresh := s.files.pidFile + ".new"
	if err := os.WriteFile(fresh, []byte(strconv.Itoa(pid)+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, s.files.pidFile)
}

func (s *Server) awaitReady(ctx context.Context, postmaster *child.Child) error {
	for {
		select {
		case <-postmaster.Done():
			return fmt.Errorf("it ended at once (%s)", postmaster.Describe())
		default:
		}
		connection, err := pgx.Connect(ctx, s.url("postgres"))
		if err == nil {
			return connection.Close(ctx)
		}
		if !pause(ctx, probeEvery) {
			return fmt.Errorf("it did not answer: %w", err)
		}
	}
}

// pause waits, and is false when ctx ended meanwhile.
func pause(ctx context.Context, span time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(span):
		return true
	}
}

func (s *Server) createDatabase(ctx context.Context) error {
	connection, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	var exists bool
	const known = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)"
	if err := connection.QueryRow(ctx, known, database).Scan(&exists); err != nil {
		return fmt.Errorf("look for database %s: %w", database, err)
	}
	if exists {
		return nil
	}
	if _, err := connection.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize()); err != nil {
		return fmt.Errorf("create database %s: %w", database, err)
	}
	return nil
}

// supervise restarts the server whenever it dies without being asked to, and ends it on Stop.
func (s *Server) supervise(postmaster *child.Child) {
	defer close(s.ended)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-s.stop
		cancel()
	}()
	for {
		select {
		case <-s.stop:
			s.shutDown(postmaster)
			return
		case <-postmaster.Done():
		}
		began := time.Now()
		next, err := s.launch(ctx)
		if err != nil {
			if !s.stopping.Load() {
				err = fmt.Errorf("restart Postgres after it died (%s): %w", postmaster.Describe(), err)
				s.failed <- failure.WithLog(err, s.files.log)
			}
			return
		}
		s.config.Report(fmt.Sprintf("postgres died (%s), restarted on %s (%.1fs)",
			postmaster.Describe(), ports.Address(s.config.Port), time.Since(began).Seconds()))
		postmaster = next
	}
}

// shutDown ends a durable server with a checkpoint; one whose data is thrown away at once.
func (s *Server) shutDown(postmaster *child.Child) {
	signals := []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT}
	if !s.config.Durable {
		signals = signals[1:]
	}
	if err := postmaster.Stop(fastShutdown, signals...); err != nil {
		s.config.Report("postgres: " + err.Error())
	}
}

// Stop ends the server and waits until it is gone.
func (s *Server) Stop() {
	if s.stopping.CompareAndSwap(false, true) {
		close(s.stop)
	}
	<-s.ended
	_ = os.Remove(s.files.pidFile)
}
