package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/audit"
	"github.com/dropline/dropline/internal/service"
)

func (p *program) audit() *cobra.Command {
	var options audit.Options
	var offline bool
	c := &cobra.Command{
		Use: "audit", Short: "Check every invariant over the whole database and the open workflows",
		Long: `audit reads one snapshot of the database, asks the workflow of every open order where it stands, and
reports what breaks an invariant of docs/architecture.md: with which order, what is wrong, and what to
do. It changes nothing. Exits 1 when an invariant is broken; warnings do not count.

An order that is just moving is looked at again until --grace is over.`,
		Example: `  starter audit
  starter audit --offline --json`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			local, err := p.local(c.Context())
			if err != nil {
				return err
			}
			defer local.Close()
			options.Pool = local.Pool
			if !offline {
				options.Workflows = audit.Ask(local.Temporal)
				if err := reachable(c.Context(), local); err != nil {
					return err
				}
			}
			report, err := audit.Run(c.Context(), options)
			if errors.Is(err, audit.ErrNoWorker) {
				return &service.Hinted{Err: err, Todo: "Start a worker, or leave out what only the workflows can tell: --offline."}
			}
			if err != nil {
				return err
			}
			if p.json {
				err = p.writeJSON(report)
			} else {
				p.tellAudit(&report)
			}
			if err == nil && report.Broken() > 0 {
				err = errTold
			}
			return err
		},
	}
	c.Flags().BoolVar(&offline, "offline", false, "leave out what only the workflows can tell")
	c.Flags().DurationVar(&options.Grace, "grace", 30*time.Second, "how long work under way may take before it counts as broken")
	c.Flags().IntVar(&options.Limit, "limit", 20, "how many violations of each check to show; all are counted")
	return c
}

// reachable says early that Temporal is away.
func reachable(ctx context.Context, local *service.Local) error {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	if _, err := local.Temporal.CheckHealth(ctx, nil); err != nil {
		return &service.Hinted{
			Err:  fmt.Errorf("connect to Temporal: %w", err),
			Todo: "Set TEMPORAL_ADDRESS, or leave out what only the workflows can tell: --offline.",
		}
	}
	return nil
}

func (p *program) tellAudit(r *audit.Report) {
	var rows [][]string
	var warnings int64
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		result := "holds"
		switch {
		case o.Skipped != "":
			result = "not checked (" + o.Skipped + ")"
		case o.Found > 0 && o.Warning:
			result = strconv.FormatInt(o.Found, 10) + " to look at"
			warnings += o.Found
		case o.Found > 0:
			result = strconv.FormatInt(o.Found, 10) + " BROKEN"
		}
		rows = append(rows, []string{strconv.Itoa(o.Invariant), o.Check, strconv.FormatInt(o.Checked, 10), result})
	}
	p.table([]string{"#", "INVARIANT", "CHECKED", "RESULT"}, rows)
	for i := range r.Outcomes {
		p.tellViolations(&r.Outcomes[i])
	}
	broken := r.Broken()
	verdict := p.paint(green, "Every invariant holds")
	if broken > 0 {
		verdict = p.paint(red, count(int(broken), "violation"))
	}
	p.say("\n%s; %s; %s.", verdict, count(int(warnings), "warning"), r.Took.Round(time.Millisecond))
}

func (p *program) tellViolations(o *audit.Outcome) {
	if o.Found == 0 {
		return
	}
	colour := red
	if o.Warning {
		colour = yellow
	}
	p.say("\n%s", p.paint(colour, fmt.Sprintf("%d  %s", o.Invariant, o.Check)))
	for _, v := range o.Violations {
		subject := v.Order
		if subject != "" {
			subject += ": "
		}
		p.say("  %s", plain(subject+v.What))
	}
	if left := o.Found - int64(len(o.Violations)); left > 0 {
		p.say("  and %d more", left)
	}
	p.say("  %s", p.paint(dim, "do: "+o.Violations[0].Do))
}
