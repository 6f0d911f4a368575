// Command dropline-sim lives thousands of orders' lives against Dropline's own code and a real
// Postgres, in virtual time and with faults everywhere.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/dropline/dropline/internal/simulation"
)

const help = `dropline-sim lives orders' lives against Dropline's own code on a real Postgres, in virtual time.

One life is one order and one seed: its suppliers' tempers, the customer's changes of mind, what the
network, the database and the process do wrong, and when. After each life the partners' books, the
money and the messages must agree; after each fifty the whole audit is run over the database.

  DATABASE_URL=postgres://… dropline-sim --lives 2000     live seeds 1 to 2000
  DATABASE_URL=postgres://… dropline-sim --seed 4711      live one of them again and tell its story
  DATABASE_URL=postgres://… dropline-sim --seed 4711 --shrink 5m
                                                          look for a shorter story that goes wrong in the same way

It makes schemas of its own in the database, named sim_…, and drops them at the end; the user needs
the right to create schemas there (GRANT CREATE ON DATABASE), and no other. A violation names its seed: with
the same source code the same seed tells the same story. The first of them is told by the shortest story
that goes wrong in the same way and is found in a minute. The table at the end says how often each
fault and each branch came up; what never came up has not been tested, and fails the run.

Flags:
`

func main() {
	debug.SetGCPercent(1000) // lives leave much behind and hold little
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		_, _ = fmt.Fprintln(os.Stderr, "dropline-sim:", err)
		os.Exit(1)
	}
}

var errViolated = errors.New("what must hold did not hold, or what must happen did not happen")

func run(ctx context.Context, args []string, out, messages io.Writer) error {
	flags := flag.NewFlagSet("dropline-sim", flag.ContinueOnError)
	flags.SetOutput(messages)
	lives := flags.Int("lives", 2000, "how many lives to live")
	first := flags.Uint64("first", 1, "the first seed")
	seed := flags.Uint64("seed", 0, "live only this seed's life and tell its story")
	workers := flags.Int("workers", 4, "how many worlds to run side by side, each in a schema of its own")
	shrink := flags.Duration("shrink", 0, "with --seed: how long to look for a shorter story of what is violated")
	flags.Usage = func() {
		_, _ = fmt.Fprint(messages, help)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	url := os.Getenv("DATABASE_URL")
	if url == "" {
		return errors.New("DATABASE_URL is not set: want postgres://user@host:port/database, or run `make sim`")
	}
	if *lives < 1 || *workers < 1 || flags.NArg() > 0 {
		return errors.New("want at least one life and one worker, and nothing else; see --help")
	}
	if *shrink != 0 && (*seed == 0 || *shrink < 0) {
		return errors.New("--shrink wants a time to look for a shorter story, as 5m, of a life named by --seed")
	}
	switch {
	case *shrink > 0:
		return shorten(ctx, url, *seed, *shrink, out)
	case *seed != 0:
		return tell(ctx, url, *seed, out)
	}
	return live(ctx, simulation.Options{URL: url, First: *first, Lives: *lives, Workers: *workers, Out: out}, out)
}

func tell(ctx context.Context, url string, seed uint64, out io.Writer) error {
	story, err := simulation.Replay(ctx, url, seed)
	if err != nil {
		return err
	}
	return write(story, seed, out)
}

func write(story *simulation.Story, seed uint64, out io.Writer) error {
	_, _ = fmt.Fprintln(out, strings.Join(story.Lines, "\n"))
	if story.Violation == "" {
		_, _ = fmt.Fprintf(out, "seed %d: nothing was violated\n", seed)
		return nil
	}
	what, _, _ := strings.Cut(story.Violation, "\n")
	_, _ = fmt.Fprintf(out, "seed %d: VIOLATED: %s\n", seed, what)
	return errViolated
}

// shorten tells the shortest story found of what is violated in a seed's life.
func shorten(ctx context.Context, url string, seed uint64, within time.Duration, out io.Writer) error {
	shrunk, err := simulation.Shrink(ctx, url, seed, within)
	if err != nil {
		return err
	}
	if shrunk.Story == nil {
		_, _ = fmt.Fprintf(out, "seed %d: nothing was violated\n", seed)
		return nil
	}
	_, _ = fmt.Fprintf(out, "seed %d, told by %d choices in the place of %d (%d lives were tried):\n", seed, shrunk.To, shrunk.From, shrunk.Tried)
	return write(shrunk.Story, seed, out)
}

// shrinking is how long a shorter story of the first violation is looked for.
const shrinking = time.Minute

func live(ctx context.Context, options simulation.Options, out io.Writer) error {
	report, err := simulation.Run(ctx, options)
	if err != nil {
		return err
	}
	report.WriteCounters(out)
	for _, f := range report.Failures {
		_, _ = fmt.Fprintf(out, "\nVIOLATED: seed %d: %s\nagain: dropline-sim --seed %d\n", f.Seed, f.Story, f.Seed)
	}
	if len(report.Failures) > 0 {
		if err := shorten(ctx, options.URL, report.Failures[0].Seed, shrinking, out); err != nil && !errors.Is(err, errViolated) {
			return err
		}
	}
	missing := report.Missing()
	for _, what := range missing {
		_, _ = fmt.Fprintf(out, "MISSING: %q happened too seldom: its tests prove nothing\n", what)
	}
	_, _ = fmt.Fprintf(out, "sim: %d lives, %d violations, %.1f lives/s\n", report.Lives, len(report.Failures), report.Rate())
	if len(report.Failures)+len(missing) > 0 {
		return errViolated
	}
	return nil
}
