// Package service puts Dropline together: the worker, the gateway and the API in this process. The
// programs, the demo and the end-to-end tests share it, so that what is tested is what runs.
package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/notify"
)

// Hinted is an error that says what to do about it.
type Hinted struct {
	Err  error
	Todo string
}

func (h *Hinted) Error() string { return h.Err.Error() }

// Unwrap returns the error itself.
func (h *Hinted) Unwrap() error { return h.Err }

// Hint is what to do.
func (h *Hinted) Hint() string { return h.Todo }

// Version is the revision that this program was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value[:min(len(setting.Value), 12)]
		}
	}
	return "dev"
}

// placing makes what places orders. The configured key may be short: hashed, it is as long as the
// keyed hash wants it.
func placing(s config.Settings) (*intake.Orders, error) {
	pepper := sha256.Sum256([]byte("customer hash " + s.CustomerHashKey))
	return intake.NewOrders(pepper[:])
}

// mailer is nil when no mail server is configured; messages to customers are skipped then.
func mailer(s config.Mail, dial func(context.Context, string, string) (net.Conn, error)) (*notify.Mailer, error) {
	if s.Host == "" {
		return nil, nil //nolint:nilnil // nil is the word for "no mail server"
	}
	m, err := notify.NewMailer(notify.Config{
		Host: s.Host, Port: s.Port, From: s.From, Username: s.Username, Password: s.Password, TLS: notify.TLS(s.TLS),
		Dial: dial,
	})
	if err != nil {
		return nil, fmt.Errorf("mail server as configured by DROPLINE_SMTP_*: %w", err)
	}
	return m, nil
}

// processorOn reads documents, and tells the deliverer when an order has news.
func processorOn(pool *pgxpool.Pool, orders *intake.Orders, deliverer *intake.Deliverer, s config.Settings, log *slog.Logger) *intake.Processor {
	return &intake.Processor{
		Pool: pool, Orders: orders, Readers: map[string]intake.OrderReader{"api": gateway.ReadOrder},
		MailServer: s.MailServer, Wake: deliverer.Nudge, Log: log,
	}
}

// accessLog writes the gateway's request lines as the rest of the log is written.
func accessLog(w io.Writer, s config.Settings) zerolog.Logger {
	if s.LogFormat == "text" {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: "15:04:05"}
	}
	level, err := zerolog.ParseLevel(s.LogLevel)
	if err != nil {
		level = zerolog.InfoLevel
	}
	return zerolog.New(w).Level(level).With().Timestamp().Str("program", "gateway").Logger()
}

var accessOutput io.Writer = os.Stderr

// loops run side by side until ctx ends or one of them fails, which ends the others.
type loops struct {
	ctx    context.Context //nolint:containedctx // it is the loops' life, which begins and ends with them
	cancel context.CancelCauseFunc
	group  sync.WaitGroup
}

var errStopped = errors.New("stopped")

func begin(ctx context.Context) *loops {
	l := &loops{}
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	return l
}

func (l *loops) run(loop func(context.Context) error) {
	l.group.Go(func() {
		if err := loop(l.ctx); err != nil && l.ctx.Err() == nil {
			l.cancel(err)
		}
	})
}

// stop ends the loops and returns why one of them had failed, or nil.
func (l *loops) stop() error {
	l.cancel(errStopped)
	l.group.Wait()
	if cause := context.Cause(l.ctx); !errors.Is(cause, errStopped) {
		return cause
	}
	return nil
}
