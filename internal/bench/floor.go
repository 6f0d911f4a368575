package bench

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/visibility"
)

// The floor is the least that an engine could take for an order of a shape: a workflow that issues the
// same commands, workflow task by workflow task, as a real order's history shows them, with activities
// that do nothing but make as many trivial round trips to Postgres.

// Script is what a bare workflow does.
type Script struct {
	Tasks []ScriptTask
	// News is what reaches it from outside.
	News []ScriptNews
	// Inside are the round trips that activities make, Outside those made for the order elsewhere.
	Inside, Outside ScriptedSQL
	// Steps is how many activities share those inside.
	Steps int
}

// ScriptTask is one workflow task: what it commands, and what has to have come by the next one.
type ScriptTask struct {
	Locals, Upserts, Activities int
	Timers                      []ScriptTimer
	Cancels                     []int // timers by their number
	Await                       ScriptWait
}

// ScriptNews is a signal, or an update. As with an order, it follows from what the workflow has done: it comes so
// long after a workflow task (from 0), however late that was. News that came at fixed times would overtake a workflow
// that waits for its worker, and spare it the tasks that they share.
type ScriptNews struct {
	Task   int
	After  time.Duration
	Update bool
}

// ScriptTimer is a timer by its number.
type ScriptTimer struct {
	Number int
	After  time.Duration
}

// ScriptWait counts what has come since the start.
type ScriptWait struct {
	Signals, Updates, Activities int
	Fired                        []int // timers by their number
}

// ScriptedSQL is trivial work for Postgres: Trips round trips of statements that read or write one row.
// Of the trips, Commits are transactions.
type ScriptedSQL struct{ Trips, Reads, Writes, Commits int64 }

// ScriptOf reads what a workflow did from its history, and what it took of Postgres from what was
// counted.
func ScriptOf(events *history.History, sql traffic, inside int64) Script {
	r := scriptReader{timers: map[string]int{}}
	for _, event := range events.GetEvents() {
		r.read(event)
	}
	s := r.script
	s.Inside, s.Outside = divide(sql, inside)
	s.Steps = r.steps
	return s
}

// divide gives the trips inside activities their share of all statements.
func divide(all traffic, inside int64) (in, out ScriptedSQL) {
	share := func(of int64) int64 {
		if all.trips == 0 {
			return 0
		}
		return of * inside / all.trips
	}
	in = ScriptedSQL{inside, share(all.reads), share(all.writes), share(all.commits)}
	return in, ScriptedSQL{all.trips - in.Trips, all.reads - in.Reads, all.writes - in.Writes, all.commits - in.Commits}
}

type scriptReader struct {
	script  Script
	started time.Time // the last workflow task
	tasked  time.Time // its end
	before  time.Time // the end of the one before it
	timers  map[string]int
	steps   int
	has     ScriptWait
}

func (r *scriptReader) read(e *history.HistoryEvent) {
	at := e.GetEventTime().AsTime()
	if e.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
		r.script.Tasks, r.before, r.tasked = append(r.script.Tasks, ScriptTask{}), r.tasked, at
	}
	if len(r.script.Tasks) == 0 {
		return
	}
	task := &r.script.Tasks[len(r.script.Tasks)-1]
	switch e.GetEventType() {
	case enums.EVENT_TYPE_WORKFLOW_TASK_STARTED:
		r.started, task.Await = at, r.has
		task.Await.Fired = append([]int(nil), r.has.Fired...)
	case enums.EVENT_TYPE_MARKER_RECORDED:
		task.Locals++
		r.steps++
	case enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
		task.Upserts++
	case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		task.Activities++
		r.steps++
	case enums.EVENT_TYPE_TIMER_STARTED:
		started := e.GetTimerStartedEventAttributes()
		r.timers[started.GetTimerId()] = len(r.timers)
		task.Timers = append(task.Timers, ScriptTimer{r.timers[started.GetTimerId()], started.GetStartToFireTimeout().AsDuration()})
	case enums.EVENT_TYPE_TIMER_CANCELED:
		task.Cancels = append(task.Cancels, r.timers[e.GetTimerCanceledEventAttributes().GetTimerId()])
	case enums.EVENT_TYPE_TIMER_FIRED:
		r.has.Fired = append(r.has.Fired, r.timers[e.GetTimerFiredEventAttributes().GetTimerId()])
	case enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		r.has.Activities++
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
		r.has.Signals++
		r.script.News = append(r.script.News, ScriptNews{Task: len(r.script.Tasks) - 1, After: max(at.Sub(r.tasked), 0)})
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
		r.has.Updates++
		r.update()
	}
}

// update is noted in the history once it is accepted, and so behind the workflow task that it caused.
func (r *scriptReader) update() {
	last := len(r.script.Tasks) - 1
	if last == 0 {
		r.script.News = append(r.script.News, ScriptNews{Update: true})
		return
	}
	r.script.Tasks[last-1].Await.Updates = r.has.Updates
	r.script.News = append(r.script.News, ScriptNews{Task: last - 1, After: max(r.started.Sub(r.before), 0), Update: true})
}

// The names by which the floor is reached.
const (
	floorQueue    = "floor"
	floorWorkflow = "Floor"
	floorActivity = "FloorStep"
	floorSignal   = "come"
	floorUpdate   = "ask"
)

// bare is the workflow of the floor. Its script is in memory: a bare workflow has no input.
type bare struct {
	script  Script
	watched *sync.Map // a *progress by the workflow's id
}

// progress tells the driver, which is in the same process, of the workflow tasks of a bare workflow.
type progress struct{ tasks []taskDone }

