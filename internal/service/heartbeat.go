package service

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"github.com/dropline/dropline/activities"
)

// beating heartbeats for every activity that has a heartbeat timeout, so that the death of a worker
// is noticed in seconds, long before the activity's own deadline. A failure says how long to rest.
type beating struct {
	interceptor.WorkerInterceptorBase
}

func (b *beating) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	i := &beatingActivity{}
	i.Next = next
	return i
}

type beatingActivity struct {
	interceptor.ActivityInboundInterceptorBase
}

func (b *beatingActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	if info.IsLocalActivity {
		return b.Next.ExecuteActivity(ctx, in)
	}
	result, err := b.executeBeating(ctx, in, info)
	return result, activities.Rest(err, info.Attempt)
}

func (b *beatingActivity) executeBeating(ctx context.Context, in *interceptor.ExecuteActivityInput, info activity.Info) (any, error) {
	if info.HeartbeatTimeout == 0 {
		return b.Next.ExecuteActivity(ctx, in)
	}
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(info.HeartbeatTimeout / 3)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				activity.RecordHeartbeat(ctx)
			}
		}
	}()
	defer func() {
		close(done)
		<-stopped
	}()
	return b.Next.ExecuteActivity(ctx, in)
}
