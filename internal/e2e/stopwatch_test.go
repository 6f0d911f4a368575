package e2e

import (
	"sync"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
)

// stopwatch measures the rounds that a workflow makes between two waits: what its own code takes of a
// workflow task, without the activities in it.
type stopwatch struct {
	interceptor.WorkerInterceptorBase

	mu      sync.Mutex
	longest time.Duration
	rounds  int
}

func (s *stopwatch) note(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.longest = max(s.longest, took)
	s.rounds++
}

func (s *stopwatch) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	i := &timedWorkflow{watch: s}
	i.Next = next
	return i
}

type timedWorkflow struct {
	interceptor.WorkflowInboundInterceptorBase

	watch *stopwatch
}

func (i *timedWorkflow) Init(next interceptor.WorkflowOutboundInterceptor) error {
	o := &timedWaits{watch: i.watch, since: time.Now()}
	o.Next = next
	return i.Next.Init(o)
}

type timedWaits struct {
	interceptor.WorkflowOutboundInterceptorBase

	watch *stopwatch
	since time.Time
}

func (o *timedWaits) Await(ctx workflow.Context, condition func() bool) error {
	o.watch.note(time.Since(o.since))
	err := o.Next.Await(ctx, condition)
	o.since = time.Now()
	return err
}
