package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/returnlink"
	"github.com/dropline/dropline/internal/storefront"
)

const (
	// lease is how long a message is one courier's: so long nobody else takes up what a courier that
	// died had begun. While it delivers it renews the lease.
	lease      = 10 * time.Second
	renewEvery = lease / 3
	// askWithin bounds a question to the database: a connection that died without a word never answers.
	askWithin = lease / 2
	// deliverWithin bounds one delivery.
	deliverWithin = 30 * time.Second
	// attempts, with waits that double from firstWait to longestWait, take about eleven hours.
	attempts    = 16
	firstWait   = 5 * time.Second
	longestWait = time.Hour
	// whoever waits for a message waits at most this long for it to be noticed.
	pollEvery    = 500 * time.Millisecond
	defaultBatch = 20
)

// Mailer sends a notification to a customer; *notify.Mailer is one.
type Mailer interface {
	Send(ctx context.Context, n notify.Notification) error
}

// SupplierMailer writes to a supplier's contact. sent is false when the contract names none.
type SupplierMailer interface {
	Remind(ctx context.Context, supplier string, m Message) (sent bool, err error)
	// RemindCarrier writes to the contact that the catalogue names for claims on a carrier.
	RemindCarrier(ctx context.Context, carrier string, m Message) (sent bool, err error)
}

// Courier delivers what is due. Several may run side by side, here and on other machines.
type Courier struct {
	Pool *pgxpool.Pool
	// Mail sends to customers; nil skips their messages.
	Mail Mailer
	// Storefront finds the channel of a storefront by its id.
	Storefront func(ctx context.Context, id string) (storefront.Channel, error)
	// Supplier writes to suppliers; nil skips their messages.
	Supplier SupplierMailer
	// Pages leads customers to the return page of their order; nil: there is none.
	Pages *returnlink.Links
	Log   *slog.Logger
	// Batch is how many messages are under way at once; zero means 20.
	Batch int
}

// Run delivers until ctx ends, what older versions could not deliver as well, and returns when the deliveries under way have been recorded. A
// partner that answers slowly holds its own deliveries up, not the rest of a batch.
func (c *Courier) Run(ctx context.Context) error {
	slots := make(chan struct{}, c.batch())
	var deliveries sync.WaitGroup
	defer deliveries.Wait()
	deliveries.Go(func() { c.revive(ctx) })
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case slots <- struct{}{}:
			<-slots // one is free; only this loop takes them
		}
		free := cap(slots) - len(slots)
		claimed, err := c.claim(ctx, free)
		away = c.notice(ctx, err, away)
		for _, item := range claimed {
			slots <- struct{}{}
			deliveries.Go(func() {
				defer func() { <-slots }()
				c.deliver(ctx, item)
			})
		}
		if len(claimed) == free {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// notice logs an outage of the database once, and its end.
func (c *Courier) notice(ctx context.Context, err error, away bool) bool {
	switch {
	case ctx.Err() != nil:
	case err != nil && !away:
		c.Log.Error("The outbox cannot be read; messages wait", "error", err)
	case err == nil && away:
		c.Log.Info("The outbox can be read again")
	}
	return err != nil
}

func (c *Courier) batch() int {
	if c.Batch > 0 {
		return c.Batch
	}
	return defaultBatch
}

// Deliver claims one batch, delivers it side by side and returns how many it claimed.
func (c *Courier) Deliver(ctx context.Context) (int, error) {
	claimed, err := c.claim(ctx, c.batch())
	if err != nil {
		return 0, err
	}
	var group sync.WaitGroup
	for _, item := range claimed {
		group.Go(func() { c.deliver(ctx, item) })
	}
	group.Wait()
	return len(claimed), nil
}

// parcel is a claimed message.
type parcel struct {
	id       int64
	attempts int
	due      time.Time // identifies the lease
	message  Message
	payload  Payload
}

// claimSQL takes the due messages that nobody else is taking, and leases them. No transaction stays
// open while they are delivered.
const claimSQL = `
	UPDATE outbox SET attempts = attempts + 1, due_at = now() + $2::interval
	WHERE id IN (SELECT id FROM outbox WHERE state = 'pending' AND due_at <= now()
		ORDER BY due_at, id LIMIT $1 FOR UPDATE SKIP LOCKED)
	RETURNING id, attempts, due_at, key, order_key, channel, kind, payload`

func (c *Courier) claim(ctx context.Context, atMost int) ([]parcel, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	rows, err := c.Pool.Query(ctx, claimSQL, atMost, lease)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (parcel, error) {
		var p parcel
		m := &p.message
		err := row.Scan(&p.id, &p.attempts, &p.due, &m.Key, &m.OrderKey, &m.Channel, &m.Kind, &p.payload)
		m.Payload = p.payload
		return p, err
	})
}

// verdict is what became of a delivery. Its reason is safe to store and show.
type verdict struct {
	state  string // sent, failed, skipped, or pending to try again
	reason string
	wait   time.Duration // before the next try; zero: as attempts say
}

