// Command worker runs Dropline's workflows and activities, and the loops that move what Postgres
// holds: inbound documents, facts on their way to orders, messages on their way out.
//
// It is stateless: run as many as the load asks for. It waits for Temporal and for Postgres when they
// are away, and finishes what it is doing when it is told to stop.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // suppliers' calendars need the zones, also where the machine has none

	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/service"
	"github.com/dropline/dropline/internal/telemetry"
)

// stopWithin bounds a graceful stop; what is not finished by then is retried elsewhere.
const stopWithin = 30 * time.Second

func main() { os.Exit(program()) }

func program() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command().ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "error:", err)
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		fmt.Fprintln(os.Stderr, "hint:", hinted.Hint())
	}
	return 1
}

func command() *cobra.Command {
	c := &cobra.Command{
		Use:   "worker",
		Short: "Run Dropline's workflows and activities",
		Long: `worker runs the order workflows and their activities, reads inbound documents, delivers facts to
orders, and sends messages to customers and storefronts.

It reads its settings from the environment: DATABASE_URL, TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and the
other TEMPORAL_* variables of the Temporal CLI, and DROPLINE_*. See docs/operating.md for all of them.
Run "starter migrate" once before the first worker of a new version.`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return run(cmd.Context()) },
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		fmt.Fprintf(os.Stderr, "error: %v\nhint: worker --help\n", err)
		os.Exit(2)
		return err
	})
	return c
}

func run(ctx context.Context) error {
	settings, err := config.FromEnvironment()
	if err != nil {
		return err
	}
	logger := telemetry.Logger(os.Stderr, settings.LogLevel, settings.LogFormat, "worker")
	slog.SetDefault(logger)
	w, err := service.NewWorker(ctx, settings, logger, stopWithin)
	if err != nil {
		return err
	}
	return w.Run(ctx)
}
