// Command dropline-soak pours webhooks over a Dropline whose programs are killed all the time, and
// checks that nothing is lost or counted twice.
//
// It expects the environment that devstack gives: TEMPORAL_ADDRESS, DATABASE_URL.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "time/tzdata" // suppliers' calendars need the zones, also where the machine has none

	"github.com/dropline/dropline/internal/soak"
)

func main() {
	options := soak.Options{Out: os.Stdout}
	flags := flag.NewFlagSet("dropline-soak", flag.ExitOnError)
	flags.IntVar(&options.Webhooks, "webhooks", 50_000, "how many to send: a tenth of them duplicates, a hundredth garbage")
	flags.Uint64Var(&options.Seed, "seed", 1, "draws what is sent and who is killed")
	flags.DurationVar(&options.KillEvery, "kill-every", 4*time.Second, "time between two kills, more or less")
	flags.DurationVar(&options.Within, "within", 30*time.Minute, "bound of the whole run; what is not done by then is a violation")
	flags.StringVar(&options.Bin, "bin", "", "folder of worker and starter (default: this program's own)")
	flags.StringVar(&options.Logs, "logs", "", "folder for their logs (default: a new one)")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "dropline-soak pours webhooks over a Dropline whose programs are killed all the time: see \"make soak\".")
		flags.PrintDefaults()
	}
	_ = flags.Parse(os.Args[1:]) // ExitOnError: it does not return one
	if options.Webhooks < 1 || options.KillEvery <= 0 {
		fmt.Fprintln(os.Stderr, "error: want at least one webhook, and a time above zero between two kills")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	result, err := soak.Run(ctx, options)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	result.Tell(os.Stdout)
	if result.Violations > 0 {
		os.Exit(1)
	}
}