func (c *Courier) deliver(ctx context.Context, p parcel) {
	letGo := c.hold(ctx, p)
	v := c.attempt(ctx, p)
	p.due = letGo()
	// What was delivered has to be recorded, even when the courier is being stopped.
	done, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := c.record(done, p, v); err != nil {
		c.Log.Error("A message's delivery could not be recorded; it is sent again under the same id",
			"message", p.message.Key, "state", v.state, "error", err)
	}
}

// hold keeps a message this courier's. What it returns ends that, and says until when the lease is.
func (c *Courier) hold(ctx context.Context, p parcel) (letGo func() time.Time) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	held := make(chan time.Time)
	go func() {
		due := p.due
		defer func() { held <- due }()
		ticker := time.NewTicker(renewEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			renewed, err := c.renew(ctx, p.id, due)
			switch {
			case err == nil:
				due = renewed
			case errors.Is(err, pgx.ErrNoRows):
				return // overtaken
			}
		}
	}()
	return func() time.Time {
		cancel()
		return <-held
	}
}

func (c *Courier) renew(ctx context.Context, id int64, due time.Time) (renewed time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	err = c.Pool.QueryRow(ctx, `
		UPDATE outbox SET due_at = now() + $3::interval WHERE id = $1 AND state = 'pending' AND due_at = $2 RETURNING due_at`,
		id, due, lease).Scan(&renewed)
	return renewed, err
}

func (c *Courier) attempt(ctx context.Context, p parcel) (v verdict) {
	defer func() {
		// The panic's value could repeat the customer's data.
		if recover() != nil {
			v = verdict{state: "failed", reason: "the message could not be put together"}
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, deliverWithin)
	defer cancel()
	switch p.message.Channel {
	case CustomerMail:
		return c.mailCustomer(ctx, p)
	case Storefront:
		return c.tellStorefront(ctx, p)
	case SupplierMail:
		return c.mailSupplier(ctx, p)
	case CarrierMail:
		return c.mailCarrier(ctx, p)
	}
	return leave(unknownChannel, p.attempts)
}

func (c *Courier) record(ctx context.Context, p parcel, v verdict) error {
	if v.state == "pending" && p.attempts >= attempts {
		v.state = "failed"
	}
	if v.wait == 0 {
		v.wait = usualWait(p.attempts)
	}
	// Only the courier that holds the lease decides, unless the message is out.
	_, err := c.Pool.Exec(ctx, `
		WITH done AS (
			UPDATE outbox SET state = $3, last_error = $4,
				sent_at = CASE WHEN $3 = 'sent' THEN now() END,
				due_at = now() + $5::interval
			WHERE id = $1 AND state = 'pending' AND (due_at = $2 OR $3 = 'sent')
			RETURNING order_key)
		UPDATE orders SET needs_attention = true
		WHERE $3 = 'failed' AND key IN (SELECT order_key FROM done)`,
		p.id, p.due, v.state, v.reason, v.wait)
	return err
}

// again is a failure that may pass.
func again(reason string, wait time.Duration) verdict {
	return verdict{state: "pending", reason: reason, wait: wait}
}

func (c *Courier) mailSupplier(ctx context.Context, p parcel) verdict {
	if c.Supplier == nil {
		return verdict{state: "skipped", reason: "the contract names no contact address"}
	}
	var supplierID string
	err := c.Pool.QueryRow(ctx, `SELECT supplier FROM purchase_orders WHERE number = $1
		UNION ALL SELECT supplier FROM pursuits WHERE $1 = '' AND reference = $2`, p.payload.PO, p.payload.Claim).Scan(&supplierID)
	if errors.Is(err, pgx.ErrNoRows) {
		return verdict{state: "failed", reason: "the message names no purchase order"}
	}
	if err != nil {
		return again("the database did not answer", 0)
	}
	sent, err := c.Supplier.Remind(ctx, supplierID, p.message)
	if err == nil && !sent {
		return verdict{state: "skipped", reason: "the contract names no contact address"}
	}
	return mailVerdict(err)
}

func (c *Courier) mailCarrier(ctx context.Context, p parcel) verdict {
	none := verdict{state: "skipped", reason: "the carrier has no contact address for claims"}
	if c.Supplier == nil {
		return none
	}
	var carrierID string
	err := c.Pool.QueryRow(ctx, `SELECT carrier FROM pursuits WHERE reference = $1 AND carrier IS NOT NULL`, p.payload.Claim).Scan(&carrierID)
	if errors.Is(err, pgx.ErrNoRows) {
		return verdict{state: "failed", reason: "the message names no claim on a carrier"}
	}
	if err != nil {
		return again("the database did not answer", 0)
	}
	sent, err := c.Supplier.RemindCarrier(ctx, carrierID, p.message)
	if err == nil && !sent {
		return none
	}
	return mailVerdict(err)
}

func mailVerdict(err error) verdict {
	var failure *notify.DeliveryError
	switch {
	case err == nil:
		return verdict{state: "sent"}
	case errors.Is(err, notify.ErrInvalid):
		return verdict{state: "failed", reason: err.Error()}
	case errors.As(err, &failure) && errors.Is(failure.Kind, notify.ErrPermanent):
		return verdict{state: "failed", reason: failure.Error()}
	case errors.As(err, &failure):
		return again(failure.Error(), 0)
	}
	return again("the mail server could not be reached", 0)
}
