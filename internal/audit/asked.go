package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// asked is a kind of workflow that must run as long as its row is open: those that are open by a statement, and what
// is wrong with one of them, in words; empty: nothing.
type asked[T any] struct {
	name, do string
	open     string
	scan     func(row pgx.CollectableRow) (T, error)
	about    func(one T) (order, name string)
	judge    func(ctx context.Context, workflows Workflows, one T) (string, error)
}

// check asks the workflow of everything that is open, until nothing is wrong or the grace is over: what is just moving
// is not broken.
func (a asked[T]) check(ctx context.Context, o Options) (*Outcome, error) {
	f := newFound(a.name, a.do, o)
	if o.Workflows == nil {
		f.Skipped = "offline: only the workflows can tell"
		return &f.Outcome, nil
	}
	end := time.Now().Add(o.Grace)
	for {
		problems, checked, err := a.look(ctx, o)
		if err != nil {
			return nil, err
		}
		left := time.Until(end)
		if len(problems) == 0 || left <= 0 {
			f.Checked = int64(checked)
			for _, p := range problems {
				f.add(p.order, "%s", p.what)
			}
			return &f.Outcome, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(left, max(o.Grace/5, 10*time.Millisecond))):
		}
	}
}

func (a asked[T]) look(ctx context.Context, o Options) (problems []problem, checked int, err error) {
	rows, err := o.Pool.Query(ctx, a.open)
	if err != nil {
		return nil, 0, err
	}
	list, err := pgx.CollectRows(rows, a.scan)
	if err != nil {
		return nil, 0, err
	}
	for _, one := range list {
		order, name := a.about(one)
		what, err := a.judge(ctx, o.Workflows, one)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", name, err)
		}
		if what != "" {
			problems = append(problems, problem{a.name, order, name + ": " + what})
		}
	}
	return problems, len(list), nil
}
