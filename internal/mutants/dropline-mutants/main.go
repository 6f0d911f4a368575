// Command dropline-mutants breaks Dropline on purpose, one small edit at a time, and checks that a
// test notices each. The working tree is left as it is.
//
// It runs in the repository, with the environment that devstack gives: DATABASE_URL and
// TEMPORAL_ADDRESS. It ends with 0 when every mutant was caught, with 1 when one was not or no longer
// applies, and with 2 when it was called wrongly.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dropline/dropline/internal/mutants"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("dropline-mutants", flag.ContinueOnError)
	flags.SetOutput(errs)
	list := flags.Bool("list", false, "list the mutants and what each breaks, and run nothing")
	only := flags.String("only", "", "only the mutants whose names contain one of these words, separated by commas")
	workers := flags.Int("workers", 2, "mutants tried side by side")
	flags.Usage = func() {
		fmt.Fprintln(errs, "dropline-mutants breaks the code on purpose, and checks that a test notices: see \"make mutants\".")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if err == flag.ErrHelp { //nolint:errorlint // flag returns it bare
			return 0
		}
		return 2
	}
	all, err := mutants.Load()
	if err != nil {
		fmt.Fprintln(errs, "error:", err)
		return 1
	}
	chosen := choose(all, *only)
	if flags.NArg() > 0 || len(chosen) == 0 || *workers < 1 {
		fmt.Fprintln(errs, "error: nothing to do with these arguments\nhint: dropline-mutants --list names the mutants")
		return 2
	}
	if *list {
		for i := range chosen {
			fmt.Fprintf(out, "%-46s %s\n%46s %s\n", chosen[i].Name, chosen[i].File, "", chosen[i].Breaks)
		}
		return 0
	}
	return try(chosen, *workers, out, errs)
}

func choose(all []mutants.Mutant, only string) []mutants.Mutant {
	var chosen []mutants.Mutant
	for _, m := range all {
		for word := range strings.SplitSeq(only, ",") {
			if strings.Contains(m.Name, strings.TrimSpace(word)) {
				chosen = append(chosen, m)
				break
			}
		}
	}
	return chosen
}

func try(chosen []mutants.Mutant, workers int, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root, err := rootOfModule(ctx)
	if err != nil {
		fmt.Fprintln(errs, "error:", err)
		return 1
	}
	runner := mutants.Runner{Root: root, Out: out, Workers: workers}
	result, err := runner.Run(ctx, chosen)
	if err != nil {
		fmt.Fprintln(errs, "error:", err)
	}
	fmt.Fprintf(out, "mutants: %d, %d caught\n", result.Mutants, result.Caught)
	if err != nil || result.Caught != result.Mutants {
		return 1
	}
	return 0
}

// rootOfModule finds the repository that the program is run in.
func rootOfModule(ctx context.Context) (string, error) {
	found, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	name := strings.TrimSpace(string(found))
	if err != nil || filepath.Base(name) != "go.mod" {
		return "", fmt.Errorf("not in the repository of Dropline: run it through make (%w)", os.ErrNotExist)
	}
	return filepath.Dir(name), nil
}
