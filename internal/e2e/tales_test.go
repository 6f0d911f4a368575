package e2e

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/interceptor"

	"github.com/dropline/dropline/internal/engine/enginetest"
	"github.com/dropline/dropline/internal/order"
)

// tale is an order's life that no story of the demo tells: the workflow is played on a real server,
// must end as told, and its history must replay. TestTalesAreTold records them for a release.
type tale struct {
	// set changes the desk before the order begins; nil: the world is obliging.
	set func(*rehearsal)
	// tell is what happens from outside; it starts the worker and the order itself when it says so.
	tell func(*rehearsal)
	// beginsItself: tell starts worker and order.
	beginsItself bool
	// hurried: what the workflow waits for when a step keeps failing is shortened.
	hurried bool
	// watchers change how the worker treats the workflow.
	watchers []interceptor.WorkerInterceptor
	// ends is the stage that the order ends in; empty: tell checks the end itself.
	ends order.Stage
}

func tales() map[string]tale {
	all := map[string]tale{}
	for _, some := range []map[string]tale{talesOfFailingSteps(), talesOfRequests(), talesOfReviews(), talesOfSignals(), talesOfTheEngine(), talesOfPolls(), talesOfNights()} {
		maps.Copy(all, some)
	}
	return all
}

// `RECORD_HISTORIES=workflows/testdata/histories/vX.Y go test ./internal/e2e -run TestTalesAreTold`
// writes the histories down (`make histories`).
func TestTalesAreTold(t *testing.T) {
	t.Parallel()
	forget()
	c, namespace := enginetest.Namespace(t)
	all := tales()
	sideBySide(slices.Sorted(maps.Keys(all)), func(name string) {
		t.Run(name, func(t *testing.T) {
			story, r := all[name], newRehearsal(t, c, namespace, name)
			story.play(r)
			keep(t, name, r.runs())
		})
	})
}

// sideBySide tells tales at once, more of them than there are processors: a tale mostly waits.
func sideBySide(names []string, tell func(name string)) {
	var running sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, name := range names {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			tell(name)
		})
	}
	running.Wait()
}

func (s *tale) play(r *rehearsal) {
	r.t.Helper()
	r.watchers = slices.Clone(s.watchers)
	if s.hurried {
		r.watchers = append(r.watchers, &hasty{})
	}
	if s.set != nil {
		s.set(r)
	}
	if !s.beginsItself {
		r.startWorker()
		r.begin()
	}
	if s.tell != nil {
		s.tell(r)
	}
	if s.ends != "" {
		require.Equal(r.t, s.ends, r.ends().Stage)
		final := r.state()
		require.NoError(r.t, final.Check())
	}
}

// gate holds something up until it is opened.
type gate chan struct{}

func (g gate) pass(ctx context.Context) error {
	select {
	case <-g:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
