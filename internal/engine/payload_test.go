package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/engine/enginetest"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

// text takes as many bytes in JSON.
func text(bytes int) string { return strings.Repeat("x", bytes-2) }

func requireTooLarge(t *testing.T, err error) {
	t.Helper()
	var failure *temporal.ApplicationError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, engine.PayloadTooLargeType, failure.Type())
	require.True(t, failure.NonRetryable())
	require.Less(t, len(err.Error()), 500)
	require.NotContains(t, err.Error(), "xxx", "the type, not the content")
}

func TestPayloadUpToTheLimitIsWrittenAndNoMore(t *testing.T) {
	t.Parallel()
	c := engine.Bounded(converter.GetDefaultDataConverter())
	written, err := c.ToPayload(text(engine.MaxPayload))
	require.NoError(t, err)
	var again string
	require.NoError(t, c.FromPayload(written, &again))
	require.Equal(t, text(engine.MaxPayload), again)
	_, err = c.ToPayload(text(engine.MaxPayload + 1))
	requireTooLarge(t, err)
	_, err = c.ToPayloads(text(engine.MaxPayload/2), text(engine.MaxPayload/2))
	require.NoError(t, err)
	_, err = c.ToPayloads(text(engine.MaxPayload/2), text(engine.MaxPayload/2+1))
	requireTooLarge(t, err)
	_, err = c.ToPayloads()
	require.NoError(t, err)
	_, err = c.ToPayload(nil)
	require.NoError(t, err)
	_, err = c.ToPayload(make(chan int))
	require.Error(t, err, "what the converter below refuses stays refused")
	large, err := converter.GetDefaultDataConverter().ToPayload(text(2 * engine.MaxPayload))
	require.NoError(t, err)
	require.NoError(t, c.FromPayload(large, &again), "what was written before stays readable")
}

func TestLargestOrderCanHandItsStateOn(t *testing.T) {
	t.Parallel()
	s := order.State{Key: order.Key{Storefront: "shop", Order: "1001"}}
	var po order.PurchaseOrder
	for i := 1; i <= 500; i++ {
		s.Lines = append(s.Lines, order.Line{Line: i, SKU: strings.Repeat("S", 40), Ordered: 2})
		po.Lines = append(po.Lines, order.POLine{Line: i})
	}
	for range 4 {
		s.POs = append(s.POs, po)
	}
	c := engine.Bounded(converter.GetDefaultDataConverter())
	for _, value := range []any{s, &s, workflows.OrderInput{Key: s.Key, State: &s}} {
		payloads, err := c.ToPayloads(value)
		require.NoError(t, err)
		require.Greater(t, payloads.Size(), engine.MaxPayload)
	}
	for len(s.Lines) < 20_000 {
		s.Lines = append(s.Lines, s.Lines...)
	}
	_, err := c.ToPayloads(&s)
	requireTooLarge(t, err)
}

// Large gives results and takes arguments of any size, and counts how often it was tried.
type large struct{ attempts atomic.Int64 }

func (l *large) Give(_ context.Context, bytes int) (string, error) {
	l.attempts.Add(1)
	return text(bytes), nil
}

func (l *large) Take(context.Context, string) error {
	l.attempts.Add(1)
	return nil
}

// tryLarge runs one activity whose argument or result is too large, and ends with what came of it.
func tryLarge(ctx workflow.Context, how string) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute})
	var none *large
	var err error
	var result string
	switch how {
	case "result":
		err = workflow.ExecuteActivity(ctx, none.Give, engine.MaxPayload+1).Get(ctx, &result)
	case "local result":
		err = workflow.ExecuteLocalActivity(ctx, "Give", engine.MaxPayload+1).Get(ctx, &result)
	case "argument":
		err = workflow.ExecuteActivity(ctx, none.Take, text(engine.MaxPayload+1)).Get(ctx, nil)
	case "own result":
		return text(engine.MaxPayload + 1), nil
	}
	if failure, is := errors.AsType[*temporal.ApplicationError](err); is {
		return failure.Type(), nil
	}
	return fmt.Sprint(err), nil
}

func TestPayloadOverTheLimitFailsAtItsCallerAndIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	_, namespace := enginetest.Namespace(t)
	options, err := engine.Options(slog.New(slog.DiscardHandler), namespace)
	require.NoError(t, err)
	options.DataConverter = engine.Bounded(converter.GetDefaultDataConverter())
	c, err := client.DialContext(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	l := &large{}
	w := worker.New(c, "large", worker.Options{Interceptors: []interceptor.WorkerInterceptor{engine.RefuseLarge()}})
	w.RegisterWorkflowWithOptions(tryLarge, workflow.RegisterOptions{Name: "tryLarge"})
	w.RegisterActivityWithOptions(l.Give, activity.RegisterOptions{Name: "Give"})
	w.RegisterActivityWithOptions(l.Take, activity.RegisterOptions{Name: "Take"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)

	start := client.StartWorkflowOptions{TaskQueue: "large", WorkflowExecutionTimeout: 30 * time.Second}
	for how, attempts := range map[string]int64{"result": 1, "local result": 1, "argument": 0} {
		l.attempts.Store(0)
		run, err := c.ExecuteWorkflow(t.Context(), start, "tryLarge", how)
		require.NoError(t, err)
		var found string
		require.NoError(t, run.Get(t.Context(), &found), how)
		require.Equal(t, engine.PayloadTooLargeType, found, how)
		require.Equal(t, attempts, l.attempts.Load(), how)
	}
	run, err := c.ExecuteWorkflow(t.Context(), start, "tryLarge", "own result")
	require.NoError(t, err)
	requireTooLarge(t, run.Get(t.Context(), nil))

	_, err = c.ExecuteWorkflow(t.Context(), start, "tryLarge", text(engine.MaxPayload+1))
	requireTooLarge(t, err)
	require.Error(t, c.SignalWorkflow(t.Context(), run.GetID(), "", "any", text(engine.MaxPayload+1)))
}
