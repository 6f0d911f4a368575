// Command starter is Dropline's gateway and its command line: it serves the API and the webhooks,
// sets the database up, loads the catalogue, and shows, changes and audits orders.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // suppliers' calendars need the zones, also where the machine has none

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/service"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := &program{in: os.Stdin, out: os.Stdout, errors: os.Stderr, settings: config.FromEnvironment, colour: isTerminal(os.Stdout)}
	code := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// program is one run of the command line.
type program struct {
	in       io.Reader
	out      io.Writer
	errors   io.Writer
	settings func() (config.Settings, error)
	colour   bool // a person is watching the output
	json     bool
}

// Exit codes.
const (
	exitFailed = 1 // it could not be done, or what was checked is wrong
	exitUsage  = 2 // the command line is wrong
)

// run carries one command line out and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetOut(p.out)
	root.SetErr(p.errors)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errTold):
		return exitFailed
	}
	fmt.Fprintln(p.errors, "error:", plain(err.Error()))
	if hint := hintFor(err); hint != "" {
		fmt.Fprintln(p.errors, "hint:", plain(hint))
	}
	if exit, own := errors.AsType[*exitError](err); own {
		return exit.code
	}
	if _, usage := errors.AsType[*usageError](err); usage {
		return exitUsage
	}
	return exitFailed
}

// errTold: what is wrong stands in the output already.
var errTold = errors.New("the output says what is wrong")

// usageError is a mistake in the command line.
type usageError struct {
	err  error
	hint string
}

func (u *usageError) Error() string { return u.err.Error() }

// Hint says where to read on.
func (u *usageError) Hint() string { return u.hint }

func usagef(c *cobra.Command, format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...), c.CommandPath() + " --help shows how it is used."}
}

func hintFor(err error) string {
	var hinted interface{ Hint() string }
	switch {
	case errors.As(err, &hinted):
		return hinted.Hint()
	case postgres.Unavailable(err):
		return "Is Postgres up, and does DATABASE_URL lead to it?"
	case undefined(err):
		return "The database is not set up for this version: run starter migrate."
	}
	return ""
}

// undefined: the database lacks a table or a column that this version uses.
func undefined(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code == "42P01" || refused.Code == "42703")
}

func (p *program) root() *cobra.Command {
	root := group("starter", "Run Dropline's gateway, and operate Dropline from the command line",
		`starter serves the API and the webhooks, sets Dropline up, and shows, changes and audits orders.

It reads its settings from the environment; starter config shows them. Commands about orders work on
the database that DATABASE_URL names, or, with --url and --key, through a gateway somewhere else.`,
		`  starter migrate --wait 60s          set up or upgrade the database
  starter catalog load shop.yaml      load suppliers, offers, storefronts and carriers
  starter serve                       take orders and webhooks in
  starter submit order.json           place an order
  starter show shop/1001              see where it stands, and its story
  starter list --attention            see what waits for a person
  starter return list --attention     see which returns wait for a person
  starter audit                       check every invariant`)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.Version = service.Version()
	root.PersistentFlags().BoolVar(&p.json, "json", false, "write JSON, for programs")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usagef(c, "%w", err) })
	root.AddCommand(
		p.serve(), p.migrate(), p.catalog(),
		p.submit(), p.show(), p.list(), p.cancel(), p.review(), p.resolve(), p.comebacks(), p.payments(), p.refunds(), p.claimed(), p.invoices(),
		p.credits(), p.suppliers(), p.mail(), p.revive(),
		p.explain(), p.ledger(), p.reconciliation(), p.inbox(), p.outbox(), p.keys(), p.config(), p.audit(),
	)
	return root
}

// group is a command that only has commands below it.
func group(use, short, long, example string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef(c, "there is no command %q", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
}

// exactly takes as many arguments as are named; an argument that ends in "..." takes one or more.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		repeated := len(names) > 0 && strings.HasSuffix(names[len(names)-1], "...")
		switch {
		case len(args) < len(names):
			return usagef(c, "%s is missing", names[len(args)])
		case len(args) > len(names) && !repeated:
			return usagef(c, "there is no place for %q", args[len(names)])
		}
		return nil
	}
}
