package bench

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/activity"
)

// traffic is what went over the wire to Postgres.
type traffic struct {
	// trips are requests that were waited for and did something; statements, reads, writes and commits
	// are what they held.
	trips, statements, reads, writes, commits int64
	// empty are looks for work that found none; upkeep are preparations of statements and health checks
	// of connections, which a busy connection does not repeat.
	empty, upkeep int64
}

func (t traffic) less(before traffic) traffic {
	return traffic{
		t.trips - before.trips, t.statements - before.statements, t.reads - before.reads, t.writes - before.writes,
		t.commits - before.commits, t.empty - before.empty, t.upkeep - before.upkeep,
	}
}

// tap lets connections to Postgres through and counts what the server answers.
type tap struct {
	listener net.Listener
	target   string
	group    sync.WaitGroup

	mu   sync.Mutex
	seen traffic
	open map[net.Conn]bool
}

// openTap listens on the loopback interface. url leads through the tap to where databaseURL leads.
func openTap(ctx context.Context, databaseURL string) (t *tap, through string, err error) {
	parsed, err := url.Parse(databaseURL)
	if err != nil || parsed.Host == "" {
		return nil, "", errors.New("DATABASE_URL: want postgres://user@host:port/database without TLS")
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", fmt.Errorf("listen between the programs and Postgres: %w", err)
	}
	t = &tap{listener: listener, target: parsed.Host, open: map[net.Conn]bool{}}
	parsed.Host = listener.Addr().String()
	t.group.Go(t.accept)
	return t, parsed.String(), nil
}

func (t *tap) accept() {
	for {
		client, err := t.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", t.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		t.keep(client, true)
		t.group.Go(func() {
			_, _ = io.Copy(server, client) // ends with the connection
			_ = server.Close()
		})
		t.group.Go(func() {
			defer t.keep(client, false)
			t.watch(client, server)
			_ = client.Close()
		})
	}
}

func (t *tap) keep(conn net.Conn, open bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if open {
		t.open[conn] = true
	} else {
		delete(t.open, conn)
	}
}

// answer is what the server said since it was last ready.
type answer struct {
	traffic

	// vain: nothing was found by a look for work, which is an UPDATE that takes it, alone or before a SELECT
	// of what else is due.
	vain bool
}

// watch hands on what the server says, message by message: a byte that names it, four of its length.
func (t *tap) watch(client io.Writer, server io.Reader) {
	from := bufio.NewReaderSize(server, 64<<10)
	var now answer
	started := false
	for {
		head, err := from.Peek(5)
		if err != nil {
			return
		}
		kind, size := head[0], int(binary.BigEndian.Uint32(head[1:]))+1
		message := make([]byte, size)
		if _, err := io.ReadFull(from, message); err != nil {
			return
		}
		if _, err := client.Write(message); err != nil {
			return
		}
		switch kind {
		case 'C': // a statement is complete
			now.take(strings.TrimRight(string(message[5:]), "\x00"))
		case 'Z': // ready for the next request
			if started {
				t.count(now)
			}
			now, started = answer{}, true
		}
	}
}

func (a *answer) take(tag string) {
	a.statements++
	a.vain = tag == "UPDATE 0" && a.statements == 1 || tag == "SELECT 0" && a.statements == 2 && a.vain
	verb, _, _ := strings.Cut(tag, " ")
	switch verb {
	case "SELECT":
		a.reads++
	case "INSERT", "UPDATE", "DELETE":
		a.writes++
	case "COMMIT":
		a.commits++
	}
}

func (t *tap) count(a answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case a.statements == 0:
		t.seen.upkeep++
		return
	case a.vain:
		t.seen.empty++
		return
	}
	t.seen.trips++
	t.seen.statements += a.statements
	t.seen.reads += a.reads
	t.seen.writes += a.writes
	t.seen.commits += a.commits
}

func (t *tap) traffic() traffic {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}

func (t *tap) close() error {
	err := t.listener.Close()
	t.mu.Lock()
	for conn := range t.open {
		_ = conn.Close() // whoever held it has ended
	}
	t.mu.Unlock()
	t.group.Wait()
	return err
}

// insideActivities counts the round trips to Postgres that activities make, by order.
type insideActivities struct{ byWorkflow sync.Map }

func (a *insideActivities) seen(ctx context.Context) {
	if !activity.IsActivity(ctx) {
		return
	}
	n, _ := a.byWorkflow.LoadOrStore(activity.GetInfo(ctx).WorkflowExecution.ID, &atomic.Int64{})
	if count, ok := n.(*atomic.Int64); ok {
		count.Add(1)
	}
}

func (a *insideActivities) of(workflowID string) int64 {
	n, _ := a.byWorkflow.Load(workflowID)
	if count, ok := n.(*atomic.Int64); ok {
		return count.Load()
	}
	return 0
}

func (a *insideActivities) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	a.seen(ctx)
	return ctx
}

func (a *insideActivities) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (a *insideActivities) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	a.seen(ctx)
	return ctx
}

func (a *insideActivities) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (a *insideActivities) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
