package engine

import (
	"errors"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// RefuseLarge is for workers whose client has a Bounded converter. The SDK panics when it cannot encode
// an activity's arguments, and tries the workflow's task again for ever; with this the workflow gets the
// failure from the activity's future, as for every other.
func RefuseLarge() interceptor.WorkerInterceptor { return &refusing{} }

type refusing struct {
	interceptor.WorkerInterceptorBase
}

func (r *refusing) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &refusingInbound{interceptor.WorkflowInboundInterceptorBase{Next: next}}
}

type refusingInbound struct {
	interceptor.WorkflowInboundInterceptorBase
}

func (r *refusingInbound) Init(outbound interceptor.WorkflowOutboundInterceptor) error {
	return r.Next.Init(&refusingOutbound{interceptor.WorkflowOutboundInterceptorBase{Next: outbound}})
}

type refusingOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
}

func (r *refusingOutbound) ExecuteActivity(ctx workflow.Context, activityType string, args ...any) (future workflow.Future) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		err, _ := cause.(error)
		var failure *temporal.ApplicationError
		if !errors.As(err, &failure) || failure.Type() != PayloadTooLargeType {
			panic(cause)
		}
		refused, settle := workflow.NewFuture(ctx)
		settle.SetError(failure)
		future = refused
	}()
	return r.Next.ExecuteActivity(ctx, activityType, args...)
}
