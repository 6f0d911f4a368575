package intake

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/tracking"
)

const (
	pollEvery = 500 * time.Millisecond
	// documentLease is how long a claimed document is one processor's. A processor that dies leaves
	// it to the others after that time.
	documentLease = 10 * time.Second
	// A connection that died without a word never answers: claims and documents on it are given up, and
	// taken up again on another.
	claimWithin  = 5 * time.Second
	applyWithin  = 30 * time.Second
	defaultBatch = 20
	sideBySide   = 4
	// Waits between attempts double from a second to ten minutes; the bound is reached after some six
	// hours. Storefronts redeliver for four.
	longestWait      = 10 * time.Minute
	documentAttempts = 45
)

// OrderReader reads an order out of a document. Its errors are safe to show: they repeat nothing of
// the body.
type OrderReader func(storefrontID string, body []byte) (storefront.Order, error)

// Processor applies stored documents. Several may run side by side, here and on other machines.
type Processor struct {
	Pool   *pgxpool.Pool
	Orders *Orders
	// Readers read orders that came by other ways than Shopify's, by the part of the source before
	// the slash: "api".
	Readers map[string]OrderReader
	// MailServer is the mail server whose word about a sender counts, see Mailroom.
	MailServer string
	// Wake, if set, tells the deliverer that a workflow has news; it must not block.
	Wake func()
	Log  *slog.Logger
	// Batch is how many documents are claimed at once; zero means 20.
	Batch int

	once  sync.Once
	nudge chan struct{}
	names tracking.Names
}

// Nudge tells the processor, in this process, that there is work. It never blocks.
func (p *Processor) Nudge() { poke(p.wakeups()) }

func (p *Processor) wakeups() chan struct{} {
	p.once.Do(func() { p.nudge = make(chan struct{}, 1) })
	return p.nudge
}

func poke(wakeups chan struct{}) {
	select {
	case wakeups <- struct{}{}:
	default:
	}
}

// Run processes until ctx ends, and returns when the documents under way are finished or given back.
func (p *Processor) Run(ctx context.Context) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	away := false
	for {
		n, err := p.Process(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !away:
			p.Log.Error("Documents cannot be read; they wait", "error", err)
		case err == nil && away:
			p.Log.Info("Documents can be read again")
		}
		away = err != nil
		if n == p.batch() {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-p.wakeups():
		}
	}
}

func (p *Processor) batch() int {
	if p.Batch > 0 {
		return p.Batch
	}
	return defaultBatch
}

// Process claims one batch, processes it and returns how many it claimed.
func (p *Processor) Process(ctx context.Context) (int, error) {
	claiming, cancel := context.WithTimeout(ctx, claimWithin)
	defer cancel()
	claimed, err := p.claim(claiming)
	if err != nil {
		return 0, err
	}
	var group sync.WaitGroup
	slots := make(chan struct{}, sideBySide)
	for _, d := range claimed {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			p.process(ctx, d)
		})
	}
	group.Wait()
	return len(claimed), nil
}

// received is a claimed document.
type received struct {
	id         int64
	source     string // 'supplier'
	party      string // 'acme'
	kind       string
	naturalKey string
	body       []byte
	bodyHash   []byte
	attempts   int
}

const claimDocumentsSQL = `
	UPDATE documents SET attempts = attempts + 1, next_attempt_at = now() + $2::interval
	WHERE id IN (SELECT id FROM documents WHERE status = 'received' AND next_attempt_at <= now()
		ORDER BY next_attempt_at, id LIMIT $1 FOR UPDATE SKIP LOCKED)
	RETURNING id, source, kind, natural_key, body, body_hash, attempts`

func (p *Processor) claim(ctx context.Context) ([]received, error) {
	rows, err := p.Pool.Query(ctx, claimDocumentsSQL, p.batch(), documentLease)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (received, error) {
		var d received
		err := row.Scan(&d.id, &d.source, &d.kind, &d.naturalKey, &d.body, &d.bodyHash, &d.attempts)
		d.source, d.party, _ = strings.Cut(d.source, "/")
		return d, err
	})
}

