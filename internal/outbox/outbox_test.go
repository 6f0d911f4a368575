package outbox_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/returnlink"
	"github.com/dropline/dropline/internal/storefront"
)

const seed = `
INSERT INTO storefronts (id, document) VALUES ('shop', '{"name":"The Shop"}');
INSERT INTO suppliers (id, document) VALUES ('acme', '{}');
INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country,
	customer_hash, total_minor, captured_minor)
	VALUES ('shop/1', 'shop', '1', now(), '{"number":"#1001","lines":[{"line":1,"sku":"MUG","title":"Mug","quantity":2},{"line":2,"sku":"CUP","quantity":1}]}',
		'\x00', 'EUR', 'DE', '\x00', 1000, 1000),
	('shop/2', 'shop', '2', now(), '{}', '\x00', 'EUR', 'DE', '\x00', 1000, 1000);
INSERT INTO order_contacts (order_key, ship_to, email) VALUES
	('shop/1', '{"name":"Ann Example","country":"DE"}', 'ann@example.com'), ('shop/2', '{}', '');`

// partner is a mail server and a storefront that answer as told.
type partner struct {
	mu      sync.Mutex
	mails   []notify.Notification
	pushes  []storefront.Fulfilment
	cancels []storefront.Cancellation
	refunds []storefront.RefundNotice
	answer  error
	reached chan struct{}
	release chan struct{}
}

func (p *partner) Send(_ context.Context, n notify.Notification) error {
	if p.reached != nil {
		p.reached <- struct{}{}
		<-p.release
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, n)
	return p.answer
}

func (p *partner) Fulfilled(_ context.Context, f storefront.Fulfilment) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pushes = append(p.pushes, f)
	return p.answer
}

func (p *partner) Cancelled(_ context.Context, c storefront.Cancellation) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancels = append(p.cancels, c)
	return p.answer
}

func (p *partner) RefundTold(_ context.Context, n storefront.RefundNotice) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refunds = append(p.refunds, n)
	return p.answer
}

func (p *partner) Refund(context.Context, storefront.Refund) (storefront.RefundReceipt, error) {
	return storefront.RefundReceipt{}, errors.New("not asked for")
}

type bundle struct {
	pool *pgxpool.Pool
	partner
	courier *outbox.Courier
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{pool: postgrestest.Pool(t)}
	_, err := b.pool.Exec(context.Background(), seed)
	require.NoError(t, err)
	b.courier = &outbox.Courier{
		Pool: b.pool, Mail: &b.partner, Log: slog.New(slog.DiscardHandler),
		Storefront: func(_ context.Context, id string) (storefront.Channel, error) {
			require.Equal(t, "shop", id)
			return &b.partner, nil
		},
	}
	return b
}

func (b *bundle) add(t *testing.T, messages ...outbox.Message) {
	t.Helper()
	require.NoError(t, postgres.InTx(context.Background(), b.pool, func(tx pgx.Tx) error {
		return outbox.Add(context.Background(), tx, messages...)
	}))
}

func (b *bundle) deliver(t *testing.T) int {
	t.Helper()
	n, err := b.courier.Deliver(context.Background())
	require.NoError(t, err)
	return n
}

// standing is "state attempts reason" of a message.
func (b *bundle) standing(t *testing.T, key string) (state string, attempts int, reason string, wait time.Duration) {
	t.Helper()
	require.NoError(t, b.pool.QueryRow(context.Background(), `SELECT state, attempts, last_error, due_at - now() FROM outbox WHERE key = $1`, key).
		Scan(&state, &attempts, &reason, &wait))
	return state, attempts, reason, wait
}

func shipped(orderKey string) outbox.Message {
	return outbox.Message{
		Key: "shipped/" + orderKey, OrderKey: orderKey, Channel: outbox.CustomerMail, Kind: string(notify.Shipped),
		Payload: outbox.Payload{Carrier: "ups", Tracking: "1Z", Lines: []order.ShippedLine{{Line: 1, Quantity: 1}}},
	}
}

func fulfilled(key string) outbox.Message {
	return outbox.Message{
		Key: key, OrderKey: "shop/1", Channel: outbox.Storefront, Kind: outbox.KindFulfilled,
		Payload: outbox.Payload{Carrier: "ups", Tracking: "1Z", Lines: []order.ShippedLine{{Line: 1, Quantity: 2}}},
	}
}

