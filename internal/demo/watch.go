package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
)

// teller writes one line for each thing worth telling.
type teller struct {
	out    io.Writer
	began  time.Time
	colour bool
	width  int

	mu sync.Mutex
}

func newTeller(out io.Writer, width int) *teller {
	return &teller{out: out, began: time.Now(), colour: isTerminal(out) && os.Getenv("NO_COLOR") == "", width: width}
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// say tells something about an order, or with an empty name about the whole.
func (t *teller) say(order, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name := fmt.Sprintf("%-*s", t.width, order)
	if order == "" {
		name = strings.Repeat("=", t.width)
	}
	line := fmt.Sprintf("%6.1fs  %s  %s", time.Since(t.began).Seconds(), name, text)
	if t.colour && order == "" {
		line = "\x1b[1m" + line + "\x1b[0m"
	}
	_, _ = fmt.Fprintln(t.out, line) // a terminal that is gone cannot be told
}

// watchEvery is the pause between two looks at what happened to the orders.
const watchEvery = 250 * time.Millisecond

// watch tells what happens to the orders until each has been told. An order is asked for its story
// when the database shows that something has happened to it.
func (w *world) watch(ctx context.Context, plays []*play) {
	var listeners sync.WaitGroup
	defer listeners.Wait()
	for _, p := range plays {
		listeners.Go(func() { (&listener{play: p, told: map[string]bool{}}).follow(context.WithoutCancel(ctx)) })
	}
}

// listener follows one order.
type listener struct {
	play *play
	told map[string]bool
	seen string // what the database showed at the last look
}

func (l *listener) follow(ctx context.Context) {
	for {
		select {
		case <-l.play.ended:
			l.listen(ctx)
			l.play.tell("%s", l.play.verdict())
			return
		case <-time.After(watchEvery):
			l.listen(ctx)
		}
	}
}

// listenWithin bounds one look: a worker that was killed answers nobody.
const listenWithin = 3 * time.Second

// changesSQL reads as other text whenever something has happened that is worth telling.
const changesSQL = `
	SELECT concat_ws(' ', fact_seq, delivered_seq, closed_at,
		(SELECT max(last_at) FROM effects WHERE order_key = o.key),
		(SELECT count(*) FROM routing_decisions WHERE order_key = o.key),
		(SELECT count(*) FROM documents WHERE order_key = o.key AND status <> 'received'),
		(SELECT string_agg(state, '' ORDER BY id) FROM outbox WHERE order_key = o.key),
		(SELECT concat_ws(' ', fact_seq, state ->> 'revision') FROM payments WHERE order_key = o.key))
	FROM orders o WHERE key = $1`

func (l *listener) listen(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, listenWithin)
	defer cancel()
	key := l.play.story.key
	var shown string
	if err := l.play.world.pool.QueryRow(ctx, changesSQL, key.String()).Scan(&shown); err != nil || shown == l.seen {
		return // not placed yet, or nothing new
	}
	events, err := orderview.Timeline(ctx, l.play.world.pool, key)
	if err != nil {
		return // the next look tells
	}
	for _, e := range events {
		if worthTelling(e) {
			l.tell(e.At, e.Text)
		}
	}
	journal, err := l.journal(ctx)
	if err != nil {
		return // the next look tells
	}
	told, err := l.paymentJournal(ctx)
	if err != nil {
		return // the next look tells
	}
	for _, e := range slices.Concat(journal, told) {
		l.tell(e.At, e.Text)
	}
	l.seen = shown
}

func (l *listener) tell(at time.Time, text string) {
	if id := at.String() + text; !l.told[id] {
		l.told[id] = true
		l.play.tell("%s", text)
	}
}

// journal is the order's story in its own words: from its workflow while that runs, from the
// database after.
func (l *listener) journal(ctx context.Context) ([]order.Entry, error) {
	recorded, err := orderview.Stand(ctx, l.play.world.pool, l.play.story.key)
	if err != nil || !recorded.ClosedAt.IsZero() {
		return recorded.State.Journal, err
	}
	state, err := l.play.world.ask(ctx, l.play.story.key)
	return state.Journal, err
}

// worthTelling leaves out what the order's own story says in better words.
func worthTelling(e orderview.Event) bool {
	switch e.Kind {
	case "message":
		return !strings.HasPrefix(e.Text, "A message") && !strings.HasSuffix(e.Text, "told: placed")
	case "document":
		return strings.HasSuffix(e.Text, "nothing new in it")
	}
	return false
}
