// Command dropline-demo lets orders go through everything that goes wrong in drop-shipping, on a
// real Temporal and Postgres, with simulated partners, and checks that each ended as told.
//
// It expects the environment that devstack gives: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, DATABASE_URL.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	_ "time/tzdata" // suppliers live in many zones, also where this machine has no zone database

	"github.com/dropline/dropline/internal/demo"
)

func main() {
	options := demo.Options{Out: os.Stdout}
	flags := flag.NewFlagSet("dropline-demo", flag.ExitOnError)
	flags.BoolVar(&options.Keep, "keep", false, "stay up after the stories, until Ctrl-C")
	flags.BoolVar(&options.Develop, "dev", false, "tell no stories: bring everything up and stay up until Ctrl-C")
	flags.StringVar(&options.History, "history", "", "write each order's history as JSON into this folder")
	flags.StringVar(&options.Only, "only", "", "tell only the stories whose names contain one of these words, separated by commas")
	flags.StringVar(&options.Bin, "bin", "", "folder of worker and starter (default: this program's own)")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "dropline-demo tells stories of orders on a running Temporal and Postgres: see \"make demo\".")
		flags.PrintDefaults()
	}
	_ = flags.Parse(os.Args[1:]) // ExitOnError: it does not return one
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	told, err := demo.Run(ctx, options)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	if !told {
		os.Exit(1)
	}
}
