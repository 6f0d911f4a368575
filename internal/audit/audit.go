// Package audit checks the invariants of docs/architecture.md over the whole database and the
// workflows of the open orders. It reads one snapshot of the database, changes nothing, and says of
// each violation what is wrong, with which order, and what to do.
package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Violation is one thing that breaks an invariant.
type Violation struct {
	Invariant int    `json:"invariant"`
	Check     string `json:"check"`
	Order     string `json:"order,omitempty"` // "storefront/order"; empty when it is about no one order
	What      string `json:"what"`
	Do        string `json:"do"`
}

// Outcome is what one check found.
type Outcome struct {
	Invariant int    `json:"invariant"`
	Check     string `json:"check"` // what holds when nothing is found
	// Warning: what is found breaks nothing yet, and a person should know.
	Warning bool   `json:"warning,omitempty"`
	Skipped string `json:"skipped,omitempty"` // why the check was not made
	Checked int64  `json:"checked"`           // things looked at
	Found   int64  `json:"found"`
	// Violations are the first of what was found, at most Options.Limit.
	Violations []Violation `json:"violations,omitempty"`
}

// Report is a whole audit.
type Report struct {
	At       time.Time     `json:"at"`
	Took     time.Duration `json:"took"` // nanoseconds
	Outcomes []Outcome     `json:"outcomes"`
}

// Broken counts the violations, warnings apart.
func (r *Report) Broken() int64 {
	var n int64
	for i := range r.Outcomes {
		if !r.Outcomes[i].Warning {
			n += r.Outcomes[i].Found
		}
	}
	return n
}

// Options say what to audit.
type Options struct {
	Pool *pgxpool.Pool
	// Workflows are the orders' workflows; nil leaves out what only they can tell.
	Workflows Workflows
	// Grace is how long a step between two systems may take before it counts as broken; zero: 30 s.
	Grace time.Duration
	// Limit bounds the violations that each check reports; all are counted. Zero: 20.
	Limit int
}

func (o Options) withDefaults() Options {
	if o.Grace <= 0 {
		o.Grace = 30 * time.Second
	}
	if o.Limit <= 0 {
		o.Limit = 20
	}
	return o
}

// Run makes every check. Its error is a failure of the audit itself, not a violation.
func Run(ctx context.Context, options Options) (Report, error) {
	o := options.withDefaults()
	began := time.Now()
	var open []openOrder
	outcomes := map[string]*Outcome{}
	err := pgx.BeginTxFunc(ctx, o.Pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		for i := range statements {
			found, err := statements[i].run(ctx, tx, o)
			if err != nil {
				return fmt.Errorf("audit %q: %w", statements[i].name, err)
			}
			outcomes[statements[i].name] = found
		}
		folded, still, err := foldOrders(ctx, tx, o)
		if err != nil {
			return err
		}
		open = still
		books, err := closedBooks(ctx, tx, o)
		if err != nil {
			return err
		}
		keep(outcomes, append(folded, books))
		return nil
	})
	if err != nil {
		return Report{}, fmt.Errorf("audit: %w", err)
	}
	running, err := checkRunning(ctx, o, open)
	if err != nil {
		return Report{}, fmt.Errorf("audit the workflows: %w", err)
	}
	tills, err := openPayments.check(ctx, o)
	if err != nil {
		return Report{}, fmt.Errorf("audit the payments' workflows: %w", err)
	}
	returns, err := openReturns.check(ctx, o)
	if err != nil {
		return Report{}, fmt.Errorf("audit the returns' workflows: %w", err)
	}
	claims, err := openClaims.check(ctx, o)
	if err != nil {
		return Report{}, fmt.Errorf("audit the claims' workflows: %w", err)
	}
	keep(outcomes, append(running, returns, tills, claims))
	report := Report{At: began.UTC(), Took: time.Since(began)}
	for _, name := range Checks() {
		report.Outcomes = append(report.Outcomes, *outcomes[name])
	}
	return report, nil
}

func keep(all map[string]*Outcome, found []*Outcome) {
	for _, outcome := range found {
		all[outcome.Check] = outcome
	}
}

// found collects what a check in Go finds.
type found struct {
	Outcome
	limit int
	do    string
}

func (f *found) add(order, format string, args ...any) {
	f.Found++
	if len(f.Violations) < f.limit {
		f.Violations = append(f.Violations, Violation{
			Invariant: f.Invariant, Check: f.Check, Order: order, What: fmt.Sprintf(format, args...), Do: f.do,
		})
	}
}

// statement is a check that the database makes by itself.
type statement struct {
	invariant int
	name      string
	warning   bool
	// of counts what is looked at: what follows FROM.
	of string
	// find selects an order's key (or an empty text) and what is wrong with it. @grace is the grace
	// as an interval.
	find string
	do   string
}

func (s *statement) run(ctx context.Context, tx pgx.Tx, o Options) (*Outcome, error) {
	outcome := &Outcome{Invariant: s.invariant, Check: s.name, Warning: s.warning}
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM "+s.of).Scan(&outcome.Checked); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, "SELECT key, what, count(*) OVER () FROM ("+s.find+") AS found (key, what) ORDER BY key, what LIMIT @limit",
		pgx.NamedArgs{"grace": o.Grace, "limit": o.Limit})
	if err != nil {
		return nil, err
	}
	outcome.Violations, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Violation, error) {
		v := Violation{Invariant: s.invariant, Check: s.name, Do: s.do}
		err := row.Scan(&v.Order, &v.What, &outcome.Found)
		return v, err
	})
	return outcome, err
}

// Checks lists the names of all checks, by invariant.
func Checks() []string {
	var names []string
	for invariant := 1; invariant <= 17; invariant++ {
		for i := range statements {
			if statements[i].invariant == invariant {
				names = append(names, statements[i].name)
			}
		}
		for _, c := range inGo {
			if c.invariant == invariant {
				names = append(names, c.name)
			}
		}
	}
	return names
}

// statements are all checks that the database makes by itself.
var statements = joined(goods, money, owed, remitted, comebacks, tills, messages, progress, private)

func joined(tables ...[]statement) []statement {
	var all []statement
	for _, table := range tables {
		all = append(all, table...)
	}
	return all
}