// process takes a document to its end, or to its next attempt. Whatever goes wrong, the document
// stays in the archive: its lease runs out.
func (p *Processor) process(ctx context.Context, d received) {
	applying, stop := context.WithTimeout(ctx, applyWithin)
	v, err := p.apply(applying, d)
	stop()
	if err == nil && v.status == statusQuarantined {
		p.Log.Warn("A document was quarantined", "document", d.id, "source", d.source+"/"+d.party, "reason", v.code)
	}
	if err == nil {
		if v.urgent && p.Wake != nil {
			p.Wake()
		}
		return
	}
	// Giving back must also work while the processor is being stopped.
	done, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := p.giveBack(done, d, err, ctx.Err() != nil); err != nil {
		p.Log.Warn("A document could not be given back; it is taken up again when its lease ends", "document", d.id, "error", err)
	}
}

// apply commits the document's effect and its new standing together. A quarantined document has no
// effect: what it had begun is rolled back before.
func (p *Processor) apply(ctx context.Context, d received) (verdict, error) {
	if d.attempts > documentAttempts {
		v := quarantine(CodeGaveUp, "Processing failed or was cut short %d times. Look for the cause in the log, then retry.", d.attempts-1)
		return v, finish(ctx, p.Pool, d.id, v)
	}
	var v verdict
	err := postgres.Transact(ctx, p.Pool, func(tx *postgres.Tx) (err error) {
		if v, err = p.safely(ctx, tx, d); err != nil {
			return err
		}
		if v.status == statusQuarantined {
			return errQuarantined
		}
		finishLast(tx, d.id, v)
		return nil
	})
	if finishedBefore(err) {
		return verdict{}, nil
	}
	if unstorable(err) {
		v, err = quarantine(CodeInvalid, "It holds characters or values that cannot be stored. Ask the sender for a corrected document."), errQuarantined
	}
	if errors.Is(err, errQuarantined) {
		err = finish(ctx, p.Pool, d.id, v)
	}
	if errors.Is(err, errTaken) {
		return verdict{}, nil
	}
	return v, err
}

var errQuarantined = errors.New("rolled back: quarantined")

// safely turns a panic into quarantine: one poisonous document must not stop the others. The
// panic's value may repeat the document and is not kept.
func (p *Processor) safely(ctx context.Context, tx pgx.Tx, d received) (v verdict, err error) {
	defer func() {
		if recover() != nil {
			v, err = quarantine(CodePanicked, "Reading this document hit an error in Dropline. Report it with the document's number %d; retry after an update.", d.id), nil
		}
	}()
	switch d.source {
	case "supplier":
		return p.applySupplier(ctx, tx, d)
	case "shopify":
		return p.applyShopify(ctx, tx, d)
	case "carrier":
		return p.applyCarrier(ctx, tx, d)
	case "payments":
		return p.applyPayment(ctx, tx, d)
	case mailSource:
		return p.applyMail(ctx, tx, d)
	}
	if read, known := p.Readers[d.source]; known {
		return p.applyOrder(ctx, tx, d, read)
	}
	return quarantine(CodeUnknownSource, "No reader is configured for documents of this source. Configure it, then retry."), nil
}

// giveBack plans the next attempt, or gives up when there were enough.
func (p *Processor) giveBack(ctx context.Context, d received, cause error, stopping bool) error {
	var wait *later
	missing := errors.As(cause, &wait)
	if missing && d.attempts >= documentAttempts {
		if err := finish(ctx, p.Pool, d.id, wait.giveUp); !errors.Is(err, errTaken) {
			return err
		}
		return nil
	}
	orderKey, attempts, pause := "", d.attempts, min(time.Second<<min(d.attempts-1, 20), longestWait)
	switch {
	case missing:
		orderKey = wait.order
	case stopping:
		attempts, pause = d.attempts-1, 0
	default:
		p.Log.Warn("A document could not be applied; it is tried again", "document", d.id, "attempt", d.attempts, "error", safe(cause))
	}
	_, err := p.Pool.Exec(ctx, `
		UPDATE documents SET attempts = $2, next_attempt_at = now() + $3::interval, order_key = coalesce(order_key, nullif($4, ''))
		WHERE id = $1 AND status = 'received'`, d.id, attempts, pause, orderKey)
	return err
}

// safe drops what Postgres says of the values that it refused: they may be personal.
func safe(err error) string {
	var refused *pgconn.PgError
	switch {
	case postgres.Unavailable(err):
		return "the database did not answer"
	case errors.As(err, &refused):
		return "refused by the database: SQLSTATE " + refused.Code + " " + refused.ConstraintName
	}
	return err.Error()
}

// unstorable is true for values that Postgres will never take, such as a NUL in a text.
func unstorable(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && strings.HasPrefix(refused.Code, "22")
}