func TestAMessageIsSentOnceWithWhatItIsAbout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, shipped("shop/1"), fulfilled("f"), outbox.Message{Key: "placed", OrderKey: "shop/1", Channel: outbox.CustomerMail, Kind: "placed"})
	b.add(t, shipped("shop/1"))
	require.Equal(t, 3, b.deliver(t))
	require.Zero(t, b.deliver(t))
	require.Len(t, b.mails, 2)
	for _, mail := range b.mails {
		require.Equal(t, "ann@example.com Ann Example The Shop #1001", strings.Join([]string{mail.To, mail.Customer, mail.Shop, mail.Number}, " "))
		if mail.Milestone == notify.Placed {
			require.Equal(t, []notify.Item{{Title: "Mug", Quantity: 2}, {Title: "CUP", Quantity: 1}}, mail.Items)
		} else {
			require.Equal(t, []notify.Item{{Title: "Mug", Quantity: 1}}, mail.Items)
		}
	}
	require.Equal(t, []storefront.Fulfilment{{
		Key: "f", Order: order.Key{Storefront: "shop", Order: "1"}, Number: "#1001", Carrier: "ups", Tracking: "1Z",
		Lines: []order.ShippedLine{{Line: 1, Quantity: 2}},
	}}, b.pushes)
	state, attempts, _, _ := b.standing(t, "f")
	require.Equal(t, "sent", state)
	require.Equal(t, 1, attempts)
}

func TestACustomerIsLedToTheOrdersOwnReturnPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pages, err := returnlink.New("https://returns.example", []string{"sixteen characters"})
	require.NoError(t, err)
	b.courier.Pages = pages
	b.add(t, shipped("shop/1"))
	require.Equal(t, 1, b.deliver(t))
	token, found := strings.CutPrefix(b.mails[0].ReturnPage, "https://returns.example/r/")
	require.True(t, found, b.mails[0].ReturnPage)
	key, err := pages.Read(token, time.Now())
	require.NoError(t, err)
	require.Equal(t, b.mails[0].Order, key)
}

func TestAMessageThatCannotReachAnyoneIsSkippedAndSaysWhy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, shipped("shop/2"),
		outbox.Message{Key: "remind", OrderKey: "shop/1", Channel: outbox.SupplierMail, Kind: "supplier_reminder"},
		outbox.Message{Key: "odd", OrderKey: "shop/1", Channel: outbox.CustomerMail, Kind: "anniversary"})
	b.deliver(t)
	require.Empty(t, b.mails)
	for key, why := range map[string]string{"shipped/shop/2": "no e-mail", "remind": "no contact", "odd": "no message"} {
		state, _, reason, _ := b.standing(t, key)
		require.Equal(t, "skipped", state, key)
		require.Contains(t, reason, why)
	}
}

func TestAFailureThatMayPassIsTriedAgainUnderTheSameIdentity(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.answer = &notify.DeliveryError{Kind: notify.ErrUnknown, Key: "k"}
	b.add(t, shipped("shop/1"))
	b.deliver(t)
	state, _, _, wait := b.standing(t, "shipped/shop/1")
	require.Equal(t, "pending", state)
	require.InDelta(t, 5, wait.Seconds(), 2)
	_, err := b.pool.Exec(context.Background(), `UPDATE outbox SET due_at = now()`)
	require.NoError(t, err)
	b.answer = nil
	b.deliver(t)
	require.Len(t, b.mails, 2)
	require.Equal(t, b.mails[0].MessageID("x"), b.mails[1].MessageID("x"))
	state, _, reason, _ := b.standing(t, "shipped/shop/1")
	require.Equal(t, "sent", state)
	require.Empty(t, reason)
}

func TestAStorefrontsRetryAfterIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.answer = &storefront.Error{Kind: storefront.ErrUnavailable, Storefront: "shop", Detail: "answered 429", RetryAfter: 7 * time.Minute}
	b.add(t, fulfilled("f"))
	b.deliver(t)
	_, _, reason, wait := b.standing(t, "f")
	require.InDelta(t, 7*60, wait.Seconds(), 5)
	require.Contains(t, reason, "429")
}

func TestAMessageIsGivenUpAndCanBeRetried(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	b.answer = &storefront.Error{Kind: storefront.ErrRefused, Storefront: "shop", Detail: "answered 422"}
	b.add(t, fulfilled("refused"))
	b.deliver(t)
	b.answer = errors.New("ann@example.com is odd")
	b.add(t, fulfilled("worn out"))
	_, err := b.pool.Exec(ctx, `UPDATE outbox SET attempts = 15 WHERE key = 'worn out'`)
	require.NoError(t, err)
	b.deliver(t)
	failed, err := outbox.Failed(ctx, b.pool, 10)
	require.NoError(t, err)
	require.Len(t, failed, 2)
	require.Equal(t, "worn out", failed[0].Key)
	require.NotContains(t, failed[0].Reason, "ann@example.com")
	var attention bool
	require.NoError(t, b.pool.QueryRow(ctx, `SELECT needs_attention FROM orders WHERE key = 'shop/1'`).Scan(&attention))
	require.True(t, attention)

	b.answer = nil
	require.NoError(t, outbox.Retry(ctx, b.pool, failed[0].ID, failed[1].ID))
	require.Equal(t, 2, b.deliver(t))
	require.ErrorIs(t, outbox.Retry(ctx, b.pool, failed[0].ID), outbox.ErrNotFailed)
}

