package audit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/returns"
)

// Workflows are the orders' workflows.
type Workflows interface {
	// State asks an order's workflow where it stands. status is Running, Missing, or how it ended; the
	// state is only told by one that runs.
	State(ctx context.Context, key order.Key) (state order.State, status string, err error)
	// Return asks a return's workflow in the same way.
	Return(ctx context.Context, key order.Key, rma string) (state returns.State, status string, err error)
	// Payment asks a payment's workflow in the same way.
	Payment(ctx context.Context, key order.Key) (state payments.State, status string, err error)
	// Claim asks a claim's workflow in the same way.
	Claim(ctx context.Context, id string) (state claims.State, status string, err error)
	// Running calls visit with the workflow id of each running order, perhaps a moment late.
	Running(ctx context.Context, visit func(id string) error) error
}

// The standings of a workflow that matter here.
const (
	Running = "running"
	Missing = "missing"
)

const (
	askedAtOnce = 8   // workflows that are queried side by side
	readAtOnce  = 200 // orders that are read in one round trip
)

// openOrder is an open order as the tables hold it.
type openOrder struct {
	key       string
	stage     string
	attention bool
	watched   bool // the carrier poll looks after a parcel of it
	delivered int64
	refunds   int
	lines     []lineUnits // Live is the cancelled quantity
	pos       []lineUnits
}

const openSQL = `
	SELECT o.key, o.stage, o.needs_attention, o.delivered_seq,
		EXISTS (SELECT 1 FROM parcels p WHERE p.order_key = o.key AND p.next_check_at IS NOT NULL),
		(SELECT count(DISTINCT r.n) FROM refunds r WHERE r.order_key = o.key AND r.state = 'done' AND r.rma IS NULL AND r.n > 0),
		(SELECT jsonb_agg(jsonb_build_object('line', l.line, 'quantity', l.quantity, 'live', l.cancelled)) FROM order_lines l WHERE l.order_key = o.key),
		(SELECT jsonb_agg(jsonb_build_object('po', l.number, 'line', l.line, 'quantity', l.quantity, 'live', l.live))
			FROM purchase_order_lines l WHERE l.order_key = o.key)
	FROM orders o WHERE o.key = ANY ($1) AND o.started_at IS NOT NULL AND o.closed_at IS NULL`

// problem is something wrong with an open order, under the check that it belongs to.
type problem struct{ check, order, what string }

// checkRunning compares the open orders with their workflows. What differs is looked at again until
// the grace is over: an order that is just moving is not a broken one.
func checkRunning(ctx context.Context, o Options, open []openOrder) ([]*Outcome, error) {
	checks := map[string]*found{
		workflowsKeep:  newFound(workflowsKeep, "Report it as a defect, with the order's history from the Temporal UI.", o),
		waitsNamed:     newFound(waitsNamed, "Open the order in the Temporal UI; cancel it or ask its suppliers by hand, and report it as a defect.", o),
		oneWorkflow:    newFound(oneWorkflow, "See in the Temporal UI how it ended. starter revive ORDER starts it again from its recorded state.", o),
		workflowAgrees: newFound(workflowAgrees, "See in the Temporal UI whether the step that records the order fails; the workflow is right.", o),
	}
	var outcomes []*Outcome
	for _, c := range checks {
		outcomes = append(outcomes, &c.Outcome)
		if o.Workflows == nil {
			c.Skipped = "offline: only the workflows can tell"
		}
	}
	if o.Workflows == nil {
		return outcomes, nil
	}
	keys := make([]string, len(open))
	for i := range open {
		keys[i] = open[i].key
	}
	strays, err := strays(ctx, o)
	if err != nil {
		return nil, err
	}
	for _, c := range checks {
		c.Checked = int64(len(keys))
	}
	checks[oneWorkflow].Checked += int64(len(strays))
	problems, err := lookUntil(ctx, o, keys, strays)
	for _, p := range problems {
		checks[p.check].add(p.order, "%s", p.what)
	}
	return outcomes, err
}

// lookUntil looks at what was wrong again and again until the grace is over.
func lookUntil(ctx context.Context, o Options, keys, strays []string) ([]problem, error) {
	end := time.Now().Add(o.Grace)
	for {
		problems, err := look(ctx, o, keys)
		if err != nil {
			return nil, err
		}
		still, err := lookAtStrays(ctx, o, strays)
		if err != nil {
			return nil, err
		}
		problems = append(problems, still...)
		left := time.Until(end)
		if len(problems) == 0 || left <= 0 {
			return problems, nil
		}
		keys, strays = suspects(problems, keys), suspects(problems, strays)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(left, max(o.Grace/5, 10*time.Millisecond))):
		}
	}
}

func suspects(problems []problem, keys []string) []string {
	wrong := map[string]bool{}
	for _, p := range problems {
		wrong[p.order] = true
	}
	var left []string
	for _, key := range keys {
		if wrong[key] {
			left = append(left, key)
		}
	}
	return left
}

func look(ctx context.Context, o Options, keys []string) ([]problem, error) {
	var problems []problem
	for len(keys) > 0 {
		n := min(len(keys), readAtOnce)
		rows, err := readOpen(ctx, o, keys[:n])
		if err != nil {
			return nil, err
		}
		found, err := askAll(ctx, o, rows)
		if err != nil {
			return nil, err
		}
		problems, keys = append(problems, found...), keys[n:]
	}
	return problems, nil
}

