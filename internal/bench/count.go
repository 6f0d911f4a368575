package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/service"
	"github.com/dropline/dropline/internal/stage"
)

// Figures are measurements by name; bench/README.md says what each means and in which unit.
type Figures map[string]float64

// Counted is what orders of one shape cost in counts.
type Counted struct {
	// Orders has the figures of each order.
	Orders []Figures
	// Histories are those of the last order's workflows: the order's own, and its return's if it has one.
	Histories []*history.History
	parts     [][]Figures // what each workflow's part of the life took, by order
}

// scripts are what the floor does in the place of an order's workflows.
func (c *Counted) scripts() []Script {
	var list []Script
	for i, events := range c.Histories {
		var of []Figures
		for _, parts := range c.parts {
			of = append(of, parts[i])
		}
		median := Medians(of)
		list = append(list, ScriptOf(events, traffic{
			trips: int64(median["sql"]), statements: int64(median["sql_statements"]), reads: int64(median["sql_reads"]),
			writes: int64(median["sql_writes"]), commits: int64(median["sql_commits"]),
		}, int64(median["sql_activities"])))
	}
	return list
}

const (
	// restFor is how long an idle deployment is watched to know what it does by itself.
	restFor = 2 * time.Second
	// afterwards is how long what follows an order (messages, the last delivery) may take.
	afterwards = 1200 * time.Millisecond
)

// Count lets orders of a shape go through a Dropline of their own in this process, one after the
// other, and counts what each takes of Temporal and of Postgres. Those that only warm it up come first.
// Without a Postgres or a Temporal it fails with stage.ErrNoServer.
func Count(ctx context.Context, shape Shape, warm, orders int) (_ *Counted, err error) {
	var wire *tap
	s, err := stage.Open(ctx, stage.Options{
		Suppliers: shape.Suppliers, ScanEvery: stepPause,
		// Few connections have soon seen every statement.
		Connections: 5,
		Adjust: func(settings *config.Settings) {
			var through string
			if wire, through, err = openTap(ctx, settings.DatabaseURL); err == nil {
				settings.DatabaseURL = through
			}
		},
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close(), wire.close()) }()
	inside := &insideActivities{}
	links := service.Links{Database: func(c *pgx.ConnConfig) { c.Tracer = inside }}
	worker, err := service.NewLinkedWorker(ctx, s.Settings, links, slog.New(slog.DiscardHandler), 5*time.Second)
	if err != nil {
		return nil, err
	}
	working, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(working) }()
	defer func() { stop(); err = errors.Join(err, <-ended) }()

	c := &counting{shape: shape, on: s, wire: wire, inside: inside}
	customers, gone := context.WithCancelCause(working)
	defer gone(nil)
	if shape.Cancels {
		go shape.cancelAll(customers, s, gone)
	}
	return c.run(customers, warm, orders)
}

// counting is one shape's orders on their stage.
type counting struct {
	shape   Shape
	on      *stage.Stage
	wire    *tap
	inside  *insideActivities
	resting float64 // empty looks a second of an idle deployment
}

func (c *counting) run(ctx context.Context, warm, orders int) (*Counted, error) {
	for n := range warm {
		if _, err := c.one(ctx, fmt.Sprintf("warm-%d", n), &Counted{}); err != nil {
			return nil, err
		}
	}
	if warm > 0 {
		before := c.wire.traffic()
		if err := rest(ctx, restFor); err != nil {
			return nil, err
		}
		c.resting = float64(c.wire.traffic().less(before).empty) / restFor.Seconds()
	}
	done := &Counted{}
	for n := range orders {
		workflows, err := c.one(ctx, fmt.Sprintf("counted-%d", n), done)
		if err != nil {
			return nil, err
		}
		done.Histories = nil
		for _, workflow := range workflows {
			events, err := historyOf(ctx, c.on.Temporal, workflow)
			if err != nil {
				return nil, err
			}
			done.Histories = append(done.Histories, events)
		}
	}
	return done, nil
}

// one lets an order live and counts it into done. It returns the ids of its workflows.
func (c *counting) one(ctx context.Context, id string, done *Counted) (workflows []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	billed, shown, err := serverActions(ctx, c.on.Settings.TemporalNamespace)
	if err != nil {
		return nil, err
	}
	figures, key, err := c.ordered(ctx, id)
	if err != nil {
		return nil, err
	}
	parts, whole := []Figures{figures}, maps.Clone(figures)
	workflows = []string{key.WorkflowID()}
	if c.shape.Returns {
		figures, rma, err := c.returned(ctx, key)
		if err != nil {
			return nil, err
		}
		parts, workflows = append(parts, figures), append(workflows, returns.WorkflowID(key, rma))
		for name, value := range figures {
			whole[name] += value
		}
	}
	if shown {
		now, _, err := serverActions(ctx, c.on.Settings.TemporalNamespace)
		if err != nil {
			return nil, err
		}
		whole["server_actions"] = now - billed
	}
	done.Orders, done.parts = append(done.Orders, whole), append(done.parts, parts)
	return workflows, nil
}

// ordered counts what an order takes until it is settled.
func (c *counting) ordered(ctx context.Context, id string) (Figures, order.Key, error) {
	before, began := c.wire.traffic(), time.Now()
	key, err := c.on.Place(ctx, id, c.shape.SKUs...)
	if err != nil {
		return nil, key, err
	}
	state, err := c.on.Settled(ctx, key)
	if err == nil {
		err = c.shape.check(&state)
	}
	if err == nil {
		err = rest(ctx, afterwards)
	}
	if err != nil {
		return nil, key, errors.Join(err, context.Cause(ctx))
	}
	seen, took := c.wire.traffic().less(before), time.Since(began).Seconds()
	cost, err := c.on.CostOf(ctx, key)
	return c.figures(cost, seen, key.WorkflowID(), took), key, err
}

// figures are what one workflow's part of a life took, in so many seconds.
func (c *counting) figures(cost stage.Cost, seen traffic, workflow string, took float64) Figures {
	return Figures{
		"actions": float64(cost.Actions), "events": float64(cost.Events), "bytes": float64(cost.Bytes),
		"workflow_tasks": float64(cost.WorkflowTasks), "activities": float64(cost.Activities),
		"local_activities": float64(cost.LocalActivities), "timers": float64(cost.Timers), "signals": float64(cost.Signals),
		"upserts": float64(cost.Upserts), "updates": float64(cost.Updates),
		"sql": float64(seen.trips), "sql_activities": float64(c.inside.of(workflow)),
		"sql_statements": float64(seen.statements), "sql_reads": float64(seen.reads), "sql_writes": float64(seen.writes),
		"sql_commits": float64(seen.commits), "sql_empty": max(float64(seen.empty)-c.resting*took, 0),
	}
}

func historyOf(ctx context.Context, c client.Client, workflowID string) (*history.History, error) {
	events := &history.History{}
	iterator := c.GetWorkflowHistory(ctx, workflowID, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iterator.HasNext() {
		event, err := iterator.Next()
		if err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", workflowID, err)
		}
		events.Events = append(events.Events, event)
	}
	return events, nil
}

// rest lets the deployment go on for a while.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
