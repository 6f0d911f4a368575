//go:build unix

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/dropline/dropline/devstack/internal/failure"
	"github.com/dropline/dropline/devstack/internal/namespace"
	"github.com/dropline/dropline/devstack/internal/stack"
)

const usage = `devstack runs a Temporal server with its Web UI and a private Postgres on this
machine, on the loopback interface only, and leaves nothing behind.

  devstack up [flags]                     keep them up until Ctrl-C
  devstack exec [flags] -- CMD [ARGS...]  run CMD beside them, then take them down

Examples:

  devstack up --state .dropline/state     data that survives a restart
  devstack exec -- go test ./...          a fresh stack for one test run
  devstack exec -- sh -c 'psql "$DATABASE_URL"'

CMD finds the servers by its environment; up prints the same as export lines:

  TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE    the Temporal server
  DATABASE_URL                            the Postgres database
  DROPLINE_TEMPORAL_UI                    URL of the Web UI, empty without one
  DROPLINE_PG_PID_FILE, _DATA, _BIN       the Postgres process: one that is killed comes
                                          back on the same port, with its data
  DROPLINE_TEMPORAL_PID_FILE              the same of Temporal, with --killable-temporal
  DROPLINE_TEMPORAL_METRICS               URL of its metrics, with --temporal-metrics

Flags:

  --namespace NAME          Temporal namespace, made if missing (default "default", or
                            TEMPORAL_NAMESPACE with a server of your own)
  --search-attributes FILE  custom search attributes, a line each: Name Type, the types
                            Keyword, KeywordList, Text, Int, Double, Bool, Datetime
  --state DIR               keep all data in DIR (default: temporary, removed at the end)
  --temporal-db KIND        memory or file (default: file with --state, else memory)
  --killable-temporal       run Temporal in a process of its own, with its state in a file
  --temporal-metrics        let Temporal show its metrics, for Prometheus or curl
  --temporal-setting N=V    a dynamic setting of the Temporal server, once for each: say
                            frontend.namespaceRPS=40 for a namespace that is throttled
  --postgres-setting N=V    a setting of the private Postgres, once for each: say
                            shared_preload_libraries=pg_stat_statements
  --durable-postgres        flush to disk as in production (always so with --state)
  --no-ui                   leave the Web UI out
  --env-file FILE           up: also write the export lines to FILE, removed at the end
  --private                 start both servers even if the environment names some
  --outlive-parent          keep running when the process that started devstack ends
  --quiet                   no progress on stderr
  --help                    this text

Servers of your own: with TEMPORAL_ADDRESS set no Temporal server is started, with
DATABASE_URL set no Postgres. exec then makes a namespace and a database (or where it may
not, a schema) for this run alone and removes them afterwards; up uses them as they are.

Postgres is looked for in DROPLINE_POSTGRES_BIN, PATH and the usual places of Debian, Red
Hat and Homebrew; failing that it is fetched once with npm. As root it runs as the user
postgres or nobody. up prefers the ports 7233 and 8233; exec takes any.

Exit codes: that of CMD (128+n after signal n, 127 if it was not found); 1 when the stack
fails; 2 for a mistake in the flags.
`

type options struct {
	verb    string
	command []string
	stack   stack.Options
	envFile string
	quiet   bool
	// temporalChosen: --temporal-db was given.
	temporalChosen bool
	outliveParent  bool
	parent         int // process id of who started us
}

const helpHint = "devstack --help lists the commands and flags."