func TestTwoCouriersDoNotDeliverTheSameMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var messages []outbox.Message
	for range 60 {
		messages = append(messages, fulfilled("m"+strings.Repeat("x", len(messages))))
	}
	for i := range messages {
		messages[i].Channel, messages[i].Kind = outbox.CustomerMail, "shipped"
	}
	b.add(t, messages...)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for {
				if n, err := b.courier.Deliver(context.Background()); n == 0 || err != nil {
					return
				}
			}
		})
	}
	both.Wait()
	ids := map[string]bool{}
	for _, mail := range b.mails {
		ids[mail.MessageID("x")] = true
	}
	require.Len(t, b.mails, 60)
	require.Len(t, ids, 60)
}

func TestACourierThatIsStoppedRecordsWhatItDelivered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.reached, b.release = make(chan struct{}), make(chan struct{})
	b.add(t, shipped("shop/1"))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- b.courier.Run(ctx) }()
	<-b.reached
	stop()
	close(b.release)
	require.NoError(t, <-ended)
	state, _, _, _ := b.standing(t, "shipped/shop/1") //nolint:dogsled // only the state matters here
	require.Equal(t, "sent", state)
}

func TestAMessageIsItsCouriersForTenSecondsAndAsLongAsItIsDelivered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.reached, b.release = make(chan struct{}), make(chan struct{})
	b.add(t, shipped("shop/1"))
	delivered := make(chan error, 1)
	go func() {
		_, err := b.courier.Deliver(context.WithoutCancel(t.Context()))
		delivered <- err
	}()
	<-b.reached
	lease := func() (until time.Time, left time.Duration) {
		require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT due_at, due_at - now() FROM outbox`).Scan(&until, &left))
		return until, left
	}
	first, left := lease()
	require.LessOrEqual(t, left, 10*time.Second, "what a courier that died had begun is not sent before that")
	require.Eventually(t, func() bool {
		until, _ := lease()
		return until.After(first)
	}, 20*time.Second, 50*time.Millisecond, "the lease ends while the message is being delivered")
	close(b.release)
	require.NoError(t, <-delivered)
	state, _, _, _ := b.standing(t, "shipped/shop/1") //nolint:dogsled // only the state matters here
	require.Equal(t, "sent", state)
}

func TestAMessageWhoseCourierDiedIsSentAgainWhenTheLeaseEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, shipped("shop/1"))
	_, err := b.pool.Exec(context.Background(), `UPDATE outbox SET attempts = 1, due_at = now() + interval '2 minutes'`)
	require.NoError(t, err)
	require.Zero(t, b.deliver(t))
	_, err = b.pool.Exec(context.Background(), `UPDATE outbox SET due_at = now()`)
	require.NoError(t, err)
	require.Equal(t, 1, b.deliver(t))
}

func TestDueMessagesAreFoundWithoutReadingHistory(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	_, err := b.pool.Exec(ctx, `INSERT INTO outbox (key, order_key, channel, kind, state)
		SELECT 'h' || n, 'shop/1', 'storefront', 'fulfilled', 'sent' FROM generate_series(1, 12000) n`)
	require.NoError(t, err)
	b.add(t, shipped("shop/1"))
	_, err = b.pool.Exec(ctx, `ANALYZE outbox`)
	require.NoError(t, err)
	rows, err := b.pool.Query(ctx, "EXPLAIN "+outbox.ClaimQuery)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Contains(t, strings.Join(lines, "\n"), "outbox_due")
	require.NotContains(t, strings.Join(lines, "\n"), "Seq Scan")
}

func TestTheStorefrontIsToldOfARefundWithWhatItIsFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.pool.Exec(context.Background(), `INSERT INTO refunds (key, order_key, n, lines, amount_minor, goods_minor, tax_minor, shipping_minor, reason, state)
		VALUES ('refund/shop/1/1', 'shop/1', 1, '[{"line":1,"quantity":2}]', 500, 500, 0, 0, 'cancelled', 'done')`)
	require.NoError(t, err)
	payload := outbox.Payload{Refund: "refund/shop/1/1", Try: 1, Amount: 500, Currency: "EUR"}
	for _, kind := range []string{outbox.KindRefundMade, outbox.KindRefundCameBack, outbox.KindRefundMade} {
		b.add(t, outbox.Message{Key: kind, OrderKey: "shop/1", Channel: outbox.Storefront, Kind: kind, Payload: payload})
	}
	require.Equal(t, 2, b.deliver(t))
	require.Len(t, b.refunds, 2)
	for _, n := range b.refunds {
		require.Equal(t, storefront.RefundNotice{
			Key: n.Key, Order: order.Key{Storefront: "shop", Order: "1"}, Refund: "refund/shop/1/1", Try: 1, CameBack: n.Key == outbox.KindRefundCameBack,
			Amount: 500, Currency: "EUR", Reason: "cancelled", Lines: []order.ShippedLine{{Line: 1, Quantity: 2}},
		}, n)
	}
	require.NotEqual(t, b.refunds[0].Key, b.refunds[1].Key)
}