type taskDone struct {
	once sync.Once
	done chan struct{}
	at   time.Time // once done is closed
}

func newProgress(tasks int) *progress {
	p := &progress{tasks: make([]taskDone, tasks)}
	for i := range p.tasks {
		p.tasks[i].done = make(chan struct{})
	}
	return p
}

// reach notes that a task has issued its commands. A replay reaches it again.
func (p *progress) reach(task int) {
	t := &p.tasks[task]
	t.once.Do(func() {
		t.at = time.Now()
		close(t.done)
	})
}

// await waits until so long after a task.
func (p *progress) await(ctx context.Context, n ScriptNews) error {
	t := &p.tasks[n.Task]
	select {
	case <-t.done:
		return rest(ctx, n.After-time.Since(t.at))
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (b *bare) run(ctx workflow.Context) error {
	s := b.script
	r := &floorRun{script: s, timers: map[int]workflow.Future{}, cancels: map[int]workflow.CancelFunc{}}
	err := workflow.SetUpdateHandler(ctx, floorUpdate, func(workflow.Context) error {
		r.updates++
		return nil
	})
	if err != nil {
		return err
	}
	for i := range s.Tasks {
		if err := r.command(ctx, &s.Tasks[i]); err != nil {
			return err
		}
		if seen, watched := b.watched.Load(workflow.GetInfo(ctx).WorkflowExecution.ID); watched {
			seen.(*progress).reach(i) //nolint:forcetypeassert // nothing else is in there
		}
		if i == len(s.Tasks)-1 {
			break
		}
		if err := workflow.Await(ctx, func() bool { return r.hasCome(ctx, s.Tasks[i].Await) }); err != nil {
			return err
		}
	}
	return nil
}

type floorRun struct {
	script  Script
	timers  map[int]workflow.Future // looked up, never ranged over
	cancels map[int]workflow.CancelFunc
	pending []workflow.Future
	step    int
	signals int
	updates int
}

func (r *floorRun) command(ctx workflow.Context, t *ScriptTask) error {
	for range t.Locals {
		local := workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: 5 * time.Second, ScheduleToCloseTimeout: time.Minute})
		if err := workflow.ExecuteLocalActivity(local, floorActivity, r.part()).Get(ctx, nil); err != nil {
			return err
		}
	}
	for _, timer := range t.Timers {
		timing, cancel := workflow.WithCancel(ctx)
		r.timers[timer.Number], r.cancels[timer.Number] = workflow.NewTimer(timing, timer.After), cancel
	}
	for range t.Activities {
		remote := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 45 * time.Second, HeartbeatTimeout: 10 * time.Second})
		r.pending = append(r.pending, workflow.ExecuteActivity(remote, floorActivity, r.part()))
	}
	for range t.Upserts {
		stage := visibility.Stage.ValueSet("step-" + strconv.Itoa(r.step))
		if err := workflow.UpsertTypedSearchAttributes(ctx, stage); err != nil {
			return err
		}
	}
	for _, number := range t.Cancels {
		r.cancels[number]()
	}
	return nil
}

// part is the next activity's share of the work for Postgres.
func (r *floorRun) part() ScriptedSQL {
	r.step++
	return r.script.Inside.part(r.step-1, r.script.Steps)
}

func (r *floorRun) hasCome(ctx workflow.Context, w ScriptWait) bool {
	for workflow.GetSignalChannel(ctx, floorSignal).ReceiveAsync(nil) {
		r.signals++
	}
	done := 0
	for _, future := range r.pending {
		if future.IsReady() {
			done++
		}
	}
	for _, number := range w.Fired {
		if !r.timers[number].IsReady() {
			return false
		}
	}
	return r.signals >= w.Signals && r.updates >= w.Updates && done >= w.Activities
}

// part is the n-th (from 0) of several shares; all together they are the whole.
func (s ScriptedSQL) part(n, of int) ScriptedSQL {
	share := func(all int64) int64 {
		return all*int64(n+1)/int64(of) - all*int64(n)/int64(of)
	}
	return ScriptedSQL{share(s.Trips), share(s.Reads), share(s.Writes), share(s.Commits)}
}

// floorTableSQL makes what the trivial statements work on.
const floorTableSQL = `
	CREATE TABLE IF NOT EXISTS floor_rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL);
	INSERT INTO floor_rows (body) VALUES (repeat('x', 200))`

// run makes the round trips.
func (s ScriptedSQL) run(ctx context.Context, pool *pgxpool.Pool) error {
	for n := range s.Trips {
		one := s.part(int(n), int(s.Trips))
		batch := &pgx.Batch{}
		if one.Commits > 0 {
			batch.Queue("BEGIN")
		}
		for range one.Writes {
			batch.Queue(`INSERT INTO floor_rows (body) VALUES (repeat('x', 200))`)
		}
		for range max(one.Reads, 1-one.Writes) {
			batch.Queue(`SELECT body FROM floor_rows WHERE id = $1`, 1)
		}
		if one.Commits > 0 {
			batch.Queue("COMMIT")
		}
		if err := pool.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("make a trivial round trip: %w", err)
		}
	}
	return nil
}

// floorStep is the activity that only makes its round trips.
type floorStep struct{ pool *pgxpool.Pool }

func (f *floorStep) step(ctx context.Context, sql ScriptedSQL) error {
	if err := sql.run(ctx, f.pool); err != nil {
		return temporal.NewApplicationErrorWithCause(err.Error(), "Postgres", err)
	}
	return nil
}
