package crash

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// When is the moment of a call at which the worker dies.
type When string

// The moments: nothing has been sent; the other side has done it and its answer is lost; the answer has
// been heard, and nothing more is done.
const (
	Before  When = "before"
	Applied When = "applied"
	After   When = "after"
)

var moments = []When{Before, Applied, After}

// Point is one place to die at: the N-th call of a kind, counted from 1, that a worker makes for a story.
type Point struct {
	Story string
	Call  string
	N     int
	When  When
}

// String is the form that ParsePoint reads: STORY:KIND:N:WHEN.
func (p Point) String() string {
	return p.Story + ":" + p.Call + ":" + strconv.Itoa(p.N) + ":" + string(p.When)
}

// ParsePoint reads a point as reports write it.
func ParsePoint(text string) (Point, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 4 {
		return Point{}, fmt.Errorf("point %q: want STORY:KIND:N:WHEN, for example smooth:supplier.POST-purchase-orders:1:applied", text)
	}
	n, err := strconv.Atoi(parts[2])
	if err != nil || n < 1 {
		return Point{}, fmt.Errorf("point %q: N is %q: want a number from 1", text, parts[2])
	}
	p := Point{Story: parts[0], Call: parts[1], N: n, When: When(parts[3])}
	if !slices.Contains(moments, p.When) {
		return Point{}, fmt.Errorf("point %q: WHEN is %q: want before, applied or after", text, p.When)
	}
	return p, nil
}

// lingers is how long a worker that is to die after a call may live on if it makes no other call.
const lingers = 20 * time.Millisecond

// life sees every call that a worker makes to the outside and ends the worker at the point it is
// armed with. Only calls that do or find something are counted: a poll that finds no task, or a claim
// that finds no work, is as if the worker had waited.
type life struct {
	armed Point // the zero point: it never ends by itself
	end   func()
	log   io.Writer

	mu     sync.Mutex
	counts map[string]int
	doomed bool
}

func newLife(armed Point, log io.Writer, end func()) *life {
	return &life{armed: armed, end: end, log: log, counts: map[string]int{}}
}

// begins is told before anything of a call is sent. The name may lack what only the answer tells
// ("temporal.PollWorkflowTaskQueue" for "temporal.PollWorkflowTaskQueue-Order").
func (l *life) begins(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	due := l.armed.When == Before && (name == l.armed.Call || strings.HasPrefix(l.armed.Call, name+"-")) &&
		l.counts[l.armed.Call] == l.armed.N-1
	if l.doomed || due {
		l.dies()
	}
}

// applied is told when the answer to a call is there and nobody has heard it.
func (l *life) applied(name string, counts bool) {
	if !counts {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[name]++
	fmt.Fprintf(l.log, "call %d %s\n", time.Now().UnixNano(), name)
	if name != l.armed.Call || l.counts[name] != l.armed.N {
		return
	}
	switch l.armed.When {
	case Applied:
		l.dies()
	case After:
		l.doomed = true
		time.AfterFunc(lingers, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.dies()
		})
	case Before: // its moment has passed
	}
}

// dies ends the worker. The lock is held and never given back: no call begins any more.
func (l *life) dies() {
	fmt.Fprintf(l.log, "dies %d\n", time.Now().UnixNano())
	l.end()
	select {}
}
