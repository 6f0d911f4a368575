package crash

import (
	"context"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/service"
	"github.com/dropline/dropline/internal/telemetry"
)

// The program that crashes workers is its own worker: started again with this variable, which holds the
// point to die at, or lives, it runs what the program worker runs, with a life between it and the
// world.
const (
	lifeVariable = "DROPLINE_CRASH_LIFE"
	lives        = "-"
)

// IsWorker says that this process was started as a worker.
func IsWorker() bool { return os.Getenv(lifeVariable) != "" }

// RunWorker works until it is killed: by itself at its point, or when whoever started it is gone. Each
// call that counts is told on standard output.
func RunWorker(ctx context.Context) error { return runWorker(ctx, func(*service.Links) {}) }

// runWorker lets spoil put something of its own between the worker and the life.
func runWorker(ctx context.Context, spoil func(*service.Links)) error {
	var armed Point
	if text := os.Getenv(lifeVariable); text != lives {
		var err error
		if armed, err = ParsePoint(text); err != nil {
			return err
		}
	}
	settings, err := config.FromEnvironment()
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // it ends when the parent does
		os.Exit(0)
	}()
	l := newLife(armed, os.Stdout, killMyself)
	links := service.Links{Database: l.database, Temporal: l.temporal, Partners: l.partners, Mail: l.mail}
	spoil(&links)
	log := telemetry.Logger(os.Stderr, settings.LogLevel, settings.LogFormat, "worker")
	slog.SetDefault(log)
	w, err := service.NewLinkedWorker(ctx, settings, links, log, time.Second)
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

func killMyself() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) } // one may always kill oneself
