package crash

import (
	"context"
	"path"
	"sync"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
)

// uncounted are calls that are made whether there is an order or not, and answers to those who look at it.
var uncounted = map[string]bool{
	"GetSystemInfo": true, "DescribeNamespace": true, "GetClusterInfo": true, "RespondQueryTaskCompleted": true,
	"RecordWorkerHeartbeat": true, "ShutdownWorker": true, "PollNexusTaskQueue": true, "Check": true,
}

// temporal puts the life between a worker and Temporal.
func (l *life) temporal(options *client.ConnectionOptions) {
	t := &temporalCalls{life: l, tasks: map[string]string{}}
	options.DialOptions = append(options.DialOptions, grpc.WithChainUnaryInterceptor(t.call))
}

// temporalCalls names calls by what the task is about that they belong to.
type temporalCalls struct {
	life *life

	mu    sync.Mutex
	tasks map[string]string // types of workflows and activities, by task token
}

func (t *temporalCalls) call(
	ctx context.Context, method string, request, reply any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	name := path.Base(method)
	if uncounted[name] {
		return invoke(ctx, method, request, reply, connection, options...)
	}
	call := "temporal." + name
	if tasked, ok := request.(interface{ GetTaskToken() []byte }); ok {
		call += "-" + t.task(tasked.GetTaskToken())
	}
	t.life.begins(call)
	if err := invoke(ctx, method, request, reply, connection, options...); err != nil {
		return err
	}
	found := t.learn(reply)
	if isPoll(request) {
		t.life.applied(call+"-"+found, found != "")
		return nil
	}
	t.life.applied(call, true)
	return nil
}

func isPoll(request any) bool {
	switch request.(type) {
	case *workflowservice.PollWorkflowTaskQueueRequest, *workflowservice.PollActivityTaskQueueRequest:
		return true
	}
	return false
}

func (t *temporalCalls) task(token []byte) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tasks[string(token)]
}

// learn remembers what the tasks in an answer are about. It returns that of a poll; queries are not the
// order's work.
func (t *temporalCalls) learn(reply any) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch r := reply.(type) {
	case *workflowservice.PollWorkflowTaskQueueResponse:
		return t.workflowTask(r)
	case *workflowservice.PollActivityTaskQueueResponse:
		return t.activityTask(r)
	case *workflowservice.RespondWorkflowTaskCompletedResponse:
		if next := r.GetWorkflowTask(); next != nil {
			t.workflowTask(next)
		}
		for _, eager := range r.GetActivityTasks() {
			t.activityTask(eager)
		}
	}
	return ""
}

func (t *temporalCalls) workflowTask(r *workflowservice.PollWorkflowTaskQueueResponse) string {
	if len(r.GetTaskToken()) == 0 || r.GetQuery() != nil {
		return ""
	}
	name := r.GetWorkflowType().GetName()
	t.tasks[string(r.GetTaskToken())] = name
	return name
}

func (t *temporalCalls) activityTask(r *workflowservice.PollActivityTaskQueueResponse) string {
	if len(r.GetTaskToken()) == 0 {
		return ""
	}
	name := r.GetActivityType().GetName()
	t.tasks[string(r.GetTaskToken())] = name
	return name
}
