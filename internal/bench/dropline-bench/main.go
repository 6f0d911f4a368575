// Command dropline-bench measures what Dropline costs and how fast it is, on a real Temporal and
// Postgres, with simulated partners.
//
// It expects the environment that devstack gives: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, DATABASE_URL.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	_ "time/tzdata" // suppliers live in many zones, also where this machine has no zone database

	"github.com/dropline/dropline/internal/bench"
)

const usage = `dropline-bench measures what Dropline costs and how fast it is.

  make bench                        everything, on a quiet machine (up to an hour)
  make bench ARGS=--quick           everything small: does it work? (two minutes)
  make bench ARGS='--only intake'   one section; the others keep their last figures
  dropline-bench --docs FILE...     write the figures into documents, between their markers

The sections:

  %s

Flags:

`

func main() { os.Exit(program(os.Args[1:])) }

func program(arguments []string) int {
	if len(arguments) == 2 && arguments[0] == bench.RoleFlag {
		if err := bench.Play(context.Background(), arguments[1], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			return 1
		}
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, arguments)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintln(os.Stderr, "error:", err)
	return 1
}

var errUsage = errors.New("wrong flags")

func run(ctx context.Context, arguments []string) error {
	o := bench.Options{Out: os.Stdout}
	flags := flag.NewFlagSet("dropline-bench", flag.ContinueOnError)
	only := flags.String("only", "", "run only these sections, separated by commas")
	shapes := flags.String("shapes", "", "in per_order only orders of these shapes, separated by commas")
	docs := flags.Bool("docs", false, "measure nothing: write the figures of the results into the documents named after the flags")
	budget := flags.String("budget", "bench/budget.json", "the file with the limits")
	flags.BoolVar(&o.Quick, "quick", false, "measure little: does it work?")
	flags.BoolVar(&o.CountsOnly, "counts", false, "leave out of per_order what depends on the machine")
	flags.IntVar(&o.Sleepers, "sleepers", 0, "orders and parcels that wait (default 100000, quick: 2000)")
	flags.IntVar(&o.Orders, "orders", 0, "orders of a round of load (default 300, quick: 40)")
	flags.IntVar(&o.Rounds, "rounds", 0, "rounds (default 3, quick: 1)")
	flags.Uint64Var(&o.Seed, "seed", 1, "seed of what is made up")
	flags.StringVar(&o.File, "out", "", "file for the results (default bench/results/latest.json, quick: quick.json)")
	flags.StringVar(&o.Profile, "profile", "", "folder for CPU and memory profiles of gateway and worker (the last deployment's)")
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), usage, strings.Join(bench.SectionNames(), "\n  "))
		flags.PrintDefaults()
	}
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if *only != "" {
		o.Only = strings.Split(*only, ",")
	}
	if *shapes != "" {
		o.Shapes = strings.Split(*shapes, ",")
	}
	if o.File == "" {
		o.File = "bench/results/latest.json"
		if o.Quick {
			o.File = "bench/results/quick.json"
		}
	}
	limits, err := bench.ReadBudget(*budget)
	if err != nil {
		return err
	}
	if *docs {
		return writeDocs(o.File, limits, flags.Args())
	}
	report, err := bench.Run(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintln(o.Out)
	over := report.Print(o.Out, limits)
	fmt.Fprintln(o.Out, "The figures are in", o.File)
	if over {
		return errors.New("some figures are over their budget; they are marked above")
	}
	return nil
}

func writeDocs(results string, limits bench.Budget, documents []string) error {
	report, err := bench.ReadReport(results)
	if err != nil {
		return err
	}
	for _, document := range documents {
		if err := report.WriteInto(document, limits); err != nil {
			return err
		}
		fmt.Println("Wrote the figures into", document)
	}
	return nil
}
