package outbox_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/outbox"
)

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func TestAMessageOfAKindThatOnlyANewerVersionKnowsWaitsForIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `ALTER TABLE outbox DROP CONSTRAINT outbox_channel_check`)
	b.add(t, outbox.Message{Key: "kind", OrderKey: "shop/1", Channel: outbox.Storefront, Kind: "parcel_blessed"},
		outbox.Message{Key: "channel", OrderKey: "shop/1", Channel: "pigeon", Kind: "fulfilled"})
	require.Equal(t, 2, b.deliver(t))
	require.Zero(t, b.deliver(t), "not at once")
	for key, why := range map[string]string{"kind": "does not know such a notice", "channel": "does not know the channel"} {
		state, attempts, reason, wait := b.standing(t, key)
		require.Equal(t, "pending", state, key)
		require.Equal(t, 1, attempts)
		require.Contains(t, reason, why)
		require.InDelta(t, 5*time.Minute, wait, float64(10*time.Second))
	}
	require.Empty(t, b.pushes)
	for range 15 {
		b.exec(t, `UPDATE outbox SET due_at = now()`)
		b.deliver(t)
	}
	for _, key := range []string{"kind", "channel"} {
		state, attempts, _, _ := b.standing(t, key)
		require.Equal(t, "failed", state, "a person is told when nobody knows it")
		require.Equal(t, 16, attempts)
	}
}

func TestACourierThatStartsDeliversOnceWhatAnOlderOneEnded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `INSERT INTO refunds (key, order_key, n, lines, amount_minor, goods_minor, tax_minor, shipping_minor, reason, state)
		VALUES ('r-1', 'shop/1', 1, '[]', 500, 500, 0, 0, 'cancelled', 'done')`)
	refund := outbox.Payload{Refund: "r-1", Amount: 500, Currency: "EUR"}
	b.exec(t, `ALTER TABLE outbox DROP CONSTRAINT outbox_channel_check`)
	b.add(t, outbox.Message{Key: "made", OrderKey: "shop/1", Channel: outbox.Storefront, Kind: outbox.KindRefundMade, Payload: refund},
		outbox.Message{Key: "back", OrderKey: "shop/1", Channel: outbox.Storefront, Kind: outbox.KindRefundCameBack, Payload: refund},
		outbox.Message{Key: "letter", OrderKey: "shop/1", Channel: outbox.CarrierMail, Kind: outbox.KindClaimAsked},
		outbox.Message{Key: "unknown", OrderKey: "shop/1", Channel: outbox.Storefront, Kind: "parcel_blessed"},
		outbox.Message{Key: "pigeon", OrderKey: "shop/1", Channel: "pigeon", Kind: "fulfilled"},
		outbox.Message{Key: "refused", OrderKey: "shop/1", Channel: outbox.Storefront, Kind: outbox.KindFulfilled},
		outbox.Message{Key: "unwanted", OrderKey: "shop/1", Channel: outbox.Storefront, Kind: outbox.KindRefundMade, Payload: refund})
	b.exec(t, `UPDATE outbox SET attempts = 1, state = CASE WHEN key IN ('letter', 'pigeon', 'refused', 'back') THEN 'failed' ELSE 'skipped' END,
		last_error = CASE WHEN key IN ('letter', 'pigeon') THEN 'no such channel' WHEN key = 'refused' THEN 'it says no'
			WHEN key = 'unwanted' THEN 'the storefront''s channel has no notices of refunds'
			WHEN key = 'back' THEN 'this version does not know such a notice; a newer one delivers it'
			ELSE 'no notice is defined for this milestone' END`)
	for range 2 {
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- b.courier.Run(ctx) }()
		require.Eventually(t, func() bool {
			var ended bool
			err := b.pool.QueryRow(t.Context(), `SELECT bool_and(state <> 'pending') AND count(*) FILTER (WHERE state = 'sent') = 2
				AND bool_and(last_error <> 'no such channel' OR channel = 'pigeon') FROM outbox`).Scan(&ended)
			return err == nil && ended
		}, 10*time.Second, 10*time.Millisecond)
		stop()
		require.NoError(t, <-stopped)
	}
	require.Len(t, b.refunds, 2, "each is told once")
	for key, want := range map[string][2]string{
		"made": {"sent", ""}, "back": {"sent", ""}, "letter": {"skipped", "contact address for claims"}, "unknown": {"skipped", "no notice is defined"},
		"pigeon": {"failed", "no such channel"}, "refused": {"failed", "it says no"}, "unwanted": {"skipped", "no notices of refunds"},
	} {
		state, attempts, reason, _ := b.standing(t, key)
		require.Equal(t, want[0], state, key)
		require.Equal(t, 1, attempts, key)
		require.Contains(t, reason, want[1])
	}
}
