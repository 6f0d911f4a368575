package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// at gives events their place and time, a second apart.
func at(events ...*history.HistoryEvent) *history.History {
	for n, e := range events {
		e.EventId, e.EventTime = int64(n+1), timestamppb.New(time.Unix(int64(n), 0))
	}
	return &history.History{Events: events}
}

func timerStarted(id string, after time.Duration) *history.HistoryEvent {
	return &history.HistoryEvent{
		EventType: enums.EVENT_TYPE_TIMER_STARTED,
		Attributes: &history.HistoryEvent_TimerStartedEventAttributes{TimerStartedEventAttributes: &history.TimerStartedEventAttributes{
			TimerId: id, StartToFireTimeout: durationpb.New(after),
		}},
	}
}

func event(kind enums.EventType) *history.HistoryEvent { return &history.HistoryEvent{EventType: kind} }

func TestScriptOfTheFloorRepeatsAHistory(t *testing.T) {
	t.Parallel()
	s := ScriptOf(at(
		event(enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED),
		event(enums.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED),
		event(enums.EVENT_TYPE_WORKFLOW_TASK_STARTED),
		event(enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED),
		event(enums.EVENT_TYPE_MARKER_RECORDED),
		event(enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED),
		timerStarted("7", time.Hour),
		event(enums.EVENT_TYPE_ACTIVITY_TASK_STARTED),
		event(enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED),
		event(enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED),
		event(enums.EVENT_TYPE_WORKFLOW_TASK_STARTED),
		event(enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED),
		event(enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES),
		&history.HistoryEvent{
			EventType:  enums.EVENT_TYPE_TIMER_CANCELED,
			Attributes: &history.HistoryEvent_TimerCanceledEventAttributes{TimerCanceledEventAttributes: &history.TimerCanceledEventAttributes{TimerId: "7"}},
		},
		event(enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED),
	), traffic{trips: 10, statements: 40, reads: 20, writes: 10, commits: 5}, 4)
	require.Equal(t, []ScriptTask{
		{Locals: 1, Activities: 1, Timers: []ScriptTimer{{0, time.Hour}}, Await: ScriptWait{Signals: 1, Activities: 1}},
		{Upserts: 1, Cancels: []int{0}},
	}, s.Tasks)
	require.Equal(t, []ScriptNews{{Task: 0, After: 6 * time.Second}}, s.News, "counted from the workflow task before it")
	require.Equal(t, 2, s.Steps)
	require.Equal(t, ScriptedSQL{4, 8, 4, 2}, s.Inside)
	require.Equal(t, ScriptedSQL{6, 12, 6, 3}, s.Outside)
}

func TestAnUpdateReachesTheFloorBeforeTheTaskThatItCauses(t *testing.T) {
	t.Parallel()
	s := ScriptOf(at(
		event(enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED),
		event(enums.EVENT_TYPE_WORKFLOW_TASK_STARTED),
		event(enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED),
		event(enums.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED),
		event(enums.EVENT_TYPE_WORKFLOW_TASK_STARTED),
		event(enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED),
		event(enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED),
		event(enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES),
		event(enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED),
	), traffic{}, 0)
	require.Equal(t, []ScriptTask{{Await: ScriptWait{Updates: 1}}, {Upserts: 1}}, s.Tasks)
	require.Equal(t, []ScriptNews{{Task: 0, After: 2 * time.Second, Update: true}}, s.News)
}

func TestNewsWaitsForTheTaskThatItFollows(t *testing.T) {
	t.Parallel()
	const after = 20 * time.Millisecond
	p := newProgress(2)
	p.reach(0)
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	require.ErrorIs(t, p.await(ctx, ScriptNews{Task: 1}), context.DeadlineExceeded, "the workflow waits for its worker")
	p.reach(1)
	reached := p.tasks[1].at
	p.reach(1)
	require.NoError(t, p.await(t.Context(), ScriptNews{Task: 1, After: after}))
	require.Equal(t, reached, p.tasks[1].at, "a replay reaches it again")
	require.GreaterOrEqual(t, time.Since(reached), after)
}

func TestPartsOfTheWorkAreTheWhole(t *testing.T) {
	t.Parallel()
	whole, sum := ScriptedSQL{101, 37, 12, 7}, ScriptedSQL{}
	for n := range 6 {
		one := whole.part(n, 6)
		sum.Trips, sum.Reads, sum.Writes, sum.Commits = sum.Trips+one.Trips, sum.Reads+one.Reads, sum.Writes+one.Writes, sum.Commits+one.Commits
	}
	require.Equal(t, whole, sum)
}

func TestNoTaskOfTheFloorWaitsForNewsThatFollowsALaterOne(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../workflows/testdata/histories/*/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	updates := 0
	for _, file := range files {
		text, err := os.Open(file)
		require.NoError(t, err)
		events, err := client.HistoryFromJSON(text, client.HistoryJSONOptions{})
		require.NoError(t, errors.Join(err, text.Close()))
		s := ScriptOf(events, traffic{}, 0)
		for i := range max(len(s.Tasks)-1, 0) {
			var come ScriptWait
			for _, news := range s.News {
				switch {
				case news.Task > i:
				case news.Update:
					come.Updates++
				default:
					come.Signals++
				}
			}
			require.GreaterOrEqual(t, come.Signals, s.Tasks[i].Await.Signals, "%s, task %d", file, i)
			require.GreaterOrEqual(t, come.Updates, s.Tasks[i].Await.Updates, "%s, task %d", file, i)
			updates += s.Tasks[i].Await.Updates
		}
		for _, news := range s.News {
			require.Less(t, news.Task, len(s.Tasks)-1, "%s: nothing follows the last task", file)
			require.GreaterOrEqual(t, news.After, time.Duration(0), file)
		}
	}
	require.Positive(t, updates, "some of them were asked")
}