func readOpen(ctx context.Context, o Options, keys []string) ([]openOrder, error) {
	rows, err := o.Pool.Query(ctx, openSQL, keys)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []openOrder
	for rows.Next() {
		var r openOrder
		if err := rows.Scan(&r.key, &r.stage, &r.attention, &r.delivered, &r.watched, &r.refunds, &r.lines, &r.pos); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

func askAll(ctx context.Context, o Options, rows []openOrder) ([]problem, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	found := make([][]problem, len(rows))
	slots := make(chan struct{}, askedAtOnce)
	var group sync.WaitGroup
	for i := range rows {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			problems, err := ask(ctx, o.Workflows, &rows[i])
			if err != nil {
				cancel(fmt.Errorf("order %s: %w", rows[i].key, err))
			}
			found[i] = problems
		})
	}
	group.Wait()
	var all []problem
	for _, problems := range found {
		all = append(all, problems...)
	}
	return all, context.Cause(ctx)
}

func ask(ctx context.Context, workflows Workflows, r *openOrder) ([]problem, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // another order's failure, which is told instead
	}
	key, err := order.ParseKey(r.key)
	if err != nil {
		return nil, err
	}
	state, status, err := workflows.State(ctx, key)
	switch {
	case err != nil:
		return nil, err
	case status != Running && r.attention:
		return []problem{{oneWorkflow, r.key, "its workflow is " + status + ", and a person was asked to decide"}}, nil
	case status != Running:
		return []problem{{oneWorkflow, r.key, "its workflow is " + status}}, nil
	}
	var problems []problem
	if err := state.Check(); err != nil {
		problems = append(problems, problem{workflowsKeep, r.key, err.Error()})
	}
	if idle(&state) && !r.watched {
		problems = append(problems, problem{waitsNamed, r.key, fmt.Sprintf("it is %s and waits for nothing: no deadline, no step, no parcel, no person", state.Stage())})
	}
	for _, what := range differences(r, &state) {
		problems = append(problems, problem{workflowAgrees, r.key, what})
	}
	return problems, nil
}

// idle: nothing would ever happen to the order by itself.
func idle(s *order.State) bool {
	if len(s.Deadlines())+len(s.Steps())+len(s.Busy)+len(s.Attention) > 0 {
		return false
	}
	return !s.Finished()
}

// differences between what is recorded and what the workflow knows. Units move between live states
// without being recorded each time; whether they are live is.
func differences(r *openOrder, s *order.State) []string {
	var all []string
	tell := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if s.LastFact < r.delivered {
		tell("%d facts count as delivered, the workflow knows %d", r.delivered, s.LastFact)
	}
	if known := string(s.Stage()); known != r.stage && (mustBeRecorded[known] || mustBeRecorded[r.stage]) {
		tell("the order counts as %s, the workflow says %s", r.stage, known)
	}
	if len(s.Attention) > 0 && !r.attention {
		tell("the workflow asks for a person (%s), and the order is not marked", s.Attention[0].Text)
	}
	if s.Refunds != r.refunds {
		tell("%d refunds were made, the workflow counts %d", r.refunds, s.Refunds)
	}
	for i := range s.Lines {
		l := &s.Lines[i]
		for _, row := range r.lines {
			if row.Line == l.Line && row.Live != l.Cancelled {
				tell("line %d: %d units are recorded as cancelled, the workflow says %d", l.Line, row.Live, l.Cancelled)
			}
		}
	}
	for i := range s.POs {
		for j := range s.POs[i].Lines {
			pl := &s.POs[i].Lines[j]
			if row := rowOf(r.pos, s.POs[i].Number, pl.Line); row == nil || row.Live != pl.Units.Live() {
				tell("%s line %d: the recorded units are not the %d that the workflow knows to be live", s.POs[i].Number, pl.Line, pl.Units.Live())
			}
		}
	}
	for _, row := range r.pos {
		if s.PO(row.PO) == nil {
			tell("%s is recorded, and the workflow does not know it", row.PO)
		}
	}
	return all
}

// mustBeRecorded are the stages that people filter by to act; the workflow records them at once.
var mustBeRecorded = map[string]bool{
	string(order.StageHeld): true, string(order.StageCancelled): true, string(order.StageSettled): true,
}

// strays are the running workflows whose order is closed or not there.
func strays(ctx context.Context, o Options) ([]string, error) {
	var list, batch []string
	flush := func() error {
		found, err := notOpen(ctx, o, batch)
		list, batch = append(list, found...), nil
		return err
	}
	err := o.Workflows.Running(ctx, func(id string) error {
		batch = append(batch, id)
		if len(batch) < readAtOnce {
			return nil
		}
		return flush()
	})
	if err != nil {
		return nil, err
	}
	return list, flush()
}

func notOpen(ctx context.Context, o Options, ids []string) ([]string, error) {
	var keys []string
	err := o.Pool.QueryRow(ctx, `
		SELECT ARRAY(SELECT key FROM unnest($1::text[]) AS id, LATERAL (SELECT substr(id, 7) AS key) k
			WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.key = k.key AND o.closed_at IS NULL))`, ids).Scan(&keys)
	return keys, err
}

func lookAtStrays(ctx context.Context, o Options, keys []string) ([]problem, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	ids := make([]string, len(keys))
	for i, key := range keys {
		ids[i] = "order/" + key
	}
	still, err := notOpen(ctx, o, ids)
	if err != nil {
		return nil, err
	}
	var problems []problem
	for _, text := range still {
		status := Running // also of one whose id names no order
		if key, wrong := order.ParseKey(text); wrong == nil {
			if _, status, err = o.Workflows.State(ctx, key); err != nil {
				return nil, err
			}
		}
		if status == Running {
			problems = append(problems, problem{oneWorkflow, text, "its workflow runs, and the order is closed or not in the database"})
		}
	}
	return problems, nil
}