// namespaceName is what Temporal accepts and needs no quoting anywhere.
var namespaceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,99}$`)

// temporalSetting is a dynamic setting with its value.
var temporalSetting = regexp.MustCompile(`^[a-z][A-Za-z0-9.]*=.`)

// postgresSetting is a setting as the server takes it on its command line.
var postgresSetting = regexp.MustCompile(`^[a-z][a-z0-9_.]*=`)

// parse reads the command line. Its errors are usage errors; flag.ErrHelp asks for the help.
func parse(arguments []string, getenv func(string) string) (options, error) {
	o := options{parent: os.Getppid()}
	if len(arguments) == 0 {
		return o, mistake(errors.New("say what to do: up or exec"))
	}
	switch o.verb = arguments[0]; o.verb {
	case "up", "exec":
	case "help", "--help", "-help", "-h":
		return o, flag.ErrHelp
	default:
		return o, mistake(fmt.Errorf("unknown command %q", o.verb))
	}
	rest, attributesFile, noUI, err := o.parseFlags(arguments[1:], getenv)
	if err != nil {
		return o, err
	}
	o.command = rest
	o.stack.WithUI = !noUI
	o.stack.UsualPorts = o.verb == "up"
	o.stack.Isolate = o.verb == "exec"
	o.stack.Durable = o.stack.Durable || o.stack.State != ""
	if attributesFile != "" {
		if o.stack.Attributes, err = namespace.ReadAttributes(attributesFile); err != nil {
			return o, err
		}
	}
	return o, o.check()
}

func (o *options) parseFlags(arguments []string, getenv func(string) string) (rest []string, attributes string, noUI bool, err error) {
	flags := flag.NewFlagSet(o.verb, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.stack.Namespace, "namespace", defaultNamespace(getenv), "")
	flags.StringVar(&attributes, "search-attributes", "", "")
	flags.StringVar(&o.stack.State, "state", "", "")
	flags.StringVar(&o.stack.Temporal, "temporal-db", "", "")
	flags.BoolVar(&o.stack.Killable, "killable-temporal", false, "")
	flags.BoolVar(&o.stack.Metrics, "temporal-metrics", false, "")
	flags.Func("postgres-setting", "", listOf(&o.stack.Settings, postgresSetting))
	flags.Func("temporal-setting", "", listOf(&o.stack.TemporalSettings, temporalSetting))
	flags.BoolVar(&o.stack.Durable, "durable-postgres", false, "")
	flags.BoolVar(&noUI, "no-ui", false, "")
	flags.BoolVar(&o.stack.Private, "private", false, "")
	flags.BoolVar(&o.outliveParent, "outlive-parent", false, "")
	flags.BoolVar(&o.quiet, "quiet", false, "")
	if o.verb == "up" {
		flags.StringVar(&o.envFile, "env-file", "", "")
	}
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, "", false, err
		}
		return nil, "", false, mistake(err)
	}
	o.temporalChosen = o.stack.Temporal != ""
	if !o.temporalChosen {
		o.stack.Temporal = "memory"
		if o.stack.State != "" {
			o.stack.Temporal = "file"
		}
	}
	return flags.Args(), attributes, noUI, nil
}

// listOf takes a flag that may stand more than once.
func listOf(list *[]string, shape *regexp.Regexp) func(string) error {
	return func(text string) error {
		if !shape.MatchString(text) {
			return errors.New("want NAME=VALUE")
		}
		*list = append(*list, text)
		return nil
	}
}

func defaultNamespace(getenv func(string) string) string {
	if getenv("TEMPORAL_ADDRESS") != "" && getenv("TEMPORAL_NAMESPACE") != "" {
		return getenv("TEMPORAL_NAMESPACE")
	}
	return "default"
}

func (o options) check() error {
	switch {
	case o.verb == "exec" && len(o.command) == 0:
		return mistake(errors.New("exec needs a command to run: devstack exec -- CMD [ARGS...]"))
	case o.verb == "up" && len(o.command) > 0:
		return mistake(fmt.Errorf("up takes no arguments, got %q", o.command[0]))
	case o.stack.Temporal != "memory" && o.stack.Temporal != "file":
		return mistake(fmt.Errorf("--temporal-db is memory or file, not %q", o.stack.Temporal))
	case o.stack.Temporal == "memory" && o.stack.Killable && o.temporalChosen:
		return mistake(errors.New("--killable-temporal keeps its state in a file: leave --temporal-db memory out"))
	case !namespaceName.MatchString(o.stack.Namespace):
		return mistake(fmt.Errorf("--namespace %q is not a namespace name", o.stack.Namespace))
	}
	return nil
}

func mistake(err error) error { return failure.WithHint(err, helpHint) }
