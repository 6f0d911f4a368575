// Command dropline-crash lets workers die at every call they make, and checks that nobody is worse off.
//
// It expects the environment that devstack gives: TEMPORAL_ADDRESS, DATABASE_URL.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // suppliers live in many zones, also where this machine has no zone database

	"github.com/dropline/dropline/internal/crash"
)

const usage = `dropline-crash kills Dropline's worker at every call it makes: see "make crash".

Each story of "make demo" is told undisturbed first. That lists the calls its worker makes: requests to
Temporal, round trips to Postgres, requests to suppliers, storefronts and the carrier, commands to the
mail server. Then the story is told again and again, and each time the worker dies by SIGKILL at another

  point   STORY:KIND:N:WHEN, for example  smooth:supplier.POST-purchase-orders:1:applied
          KIND is the kind of call, N counts the calls of that kind in the story from 1, and WHEN is
          before   nothing of the call has left the worker
          applied  the other side has done it, and the worker has not heard the answer
          after    the worker has heard the answer, and does nothing more

Another worker starts at once. It is a violation when the story does not end as the demo tells it; when
the order's lines, purchase orders, money, messages, or what suppliers, storefront and payment provider hold
in their own books, differ from the undisturbed telling; when the audit finds an invariant broken; or when
the order stands still for more than 12 seconds although something is due.

A violation names its point. Repeat it, and hear its story, with --at POINT.
`

func main() { os.Exit(program()) }

func program() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if crash.IsWorker() {
		if err := crash.RunWorker(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			return 1
		}
		return 0
	}
	options := crash.Options{Out: os.Stdout}
	flags := flag.NewFlagSet("dropline-crash", flag.ContinueOnError)
	flags.Uint64Var(&options.Seed, "seed", 1, "choose other points")
	flags.IntVar(&options.Points, "points", 1000, "how many points to try")
	flags.BoolVar(&options.All, "all", false, "try all points, which takes hours")
	flags.StringVar(&options.Only, "only", "", "only the stories whose names contain one of these words, separated by commas")
	flags.StringVar(&options.At, "at", "", "repeat this one point and tell its story")
	flags.BoolVar(&options.List, "list", false, "list the calls of the stories and try no point")
	flags.IntVar(&options.Houses, "houses", 24, "how many stories are told side by side")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage, "\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	result, err := crash.Run(ctx, options)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	fmt.Println(result.Summary())
	if len(result.Violations) > 0 {
		return 1
	}
	return 0
}
